/* SIGFPE from a thunk becomes a guest exception. */
#include "emu/x86/native/fault_signal.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "core/x86/bits.h"
#include "emu/x86/native/thunk.h"
#include "emu/x86/op/op.h"

static __thread struct cpu *running;

/* The action that was installed before, for a SIGFPE that no thunk has caused. */
static pthread_mutex_t before_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;
static volatile sig_atomic_t passed_on;

/* After a fault in a memory-form thunk the thread goes on here: this returns to the thunk's caller,
 * which looks at cpu.leave. */
static __attribute__((noinline)) void thunk_return(void)
{
    __asm__ volatile("");
}

/* A guest that has not set CR4.OSXMMEXCPT gets #UD for #XM (SDM 3A, 2.5). */
static enum cpu_vector sigfpe_vector(const struct cpu *c, enum cpu_vector host)
{
    return host == CPU_XM && !(c->cr4 & X86_CR4_OSXMMEXCPT) ? CPU_UD : host;
}

/* Installs the action from before again or, if that has been tried, the default one, and lets the
 * signal come once more: a fault repeats when the handler returns, a signal that was sent has to be
 * sent again. */
static void sigfpe_pass_on(int signal, const siginfo_t *info)
{
    const struct sigaction plain = { .sa_handler = SIG_DFL };

    (void)sigaction(signal, passed_on ? &plain : &before, NULL);
    passed_on = 1;
    if (info->si_code <= 0)
        (void)raise(signal);
}

static void sigfpe_handle(int signal, siginfo_t *info, void *context)
{
    greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
    struct cpu *c = running;
    const struct op *op;

    if (!c || info->si_code <= 0 || !thunks_hold(c->thunks, (uint64_t)gregs[REG_RIP])) {
        sigfpe_pass_on(signal, info);
        return;
    }
    op = (const struct op *)gregs[REG_RSI];
    cpu_fault(c, sigfpe_vector(c, (enum cpu_vector)gregs[REG_TRAPNO]));
    if (thunks_hold(c->thunks, (uint64_t)(uintptr_t)op->run))
        gregs[REG_RIP] = (greg_t)(uintptr_t)op_leave; /* its arguments are in rdi and rsi */
    else
        gregs[REG_RIP] = (greg_t)(uintptr_t)thunk_return;
}

void fault_signal_start(void)
{
    const struct sigaction action = { .sa_sigaction = sigfpe_handle,
                                      .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct sigaction now;
    sigset_t set;

    (void)pthread_mutex_lock(&before_lock);
    if (sigaction(SIGFPE, NULL, &now) == 0 && now.sa_sigaction != sigfpe_handle) {
        before = now;
        (void)sigaction(SIGFPE, &action, NULL);
    }
    (void)pthread_mutex_unlock(&before_lock);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGFPE);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void fault_signal_expect(struct cpu *c)
{
    running = c;
}
