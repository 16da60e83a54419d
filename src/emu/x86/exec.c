/*
 * Running a processor.
 *
 * A block runs until one of its ops ends it (op.h). Then the loop handles what the block left in
 * cpu.leave, then requests, then runs the next block. Most of the emulator's overhead is in going
 * from one block to the next: keep that path short.
 */
#include "emu/x86/exec.h"

#include <stdbool.h>
#include <stddef.h>

#include "core/log/log.h"
#include "core/x86/bits.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/apic/legacy.h"
#include "emu/x86/block.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/debug.h"
#include "emu/x86/cpu/fpu.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/vendor.h"
#include "emu/x86/mem/code_pages.h"
#include "emu/x86/native/fault_signal.h"
#include "emu/x86/op/op.h"
#include "emu/x86/seg/intr.h"
#include "emu/x86/sys/reset.h"
#include "emu/x86/time/kvmclock.h"

enum next {
    GO_ON,
    KICKED,
    SHUT_DOWN,
};

static enum next exec_fault_take(struct cpu *c)
{
    return intr_deliver_fault(c) ? GO_ON : SHUT_DOWN;
}

/* INIT resets the processor, which then waits for SIPI unless it is processor 0; SIPI starts it at
 * the page that its vector names (SDM 3A, 9.4.3). */
static void exec_start_up(struct cpu *c, uint32_t requests)
{
    uint8_t page;

    if (requests & CPU_REQ_INIT) {
        cpu_reset(c, true);
        lapic_reset(c->lapic, true);
        kvmclock_system_write(c, 0); /* as KVM does: another kernel may own that memory now */
        c->halted_by_guest = false;
    }
    if (!(requests & CPU_REQ_SIPI) || !c->waiting_for_sipi)
        return;
    page = __atomic_load_n(&c->sipi_vector, __ATOMIC_ACQUIRE);
    c->waiting_for_sipi = false;
    c->seg[X86_CS].selector = (uint16_t)(page << 8);
    c->seg[X86_CS].base = (uint64_t)page << 12;
    c->rip = 0;
    cpu_mode_update(c);
}

static enum next exec_nmi_take(struct cpu *c)
{
    if (c->nmi_blocked || (c->alone & CPU_ALONE_SHADOW))
        return GO_ON; /* the request stays */
    (void)cpu_requests_take(c, CPU_REQ_NMI);
    c->nmi_blocked = true;
    c->halted_by_guest = false;
    return intr_deliver(c, CPU_NMI) ? GO_ON : SHUT_DOWN;
}

/* Delivers a pending interrupt. If RFLAGS.IF is clear, or the processor has just executed STI or
 * MOV SS, the interrupt has to wait and CPU_REQ_INTERRUPT is set again. */
static enum next exec_interrupt_take(struct cpu *c)
{
    struct legacy *legacy = c->emu->legacy;
    bool wired; /* the 8259 pair has an interrupt, which is taken first, as on KVM */
    int vector;

    (void)cpu_requests_take(c, CPU_REQ_INTERRUPT);
    wired = legacy_asks(legacy, c);
    vector = wired ? 0 : lapic_pending(c->lapic);
    if (vector < 0)
        return GO_ON;
    if (!(c->rflags & X86_RFLAGS_IF) || (c->alone & CPU_ALONE_NO_INTERRUPT)) {
        cpu_request(c, CPU_REQ_INTERRUPT);
        return GO_ON;
    }
    if (wired)
        vector = legacy_take(legacy);
    else
        lapic_accept(c->lapic, (uint8_t)vector);
    cpu_request(c, CPU_REQ_INTERRUPT); /* another may be pending */
    c->halted_by_guest = false;
    return intr_deliver(c, (uint8_t)vector) ? GO_ON : SHUT_DOWN;
}

/* A processor whose turns are counted also returns from run instead of going to sleep. */
static enum next exec_turn_take(struct cpu *c)
{
    if (c->turns == 0 || c->halted_by_guest || c->waiting_for_sipi)
        return KICKED;
    c->turns--;
    return GO_ON;
}

static enum next exec_events_take(struct cpu *c)
{
    enum next next = GO_ON;

    if (c->waiting_for_sipi)
        return GO_ON;
    if (__atomic_load_n(&c->request, __ATOMIC_RELAXED) & CPU_REQ_NMI)
        next = exec_nmi_take(c);
    if (next == GO_ON && (__atomic_load_n(&c->request, __ATOMIC_RELAXED) & CPU_REQ_INTERRUPT))
        next = exec_interrupt_take(c);
    return next;
}

static void exec_timers_ran_out(struct cpu *c)
{
    lapic_timer_ran_out(c->lapic);
    if (c->accel.id == 0)
        legacy_timer_ran_out(c->emu->legacy);
}

static enum next exec_requests_take(struct cpu *c)
{
    uint32_t once = cpu_requests_take(c, CPU_REQ_KICK | CPU_REQ_INIT | CPU_REQ_SIPI | CPU_REQ_CODE |
                                             CPU_REQ_TIMER);
    enum next next;

    if (once & CPU_REQ_CODE)
        code_pages_enter(c);
    if (once & CPU_REQ_TIMER)
        exec_timers_ran_out(c);
    if (once & (CPU_REQ_INIT | CPU_REQ_SIPI))
        exec_start_up(c, once);
    if (once & CPU_REQ_KICK)
        return KICKED;
    next = exec_events_take(c);
    if (next == GO_ON && (__atomic_load_n(&c->request, __ATOMIC_RELAXED) & CPU_REQ_TURNS))
        next = exec_turn_take(c);
    return next;
}

/* The requests that may end the sleep of a processor that is halted or waits for SIPI: not an
 * interrupt that RFLAGS.IF masks, nor an NMI while NMIs are blocked. */
static uint32_t exec_wakers(const struct cpu *c)
{
    uint32_t bits = CPU_REQ_KICK | CPU_REQ_INIT | CPU_REQ_CODE | CPU_REQ_TIMER;

    if (c->waiting_for_sipi)
        return bits | CPU_REQ_SIPI;
    if (!c->nmi_blocked)
        bits |= CPU_REQ_NMI;
    if (c->rflags & X86_RFLAGS_IF)
        bits |= CPU_REQ_INTERRUPT;
    return bits;
}

static void exec_sleep(struct cpu *c)
{
    c->alone &= (uint8_t)~CPU_ALONE_ONCE;
    code_pages_exit(c);
    cpu_wait(c, exec_wakers(c));
    code_pages_enter(c);
}

/* Outside 64-bit mode EIP wraps around at 4 GiB. */
static void exec_block(struct cpu *c, const struct block *block)
{
    c->gpr[CPU_BLOCK_RIP] = c->rip;
    block->ops[0].run(c, block->ops);
    if (__builtin_expect(!(c->mode & MODE_64), 0))
        c->rip = (uint32_t)c->rip;
}

/* Records the #DB that is due after an instruction, for a single step or for breakpoints that it
 * met. After MOV SS the #DB waits for one more instruction (SDM 3A, 6.8.3). An instruction that
 * faulted has not completed, and its breakpoints are forgotten. A software interrupt is no such
 * fault: it is delivered first, and exec_leave_take then reports its breakpoints. */
static void exec_traps_take(struct cpu *c, bool step)
{
    if (c->leave == CPU_FAULT && !c->fault.software)
        c->debug_met = 0;
    if ((c->leave != CPU_ON && c->leave != CPU_HALT) || (c->alone & CPU_ALONE_NO_DEBUG))
        return;
    if (step)
        c->debug_met |= DEBUG_BS;
    if (c->debug_met)
        debug_trap(c);
}

/* Whether an instruction breakpoint is to be ignored: because RFLAGS.RF is set or, on some vendors'
 * processors, because the instruction follows MOV SS. */
static bool exec_breakpoint_hidden(const struct cpu *c, uint8_t why)
{
    return (why & CPU_ALONE_RESUMED) || ((why & CPU_ALONE_NO_DEBUG) && c->vendor->mov_ss_code);
}

/* Runs one instruction alone, for any of the reasons in cpu.alone. Of several STI or MOV SS in a
 * row only the first holds interrupts back. */
static void exec_instruction_alone(struct cpu *c)
{
    uint8_t why = c->alone;
    const struct block *block;

    c->alone &= (uint8_t)~CPU_ALONE_ONCE;
    if ((why & CPU_ALONE_WATCHED) && !exec_breakpoint_hidden(c, why) && !debug_may_begin(c))
        return;
    block = block_at(c, c->mode | MODE_STEP);
    if (block)
        exec_block(c, block);
    if (why & CPU_ALONE_SHADOW)
        c->alone &= (uint8_t)~CPU_ALONE_SHADOW;
    if ((why & CPU_ALONE_RESUMED) && c->leave != CPU_FAULT && !(c->alone & CPU_ALONE_RESUMED))
        c->rflags &= ~X86_RFLAGS_RF;
    exec_traps_take(c, why & CPU_ALONE_STEP);
}

static void exec_blocks(struct cpu *c)
{
    do {
        const struct block *block = block_at(c, c->mode);

        if (!block)
            return;
        exec_block(c, block);
    } while (c->leave == CPU_ON && !c->alone &&
             __atomic_load_n(&c->request, __ATOMIC_RELAXED) == 0);
}

/* Does what the block or instruction asked for in cpu.leave. A software interrupt is delivered
 * before the #DB for breakpoints met by it or by a MOV SS just before it. */
static enum next exec_leave_take(struct cpu *c)
{
    enum next next = GO_ON;

    switch (c->leave) {
    case CPU_STEP:
        c->leave = CPU_ON;
        if (c->mode & MODE_STEP)
            c->debug_met |= DEBUG_BS;
        break;
    case CPU_FAULT:
        next = exec_fault_take(c);
        break;
    case CPU_HALT:
        c->leave = CPU_ON;
        c->halted_by_guest = true;
        return GO_ON;
    case CPU_UNABLE:
        return SHUT_DOWN;
    default:
        return GO_ON;
    }
    if (next != GO_ON || !c->debug_met)
        return next;
    debug_trap(c);
    return exec_fault_take(c);
}

static enum next exec_step(struct cpu *c)
{
    enum next next = GO_ON;

    if (__atomic_load_n(&c->request, __ATOMIC_RELAXED))
        next = exec_requests_take(c);
    if (next != GO_ON)
        return next;
    if (c->halted_by_guest || c->waiting_for_sipi) {
        exec_sleep(c);
        return GO_ON;
    }
    if (c->alone)
        exec_instruction_alone(c);
    else
        exec_blocks(c);
    return exec_leave_take(c);
}

enum vcpu_exit exec_run(struct cpu *c)
{
    enum next next;

    fault_signal_expect(c);
    fpu_enter(c);
    code_pages_enter(c);
    do
        next = exec_step(c);
    while (next == GO_ON);
    code_pages_exit(c);
    fpu_exit(c);
    fault_signal_expect(NULL);
    if (next == KICKED)
        return VCPU_KICKED;
    if (c->leave != CPU_UNABLE)
        return VCPU_TRIPLE_FAULT;
    log_error("vCPU %u, at %#llx: the guest wants %s, which the software CPU does not have",
              c->accel.id, (unsigned long long)c->rip, c->unable);
    return VCPU_FAILED;
}
