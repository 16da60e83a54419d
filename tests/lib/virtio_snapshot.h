#ifndef TESTS_VIRTIO_SNAPSHOT_H
#define TESTS_VIRTIO_SNAPSHOT_H
/*
 * A driver and its device across a snapshot: brought to rest in one machine, carried on in another.
 *
 *   vd_quiesce(&d);                           runs the loop until the device is at rest
 *   vd_save(&d, &w);
 *   vd_init(&to, ...), vd_plug(&to, &other)   a device made alike
 *   vd_move(&to, &d);                         memory, and where the driver was in it
 *   ret = vd_restore(&to, &w, &e);
 *   virtio_resume(to.device);                 and that of d too, if it is to go on
 */
#include "core/base/state.h"
#include "lib/virtio_driver.h"
#include "virtio-mmio/virtio_state.h"

void vd_quiesce(struct vd *d);

/* Into a state of its own, whatever w held. */
void vd_save(struct vd *d, struct state_writer *w);

void vd_move(struct vd *to, const struct vd *from);

/* The device's section, which has to be all that there is. */
int vd_restore(struct vd *d, const struct state_writer *w, struct err *e);

#endif
