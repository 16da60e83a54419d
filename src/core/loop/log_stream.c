/* The log as a stream of the event loop's: one write at a time, one line a write. */
#include "core/loop/log_stream.h"

#include <stddef.h>
#include <stdint.h>

#include "core/base/clock.h"
#include "core/log/log_out.h"
#include "core/loop/loop.h"

#define PATIENCE_NS NS_PER_S

static struct {
    struct log_outlet outlet;
    bool attached;
    struct loop *loop;
    struct loop_post more; /* there may be a line */
    struct loop_op op;
    struct iovec iov;
    bool writing; /* op is under way */
    bool closing;
    struct loop_op patience; /* while closing: a timer */
    bool waiting;            /* patience is under way */
} stream;

static bool is_quiet(void)
{
    return !stream.writing && !__atomic_load_n(&stream.more.queued, __ATOMIC_ACQUIRE);
}

static void write_next(void)
{
    int fd;

    if (stream.closing) {
        if (is_quiet())
            loop_cancel(stream.loop, &stream.patience);
        return;
    }
    if (stream.writing || !log_outlet_next(&stream.iov, &fd))
        return;
    stream.writing = true;
    loop_writev(stream.loop, &stream.op, fd, &stream.iov, 1, -1);
}

static void written(struct loop_op *op, int res)
{
    (void)op;
    stream.writing = false;
    if (!stream.attached) /* abandoned, and yet it came */
        return;
    log_outlet_wrote(res);
    write_next();
}

static void more_call(struct loop_post *post)
{
    (void)post;
    write_next();
}

static void outlet_ready(struct log_outlet *o)
{
    (void)o;
    loop_post(stream.loop, &stream.more);
}

static void patience_over(struct loop_op *op, int res)
{
    (void)op;
    (void)res;
    stream.waiting = false;
    loop_stop(stream.loop);
}

void log_stream_attach(struct loop *l)
{
    stream.outlet.ready = outlet_ready;
    stream.loop = l;
    stream.more.call = more_call;
    stream.op.done = written;
    stream.patience.done = patience_over;
    stream.closing = false;
    stream.attached = true;
    log_outlet_set(&stream.outlet);
    loop_post(l, &stream.more);
}

/* Cancelling ends a write to a stream at once; to a file it is the kernel's to end it, which may
 * take as long as the disk does. */
static void close_begin(void)
{
    log_outlet_set(NULL);
    stream.closing = true;
    stream.waiting = true;
    loop_timer(stream.loop, &stream.patience, clock_now_ns() + PATIENCE_NS);
    loop_cancel(stream.loop, &stream.op);
    loop_post(stream.loop, &stream.more);
}

bool log_stream_detach(void)
{
    int ret = 0;

    if (!stream.attached)
        return true;
    close_begin();
    while (stream.waiting && ret == 0)
        ret = loop_run(stream.loop);
    if (ret < 0 || !is_quiet()) {
        log_stream_abandon();
        return false;
    }
    stream.attached = false;
    return true;
}

void log_stream_abandon(void)
{
    log_outlet_abandon();
    stream.attached = false;
}
