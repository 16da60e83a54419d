/* A small machine on the software CPU. */
#include "lib/x86/emu_rig.h"

#include <string.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/vm/accel.h"
#include "core/vm/device.h"
#include "core/x86/bits.h"
#include "core/x86/cpuid.h"
#include "core/x86/layout.h"
#include "emu/emu.h"
#include "emu/x86/block.h"
#include "emu/x86/cpu/fpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/exec.h"
#include "emu/x86/mem/code_pages.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/native/fault_signal.h"
#include "emu/x86/op/op.h"
#include "emu/x86/sys/cpuid.h"
#include "emu/x86/sys/reset.h"
#include "lib/check.h"

#define TSS_SIZE   0x68u
#define TSS_IO_MAP 102u

static void end_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct emu_rig *r = (struct emu_rig *)d;

    (void)offset;
    (void)data;
    (void)size;
    for (unsigned i = 0; i < r->emu->cpu_count; i++)
        cpu_request(r->emu->cpus[i], CPU_REQ_KICK);
}

static void end_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)d;
    (void)offset;
    memset(data, 0x5a, size);
}

static const struct device_ops end_ops = { .name = "end", .read = end_read, .write = end_write };

static void processor_init(struct emu_rig *r, unsigned id, unsigned count)
{
    struct cpuid_machine shape = { .vcpu_count = count, .vcpu = id, .tsc_khz = 2000000 };
    struct accel_vcpu *v;
    struct cpu *c;
    struct err e;

    CHECK(emu_accel.vcpu_create(r->accel, id, &v, &e) == 0);
    c = (struct cpu *)v;
    CHECK(cpuid_shape(&c->cpuid, &shape, &e) == 0);
    cpu_features_update(c);
}

void emu_rig_init(struct emu_rig *r, unsigned vcpu_count)
{
    struct mem_config memory = { .size = EMU_RIG_RAM,
                                 .gap_start = LAYOUT_GAP_START,
                                 .gap_end = LAYOUT_GAP_END };
    struct accel_config config = {
        .mem = &r->mem, .ports = &r->ports, .mmio = &r->mmio, .vcpu_count = vcpu_count
    };
    struct err e;

    memset(r, 0, sizeof(*r));
    r->next_table = EMU_RIG_TABLES;
    CHECK(mem_init(&r->mem, &memory, &e) == 0);
    bus_init(&r->ports, "port");
    bus_init(&r->mmio, "mmio");
    bell_init(&r->bell);
    device_init(&r->end, &end_ops);
    CHECK(bus_add(&r->ports, EMU_RIG_END, 8, &r->end, &e) == 0);
    CHECK(bus_add(&r->mmio, EMU_RIG_MMIO, BELL_LEN, &r->bell.device, &e) == 0);
    CHECK(emu_accel.create(&config, &r->accel, &e) == 0);
    r->emu = (struct emu *)r->accel;
    r->emu->tsc_khz = 2000000;
    for (unsigned i = 0; i < vcpu_count; i++)
        processor_init(r, i, vcpu_count);
    r->cpu = r->emu->cpus[0];
    fault_signal_start();
}

void emu_rig_finish(struct emu_rig *r)
{
    for (unsigned i = 0; i < r->emu->vcpu_count; i++)
        r->emu->cpus[i]->accel.ops->destroy(&r->emu->cpus[i]->accel);
    emu_accel.destroy(r->accel);
    bell_finish(&r->bell);
    device_finish(&r->end);
    mem_finish(&r->mem);
}

void *emu_rig_at(struct emu_rig *r, gpa_t gpa)
{
    void *at = mem_at(&r->mem, gpa, 8);

    CHECK(at);
    return at;
}

void emu_rig_write(struct emu_rig *r, gpa_t gpa, const void *bytes, size_t len)
{
    CHECK(mem_write(&r->mem, gpa, bytes, len));
    accel_memory_written(r->accel, gpa, len);
}

uint64_t emu_rig_read64(struct emu_rig *r, gpa_t gpa)
{
    uint64_t value;

    memcpy(&value, emu_rig_at(r, gpa), sizeof(value));
    return value;
}

uint64_t *emu_rig_entry(struct emu_rig *r, uint64_t va, unsigned level)
{
    gpa_t table = r->cpu->cr3;

    for (unsigned at = 4;; at--) {
        uint64_t *entry = (uint64_t *)emu_rig_at(r, table) + (va >> (12 + (at - 1) * 9) & 511u);

        if (at == level)
            return entry;
        if (!(*entry & X86_PTE_P)) {
            *entry = r->next_table | X86_PTE_P | X86_PTE_RW | X86_PTE_US;
            r->next_table += PAGE_4K;
        }
        table = *entry & UINT64_C(0x000ffffffffff000);
    }
}

void emu_rig_map(struct emu_rig *r, uint64_t va, gpa_t gpa, uint64_t bits)
{
    *emu_rig_entry(r, va, 1) = gpa | bits;
    mmu_flush_page(r->cpu, va);
}

void emu_rig_descriptor(struct emu_rig *r, uint16_t selector, uint64_t raw)
{
    emu_rig_write(r, EMU_RIG_GDT + (selector & ~7u), &raw, sizeof(raw));
}

static void gdt_fill(struct emu_rig *r)
{
    emu_rig_descriptor(r, EMU_RIG_CODE64, UINT64_C(0x00af9b000000ffff));
    emu_rig_descriptor(r, EMU_RIG_DATA, UINT64_C(0x00cf93000000ffff));
    emu_rig_descriptor(r, EMU_RIG_CODE32, UINT64_C(0x00cf9b000000ffff));
    emu_rig_descriptor(r, EMU_RIG_USER32, UINT64_C(0x00cffb000000ffff));
    emu_rig_descriptor(r, EMU_RIG_USERDS, UINT64_C(0x00cff3000000ffff));
    emu_rig_descriptor(r, EMU_RIG_USER64, UINT64_C(0x00affb000000ffff));
    emu_rig_descriptor(r, EMU_RIG_TR, UINT64_C(0x00008b0000000067) | (uint64_t)EMU_RIG_TSS << 16);
}

static void segments_load(struct emu_rig *r, uint16_t code, uint16_t code_access, uint16_t data,
                          uint16_t data_access)
{
    struct cpu *c = r->cpu;

    for (unsigned i = 0; i < X86_SEGS; i++)
        c->seg[i] = (struct x86_segment){ 0, 0xffffffff, data, data_access };
    c->seg[X86_CS] = (struct x86_segment){ 0, 0xffffffff, code, code_access };
    c->cpl = code & 3u;
}

static void tables_load(struct emu_rig *r)
{
    const uint16_t io_map = TSS_SIZE; /* beyond the limit: there is none */
    struct cpu *c = r->cpu;

    gdt_fill(r);
    c->gdt = (struct x86_table){ EMU_RIG_GDT, EMU_RIG_LIMIT };
    c->idt = (struct x86_table){ EMU_RIG_IDT, 0xfff };
    emu_rig_write(r, EMU_RIG_TSS + TSS_IO_MAP, &io_map, sizeof(io_map));
    c->tr = (struct x86_segment){ EMU_RIG_TSS, TSS_SIZE - 1, EMU_RIG_TR, X86_ACCESS_TSS };
    c->gpr[X86_RSP] = EMU_RIG_STACK;
    c->rip = EMU_RIG_CODE;
}

void emu_rig_update(struct emu_rig *r)
{
    mmu_flush(r->cpu, true);
    cpu_mode_update(r->cpu);
}

void emu_rig_protected_mode(struct emu_rig *r)
{
    r->cpu->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_MP;
    r->cpu->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
    tables_load(r);
    segments_load(r, EMU_RIG_CODE32, X86_ACCESS_CODE32, EMU_RIG_DATA, X86_ACCESS_DATA32);
    emu_rig_update(r);
}

void emu_rig_long_mode(struct emu_rig *r)
{
    struct cpu *c = r->cpu;

    c->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_PG | X86_CR0_NE | X86_CR0_WP | X86_CR0_MP;
    c->cr4 = X86_CR4_PAE | X86_CR4_PGE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_OSXSAVE |
             X86_CR4_FSGSBASE;
    c->efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
    c->xcr0 = emu_cpuid_xcr0();
    c->cr3 = r->next_table;
    r->next_table += PAGE_4K;
    *emu_rig_entry(r, 0, 2) = X86_PTE_P | X86_PTE_RW | X86_PTE_PS;
    tables_load(r);
    segments_load(r, EMU_RIG_CODE64, X86_ACCESS_CODE64, EMU_RIG_DATA, X86_ACCESS_DATA32);
    emu_rig_update(r);
}

void emu_rig_user(struct emu_rig *r)
{
    segments_load(r, EMU_RIG_USER64 | 3, X86_ACCESS_CODE64 | 0x60, EMU_RIG_USERDS | 3,
                  X86_ACCESS_DATA32 | 0x60);
    emu_rig_update(r);
}

void emu_rig_gate(struct emu_rig *r, unsigned vector, uint64_t handler, unsigned ist,
                  unsigned type_and_dpl)
{
    bool wide = r->cpu->efer & X86_EFER_LMA;
    uint64_t selector = wide ? EMU_RIG_CODE64 : EMU_RIG_CODE32;
    uint64_t gate[2] = {
        (handler & 0xffff) | selector << 16 | (uint64_t)ist << 32 |
            (uint64_t)(type_and_dpl | 0x80u) << 40 | (handler >> 16 & 0xffff) << 48,
        handler >> 32,
    };

    emu_rig_write(r, EMU_RIG_IDT + vector * (wide ? 16 : 8), gate, wide ? 16 : 8);
}

enum vcpu_exit emu_rig_go(struct emu_rig *r)
{
    return exec_run(r->cpu);
}

enum vcpu_exit emu_rig_run(struct emu_rig *r, const void *code, size_t len)
{
    static const uint8_t end[] = { 0xe6, EMU_RIG_END }; /* out %al,$EMU_RIG_END */

    emu_rig_write(r, EMU_RIG_CODE, code, len);
    emu_rig_write(r, EMU_RIG_CODE + len, end, sizeof(end));
    r->cpu->rip = EMU_RIG_CODE;
    return emu_rig_go(r);
}

bool emu_rig_step(struct emu_rig *r)
{
    struct cpu *c = r->cpu;
    const struct block *block;

    fault_signal_expect(c);
    fpu_enter(c);
    code_pages_enter(c);
    c->leave = CPU_ON;
    block = block_at(c, c->mode | MODE_STEP);
    if (block) {
        c->gpr[CPU_BLOCK_RIP] = c->rip;
        block->ops[0].run(c, block->ops);
    }
    code_pages_exit(c);
    fpu_exit(c);
    fault_signal_expect(NULL);
    return c->leave != CPU_FAULT;
}
