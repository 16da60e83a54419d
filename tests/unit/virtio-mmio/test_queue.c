/* The device's side of a split virtqueue: chains as they should be, chains as they should not, and
 * who tells whom. */
#include "virtio-mmio/queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define SIZE   8u
#define DESC   0x1000u
#define AVAIL  0x2000u
#define USED   0x3000u
#define TABLE  0x4000u
#define BUFFER 0x8000u

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

#define EVENTS    (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECTS (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)

static struct mem mem;
static struct virtq q;
static struct vring_desc *desc;
static struct vring_avail *avail;
static struct vring_used *used;
static struct iovec iov[SIZE];
static struct virtq_chain chain;

static uint16_t *used_event(void)
{
    return &avail->ring[SIZE];
}

static uint16_t *avail_event(void)
{
    return (uint16_t *)&used->ring[SIZE];
}

static void enable(uint64_t features)
{
    q = (struct virtq){ .size_max = 16, .size = SIZE };
    q.desc_gpa = DESC;
    q.avail_gpa = AVAIL;
    q.used_gpa = USED;
    cr_assert_eq(virtq_enable(&q, &mem, features), VIRTQ_SOUND);
    cr_assert(q.ready);
    chain = (struct virtq_chain){ .iov = iov, .iov_max = SIZE };
}

/* Two regions of 2 MiB, with a gap between them. */
static void set_up(void)
{
    struct mem_config config = { .size = 4u << 20, .gap_start = 2u << 20, .gap_end = 4u << 20 };

    cr_assert_eq(mem_init(&mem, &config, NULL), 0);
    desc = mem_at(&mem, DESC, 16 * SIZE);
    avail = mem_at(&mem, AVAIL, 6 + 2 * SIZE);
    used = mem_at(&mem, USED, 6 + 8 * SIZE);
    enable(0);
}

static void tear_down(void)
{
    mem_finish(&mem);
}

TestSuite(virtq, .init = set_up, .fini = tear_down);

static void describe(unsigned index, gpa_t addr, uint32_t len, unsigned flags, unsigned next)
{
    desc[index] = (struct vring_desc){ addr, len, (uint16_t)flags, (uint16_t)next };
}

static void offer(uint16_t head)
{
    avail->ring[avail->idx % SIZE] = head;
    avail->idx++;
}

/* The chain at 0 is refused for this reason, and the queue with it. */
static void expect_fault(enum virtq_fault fault)
{
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, fault, "\"%s\", not \"%s\"", virtq_fault_text(q.fault),
                 virtq_fault_text(fault));
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO, "and again");
    cr_assert_not(virtq_kicks_on(&q));
    cr_assert_eq(q.in_flight, 0);
}

/* Setting up. */

static enum virtq_fault enabled(uint32_t size, gpa_t d, gpa_t a, gpa_t u)
{
    q = (struct virtq){
        .size_max = 16, .size = size, .desc_gpa = d, .avail_gpa = a, .used_gpa = u
    };
    enum virtq_fault fault = virtq_enable(&q, &mem, 0);

    cr_assert_eq(q.ready, fault == VIRTQ_SOUND);
    cr_assert_eq(q.fault, fault);
    return fault;
}

Test(virtq, sizes)
{
    static const uint32_t good[] = { 1, 2, 4, 8, 16 };
    static const uint32_t bad[] = { 0, 3, 12, 17, 32, 0x10000, 0x80000000, UINT32_MAX };

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert_eq(enabled(good[i], DESC, AVAIL, USED), VIRTQ_SOUND);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(enabled(bad[i], DESC, AVAIL, USED), VIRTQ_BAD_SIZE);
}

Test(virtq, alignment_of_the_areas)
{
    for (unsigned i = 1; i < 16; i++)
        cr_assert_eq(enabled(SIZE, DESC + i, AVAIL, USED), VIRTQ_BAD_RING);
    cr_assert_eq(enabled(SIZE, DESC, AVAIL + 1, USED), VIRTQ_BAD_RING);
    cr_assert_eq(enabled(SIZE, DESC, AVAIL + 2, USED), VIRTQ_SOUND);
    for (unsigned i = 1; i < 4; i++)
        cr_assert_eq(enabled(SIZE, DESC, AVAIL, USED + i), VIRTQ_BAD_RING);
    cr_assert_eq(enabled(SIZE, DESC + 16, AVAIL, USED + 4), VIRTQ_SOUND);
}

/* Each area up to the last byte that RAM has for it, and one step further. */
Test(virtq, areas_end_where_ram_does)
{
    gpa_t end = mem.regions[0].gpa + mem.regions[0].size;
    gpa_t start = mem.regions[1].gpa;

    cr_assert_eq(enabled(SIZE, end - 16 * SIZE, AVAIL, USED), VIRTQ_SOUND);
    cr_assert_eq(enabled(SIZE, end - 16 * SIZE + 16, AVAIL, USED), VIRTQ_BAD_RING);
    cr_assert_eq(enabled(SIZE, DESC, end - 6 - 2 * SIZE, USED), VIRTQ_SOUND);
    cr_assert_eq(enabled(SIZE, DESC, end - 6 - 2 * SIZE + 2, USED), VIRTQ_BAD_RING);
    cr_assert_eq(enabled(SIZE, DESC, AVAIL, end - 8 - 8 * SIZE), VIRTQ_SOUND);
    cr_assert_eq(enabled(SIZE, DESC, AVAIL, end - 4 - 8 * SIZE), VIRTQ_BAD_RING);
    cr_assert_eq(enabled(SIZE, start, start + 0x1000, start + 0x2000), VIRTQ_SOUND);
    cr_assert_eq(enabled(SIZE, DESC, AVAIL, 0xc0001000), VIRTQ_BAD_RING, "a device's window");
    cr_assert_eq(enabled(SIZE, DESC, AVAIL, UINT64_MAX - 3), VIRTQ_BAD_RING, "wraps");
}

Test(virtq, reset_forgets_all_but_the_maximum)
{
    describe(0, BUFFER, 1, 0, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    virtq_reset(&q);
    cr_assert_eq(q.size_max, 16);
    cr_assert_not(q.ready);
    cr_assert_eq(q.in_flight, 0);
    cr_assert_eq(q.size, 0);
    cr_assert_null(q.desc);
}

Test(virtq, faults_have_texts)
{
    for (unsigned i = 0; i < VIRTQ_FAULTS; i++)
        cr_assert_gt(strlen(virtq_fault_text(i)), 10);
}

/* Chains as they should be. */

Test(virtq, empty_until_published)
{
    describe(0, BUFFER, 4, 0, 0);
    cr_assert_eq(virtq_pop(&q, &chain), 0);
    avail->ring[0] = 0;
    cr_assert_eq(virtq_pop(&q, &chain), 0);
    avail->idx = 1;
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(virtq_pop(&q, &chain), 0);
}

Test(virtq, readable_then_writable)
{
    describe(3, BUFFER, 16, NEXT, 1);
    describe(1, BUFFER + 0x100, 512, NEXT | WRITE, 7);
    describe(7, BUFFER + 0x900, 1, WRITE, 3);
    offer(3);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.head, 3);
    cr_assert_eq(chain.readable, 1);
    cr_assert_eq(chain.writable, 2);
    cr_assert_eq(chain.readable_len, 16);
    cr_assert_eq(chain.writable_len, 513);
    cr_assert_eq(iov[0].iov_base, mem_at(&mem, BUFFER, 1));
    cr_assert_eq(iov[0].iov_len, 16);
    cr_assert_eq(iov[2].iov_base, mem_at(&mem, BUFFER + 0x900, 1));
    cr_assert_eq(iov[2].iov_len, 1);
}

Test(virtq, as_long_as_the_queue)
{
    for (unsigned i = 0; i < SIZE; i++)
        describe(i, BUFFER + 16 * i, 16, i + 1 < SIZE ? NEXT : 0, i + 1);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.readable, SIZE);
    cr_assert_eq(chain.readable_len, 16 * SIZE);
}

Test(virtq, empty_buffers_are_left_out)
{
    describe(0, 0xdead0000, 0, NEXT, 1); /* its address means nothing */
    describe(1, BUFFER, 4, NEXT, 2);
    describe(2, UINT64_MAX, 0, NEXT | WRITE, 3);
    describe(3, BUFFER + 4, 4, WRITE, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.readable, 1);
    cr_assert_eq(chain.writable, 1);
    describe(0, 0, 0, 0, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1, "nothing but an empty one");
    cr_assert_eq(chain.readable + chain.writable, 0);
}

Test(virtq, rings_go_round)
{
    q.next_avail = q.avail_seen = avail->idx = 65534;
    q.next_used = q.published = used->idx = 65534;
    for (unsigned i = 0; i < 20; i++) {
        describe(i % SIZE, BUFFER + i, 1, WRITE, 0);
        avail->ring[avail->idx % SIZE] = i % SIZE;
        avail->idx++;
        cr_assert_eq(virtq_pop(&q, &chain), 1);
        cr_assert_eq(chain.head, i % SIZE);
        virtq_push(&q, chain.head, i);
        cr_assert(virtq_publish(&q));
        cr_assert_eq(used->idx, (uint16_t)(65535 + i));
        cr_assert_eq(used->ring[(65534 + i) % SIZE].len, i);
    }
    cr_assert_eq(q.in_flight, 0);
}

Test(virtq, answers_in_any_order_and_at_once)
{
    for (unsigned i = 0; i < 3; i++) {
        describe(i, BUFFER, 64, WRITE, 0);
        offer((uint16_t)i);
    }
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(q.in_flight, 3);
    virtq_push(&q, 2, 20);
    virtq_push(&q, 0, 0);
    cr_assert_eq(used->idx, 0, "not visible yet");
    cr_assert(virtq_publish(&q));
    cr_assert_eq(used->idx, 2);
    cr_assert_eq(used->ring[0].id, 2);
    cr_assert_eq(used->ring[0].len, 20);
    cr_assert_eq(used->ring[1].id, 0);
    cr_assert_not(virtq_publish(&q), "nothing new, no interrupt");
    virtq_push(&q, 1, 1);
    cr_assert(virtq_publish(&q));
    cr_assert_eq(used->idx, 3);
}

Test(virtq, unpopped_comes_again)
{
    for (unsigned i = 0; i < 3; i++) {
        describe(i, BUFFER + i, 1, 0, 0);
        offer((uint16_t)i);
    }
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(virtq_pop(&q, &chain), 1);
    virtq_unpop(&q, 2);
    cr_assert_eq(q.in_flight, 1);
    cr_assert(virtq_kicks_on(&q), "they are available");
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.head, 1);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(virtq_pop(&q, &chain), 0);
}

/* What was copied is used: the driver's later changes reach the data alone. */
Test(virtq, descriptors_changed_afterwards)
{
    describe(0, BUFFER, 4, WRITE, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    describe(0, 0xffffffff0000, 0xffffffff, NEXT, 99);
    avail->ring[0] = 77;
    cr_assert_eq(chain.head, 0);
    cr_assert_eq(iov[0].iov_base, mem_at(&mem, BUFFER, 4));
    cr_assert_eq(iov[0].iov_len, 4);
    virtq_push(&q, chain.head, 4);
    cr_assert_eq(virtq_pop(&q, &chain), 0, "nothing was wrong when it was read");
}

/* Chains as they should not be. */

Test(virtq, head_that_is_no_descriptor)
{
    offer(SIZE);
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_NEXT);
    cr_assert_eq(q.in_flight, 0);
}

Test(virtq, next_that_is_no_descriptor)
{
    describe(0, BUFFER, 4, NEXT, SIZE);
    expect_fault(VIRTQ_BAD_NEXT);
}

Test(virtq, next_far_away)
{
    describe(0, BUFFER, 4, NEXT, 0xffff);
    expect_fault(VIRTQ_BAD_NEXT);
}

Test(virtq, loop_of_one)
{
    describe(0, BUFFER, 4, NEXT, 0);
    expect_fault(VIRTQ_TOO_LONG);
}

Test(virtq, loop_of_all)
{
    for (unsigned i = 0; i < SIZE; i++)
        describe(i, BUFFER, 4, NEXT | WRITE, (i + 1) % SIZE);
    expect_fault(VIRTQ_TOO_LONG);
}

Test(virtq, loop_of_empty_buffers)
{
    describe(0, 0, 0, NEXT, 1);
    describe(1, 0, 0, NEXT, 0);
    expect_fault(VIRTQ_TOO_LONG);
}

Test(virtq, more_buffers_than_the_device_takes)
{
    for (unsigned i = 0; i < 4; i++)
        describe(i, BUFFER, 4, i < 3 ? NEXT : 0, i + 1);
    chain.iov_max = 3;
    expect_fault(VIRTQ_TOO_MANY);
}

Test(virtq, exactly_the_buffers_the_device_takes)
{
    for (unsigned i = 0; i < 4; i++)
        describe(i, BUFFER, i == 1 ? 0 : 4, i < 3 ? NEXT : 0, i + 1);
    chain.iov_max = 3;
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.readable, 3);
}

Test(virtq, buffers_out_of_ram)
{
    gpa_t end = mem.regions[0].size;
    const struct vring_desc bad[] = {
        { end, 1, 0, 0 },                           /* behind the first region */
        { end - 4, 8, 0, 0 },                       /* over its end */
        { 0, 0xffffffff, 0, 0 },                    /* all there is and more */
        { end - 16, 4u << 20, WRITE, 0 },           /* over the gap into the second one */
        { 0xc0001000, 4, WRITE, 0 },                /* a device's window */
        { UINT64_MAX, 1, 0, 0 },                    /* the last byte */
        { UINT64_MAX - 15, 32, 0, 0 },              /* wraps */
        { UINT64_MAX - 0xffff, 0x20000, WRITE, 0 }, /* wraps into RAM */
        { mem.regions[1].gpa - 1, 2, 0, 0 },
        { mem.regions[1].gpa + mem.regions[1].size, 1, 0, 0 },
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enable(0);
        avail->idx = 0;
        desc[0] = bad[i];
        expect_fault(VIRTQ_BAD_BUFFER);
    }
}

Test(virtq, buffers_up_to_the_end_of_ram)
{
    describe(0, mem.regions[0].size - 4, 4, NEXT, 1);
    describe(1, mem.regions[1].gpa, (uint32_t)mem.regions[1].size, WRITE, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.writable_len, mem.regions[1].size);
}

Test(virtq, readable_behind_writable)
{
    describe(0, BUFFER, 4, NEXT | WRITE, 1);
    describe(1, BUFFER, 4, 0, 0);
    expect_fault(VIRTQ_BAD_ORDER);
}

Test(virtq, available_index_runs_ahead)
{
    describe(0, BUFFER, 4, 0, 0);
    avail->idx = SIZE + 1;
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_INDEX);
}

Test(virtq, available_index_runs_back)
{
    describe(0, BUFFER, 4, 0, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    avail->idx = 0;
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_INDEX);
}

/* Descriptors in flight cannot be available too. */
Test(virtq, more_in_flight_than_descriptors)
{
    for (unsigned i = 0; i < SIZE; i++) {
        describe(i, BUFFER, 4, 0, 0);
        offer((uint16_t)i);
    }
    for (unsigned i = 0; i < SIZE; i++)
        cr_assert_eq(virtq_pop(&q, &chain), 1);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_INDEX);
    cr_assert_eq(q.in_flight, SIZE);
    virtq_push(&q, 3, 0);
    cr_assert(virtq_publish(&q), "what was good is still answered");
}

Test(virtq, fault_found_by_kicks_on_is_told_by_pop)
{
    avail->idx = 1000;
    (void)virtq_kicks_on(&q);
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_INDEX);
}

/* Indirect tables. */

static struct vring_desc *table(void)
{
    return mem_at(&mem, TABLE, 64 * 16);
}

static void refer(gpa_t addr, uint32_t len, unsigned flags)
{
    enable(INDIRECTS);
    avail->idx = 0;
    describe(0, addr, len, INDIRECT | flags, 1);
}

Test(virtq, indirect)
{
    table()[0] = (struct vring_desc){ BUFFER, 16, NEXT, 2 };
    table()[2] = (struct vring_desc){ BUFFER + 64, 32, WRITE, 0 };
    refer(TABLE, 3 * 16, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.readable_len, 16);
    cr_assert_eq(chain.writable_len, 32);
    cr_assert_eq(chain.head, 0);
}

/* 2.7.5.3.2: WRITE is ignored, direct descriptors may come first. A table has no alignment. */
Test(virtq, indirect_in_odd_forms)
{
    struct vring_desc one = { BUFFER, 16, WRITE, 0 };

    refer(TABLE + 3, 16, WRITE);
    memcpy((uint8_t *)table() + 3, &one, sizeof(one));
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.writable, 1);

    enable(INDIRECTS);
    avail->idx = 0;
    describe(4, BUFFER, 8, NEXT, 0);
    describe(0, TABLE + 3, 16, INDIRECT, 0);
    offer(4);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.readable, 1);
    cr_assert_eq(chain.writable, 1);
}

Test(virtq, indirect_as_long_as_the_queue)
{
    for (unsigned i = 0; i <= SIZE; i++)
        table()[i] = (struct vring_desc){ BUFFER, 1, i + 1 < SIZE ? NEXT : 0, i + 1 };
    refer(TABLE, 64 * 16, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.readable, SIZE);

    table()[SIZE - 1].flags = NEXT;
    refer(TABLE, 64 * 16, 0);
    expect_fault(VIRTQ_TOO_LONG);
}

Test(virtq, indirect_that_was_not_negotiated)
{
    describe(0, TABLE, 16, INDIRECT, 0);
    expect_fault(VIRTQ_BAD_INDIRECT);
}

Test(virtq, indirect_tables_that_are_none)
{
    const struct {
        gpa_t addr;
        uint32_t len;
        unsigned flags;
    } bad[] = {
        { TABLE, 0, 0 },           { TABLE, 15, 0 },
        { TABLE, 17, 0 },          { TABLE, 0xffffffff, 0 },
        { 0, 0xfffffff0, 0 },      { 0xc0001000, 16, 0 },
        { UINT64_MAX - 7, 16, 0 }, { mem.regions[0].size - 8, 16, 0 },
        { TABLE, 16, NEXT },
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refer(bad[i].addr, bad[i].len, bad[i].flags);
        expect_fault(VIRTQ_BAD_INDIRECT);
    }
}

Test(virtq, indirect_inside_indirect)
{
    table()[0] = (struct vring_desc){ TABLE, 16, INDIRECT, 0 };
    refer(TABLE, 16, 0);
    expect_fault(VIRTQ_BAD_INDIRECT);
}

Test(virtq, indirect_with_faults_inside)
{
    table()[0] = (struct vring_desc){ BUFFER, 16, NEXT, 2 };
    refer(TABLE, 32, 0);
    expect_fault(VIRTQ_BAD_NEXT);
    table()[0] = (struct vring_desc){ BUFFER, 16, NEXT, 0 };
    refer(TABLE, 32, 0);
    expect_fault(VIRTQ_TOO_LONG);
    table()[0] = (struct vring_desc){ mem.regions[0].size, 16, 0, 0 };
    refer(TABLE, 32, 0);
    expect_fault(VIRTQ_BAD_BUFFER);
    describe(3, BUFFER, 4, WRITE | NEXT, 0);
    table()[0] = (struct vring_desc){ BUFFER, 16, 0, 0 };
    enable(INDIRECTS);
    describe(0, TABLE, 16, INDIRECT, 0);
    avail->idx = 0;
    offer(3);
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_ORDER);
}

/* Who tells whom. */

static void answer_one(void)
{
    describe(0, BUFFER, 1, WRITE, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    virtq_push(&q, 0, 0);
}

Test(virtq, interrupts_by_flag)
{
    answer_one();
    cr_assert(virtq_publish(&q));
    avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
    answer_one();
    cr_assert_not(virtq_publish(&q));
    cr_assert_eq(used->idx, 2, "published all the same");
}

Test(virtq, interrupts_by_event)
{
    enable(EVENTS);
    avail->flags = VRING_AVAIL_F_NO_INTERRUPT; /* means nothing now (2.7.7.2) */
    *used_event() = 0;
    answer_one();
    cr_assert(virtq_publish(&q), "at the first");
    answer_one();
    cr_assert_not(virtq_publish(&q), "used_event was passed");
    *used_event() = 3;
    answer_one();
    cr_assert_not(virtq_publish(&q), "the third is 2");
    answer_one();
    answer_one();
    cr_assert(virtq_publish(&q), "3 is among them");
}

Test(virtq, kicks_by_flag)
{
    virtq_kicks_off(&q);
    cr_assert_eq(used->flags, VRING_USED_F_NO_NOTIFY);
    cr_assert_not(virtq_kicks_on(&q));
    cr_assert_eq(used->flags, 0);
    offer(0);
    virtq_kicks_off(&q);
    cr_assert(virtq_kicks_on(&q), "one came meanwhile");
}

Test(virtq, kicks_by_event)
{
    enable(EVENTS);
    answer_one();
    virtq_kicks_off(&q);
    cr_assert_eq(used->flags, 0, "the flag is not used");
    cr_assert_eq(*avail_event(), 0, "nor the event moved");
    cr_assert_not(virtq_kicks_on(&q));
    cr_assert_eq(*avail_event(), 1);
    offer(0);
    cr_assert(virtq_kicks_on(&q));
    cr_assert_eq(*avail_event(), 1, "what is not popped is still ahead");
}
