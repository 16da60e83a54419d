/*
 * Guests on an accelerator: `guest kvm` or `guest emu`.
 *
 * The same guests run on both, so that the software CPU is held to what KVM does. Each test CHECKs
 * what it found and reports it; standard output must be the same on both.
 */
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "core/kvm/kvm.h"
#include "core/vm/vcpu.h"
#include "emu/emu.h"
#include "guest/machine.h"
#include "guest/report.h"
#include "guest/suite.h"
#include "lib/check.h"

static const struct guest_test *const suites[] = {
    flat32_tests,    exception_tests, paging_tests, code_tests,       ring_tests,  fast_call_tests,
    interrupt_tests, apic_tests,      line_tests,   timer_tests,      clock_tests, ipi_tests,
    lock_tests,      order_tests,     debug_tests,  breakpoint_tests, bad_tests,
};

static void on_signal(int signal)
{
    (void)signal;
}

static bool accel_named(const char *name)
{
    static const struct accel_ops *const accels[] = { &kvm_accel, &emu_accel };

    for (unsigned i = 0; name && i < sizeof(accels) / sizeof(accels[0]); i++)
        if (strcmp(accels[i]->name, name) == 0)
            machine_accel = accels[i];
    return machine_accel;
}

static void suite_run(const struct guest_test *test)
{
    for (; test->name; test++) {
        if (test->only && strcmp(test->only, machine_accel->name) != 0)
            continue;
        report_common(!test->only);
        report("%s\n", test->name);
        test->run();
    }
}

int main(int argc, char **argv)
{
    const struct sigaction action = { .sa_handler = on_signal };

    (void)argc;
    if (!accel_named(argv[1])) {
        (void)fprintf(stderr, "usage: guest kvm|emu\n");
        return 2;
    }
    CHECK(sigaction(VCPU_SIGNAL, &action, NULL) == 0);
    for (unsigned i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
        suite_run(suites[i]);
    report_common(true);
    report("all of them hold\n");
    return 0;
}
