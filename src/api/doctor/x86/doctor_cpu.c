/*
 * Features of the host's processor that make guests fast. A guest sees those that the host has,
 * both under KVM and on the software CPU, which executes them on the host's own units.
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

/* Feature names, each with a blank in front. */
struct feature_list {
    char text[128];
};

/* Lists the features that the processor has, or those that it lacks. */
static struct feature_list feature_names(bool had)
{
    struct feature_list n = { "" };
    size_t used = 0;

    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (processor_has(&features[i]) == had)
            used += (size_t)snprintf(n.text + used, sizeof(n.text) - used, " %s", features[i].name);
    return n;
}

void doctor_look_cpu_features(const struct doctor_host *h, struct doctor_finding *f)
{
    struct feature_list has = feature_names(true), lacks = feature_names(false);

    (void)h;
    if (lacks.text[0])
        doctor_find(f, DOCTOR_LACKING, "a guest gets%s, and lacks%s", has.text, lacks.text);
    else
        doctor_find(f, DOCTOR_GOOD, "a guest gets%s", has.text);
}

const char *doctor_kvm_module_fix(void)
{
    if (processor_has(&svm))
        return "Load its module with modprobe kvm_amd; for a container, pass the device into it.";
    if (processor_has(&vmx))
        return "Load its module with modprobe kvm_intel; for a container, pass the device into it.";
    return "The processor shows no virtualisation: switch it on in the firmware (AMD-V, VT-x) or, "
           "if this host is itself a guest, enable nested virtualisation on its host.";
}
