/* The reset flag: what it says about a guest's end, and which command lines let it tell panics. */
#include "core/x86/tables/reset_flag.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/layout.h"

static struct mem m;
static struct err e;

static void setup(void)
{
    const struct mem_config c = { .size = 1 << 20,
                                  .gap_start = LAYOUT_GAP_START,
                                  .gap_end = LAYOUT_GAP_END };

    cr_assert_eq(mem_init(&m, &c, &e), 0, "%s", e.text);
    cr_assert_eq(reset_flag_write(&m, &e), 0, "%s", e.text);
}

static void teardown(void)
{
    mem_finish(&m);
}

TestSuite(reset_flag, .init = setup, .fini = teardown);

/* As Linux does before it resets. */
static void announce(uint16_t mode)
{
    cr_assert(mem_write(&m, 0x472, &mode, sizeof(mode)));
}

Test(reset_flag, says_nothing_where_nobody_wrote_it)
{
    cr_assert_eq(reset_flag_judge(&m, POWER_RESET, true), POWER_RESET);
    cr_assert_eq(reset_flag_judge(&m, POWER_TRIPLE_FAULT, true), POWER_TRIPLE_FAULT);
}

Test(reset_flag, takes_an_announced_triple_fault_for_a_reset)
{
    announce(0);
    cr_assert_eq(reset_flag_judge(&m, POWER_TRIPLE_FAULT, true), POWER_RESET);
    cr_assert_eq(reset_flag_judge(&m, POWER_RESET, true), POWER_RESET);
    announce(0x1234);
    cr_assert_eq(reset_flag_judge(&m, POWER_TRIPLE_FAULT, false), POWER_RESET);
}

Test(reset_flag, takes_a_warm_reset_for_a_panic_where_it_tells_panics)
{
    announce(0x1234);
    cr_assert_eq(reset_flag_judge(&m, POWER_RESET, true), POWER_PANIC);
    cr_assert_eq(reset_flag_judge(&m, POWER_TRIPLE_FAULT, true), POWER_PANIC);
    cr_assert_eq(reset_flag_judge(&m, POWER_RESET, false), POWER_RESET);
}

Test(reset_flag, believes_no_other_value)
{
    for (unsigned flag = 1; flag < 0x10000; flag++) {
        if (flag == 0x1234)
            continue;
        announce((uint16_t)flag);
        cr_assert_eq(reset_flag_judge(&m, POWER_RESET, true), POWER_RESET);
        cr_assert_eq(reset_flag_judge(&m, POWER_TRIPLE_FAULT, true), POWER_TRIPLE_FAULT);
    }
}

Test(reset_flag, is_not_asked_about_other_ends)
{
    static const enum power_end others[] = { POWER_OFF, POWER_QUIT, POWER_FAILED, POWER_PANIC };

    announce(0x1234);
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        cr_assert_eq(reset_flag_judge(&m, others[i], true), others[i]);
}

Test(reset_flag, needs_memory_there)
{
    struct mem none = { 0 };

    cr_assert_eq(reset_flag_write(&none, &e), -ENOSPC);
    cr_assert(strstr(e.text, "0x472"), "%s", e.text);
    cr_assert_eq(reset_flag_judge(&none, POWER_TRIPLE_FAULT, true), POWER_TRIPLE_FAULT);
}

Test(reset_flag, tells_panics_by_the_words_that_linux_reads)
{
    static const struct {
        const char *cmdline;
        bool tells;
    } lines[] = {
        { "", false },
        { "reboot=k panic=1", false },
        { "reboot=panic_warm", true },
        { "console=ttyS0 reboot=panic_warm,k panic=1", true },
        { "reboot=k,panic_w", true },
        { "reboot=panic_warm reboot=t", true },
        /* Taken back, or not to be told from other warm resets. */
        { "reboot=panic_warm reboot=panic_cold", false },
        { "reboot=panic_warm,warm", false },
        { "reboot=panic_warm,k quiet reboot=w", false },
        { "reboot=warm,panic_warm reboot=cold", true },
        { "reboot=panic_warm,soft", true },
        { "reboot=warm,panic_warm,s", true },
        { "reboot=warm,panic_warm,smp", true },
        { "reboot=panic_warm,panic_s", false },
        /* s and smp with a number only name a processor. */
        { "reboot=warm,panic_warm,s1", false },
        { "reboot=warm,panic_warm,smp1", false },
        { "reboot=panic_warm,panic_s1", true },
        { "reboot=panic_warm,panic_smp1,k", true },
        { "reboot=warm,panic_warm,sm1", true },
        /* Words that are not Linux's, or no words. */
        { "noreboot=panic_warm", false },
        { "reboot=panic_warm -- reboot=warm", true },
        { "quiet -- reboot=panic_warm", false },
        { "mote.run=\"echo reboot=panic_warm\"", false },
        { "mote.run=\"a reboot=warm\" reboot=panic_warm", true },
        { "reboot=panic_warm mote.run=\"never closed reboot=warm", true },
        { "reboot=", false },
        { "reboot=,,panic_warm,", true },
        { "reboot=panic_", false },
        { "  reboot=panic_warm  ", true },
    };

    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        cr_expect_eq(reset_flag_tells_panics(lines[i].cmdline), lines[i].tells, "%s",
                     lines[i].cmdline);
}
