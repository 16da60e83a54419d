#ifndef API_DOCTOR_DOCTOR_CHECK_H
#define API_DOCTOR_DOCTOR_CHECK_H
/*
 * What `mote doctor` looks at: a table with one row a fact about the host, and the functions that
 * find each one out.
 *
 * A look asks the host as mote itself would (it opens the device, sets up the ring, builds a
 * machine), so that what it finds is what mote will meet, and undoes what it did.
 */
#include <stdbool.h>
#include <stdint.h>

struct accel_ops;

/* In the order in which they are looked at and printed. */
enum doctor_check {
    DOCTOR_KVM_DEVICE,
    DOCTOR_KVM_INTERFACE,
    DOCTOR_KVM,
    DOCTOR_EMU,
    DOCTOR_CPU_FEATURES,
    DOCTOR_IO_URING,
    DOCTOR_SECCOMP,
    DOCTOR_USER_NAMESPACES,
    DOCTOR_CGROUP,
    DOCTOR_TUN,
    DOCTOR_TRANSPARENT_HUGE_PAGES,
    DOCTOR_HUGE_PAGES_2M,
    DOCTOR_CHECKS,
};

enum doctor_verdict {
    DOCTOR_GOOD,
    DOCTOR_LACKING,
    DOCTOR_UNKNOWN, /* it could not be looked at; the text says why, or a row before does */
};

struct doctor_finding {
    enum doctor_verdict verdict;
    char text[512];  /* what there is, no newline */
    const char *fix; /* one sentence where it is lacking, else NULL */
    uint64_t mips;   /* of an accelerator, once measured; else 0 */
};

/* Which host is looked at. */
struct doctor_host {
    const char *root;                      /* in front of /dev, /proc and /sys; "" but in tests */
    const struct accel_ops *const *accels; /* by name; ends with NULL */
};

struct doctor_row {
    const char *key;   /* in JSON */
    const char *label; /* for people */
    const char *accel; /* that needs it, or NULL: none does */
    /* *f has this row's fix and no mips; sets the rest, and another fix where it knows better. */
    void (*look)(const struct doctor_host *h, struct doctor_finding *f);
    const char *fix;
};

extern const struct doctor_row doctor_rows[DOCTOR_CHECKS];

void doctor_examine(const struct doctor_host *h, struct doctor_finding found[DOCTOR_CHECKS]);

/* For the looks: a verdict and its text. */
void doctor_find(struct doctor_finding *f, enum doctor_verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* doctor_accel.c: what can run a machine. */
void doctor_look_kvm_device(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_kvm_interface(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_kvm(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_emu(const struct doctor_host *h, struct doctor_finding *f);

/* doctor_host.c: what the host's kernel gives the machine and its surroundings. */
void doctor_look_io_uring(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_seccomp(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_user_namespaces(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_cgroup(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_tun(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_transparent_huge_pages(const struct doctor_host *h, struct doctor_finding *f);
void doctor_look_huge_pages_2m(const struct doctor_host *h, struct doctor_finding *f);

/* The architecture's: what its processor has for a guest, and how to get a /dev/kvm that is not
 * there. */
void doctor_look_cpu_features(const struct doctor_host *h, struct doctor_finding *f);
const char *doctor_kvm_module_fix(void);

#endif
