#ifndef EMU_X86_CPU_DESCRIPTOR_H
#define EMU_X86_CPU_DESCRIPTOR_H
/*
 * Segment descriptors as bits (SDM 3A, 3.4.5 and 3.5). Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/x86/regs.h"

/* Bits of x86_segment.access (core/x86/regs.h). */
#define SEG_ACCESSED   0x0001u
#define SEG_WRITABLE   0x0002u /* of data; readable for code */
#define SEG_CONFORMING 0x0004u /* of code; expand-down for data */
#define SEG_BUSY       0x0002u /* of a task state segment */
#define SEG_CODE       0x0008u
#define SEG_S          0x0010u /* code or data, not system */
#define SEG_P          0x0080u
#define SEG_L          0x2000u
#define SEG_DB         0x4000u
#define SEG_G          0x8000u

#define SEG_TYPE(access) ((access)&0xfu)
#define SEG_DPL(access)  ((access) >> 5 & 3u)

/* System types (SDM 3A, table 3-2); those of 16 bits and the task gate not in IA-32e mode. */
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

/* Eight descriptor bytes as segment registers keep them. */
struct x86_segment seg_unpack(uint16_t selector, uint64_t raw);

/* Whether [offset, offset + size) is inside the segment, outside 64-bit mode (SDM 3A, 5.3). Never
 * in a null one. */
bool seg_within_limit(const struct x86_segment *s, uint32_t offset, unsigned size);

/* The flat segments SYSCALL, SYSRET, SYSENTER and SYSEXIT load without looking at a table. */
struct x86_segment seg_flat(uint16_t selector, uint16_t access);

#endif
