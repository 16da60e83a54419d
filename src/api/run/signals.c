/* The signals that ask mote to end. */
#include "api/run/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/run/deadly.h"
#include "api/run/terminal.h"
#include "core/log/log.h"
#include "core/loop/loop.h"
#include "core/vm/power.h"

static const int end_signals[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };

#define END_SIGNALS (sizeof(end_signals) / sizeof(end_signals[0]))

static struct {
    volatile sig_atomic_t caught;
    struct loop *loop;
    struct power *power;
    struct loop_post post;
    bool held;
    sigset_t before; /* the mask before signals_hold */
} signals;

static void signals_end_machine(struct loop_post *post)
{
    (void)post;
    if (signals.power) /* signals_detach may have come after the post */
        power_end_machine(signals.power, POWER_QUIT);
}

static void signals_on_end(int sig)
{
    if (signals.caught) {
        terminal_restore_mode();
        log_flush(0);
        deadly_die(sig);
    }
    signals.caught = sig;
    if (signals.loop)
        loop_post(signals.loop, &signals.post);
}

static sigset_t signals_end_set(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < END_SIGNALS; i++)
        (void)sigaddset(&set, end_signals[i]);
    return set;
}

static void signals_set_handler(int sig, void (*handler)(int))
{
    /* The mask lets one handler run at a time: a second signal finds `caught` set. */
    struct sigaction action = { .sa_handler = handler,
                                .sa_mask = signals_end_set(),
                                .sa_flags = SA_RESTART };
    struct sigaction before;

    if (sigaction(sig, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        (void)sigaction(sig, &action, NULL);
}

void signals_ignore(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}

void signals_hold(void)
{
    const sigset_t set = signals_end_set();

    signals_ignore();
    signals.held = sigprocmask(SIG_BLOCK, &set, &signals.before) == 0;
}

void signals_release(void)
{
    if (signals.held)
        (void)sigprocmask(SIG_SETMASK, &signals.before, NULL);
    signals.held = false;
}

void signals_init(struct loop *loop, struct power *power)
{
    signals.caught = 0;
    signals.loop = loop;
    signals.power = power;
    signals.post = (struct loop_post){ .call = signals_end_machine };
    signals_ignore();
    for (size_t i = 0; i < END_SIGNALS; i++)
        signals_set_handler(end_signals[i], signals_on_end);
    signals_release();
}

void signals_detach(void)
{
    signals.loop = NULL;
    signals.power = NULL;
}

void signals_finish(void)
{
    for (size_t i = 0; i < END_SIGNALS; i++)
        signals_set_handler(end_signals[i], SIG_DFL);
    signals_detach();
}

int signals_caught(void)
{
    return signals.caught;
}
