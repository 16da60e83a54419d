#ifndef TESTS_MALFORMED_H
#define TESTS_MALFORMED_H
/*
 * Every kind of chain that breaks the rules of the queue itself, and so is wrong for every device:
 * each must end in NEEDS_RESET, with nothing of it carried out.
 *
 *   for (unsigned i = 0; i < MALFORMED; i++) {
 *       vd_start(&d, 0);
 *       malformed_offer(&d, queue, i, VD_WRITE);
 *       ...
 *   }
 */
#include "lib/virtio/virtio_driver.h"

#define MALFORMED 16u

/* Offers a chain of this kind on a queue that was just started, and kicks. Its buffers have these
 * flags. INDIRECT_DESC must have been accepted. */
void malformed_offer(struct vd *d, unsigned queue, unsigned kind, uint16_t flags);

/* A name of the kind, for messages. */
const char *malformed_name(unsigned kind);

#endif
