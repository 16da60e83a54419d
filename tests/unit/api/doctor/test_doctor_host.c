#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/host/host.h"
#include "lib/forbid.h"
#include "unit/api/doctor/fake_host.h"

TestSuite(doctor_host, .init = fake_host_init, .fini = fake_host_finish);

static bool finds(enum doctor_check check, enum doctor_verdict verdict, const char *words,
                  const char *fix)
{
    struct doctor_finding f = fake_host_look(check);

    if (f.verdict == verdict && strstr(f.text, words) &&
        (verdict == DOCTOR_GOOD || strstr(f.fix, fix)))
        return true;
    (void)fprintf(stderr, "found '%s', to be fixed by '%s'\n", f.text, f.fix);
    return false;
}

static void expect(enum doctor_check check, enum doctor_verdict verdict, const char *words,
                   const char *fix)
{
    cr_assert(finds(check, verdict, words, fix));
}

/* Expects the check to find a lack while this system call fails. It runs in a child, because the
 * filter cannot be removed. */
static void expect_without(long call, int error, enum doctor_check check, const char *fix)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        forbid(call, error);
        _exit(finds(check, DOCTOR_LACKING, strerror(error), fix) ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

/* Each feature is named once, on its side of the sentence. */
Test(doctor_host, features_of_the_processor)
{
    const struct doctor_finding found = fake_host_look(DOCTOR_CPU_FEATURES);
    const char *lacks = strstr(found.text, ", and lacks");
    struct host_feature f;
    char word[32];

    cr_assert_eq(strncmp(found.text, "a guest gets ", 13), 0, "%s", found.text);
    cr_assert_eq(found.verdict, lacks ? DOCTOR_LACKING : DOCTOR_GOOD);
    for (unsigned n = 0; host_feature(n, &f); n++) {
        const char *at;

        (void)snprintf(word, sizeof(word), " %s", f.name);
        at = strstr(found.text, word);
        cr_assert(at, "%s in %s", f.name, found.text);
        cr_assert_eq(f.present, !lacks || at < lacks, "%s in %s", f.name, found.text);
    }
}

#define IO_URING_SWITCH "/proc/sys/kernel/io_uring_disabled"

Test(doctor_host, io_uring_that_is_forbidden)
{
    expect_without(SYS_io_uring_setup, EPERM, DOCTOR_IO_URING, "seccomp profile");
    fake_host_has(IO_URING_SWITCH, "2\n");
    expect_without(SYS_io_uring_setup, EPERM, DOCTOR_IO_URING, "kernel.io_uring_disabled=0");
    fake_host_has(IO_URING_SWITCH, "1\n");
    expect_without(SYS_io_uring_setup, EPERM, DOCTOR_IO_URING, "kernel.io_uring_group");
    fake_host_has(IO_URING_SWITCH, "0\n");
    expect_without(SYS_io_uring_setup, EPERM, DOCTOR_IO_URING, "seccomp profile");
}

Test(doctor_host, io_uring_that_cannot_be_had)
{
    expect_without(SYS_io_uring_setup, ENOSYS, DOCTOR_IO_URING, "version 5.7");
    expect_without(SYS_io_uring_setup, ENOMEM, DOCTOR_IO_URING, "ulimit -l");
}

Test(doctor_host, seccomp)
{
    expect(DOCTOR_SECCOMP, DOCTOR_GOOD, "a filter can", NULL);
    expect_without(SYS_seccomp, ENOSYS, DOCTOR_SECCOMP, "CONFIG_SECCOMP_FILTER");
}

Test(doctor_host, user_namespaces)
{
    expect_without(SYS_unshare, EPERM, DOCTOR_USER_NAMESPACES, "CLONE_NEWUSER");
    expect_without(SYS_unshare, EINVAL, DOCTOR_USER_NAMESPACES, "CONFIG_USER_NS");
    expect_without(SYS_clone, EAGAIN, DOCTOR_USER_NAMESPACES, "");
    fake_host_has("/proc/sys/kernel/unprivileged_userns_clone", "0\n");
    expect_without(SYS_unshare, EPERM, DOCTOR_USER_NAMESPACES, "unprivileged_userns_clone=1");
    fake_host_has("/proc/sys/user/max_user_namespaces", "0\n");
    expect_without(SYS_unshare, ENOSPC, DOCTOR_USER_NAMESPACES, "max_user_namespaces=");
}

Test(doctor_host, cgroup_versions)
{
    expect(DOCTOR_CGROUP, DOCTOR_LACKING, "nothing is mounted", "mount -t cgroup2");
    fake_host_has("/sys/fs/cgroup/memory/tasks", "");
    expect(DOCTOR_CGROUP, DOCTOR_GOOD, "version 1", NULL);
    fake_host_has("/sys/fs/cgroup/unified/cgroup.controllers", "");
    expect(DOCTOR_CGROUP, DOCTOR_GOOD, "version 1, with version 2 beside it", NULL);
    fake_host_has("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    expect(DOCTOR_CGROUP, DOCTOR_GOOD, "version 2", NULL);
}

Test(doctor_host, tun)
{
    expect(DOCTOR_TUN, DOCTOR_LACKING, "No such file", "modprobe tun");
    fake_host_has("/dev/net/tun", "");
    expect(DOCTOR_TUN, DOCTOR_GOOD, "may open it", NULL);
    expect_without(SYS_openat, EACCES, DOCTOR_TUN, "setfacl");
    expect_without(SYS_openat, EPERM, DOCTOR_TUN, "--device /dev/net/tun");
}

#define TRANSPARENT "/sys/kernel/mm/transparent_hugepage/enabled"

Test(doctor_host, transparent_huge_pages)
{
    expect(DOCTOR_TRANSPARENT_HUGE_PAGES, DOCTOR_UNKNOWN, "/sys is not mounted", "");
    fake_host_has("/sys/kernel/version", "");
    expect(DOCTOR_TRANSPARENT_HUGE_PAGES, DOCTOR_LACKING, "has none", "CONFIG_TRANSPARENT");
    fake_host_has(TRANSPARENT, "[always] madvise never\n");
    expect(DOCTOR_TRANSPARENT_HUGE_PAGES, DOCTOR_GOOD, "always", NULL);
    fake_host_has(TRANSPARENT, "always [madvise] never\n");
    expect(DOCTOR_TRANSPARENT_HUGE_PAGES, DOCTOR_GOOD, "madvise", NULL);
    fake_host_has(TRANSPARENT, "always madvise [never]\n");
    expect(DOCTOR_TRANSPARENT_HUGE_PAGES, DOCTOR_LACKING, "never", "echo madvise");
    fake_host_has(TRANSPARENT, "[");
    expect(DOCTOR_TRANSPARENT_HUGE_PAGES, DOCTOR_LACKING, "has none", "CONFIG_TRANSPARENT");
    fake_host_has(TRANSPARENT, "");
    expect(DOCTOR_TRANSPARENT_HUGE_PAGES, DOCTOR_LACKING, "has none", "CONFIG_TRANSPARENT");
}

#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB"

Test(doctor_host, huge_pages_set_aside)
{
    expect(DOCTOR_HUGE_PAGES_2M, DOCTOR_UNKNOWN, "/sys is not mounted", "");
    fake_host_has(POOL "/free_hugepages", "0\n");
    expect(DOCTOR_HUGE_PAGES_2M, DOCTOR_LACKING, "has none", "CONFIG_HUGETLBFS");
    fake_host_has(POOL "/free_hugepages", "0\n");
    fake_host_has(POOL "/nr_hugepages", "4\n");
    expect(DOCTOR_HUGE_PAGES_2M, DOCTOR_LACKING, "0 free of 4", "vm.nr_hugepages=");
    fake_host_has(POOL "/free_hugepages", "3\n");
    expect(DOCTOR_HUGE_PAGES_2M, DOCTOR_GOOD, "3 free of 4", NULL);
}
