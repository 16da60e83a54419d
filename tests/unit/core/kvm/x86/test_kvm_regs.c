/* Registers to KVM's format and back. */
#include <asm/kvm.h>
#include <string.h>
#include <criterion/criterion.h>

#include "core/kvm/x86/kvm_x86.h"
#include "core/x86/bits.h"
#include "core/x86/regs.h"

static struct kvm_regs regs;
static struct kvm_sregs sregs;

static struct vcpu_regs distinct(void)
{
    struct vcpu_regs r = { .rip = 0x1122, .rflags = 0x246 };

    for (unsigned i = 0; i < X86_GPRS; i++)
        r.gpr[i] = 0xabcd000000000000u + i;
    for (unsigned i = 0; i < X86_SEGS; i++)
        r.seg[i] = (struct x86_segment){ 0x10000u * i, 0xfffff000u + i, (uint16_t)(8 * i),
                                         X86_ACCESS_DATA32 };
    r.seg[X86_CS].access = X86_ACCESS_CODE64;
    r.tr = (struct x86_segment){ 0x7000, 0x67, 0x18, X86_ACCESS_TSS };
    r.ldt = (struct x86_segment){ 0x8000, 0x17, 0x20, 0x82 };
    r.gdt = (struct x86_table){ 0x500, 0x1f };
    r.idt = (struct x86_table){ 0x600, 0xfff };
    r.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_PG;
    r.cr2 = 0x1234;
    r.cr3 = 0x9000;
    r.cr4 = X86_CR4_PAE;
    r.cr8 = 5;
    r.efer = X86_EFER_LME | X86_EFER_LMA;
    return r;
}

Test(kvm_regs, general_registers_by_name)
{
    const struct vcpu_regs r = distinct();

    kvm_regs_export(&r, &regs, &sregs);
    cr_assert_eq(regs.rax, r.gpr[X86_RAX]);
    cr_assert_eq(regs.rbx, r.gpr[X86_RBX]);
    cr_assert_eq(regs.rcx, r.gpr[X86_RCX]);
    cr_assert_eq(regs.rdx, r.gpr[X86_RDX]);
    cr_assert_eq(regs.rsi, r.gpr[X86_RSI]);
    cr_assert_eq(regs.rdi, r.gpr[X86_RDI]);
    cr_assert_eq(regs.rsp, r.gpr[X86_RSP]);
    cr_assert_eq(regs.rbp, r.gpr[X86_RBP]);
    cr_assert_eq(regs.r8, r.gpr[X86_R8]);
    cr_assert_eq(regs.r15, r.gpr[X86_R15]);
    cr_assert_eq(regs.rip, 0x1122);
    cr_assert_eq(regs.rflags, 0x246);
}

Test(kvm_regs, segments_by_name_and_bit)
{
    const struct vcpu_regs r = distinct();

    kvm_regs_export(&r, &regs, &sregs);
    cr_assert_eq(sregs.gs.selector, 8 * X86_GS);
    cr_assert_eq(sregs.fs.base, 0x10000u * X86_FS);
    cr_assert_eq(sregs.es.limit, 0xfffff000u + X86_ES);
    cr_assert(sregs.cs.present && sregs.cs.s && sregs.cs.l && sregs.cs.g);
    cr_assert(!sregs.cs.db && !sregs.cs.unusable && !sregs.cs.avl);
    cr_assert_eq(sregs.cs.type, 11, "execute, read, accessed");
    cr_assert(sregs.ds.db && !sregs.ds.l);
    cr_assert_eq(sregs.ds.type, 3);
    cr_assert_eq(sregs.tr.type, 11);
    cr_assert(!sregs.tr.s && sregs.tr.present && !sregs.tr.g);
    cr_assert_eq(sregs.ldt.type, 2);
    cr_assert_eq(sregs.gdt.limit, 0x1f);
    cr_assert_eq(sregs.idt.base, 0x600);
}

Test(kvm_regs, control_registers)
{
    const struct vcpu_regs r = distinct();

    kvm_regs_export(&r, &regs, &sregs);
    cr_assert_eq(sregs.cr0, r.cr0);
    cr_assert_eq(sregs.cr2, 0x1234);
    cr_assert_eq(sregs.cr3, 0x9000);
    cr_assert_eq(sregs.cr4, X86_CR4_PAE);
    cr_assert_eq(sregs.cr8, 5);
    cr_assert_eq(sregs.efer, X86_EFER_LME | X86_EFER_LMA);
}

Test(kvm_regs, round_trip)
{
    const struct vcpu_regs r = distinct();
    struct vcpu_regs back;

    memset(&back, 0, sizeof(back));
    kvm_regs_export(&r, &regs, &sregs);
    kvm_regs_import(&back, &regs, &sregs);
    for (unsigned i = 0; i < X86_GPRS; i++)
        cr_assert_eq(back.gpr[i], r.gpr[i], "register %u", i);
    for (unsigned i = 0; i < X86_SEGS; i++) {
        cr_assert_eq(back.seg[i].base, r.seg[i].base);
        cr_assert_eq(back.seg[i].limit, r.seg[i].limit);
        cr_assert_eq(back.seg[i].selector, r.seg[i].selector);
        cr_assert_eq(back.seg[i].access, r.seg[i].access, "segment %u", i);
    }
    cr_assert_eq(back.tr.access, X86_ACCESS_TSS);
    cr_assert_eq(back.ldt.base, 0x8000);
    cr_assert(back.gdt.base == 0x500 && back.gdt.limit == 0x1f);
    cr_assert(back.idt.base == 0x600 && back.idt.limit == 0xfff);
    cr_assert(back.rip == r.rip && back.rflags == r.rflags);
    cr_assert(back.cr0 == r.cr0 && back.cr2 == r.cr2 && back.cr3 == r.cr3);
    cr_assert(back.cr4 == r.cr4 && back.cr8 == r.cr8 && back.efer == r.efer);
}

Test(kvm_regs, every_access_bit_survives)
{
    for (unsigned bit = 0; bit < 16; bit++) {
        struct vcpu_regs r = distinct(), back;
        uint16_t access = (uint16_t)((1u << bit | 1u << 7) & 0xf0ff);
        r.seg[X86_DS].access = access;
        kvm_regs_export(&r, &regs, &sregs);
        kvm_regs_import(&back, &regs, &sregs);
        cr_assert_eq(back.seg[X86_DS].access, access, "bit %u", bit);
    }
}

Test(kvm_regs, not_present_is_unusable_both_ways)
{
    struct vcpu_regs r = distinct(), back;

    r.seg[X86_FS].access = 0x13;
    kvm_regs_export(&r, &regs, &sregs);
    cr_assert(sregs.fs.unusable && !sregs.fs.present);
    sregs.gs.present = 1;
    sregs.gs.unusable = 1;
    kvm_regs_import(&back, &regs, &sregs);
    cr_assert_eq(back.seg[X86_FS].access, 0x13);
    cr_assert_not(back.seg[X86_GS].access & 0x80);
}

Test(kvm_regs, what_is_kvms_stays)
{
    const struct vcpu_regs r = distinct();

    sregs.apic_base = 0xfee00900;
    sregs.interrupt_bitmap[1] = 7;
    kvm_regs_export(&r, &regs, &sregs);
    cr_assert_eq(sregs.apic_base, 0xfee00900);
    cr_assert_eq(sregs.interrupt_bitmap[1], 7);
}
