/* The log written by the event loop: one write at a time, one line to a write. */
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
    struct loop_post more; /* posted when there may be a line to write */
    struct loop_op op;     /* the write */
    struct iovec iov;
    bool writing; /* op is in flight */
    bool closing;
    struct loop_op patience; /* the timer that limits how long closing takes */
    bool waiting;            /* `patience` is in flight */
} stream;

static bool log_stream_is_quiet(void)
{
    return !stream.writing && !__atomic_load_n(&stream.more.queued, __ATOMIC_ACQUIRE);
}

static void log_stream_write_next(void)
{
    int fd;

    if (stream.closing) {
        if (log_stream_is_quiet())
            loop_cancel(stream.loop, &stream.patience);
        return;
    }
    if (stream.writing || !log_outlet_next(&stream.iov, &fd))
        return;
    stream.writing = true;
    loop_writev(stream.loop, &stream.op, fd, &stream.iov, 1, -1);
}

static void log_stream_written(struct loop_op *op, int res)
{
    (void)op;
    stream.writing = false;
    if (!stream.attached) /* the write ended although the stream was abandoned */
        return;
    log_outlet_wrote(res);
    log_stream_write_next();
}

static void log_stream_more(struct loop_post *post)
{
    (void)post;
    log_stream_write_next();
}

static void log_stream_ready(struct log_outlet *o)
{
    (void)o;
    loop_post(stream.loop, &stream.more);
}

static void log_stream_patience_over(struct loop_op *op, int res)
{
    (void)op;
    (void)res;
    stream.waiting = false;
    loop_stop(stream.loop);
}

void log_stream_attach(struct loop *l)
{
    stream.outlet.ready = log_stream_ready;
    stream.loop = l;
    stream.more.call = log_stream_more;
    stream.op.done = log_stream_written;
    stream.patience.done = log_stream_patience_over;
    stream.closing = false;
    stream.attached = true;
    log_outlet_set(&stream.outlet);
    loop_post(l, &stream.more);
}

/* Cancelling ends a write to a pipe, socket or terminal at once. A write to a file may take as long
 * as the disk does. */
static void log_stream_close_begin(void)
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
    log_stream_close_begin();
    while (stream.waiting && ret == 0)
        ret = loop_run(stream.loop);
    if (ret < 0 || !log_stream_is_quiet()) {
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
