/* Token buckets, with a clock that the test moves. */
#include "virtio-mmio/rate_limit.h"

#include <criterion/criterion.h>

#include "core/base/clock.h"

#define S      ((uint64_t)NS_PER_S)
#define NOW    (1000 * S)
#define NO_CAP ((struct rate){ 0 })

static struct rate_limiter r;

static struct rate rate(uint64_t per_s, uint64_t burst)
{
    return (struct rate){ .per_s = per_s, .burst = burst };
}

/* How many operations get through between two moments if somebody asks every step_ns. */
static unsigned passed(uint64_t from_ns, uint64_t to_ns, uint64_t step_ns)
{
    unsigned count = 0;

    for (uint64_t at = from_ns; at < to_ns; at += step_ns) {
        while (rate_limit_ready(&r, at)) {
            rate_limit_take(&r, 0, 1);
            count++;
        }
    }
    return count;
}

Test(rate_limit, zeroed_limits_nothing)
{
    r = (struct rate_limiter){ 0 };
    cr_assert_not(rate_limit_limits(&r));
    rate_limit_take(&r, UINT64_MAX, UINT64_MAX);
    cr_assert(rate_limit_ready(&r, 0));
    cr_assert_eq(rate_limit_ready_at(&r), 0);
}

Test(rate_limit, a_burst_without_a_rate_limits_nothing)
{
    rate_limit_init(&r, rate(0, 10), NO_CAP, NOW);
    cr_assert_not(rate_limit_limits(&r));
    rate_limit_take(&r, 1000, 1);
    cr_assert(rate_limit_ready(&r, NOW));
}

Test(rate_limit, a_second_is_there_at_once_then_the_rate_holds)
{
    rate_limit_init(&r, NO_CAP, rate(100, 0), NOW);
    cr_assert(rate_limit_limits(&r));
    cr_assert_eq(passed(NOW, NOW + 1, 1), 100);
    cr_assert_eq(passed(NOW, NOW + 10 * S, S / 1000), 999, "one comes at the end of the last step");
}

Test(rate_limit, the_burst_comes_first_and_once)
{
    rate_limit_init(&r, NO_CAP, rate(100, 50), NOW);
    cr_assert_eq(passed(NOW, NOW + 1, 1), 150);
    cr_assert_eq(passed(NOW + 100 * S, NOW + 100 * S + 1, 1), 100, "only a second's is kept");
}

Test(rate_limit, a_burst_is_spent_before_the_bucket)
{
    rate_limit_init(&r, rate(1000, 300), NO_CAP, NOW);
    rate_limit_take(&r, 200, 1);
    cr_assert_eq(r.bandwidth.rate.burst, 100);
    cr_assert_eq(r.bandwidth.level, 1000);
    rate_limit_take(&r, 400, 1);
    cr_assert_eq(r.bandwidth.rate.burst, 0);
    cr_assert_eq(r.bandwidth.level, 700);
}

Test(rate_limit, a_request_beyond_the_bucket_gets_through_and_is_paid_for)
{
    rate_limit_init(&r, rate(1000, 0), NO_CAP, NOW);
    cr_assert(rate_limit_ready(&r, NOW));
    rate_limit_take(&r, 5000, 1);
    cr_assert_not(rate_limit_ready(&r, NOW));
    cr_assert_eq(rate_limit_ready_at(&r), NOW + 4001 * S / 1000);
    cr_assert_not(rate_limit_ready(&r, NOW + 4001 * S / 1000 - 1));
    cr_assert(rate_limit_ready(&r, NOW + 4001 * S / 1000));
}

Test(rate_limit, each_bucket_alone_can_hold_back)
{
    rate_limit_init(&r, rate(1000, 0), rate(10, 0), NOW);
    rate_limit_take(&r, 1000, 1);
    cr_assert_not(rate_limit_ready(&r, NOW));
    cr_assert_eq(rate_limit_ready_at(&r), NOW + S / 1000);
    rate_limit_init(&r, rate(1000, 0), rate(10, 0), NOW);
    rate_limit_take(&r, 0, 10);
    cr_assert_not(rate_limit_ready(&r, NOW));
    cr_assert_eq(rate_limit_ready_at(&r), NOW + S / 10);
    rate_limit_take(&r, 2000, 0);
    cr_assert_eq(rate_limit_ready_at(&r), NOW + 1001 * S / 1000, "the later one counts");
}

Test(rate_limit, slow_rates_lose_nothing_to_rounding)
{
    rate_limit_init(&r, NO_CAP, rate(3, 0), NOW);
    (void)passed(NOW, NOW + 1, 1);
    cr_assert_eq(passed(NOW, NOW + 100 * S, 7777777), 299);
    cr_assert_eq(passed(NOW + 100 * S, NOW + 100 * S + 1, 1), 1);
}

Test(rate_limit, whoever_waits_as_told_gets_through)
{
    uint64_t at = NOW;

    rate_limit_init(&r, rate(7, 0), NO_CAP, NOW);
    for (unsigned i = 0; i < 100; i++) {
        cr_assert(rate_limit_ready(&r, at));
        rate_limit_take(&r, 10, 1);
        if (!rate_limit_ready(&r, at))
            at = rate_limit_ready_at(&r);
    }
    cr_assert(rate_limit_ready(&r, at));
    cr_assert_eq(r.bandwidth.level, 1);
    cr_assert_eq(at - NOW, (100 * 10 - 7 + 1) / 7 * S);
}

Test(rate_limit, a_clock_that_goes_back_gives_nothing)
{
    rate_limit_init(&r, NO_CAP, rate(10, 0), NOW);
    rate_limit_take(&r, 0, 10);
    cr_assert_not(rate_limit_ready(&r, NOW - 100 * S));
    cr_assert_not(rate_limit_ready(&r, NOW));
    cr_assert(rate_limit_ready(&r, NOW + S / 10));
}

Test(rate_limit, extremes_do_not_overflow)
{
    rate_limit_init(&r, rate(UINT64_MAX, UINT64_MAX), rate(1, 0), 0);
    for (unsigned i = 0; i < 4; i++)
        rate_limit_take(&r, UINT64_MAX, UINT64_MAX);
    cr_assert_not(rate_limit_ready(&r, 0));
    cr_assert_eq(rate_limit_ready_at(&r), UINT64_MAX);
    cr_assert_not(rate_limit_ready(&r, S));
    cr_assert(r.bandwidth.level > 0, "so fast a rate pays any debt in a second");
    cr_assert_not(rate_limit_ready(&r, UINT64_MAX), "2^61 seconds are not over");
    cr_assert_eq(rate_limit_ready_at(&r), UINT64_MAX);
}

Test(rate_limit, new_rates_start_anew)
{
    rate_limit_init(&r, rate(10, 0), rate(10, 0), NOW);
    rate_limit_take(&r, 10000, 10000);
    rate_limit_init(&r, rate(20, 0), NO_CAP, NOW);
    cr_assert(rate_limit_ready(&r, NOW));
    cr_assert_eq(r.bandwidth.level, 20);
}
