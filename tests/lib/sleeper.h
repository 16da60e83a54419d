#ifndef TESTS_SLEEPER_H
#define TESTS_SLEEPER_H
/*
 * Whether a loop sleeps: how many turns it makes while there is nothing to do. On a loaded machine
 * it makes fewer, never more.
 */
#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "lib/check.h"

#define SLEEPER_NS (UINT64_C(50) * 1000000)

/* The turns that a loop that sleeps may make: for the timer, and until all is at rest. */
#define SLEEPER_TURNS 20u

struct sleeper {
    struct loop_op op; /* first member */
    struct loop *loop;
};

static inline void sleeper_over(struct loop_op *op, int res)
{
    CHECK(res == 0);
    loop_stop(((struct sleeper *)op)->loop);
}

/* Runs the loop for SLEEPER_NS. */
static inline bool loop_sleeps(struct loop *l)
{
    struct sleeper s = { .op.done = sleeper_over, .loop = l };
    uint64_t turns = loop_turn(l);

    loop_timer(l, &s.op, clock_now_ns() + SLEEPER_NS);
    CHECK(loop_run(l) == 0);
    return loop_turn(l) - turns <= SLEEPER_TURNS;
}

#endif
