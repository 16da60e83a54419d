/* The driver: does what a guest's would, in steps between which a test can interfere. */
#include "lib/virtio/virtio_driver.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/container.h"
#include "core/base/err.h"
#include "lib/check.h"
#include "lib/lock_watch.h"
#include "virtio-mmio/plug.h"

#define QUEUES_AT    0x10000u
#define QUEUE_STRIDE 0x4000u /* bytes of memory that a queue has */
#define AVAIL_AT     0x2000u /* of the queue's memory: its descriptors are at 0 */
#define USED_AT      0x3000u

/* Turns of the loop, more than any chain of completions without real I/O takes. */
#define IDLE_TURNS  16u
#define PATIENCE_NS (UINT64_C(10) * NS_PER_S)

/* Life. */

static int doorbell_add(struct accel *a, gpa_t addr, unsigned size, uint64_t value, int eventfd,
                        struct err *e)
{
    struct vd *d = ((struct vd_accel *)a)->driver;

    (void)e;
    CHECK(addr == VD_WINDOW + VIRTIO_MMIO_QUEUE_NOTIFY && size == 4);
    CHECK(value < VIRTIO_QUEUES_MAX && d->queue[value].doorbell < 0);
    d->queue[value].doorbell = eventfd;
    return 0;
}

static void memory_written(struct accel *a, gpa_t gpa, uint64_t len)
{
    struct vd *d = ((struct vd_accel *)a)->driver;

    CHECK(mem_at(&d->mem, gpa, len));
    if (d->hostile)
        return;
    if (!d->told)
        d->told = calloc(VD_HIGH_END, sizeof(*d->told));
    CHECK(d->told);
    memset(d->told + gpa, true, len);
}

static const struct accel_ops accel_ops = {
    .name = "driver",
    .doorbell_add = doorbell_add,
    .memory_written = memory_written,
};

static void line_raise(struct irq_line *line)
{
    struct vd *d = container_of(line, struct vd, line);

    d->interrupts++;
}

void vd_init(struct vd *d, enum loop_backend backend)
{
    const struct mem_config mem = { .size = VD_LOW_END + (VD_HIGH_END - VD_HIGH),
                                    .gap_start = VD_LOW_END,
                                    .gap_end = VD_HIGH };
    struct err e;

    *d = (struct vd){ .free = VD_BUFFERS };
    if (loop_create(&d->loop, backend, &e) < 0 || mem_init(&d->mem, &mem, &e) < 0)
        check_failed(__FILE__, __LINE__, e.text);
    bus_init(&d->bus, "mmio");
    d->accel = (struct vd_accel){ .accel = { .ops = &accel_ops }, .driver = d };
    d->line = (struct irq_line){ .raise = line_raise, .fd = -1 };
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
        d->queue[i].doorbell = -1;
}

void vd_plug(struct vd *d, struct virtio_device *device)
{
    const struct virtio_slot slot = { .mmio = &d->bus,
                                      .gpa = VD_WINDOW,
                                      .accel = &d->accel.accel,
                                      .irq = &d->line,
                                      .loop = d->loop,
                                      .mem = &d->mem,
                                      .metrics = &d->metrics };
    struct err e;

    d->device = device;
    if (virtio_plug(device, &slot, &e) < 0)
        check_failed(__FILE__, __LINE__, e.text);
}

/* The driver whose device is being unplugged: `gone` is called with the device only. */
static struct vd *leaving;

static void gone(struct virtio_device *v)
{
    CHECK(v == leaving->device);
    leaving->gone = true;
}

static bool is_gone(void *arg)
{
    return ((struct vd *)arg)->gone;
}

void vd_finish(struct vd *d)
{
    leaving = d;
    if (d->device && virtio_unplug(d->device, gone))
        vd_run_until(d, is_gone, d);
    CHECK(d->metrics.first == NULL);
    loop_destroy(d->loop);
    mem_finish(&d->mem);
    free(d->told);
}

/* Registers. */

uint32_t vd_read(struct vd *d, uint32_t reg)
{
    uint32_t value;

    CHECK(bus_read(&d->bus, VD_WINDOW + reg, &value, sizeof(value)));
    return value;
}

void vd_write(struct vd *d, uint32_t reg, uint32_t value)
{
    CHECK(bus_write(&d->bus, VD_WINDOW + reg, &value, sizeof(value)));
}

void vd_config_read(struct vd *d, uint32_t offset, void *to, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        CHECK(bus_read(&d->bus, VD_WINDOW + VIRTIO_MMIO_CONFIG + offset + i, (uint8_t *)to + i, 1));
}

/* Bring-up. */

static uint64_t features_offered(struct vd *d)
{
    uint64_t low, high;

    vd_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    low = vd_read(d, VIRTIO_MMIO_DEVICE_FEATURES);
    vd_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    high = vd_read(d, VIRTIO_MMIO_DEVICE_FEATURES);
    return high << 32 | low;
}

static void status_add(struct vd *d, uint32_t bit)
{
    vd_write(d, VIRTIO_MMIO_STATUS, vd_read(d, VIRTIO_MMIO_STATUS) | bit);
}

bool vd_negotiate(struct vd *d, uint64_t without)
{
    vd_reset(d);
    status_add(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    status_add(d, VIRTIO_CONFIG_S_DRIVER);
    d->features = features_offered(d) & ~without;
    for (uint32_t i = 0; i < 2; i++) {
        vd_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
        vd_write(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(d->features >> 32 * i));
    }
    status_add(d, VIRTIO_CONFIG_S_FEATURES_OK);
    return vd_read(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static void gpa_write(struct vd *d, uint32_t reg_low, gpa_t gpa)
{
    vd_write(d, reg_low, (uint32_t)gpa);
    vd_write(d, reg_low + 4, (uint32_t)(gpa >> 32));
}

void vd_queue_set_up(struct vd *d, unsigned queue, uint16_t size)
{
    struct vd_queue *q = &d->queue[queue];
    gpa_t at = QUEUES_AT + (gpa_t)queue * QUEUE_STRIDE;
    uint32_t most;

    memset(vd_at(d, at, QUEUE_STRIDE), 0, QUEUE_STRIDE);
    vd_write(d, VIRTIO_MMIO_QUEUE_SEL, queue);
    most = vd_read(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
    CHECK(most > 0 && most <= VIRTQ_SIZE_MAX && size <= most);
    *q = (struct vd_queue){ .size = (uint16_t)(size > 0 ? size : most),
                            .desc = vd_at(d, at, AVAIL_AT),
                            .avail = vd_at(d, at + AVAIL_AT, USED_AT - AVAIL_AT),
                            .used = vd_at(d, at + USED_AT, QUEUE_STRIDE - USED_AT),
                            .doorbell = q->doorbell };
    vd_write(d, VIRTIO_MMIO_QUEUE_NUM, q->size);
    gpa_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, at);
    gpa_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, at + AVAIL_AT);
    gpa_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, at + USED_AT);
    vd_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
    CHECK(vd_read(d, VIRTIO_MMIO_QUEUE_READY) == 1);
}

void vd_start(struct vd *d, uint64_t without)
{
    CHECK(vd_negotiate(d, without));
    for (unsigned i = 0; i < d->device->setup.queue_count; i++)
        vd_queue_set_up(d, i, 0);
    status_add(d, VIRTIO_CONFIG_S_DRIVER_OK);
    vd_settle(d);
}

static bool is_reset(void *arg)
{
    return vd_read(arg, VIRTIO_MMIO_STATUS) == 0;
}

void vd_reset(struct vd *d)
{
    vd_write(d, VIRTIO_MMIO_STATUS, 0);
    vd_run_until(d, is_reset, d);
}

/* Chains. */

gpa_t vd_alloc(struct vd *d, uint32_t len)
{
    gpa_t at = d->free;

    d->free = (at + len + 15) & ~UINT64_C(15);
    CHECK(d->free <= VD_LOW_END);
    memset(vd_at(d, at, len), 0, len);
    return at;
}

void *vd_at(struct vd *d, gpa_t at, uint32_t len)
{
    void *host = mem_at(&d->mem, at, len);

    CHECK(host);
    return host;
}

void vd_desc(struct vd *d, unsigned queue, uint16_t index, struct vring_desc desc)
{
    struct vd_queue *q = &d->queue[queue];

    CHECK(index < q->size);
    q->desc[index] = desc;
}

void vd_offer(struct vd *d, unsigned queue, uint16_t head)
{
    struct vd_queue *q = &d->queue[queue];

    q->avail->ring[q->offered++ & (q->size - 1)] = head;
}

void vd_publish(struct vd *d, unsigned queue)
{
    struct vd_queue *q = &d->queue[queue];

    __atomic_store_n(&q->avail->idx, q->offered, __ATOMIC_RELEASE);
}

static uint16_t desc_take(struct vd_queue *q)
{
    return q->next_desc++ & (uint16_t)(q->size - 1);
}

uint16_t vd_chain(struct vd *d, unsigned queue, const struct vd_buf *bufs, unsigned count)
{
    struct vd_queue *q = &d->queue[queue];
    uint16_t head = q->next_desc & (uint16_t)(q->size - 1);

    CHECK(count > 0 && count <= q->size);
    for (unsigned i = 0; i < count; i++) {
        uint16_t index = desc_take(q);
        uint16_t next = q->next_desc & (uint16_t)(q->size - 1);
        uint16_t flags = bufs[i].flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0);
        vd_desc(d, queue, index, (struct vring_desc){ bufs[i].at, bufs[i].len, flags, next });
    }
    vd_offer(d, queue, head);
    vd_publish(d, queue);
    return head;
}

uint16_t vd_indirect(struct vd *d, unsigned queue, const struct vd_buf *bufs, unsigned count)
{
    uint32_t len = count * (uint32_t)sizeof(struct vring_desc);
    gpa_t at = vd_alloc(d, len);
    struct vring_desc *table = vd_at(d, at, len);
    uint16_t head = desc_take(&d->queue[queue]);

    for (unsigned i = 0; i < count; i++) {
        uint16_t flags = bufs[i].flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0);
        table[i] = (struct vring_desc){ bufs[i].at, bufs[i].len, flags, (uint16_t)(i + 1) };
    }
    vd_desc(d, queue, head, (struct vring_desc){ at, len, VRING_DESC_F_INDIRECT, 0 });
    vd_offer(d, queue, head);
    vd_publish(d, queue);
    return head;
}

static bool has_event_idx(const struct vd *d)
{
    return d->features >> VIRTIO_RING_F_EVENT_IDX & 1;
}

bool vd_kick(struct vd *d, unsigned queue)
{
    struct vd_queue *q = &d->queue[queue];
    uint16_t from = q->kicked;
    uint16_t event; /* avail_event, behind the used ring */
    bool wanted;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    q->kicked = q->offered;
    memcpy(&event, &q->used->ring[q->size], sizeof(event));
    if (has_event_idx(d))
        wanted = vring_need_event(event, q->offered, from);
    else
        wanted = !(q->used->flags & VRING_USED_F_NO_NOTIFY);
    if (wanted)
        vd_kick_hard(d, queue);
    return wanted;
}

void vd_kick_hard(struct vd *d, unsigned queue)
{
    const uint64_t one = 1;

    if (d->by_register)
        vd_write(d, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
    else
        CHECK(write(d->queue[queue].doorbell, &one, sizeof(one)) == sizeof(one));
}

/* What comes back. */

struct turns {
    struct loop_post post;
    struct loop *loop;
    unsigned left;
};

static void turn(struct loop_post *post)
{
    struct turns *t = container_of(post, struct turns, post);

    if (t->left-- == 0)
        loop_stop(t->loop);
    else
        loop_post(t->loop, post);
}

/* Runs so many turns of the loop. None of them sleeps, since the post is always due. */
static void run(struct vd *d, unsigned turns)
{
    struct turns t = { .post = { .call = turn }, .loop = d->loop, .left = turns };

    loop_post(d->loop, &t.post);
    CHECK(loop_run(d->loop) == 0);
}

void vd_settle(struct vd *d)
{
    run(d, IDLE_TURNS);
    CHECK(!lock_watch_broken());
}

void vd_run_until(struct vd *d, bool (*done)(void *arg), void *arg)
{
    uint64_t end_ns = clock_now_ns() + PATIENCE_NS;

    while (!done(arg)) {
        CHECK(clock_now_ns() < end_ns);
        run(d, 1);
    }
}

/* Checks, for a chain that was used, that memory_written was told of the len bytes that the used
 * element reports as written. The chain's descriptors must not have changed since. */
static void check_told(struct vd *d, const struct vring_desc *table, uint16_t head, uint32_t len)
{
    const struct vring_desc *p = &table[head];

    for (unsigned left = VIRTQ_SIZE_MAX; left > 0; left--, p = &table[p->next % VIRTQ_SIZE_MAX]) {
        if (p->flags & VRING_DESC_F_INDIRECT) {
            table = mem_at(&d->mem, p->addr, p->len);
            if (table && p->len > 0)
                check_told(d, table, 0, len);
            return;
        }
        uint32_t part = p->flags & VD_WRITE ? (p->len < len ? p->len : len) : 0;
        if (part > 0 && mem_at(&d->mem, p->addr, part)) {
            CHECK(d->told && memchr(d->told + p->addr, false, part) == NULL);
            memset(d->told + p->addr, false, part);
        }
        len -= part;
        if (!(p->flags & VRING_DESC_F_NEXT))
            return;
    }
}

bool vd_reap(struct vd *d, unsigned queue, struct vd_used *used)
{
    struct vd_queue *q = &d->queue[queue];
    uint16_t index = __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE);
    const struct vring_used_elem *e;

    if (index == q->reaped)
        return false;
    if (d->hostile && (uint16_t)(index - q->reaped) > q->size)
        q->reaped = (uint16_t)(index - q->size); /* unreaped ones were offered again */
    e = &q->used->ring[q->reaped & (q->size - 1)];
    CHECK((uint16_t)(index - q->reaped) <= q->size && e->id < q->size);
    *used = (struct vd_used){ .head = (uint16_t)e->id, .len = e->len };
    if (!d->hostile && d->accel.accel.ops->memory_written)
        check_told(d, q->desc, used->head, used->len);
    q->reaped++;
    if (has_event_idx(d) && !d->no_interrupts)
        q->avail->ring[q->size] = q->reaped; /* used_event: interrupt at the next one */
    return true;
}

struct awaited {
    struct vd *driver;
    unsigned queue;
    struct vd_used used;
};

static bool has_come(void *arg)
{
    struct awaited *a = arg;

    return vd_reap(a->driver, a->queue, &a->used);
}

struct vd_used vd_await(struct vd *d, unsigned queue)
{
    struct awaited a = { .driver = d, .queue = queue };

    vd_run_until(d, has_come, &a);
    return a.used;
}

bool vd_failed(struct vd *d)
{
    return vd_read(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

unsigned vd_interrupts(struct vd *d, uint32_t *why)
{
    unsigned interrupts = d->interrupts;
    uint32_t status = vd_read(d, VIRTIO_MMIO_INTERRUPT_STATUS);

    vd_write(d, VIRTIO_MMIO_INTERRUPT_ACK, status);
    CHECK(vd_read(d, VIRTIO_MMIO_INTERRUPT_STATUS) == 0);
    d->interrupts = 0;
    if (why)
        *why = status;
    return interrupts;
}
