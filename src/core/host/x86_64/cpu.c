/* The host's x86-64 processor. */
#include <cpuid.h>
#include <stddef.h>

#include "core/host/host.h"

const char host_arch[] = "x86_64";

enum cpuid_reg {
    EAX,
    EBX,
    ECX,
    EDX,
};

struct cpu_feature {
    const char *name;
    unsigned leaf;
    enum cpuid_reg reg;
    unsigned bit;
};

static const struct cpu_feature features[] = {
    { "aes", 1, ECX, 25 },    { "pclmul", 1, ECX, 1 },         { "avx", 1, ECX, 28 },
    { "f16c", 1, ECX, 29 },   { "fma", 1, ECX, 12 },           { "avx2", 7, EBX, 5 },
    { "bmi1", 7, EBX, 3 },    { "bmi2", 7, EBX, 8 },           { "adx", 7, EBX, 19 },
    { "sha", 7, EBX, 29 },    { "lzcnt", 0x80000001, ECX, 5 }, { "rdrand", 1, ECX, 30 },
    { "rdseed", 7, EBX, 18 },
};

static const struct cpu_feature vmx = { "VT-x", 1, ECX, 5 };
static const struct cpu_feature svm = { "AMD-V", 0x80000001, ECX, 2 };

static bool host_cpu_has(const struct cpu_feature *f)
{
    unsigned reg[4] = { 0 };

    return __get_cpuid_count(f->leaf, 0, &reg[EAX], &reg[EBX], &reg[ECX], &reg[EDX]) &&
           (reg[f->reg] & 1u << f->bit) != 0;
}

bool host_feature(unsigned n, struct host_feature *f)
{
    if (n >= sizeof(features) / sizeof(features[0]))
        return false;
    *f = (struct host_feature){ .name = features[n].name, .present = host_cpu_has(&features[n]) };
    return true;
}

const char *host_kvm_fix(void)
{
    if (host_cpu_has(&svm))
        return "Load its module with modprobe kvm_amd; if this is a container, pass the device "
               "into it.";
    if (host_cpu_has(&vmx))
        return "Load its module with modprobe kvm_intel; if this is a container, pass the device "
               "into it.";
    return "The processor shows no virtualisation: switch it on in the firmware (AMD-V, VT-x) or, "
           "if this host is itself a guest, enable nested virtualisation on its host.";
}
