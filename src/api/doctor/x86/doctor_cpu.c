/*
 * What the host's processor has that makes guests fast. A guest sees these as the host has them,
 * under KVM and on the software CPU, which lets the host's units execute them.
 */
#include <stdbool.h>
#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "api/doctor/doctor_look.h"

enum cpuid_reg {
    EAX,
    EBX,
    ECX,
    EDX,
};

struct feature {
    const char *name;
    unsigned leaf;
    enum cpuid_reg reg;
    unsigned bit;
};

static const struct feature features[] = {
    { "aes", 1, ECX, 25 },    { "pclmul", 1, ECX, 1 },         { "avx", 1, ECX, 28 },
    { "f16c", 1, ECX, 29 },   { "fma", 1, ECX, 12 },           { "avx2", 7, EBX, 5 },
    { "bmi1", 7, EBX, 3 },    { "bmi2", 7, EBX, 8 },           { "adx", 7, EBX, 19 },
    { "sha", 7, EBX, 29 },    { "lzcnt", 0x80000001, ECX, 5 }, { "rdrand", 1, ECX, 30 },
    { "rdseed", 7, EBX, 18 },
};

static const struct feature vmx = { "VT-x", 1, ECX, 5 };
static const struct feature svm = { "AMD-V", 0x80000001, ECX, 2 };

static bool processor_has(const struct feature *f)
{
    unsigned reg[4] = { 0 };

    return __get_cpuid_count(f->leaf, 0, &reg[EAX], &reg[EBX], &reg[ECX], &reg[EDX]) &&
           (reg[f->reg] & 1u << f->bit) != 0;
}

/* The names of those that it has or has not, each with a blank in front. */
struct names {
    char text[128];
};

static struct names names_of(bool had)
{
    struct names n = { "" };
    size_t used = 0;

    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (processor_has(&features[i]) == had)
            used += (size_t)snprintf(n.text + used, sizeof(n.text) - used, " %s", features[i].name);
    return n;
}

void doctor_look_cpu_features(const struct doctor_host *h, struct doctor_finding *f)
{
    struct names has = names_of(true), lacks = names_of(false);

    (void)h;
    if (lacks.text[0])
        doctor_find(f, DOCTOR_LACKING, "a guest gets%s, and lacks%s", has.text, lacks.text);
    else
        doctor_find(f, DOCTOR_GOOD, "a guest gets%s", has.text);
}

const char *doctor_kvm_module_fix(void)
{
    if (processor_has(&svm))
        return "Load its module, modprobe kvm_amd; into a container, pass the device.";
    if (processor_has(&vmx))
        return "Load its module, modprobe kvm_intel; into a container, pass the device.";
    return "The processor shows no virtualisation: switch it on in the firmware (AMD-V, VT-x), or "
           "where this host is itself a guest, nested virtualisation on its host.";
}
