/*
 * What a guest tells the time by: ticks of the local APIC's timer while interrupts are held back,
 * and the paravirtual clock across a write of the time-stamp counter. The ticks are counted, not
 * timed.
 */
#include <stddef.h>

#include "guest/apic.h"
#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/report.h"
#include "guest/suite.h"
#include "lib/check.h"

/*
 * With interrupts disabled, the guest watches twenty periods end: each time the current count jumps
 * up. Then it enables interrupts. It may have missed the end of a period, but must get a tick for
 * each one it saw. If the ticks that were held back were not made up for, there would be just one.
 */
GUEST(ticks, "  apic_start\n"
             "  handle 0x51, 10f\n"
             "  xor %ebx, %ebx\n"
             "  xor %esi, %esi\n"
             "  apic_put APIC_DIVIDE, 0xb\n"
             "  apic_put APIC_LVT_TIMER, 0x20051\n"
             "  apic_put APIC_INITIAL, 1000000\n"
             "  mov $-1, %ebp\n"
             "1:\n"
             "  apic_read APIC_CURRENT\n"
             "  cmp %ebp, %eax\n"
             "  mov %eax, %ebp\n"
             "  jbe 1b\n"
             "  inc %esi\n"
             "  cmp $20, %esi\n"
             "  jb 1b\n"
             "  open\n"
             "  xor %eax, %eax\n"
             "  cmp %esi, %ebx\n"
             "  setae %al\n"
             "  stosq\n"
             "  finish\n"
             "10:\n"
             "  inc %ebx\n"
             "  push %rax\n"
             "  push %rcx\n"
             "  push %rdx\n"
             "  eoi\n"
             "  pop %rdx\n"
             "  pop %rcx\n"
             "  pop %rax\n"
             "  iretq\n");

static void ticks_run(void)
{
    static const struct long64_left expected[] = { { "no tick is lost", 1 } };

    APIC_IN_BOTH_MODES(ticks, expected);
}

#define PAGE "0x35000"

/* Notes the clock's page and the counter. The guest does so before and after it sets the counter
 * far ahead. */
#define NOTE_CLOCK            \
    "  mov $" PAGE ", %esi\n" \
    "  mov $4, %ecx\n"        \
    "  rep movsq\n"           \
    "  rdtsc\n"               \
    "  shl $32, %rdx\n"       \
    "  or %rdx, %rax\n"       \
    "  stosq\n"
GUEST(tsc_set, "  msr_put 0x4b564d01, 0, " PAGE " + 1\n" NOTE_CLOCK
               "  msr_put 0x10, 0x1000, 0\n" NOTE_CLOCK "  finish\n");

struct noted {
    struct {
        uint32_t version, pad;
        uint64_t tsc, ns;
        uint32_t mul;
        int8_t shift;
        uint8_t flags, pad2[2];
    } clock;
    uint64_t tsc;
};
_Static_assert(sizeof(struct noted) == 40, "as the guest leaves it");

/* The time in nanoseconds that the noted page gives for the noted counter. */
static uint64_t told(const struct noted *n)
{
    uint64_t ticks = n->tsc - n->clock.tsc;

    ticks = n->clock.shift < 0 ? ticks >> -n->clock.shift : ticks << n->clock.shift;
    return n->clock.ns + (uint64_t)((unsigned __int128)ticks * n->clock.mul >> 32);
}

static void tsc_set_run(void)
{
    struct noted noted[2];

    LONG64_LOAD(1, tsc_set);
    long64_run();
    CHECK(mem_read(&m.mem, LONG64_VALUES, noted, sizeof(noted)));
    CHECK(noted[0].clock.version % 2 == 0 && noted[1].clock.version % 2 == 0);
    CHECK(noted[1].tsc >> 32 >= 0x1000);
    /* No host takes a minute between the two, while the counter jumped ahead by hours. */
    CHECK(told(&noted[1]) >= told(&noted[0]));
    CHECK(told(&noted[1]) - told(&noted[0]) < UINT64_C(60000000000));
    report("time goes on when the counter is set\n");
    machine_finish();
}

const struct guest_test clock_tests[] = {
    { "ticks while interrupts are held back", ticks_run, "emu" },
    /* A write of the TSC does not make KVM update the clock's page: until something else does, the
     * guest's time is wrong. */
    { "paravirtual clock across a write of the TSC", tsc_set_run, "emu" },
    { NULL, NULL, NULL },
};
