/*
 * run=net: frames of a tap's network, for ms= milliseconds.
 *
 *   way=out    frames for an address that the host does not have, so that it drops them; depth= in
 *              flight
 *   way=back   packets that the host's kernel forwards to where they came from; depth= on their way
 *              there and back
 *   size=frame|segment   1,514 bytes, or a TCP segment of 64 KiB that the host may cut
 *
 * The host's end has host_mac and forwards what arrives for 10.9.0.3. What is lost on the way there
 * and back is counted on a line of its own.
 */
#include <linux/if_ether.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "guest/guest.h"
#include "guest/virtio.h"

#define RX 0u
#define TX 1u

#define HEADER      sizeof(struct virtio_net_hdr_v1)
#define IP_LEN      20u
#define TCP_LEN     20u
#define SEGMENT     1448u
#define FRAME_LEN   1514u
#define SEGMENT_LEN (ETH_HLEN + IP_LEN + TCP_LEN + 45u * SEGMENT)

#define SENT_AT       (UINT64_C(4) << 20) /* after the program, SENT_SIZE a frame */
#define SENT_SIZE     0x11000u
#define RECEIVED_AT   (UINT64_C(64) << 20) /* RECEIVED_SIZE a buffer */
#define RECEIVED_SIZE 4096u

#define WARM_UP_MS  50u
#define NS_PER_MS   1000000u
#define PATIENCE_NS (20 * UINT64_C(1000000)) /* so long after the last arrival the rest is lost */

#define BIT(feature) (UINT64_C(1) << (feature))

static const uint8_t host_mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t guest_mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 9 };
static const uint8_t no_mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 0xee };

static struct device device;
static struct queue rx, tx;

static uint32_t depth, frame_len;
static bool back, segments;

static uint16_t idle[QUEUE_SIZE]; /* frames that are not with the device */
static unsigned idle_count;
static uint64_t under_way, lost;
static uint64_t progress_ns;

static void *at(uint64_t address)
{
    return (void *)address;
}

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static void ip_write(uint8_t *ip)
{
    static const uint8_t from_to[] = { 10, 9, 0, 2, 10, 9, 0, 3 };
    uint32_t sum = 0;

    ip[0] = 0x45;
    put16(ip + 2, frame_len - ETH_HLEN);
    ip[8] = 64;                /* hops */
    ip[9] = segments ? 6 : 17; /* TCP, UDP */
    for (unsigned i = 0; i < sizeof(from_to); i++)
        ip[12 + i] = from_to[i];
    for (unsigned i = 0; i < IP_LEN; i += 2)
        sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~(sum + (sum >> 16)));
}

static void frame_make(uint16_t i)
{
    struct virtio_net_hdr_v1 *h = at(SENT_AT + i * (uint64_t)SENT_SIZE);
    uint8_t *frame = (uint8_t *)h + HEADER;

    if (segments)
        *h = (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                         .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                         .hdr_len = ETH_HLEN + IP_LEN + TCP_LEN,
                                         .gso_size = SEGMENT,
                                         .csum_start = ETH_HLEN + IP_LEN,
                                         .csum_offset = 16 };
    for (unsigned k = 0; k < ETH_ALEN; k++) {
        frame[k] = back ? host_mac[k] : no_mac[k];
        frame[ETH_ALEN + k] = guest_mac[k];
    }
    put16(frame + 2 * ETH_ALEN, ETH_P_IP);
    ip_write(frame + ETH_HLEN);
    if (segments) {
        frame[ETH_HLEN + IP_LEN + 12] = TCP_LEN / 4 << 4;
        frame[ETH_HLEN + IP_LEN + 13] = 0x10; /* an acknowledgement */
    }
    tx.desc[i] = (struct vring_desc){ (uintptr_t)h, (uint32_t)HEADER + frame_len, 0, 0 };
    idle[idle_count++] = i;
}

static void buffer_offer(uint16_t i)
{
    rx.desc[i] = (struct vring_desc){ RECEIVED_AT + i * (uint64_t)RECEIVED_SIZE, RECEIVED_SIZE,
                                      VRING_DESC_F_WRITE, 0 };
    queue_offer(&rx, i);
}

static void net_start(void)
{
    if (!device_find(&device, VIRTIO_ID_NET))
        fail("there is no network");
    device_negotiate(&device, BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
                                  BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO4) |
                                  BIT(VIRTIO_NET_F_MRG_RXBUF));
    if (segments && !(device.features & BIT(VIRTIO_NET_F_HOST_TSO4)))
        fail("the host cuts no segments");
    (void)queue_set_up(&rx, &device, RX);
    (void)queue_set_up(&tx, &device, TX);
    device_ready(&device);
    if (depth > tx.size)
        fail("the queue is shorter than the depth");
    for (uint16_t i = 0; i < depth; i++)
        frame_make(i);
    for (uint16_t i = 0; i < rx.size; i++)
        buffer_offer(i);
    queue_publish(&rx);
}

/* Whether the buffer begins one of this guest's frames; the host sends some of its own. */
static bool is_ours(const uint8_t *buffer)
{
    const uint8_t *ip = buffer + HEADER + ETH_HLEN;

    return ip[0] == 0x45 && ip[12] == 10 && ip[15] == 2 && ip[19] == 3;
}

/* Takes what came; returns how many of this guest's frames it was. */
static uint64_t receive(void)
{
    static unsigned rest; /* buffers of the current frame that are yet to come */
    struct vring_used_elem e;
    uint64_t count = 0;

    while (queue_reap(&rx, &e)) {
        const uint8_t *buffer = at(RECEIVED_AT + e.id * (uint64_t)RECEIVED_SIZE);
        if (rest > 0) {
            rest--;
        } else {
            rest = ((const struct virtio_net_hdr_v1 *)buffer)->num_buffers - 1u;
            count += is_ours(buffer);
        }
        buffer_offer((uint16_t)e.id);
    }
    return count;
}

static uint64_t sent(void)
{
    struct vring_used_elem e;
    uint64_t count = 0;

    for (; queue_reap(&tx, &e); count++)
        idle[idle_count++] = (uint16_t)e.id;
    return count;
}

static void lose(uint64_t now)
{
    if (now - progress_ns < PATIENCE_NS)
        return;
    lost += under_way;
    under_way = 0;
    progress_ns = now;
}

/* Keeps `depth` frames in flight until then; returns how many arrived. */
static uint64_t work_until(uint64_t end_ns)
{
    uint64_t done = 0, now;

    do {
        uint64_t left = sent(), came = receive();
        uint64_t arrived = back ? came : left;
        now = now_ns();
        under_way -= arrived < under_way ? arrived : under_way;
        done += arrived;
        if (arrived > 0)
            progress_ns = now;
        else if (back)
            lose(now);
        for (; under_way < depth && idle_count > 0; under_way++)
            queue_offer(&tx, idle[--idle_count]);
        queue_publish(&tx);
        queue_publish(&rx);
        pause();
    } while (now < end_ns);
    return done;
}

void net_run(void)
{
    uint64_t start_ns, done;

    depth = (uint32_t)arg_number("depth", 1);
    back = arg_is("way", "back");
    segments = arg_is("size", "segment");
    frame_len = segments ? SEGMENT_LEN : FRAME_LEN;
    if (depth < 1 || depth > QUEUE_SIZE)
        fail("a depth is 1 to 256");
    net_start();
    progress_ns = now_ns();
    (void)work_until(now_ns() + WARM_UP_MS * NS_PER_MS);
    start_ns = now_ns();
    lost = 0;
    done = work_until(start_ns + arg_number("ms", 1000) * NS_PER_MS);
    say_result(done, now_ns() - start_ns);
    if (lost > 0) {
        say_number(lost);
        say(" were lost\n");
    }
}
