#ifndef VIRTIO_MMIO_VIRTIO_OPS_H
#define VIRTIO_MMIO_VIRTIO_OPS_H
/*
 * What a device brings to be a virtio device (virtio.h): what it is, and what it does when the
 * driver asks.
 */
#include <stdint.h>

struct state_fields;
struct virtio_device;

#define VIRTIO_QUEUES_MAX 8u

/* What a device is; constant. */
struct virtio_setup {
    const char *name;  /* for messages and counters, "block.rootfs"; outlives the device */
    uint64_t features; /* its own; VERSION_1, INDIRECT_DESC and EVENT_IDX come with the queues */
    void *config;      /* configuration space, bytes of the device's guarded by the lock, or NULL */
    uint32_t config_len;
    unsigned queue_count; /* 1 to VIRTIO_QUEUES_MAX */
    uint32_t queue_size;  /* descriptors, a power of two up to VIRTQ_SIZE_MAX */
};

/* All calls but config_write are made by the loop thread, without the lock. */
struct virtio_ops {
    uint32_t id; /* VIRTIO_ID_BLOCK, ... (5) */

    /* The driver is ready (DRIVER_OK): features and ready queues are final. A kick of each ready
     * queue follows, for what the driver made available before. */
    void (*activate)(struct virtio_device *v);

    /* Chains may be available in this queue; it is ready. There may be none. */
    void (*kick)(struct virtio_device *v, unsigned queue);

    /* Become as new, what the driver wrote into the configuration space included: cancel or wait
     * for all in flight, then call virtio_reset_done, from here or later. Until then buffers may be
     * written and answers pushed, which nobody will see; behind it a post that is still queued may
     * be called, and posts nothing any more. Comes without activate too. */
    void (*reset)(struct virtio_device *v);

    /* A vCPU's thread, lock held: the driver wrote size (1, 2, 4 or 8) bytes inside the
     * configuration space. Or NULL where it may change nothing. */
    void (*config_write)(struct virtio_device *v, uint32_t offset, const void *data, unsigned size);

    /* LIVE: answer or give back (virtq_unpop) every chain that was taken and wait for nothing any
     * more, then call virtio_quiet, from here or later. Kicks go on from there. Or NULL where no
     * call leaves anything behind. */
    void (*quiesce)(struct virtio_device *v);

    /* Lock held, before activate: a driver was at work on another device like this one, whose
     * configuration space it was. Take from it what that driver counts on, or state_refuse and
     * change nothing. Or NULL. */
    void (*restore)(struct virtio_device *v, const void *config, struct state_fields *f);
};

#endif
