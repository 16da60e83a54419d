/*
 * One machine from its configuration to its end.
 *
 * Steps that can fail because of the operator come first, the cheapest of them at the front: names,
 * files and devices, then the loop and the machine. The terminal's mode changes last, just before
 * the guest starts.
 */
#include "api/run/run.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "api/config/config.h"
#include "api/machine/boot_files.h"
#include "api/machine/devices.h"
#include "api/machine/machine.h"
#include "api/run/console.h"
#include "api/run/deadly.h"
#include "api/run/signals.h"
#include "api/run/terminal.h"
#include "core/base/metrics.h"
#include "core/log/log.h"
#include "core/loop/log_stream.h"
#include "core/loop/loop.h"

struct run {
    struct machine_owner owner; /* first member: run_machine_ended casts it to the run */
    struct loop *loop;
    struct machine *machine;
    struct console console;
    struct devices devices;
    struct metrics metrics;
    enum power_end why;
};

static_assert(offsetof(struct run, owner) == 0, "run_machine_ended casts");

static void run_stop_loop(struct console *c)
{
    loop_stop(c->loop);
}

static void run_machine_ended(struct machine_owner *o, enum power_end why)
{
    struct run *r = (struct run *)o;

    r->why = why;
    console_close(&r->console, run_stop_loop);
}

/* Runs the loop from the guest's first instruction until its last byte of output is written. */
static void run_guest(struct run *r)
{
    int ret;

    console_start(&r->console, machine_serial(r->machine), machine_power(r->machine));
    ret = loop_run(r->loop);
    if (ret < 0) {
        log_stream_abandon();
        log_error("the event loop cannot wait for events: %s", strerror(-ret));
        r->loop = NULL; /* still has operations in flight, so it lives as long as the process */
    }
}

/* Puts the terminal into raw mode, runs the machine, and restores the terminal. */
static int run_on_terminal(struct run *r, struct err *e)
{
    int ret;

    signals_init(r->loop, machine_power(r->machine));
    ret = terminal_raw(STDIN_FILENO, e);
    if (ret == 0)
        ret = machine_start(r->machine, e);
    if (ret == 0)
        run_guest(r);
    terminal_restore();
    signals_detach();
    return ret;
}

/* Builds the loop and the machine on the devices, runs it, and takes both apart again. */
static int run_machine(struct run *r, const struct machine_config *config,
                       struct machine_host *host, struct err *e)
{
    int ret = loop_create(&r->loop, LOOP_AUTO, e);

    if (ret < 0)
        return ret;
    log_stream_attach(r->loop);
    deadly_hook(); /* log lines now wait for the loop: a signal that kills has to flush them */
    console_init(&r->console, r->loop, STDIN_FILENO, STDOUT_FILENO);
    host->loop = r->loop;
    host->console = &r->console.sink;
    host->owner = &r->owner;
    host->devices = &r->devices;
    host->metrics = &r->metrics;
    ret = machine_create(config, host, &r->machine, e);
    if (ret == 0)
        ret = run_on_terminal(r, e);
    if (machine_destroy(r->machine) < 0)
        r->why = POWER_FAILED; /* the guest's last writes may not have reached its disk */
    if (log_stream_detach() && !devices_plugged(&r->devices))
        loop_destroy(r->loop);
    deadly_unhook();
    return ret;
}

/* The drives are opened before the signals are held, so that a signal can end an open that hangs
 * (devices.h says why drives allow that). */
static int run_devices(struct run *r, const struct machine_config *config,
                       struct machine_host *host, struct err *e)
{
    int ret = devices_open_drives(&r->devices, config, e);

    if (ret < 0)
        return ret;
    signals_hold();
    ret = devices_create(&r->devices, config, e);
    if (ret == 0)
        ret = run_machine(r, config, host, e);
    devices_destroy(&r->devices);
    signals_finish();
    signals_release();
    return ret;
}

int run(const struct machine_config *config, const struct accel_ops *const *accels,
        struct timeline *timeline, struct run_end *end, struct err *e)
{
    struct run r = { .owner = { .ended = run_machine_ended }, .why = POWER_FAILED };
    struct machine_host host = { .timeline = timeline };
    int ret = config_accel(config, accels, &host.choice, e);

    if (ret == 0)
        ret = boot_files_check(config, e);
    if (ret == 0)
        ret = run_devices(&r, config, &host, e);
    if (ret < 0)
        return ret;
    *end = (struct run_end){ .why = r.why, .signal = signals_caught() };
    return 0;
}
