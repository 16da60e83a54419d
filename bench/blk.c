/*
 * What the block device does in a second, without a guest.
 *
 *   bench-blk FILE read|write random|sequential BLOCK_BYTES DEPTH SECONDS [direct]
 *   bench-blk crossing SECONDS
 *
 * Method: one thread plays the vCPU and its driver. It keeps DEPTH requests in the queue, each
 * with an indirect table, rings the doorbell's eventfd when the device asks for it and sleeps on an
 * eventfd that stands for the interrupt. The other thread is the loop with the device, as in the
 * monitor; memory, rings and transport are the real ones. So what is left out is what the processor
 * and KVM add: an ioeventfd instead of a write, an irqfd and the guest's handler instead of a read.
 *
 * Prints requests and bytes a second. `crossing` prints how often a second two threads can wake
 * each other through two eventfds and do nothing else: no device with a thread of its own is faster
 * at depth 1.
 */
#include <inttypes.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/accel.h"
#include "core/bus.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/irq.h"
#include "core/loop.h"
#include "core/mem.h"
#include "virtio-mmio/blk.h"
#include "virtio-mmio/plug.h"

#define MEM_SIZE   (UINT64_C(256) << 20)
#define WINDOW     UINT64_C(0xc0001000)
#define QUEUE_SIZE 256u
#define DEPTH_MAX  256u
#define DESC_AT    UINT64_C(0x1000)
#define AVAIL_AT   UINT64_C(0x3000)
#define USED_AT    UINT64_C(0x4000)
#define TABLES_AT  UINT64_C(0x10000) /* a page each: table, header, status */
#define DATA_AT    (UINT64_C(2) << 20)

struct task {
    const char *path;
    bool write, sequential, direct;
    uint32_t block;
    unsigned depth;
    double seconds;
};

struct driver {
    struct task task;
    struct loop *loop;
    struct mem mem;
    struct bus bus;
    struct accel accel;
    struct irq_line line;
    struct blk *disk;
    int doorbell, interrupt;
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    const uint16_t *avail_event; /* behind the used ring */
    uint16_t offered, kicked, reaped;
    uint64_t blocks; /* of the disk */
    uint64_t next;   /* block, sequential */
    uint64_t random;
};

/* One in the process: callbacks of the accelerator's and of unplugging have no room for it. */
static struct driver driver;

static void fail(const char *why)
{
    (void)fprintf(stderr, "bench-blk: %s\n", why);
    exit(1);
}

/* The monitor's part. */

static int doorbell_add(struct accel *a, gpa_t addr, unsigned size, uint64_t value, int eventfd,
                        struct err *e)
{
    (void)a, (void)addr, (void)size, (void)value, (void)e;
    driver.doorbell = eventfd;
    return 0;
}

static const struct accel_ops accel_ops = { .name = "bench", .doorbell_add = doorbell_add };

static void line_raise(struct irq_line *line)
{
    const uint64_t one = 1;

    (void)line;
    if (write(driver.interrupt, &one, sizeof(one)) < 0)
        fail("the interrupt is lost");
}

static void gone(struct virtio_device *v)
{
    (void)v;
    blk_destroy(driver.disk);
    loop_stop(driver.loop);
}

static void leave(struct loop_post *post)
{
    (void)post;
    (void)virtio_unplug(&driver.disk->virtio, gone);
}

static void machine_build(struct driver *d)
{
    const struct mem_config mem = { .size = MEM_SIZE,
                                    .gap_start = 0xc0000000,
                                    .gap_end = UINT64_C(1) << 32 };
    const struct blk_config config = { .id = "bench",
                                       .path = d->task.path,
                                       .read_only = !d->task.write,
                                       .direct = d->task.direct,
                                       .writeback = true };
    struct virtio_slot slot = {
        .mmio = &d->bus, .gpa = WINDOW, .accel = &d->accel, .irq = &d->line, .mem = &d->mem
    };
    struct err e;

    d->accel.ops = &accel_ops;
    d->line = (struct irq_line){ .raise = line_raise, .fd = -1 };
    d->interrupt = eventfd(0, EFD_CLOEXEC);
    bus_init(&d->bus, "mmio");
    if (loop_create(&d->loop, LOOP_AUTO, &e) < 0 || mem_init(&d->mem, &mem, &e) < 0 ||
        blk_create(&d->disk, &config, &e) < 0)
        fail(e.text);
    mem_populate(&d->mem, 0, MEM_SIZE);
    slot.loop = d->loop;
    if (virtio_plug(&d->disk->virtio, &slot, &e) < 0)
        fail(e.text);
}

/* The driver's part. */

static void reg_write(struct driver *d, uint32_t reg, uint32_t value)
{
    (void)bus_write(&d->bus, WINDOW + reg, &value, sizeof(value));
}

static void status_set(struct driver *d, uint32_t bits)
{
    reg_write(d, VIRTIO_MMIO_STATUS, bits);
}

static void driver_start(struct driver *d)
{
    const uint32_t found = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

    status_set(d, found);
    reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES,
              1u << VIRTIO_RING_F_EVENT_IDX | 1u << VIRTIO_RING_F_INDIRECT_DESC |
                  1u << VIRTIO_BLK_F_FLUSH);
    reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES, 1u << (VIRTIO_F_VERSION_1 - 32));
    status_set(d, found | VIRTIO_CONFIG_S_FEATURES_OK);
    reg_write(d, VIRTIO_MMIO_QUEUE_SEL, 0);
    reg_write(d, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
    reg_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)DESC_AT);
    reg_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)AVAIL_AT);
    reg_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)USED_AT);
    reg_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
    d->desc = mem_at(&d->mem, DESC_AT, AVAIL_AT - DESC_AT);
    d->avail = mem_at(&d->mem, AVAIL_AT, USED_AT - AVAIL_AT);
    d->used = mem_at(&d->mem, USED_AT, TABLES_AT - USED_AT);
    d->avail_event = mem_at(&d->mem, USED_AT + 4 + QUEUE_SIZE * sizeof(struct vring_used_elem), 2);
    status_set(d, found | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static uint64_t block_next(struct driver *d)
{
    if (d->task.sequential)
        return d->next++ % d->blocks;
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return d->random % d->blocks;
}

/* Request i has its table, header and status in page i, and descriptor i refers to them. */
static void request_make(struct driver *d, uint16_t i)
{
    gpa_t page = TABLES_AT + i * UINT64_C(4096);
    struct vring_desc *table = mem_at(&d->mem, page, 4096);
    uint16_t direction = d->task.write ? 0 : VRING_DESC_F_WRITE;

    table[0] = (struct vring_desc){ page + 1024, 16, VRING_DESC_F_NEXT, 1 };
    table[1] = (struct vring_desc){ DATA_AT + (uint64_t)i * d->task.block, d->task.block,
                                    VRING_DESC_F_NEXT | direction, 2 };
    table[2] = (struct vring_desc){ page + 2048, 1, VRING_DESC_F_WRITE, 0 };
    d->desc[i] =
        (struct vring_desc){ page, sizeof(struct vring_desc) * 3, VRING_DESC_F_INDIRECT, 0 };
}

static void request_offer(struct driver *d, uint16_t i)
{
    struct virtio_blk_outhdr *header =
        mem_at(&d->mem, TABLES_AT + i * UINT64_C(4096) + 1024, sizeof(*header));

    *header =
        (struct virtio_blk_outhdr){ .type = d->task.write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
                                    .sector = block_next(d) * (d->task.block / 512) };
    d->avail->ring[d->offered++ % QUEUE_SIZE] = i;
}

static void kick(struct driver *d)
{
    const uint64_t one = 1;
    uint16_t from = d->kicked;

    __atomic_store_n(&d->avail->idx, d->offered, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    d->kicked = d->offered;
    if (vring_need_event(__atomic_load_n(d->avail_event, __ATOMIC_RELAXED), d->offered, from) &&
        write(d->doorbell, &one, sizeof(one)) < 0)
        fail("the doorbell is lost");
}

/* Takes what was used and offers it again; returns how many. */
static unsigned reap(struct driver *d)
{
    uint16_t index = __atomic_load_n(&d->used->idx, __ATOMIC_ACQUIRE);
    unsigned count = 0;

    for (; d->reaped != index; d->reaped++, count++) {
        uint16_t i = (uint16_t)d->used->ring[d->reaped % QUEUE_SIZE].id;
        const uint8_t *status = mem_at(&d->mem, TABLES_AT + i * UINT64_C(4096) + 2048, 1);
        if (*status != VIRTIO_BLK_S_OK)
            fail("a request failed");
        request_offer(d, i);
    }
    return count;
}

/* Asks for an interrupt at the next used one; true: there already is one. */
static bool interrupts_on(struct driver *d)
{
    d->avail->ring[QUEUE_SIZE] = d->reaped;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&d->used->idx, __ATOMIC_ACQUIRE) != d->reaped;
}

static void interrupt_await(struct driver *d)
{
    uint64_t count;

    if (read(d->interrupt, &count, sizeof(count)) < 0)
        fail("no interrupt");
    reg_write(d, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
}

static void measure(struct driver *d)
{
    uint64_t start_ns, end_ns, now_ns, done = 0;
    double seconds;

    for (uint16_t i = 0; i < d->task.depth; i++) {
        request_make(d, i);
        request_offer(d, i);
    }
    start_ns = clock_now_ns();
    end_ns = start_ns + (uint64_t)(d->task.seconds * CLOCK_NS_PER_S);
    kick(d);
    do {
        if (!interrupts_on(d))
            interrupt_await(d);
        done += reap(d);
        kick(d);
        now_ns = clock_now_ns();
    } while (now_ns < end_ns);
    seconds = (double)(now_ns - start_ns) / CLOCK_NS_PER_S;
    (void)printf("%.0f requests/s %.0f bytes/s\n", (double)done / seconds,
                 (double)done * d->task.block / seconds);
}

static struct task task_read(int argc, char **argv)
{
    struct task t;

    if (argc < 7)
        fail("FILE read|write random|sequential BLOCK_BYTES DEPTH SECONDS [direct]");
    t = (struct task){ .path = argv[1],
                       .write = strcmp(argv[2], "write") == 0,
                       .sequential = strcmp(argv[3], "sequential") == 0,
                       .block = (uint32_t)strtoul(argv[4], NULL, 10),
                       .depth = (unsigned)strtoul(argv[5], NULL, 10),
                       .seconds = strtod(argv[6], NULL),
                       .direct = argc > 7 };
    if (t.block < 512 || t.block % 512 != 0 || t.depth < 1 || t.depth > DEPTH_MAX ||
        DATA_AT + (uint64_t)t.depth * t.block > MEM_SIZE)
        fail("a block is a multiple of 512 bytes, a depth is 1 to 256, and both fit into memory");
    return t;
}

static void *driver_main(void *arg)
{
    static struct loop_post post = { .call = leave };
    struct driver *d = arg;

    driver_start(d);
    measure(d);
    loop_post(d->loop, &post);
    return NULL;
}

static void pass(int from, int to)
{
    uint64_t count;

    if (read(from, &count, sizeof(count)) < 0 || write(to, &count, sizeof(count)) < 0)
        fail("an eventfd is broken");
}

static void *answer_all(void *arg)
{
    const int *ends = arg;

    for (;;)
        pass(ends[0], ends[1]);
    return NULL;
}

static int crossing_measure(double seconds)
{
    uint64_t start_ns, end_ns, now_ns, count = 0;
    const uint64_t one = 1;
    int ends[2] = { eventfd(0, 0), eventfd(0, 0) };
    pthread_t thread;

    if (pthread_create(&thread, NULL, answer_all, ends) != 0 ||
        write(ends[0], &one, sizeof(one)) < 0)
        fail("no thread");
    start_ns = clock_now_ns();
    end_ns = start_ns + (uint64_t)(seconds * CLOCK_NS_PER_S);
    do {
        pass(ends[1], ends[0]);
        count++;
        now_ns = clock_now_ns();
    } while (now_ns < end_ns);
    (void)printf("%.0f crossings/s\n",
                 (double)count * CLOCK_NS_PER_S / (double)(now_ns - start_ns));
    return 0;
}

int main(int argc, char **argv)
{
    struct driver *d = &driver;
    pthread_t thread;

    if (argc == 3 && strcmp(argv[1], "crossing") == 0)
        return crossing_measure(strtod(argv[2], NULL));
    d->task = task_read(argc, argv);
    d->random = 88172645463325252u;
    machine_build(d);
    d->blocks = d->disk->io.file.sectors * 512 / d->task.block;
    if (d->blocks == 0)
        fail("the file is smaller than a block");
    if (pthread_create(&thread, NULL, driver_main, d) != 0)
        fail("no thread");
    if (loop_run(d->loop) < 0)
        fail("the loop failed");
    (void)pthread_join(thread, NULL);
    loop_destroy(d->loop);
    mem_finish(&d->mem);
    return 0;
}
