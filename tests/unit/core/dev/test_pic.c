/* The pair of 8259A: initialisation, priorities, ends of interrupt, a pair that nobody has
 * initialised, and snapshots. */
#include "core/dev/pic.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/state.h"

#define EOI          0x20u
#define SPECIFIC_EOI 0x60u

static struct pic pic;

static void initialise(uint16_t at, uint8_t base, uint8_t icw3, uint8_t icw4)
{
    pic_write(&pic, at, 0x11);
    pic_write(&pic, at + 1, base);
    pic_write(&pic, at + 1, icw3);
    pic_write(&pic, at + 1, icw4);
}

/* As Linux does: vectors from 0x30 and 0x38. */
static void set_up(void)
{
    pic_init(&pic);
    initialise(PIC_FIRST, 0x30, 4, 1);
    initialise(PIC_SECOND, 0x38, 2, 1);
}

TestSuite(pic, .init = set_up);

static void expect_take(unsigned vector)
{
    cr_assert(pic_asks(&pic));
    cr_assert_eq(pic_take(&pic), vector);
}

Test(pic, a_pair_that_nobody_initialised_asks_for_nothing)
{
    pic_init(&pic);
    cr_assert_not(pic_in_use(&pic));
    for (unsigned line = 0; line < PIC_INPUTS; line++)
        pic_pulse(&pic, line);
    cr_assert_not(pic_asks(&pic));
    initialise(PIC_FIRST, 0x30, 4, 1);
    cr_assert(pic_in_use(&pic));
    cr_assert_not(pic_asks(&pic), "nor for pulses from before");
}

Test(pic, a_pulse_is_one_interrupt)
{
    pic_pulse(&pic, 4);
    pic_pulse(&pic, 4);
    cr_assert_eq(pic_read(&pic, PIC_FIRST), 1u << 4, "IRR");
    expect_take(0x34);
    cr_assert_not(pic_asks(&pic));
    pic_write(&pic, PIC_FIRST, 0x0b);
    cr_assert_eq(pic_read(&pic, PIC_FIRST), 1u << 4, "ISR");
    pic_write(&pic, PIC_FIRST, EOI);
    cr_assert_eq(pic_read(&pic, PIC_FIRST), 0);
    cr_assert_not(pic_asks(&pic));
}

Test(pic, says_whether_a_pulse_would_be_an_interrupt_of_its_own)
{
    for (unsigned line = 0; line < PIC_INPUTS; line += 9) {
        cr_assert(pic_keeps(&pic, line));
        pic_pulse(&pic, line);
        cr_assert_not(pic_keeps(&pic, line));
        (void)pic_take(&pic);
        cr_assert(pic_keeps(&pic, line), "while it is in service");
        pic_write(&pic, PIC_FIRST, 0x20);
    }
    pic_init(&pic);
    cr_assert_not(pic_keeps(&pic, 0));
}

Test(pic, lower_lines_go_first_and_hold_back_the_others)
{
    pic_pulse(&pic, 5);
    pic_pulse(&pic, 3);
    expect_take(0x33);
    cr_assert_not(pic_asks(&pic));
    pic_pulse(&pic, 1);
    expect_take(0x31);
    pic_write(&pic, PIC_FIRST, EOI);
    cr_assert_not(pic_asks(&pic), "3 is still in service");
    pic_write(&pic, PIC_FIRST, EOI);
    expect_take(0x35);
}

Test(pic, a_masked_line_waits)
{
    pic_write(&pic, PIC_FIRST + 1, 0xef);
    cr_assert_eq(pic_read(&pic, PIC_FIRST + 1), 0xef);
    pic_pulse(&pic, 5);
    cr_assert_not(pic_asks(&pic));
    pic_write(&pic, PIC_FIRST + 1, 0);
    expect_take(0x35);
}

Test(pic, the_second_ones_lines_come_through_the_first)
{
    pic_pulse(&pic, 10);
    cr_assert_eq(pic_read(&pic, PIC_FIRST), 1u << 2, "the cascade");
    expect_take(0x3a);
    pic_pulse(&pic, 3);
    cr_assert_not(pic_asks(&pic), "2 is above 3");
    pic_write(&pic, PIC_SECOND, SPECIFIC_EOI | 2);
    pic_write(&pic, PIC_FIRST, SPECIFIC_EOI | 2);
    expect_take(0x33);
    pic_write(&pic, PIC_FIRST, EOI);
    pic_pulse(&pic, 8);
    pic_write(&pic, PIC_FIRST + 1, 4);
    cr_assert_not(pic_asks(&pic), "the cascade is masked");
}

Test(pic, special_fully_nested_mode_lets_the_second_one_nest)
{
    initialise(PIC_FIRST, 0x30, 4, 0x11);
    pic_pulse(&pic, 12);
    expect_take(0x3c);
    cr_assert_not(pic_asks(&pic));
    pic_pulse(&pic, 9);
    expect_take(0x39);
    pic_pulse(&pic, 3);
    cr_assert_not(pic_asks(&pic));
}

Test(pic, a_request_that_has_gone_is_a_spurious_line_7)
{
    pic_pulse(&pic, 4);
    pic_write(&pic, PIC_FIRST + 1, 0xff);
    cr_assert_eq(pic_take(&pic), 0x37);
    pic_write(&pic, PIC_FIRST, 0x0b);
    cr_assert_eq(pic_read(&pic, PIC_FIRST), 0, "which is not in service");
}

Test(pic, automatic_end_of_interrupt)
{
    initialise(PIC_FIRST, 0x30, 4, 3);
    pic_pulse(&pic, 3);
    expect_take(0x33);
    pic_pulse(&pic, 5);
    expect_take(0x35);
}

Test(pic, rotation_puts_the_served_line_last)
{
    pic_write(&pic, PIC_FIRST, 0xc0 | 3); /* 3 is last, 4 first */
    pic_pulse(&pic, 1);
    pic_pulse(&pic, 5);
    expect_take(0x35);
    pic_write(&pic, PIC_FIRST, 0xa0); /* rotate on EOI */
    pic_pulse(&pic, 5);
    expect_take(0x31);
}

Test(pic, special_mask_mode_lets_lower_ones_in)
{
    pic_pulse(&pic, 3);
    expect_take(0x33);
    pic_pulse(&pic, 5);
    pic_write(&pic, PIC_FIRST + 1, 1u << 3);
    cr_assert_not(pic_asks(&pic));
    pic_write(&pic, PIC_FIRST, 0x68);
    expect_take(0x35);
}

Test(pic, a_poll_acknowledges)
{
    pic_pulse(&pic, 6);
    pic_write(&pic, PIC_FIRST, 0x0c);
    cr_assert_eq(pic_read(&pic, PIC_FIRST), 0x86);
    cr_assert_not(pic_asks(&pic));
    pic_write(&pic, PIC_FIRST, 0x0c);
    cr_assert_eq(pic_read(&pic, PIC_FIRST), 0);
}

Test(pic, initialising_forgets_all_but_the_elcr)
{
    pic_write(&pic, PIC_ELCR, 0xff);
    pic_write(&pic, PIC_ELCR + 1, 0xff);
    pic_pulse(&pic, 3);
    expect_take(0x33);
    pic_pulse(&pic, 1);
    pic_write(&pic, PIC_FIRST + 1, 0xf0);
    initialise(PIC_FIRST, 0x50, 4, 1);
    cr_assert_not(pic_asks(&pic));
    cr_assert_eq(pic_read(&pic, PIC_FIRST + 1), 0);
    cr_assert_eq(pic_read(&pic, PIC_ELCR), 0xf8);
    cr_assert_eq(pic_read(&pic, PIC_ELCR + 1), 0xde);
    pic_pulse(&pic, 3);
    expect_take(0x53);
}

Test(pic, single_and_without_icw4)
{
    pic_write(&pic, PIC_FIRST, 0x12);
    pic_write(&pic, PIC_FIRST + 1, 0x6f);
    pic_write(&pic, PIC_FIRST + 1, 0xfe);
    cr_assert_eq(pic_read(&pic, PIC_FIRST + 1), 0xfe, "the mask, not ICW3 or 4");
    pic_pulse(&pic, 0);
    expect_take(0x68);
}

Test(pic, claims_its_ports)
{
    static const uint16_t ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
    unsigned claimed = 0;

    for (unsigned port = 0; port < 0x10000; port++)
        claimed += pic_claims((uint16_t)port);
    cr_assert_eq(claimed, 6);
    for (unsigned i = 0; i < 6; i++)
        cr_assert(pic_claims(ports[i]));
}

/* Its state. */

static struct state_writer w;
static struct state_reader r;
static struct err e;

static int load(struct pic *to)
{
    cr_assert_eq(state_open(&r, w.data, w.len, &e), 0, "%s", e.text);
    return pic_load(to, &r, &e);
}

static void save(void)
{
    state_begin(&w);
    pic_save(&pic, &w);
    cr_assert_eq(state_end(&w, 0, &e), 0);
}

Test(pic, goes_through_a_snapshot)
{
    struct pic other = { 0 };

    initialise(PIC_SECOND, 0x70, 2, 0x13);
    pic_write(&pic, PIC_SECOND + 1, 0x55);
    pic_write(&pic, PIC_ELCR + 1, 0x0c);
    pic_write(&pic, PIC_FIRST, 0xc0 | 3);
    pic_write(&pic, PIC_FIRST, 0x68 | 3);
    pic_pulse(&pic, 4);
    pic_pulse(&pic, 9);
    expect_take(0x34);
    pic_write(&pic, PIC_FIRST, 0x11); /* in the middle of an initialisation */
    pic_write(&pic, PIC_FIRST + 1, 0x40);
    save();
    cr_assert_eq(load(&other), 0, "%s", e.text);
    cr_assert_eq(memcmp(&other, &pic, sizeof(pic)), 0);
    state_free(&w);
}

Test(pic, a_state_that_no_pair_can_be_in_is_refused)
{
    struct pic before, other;

    pic_init(&other);
    before = other;
    pic.chip[1].base = 0x3c;
    save();
    cr_assert_eq(load(&other), -EINVAL);
    pic.chip[1].base = 0x38;
    pic.chip[0].elcr = 1;
    save();
    cr_assert_eq(load(&other), -EINVAL);
    pic.chip[0].elcr = 0;
    pic.chip[0].first = 8;
    save();
    cr_assert_eq(load(&other), -EINVAL);
    pic.chip[0].first = 0;
    pic.chip[0].step = PIC_FRESH + 1;
    save();
    cr_assert_eq(load(&other), -EINVAL);
    cr_assert_eq(memcmp(&other, &before, sizeof(before)), 0);
    state_free(&w);
}
