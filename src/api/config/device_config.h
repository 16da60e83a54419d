#ifndef API_CONFIG_DEVICE_CONFIG_H
#define API_CONFIG_DEVICE_CONFIG_H
/*
 * Which virtio devices the operator asks for: plain values, mostly the devices' own, and the
 * judgement whether one machine can have them. Pure.
 *
 * Strings belong to whoever filled them in. A drive or network device without an id is called after
 * its place, "drive0" or "net1".
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

#define DEVICES_MAX        17u /* of all kinds together; no machine model has more windows */
#define DEVICES_PATIENCE_S 20u

struct net_config {
    const char *tap;        /* an interface's name, or NULL: */
    int fd;                 /* the descriptor of a tap; -1 where tap names one */
    struct net_setup setup; /* its tap is yet to be opened */
};

struct device_config {
    struct blk_config drives[DEVICES_MAX];
    unsigned drive_count;
    int root; /* number of the drive that is /dev/vda, -1 for the first */
    struct net_config nets[DEVICES_MAX];
    unsigned net_count;
    bool has_vsock, has_balloon, has_rng;
    struct vsock_config vsock;
    struct balloon_config balloon; /* its ram is the machine's to say */
    struct rng_config rng;
    uint64_t patience_s; /* how long an end or a pause waits for the host, 1 to 3600 (devices.h) */
};

/* No device. */
void device_config_init(struct device_config *c);

/* A drive, a network device or a vsock as it is before the operator says anything about it. */
struct blk_config device_config_drive(void);
struct net_config device_config_net(void);

/* -EINVAL with a sentence about what no machine with these windows can have: too many, two of a
 * name, none. What one
 * device refuses it refuses when it is made (devices.h), before the machine. */
int device_config_check(const struct device_config *c, const struct guest_virtio *windows,
                        struct err *e);

unsigned device_config_count(const struct device_config *c);

/* The drive that becomes /dev/vda. There is a drive. */
unsigned device_config_root(const struct device_config *c);

#define DEVICE_ID_MAX 64u

struct device_id {
    char text[DEVICE_ID_MAX + 1];
};

/* What it is called, whether or not the operator said so. */
struct device_id device_config_drive_id(const struct device_config *c, unsigned number);
struct device_id device_config_net_id(const struct device_config *c, unsigned number);

#endif
