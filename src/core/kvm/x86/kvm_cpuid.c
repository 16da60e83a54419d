/*
 * Converts CPUID tables between KVM's format and struct cpuid_table.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "core/base/err.h"
#include "core/kvm/x86/kvm_x86.h"

#define LEAF1_ECX_TSC_DEADLINE (1u << 24)

static struct kvm_cpuid2 *kvm_cpuid_alloc(struct err *e)
{
    struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_ENTRIES_MAX * sizeof(c->entries[0]));

    if (!c)
        err_set(e, ENOMEM, "no memory for CPUID");
    return c;
}

static struct cpuid_entry cpuid_entry_import(const struct kvm_cpuid_entry2 *c)
{
    return (struct cpuid_entry){
        .leaf = c->function,
        .subleaf = c->index,
        .has_subleaf = !!(c->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX),
        .eax = c->eax,
        .ebx = c->ebx,
        .ecx = c->ecx,
        .edx = c->edx,
    };
}

static struct kvm_cpuid_entry2 cpuid_entry_export(const struct cpuid_entry *c)
{
    return (struct kvm_cpuid_entry2){
        .function = c->leaf,
        .index = c->subleaf,
        .flags = c->has_subleaf ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
        .eax = c->eax,
        .ebx = c->ebx,
        .ecx = c->ecx,
        .edx = c->edx,
    };
}

/* KVM does not list the deadline timer, because it depends on who models the local APIC. Here KVM
 * does. */
static void kvm_cpuid_offer_deadline(int device_fd, struct cpuid_table *offer)
{
    struct cpuid_entry *features = cpuid_find(offer, 0x1, 0);

    if (features && ioctl(device_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
        features->ecx |= LEAF1_ECX_TSC_DEADLINE;
}

int kvm_cpuid_offer(int device_fd, struct cpuid_table *offer, struct err *e)
{
    struct kvm_cpuid2 *c = kvm_cpuid_alloc(e);
    int ret = 0;

    if (!c)
        return -ENOMEM;
    c->nent = CPUID_ENTRIES_MAX;
    if (ioctl(device_fd, KVM_GET_SUPPORTED_CPUID, c) < 0) {
        ret = err_sys(e, "KVM does not say what the processor can do");
        goto out;
    }
    offer->count = c->nent;
    for (unsigned i = 0; i < c->nent; i++)
        offer->entries[i] = cpuid_entry_import(&c->entries[i]);
    kvm_cpuid_offer_deadline(device_fd, offer);
out:
    free(c);
    return ret;
}

int kvm_cpuid_set(int vcpu_fd, const struct cpuid_table *t, struct err *e)
{
    struct kvm_cpuid2 *c = kvm_cpuid_alloc(e);
    int ret = 0;

    if (!c)
        return -ENOMEM;
    c->nent = t->count;
    for (unsigned i = 0; i < t->count; i++)
        c->entries[i] = cpuid_entry_export(&t->entries[i]);
    if (ioctl(vcpu_fd, KVM_SET_CPUID2, c) < 0)
        ret = err_sys(e, "KVM refuses the CPUID it offered");
    free(c);
    return ret;
}
