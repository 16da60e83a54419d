/*
 * The processors. Each brings up its own devices and works on them; now and then it meddles with
 * another processor's device, with any register, or with the queues' memory.
 */
#include "chaos/guest.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <unistd.h>

#define STEPS    16u /* of a round */
#define AVAIL_AT 0x2000u
#define USED_AT  0x3000u
#define PATIENCE 2000u /* times that it polls a device that is being reset */

/* A function whose accesses ThreadSanitizer does not see (guest_put says why). */
#define UNSEEN __attribute__((no_sanitize("thread"), noinline))

/* Memory. */

UNSEEN void guest_put(struct guest *g, gpa_t at, const void *bytes, uint32_t len)
{
    const uint8_t *from = bytes;
    volatile uint8_t *to = mem_at(&g->c->mem, at, len);

    for (uint32_t i = 0; to && i < len; i++)
        to[i] = from[i];
}

static UNSEEN void put_zeros(struct guest *g, gpa_t at, uint32_t len)
{
    volatile uint8_t *to = mem_at(&g->c->mem, at, len);

    for (uint32_t i = 0; to && i < len; i++)
        to[i] = 0;
}

static UNSEEN uint16_t get_u16(struct guest *g, gpa_t at)
{
    volatile uint16_t *from = mem_at(&g->c->mem, at, sizeof(*from));

    return from ? *from : 0;
}

/* Stores the index after all stores before it, as an x86 processor does. An atomic store would be
 * seen by ThreadSanitizer. */
static UNSEEN void put_index(struct guest *g, gpa_t at, uint16_t index)
{
    volatile uint16_t *to = mem_at(&g->c->mem, at, sizeof(*to));

    __asm__ volatile("" ::: "memory");
    if (to)
        *to = index;
}

static gpa_t queue_at(unsigned device, unsigned queue)
{
    return 0x10000 + (device * 8 + queue) * QUEUE_LEN;
}

gpa_t guest_place(struct guest *g, uint32_t len)
{
    if (one_in(&g->dice, 64))
        return HIGH + below(&g->dice, (uint32_t)HIGH_LEN - len);
    if (one_in(&g->dice, 2000)) /* mostly runs beyond the end of memory, which is a fault */
        return HIGH + HIGH_LEN - below(&g->dice, len + 64);
    if (one_in(&g->dice, 500))
        return queue_at(below(&g->dice, DEVS), below(&g->dice, 4)) +
               below(&g->dice, (uint32_t)QUEUE_LEN);
    return BUFFERS + below(&g->dice, (uint32_t)(BUFFERS_LEN - len - 64));
}

static void scribble(struct guest *g)
{
    gpa_t at = queue_at(below(&g->dice, DEVS), below(&g->dice, 4)) +
               below(&g->dice, (uint32_t)QUEUE_LEN - 8);
    uint64_t value = below(&g->dice, 300);

    if (one_in(&g->dice, 3))
        value = roll(&g->dice) | (uint64_t)roll(&g->dice) << 32;
    guest_put(g, at, &value, 1 + below(&g->dice, 8));
}

/* Registers. */

static gpa_t window(unsigned device)
{
    return WINDOWS + device * UINT64_C(0x1000);
}

uint32_t guest_read(struct guest *g, unsigned device, uint32_t reg)
{
    uint32_t value = 0;

    (void)bus_read(&g->c->bus, window(device) + reg, &value, sizeof(value));
    return value;
}

/* A store to a doorbell writes its eventfd, as an accelerator does, and does not reach the bus. */
void guest_write(struct guest *g, unsigned device, uint32_t reg, uint32_t value)
{
    const uint64_t one = 1;

    for (unsigned i = 0; reg == VIRTIO_MMIO_QUEUE_NOTIFY && i < g->c->bell_count; i++) {
        const struct bell *b = &g->c->bells[i];
        if (b->gpa == window(device) + reg && b->value == value) {
            (void)!write(b->eventfd, &one, sizeof(one));
            return;
        }
    }
    (void)bus_write(&g->c->bus, window(device) + reg, &value, sizeof(value));
}

static void any_register(struct guest *g)
{
    static const unsigned sizes[] = { 1, 2, 4, 8, 4, 4, 3, 5 };
    uint32_t reg = below(&g->dice, 2) ? below(&g->dice, 0x100) & ~3u : below(&g->dice, 0x1000);
    gpa_t at = window(below(&g->dice, DEVS)) + reg;
    unsigned size = sizes[below(&g->dice, 8)];
    uint64_t value = below(&g->dice, 16);

    if (one_in(&g->dice, 2))
        value = roll(&g->dice) | (uint64_t)roll(&g->dice) << 32;
    if (reg == VIRTIO_MMIO_STATUS && !one_in(&g->dice, 8))
        return;
    if (one_in(&g->dice, 2))
        (void)bus_read(&g->c->bus, at, &value, size);
    else
        (void)bus_write(&g->c->bus, at, &value, size);
}

/* Bring-up. */

static void queue_up(struct guest *g, unsigned device, unsigned queue)
{
    struct guest_queue *q = &g->queue[device][queue];
    uint32_t at = (uint32_t)queue_at(device, queue), most, size;

    guest_write(g, device, VIRTIO_MMIO_QUEUE_SEL, queue);
    most = guest_read(g, device, VIRTIO_MMIO_QUEUE_NUM_MAX);
    size = one_in(&g->dice, 12) ? 1u << below(&g->dice, 9) : most;
    if (most == 0 || most > VIRTQ_SIZE_MAX)
        return; /* none, or another processor has set the selector */
    *q = (struct guest_queue){ .size = (uint16_t)(size < most ? size : most) };
    if (!one_in(&g->dice, 50))
        put_zeros(g, at, (uint32_t)QUEUE_LEN);
    guest_write(g, device, VIRTIO_MMIO_QUEUE_NUM, q->size);
    guest_write(g, device, VIRTIO_MMIO_QUEUE_DESC_LOW, at);
    guest_write(g, device, VIRTIO_MMIO_QUEUE_AVAIL_LOW, at + AVAIL_AT);
    guest_write(g, device, VIRTIO_MMIO_QUEUE_USED_LOW,
                at + (one_in(&g->dice, 16) ? AVAIL_AT : USED_AT));
    guest_write(g, device, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* A vCPU would be held until the reset ends. This thread polls, and lets pauses come meanwhile. */
static void reset(struct guest *g, unsigned device)
{
    guest_write(g, device, VIRTIO_MMIO_STATUS, 0);
    for (unsigned i = 0; i < PATIENCE && guest_read(g, device, VIRTIO_MMIO_STATUS) != 0; i++) {
        (void)pthread_rwlock_unlock(&g->c->running);
        (void)usleep(20);
        (void)pthread_rwlock_rdlock(&g->c->running);
    }
}

static void negotiate(struct guest *g, unsigned device)
{
    bool all = one_in(&g->dice, 2);

    for (uint32_t i = 0; i < 2; i++) {
        uint32_t features;
        guest_write(g, device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, i);
        features = guest_read(g, device, VIRTIO_MMIO_DEVICE_FEATURES);
        if (!all)
            features &= i ? 1 : roll(&g->dice) | 1u << VIRTIO_RING_F_INDIRECT_DESC;
        guest_write(g, device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
        guest_write(g, device, VIRTIO_MMIO_DRIVER_FEATURES, features);
    }
}

static void bring_up(struct guest *g, unsigned device)
{
    reset(g, device);
    guest_write(g, device, VIRTIO_MMIO_STATUS, 1);
    guest_write(g, device, VIRTIO_MMIO_STATUS, 3);
    negotiate(g, device);
    guest_write(g, device, VIRTIO_MMIO_STATUS, 11);
    for (unsigned i = 0; i < 5; i++)
        if (!one_in(&g->dice, 20))
            queue_up(g, device, i);
    guest_write(g, device, VIRTIO_MMIO_STATUS, 15);
}

/* Chains. */

static void desc_put(struct guest *g, gpa_t table, unsigned at, const struct guest_buf *b,
                     unsigned next, bool more)
{
    const struct vring_desc d = { .addr = b->at,
                                  .len = b->len,
                                  .flags = (uint16_t)(b->flags | (more ? VRING_DESC_F_NEXT : 0)),
                                  .next = (uint16_t)next };

    guest_put(g, table + at * sizeof(d), &d, sizeof(d));
}

static void indirect_put(struct guest *g, gpa_t ring, uint16_t head, const struct guest_buf *bufs,
                         unsigned count)
{
    gpa_t table = BUFFERS + below(&g->dice, (uint32_t)BUFFERS_LEN - 0x10000);
    struct guest_buf b = { table, count * (uint32_t)sizeof(struct vring_desc),
                           VRING_DESC_F_INDIRECT };

    for (unsigned i = 0; i < count; i++)
        desc_put(g, table, i, &bufs[i], i + 1, i + 1 < count);
    desc_put(g, ring, head, &b, 0, false);
}

static bool is_behind(struct guest *g, const struct guest_queue *q, gpa_t at)
{
    uint16_t open = (uint16_t)(q->offered - get_u16(g, at + USED_AT + 2));

    return open * 16u > q->size && !one_in(&g->dice, 200);
}

void guest_chain(struct guest *g, unsigned device, unsigned queue, const struct guest_buf *bufs,
                 unsigned count)
{
    struct guest_queue *q = &g->queue[device][queue];
    gpa_t at = queue_at(device, queue), avail = at + AVAIL_AT;
    uint16_t head;

    if (q->size == 0 || is_behind(g, q, at)) {
        guest_write(g, device, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
        return;
    }
    head = q->next % q->size;
    if (one_in(&g->dice, 3)) {
        indirect_put(g, at, head, bufs, count);
        q->next++;
    } else {
        for (unsigned i = 0; i < count; i++) {
            unsigned me = q->next++ % q->size;
            desc_put(g, at, me, &bufs[i], q->next % q->size, i + 1 < count);
        }
    }
    if (one_in(&g->dice, 400))
        q->offered = get_u16(g, avail + 2); /* another processor may have moved it */
    guest_put(g, avail + 4 + 2 * (q->offered++ % q->size), &head, sizeof(head));
    put_index(g, avail + 2, q->offered);
    if (one_in(&g->dice, 2))
        guest_write(g, device, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

/* Rounds. */

static void step(struct guest *g, unsigned device, bool mine)
{
    static const uint32_t calm[] = { 4000, 400, 40000 };

    switch (below(&g->dice, calm[g->c->seed % 3])) {
    case 0:
        scribble(g);
        return;
    case 1:
        any_register(g);
        return;
    case 2:
        guest_write(g, device, VIRTIO_MMIO_QUEUE_NOTIFY, below(&g->dice, 5));
        return;
    case 3:
        if (one_in(&g->dice, 20))
            guest_write(g, device, VIRTIO_MMIO_STATUS, 0);
        return;
    case 4:
        if (one_in(&g->dice, 40))
            bring_up(g, device);
        return;
    default:
        break;
    }
    if (mine)
        guest_request(g, device);
    else
        any_register(g);
}

static void mend(struct guest *g, unsigned device)
{
    uint32_t status = guest_read(g, device, VIRTIO_MMIO_STATUS);

    if (status & VIRTIO_CONFIG_S_NEEDS_RESET || (status == 0 && one_in(&g->dice, 4)))
        bring_up(g, device);
    guest_write(g, device, VIRTIO_MMIO_INTERRUPT_ACK, 3);
}

static unsigned choose(struct guest *g, bool mine)
{
    if (!mine)
        return below(&g->dice, DEVS);
    return g->number + CPUS * below(&g->dice, (DEVS - g->number + CPUS - 1) / CPUS);
}

static void round_of(struct guest *g)
{
    bool mine = !one_in(&g->dice, 64);
    unsigned device = choose(g, mine);

    (void)pthread_rwlock_rdlock(&g->c->running);
    for (unsigned i = 0; i < STEPS; i++)
        step(g, device, mine);
    if (mine)
        mend(g, device);
    /* Begins a reset, which a pause that waits for this processor then finds under way. */
    if (mine && one_in(&g->dice, 50))
        guest_write(g, device, VIRTIO_MMIO_STATUS, 0);
    (void)pthread_rwlock_unlock(&g->c->running);
    if (one_in(&g->dice, 4))
        (void)usleep(below(&g->dice, 100));
}

void *cpu_main(void *arg)
{
    const struct cpu *cpu = arg;
    struct guest g = { .c = cpu->c, .number = cpu->number };

    g.dice.state = g.c->seed * 7919u + g.number * 104729u + UINT64_C(88172645463325252);
    for (unsigned n = g.number; n < DEVS; n += CPUS) {
        (void)pthread_rwlock_rdlock(&g.c->running);
        bring_up(&g, n);
        (void)pthread_rwlock_unlock(&g.c->running);
    }
    for (unsigned i = 0; i < g.c->rounds; i++) {
        round_of(&g);
        if (i % 32 == 0)
            operator_act();
    }
    g.c->executing--;
    operator_act(); /* it ends the machine after the last processor */
    return NULL;
}
