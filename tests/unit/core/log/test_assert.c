/* A failed assert: what it says, and that it ends the process even if nobody reads that. */
#include <assert.h>

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log/log.h"

static volatile int two = 2;

/* A child whose stderr is fd logs a line and fails an assert. Returns its status. */
static int fail_into(int fd)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        (void)alarm(60); /* ends a child that hangs */
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(fd, STDERR_FILENO);
        log_warn("before the end");
        assert(two == 3);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

Test(assert, says_where_and_what)
{
    char said[1024] = "";
    int p[2], status;

    cr_assert_eq(pipe(p), 0);
    status = fail_into(p[1]);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x", status);
    cr_assert_gt(read(p[0], said, sizeof(said) - 1), 0);
    cr_assert_not_null(strstr(said, "before the end\nmote: "));
    cr_assert_not_null(strstr(said, "test_assert.c:"));
    cr_assert_not_null(strstr(said, ": Assertion `two == 3' failed.\n"));
}

Test(assert, ends_though_nobody_reads_it)
{
    static char much[4096];
    int p[2], status;

    cr_assert_eq(pipe(p), 0);
    cr_assert_gt(fcntl(p[1], F_SETPIPE_SZ, (int)sizeof(much)), 0);
    cr_assert_eq(write(p[1], much, sizeof(much)), (ssize_t)sizeof(much));
    status = fail_into(p[1]);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x", status);
}
