/* One processor has the machine to itself: the others stand still. */
#include "emu/x86/mem/exclusive.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

#include "emu/x86/exec.h"
#include "emu/x86/mem/code_pages.h"
#include "lib/x86/emu_rig.h"

#define COUNTER 0x6000u

static struct emu_rig r;
static struct cpu *other; /* processor 1, which runs nothing; this thread acts for it */
static pthread_t runner;

static void *go(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)emu_rig_go(&r);
}

static uint64_t counter(void)
{
    return __atomic_load_n((uint64_t *)emu_rig_at(&r, COUNTER), __ATOMIC_SEQ_CST);
}

static void await_another_count(void)
{
    uint64_t before = counter();

    while (counter() == before)
        (void)sched_yield();
}

static void run_begins(void)
{
    cr_assert_eq(pthread_create(&runner, NULL, go, NULL), 0);
}

static void run_ends(void)
{
    void *why;

    r.cpu->accel.ops->kick(&r.cpu->accel);
    (void)pthread_join(runner, &why);
    cr_assert_eq((uintptr_t)why, VCPU_KICKED);
}

/* Processor 0 increments the counter for ever. */
static void start(void)
{
    static const uint8_t count[] = { 0x48, 0xff, 0x04, 0x25, 0, 0x60, 0, 0, 0xeb, 0xf6 };

    emu_rig_init(&r, 2);
    emu_rig_long_mode(&r);
    emu_rig_write(&r, EMU_RIG_CODE, count, sizeof(count));
    r.cpu->rip = EMU_RIG_CODE;
    other = r.emu->cpus[1];
    run_begins();
}

static void finish(void)
{
    run_ends();
    emu_rig_finish(&r);
}

/* Leaves guest code too, so that nobody waits for an answer of processor 1. */
static void end(void)
{
    exclusive_end(other);
    code_pages_exit(other);
}

TestSuite(exclusive, .init = start, .fini = finish);

Test(exclusive, the_others_stand_still_until_the_end)
{
    for (unsigned i = 0; i < 50; i++) {
        uint64_t before;

        await_another_count();
        exclusive_begin(other);
        before = counter();
        for (unsigned n = 0; n < 20; n++)
            (void)sched_yield();
        cr_assert_eq(counter(), before);
        end();
    }
    await_another_count();
}

/* A processor that enters guest code meanwhile waits. */
Test(exclusive, nobody_comes_in_meanwhile)
{
    uint64_t before;

    run_ends();
    exclusive_begin(other);
    before = counter();
    run_begins();
    for (unsigned n = 0; n < 100; n++)
        (void)sched_yield();
    cr_assert_eq(counter(), before);
    end();
    await_another_count();
}

static void *take_turns(void *arg)
{
    struct cpu *c = arg;

    for (unsigned i = 0; i < 1000; i++) {
        volatile uint64_t *at = emu_rig_at(&r, COUNTER + 8);

        exclusive_begin(c);
        *at = *at + 1;
        exclusive_end(c);
    }
    code_pages_exit(c);
    return NULL;
}

/* Two processors that want it have it one after the other. */
Test(exclusive, is_one_processors_at_a_time)
{
    pthread_t thread;

    run_ends();
    cr_assert_eq(pthread_create(&thread, NULL, take_turns, r.cpu), 0);
    (void)take_turns(other);
    (void)pthread_join(thread, NULL);
    cr_assert_eq(emu_rig_read64(&r, COUNTER + 8), 2000);
    run_begins();
}
