#ifndef EMU_X86_CPU_DESCRIPTOR_H
#define EMU_X86_CPU_DESCRIPTOR_H
/*
 * The bits of segment descriptors (SDM 3A, 3.4.5 and 3.5). Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/x86/regs.h"

/* Bits of x86_segment.access (core/x86/regs.h). */
#define SEG_ACCESSED   0x0001u
#define SEG_WRITABLE   0x0002u /* data; in a code segment: readable */
#define SEG_CONFORMING 0x0004u /* code; in a data segment: expand-down */
#define SEG_BUSY       0x0002u /* task state segment */
#define SEG_CODE       0x0008u
#define SEG_S          0x0010u /* code or data, not system */
#define SEG_P          0x0080u
#define SEG_L          0x2000u
#define SEG_DB         0x4000u
#define SEG_G          0x8000u

#define SEG_TYPE(access) ((access)&0xfu)
#define SEG_DPL(access)  ((access) >> 5 & 3u)

/* System types (SDM 3A, table 3-2). IA-32e mode has no 16-bit ones and no task gate. */
#define SEG_TYPE_TSS16       0x1u
#define SEG_TYPE_CALL_GATE16 0x4u
#define SEG_TYPE_TASK_GATE   0x5u
#define SEG_TYPE_LDT         0x2u
#define SEG_TYPE_TSS         0x9u
#define SEG_TYPE_TSS_BUSY    0xbu
#define SEG_TYPE_CALL_GATE   0xcu

#define SELECTOR_RPL(s)  ((s)&3u)
#define SELECTOR_LDT     4u
#define SELECTOR_NULL(s) (((s) & ~3u) == 0)

/* Turns a descriptor's eight bytes into what the hidden part of a segment register holds. */
struct x86_segment seg_unpack(uint16_t selector, uint64_t raw);

/* Whether [offset, offset + size) is inside the segment (SDM 3A, 5.3). Not for 64-bit mode, which
 * has no limits. Always false for a segment that is not present; a null segment never is. */
bool seg_within_limit(const struct x86_segment *s, uint32_t offset, unsigned size);

/* A flat segment, as SYSCALL, SYSRET, SYSENTER and SYSEXIT load it without looking at a table. */
struct x86_segment seg_flat(uint16_t selector, uint16_t access);

#endif
