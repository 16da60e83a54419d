#include "api/run/console.h"

#include <fcntl.h>
#include <termios.h>

#include "lib/pty.h"
#include "unit/api/run/console_bench.h"

/* A terminal in raw mode, as terminal_raw leaves it to the console. */
static struct pty pty_raw(void)
{
    struct pty t = pty_open();
    struct termios mode = t.before;

    cfmakeraw(&mode);
    cr_assert_eq(tcsetattr(t.slave, TCSANOW, &mode), 0);
    return t;
}

static void type(struct pty *t, const char *keys)
{
    cr_assert_eq(write(t->master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static void *guest_echoes_three(void *arg)
{
    struct bench *b = arg;

    for (int i = 0; i < 3; i++)
        uart_send(&b->serial, uart_get(&b->serial));
    loop_post(b->loop, &b->close);
    return NULL;
}

static void *guest_does_nothing(void *arg)
{
    (void)arg;
    return NULL;
}

ON_BOTH(takes_its_own_keys_out)
{
    struct pty t = pty_raw();
    char got[4] = "";

    type(&t, "a\x01"
             "cb");
    bench_run(b, t.slave, t.slave, guest_echoes_three);
    cr_assert_eq(read_full(t.master, got, 3), 3);
    cr_assert_str_eq(got, "a\x01"
                          "b");
    cr_assert_eq(b->ended, POWER_NONE);
    pty_close(&t);
}

ON_BOTH(quits_by_key)
{
    struct pty t = pty_raw();

    type(&t, "\x01x");
    bench_run(b, t.slave, t.slave, guest_does_nothing);
    cr_assert_eq(b->ended, POWER_QUIT);
    pty_close(&t);
}

static void *operator_hesitates(void *arg)
{
    struct bench *b = arg;

    /* The second key is typed once the first has been read. */
    while (!b->console.in.escape.prefixed)
        (void)usleep(50);
    cr_expect_eq(write(b->in[1], "x", 1), 1); /* in[1]: the master, below */
    return NULL;
}

ON_BOTH(quits_by_keys_that_come_one_by_one)
{
    struct pty t = pty_raw();

    shut(&b->in[1]);
    b->in[1] = t.master;
    type(&t, "\x01");
    bench_run(b, t.slave, t.slave, operator_hesitates);
    cr_assert_eq(b->ended, POWER_QUIT);
    shut(&t.slave);
}

ON_BOTH(prints_its_help)
{
    struct pty t = pty_raw();
    char got[128] = "";
    int err[2];

    cr_assert_eq(pipe(err), 0);
    cr_assert_eq(dup2(err[1], STDERR_FILENO), STDERR_FILENO);
    type(&t, "\x01h\x01x");
    bench_run(b, t.slave, t.slave, guest_does_nothing);
    cr_assert_gt(read(err[0], got, sizeof(got) - 1), 0);
    cr_assert_str_eq(got, escape_help);
    pty_close(&t);
}

/* A stderr that nobody reads does not stop the loop either. */
ON_BOTH(quits_although_nobody_reads_its_help)
{
    static const char much[4096];
    struct pty t = pty_raw();
    int err[2];

    cr_assert_eq(pipe(err), 0);
    cr_assert_gt(fcntl(err[1], F_SETPIPE_SZ, (int)sizeof(much)), 0);
    cr_assert_eq(write(err[1], much, sizeof(much)), (ssize_t)sizeof(much));
    cr_assert_eq(dup2(err[1], STDERR_FILENO), STDERR_FILENO);
    type(&t, "\x01h\x01h\x01x");
    bench_run(b, t.slave, t.slave, guest_does_nothing);
    cr_assert_eq(b->ended, POWER_QUIT);
    cr_assert_eq(fcntl(err[1], F_GETFL) & O_NONBLOCK, 0);
    pty_close(&t);
}

static void *guest_sees_input_end(void *arg)
{
    struct bench *b = arg;

    while (b->console.in.state != CONSOLE_OVER)
        (void)usleep(50);
    return guest_says_hello(b);
}

ON_BOTH(outlives_its_terminal)
{
    struct pty t = pty_raw();

    shut(&t.master);
    bench_run(b, t.slave, t.slave, guest_sees_input_end);
    cr_assert_eq(b->console.out.state, CONSOLE_OVER);
    pty_close(&t);
}
