#ifndef TESTS_PROCESSOR_H
#define TESTS_PROCESSOR_H
/*
 * One software processor to try single instructions on, in ring 0 with flat segments, paging, and a
 * little memory that is mapped to itself, with a hole.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/vm/accel.h"
#include "core/vm/bus.h"
#include "core/vm/mem.h"
#include "emu/x86/cpu/cpu.h"

#define PROCESSOR_CODE 0x10000u
#define PROCESSOR_DATA 0x20000u
#define PROCESSOR_HOLE 0x40000u /* a page that is not mapped, behind the data */

/* What processor_step returns when the instruction was executed. */
#define PROCESSOR_OK (-1)

struct processor {
    struct mem mem;
    struct bus ports;
    struct bus mmio;
    struct accel *accel;
    struct cpu *cpu;
    uint8_t *data; /* host address of PROCESSOR_DATA, up to the hole */
};

/* bits: 64, or 32 or 16 for the compatibility modes. */
void processor_init(struct processor *p, unsigned bits);
void processor_finish(struct processor *p);

/* Executes the one instruction. A fault is left in cpu.fault, not delivered, and its vector is
 * returned. */
int processor_step(struct processor *p, const uint8_t *code, size_t size);

#define STEP(p, ...) \
    processor_step((p), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

#endif
