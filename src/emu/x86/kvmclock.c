/* The paravirtual clock. */
#include "emu/x86/kvmclock.h"

#include <stddef.h>
#include <time.h>

#include "core/mem.h"
#include "emu/x86/clock.h"
#include "emu/x86/cpu.h"
#include "emu/x86/machine.h"

#define NS_PER_S   UINT64_C(1000000000)
#define TSC_STABLE 1u /* flags: the same for all processors, never steps */
#define ENABLE     1u

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
static void scale(uint32_t tsc_khz, uint32_t *mul, int8_t *shift)
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

void kvmclock_system_write(struct cpu *c, uint64_t value)
{
    struct time_info info = { .version = 2, .flags = TSC_STABLE };

    c->kvmclock = value;
    if (!(value & ENABLE))
        return;
    /* All processors share one line: machine time 0 is the machine's first TSC sample. */
    info.tsc_timestamp = c->emu->tsc_start + c->tsc_offset;
    scale(clock_tsc_khz(c->emu), &info.tsc_to_system_mul, &info.tsc_shift);
    (void)mem_write(c->emu->mem, value & ~(uint64_t)ENABLE, &info, sizeof(info));
}

void kvmclock_wall_write(struct cpu *c, uint64_t value)
{
    uint64_t up = clock_now_ns() - c->emu->tsc_start_ns;
    struct timespec now;
    uint64_t start;
    struct wall_clock wall = { .version = 2 };

    (void)clock_gettime(CLOCK_REALTIME, &now);
    start = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec - up;
    wall.sec = (uint32_t)(start / NS_PER_S);
    wall.nsec = (uint32_t)(start % NS_PER_S);
    (void)mem_write(c->emu->mem, value, &wall, sizeof(wall));
}
