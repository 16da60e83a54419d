/* Headers: reading, judging and answering them. */
#include "virtio-mmio/vsock/vsock_packet.h"

#include <criterion/criterion.h>
#include <string.h>

#define CID 77u

static struct virtio_vsock_hdr sound(void)
{
    return (struct virtio_vsock_hdr){ .src_cid = CID,
                                      .dst_cid = VSOCK_HOST_CID,
                                      .src_port = 1000,
                                      .dst_port = 2000,
                                      .len = 10,
                                      .type = VIRTIO_VSOCK_TYPE_STREAM,
                                      .op = VIRTIO_VSOCK_OP_RW,
                                      .buf_alloc = 3000,
                                      .fwd_cnt = 4000 };
}

/* As the specification lays it out, byte for byte. */
Test(vsock_packet, is_read_as_it_lies_there)
{
    uint8_t bytes[50];
    struct iovec iov[3] = { { bytes, 7 }, { bytes + 7, 30 }, { bytes + 37, 13 } };
    struct virtq_chain c = { .iov = iov, .readable = 3, .readable_len = sizeof(bytes) };
    struct virtio_vsock_hdr h;

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    cr_assert(vsock_packet_read(&h, &c));
    cr_assert_eq(h.src_cid, 0x0706050403020100);
    cr_assert_eq(h.dst_cid, 0x0f0e0d0c0b0a0908);
    cr_assert_eq(h.src_port, 0x13121110);
    cr_assert_eq(h.dst_port, 0x17161514);
    cr_assert_eq(h.len, 0x1b1a1918);
    cr_assert_eq(h.type, 0x1d1c);
    cr_assert_eq(h.op, 0x1f1e);
    cr_assert_eq(h.flags, 0x23222120);
    cr_assert_eq(h.buf_alloc, 0x27262524);
    cr_assert_eq(h.fwd_cnt, 0x2b2a2928);
}

Test(vsock_packet, a_chain_needs_a_header_and_nothing_to_write_to)
{
    uint8_t bytes[44] = { 0 };
    struct iovec iov[2] = { { bytes, 20 }, { bytes + 20, 23 } };
    struct virtq_chain c = { .iov = iov, .readable = 2, .readable_len = 43 };
    struct virtio_vsock_hdr h;

    cr_assert(!vsock_packet_read(&h, &c));
    iov[1].iov_len = 24;
    c.readable_len = 44;
    cr_assert(vsock_packet_read(&h, &c));
    c.readable = 1;
    c.writable = 1;
    c.readable_len = 20;
    c.writable_len = 24;
    cr_assert(!vsock_packet_read(&h, &c));
    c.readable = 2;
    c.readable_len = 44;
    cr_assert(!vsock_packet_read(&h, &c));
    c.readable = 0;
    cr_assert(!vsock_packet_read(&h, &c));
}

static enum vsock_fault judge(const struct virtio_vsock_hdr *h, uint64_t payload)
{
    return vsock_packet_judge(h, payload, CID);
}

Test(vsock_packet, both_ends_are_given)
{
    static const uint64_t others[] = { 0, 1, 3, 76, 78, UINT32_MAX, UINT64_MAX, CID | 1ull << 32 };
    struct virtio_vsock_hdr h;

    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        h = sound();
        h.src_cid = others[i];
        cr_assert_eq(judge(&h, 10), VSOCK_BAD_SOURCE);
        h = sound();
        h.dst_cid = others[i];
        cr_assert_eq(judge(&h, 10), VSOCK_BAD_DESTINATION);
    }
    h = sound();
    cr_assert_eq(judge(&h, 10), VSOCK_SOUND);
}

Test(vsock_packet, every_type_and_operation)
{
    struct virtio_vsock_hdr h;

    for (uint32_t i = 0; i <= UINT16_MAX; i++) {
        h = sound();
        h.type = (uint16_t)i;
        cr_assert_eq(judge(&h, 10), i == 1 ? VSOCK_SOUND : VSOCK_BAD_TYPE);
        h = sound();
        h.op = (uint16_t)i;
        cr_assert_eq(judge(&h, 10), i >= 1 && i <= 7 ? VSOCK_SOUND : VSOCK_BAD_OP);
    }
}

Test(vsock_packet, no_more_payload_than_there_is)
{
    struct virtio_vsock_hdr h = sound();

    cr_assert_eq(judge(&h, 9), VSOCK_BAD_LENGTH);
    cr_assert_eq(judge(&h, 0), VSOCK_BAD_LENGTH);
    cr_assert_eq(judge(&h, 11), VSOCK_SOUND);
    h.len = UINT32_MAX;
    cr_assert_eq(judge(&h, UINT32_MAX - 1u), VSOCK_BAD_LENGTH);
    cr_assert_eq(judge(&h, UINT32_MAX), VSOCK_SOUND);
    h.len = 0;
    cr_assert_eq(judge(&h, 0), VSOCK_SOUND);
    for (uint16_t op = 1; op <= 7; op++) {
        h.op = op;
        h.len = 1;
        cr_assert_eq(judge(&h, 0), op == VIRTIO_VSOCK_OP_RW ? VSOCK_BAD_LENGTH : VSOCK_SOUND);
    }
}

Test(vsock_packet, a_reset_comes_from_where_the_packet_went)
{
    struct virtio_vsock_hdr h = sound(), r;

    h.dst_cid = 9;
    h.type = 4;
    h.flags = 3;
    r = vsock_packet_reset(&h, CID);
    cr_assert_eq(r.src_cid, 9);
    cr_assert_eq(r.dst_cid, CID);
    cr_assert_eq(r.src_port, 2000);
    cr_assert_eq(r.dst_port, 1000);
    cr_assert_eq(r.type, 4);
    cr_assert_eq(r.op, VIRTIO_VSOCK_OP_RST);
    cr_assert_eq(r.len, 0);
    cr_assert_eq(r.flags, 0);
    h.src_cid = 12; /* whoever it says it is, it is the guest */
    cr_assert_eq(vsock_packet_reset(&h, CID).dst_cid, CID);
}

Test(vsock_packet, every_fault_has_its_own_text)
{
    for (enum vsock_fault a = 0; a < VSOCK_FAULTS; a++)
        for (enum vsock_fault b = 0; b < a; b++)
            cr_assert_str_neq(vsock_fault_text(a), vsock_fault_text(b));
}
