#ifndef TESTS_EMU_RIG_H
#define TESTS_EMU_RIG_H
/*
 * A machine of the software CPU, small enough to look into: some RAM, a port that ends a run, a
 * bell as its only MMIO device, and as many processors as the test wants.
 *
 * The guest's physical memory has fixed places:
 *
 *   0x1000  GDT     0x2000  IDT     0x3000  TSS     0x4000  the stack's page (it starts at its end)
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
#include "lib/bell.h"

#define EMU_RIG_RAM    0x800000u /* 8 MiB */
#define EMU_RIG_GDT    0x1000u
#define EMU_RIG_IDT    0x2000u
#define EMU_RIG_TSS    0x3000u
#define EMU_RIG_STACK  0x5000u /* first address behind it */
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
#define EMU_RIG_LDT    0x38u /* two places each in IA-32e mode; free */
#define EMU_RIG_TR     0x48u
#define EMU_RIG_FREE   0x58u /* and seven more: the test's own */
#define EMU_RIG_LIMIT  0x97u

/* Page table entry bits. */

struct emu_rig {
    struct device end; /* first member: how its write finds the rest */
    struct mem mem;
    struct bus ports;
    struct bus mmio;
    struct bell bell;
    struct accel *accel;
    struct emu *emu;
    struct cpu *cpu;  /* processor 0 */
    gpa_t next_table; /* of page tables */
};

/* Processors in their reset state, their CPUID in force. */
void emu_rig_init(struct emu_rig *r, unsigned vcpu_count);
void emu_rig_finish(struct emu_rig *r);

/* 64-bit mode at CPL 0; the first 2 MiB are mapped to themselves, for the supervisor; SSE and AVX
 * are on. emu_rig_user goes on to CPL 3. */
void emu_rig_long_mode(struct emu_rig *r);
void emu_rig_protected_mode(struct emu_rig *r); /* flat, 32-bit, no paging */
void emu_rig_user(struct emu_rig *r);

/* What the control registers, EFER or RFLAGS say was changed under the processor. */
void emu_rig_update(struct emu_rig *r);

/* Maps the page of va in the four-level tables: bits as given in the leaf, all rights above it. */
void emu_rig_map(struct emu_rig *r, uint64_t va, gpa_t gpa, uint64_t bits);

/* The entry for va in the table of this level: 1 is the lowest. */
uint64_t *emu_rig_entry(struct emu_rig *r, uint64_t va, unsigned level);

void *emu_rig_at(struct emu_rig *r, gpa_t gpa);
void emu_rig_write(struct emu_rig *r, gpa_t gpa, const void *bytes, size_t len);
uint64_t emu_rig_read64(struct emu_rig *r, gpa_t gpa);

/* A descriptor in the GDT. */
void emu_rig_descriptor(struct emu_rig *r, uint16_t selector, uint64_t raw);

/* Gate `vector` of the IDT, 64-bit or, in protected mode, 32-bit: present, type 0xe or 0xf. */
void emu_rig_gate(struct emu_rig *r, unsigned vector, uint64_t handler, unsigned ist,
                  unsigned type_and_dpl);

/* Puts code at EMU_RIG_CODE, followed by the write that ends the run, and runs it from there. */
enum vcpu_exit emu_rig_run(struct emu_rig *r, const void *code, size_t len);

/* Goes on at rip until the run ends. */
enum vcpu_exit emu_rig_go(struct emu_rig *r);

/* One instruction at rip. False: it faulted, see cpu.fault; nothing was delivered. */
bool emu_rig_step(struct emu_rig *r);

#endif
