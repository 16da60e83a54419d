/*
 * The UART between a guest that is driven by interrupts and a console thread that is driven by the
 * two callbacks: every byte arrives, in both directions, and neither side waits for ever.
 */
#include "core/dev/serial.h"

#include <linux/serial_reg.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "core/vm/irq.h"
#include "lib/check.h"

#define SENT 300000u
#define FED  100000u

static struct serial uart;
static sem_t interrupt;
static sem_t console;
static uint32_t received; /* the guest's own */

static void raise_interrupt(struct irq_line *line)
{
    (void)line;
    CHECK(sem_post(&interrupt) == 0);
}

static void wake_console(struct serial_sink *s)
{
    (void)s;
    CHECK(sem_post(&console) == 0);
}

/* Register accesses, as the bus makes them. */

static void out(unsigned reg, uint8_t value)
{
    lock_take(&uart.device.lock);
    uart.device.ops->write(&uart.device, reg, &value, 1);
    lock_release(&uart.device.lock);
}

static uint8_t in(unsigned reg)
{
    uint8_t value;

    lock_take(&uart.device.lock);
    uart.device.ops->read(&uart.device, reg, &value, 1);
    lock_release(&uart.device.lock);
    return value;
}

/* Handles what is pending, but at most 50 times: the next interrupt must bring the rest. */
static void handle_interrupt(uint32_t *sent)
{
    for (unsigned rounds = 0; rounds < 50 && !(in(UART_IIR)&UART_IIR_NO_INT); rounds++) {
        uint8_t lsr = in(UART_LSR);
        for (; lsr & UART_LSR_DR; lsr = in(UART_LSR))
            CHECK(in(UART_RX) == (uint8_t)(received++ * 5));
        for (unsigned i = 0; lsr & UART_LSR_THRE && i < 16 && *sent < SENT; i++)
            out(UART_TX, (uint8_t)((*sent)++ * 7));
    }
}

static void *guest(void *unused)
{
    uint32_t sent = 0;

    (void)unused;
    out(UART_MCR, 0); /* before the FIFOs are reset, so that input waits and is not lost */
    out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
    out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
    out(UART_IER, UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI);
    while (sent < SENT || received < FED) {
        CHECK(sem_wait(&interrupt) == 0);
        handle_interrupt(&sent);
    }
    return NULL;
}

static uint32_t take(uint32_t taken)
{
    uint8_t bytes[1000];
    size_t n;

    while ((n = serial_output(&uart, bytes, sizeof(bytes))))
        for (size_t i = 0; i < n; i++)
            CHECK(bytes[i] == (uint8_t)(taken++ * 7));
    return taken;
}

static uint32_t feed(uint32_t fed)
{
    uint8_t bytes[1000];
    size_t len = FED - fed < sizeof(bytes) ? FED - fed : sizeof(bytes);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)((fed + i) * 5);
    return fed + (uint32_t)serial_input(&uart, bytes, len);
}

int main(void)
{
    struct irq_line line = { .raise = raise_interrupt };
    struct serial_sink sink = { .output_ready = wake_console, .input_room = wake_console };
    uint32_t taken = 0, fed = 0;
    pthread_t thread;

    CHECK(sem_init(&interrupt, 0, 0) == 0 && sem_init(&console, 0, 0) == 0);
    serial_init(&uart, &line, &sink);
    CHECK(pthread_create(&thread, NULL, guest, NULL) == 0);
    while (taken < SENT || fed < FED) {
        uint32_t before;
        do {
            before = fed;
            fed = feed(fed);
            taken = take(taken);
        } while (fed > before);
        if (taken < SENT || fed < FED)
            CHECK(sem_wait(&console) == 0);
    }
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(received == FED && uart.tx_lost == 0);
    serial_finish(&uart);
    return 0;
}
