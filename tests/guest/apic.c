/* Runs a guest with the local APIC in xAPIC mode, and again in x2APIC mode. */
#include "guest/apic.h"

#include <stdbool.h>

#include "guest/machine.h"
#include "guest/report.h"

static void run_as(const struct apic_guest *g, bool x2apic)
{
    report("  as %s:\n", x2apic ? "x2APIC" : "xAPIC");
    long64_load(g->vcpus ? g->vcpus : 1, g->code, (uint64_t)(g->end - g->code));
    put(LONG64_X2APIC, &x2apic, sizeof(x2apic));
    if (g->init)
        g->init();
    long64_run();
    long64_check_left(g->expected, g->count);
    if (g->finish)
        g->finish();
    machine_finish();
}

void apic_in_both_modes(const struct apic_guest *g)
{
    run_as(g, false);
    run_as(g, true);
}
