#ifndef API_DOCTOR_DOCTOR_H
#define API_DOCTOR_DOCTOR_H
/*
 * `mote doctor`: what this host offers, what --accel auto makes of it, and how to mend each lack.
 */
#include <stdbool.h>
#include <stdio.h>

struct accel_ops;
struct err;

/* Examines the host and prints what it found: lines for people, or one JSON document. `accels` is
 * what auto chooses from and ends with NULL. mote's exit status, which is 0 where a machine can run
 * and 1 where none can; or -errno with a sentence where it cannot be printed. Leaves nothing
 * behind. */
int doctor(const struct accel_ops *const *accels, bool json, FILE *to, struct err *e);

#endif
