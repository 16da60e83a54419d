#include "api/run/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "unit/api/run/console_bench.h"

#define MUCH (5 * SERIAL_TX_SIZE + 4321) /* and far more than a pipe holds */

/* A sequence in which a lost, doubled or swapped byte shows. */
static uint8_t nth(size_t n)
{
    return (uint8_t)(n * 7 + n / 251);
}

ON_BOTH(carries_output)
{
    bench_run(b, b->in[0], b->out[1], guest_says_hello);
    expect_hello(b);
}

/* Whatever stdin is: its input ends, and the guest runs on. */

ON_BOTH(runs_with_input_closed)
{
    bench_run(b, -1, b->out[1], guest_says_hello);
    expect_hello(b);
}

ON_BOTH(runs_with_input_at_its_end)
{
    shut(&b->in[1]);
    bench_run(b, b->in[0], b->out[1], guest_says_hello);
    expect_hello(b);
}

ON_BOTH(runs_with_dev_null)
{
    int null = open("/dev/null", O_RDWR);

    bench_run(b, null, b->out[1], guest_says_hello);
    expect_hello(b);
    (void)close(null);
}

ON_BOTH(runs_with_input_that_cannot_be_read)
{
    int dir = open("/", O_RDONLY);

    bench_run(b, dir, b->out[1], guest_says_hello);
    expect_hello(b);
    (void)close(dir);
}

/* Output. */

static void *guest_floods(void *arg)
{
    struct bench *b = arg;

    for (size_t n = 0; n < MUCH; n++)
        uart_send(&b->serial, nth(n));
    loop_post(b->loop, &b->close);
    return NULL;
}

static void *reader_takes_all(void *arg)
{
    struct bench *b = arg;
    uint8_t piece[4099]; /* not a power of two: cuts the console's writes in odd places */
    size_t n, total = 0, wrong = 0;

    while ((n = read_full(b->out[0], piece, sizeof(piece))) > 0) {
        for (size_t i = 0; i < n; i++)
            wrong += piece[i] != nth(total + i);
        total += n;
    }
    cr_expect_eq(total, MUCH);
    cr_expect_eq(wrong, 0);
    return NULL;
}

static void expect_all_output(struct bench *b, int flags)
{
    pthread_t reader;

    cr_assert_eq(fcntl(b->out[1], F_SETFL, flags), 0);
    cr_assert_eq(pthread_create(&reader, NULL, reader_takes_all, b), 0);
    bench_run(b, b->in[0], b->out[1], guest_floods);
    cr_assert_eq(b->serial.tx_lost, 0);
    shut(&b->out[1]);
    cr_assert_eq(pthread_join(reader, NULL), 0);
}

ON_BOTH(loses_no_output)
{
    expect_all_output(b, 0);
}

ON_BOTH(loses_no_output_on_a_descriptor_that_does_not_block)
{
    expect_all_output(b, O_NONBLOCK);
}

/* The guest prints a lot to an output that fails, and runs on. */
static void expect_flood_survives(struct bench *b, int out)
{
    bench_run(b, b->in[0], out, guest_floods);
    cr_assert_eq(b->serial.tx_lost, 0);
    cr_assert_eq(b->console.out.state, CONSOLE_OVER);
}

ON_BOTH(drops_output_to_a_closed_pipe)
{
    shut(&b->out[0]);
    expect_flood_survives(b, b->out[1]);
}

ON_BOTH(drops_output_to_a_full_device)
{
    int full = open("/dev/full", O_WRONLY);

    expect_flood_survives(b, full);
    (void)close(full);
}

ON_BOTH(drops_output_to_nowhere)
{
    expect_flood_survives(b, -1);
}

/* What is left when the machine ends. */

#define LEFT (SERIAL_TX_SIZE - 64) /* the transmitter takes it with nobody reading */

static void *guest_leaves_much(void *arg)
{
    struct bench *b = arg;

    for (size_t n = 0; n < LEFT; n++)
        uart_send(&b->serial, nth(n));
    loop_post(b->loop, &b->close);
    return NULL;
}

static void narrow_output(struct bench *b)
{
    cr_assert_eq(fcntl(b->out[1], F_SETPIPE_SZ, 4096), 4096);
}

ON_BOTH(does_not_wait_for_ever_for_a_reader)
{
    narrow_output(b);
    bench_run(b, b->in[0], b->out[1], guest_leaves_much);
    cr_assert_eq(b->console.out.state, CONSOLE_OVER);
}

static void *reader_takes_the_rest(void *arg)
{
    struct bench *b = arg;
    static uint8_t got[LEFT + 1];
    size_t n;

    while (b->serial.tx_bytes < LEFT)
        (void)usleep(50);
    cr_expect_eq(read_full(b->out[0], got, sizeof(got)), LEFT);
    for (n = 0; n < LEFT && got[n] == nth(n); n++)
        ;
    cr_expect_eq(n, LEFT, "byte %zu is wrong", n);
    return NULL;
}

ON_BOTH(writes_what_is_left)
{
    pthread_t reader;

    narrow_output(b);
    cr_assert_eq(pthread_create(&reader, NULL, reader_takes_the_rest, b), 0);
    bench_run(b, b->in[0], b->out[1], guest_leaves_much);
    cr_assert_eq(b->console.out.state, CONSOLE_IDLE);
    shut(&b->out[1]);
    cr_assert_eq(pthread_join(reader, NULL), 0);
}

/* Input. */

static void *writer_feeds(void *arg)
{
    struct bench *b = arg;
    uint8_t piece[5000];

    for (size_t n = 0; n < MUCH;) {
        size_t len = 0;
        for (; len < sizeof(piece) && n + len < MUCH; len++)
            piece[len] = nth(n + len);
        cr_expect_eq(write(b->in[1], piece, len), (ssize_t)len);
        n += len;
    }
    return NULL;
}

static void *guest_takes_much(void *arg)
{
    struct bench *b = arg;
    size_t n;

    for (n = 0; n < MUCH && uart_get(&b->serial) == nth(n); n++)
        ;
    cr_expect_eq(n, MUCH, "byte %zu is wrong", n);
    loop_post(b->loop, &b->close);
    return NULL;
}

ON_BOTH(loses_no_input)
{
    pthread_t writer;

    cr_assert_eq(pthread_create(&writer, NULL, writer_feeds, b), 0);
    bench_run(b, b->in[0], b->out[1], guest_takes_much);
    cr_assert_eq(pthread_join(writer, NULL), 0);
}

static void *guest_ignores_input(void *arg)
{
    struct bench *b = arg;

    while (!b->serial.input_full)
        (void)usleep(50);
    return guest_says_hello(b);
}

ON_BOTH(waits_for_a_guest_that_reads_nothing)
{
    static const uint8_t piece[SERIAL_RX_SIZE + 2 * CONSOLE_IN];
    uint8_t rest[CONSOLE_IN + 1];

    cr_assert_eq(write(b->in[1], piece, sizeof(piece)), (ssize_t)sizeof(piece));
    bench_run(b, b->in[0], b->out[1], guest_ignores_input);
    expect_hello(b);
    shut(&b->in[1]);
    cr_assert_eq(read_full(b->in[0], rest, sizeof(rest)), CONSOLE_IN,
                 "what nobody has room for stays in the pipe");
}

static void *guest_echoes_three(void *arg)
{
    struct bench *b = arg;

    for (int i = 0; i < 3; i++)
        uart_send(&b->serial, uart_get(&b->serial));
    loop_post(b->loop, &b->close);
    return NULL;
}

ON_BOTH(works_on_files)
{
    FILE *in = tmpfile(), *out = tmpfile();
    char got[8] = "";

    cr_assert_eq(write(fileno(in), "a\x01x", 3), 3);
    rewind(in);
    bench_run(b, fileno(in), fileno(out), guest_echoes_three);
    cr_assert_eq(b->ended, POWER_NONE, "Ctrl-A is nobody's key in a file");
    rewind(out);
    cr_assert_eq(fread(got, 1, sizeof(got), out), 3);
    cr_assert_str_eq(got, "a\x01x");
    (void)fclose(in);
    (void)fclose(out);
}
