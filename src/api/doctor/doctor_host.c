/*
 * What the host's kernel offers. None of it is needed to run a machine: without io_uring the event
 * loop uses epoll, and the rest matters only to those who ask for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/doctor/doctor_look.h"
#include "core/base/err.h"
#include "core/host/host.h"
#include "core/loop/loop.h"

/* The first line of a file, without its newline. */
struct host_line {
    char text[128];
};

/* Reads the first line of a file of the host. Returns false if there is none. */
static bool host_line_read(const struct doctor_host *h, const char *path, struct host_line *l)
{
    char full[512];
    FILE *file;
    bool read;

    (void)snprintf(full, sizeof(full), "%s%s", h->root, path);
    file = fopen(full, "re");
    if (!file)
        return false;
    read = fgets(l->text, sizeof(l->text), file) != NULL;
    (void)fclose(file);
    l->text[read ? strcspn(l->text, "\n") : 0] = '\0';
    return read;
}

static bool host_line_is(const struct doctor_host *h, const char *path, const char *wanted)
{
    struct host_line l;

    return host_line_read(h, path, &l) && strcmp(l.text, wanted) == 0;
}

static bool doctor_host_has(const struct doctor_host *h, const char *path)
{
    char full[512];

    (void)snprintf(full, sizeof(full), "%s%s", h->root, path);
    return access(full, F_OK) == 0;
}

/* Names of processor features, each with a blank in front. */
struct names {
    char text[128];
};

static struct names features_named(bool present)
{
    struct names n = { "" };
    struct host_feature f;
    size_t used = 0;

    for (unsigned i = 0; host_feature(i, &f); i++)
        if (f.present == present && used < sizeof(n.text))
            used += (size_t)snprintf(n.text + used, sizeof(n.text) - used, " %s", f.name);
    return n;
}

void doctor_look_cpu_features(const struct doctor_host *h, struct doctor_finding *f)
{
    struct names has = features_named(true), lacks = features_named(false);

    (void)h;
    if (lacks.text[0])
        doctor_find(f, DOCTOR_LACKING, "a guest gets%s, and lacks%s", has.text, lacks.text);
    else
        doctor_find(f, DOCTOR_GOOD, "a guest gets%s", has.text);
}

#define IO_URING_SWITCH "/proc/sys/kernel/io_uring_disabled"

void doctor_look_io_uring(const struct doctor_host *h, struct doctor_finding *f)
{
    struct loop *loop;
    struct err e;
    int ret = loop_create(&loop, LOOP_URING, &e);

    if (ret == 0) {
        loop_destroy(loop);
        doctor_find(f, DOCTOR_GOOD, "the event loop runs on it");
        return;
    }
    doctor_find(f, DOCTOR_LACKING, "the event loop falls back to epoll: %s", e.text);
    if (host_line_is(h, IO_URING_SWITCH, "2"))
        f->fix = "Switch it on: sysctl -w kernel.io_uring_disabled=0";
    else if (host_line_is(h, IO_URING_SWITCH, "1"))
        f->fix = "Switch it on for everybody, sysctl -w kernel.io_uring_disabled=0, or add this "
                 "user to the group that kernel.io_uring_group names.";
    else if (ret == -ENOSYS)
        f->fix = "Use a host kernel of version 5.7 or later with CONFIG_IO_URING, and a container "
                 "profile that allows the call io_uring_setup.";
    else if (ret == -ENOMEM)
        f->fix = "Raise the limit on locked memory: ulimit -l";
}

void doctor_look_seccomp(const struct doctor_host *h, struct doctor_finding *f)
{
    uint32_t action = SECCOMP_RET_KILL_PROCESS;

    (void)h;
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
        doctor_find(f, DOCTOR_GOOD, "a filter can end the process");
    else
        doctor_find(f, DOCTOR_LACKING, "no filter can end the process: %s", strerror(errno));
}

/* Enters a user namespace in a child, because there is no way back. Returns 0 or the errno. */
static int user_namespace_try(void)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        _exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

void doctor_look_user_namespaces(const struct doctor_host *h, struct doctor_finding *f)
{
    int code = user_namespace_try();

    if (code == 0) {
        doctor_find(f, DOCTOR_GOOD, "this user may enter one");
        return;
    }
    doctor_find(f, DOCTOR_LACKING, "this user may not enter one: %s", strerror(code));
    if (host_line_is(h, "/proc/sys/user/max_user_namespaces", "0"))
        f->fix = "Allow some: sysctl -w user.max_user_namespaces=15000";
    else if (host_line_is(h, "/proc/sys/kernel/unprivileged_userns_clone", "0"))
        f->fix = "Allow them for users: sysctl -w kernel.unprivileged_userns_clone=1";
    else if (code == EINVAL)
        f->fix = "Use a host kernel with CONFIG_USER_NS.";
}

void doctor_look_cgroup(const struct doctor_host *h, struct doctor_finding *f)
{
    if (doctor_host_has(h, "/sys/fs/cgroup/cgroup.controllers"))
        doctor_find(f, DOCTOR_GOOD, "version 2");
    else if (doctor_host_has(h, "/sys/fs/cgroup/unified/cgroup.controllers"))
        doctor_find(f, DOCTOR_GOOD, "version 1, with version 2 beside it but without controllers");
    else if (doctor_host_has(h, "/sys/fs/cgroup/memory") ||
             doctor_host_has(h, "/sys/fs/cgroup/cpu"))
        doctor_find(f, DOCTOR_GOOD, "version 1");
    else
        doctor_find(f, DOCTOR_LACKING, "nothing is mounted at /sys/fs/cgroup");
}

void doctor_look_tun(const struct doctor_host *h, struct doctor_finding *f)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/dev/net/tun", h->root);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        (void)close(fd);
        doctor_find(f, DOCTOR_GOOD, "this user may open it");
        return;
    }
    doctor_find(f, DOCTOR_LACKING, "it cannot be opened: %s", strerror(errno));
    if (errno == EACCES)
        f->fix = "Give this user the device: setfacl -m u:USER:rw /dev/net/tun";
    else if (errno == EPERM)
        f->fix = "Pass the device into the container: --device /dev/net/tun";
}

/* For a file of /sys that is missing: the kernel has no such pages, or /sys is not mounted. */
static void huge_pages_lacking(const struct doctor_host *h, struct doctor_finding *f,
                               const char *fix)
{
    if (!doctor_host_has(h, "/sys/kernel")) {
        doctor_find(f, DOCTOR_UNKNOWN, "/sys is not mounted");
        return;
    }
    doctor_find(f, DOCTOR_LACKING, "the host's kernel has none");
    f->fix = fix;
}

/* The file reads like "always [madvise] never": the word in brackets is in force. */
void doctor_look_transparent_huge_pages(const struct doctor_host *h, struct doctor_finding *f)
{
    struct host_line l;
    char *word, *end;

    if (!host_line_read(h, "/sys/kernel/mm/transparent_hugepage/enabled", &l) ||
        !(word = strchr(l.text, '[')) || !(end = strchr(word, ']'))) {
        huge_pages_lacking(h, f, "Use a host kernel with CONFIG_TRANSPARENT_HUGEPAGE.");
        return;
    }
    *end = '\0';
    doctor_find(f, strcmp(word + 1, "never") == 0 ? DOCTOR_LACKING : DOCTOR_GOOD, "%s", word + 1);
}

void doctor_look_huge_pages_2m(const struct doctor_host *h, struct doctor_finding *f)
{
    struct host_line unused, all;

    if (!host_line_read(h, "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", &unused) ||
        !host_line_read(h, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", &all)) {
        huge_pages_lacking(h, f, "Use a host kernel with CONFIG_HUGETLBFS.");
        return;
    }
    doctor_find(f, strcmp(unused.text, "0") == 0 ? DOCTOR_LACKING : DOCTOR_GOOD,
                "%s free of %s set aside", unused.text, all.text);
}
