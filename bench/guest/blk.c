/*
 * run=blk: requests to a disk, depth= of them in flight, of bytes= each, for ms= milliseconds.
 *
 *   op=read|write order=random|sequential
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "guest/guest.h"
#include "guest/virtio.h"

#define SECTOR     512u
#define DATA_AT    (UINT64_C(4) << 20) /* after the program */
#define DATA_END   (UINT64_C(100) << 20)
#define WARM_UP_MS 50u
#define NS_PER_MS  1000000u

/* Request i has its table, header and status here, and descriptor i refers to them. */
static struct request {
    struct vring_desc table[3];
    struct virtio_blk_outhdr header;
    volatile uint8_t status;
} requests[QUEUE_SIZE] __attribute__((aligned(64)));

static struct device device;
static struct queue queue;

static struct task {
    bool write, sequential;
    uint32_t bytes, depth;
    uint64_t blocks; /* of the disk */
    uint64_t next;
    uint64_t random;
} task;

static void task_read(void)
{
    task = (struct task){ .write = arg_is("op", "write"),
                          .sequential = arg_is("order", "sequential"),
                          .bytes = (uint32_t)arg_number("bytes", 4096),
                          .depth = (uint32_t)arg_number("depth", 1),
                          .random = 88172645463325252u };
    if (task.depth < 1 || task.depth > QUEUE_SIZE || task.bytes < SECTOR ||
        DATA_AT + (uint64_t)task.depth * task.bytes > DATA_END)
        fail("a block is at least a sector, a depth is 1 to 256, and both fit into memory");
}

static void disk_start(void)
{
    volatile const uint32_t *capacity;

    if (!device_find(&device, VIRTIO_ID_BLOCK))
        fail("there is no disk");
    device_negotiate(&device, UINT64_C(1) << VIRTIO_BLK_F_FLUSH);
    (void)queue_set_up(&queue, &device, 0);
    device_ready(&device);
    if (task.depth > queue.size)
        fail("the queue is shorter than the depth");
    capacity = (volatile const uint32_t *)(device.window + 0x100);
    task.blocks = (capacity[0] | (uint64_t)capacity[1] << 32) / (task.bytes / SECTOR);
    if (task.blocks == 0)
        fail("the disk is smaller than a block");
}

static uint64_t block_next(void)
{
    if (task.sequential)
        return task.next++ % task.blocks;
    task.random ^= task.random << 13;
    task.random ^= task.random >> 7;
    task.random ^= task.random << 17;
    return task.random % task.blocks;
}

static void request_make(uint16_t i)
{
    struct request *r = &requests[i];
    uint16_t direction = task.write ? 0 : VRING_DESC_F_WRITE;

    r->header.type = task.write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
    r->table[0] =
        (struct vring_desc){ (uintptr_t)&r->header, sizeof(r->header), VRING_DESC_F_NEXT, 1 };
    r->table[1] = (struct vring_desc){ DATA_AT + (uint64_t)i * task.bytes, task.bytes,
                                       VRING_DESC_F_NEXT | direction, 2 };
    r->table[2] = (struct vring_desc){ (uintptr_t)&r->status, 1, VRING_DESC_F_WRITE, 0 };
    queue.desc[i] =
        (struct vring_desc){ (uintptr_t)r->table, sizeof(r->table), VRING_DESC_F_INDIRECT, 0 };
}

static void request_offer(uint16_t i)
{
    requests[i].header.sector = block_next() * (task.bytes / SECTOR);
    queue_offer(&queue, i);
}

/* Keeps the disk busy until then; returns how many requests it answered. */
static uint64_t work_until(uint64_t end_ns)
{
    struct vring_used_elem e;
    uint64_t done = 0;

    do {
        while (queue_reap(&queue, &e)) {
            if (requests[e.id].status != VIRTIO_BLK_S_OK)
                fail("a request failed");
            request_offer((uint16_t)e.id);
            done++;
        }
        queue_publish(&queue);
        pause();
    } while (now_ns() < end_ns);
    return done;
}

void blk_run(void)
{
    uint64_t start_ns, done;

    task_read();
    disk_start();
    for (uint16_t i = 0; i < task.depth; i++) {
        request_make(i);
        request_offer(i);
    }
    start_ns = now_ns() + WARM_UP_MS * NS_PER_MS;
    (void)work_until(start_ns);
    start_ns = now_ns();
    done = work_until(start_ns + arg_number("ms", 1000) * NS_PER_MS);
    say_result(done, now_ns() - start_ns);
}
