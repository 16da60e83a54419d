#ifndef VIRTIO_MMIO_NET_NET_TAP_H
#define VIRTIO_MMIO_NET_NET_TAP_H
/*
 * The host's end of a network device: a tap, which gives or takes one frame a call, with a struct
 * virtio_net_hdr_v1 in front.
 *
 * Taps are opened while the process may still open files; afterwards only the descriptor is used.
 */
#include <net/if.h>
#include <stdbool.h>

struct err;

struct net_tap {
    int fd;              /* perhaps blocking; the owner of the struct closes it */
    unsigned offloads;   /* TUN_F_*: those that the tap has */
    char name[IFNAMSIZ]; /* of the interface */
};

/* Attaches to an existing interface, or to one more queue of an interface that has several. Returns
 * -errno with a sentence if the interface does not exist, is busy, is not a tap or belongs to
 * another user. If it is busy, first waits for a holder that was just killed (linger.h). */
int net_tap_open(struct net_tap *tap, const char *name, struct err *e);

/* Takes over a descriptor that another process attached, with IFF_NO_PI and IFF_VNET_HDR set. Does
 * not change whether it blocks, because others may share it; use it with core/base/nowait.h. On
 * failure it stays open and the caller's. */
int net_tap_adopt(struct net_tap *tap, int fd, struct err *e);

/* Tells the tap which offloads (TUN_F_*) the guest accepts, so that the host may send it unfinished
 * checksums and unsegmented frames. -errno if the tap refuses. */
int net_tap_offload(int fd, unsigned offloads);

/* More frames than wait in any ordinary tap: txqueuelen limits them, 1000 by default. */
#define NET_TAP_FRAMES 65536u

/* Drops the next frame. False: there is none. */
bool net_tap_drop(int fd);

/* Whether a frame waits to be read. */
bool net_tap_has_frame(int fd);

/* Accepts a tap that is closed already, whose fd is -1. */
void net_tap_close(struct net_tap *tap);

#endif
