#ifndef CORE_X86_REGS_H
#define CORE_X86_REGS_H
/*
 * The architectural registers of an x86 processor, in no accelerator's format: what a boot protocol
 * sets and a debugger shows. Names are those of SDM 3A chapters 2 and 3.
 */
#include <stdint.h>

/* In the order in which instructions encode them; so are the segment registers. */
enum x86_gpr {
    X86_RAX,
    X86_RCX,
    X86_RDX,
    X86_RBX,
    X86_RSP,
    X86_RBP,
    X86_RSI,
    X86_RDI,
    X86_R8,
    X86_R9,
    X86_R10,
    X86_R11,
    X86_R12,
    X86_R13,
    X86_R14,
    X86_R15,
    X86_GPRS,
};

enum x86_seg {
    X86_ES,
    X86_CS,
    X86_SS,
    X86_DS,
    X86_FS,
    X86_GS,
    X86_SEGS,
};

struct x86_segment {
    uint64_t base;
    uint32_t limit; /* bytes, granularity already applied */
    uint16_t selector;

    /* The low 16 bits of VMX's access rights (SDM 3C 25.4.1), which are bits 8-15 and 20-23 of a
     * descriptor's high doubleword: type, S, DPL and P in bits 0-7, AVL, L, D/B and G in bits
     * 12-15. What VMX calls unusable (bit 16) is P = 0 here. */
    uint16_t access;
};

struct x86_table {
    uint64_t base;
    uint16_t limit;
};

struct vcpu_regs {
    uint64_t gpr[X86_GPRS];
    uint64_t rip;
    uint64_t rflags;
    struct x86_segment seg[X86_SEGS];
    struct x86_segment tr;
    struct x86_segment ldt;
    struct x86_table gdt;
    struct x86_table idt;
    uint64_t cr0;
    uint64_t cr2;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t cr8;
    uint64_t efer;
};

/* Access words for the flat segments and the task state segment that a guest starts with. */
#define X86_ACCESS_CODE32 0xc09b /* present, accessed, execute/read, 4 GiB, 32-bit */
#define X86_ACCESS_CODE64 0xa09b /* as above, long mode */
#define X86_ACCESS_DATA32 0xc093 /* present, accessed, read/write, 4 GiB, 32-bit */
#define X86_ACCESS_TSS    0x008b /* present, busy 32/64-bit task state segment */

#endif
