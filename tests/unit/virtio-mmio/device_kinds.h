#ifndef TESTS_DEVICE_KINDS_H
#define TESTS_DEVICE_KINDS_H
/*
 * Every kind of virtio device behind one driver, each with operations under way that end only when
 * the test says so. A test of what every device has to bear goes through kinds[] and forgets none.
 *
 *   kind_start(&kinds[i])     plugged, its driver ready, operations under way (lib/stuck.h)
 *   ...
 *   vd_finish(&d), or unplug it otherwise
 *   kind_finish()             closes and removes what the host's side had
 */
#include <criterion/criterion.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/loop/loop_backend.h"
#include "lib/stuck.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/balloon/balloon.h"
#include "virtio-mmio/blk/blk.h"
#include "virtio-mmio/net/net.h"
#include "virtio-mmio/rng/rng.h"
#include "virtio-mmio/transport.h"
#include "virtio-mmio/vsock/vsock.h"

struct kind {
    const char *name;
    struct virtio_device *(*create)(void);
    void (*begin)(void); /* brings an operation under way */
    void (*destroy)(struct virtio_device *v);
};

static struct vd d;
static struct stuck stuck;
static char folder[] = "/tmp/test_kinds.XXXXXX";
static char image[64], uds[64];
static int wire = -1, client = -1;
static bool bells_too; /* the doorbells' reads are stuck as well */

static bool is_bell(const struct loop_op *op)
{
    for (unsigned i = 0; d.device && i < d.device->setup.queue_count; i++)
        if (op == &d.device->queue[i].bell)
            return true;
    return false;
}

static bool picks(const struct loop_op *op)
{
    return stuck_file(op) || op->kind == LOOP_OP_POLL || op->kind == LOOP_OP_TIMER ||
           (bells_too && is_bell(op));
}

static void offer(unsigned queue, const struct vd_buf *bufs, unsigned count)
{
    (void)vd_chain(&d, queue, bufs, count);
    virtio_kick(d.device, queue);
}

/* A disk that reads. */

static struct virtio_device *disk_create(void)
{
    const struct blk_config config = { .id = "vol", .path = image, .writeback = true };
    struct blk *b;
    struct err e;
    FILE *f = fopen(image, "w");

    cr_assert(f && ftruncate(fileno(f), 1 << 16) == 0 && fclose(f) == 0);
    cr_assert_eq(blk_create(&b, &config, &e), 0, "%s", e.text);
    return &b->virtio;
}

static void disk_begin(void)
{
    gpa_t at = vd_alloc(&d, sizeof(struct virtio_blk_outhdr)); /* zeros: a read of sector 0 */
    gpa_t to = vd_alloc(&d, BLK_SECTOR + 1);

    offer(0,
          (struct vd_buf[]){ { at, sizeof(struct virtio_blk_outhdr), 0 },
                             { to, BLK_SECTOR, VD_WRITE },
                             { to + BLK_SECTOR, 1, VD_WRITE } },
          3);
}

static void disk_destroy(struct virtio_device *v)
{
    blk_destroy((struct blk *)v);
}

/* A network device that has taken buffers and waits for a frame. */

static struct net *net;

static struct virtio_device *net_make(void)
{
    struct net_setup setup = { .id = "eth0", .tap = { .name = "tap0" } };
    struct err e;
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    setup.tap.fd = pair[0];
    wire = pair[1];
    cr_assert_eq(net_create(&net, &setup, &e), 0, "%s", e.text);
    return net_device(net);
}

static void net_begin(void)
{
    offer(0, &(struct vd_buf){ vd_alloc(&d, 2000), 2000, VD_WRITE }, 1);
}

static void net_unmake(struct virtio_device *v)
{
    (void)v;
    net_destroy(net);
}

/* A vsock with a client that has yet to say what it wants. */

static struct vsock *vsock;

static struct virtio_device *vsock_make(void)
{
    const struct vsock_config config = { .cid = 3, .uds_path = uds };
    struct err e;

    cr_assert_eq(vsock_create(&vsock, &config, &e), 0, "%s", e.text);
    return vsock_device(vsock);
}

static void vsock_begin(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    strcpy(to.sun_path, uds);
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(connect(client, (const struct sockaddr *)&to, sizeof(to)), 0);
    for (unsigned i = 0; i < stuck.count; i++)
        if (stuck.op[i]->kind == LOOP_OP_POLL) {
            stuck_end(&stuck, stuck.op[i], POLLIN); /* somebody comes */
            return;
        }
}

static void vsock_unmake(struct virtio_device *v)
{
    (void)v;
    vsock_destroy(vsock);
}

/* A balloon that will ask for statistics. */

static struct virtio_device *balloon_make(void)
{
    const struct balloon_config config = { .ram = 8 << 20, .stats_interval_s = 1 };
    struct balloon *b;
    struct err e;

    cr_assert_eq(balloon_create(&b, &config, &e), 0, "%s", e.text);
    return &b->virtio;
}

static void balloon_begin(void)
{
    offer(2, &(struct vd_buf){ vd_alloc(&d, 10), 10, 0 }, 1);
}

static void balloon_unmake(struct virtio_device *v)
{
    balloon_destroy((struct balloon *)v);
}

/* An entropy device that its limiter makes wait. */

static struct virtio_device *rng_make(void)
{
    const struct rng_config config = { .bandwidth = { 1000, 0 } };
    struct rng *r;
    struct err e;

    cr_assert_eq(rng_create(&r, &config, &e), 0, "%s", e.text);
    return &r->virtio;
}

static void rng_begin(void)
{
    for (unsigned i = 0; i < 2; i++)
        offer(0, &(struct vd_buf){ vd_alloc(&d, 2000), 2000, VD_WRITE }, 1);
}

static void rng_unmake(struct virtio_device *v)
{
    rng_destroy((struct rng *)v);
}

static const struct kind kinds[] = {
    { "block", disk_create, disk_begin, disk_destroy },
    { "net", net_make, net_begin, net_unmake },
    { "vsock", vsock_make, vsock_begin, vsock_unmake },
    { "balloon", balloon_make, balloon_begin, balloon_unmake },
    { "entropy", rng_make, rng_begin, rng_unmake },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static inline void kind_start(const struct kind *k)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(image, sizeof(image), "%s/image", folder);
    (void)snprintf(uds, sizeof(uds), "%s/socket", folder);
    vd_init(&d, LOOP_AUTO);
    stuck_begin(&stuck, d.loop, picks);
    d.device = k->create();
    vd_plug(&d, d.device);
    vd_start(&d, 0);
    k->begin();
    cr_assert_gt(stuck.count, 0, "%s: nothing is under way", k->name);
}

/* The result with which an operation of this kind ends. */
static inline int kind_result(const struct loop_op *op)
{
    if (is_bell(op))
        return -ECANCELED;
    if (op->kind == LOOP_OP_POLL)
        return POLLIN;
    return op->kind == LOOP_OP_TIMER ? 0 : -EIO;
}

/* Ends all that is under way now, doorbells first. What begins meanwhile stays under way. */
static inline void kind_ends(void)
{
    struct stuck was = stuck;

    for (unsigned i = 0; i < 2 * was.count; i++)
        if (is_bell(was.op[i % was.count]) == (i < was.count))
            stuck_end(&stuck, was.op[i % was.count], kind_result(was.op[i % was.count]));
}

static inline void kind_finish(void)
{
    if (wire >= 0)
        (void)close(wire);
    if (client >= 0)
        (void)close(client);
    wire = client = -1;
    (void)unlink(image);
    cr_assert_eq(rmdir(folder), 0, "something is left in %s", folder);
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
}

#endif
