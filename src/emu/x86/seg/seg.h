#ifndef EMU_X86_SEG_SEG_H
#define EMU_X86_SEG_SEG_H
/*
 * Segments: reads descriptors from the guest's tables, checks them and loads them into the segment
 * registers (SDM 3A, chapters 3 and 5).
 *
 * This room is segmentation and what rests on it: the stack, far transfers, gates, the delivery of
 * interrupts, IRET, and the fast system calls. It knows a processor's state (cpu/), its memory
 * accesses (mem/), and of decode/ the vendors and the fences; it must not know opcodes or ops, how
 * system registers are written (sys/), the local APIC or devices.
 *
 * All functions run on that vCPU's thread, inside an instruction or the delivery of an interrupt or
 * exception. False means that the fault is recorded and nothing has changed.
 */
#include <stdbool.h>
#include <stdint.h>

#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/descriptor.h"

/* Bits of the last doubleword of a 16-byte descriptor in IA-32e mode. They lie where an 8-byte
 * descriptor has its type, and must be 0. */
#define SEG_UPPER_TYPE 0x1f00u

/* Reads the descriptor's first eight bytes. A selector outside its table raises `vector`, with the
 * selector as error code. */
bool seg_descriptor(struct cpu *c, uint16_t selector, enum cpu_vector vector, uint64_t *raw);

/* The linear address of the selector's descriptor. False if it is outside its table; no fault is
 * recorded then. */
bool seg_descriptor_at(const struct cpu *c, uint16_t selector, uint64_t *va);

/* Loads any segment register but CS, for MOV, POP, LDS and their kin. */
bool seg_load(struct cpu *c, enum x86_seg which, uint16_t selector);

/* Reads a code segment for a far transfer and makes the checks that all transfers share: it must be
 * code and, in IA-32e mode, must not have both L and D set. The caller then checks the privilege
 * levels, and calls seg_code_present last: a segment that is not allowed is #GP, whether it is
 * present or not. */
bool seg_code(struct cpu *c, uint16_t selector, struct x86_segment *out);
bool seg_code_present(struct cpu *c, const struct x86_segment *cs);

/* Checks the privilege levels, then the presence, for RETF and IRET, which return to the level in
 * the selector's RPL. */
bool seg_code_returned(struct cpu *c, struct x86_segment *cs);

/* Reads a stack segment for privilege level `cpl`: writable data whose DPL and RPL equal it. If it
 * is not present the fault is #SS, otherwise `vector`. */
bool seg_stack(struct cpu *c, uint16_t selector, unsigned cpl, enum cpu_vector vector,
               struct x86_segment *out);

/* Reads a stack segment for a return to `cpl`. A return to 64-bit code may load a null selector,
 * except at level 3. */
bool seg_stack_returned(struct cpu *c, uint16_t selector, unsigned cpl, bool to_64bit,
                        struct x86_segment *out);

/* LLDT and LTR. */
bool seg_load_ldt(struct cpu *c, uint16_t selector);
bool seg_load_tr(struct cpu *c, uint16_t selector);

/* seg_query.c: whether the selector's segment may be read (VERR) or written (VERW) at this
 * privilege level, and its access rights (LAR) or limit (LSL). A selector that fails the checks is
 * no fault: *ok becomes false. Only an access to the descriptor table can fault. */
bool seg_verify(struct cpu *c, uint16_t selector, bool write, bool *ok);
bool seg_describe(struct cpu *c, uint16_t selector, bool rights, uint32_t *value, bool *ok);

/* After a return to a less privileged level: loads a null selector into each data segment register
 * whose segment that level may not use (SDM 2, "IRET"). The RPL of a null selector becomes 0. The
 * bases stay: in FS and GS they count even with a null selector. */
void seg_drop_privileged(struct cpu *c);

#endif
