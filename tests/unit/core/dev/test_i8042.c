/* The keyboard controller: what drivers ask at start, the reset line, keys and their interrupts. */
#include "core/dev/i8042.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <criterion/criterion.h>

#include "core/vm/irq.h"
#include "core/vm/power.h"

#define DATA    0u
#define COMMAND 4u
#define STATUS  4u

#define FULL     0x01
#define IDLE     0x14 /* self test passed, not locked */
#define CONTROL0 0x65 /* interrupt, self test passed, no mouse, translating */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct i8042 kbd;
static struct irq_line line;
static struct power power;
static unsigned irqs;
static unsigned ends;
static enum power_end ended;

static void count_irq(struct irq_line *l)
{
    cr_assert_eq(l, &line);
    irqs++;
}

static void note_end(struct power *p, enum power_end why)
{
    cr_assert_eq(p, &power);
    ends++;
    ended = why;
}

static void setup(void)
{
    irqs = ends = 0;
    line.raise = count_irq;
    power.end = note_end;
    i8042_init(&kbd, &line, &power);
}

static void teardown(void)
{
    i8042_finish(&kbd);
}

TestSuite(i8042, .init = setup, .fini = teardown);

static void out(unsigned reg, uint8_t value)
{
    lock_take(&kbd.device.lock);
    kbd.device.ops->write(&kbd.device, reg, &value, 1);
    lock_release(&kbd.device.lock);
}

static uint8_t in(unsigned reg)
{
    uint8_t value = 0x5a;

    lock_take(&kbd.device.lock);
    kbd.device.ops->read(&kbd.device, reg, &value, 1);
    lock_release(&kbd.device.lock);
    return value;
}

static unsigned irqs_new(void)
{
    unsigned n = irqs;

    irqs = 0;
    return n;
}

/* The answer to a command; one must be there. */
static uint8_t ask(uint8_t command)
{
    out(COMMAND, command);
    cr_assert(in(STATUS)&FULL, "command %#x has no answer", command);
    return in(DATA);
}

static void set_control(uint8_t control)
{
    out(COMMAND, 0x60);
    out(DATA, control);
}

/* Everything the keyboard sent is exactly these bytes. */
static void expect(const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert(in(STATUS)&FULL, "byte %u of %u is missing", i, count);
        cr_assert_eq(in(DATA), bytes[i], "byte %u", i);
    }
    cr_assert_not(in(STATUS)&FULL, "more than %u bytes", count);
}

#define EXPECT(...) \
    expect((const uint8_t[]){ __VA_ARGS__ }, COUNT(((const uint8_t[]){ __VA_ARGS__ })))

Test(i8042, comes_up_as_firmware_leaves_it)
{
    cr_assert_eq(in(STATUS), IDLE);
    cr_assert_eq(ask(0x20), CONTROL0);
    cr_assert_eq(in(DATA), 0, "nothing to read");
    cr_assert_eq(ends, 0);
}

Test(i8042, answers_its_tests)
{
    set_control(0);
    cr_assert_eq(in(STATUS), 0x10, "the system flag follows the control byte");
    cr_assert_eq(ask(0xaa), 0x55);
    cr_assert_eq(in(STATUS), IDLE | 0x08, "and the self test sets it");
    cr_assert_eq(ask(0xab), 0x00);
    cr_assert_eq(ask(0xd0), 0x03);
}

Test(i8042, tells_command_writes_from_data_writes)
{
    out(COMMAND, 0xad);
    cr_assert_eq(in(STATUS)&0x08, 0x08);
    out(DATA, 0xf4);
    cr_assert_eq(in(STATUS)&0x08, 0);
}

Test(i8042, keeps_the_control_byte)
{
    set_control(0x51);
    cr_assert_eq(ask(0x20), 0x71, "the mouse stays disabled");
    out(COMMAND, 0xae);
    cr_assert_eq(ask(0x20), 0x61);
    out(COMMAND, 0xad);
    cr_assert_eq(ask(0x20), 0x71);
}

/* The questions by which drivers look for a mouse: each has an answer, and it is no. */
Test(i8042, has_no_mouse)
{
    out(COMMAND, 0xd3);
    out(DATA, 0x5a);
    cr_assert_eq(in(STATUS)&0x21, FULL, "looped back as the keyboard's, not the mouse's");
    cr_assert_eq(in(DATA), 0x5a);
    cr_assert_eq(ask(0xa9), 0x01, "clock line stuck");
    out(COMMAND, 0xa8);
    cr_assert_eq(ask(0x20) & 0x20, 0x20, "enabling it does nothing");
    out(COMMAND, 0xa7);
    out(COMMAND, 0xd4);
    out(DATA, 0xf2);
    cr_assert_not(in(STATUS)&FULL, "nobody answers there");
}

Test(i8042, puts_a_byte_in_its_own_output_buffer)
{
    out(COMMAND, 0xd2);
    out(DATA, 0x99);
    cr_assert_eq(irqs_new(), 1);
    EXPECT(0x99);
}

Test(i8042, resets_by_pulse)
{
    out(COMMAND, 0xff);
    cr_assert_eq(ends, 0, "no line pulsed");
    out(COMMAND, 0xfd);
    cr_assert_eq(ends, 0, "not the reset line");
    out(COMMAND, 0xfe);
    cr_assert_eq(ends, 1);
    cr_assert_eq(ended, POWER_RESET);
}

Test(i8042, resets_by_output_port)
{
    out(COMMAND, 0xd1);
    out(DATA, 0xdf);
    cr_assert_eq(ends, 0);
    out(DATA, 0xfe);
    cr_assert_eq(ends, 0, "the data byte was taken; this one is the keyboard's");
    out(COMMAND, 0xd1);
    out(DATA, 0xde);
    cr_assert_eq(ends, 1);
    cr_assert_eq(ended, POWER_RESET);
}

Test(i8042, forgets_a_command_when_another_comes)
{
    out(COMMAND, 0xd1);
    out(COMMAND, 0xad);
    out(DATA, 0x00);
    cr_assert_eq(ends, 0);
}

Test(i8042, ignores_unknown_commands)
{
    for (unsigned c = 0; c < 0xf0; c++) {
        if (strchr("\x20\x60\xa9\xaa\xab\xad\xae\xd0\xd1\xd2\xd3\xd4", (int)c) && c)
            continue;
        out(COMMAND, (uint8_t)c);
        cr_assert_not(in(STATUS)&FULL, "command %#x", c);
    }
    cr_assert_eq(ends, 0);
    cr_assert_eq(ask(0x20), CONTROL0);
}

Test(i8042, keyboard_acknowledges)
{
    static const uint8_t plain[] = { 0xf4, 0xf5, 0xf6 };
    static const uint8_t with_argument[] = { 0xed, 0xf3, 0xf0 };

    for (unsigned i = 0; i < COUNT(plain); i++) {
        out(DATA, plain[i]);
        EXPECT(0xfa);
    }
    for (unsigned i = 0; i < COUNT(with_argument); i++) {
        out(DATA, with_argument[i]);
        EXPECT(0xfa);
        out(DATA, 0x02);
        EXPECT(0xfa);
    }
    out(DATA, 0xee);
    EXPECT(0xee);
    out(DATA, 0xf0);
    out(DATA, 0x00);
    EXPECT(0xfa, 0xfa, 0x02);
    out(DATA, 0xff);
    EXPECT(0xfa, 0xaa);
    out(DATA, 0x02);
    EXPECT(0xfe);
}

Test(i8042, keyboard_identifies_itself)
{
    out(DATA, 0xf2);
    EXPECT(0xfa, 0xab, 0x41);
    set_control(CONTROL0 & ~0x40);
    out(DATA, 0xf2);
    EXPECT(0xfa, 0xab, 0x83);
}

Test(i8042, interrupts_for_each_byte)
{
    out(DATA, 0xff);
    cr_assert_eq(irqs_new(), 1, "the first byte came");
    in(STATUS);
    cr_assert_eq(irqs_new(), 0);
    in(DATA);
    cr_assert_eq(irqs_new(), 1, "the second moved up");
    in(DATA);
    cr_assert_eq(irqs_new(), 0);
}

Test(i8042, interrupts_only_when_enabled)
{
    set_control(CONTROL0 & ~0x01);
    out(DATA, 0xf4);
    ask(0xab);
    cr_assert_eq(irqs_new(), 0);
    set_control(CONTROL0);
    cr_assert_eq(irqs_new(), 1, "what already waits comes now");
    EXPECT(0xfa);
}

Test(i8042, replies_before_the_keyboard_and_holds_it_off_when_disabled)
{
    cr_assert_eq(i8042_ctrl_alt_del(&kbd), 0);
    out(COMMAND, 0xad);
    irqs_new();
    cr_assert_not(in(STATUS)&FULL);
    cr_assert_eq(in(DATA), 0);
    cr_assert_eq(ask(0x20), CONTROL0 | 0x10);
    irqs_new();
    out(COMMAND, 0xae);
    cr_assert_eq(irqs_new(), 1);
    cr_assert_eq(ask(0x20), CONTROL0);
    cr_assert_eq(in(DATA), 0x1d);
    cr_assert_eq(ask(0xd0), 0x13, "the output port shows the waiting byte");
}

Test(i8042, enables_the_keyboard_by_talking_to_it)
{
    out(COMMAND, 0xad);
    out(DATA, 0xf4);
    EXPECT(0xfa);
    cr_assert_eq(ask(0x20), CONTROL0);

    out(COMMAND, 0xad);
    cr_assert_eq(i8042_ctrl_alt_del(&kbd), 0);
    irqs_new();
    out(DATA, 0xf4);
    cr_assert_eq(irqs_new(), 1, "for the keys typed meanwhile");
}

Test(i8042, types_ctrl_alt_del_in_the_set_the_guest_wants)
{
    cr_assert_eq(i8042_ctrl_alt_del(&kbd), 0);
    cr_assert_eq(irqs_new(), 1);
    EXPECT(0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d);
    cr_assert_eq(irqs_new(), 7);
    set_control(CONTROL0 & ~0x40);
    cr_assert_eq(i8042_ctrl_alt_del(&kbd), 0);
    EXPECT(0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14);
}

Test(i8042, refuses_keys_the_guest_does_not_take)
{
    cr_assert_eq(i8042_ctrl_alt_del(&kbd), 0);
    cr_assert_eq(i8042_ctrl_alt_del(&kbd), -EAGAIN, "the first are still there");
    while (in(STATUS)&FULL)
        in(DATA);
    out(DATA, 0xf5);
    EXPECT(0xfa);
    cr_assert_eq(i8042_ctrl_alt_del(&kbd), -EAGAIN, "told to send none");
    out(DATA, 0xf4);
    EXPECT(0xfa);
    cr_assert_eq(i8042_ctrl_alt_del(&kbd), 0);
    out(DATA, 0xff);
    EXPECT(0xfa, 0xaa);
}

Test(i8042, bounds_what_waits)
{
    for (unsigned i = 0; i < 1000; i++)
        out(DATA, 0xee);
    for (unsigned i = 0; i < I8042_KEYS; i++)
        cr_assert_eq(in(DATA), 0xee);
    cr_assert_eq(in(STATUS)&FULL, 0);
}

Test(i8042, splits_a_wide_access_into_its_ports)
{
    uint8_t four[4];

    out(DATA, 0xee);
    kbd.device.ops->read(&kbd.device, 0, four, 4);
    cr_assert_arr_eq(four, ((uint8_t[]){ 0xee, 0xff, 0xff, 0xff }), 4);
    kbd.device.ops->write(&kbd.device, 1, "\xfe\xfe\xfe\xaa", 4);
    cr_assert_eq(ends, 0);
    kbd.device.ops->read(&kbd.device, 3, four, 2);
    cr_assert_arr_eq(four, ((uint8_t[]){ 0xff, IDLE | 0x08 | FULL }), 2);
    EXPECT(0x55);
}
