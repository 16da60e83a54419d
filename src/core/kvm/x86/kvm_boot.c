/*
 * Sets what firmware would have left in a processor, where KVM's reset state differs from it.
 *
 * KVM itself zeroes everything else that a boot protocol wants to be zero (SYSENTER and SYSCALL
 * targets, kernel GS base, the TSC). Writing the TSC again would even undo the synchronisation of
 * the vCPUs. Processors other than the first get a fresh local APIC from the INIT that starts them.
 */
#include <asm/kvm.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/base/err.h"
#include "core/kvm/x86/kvm_x86.h"

/* SDM 4, table 2-2. */
#define MSR_MISC_ENABLE         0x1a0u
#define MISC_ENABLE_FAST_STRING (1u << 0) /* without it Linux gives up fast string instructions */
#define MISC_ENABLE_NO_BTS      (1u << 11)
#define MISC_ENABLE_NO_PEBS     (1u << 12)

#define MSR_MTRR_DEF_TYPE       0x2ffu
#define MTRR_DEF_TYPE_ENABLE    (1u << 11) /* without it Linux gives up the page attribute table */
#define MTRR_DEF_TYPE_WRITEBACK 6u

static const struct kvm_msr_entry boot_msrs[] = {
    { .index = MSR_MISC_ENABLE,
      .data = MISC_ENABLE_FAST_STRING | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS },
    { .index = MSR_MTRR_DEF_TYPE, .data = MTRR_DEF_TYPE_ENABLE | MTRR_DEF_TYPE_WRITEBACK },
};
#define BOOT_MSRS (sizeof(boot_msrs) / sizeof(boot_msrs[0]))

/* Local APIC registers and delivery modes (SDM 3A 11.5.1). */
#define LAPIC_LVT_LINT0  0x350u
#define LAPIC_LVT_LINT1  0x360u
#define LAPIC_LVT_NMI    (4u << 8)
#define LAPIC_LVT_EXTINT (7u << 8)

int kvm_boot_msrs(int vcpu_fd, struct err *e)
{
    union {
        struct kvm_msrs msrs;
        char room[sizeof(struct kvm_msrs) + sizeof(boot_msrs)];
    } u = { .msrs.nmsrs = BOOT_MSRS };

    memcpy(u.msrs.entries, boot_msrs, sizeof(boot_msrs));
    int done = ioctl(vcpu_fd, KVM_SET_MSRS, &u);
    if (done < 0)
        return err_sys(e, "KVM cannot set model-specific registers");
    if ((size_t)done < BOOT_MSRS)
        return err_set(e, EOPNOTSUPP,
                       "KVM refuses model-specific register %#x: update the host's "
                       "kernel",
                       boot_msrs[done].index);
    return 0;
}

static void kvm_lapic_set(struct kvm_lapic_state *lapic, unsigned offset, uint32_t value)
{
    memcpy(lapic->regs + offset, &value, sizeof(value));
}

/* Virtual wire mode (MultiProcessor Specification 3.6.2.2): until the guest sets up the I/O APIC,
 * the PIC's interrupts arrive through LINT0. */
int kvm_boot_lapic(int vcpu_fd, struct err *e)
{
    struct kvm_lapic_state lapic;

    if (ioctl(vcpu_fd, KVM_GET_LAPIC, &lapic) < 0)
        return err_sys(e, "the local APIC cannot be read");
    kvm_lapic_set(&lapic, LAPIC_LVT_LINT0, LAPIC_LVT_EXTINT);
    kvm_lapic_set(&lapic, LAPIC_LVT_LINT1, LAPIC_LVT_NMI);
    if (ioctl(vcpu_fd, KVM_SET_LAPIC, &lapic) < 0)
        return err_sys(e, "KVM refuses the local APIC's state");
    return 0;
}
