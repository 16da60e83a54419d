/* The words of a kernel command line after which Linux takes interrupts from elsewhere than the
 * I/O APIC, their numbers from elsewhere than ACPI, or the time from elsewhere than KVM's clock. */
#include "core/x86/tables/legacy.h"

#include <stddef.h>

#include "core/x86/tables/cmdline_word.h"

static const char *const words[] = {
    "noapic",     "nolapic",     "disableapic", "nosmp", "maxcpus=0",
    "acpi=noirq", "pnpacpi=off", "no-kvmclock", "nopv",
};

#define DEVICE_WORD "virtio_mmio.device=" /* names an interrupt by its number */

static bool legacy_word(const struct cmdline_word *word)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (cmdline_word_is(word, words[i]))
            return true;
    return cmdline_word_begins(word, DEVICE_WORD);
}

bool legacy_is_needed(const char *cmdline)
{
    struct cmdline_word word;

    while (cmdline_word_next(&cmdline, &word))
        if (legacy_word(&word))
            return true;
    return false;
}
