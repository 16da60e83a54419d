/* KVM and the software CPU as `mote doctor` finds them. This file defines an ioctl that answers for
 * the fake host's /dev/kvm. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "api/doctor/doctor_look.h"
#include "core/host/host.h"
#include "unit/api/doctor/fake_host.h"

static int version = KVM_API_VERSION;
static unsigned long missing = ~0ul; /* the capability that KVM lacks */

/* Replaces the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    unsigned long argument;

    (void)fd;
    va_start(args, request);
    argument = va_arg(args, unsigned long);
    va_end(args);
    if (request == KVM_GET_API_VERSION)
        return version;
    cr_assert_eq(request, KVM_CHECK_EXTENSION);
    return argument == missing ? 0 : 1;
}

TestSuite(doctor_accel, .init = fake_host_init, .fini = fake_host_finish);

static struct doctor_finding expect(enum doctor_check check, enum doctor_verdict verdict,
                                    const char *words)
{
    struct doctor_finding f = fake_host_look(check);

    cr_assert_eq(f.verdict, verdict, "%s", f.text);
    cr_assert(strstr(f.text, words), "'%s' in '%s'", words, f.text);
    return f;
}

Test(doctor_accel, good_kvm)
{
    struct doctor_finding f;

    fake_host_has("/dev/kvm", "");
    (void)expect(DOCTOR_KVM_DEVICE, DOCTOR_GOOD, "/dev/kvm is there");
    (void)expect(DOCTOR_KVM_INTERFACE, DOCTOR_GOOD, "every capability");
    f = expect(DOCTOR_KVM, DOCTOR_GOOD, "at 4711 MIPS");
    cr_assert_eq(f.mips, SCRIPTED_MIPS);
}

Test(doctor_accel, no_device)
{
    struct doctor_finding f = expect(DOCTOR_KVM_DEVICE, DOCTOR_LACKING, "there is no /dev/kvm");

    cr_assert_str_eq(f.fix, host_kvm_fix());
    (void)expect(DOCTOR_KVM_INTERFACE, DOCTOR_UNKNOWN, "not asked");
    f = expect(DOCTOR_KVM, DOCTOR_UNKNOWN, "not tried");
    cr_assert_eq(f.mips, 0);
}

Test(doctor_accel, device_that_is_none)
{
    fake_host_has("/dev/kvm/file", "");
    (void)expect(DOCTOR_KVM_DEVICE, DOCTOR_LACKING, "cannot be opened: Is a directory");
    (void)expect(DOCTOR_KVM, DOCTOR_UNKNOWN, "not tried");
}

Test(doctor_accel, device_of_somebody_else)
{
    char path[64];
    pid_t child;
    int status;

    fake_host_has("/dev/kvm", "");
    (void)snprintf(path, sizeof(path), "%s/dev/kvm", fake_root);
    cr_assert_eq(chmod(path, 0), 0);
    cr_assert_eq(chmod(fake_root, 0755), 0);
    child = fork();
    if (child == 0) {
        if (getuid() == 0 && setuid(65534) < 0)
            _exit(3);
        const struct doctor_finding f = fake_host_look(DOCTOR_KVM_DEVICE);
        _exit(f.verdict != DOCTOR_LACKING || !strstr(f.fix, "group"));
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

Test(doctor_accel, old_kvm)
{
    fake_host_has("/dev/kvm", "");
    version = 11;
    (void)expect(DOCTOR_KVM_DEVICE, DOCTOR_GOOD, "");
    (void)expect(DOCTOR_KVM_INTERFACE, DOCTOR_LACKING, "version 11");
    (void)expect(DOCTOR_KVM, DOCTOR_UNKNOWN, "not tried");
    version = KVM_API_VERSION;
    missing = KVM_CAP_IRQFD;
    (void)expect(DOCTOR_KVM_INTERFACE, DOCTOR_LACKING, "KVM_CAP_IRQFD");
}

Test(doctor_accel, slow_kvm_is_reported_with_its_speed)
{
    struct doctor_finding f;

    fake_host_has("/dev/kvm", "");
    scripted_faults.probe = true;
    f = expect(DOCTOR_KVM, DOCTOR_LACKING, "the script says that the probe fails");
    cr_assert_eq(f.mips, SCRIPTED_MIPS);
}

Test(doctor_accel, machine_that_cannot_be_made)
{
    fake_host_has("/dev/kvm", "");
    scripted_faults.vcpu = true;
    (void)expect(DOCTOR_KVM, DOCTOR_LACKING, "vCPU 0");
    (void)expect(DOCTOR_EMU, DOCTOR_LACKING, "vCPU 0");
}

/* The scripted processor without a probe, as the software CPU has none. */
static struct accel_vcpu_ops without_probe;

static int vcpu_create(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e)
{
    int ret = scripted_accel.vcpu_create(a, id, out, e);

    if (ret == 0) {
        without_probe = *(*out)->ops;
        without_probe.probe = NULL;
        (*out)->ops = &without_probe;
    }
    return ret;
}

static int create(const struct accel_config *config, struct accel **out, struct err *e)
{
    int ret = scripted_accel.create(config, out, e);

    if (ret == 0)
        (*out)->ops = &fake_emu;
    return ret;
}

Test(doctor_accel, software_cpu_has_no_speed)
{
    struct doctor_finding f;

    fake_emu.create = create;
    fake_emu.vcpu_create = vcpu_create;
    f = expect(DOCTOR_EMU, DOCTOR_GOOD, "can run a guest");
    cr_assert_eq(f.mips, 0);
}

Test(doctor_accel, one_of_another_architecture_is_none)
{
    fake_emu.guest = "toy";
    (void)expect(DOCTOR_EMU, DOCTOR_UNKNOWN, "built without it");
}

Test(doctor_accel, mote_without_it)
{
    fake_accels[1] = NULL;
    (void)expect(DOCTOR_EMU, DOCTOR_UNKNOWN, "built without it");
}
