/*
 * Watches: memory that the loop polls so that nobody has to wake it, and how long the loop spins
 * before it sleeps.
 *
 * A thread that writes into watched memory need not wake a loop that is awake. Before each sleep
 * every watch is told to rest: it arranges for a wake-up and then looks once more. So nothing is
 * missed, and a sleeping loop costs nothing.
 *
 * Waking the loop often takes longer than a disk or a driver takes to have more work for it. So
 * before it sleeps the loop spins for `spin_ns`, which adapts: a wait of up to SPIN_MAX_NS doubles
 * spin_ns, a longer one halves it. Where all waits are long it becomes 0, and the loop sleeps at
 * once. The loop also sleeps at once while a kernel thread may be carrying out an operation for it,
 * such as a write into the page cache: that thread may need this very processor.
 */
#include <sched.h>

#include "core/base/clock.h"
#include "core/host/host.h"
#include "core/loop/loop_backend.h"

#define SPIN_MIN_NS 4000u
#define SPIN_MAX_NS 32000u

void loop_watch(struct loop *l, struct loop_watch *w)
{
    if (w->watched)
        return;
    w->watched = true;
    w->next = NULL;
    w->prev = l->last_watch;
    *(l->last_watch ? &l->last_watch->next : &l->first_watch) = w;
    l->last_watch = w;
    l->watch_count++;
}

void loop_unwatch(struct loop *l, struct loop_watch *w)
{
    if (!w->watched)
        return;
    w->watched = false;
    if (l->next_watch == w)
        l->next_watch = w->next;
    *(w->prev ? &w->prev->next : &l->first_watch) = w->next;
    *(w->next ? &w->next->prev : &l->last_watch) = w->prev;
    l->watch_count--;
}

/* Makes at most as many calls as there are watches now. A call may remove or add watches; added
 * ones may have to wait for the next time. */
static bool watches_call(struct loop *l, bool resting)
{
    unsigned left = l->watch_count;
    bool found = false;

    l->next_watch = l->first_watch;
    while (left-- > 0 && l->next_watch) {
        struct loop_watch *w = l->next_watch;
        l->next_watch = w->next;
        found |= resting ? w->rest(w) : w->look(w);
    }
    l->next_watch = NULL;
    return found;
}

bool watches_look(struct loop *l)
{
    return watches_call(l, false);
}

bool watches_rest(struct loop *l)
{
    return watches_call(l, true);
}

/* On a single processor nothing that the loop waits for can happen while it spins. */
bool watches_may_spin(void)
{
    cpu_set_t cpus;

    return sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) > 1;
}

bool watches_spin(struct loop *l)
{
    uint64_t end_ns;

    if (!l->may_spin || l->kernel_works > 0)
        return false;
    l->idle_since_ns = clock_now_ns();
    if (l->spin_ns == 0)
        return false;
    end_ns = l->idle_since_ns + l->spin_ns;
    do {
        if (l->impl->due(l) || __atomic_load_n(&l->posted, __ATOMIC_RELAXED) || watches_look(l))
            return true;
        host_relax();
    } while (clock_now_ns() < end_ns);
    return false;
}

void watches_learn(struct loop *l)
{
    uint64_t idle_ns;

    if (l->idle_since_ns == 0)
        return;
    idle_ns = clock_now_ns() - l->idle_since_ns;
    l->idle_since_ns = 0;
    if (idle_ns > SPIN_MAX_NS)
        l->spin_ns = l->spin_ns > SPIN_MIN_NS ? l->spin_ns / 2 : 0;
    else if (l->spin_ns < SPIN_MAX_NS)
        l->spin_ns = l->spin_ns > 0 ? 2 * l->spin_ns : SPIN_MIN_NS;
}
