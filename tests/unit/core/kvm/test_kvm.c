/* The sentences for a KVM that is missing, forbidden, something else, or not enough. */
#include "core/kvm/kvm_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "core/base/err.h"
#include "core/kvm/kvm.h"

static struct err e;

/* A KVM that lacks nothing but what a test takes away. */
static int version = 12;
static int missing[16];
static unsigned missing_count;
static int max_vcpus = 1024;

static int ask(int fd, unsigned long request, unsigned long argument)
{
    cr_assert_eq(fd, 99);
    if (request == KVM_GET_API_VERSION)
        return version;
    cr_assert_eq(request, KVM_CHECK_EXTENSION);
    for (unsigned i = 0; i < missing_count; i++)
        if (argument == (unsigned long)missing[i])
            return 0;
    return argument == KVM_CAP_MAX_VCPUS ? max_vcpus : 1;
}

static bool says(const char *words)
{
    return strstr(e.text, words) != NULL;
}

static void path_make(char *path)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
}

Test(kvm, missing_device)
{
    cr_assert_eq(kvm_open("/nonexistent/kvm", &e), -ENOENT);
    cr_assert(says("/nonexistent/kvm is missing"), "%s", e.text);
    cr_assert(says("kvm_amd or kvm_intel"));
}

Test(kvm, device_without_a_driver)
{
    char path[] = "/tmp/test-kvm-XXXXXX";
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    path_make(path);
    unlink(path);
    strcpy(name.sun_path, path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    int ret = kvm_open(path, &e); /* a socket has no driver to open it: ENXIO */
    unlink(path);
    close(fd);
    cr_assert_eq(ret, -ENXIO);
    cr_assert(says("load the module"), "%s", e.text);
}

Test(kvm, forbidden_device)
{
    char path[] = "/tmp/test-kvm-XXXXXX";
    int status;

    path_make(path);
    cr_assert_eq(chmod(path, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        if (getuid() == 0 && setuid(65534) < 0)
            _exit(3);
        _exit(kvm_open(path, &e) != -EACCES ? 1 : says("the group kvm") ? 0 : 2);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    unlink(path);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}

Test(kvm, device_that_cannot_be_opened)
{
    cr_assert_eq(kvm_open("/tmp", &e), -EISDIR);
    cr_assert(says("/tmp cannot be opened"), "%s", e.text);
}

Test(kvm, descriptor_is_not_inherited)
{
    int fd = kvm_open("/dev/null", &e);

    cr_assert_geq(fd, 0);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

Test(kvm, not_a_kvm)
{
    int fd = open("/dev/null", O_RDWR);

    cr_assert_eq(kvm_verify(fd, kvm_ioctl, 1, &e), -ENOTTY);
    cr_assert(says("does not answer as a KVM"), "%s", e.text);
    close(fd);
}

Test(kvm, inspection_opens_and_asks)
{
    cr_assert_eq(kvm_inspect("/nonexistent/kvm", &e), -ENOENT);
    cr_assert(says("/nonexistent/kvm is missing"), "%s", e.text);
    cr_assert_eq(kvm_inspect("/dev/null", &e), -ENOTTY);
    cr_assert(says("does not answer as a KVM"), "%s", e.text);
}

Test(kvm, sufficient)
{
    cr_assert_eq(kvm_verify(99, ask, 32, &e), 0);
}

Test(kvm, other_interface_version)
{
    version = 11;
    cr_assert_eq(kvm_verify(99, ask, 1, &e), -EOPNOTSUPP);
    cr_assert(says("version 11") && says("mote 12"), "%s", e.text);
}

Test(kvm, each_missing_capability_is_named_with_its_use)
{
    const struct {
        int capability;
        const char *words;
    } each[] = {
        { KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY (which gives the guest its memory)" },
        { KVM_CAP_IRQFD, "KVM_CAP_IRQFD (which lets devices raise interrupts)" },
        { KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD (which takes" },
        { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT (which stops" },
        { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE (which keeps" },
        { KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP (which is the guest's interrupt controller)" },
        { KVM_CAP_PIT2, "KVM_CAP_PIT2 (which" },
        { KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID (which" },
        { KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR (which" },
        { KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR (which" },
    };

    missing_count = 1;
    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        missing[0] = each[i].capability;
        cr_assert_eq(kvm_verify(99, ask, 1, &e), -EOPNOTSUPP);
        cr_assert(says(each[i].words), "%s", e.text);
        cr_assert_not(says("), "), "one is missing, not more: %s", e.text);
        cr_assert(says("update the host's kernel"));
    }
}

Test(kvm, several_missing_capabilities_are_all_named)
{
    missing[0] = KVM_CAP_IRQFD;
    missing[1] = KVM_CAP_PIT2;
    missing_count = 2;
    cr_assert_eq(kvm_verify(99, ask, 1, &e), -EOPNOTSUPP);
    cr_assert(says("KVM_CAP_IRQFD") && says("), KVM_CAP_PIT2"), "%s", e.text);
}

Test(kvm, a_list_too_long_is_cut)
{
    const int all[] = { KVM_CAP_USER_MEMORY, KVM_CAP_IRQFD,        KVM_CAP_IOEVENTFD,
                        KVM_CAP_PIT2,        KVM_CAP_EXT_CPUID,    KVM_CAP_IMMEDIATE_EXIT,
                        KVM_CAP_IRQCHIP,     KVM_CAP_SET_TSS_ADDR, KVM_CAP_SET_IDENTITY_MAP_ADDR,
                        KVM_CAP_MP_STATE };

    memcpy(missing, all, sizeof(all));
    missing_count = sizeof(all) / sizeof(all[0]);
    cr_assert_eq(kvm_verify(99, ask, 1, &e), -EOPNOTSUPP);
    cr_assert(says("KVM_CAP_USER_MEMORY") && says("update the host's kernel"), "%s", e.text);
}

Test(kvm, too_few_vcpus)
{
    max_vcpus = 4;
    cr_assert_eq(kvm_verify(99, ask, 4, &e), 0);
    cr_assert_eq(kvm_verify(99, ask, 5, &e), -EOPNOTSUPP);
    cr_assert(says("at most 4 vCPUs") && says("5 are asked for"), "%s", e.text);
}

Test(kvm, table_is_complete)
{
    cr_assert_str_eq(kvm_accel.name, "kvm");
    cr_assert(kvm_accel.create && kvm_accel.destroy && kvm_accel.irq_init);
    cr_assert(kvm_accel.irq_finish && kvm_accel.doorbell_add && kvm_accel.vcpu_create);
}
