#ifndef CORE_DEV_SERIAL_H
#define CORE_DEV_SERIAL_H
/*
 * A 16550A UART (National PC16550D data sheet) with its registers at eight byte-wide offsets.
 *
 * This room is the small devices of a PC. Most are a struct device, which the bus locks; the PIC
 * and the PIT are pure, and their owner does the locking. The room knows interrupt lines, the power
 * callback, the timeline and snapshot records; it must not know guest memory, the machine, the
 * accelerators or the event loop.
 *
 * Two rings stand between the guest and the outside. The transmitter reports empty only while the
 * outgoing ring has room for a whole FIFO, and the receiver reports data as long as the incoming
 * ring holds some. A driver that obeys the line status register therefore loses nothing in either
 * direction, at any speed. A byte that is sent into a full ring is dropped and counted.
 *
 * Input waits in its ring until the guest asserts RTS, as a sender with hardware flow control would
 * wait: while Linux sets up the port, before it asserts RTS, it discards what it finds in the
 * receiver, and input from a pipe or a file would lose its beginning. A guest that has never
 * written the modem control register gets its input at once.
 *
 * The UART touches no descriptors. The console's owner moves the bytes with serial_output and
 * serial_input, on the loop thread, when the two callbacks say so.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/device.h"

struct irq_line;

#define SERIAL_TX_SIZE 65536u /* bytes; both are powers of two */
#define SERIAL_RX_SIZE 4096u
#define SERIAL_FIFO    16u /* bytes in each FIFO of a 16550A */

/* Both are called on a vCPU's thread with the UART's lock held. They post to the loop thread and
 * return. */
struct serial_sink {
    /* The outgoing ring was empty and is no longer. */
    void (*output_ready)(struct serial_sink *s);
    /* serial_input found the incoming ring full; now half of it is free again. */
    void (*input_room)(struct serial_sink *s);
};

struct serial {
    struct device device;
    struct irq_line *irq;
    struct serial_sink *sink;
    uint8_t ier, fcr, lcr, mcr, scr, dll, dlm; /* registers by the data sheet's names */
    uint8_t msr;                               /* modem lines, and which of them have changed */
    bool overrun;                              /* a byte was lost; set until the guest reads LSR */
    bool thr_written;                          /* THR was written and does not count as empty yet */
    bool thr_interrupt;                        /* "transmitter holding register empty" is pending */
    bool mcr_written;                          /* MCR was written at least once */
    bool input_full;                           /* serial_input found no room */
    uint8_t signalled;                         /* pending causes that have raised the line */
    uint8_t loop_count;                        /* bytes in loop */
    uint8_t loop[SERIAL_FIFO];                 /* the receiver's FIFO while in loopback */
    uint32_t tx_head, tx_tail;                 /* free-running: read at head, written at tail */
    uint32_t rx_head, rx_tail;
    uint64_t tx_lost;  /* bytes sent into a full ring, and dropped */
    uint64_t tx_bytes; /* bytes sent and kept */
    uint64_t rx_bytes; /* bytes that the guest has read */
    uint8_t tx[SERIAL_TX_SIZE];
    uint8_t rx[SERIAL_RX_SIZE];
};

/* `irq` and `sink` stay the caller's and must outlive the device. */
void serial_init(struct serial *s, struct irq_line *irq, struct serial_sink *sink);
void serial_finish(struct serial *s);

/* Loop thread; each takes the lock. */

/* Takes up to len bytes that the guest sent; returns how many. After output_ready the caller
 * repeats this until it returns 0, for two reasons: output_ready is called again only once the ring
 * was empty, and a guest that sends one byte per interrupt gets the next interrupt from the call
 * that returns 0. (A guest that found the ring full gets it as soon as a call has made room.) What
 * the guest sent before the machine ended can still be taken. */
size_t serial_output(struct serial *s, void *to, size_t len);

/* Gives the guest up to len bytes; returns how many fit. If those are fewer than len, input_room
 * will be called. */
size_t serial_input(struct serial *s, const void *from, size_t len);

#endif
