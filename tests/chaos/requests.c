/* The processors' requests: in each device's format, with lengths, places and values that are often
 * wrong and seldom by much. */
#include <linux/virtio_blk.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <unistd.h>

#include "chaos/guest.h"

#define WRITE VRING_DESC_F_WRITE

/* Disks, of 2048 sectors. */

static unsigned disk_data(struct guest *g, struct guest_buf *b, uint32_t type)
{
    bool out = type == VIRTIO_BLK_T_OUT;
    uint32_t len = one_in(&g->dice, 4) ? below(&g->dice, 70000) : (1 + below(&g->dice, 16)) * 512;
    unsigned parts = 1 + below(&g->dice, 6);

    for (unsigned i = 0; i < parts; i++) {
        gpa_t at = guest_place(g, len);
        if (one_in(&g->dice, 2))
            at &= ~UINT64_C(511);
        b[i] = (struct guest_buf){ at, (len / parts + 511) / 512 * 512, out ? 0 : WRITE };
    }
    return parts;
}

static unsigned disk_range(struct guest *g, struct guest_buf *b)
{
    const struct virtio_blk_discard_write_zeroes range = { .sector = below(&g->dice, 2100),
                                                           .num_sectors = below(&g->dice, 300),
                                                           .flags = below(&g->dice, 2) };
    gpa_t at = guest_place(g, sizeof(range));

    guest_put(g, at, &range, sizeof(range));
    b[0] = (struct guest_buf){ at, sizeof(range), 0 };
    return 1;
}

static void disk(struct guest *g, unsigned device)
{
    static const uint32_t types[] = {
        VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,          VIRTIO_BLK_T_IN,
        VIRTIO_BLK_T_OUT,     VIRTIO_BLK_T_FLUSH,        VIRTIO_BLK_T_GET_ID,
        VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES, 99
    };
    const struct virtio_blk_outhdr header = { .type = types[below(&g->dice, 9)],
                                              .sector = below(&g->dice, 2100) };
    struct guest_buf b[8];
    unsigned count = 0;
    gpa_t at = guest_place(g, sizeof(header));

    guest_put(g, at, &header, sizeof(header));
    b[count++] = (struct guest_buf){ at, sizeof(header), 0 };
    if (header.type == VIRTIO_BLK_T_DISCARD || header.type == VIRTIO_BLK_T_WRITE_ZEROES)
        count += disk_range(g, b + count);
    else if (header.type != VIRTIO_BLK_T_FLUSH)
        count += disk_data(g, b + count, header.type);
    b[count++] = (struct guest_buf){ guest_place(g, 1), 1, WRITE };
    guest_chain(g, device, 0, b, count);
}

/* Network. */

static void net_receive(struct guest *g)
{
    for (unsigned left = 1 + below(&g->dice, 8); left > 0; left--) {
        uint32_t len = one_in(&g->dice, 3) ? 12 + below(&g->dice, 66000) : 1600;
        struct guest_buf b[2] = { { guest_place(g, 70000), len, WRITE },
                                  { guest_place(g, 100), 1 + below(&g->dice, 100), WRITE } };
        guest_chain(g, DEV_NET, 0, b, one_in(&g->dice, 4) ? 2 : 1);
    }
}

static void net_send(struct guest *g)
{
    const struct virtio_net_hdr_v1 header = { .flags = (uint8_t)below(&g->dice, 3),
                                              .gso_type = (uint8_t)below(&g->dice, 5),
                                              .hdr_len = (uint16_t)roll(&g->dice),
                                              .gso_size = (uint16_t)roll(&g->dice),
                                              .csum_start = (uint16_t)below(&g->dice, 100),
                                              .csum_offset = (uint16_t)below(&g->dice, 50) };
    uint32_t len = one_in(&g->dice, 3) ? below(&g->dice, 66000) : 72 + below(&g->dice, 1500);
    struct guest_buf b = { guest_place(g, 70000), len, 0 };

    guest_put(g, b.at, &header, sizeof(header));
    guest_chain(g, DEV_NET, 1, &b, 1);
}

/* Vsock. */

static void vsock_receive(struct guest *g)
{
    for (unsigned left = 1 + below(&g->dice, 16); left > 0; left--) {
        struct guest_buf b = { guest_place(g, 5000), 45 + below(&g->dice, 4500), WRITE };
        guest_chain(g, DEV_VSOCK, 0, &b, 1);
    }
}

/* The port of a server or of a client. */
static uint32_t vsock_port(struct guest *g)
{
    return one_in(&g->dice, 3) ? (UINT32_C(1) << 30) + below(&g->dice, 64)
                               : 50 + below(&g->dice, SERVERS + 1);
}

static void vsock_send(struct guest *g)
{
    static const uint32_t credit[] = { 0, 1, 4096, 65536, 1u << 20, UINT32_MAX };
    uint32_t len = one_in(&g->dice, 3) ? below(&g->dice, 140000) : below(&g->dice, 3000);
    const struct virtio_vsock_hdr header = {
        .src_cid = one_in(&g->dice, 40) ? roll(&g->dice) : 3,
        .dst_cid = one_in(&g->dice, 40) ? roll(&g->dice) : 2,
        .src_port = below(&g->dice, 12),
        .dst_port = vsock_port(g),
        .len = one_in(&g->dice, 20) ? roll(&g->dice) : len,
        .type = one_in(&g->dice, 40) ? 2 : 1,
        .op = (uint16_t)(1 + below(&g->dice, 8)),
        .flags = below(&g->dice, 5),
        .buf_alloc = credit[below(&g->dice, 6)],
        .fwd_cnt = one_in(&g->dice, 3) ? roll(&g->dice) : 0,
    };
    gpa_t at = guest_place(g, 150000);
    struct guest_buf b[2] = { { at, sizeof(header), 0 }, { at + sizeof(header), len, 0 } };

    guest_put(g, at, &header, sizeof(header));
    guest_chain(g, DEV_VSOCK, 1, b, len > 0 ? 2 : 1);
}

static void vsock(struct guest *g)
{
    struct guest_buf event = { guest_place(g, 8), 8, WRITE };

    if (one_in(&g->dice, 3))
        vsock_receive(g);
    else
        vsock_send(g);
    if (one_in(&g->dice, 50))
        guest_chain(g, DEV_VSOCK, 2, &event, 1);
}

/* Balloon. Requests are rare, since somebody works in each page that it takes. */

static uint32_t balloon_page(struct guest *g)
{
    if (!one_in(&g->dice, 4))
        return (uint32_t)(BUFFERS >> 12) + below(&g->dice, (uint32_t)(BUFFERS_LEN >> 12));
    return one_in(&g->dice, 8) ? roll(&g->dice) : (uint32_t)(HIGH >> 12) + below(&g->dice, 1024);
}

static void balloon_pages(struct guest *g, unsigned queue)
{
    uint32_t pages[1024];
    unsigned count = 1 + below(&g->dice, one_in(&g->dice, 8) ? 1024 : 40);
    struct guest_buf b = { guest_place(g, sizeof(pages)), count * 4, 0 };

    for (unsigned i = 0; i < count; i++)
        pages[i] = balloon_page(g);
    guest_put(g, b.at, pages, count * 4);
    guest_chain(g, DEV_BALLOON, queue, &b, 1);
}

static void balloon_free(struct guest *g, unsigned queue)
{
    struct guest_buf b[8];
    unsigned count = 1 + below(&g->dice, 7);

    for (unsigned i = 0; i < count; i++) {
        gpa_t at = one_in(&g->dice, 2) ? HIGH + ((gpa_t)below(&g->dice, 1000) << 12)
                                       : guest_place(g, 0x10000);
        b[i] = (struct guest_buf){ at, 4096 * (1 + below(&g->dice, 16)), WRITE };
    }
    guest_chain(g, DEV_BALLOON, queue, b, count);
}

static void balloon(struct guest *g)
{
    struct guest_buf stats = { guest_place(g, 200), 10 * (1 + below(&g->dice, 12)), 0 };
    unsigned queue = below(&g->dice, 4);

    if (!one_in(&g->dice, 300))
        (void)usleep(1);
    else if (queue < 2)
        balloon_pages(g, queue);
    else if (queue == 2 && one_in(&g->dice, 2))
        guest_chain(g, DEV_BALLOON, queue, &stats, 1);
    else
        balloon_free(g, queue);
}

static void rng(struct guest *g)
{
    struct guest_buf b[4];
    unsigned count = 1 + below(&g->dice, 4);

    for (unsigned i = 0; i < count; i++)
        b[i] = (struct guest_buf){ guest_place(g, 70000), below(&g->dice, 70000),
                                   one_in(&g->dice, 50) ? 0 : WRITE };
    guest_chain(g, DEV_RNG, 0, b, count);
}

void guest_request(struct guest *g, unsigned device)
{
    switch (device) {
    case DEV_NET:
        if (one_in(&g->dice, 2))
            net_receive(g);
        else
            net_send(g);
        break;
    case DEV_VSOCK:
        vsock(g);
        break;
    case DEV_BALLOON:
        balloon(g);
        break;
    case DEV_RNG:
        rng(g);
        break;
    default:
        disk(g, device);
        break;
    }
}
