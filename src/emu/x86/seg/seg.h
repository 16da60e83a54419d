#ifndef EMU_X86_SEG_SEG_H
#define EMU_X86_SEG_SEG_H
/*
 * Segments: descriptors out of the guest's tables and into the processor (SDM 3A, chapters 3 and
 * 5).
 *
 * All functions run on that vCPU's thread inside an instruction; false means that a fault is
 * recorded and nothing has changed.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/descriptor.h"

/* The descriptor's eight bytes. A selector outside its table is `vector` (with the selector as
 * error code). */
bool seg_descriptor(struct cpu *c, uint16_t selector, enum cpu_vector vector, uint64_t *raw);

/* Where the selector's descriptor is; false: outside its table, and nothing is recorded. */
bool seg_descriptor_at(const struct cpu *c, uint16_t selector, uint64_t *va);

/* MOV, POP, LDS and friends into anything but CS. */
bool seg_load(struct cpu *c, enum x86_seg which, uint16_t selector);

/* A code segment for a far transfer, looked at as far as all transfers agree: it is code, and not
 * both L and D. The caller judges levels, and then has it seg_code_present: a segment that is not
 * allowed is #GP, there or not. */
bool seg_code(struct cpu *c, uint16_t selector, struct x86_segment *out);
bool seg_code_present(struct cpu *c, const struct x86_segment *cs);

/* Both for RETF and IRET, to the level that the selector asks for. */
bool seg_code_returned(struct cpu *c, struct x86_segment *cs);

/* SS for a stack at privilege `cpl`: writable data, DPL and RPL equal to it. */
bool seg_stack(struct cpu *c, uint16_t selector, unsigned cpl, enum cpu_vector vector,
               struct x86_segment *out);

/* SS for a return. 64-bit code but for ring 3's may go without. */
bool seg_stack_returned(struct cpu *c, uint16_t selector, unsigned cpl, bool to_64bit,
                        struct x86_segment *out);

bool seg_load_ldt(struct cpu *c, uint16_t selector);
bool seg_load_tr(struct cpu *c, uint16_t selector);

/* seg_query.c: whether the selector's segment may be read (VERR) or written (VERW) from here, and
 * its access rights (LAR) or limit (LSL). These fault only on the table's pages; *ok false is the
 * answer to a selector that will not do. */
bool seg_verify(struct cpu *c, uint16_t selector, bool write, bool *ok);
bool seg_describe(struct cpu *c, uint16_t selector, bool rights, uint32_t *value, bool *ok);

/* On a return to a less privileged level: data segments that level may not use become null (SDM 2,
 * "IRET"), and of the four selectors that are null 0 remains. Bases stay, which in FS and GS count
 * whatever the selector. */
void seg_drop_privileged(struct cpu *c);

#endif
