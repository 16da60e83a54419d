/* How much work on files one turn of the loop does. */
#include "core/loop/loop_backend.h"

#include <sys/mman.h>

#include "unit/core/loop/loop_probe.h"

#define PIECE (UINT64_C(4) << 20)
#define OPS   8u

static struct probe *ops[OPS];
static uint8_t waits_as; /* the state of an operation that has not begun */
static unsigned begun;   /* operations begun before this turn */
static unsigned turns;
static uint64_t last_turn;

/* A timer that fires in every turn: counts the operations begun since the last one. */
static void look(struct probe *p)
{
    unsigned count = 0, over = 0;

    cr_assert_gt(loop_turn(p->loop), last_turn);
    last_turn = loop_turn(p->loop);
    for (unsigned i = 0; i < OPS; i++) {
        count += ops[i]->op.state != waits_as;
        over += ops[i]->calls;
    }
    cr_assert_leq((count - begun) * PIECE, LOOP_TURN_BYTES, "%u in one turn", count - begun);
    begun = count;
    turns++;
    if (over < OPS)
        loop_timer(p->loop, &p->op, 0);
    else
        loop_stop(p->loop);
}

static struct probe *piece_read(struct loop *l, int fd, struct iovec *to, uint64_t at)
{
    struct probe *p = probe(l);

    SUBMIT(loop_readv(l, &p->op, fd, to, 1, (int64_t)at));
    return p;
}

/* All pages are in the page cache, so io_uring completes reads within the submitting call. */
BOTH(files_have_a_share_of_each_turn)
{
    struct iovec to = { .iov_base = malloc(PIECE), .iov_len = PIECE };
    int fd = memfd_create("file", 0);
    struct probe *ticker;

    cr_assert_eq(ftruncate(fd, OPS * PIECE), 0);
    begun = turns = 0;
    for (unsigned i = 0; i < OPS; i++)
        ops[i] = piece_read(l, fd, &to, i * PIECE);
    waits_as = ops[0]->op.state;
    ticker = fires(l, 0);
    ticker->then = look;
    cr_assert_eq(loop_run(l), 0);
    cr_assert_geq(turns, OPS * PIECE / LOOP_TURN_BYTES);
    for (unsigned i = 0; i < OPS; i++) {
        cr_assert_eq(ops[i]->res, PIECE);
        free(ops[i]);
    }
    free(ticker);
    close(fd);
    free(to.iov_base);
}

/* Cancels the operations that did not fit into the first turn. */
static void cancel_the_rest(struct probe *p)
{
    for (unsigned i = LOOP_TURN_BYTES / PIECE; i < OPS; i++)
        loop_cancel(p->loop, &ops[i]->op);
}

BOTH(what_waits_for_its_turn_is_cancelled)
{
    struct iovec to = { .iov_base = malloc(PIECE), .iov_len = PIECE };
    int fd = memfd_create("file", 0);
    struct probe *ticker;

    cr_assert_eq(ftruncate(fd, OPS * PIECE), 0);
    for (unsigned i = 0; i < OPS; i++)
        ops[i] = piece_read(l, fd, &to, i * PIECE);
    ticker = fires(l, 0);
    ticker->then = cancel_the_rest;
    run(l, OPS + 1);
    for (unsigned i = 0; i < OPS; i++) {
        cr_assert_eq(ops[i]->calls, 1);
        cr_assert_eq(ops[i]->res, i < LOOP_TURN_BYTES / PIECE ? (int)PIECE : -ECANCELED);
        free(ops[i]);
    }
    free(ticker);
    close(fd);
    free(to.iov_base);
}

/* One operation that is larger than a turn's share goes alone. */
BOTH(one_operation_always_goes)
{
    const uint64_t len = LOOP_TURN_BYTES + PIECE;
    struct iovec to = { .iov_base = malloc(len), .iov_len = len };
    int fd = memfd_create("file", 0);
    struct probe *p;

    cr_assert_eq(ftruncate(fd, (off_t)len), 0);
    p = piece_read(l, fd, &to, 0);
    run(l, 1);
    cr_assert_eq((uint64_t)p->res, len);
    free(p);
    close(fd);
    free(to.iov_base);
}
