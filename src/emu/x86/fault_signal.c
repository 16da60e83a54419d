/* SIGFPE from a thunk becomes a guest exception. */
#include "emu/x86/fault_signal.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "emu/x86/op.h"
#include "emu/x86/thunk.h"

#define CR4_OSXMMEXCPT UINT64_C(0x400)

static __thread struct cpu *running;

/* Where a memory-form thunk goes on after a fault: its caller, which looks at cpu.leave. */
static __attribute__((noinline)) void thunk_return(void)
{
    __asm__ volatile("");
}

/* A system that has not said that it knows #XM gets #UD (SDM 3A, 2.5: CR4.OSXMMEXCPT). */
static enum cpu_vector vector_of(const struct cpu *c, enum cpu_vector host)
{
    return host == CPU_XM && !(c->cr4 & CR4_OSXMMEXCPT) ? CPU_UD : host;
}

static void on_sigfpe(int signal, siginfo_t *info, void *context)
{
    greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct cpu *c = running;
    const struct op *op;

    (void)info;
    if (!c || !thunks_hold(c->thunks, (uint64_t)gregs[REG_RIP])) {
        struct sigaction plain = { .sa_handler = SIG_DFL };

        (void)sigaction(signal, &plain, NULL); /* returning raises it again */
        return;
    }
    op = (const struct op *)gregs[REG_RSI];
    cpu_fault(c, vector_of(c, (enum cpu_vector)gregs[REG_TRAPNO]));
    if (thunks_hold(c->thunks, (uint64_t)(uintptr_t)op->run))
        gregs[REG_RIP] = (greg_t)(uintptr_t)op_leave; /* its arguments are in rdi and rsi */
    else
        gregs[REG_RIP] = (greg_t)(uintptr_t)thunk_return;
}

void fault_signal_start(void)
{
    struct sigaction action = { .sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigset_t set;

    (void)sigaction(SIGFPE, &action, NULL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGFPE);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void fault_signal_expect(struct cpu *c)
{
    running = c;
}
