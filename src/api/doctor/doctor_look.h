#ifndef API_DOCTOR_DOCTOR_LOOK_H
#define API_DOCTOR_DOCTOR_LOOK_H
/*
 * The functions that examine the host, one for each row of doctor_check.h.
 *
 * Where a run would open a device, set up a ring or build a machine, the function does so as well,
 * and finds what the run would meet. Afterwards it undoes what it did.
 */
#include "api/doctor/doctor_finding.h"

/* doctor_accel.c: the accelerators. */
void doctor_look_kvm_device(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_kvm_interface(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_kvm(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_emu(const struct doctor_host *h, struct doctor_finding *f);

/* doctor_host.c: what the host offers. */
void doctor_look_cpu_features(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_io_uring(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_seccomp(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_user_namespaces(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_cgroup(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_tun(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_transparent_huge_pages(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_huge_pages_2m(const struct doctor_host *h, struct doctor_finding *f);

#endif
