/*
 * An i8042 and the keyboard behind it.
 *
 * Two sources share the output buffer. The controller's own reply goes first and is one byte: the
 * next reply replaces one that nobody read. The keyboard's bytes queue behind it. While the guest
 * has disabled the keyboard's interface they stay in the queue, so that a driver that talks to the
 * controller does not take keys for replies. Bytes that do not fit the queue are lost, as in a real
 * keyboard.
 *
 * A byte raises the interrupt when it comes to the front of the output buffer, because drivers read
 * one byte per interrupt. While a byte waits there, a write to the keyboard or to the control byte
 * raises the interrupt again.
 *
 * There is no mouse port: its disable bit cannot be cleared, its test fails and bytes sent to it
 * vanish. Commands that ask about it get their replies at once all the same, because Linux waits
 * half a second for one that does not come.
 */
#include "core/dev/i8042.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/vm/irq.h"
#include "core/vm/power.h"

#define I8042_DATA    0u
#define I8042_COMMAND 4u /* and status */

#define STATUS_OUTPUT_FULL 0x01u
#define STATUS_SYSTEM      0x04u
#define STATUS_COMMAND     0x08u
#define STATUS_UNLOCKED    0x10u /* the key switch of the first PCs */

#define CONTROL_KEYBOARD_IRQ 0x01u
#define CONTROL_SYSTEM       0x04u /* also shown in the status register */
#define CONTROL_KEYBOARD_OFF 0x10u
#define CONTROL_MOUSE_OFF    0x20u
#define CONTROL_TRANSLATE    0x40u /* scan codes to set 1 */

#define OUTPUT_PORT_RUN  0x01u /* 0 resets the machine */
#define OUTPUT_PORT_A20  0x02u
#define OUTPUT_PORT_FULL 0x10u

enum i8042_command {
    READ_CONTROL = 0x20,
    WRITE_CONTROL = 0x60,
    TEST_MOUSE = 0xa9,
    TEST_CONTROLLER = 0xaa,
    TEST_KEYBOARD = 0xab,
    DISABLE_KEYBOARD = 0xad,
    ENABLE_KEYBOARD = 0xae,
    READ_OUTPUT_PORT = 0xd0,
    WRITE_OUTPUT_PORT = 0xd1,
    WRITE_KEYBOARD_BUFFER = 0xd2,
    WRITE_MOUSE_BUFFER = 0xd3,
    WRITE_MOUSE = 0xd4,
    PULSE_OUTPUT_PORT = 0xf0, /* and up to 0xff: a low bit that is 1 keeps its line high */
};

#define TEST_CONTROLLER_PASSED 0x55u
#define TEST_PASSED            0x00u
#define TEST_CLOCK_STUCK_LOW   0x01u

enum keyboard_command {
    KEYBOARD_SET_LEDS = 0xed,
    KEYBOARD_ECHO = 0xee,
    KEYBOARD_SCAN_CODE_SET = 0xf0,
    KEYBOARD_IDENTIFY = 0xf2,
    KEYBOARD_SET_RATE = 0xf3,
    KEYBOARD_ENABLE = 0xf4,
    KEYBOARD_DISABLE = 0xf5,
    KEYBOARD_SET_DEFAULTS = 0xf6,
    KEYBOARD_RESET = 0xff,
};

#define KEYBOARD_ACK           0xfau
#define KEYBOARD_RESEND        0xfeu /* the answer to an unknown command */
#define KEYBOARD_TEST_PASSED   0xaau
#define KEYBOARD_ID            0xabu /* the first byte of the identification */
#define KEYBOARD_ID_MF2        0x83u /* the second byte */
#define KEYBOARD_ID_TRANSLATED 0x41u /* the second byte where translation to set 1 is on */
#define KEYBOARD_ONLY_SET      2u

/* Ctrl, Alt and Del pressed, then released in reverse order. */
static const uint8_t ctrl_alt_del_set1[] = { 0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d };
static const uint8_t ctrl_alt_del_set2[] = { 0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0,
                                             0x71, 0xf0, 0x11, 0xf0, 0x14 };

static_assert((I8042_KEYS & (I8042_KEYS - 1)) == 0, "queue indices are masked");
static_assert(sizeof(ctrl_alt_del_set2) <= I8042_KEYS, "the keys fit an empty queue");

static bool i8042_output_full(const struct i8042 *k)
{
    return k->replied || (k->head != k->tail && !(k->control & CONTROL_KEYBOARD_OFF));
}

/* Call after anything that may have put a byte into the output buffer. */
static void i8042_update_irq(struct i8042 *k)
{
    if (i8042_output_full(k) && k->control & CONTROL_KEYBOARD_IRQ)
        irq_line_raise(k->irq);
}

static void i8042_reply(struct i8042 *k, unsigned byte)
{
    k->reply = (uint8_t)byte;
    k->replied = true;
    i8042_update_irq(k);
}

static void keyboard_put_all(struct i8042 *k, const uint8_t *bytes, size_t count)
{
    bool was_empty = k->head == k->tail;

    for (size_t i = 0; i < count && k->tail - k->head < I8042_KEYS; i++)
        k->keys[k->tail++ % I8042_KEYS] = bytes[i];
    if (was_empty)
        i8042_update_irq(k);
}

static void keyboard_put(struct i8042 *k, unsigned byte)
{
    keyboard_put_all(k, &(uint8_t){ (uint8_t)byte }, 1);
}

static void i8042_control_write(struct i8042 *k, unsigned value)
{
    k->control = (uint8_t)(value | CONTROL_MOUSE_OFF);
    i8042_update_irq(k);
}

static void i8042_output_port_write(struct i8042 *k, unsigned value)
{
    if (!(value & OUTPUT_PORT_RUN))
        power_end_machine(k->power, POWER_RESET);
}

static void i8042_command_write(struct i8042 *k, uint8_t command)
{
    k->command = 0;
    switch (command) {
    case READ_CONTROL:
        i8042_reply(k, k->control);
        break;
    case TEST_CONTROLLER:
        k->control |= CONTROL_SYSTEM;
        i8042_reply(k, TEST_CONTROLLER_PASSED);
        break;
    case TEST_KEYBOARD:
        i8042_reply(k, TEST_PASSED);
        break;
    case TEST_MOUSE:
        i8042_reply(k, TEST_CLOCK_STUCK_LOW);
        break;
    case DISABLE_KEYBOARD:
        i8042_control_write(k, k->control | CONTROL_KEYBOARD_OFF);
        break;
    case ENABLE_KEYBOARD:
        i8042_control_write(k, k->control & ~CONTROL_KEYBOARD_OFF);
        break;
    case READ_OUTPUT_PORT:
        i8042_reply(k, OUTPUT_PORT_RUN | OUTPUT_PORT_A20 |
                           (i8042_output_full(k) ? OUTPUT_PORT_FULL : 0));
        break;
    case WRITE_CONTROL:
    case WRITE_OUTPUT_PORT:
    case WRITE_KEYBOARD_BUFFER:
    case WRITE_MOUSE_BUFFER:
    case WRITE_MOUSE:
        k->command = command;
        break;
    default: /* the other commands do nothing: enabling the mouse, for example */
        if (command >= PULSE_OUTPUT_PORT)
            i8042_output_port_write(k, command);
        break;
    }
}

/* The keyboard has no lights, one rate and one scan code set: it accepts any argument, and only the
 * query for the current set gets more than an acknowledgement. */
static void keyboard_argument(struct i8042 *k, uint8_t argument)
{
    bool asks_set = k->keyboard_command == KEYBOARD_SCAN_CODE_SET && argument == 0;

    k->keyboard_command = 0;
    keyboard_put(k, KEYBOARD_ACK);
    if (asks_set)
        keyboard_put(k, KEYBOARD_ONLY_SET);
}

static void keyboard_write(struct i8042 *k, uint8_t byte)
{
    if (k->keyboard_command) {
        keyboard_argument(k, byte);
        return;
    }
    switch (byte) {
    case KEYBOARD_SET_LEDS:
    case KEYBOARD_SCAN_CODE_SET:
    case KEYBOARD_SET_RATE:
        k->keyboard_command = byte;
        keyboard_put(k, KEYBOARD_ACK);
        break;
    case KEYBOARD_ENABLE:
    case KEYBOARD_SET_DEFAULTS:
        k->scanning = true;
        keyboard_put(k, KEYBOARD_ACK);
        break;
    case KEYBOARD_DISABLE:
        k->scanning = false;
        keyboard_put(k, KEYBOARD_ACK);
        break;
    case KEYBOARD_IDENTIFY:
        keyboard_put(k, KEYBOARD_ACK);
        keyboard_put(k, KEYBOARD_ID);
        keyboard_put(k, k->control & CONTROL_TRANSLATE ? KEYBOARD_ID_TRANSLATED : KEYBOARD_ID_MF2);
        break;
    case KEYBOARD_RESET:
        k->scanning = true;
        k->head = k->tail;
        keyboard_put(k, KEYBOARD_ACK);
        keyboard_put(k, KEYBOARD_TEST_PASSED);
        break;
    case KEYBOARD_ECHO:
        keyboard_put(k, KEYBOARD_ECHO);
        break;
    default:
        keyboard_put(k, KEYBOARD_RESEND);
        break;
    }
}

static void i8042_data_write(struct i8042 *k, uint8_t byte)
{
    uint8_t command = k->command;

    k->command = 0;
    switch (command) {
    case 0: /* no command waits: the byte is for the keyboard, and enables its interface */
        i8042_control_write(k, k->control & ~CONTROL_KEYBOARD_OFF);
        keyboard_write(k, byte);
        break;
    case WRITE_CONTROL:
        i8042_control_write(k, byte);
        break;
    case WRITE_OUTPUT_PORT:
        i8042_output_port_write(k, byte);
        break;
    case WRITE_KEYBOARD_BUFFER:
    case WRITE_MOUSE_BUFFER: /* there is no mouse port: the byte comes back as the keyboard's */
        i8042_reply(k, byte);
        break;
    default: /* for the mouse */
        break;
    }
}

static uint8_t i8042_data_read(struct i8042 *k)
{
    uint8_t byte = 0;

    if (k->replied) {
        k->replied = false;
        byte = k->reply;
    } else if (i8042_output_full(k)) {
        byte = k->keys[k->head++ % I8042_KEYS];
    }
    i8042_update_irq(k);
    return byte;
}

static uint8_t i8042_status_read(const struct i8042 *k)
{
    unsigned status = STATUS_UNLOCKED;

    if (i8042_output_full(k))
        status |= STATUS_OUTPUT_FULL;
    if (k->control & CONTROL_SYSTEM)
        status |= STATUS_SYSTEM;
    if (k->last_was_command)
        status |= STATUS_COMMAND;
    return (uint8_t)status;
}

/* A wider access counts as byte accesses to consecutive ports. Between the two registers there is
 * nothing: reads give 0xff. */

static void i8042_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct i8042 *k = (struct i8042 *)d;
    uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++) {
        if (offset + i == I8042_DATA)
            bytes[i] = i8042_data_read(k);
        else if (offset + i == I8042_COMMAND)
            bytes[i] = i8042_status_read(k);
        else
            bytes[i] = 0xff;
    }
}

static void i8042_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct i8042 *k = (struct i8042 *)d;
    const uint8_t *bytes = data;

    for (unsigned i = 0; i < size; i++) {
        if (offset + i == I8042_DATA)
            i8042_data_write(k, bytes[i]);
        else if (offset + i == I8042_COMMAND)
            i8042_command_write(k, bytes[i]);
        else
            continue;
        k->last_was_command = offset + i == I8042_COMMAND;
    }
}

static const struct device_ops i8042_ops = {
    .name = "i8042",
    .read = i8042_read,
    .write = i8042_write,
};

/* Starts in the state in which firmware leaves the controller. */
void i8042_init(struct i8042 *k, struct irq_line *irq, struct power *power)
{
    memset(k, 0, sizeof(*k));
    device_init(&k->device, &i8042_ops);
    k->irq = irq;
    k->power = power;
    k->control = CONTROL_KEYBOARD_IRQ | CONTROL_SYSTEM | CONTROL_MOUSE_OFF | CONTROL_TRANSLATE;
    k->scanning = true;
}

void i8042_finish(struct i8042 *k)
{
    device_finish(&k->device);
}

int i8042_ctrl_alt_del(struct i8042 *k)
{
    int ret = -EAGAIN;

    device_lock(&k->device);
    if (k->scanning && k->head == k->tail) {
        if (k->control & CONTROL_TRANSLATE)
            keyboard_put_all(k, ctrl_alt_del_set1, sizeof(ctrl_alt_del_set1));
        else
            keyboard_put_all(k, ctrl_alt_del_set2, sizeof(ctrl_alt_del_set2));
        ret = 0;
    }
    device_unlock(&k->device);
    return ret;
}
