#ifndef CORE_SERIAL_H
#define CORE_SERIAL_H
/*
 * A 16550A UART (National PC16550D data sheet), registers at eight byte-wide offsets.
 *
 * Between the guest and the outside stand two rings. The guest's transmitter reports itself empty
 * only while the outgoing ring has room, and its receiver has data as long as the incoming ring
 * does, so that a driver which obeys the line status register loses nothing in either direction at
 * any speed; a byte sent in spite of it is dropped and counted.
 *
 * The UART neither reads nor writes descriptors: whoever owns the console moves bytes with
 * serial_output and serial_input, on the loop thread, when told to by the two callbacks.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/device.h"

struct irq_line;

#define SERIAL_TX_SIZE 65536u /* powers of two */
#define SERIAL_RX_SIZE 4096u

struct serial_sink {
    /* A vCPU's thread, the UART's lock held: post to the loop thread and return. */
    void (*output_ready)(
        struct serial_sink *s);                /* the outgoing ring was empty and is not any more */
    void (*input_room)(struct serial_sink *s); /* the incoming ring was found full by serial_input
                                                  and has room again */
};

struct serial {
    struct device device;
    struct irq_line *irq;
    struct serial_sink *sink;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm; /* registers by the data sheet's names */
    uint8_t lsr_errors;        /* overrun and break bits until the guest reads LSR */
    uint8_t thr_interrupt;     /* "transmitter holding register empty" is pending */
    uint8_t input_full;        /* serial_input found no room */
    uint32_t tx_head, tx_tail; /* free-running */
    uint32_t rx_head, rx_tail;
    uint64_t tx_lost; /* bytes */
    uint64_t rx_bytes, tx_bytes;
    uint8_t tx[SERIAL_TX_SIZE];
    uint8_t rx[SERIAL_RX_SIZE];
};

/* The line and the sink are the caller's and outlive the device. */
void serial_init(struct serial *s, struct irq_line *irq, struct serial_sink *sink);
void serial_finish(struct serial *s);

/* Loop thread; each takes the lock. */

/* Takes up to len bytes that the guest sent; 0: none. */
size_t serial_output(struct serial *s, void *to, size_t len);

/* Gives the guest up to len bytes; returns how many fit. Fewer than len: input_room will be called.
 */
size_t serial_input(struct serial *s, const void *from, size_t len);

#endif
