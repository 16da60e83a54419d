/* What the probe makes of every kind of KVM. An ioctl of this file's own plays the kernel, and its
 * own clock measures the time that the kernel is said to take. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <criterion/criterion.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/kvm/kvm_internal.h"
#include "core/kvm/x86/kvm_x86.h"
#include "core/vm/bus.h"
#include "core/vm/mem.h"
#include "core/x86/layout.h"

#define VCPU_FD     1000 /* nobody's */
#define RIP         0xfff0u
#define RUNS_MAX    8u
#define INTERPRETED 1000u /* nanoseconds an instruction */

/* What one call of KVM_RUN does; the last answer is repeated for ever. */
struct answer {
    int error;       /* errno, or 0 */
    unsigned exit;   /* the exit reason, if error is 0 */
    unsigned port;   /* of KVM_EXIT_IO */
    uint64_t ns;     /* how long the call takes */
    bool kicked;     /* somebody kicks meanwhile */
    uint64_t *dirty; /* where the guest writes meanwhile, or NULL */
};

static struct answer answers[RUNS_MAX];
static unsigned runs;         /* calls of KVM_RUN that entered the guest */
static unsigned completions;  /* calls that only completed the exit before */
static unsigned long refused; /* the request that fails, or 0 */
static struct kvm_regs kregs = { .rip = RIP };
static struct kvm_sregs ksregs;

static uint64_t now_ns = NS_PER_S;

static struct kvm_run run;
static struct mem mem;
static struct bus ports, mmio;
static struct err e;
static uint64_t mips;

static struct kvm kvm = { .config = { .mem = &mem, .ports = &ports, .mmio = &mmio } };
static struct kvm_vcpu vcpu = { .kvm = &kvm, .fd = VCPU_FD, .run = &run };

/* Replaces the C library's: time passes only in KVM_RUN. */
int clock_gettime(clockid_t clock, struct timespec *to)
{
    if (clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, to);
    *to = (struct timespec){ .tv_sec = (time_t)(now_ns / NS_PER_S),
                             .tv_nsec = (long)(now_ns % NS_PER_S) };
    return 0;
}

static int answer_run(void)
{
    const struct answer *a = &answers[runs < RUNS_MAX ? runs : RUNS_MAX - 1];

    if (run.immediate_exit) {
        completions++;
        errno = EINTR;
        return -1;
    }
    runs++;
    if (a->dirty)
        *a->dirty = ~0ull;
    now_ns += a->ns;
    run.immediate_exit = a->kicked;
    run.exit_reason = a->exit;
    run.io.port = (uint16_t)a->port;
    errno = a->error;
    return a->error ? -1 : 0;
}

/* Replaces the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *argument;

    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    cr_assert_eq(fd, VCPU_FD);
    if (request == refused) {
        errno = EINVAL;
        return -1;
    }
    switch (request) {
    case KVM_RUN:
        return answer_run();
    case KVM_GET_REGS:
        memcpy(argument, &kregs, sizeof(kregs));
        return 0;
    case KVM_SET_REGS:
        memcpy(&kregs, argument, sizeof(kregs));
        return 0;
    case KVM_GET_SREGS:
        memcpy(argument, &ksregs, sizeof(ksregs));
        return 0;
    case KVM_SET_SREGS:
        memcpy(&ksregs, argument, sizeof(ksregs));
        return 0;
    default:
        errno = ENOTTY;
        return -1;
    }
}

/* A pass on a processor, at 2 instructions a nanosecond. */
static const struct answer pass = { .exit = KVM_EXIT_IO, .port = KVM_PROBE_PORT, .ns = 2048 };

static void set_up(void)
{
    const struct mem_config config = { 1 << 20, LAYOUT_GAP_START, LAYOUT_GAP_END, MEM_HUGE_NONE,
                                       0 };

    cr_assert_eq(mem_init(&mem, &config, &e), 0, "%s", e.text);
    bus_init(&ports, "port");
    bus_init(&mmio, "mmio");
    for (unsigned i = 0; i < RUNS_MAX; i++)
        answers[i] = pass;
}

static void tear_down(void)
{
    mem_finish(&mem);
}

TestSuite(kvm_probe_run, .init = set_up, .fini = tear_down);

static int probe(void)
{
    e.text[0] = '\0';
    return kvm_arch_probe(&vcpu.vcpu, &mips, &e);
}

/* All of memory is zero, whatever the probe and its guest wrote, and no port write is left half
 * done. */
static void expect_memory_clean(void)
{
    static const uint8_t nothing[1 << 20];

    cr_assert_eq(memcmp(mem_at(&mem, 0, sizeof(nothing)), nothing, sizeof(nothing)), 0);
    cr_assert_eq(run.immediate_exit, 0);
}

static void expect_refused(const char *words)
{
    cr_assert_eq(probe(), -EOPNOTSUPP);
    cr_assert(strstr(e.text, words), "'%s' in '%s'", words, e.text);
    expect_memory_clean();
}

Test(kvm_probe_run, good_kvm_costs_one_pass_and_leaves_no_trace)
{
    struct kvm_regs regs_before = kregs;
    struct kvm_sregs sregs_before;

    answers[0].dirty = mem_at(&mem, LAYOUT_ZERO_PAGE + 2048, 8);
    cr_assert_eq(probe(), 0, "%s", e.text);
    sregs_before = ksregs;
    cr_assert_eq(runs, 1);
    cr_assert_eq(completions, 1, "KVM has finished the port write");
    cr_assert_eq(mips, 2000);
    expect_memory_clean();
    cr_assert_eq(kregs.rip, regs_before.rip);
    cr_assert_eq(probe(), 0, "and can be done again");
    cr_assert_eq(memcmp(&ksregs, &sregs_before, sizeof(ksregs)), 0);
}

Test(kvm_probe_run, slow_kvm_has_three_passes)
{
    answers[0].ns = 4096 * INTERPRETED;
    answers[1].ns = 4 * answers[0].ns;
    answers[2].ns = 4 * answers[1].ns;
    expect_refused("at 1 million instructions a second");
    cr_assert_eq(runs, 3);
    cr_assert_eq(mips, 1);
}

Test(kvm_probe_run, late_pass_that_is_fast_will_do)
{
    answers[0].ns = 4096 * INTERPRETED;
    cr_assert_eq(probe(), 0, "%s", e.text);
    cr_assert_eq(runs, 2);
    cr_assert_eq(mips, 8000);
    expect_memory_clean();
}

Test(kvm_probe_run, kvm_without_an_instruction_says_so)
{
    answers[0] = (struct answer){ .exit = KVM_EXIT_INTERNAL_ERROR };
    run.internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
    expect_refused("KVM does not execute a guest's kernel: ");
    cr_assert_eq(mips, 0, "no pass, no speed");
    cr_assert_eq(runs, 1);
}

Test(kvm_probe_run, refused_instruction_that_becomes_a_triple_fault)
{
    answers[0] = (struct answer){ .exit = KVM_EXIT_SHUTDOWN };
    expect_refused("KVM does not execute a guest's kernel: the processor shut down");
}

Test(kvm_probe_run, fails_in_a_later_pass_too)
{
    answers[0].ns = 4096 * INTERPRETED;
    answers[1] = (struct answer){ .exit = KVM_EXIT_FAIL_ENTRY };
    expect_refused("the processor refuses the guest's state");
}

Test(kvm_probe_run, some_other_port_is_no_pass)
{
    answers[0].port = KVM_PROBE_PORT + 1;
    expect_refused("KVM does not execute a guest's kernel");
}

Test(kvm_probe_run, ends_at_its_deadline)
{
    answers[0] = (struct answer){ .error = EINTR, .kicked = true };
    expect_refused("does not get through a few thousand instructions");
    cr_assert_eq(runs, 1);
}

Test(kvm_probe_run, signal_without_a_kick_only_takes_time)
{
    answers[0] = answers[1] = (struct answer){ .error = EINTR };
    cr_assert_eq(probe(), 0, "%s", e.text);
    cr_assert_eq(runs, 3);
    expect_memory_clean();
}

Test(kvm_probe_run, failed_entry_is_told_as_what_it_is)
{
    answers[0] = (struct answer){ .error = EFAULT };
    cr_assert_eq(probe(), -EFAULT);
    cr_assert(strstr(e.text, "no page behind the guest's memory"), "%s", e.text);
    expect_memory_clean();
}

Test(kvm_probe_run, registers_that_kvm_does_not_give_or_take)
{
    refused = KVM_GET_SREGS;
    cr_assert_eq(probe(), -EINVAL);
    refused = KVM_SET_SREGS;
    cr_assert_eq(probe(), -EINVAL);
    cr_assert(strstr(e.text, "refuses vCPU 0's system registers"), "%s", e.text);
    refused = KVM_SET_REGS;
    cr_assert_eq(probe(), -EINVAL);
    cr_assert_eq(runs, 0);
    expect_memory_clean();
}
