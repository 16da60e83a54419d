/*
 * A vsock device between any driver and any programs on the host: one byte that configures it, then
 * steps of eight bytes, the first of which says what to do.
 *
 * The guest sends packets with any header, takes them or leaves them, scribbles on descriptors and
 * rings, kicks and resets; clients and a server on the host connect, write, read, shut down and
 * leave. Whatever they do, a good driver and a good client find each other afterwards.
 */
#include <linux/virtio_vsock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/vsock/vsock.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define STEP      8u
#define STEPS_MAX 192u
#define RX        0u
#define TX        1u
#define CID       3u
#define HEADER    ((uint32_t)sizeof(struct virtio_vsock_hdr))
#define BUFFERS   (VD_BUFFERS + 0x100000) /* where buffers of both queues lie and overlap */
#define PORT      52u                     /* where a server listens */
#define CLIENT    (UINT32_C(1) << 30)     /* the first port that a client gets */
#define PEERS     6u

enum config_bits {
    NO_EVENTS = 1,
    URING = 2,
    SMALL = 4, /* three connections at a time */
    BY_REGISTER = 8,
};

static struct vd d;
static struct vsock *vsock;
static char folder[] = "/tmp/fuzz_vsock.XXXXXX", uds[40], server_path[48];
static int server, peers[PEERS];
static uint8_t bytes[1u << 17];

static void folder_remove(void)
{
    (void)unlink(server_path);
    (void)rmdir(folder);
}

static int unix_socket(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct sockaddr_un at;

    (void)argc, (void)argv;
    NEED(log_open(&(struct log_config){ .level = LOG_OFF }, NULL) == 0);
    NEED(mkdtemp(folder));
    (void)atexit(folder_remove);
    (void)snprintf(uds, sizeof(uds), "%s/v", folder);
    (void)snprintf(server_path, sizeof(server_path), "%s_%u", uds, PORT);
    server = unix_socket(&at, server_path);
    NEED(bind(server, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(server, 2) == 0);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

/* The guest. */

static uint32_t length(uint8_t a, uint8_t b)
{
    return (a & 63u) * 1024 + b;
}

/* The port of a connection that may well exist. */
static uint32_t host_port(uint8_t b)
{
    const uint32_t ports[] = { PORT,       PORT + 1,   CLIENT, CLIENT + 1,
                               CLIENT + 2, CLIENT + 3, 0,      UINT32_MAX };

    return ports[b >> 2 & 7];
}

static void packet(const uint8_t *b)
{
    static const uint32_t credit[] = { 0, 1, 100, 4096, 65536, 1u << 20, UINT32_MAX, 5000 };
    uint32_t len = length(b[3], b[4]);
    uint32_t cut = b[4] & 1 ? HEADER : HEADER / 2;
    struct virtio_vsock_hdr h = { .src_cid = b[1] & 16 ? b[7] : CID,
                                  .dst_cid = b[1] & 32 ? b[7] : 2,
                                  .src_port = b[2] & 3,
                                  .dst_port = host_port(b[2]),
                                  .len = len + (b[3] & 128 ? b[7] * 4097u : 0),
                                  .type = b[1] & 8 ? b[7] : 1,
                                  .op = b[1] & 7,
                                  .flags = b[5],
                                  .buf_alloc = credit[b[6] & 7],
                                  .fwd_cnt = (b[6] >> 3) * 999u };
    gpa_t at = BUFFERS + b[7] * UINT64_C(0x1000);

    memcpy(vd_at(&d, at, HEADER), &h, HEADER);
    memcpy(vd_at(&d, at + HEADER, len), bytes, len);
    (void)(b[1] & 64 ? vd_indirect : vd_chain)(
        &d, TX,
        (struct vd_buf[]){ { at, cut, 0 },
                           { at + cut, HEADER + len - cut, b[3] & 64 ? VD_WRITE : 0 } },
        2);
    if (b[1] & 128)
        (void)vd_kick(&d, TX);
    if (b[1] & 64)
        d.free = VD_BUFFERS;
}

static void offer_buffers(const uint8_t *b)
{
    uint32_t len = length(b[2], b[3]);
    unsigned chains = 1 + (b[1] & 31u);

    for (unsigned i = 0; i < chains; i++) {
        gpa_t at = BUFFERS + (b[4] + i) * UINT64_C(0x1000);
        (void)vd_chain(
            &d, RX, (struct vd_buf[]){ { at, 20, VD_WRITE }, { at + 20, HEADER + len, VD_WRITE } },
            2);
    }
    if (b[5] & 1)
        (void)vd_kick(&d, RX);
}

/* The places include rings: a packet may be written over its own descriptors. */
static void descriptor(const uint8_t *b)
{
    static const gpa_t places[] = { BUFFERS, VD_LOW_END - 16, VD_HIGH,    VD_HIGH_END - 16,
                                    0x10000, 0x14000,         VD_LOW_END, UINT64_MAX - 15 };
    struct vring_desc desc = { places[b[2] & 7] + b[3], length(b[4], b[5]), b[6] & 7u, b[7] };

    if (b[2] & 8)
        desc.len = UINT32_MAX - b[5];
    vd_desc(&d, b[2] & 16 ? TX : RX, b[1], desc);
}

static void offer_raw(const uint8_t *b)
{
    unsigned queue = b[1] & 3;

    if (queue > 2)
        queue = TX;
    vd_offer(&d, queue, b[2]);
    if (b[3] & 128)
        d.queue[queue].offered = (uint16_t)(d.queue[queue].offered + b[4]);
    vd_publish(&d, queue);
    vd_kick_hard(&d, queue);
}

static void settle(void)
{
    vd_settle(&d);
    for (unsigned i = 0; i < 3; i++) { /* the index alone: the rings may be scribbled on */
        struct vd_queue *q = &d.queue[i];
        q->reaped = q->used->idx;
    }
}

/* The host. */

static void line_send(int fd, const uint8_t *b)
{
    static const char *const lines[] = {
        "CONNECT 0\n", "CONNECT 1\n", "CONNECT 2\n", "CONNECT 3\n",
        "CON",         "NECT 1",      "\n",          "connect x\n"
    };
    const char *text = lines[b[3] & 7];

    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
    if (b[3] & 8)
        (void)send(fd, b + 4, 4, MSG_NOSIGNAL);
}

static void peer_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void dial(int *fd)
{
    struct sockaddr_un to;

    peer_close(fd);
    *fd = unix_socket(&to, uds);
    NEED(*fd >= 0);
    if (connect(*fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        peer_close(fd);
}

static void host(const uint8_t *b)
{
    int *fd = &peers[(b[1] >> 4) % PEERS];
    uint8_t some[4096];

    switch (b[1] & 7) {
    case 0:
        dial(fd);
        line_send(*fd, b);
        break;
    case 1:
        line_send(*fd, b);
        break;
    case 2:
        (void)send(*fd, bytes, length(b[3], b[4]), MSG_NOSIGNAL);
        break;
    case 3:
        for (unsigned i = 0; i < b[3] && recv(*fd, some, sizeof(some), 0) > 0; i++)
            ;
        break;
    case 4:
        (void)shutdown(*fd, b[3] % 3);
        break;
    case 5:
        peer_close(fd);
        break;
    case 6:
        peer_close(fd);
        *fd = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        break;
    case 7:
        vsock_transport_reset(vsock);
        break;
    }
}

/* Steps. */

static void start(uint8_t config)
{
    d.by_register = config & BY_REGISTER;
    d.free = VD_BUFFERS;
    vd_start(&d, config & NO_EVENTS ? UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX : 0);
}

static void step(const uint8_t *b, uint8_t config)
{
    switch (b[0] & 7) {
    case 0:
    case 1:
        packet(b);
        break;
    case 2:
        offer_buffers(b);
        break;
    case 3:
        descriptor(b);
        break;
    case 4:
        offer_raw(b);
        break;
    case 5:
        settle();
        break;
    case 6:
        start(config);
        break;
    case 7:
        host(b);
        break;
    }
}

/* A good pair. */

static gpa_t buffer; /* the one buffer that the good driver has offered; 0: none */

static bool hears(struct virtio_vsock_hdr *h)
{
    struct vd_used used;

    if (buffer == 0) {
        buffer = vd_alloc(&d, 4096);
        (void)vd_chain(&d, RX, &(struct vd_buf){ buffer, 4096, VD_WRITE }, 1);
        (void)vd_kick(&d, RX);
    }
    vd_settle(&d);
    if (!vd_reap(&d, RX, &used))
        return false;
    NEED(used.len >= HEADER);
    memcpy(h, vd_at(&d, buffer, HEADER), HEADER);
    buffer = 0;
    return true;
}

static void answer(const struct virtio_vsock_hdr *to, uint16_t op, uint32_t len)
{
    const struct virtio_vsock_hdr h = { .src_cid = CID,
                                        .dst_cid = 2,
                                        .src_port = to->dst_port,
                                        .dst_port = to->src_port,
                                        .len = len,
                                        .type = 1,
                                        .op = op,
                                        .buf_alloc = 4096 };
    gpa_t at = vd_alloc(&d, HEADER + len);

    memcpy(vd_at(&d, at, HEADER), &h, HEADER);
    memcpy(vd_at(&d, at + HEADER, len), bytes, len);
    (void)vd_chain(&d, TX, &(struct vd_buf){ at, HEADER + len, 0 }, 1);
    (void)vd_kick(&d, TX);
    NEED(vd_await(&d, TX).len == 0);
}

/* Refuses the clients that were waiting at the socket for a driver. */
static void refuse_all(void)
{
    struct virtio_vsock_hdr h;

    while (hears(&h))
        if (h.op == VIRTIO_VSOCK_OP_REQUEST)
            answer(&h, VIRTIO_VSOCK_OP_RST, 0);
}

static void meet(void)
{
    struct virtio_vsock_hdr h;
    char text[32] = "";
    int fd = -1;

    start(0);
    buffer = 0;
    refuse_all();
    dial(&fd);
    NEED(fd >= 0 && send(fd, "CONNECT 7\nhello", 15, MSG_NOSIGNAL) == 15);
    NEED(hears(&h) && h.op == VIRTIO_VSOCK_OP_REQUEST && h.dst_port == 7);
    answer(&h, VIRTIO_VSOCK_OP_RESPONSE, 0);
    NEED(hears(&h) && h.op == VIRTIO_VSOCK_OP_RW && h.dst_port == 7 && h.len == 5);
    answer(&h, VIRTIO_VSOCK_OP_RW, 10);
    NEED(recv(fd, text, sizeof(text), 0) == 14 + 10); /* "OK 1073741824\n" */
    NEED(memcmp(text, "OK 10737418", 11) == 0 && memcmp(text + 14, bytes, 10) == 0);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vsock_config config = { .cid = CID, .uds_path = uds };
    int fd;

    if (size < 1)
        return 0;
    config.conns_max = data[0] & SMALL ? 3 : 0;
    NEED(vsock_create(&vsock, &config, NULL) == 0);
    memset(peers, -1, sizeof(peers));
    vd_init(&d, data[0] & URING ? LOOP_URING : LOOP_EPOLL);
    d.hostile = true;
    vd_plug(&d, vsock_device(vsock));
    d.device->resets = (struct rate_limiter){ 0 }; /* no limit, to save time */
    start(data[0]);
    for (size_t i = 1; i + STEP <= size && i < 1 + STEP * STEPS_MAX; i += STEP)
        step(data + i, data[0]);
    for (unsigned i = 0; i < PEERS; i++)
        peer_close(&peers[i]);
    meet();
    vd_finish(&d);
    vsock_destroy(vsock);
    while ((fd = accept(server, NULL, NULL)) >= 0)
        (void)close(fd);
    return 0;
}
