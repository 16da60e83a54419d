/* Judging a disk's requests: pure, on buffers of the test's own. */
#include "virtio-mmio/blk/blk_request.h"

#include <criterion/criterion.h>
#include <string.h>

#include "virtio-mmio/blk/blk_file.h"

static const struct blk_rules plain = {
    .sectors = 100, .block = 512, .flush = true, .discard = true
};

static struct virtio_blk_outhdr header;
static struct virtio_blk_discard_write_zeroes ranges[2];
static uint8_t data[8 * 512], status;
static struct iovec iov[8];
static struct virtq_chain chain;
static struct blk_request r;

static void add(void *base, size_t len, bool writable)
{
    if (len == 0)
        return; /* virtq_pop leaves them out, too */
    iov[chain.readable + chain.writable] = (struct iovec){ base, len };
    *(writable ? &chain.writable : &chain.readable) += 1;
    *(writable ? &chain.writable_len : &chain.readable_len) += len;
}

/* Header, `out` bytes to be written, `in` bytes to be read, and the status. */
static void compose(uint32_t type, uint64_t sector, size_t out, size_t in)
{
    header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
    chain = (struct virtq_chain){ .iov = iov, .iov_max = 8 };
    add(&header, sizeof(header), false);
    add(data, out, false);
    add(data, in, true);
    add(&status, 1, true);
}

static enum blk_action judged(const struct blk_rules *rules)
{
    cr_assert(blk_request_read(&r, &chain, rules));
    cr_assert_eq(r.status_at, &status);
    return r.action;
}

static bool refused(const struct blk_rules *rules, uint8_t with)
{
    return judged(rules) == BLK_ANSWER && r.status == with;
}

/* A discard or write-zeroes of `count` ranges. */
static void compose_ranges(uint32_t type, unsigned count, uint64_t sector, uint32_t sectors,
                           uint32_t flags)
{
    compose(type, 0, 0, 0);
    ranges[0] = (struct virtio_blk_discard_write_zeroes){ sector, sectors, flags };
    iov[2] = iov[1];
    iov[1] = (struct iovec){ ranges, count * sizeof(ranges[0]) };
    chain.readable = 2;
    chain.readable_len += iov[1].iov_len;
}

Test(blk_request, reads_and_writes_find_their_data)
{
    compose(VIRTIO_BLK_T_IN, 98, 0, 1024);
    cr_assert_eq(judged(&plain), BLK_READ);
    cr_assert_eq(r.offset, 98 * 512);
    cr_assert_eq(r.len, 1024);
    cr_assert_eq(r.count, 1);
    cr_assert_eq(r.data[0].iov_base, data);
    cr_assert_eq(r.data[0].iov_len, 1024);

    compose(VIRTIO_BLK_T_OUT, 7, 512, 0);
    cr_assert_eq(judged(&plain), BLK_WRITE);
    cr_assert_eq(r.offset, 7 * 512);
    cr_assert_eq(r.len, 512);
    cr_assert_eq(r.count, 1);
    cr_assert_eq(r.data[0].iov_base, data);
}

Test(blk_request, buffers_may_be_cut_anywhere)
{
    uint8_t in[513];

    compose(VIRTIO_BLK_T_IN, 0, 0, 0);
    chain = (struct virtq_chain){ .iov = iov, .iov_max = 8 };
    add(&header, 3, false);
    add((uint8_t *)&header + 3, 13, false);
    add(in, 100, true);
    add(in + 100, 413, true); /* and the status in its last byte */
    cr_assert(blk_request_read(&r, &chain, &plain));
    cr_assert_eq(r.action, BLK_READ);
    cr_assert_eq(r.status_at, in + 512);
    cr_assert_eq(r.len, 512);
    cr_assert_eq(r.count, 2);
    cr_assert_eq(r.data[0].iov_len + r.data[1].iov_len, 512);

    header.type = VIRTIO_BLK_T_OUT;
    memcpy(data, &header, sizeof(header));
    chain = (struct virtq_chain){ .iov = iov, .iov_max = 8 };
    add(data, 16 + 512, false);
    add(&status, 1, true);
    cr_assert_eq(judged(&plain), BLK_WRITE);
    cr_assert_eq(r.data[0].iov_base, data + 16);
    cr_assert_eq(r.data[0].iov_len, 512);
}

Test(blk_request, the_status_is_the_last_byte_and_nothing_else_of_it_is_data)
{
    compose(VIRTIO_BLK_T_IN, 0, 0, 512);
    cr_assert_eq(judged(&plain), BLK_READ);
    cr_assert_eq(chain.writable_len, 512);
    cr_assert_eq(chain.writable, 1);
}

Test(blk_request, nowhere_to_answer)
{
    compose(VIRTIO_BLK_T_OUT, 0, 512, 0);
    chain.writable = 0;
    chain.writable_len = 0;
    cr_assert_not(blk_request_read(&r, &chain, &plain));
}

Test(blk_request, a_header_that_is_not_whole)
{
    compose(VIRTIO_BLK_T_IN, 0, 0, 512);
    iov[0].iov_len = chain.readable_len = 15;
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
    chain = (struct virtq_chain){ .iov = iov, .iov_max = 8 };
    add(&status, 1, true);
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
}

Test(blk_request, no_data_is_no_work)
{
    compose(VIRTIO_BLK_T_IN, 100, 0, 0);
    cr_assert(refused(&plain, VIRTIO_BLK_S_OK));
    compose(VIRTIO_BLK_T_OUT, 0, 0, 0);
    cr_assert(refused(&plain, VIRTIO_BLK_S_OK));
    compose(VIRTIO_BLK_T_OUT, 101, 0, 0);
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR), "behind the end all the same");
}

Test(blk_request, sectors_beyond_the_end)
{
    static const uint64_t sectors[] = {
        99, 100, UINT64_MAX, UINT64_MAX / 512, UINT64_MAX - 1, UINT64_C(1) << 55
    };

    for (unsigned i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
        compose(VIRTIO_BLK_T_IN, sectors[i], 0, 1024);
        cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
        compose(VIRTIO_BLK_T_OUT, sectors[i], 1024, 0);
        cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
        compose_ranges(VIRTIO_BLK_T_DISCARD, 1, sectors[i], 2, 0);
        cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
        compose_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, sectors[i], 2, 0);
        cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
    }
}

Test(blk_request, parts_of_a_block)
{
    const struct blk_rules large = { .sectors = 96, .block = 4096 };

    compose(VIRTIO_BLK_T_IN, 0, 0, 511);
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
    compose(VIRTIO_BLK_T_OUT, 0, 513, 0);
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
    compose(VIRTIO_BLK_T_IN, 8, 0, 512);
    cr_assert(refused(&large, VIRTIO_BLK_S_IOERR));
    compose(VIRTIO_BLK_T_IN, 4, 0, 4096);
    cr_assert(refused(&large, VIRTIO_BLK_S_IOERR));
    compose(VIRTIO_BLK_T_IN, 88, 0, 4096);
    cr_assert_eq(judged(&large), BLK_READ);
}

Test(blk_request, read_only)
{
    struct blk_rules rules = plain;

    rules.read_only = true;
    compose(VIRTIO_BLK_T_OUT, 0, 512, 0);
    cr_assert(refused(&rules, VIRTIO_BLK_S_IOERR));
    compose(VIRTIO_BLK_T_OUT, 0, 0, 0);
    cr_assert(refused(&rules, VIRTIO_BLK_S_IOERR));
    compose_ranges(VIRTIO_BLK_T_DISCARD, 1, 0, 1, 0);
    cr_assert(refused(&rules, VIRTIO_BLK_S_IOERR));
    compose_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, 0, 1, 0);
    cr_assert(refused(&rules, VIRTIO_BLK_S_IOERR));
    compose(VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    cr_assert_eq(judged(&rules), BLK_FLUSH);
}

Test(blk_request, flush_where_there_is_one)
{
    struct blk_rules rules = plain;

    compose(VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    cr_assert_eq(judged(&rules), BLK_FLUSH);
    rules.flush = false;
    compose(VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    cr_assert(refused(&rules, VIRTIO_BLK_S_UNSUPP));
}

Test(blk_request, ranges)
{
    compose_ranges(VIRTIO_BLK_T_DISCARD, 1, 10, 90, 0);
    cr_assert_eq(judged(&plain), BLK_DISCARD);
    cr_assert_eq(r.offset, 10 * 512);
    cr_assert_eq(r.len, 90 * 512);
    compose_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, 10, 20, 0);
    cr_assert_eq(judged(&plain), BLK_ZERO);
    cr_assert_not(r.unmap);
    compose_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, 10, 20, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
    cr_assert_eq(judged(&plain), BLK_ZERO);
    cr_assert(r.unmap);
    compose_ranges(VIRTIO_BLK_T_DISCARD, 1, 10, 0, 0);
    cr_assert(refused(&plain, VIRTIO_BLK_S_OK));
}

Test(blk_request, flags_that_are_not_known)
{
    compose_ranges(VIRTIO_BLK_T_DISCARD, 1, 0, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
    cr_assert(refused(&plain, VIRTIO_BLK_S_UNSUPP));
    compose_ranges(VIRTIO_BLK_T_DISCARD, 1, 0, 1, 2);
    cr_assert(refused(&plain, VIRTIO_BLK_S_UNSUPP));
    compose_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, 0, 1, 3);
    cr_assert(refused(&plain, VIRTIO_BLK_S_UNSUPP));
}

Test(blk_request, ranges_too_many_too_few_too_large)
{
    const struct blk_rules vast = { .sectors = UINT64_C(1) << 40, .block = 512, .discard = true };

    compose_ranges(VIRTIO_BLK_T_DISCARD, 2, 0, 1, 0);
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
    compose_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, 0, 1, 0);
    iov[1].iov_len -= 1;
    chain.readable_len -= 1;
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
    compose(VIRTIO_BLK_T_DISCARD, 0, 0, 0);
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
    compose_ranges(VIRTIO_BLK_T_DISCARD, 1, 0, BLK_RANGE_SECTORS_MAX, 0);
    cr_assert_eq(judged(&vast), BLK_DISCARD);
    compose_ranges(VIRTIO_BLK_T_DISCARD, 1, 0, BLK_RANGE_SECTORS_MAX + 1, 0);
    cr_assert(refused(&vast, VIRTIO_BLK_S_IOERR));
    compose_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, 0, UINT32_MAX, 0);
    cr_assert(refused(&vast, VIRTIO_BLK_S_IOERR));
}

Test(blk_request, a_discard_that_was_not_offered)
{
    const struct blk_rules none = { .sectors = 100, .block = 512 };

    compose_ranges(VIRTIO_BLK_T_DISCARD, 1, 0, 1, 0);
    cr_assert(refused(&none, VIRTIO_BLK_S_UNSUPP));
    compose_ranges(VIRTIO_BLK_T_WRITE_ZEROES, 1, 0, 1, 0);
    cr_assert_eq(judged(&none), BLK_ZERO);
}

Test(blk_request, identify_needs_room)
{
    compose(VIRTIO_BLK_T_GET_ID, UINT64_MAX, 0, VIRTIO_BLK_ID_BYTES);
    cr_assert_eq(judged(&plain), BLK_IDENTIFY);
    cr_assert_eq(r.len, VIRTIO_BLK_ID_BYTES);
    cr_assert_eq(r.data[0].iov_base, data);
    compose(VIRTIO_BLK_T_GET_ID, 0, 0, VIRTIO_BLK_ID_BYTES - 1);
    cr_assert(refused(&plain, VIRTIO_BLK_S_IOERR));
}

Test(blk_request, types_that_are_not_known)
{
    static const uint32_t types[] = { 2,  3,          5,          7,
                                      9,  10,         12,         VIRTIO_BLK_T_SECURE_ERASE,
                                      15, 0x80000000, 0x80000001, UINT32_MAX };

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        compose(types[i], 0, 512, 0);
        cr_assert(refused(&plain, VIRTIO_BLK_S_UNSUPP), "%u", types[i]);
    }
}
