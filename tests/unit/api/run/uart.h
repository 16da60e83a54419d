#ifndef UNIT_API_RUN_UART_H
#define UNIT_API_RUN_UART_H
/*
 * A guest's serial port driver, which obeys the line status register and nothing else. Any thread
 * may call it, as a vCPU's thread would.
 */
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "core/dev/serial.h"

static inline uint8_t uart_read(struct serial *s, unsigned reg)
{
    struct device *d = &s->device;
    uint8_t value;

    lock_take(&d->lock);
    d->ops->read(d, reg, &value, 1);
    lock_release(&d->lock);
    return value;
}

static inline void uart_await(struct serial *s, uint8_t line_status)
{
    while (!(uart_read(s, UART_LSR) & line_status))
        (void)usleep(50);
}

static inline void uart_send(struct serial *s, uint8_t byte)
{
    struct device *d = &s->device;

    uart_await(s, UART_LSR_THRE);
    lock_take(&d->lock);
    d->ops->write(d, UART_TX, &byte, 1);
    lock_release(&d->lock);
}

static inline uint8_t uart_get(struct serial *s)
{
    uart_await(s, UART_LSR_DR);
    return uart_read(s, UART_RX);
}

#endif
