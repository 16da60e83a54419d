#ifndef CORE_DEV_SERIAL_H
#define CORE_DEV_SERIAL_H
/*
 * A 16550A UART (National PC16550D data sheet), registers at eight byte-wide offsets.
 *
 * Between the guest and the outside stand two rings. The guest's transmitter reports itself empty
 * only while the outgoing ring has room for a whole FIFO, and its receiver has data as long as the
 * incoming ring does, so that a driver which obeys the line status register loses nothing in either
 * direction at any speed; a byte sent in spite of it is dropped and counted.
 *
 * What comes in waits in its ring until the guest asserts RTS, as a sender with hardware flow
 * control would make it, or has never written the modem control register at all. Linux throws away
 * what it finds in the receiver while it sets the port up, before it asserts RTS; input from a pipe
 * or a file would lose its beginning.
 *
 * The UART neither reads nor writes descriptors: whoever owns the console moves bytes with
 * serial_output and serial_input, on the loop thread, when told to by the two callbacks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/device.h"

struct irq_line;

#define SERIAL_TX_SIZE 65536u /* powers of two */
#define SERIAL_RX_SIZE 4096u
#define SERIAL_FIFO    16u /* what the guest sees of each, as in the 16550A */

struct serial_sink {
    /* A vCPU's thread, the UART's lock held: post to the loop thread and return. */

    /* The outgoing ring was empty and is not any more. */
    void (*output_ready)(struct serial_sink *s);
    /* serial_input found the incoming ring full; now half of it is free again. */
    void (*input_room)(struct serial_sink *s);
};

struct serial {
    struct device device;
    struct irq_line *irq;
    struct serial_sink *sink;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm; /* registers by the data sheet's names */
    uint8_t msr;                               /* modem lines and what changed of them */
    bool overrun;                              /* until the guest reads LSR */
    bool thr_written;                          /* and not counted as empty since */
    bool thr_interrupt;                        /* "transmitter holding register empty" is pending */
    bool mcr_written;                          /* ever */
    bool input_full;                           /* serial_input found no room */
    uint8_t signalled;                         /* causes of interrupt whose edge has been given */
    uint8_t loop_count;                        /* bytes in loop */
    uint8_t loop[SERIAL_FIFO];                 /* the receiver's FIFO while in loopback */
    uint32_t tx_head, tx_tail;                 /* free-running: head is taken from, tail added to */
    uint32_t rx_head, rx_tail;
    uint64_t tx_lost;  /* bytes, like the next two: sent into a full ring... */
    uint64_t tx_bytes; /* ...sent, and kept... */
    uint64_t rx_bytes; /* ...and read by the guest */
    uint8_t tx[SERIAL_TX_SIZE];
    uint8_t rx[SERIAL_RX_SIZE];
};

/* The line and the sink are the caller's and outlive the device. */
void serial_init(struct serial *s, struct irq_line *irq, struct serial_sink *sink);
void serial_finish(struct serial *s);

/* Loop thread; each takes the lock. */

/* Takes up to len bytes that the guest sent. After output_ready the caller goes on until it gets
 * none: a guest whose ring was full waits for the first call, one that sends a byte an interrupt
 * for the last, and output_ready comes again only once the ring was empty. What a guest sent before
 * it ended is still here. */
size_t serial_output(struct serial *s, void *to, size_t len);

/* Gives the guest up to len bytes; returns how many fit. Fewer than len: input_room will be called.
 */
size_t serial_input(struct serial *s, const void *from, size_t len);

#endif
