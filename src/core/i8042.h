#ifndef CORE_I8042_H
#define CORE_I8042_H
/*
 * The i8042 keyboard controller, as far as a machine without a keyboard needs one: the reset line,
 * enough of the command set that Linux's driver finds a port, and Ctrl-Alt-Del typed by the
 * operator.
 *
 * Two registers: data at offset 0 (port 0x60), command and status at offset 4 (port 0x64).
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"

struct irq_line;
struct power;

#define I8042_LEN    5u
#define I8042_OUTPUT 16u /* bytes, a power of two */

struct i8042 {
    struct device device;
    struct irq_line *irq;
    struct power *power;
    uint8_t command;      /* the one whose data byte comes next, or 0 */
    uint8_t control;      /* command byte: interrupt and disable bits */
    uint8_t output_port;  /* bit 0 low: reset */
    bool status_command;  /* the last write went to the command register */
    uint8_t keyboard_arg; /* a keyboard command whose argument comes next, or 0 */
    uint32_t head, tail;  /* of output, free-running */
    uint8_t output[I8042_OUTPUT];
};

/* The line and the power are the caller's and outlive the device. */
void i8042_init(struct i8042 *k, struct irq_line *irq, struct power *power);
void i8042_finish(struct i8042 *k);

/* Loop thread. Types Ctrl-Alt-Del. -EAGAIN where the guest has not taken earlier keys. */
int i8042_ctrl_alt_del(struct i8042 *k);

#endif
