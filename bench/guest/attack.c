/*
 * run=attack: keeps the monitor's event loop as busy as it can, without end.
 *
 *   kind=big       256 reads of nearly 1 GiB at once
 *   kind=refused   requests that are answered without I/O, offered again before they are answered
 *   kind=resets    brings a network device up and resets it
 *   kind=broken    brings a disk up with a queue of an invalid size, and resets it
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>

#include "guest/guest.h"
#include "guest/virtio.h"

#define SEGMENTS  126u
#define DATA_AT   (UINT64_C(16) << 20) /* after the program */
#define DATA_LEN  (8u << 20)
#define UNKNOWN   99u
#define STRIDE    32u /* one request in so many tells how far the device is */
#define UNTOUCHED 0xeeu
#define PATIENCE  300000u /* looks at that request after which the device is kicked again */
#define NS_PER_MS 1000000u

static struct request {
    struct vring_desc table[SEGMENTS + 2];
    struct virtio_blk_outhdr header;
    volatile uint8_t status;
} requests[QUEUE_SIZE] __attribute__((aligned(64)));

static struct device device;
static struct queue queue;

static void request_make(uint16_t i, uint32_t type, uint64_t at, uint32_t len)
{
    struct request *r = &requests[i];
    const uint16_t more = VRING_DESC_F_NEXT | VRING_DESC_F_WRITE;
    uint16_t n = 0;

    r->header.type = type;
    r->table[n++] =
        (struct vring_desc){ (uintptr_t)&r->header, sizeof(r->header), VRING_DESC_F_NEXT, 1 };
    for (; n <= SEGMENTS; n++)
        r->table[n] = (struct vring_desc){ at, len, more, (uint16_t)(n + 1) };
    r->table[n] = (struct vring_desc){ (uintptr_t)&r->status, 1, VRING_DESC_F_WRITE, 0 };
    r->status = UNTOUCHED;
    queue.desc[i] =
        (struct vring_desc){ (uintptr_t)r->table, sizeof(r->table), VRING_DESC_F_INDIRECT, 0 };
    queue_offer(&queue, i);
}

static void disk_start(void)
{
    if (!device_find(&device, VIRTIO_ID_BLOCK))
        fail("there is no disk");
    device_negotiate(&device, 0);
    (void)queue_set_up(&queue, &device, 0);
    device_ready(&device);
}

_Noreturn static void read_big(void)
{
    struct vring_used_elem e;

    disk_start();
    for (uint16_t i = 0; i < queue.size; i++)
        request_make(i, VIRTIO_BLK_T_IN, DATA_AT, DATA_LEN);
    say("attacking\n");
    for (;;) {
        queue_publish(&queue);
        while (queue_reap(&queue, &e))
            queue_offer(&queue, (uint16_t)e.id);
        pause();
    }
}

_Noreturn static void ask_in_vain(void)
{
    uint16_t index, i = STRIDE - 1;
    unsigned looks = 0;

    disk_start();
    for (uint16_t n = 0; n < queue.size; n++)
        request_make(n, UNKNOWN, (uintptr_t)&requests[n].header, 1);
    say("attacking\n");
    queue_publish(&queue);
    for (index = queue.offered;;) {
        if (requests[i].status == UNTOUCHED) {
            if (++looks % PATIENCE == 0)
                *queue.notify = 0;
            pause();
            continue;
        }
        requests[i].status = UNTOUCHED;
        index = (uint16_t)(index + STRIDE);
        __atomic_store_n(&queue.avail->idx, index, __ATOMIC_RELEASE);
        i = (uint16_t)((i + STRIDE) % queue.size);
    }
}

static void say_rate(uint64_t resets, uint64_t began_ns)
{
    say_number(resets);
    say(" resets in ");
    say_number((now_ns() - began_ns) / NS_PER_MS);
    say(" ms\n");
}

/* Accepts all of the device's offloads each time. */
_Noreturn static void reset_network(void)
{
    uint64_t began_ns = now_ns();

    if (!device_find(&device, VIRTIO_ID_NET))
        fail("there is no network");
    say("attacking\n");
    for (uint64_t n = 0;; n++) {
        device_negotiate(&device, UINT64_C(0xffff));
        device_ready(&device);
        if (n % 100 == 99)
            say_rate(n + 1, began_ns);
    }
}

_Noreturn static void break_disk(void)
{
    uint64_t began_ns = now_ns();
    volatile uint32_t *window;

    if (!device_find(&device, VIRTIO_ID_BLOCK))
        fail("there is no disk");
    window = (volatile uint32_t *)device.window;
    say("attacking\n");
    for (uint64_t n = 0;; n++) {
        device_negotiate(&device, 0);
        window[VIRTIO_MMIO_QUEUE_SEL / 4] = 0;
        window[VIRTIO_MMIO_QUEUE_NUM / 4] = 3;
        window[VIRTIO_MMIO_QUEUE_READY / 4] = 1;
        if (n % 100 == 99)
            say_rate(n + 1, began_ns);
    }
}

_Noreturn void attack_run(void)
{
    if (arg_is("kind", "big"))
        read_big();
    if (arg_is("kind", "refused"))
        ask_in_vain();
    if (arg_is("kind", "resets"))
        reset_network();
    if (arg_is("kind", "broken"))
        break_disk();
    fail("kind= names no attack");
}
