#ifndef API_CLI_CLI_H
#define API_CLI_CLI_H
/*
 * The command line: what mote was asked to do. Pure.
 *
 * This room turns words into configurations, or into sentences about what is wrong with them. It
 * knows the options, their help texts and the structs that they fill; it must not open a file, look
 * at the host, or know the loop or a machine.
 */
#include <stdbool.h>

#include "api/config/config.h"
#include "api/run/report.h"
#include "core/log/log.h"

enum cli_verb {
    CLI_HELP,
    CLI_VERSION,
    CLI_RUN,
    CLI_RUN_HELP,
    CLI_DEVICES_HELP,
    CLI_DOCTOR,
    CLI_DOCTOR_HELP,
};

struct cli {
    enum cli_verb verb;
    /* CLI_RUN: */
    struct machine_config machine;
    struct log_config log;
    enum report_form timeline;
    /* CLI_DOCTOR: */
    bool json;
};

/* Parses args, which is argv without the program's name and ends with NULL; *out keeps pointers
 * into it, and texts with device keys are cut up in place. `arch` is the guest's architecture.
 * Fails with a negative errno and a sentence if the command is wrong. For CLI_RUN, out->machine has
 * passed config_check. */
int cli_parse(char *const *args, const struct guest_arch *arch, struct cli *out, struct err *e);

/* Texts for --help; all end with a newline. */
extern const char cli_help[];
extern const char cli_run_help[];
extern const char cli_devices_help[];
extern const char cli_doctor_help[];

#endif
