#ifndef VIRTIO_MMIO_RNG_RNG_H
#define VIRTIO_MMIO_RNG_RNG_H
/*
 * The entropy device (virtio 1.2, 5.4): random bytes from the host kernel's generator.
 *
 * This room is that device alone. It knows the transport and getrandom(2); it must not know guest
 * addresses, other devices or the machine.
 *
 *   rng_create(&rng, &config, &e)
 *   virtio_plug(&rng->virtio, ...)
 *   virtio_unplug(&rng->virtio, gone)    once no vCPU runs
 *   rng_destroy(rng)                     in or after gone
 *
 * A request gets as many bytes as its buffers hold, up to 64 KiB. A request without a
 * device-writable buffer, or with a device-readable one (5.4.6.1), gets no bytes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/metrics.h"
#include "virtio-mmio/rate_limit.h"
#include "virtio-mmio/virtio.h"

struct err;

#define RNG_REQUEST_MAX (64u << 10) /* bytes; a driver that wants more asks again */

struct rng_config {
    struct rate bandwidth; /* bytes */
    struct rate ops;       /* requests */
};

struct rng_counters {
    uint64_t entropy_event_count; /* requests */
    uint64_t entropy_event_fails; /* requests answered with nothing */
    uint64_t entropy_bytes;
    uint64_t host_rng_fails;                 /* times that the host's generator failed */
    uint64_t entropy_rate_limiter_throttled; /* times that the rate limiter made requests wait */
    uint64_t rate_limiter_event_count;       /* times that such a wait ended */
};

/* The loop thread's. */
struct rng {
    struct virtio_device virtio; /* first member */
    struct rate_limiter limiter;
    struct loop_op wait; /* timer: ends when the limiter allows more, or in the next turn */
    bool waiting;        /* that timer runs */
    bool throttled;      /* it waits for the limiter */
    ssize_t (*source)(void *to, size_t len, unsigned flags); /* getrandom */
    struct rng_counters counters;
    struct metrics_group group; /* "entropy.io"; the transport's is "entropy" */
    struct iovec iov[VIRTQ_SIZE_MAX];
};

int rng_create(struct rng **out, const struct rng_config *config, struct err *e);

/* For a device that was never plugged or is gone. Accepts NULL. */
void rng_destroy(struct rng *r);

#endif
