#ifndef CORE_LOOP_LOOP_BACKEND_H
#define CORE_LOOP_LOOP_BACKEND_H
/*
 * What stands behind core/loop/loop.h: the table a backend fills, and what the loop and its
 * backends share. Nobody outside this room includes it.
 *
 * A backend embeds struct loop as its first member. One turn of the loop is wait, then dispatch:
 * wait talks to the kernel and calls nobody, dispatch calls `done` and does not sleep. So whatever
 * a callback submits or cancels reaches the kernel in the next wait, all of it together.
 */
#include <stdbool.h>
#include <stddef.h>

#include "core/loop/loop.h"
#include "core/loop/loop_list.h"
#include "core/loop/loop_op.h"

struct loop_impl {
    const char *name;

    /* Frees all of it, the struct loop included; no operation is in flight. */
    void (*destroy)(struct loop *l);

    /* The op is idle and its arguments are filled in; leaves it in a state other than idle. */
    void (*submit)(struct loop *l, struct loop_op *op);

    /* The op is not idle. */
    void (*cancel)(struct loop *l, struct loop_op *op);

    /* Gives the kernel what was submitted and, where `block`, sleeps until dispatch has something
     * to do. An interrupted sleep is none. Returns 0 or -errno. */
    int (*wait)(struct loop *l, bool block);

    /* Costs no system call: whether wait would submit something, or come back with something
     * without sleeping. Or NULL where that cannot be known. */
    bool (*due)(struct loop *l);

    /* As loop_register and loop_unregister; or both NULL. */
    void (*register_file)(struct loop *l, int fd);
    void (*unregister_file)(struct loop *l, int fd);

    /* Finishes what is due at its beginning; stops early, losing nothing, once l->stopped. */
    void (*dispatch)(struct loop *l);
};

struct loop {
    const struct loop_impl *impl;
    struct loop_post *posted; /* atomic, any thread; newest first, see loop.c */
    struct loop_post *taken;  /* posts to call, oldest first */
    int wake_fd;              /* eventfd: somebody posted while the loop slept */
    struct loop_op wake;      /* reads it */
    struct iovec wake_iov;
    uint64_t wake_count;
    uint64_t turn;
    unsigned in_flight;    /* operations, `wake` included */
    unsigned kernel_works; /* of them, such as keep a processor busy */
    bool stopped;

    /* loop_watch.c's */
    struct loop_watch *first_watch, *last_watch;
    struct loop_watch *next_watch; /* while they are called: the next one */
    unsigned watch_count;
    bool may_spin;
    uint64_t spin_ns;       /* how long to wait awake */
    uint64_t idle_since_ns; /* of this wait; 0: there was something to do */
};

/* -ENOSYS where the kernel has no io_uring or a too old one, -EPERM, -ENOMEM where it is forbidden;
 * the part in struct loop is zero but for impl. */
int loop_uring_create(struct loop **out, struct err *e);
int loop_epoll_create(struct loop **out, struct err *e);

/* Calls look or rest of every watch; whether one found something. */
bool watches_look(struct loop *l);
bool watches_rest(struct loop *l);

/* Whether waiting awake can help on this host; waits so while there is nothing to do, as long as
 * that has been worth it, and tells whether there is now; the wait, awake or asleep, is over. */
bool watches_may_spin(void);
bool watches_spin(struct loop *l);
void watches_learn(struct loop *l);

/* The end of an operation: last touch of op before its owner has it back. */
static inline void loop_op_finish(struct loop *l, struct loop_op *op, int res)
{
    op->state = LOOP_OP_IDLE;
    l->in_flight--;
    l->kernel_works -= loop_op_is_work(op);
    op->done(op, res);
}

#endif
