/*
 * run=idle: makes every device ready, gives those that receive their buffers, says how many devices
 * it found, and halts.
 */
#include <linux/virtio_ids.h>

#include "guest/guest.h"
#include "guest/virtio.h"

#define BUFFERS_AT  (UINT64_C(4) << 20) /* after the program */
#define BUFFER_SIZE 4096u

static void buffers_offer(struct queue *q)
{
    for (uint16_t i = 0; i < q->size; i++) {
        q->desc[i] = (struct vring_desc){ BUFFERS_AT + i * (uint64_t)BUFFER_SIZE, BUFFER_SIZE,
                                          VRING_DESC_F_WRITE, 0 };
        queue_offer(q, i);
    }
    queue_publish(q);
}

_Noreturn void idle_run(void)
{
    static const uint32_t ids[] = { VIRTIO_ID_BLOCK, VIRTIO_ID_NET, VIRTIO_ID_VSOCK, VIRTIO_ID_RNG,
                                    VIRTIO_ID_BALLOON };
    unsigned found = 0;

    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct queue queues[4];
        struct device d;
        unsigned count = 0;
        if (!device_find(&d, ids[i]))
            continue;
        found++;
        device_negotiate(&d, 0);
        while (count < 4 && queue_set_up(&queues[count], &d, count))
            count++;
        device_ready(&d);
        if (ids[i] == VIRTIO_ID_NET || ids[i] == VIRTIO_ID_VSOCK)
            buffers_offer(&queues[0]);
    }
    say_number(found);
    say(" devices are ready\n");
    for (;;)
        __asm__ volatile("hlt");
}
