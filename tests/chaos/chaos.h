#ifndef TESTS_CHAOS_H
#define TESTS_CHAOS_H
/*
 * Everybody at once: three processors with bad drivers, peers on the host's side, an operator, and
 * the loop thread with seven devices between them.
 *
 *   main.c       makes, runs and takes apart one machine after another, each from a seed
 *   guest.c      the processors: bring-up, chains, registers, scribbles
 *   requests.c   what they ask the devices for, most of it nearly right
 *   host.c       the network's other end, clients and servers of the vsock
 *   operator.c   changes limits, images, sizes and targets; pauses and saves
 *
 * No answer is checked. A fault shows as a failed assert, a sanitizer's report or a hang. Each
 * processor does a fixed number of rounds; then the loop stops and the devices are unplugged, with
 * whatever is in flight. The host decides how the threads interleave, so a seed repeats the choices
 * and not the run.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/metrics.h"
#include "core/loop/loop.h"
#include "core/vm/bus.h"
#include "core/vm/mem.h"
#include "virtio-mmio/balloon/balloon.h"
#include "virtio-mmio/blk/blk.h"
#include "virtio-mmio/net/net.h"
#include "virtio-mmio/rng/rng.h"
#include "virtio-mmio/vsock/vsock.h"

#define CPUS    3u
#define DISKS   3u
#define SERVERS 4u

enum chaos_device { DEV_DISK, DEV_NET = DISKS, DEV_VSOCK, DEV_BALLOON, DEV_RNG, DEVS };

/* Memory is two regions: the first has the queues, then buffers, the second a few buffers. */
#define LOW         (UINT64_C(8) << 20)
#define HIGH        (UINT64_C(16) << 20)
#define HIGH_LEN    (UINT64_C(4) << 20)
#define QUEUE_LEN   UINT64_C(0x4000)
#define BUFFERS     UINT64_C(0x200000)
#define BUFFERS_LEN UINT64_C(0x500000)
#define WINDOWS     UINT64_C(0xc0001000)

/* A xorshift generator; each thread has its own. */
struct dice {
    uint64_t state;
};

static inline uint32_t roll(struct dice *d)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (uint32_t)(d->state >> 16);
}

/* 0 to n - 1. */
static inline uint32_t below(struct dice *d, uint32_t n)
{
    return roll(d) % n;
}

static inline bool one_in(struct dice *d, uint32_t n)
{
    return below(d, n) == 0;
}

struct bell {
    uint64_t gpa, value;
    int eventfd;
};

struct chaos {
    unsigned seed, rounds;

    struct loop *loop;
    struct mem mem;
    struct bus bus;
    struct metrics metrics;
    struct bell bells[64];
    unsigned bell_count;

    struct virtio_device *device[DEVS];
    struct blk *disk[DISKS];
    struct net *net;
    struct vsock *vsock;
    struct balloon *balloon;
    struct rng *rng;

    pthread_rwlock_t running;   /* a processor holds it for reading while it executes */
    _Atomic unsigned executing; /* processors that have rounds left */
    _Atomic bool over;

    char folder[32];
    char images[DISKS][64], uds[64], servers[SERVERS][80];
    int wire; /* the other end of the network device's tap */
};

/* The guest. */

/* A processor's thread; arg is a struct cpu. */
struct cpu {
    struct chaos *c;
    unsigned number;
};
void *cpu_main(void *arg);

/* The host. */

void host_open(struct chaos *c, int *tap);
void *host_main(void *arg); /* the host's thread, until c->over; arg is the struct chaos */
void host_close(struct chaos *c);

/* The operator, on the loop thread. */

void operator_start(struct chaos *c);
void operator_act(void); /* any thread: makes the operator do something soon */

#endif
