#ifndef CORE_LOOP_LOOP_BACKEND_H
#define CORE_LOOP_LOOP_BACKEND_H
/*
 * What stands behind core/loop/loop.h: the table that a backend fills in, and what the loop and its
 * backends share. No room but this one includes it.
 *
 * A backend embeds struct loop as its first member. In each turn, after the posts, the loop calls
 * wait and then dispatch. wait talks to the kernel and calls no callback. dispatch calls `done` and
 * never waits for readiness. So whatever callbacks submit or cancel reaches the kernel together, in
 * the next wait.
 */
#include <stdbool.h>
#include <stddef.h>

#include "core/loop/loop.h"
#include "core/loop/loop_list.h"
#include "core/loop/loop_op.h"

struct loop_impl {
    const char *name;

    /* Frees everything, struct loop included. No operation is in flight. */
    void (*destroy)(struct loop *l);

    /* Takes an idle op whose arguments are filled in; leaves it in a state other than idle. */
    void (*submit)(struct loop *l, struct loop_op *op);

    /* The op is not idle. */
    void (*cancel)(struct loop *l, struct loop_op *op);

    /* Gives the kernel what was submitted and, if `block`, sleeps until dispatch has something to
     * do or a signal comes. Returns 0 or -errno. */
    int (*wait)(struct loop *l, bool block);

    /* Whether wait would submit something, or have something for dispatch without sleeping. Makes
     * no system call. NULL where the backend cannot know. */
    bool (*due)(struct loop *l);

    /* As loop_register and loop_unregister. Both are NULL where the backend has no use for them. */
    void (*register_file)(struct loop *l, int fd);
    void (*unregister_file)(struct loop *l, int fd);

    /* Completes the operations that are due when it is called. Stops early once l->stopped; the
     * rest stay due. */
    void (*dispatch)(struct loop *l);
};

struct loop {
    const struct loop_impl *impl;
    struct loop_post *posted; /* atomic, any thread; newest first, see loop.c */
    struct loop_post *taken;  /* posts to call, oldest first */
    int wake_fd;              /* eventfd; written by a post that finds the loop asleep */
    struct loop_op wake;      /* reads wake_fd */
    struct iovec wake_iov;
    uint64_t wake_count;
    uint64_t turn;
    unsigned in_flight;    /* operations, `wake` included */
    unsigned kernel_works; /* operations in flight that a kernel thread may carry out */
    bool stopped;

    /* loop_watch.c's */
    struct loop_watch *first_watch, *last_watch;
    struct loop_watch *next_watch; /* while watches are called: the one to call next */
    unsigned watch_count;
    bool may_spin;
    uint64_t spin_ns;       /* how long to spin before sleeping */
    uint64_t idle_since_ns; /* when the present wait began; 0: it is not timed */
};

/* On success struct loop is zero except for impl. loop_uring_create fails with -ENOSYS where the
 * kernel has no io_uring or one that is too old, with -EPERM where it is forbidden, and with
 * -ENOMEM where there is too little memory, or too little that mote may lock. */
int loop_uring_create(struct loop **out, struct err *e);
int loop_epoll_create(struct loop **out, struct err *e);

/* loop_watch.c: how the loop calls its watches, and how it spins. */

/* Call look or rest of every watch. Return whether any found something. */
bool watches_look(struct loop *l);
bool watches_rest(struct loop *l);

/* Whether this process may run on more than one processor, so that spinning can help. */
bool watches_may_spin(void);

/* Spins for at most l->spin_ns, until there is something to do. Returns whether there is. */
bool watches_spin(struct loop *l);

/* Call at the end of every wait, whether the loop slept or not. Adapts l->spin_ns. */
void watches_learn(struct loop *l);

/* Ends an operation and gives it back to its owner; op may be gone afterwards. */
static inline void loop_op_finish(struct loop *l, struct loop_op *op, int res)
{
    op->state = LOOP_OP_IDLE;
    l->in_flight--;
    l->kernel_works -= loop_op_is_work(op);
    op->done(op, res);
}

#endif
