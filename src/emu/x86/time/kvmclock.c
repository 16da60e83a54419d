/*
 * The paravirtual clock.
 *
 * Each processor has a structure in guest memory with the linear function that turns its TSC into
 * time. When a TSC is moved, all structures are written again, because each has the flag that says
 * whether all TSCs are the same.
 */
#include "emu/x86/time/kvmclock.h"

#include <stddef.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/vm/mem.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/time/tsc.h"

#define ENABLE 1u

/* Flags. */
#define TSC_STABLE    (1u << 0) /* the time is the same on all processors and never goes back */
#define GUEST_STOPPED (1u << 1) /* the host sets it, the guest clears it */

struct time_info {
    uint32_t version; /* odd while being written */
    uint32_t pad;
    uint64_t tsc_timestamp;
    uint64_t system_time; /* ns at tsc_timestamp */
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad2[2];
};

_Static_assert(sizeof(struct time_info) == 32, "pvclock_vcpu_time_info layout");

struct wall_clock {
    uint32_t version;
    uint32_t sec;
    uint32_t nsec;
};

_Static_assert(sizeof(struct wall_clock) == 12, "pvclock_wall_clock layout");

/* ns = (ticks << shift or >> -shift) * mul >> 32, with mul as large as 32 bits allow. */
static void kvmclock_scale(uint32_t tsc_khz, uint32_t *mul, int8_t *shift)
{
    uint64_t hz = (uint64_t)tsc_khz * 1000;
    int8_t s = 0;

    while (hz > 2 * NS_PER_S) {
        hz >>= 1;
        s--;
    }
    while (hz <= NS_PER_S) {
        hz <<= 1;
        s++;
    }
    *mul = (uint32_t)((NS_PER_S << 32) / hz);
    *shift = s;
}

/* The time since the machine's first TSC sample, computed from the TSC as a guest does. */
static uint64_t kvmclock_machine_ns(const struct emu *m, uint64_t host_tsc)
{
    uint64_t ticks = host_tsc - m->tsc_start;
    uint32_t mul;
    int8_t shift;

    kvmclock_scale(tsc_khz(m), &mul, &shift);
    ticks = shift < 0 ? ticks >> -shift : ticks << shift;
    return (uint64_t)((unsigned __int128)ticks * mul >> 32);
}

static uint64_t kvmclock_tsc_offset(const struct cpu *c)
{
    return __atomic_load_n(&c->tsc_offset, __ATOMIC_RELAXED);
}

/* TSC_STABLE if all processors' TSCs are the same, otherwise 0. */
static uint8_t kvmclock_stable_flag(const struct emu *m)
{
    for (unsigned i = 1; i < m->cpu_count; i++)
        if (kvmclock_tsc_offset(m->cpus[i]) != kvmclock_tsc_offset(m->cpus[0]))
            return 0;
    return TSC_STABLE;
}

/* With kvmclock_lock. All processors have the same time, which is 0 at the machine's first TSC
 * sample. A reader that sees an odd version, or another version afterwards, tries again. */
static void kvmclock_info_write(struct cpu *c, uint8_t flags)
{
    gpa_t at = c->kvmclock & ~(uint64_t)ENABLE;
    struct time_info info = {
        .version = c->kvmclock_version + 1,
        .tsc_timestamp = c->emu->tsc_start + kvmclock_tsc_offset(c),
        .flags = flags,
    };

    kvmclock_scale(tsc_khz(c->emu), &info.tsc_to_system_mul, &info.tsc_shift);
    if (!mem_write(c->emu->mem, at, &info.version, sizeof(info.version)))
        return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    (void)mem_write(c->emu->mem, at, &info, sizeof(info));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    info.version = c->kvmclock_version += 2;
    (void)mem_write(c->emu->mem, at, &info.version, sizeof(info.version));
}

/* GUEST_STOPPED if the processor's structure has it set, so that writing that again keeps it. */
static uint8_t kvmclock_stopped_flag(const struct cpu *c)
{
    struct time_info info;

    if (!mem_read(c->emu->mem, c->kvmclock & ~(uint64_t)ENABLE, &info, sizeof(info)))
        return 0;
    return info.flags & GUEST_STOPPED;
}

/* With kvmclock_lock. */
static void kvmclock_infos_write(struct emu *m)
{
    uint8_t stable = kvmclock_stable_flag(m);

    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i]->kvmclock & ENABLE)
            kvmclock_info_write(m->cpus[i], stable | kvmclock_stopped_flag(m->cpus[i]));
}

void kvmclock_stopped(struct cpu *c)
{
    (void)pthread_mutex_lock(&c->emu->kvmclock_lock);
    if (c->kvmclock & ENABLE)
        kvmclock_info_write(c, kvmclock_stable_flag(c->emu) | GUEST_STOPPED);
    (void)pthread_mutex_unlock(&c->emu->kvmclock_lock);
}

void kvmclock_update(struct emu *m)
{
    (void)pthread_mutex_lock(&m->kvmclock_lock);
    kvmclock_infos_write(m);
    (void)pthread_mutex_unlock(&m->kvmclock_lock);
}

void kvmclock_system_write(struct cpu *c, uint64_t value)
{
    (void)pthread_mutex_lock(&c->emu->kvmclock_lock);
    c->kvmclock = value;
    if (value & ENABLE)
        kvmclock_info_write(c, kvmclock_stable_flag(c->emu));
    (void)pthread_mutex_unlock(&c->emu->kvmclock_lock);
}

void kvmclock_wall_write(struct cpu *c, uint64_t value)
{
    struct tsc_sample now = tsc_sample(CLOCK_REALTIME);
    uint64_t start = now.ns - kvmclock_machine_ns(c->emu, now.tsc);
    struct wall_clock wall = {
        .version = 2,
        .sec = (uint32_t)(start / NS_PER_S),
        .nsec = (uint32_t)(start % NS_PER_S),
    };

    (void)mem_write(c->emu->mem, value, &wall, sizeof(wall));
}
