/*
 * Converts registers between struct vcpu_regs (core/x86/regs.h) and KVM's structs. Pure.
 */
#include <asm/kvm.h>
#include <stddef.h>
#include <string.h>

#include "core/kvm/x86/kvm_x86.h"
#include "core/x86/regs.h"

/* KVM names its general registers in an order of its own. */
static const size_t gpr_offset[X86_GPRS] = {
    [X86_RAX] = offsetof(struct kvm_regs, rax), [X86_RCX] = offsetof(struct kvm_regs, rcx),
    [X86_RDX] = offsetof(struct kvm_regs, rdx), [X86_RBX] = offsetof(struct kvm_regs, rbx),
    [X86_RSP] = offsetof(struct kvm_regs, rsp), [X86_RBP] = offsetof(struct kvm_regs, rbp),
    [X86_RSI] = offsetof(struct kvm_regs, rsi), [X86_RDI] = offsetof(struct kvm_regs, rdi),
    [X86_R8] = offsetof(struct kvm_regs, r8),   [X86_R9] = offsetof(struct kvm_regs, r9),
    [X86_R10] = offsetof(struct kvm_regs, r10), [X86_R11] = offsetof(struct kvm_regs, r11),
    [X86_R12] = offsetof(struct kvm_regs, r12), [X86_R13] = offsetof(struct kvm_regs, r13),
    [X86_R14] = offsetof(struct kvm_regs, r14), [X86_R15] = offsetof(struct kvm_regs, r15),
};

static const size_t seg_offset[X86_SEGS] = {
    [X86_ES] = offsetof(struct kvm_sregs, es), [X86_CS] = offsetof(struct kvm_sregs, cs),
    [X86_SS] = offsetof(struct kvm_sregs, ss), [X86_DS] = offsetof(struct kvm_sregs, ds),
    [X86_FS] = offsetof(struct kvm_sregs, fs), [X86_GS] = offsetof(struct kvm_sregs, gs),
};

static struct kvm_segment segment_export(const struct x86_segment *s)
{
    unsigned a = s->access;

    return (struct kvm_segment){
        .base = s->base,
        .limit = s->limit,
        .selector = s->selector,
        .type = a & 15,
        .s = a >> 4 & 1,
        .dpl = a >> 5 & 3,
        .present = a >> 7 & 1,
        .avl = a >> 12 & 1,
        .l = a >> 13 & 1,
        .db = a >> 14 & 1,
        .g = a >> 15 & 1,
        .unusable = !(a >> 7 & 1),
    };
}

static struct x86_segment segment_import(const struct kvm_segment *s)
{
    unsigned present = s->present && !s->unusable;

    return (struct x86_segment){
        .base = s->base,
        .limit = s->limit,
        .selector = s->selector,
        .access = (uint16_t)((s->type & 15u) | (s->s & 1u) << 4 | (s->dpl & 3u) << 5 |
                             present << 7 | (s->avl & 1u) << 12 | (s->l & 1u) << 13 |
                             (s->db & 1u) << 14 | (s->g & 1u) << 15),
    };
}

static struct kvm_dtable table_export(const struct x86_table *t)
{
    return (struct kvm_dtable){ .base = t->base, .limit = t->limit };
}

static struct x86_table table_import(const struct kvm_dtable *t)
{
    return (struct x86_table){ .base = t->base, .limit = t->limit };
}

void kvm_regs_export(const struct vcpu_regs *from, struct kvm_regs *regs, struct kvm_sregs *sregs)
{
    for (size_t i = 0; i < X86_GPRS; i++)
        memcpy((char *)regs + gpr_offset[i], &from->gpr[i], sizeof(from->gpr[i]));
    regs->rip = from->rip;
    regs->rflags = from->rflags;

    for (size_t i = 0; i < X86_SEGS; i++) {
        const struct kvm_segment s = segment_export(&from->seg[i]);
        memcpy((char *)sregs + seg_offset[i], &s, sizeof(s));
    }
    sregs->tr = segment_export(&from->tr);
    sregs->ldt = segment_export(&from->ldt);
    sregs->gdt = table_export(&from->gdt);
    sregs->idt = table_export(&from->idt);
    sregs->cr0 = from->cr0;
    sregs->cr2 = from->cr2;
    sregs->cr3 = from->cr3;
    sregs->cr4 = from->cr4;
    sregs->cr8 = from->cr8;
    sregs->efer = from->efer;
}

void kvm_regs_import(struct vcpu_regs *to, const struct kvm_regs *regs,
                     const struct kvm_sregs *sregs)
{
    for (size_t i = 0; i < X86_GPRS; i++)
        memcpy(&to->gpr[i], (const char *)regs + gpr_offset[i], sizeof(to->gpr[i]));
    to->rip = regs->rip;
    to->rflags = regs->rflags;

    for (size_t i = 0; i < X86_SEGS; i++) {
        struct kvm_segment s;
        memcpy(&s, (const char *)sregs + seg_offset[i], sizeof(s));
        to->seg[i] = segment_import(&s);
    }
    to->tr = segment_import(&sregs->tr);
    to->ldt = segment_import(&sregs->ldt);
    to->gdt = table_import(&sregs->gdt);
    to->idt = table_import(&sregs->idt);
    to->cr0 = sregs->cr0;
    to->cr2 = sregs->cr2;
    to->cr3 = sregs->cr3;
    to->cr4 = sregs->cr4;
    to->cr8 = sregs->cr8;
    to->efer = sregs->efer;
}
