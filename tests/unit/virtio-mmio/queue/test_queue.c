/* The device's side of a split virtqueue: setting up, well-formed chains, interrupts and kicks. */
#include "virtio-mmio/queue/queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "unit/virtio-mmio/queue/queue_rig.h"

TestSuite(virtq, .init = set_up, .fini = tear_down);

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

/* Each area ends with the last byte of RAM, then one step further. */
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

/* Well-formed chains. */

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

/* The copy is used: what the driver changes later reaches only the data. */
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

/* A device may look without having been kicked, and it asks for kicks until it finds nothing. */
Test(virtq, not_ready_has_no_chains)
{
    offer(0);
    virtq_reset(&q);
    cr_assert_eq(virtq_pop(&q, &chain), 0);
    virtq_kicks_off(&q);
    cr_assert_not(virtq_kicks_on(&q));
    cr_assert_not(virtq_publish(&q));
}

Test(virtq, stopped_gives_no_more)
{
    for (unsigned i = 0; i < 3; i++) {
        describe(i, BUFFER, 4, WRITE, 0);
        offer((uint16_t)i);
    }
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    virtq_stop(&q);
    cr_assert_eq(virtq_pop(&q, &chain), 0);
    virtq_kicks_off(&q);
    cr_assert_eq(used->flags, 0);
    cr_assert_not(virtq_kicks_on(&q));
    virtq_push(&q, 0, 4);
    cr_assert(virtq_publish(&q), "what it has is answered");
    virtq_reset(&q);
    cr_assert_not(q.stopped);
}

/* Interrupts and kicks. */

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
