/* A software processor for single instructions. */
#include "lib/x86/processor.h"

#include <string.h>

#include "core/base/err.h"
#include "core/x86/bits.h"
#include "emu/emu.h"
#include "emu/x86/block.h"
#include "emu/x86/cpu/code_cache.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/fpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/native/fault_signal.h"
#include "emu/x86/op/op.h"
#include "emu/x86/sys/cpuid.h"
#include "emu/x86/sys/reset.h"
#include "lib/check.h"

#define MEMORY 0x200000u
#define TABLES 0x1000u /* four pages, one per level */

#define PTE 7u /* present, writable, user */

#define CR0 (X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | 0x10022u) /* MP, NE, WP */
#define CR4 (X86_CR4_PAE | 0x40600u)                          /* OSFXSR, OSXMMEXCPT, OSXSAVE */

static void map_all_but_the_hole(struct processor *p)
{
    uint64_t *tables = mem_at(&p->mem, TABLES, 4 * 4096);

    for (unsigned level = 0; level < 3; level++)
        tables[level * 512] = (TABLES + (level + 1) * 4096) | PTE;
    for (uint64_t page = 0; page < MEMORY; page += 4096)
        if (page != PROCESSOR_HOLE)
            tables[3 * 512 + page / 4096] = page | PTE;
}

static struct vcpu_regs regs_of(unsigned bits)
{
    uint16_t data = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED | SEG_G | SEG_DB;
    uint16_t width = bits == 64 ? SEG_L : bits == 32 ? SEG_DB : 0;
    struct vcpu_regs r = {
        .rip = PROCESSOR_CODE,
        .rflags = X86_RFLAGS_R1,
        .cr0 = CR0,
        .cr3 = TABLES,
        .cr4 = CR4,
        .efer = X86_EFER_LME | X86_EFER_LMA,
    };

    for (unsigned i = 0; i < X86_SEGS; i++)
        r.seg[i] = seg_flat(0x10, data);
    r.seg[X86_CS] = seg_flat(0x08, (uint16_t)((data & ~SEG_DB) | SEG_CODE | width));
    return r;
}

void processor_init(struct processor *p, unsigned bits)
{
    struct vcpu_regs regs = regs_of(bits);
    struct accel_config config = {
        .mem = &p->mem, .ports = &p->ports, .mmio = &p->mmio, .vcpu_count = 1
    };
    struct accel_vcpu *vcpu;
    struct err e;

    CHECK(mem_init(&p->mem,
                   &(struct mem_config){
                       .size = MEMORY, .gap_start = 0xc0000000, .gap_end = UINT64_C(1) << 32 },
                   &e) == 0);
    bus_init(&p->ports, "port");
    bus_init(&p->mmio, "mmio");
    CHECK(emu_accel.create(&config, &p->accel, &e) == 0);
    CHECK(emu_accel.vcpu_create(p->accel, 0, &vcpu, &e) == 0);
    map_all_but_the_hole(p);
    p->cpu = (struct cpu *)vcpu;
    p->cpu->xcr0 = emu_cpuid_xcr0();
    cpu_features_update(p->cpu);
    CHECK(vcpu->ops->regs_set(vcpu, &regs, &e) == 0);
    p->data = mem_at(&p->mem, PROCESSOR_DATA, PROCESSOR_HOLE - PROCESSOR_DATA);
    fault_signal_start();
}

void processor_finish(struct processor *p)
{
    p->cpu->accel.ops->destroy(&p->cpu->accel);
    emu_accel.destroy(p->accel);
    mem_finish(&p->mem);
}

int processor_step(struct processor *p, const uint8_t *code, size_t size)
{
    struct cpu *c = p->cpu;
    const struct block *block;

    CHECK(mem_write(&p->mem, PROCESSOR_CODE, code, size));
    block_code_ops.drop_all(c);
    c->rip = PROCESSOR_CODE;
    c->leave = CPU_ON;
    c->fault = (struct cpu_fault){ 0 };
    cpu_mode_update(c);
    block = block_at(c, c->mode | MODE_STEP);
    CHECK(block);
    c->gpr[CPU_BLOCK_RIP] = c->rip;
    fault_signal_expect(c);
    fpu_enter(c);
    block->ops[0].run(c, block->ops);
    fpu_exit(c);
    fault_signal_expect(NULL);
    return c->leave == CPU_FAULT ? c->fault.vector : PROCESSOR_OK;
}
