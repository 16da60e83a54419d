#ifndef API_DOCTOR_DOCTOR_H
#define API_DOCTOR_DOCTOR_H
/*
 * `mote doctor`: what this host offers, what --accel auto makes of it, and how to fix what is
 * missing.
 *
 * This room examines the host and prints findings. It knows the host's files, KVM, the event loop
 * and how to try an accelerator; it must not know the command line, a configuration or a virtio
 * device.
 */
#include <stdbool.h>
#include <stdio.h>

struct accel_ops;
struct err;
struct guest_arch;

/* Examines the host for guests of this architecture and prints the findings: lines for people, or
 * one JSON document. `accels` is what auto chooses from, and ends with NULL. Returns mote's exit
 * status: 0 if a machine can run, 1 if none can. Returns -errno with a sentence if the findings
 * cannot be printed. Leaves nothing behind on the host. */
int doctor(const struct guest_arch *arch, const struct accel_ops *const *accels, bool json,
           FILE *to, struct err *e);

#endif
