/*
 * The software CPU as an accelerator: creates and destroys the machine's processors and interrupt
 * controllers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "core/vm/irq.h"
#include "core/vm/mem.h"
#include "emu/emu.h"
#include "emu/x86/apic/ioapic.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/legacy.h"
#include "emu/x86/block.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/cpu/tlb.h"
#include "emu/x86/exec.h"
#include "emu/x86/mem/code_pages.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/native/fault_signal.h"
#include "emu/x86/native/thunk.h"
#include "emu/x86/sys/cpuid.h"
#include "emu/x86/sys/reset.h"
#include "emu/x86/time/tsc.h"

static void emu_destroy(struct accel *a)
{
    struct emu *m = (struct emu *)a;

    if (!m)
        return;
    code_pages_finish(m);
    if (m->ioapic)
        ioapic_finish(m->ioapic);
    if (m->legacy)
        legacy_finish(m->legacy);
    free(m->ioapic);
    free(m->legacy);
    (void)pthread_mutex_destroy(&m->exclusive_lock);
    (void)pthread_mutex_destroy(&m->kvmclock_lock);
    free(m);
}

static int emu_controllers_create(struct emu *m, struct err *e)
{
    m->ioapic = malloc(sizeof(*m->ioapic));
    if (m->ioapic)
        ioapic_init(m->ioapic, m);
    m->legacy = malloc(sizeof(*m->legacy));
    if (m->legacy)
        legacy_init(m->legacy, m);
    if (!m->ioapic || !m->legacy)
        return err_set(e, ENOMEM, "no memory for the interrupt controllers");
    return 0;
}

static int emu_create(const struct accel_config *config, struct accel **out, struct err *e)
{
    struct emu *m = calloc(1, sizeof(*m));
    int ret;

    if (!m)
        return err_set(e, ENOMEM, "no memory for the software CPU");
    m->accel.ops = &emu_accel;
    m->mem = config->mem;
    m->ports = config->ports;
    m->mmio = config->mmio;
    m->vcpu_count = config->vcpu_count;
    (void)pthread_mutex_init(&m->exclusive_lock, NULL);
    (void)pthread_mutex_init(&m->kvmclock_lock, NULL);
    tsc_init(m);
    ret = emu_controllers_create(m, e);
    if (ret == 0)
        ret = code_pages_init(m, e);
    if (ret) {
        emu_destroy(&m->accel);
        return ret;
    }
    *out = &m->accel;
    return 0;
}

static void emu_line_raise(struct irq_line *line)
{
    struct emu *m = (struct emu *)line->accel;

    ioapic_pulse(m->ioapic, line->gsi);
    if (line->gsi < PIC_INPUTS)
        legacy_raise(m->legacy, line->gsi);
}

static int emu_irq_init(struct accel *a, struct irq_line *line, unsigned gsi, struct err *e)
{
    struct emu *m = (struct emu *)a;

    if (gsi >= IOAPIC_INPUTS)
        return err_set(e, EINVAL, "interrupt %u: the I/O APIC has inputs 0 to %u", gsi,
                       IOAPIC_INPUTS - 1);
    if (m->lines & 1u << gsi)
        return err_set(e, EEXIST, "interrupt %u has a line already", gsi);
    m->lines |= 1u << gsi;
    *line = (struct irq_line){ .raise = emu_line_raise, .gsi = gsi, .fd = -1, .accel = a };
    return 0;
}

static void emu_irq_finish(struct accel *a, struct irq_line *line)
{
    struct emu *m = (struct emu *)a;

    m->lines &= ~(1u << line->gsi);
    *line = (struct irq_line){ .fd = -1 };
}

static int emu_doorbell_add(struct accel *a, gpa_t addr, unsigned size, uint64_t value, int eventfd,
                            struct err *e)
{
    struct emu *m = (struct emu *)a;

    for (unsigned i = 0; i < m->doorbell_count; i++)
        if (m->doorbells[i].addr == addr && m->doorbells[i].size == size &&
            m->doorbells[i].value == value)
            return err_set(e, EEXIST, "there is a doorbell at %#llx already",
                           (unsigned long long)addr);
    if (m->doorbell_count == DOORBELLS_MAX)
        return err_set(e, ENOSPC, "no room for a doorbell at %#llx", (unsigned long long)addr);
    m->doorbells[m->doorbell_count++] = (struct doorbell){ addr, value, size, eventfd };
    return 0;
}

static void emu_memory_written(struct accel *a, gpa_t gpa, uint64_t len)
{
    code_pages_written((struct emu *)a, gpa, len);
}

static void emu_vcpu_destroy(struct accel_vcpu *v)
{
    struct cpu *c = (struct cpu *)v;

    if (!c)
        return;
    if (c->has_run)
        log_info("vCPU %u executed %llu instructions", v->id, (unsigned long long)c->executed);
    if (c->lapic)
        lapic_finish(c->lapic);
    if (v->id == 0)
        legacy_stop(c->emu->legacy);
    if (c->emu->cpus[v->id] == c)
        c->emu->cpus[v->id] = NULL;
    block_cache_destroy(c->blocks);
    thunks_destroy(c->thunks);
    free(c->lapic);
    free(c->tlbs);
    free(c);
}

static int emu_vcpu_regs_set(struct accel_vcpu *v, const struct vcpu_regs *r, struct err *e)
{
    struct cpu *c = (struct cpu *)v;

    (void)e;
    memcpy(c->gpr, r->gpr, sizeof(r->gpr));
    memcpy(c->seg, r->seg, sizeof(c->seg));
    c->rip = r->rip;
    c->tr = r->tr;
    c->ldt = r->ldt;
    c->gdt = r->gdt;
    c->idt = r->idt;
    c->cr0 = r->cr0;
    c->cr2 = r->cr2;
    c->cr3 = r->cr3;
    c->cr4 = r->cr4;
    lapic_cr8_set(c->lapic, r->cr8);
    c->efer = r->efer;
    c->cpl = (uint8_t)(r->seg[X86_SS].access >> 5 & 3u);
    cpu_rflags_set(c, r->rflags);
    mmu_flush(c, true);
    cpu_mode_update(c);
    return 0;
}

static int emu_vcpu_regs_get(struct accel_vcpu *v, struct vcpu_regs *r, struct err *e)
{
    const struct cpu *c = (const struct cpu *)v;

    (void)e;
    memcpy(r->gpr, c->gpr, sizeof(r->gpr));
    memcpy(r->seg, c->seg, sizeof(r->seg));
    r->rip = c->rip;
    r->rflags = cpu_rflags(c);
    r->tr = c->tr;
    r->ldt = c->ldt;
    r->gdt = c->gdt;
    r->idt = c->idt;
    r->cr0 = c->cr0;
    r->cr2 = c->cr2;
    r->cr3 = c->cr3;
    r->cr4 = c->cr4;
    r->cr8 = lapic_cr8(c->lapic);
    r->efer = c->efer;
    return 0;
}

/* Does what cannot be done when the processor is created. The signal handler and the host timers
 * have to be set up on the vCPU's own thread. The TSC's frequency, which CPUID shows, is measured
 * while the kernel is loaded. */
static int emu_vcpu_first_run(struct cpu *c, struct err *e)
{
    struct cpuid_machine shape = { .vcpu_count = c->emu->vcpu_count, .vcpu = c->accel.id };
    int ret;

    tsc_settle(c->emu);
    shape.tsc_khz = tsc_khz(c->emu);
    ret = cpuid_shape(&c->cpuid, &shape, e);
    if (ret)
        return ret;
    cpu_features_update(c);
    fault_signal_start();
    ret = lapic_start(c->lapic, e);
    if (ret == 0 && c->accel.id == 0)
        ret = legacy_start(c->emu->legacy, e);
    return ret;
}

static enum vcpu_exit emu_vcpu_run(struct accel_vcpu *v)
{
    struct cpu *c = (struct cpu *)v;
    struct err e;

    if (!c->has_run && emu_vcpu_first_run(c, &e)) {
        log_error("vCPU %u: %s", v->id, e.text);
        return VCPU_FAILED;
    }
    c->has_run = true;
    return exec_run(c);
}

static void emu_vcpu_kick(struct accel_vcpu *v)
{
    cpu_request((struct cpu *)v, CPU_REQ_KICK);
}

static const struct accel_vcpu_ops emu_vcpu_ops = {
    .destroy = emu_vcpu_destroy,
    .regs_set = emu_vcpu_regs_set,
    .regs_get = emu_vcpu_regs_get,
    .run = emu_vcpu_run,
    .kick = emu_vcpu_kick,
};

static int emu_vcpu_allocate(struct cpu *c, struct err *e)
{
    c->tlbs = malloc(sizeof(*c->tlbs));
    c->lapic = calloc(1, sizeof(*c->lapic));
    if (!c->tlbs || !c->lapic || block_cache_create(&c->blocks))
        return err_set(e, ENOMEM, "no memory for vCPU %u", c->accel.id);
    return thunks_create(&c->thunks, e);
}

static void emu_interrupt_ended(struct lapic *l, uint8_t vector, bool level)
{
    if (level)
        ioapic_eoi(l->cpu->emu->ioapic, vector);
    legacy_eoi(l->cpu->emu->legacy);
}

static int emu_vcpu_create(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e)
{
    struct emu *m = (struct emu *)a;
    struct cpu *c = aligned_alloc(64, (sizeof(*c) + 63) & ~(size_t)63);
    int ret;

    if (!c)
        return err_set(e, ENOMEM, "no memory for vCPU %u", id);
    memset(c, 0, sizeof(*c));
    c->accel = (struct accel_vcpu){ .ops = &emu_vcpu_ops, .id = id };
    c->emu = m;
    c->code = &block_code_ops;
    ret = emu_vcpu_allocate(c, e);
    if (ret == 0)
        ret = emu_cpuid_offer(&c->cpuid, e);
    if (ret) {
        emu_vcpu_destroy(&c->accel);
        return ret;
    }
    cpu_features_update(c);
    lapic_init(c->lapic, c, emu_interrupt_ended);
    cpu_reset(c, false);
    m->cpus[id] = c;
    m->cpu_count = id + 1;
    *out = &c->accel;
    return 0;
}

const struct accel_ops emu_accel = {
    .name = "emu",
    .guest = "x86_64",
    .create = emu_create,
    .destroy = emu_destroy,
    .irq_init = emu_irq_init,
    .irq_finish = emu_irq_finish,
    .doorbell_add = emu_doorbell_add,
    .memory_written = emu_memory_written,
    .vcpu_create = emu_vcpu_create,
};
