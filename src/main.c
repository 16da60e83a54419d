/*
 * mote: boots one guest.
 *
 * Reads the command line, runs what it asks for and turns how that went into messages on stderr and
 * an exit status: 0 where the guest or the operator ended the machine, 1 where the guest died or
 * mote failed (or the doctor found that no guest can run), 2 where the operator got something
 * wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/cli/cli.h"
#include "api/doctor/doctor.h"
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

#define STATUS_OPERATOR 2

/* Of each architecture in the order in which --accel auto tries them. */
static const struct accel_ops *const accels[] = { &kvm_accel, &emu_accel, NULL };

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

/* Where mote is started with a standard descriptor closed, the next open would get its number and
 * the guest's console would end up in it. */
static int standard_descriptors(struct err *e)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (!is_open(fd) && open("/dev/null", O_RDWR) < 0)
            return err_sys(e, "/dev/null, for a standard descriptor that is closed");
    return 0;
}

/* As many descriptors as the host allows: each connection through vsock is one. Where it allows no
 * more the limit stays. */
static void descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Until when what is left to be said at the end is tried to be: a second, since perhaps nobody
 * reads it. */
static uint64_t until_ns(void)
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
    patience_say(line, until_ns());
}

static int operator_wrong(const struct err *e)
{
    say_sentence(e->text);
    return STATUS_OPERATOR;
}

static int run_verb(const struct cli *cli, struct timeline *timeline)
{
    struct run_end end;
    struct err e;
    const char *sentence;

    signals_ignore();
    if (log_open(&cli->log, &e) < 0)
        return operator_wrong(&e);
    if (run(&cli->machine, accels, timeline, &end, &e) < 0) {
        log_flush(until_ns());
        return operator_wrong(&e);
    }
    sentence = report_sentence(end.why);
    log_flush(until_ns());
    if (sentence)
        say_sentence(sentence);
    patience_say(report_timeline(timeline, cli->timeline).text, until_ns());
    if (end.signal)
        signals_die(end.signal);
    return report_status(end.why);
}

static int doctor_verb(const struct cli *cli)
{
    struct err e;
    int ret = doctor(&guest_x86, accels, cli->json, stdout, &e);

    return ret < 0 ? operator_wrong(&e) : ret;
}

int main(int argc, char **argv)
{
    struct timeline timeline = { 0 };
    struct cli cli;
    struct err e;

    timeline_mark(&timeline, TIMELINE_START);
    if (standard_descriptors(&e) < 0 || cli_parse(argv + (argc > 0), &guest_x86, &cli, &e) < 0)
        return operator_wrong(&e);
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
