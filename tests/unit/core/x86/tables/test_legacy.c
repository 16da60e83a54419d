/* Which command lines need the old interrupt controllers. */
#include "core/x86/tables/legacy.h"

#include <criterion/criterion.h>

Test(legacy, is_needed_by_the_words_that_linux_reads)
{
    static const struct {
        const char *cmdline;
        bool needed;
    } lines[] = {
        { "", false },
        { "console=ttyS0 reboot=panic_warm,k panic=1 pci=off", false },
        { "noapic", true },
        { "quiet nolapic", true },
        { "  disableapic  ", true },
        { "nosmp quiet", true },
        { "maxcpus=0", true },
        { "acpi=noirq", true },
        { "pnpacpi=off", true },
        { "quiet no-kvmclock", true },
        { "nopv", true },
        { "virtio_mmio.device=4K@0xc0001000:5", true },
        /* Other words that only look like these. */
        { "noapictimer nolapic_timer maxcpus=01 maxcpus=1 acpi=off no-kvmclock-vsyscall", false },
        { "xnoapic apic", false },
        { "virtio_mmio.device", false },
        { "mote.run=\"echo noapic nosmp\"", false },
        { "quiet -- noapic", false },
        { "a=\"b\" noapic", true },
    };

    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        cr_expect_eq(legacy_is_needed(lines[i].cmdline), lines[i].needed, "%s", lines[i].cmdline);
}
