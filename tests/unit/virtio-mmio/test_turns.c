/*
 * How much each device does in one turn of the loop, while its queue is refilled without end. A
 * turn lasts from one look of the loop at its timers to the next. A post that posts itself again in
 * each turn counts them: the clock.
 *
 * The driver refills the queue as fast as a second processor of the guest could: in each turn, and
 * whenever the device writes into guest memory. How far the device's next_avail moved is what it
 * did.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/err.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/balloon/balloon.h"
#include "virtio-mmio/blk/blk.h"
#include "virtio-mmio/net/net.h"
#include "virtio-mmio/rng/rng.h"
#include "virtio-mmio/vsock/vsock.h"

#define CHAINS  2000u /* offered in a turn at most, so that a turn without a bound ends too */
#define LOOKS   100u  /* turns that are watched */
#define SETTLED 4u    /* turns that do not count, until the first kick is over */
#define DATA    VD_BUFFERS
#define STATUS  (VD_BUFFERS + 4096)
#define CID     52u
#define BUFFERS 4u /* in a chain, at most */

static struct vd d;

struct subject {
    struct virtio_device *(*open)(void);
    void (*close)(void);
    unsigned queue;
    unsigned most;        /* chains in a turn */
    const void *request;  /* what lies at DATA */
    unsigned request_len; /* bytes */
    struct vd_buf chain[BUFFERS];
    void (*feed)(void); /* what the host sends as fast as the device takes it; or NULL */
};

/* The driver. */

static const struct subject *subject;
static uint32_t offered;

static uint16_t next_avail(void)
{
    return d.device->queue[subject->queue].ring.next_avail;
}

/* Makes the queue full: every descriptor is available or in flight. */
static void refill(void)
{
    struct vd_queue *q = &d.queue[subject->queue];
    const struct virtq *ring = &d.device->queue[subject->queue].ring;
    uint16_t index = (uint16_t)(ring->next_avail + q->size - ring->in_flight);

    if (offered > CHAINS)
        return;
    if (subject->feed)
        subject->feed();
    if ((int16_t)(index - q->avail->idx) <= 0)
        return;
    offered += (uint16_t)(index - q->avail->idx);
    __atomic_store_n(&q->avail->idx, index, __ATOMIC_RELEASE);
}

static void refill_behind(struct accel *a, gpa_t gpa, uint64_t len)
{
    (void)a;
    (void)gpa;
    (void)len;
    refill();
}

static struct accel_ops accel_ops;

/* Each head is offered again and again. Chain i begins at descriptor i * BUFFERS. */
static void chains_make(void)
{
    struct vd_queue *q = &d.queue[subject->queue];

    memset(vd_at(&d, STATUS, 4096), 0, 4096);
    memset(vd_at(&d, DATA, 4096), 0, 4096);
    if (subject->request)
        memcpy(vd_at(&d, DATA, 4096), subject->request, subject->request_len);
    for (uint16_t i = 0; i < q->size; i++) {
        const struct vd_buf *b = &subject->chain[i % BUFFERS];
        bool more = i % BUFFERS + 1 < BUFFERS && b[1].len > 0;
        vd_desc(&d, subject->queue, i,
                (struct vring_desc){ b->at, b->len, b->flags | (more ? VRING_DESC_F_NEXT : 0),
                                     (uint16_t)(i + 1) });
        q->avail->ring[i] = (uint16_t)(i / BUFFERS * BUFFERS);
    }
}

/* The clock. */

struct clock {
    struct loop_post post;
    unsigned looks, worst;
    uint16_t before;
};

static void look(struct loop_post *post)
{
    struct clock *c = (struct clock *)post;
    unsigned went = (uint16_t)(next_avail() - c->before);

    if (++c->looks > SETTLED && went > c->worst)
        c->worst = went;
    c->before = next_avail();
    offered = 0;
    refill();
    if (c->looks >= LOOKS && c->worst > 0)
        loop_stop(d.loop);
    else
        loop_post(d.loop, post);
}

static void run(const struct subject *s, enum loop_backend backend)
{
    struct clock c = { .post.call = look };

    subject = s;
    offered = 0;
    vd_init(&d, backend);
    d.hostile = true;
    accel_ops = *d.accel.accel.ops;
    accel_ops.memory_written = refill_behind;
    d.accel.accel.ops = &accel_ops;
    vd_plug(&d, s->open());
    vd_start(&d, 0);
    chains_make();
    c.before = next_avail();
    refill();
    vd_kick_hard(&d, s->queue);
    loop_post(d.loop, &c.post);
    cr_assert_eq(loop_run(d.loop), 0);
    cr_assert_not(vd_failed(&d));
    cr_assert_leq(c.worst, s->most, "%u of at most %u", c.worst, s->most);
    vd_finish(&d);
    s->close();
}

#define EACH(name, ...)                                  \
    Test(turns, name)                                    \
    {                                                    \
        static const struct subject s = { __VA_ARGS__ }; \
        run(&s, LOOP_URING);                             \
        run(&s, LOOP_EPOLL);                             \
    }

/* Disk. */

static struct blk *disk;
static int image;

static struct virtio_device *blk_open(void)
{
    char path[64];
    const struct blk_config config = { .id = "vol", .path = path, .writeback = true };
    struct err e;

    image = memfd_create("disk", 0);
    cr_assert_eq(ftruncate(image, 1 << 20), 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
    cr_assert_eq(blk_create(&disk, &config, &e), 0, "%s", e.text);
    return &disk->virtio;
}

static void blk_close(void)
{
    blk_destroy(disk);
    close(image);
}

static const struct virtio_blk_outhdr unknown = { .type = 99 };
static const struct virtio_blk_outhdr identify = { .type = VIRTIO_BLK_T_GET_ID };
static const struct virtio_blk_outhdr read_sector = { .type = VIRTIO_BLK_T_IN };

EACH(disk_refused, blk_open, blk_close, 0, 64, &unknown, sizeof(unknown),
     { { DATA, 16, 0 }, { STATUS, 1, VD_WRITE } }, NULL)
EACH(disk_identified, blk_open, blk_close, 0, 64, &identify, sizeof(identify),
     { { DATA, 16, 0 }, { STATUS + 16, 20, VD_WRITE }, { STATUS, 1, VD_WRITE } }, NULL)
EACH(disk_read, blk_open, blk_close, 0, 64, &read_sector, sizeof(read_sector),
     { { DATA, 16, 0 }, { STATUS + 512, 512, VD_WRITE }, { STATUS, 1, VD_WRITE } }, NULL)

/* Network. What the guest sends is too short for a frame, so it costs the tap nothing. */

static struct net *net;
static int host;

static struct virtio_device *net_open(void)
{
    struct net_setup setup = { .id = "eth0", .tap = { .name = "tap0" } };
    int pair[2];
    struct err e;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    setup.tap.fd = pair[0];
    host = pair[1];
    cr_assert_eq(net_create(&net, &setup, &e), 0, "%s", e.text);
    return net_device(net);
}

static void net_close(void)
{
    net_destroy(net);
    close(host);
}

static void frames_send(void)
{
    static const uint8_t frame[100];

    for (unsigned i = 0; i < 4; i++)
        (void)send(host, frame, sizeof(frame), MSG_DONTWAIT);
}

EACH(net_received, net_open, net_close, 0, 128, NULL, 0, { { DATA, 2048, VD_WRITE } }, frames_send)
EACH(net_sent, net_open, net_close, 1, 128, NULL, 0, { { DATA, 20, 0 } }, NULL)

/* vsock: packets for connections that do not exist. */

static struct vsock *vsock;
static char folder[32], uds[64];

static struct virtio_device *vsock_open(void)
{
    const struct vsock_config config = { .cid = CID, .uds_path = uds };
    struct err e;

    strcpy(folder, "/tmp/test_turns.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(uds, sizeof(uds), "%s/v.sock", folder);
    cr_assert_eq(vsock_create(&vsock, &config, &e), 0, "%s", e.text);
    return vsock_device(vsock);
}

static void vsock_close(void)
{
    vsock_destroy(vsock);
    cr_assert_eq(rmdir(folder), 0);
}

static const struct virtio_vsock_hdr rst = {
    .src_cid = CID,
    .dst_cid = 2,
    .type = VIRTIO_VSOCK_TYPE_STREAM,
    .op = VIRTIO_VSOCK_OP_RST,
};

EACH(vsock_sent, vsock_open, vsock_close, 1, 128, &rst, sizeof(rst), { { DATA, sizeof(rst), 0 } },
     NULL)

/* A server on the host, to which the guest connects first, writes without end. */
static int server, peer;

static struct virtio_device *vsock_open_served(void)
{
    struct virtio_device *v = vsock_open();
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s_7", uds);
    server = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    peer = -1;
    cr_assert_eq(bind(server, (struct sockaddr *)&at, sizeof(at)), 0);
    cr_assert_eq(listen(server, 1), 0);
    return v;
}

static void vsock_close_served(void)
{
    char path[80];

    (void)snprintf(path, sizeof(path), "%s_7", uds);
    cr_assert_eq(unlink(path), 0);
    close(server);
    close(peer);
    vsock_close();
}

static void bytes_send(void)
{
    static const uint8_t much[4096];

    if (d.queue[1].offered == 0) {
        (void)vd_chain(&d, 1, &(struct vd_buf){ DATA + 8192, sizeof(much), 0 }, 1);
        memcpy(vd_at(&d, DATA + 8192, sizeof(much)),
               &(struct virtio_vsock_hdr){ .src_cid = CID,
                                           .dst_cid = 2,
                                           .src_port = 1,
                                           .dst_port = 7,
                                           .type = VIRTIO_VSOCK_TYPE_STREAM,
                                           .op = VIRTIO_VSOCK_OP_REQUEST,
                                           .buf_alloc = UINT32_MAX },
               sizeof(struct virtio_vsock_hdr));
        vd_kick_hard(&d, 1);
    }
    if (peer < 0)
        peer = accept(server, NULL, NULL);
    for (unsigned i = 0; peer >= 0 && i < 4; i++)
        (void)send(peer, much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL);
}

EACH(vsock_received, vsock_open_served, vsock_close_served, 0, 64, NULL, 0,
     { { DATA, 4096, VD_WRITE } }, bytes_send)

/* Entropy. */

static struct rng *rng;

static struct virtio_device *rng_open(void)
{
    const struct rng_config config = { .ops = { 0 } };
    struct err e;

    cr_assert_eq(rng_create(&rng, &config, &e), 0);
    return &rng->virtio;
}

static void rng_close(void)
{
    rng_destroy(rng);
}

EACH(entropy, rng_open, rng_close, 0, 128, NULL, 0, { { DATA, 16, VD_WRITE } }, NULL)

/* Balloon. */

static struct balloon *balloon;

static struct virtio_device *balloon_open(void)
{
    const struct balloon_config config = { .ram = VD_LOW_END, .reporting = true };
    struct err e;

    cr_assert_eq(balloon_create(&balloon, &config, &e), 0, "%s", e.text);
    return &balloon->virtio;
}

static void balloon_close(void)
{
    balloon_destroy(balloon);
}

/* Page numbers that are not in RAM: sorting them is all the work. */
static const uint32_t pages[1024] = { [0 ... 1023] = 0xfffff };

EACH(balloon_inflated, balloon_open, balloon_close, 0, 8, pages, sizeof(pages),
     { { DATA, sizeof(pages), 0 } }, NULL)
EACH(balloon_reported, balloon_open, balloon_close, 3, 32, NULL, 0,
     { { VD_HIGH, 1 << 20, VD_WRITE } }, NULL)
