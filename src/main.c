/*
 * mote: boots one guest.
 *
 * Reads the command line, does what it asks for, and reports the outcome as messages on stderr and
 * an exit status:
 *
 *   0   the guest or the operator ended the machine
 *   1   the guest died, or mote failed while it ran; or the doctor found that no guest can run
 *   2   no guest ran: something on the command line or the host was wrong
 *
 * Where a signal ended the machine, mote dies of that signal instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/cli/cli.h"
#include "api/doctor/doctor.h"
#include "api/run/deadly.h"
#include "api/run/report.h"
#include "api/run/run.h"
#include "api/run/signals.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/patience.h"
#include "core/base/timeline.h"
#include "core/kvm/kvm.h"
#include "core/log/log.h"
#include "core/x86/board/guest_x86.h"
#include "emu/emu.h"

#define STATUS_ERROR 2

/* For each guest architecture, in the order in which --accel auto tries them. */
static const struct accel_ops *const accels[] = { &kvm_accel, &emu_accel, NULL };

static bool fd_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

/* Opens /dev/null in place of each standard descriptor that is closed. Otherwise the next file that
 * mote opens would get that number, and the guest's console would be written into it. */
static int standard_descriptors_open(struct err *e)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (!fd_is_open(fd) && open("/dev/null", O_RDWR) < 0)
            return err_sys(e, "cannot open /dev/null in place of a closed standard descriptor");
    return 0;
}

/* Raises the limit of descriptors as far as the host allows, because each vsock connection needs
 * one. If that fails the limit stays as it is. */
static void descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The deadline for everything that mote still has to write when it ends: one second after the first
 * call, since perhaps nobody reads it. */
static uint64_t say_deadline_ns(void)
{
    static uint64_t ns;

    if (ns == 0)
        ns = clock_now_ns() + NS_PER_S;
    return ns;
}

static void say_sentence(const char *sentence)
{
    char line[sizeof(((struct err *)0)->text) + sizeof("mote: \n")];

    (void)snprintf(line, sizeof(line), "mote: %s\n", sentence);
    patience_say(line, say_deadline_ns());
}

/* Returns the exit status. */
static int say_error(const struct err *e)
{
    say_sentence(e->text);
    return STATUS_ERROR;
}

static int run_verb(const struct cli *cli, struct timeline *timeline)
{
    struct run_end end;
    struct err e;
    const char *sentence;

    signals_ignore();
    if (log_open(&cli->log, &e) < 0)
        return say_error(&e);
    if (run(&cli->machine, accels, timeline, &end, &e) < 0) {
        log_flush(say_deadline_ns());
        return say_error(&e);
    }
    sentence = report_sentence(end.why);
    log_flush(say_deadline_ns());
    if (sentence)
        say_sentence(sentence);
    patience_say(report_timeline(timeline, cli->timeline).text, say_deadline_ns());
    if (end.signal)
        deadly_die(end.signal);
    return report_status(end.why);
}

static int doctor_verb(const struct cli *cli)
{
    struct err e;
    int ret = doctor(&guest_x86, accels, cli->json, stdout, &e);

    return ret < 0 ? say_error(&e) : ret;
}

int main(int argc, char **argv)
{
    struct timeline timeline = { 0 };
    struct cli cli;
    struct err e;

    timeline_mark(&timeline, TIMELINE_START);
    if (standard_descriptors_open(&e) < 0 || cli_parse(argv + (argc > 0), &guest_x86, &cli, &e) < 0)
        return say_error(&e);
    descriptors_raise();
    switch (cli.verb) {
    case CLI_RUN:
        return run_verb(&cli, &timeline);
    case CLI_HELP:
        (void)fputs(cli_help, stdout);
        break;
    case CLI_RUN_HELP:
        (void)fputs(cli_run_help, stdout);
        break;
    case CLI_DEVICES_HELP:
        (void)fputs(cli_devices_help, stdout);
        break;
    case CLI_DOCTOR:
        return doctor_verb(&cli);
    case CLI_DOCTOR_HELP:
        (void)fputs(cli_doctor_help, stdout);
        break;
    case CLI_VERSION:
        (void)puts("mote " MOTE_VERSION);
        break;
    }
    return 0;
}
