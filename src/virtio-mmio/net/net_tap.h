#ifndef VIRTIO_MMIO_NET_NET_TAP_H
#define VIRTIO_MMIO_NET_NET_TAP_H
/*
 * The host's end of a network device: a tap, which gives and takes one frame a call behind a struct
 * virtio_net_hdr_v1.
 *
 * It is opened while the process may still do so; afterwards only its descriptor is used.
 */
#include <net/if.h>
#include <stdbool.h>

struct err;

struct net_tap {
    int fd;              /* perhaps blocking; whoever holds the struct closes it */
    unsigned offloads;   /* TUN_F_*: what the host's side can leave to the guest */
    char name[IFNAMSIZ]; /* the interface's */
};

/* Attaches to an interface that exists; of one with several queues, to one more. -errno and a
 * sentence where it is absent, busy, no tap or somebody else's. A busy one is waited for as long as
 * a process that was just killed may hold it (linger.h). */
int net_tap_open(struct net_tap *tap, const char *name, struct err *e);

/* Takes a descriptor that another process attached, with IFF_NO_PI and IFF_VNET_HDR set, and leaves
 * it as blocking as it is, since others may share it: it is used with core/base/nowait.h. On
 * success it is the tap's; a failure leaves it open. */
int net_tap_adopt(struct net_tap *tap, int fd, struct err *e);

/* Which of TUN_F_* the host may leave to the guest from now on: unfinished checksums, unsegmented
 * frames. -errno where the tap does not. */
int net_tap_offload(int fd, unsigned offloads);

/* As many frames can wait to be read: interfaces have txqueuelen of them, 1000 by default. */
#define NET_TAP_FRAMES 65536u

/* Forgets the next frame. False: there is none. */
bool net_tap_drop(int fd);

/* Whether there is one now. */
bool net_tap_has_frame(int fd);

/* Accepts one that is closed, whose fd is -1. */
void net_tap_close(struct net_tap *tap);

#endif
