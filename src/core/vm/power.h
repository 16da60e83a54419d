#ifndef CORE_VM_POWER_H
#define CORE_VM_POWER_H
/*
 * How a machine ends, and the upward call by which a device says so.
 *
 * The i8042's reset line, the ACPI registers and the vCPU threads can all end the machine, but none
 * of them knows the machine: they hold a struct power, which it embeds and implements.
 */

enum power_end {
    POWER_NONE,         /* not over */
    POWER_OFF,          /* the guest powered off */
    POWER_RESET,        /* the guest asked for a reboot */
    POWER_TRIPLE_FAULT, /* the guest died */
    POWER_PANIC,        /* the guest's kernel says that it died */
    POWER_QUIT,         /* the operator asked for it */
    POWER_FAILED,       /* mote or the host could not go on; the log says why */
};

struct power {
    /* Any thread, never blocks; only the first call counts. */
    void (*end)(struct power *p, enum power_end why);
};

static inline void power_end_machine(struct power *p, enum power_end why)
{
    p->end(p, why);
}

#endif
