#ifndef VIRTIO_MMIO_VSOCK_VSOCK_PACKET_H
#define VIRTIO_MMIO_VSOCK_VSOCK_PACKET_H
/*
 * The header of a vsock packet, from and to the guest (virtio 1.2, 5.10.6). Pure. Its fields, each
 * after its width in bits, make 44 bytes. The payload follows them.
 *
 *   64 source CID | 64 destination CID | 32 source port | 32 destination port | 32 length
 *   16 type | 16 operation | 32 flags | 32 buf_alloc | 32 fwd_cnt
 */
#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stdint.h>

#include "virtio-mmio/queue/queue.h"

#define VSOCK_HOST_CID    2u
#define VSOCK_HEADER_SIZE sizeof(struct virtio_vsock_hdr)

/* The longest payload of a packet to the guest. For packets from the guest its credit is the only
 * limit. */
#define VSOCK_PACKET_MAX (64u << 10)

#define VSOCK_SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* What is wrong with a header. */
enum vsock_fault {
    VSOCK_SOUND,
    VSOCK_BAD_SOURCE,      /* not this guest's CID */
    VSOCK_BAD_DESTINATION, /* not the host's */
    VSOCK_BAD_TYPE,        /* not a stream (5.10.6.4) */
    VSOCK_BAD_OP,          /* not an operation of 5.10.6 */
    VSOCK_BAD_LENGTH,      /* more payload than the chain holds */
    VSOCK_FAULTS,
};

/* For the log: "its type is unknown". */
const char *vsock_fault_text(enum vsock_fault fault);

/* Copies the header out of a chain from the transmit queue. False: the chain is not a packet,
 * because it is shorter than a header or has device-writable buffers. */
bool vsock_packet_read(struct virtio_vsock_hdr *h, const struct virtq_chain *c);

/* payload: bytes in the chain after the header. The length is checked in data packets (RW) only. */
enum vsock_fault vsock_packet_judge(const struct virtio_vsock_hdr *h, uint64_t payload,
                                    uint32_t guest_cid);

/* The RST that answers this packet, from the address and port to which the packet went. */
struct virtio_vsock_hdr vsock_packet_reset(const struct virtio_vsock_hdr *h, uint32_t guest_cid);

#endif
