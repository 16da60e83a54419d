/* The event loop on both backends: files, streams and timers. */
#include "core/loop/loop.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "unit/core/loop/loop_probe.h"

/* Files */

BOTH(a_file_is_written_and_read_at_offsets)
{
    int fd = temporary();
    char hello[] = "hello, ", world[] = "world", a[8] = "", b[8] = "";
    struct iovec out[2] = { { hello, 7 }, { world, 5 } }, in[2] = { { a, 7 }, { b, 8 } };
    struct probe *w = probe(l), *s = probe(l), *r = probe(l);

    SUBMIT(loop_writev(l, &w->op, fd, out, 2, 1000));
    run(l, 1);
    cr_assert_eq(w->res, 12);
    SUBMIT(loop_fdatasync(l, &s->op, fd));
    SUBMIT(loop_readv(l, &r->op, fd, in, 2, 1000));
    run(l, 2);
    cr_assert_eq(s->res, 0);
    cr_assert_eq(r->res, 12, "a short read at the end of the file");
    cr_assert_str_eq(a, "hello, ");
    cr_assert_str_eq(b, "world");
    cr_assert_eq(lseek(fd, 0, SEEK_CUR), 0, "the position is untouched");

    SUBMIT(loop_readv(l, &r->op, fd, in, 2, 5000));
    run(l, 1);
    cr_assert_eq(r->res, 0, "beyond the end");
    close(fd);
    free(w), free(s), free(r);
}

BOTH(a_file_is_allocated_and_punched)
{
    char block[4096], read[3] = "xx";
    int fd = temporary(), pipes[2];
    struct probe *p = probe(l);
    struct stat st;

    memset(block, 'b', sizeof(block));
    cr_assert_eq(pwrite(fd, block, sizeof(block), 0), sizeof(block));
    SUBMIT(loop_fallocate(l, &p->op, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 200));
    run(l, 1);
    cr_assert_eq(p->res, 0);
    cr_assert_eq(pread(fd, read, 2, 99), 2);
    cr_assert(read[0] == 'b' && read[1] == 0);
    cr_assert_eq(pread(fd, read, 2, 299), 2);
    cr_assert(read[0] == 0 && read[1] == 'b');

    SUBMIT(loop_fallocate(l, &p->op, fd, 0, 4096, 100000));
    run(l, 1);
    cr_assert_eq(p->res, 0);
    cr_assert_eq(fstat(fd, &st), 0);
    cr_assert_eq(st.st_size, 104096);

    SUBMIT(loop_fallocate(l, &p->op, fd, 0, 0, 0));
    run(l, 1);
    cr_assert_eq(p->res, -EINVAL, "a length of 0 is invalid");
    close(fd);
    cr_assert_eq(pipe(pipes), 0);
    SUBMIT(loop_fallocate(l, &p->op, pipes[1], 0, 0, 1));
    run(l, 1);
    cr_assert_eq(p->res, -ESPIPE);
    close(pipes[0]), close(pipes[1]);
    free(p);
}

/* The descriptor's number stays the same, but another file is behind it. */
BOTH(a_registered_file_is_dropped_before_its_number_is_reused)
{
    int fd = temporary(), other = temporary();
    struct probe *p = probe(l);
    char text[8] = "";

    loop_register(l, -1);
    loop_register(l, fd);
    strcpy(p->buffer, "first");
    p->iov.iov_len = 5;
    SUBMIT(loop_writev(l, &p->op, fd, &p->iov, 1, 0));
    run(l, 1);
    cr_assert_eq(p->res, 5);
    cr_assert_eq(pread(fd, text, 5, 0), 5);
    cr_assert_str_eq(text, "first");

    loop_unregister(l, fd);
    loop_unregister(l, fd);
    cr_assert_eq(dup2(other, fd), fd);
    SUBMIT(loop_writev(l, &p->op, fd, &p->iov, 1, 0));
    run(l, 1);
    cr_assert_eq(p->res, 5);
    cr_assert_eq(pread(other, text, 5, 0), 5);

    loop_register(l, other);
    SUBMIT(loop_readv(l, &p->op, other, &p->iov, 1, 0));
    run(l, 1);
    cr_assert_eq(p->res, 5);
    close(fd), close(other);
    free(p);
}

BOTH(without_an_offset_the_files_position_counts)
{
    int fd = temporary();
    struct probe *w = writes(l, fd, "first "), *r;

    run(l, 1);
    free(w);
    w = writes(l, fd, "second");
    run(l, 1);
    cr_assert_eq(w->res, 6);
    cr_assert_eq(lseek(fd, 0, SEEK_CUR), 12);
    lseek(fd, 3, SEEK_SET);
    r = reads(l, fd);
    run(l, 1);
    cr_assert_eq(r->res, 9);
    cr_assert_str_eq(r->buffer, "st second");
    close(fd);
    free(w), free(r);
}

BOTH(a_file_is_always_ready)
{
    int fd = temporary();
    struct probe *p = polls(l, fd, POLLIN | POLLOUT), *in = polls(l, fd, POLLIN);

    run(l, 2);
    cr_assert_eq(p->res, POLLIN | POLLOUT);
    cr_assert_eq(in->res, POLLIN);
    close(fd);
    free(p), free(in);
}

BOTH(bad_descriptors_fail_one_operation)
{
    int closed = dup(0), wrong = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct probe *p[7];

    close(closed);
    p[0] = reads(l, closed);
    p[1] = writes(l, -1, "x");
    p[2] = accepts(l, closed);
    p[3] = polls(l, 1 << 30, POLLIN);
    p[4] = polls(l, closed, POLLIN);
    p[5] = probe(l);
    SUBMIT(loop_fdatasync(l, &p[5]->op, closed));
    p[6] = writes(l, wrong, "x");
    run(l, 7);
    for (unsigned i = 0; i < 7; i++) {
        cr_assert_eq(p[i]->res, -EBADF, "%u: %d", i, p[i]->res);
        free(p[i]);
    }
    p[0] = accepts(l, wrong);
    run(l, 1);
    cr_assert_eq(p[0]->res, -ENOTSOCK);
    close(wrong);
    free(p[0]);
}

/* Streams */

static void write_rest(struct probe *p)
{
    cr_assert_gt(p->res, 0, "%d", p->res);
    p->iov.iov_base = (char *)p->iov.iov_base + p->res;
    p->iov.iov_len -= (size_t)p->res;
    if (p->iov.iov_len > 0)
        SUBMIT(loop_writev(p->loop, &p->op, p->op.fd, &p->iov, 1, -1));
}

static void stream_is_waited_for(struct loop *l, int in, int out)
{
    struct probe *r = reads(l, in), *w;

    run_turns(l);
    cr_assert_eq(r->calls, 0);
    w = writes(l, out, "ping\n");
    w->then = write_rest;
    while (r->calls == 0 || w->iov.iov_len > 0)
        run(l, 1);
    cr_assert_eq(r->res, 5, "%d", r->res);
    cr_assert_eq(memcmp(r->buffer, "ping\n", 5), 0);
    free(r), free(w);
}

BOTH(a_pipe_is_waited_for_blocking_or_not)
{
    int fds[2];
    struct probe *r;

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    stream_is_waited_for(l, fds[0], fds[1]);
    nonblocking(fds[0], true), nonblocking(fds[1], true);
    stream_is_waited_for(l, fds[0], fds[1]);

    r = reads(l, fds[0]);
    run_turns(l);
    close(fds[1]);
    run(l, 1);
    cr_assert_eq(r->res, 0, "the end");
    cr_assert_eq(r->calls, 1);
    close(fds[0]);
    free(r);
}

BOTH(a_socket_is_waited_for_blocking_or_not)
{
    int fds[2];
    struct probe *w;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    stream_is_waited_for(l, fds[0], fds[1]);
    nonblocking(fds[0], true), nonblocking(fds[1], true);
    stream_is_waited_for(l, fds[1], fds[0]);
    close(fds[0]);
    w = writes(l, fds[1], "x");
    run(l, 1);
    cr_assert_eq(w->res, -EPIPE);
    close(fds[1]);
    free(w);
}

BOTH(a_terminal_is_waited_for_blocking_or_not)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

    cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(slave, 0);
    stream_is_waited_for(l, slave, master);
    nonblocking(slave, true), nonblocking(master, true);
    stream_is_waited_for(l, slave, master);
    close(master), close(slave);
}

BOTH(an_eventfd_is_waited_for_blocking_or_not)
{
    uint64_t one = 1;

    for (int flags = 0; flags <= EFD_NONBLOCK; flags += EFD_NONBLOCK) {
        int fd = eventfd(0, EFD_CLOEXEC | flags);
        struct probe *r = reads(l, fd), *w = probe(l);

        run_turns(l);
        cr_assert_eq(r->calls, 0);
        memcpy(w->buffer, &one, 8);
        w->iov.iov_len = 8;
        SUBMIT(loop_writev(l, &w->op, fd, &w->iov, 1, -1));
        run(l, 2);
        cr_assert_eq(w->res, 8);
        cr_assert_eq(r->res, 8);
        cr_assert_eq(memcmp(r->buffer, &one, 8), 0);
        close(fd);
        free(r), free(w);
    }
}

/* The test takes the byte that made the pipe ready, time and again. io_uring gives up after 128
 * times and answers -EAGAIN for an O_NONBLOCK descriptor, which must not be the operation's result.
 * The operation may also be faster than the test; then the byte is its result. */
BOTH(a_reader_outlasts_readiness_that_was_not_for_it)
{
    struct probe *r;
    char byte;
    int fds[2];

    cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    r = reads(l, fds[0]);
    for (unsigned i = 0; i < 300; i++) {
        run_turns(l);
        cr_assert_eq(r->calls, 0);
        cr_assert_eq(write(fds[1], "x", 1), 1);
        if (read(fds[0], &byte, 1) == 1)
            continue;
        run(l, 1);
        cr_assert_eq(r->res, 1, "%d", r->res);
        free(r);
        r = reads(l, fds[0]);
    }
    run_turns(l);
    SUBMIT(loop_cancel(l, &r->op));
    run(l, 1);
    cr_assert_eq(r->res, -ECANCELED);
    close(fds[0]), close(fds[1]);
    free(r);
}

static size_t to_move;
static int drain_fd;

static void write_on(struct probe *p)
{
    cr_assert_gt(p->res, 0, "%d", p->res);
    to_move -= p->res;
    p->iov.iov_len = to_move;
    if (to_move > 0)
        loop_writev(p->loop, &p->op, p->op.fd, &p->iov, 1, -1);
    else
        close(p->op.fd);
}

static void read_on(struct probe *p)
{
    if (p->res > 0)
        loop_readv(p->loop, &p->op, drain_fd, &p->iov, 1, -1);
    else
        loop_stop(p->loop);
}

/* Far more than fits, with writer and reader on one loop: a write that slept would never wake. */
static void stream_does_not_block(struct loop *l, int in, int out)
{
    static char data[1 << 20], sink[65536];
    struct probe *w = probe(l), *r = probe(l);

    to_move = sizeof(data);
    drain_fd = in;
    w->iov = (struct iovec){ data, sizeof(data) };
    r->iov = (struct iovec){ sink, sizeof(sink) };
    w->then = write_on;
    r->then = read_on;
    SUBMIT(loop_writev(l, &w->op, out, &w->iov, 1, -1));
    run_turns(l);
    SUBMIT(loop_readv(l, &r->op, in, &r->iov, 1, -1));
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(to_move, 0);
    close(in);
    free(w), free(r);
}

BOTH(writing_into_a_full_pipe_does_not_block_the_loop)
{
    int fds[2];

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    stream_does_not_block(l, fds[0], fds[1]);
}

BOTH(writing_into_a_full_socket_does_not_block_the_loop)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    stream_does_not_block(l, fds[0], fds[1]);
}

BOTH(one_descriptor_takes_operations_of_both_directions)
{
    int fds[2];
    struct probe *in, *out, *w, *r;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    in = polls(l, fds[0], POLLIN);
    out = polls(l, fds[0], POLLOUT);
    run(l, 1);
    cr_assert_eq(out->res, POLLOUT);
    cr_assert_eq(in->calls, 0);
    w = writes(l, fds[0], "there");
    r = reads(l, fds[0]);
    run(l, 1);
    cr_assert_eq(w->res, 5);
    cr_assert_eq(in->calls + r->calls, 0);
    cr_assert_eq(write(fds[1], "back", 4), 4);
    run(l, 2);
    cr_assert_eq(in->res, POLLIN);
    cr_assert_eq(r->res, 4);
    close(fds[0]), close(fds[1]);
    free(in), free(out), free(w), free(r);
}

BOTH(two_readers_of_one_pipe_get_one_message_each)
{
    int fds[2];
    struct probe *a, *b;

    cr_assert_eq(pipe2(fds, O_CLOEXEC | O_DIRECT), 0);
    a = reads(l, fds[0]);
    b = reads(l, fds[0]);
    run_turns(l);
    cr_assert_eq(write(fds[1], "x", 1), 1);
    run(l, 1);
    run_turns(l);
    cr_assert_eq(a->calls + b->calls, 1, "the other waits on");
    cr_assert_eq(write(fds[1], "y", 1), 1);
    run(l, 1);
    cr_assert_eq(a->res + b->res, 2);
    cr_assert_eq(a->buffer[0] + b->buffer[0], 'x' + 'y');
    close(fds[0]), close(fds[1]);
    free(a), free(b);
}

BOTH(poll_reports_a_hangup_unasked)
{
    int fds[2];
    struct probe *p;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    p = polls(l, fds[0], 0);
    run_turns(l);
    cr_assert_eq(p->calls, 0);
    close(fds[1]);
    run(l, 1);
    cr_assert(p->res & POLLHUP);
    close(fds[0]);
    free(p);
}

static void reopen(struct probe *p)
{
    int number = p->op.fd, fds[2];

    cr_assert_eq(p->res, 1);
    close(number);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(fds[0], number, "the lowest number is free");
    p->then = NULL;
    SUBMIT(loop_readv(p->loop, &p->op, number, &p->iov, 1, -1));
    cr_assert_eq(write(fds[1], "new", 3), 3);
    close(fds[1]);
}

BOTH(a_descriptors_number_may_come_back_at_once)
{
    int fds[2];
    struct probe *p;

    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(write(fds[1], "o", 1), 1);
    p = reads(l, fds[0]);
    p->then = reopen;
    run(l, 2);
    cr_assert_eq(p->res, 3);
    close(fds[0]), close(fds[1]);
    free(p);
}

BOTH(connections_are_accepted_with_cloexec)
{
    int fd = listener(), clients[2];

    for (unsigned i = 0; i < 2; i++) {
        struct probe *p;
        nonblocking(fd, i);
        p = accepts(l, fd);
        run_turns(l);
        cr_assert_eq(p->calls, 0);
        clients[i] = dial(fd);
        run(l, 1);
        cr_assert_geq(p->res, 0);
        cr_assert(fcntl(p->res, F_GETFD) & FD_CLOEXEC);
        cr_assert_eq(write(clients[i], "x", 1), 1);
        cr_assert_eq(read(p->res, p->buffer, 4), 1, "connected");
        close(p->res), close(clients[i]);
        free(p);
    }
    close(fd);
}

/* Timers */

static unsigned order[8], ordered;

static void note_order(struct probe *p)
{
    order[ordered++] = (unsigned)p->iov.iov_len;
}

BOTH(timers_fire_in_the_order_of_their_times)
{
    static const uint64_t after_ms[] = { 30, 10, 20, 0, 25 };
    uint64_t now_ns = clock_now_ns();
    struct probe *p[5];

    ordered = 0;
    for (unsigned i = 0; i < 5; i++) {
        p[i] = fires(l, now_ns + after_ms[i] * MS);
        p[i]->iov.iov_len = after_ms[i];
        p[i]->then = note_order;
    }
    run(l, 5);
    cr_assert_geq(clock_now_ns(), now_ns + 30 * MS, "not early");
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(p[i]->res, 0);
        cr_assert(i == 0 || order[i - 1] < order[i]);
        free(p[i]);
    }
}

BOTH(a_time_that_has_passed_fires_and_the_end_of_time_does_not)
{
    struct probe *past = fires(l, 1), *zero = fires(l, 0), *never = fires(l, UINT64_MAX);

    run(l, 2);
    cr_assert_eq(past->res + zero->res, 0);
    run_turns(l);
    cr_assert_eq(never->calls, 0);
    loop_cancel(l, &never->op);
    run(l, 1);
    cr_assert_eq(never->res, -ECANCELED);
    free(past), free(zero), free(never);
}

BOTH(an_idle_loop_sleeps)
{
    struct probe *gone = fires(l, clock_now_ns() + 5 * MS), *p;
    struct rusage before, after;

    loop_cancel(l, &gone->op);
    run(l, 1);
    p = fires(l, clock_now_ns() + 60 * MS);
    getrusage(RUSAGE_THREAD, &before);
    run(l, 1);
    getrusage(RUSAGE_THREAD, &after);
    cr_assert_leq(after.ru_nvcsw - before.ru_nvcsw, 3, "woken %ld times in one timer's time",
                  after.ru_nvcsw - before.ru_nvcsw);
    free(gone), free(p);
}
