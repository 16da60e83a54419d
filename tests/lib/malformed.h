#ifndef TESTS_MALFORMED_H
#define TESTS_MALFORMED_H
/*
 * Every kind of chain that breaks the rules of the queue itself, whatever the device makes of
 * chains: each must end in NEEDS_RESET, with nothing of it done.
 *
 *   for (unsigned i = 0; i < MALFORMED; i++) {
 *       vd_start(&d, 0);
 *       malformed_offer(&d, queue, i, VD_WRITE);
 *       ...
 *   }
 */
#include "lib/virtio_driver.h"

#define MALFORMED 16u

/* Offers chain number `kind` of a queue just started and kicks. Its buffers are as `flags` says.
 * Wants INDIRECT_DESC accepted. */
void malformed_offer(struct vd *d, unsigned queue, unsigned kind, uint16_t flags);

/* What it is, for messages. */
const char *malformed_name(unsigned kind);

#endif
