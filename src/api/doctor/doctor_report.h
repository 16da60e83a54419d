#ifndef API_DOCTOR_DOCTOR_REPORT_H
#define API_DOCTOR_DOCTOR_REPORT_H
/*
 * What `mote doctor` says about its findings. Pure but for the stream it prints to.
 */
#include <stdio.h>

#include "api/doctor/doctor_check.h"

/* What --accel auto does with a host like this. */
struct doctor_choice {
    const char *accel;      /* NULL: no machine can run */
    const char *instead_of; /* what it would rather have had, or NULL */
    const char *why;        /* a finding's text: what is good about it, or wrong with the other */
};

struct doctor_choice doctor_choose(const struct doctor_finding found[DOCTOR_CHECKS]);

/* Two lines at most a finding, and what follows from all of them. */
void doctor_print(const struct doctor_finding found[DOCTOR_CHECKS], FILE *to);

/* { "version": "0.1.0", "runs": true,
 *   "auto": { "accel": "emu", "instead_of": "kvm", "why": "there is no /dev/kvm" },
 *   "checks": { "kvm": { "ok": false, "found": "...", "fix": "..." or null, "mips": 1 or null } } }
 *
 * "accel" and "instead_of" may be null, and "ok" is where something was not looked at. */
void doctor_print_json(const struct doctor_finding found[DOCTOR_CHECKS], FILE *to);

#endif
