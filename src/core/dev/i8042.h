#ifndef CORE_DEV_I8042_H
#define CORE_DEV_I8042_H
/*
 * The i8042 keyboard controller, as much of it as a microVM needs: the reset line, enough of the
 * command set for drivers to find a keyboard and no mouse, and Ctrl-Alt-Del, which the operator can
 * send.
 *
 * Two registers: data at offset 0 (port 0x60), command and status at offset 4 (port 0x64).
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/device.h"

struct irq_line;
struct power;

#define I8042_LEN  5u
#define I8042_KEYS 16u /* bytes in the keyboard's queue; a power of two */

struct i8042 {
    struct device device;
    struct irq_line *irq;
    struct power *power;
    uint8_t command;          /* the controller command that waits for its data byte, or 0 */
    uint8_t control;          /* the "command byte": interrupt and disable bits */
    bool last_was_command;    /* the last write went to the command register */
    bool replied;             /* a reply of the controller waits to be read */
    uint8_t reply;            /* that reply */
    uint8_t keyboard_command; /* the keyboard command that waits for its argument, or 0 */
    bool scanning;            /* the guest lets the keyboard send keys */
    uint32_t head, tail;      /* free-running indices into keys: read at head, written at tail */
    uint8_t keys[I8042_KEYS]; /* what the keyboard sent: acknowledgements and scan codes */
};

/* `irq` and `power` stay the caller's and must outlive the device. */
void i8042_init(struct i8042 *k, struct irq_line *irq, struct power *power);
void i8042_finish(struct i8042 *k);

/* Loop thread; takes the lock. Types Ctrl-Alt-Del. -EAGAIN if the guest has not read all that the
 * keyboard sent before, or has told it to send no keys. */
int i8042_ctrl_alt_del(struct i8042 *k);

#endif
