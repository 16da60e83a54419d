/*
 * run=vsock: one connection to port= of the host, for ms= milliseconds.
 *
 *   way=out    bytes to whoever listens there, in packets of 64 KiB, as its credit allows
 *   way=in     bytes from there, into buffers of 4 KiB, as Linux's driver has them
 *   way=back   64 bytes there and back, one at a time
 *
 * The result counts bytes, or round trips for way=back.
 */
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>

#include "guest/guest.h"
#include "guest/virtio.h"

#define RX 0u
#define TX 1u

#define HEADER   ((uint32_t)sizeof(struct virtio_vsock_hdr))
#define HOST_CID 2u
#define PORT     1024u

#define SENT_AT       (UINT64_C(4) << 20) /* after the program, SENT_SIZE a packet */
#define SENT_SIZE     0x11000u
#define SENT_MAX      32u
#define PAYLOAD       (64u << 10)
#define RECEIVED_AT   (UINT64_C(64) << 20) /* RECEIVED_SIZE a buffer */
#define RECEIVED_SIZE (HEADER + 4096u)
#define TRIP          64u
#define ALLOC         (256u << 10) /* buf_alloc: bytes that the host may have in flight */

#define WARM_UP_MS 50u
#define NS_PER_MS  1000000u

static struct device device;
static struct queue rx, tx;
static uint64_t cid;
static uint32_t host_port;

static uint16_t idle[SENT_MAX]; /* packets that are not with the device */
static unsigned idle_count;

static bool connected;
static uint32_t host_alloc, host_forwarded; /* the host's last buf_alloc and fwd_cnt */
static uint32_t sent, received, told;       /* bytes of the connection, free-running */

static void *at(uint64_t address)
{
    return (void *)address;
}

/* Sends a packet with len bytes of whatever memory holds after its header. */
static void send(uint16_t op, uint32_t len)
{
    uint16_t i = idle[--idle_count];
    struct virtio_vsock_hdr *h = at(SENT_AT + i * (uint64_t)SENT_SIZE);

    *h = (struct virtio_vsock_hdr){ .src_cid = cid,
                                    .dst_cid = HOST_CID,
                                    .src_port = PORT,
                                    .dst_port = host_port,
                                    .len = len,
                                    .type = VIRTIO_VSOCK_TYPE_STREAM,
                                    .op = op,
                                    .buf_alloc = ALLOC,
                                    .fwd_cnt = received };
    tx.desc[i] = (struct vring_desc){ (uintptr_t)h, HEADER + len, 0, 0 };
    queue_offer(&tx, i);
    sent += len;
    told = received;
}

static void buffer_offer(uint16_t i)
{
    rx.desc[i] = (struct vring_desc){ RECEIVED_AT + i * (uint64_t)RECEIVED_SIZE, RECEIVED_SIZE,
                                      VRING_DESC_F_WRITE, 0 };
    queue_offer(&rx, i);
}

static void hear(const struct virtio_vsock_hdr *h)
{
    host_alloc = h->buf_alloc;
    host_forwarded = h->fwd_cnt;
    if (h->op == VIRTIO_VSOCK_OP_RESPONSE)
        connected = true;
    else if (h->op == VIRTIO_VSOCK_OP_RW)
        received += h->len;
    else if (h->op == VIRTIO_VSOCK_OP_RST || h->op == VIRTIO_VSOCK_OP_SHUTDOWN)
        fail("the host hung up");
}

/* Takes what came back and what arrived, and gives the host new credit before it runs out. */
static void turn(void)
{
    struct vring_used_elem e;

    while (queue_reap(&tx, &e))
        idle[idle_count++] = (uint16_t)e.id;
    while (queue_reap(&rx, &e)) {
        hear(at(RECEIVED_AT + e.id * (uint64_t)RECEIVED_SIZE));
        buffer_offer((uint16_t)e.id);
    }
    if (received - told >= ALLOC / 4 && idle_count > 0)
        send(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
    queue_publish(&tx);
    queue_publish(&rx);
    pause();
}

static void vsock_start(void)
{
    if (!device_find(&device, VIRTIO_ID_VSOCK))
        fail("there is no vsock");
    device_negotiate(&device, 0);
    (void)queue_set_up(&rx, &device, RX);
    (void)queue_set_up(&tx, &device, TX);
    device_ready(&device);
    cid = *(volatile const uint32_t *)(device.window + 0x100);
    for (uint16_t i = 0; i < SENT_MAX; i++)
        idle[idle_count++] = i;
    for (uint16_t i = 0; i < rx.size; i++)
        buffer_offer(i);
    send(VIRTIO_VSOCK_OP_REQUEST, 0);
    while (!connected)
        turn();
}

static uint64_t send_until(uint64_t end_ns)
{
    uint64_t bytes = 0;

    do {
        for (; idle_count > 1 && host_alloc - (sent - host_forwarded) >= PAYLOAD; bytes += PAYLOAD)
            send(VIRTIO_VSOCK_OP_RW, PAYLOAD);
        turn();
    } while (now_ns() < end_ns);
    return bytes;
}

static uint64_t receive_until(uint64_t end_ns)
{
    uint64_t bytes = 0;

    do {
        uint32_t from = received;
        turn();
        bytes += received - from;
    } while (now_ns() < end_ns);
    return bytes;
}

static uint64_t trips_until(uint64_t end_ns)
{
    uint64_t trips = 0;

    do {
        uint32_t until = received + TRIP;
        send(VIRTIO_VSOCK_OP_RW, TRIP);
        while (received != until)
            turn();
        trips++;
    } while (now_ns() < end_ns);
    return trips;
}

void vsock_run(void)
{
    uint64_t (*work)(uint64_t) = arg_is("way", "out")  ? send_until
                                 : arg_is("way", "in") ? receive_until
                                                       : trips_until;
    uint64_t start_ns, done;

    host_port = (uint32_t)arg_number("port", 52);
    vsock_start();
    (void)work(now_ns() + WARM_UP_MS * NS_PER_MS);
    start_ns = now_ns();
    done = work(start_ns + arg_number("ms", 1000) * NS_PER_MS);
    say_result(done, now_ns() - start_ns);
}
