/* Vendors: their names, families and behaviours. */
#include "emu/x86/decode/vendor.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/x86/cpuid.h"

#define NAME_LEN 12

#define FAMILY_ZEN 0x17u /* AMD's first Zen; Hygon's processors, derived from it, have 0x18 */
#define FAMILY_MAX 0x10eu

static const struct vendor intel = {
#define WAY(name, intels, amds, zens) .name = (intels),
#include "emu/x86/decode/tables/vendor.def"
#undef WAY
};

static const struct vendor amd = {
#define WAY(name, intels, amds, zens) .name = (amds),
#include "emu/x86/decode/tables/vendor.def"
#undef WAY
};

static const struct vendor zen = {
#define WAY(name, intels, amds, zens) .name = (zens),
#include "emu/x86/decode/tables/vendor.def"
#undef WAY
};

static const struct {
    const char *word; /* in the switch */
    const char *name; /* in CPUID */
    bool amds;        /* AMD's design: behaves as amd or zen above, by family */
} names[] = {
    { "intel", "GenuineIntel", false },
    { "amd", "AuthenticAMD", true },
    { "hygon", "HygonGenuine", true },
};

#define NAMES (sizeof(names) / sizeof(names[0]))

const struct vendor *vendor_of(const char *name, unsigned family)
{
    for (unsigned i = 0; i < NAMES; i++)
        if (names[i].amds && strncmp(name, names[i].name, NAME_LEN) == 0)
            return family >= FAMILY_ZEN ? &zen : &amd;
    return &intel;
}

/* The family in leaf 1 EAX: bits 8 to 11; if these are all set, bits 20 to 27 are added. */
static unsigned family_shown(uint32_t signature)
{
    unsigned family = signature >> 8 & 0xfu;

    return family == 0xf ? family + (signature >> 20 & 0xffu) : family;
}

static uint32_t family_show(uint32_t signature, unsigned family)
{
    signature &= ~0x0ff00f00u;
    if (family < 0xf)
        return signature | family << 8;
    return signature | 0xf00u | (family - 0xf) << 20;
}

const struct vendor *vendor_shown(struct cpuid_table *t)
{
    const struct cpuid_entry *who = cpuid_find(t, 0, 0);
    const struct cpuid_entry *what = cpuid_find(t, 1, 0);
    char name[NAME_LEN] = "";

    if (who) {
        memcpy(name, &who->ebx, 4);
        memcpy(name + 4, &who->edx, 4);
        memcpy(name + 8, &who->ecx, 4);
    }
    return vendor_of(name, what ? family_shown(what->eax) : 0);
}

static bool family_read(const char *text, unsigned *family)
{
    char *end;
    unsigned long value;

    if (*text == '\0')
        return true;
    errno = 0;
    value = strtoul(text + 1, &end, 0);
    if (*text != ':' || end == text + 1 || *end || errno || value > FAMILY_MAX)
        return false;
    *family = (unsigned)value;
    return true;
}

int vendor_pretend(struct cpuid_table *t, const char *text, struct err *e)
{
    struct cpuid_entry *who = cpuid_find(t, 0, 0);
    struct cpuid_entry *what = cpuid_find(t, 1, 0);
    unsigned family = family_shown(what->eax);

    for (unsigned i = 0; i < NAMES; i++) {
        size_t len = strlen(names[i].word);

        if (strncmp(text, names[i].word, len) != 0 || !family_read(text + len, &family))
            continue;
        memcpy(&who->ebx, names[i].name, 4);
        memcpy(&who->edx, names[i].name + 4, 4);
        memcpy(&who->ecx, names[i].name + 8, 4);
        what->eax = family_show(what->eax, family);
        return 0;
    }
    return err_set(e, EINVAL,
                   VENDOR_SWITCH
                   " is '%s', but must be intel, amd or hygon, or one of these with a "
                   "family, as in amd:0x19",
                   text);
}
