/*
 * Whether a machine can run, and on which accelerator: KVM from its device to a guest's first
 * instructions, and the software CPU.
 *
 * Each of the KVM rows depends on the one before: a device that cannot be opened is not asked for
 * its interface, and an interface that lacks something is not tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/doctor/doctor_look.h"
#include "api/machine/machine.h"
#include "core/base/err.h"
#include "core/host/host.h"
#include "core/kvm/kvm.h"
#include "core/vm/accel.h"
#include "core/vm/guest_arch.h"

struct kvm_path {
    char path[PATH_MAX];
};

static struct kvm_path doctor_kvm_path(const struct doctor_host *h)
{
    struct kvm_path d;

    (void)snprintf(d.path, sizeof(d.path), "%s/dev/kvm", h->root);
    return d;
}

/* Opens the device and closes it again. Returns 0, or the errno of opening it. */
static int doctor_open_kvm(const struct doctor_host *h)
{
    int fd = open(doctor_kvm_path(h).path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return errno;
    (void)close(fd);
    return 0;
}

void doctor_look_kvm_device(const struct doctor_host *h, struct doctor_finding *f)
{
    int code = doctor_open_kvm(h);

    switch (code) {
    case 0:
        doctor_find(f, DOCTOR_GOOD, "/dev/kvm is there, and this user may open it");
        break;
    case ENOENT:
    case ENODEV:
    case ENXIO:
        doctor_find(f, DOCTOR_LACKING, "there is no /dev/kvm: %s", strerror(code));
        f->fix = host_kvm_fix();
        break;
    case EACCES:
    case EPERM:
        doctor_find(f, DOCTOR_LACKING, "/dev/kvm may not be opened by this user: %s",
                    strerror(code));
        f->fix = "Add this user to the group that owns it, usually kvm, and log in again: usermod "
                 "-aG kvm USER";
        break;
    case EBUSY:
        doctor_find(f, DOCTOR_LACKING, "/dev/kvm is in use by another hypervisor");
        f->fix = "End the other hypervisor on this host.";
        break;
    default:
        doctor_find(f, DOCTOR_LACKING, "/dev/kvm cannot be opened: %s", strerror(code));
        break;
    }
}

void doctor_look_kvm_interface(const struct doctor_host *h, struct doctor_finding *f)
{
    struct err e;

    if (doctor_open_kvm(h) != 0)
        doctor_find(f, DOCTOR_UNKNOWN, "not asked");
    else if (kvm_inspect(doctor_kvm_path(h).path, &e) < 0)
        doctor_find(f, DOCTOR_LACKING, "%s", e.text);
    else
        doctor_find(f, DOCTOR_GOOD, "the version and every capability that mote needs");
}

static const struct accel_ops *doctor_accel_find(const struct doctor_host *h, const char *name)
{
    for (unsigned i = 0; h->accels[i]; i++)
        if (strcmp(h->accels[i]->name, name) == 0 && guest_arch_runs_on(h->arch, h->accels[i]))
            return h->accels[i];
    return NULL;
}

static void doctor_look_accel(const struct doctor_host *h, const char *name,
                              struct doctor_finding *f)
{
    const struct accel_ops *accel = doctor_accel_find(h, name);
    struct err e;

    if (!accel)
        doctor_find(f, DOCTOR_UNKNOWN, "this mote was built without it");
    else if (machine_try(h->arch, accel, &f->mips, &e) < 0)
        doctor_find(f, DOCTOR_LACKING, "%s", e.text);
    else if (f->mips > 0)
        doctor_find(f, DOCTOR_GOOD, "executes a guest's kernel at %llu MIPS or more",
                    (unsigned long long)f->mips);
    else
        doctor_find(f, DOCTOR_GOOD, "can run a guest");
}

void doctor_look_kvm(const struct doctor_host *h, struct doctor_finding *f)
{
    struct err e;

    if (kvm_inspect(doctor_kvm_path(h).path, &e) < 0)
        doctor_find(f, DOCTOR_UNKNOWN, "not tried");
    else
        doctor_look_accel(h, "kvm", f);
}

void doctor_look_emu(const struct doctor_host *h, struct doctor_finding *f)
{
    doctor_look_accel(h, "emu", f);
}
