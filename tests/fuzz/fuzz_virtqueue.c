/*
 * A queue in any memory: one byte each for the features, the size and how the device behaves, then
 * the contents of the descriptor table, the rings and an indirect table, one after the other.
 *
 * Whatever is there, every buffer that is popped is in RAM, a chain is no longer than the queue,
 * the counts add up, and a faulty queue stays faulty.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "virtio-mmio/queue/queue.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

/* Close together, so that a short input reaches all of them and descriptors find the table. */
#define DESC  0x0000u
#define AVAIL 0x0100u
#define USED  0x0200u
#define TABLE 0x0300u
#define INPUT 0x0400u /* so many bytes of the input go to memory */

#define IOV 12u

static struct mem mem;
static struct virtq q;
static struct iovec iov[IOV];
static uint16_t heads[16];
static unsigned held;

static bool in_ram(const struct iovec *v)
{
    for (unsigned i = 0; i < mem.count; i++) {
        const uint8_t *start = mem.regions[i].host;
        const uint8_t *at = v->iov_base;
        if (at >= start && at < start + mem.regions[i].size)
            return v->iov_len <= mem.regions[i].size - (size_t)(at - start);
    }
    return false;
}

static void check_chain(const struct virtq_chain *c)
{
    uint64_t readable = 0, writable = 0;

    NEED(c->head < q.size && c->readable + c->writable <= q.size);
    NEED(c->readable + c->writable <= IOV);
    for (unsigned i = 0; i < c->readable + (unsigned)c->writable; i++) {
        NEED(in_ram(&iov[i]) && iov[i].iov_len > 0);
        *(i < c->readable ? &readable : &writable) += iov[i].iov_len;
    }
    NEED(readable == c->readable_len && writable == c->writable_len);
}

/* False: there is none. */
static bool take(uint8_t how)
{
    struct virtq_chain c = { .iov = iov, .iov_max = IOV };
    int ret = virtq_pop(&q, &c);

    NEED(ret == 1 || ret == 0 || ret == -EPROTO);
    NEED((ret == -EPROTO) == (q.fault != VIRTQ_SOUND));
    if (ret <= 0)
        return false;
    check_chain(&c);
    if (how & 1) { /* puts it back and pops it again */
        virtq_unpop(&q, 1);
        c = (struct virtq_chain){ .iov = iov, .iov_max = IOV };
        ret = virtq_pop(&q, &c);
        NEED(ret == 1);
        check_chain(&c);
    }
    heads[held++] = c.head;
    return true;
}

static void answer_all(void)
{
    uint16_t before = q.next_used;

    while (held > 0)
        virtq_push(&q, heads[--held], 1);
    (void)virtq_publish(&q);
    NEED(q.in_flight == 0 && q.published == q.next_used);
    NEED(before == q.next_used || q.used->idx == q.next_used);
}

static void run(uint8_t how)
{
    for (unsigned round = 0; round < 4; round++) {
        virtq_kicks_off(&q);
        while (take(how)) {
            NEED(q.in_flight == held && held <= q.size);
            if (how & 2)
                answer_all();
        }
        (void)virtq_kicks_on(&q);
        if (how & 4) /* the driver publishes more, of whatever memory holds */
            q.avail->idx = (uint16_t)(q.avail->idx + (how >> 4));
    }
    NEED(held == q.in_flight);
    answer_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mem_config config = { .size = 4u << 20,
                                       .gap_start = 2u << 20,
                                       .gap_end = 4u << 20 };
    uint64_t features;

    if (mem.count == 0 && mem_init(&mem, &config, NULL) < 0)
        abort();
    if (size < 3)
        return 0;
    features = (uint64_t)(data[0] & 3) << VIRTIO_RING_F_INDIRECT_DESC;
    q = (struct virtq){ .size_max = 16 };
    q.size = data[1] & 31;
    q.desc_gpa = DESC;
    q.avail_gpa = AVAIL;
    q.used_gpa = USED;
    held = 0;
    memset(mem.regions[0].host, 0, INPUT);
    memcpy(mem.regions[0].host, data + 3, size - 3 < INPUT ? size - 3 : INPUT);
    if (virtq_enable(&q, &mem, features) == VIRTQ_SOUND) {
        q.next_avail = q.avail_seen = data[0] & 4 ? 0xfffe : 0;
        run(data[2]);
    } else {
        NEED(q.fault == VIRTQ_BAD_SIZE && !q.ready);
    }
    return 0;
}
