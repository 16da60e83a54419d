/* The entropy device between a driver and the host's generator or the test's own. */
#include "virtio-mmio/rng/rng.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/err.h"
#include "lib/virtio/malformed.h"
#include "lib/virtio/virtio_driver.h"

static struct vd d;
static struct rng *rng;
static struct rng_config config;

/* What the test's generator does. */
static unsigned calls;
static size_t asked;     /* bytes, all calls together */
static size_t at_a_time; /* bytes that a call gives at most; 0: all */
static unsigned fail_at; /* number of the call that fails, from 1; 0: none */
static int fail_with;    /* its errno; 0: it gives nothing */

static ssize_t source(void *to, size_t len, unsigned flags)
{
    size_t n = at_a_time > 0 && at_a_time < len ? at_a_time : len;

    cr_assert_eq(flags, 0);
    asked += len;
    if (++calls == fail_at) {
        errno = fail_with;
        return fail_with ? -1 : 0;
    }
    memset(to, 0xa5, n);
    return (ssize_t)n;
}

static void set_up(enum loop_backend backend)
{
    config = (struct rng_config){ 0 };
    calls = fail_at = 0;
    asked = at_a_time = 0;
    vd_init(&d, backend);
}

/* With the test's generator. */
static void start(void)
{
    cr_assert_eq(rng_create(&rng, &config, NULL), 0);
    rng->source = source;
    vd_plug(&d, &rng->virtio);
    vd_start(&d, 0);
}

static void each(void (*body)(void))
{
    static const enum loop_backend backends[] = { LOOP_URING, LOOP_EPOLL };

    for (unsigned i = 0; i < 2; i++) {
        set_up(backends[i]);
        body();
        vd_finish(&d);
        rng_destroy(rng);
    }
}

#define ON_BOTH(name)          \
    static void name##_(void); \
    Test(rng, name)            \
    {                          \
        each(name##_);         \
    }                          \
    static void name##_(void)

static gpa_t request(uint32_t len)
{
    gpa_t at = vd_alloc(&d, len);

    (void)vd_chain(&d, 0, &(struct vd_buf){ at, len, VD_WRITE }, 1);
    return at;
}

/* How many of the bytes are the test generator's, from the first on. */
static uint32_t filled(gpa_t at, uint32_t len)
{
    const uint8_t *is = vd_at(&d, at, len);
    uint32_t i = 0;

    while (i < len && is[i] == 0xa5)
        i++;
    for (uint32_t rest = i; rest < len; rest++)
        cr_assert_eq(is[rest], 0);
    return i;
}

ON_BOTH(is_an_entropy_device)
{
    start();
    cr_assert_eq(vd_read(&d, VIRTIO_MMIO_DEVICE_ID), 4);
    cr_assert_eq(d.features, UINT64_C(1) << VIRTIO_F_VERSION_1 |
                                 UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC |
                                 UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
}

/* The host's own generator: 256 equal bytes do not happen. */
ON_BOTH(bytes_come_from_the_host)
{
    uint8_t *is;
    gpa_t at;

    start();
    rng->source = getrandom;
    at = request(256);
    is = vd_at(&d, at, 256);
    cr_assert(vd_kick(&d, 0));
    cr_assert_eq(vd_await(&d, 0).len, 256);
    cr_assert(memcmp(is, is + 128, 128) != 0);
    cr_assert_eq(rng->counters.entropy_bytes, 256);
    cr_assert_eq(rng->counters.host_rng_fails, 0);
}

ON_BOTH(a_batch_is_one_interrupt)
{
    struct vd_used used;
    uint32_t why;

    start();
    for (unsigned i = 0; i < 20; i++)
        (void)request(64 + i);
    vd_kick(&d, 0);
    vd_settle(&d);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert(vd_reap(&d, 0, &used));
        cr_assert_eq(used.len, 64 + i);
    }
    cr_assert_eq(vd_interrupts(&d, &why), 1);
    cr_assert_eq(why, VIRTIO_MMIO_INT_VRING);
    cr_assert_eq(rng->counters.entropy_event_count, 20);
}

ON_BOTH(buffers_are_cut_anywhere)
{
    struct vd_buf cut[4];
    gpa_t at;

    start();
    at = vd_alloc(&d, 100);
    cut[0] = (struct vd_buf){ at, 1, VD_WRITE };
    cut[1] = (struct vd_buf){ at + 1, 0, VD_WRITE };
    cut[2] = (struct vd_buf){ at + 1, 60, VD_WRITE };
    cut[3] = (struct vd_buf){ at + 61, 19, VD_WRITE };
    (void)vd_indirect(&d, 0, cut, 4);
    vd_kick(&d, 0);
    cr_assert_eq(vd_await(&d, 0).len, 80);
    cr_assert_eq(filled(at, 100), 80);
}

/* The largest request ends in the middle of a buffer. */
ON_BOTH(a_request_gets_up_to_64_kib)
{
    struct vd_buf bufs[2];
    gpa_t at;

    start();
    at = vd_alloc(&d, 3 * RNG_REQUEST_MAX);
    bufs[0] = (struct vd_buf){ at, 1000, VD_WRITE };
    bufs[1] = (struct vd_buf){ at + 1000, 2 * RNG_REQUEST_MAX, VD_WRITE };
    (void)vd_chain(&d, 0, bufs, 2);
    vd_kick(&d, 0);
    cr_assert_eq(vd_await(&d, 0).len, RNG_REQUEST_MAX);
    cr_assert_eq(filled(at, 3 * RNG_REQUEST_MAX), RNG_REQUEST_MAX);
    cr_assert_eq(asked, RNG_REQUEST_MAX);
}

/* One request of the largest size in each turn of the loop. vd_run_until asks after each turn. */
static bool has_asked(void *arg)
{
    (void)arg;
    return asked > 0;
}

ON_BOTH(a_turn_is_bounded)
{
    start();
    for (unsigned i = 0; i < 8; i++)
        (void)request(RNG_REQUEST_MAX);
    vd_kick(&d, 0);
    vd_run_until(&d, has_asked, NULL);
    cr_assert_leq(asked, 2 * RNG_REQUEST_MAX);
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq(vd_await(&d, 0).len, RNG_REQUEST_MAX);
    vd_settle(&d);
    cr_assert(!rng->waiting); /* nothing wakes an idle device */
    (void)request(10);
    (void)vd_kick(&d, 0);
    (void)vd_await(&d, 0);
}

ON_BOTH(short_answers_of_the_host_are_made_whole)
{
    gpa_t at;

    at_a_time = 7;
    fail_at = 3;
    fail_with = EINTR;
    start();
    at = request(40);
    vd_kick(&d, 0);
    cr_assert_eq(vd_await(&d, 0).len, 40);
    cr_assert_eq(filled(at, 40), 40);
    cr_assert_eq(rng->counters.host_rng_fails, 0);
}

ON_BOTH(a_failing_host_gives_an_empty_answer)
{
    static const int errors[] = { EAGAIN, ENOSYS, 0 };
    gpa_t at;

    start();
    for (unsigned i = 0; i < 3; i++) {
        calls = 0;
        fail_at = 1;
        fail_with = errors[i];
        at = request(40);
        vd_kick(&d, 0);
        cr_assert_eq(vd_await(&d, 0).len, 0);
        cr_assert_eq(filled(at, 40), 0);
    }
    cr_assert_eq(rng->counters.host_rng_fails, 3);
    cr_assert_eq(rng->counters.entropy_event_fails, 3);
    cr_assert(!vd_failed(&d));
}

/* The guest keeps what came before the failure, without a gap. */
ON_BOTH(half_an_answer_is_an_answer)
{
    struct vd_buf bufs[3];
    gpa_t at;

    start();
    fail_at = 2;
    fail_with = EIO;
    at = vd_alloc(&d, 30);
    for (unsigned i = 0; i < 3; i++)
        bufs[i] = (struct vd_buf){ at + 10 * i, 10, VD_WRITE };
    (void)vd_chain(&d, 0, bufs, 3);
    vd_kick(&d, 0);
    cr_assert_eq(vd_await(&d, 0).len, 10);
    cr_assert_eq(filled(at, 30), 10);
    cr_assert_eq(rng->counters.entropy_event_fails, 0);
}

/* The rate is so low that the second request would go in half an hour. */
ON_BOTH(a_limit_holds_requests_back)
{
    struct vd_used used;

    config.bandwidth.per_s = 1;
    start();
    (void)request(2000);
    vd_kick(&d, 0);
    (void)vd_await(&d, 0);
    vd_settle(&d);
    cr_assert_eq(rng->counters.entropy_rate_limiter_throttled, 0); /* nobody waits */
    (void)request(2000);
    vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert(!vd_reap(&d, 0, &used));
    cr_assert_eq(rng->counters.entropy_rate_limiter_throttled, 1);
    vd_kick_hard(&d, 0); /* changes nothing */
    vd_settle(&d);
    cr_assert_eq(rng->counters.entropy_rate_limiter_throttled, 1);
    cr_assert_eq(asked, 2000);
    vd_start(&d, 0); /* the reset in it does not wait that long; the debt stays */
    (void)request(1);
    vd_kick(&d, 0);
    vd_settle(&d);
    cr_assert_eq(rng->counters.entropy_rate_limiter_throttled, 2);
}

/* Tries again and again, as this thread may be kept from asking in time. */
ON_BOTH(a_limit_lets_go)
{
    config.ops.per_s = 1000;
    start();
    while (rng->counters.entropy_rate_limiter_throttled == 0) {
        rate_limit_take(&rng->limiter, 0, 1050);
        (void)request(10);
        vd_kick(&d, 0);
        cr_assert_eq(vd_await(&d, 0).len, 10);
    }
    cr_assert_eq(rng->counters.rate_limiter_event_count,
                 rng->counters.entropy_rate_limiter_throttled);
}

/* They are answered with nothing, and the next request is served. */
ON_BOTH(what_cannot_be_filled_is_answered_with_nothing)
{
    struct vd_buf bufs[2];
    gpa_t at;

    start();
    at = vd_alloc(&d, 32);
    bufs[0] = (struct vd_buf){ at, 16, 0 };
    bufs[1] = (struct vd_buf){ at + 16, 16, VD_WRITE };
    (void)vd_chain(&d, 0, bufs, 1);
    (void)vd_chain(&d, 0, bufs, 2);
    (void)vd_chain(&d, 0, &(struct vd_buf){ at, 0, VD_WRITE }, 1);
    vd_kick(&d, 0);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(vd_await(&d, 0).len, 0);
    cr_assert_eq(calls, 0);
    (void)vd_chain(&d, 0, &bufs[1], 1);
    vd_kick(&d, 0);
    cr_assert_eq(vd_await(&d, 0).len, 16);
    cr_assert_eq(rng->counters.entropy_event_fails, 3);
    cr_assert(!vd_failed(&d));
}

ON_BOTH(malformed_chains_fail_the_device)
{
    start();
    for (unsigned i = 0; i < MALFORMED; i++) {
        struct vd_used used;
        d.free = VD_BUFFERS;
        vd_start(&d, 0);
        malformed_offer(&d, 0, i, VD_WRITE);
        vd_settle(&d);
        cr_assert(vd_failed(&d), "%s", malformed_name(i));
        cr_assert(!vd_reap(&d, 0, &used), "%s", malformed_name(i));
        vd_kick_hard(&d, 0);
        vd_settle(&d);
        cr_assert_eq(calls, 0, "%s", malformed_name(i));
    }
    vd_start(&d, 0);
    (void)request(10);
    vd_kick(&d, 0);
    cr_assert_eq(vd_await(&d, 0).len, 10);
}

/* Nothing is written into the old driver's buffers once the reset is over. */
ON_BOTH(a_reset_forgets_what_is_left)
{
    start();
    for (unsigned i = 0; i < 8; i++)
        (void)request(RNG_REQUEST_MAX);
    vd_kick(&d, 0);
    vd_run_until(&d, has_asked, NULL);
    vd_reset(&d);
    asked = 0;
    vd_settle(&d);
    cr_assert_eq(asked, 0);
    vd_start(&d, 0);
    d.free = VD_BUFFERS;
    (void)request(10);
    vd_kick(&d, 0);
    cr_assert_eq(vd_await(&d, 0).len, 10);
}

/* Kicks by register, no events, chain after chain around the ring. */
ON_BOTH(works_for_a_plain_driver)
{
    d.by_register = true;
    start();
    vd_start(&d, UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
    for (unsigned i = 0; i < 600; i++) {
        d.free = VD_BUFFERS;
        (void)request(64);
        (void)vd_kick(&d, 0);
        cr_assert_eq(vd_await(&d, 0).len, 64);
    }
    cr_assert_eq(rng->counters.entropy_bytes, 600 * 64);
}

Test(rng, destroys_nothing)
{
    rng_destroy(NULL);
}
