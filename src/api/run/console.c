/*
 * The guest's serial port on two descriptors.
 *
 *   in    read -> escape_filter -> serial_input -> read ...
 *         when the guest's receiver is full, the rest waits in buf until the sink's input_room
 *   out   serial_output -> write -> serial_output ...
 *         when the guest's transmitter is empty, it goes on at the sink's output_ready
 *
 * An input that fails counts as ended. An output that fails is logged once; from then on the
 * guest's bytes are taken and dropped, so that the guest runs on. The help text goes to stderr
 * through the loop as well, because nobody may be reading stderr either.
 */
#include "api/run/console.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/run/terminal.h"
#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/log/log.h"
#include "core/vm/power.h"

#define CONSOLE_PATIENCE_NS NS_PER_S

/* The last step of closing: called whenever an operation ends, acts once none is in flight. */
static void console_settle(struct console *c)
{
    void (*closed)(struct console *) = c->closed;

    if (!closed || c->in.state == CONSOLE_BUSY || c->out.state == CONSOLE_BUSY || c->help.busy)
        return;
    if (c->waiting) {
        loop_cancel(c->loop, &c->patience); /* its `done` calls this again */
        return;
    }
    c->closed = NULL;
    closed(c);
}

/* Output. */

static void console_out_drop(struct console *c)
{
    /* One buffer a turn, so that a guest that floods does not keep the loop to itself. */
    if (serial_output(c->serial, c->out.buf, sizeof(c->out.buf)) > 0)
        loop_post(c->loop, &c->out.ready);
    console_settle(c);
}

static void console_out_fail(struct console *c, int code)
{
    c->out.state = CONSOLE_OVER;
    if (code == ECANCELED)
        log_warn("console: nobody reads the output; the guest's last bytes are lost");
    else
        log_warn("console: output failed (%s); the guest's bytes are dropped from now on",
                 strerror(code));
    console_out_drop(c);
}

static void console_out_written(struct loop_op *op, int res);

static void console_out_write(struct console *c)
{
    struct console_out *out = &c->out;

    out->state = CONSOLE_BUSY;
    out->iov = (struct iovec){ out->buf + out->at, out->len - out->at };
    out->op.done = console_out_written;
    loop_writev(c->loop, &out->op, out->fd, &out->iov, 1, -1);
}

static void console_out_pump(struct console *c)
{
    struct console_out *out = &c->out;

    if (out->state == CONSOLE_BUSY)
        return;
    if (out->state == CONSOLE_OVER) {
        console_out_drop(c);
        return;
    }
    out->at = 0;
    out->len = serial_output(c->serial, out->buf, sizeof(out->buf));
    if (out->len > 0)
        console_out_write(c);
    else
        console_settle(c);
}

static void console_out_written(struct loop_op *op, int res)
{
    struct console *c = container_of(op, struct console, out.op);
    struct console_out *out = &c->out;

    if (res == -EINTR) {
        console_out_write(c);
    } else if (res <= 0) {
        console_out_fail(c, res == 0 ? EIO : -res);
    } else {
        out->at += (size_t)res;
        out->moved += (size_t)res;
        if (out->at < out->len) {
            console_out_write(c);
        } else {
            out->state = CONSOLE_IDLE;
            console_out_pump(c);
        }
    }
}

static void console_out_posted(struct loop_post *post)
{
    console_out_pump(container_of(post, struct console, out.ready));
}

static void console_sink_output_ready(struct serial_sink *s)
{
    struct console *c = (struct console *)s;

    loop_post(c->loop, &c->out.ready);
}

/* Input. */

static void console_in_done(struct loop_op *op, int res);

static void console_in_read(struct console *c)
{
    struct console_in *in = &c->in;

    in->state = CONSOLE_BUSY;
    in->iov = (struct iovec){ in->typed, sizeof(in->typed) };
    in->op.done = console_in_done;
    loop_readv(c->loop, &in->op, in->fd, &in->iov, 1, -1);
}

/* Gives the guest what waits in buf, and reads more once all of it is gone. */
static void console_in_feed(struct console *c)
{
    struct console_in *in = &c->in;

    in->at += serial_input(c->serial, in->buf + in->at, in->len - in->at);
    if (in->at == in->len)
        console_in_read(c);
}

static void console_help_written(struct loop_op *op, int res);

static void console_help_write(struct console *c)
{
    struct console_help *h = &c->help;

    h->busy = true;
    h->op.done = console_help_written;
    loop_writev(c->loop, &h->op, STDERR_FILENO, &h->iov, 1, -1);
}

static void console_help_written(struct loop_op *op, int res)
{
    struct console *c = container_of(op, struct console, help.op);
    struct console_help *h = &c->help;

    h->busy = false;
    if (res > 0 && (size_t)res < h->iov.iov_len) {
        h->iov.iov_base = (char *)h->iov.iov_base + res;
        h->iov.iov_len -= (size_t)res;
        console_help_write(c);
    }
    console_settle(c);
}

/* Does nothing while the text of an earlier Ctrl-A h is still being written. */
static void console_help_begin(struct console *c)
{
    if (c->help.busy)
        return;
    c->help.iov = (struct iovec){ (char *)escape_help, strlen(escape_help) };
    console_help_write(c);
}

static void console_in_command(struct console *c, enum escape_command command)
{
    if (command == ESCAPE_QUIT)
        power_end_machine(c->power, POWER_QUIT);
    if (command == ESCAPE_HELP)
        console_help_begin(c);
}

/* Moves what was read from `typed` to buf, obeying and removing mote's own keys. */
static void console_in_filter(struct console *c, size_t typed)
{
    struct console_in *in = &c->in;

    in->at = 0;
    in->len = 0;
    if (!in->keys) {
        memcpy(in->buf, in->typed, typed);
        in->len = typed;
        return;
    }
    for (size_t taken = 0; taken < typed;) {
        enum escape_command command;
        size_t n;

        taken += escape_filter(&in->escape, in->typed + taken, typed - taken, in->buf + in->len, &n,
                               &command);
        in->len += n;
        console_in_command(c, command);
    }
}

static void console_in_over(struct console *c)
{
    c->in.state = CONSOLE_OVER;
    console_settle(c);
}

static void console_in_done(struct loop_op *op, int res)
{
    struct console *c = container_of(op, struct console, in.op);

    if (c->closed) {
        console_in_over(c);
    } else if (res == -EINTR || (res == -EIO && terminal_await(c->in.fd))) {
        console_in_read(c);
    } else if (res <= 0) {
        if (res < 0)
            log_info("console: input failed (%s) and counts as ended", strerror(-res));
        console_in_over(c);
    } else {
        c->in.state = CONSOLE_IDLE;
        console_in_filter(c, (size_t)res);
        if (!c->closed)
            console_in_feed(c);
    }
}

static void console_in_posted(struct loop_post *post)
{
    struct console *c = container_of(post, struct console, in.room);

    if (c->in.state == CONSOLE_IDLE && c->in.at < c->in.len)
        console_in_feed(c);
}

static void console_sink_input_room(struct serial_sink *s)
{
    struct console *c = (struct console *)s;

    loop_post(c->loop, &c->in.room);
}

/* Life. */

void console_init(struct console *c, struct loop *loop, int in, int out)
{
    *c = (struct console){
        .sink = { .output_ready = console_sink_output_ready,
                  .input_room = console_sink_input_room },
        .loop = loop,
        .in = { .fd = in, .keys = isatty(in), .room = { .call = console_in_posted } },
        .out = { .fd = out, .ready = { .call = console_out_posted } },
    };
}

void console_start(struct console *c, struct serial *serial, struct power *power)
{
    c->serial = serial;
    c->power = power;
    console_in_read(c);
}

static void console_patience_begin(struct console *c);

static void console_patience_end(struct loop_op *op, int res)
{
    struct console *c = container_of(op, struct console, patience);

    c->waiting = false;
    if (res == 0)
        loop_cancel(c->loop, &c->help.op);
    if (res == 0 && c->out.state == CONSOLE_BUSY) {
        if (c->out.moved == c->moved_before)
            loop_cancel(c->loop, &c->out.op);
        else
            console_patience_begin(c);
    }
    console_settle(c);
}

static void console_patience_begin(struct console *c)
{
    c->waiting = true;
    c->moved_before = c->out.moved;
    c->patience.done = console_patience_end;
    loop_timer(c->loop, &c->patience, clock_now_ns() + CONSOLE_PATIENCE_NS);
}

void console_close(struct console *c, void (*closed)(struct console *c))
{
    c->closed = closed;
    if (c->in.state == CONSOLE_BUSY)
        loop_cancel(c->loop, &c->in.op);
    else
        c->in.state = CONSOLE_OVER;
    console_patience_begin(c);
    console_out_pump(c);
}
