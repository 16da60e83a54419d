#ifndef TESTS_EMU_RIG_H
#define TESTS_EMU_RIG_H
/*
 * A small machine on the software CPU: some RAM, a port that ends a run, a bell as its only MMIO
 * device, and as many processors as the test wants.
 *
 * The guest's physical memory has fixed places:
 *
 *   0x1000  GDT     0x2000  IDT     0x3000  TSS     0x4000  stack, which begins at 0x5000
 *   0x8000  code    0x100000 and up  page tables
 *
 * No host timer is made: the local APIC's time stands still unless a test calls lapic_start.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm/bus.h"
#include "core/vm/mem.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"
#include "lib/vm/bell.h"

#define EMU_RIG_RAM    0x800000u /* 8 MiB */
#define EMU_RIG_GDT    0x1000u
#define EMU_RIG_IDT    0x2000u
#define EMU_RIG_TSS    0x3000u
#define EMU_RIG_STACK  0x5000u /* the first RSP */
#define EMU_RIG_CODE   0x8000u
#define EMU_RIG_TABLES 0x100000u
#define EMU_RIG_MMIO   0xc0000000u /* the bell */
#define EMU_RIG_END    0x10u       /* port: a write ends the run */

/* Selectors in the GDT of emu_rig_long_mode and emu_rig_protected_mode. */
#define EMU_RIG_CODE64 0x08u
#define EMU_RIG_DATA   0x10u
#define EMU_RIG_CODE32 0x18u
#define EMU_RIG_USER32 0x20u /* SYSRET's order: 32-bit code, data, 64-bit code */
#define EMU_RIG_USERDS 0x28u
#define EMU_RIG_USER64 0x30u
#define EMU_RIG_LDT    0x38u /* for the test; this and TR have two entries each, for IA-32e mode */
#define EMU_RIG_TR     0x48u
#define EMU_RIG_FREE   0x58u /* this and the seven behind it are for the test */
#define EMU_RIG_LIMIT  0x97u

struct emu_rig {
    struct device end; /* first member: its write finds the rig through it */
    struct mem mem;
    struct bus ports;
    struct bus mmio;
    struct bell bell;
    struct accel *accel;
    struct emu *emu;
    struct cpu *cpu;  /* processor 0 */
    gpa_t next_table; /* where the next page table will be */
};

/* Makes processors in their reset state, with their CPUID in force. */
void emu_rig_init(struct emu_rig *r, unsigned vcpu_count);
void emu_rig_finish(struct emu_rig *r);

/* Puts processor 0 into 64-bit mode at CPL 0, with SSE and AVX enabled and the first 2 MiB mapped
 * to themselves, for the supervisor. emu_rig_user goes on from there to CPL 3. */
void emu_rig_long_mode(struct emu_rig *r);
void emu_rig_protected_mode(struct emu_rig *r); /* flat, 32-bit, no paging */
void emu_rig_user(struct emu_rig *r);

/* To be called after a test has changed control registers, EFER, RFLAGS, CPL or segments itself. */
void emu_rig_update(struct emu_rig *r);

/* Maps the page of va in the four-level tables: the leaf has these bits, the levels above all
 * rights. */
void emu_rig_map(struct emu_rig *r, uint64_t va, gpa_t gpa, uint64_t bits);

/* The entry for va in the table of this level (1 is the lowest); makes the tables above it. */
uint64_t *emu_rig_entry(struct emu_rig *r, uint64_t va, unsigned level);

void *emu_rig_at(struct emu_rig *r, gpa_t gpa);
void emu_rig_write(struct emu_rig *r, gpa_t gpa, const void *bytes, size_t len);
uint64_t emu_rig_read64(struct emu_rig *r, gpa_t gpa);

/* Writes a descriptor into the GDT. */
void emu_rig_descriptor(struct emu_rig *r, uint16_t selector, uint64_t raw);

/* Writes gate `vector` of the IDT, present: a 64-bit one or, in protected mode, a 32-bit one. The
 * type is 0xe or 0xf. */
void emu_rig_gate(struct emu_rig *r, unsigned vector, uint64_t handler, unsigned ist,
                  unsigned type_and_dpl);

/* Puts code at EMU_RIG_CODE, followed by the write that ends the run, and runs it from there. */
enum vcpu_exit emu_rig_run(struct emu_rig *r, const void *code, size_t len);

/* Runs on at rip until the run ends. */
enum vcpu_exit emu_rig_go(struct emu_rig *r);

/* Executes one instruction at rip. False: it faulted; cpu.fault is not delivered. */
bool emu_rig_step(struct emu_rig *r);

#endif
