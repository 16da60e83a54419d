/* Time: the TSC's frequency, settled once for all processors, and what follows from it. */
#include "emu/x86/time/tsc.h"

#include <criterion/criterion.h>
#include <pthread.h>

#include "core/base/clock.h"
#include "lib/x86/emu_rig.h"

#define THREADS 4u

static struct emu_rig rig;

static void set_up(void)
{
    emu_rig_init(&rig, 1);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(clock, .init = set_up, .fini = tear_down);

static void *settle(void *arg)
{
    tsc_settle(rig.emu);
    *(uint32_t *)arg = rig.emu->tsc_khz;
    return NULL;
}

Test(clock, every_processor_settles_on_the_same)
{
    pthread_t threads[THREADS];
    uint32_t khz[THREADS];

    rig.emu->tsc_khz = 0;
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, settle, &khz[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(khz[i], rig.emu->tsc_khz);
    cr_assert(rig.emu->tsc_khz > 0);
}

Test(clock, what_is_settled_stays)
{
    rig.emu->tsc_khz = 1234;
    tsc_settle(rig.emu);
    cr_assert_eq(rig.emu->tsc_khz, 1234);
}

Test(clock, ticks_to_time)
{
    rig.emu->tsc_khz = 2000000;
    cr_assert_eq(tsc_to_ns(rig.emu, 2000), 1000);
    cr_assert_eq(tsc_to_ns(rig.emu, 0), 0);
    cr_assert_eq(tsc_to_ns(rig.emu, UINT64_MAX), UINT64_MAX / 2, "no further than this");
}

Test(clock, guest_tsc_has_its_offset)
{
    uint64_t before = tsc_host();

    rig.cpu->tsc_offset = 1000;
    cr_assert(tsc_guest(rig.cpu) >= before + 1000);
    cr_assert(tsc_guest(rig.cpu) <= tsc_host() + 1000);
}

Test(clock, now_does_not_go_back)
{
    uint64_t before = clock_now_ns();

    cr_assert(clock_now_ns() >= before);
}

/* Both clocks of a sample lie between a reading before it and one after it. */
Test(clock, a_sample_is_of_one_moment)
{
    uint64_t tsc = tsc_host(), ns = clock_now_ns();
    struct tsc_sample s = tsc_sample(CLOCK_MONOTONIC);

    cr_assert(tsc <= s.tsc && s.tsc <= tsc_host());
    cr_assert(ns <= s.ns && s.ns <= clock_now_ns());
}
