#ifndef VIRTIO_MMIO_VIRTIO_OPS_H
#define VIRTIO_MMIO_VIRTIO_OPS_H
/*
 * What a device supplies to be a virtio device (virtio.h): what it is, and what it does when the
 * driver asks.
 */
#include <stdint.h>

struct state_fields;
struct virtio_device;

#define VIRTIO_QUEUES_MAX 8u

/* What a device is. Constant. */
struct virtio_setup {
    const char *name;  /* for messages and counters, "block.rootfs"; outlives the device */
    uint64_t features; /* its own; virtio.c adds VERSION_1, INDIRECT_DESC and EVENT_IDX */
    void *config;      /* configuration space: the device's memory, guarded by the lock; or NULL */
    uint32_t config_len;
    unsigned queue_count; /* 1 to VIRTIO_QUEUES_MAX */
    uint32_t queue_size;  /* descriptors, a power of two up to VIRTQ_SIZE_MAX */
};

/* The loop thread makes the calls, without the lock, except where a comment says otherwise. */
struct virtio_ops {
    uint32_t id; /* VIRTIO_ID_BLOCK, ... (5) */

    /* The driver is ready (DRIVER_OK): features and ready queues are final. A kick of each ready
     * queue follows, for chains that the driver made available before. */
    void (*activate)(struct virtio_device *v);

    /* This queue, which is ready, may have chains available. It may also have none. */
    void (*kick)(struct virtio_device *v, unsigned queue);

    /* Return to the initial state, also for what the driver wrote into the configuration space:
     * cancel or wait for everything in flight, then call virtio_reset_done, from here or later.
     * Until then the device may write buffers and push answers; no interrupt announces them.
     * Afterwards a post that is still queued may be called, but must not post again. Also called if
     * activate never was. */
    void (*reset)(struct virtio_device *v);

    /* That vCPU's thread, lock held: the driver wrote size (1, 2, 4 or 8) bytes inside the
     * configuration space. NULL if it may change nothing there. */
    void (*config_write)(struct virtio_device *v, uint32_t offset, const void *data, unsigned size);

    /* Called while LIVE: answer or give back (virtq_unpop) every chain that was taken, end every
     * operation on guest memory, then call virtio_quiet, from here or later. virtio_resume kicks
     * each ready queue again. NULL if a kick never leaves such chains or operations behind. */
    void (*quiesce)(struct virtio_device *v);

    /* Lock held, before activate. `config` is the saved configuration space of another device of
     * this kind, whose driver now goes on with this device. Take over what the driver relies on, or
     * call state_refuse and change nothing. NULL if there is nothing to take over. */
    void (*restore)(struct virtio_device *v, const void *config, struct state_fields *f);
};

#endif
