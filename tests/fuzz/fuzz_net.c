/*
 * A network device between any driver and any host: one byte that configures it, then steps of
 * eight bytes, the first of which says what to do.
 *
 * Both sides send frames of every size after any header about checksums and segments, and take
 * them or leave them; the driver scribbles on descriptors and rings, kicks and resets. Whatever
 * they do, a good driver receives and sends a frame afterwards, unless the host hung up or the
 * device is limited.
 */
#include <signal.h>
#include <stdlib.h>

#include "core/log/log.h"
#include "fuzz/net_wire.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/net/net.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define STEP      8u
#define STEPS_MAX 128u
#define RX        0u
#define TX        1u
#define HEADER    ((uint32_t)sizeof(struct virtio_net_hdr_v1))
#define FRAME_MAX (ETH_HLEN + 4u + 65535u + 64u) /* a little more than any frame */
#define BUFFERS   (VD_BUFFERS + 0x200000)        /* where raw descriptors may point */
#define GOOD_LEN  1500u
#define GOOD_TYPE 0x88b5u /* for experiments (IEEE 802): no host's kernel sends it by itself */

#define BIT(feature) (UINT64_C(1) << (feature))

enum config_bits {
    NOT_MERGEABLE = 1,
    NO_EVENTS = 2,
    LIMITED = 4,
    OFFLOADS = 8,
    REAL_TAP = 16,
    URING = 32,
    NO_OFFLOADS_TAKEN = 64,
};

static struct vd d;
static struct net *net;
static struct wire wire;
static uint8_t frame[FRAME_MAX];

static const uint8_t mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 9 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    NEED(log_open(&(struct log_config){ .level = LOG_OFF }, NULL) == 0);
    (void)signal(SIGPIPE, SIG_IGN);
    wire_prepare();
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

/* Small, about that of an Ethernet frame, or anything up to the longest. */
static uint32_t length(uint8_t a, uint8_t b)
{
    static const uint32_t from[] = { 0, 1500, 0x7f00, 0xff80 };
    uint32_t len = from[a & 3] + b + (a & 4 ? (a >> 3) * 257u : 0);

    return len < FRAME_MAX ? len : FRAME_MAX;
}

/* A header about checksum and segments: often possible, seldom true. */
static struct virtio_net_hdr_v1 header(const uint8_t *b)
{
    static const uint16_t numbers[] = { 0, 14, 34, 54, 1448, 16, 6, 0xffff };

    return (struct virtio_net_hdr_v1){
        .flags = b[0] & 7,
        .gso_type = (uint8_t)(b[0] >> 3 & 7) | (b[0] & 64 ? VIRTIO_NET_HDR_GSO_ECN : 0),
        .hdr_len = numbers[b[1] & 7],
        .gso_size = numbers[b[1] >> 3 & 7],
        .csum_start = numbers[b[2] & 7],
        .csum_offset = numbers[b[2] >> 3 & 7],
        .num_buffers = b[1] >> 6,
    };
}

/* Writes addresses and type, and often the start of a packet that the header may be about. */
static void frame_begin(uint8_t kind)
{
    static const uint8_t ip4_tcp[] = { 0x45, 0, 5, 0xdc, 0, 0, 0, 0, 64, 6 };
    static const uint8_t ip6_tcp[] = { 0x60, 0, 0, 0, 5, 0xdc, 6, 64 };
    uint16_t type = htons(kind & 1 ? ETH_P_IP : kind & 2 ? ETH_P_IPV6 : GOOD_TYPE);

    memset(frame, 0xff, ETH_ALEN);
    memcpy(frame + ETH_ALEN, mac, ETH_ALEN);
    memcpy(frame + 2 * ETH_ALEN, &type, sizeof(type));
    memcpy(frame + ETH_HLEN, kind & 1 ? ip4_tcp : ip6_tcp, sizeof(ip6_tcp));
}

/* Sends a frame, header first, in two buffers that are cut anywhere. */
static void transmit(const uint8_t *b)
{
    struct virtio_net_hdr_v1 h = header(b + 1);
    uint32_t len = HEADER + length(b[4], b[5]);
    uint32_t cut = b[6] < len ? b[6] : len;
    struct vd_buf bufs[2];
    gpa_t at;

    d.free = VD_BUFFERS;
    at = vd_alloc(&d, HEADER + FRAME_MAX);
    frame_begin(b[7]);
    memcpy(vd_at(&d, at, HEADER), &h, HEADER);
    memcpy(vd_at(&d, at + HEADER, len), frame, len - HEADER);
    bufs[0] = (struct vd_buf){ at, cut, 0 };
    bufs[1] = (struct vd_buf){ at + cut, len - cut, b[7] & 64 ? VD_WRITE : 0 };
    (void)(b[7] & 128 ? vd_indirect : vd_chain)(&d, TX, bufs, 2);
    if (b[7] & 32)
        (void)vd_kick(&d, TX);
}

/* Offers some chains of one length, each in up to four pieces. */
static void offer_buffers(const uint8_t *b)
{
    uint32_t len = length(b[2], b[3]);
    unsigned pieces = 1 + (b[1] >> 6), chains = 1 + (b[1] & 31u);
    struct vd_buf bufs[4];

    d.free = VD_BUFFERS;
    for (unsigned i = 0; i < chains; i++) {
        gpa_t at = BUFFERS + i * UINT64_C(0x4000);
        for (unsigned k = 0; k < pieces; k++)
            bufs[k] = (struct vd_buf){ at + k * (len / pieces), len / pieces, VD_WRITE };
        (void)(b[4] & 1 ? vd_indirect : vd_chain)(&d, RX, bufs, pieces);
    }
    if (b[4] & 2)
        (void)vd_kick(&d, RX);
}

/* The places include rings: a frame may be written over its own descriptors. */
static void descriptor(const uint8_t *b)
{
    static const gpa_t places[] = { BUFFERS, VD_LOW_END - 16, VD_HIGH,    VD_HIGH_END - 16,
                                    0x10000, 0x12000,         VD_LOW_END, UINT64_MAX - 15 };
    struct vring_desc desc = { places[b[2] & 7] + b[3], length(b[4], b[5]), b[6] & 7u, b[7] };

    if (b[2] & 8)
        desc.len = UINT32_MAX - b[5];
    if (b[2] & 16)
        memcpy(vd_at(&d, BUFFERS + b[3] * 16u, 16), &desc, 16); /* into an indirect table */
    else
        vd_desc(&d, b[2] >> 7, b[1], desc);
}

static void offer_raw(const uint8_t *b)
{
    unsigned queue = b[2] & 1;
    struct vd_queue *q = &d.queue[queue];

    vd_offer(&d, queue, b[1]);
    q->offered = (uint16_t)(q->offered + (b[2] & 128 ? b[3] : 0));
    vd_publish(&d, queue);
    vd_kick_hard(&d, queue);
}

/* The driver does not look at what was used: it may have described its own rings as buffers. */
static void settle(void)
{
    vd_settle(&d);
    for (unsigned i = 0; i < 2; i++)
        d.queue[i].avail->ring[d.queue[i].size] = d.queue[i].used->idx; /* used_event */
}

static void start(uint8_t config)
{
    uint64_t without = 0;

    if (config & NOT_MERGEABLE)
        without |= BIT(VIRTIO_NET_F_MRG_RXBUF);
    if (config & NO_EVENTS)
        without |= BIT(VIRTIO_RING_F_EVENT_IDX);
    if (config & NO_OFFLOADS_TAKEN)
        without |= BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4);
    vd_start(&d, without);
}

static void host(const uint8_t *b)
{
    struct virtio_net_hdr_v1 h = header(b + 1);

    switch (b[0] >> 3 & 7) {
    case 0:
        wire_drain(&wire);
        break;
    case 1:
        wire_end(&wire);
        break;
    case 2:
        wire_close(&wire);
        break;
    default:
        frame_begin(b[7]);
        for (unsigned i = 0; i <= b[6] >> 4; i++)
            wire_send(&wire, &h, frame, length(b[4], b[5]));
        break;
    }
}

static void step(const uint8_t *b, uint8_t config)
{
    switch (b[0] & 7) {
    case 0:
        transmit(b);
        break;
    case 1:
        offer_buffers(b);
        break;
    case 2:
        descriptor(b);
        break;
    case 3:
        offer_raw(b);
        break;
    case 4:
    case 5:
        host(b);
        break;
    case 6:
        settle();
        break;
    case 7:
        start(b[1] & 1 ? config : b[2]);
        break;
    }
}

/* After all of that. */

static bool is_good(const uint8_t *is)
{
    return memcmp(is, frame, GOOD_LEN) == 0;
}

static gpa_t good_buffer(unsigned i)
{
    return VD_HIGH + i * UINT64_C(4096);
}

static bool has_arrived(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < d.queue[RX].size; i++)
        if (is_good(vd_at(&d, good_buffer(i) + HEADER, GOOD_LEN)))
            return true;
    return false;
}

static bool has_been_sent(void *arg)
{
    uint8_t is[GOOD_LEN];

    (void)arg;
    return wire_receive(&wire, is, sizeof(is)) == GOOD_LEN && is_good(is);
}

/* The kernel behind a real tap may send frames of its own first, so the good one may be in any
 * buffer. */
static void behave_receiving(void)
{
    const struct virtio_net_hdr_v1 none = { .num_buffers = 0 };

    memset(vd_at(&d, VD_HIGH, VD_HIGH_END - VD_HIGH), 0, VD_HIGH_END - VD_HIGH);
    frame_begin(0);
    wire_send(&wire, &none, frame, GOOD_LEN);
    for (unsigned i = 0; i < d.queue[RX].size; i++)
        (void)vd_chain(&d, RX, &(struct vd_buf){ good_buffer(i), 4096, VD_WRITE }, 1);
    (void)vd_kick(&d, RX);
    vd_run_until(&d, has_arrived, NULL);
}

static void behave_sending(void)
{
    struct vd_buf buf = { VD_BUFFERS, HEADER + GOOD_LEN, 0 };

    frame[ETH_HLEN] ^= 0xff; /* not the one that was received */
    memset(vd_at(&d, buf.at, HEADER), 0, HEADER);
    memcpy(vd_at(&d, buf.at + HEADER, GOOD_LEN), frame, GOOD_LEN);
    (void)vd_chain(&d, TX, &buf, 1);
    (void)vd_kick(&d, TX);
    vd_run_until(&d, has_been_sent, NULL);
}

static void behave(void)
{
    wire_drain(&wire);
    vd_start(&d, 0);
    behave_receiving();
    behave_sending();
    NEED(!vd_failed(&d));
}

static void device_open(uint8_t bits)
{
    struct net_setup setup = { .id = "fuzz", .has_mac = true };
    const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

    NEED(wire_open(&wire, bits & REAL_TAP, bits & OFFLOADS ? offloads : 0));
    memcpy(setup.mac, mac, sizeof(mac));
    setup.tap = wire.tap;
    if (bits & LIMITED)
        setup.rx.bandwidth = setup.tx.ops = (struct rate){ .per_s = 1, .burst = 5 };
    NEED(net_create(&net, &setup, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool ended = false;

    if (size < 1)
        return 0;
    device_open(data[0]);
    vd_init(&d, data[0] & URING ? LOOP_URING : LOOP_EPOLL);
    d.hostile = true;
    vd_plug(&d, net_device(net));
    d.device->resets = (struct rate_limiter){ 0 }; /* no limit, to save time */
    start(data[0]);
    for (size_t i = 1; i + STEP <= size && i < 1 + STEP * STEPS_MAX; i += STEP) {
        ended |= (data[i] & 7) / 2 == 2 && (data[i] >> 3 & 7) == 1;
        step(data + i, data[0]);
    }
    if (wire.fd >= 0 && (!ended || wire.is_real) && !(data[0] & LIMITED))
        behave();
    vd_finish(&d);
    net_destroy(net);
    wire_close(&wire);
    return 0;
}
