/*
 * Whether a machine can run, and on what: KVM from its device to a guest's first instructions, and
 * the software CPU.
 *
 * Each of KVM's rows rests on the one before: what cannot be opened is not asked, and what is not
 * good enough is not tried.
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
#include "core/kvm/kvm.h"
#include "core/vm/accel.h"

struct kvm_path {
    char path[PATH_MAX];
};

static struct kvm_path kvm_device(const struct doctor_host *h)
{
    struct kvm_path d;

    (void)snprintf(d.path, sizeof(d.path), "%s/dev/kvm", h->root);
    return d;
}

/* 0, or the errno of opening it. */
static int device_refusal(const struct doctor_host *h)
{
    int fd = open(kvm_device(h).path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return errno;
    (void)close(fd);
    return 0;
}

void doctor_look_kvm_device(const struct doctor_host *h, struct doctor_finding *f)
{
    int code = device_refusal(h);

    switch (code) {
    case 0:
        doctor_find(f, DOCTOR_GOOD, "/dev/kvm is there, and this user may open it");
        break;
    case ENOENT:
    case ENODEV:
    case ENXIO:
        doctor_find(f, DOCTOR_LACKING, "there is no /dev/kvm: %s", strerror(code));
        f->fix = doctor_kvm_module_fix();
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

    if (device_refusal(h) != 0)
        doctor_find(f, DOCTOR_UNKNOWN, "not asked");
    else if (kvm_inspect(kvm_device(h).path, &e) < 0)
        doctor_find(f, DOCTOR_LACKING, "%s", e.text);
    else
        doctor_find(f, DOCTOR_GOOD, "the version and every capability that mote needs");
}

static const struct accel_ops *accel_named(const struct doctor_host *h, const char *name)
{
    for (unsigned i = 0; h->accels[i]; i++)
        if (strcmp(h->accels[i]->name, name) == 0)
            return h->accels[i];
    return NULL;
}

static void look_accel(const struct doctor_host *h, const char *name, struct doctor_finding *f)
{
    const struct accel_ops *accel = accel_named(h, name);
    struct err e;

    if (!accel)
        doctor_find(f, DOCTOR_UNKNOWN, "this mote is built without it");
    else if (machine_try(accel, &f->mips, &e) < 0)
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

    if (kvm_inspect(kvm_device(h).path, &e) < 0)
        doctor_find(f, DOCTOR_UNKNOWN, "not tried");
    else
        look_accel(h, "kvm", f);
}

void doctor_look_emu(const struct doctor_host *h, struct doctor_finding *f)
{
    look_accel(h, "emu", f);
}
