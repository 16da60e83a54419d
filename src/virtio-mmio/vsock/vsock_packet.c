/* Headers of vsock packets. They are little-endian, as are the hosts that mote runs on. */
#include "virtio-mmio/vsock/vsock_packet.h"

#include <assert.h>

#include "virtio-mmio/queue/iov.h"

static_assert(sizeof(struct virtio_vsock_hdr) == 44, "5.10.6: the header has 44 bytes");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the header is read without conversion");

static const char *const texts[] = {
    [VSOCK_SOUND] = "it is sound",
    [VSOCK_BAD_SOURCE] = "its source is not the guest's CID",
    [VSOCK_BAD_DESTINATION] = "its destination is not the host's CID",
    [VSOCK_BAD_TYPE] = "its type is unknown",
    [VSOCK_BAD_OP] = "its operation is unknown",
    [VSOCK_BAD_LENGTH] = "it is shorter than its header says",
};
static_assert(sizeof(texts) / sizeof(texts[0]) == VSOCK_FAULTS, "every fault has a text");

const char *vsock_fault_text(enum vsock_fault fault)
{
    return texts[fault];
}

bool vsock_packet_read(struct virtio_vsock_hdr *h, const struct virtq_chain *c)
{
    return c->writable == 0 && iov_read(c->iov, c->readable, 0, h, sizeof(*h)) == sizeof(*h);
}

enum vsock_fault vsock_packet_judge(const struct virtio_vsock_hdr *h, uint64_t payload,
                                    uint32_t guest_cid)
{
    if (h->src_cid != guest_cid)
        return VSOCK_BAD_SOURCE;
    if (h->dst_cid != VSOCK_HOST_CID)
        return VSOCK_BAD_DESTINATION;
    if (h->type != VIRTIO_VSOCK_TYPE_STREAM)
        return VSOCK_BAD_TYPE;
    if (h->op < VIRTIO_VSOCK_OP_REQUEST || h->op > VIRTIO_VSOCK_OP_CREDIT_REQUEST)
        return VSOCK_BAD_OP;
    if (h->op == VIRTIO_VSOCK_OP_RW && h->len > payload)
        return VSOCK_BAD_LENGTH;
    return VSOCK_SOUND;
}

struct virtio_vsock_hdr vsock_packet_reset(const struct virtio_vsock_hdr *h, uint32_t guest_cid)
{
    return (struct virtio_vsock_hdr){
        .src_cid = h->dst_cid,
        .dst_cid = guest_cid,
        .src_port = h->dst_port,
        .dst_port = h->src_port,
        .type = h->type,
        .op = VIRTIO_VSOCK_OP_RST,
    };
}
