/*
 * Judging requests. A request is refused with a status wherever the specification lets a device
 * refuse it: IOERR for sectors that the disk does not have (5.2.6.2), UNSUPP for what it cannot do.
 */
#include "virtio-mmio/blk/blk_request.h"

#include <assert.h>

#include "virtio-mmio/blk/blk_file.h"
#include "virtio-mmio/queue/iov.h"

static_assert(sizeof(struct virtio_blk_outhdr) == 16, "virtio 1.2, 5.2.6");
static_assert(sizeof(struct virtio_blk_discard_write_zeroes) == 16, "virtio 1.2, 5.2.6");

static void request_answer(struct blk_request *r, uint8_t status)
{
    r->action = BLK_ANSWER;
    r->status = status;
}

/* The status is the last byte that the device may write. What comes before it is data. */
static bool status_find(struct blk_request *r, struct virtq_chain *chain)
{
    struct iovec *writable = chain->iov + chain->readable;
    const struct iovec *last = writable + chain->writable - 1;

    if (chain->writable == 0)
        return false;
    r->status_at = (uint8_t *)last->iov_base + last->iov_len - 1;
    chain->writable_len--;
    chain->writable = (uint16_t)iov_cut(writable, chain->writable, chain->writable_len);
    return true;
}

static bool is_in_range(const struct blk_rules *rules, uint64_t sector, uint64_t sectors)
{
    return sector <= rules->sectors && sectors <= rules->sectors - sector;
}

/* sector and len come from the driver, unchecked. */
static void request_transfer(struct blk_request *r, enum blk_action action, uint64_t sector,
                             uint64_t len, const struct blk_rules *rules)
{
    if (len % rules->block != 0 || !is_in_range(rules, sector, len / BLK_SECTOR) ||
        sector * BLK_SECTOR % rules->block != 0) {
        request_answer(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    if (len == 0) {
        request_answer(r, VIRTIO_BLK_S_OK);
        return;
    }
    r->action = action;
    r->offset = sector * BLK_SECTOR;
    r->len = len;
}

static void request_read_write(struct blk_request *r, struct virtq_chain *chain,
                               const struct virtio_blk_outhdr *header,
                               const struct blk_rules *rules)
{
    if (header->type == VIRTIO_BLK_T_OUT && rules->read_only) {
        request_answer(r, VIRTIO_BLK_S_IOERR);
    } else if (header->type == VIRTIO_BLK_T_OUT) {
        r->count = chain->readable;
        r->data = iov_skip(chain->iov, &r->count, sizeof(*header));
        request_transfer(r, BLK_WRITE, header->sector, chain->readable_len - sizeof(*header),
                         rules);
    } else {
        r->data = chain->iov + chain->readable;
        r->count = chain->writable;
        request_transfer(r, BLK_READ, header->sector, chain->writable_len, rules);
    }
}

/* Unknown flags are not supported, nor is unmap for a discard (5.2.6.2). */
static void request_range(struct blk_request *r, const struct virtq_chain *chain,
                          enum blk_action action, const struct blk_rules *rules)
{
    const uint32_t allowed = action == BLK_ZERO ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
    struct virtio_blk_discard_write_zeroes range;

    if (rules->read_only || chain->readable_len != 16 + sizeof(range)) {
        request_answer(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    (void)iov_read(chain->iov, chain->readable, 16, &range, sizeof(range));
    if (range.flags & ~allowed) {
        request_answer(r, VIRTIO_BLK_S_UNSUPP);
        return;
    }
    if (range.num_sectors > BLK_RANGE_SECTORS_MAX) {
        request_answer(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    r->unmap = range.flags != 0;
    request_transfer(r, action, range.sector, (uint64_t)range.num_sectors * BLK_SECTOR, rules);
}

static void request_identify(struct blk_request *r, const struct virtq_chain *chain)
{
    if (chain->writable_len < VIRTIO_BLK_ID_BYTES) {
        request_answer(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    r->action = BLK_IDENTIFY;
    r->data = chain->iov + chain->readable;
    r->len = VIRTIO_BLK_ID_BYTES;
    r->count = chain->writable;
}

static void request_judge(struct blk_request *r, struct virtq_chain *chain,
                          const struct virtio_blk_outhdr *header, const struct blk_rules *rules)
{
    switch (header->type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
        request_read_write(r, chain, header, rules);
        return;
    case VIRTIO_BLK_T_FLUSH:
        if (rules->flush)
            r->action = BLK_FLUSH;
        return;
    case VIRTIO_BLK_T_GET_ID:
        request_identify(r, chain);
        return;
    case VIRTIO_BLK_T_DISCARD:
        if (rules->discard || rules->read_only)
            request_range(r, chain, BLK_DISCARD, rules);
        return;
    case VIRTIO_BLK_T_WRITE_ZEROES:
        request_range(r, chain, BLK_ZERO, rules);
        return;
    }
}

bool blk_request_read(struct blk_request *r, struct virtq_chain *chain,
                      const struct blk_rules *rules)
{
    struct virtio_blk_outhdr header;

    *r = (struct blk_request){ .action = BLK_ANSWER, .status = VIRTIO_BLK_S_UNSUPP };
    if (!status_find(r, chain))
        return false;
    if (iov_read(chain->iov, chain->readable, 0, &header, sizeof(header)) < sizeof(header))
        r->status = VIRTIO_BLK_S_IOERR;
    else
        request_judge(r, chain, &header, rules);
    return true;
}
