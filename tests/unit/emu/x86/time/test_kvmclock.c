/* The paravirtual clock: how a TSC becomes time, and when the pages are written again. */
#include "emu/x86/time/kvmclock.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "emu/x86/sys/msr.h"
#include "emu/x86/time/tsc.h"
#include "lib/x86/emu_rig.h"

#define TSC           0x10u
#define TSC_ADJUST    0x3bu
#define PAGE(n)       (0x6000u + 64u * (n))
#define WALL          0x7000u
#define TSC_IS_STABLE 1u
#define WAS_STOPPED   2u

struct page {
    uint32_t version, pad;
    uint64_t tsc, ns;
    uint32_t mul;
    int8_t shift;
    uint8_t flags, pad2[2];
};

static struct emu_rig rig;

static void set_up(void)
{
    emu_rig_init(&rig, 2);
    for (unsigned n = 0; n < 2; n++)
        kvmclock_system_write(rig.emu->cpus[n], PAGE(n) | 1u);
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(kvmclock, .init = set_up, .fini = tear_down);

static struct page page(unsigned n)
{
    struct page p;

    memcpy(&p, emu_rig_at(&rig, PAGE(n)), sizeof(p));
    cr_assert_eq(p.version % 2, 0, "complete");
    return p;
}

/* The time that a guest computes on processor n when the host's TSC is this. */
static uint64_t told(unsigned n, uint64_t host_tsc)
{
    struct page p = page(n);
    uint64_t ticks = host_tsc + rig.emu->cpus[n]->tsc_offset - p.tsc;

    ticks = p.shift < 0 ? ticks >> -p.shift : ticks << p.shift;
    return p.ns + (uint64_t)((unsigned __int128)ticks * p.mul >> 32);
}

Test(kvmclock, counts_from_the_machines_beginning)
{
    cr_assert_eq(told(0, rig.emu->tsc_start), 0);
    cr_assert_eq(told(0, rig.emu->tsc_start + 2000000000), NS_PER_S, "at 2 GHz");
    cr_assert_eq(told(1, rig.emu->tsc_start + 2000000000), NS_PER_S);
    cr_assert_eq(page(0).flags, TSC_IS_STABLE);
}

/* A guest that sets its TSC does not move its time. */
Test(kvmclock, time_is_the_same_after_the_tsc_is_set)
{
    uint64_t at = rig.emu->tsc_start + 123456789;
    uint64_t before = told(0, at);
    uint32_t version = page(0).version;

    cr_assert(msr_write(rig.cpu, TSC, UINT64_C(0x1000) << 32));
    cr_assert_eq(told(0, at), before);
    cr_assert_gt(page(0).version, version);
    cr_assert(msr_write(rig.cpu, TSC_ADJUST, 42));
    cr_assert_eq(told(0, at), before);
    cr_assert_eq(told(1, at), before);
}

/* The guest clears the flag. */
Test(kvmclock, says_that_the_host_had_stopped_a_processor)
{
    uint32_t version = page(1).version;

    kvmclock_stopped(rig.emu->cpus[1]);
    cr_assert_eq(page(1).flags, TSC_IS_STABLE | WAS_STOPPED);
    cr_assert_gt(page(1).version, version);
    cr_assert_eq(page(0).flags, TSC_IS_STABLE);
    cr_assert(msr_write(rig.cpu, TSC_ADJUST, 42));
    cr_assert_eq(page(1).flags, WAS_STOPPED, "also when the page is written again");
    ((struct page *)emu_rig_at(&rig, PAGE(1)))->flags = 0;
    cr_assert(msr_write(rig.cpu, TSC_ADJUST, 0));
    cr_assert_eq(page(1).flags, TSC_IS_STABLE);
    kvmclock_system_write(rig.emu->cpus[1], 0);
    kvmclock_stopped(rig.emu->cpus[1]);
    cr_assert_eq(page(1).flags, TSC_IS_STABLE, "there is no page");
}

Test(kvmclock, tscs_that_differ_are_not_stable)
{
    cr_assert(msr_write(rig.cpu, TSC_ADJUST, 1000));
    cr_assert_eq(page(0).flags, 0);
    cr_assert_eq(page(1).flags, 0, "nor on a processor whose TSC was not moved");
    cr_assert(msr_write(rig.emu->cpus[1], TSC_ADJUST, 1000));
    cr_assert_eq(page(0).flags, TSC_IS_STABLE);
    cr_assert_eq(page(1).flags, TSC_IS_STABLE);
}

Test(kvmclock, is_not_written_once_it_is_off)
{
    struct page before;

    kvmclock_system_write(rig.cpu, PAGE(0));
    before = page(0);
    cr_assert(msr_write(rig.cpu, TSC_ADJUST, 1000));
    cr_assert_eq(memcmp(emu_rig_at(&rig, PAGE(0)), &before, sizeof(before)), 0);
    kvmclock_system_write(rig.cpu, UINT64_C(1) << 50 | 1u); /* no memory */
    cr_assert(msr_write(rig.cpu, TSC_ADJUST, 0));
}

/* By then the page may be another kernel's. */
Test(kvmclock, is_off_after_init)
{
    cr_assert_neq(rig.emu->cpus[1]->kvmclock, 0);
    cpu_request(rig.emu->cpus[1], CPU_REQ_INIT);
    cpu_request(rig.emu->cpus[1], CPU_REQ_KICK);
    cr_assert_eq(rig.emu->cpus[1]->accel.ops->run(&rig.emu->cpus[1]->accel), VCPU_KICKED);
    cr_assert_eq(rig.emu->cpus[1]->kvmclock, 0);
}

/* The machine's start by the wall clock plus the time since then is the host's time, to within a
 * millisecond, because CLOCK_REALTIME and the TSC are two clocks. */
Test(kvmclock, wall_clock_is_the_hosts)
{
    struct timespec host;
    struct {
        uint32_t version, sec, nsec;
    } wall;
    uint64_t guest;

    rig.emu->tsc_khz = 0;
    tsc_settle(rig.emu);
    kvmclock_update(rig.emu);
    kvmclock_wall_write(rig.cpu, WALL);
    memcpy(&wall, emu_rig_at(&rig, WALL), sizeof(wall));
    guest = wall.sec * NS_PER_S + wall.nsec + told(0, tsc_host());
    cr_assert_eq(clock_gettime(CLOCK_REALTIME, &host), 0);
    cr_assert_leq(guest, (uint64_t)host.tv_sec * NS_PER_S + (uint64_t)host.tv_nsec + 1000000);
    cr_assert_eq(clock_gettime(CLOCK_REALTIME, &host), 0);
    guest = wall.sec * NS_PER_S + wall.nsec + told(0, tsc_host());
    cr_assert_geq(guest + 1000000, (uint64_t)host.tv_sec * NS_PER_S + (uint64_t)host.tv_nsec);
}
