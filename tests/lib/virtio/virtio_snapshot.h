#ifndef TESTS_VIRTIO_SNAPSHOT_H
#define TESTS_VIRTIO_SNAPSHOT_H
/*
 * Takes a driver and its device through a snapshot: brings them to rest in one machine and lets
 * them go on in another.
 *
 *   vd_quiesce(&d);                           runs the loop until the device is at rest
 *   vd_save(&d, &w);
 *   vd_init(&to, ...), vd_plug(&to, &other)   a device with the same configuration
 *   vd_move(&to, &d);                         copies memory and the driver's state
 *   ret = vd_restore(&to, &w, &e);
 *   virtio_resume(to.device);                 and d.device too, if it is to go on
 */
#include "core/base/state.h"
#include "lib/virtio/virtio_driver.h"
#include "virtio-mmio/virtio_state.h"

void vd_quiesce(struct vd *d);

/* Writes a state with the device's section alone, whatever w held before. */
void vd_save(struct vd *d, struct state_writer *w);

void vd_move(struct vd *to, const struct vd *from);

/* Reads the device's section, which must be the only one. */
int vd_restore(struct vd *d, const struct state_writer *w, struct err *e);

#endif
