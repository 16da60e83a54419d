/* A descriptor that outlives its owner, until the keeper is closed. */
#include "core/kvm/kvm_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "lib/forbid.h"

/* Whether the pipe still has a writer after timeout_ms. Returns at once when the last one goes. */
static bool has_writer(int reader, int timeout_ms)
{
    struct pollfd p = { .fd = reader };

    return poll(&p, 1, timeout_ms) == 0;
}

/* Linux 6.6 and newer have keepers. On an older host all there is to test is that creating one
 * fails, which this does. */
static bool host_has_keepers(void)
{
    unsigned major = 0, minor = 0;
    struct utsname host;

    cr_assert_eq(uname(&host), 0);
    cr_assert_eq(sscanf(host.release, "%u.%u", &major, &minor), 2);
    if (major > 6 || (major == 6 && minor >= 6))
        return true;
    cr_assert_eq(kvm_keeper_create(STDIN_FILENO), -1);
    return false;
}

Test(kvm_keeper, keeps_what_its_owner_closed)
{
    int ends[2];

    if (!host_has_keepers())
        return;
    cr_assert_eq(pipe(ends), 0);
    int keeper = kvm_keeper_create(ends[1]);
    cr_assert_geq(keeper, 0);
    close(ends[1]);
    cr_assert(has_writer(ends[0], 50));
    close(keeper);
    cr_assert_not(has_writer(ends[0], 10000), "the descriptor stays open");
    close(ends[0]);
}

Test(kvm_keeper, ends_with_its_process)
{
    int ends[2], status;

    if (!host_has_keepers())
        return;
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(kvm_keeper_create(ends[1]) < 0);
    close(ends[1]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_not(has_writer(ends[0], 10000), "the descriptor stays open");
    close(ends[0]);
}

Test(kvm_keeper, is_not_inherited)
{
    if (!host_has_keepers())
        return;
    int keeper = kvm_keeper_create(STDIN_FILENO);
    cr_assert_geq(keeper, 0);
    cr_assert(fcntl(keeper, F_GETFD) & FD_CLOEXEC);
    close(keeper);
}

Test(kvm_keeper, nothing_to_keep)
{
    int next = dup(STDIN_FILENO);

    close(next);
    cr_assert_eq(kvm_keeper_create(next), -1);
    cr_assert_eq(dup(STDIN_FILENO), next, "a ring stays open");
    close(next);
}

Test(kvm_keeper, host_without_io_uring)
{
    forbid(__NR_io_uring_setup, EPERM);
    cr_assert_eq(kvm_keeper_create(STDIN_FILENO), -1);
}
