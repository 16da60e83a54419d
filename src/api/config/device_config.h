#ifndef API_CONFIG_DEVICE_CONFIG_H
#define API_CONFIG_DEVICE_CONFIG_H
/*
 * The virtio devices that the operator asks for, as plain values, and a check of whether one
 * machine can have them all. Pure.
 *
 * Strings belong to whoever filled them in. A drive or network device without an id is named after
 * its position: "drive0", "net1".
 */
#include <stdbool.h>
#include <stdint.h>

#include "virtio-mmio/balloon/balloon.h"
#include "virtio-mmio/blk/blk.h"
#include "virtio-mmio/net/net.h"
#include "virtio-mmio/rng/rng.h"
#include "virtio-mmio/vsock/vsock.h"

struct err;
struct guest_virtio;

#define DEVICES_MAX        17u /* of all kinds together; no architecture has more windows */
#define DEVICES_PATIENCE_S 20u /* the default of patience_s */

struct net_config {
    const char *tap;        /* the name of a tap interface, or NULL where fd is one */
    int fd;                 /* an open tap, or -1 where `tap` names one */
    struct net_setup setup; /* without its tap, which is opened later */
};

struct device_config {
    struct blk_config drives[DEVICES_MAX];
    unsigned drive_count;
    int root; /* index of the drive that becomes /dev/vda; -1: the first */
    struct net_config nets[DEVICES_MAX];
    unsigned net_count;
    bool has_vsock, has_balloon, has_rng;
    struct vsock_config vsock;
    struct balloon_config balloon; /* its `ram` is filled in from the machine's memory */
    struct rng_config rng;
    /* 1 to 3600: how long a pause or the end of the machine waits for an answer from the host, and
     * how long a device's reset may wait for one before the log says so. */
    uint64_t patience_s;
};

/* Sets *c to no devices at all. */
void device_config_init(struct device_config *c);

/* A drive or a network device with every value at its default. */
struct blk_config device_config_drive(void);
struct net_config device_config_net(void);

/* Returns -EINVAL with a sentence if no machine with these windows can have the devices: if there
 * are too many, two of a kind share an id, two share a descriptor, a path is missing, or the
 * patience is out of range. What only the device itself can judge is reported when it is made
 * (devices.h), which is still before the machine is made. */
int device_config_check(const struct device_config *c, const struct guest_virtio *windows,
                        struct err *e);

unsigned device_config_count(const struct device_config *c);

/* The index of the drive that becomes /dev/vda. There must be a drive. */
unsigned device_config_root(const struct device_config *c);

#define DEVICE_ID_MAX 64u

struct device_id {
    char text[DEVICE_ID_MAX + 1];
};

/* The id that the operator gave, or else one made from `number`, which counts from 0. */
struct device_id device_config_drive_id(const struct device_config *c, unsigned number);
struct device_id device_config_net_id(const struct device_config *c, unsigned number);

#endif
