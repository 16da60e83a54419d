#include "api/run/run.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/config/config.h"
#include "api/run/deadly.h"
#include "api/run/report.h"
#include "api/run/signals.h"
#include "core/base/err.h"
#include "core/log/log.h"
#include "core/vm/guest_arch.h"
#include "core/x86/board/guest_x86.h"
#include "core/x86/layout.h"
#include "lib/forbid.h"
#include "lib/pty.h"
#include "lib/vm/scripted.h"
#include "lib/x86/image.h"

/* The guest of a test: what processor 0 does. Set before run. */
static const struct scripted_step *script;

static int vcpu_create(struct accel *a, unsigned id, struct accel_vcpu **out, struct err *e)
{
    int ret = scripted_accel.vcpu_create(a, id, out, e);

    if (ret == 0 && id == 0)
        ((struct scripted_vcpu *)*out)->script = script;
    return ret;
}

/* Where mote raises a signal that kills it, just after it logged a line that the loop had no time
 * to write. */
static enum { NOWHERE, BUILDING, LEAVING } mote_dies;

static void may_die(int where)
{
    if ((int)mote_dies != where)
        return;
    log_warn("its last words");
    (void)raise(SIGUSR1);
}

static struct accel_ops with_script;

static void destroy(struct accel *a)
{
    may_die(LEAVING);
    scripted_accel.destroy(a);
}

static int create(const struct accel_config *config, struct accel **out, struct err *e)
{
    int ret = scripted_accel.create(config, out, e);

    may_die(BUILDING);
    if (ret == 0)
        (*out)->ops = &with_script;
    return ret;
}

static const struct accel_ops *const accels[] = { &with_script, NULL };

static char kernel_path[] = "/tmp/mote-run-XXXXXX";

static void make_kernel(void)
{
    struct image image = image_kernel(IMAGE_KERNEL_START);
    int fd = mkstemp(kernel_path);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, image.data, image.size), (ssize_t)image.size);
    (void)close(fd);
    image_free(&image);
    with_script = scripted_accel;
    with_script.name = "scripted";
    with_script.create = create;
    with_script.vcpu_create = vcpu_create;
    with_script.destroy = destroy;
}

static void drop_kernel(void)
{
    (void)unlink(kernel_path);
}

TestSuite(run, .init = make_kernel, .fini = drop_kernel);

static struct machine_config small(void)
{
    struct machine_config c;

    config_init(&c, &guest_x86);
    c.mem_size = 32 << 20;
    c.kernel = kernel_path;
    return c;
}

/* Starts `mote run` as main.c does, in a child that is a process group of its own. The tests look
 * at how the child ends. */
static pid_t start(const struct scripted_step *guest, int in, int out)
{
    pid_t child = fork();

    if (child == 0) {
        struct machine_config config = small();
        struct timeline timeline = { 0 };
        struct run_end end;
        struct err e;

        (void)setpgid(0, 0);
        for (int sig = SIGHUP; sig <= SIGTTOU; sig++)
            (void)signal(sig, SIG_DFL);
        (void)dup2(in, STDIN_FILENO);
        (void)dup2(out, STDOUT_FILENO);
        script = guest;
        timeline_mark(&timeline, TIMELINE_START);
        if (run(&config, accels, &timeline, &end, &e) < 0)
            _exit(2);
        if (atomic_load(&scripted_alive) != 0 || timeline_us(&timeline, TIMELINE_END) < 0)
            _exit(90);
        if (end.signal)
            deadly_die(end.signal);
        _exit(report_status(end.why));
    }
    return child;
}

static int finish(pid_t child)
{
    int status;

    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static int run_script(const struct scripted_step *guest)
{
    int null = open("/dev/null", O_RDWR);
    int status = finish(start(guest, null, null));

    (void)close(null);
    cr_assert(WIFEXITED(status), "status %x", status);
    return WEXITSTATUS(status);
}

#define OUT(port, byte)             \
    {                               \
        SCRIPTED_OUT, port, 1, byte \
    }

Test(run, a_signal_that_kills_loses_no_log_line)
{
    static const struct scripted_step reset[] = { OUT(LAYOUT_I8042_COMMAND, 0xfe), { 0 } };
    int null = open("/dev/null", O_RDWR), ends[2];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
    for (mote_dies = BUILDING; mote_dies <= LEAVING; mote_dies++) {
        char said[512] = "";
        int status = finish(start(reset, null, null));

        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1, "status %x", status);
        cr_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        cr_assert_gt(read(ends[0], said, sizeof(said) - 1), 0, "place %d", (int)mote_dies);
        cr_assert_not_null(strstr(said, "its last words"), "%s", said);
    }
    mote_dies = NOWHERE;
}

Test(run, ends_well_where_the_guest_resets)
{
    static const struct scripted_step reset[] = { OUT(LAYOUT_I8042_COMMAND, 0xfe), { 0 } };

    cr_assert_eq(run_script(reset), 0);
}

Test(run, ends_well_where_the_guest_powers_off)
{
    static const struct scripted_step off[] = { OUT(LAYOUT_ACPI_PM + 5, 1 << 5 | 5 << 2), { 0 } };

    cr_assert_eq(run_script(off), 0);
}

Test(run, ends_badly_where_the_guest_dies)
{
    static const struct scripted_step death[] = { { SCRIPTED_TRIPLE_FAULT, 0, 0, 0 } };

    cr_assert_eq(run_script(death), 1);
}

#define SAY_RESET(mode)                \
    {                                  \
        SCRIPTED_STORE, 0x472, 2, mode \
    }

Test(run, ends_badly_where_the_guest_panics)
{
    static const struct scripted_step by_word[] = { SAY_RESET(0x1234),
                                                    OUT(LAYOUT_I8042_COMMAND, 0xfe),
                                                    { 0 } };
    static const struct scripted_step by_word_and_fault[] = { SAY_RESET(0x1234),
                                                              { SCRIPTED_TRIPLE_FAULT, 0, 0, 0 } };
    static const struct scripted_step by_port[] = { OUT(LAYOUT_PVPANIC, 1), { 0 } };
    static const struct scripted_step dealt_with[] = {
        OUT(LAYOUT_PVPANIC, 2), SAY_RESET(0), OUT(LAYOUT_I8042_COMMAND, 0xfe), { 0 }
    };
    static const struct scripted_step saved[] = { OUT(LAYOUT_PVPANIC, 2),
                                                  OUT(LAYOUT_ACPI_PM + 5, 1 << 5 | 5 << 2),
                                                  { 0 } };

    cr_assert_eq(run_script(by_word), 1);
    cr_assert_eq(run_script(by_word_and_fault), 1);
    cr_assert_eq(run_script(by_port), 1);
    cr_assert_eq(run_script(dealt_with), 1);
    cr_assert_eq(run_script(saved), 1);
}

Test(run, ends_well_where_the_guest_means_to_reset)
{
    static const struct scripted_step by_fault[] = { SAY_RESET(0),
                                                     { SCRIPTED_TRIPLE_FAULT, 0, 0, 0 } };
    static const struct scripted_step off[] = { SAY_RESET(0x1234),
                                                OUT(LAYOUT_ACPI_PM + 5, 1 << 5 | 5 << 2),
                                                { 0 } };

    cr_assert_eq(run_script(by_fault), 0);
    cr_assert_eq(run_script(off), 0);
}

Test(run, takes_no_warm_reset_for_a_panic_where_every_reset_is_warm)
{
    static const struct scripted_step warm[] = { SAY_RESET(0x1234),
                                                 OUT(LAYOUT_I8042_COMMAND, 0xfe),
                                                 { 0 } };
    struct machine_config config = small();
    struct timeline timeline = { 0 };
    struct run_end end;
    struct err e = { "" };

    config.append = "reboot=warm";
    script = warm;
    cr_assert_eq(run(&config, accels, &timeline, &end, &e), 0, "%s", e.text);
    cr_assert_eq(end.why, POWER_RESET);
}

Test(run, ends_badly_where_the_accelerator_fails)
{
    static const struct scripted_step failure[] = { { SCRIPTED_FAIL, 0, 0, 0 } };

    cr_assert_eq(run_script(failure), 1);
}

static const struct scripted_step prints_and_resets[] = {
    OUT(LAYOUT_SERIAL, 'b'),         OUT(LAYOUT_SERIAL, 'y'),
    OUT(LAYOUT_SERIAL, 'e'),         { SCRIPTED_STORE, LAYOUT_BOOT_TIMER, 1, 123 },
    OUT(LAYOUT_I8042_COMMAND, 0xfe), { 0 },
};

Test(run, shows_the_last_words)
{
    int null = open("/dev/null", O_RDWR);
    int out[2];
    char got[8] = "";

    cr_assert_eq(pipe(out), 0);
    cr_assert_eq(finish(start(prints_and_resets, null, out[1])), 0);
    (void)close(out[1]);
    cr_assert_eq(read(out[0], got, sizeof(got)), 3);
    cr_assert_str_eq(got, "bye");
}

Test(run, marks_the_timeline)
{
    struct machine_config config = small();
    struct timeline timeline = { 0 };
    struct run_end end;
    struct err e = { "" };
    int64_t before = 0;

    script = prints_and_resets;
    timeline_mark(&timeline, TIMELINE_START);
    cr_assert_eq(run(&config, accels, &timeline, &end, &e), 0, "%s", e.text);
    cr_assert_eq(end.why, POWER_RESET);
    cr_assert_eq(end.signal, 0);
    for (unsigned i = 0; i < TIMELINE_MARKS; i++) {
        int64_t us = timeline_us(&timeline, (enum timeline_mark)i);
        cr_assert_geq(us, before, "%s comes out of order, or never",
                      timeline_mark_label((enum timeline_mark)i));
        before = us;
    }
}

/* Before the guest runs. */

static void expect_refused(const struct machine_config *config, int code, const char *saying)
{
    struct timeline timeline = { 0 };
    struct run_end end;
    struct err e = { "" };

    cr_assert_eq(run(config, accels, &timeline, &end, &e), -code, "%s", e.text);
    cr_assert(strstr(e.text, saying), "'%s' does not say '%s'", e.text, saying);
    cr_assert_eq(atomic_load(&scripted_alive), 0, "nothing is left");
}

Test(run, refuses_names_and_files_before_it_builds_anything)
{
    struct machine_config config = small();

    scripted_faults.create = true; /* building would fail with this */
    config.kernel = "/nonexistent/vmlinux";
    expect_refused(&config, ENOENT, "kernel /nonexistent/vmlinux: No such file");
    config.kernel = kernel_path;
    config.initrd = "/nonexistent/initrd";
    expect_refused(&config, ENOENT, "initrd /nonexistent/initrd");
    config.initrd = NULL;
    config.accel = "kvm";
    expect_refused(&config, EINVAL, "'kvm' is not an accelerator: choose from auto, scripted");
}

Test(run, takes_a_half_built_machine_apart)
{
    struct machine_config config = small();

    scripted_faults.create = true;
    expect_refused(&config, EIO, "");
    scripted_faults.create = false;
    scripted_faults.irq = true;
    expect_refused(&config, EIO, "");
    scripted_faults.irq = false;
    scripted_faults.vcpu = true;
    expect_refused(&config, EIO, "");
    scripted_faults.vcpu = false;
    scripted_faults.regs_set = true;
    expect_refused(&config, EIO, "");
    scripted_faults.regs_set = false;
    config.kernel = "/proc/self/exe"; /* an ELF, but no kernel */
    expect_refused(&config, ENOEXEC, "/proc/self/exe");
}

/* Opening a drive may hang on the host, and somebody may kill mote meanwhile: here a seccomp filter
 * traps the open, and the handler of that trap raises SIGTERM. */
static void kill_it(int sig)
{
    (void)sig;
    (void)raise(SIGTERM);
    _exit(91);
}

static void open_a_drive(void)
{
    struct machine_config config = small();
    struct timeline timeline = { 0 };
    struct run_end end;
    struct err e;

    config.devices.drives[0] = device_config_drive();
    config.devices.drives[0].path = kernel_path;
    config.devices.drives[0].read_only = true;
    config.devices.drive_count = 1;
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGSYS, kill_it);
    forbid_where_by(SYS_openat, 2, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, SECCOMP_RET_TRAP);
    (void)run(&config, accels, &timeline, &end, &e);
    _exit(92);
}

Test(run, may_be_killed_while_it_opens_a_drive)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        open_a_drive();
    status = finish(child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "status %x", status);
}

/* On the operator's terminal. */

static void expect_restored(struct pty *t)
{
    cr_assert(is_as_before(t));
    pty_close(t);
}

/* Prints that it runs, and then runs until somebody ends it. */
static const struct scripted_step runs_on[] = {
    OUT(LAYOUT_SERIAL, '!'),
    { SCRIPTED_SLEEP, 0, 0, 0 },
    { 0 },
};

static pid_t start_on(struct pty *t, const struct scripted_step *guest)
{
    pid_t child = start(guest, t->slave, t->slave);
    char byte = 0;

    cr_assert_eq(read(t->master, &byte, 1), 1);
    cr_assert_eq(byte, '!');
    cr_assert(is_raw(t));
    return child;
}

Test(run, quits_by_key_with_the_terminal_as_it_was)
{
    struct pty t = pty_open();
    pid_t child = start_on(&t, runs_on);

    cr_assert_eq(write(t.master, "\x01x", 2), 2);
    cr_assert_eq(finish(child), 0);
    expect_restored(&t);
}

Test(run, dies_of_signals_with_the_terminal_as_it_was)
{
    static const int deadly[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };

    for (unsigned i = 0; i < 4; i++) {
        struct pty t = pty_open();
        pid_t child = start_on(&t, runs_on);
        int status;

        cr_assert_eq(kill(child, deadly[i]), 0);
        status = finish(child);
        cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == deadly[i], "status %x", status);
        expect_restored(&t);
    }
}

Test(run, crashes_with_the_terminal_as_it_was)
{
    struct pty t = pty_open();
    pid_t child = start_on(&t, runs_on);

    cr_assert_eq(kill(child, SIGSEGV), 0);
    cr_assert_neq(finish(child), 0);
    expect_restored(&t);
}

Test(run, ends_with_the_terminal_as_it_was)
{
    static const struct scripted_step dies[] = { { SCRIPTED_TRIPLE_FAULT, 0, 0, 0 } };
    struct pty t = pty_open();
    int status = finish(start(dies, t.slave, t.slave));

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %x", status);
    expect_restored(&t);
}

/* Does what a shell does for `mote run ... &` and then fg. Returns the exit status of the session's
 * leader: 0, or the number of the step that failed. */
static int background_and_foreground(struct pty *t)
{
    pid_t child;
    int status;

    if (setsid() < 0 || ioctl(t->slave, TIOCSCTTY, 0) < 0)
        return 1;
    (void)signal(SIGTTOU, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    child = start(runs_on, t->slave, t->slave);
    if (setpgid(child, child) < 0 || write(t->master, "ls\n", 3) != 3)
        return 2;
    if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status) ||
        WSTOPSIG(status) != SIGTTIN)
        return 3; /* it read what was typed for the shell */
    if (tcsetpgrp(t->slave, child) < 0 || kill(child, SIGCONT) < 0)
        return 4;
    if (write(t->master, "\x01x", 2) != 2 || waitpid(child, &status, 0) != child)
        return 5;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 6;
}

Test(run, has_its_keys_after_a_time_in_the_background)
{
    struct pty t = pty_open();
    pid_t leader = fork();

    if (leader == 0)
        _exit(background_and_foreground(&t));
    cr_assert_eq(finish(leader), 0);
    pty_close(&t);
}
