/* The command line: what mote was asked to do. */
#include "api/cli/cli.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "api/cli/cli_devices.h"
#include "api/cli/options.h"
#include "api/cli/suggest.h"
#include "api/config/number.h"
#include "core/base/err.h"

static int cli_set_kernel(struct cli *c, char *value, struct err *e)
{
    (void)e;
    c->machine.kernel = value;
    return 0;
}

static int cli_set_initrd(struct cli *c, char *value, struct err *e)
{
    (void)e;
    c->machine.initrd = value;
    return 0;
}

static int cli_set_cmdline(struct cli *c, char *value, struct err *e)
{
    (void)e;
    c->machine.cmdline = value;
    return 0;
}

static int cli_set_append(struct cli *c, char *value, struct err *e)
{
    (void)e;
    c->machine.append = value;
    return 0;
}

static int cli_set_mem(struct cli *c, char *value, struct err *e)
{
    return size_parse(value, &c->machine.mem_size, e);
}

static int cli_set_vcpus(struct cli *c, char *value, struct err *e)
{
    int ret = number_parse(value, &c->machine.vcpu_count);

    return ret < 0 ? err_set(e, -ret, "'%.40s' is not a number of vCPUs", value) : 0;
}

static int cli_set_huge_pages(struct cli *c, char *value, struct err *e)
{
    return config_huge_parse(value, &c->machine.huge, e);
}

static int cli_set_accel(struct cli *c, char *value, struct err *e)
{
    (void)e;
    c->machine.accel = value;
    return 0;
}

static int cli_set_drive(struct cli *c, char *value, struct err *e)
{
    return cli_drive(&c->machine.devices, value, e);
}

static int cli_set_net(struct cli *c, char *value, struct err *e)
{
    return cli_net(&c->machine.devices, value, e);
}

static int cli_set_vsock(struct cli *c, char *value, struct err *e)
{
    return cli_vsock(&c->machine.devices, value, e);
}

static int cli_set_balloon(struct cli *c, char *value, struct err *e)
{
    return cli_balloon(&c->machine.devices, value, e);
}

static int cli_set_rng(struct cli *c, char *value, struct err *e)
{
    return cli_rng(&c->machine.devices, value, e);
}

static int cli_set_patience(struct cli *c, char *value, struct err *e)
{
    int ret = number_parse(value, &c->machine.devices.patience_s);

    return ret < 0 ? err_set(e, -ret, "'%.40s' is not a number of seconds", value) : 0;
}

static int cli_set_virtio_cmdline(struct cli *c, char *value, struct err *e)
{
    (void)value, (void)e;
    c->machine.virtio_cmdline = true;
    return 0;
}

static int cli_set_timeline(struct cli *c, char *value, struct err *e)
{
    if (value && strcmp(value, "json") != 0)
        return err_set(e, EINVAL, "'%.40s' is not a format: give json, or no value for text",
                       value);
    c->timeline = value ? REPORT_JSON : REPORT_TEXT;
    return 0;
}

static int cli_set_log_level(struct cli *c, char *value, struct err *e)
{
    if (!log_level_parse(value, &c->log.level))
        return err_set(e, EINVAL, "'%.40s' is not a level: off, error, warn, info, debug or trace",
                       value);
    return 0;
}

static int cli_set_log_file(struct cli *c, char *value, struct err *e)
{
    if (value[0] == '\0')
        return err_set(e, EINVAL, "the path is empty");
    c->log.path = value;
    return 0;
}

static int cli_set_run_help(struct cli *c, char *value, struct err *e)
{
    (void)value;
    (void)e;
    c->verb = CLI_RUN_HELP;
    return 0;
}

static int cli_set_devices_help(struct cli *c, char *value, struct err *e)
{
    (void)value, (void)e;
    c->verb = CLI_DEVICES_HELP;
    return 0;
}

static int cli_set_doctor_help(struct cli *c, char *value, struct err *e)
{
    (void)value;
    (void)e;
    c->verb = CLI_DOCTOR_HELP;
    return 0;
}

static int cli_set_json(struct cli *c, char *value, struct err *e)
{
    (void)value;
    (void)e;
    c->json = true;
    return 0;
}

static const struct option_row cli_run_options[] = {
    { "--kernel", OPTION_VALUE, "FILE", cli_set_kernel },
    { "--initrd", OPTION_VALUE, "FILE", cli_set_initrd },
    { "--cmdline", OPTION_VALUE, "STRING", cli_set_cmdline },
    { "--append", OPTION_VALUE, "STRING", cli_set_append },
    { "--mem", OPTION_VALUE, "SIZE", cli_set_mem },
    { "--vcpus", OPTION_VALUE, "N", cli_set_vcpus },
    { "--huge-pages", OPTION_VALUE, "none|boot|transparent|2M", cli_set_huge_pages },
    { "--accel", OPTION_VALUE, "NAME", cli_set_accel },
    { "--drive", OPTION_EACH_VALUE, "PATH[,KEY...]", cli_set_drive },
    { "--net", OPTION_EACH_VALUE, "tap=NAME[,KEY...]", cli_set_net },
    { "--vsock", OPTION_VALUE, "cid=N,uds=PATH", cli_set_vsock },
    { "--balloon", OPTION_MAY_VALUE, "SIZE,KEY,...", cli_set_balloon },
    { "--rng", OPTION_MAY_VALUE, "KEY,...", cli_set_rng },
    { "--patience", OPTION_VALUE, "SECONDS", cli_set_patience },
    { "--virtio-cmdline", OPTION_ALONE, NULL, cli_set_virtio_cmdline },
    { "--timeline", OPTION_MAY_VALUE, "json", cli_set_timeline },
    { "--log-level", OPTION_VALUE, "LEVEL", cli_set_log_level },
    { "--log-file", OPTION_VALUE, "FILE", cli_set_log_file },
    { "--help", OPTION_ALONE, NULL, cli_set_run_help },
    { "-h", OPTION_ALONE, NULL, cli_set_run_help },
    { "--help-devices", OPTION_ALONE, NULL, cli_set_devices_help },
    { NULL, OPTION_ALONE, NULL, NULL },
};

static const struct option_row cli_doctor_options[] = {
    { "--json", OPTION_ALONE, NULL, cli_set_json },
    { "--help", OPTION_ALONE, NULL, cli_set_doctor_help },
    { "-h", OPTION_ALONE, NULL, cli_set_doctor_help },
    { NULL, OPTION_ALONE, NULL, NULL },
};

static int cli_parse_run(char *const *args, const struct guest_arch *arch, struct cli *c,
                         struct err *e)
{
    int ret;

    c->verb = CLI_RUN;
    c->log.level = LOG_WARN;
    config_init(&c->machine, arch);
    ret = options_walk(cli_run_options, "run", args, c, e);
    if (ret < 0 || c->verb != CLI_RUN)
        return ret;
    if (!c->machine.kernel)
        return err_set(e, EINVAL, "--kernel FILE is missing: a machine needs a kernel to boot");
    if (c->machine.cmdline && c->machine.append)
        return err_set(e, EINVAL,
                       "--append adds to the command line that --cmdline replaces: give only one "
                       "of them");
    return config_check(&c->machine, e);
}

static int cli_parse_doctor(char *const *args, struct cli *c, struct err *e)
{
    c->verb = CLI_DOCTOR;
    return options_walk(cli_doctor_options, "doctor", args, c, e);
}

static int cli_verb_unknown(const char *word, struct err *e)
{
    static const char *const known[] = { "run", "doctor", "--help", "--version" };
    struct suggest s = { .word = word };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        suggest_offer(&s, known[i]);
    if (s.best)
        return err_set(e, EINVAL, "unknown command '%.100s', did you mean 'mote %s'?", word,
                       s.best);
    return err_set(e, EINVAL, "unknown command '%.100s', see 'mote --help'", word);
}

int cli_parse(char *const *args, const struct guest_arch *arch, struct cli *out, struct err *e)
{
    const char *word = args[0];

    *out = (struct cli){ 0 };
    if (!word)
        return err_set(e, EINVAL,
                       "no command given: try 'mote run --kernel FILE' or see 'mote --help'");
    if (strcmp(word, "run") == 0)
        return cli_parse_run(args + 1, arch, out, e);
    if (strcmp(word, "doctor") == 0)
        return cli_parse_doctor(args + 1, out, e);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        out->verb = CLI_HELP;
    else if (strcmp(word, "--version") == 0)
        out->verb = CLI_VERSION;
    else
        return cli_verb_unknown(word, e);
    if (args[1])
        return err_set(e, EINVAL, "unexpected argument '%.100s' after %s", args[1], word);
    return 0;
}
