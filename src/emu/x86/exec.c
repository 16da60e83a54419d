/*
 * Running a processor.
 *
 * A block runs until its last op; then whatever it left in cpu.leave is dealt with, then requests,
 * then the next block. What a running guest costs most is here: keep the way from one block to the
 * next short.
 */
#include "emu/x86/exec.h"

#include <stdbool.h>
#include <stddef.h>

#include "emu/x86/block.h"
#include "emu/x86/code_pages.h"
#include "emu/x86/cpu.h"
#include "emu/x86/fault_signal.h"
#include "emu/x86/fpu.h"
#include "emu/x86/intr.h"
#include "emu/x86/lapic.h"
#include "emu/x86/mode.h"
#include "emu/x86/op.h"
#include "emu/x86/reset.h"

#define RFLAGS_TF (UINT64_C(1) << 8)
#define RFLAGS_IF (UINT64_C(1) << 9)
#define DR6_BS    UINT64_C(0x4000)

enum next {
    GO_ON,
    KICKED,
    SHUT_DOWN,
};

static enum next fault_take(struct cpu *c)
{
    return intr_deliver_fault(c) ? GO_ON : SHUT_DOWN;
}

/* INIT puts the processor where it waits for SIPI; SIPI starts it at the page the vector names (SDM
 * 3A, 9.4.3). */
static void start_up(struct cpu *c, uint32_t requests)
{
    uint8_t page;

    if (requests & CPU_REQ_INIT) {
        cpu_reset(c, true);
        lapic_reset(c->lapic, true);
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

static enum next nmi_take(struct cpu *c)
{
    if (c->nmi_blocked || c->shadow == CPU_SHADOW_SS)
        return GO_ON; /* the request stays */
    (void)cpu_requests_take(c, CPU_REQ_NMI);
    c->nmi_blocked = true;
    c->halted_by_guest = false;
    return intr_deliver(c, CPU_NMI) ? GO_ON : SHUT_DOWN;
}

/* The request stays while a vector is pending that RFLAGS.IF or a shadow holds back. */
static enum next interrupt_take(struct cpu *c)
{
    int vector;

    (void)cpu_requests_take(c, CPU_REQ_INTERRUPT);
    vector = lapic_pending(c->lapic);
    if (vector < 0)
        return GO_ON;
    if (!(c->rflags & RFLAGS_IF) || c->shadow != CPU_SHADOW_NONE) {
        cpu_request(c, CPU_REQ_INTERRUPT);
        return GO_ON;
    }
    lapic_accept(c->lapic, (uint8_t)vector);
    cpu_request(c, CPU_REQ_INTERRUPT); /* there may be another behind it */
    c->halted_by_guest = false;
    return intr_deliver(c, (uint8_t)vector) ? GO_ON : SHUT_DOWN;
}

/* Whoever counts a processor's turns has it back before it sleeps, too. */
static enum next turn_take(struct cpu *c)
{
    if (c->turns == 0 || c->halted_by_guest || c->waiting_for_sipi)
        return KICKED;
    c->turns--;
    return GO_ON;
}

static enum next events_take(struct cpu *c)
{
    enum next next = GO_ON;

    if (c->waiting_for_sipi)
        return GO_ON;
    if (__atomic_load_n(&c->request, __ATOMIC_RELAXED) & CPU_REQ_NMI)
        next = nmi_take(c);
    if (next == GO_ON && (__atomic_load_n(&c->request, __ATOMIC_RELAXED) & CPU_REQ_INTERRUPT))
        next = interrupt_take(c);
    return next;
}

static enum next requests_attend(struct cpu *c)
{
    uint32_t once = cpu_requests_take(c, CPU_REQ_KICK | CPU_REQ_INIT | CPU_REQ_SIPI | CPU_REQ_CODE |
                                             CPU_REQ_TIMER);
    enum next next;

    if (once & CPU_REQ_CODE)
        code_pages_attend(c);
    if (once & CPU_REQ_TIMER)
        lapic_timer_ran_out(c->lapic);
    if (once & (CPU_REQ_INIT | CPU_REQ_SIPI))
        start_up(c, once);
    if (once & CPU_REQ_KICK)
        return KICKED;
    next = events_take(c);
    if (next == GO_ON && (__atomic_load_n(&c->request, __ATOMIC_RELAXED) & CPU_REQ_TURNS))
        next = turn_take(c);
    return next;
}

/* What may end the sleep of a halted or not yet started processor. A masked interrupt does not. */
static uint32_t wakers(const struct cpu *c)
{
    uint32_t bits = CPU_REQ_KICK | CPU_REQ_INIT | CPU_REQ_CODE | CPU_REQ_TIMER;

    if (c->waiting_for_sipi)
        return bits | CPU_REQ_SIPI;
    if (!c->nmi_blocked)
        bits |= CPU_REQ_NMI;
    if (c->rflags & RFLAGS_IF)
        bits |= CPU_REQ_INTERRUPT;
    return bits;
}

static void sleep_until_woken(struct cpu *c)
{
    c->shadow = CPU_SHADOW_NONE;
    code_pages_exit(c);
    cpu_wait(c, wakers(c));
    code_pages_enter(c);
}

/* One instruction under RFLAGS.TF, as it was when it began, is over. */
static void single_step_trap(struct cpu *c)
{
    c->dr[6] |= DR6_BS;
    cpu_fault(c, CPU_DB);
}

/* Outside 64-bit mode what comes behind the last byte of 4 GiB is the first. */
static void block_run(struct cpu *c, const struct block *block)
{
    c->gpr[CPU_BLOCK_RIP] = c->rip;
    block->ops[0].run(c, block->ops);
    if (__builtin_expect(!(c->mode & MODE_64), 0))
        c->rip = (uint32_t)c->rip;
}

/* Where something is to be looked at behind every instruction: each has a block of its own. Of
 * instructions in a row that cast a shadow, only the first does. */
static void instruction_run(struct cpu *c)
{
    const struct block *block = block_at(c, c->mode | MODE_STEP);
    bool in_shadow = c->shadow != CPU_SHADOW_NONE;
    bool traps = c->rflags & RFLAGS_TF;

    c->shadow = CPU_SHADOW_NONE;
    if (!block)
        return;
    block_run(c, block);
    if (in_shadow)
        c->shadow = CPU_SHADOW_NONE;
    if (traps && c->leave == CPU_ON && c->shadow != CPU_SHADOW_SS)
        single_step_trap(c);
}

static bool goes_by_instructions(const struct cpu *c)
{
    return c->shadow != CPU_SHADOW_NONE || (c->mode & MODE_STEP);
}

static void blocks_run(struct cpu *c)
{
    do {
        const struct block *block = block_at(c, c->mode);

        if (!block)
            return;
        block_run(c, block);
    } while (c->leave == CPU_ON && !goes_by_instructions(c) &&
             __atomic_load_n(&c->request, __ATOMIC_RELAXED) == 0);
}

static enum next leave_take(struct cpu *c)
{
    switch (c->leave) {
    case CPU_FAULT:
        return fault_take(c);
    case CPU_STEP:
        c->leave = CPU_ON;
        if (!(c->mode & MODE_STEP))
            return GO_ON;
        single_step_trap(c);
        return fault_take(c);
    case CPU_HALT:
        c->leave = CPU_ON;
        c->halted_by_guest = true;
        return GO_ON;
    case CPU_TRIPLE_FAULT:
        return SHUT_DOWN;
    default:
        return GO_ON;
    }
}

static enum next step(struct cpu *c)
{
    enum next next = GO_ON;

    if (__atomic_load_n(&c->request, __ATOMIC_RELAXED))
        next = requests_attend(c);
    if (next != GO_ON)
        return next;
    if (c->halted_by_guest || c->waiting_for_sipi) {
        sleep_until_woken(c);
        return GO_ON;
    }
    if (goes_by_instructions(c))
        instruction_run(c);
    else
        blocks_run(c);
    return leave_take(c);
}

enum vcpu_exit exec_run(struct cpu *c)
{
    enum next next;

    fault_signal_expect(c);
    fpu_enter(c);
    code_pages_enter(c);
    do
        next = step(c);
    while (next == GO_ON);
    code_pages_exit(c);
    fpu_exit(c);
    fault_signal_expect(NULL);
    return next == KICKED ? VCPU_KICKED : VCPU_TRIPLE_FAULT;
}
