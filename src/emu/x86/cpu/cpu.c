/* One software processor's state: requests from other threads, recording faults, RFLAGS. */
#include "emu/x86/cpu/cpu.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/x86/bits.h"

void cpu_request(struct cpu *c, uint32_t bits)
{
    uint32_t before = __atomic_fetch_or(&c->request, bits, __ATOMIC_SEQ_CST);

    if ((before & bits) != bits && __atomic_load_n(&c->halted, __ATOMIC_SEQ_CST))
        (void)syscall(SYS_futex, &c->request, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

uint32_t cpu_requests_take(struct cpu *c, uint32_t bits)
{
    return __atomic_fetch_and(&c->request, ~bits, __ATOMIC_SEQ_CST) & bits;
}

void cpu_wait(struct cpu *c, uint32_t bits)
{
    uint32_t now;

    __atomic_store_n(&c->halted, true, __ATOMIC_SEQ_CST);
    now = __atomic_load_n(&c->request, __ATOMIC_SEQ_CST);
    if (!(now & bits)) /* a signal may end it early */
        (void)syscall(SYS_futex, &c->request, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
    __atomic_store_n(&c->halted, false, __ATOMIC_SEQ_CST);
}

static void cpu_fault_record(struct cpu *c, struct cpu_fault f)
{
    c->fault = f;
    c->leave = CPU_FAULT;
}

void cpu_fault(struct cpu *c, enum cpu_vector vector)
{
    cpu_fault_record(c, (struct cpu_fault){ .vector = (uint8_t)vector });
}

void cpu_fault_error(struct cpu *c, enum cpu_vector vector, uint32_t error)
{
    cpu_fault_record(
        c, (struct cpu_fault){ .vector = (uint8_t)vector, .has_error = true, .error = error });
}

void cpu_fault_page(struct cpu *c, uint64_t address, uint32_t error)
{
    cpu_fault_record(c,
                     (struct cpu_fault){
                         .vector = CPU_PF, .has_error = true, .error = error, .address = address });
}

bool cpu_unable(struct cpu *c, const char *what)
{
    c->unable = what;
    c->leave = CPU_UNABLE;
    return false;
}

uint64_t cpu_rflags(const struct cpu *c)
{
    return c->rflags | flags_to_rflags(c->flags);
}

void cpu_rflags_set(struct cpu *c, uint64_t rflags)
{
    c->rflags = (rflags & ~(uint64_t)RFLAGS_ARITH) | X86_RFLAGS_R1;
    c->flags = flags_from_rflags(rflags);
    if (rflags & X86_RFLAGS_RF)
        c->alone |= CPU_ALONE_RESUMED;
}
