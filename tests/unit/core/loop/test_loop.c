/* The event loop on both backends: posts, run and stop, and what the host may refuse. */
#include "core/loop/loop.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "core/log/log.h"
#include "lib/forbid.h"
#include "unit/core/loop/loop_probe.h"

/* Posts, run and stop */

struct note {
    struct loop_post post;
    struct loop *loop;
    unsigned number;
    bool stop;
    struct note *next;
};

#define NOTES 16

static unsigned notes[NOTES], noted; /* the numbers of those called */

static void note_call(struct loop_post *post)
{
    struct note *n = (struct note *)post;

    notes[noted++ % NOTES] = n->number;
    if (n->next)
        loop_post(n->loop, &n->next->post);
    if (n->stop)
        loop_stop(n->loop);
}

static void notes_init(struct note *n, unsigned count, struct loop *l)
{
    noted = 0;
    for (unsigned i = 0; i < count; i++)
        n[i] = (struct note){ .post = { .call = note_call }, .loop = l, .number = i };
}

BOTH(posts_run_in_the_order_they_were_posted)
{
    struct note n[5];

    notes_init(n, 5, l);
    n[0].next = &n[4];
    n[4].stop = true;
    for (unsigned i = 0; i < 4; i++)
        loop_post(l, &n[i].post);
    cr_assert_eq(noted, 0, "no call from inside loop_post");
    loop_post(l, &n[0].post);
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(noted, 5, "a post that is still queued is ignored");
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(notes[i], i);
}

BOTH(a_post_may_be_posted_again_from_its_call)
{
    struct note n[2];

    notes_init(n, 2, l);
    n[0].next = &n[1], n[1].next = &n[0];
    loop_post(l, &n[0].post);
    for (unsigned i = 0; i < 3; i++)
        run_turns(l);
    cr_assert_geq(noted, 9, "operations go on meanwhile");
    n[0].next = n[1].next = NULL;
    run_turns(l);
}

BOTH(stop_leaves_the_rest_for_the_next_run)
{
    struct note n[4];

    notes_init(n, 4, l);
    n[1].stop = n[3].stop = true;
    for (unsigned i = 0; i < 4; i++)
        loop_post(l, &n[i].post);
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(noted, 2);
    loop_post(l, &n[0].post);
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(noted, 4, "those left over come first");
    cr_assert_eq(notes[2], 2);
    n[0].stop = true;
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(notes[4], 0);
}

BOTH(stop_leaves_other_completions_for_the_next_run)
{
    struct probe *p[6];
    unsigned calls = 0;

    for (unsigned i = 0; i < 6; i++) {
        p[i] = fires(l, i % 2 ? 1 : UINT64_MAX);
        p[i]->then = stop_too;
        if (i % 2 == 0)
            loop_cancel(l, &p[i]->op);
    }
    for (unsigned round = 1; round <= 6; round++) {
        cr_assert_eq(loop_run(l), 0);
        calls = 0;
        for (unsigned i = 0; i < 6; i++)
            calls += p[i]->calls;
        cr_assert_eq(calls, round);
    }
    for (unsigned i = 0; i < 6; i++)
        free(p[i]);
}

BOTH(stop_before_run_makes_it_return_at_once)
{
    struct note n[1];

    notes_init(n, 1, l);
    loop_post(l, &n[0].post);
    loop_stop(l);
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(noted, 0);
    run_turns(l);
    cr_assert_eq(noted, 1, "and the stop counts once");
}

static struct note *signalled;

static void on_signal(int number)
{
    (void)number;
    errno = ENOTTY;
    loop_post(signalled->loop, &signalled->post);
}

static void raise_in_callback(struct probe *p)
{
    (void)p;
    raise(SIGUSR1);
    cr_assert_eq(errno, ENOTTY, "loop_post leaves errno alone");
}

BOTH(a_signal_handler_may_post)
{
    struct itimerval soon = { .it_value = { .tv_usec = 10000 } };
    struct note n[1];
    struct probe *p = fires(l, 0);

    notes_init(n, 1, l);
    n[0].stop = true;
    signalled = n;
    signal(SIGUSR1, on_signal);
    signal(SIGALRM, on_signal);
    p->then = raise_in_callback;
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(noted, 1, "while the loop is awake");
    setitimer(ITIMER_REAL, &soon, NULL);
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(noted, 2, "while it sleeps");
    free(p);
}

static void *post_from_thread(void *arg)
{
    struct note *n = arg;

    loop_post(n->loop, &n->post);
    return NULL;
}

BOTH(another_thread_wakes_the_loop)
{
    struct note n[1];
    pthread_t thread;

    notes_init(n, 1, l);
    n[0].stop = true;
    cr_assert_eq(pthread_create(&thread, NULL, post_from_thread, n), 0);
    cr_assert_eq(loop_run(l), 0);
    cr_assert_eq(noted, 1);
    pthread_join(thread, NULL);
}

/* Refusals */

/* Exits with the number of the first fact that does not hold, or 0. */
static void fall_back(long call, int with, const char *path)
{
    struct log_config config = { .path = path, .level = LOG_TRACE };
    struct loop *l = NULL;
    struct err e = { 0 };
    char text[2048];
    ssize_t len;
    int fd;

    forbid(call, with);
    if (log_open(&config, &e) < 0)
        _exit(1);
    if (loop_create(&l, LOOP_URING, &e) != -with || !strstr(e.text, strerror(with)))
        _exit(2);
    if (loop_create(&l, LOOP_AUTO, &e) != 0 || strcmp(loop_backend_name(l), "epoll") != 0)
        _exit(3);
    run_turns(l);
    loop_destroy(l);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    len = read(fd, text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = 0;
    if (!strstr(text, "WARN] loop: ") || !strstr(text, "epoll"))
        _exit(4);
    if (strchr(text, '\n') != text + len - 1)
        _exit(5);
    _exit(0);
}

static int child_status(pid_t pid)
{
    int status;

    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

Test(loop, falls_back_to_epoll_with_one_warning)
{
    static const struct {
        long call;
        int with;
    } reasons[] = { { SYS_io_uring_setup, ENOSYS },
                    { SYS_io_uring_setup, EPERM },
                    { SYS_io_uring_setup, ENOMEM },
                    { SYS_io_uring_enter, EPERM },
                    { SYS_io_uring_enter, ENOSYS } };

    for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        char path[64];
        pid_t pid;
        int status;

        sprintf(path, "/tmp/test_loop.log.%d", getpid());
        unlink(path);
        pid = fork();
        if (pid == 0)
            fall_back(reasons[i].call, reasons[i].with, path);
        status = child_status(pid);
        unlink(path);
        cr_assert_eq(status, 0, "%s: fact %d", strerror(reasons[i].with), status);
    }
}

Test(loop, prefers_io_uring_silently)
{
    struct log_config config = { .level = LOG_TRACE };
    char path[64], byte;
    struct loop *l;
    int fd;

    sprintf(path, "/tmp/test_loop.quiet.%d", getpid());
    config.path = path;
    cr_assert_eq(log_open(&config, NULL), 0);
    cr_assert_eq(loop_create(&l, LOOP_AUTO, NULL), 0);
    cr_assert_str_eq(loop_backend_name(l), "io_uring");
    loop_destroy(l);
    fd = open(path, O_RDONLY);
    cr_assert_eq(read(fd, &byte, 1), 0);
    unlink(path);
}

/* A post from another thread could not wake the loop, nor report that. */
Test(loop, that_cannot_be_woken_is_refused)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct loop *l = NULL;
        struct err e = { 0 };

        forbid(SYS_write, EPERM);
        if (loop_create(&l, LOOP_EPOLL, &e) != -EPERM || loop_create(&l, LOOP_URING, &e) != -EPERM)
            _exit(1);
        _exit(strstr(e.text, "cannot be woken") ? 0 : 2);
    }
    cr_assert_eq(child_status(pid), 0);
}

static void run_is_refused(enum loop_backend backend, long call)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct loop *l = NULL;
        if (loop_create(&l, backend, NULL) < 0)
            _exit(1);
        forbid(call, EPERM);
        if (loop_run(l) != -EPERM)
            _exit(2);
        loop_destroy(l);
        _exit(0);
    }
    cr_assert_eq(child_status(pid), 0);
}

Test(loop, run_fails_when_the_kernel_refuses_to_wait)
{
    run_is_refused(LOOP_URING, SYS_io_uring_enter);
    run_is_refused(LOOP_EPOLL, SYS_epoll_wait);
}

/* With fewer descriptors than a loop needs (0, 1, ...) creation fails and leaves none open. */
static void descriptors_run_out(enum loop_backend backend)
{
    int free_fd = dup(0), failures = 0;
    struct rlimit limit, before;

    close(free_fd);
    getrlimit(RLIMIT_NOFILE, &before);
    for (int spare = 0;; spare++) {
        struct loop *l = NULL;
        struct err e = { 0 };
        int ret;
        limit = (struct rlimit){ .rlim_cur = free_fd + spare, .rlim_max = before.rlim_max };
        setrlimit(RLIMIT_NOFILE, &limit);
        ret = loop_create(&l, backend, &e);
        setrlimit(RLIMIT_NOFILE, &before);
        if (ret == 0) {
            loop_destroy(l);
            break;
        }
        failures++;
        cr_assert_eq(ret, -EMFILE);
        cr_assert_not_null(strstr(e.text, strerror(EMFILE)), "%s", e.text);
        cr_assert_lt(spare, 8);
    }
    cr_assert_geq(failures, 2);
    cr_assert_eq(dup(0), free_fd, "nothing is left open");
    close(free_fd);
}

Test(loop, creation_fails_cleanly_without_descriptors)
{
    descriptors_run_out(LOOP_URING);
    descriptors_run_out(LOOP_EPOLL);
}

Test(loop, destroy_accepts_null)
{
    loop_destroy(NULL);
}
