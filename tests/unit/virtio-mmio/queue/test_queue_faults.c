/* Malformed chains, each refused for its own reason, and indirect tables in all forms. */
#include "virtio-mmio/queue/queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "unit/virtio-mmio/queue/queue_rig.h"

TestSuite(virtq_faults, .init = set_up, .fini = tear_down);

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

Test(virtq_faults, head_that_is_no_descriptor)
{
    offer(SIZE);
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_NEXT);
    cr_assert_eq(q.in_flight, 0);
}

Test(virtq_faults, next_that_is_no_descriptor)
{
    describe(0, BUFFER, 4, NEXT, SIZE);
    expect_fault(VIRTQ_BAD_NEXT);
}

Test(virtq_faults, next_far_away)
{
    describe(0, BUFFER, 4, NEXT, 0xffff);
    expect_fault(VIRTQ_BAD_NEXT);
}

Test(virtq_faults, loop_of_one)
{
    describe(0, BUFFER, 4, NEXT, 0);
    expect_fault(VIRTQ_TOO_LONG);
}

Test(virtq_faults, loop_of_all)
{
    for (unsigned i = 0; i < SIZE; i++)
        describe(i, BUFFER, 4, NEXT | WRITE, (i + 1) % SIZE);
    expect_fault(VIRTQ_TOO_LONG);
}

Test(virtq_faults, loop_of_empty_buffers)
{
    describe(0, 0, 0, NEXT, 1);
    describe(1, 0, 0, NEXT, 0);
    expect_fault(VIRTQ_TOO_LONG);
}

Test(virtq_faults, more_buffers_than_the_device_takes)
{
    for (unsigned i = 0; i < 4; i++)
        describe(i, BUFFER, 4, i < 3 ? NEXT : 0, i + 1);
    chain.iov_max = 3;
    expect_fault(VIRTQ_TOO_MANY);
}

Test(virtq_faults, exactly_the_buffers_the_device_takes)
{
    for (unsigned i = 0; i < 4; i++)
        describe(i, BUFFER, i == 1 ? 0 : 4, i < 3 ? NEXT : 0, i + 1);
    chain.iov_max = 3;
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.readable, 3);
}

Test(virtq_faults, buffers_out_of_ram)
{
    gpa_t end = mem.regions[0].size;
    const struct vring_desc bad[] = {
        { end, 1, 0, 0 },                           /* behind the first region */
        { end - 4, 8, 0, 0 },                       /* over its end */
        { 0, 0xffffffff, 0, 0 },                    /* all of RAM and more */
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

Test(virtq_faults, buffers_up_to_the_end_of_ram)
{
    describe(0, mem.regions[0].size - 4, 4, NEXT, 1);
    describe(1, mem.regions[1].gpa, (uint32_t)mem.regions[1].size, WRITE, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    cr_assert_eq(chain.writable_len, mem.regions[1].size);
}

Test(virtq_faults, readable_behind_writable)
{
    describe(0, BUFFER, 4, NEXT | WRITE, 1);
    describe(1, BUFFER, 4, 0, 0);
    expect_fault(VIRTQ_BAD_ORDER);
}

Test(virtq_faults, available_index_runs_ahead)
{
    describe(0, BUFFER, 4, 0, 0);
    avail->idx = SIZE + 1;
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_INDEX);
}

Test(virtq_faults, available_index_runs_back)
{
    describe(0, BUFFER, 4, 0, 0);
    offer(0);
    cr_assert_eq(virtq_pop(&q, &chain), 1);
    avail->idx = 0;
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_INDEX);
}

/* Descriptors in flight cannot be available too. */
Test(virtq_faults, more_in_flight_than_descriptors)
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

Test(virtq_faults, fault_found_by_kicks_on_is_told_by_pop)
{
    avail->idx = 1000;
    (void)virtq_kicks_on(&q);
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert_eq(q.fault, VIRTQ_BAD_INDEX);
}

/* A device that looks before it pops hears of the fault, too. */
Test(virtq_faults, fault_found_by_a_look_is_told_by_pop)
{
    cr_assert_not(virtq_has_chain(&q));
    avail->idx = 1000;
    cr_assert(virtq_has_chain(&q));
    cr_assert(virtq_has_chain(&q));
    cr_assert_eq(virtq_pop(&q, &chain), -EPROTO);
    cr_assert(virtq_has_chain(&q));
    virtq_stop(&q);
    cr_assert_not(virtq_has_chain(&q));
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

Test(virtq_faults, indirect)
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
Test(virtq_faults, indirect_in_odd_forms)
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

Test(virtq_faults, indirect_as_long_as_the_queue)
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

Test(virtq_faults, indirect_that_was_not_negotiated)
{
    describe(0, TABLE, 16, INDIRECT, 0);
    expect_fault(VIRTQ_BAD_INDIRECT);
}

Test(virtq_faults, malformed_indirect_tables)
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

Test(virtq_faults, indirect_inside_indirect)
{
    table()[0] = (struct vring_desc){ TABLE, 16, INDIRECT, 0 };
    refer(TABLE, 16, 0);
    expect_fault(VIRTQ_BAD_INDIRECT);
}

Test(virtq_faults, indirect_with_faults_inside)
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
