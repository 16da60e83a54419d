/* Puts its own table in front of the loop's backend: operations that are picked stay here, the
 * others go on to the backend. */
#include "lib/stuck.h"

#include "core/loop/loop_backend.h"
#include "lib/check.h"

#define STUCK 0xffu /* a loop_op.state that no backend uses */

static struct stuck *stuck;
static struct loop *loop;
static const struct loop_impl *real;
static struct loop_impl impl;

static void submit(struct loop *l, struct loop_op *op)
{
    if (!stuck->picks(op)) {
        real->submit(l, op);
        return;
    }
    CHECK(stuck->count < STUCK_MAX);
    op->state = STUCK;
    stuck->op[stuck->count++] = op;
}

static void cancel(struct loop *l, struct loop_op *op)
{
    if (op->state == STUCK)
        stuck->cancels++;
    else
        real->cancel(l, op);
}

void stuck_begin(struct stuck *s, struct loop *l, bool (*picks)(const struct loop_op *op))
{
    *s = (struct stuck){ .picks = picks };
    stuck = s;
    loop = l;
    real = l->impl;
    impl = *real;
    impl.submit = submit;
    impl.cancel = cancel;
    l->impl = &impl;
}

void stuck_end(struct stuck *s, struct loop_op *op, int res)
{
    unsigned at = 0;

    while (at < s->count && s->op[at] != op)
        at++;
    CHECK(at < s->count);
    s->count--;
    for (; at < s->count; at++)
        s->op[at] = s->op[at + 1];
    loop_op_finish(loop, op, res);
}

bool stuck_file(const struct loop_op *op)
{
    switch ((enum loop_op_kind)op->kind) {
    case LOOP_OP_READV:
    case LOOP_OP_WRITEV:
        return op->offset >= 0;
    case LOOP_OP_FDATASYNC:
    case LOOP_OP_FALLOCATE:
        return true;
    case LOOP_OP_ACCEPT:
    case LOOP_OP_POLL:
    case LOOP_OP_TIMER:
        break;
    }
    return false;
}
