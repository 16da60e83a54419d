#ifndef TESTS_SLEEPER_H
#define TESTS_SLEEPER_H
/*
 * Whether a loop sleeps: how many turns it makes while nothing is to be done. A loaded machine
 * makes them fewer, never more.
 */
#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "lib/check.h"

#define SLEEPER_NS (UINT64_C(50) * 1000000)
#define SLEEPER_TURNS \
    20u /* that may yet be made: by the timer itself, and until all is at rest \
         */

struct sleeper {
    struct loop_op op; /* first member */
    struct loop *loop;
};

static inline void sleeper_over(struct loop_op *op, int res)
{
    CHECK(res == 0);
    loop_stop(((struct sleeper *)op)->loop);
}

/* Runs it for a while. */
static inline bool loop_sleeps(struct loop *l)
{
    struct sleeper s = { .op.done = sleeper_over, .loop = l };
    uint64_t turns = loop_turn(l);

    loop_timer(l, &s.op, clock_now_ns() + SLEEPER_NS);
    CHECK(loop_run(l) == 0);
    return loop_turn(l) - turns <= SLEEPER_TURNS;
}

#endif
