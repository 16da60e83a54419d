#ifndef CORE_X86_BITS_H
#define CORE_X86_BITS_H
/*
 * The bits of control registers, EFER, RFLAGS, XCR0 and page-table entries, as SDM 3A (chapters 2
 * and 4) and SDM 1 (chapters 3 and 13) name them.
 */
#include <stdint.h>

#define X86_CR0_PE (UINT64_C(1) << 0)
#define X86_CR0_MP (UINT64_C(1) << 1)
#define X86_CR0_EM (UINT64_C(1) << 2)
#define X86_CR0_TS (UINT64_C(1) << 3)
#define X86_CR0_ET (UINT64_C(1) << 4)
#define X86_CR0_NE (UINT64_C(1) << 5)
#define X86_CR0_WP (UINT64_C(1) << 16)
#define X86_CR0_AM (UINT64_C(1) << 18)
#define X86_CR0_NW (UINT64_C(1) << 29)
#define X86_CR0_CD (UINT64_C(1) << 30)
#define X86_CR0_PG (UINT64_C(1) << 31)

#define X86_CR4_TSD        (UINT64_C(1) << 2)
#define X86_CR4_DE         (UINT64_C(1) << 3)
#define X86_CR4_PSE        (UINT64_C(1) << 4)
#define X86_CR4_PAE        (UINT64_C(1) << 5)
#define X86_CR4_MCE        (UINT64_C(1) << 6)
#define X86_CR4_PGE        (UINT64_C(1) << 7)
#define X86_CR4_PCE        (UINT64_C(1) << 8)
#define X86_CR4_OSFXSR     (UINT64_C(1) << 9)
#define X86_CR4_OSXMMEXCPT (UINT64_C(1) << 10)
#define X86_CR4_UMIP       (UINT64_C(1) << 11)
#define X86_CR4_FSGSBASE   (UINT64_C(1) << 16)
#define X86_CR4_OSXSAVE    (UINT64_C(1) << 18)
#define X86_CR4_SMEP       (UINT64_C(1) << 20)
#define X86_CR4_SMAP       (UINT64_C(1) << 21)

#define X86_EFER_SCE (UINT64_C(1) << 0)
#define X86_EFER_LME (UINT64_C(1) << 8)
#define X86_EFER_LMA (UINT64_C(1) << 10)
#define X86_EFER_NXE (UINT64_C(1) << 11)

#define X86_RFLAGS_CF   (UINT64_C(1) << 0)
#define X86_RFLAGS_R1   (UINT64_C(1) << 1) /* always reads as one */
#define X86_RFLAGS_ZF   (UINT64_C(1) << 6)
#define X86_RFLAGS_TF   (UINT64_C(1) << 8)
#define X86_RFLAGS_IF   (UINT64_C(1) << 9)
#define X86_RFLAGS_DF   (UINT64_C(1) << 10)
#define X86_RFLAGS_OF   (UINT64_C(1) << 11)
#define X86_RFLAGS_IOPL (UINT64_C(3) << 12)
#define X86_RFLAGS_NT   (UINT64_C(1) << 14)
#define X86_RFLAGS_RF   (UINT64_C(1) << 16)
#define X86_RFLAGS_VM   (UINT64_C(1) << 17)
#define X86_RFLAGS_AC   (UINT64_C(1) << 18)

#define X86_XCR0_X87 (UINT64_C(1) << 0)
#define X86_XCR0_SSE (UINT64_C(1) << 1)
#define X86_XCR0_AVX (UINT64_C(1) << 2)

#define X86_PTE_P  (UINT64_C(1) << 0)
#define X86_PTE_RW (UINT64_C(1) << 1)
#define X86_PTE_US (UINT64_C(1) << 2)
#define X86_PTE_A  (UINT64_C(1) << 5)
#define X86_PTE_D  (UINT64_C(1) << 6)
#define X86_PTE_PS (UINT64_C(1) << 7)
#define X86_PTE_G  (UINT64_C(1) << 8)
#define X86_PTE_NX (UINT64_C(1) << 63)

#endif
