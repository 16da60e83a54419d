#ifndef TESTS_STUCK_H
#define TESTS_STUCK_H
/*
 * Imitates a host that does not answer: operations of a loop that end only when the test ends them,
 * with the result and in the order that the test chooses.
 *
 * The loop is a real one. The operations that the test picks never reach its backend, and
 * cancelling them changes nothing, as with a disk that is gone.
 */
#include "core/loop/loop.h"

#define STUCK_MAX 64u

struct stuck {
    bool (*picks)(const struct loop_op *op); /* asked for each operation that is submitted */
    struct loop_op *op[STUCK_MAX];           /* picked and not ended, oldest first */
    unsigned count;
    unsigned cancels; /* how often one was cancelled, in vain */
};

/* From here on `picks` is asked for each operation that is submitted to l. One at a time in a
 * process. */
void stuck_begin(struct stuck *s, struct loop *l, bool (*picks)(const struct loop_op *op));

/* Loop thread, not from inside a submission: ends the operation. */
void stuck_end(struct stuck *s, struct loop_op *op, int res);

/* For `picks`: whether it is a read, write, flush or hole of a file, as a disk makes them. */
bool stuck_file(const struct loop_op *op);

#endif
