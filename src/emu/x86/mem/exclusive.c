/*
 * Exclusive access to memory.
 *
 * It is built on code_pages.h. A processor in guest code answers CPU_REQ_CODE between two blocks by
 * entering again. Whenever it enters guest code it waits outside while emu.exclusive is another
 * processor. It sets in_guest before it reads emu.exclusive, and exclusive_begin sets emu.exclusive
 * before it reads in_guest, so at least one of the two sees the other.
 *
 * While a processor waits in exclusive_begin, it counts as outside guest code. So two processors
 * that begin at once do not wait for each other, and one that takes a hold (code_pages.h) waits for
 * neither.
 */
#include "emu/x86/mem/exclusive.h"

#include <sched.h>
#include <stddef.h>

#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/mem/code_pages.h"

void exclusive_begin(struct cpu *c)
{
    struct emu *m = c->emu;

    code_pages_exit(c);
    (void)pthread_mutex_lock(&m->exclusive_lock);
    __atomic_store_n(&m->exclusive, c, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i] != c)
            cpu_request(m->cpus[i], CPU_REQ_CODE);
    for (unsigned i = 0; i < m->cpu_count; i++)
        while (m->cpus[i] != c && __atomic_load_n(&m->cpus[i]->in_guest, __ATOMIC_SEQ_CST))
            (void)sched_yield();
    code_pages_return(c);
}

void exclusive_end(struct cpu *c)
{
    struct emu *m = c->emu;

    __atomic_store_n(&m->exclusive, NULL, __ATOMIC_SEQ_CST);
    (void)pthread_mutex_unlock(&m->exclusive_lock);
}
