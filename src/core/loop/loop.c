/*
 * The event loop: posts and turns. The operations themselves are the backend's.
 *
 * Posts form a stack that any thread pushes onto with one compare-exchange. The loop takes the
 * whole stack at once and reverses it, so calls run in the order they were posted. Posts are never
 * popped one by one, so a post may be pushed again as soon as it was taken (there is no ABA
 * problem). A signal handler that posts while it interrupts a push just makes that push try again.
 *
 * Before it sleeps the loop puts a mark, `asleep`, at the bottom of the empty stack. Only the post
 * that lands directly on the mark writes the eventfd: posts to a loop that is awake, and further
 * posts to one that is about to wake, cost no system call. The write cannot be missed, because the
 * mark is there before the kernel is asked to wait, and the eventfd holds its count until read.
 * Watches (loop_watch.c) are told to rest after the mark is there; if one finds something to do,
 * the loop does not sleep.
 */
#include "core/loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/container.h"
#include "core/base/err.h"
#include "core/log/log.h"
#include "core/loop/loop_backend.h"

static struct loop_post asleep;

static void wake_done(struct loop_op *op, int res)
{
    struct loop *l = container_of(op, struct loop, wake);

    if (res != -ECANCELED)
        loop_readv(l, &l->wake, l->wake_fd, &l->wake_iov, 1, -1);
}

static int wake_init(struct loop *l, struct err *e)
{
    const uint64_t nothing = 0;

    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0)
        return err_sys(e, "cannot create an eventfd for the event loop");
    /* Tried now because loop_post cannot report a failure, and the loop would sleep for ever. */
    if (write(l->wake_fd, &nothing, sizeof(nothing)) < 0)
        return err_sys(e, "the event loop cannot be woken");
    l->wake_iov = (struct iovec){ .iov_base = &l->wake_count, .iov_len = sizeof(l->wake_count) };
    l->wake.done = wake_done;
    loop_readv(l, &l->wake, l->wake_fd, &l->wake_iov, 1, -1);
    return 0;
}

static int backend_create(struct loop **out, enum loop_backend backend, struct err *e)
{
    struct err why = { 0 };

    if (backend == LOOP_URING)
        return loop_uring_create(out, e);
    if (backend == LOOP_AUTO) {
        if (loop_uring_create(out, &why) == 0)
            return 0;
        log_warn("loop: %s; using epoll instead", why.text);
    }
    return loop_epoll_create(out, e);
}

int loop_create(struct loop **out, enum loop_backend backend, struct err *e)
{
    struct loop *l;
    int ret = backend_create(&l, backend, e);

    if (ret < 0)
        return ret;
    l->may_spin = l->impl->due && watches_may_spin();
    ret = wake_init(l, e);
    if (ret < 0) {
        if (l->wake_fd >= 0)
            (void)close(l->wake_fd);
        l->impl->destroy(l);
        return ret;
    }
    *out = l;
    return 0;
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    assert(l->in_flight == 1); /* l->wake */
    assert(l->watch_count == 0);
    l->stopped = false;
    loop_cancel(l, &l->wake);
    while (l->in_flight > 0 && l->impl->wait(l, true) == 0)
        l->impl->dispatch(l);
    (void)close(l->wake_fd);
    l->impl->destroy(l);
}

const char *loop_backend_name(const struct loop *l)
{
    return l->impl->name;
}

/* Appends what was posted to the posts that are still to be called. */
static void posts_take(struct loop *l)
{
    struct loop_post *post = __atomic_exchange_n(&l->posted, NULL, __ATOMIC_ACQUIRE);
    struct loop_post *oldest = NULL;
    struct loop_post **end = &l->taken;

    while (post && post != &asleep) {
        struct loop_post *older = post->next;
        post->next = oldest;
        oldest = post;
        post = older;
    }
    while (*end)
        end = &(*end)->next;
    *end = oldest;
}

/* Posts made during these calls wait for the next turn, so that a call which posts itself again
 * cannot starve operations. */
static void posts_call(struct loop *l)
{
    posts_take(l);
    while (l->taken && !l->stopped) {
        struct loop_post *post = l->taken;
        l->taken = post->next;
        /* An exchange, not a store: the call must see what a thread wrote before its loop_post
         * found the post still queued. */
        (void)__atomic_exchange_n(&post->queued, 0, __ATOMIC_ACQ_REL);
        post->call(post);
    }
}

/* Puts the mark `asleep`. false: there are posts. */
static bool sleep_mark_put(struct loop *l)
{
    struct loop_post *none = NULL;

    return __atomic_compare_exchange_n(&l->posted, &none, &asleep, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

/* Returns whether to sleep. A loop that would spin, but still has operations to submit, submits
 * them first and does not sleep in this turn: they may complete at once. */
static bool sleep_begin(struct loop *l)
{
    if (watches_look(l) || (l->spin_ns > 0 && l->impl->due(l)) || watches_spin(l))
        return false;
    return sleep_mark_put(l) && !watches_rest(l);
}

static void sleep_end(struct loop *l)
{
    struct loop_post *mark = &asleep;

    watches_learn(l);

    /* Fails if a post lies on the mark; then posts_take drops the mark. */
    (void)__atomic_compare_exchange_n(&l->posted, &mark, NULL, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED);
}

int loop_run(struct loop *l)
{
    int ret = 0;

    while (!l->stopped) {
        l->turn++;
        posts_call(l);
        if (l->stopped)
            break;
        ret = l->impl->wait(l, sleep_begin(l));
        sleep_end(l);
        if (ret < 0)
            break;
        l->impl->dispatch(l);
    }
    l->stopped = false;
    return ret;
}

uint64_t loop_turn(const struct loop *l)
{
    return l->turn;
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

static void op_submit(struct loop *l, struct loop_op *op)
{
    l->kernel_works += loop_op_is_work(op);
    l->impl->submit(l, op);
}

static void op_begin(struct loop *l, struct loop_op *op, enum loop_op_kind kind, int fd)
{
    assert(op->done && op->state == LOOP_OP_IDLE);
    op->kind = (uint8_t)kind;
    op->fd = fd;
    op->cancel = 0;
    l->in_flight++;
}

static void op_submit_rw(struct loop *l, struct loop_op *op, enum loop_op_kind kind, int fd,
                         const struct iovec *iov, int count, int64_t offset)
{
    op_begin(l, op, kind, fd);
    op->iov = iov;
    op->count = count;
    op->offset = offset;
    op_submit(l, op);
}

void loop_readv(struct loop *l, struct loop_op *op, int fd, const struct iovec *iov, int count,
                int64_t offset)
{
    op_submit_rw(l, op, LOOP_OP_READV, fd, iov, count, offset);
}

void loop_writev(struct loop *l, struct loop_op *op, int fd, const struct iovec *iov, int count,
                 int64_t offset)
{
    op_submit_rw(l, op, LOOP_OP_WRITEV, fd, iov, count, offset);
}

void loop_fdatasync(struct loop *l, struct loop_op *op, int fd)
{
    op_begin(l, op, LOOP_OP_FDATASYNC, fd);
    op_submit(l, op);
}

void loop_fallocate(struct loop *l, struct loop_op *op, int fd, int mode, int64_t offset,
                    int64_t len)
{
    op_begin(l, op, LOOP_OP_FALLOCATE, fd);
    op->mode = mode;
    op->offset = offset;
    op->len = len;
    op_submit(l, op);
}

void loop_accept(struct loop *l, struct loop_op *op, int fd)
{
    op_begin(l, op, LOOP_OP_ACCEPT, fd);
    op_submit(l, op);
}

void loop_poll(struct loop *l, struct loop_op *op, int fd, uint32_t events)
{
    op_begin(l, op, LOOP_OP_POLL, fd);
    op->events = events;
    op_submit(l, op);
}

void loop_timer(struct loop *l, struct loop_op *op, uint64_t at_ns)
{
    op_begin(l, op, LOOP_OP_TIMER, -1);
    op->at_ns = at_ns;
    op_submit(l, op);
}

void loop_cancel(struct loop *l, struct loop_op *op)
{
    if (op->state != LOOP_OP_IDLE)
        l->impl->cancel(l, op);
}

void loop_register(struct loop *l, int fd)
{
    if (l->impl->register_file)
        l->impl->register_file(l, fd);
}

void loop_unregister(struct loop *l, int fd)
{
    if (l->impl->unregister_file)
        l->impl->unregister_file(l, fd);
}

void loop_post(struct loop *l, struct loop_post *post)
{
    struct loop_post *top;

    if (__atomic_exchange_n(&post->queued, 1, __ATOMIC_ACQ_REL))
        return;
    top = __atomic_load_n(&l->posted, __ATOMIC_RELAXED);
    do
        post->next = top;
    while (!__atomic_compare_exchange_n(&l->posted, &top, post, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
    if (top == &asleep) {
        int errno_before = errno; /* may be a signal handler */
        uint64_t one = 1;
        (void)!write(l->wake_fd, &one, sizeof(one));
        errno = errno_before;
    }
}
