/*
 * The UART under any accesses: steps of three bytes (what, offset or scale, value).
 *
 * After every step the counts of the rings must add up. Whatever state the steps leave, a driver
 * that then sets the port up and works by interrupts alone must finish: one missing edge stops it.
 */
#include <linux/serial_reg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/dev/serial.h"
#include "core/vm/irq.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

static struct serial uart;
static unsigned irqs, outputs, rooms, sent;
static uint64_t fed, taken;

static void count_irq(struct irq_line *l)
{
    (void)l;
    irqs++;
}

static void count_output(struct serial_sink *s)
{
    (void)s;
    outputs++;
}

static void count_room(struct serial_sink *s)
{
    (void)s;
    rooms++;
}

static void out(unsigned reg, uint8_t value)
{
    uart.device.ops->write(&uart.device, reg, &value, 1);
}

static uint8_t in(unsigned reg)
{
    uint8_t value;

    uart.device.ops->read(&uart.device, reg, &value, 1);
    return value;
}

static void access(unsigned what, unsigned at, uint8_t value)
{
    unsigned size = 1u << (what >> 1 & 3);
    uint64_t data = 0x0101010101010101u * value;

    at = (at & 7) + size <= 8 ? at & 7 : 8 - size;
    if (what & 1)
        uart.device.ops->read(&uart.device, at, &data, size);
    else
        uart.device.ops->write(&uart.device, at, &data, size);
}

static void feed(size_t len)
{
    static const uint8_t from[SERIAL_RX_SIZE + 1];

    fed += serial_input(&uart, from, len % (sizeof(from) + 1));
}

static size_t take(size_t len)
{
    static uint8_t to[SERIAL_TX_SIZE];
    size_t n = serial_output(&uart, to, len % (sizeof(to) + 1));

    taken += n;
    return n;
}

static void take_all(void)
{
    while (take(1000))
        ;
}

/* One input can overfill the ring only once, for speed. */
static void burst(unsigned count)
{
    for (; count && sent < SERIAL_TX_SIZE + 256; count--, sent++)
        out(UART_TX, (uint8_t)sent);
}

static void step(const uint8_t *b)
{
    unsigned len = (unsigned)b[2] << (b[1] & 7);

    switch (b[0] >> 4 & 3) {
    case 0:
        access(b[0], b[1], b[2]);
        break;
    case 1:
        feed(len);
        break;
    case 2:
        (void)take(len);
        break;
    case 3:
        burst(len);
        break;
    }
    NEED(uart.tx_bytes - taken == uart.tx_tail - uart.tx_head);
    NEED(uart.tx_tail - uart.tx_head <= SERIAL_TX_SIZE);
    NEED(uart.rx_tail - uart.rx_head <= SERIAL_RX_SIZE);
    NEED(fed - uart.rx_bytes >= uart.rx_tail - uart.rx_head); /* resets drop some */
    NEED(taken == uart.tx_bytes || outputs);
    NEED(uart.loop_count <= SERIAL_FIFO);
}

/* Sends and receives by interrupts until both are done. */
static void drive(void)
{
    unsigned to_send = 100;

    take_all();
    out(UART_LCR, 0);
    out(UART_IER, 0);
    out(UART_MCR, UART_MCR_OUT2 | UART_MCR_RTS);
    irqs = 0;
    out(UART_IER, UART_IER_THRI | UART_IER_RDI | UART_IER_RLSI | UART_IER_MSI);
    while (irqs) {
        irqs = 0;
        for (unsigned rounds = 0; rounds < 3 && !(in(UART_IIR)&UART_IIR_NO_INT); rounds++) {
            uint8_t lsr = in(UART_LSR);
            in(UART_MSR);
            if (lsr & UART_LSR_DR)
                in(UART_RX);
            for (unsigned i = 0; lsr & UART_LSR_THRE && i < 16 && to_send; i++, to_send--)
                out(UART_TX, 0);
        }
        if (!irqs)
            take_all();
    }
    NEED(to_send == 0);
    NEED(uart.rx_head == uart.rx_tail);
    NEED(taken == uart.tx_bytes);
    NEED(!uart.input_full);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct irq_line line = { .raise = count_irq };
    struct serial_sink sink = { count_output, count_room };

    irqs = outputs = rooms = sent = 0;
    fed = taken = 0;
    serial_init(&uart, &line, &sink);
    for (size_t i = 0; i + 3 <= size && i < 3 * 256; i += 3)
        step(data + i);
    drive();
    serial_finish(&uart);
    return 0;
}
