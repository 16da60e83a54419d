/* A processor's state: requests, recorded faults, RFLAGS. */
#include <criterion/criterion.h>
#include <pthread.h>

#include "emu/x86/cpu/cpu.h"
#include "emu/x86/mem/mmu.h"

static struct cpu c;

Test(cpu, a_request_is_taken_once)
{
    cpu_request(&c, CPU_REQ_NMI | CPU_REQ_TIMER);
    cr_assert_eq(cpu_requests_take(&c, CPU_REQ_NMI | CPU_REQ_INIT), CPU_REQ_NMI);
    cr_assert_eq(cpu_requests_take(&c, CPU_REQ_NMI | CPU_REQ_INIT), 0);
    cr_assert_eq(c.request, CPU_REQ_TIMER);
}

Test(cpu, waiting_for_what_is_requested_returns_at_once)
{
    cpu_request(&c, CPU_REQ_NMI);
    cpu_wait(&c, CPU_REQ_NMI | CPU_REQ_KICK);
    cr_assert_not(c.halted);
    cr_assert_eq(c.request, CPU_REQ_NMI, "it is still there to be taken");
}

static void *waiter(void *arg)
{
    while (!cpu_requests_take(arg, CPU_REQ_KICK))
        cpu_wait(arg, CPU_REQ_KICK);
    return NULL;
}

Test(cpu, a_request_wakes_who_waits_for_it)
{
    pthread_t thread;

    cpu_request(&c, CPU_REQ_TIMER); /* not what it waits for */
    cr_assert_eq(pthread_create(&thread, NULL, waiter, &c), 0);
    cpu_request(&c, CPU_REQ_KICK);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(c.request, CPU_REQ_TIMER);
}

Test(cpu, faults_are_recorded_with_what_belongs_to_them)
{
    cpu_fault(&c, CPU_UD);
    cr_assert_eq(c.leave, CPU_FAULT);
    cr_assert(c.fault.vector == CPU_UD && !c.fault.has_error);
    cpu_fault_error(&c, CPU_GP, 0x18);
    cr_assert(c.fault.vector == CPU_GP && c.fault.has_error && c.fault.error == 0x18);
    cpu_fault_page(&c, 0x1234, 7);
    cr_assert(c.fault.vector == CPU_PF && c.fault.error == 7 && c.fault.address == 0x1234);
}

Test(cpu, a_refusal_has_an_error_code_where_its_vector_has)
{
    static const uint8_t with[] = { CPU_DF, CPU_TS, CPU_NP, CPU_SS, CPU_GP, CPU_PF, CPU_AC };
    static const uint8_t without[] = { CPU_DE, CPU_DB, CPU_BP, CPU_OF, CPU_BR,
                                       CPU_UD, CPU_NM, CPU_MF, CPU_XM };

    for (unsigned i = 0; i < sizeof(with); i++) {
        cr_assert_not(cpu_refuse(&c, with[i], 8));
        cr_assert(c.fault.vector == with[i] && c.fault.has_error && c.fault.error == 8);
    }
    for (unsigned i = 0; i < sizeof(without); i++) {
        c.leave = CPU_ON;
        cr_assert_not(cpu_refuse(&c, without[i], 8));
        cr_assert(c.fault.vector == without[i] && !c.fault.has_error && c.fault.error == 0);
        cr_assert_eq(c.leave, CPU_FAULT);
    }
}

Test(cpu, rflags_are_the_arithmetic_ones_and_the_others)
{
    cpu_rflags_set(&c, 0x40ad7);
    cr_assert_eq(c.rflags & RFLAGS_ARITH, 0);
    cr_assert_eq(cpu_rflags(&c), 0x40ad7);
    cpu_rflags_set(&c, 0);
    cr_assert_eq(cpu_rflags(&c), 2, "bit 1 is always set");
}

Test(cpu, canonical_addresses_repeat_bit_47)
{
    cr_assert(mmu_is_canonical(0));
    cr_assert(mmu_is_canonical(0x00007fffffffffff));
    cr_assert(mmu_is_canonical(0xffff800000000000));
    cr_assert(mmu_is_canonical(UINT64_MAX));
    cr_assert_not(mmu_is_canonical(0x0000800000000000));
    cr_assert_not(mmu_is_canonical(0xffff7fffffffffff));
    cr_assert_not(mmu_is_canonical(0x1000000000000000));
}
