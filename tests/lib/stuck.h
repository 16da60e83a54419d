#ifndef TESTS_STUCK_H
#define TESTS_STUCK_H
/*
 * A host that does not answer: operations of a loop's that end only when the test says so, with the
 * result that it says, in the order that it says.
 *
 * The loop is a real one. Those of its operations that the test picks never reach its backend;
 * cancelling them changes nothing, as with a disk that is gone.
 */
#include "core/loop/loop.h"

#define STUCK_MAX 64u

struct stuck {
    bool (*picks)(const struct loop_op *op); /* asked for each operation that is submitted */
    struct loop_op *op[STUCK_MAX];           /* under way, oldest first */
    unsigned count;
    unsigned cancels; /* asked for in vain */
};

/* One at a time in a process. From here on whatever is submitted to l is asked about. */
void stuck_begin(struct stuck *s, struct loop *l, bool (*picks)(const struct loop_op *op));

/* Loop thread, not from inside a submission: the operation ends. */
void stuck_end(struct stuck *s, struct loop_op *op, int res);

/* Reads, writes, flushes and holes of files: what a disk is asked for. */
bool stuck_file(const struct loop_op *op);

#endif
