/*
 * The x86 part of a machine on KVM: interrupt controllers, timer, and a processor's first state.
 *
 * KVM models the PIC, I/O APIC, local APICs and PIT in the kernel. Two ranges of the MMIO gap are
 * KVM's own: it uses them on Intel processors that cannot run real mode by themselves. The guest
 * never sees them.
 */
#include "core/kvm/x86/kvm_x86.h"

#include <asm/kvm.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "core/base/err.h"
#include "core/kvm/kvm_internal.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"

const struct kvm_need kvm_arch_needs[] = {
    { KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP", "is the guest's interrupt controller" },
    { KVM_CAP_PIT2, "KVM_CAP_PIT2", "is the guest's timer at boot" },
    { KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", "says what the processor can do" },
    { KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR", "lets Intel processors start" },
    { KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR",
      "lets Intel processors start" },
};
const unsigned kvm_arch_need_count = sizeof(kvm_arch_needs) / sizeof(kvm_arch_needs[0]);

static int kvm_controllers_create(int vm_fd, struct err *e)
{
    const uint64_t identity = LAYOUT_KVM_IDENTITY;
    /* KVM models port 0x61, too: Linux gates the PIT through it. */
    const struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

    if (ioctl(vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
        return err_sys(e, "KVM does not accept %#llx for its identity map", LAYOUT_KVM_IDENTITY);
    if (ioctl(vm_fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_KVM_TSS) < 0)
        return err_sys(e, "KVM does not accept %#llx for its task state segment", LAYOUT_KVM_TSS);
    if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
        return err_sys(e, "KVM cannot create the interrupt controllers");
    if (ioctl(vm_fd, KVM_CREATE_PIT2, &pit) < 0)
        return err_sys(e, "KVM cannot create the timer");
    return 0;
}

int kvm_arch_create(struct kvm *k, int device_fd, struct err *e)
{
    k->gsi_count = KVM_IOAPIC_NUM_PINS;
    k->arch = calloc(1, sizeof(*k->arch));
    if (!k->arch)
        return err_set(e, ENOMEM, "no memory for the processor's description");
    int ret = kvm_controllers_create(k->vm_fd, e);
    if (ret)
        return ret;
    return kvm_cpuid_offer(device_fd, &k->arch->offer, e);
}

void kvm_arch_destroy(struct kvm *k)
{
    free(k->arch);
}

/* KVM's reset state is the architectural one: processor 0 runs, the others wait for INIT. */
int kvm_arch_vcpu_init(struct kvm_vcpu *v, struct err *e)
{
    struct cpuid_table table = v->kvm->arch->offer;
    int tsc_khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
    const struct cpuid_machine machine = {
        .vcpu_count = v->kvm->config.vcpu_count,
        .vcpu = v->vcpu.id,
        .tsc_khz = tsc_khz > 0 ? (uint32_t)tsc_khz : 0, /* a host whose TSC is unstable has none */
    };

    int ret = cpuid_shape(&table, &machine, e);
    if (!ret)
        ret = kvm_cpuid_set(v->fd, &table, e);
    if (!ret)
        ret = kvm_boot_msrs(v->fd, e);
    if (!ret && v->vcpu.id == 0)
        ret = kvm_boot_lapic(v->fd, e);
    return ret;
}

int kvm_arch_regs_set(struct accel_vcpu *a, const struct vcpu_regs *from, struct err *e)
{
    const struct kvm_vcpu *v = (struct kvm_vcpu *)a;
    struct kvm_regs regs;
    struct kvm_sregs sregs;

    if (ioctl(v->fd, KVM_GET_SREGS, &sregs) < 0)
        return err_sys(e, "vCPU %u's system registers cannot be read", a->id);
    kvm_regs_export(from, &regs, &sregs);
    if (ioctl(v->fd, KVM_SET_SREGS, &sregs) < 0)
        return err_sys(e, "KVM refuses vCPU %u's system registers", a->id);
    if (ioctl(v->fd, KVM_SET_REGS, &regs) < 0)
        return err_sys(e, "KVM refuses vCPU %u's registers", a->id);
    return 0;
}

int kvm_arch_regs_get(struct accel_vcpu *a, struct vcpu_regs *to, struct err *e)
{
    const struct kvm_vcpu *v = (struct kvm_vcpu *)a;
    struct kvm_regs regs;
    struct kvm_sregs sregs;

    if (ioctl(v->fd, KVM_GET_SREGS, &sregs) < 0 || ioctl(v->fd, KVM_GET_REGS, &regs) < 0)
        return err_sys(e, "vCPU %u's registers cannot be read", a->id);
    kvm_regs_import(to, &regs, &sregs);
    return 0;
}

uint64_t kvm_arch_pc(const struct kvm_vcpu *v)
{
    struct kvm_regs regs;

    return ioctl(v->fd, KVM_GET_REGS, &regs) == 0 ? regs.rip : 0;
}
