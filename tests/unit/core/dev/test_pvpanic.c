/* The port by which a guest reports that it has panicked. */
#include "core/dev/pvpanic.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/state.h"
#include "core/vm/power.h"

static struct pvpanic p;
static struct power power;
static enum power_end ended;

static void note_end(struct power *of, enum power_end why)
{
    cr_assert_eq(of, &power);
    ended = why;
}

static void setup(void)
{
    ended = POWER_NONE;
    power.end = note_end;
    pvpanic_init(&p, &power);
}

static void teardown(void)
{
    pvpanic_finish(&p);
}

TestSuite(pvpanic, .init = setup, .fini = teardown);

static void out(uint8_t events)
{
    p.device.ops->write(&p.device, 0, &events, 1);
}

Test(pvpanic, tells_which_events_it_takes)
{
    uint8_t events = 0;

    p.device.ops->read(&p.device, 0, &events, 1);
    cr_assert_eq(events, 3, "panicked and crash loaded");
    out(PVPANIC_CRASH_LOADED);
    p.device.ops->read(&p.device, 0, &events, 1);
    cr_assert_eq(events, 3, "whatever has been reported");
}

Test(pvpanic, a_panic_ends_the_machine_at_once)
{
    for (unsigned events = 0; events < 0x100; events++) {
        ended = POWER_NONE;
        out((uint8_t)events);
        cr_assert_eq(ended, events & 1 ? POWER_PANIC : POWER_NONE, "%#x", events);
    }
}

Test(pvpanic, a_crash_kernel_deals_with_its_own)
{
    cr_assert_not(pvpanic_seen(&p));
    out(PVPANIC_CRASH_LOADED);
    cr_assert_eq(ended, POWER_NONE);
    cr_assert(pvpanic_seen(&p));
}

Test(pvpanic, knows_no_other_events)
{
    out((uint8_t)~3u);
    cr_assert_eq(ended, POWER_NONE);
    cr_assert_not(pvpanic_seen(&p));
}

/* Snapshots. */

static struct state_writer w;
static struct state_reader r;
static struct err e;

static void snapshot(void)
{
    state_begin(&w);
    pvpanic_save(&p, &w);
    cr_assert_eq(state_end(&w, 0, &e), 0, "%s", e.text);
    cr_assert_eq(state_open(&r, w.data, w.len, &e), 0, "%s", e.text);
}

Test(pvpanic, a_snapshot_keeps_what_was_seen)
{
    for (uint8_t seen = 0; seen <= PVPANIC_CRASH_LOADED; seen += PVPANIC_CRASH_LOADED) {
        out(seen);
        snapshot();
        pvpanic_finish(&p);
        setup();
        cr_assert_eq(pvpanic_load(&p, &r, &e), 0, "%s", e.text);
        cr_assert_eq(state_close(&r, &e), 0, "%s", e.text);
        cr_assert_eq(p.seen, seen);
        cr_assert_eq(ended, POWER_NONE, "restoring a panic does not end the machine");
    }
    state_free(&w);
}

Test(pvpanic, restores_nothing_that_is_no_event)
{
    p.seen = 4;
    snapshot();
    p.seen = 0;
    cr_assert_eq(pvpanic_load(&p, &r, &e), -EINVAL);
    cr_assert(strstr(e.text, "pvpanic"), "%s", e.text);
    cr_assert_eq(p.seen, 0);

    state_begin(&w);
    cr_assert_eq(state_end(&w, 0, &e), 0);
    cr_assert_eq(state_open(&r, w.data, w.len, &e), 0);
    cr_assert_eq(pvpanic_load(&p, &r, &e), -EINVAL, "there is no such section");
    state_free(&w);
}
