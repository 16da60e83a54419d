/* The event loop on both backends: cancellation at every stage, and more than the queues hold. */
#include "core/loop/loop.h"

#include <criterion/criterion.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "unit/core/loop/loop_probe.h"

static void pipe_fill(int fd)
{
    static char page[4096];

    nonblocking(fd, true);
    while (write(fd, page, sizeof(page)) > 0)
        ;
    nonblocking(fd, false);
}

/* Cancellation */

/* One of each kind that waits, none of which will ever be ready. */
static unsigned waiters(struct loop *l, struct probe **p, int *fds)
{
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(fds + 2, O_CLOEXEC), 0);
    pipe_fill(fds[3]);
    fds[4] = listener();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds + 5), 0);
    fds[7] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert(grantpt(fds[7]) == 0 && unlockpt(fds[7]) == 0);
    fds[8] = open(ptsname(fds[7]), O_RDWR | O_NOCTTY | O_CLOEXEC);
    p[0] = reads(l, fds[0]);
    p[1] = writes(l, fds[3], "x");
    p[2] = accepts(l, fds[4]);
    p[3] = polls(l, fds[0], POLLIN);
    p[4] = fires(l, clock_now_ns() + 1000000 * MS);
    p[5] = reads(l, fds[5]);
    p[6] = reads(l, fds[8]);
    return 7;
}

static void waiters_cancel(struct loop *l, unsigned turns_before)
{
    struct probe *p[7];
    int fds[9];
    unsigned count = waiters(l, p, fds);

    for (unsigned i = 0; i < turns_before; i++)
        run_turns(l);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(p[i]->calls, 0, "%u", i);
        SUBMIT(loop_cancel(l, &p[i]->op));
        SUBMIT(loop_cancel(l, &p[i]->op));
    }
    run(l, count);
    run_turns(l);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(p[i]->res, -ECANCELED, "%u: %d", i, p[i]->res);
        cr_assert_eq(p[i]->calls, 1);
        SUBMIT(loop_cancel(l, &p[i]->op));
    }
    run_turns(l);
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(p[i]->calls, 1, "an idle operation is not cancelled");
        free(p[i]);
    }
    for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        close(fds[i]);
}

BOTH(what_waits_in_the_kernel_can_be_cancelled)
{
    waiters_cancel(l, 1);
}

BOTH(what_was_just_submitted_can_be_cancelled)
{
    waiters_cancel(l, 0);
}

BOTH(what_was_just_submitted_is_not_executed)
{
    int fd = temporary();
    struct probe *w = writes(l, fd, "x"), *s = probe(l);

    SUBMIT(loop_fdatasync(l, &s->op, fd));
    SUBMIT(loop_cancel(l, &w->op));
    SUBMIT(loop_cancel(l, &s->op));
    run(l, 2);
    cr_assert_eq(w->res, -ECANCELED);
    cr_assert_eq(s->res, -ECANCELED);
    cr_assert_eq(lseek(fd, 0, SEEK_END), 0);
    close(fd);
    free(w), free(s);
}

static void cancel_partner(struct probe *p)
{
    struct probe *partner = p->iov.iov_base;

    loop_cancel(p->loop, &partner->op);
}

BOTH(a_file_operation_ends_once_whatever_the_cancellation_meets)
{
    int fd = temporary();
    struct probe *s = probe(l);

    cr_assert_eq(pwrite(fd, "x", 1, 0), 1);
    for (unsigned i = 0; i < 50; i++) {
        struct probe *t = fires(l, 0);
        t->iov.iov_base = s;
        t->then = cancel_partner;
        SUBMIT(loop_fdatasync(l, &s->op, fd));
        run(l, 2);
        cr_assert(s->res == 0 || s->res == -ECANCELED, "%d", s->res);
        free(t);
    }
    cr_assert_eq(s->calls, 50);
    close(fd);
    free(s);
}

static struct probe *trio[3];

static void cancel_the_others(struct probe *p)
{
    for (unsigned i = 0; i < 3; i++) {
        if (trio[i] != p && trio[i]->calls == 0)
            SUBMIT(loop_cancel(p->loop, &trio[i]->op));
    }
    p->then = NULL;
    SUBMIT(loop_poll(p->loop, &p->op, p->op.fd, POLLIN));
}

/* Whichever comes first cancels the others, whose completions are already there. Each is submitted
 * again at once, and nobody cancels that second operation. */
BOTH(operations_due_together_may_cancel_each_other)
{
    int fds[2];

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    for (unsigned i = 0; i < 3; i++) {
        trio[i] = polls(l, fds[0], POLLIN);
        trio[i]->then = cancel_the_others;
    }
    run_turns(l);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    run(l, 6);
    run_turns(l);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(trio[i]->calls, 2);
        cr_assert_eq(trio[i]->res, POLLIN);
        free(trio[i]);
    }
    close(fds[0]), close(fds[1]);
}

static void poll_again(struct probe *p)
{
    p->then = NULL;
    SUBMIT(loop_poll(p->loop, &p->op, p->op.fd, POLLIN));
}

/* The operation completes while its cancellation is on the way, and is submitted again: the
 * cancellation must not hit the second submission. */
BOTH(a_cancellation_does_not_hit_the_next_submission)
{
    int fds[2];
    struct probe *p;
    char byte;

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    for (unsigned i = 0; i < 20; i++) {
        p = polls(l, fds[0], POLLIN);
        p->then = poll_again;
        run_turns(l);
        cr_assert_eq(write(fds[1], "x", 1), 1);
        SUBMIT(loop_cancel(l, &p->op));
        run(l, 1);
        cr_assert(p->res == POLLIN || p->res == -ECANCELED);
        cr_assert_eq(read(fds[0], &byte, 1), 1);
        if (p->calls == 1)
            run_turns(l);
        if (p->calls == 1) {
            SUBMIT(loop_cancel(l, &p->op));
            run(l, 1);
        }
        cr_assert_eq(p->calls, 2);
        free(p);
    }
    close(fds[0]), close(fds[1]);
}

/* Many at once */

BOTH(more_submissions_than_the_queue_holds_all_complete)
{
    enum { COUNT = 5000 };
    int fd = temporary();
    struct probe **p = calloc(COUNT, sizeof(*p));

    cr_assert_eq(pwrite(fd, "abc", 3, 0), 3);
    for (unsigned i = 0; i < COUNT; i++) {
        p[i] = probe(l);
        SUBMIT(loop_readv(l, &p[i]->op, fd, &p[i]->iov, 1, 1));
    }
    run(l, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(p[i]->res, 2);
        cr_assert_eq(p[i]->calls, 1);
        free(p[i]);
    }
    free(p);
    close(fd);
}

BOTH(more_completions_than_the_queue_holds_all_arrive)
{
    enum { COUNT = 3000 };
    int fd = eventfd(0, EFD_CLOEXEC);
    struct probe **p = calloc(COUNT, sizeof(*p));
    uint64_t one = 1;

    for (unsigned i = 0; i < COUNT; i++)
        p[i] = polls(l, fd, POLLIN);
    for (unsigned i = 0; i < COUNT / 100; i++)
        run_turns(l);
    cr_assert_eq(write(fd, &one, 8), 8);
    run(l, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(p[i]->res, POLLIN);
        cr_assert_eq(p[i]->calls, 1);
        SUBMIT(loop_timer(l, &p[i]->op, UINT64_MAX));
    }
    run_turns(l);
    for (unsigned i = 0; i < COUNT; i++)
        loop_cancel(l, &p[i]->op);
    run(l, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(p[i]->res, -ECANCELED);
        free(p[i]);
    }
    free(p);
    close(fd);
}
