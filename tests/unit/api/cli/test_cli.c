#include "api/cli/cli.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/vm/guest_arch.h"
#include "core/x86/board/guest_x86.h"

#define ARGS_MAX 32

/* Splits `line` at its blanks and parses that. The arguments live as long as the test. */
static int parse(const char *line, struct cli *c, struct err *e)
{
    static char words[512];
    char *args[ARGS_MAX + 1] = { NULL };
    unsigned count = 0;

    cr_assert_lt(strlen(line), sizeof(words));
    (void)strcpy(words, line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        cr_assert_lt(count, ARGS_MAX);
        args[count++] = word;
    }
    e->text[0] = '\0';
    return cli_parse(args, &guest_x86, c, e);
}

static struct cli right(const char *line)
{
    struct cli c;
    struct err e;

    cr_assert_eq(parse(line, &c, &e), 0, "%s: %s", line, e.text);
    return c;
}

/* Expects a refusal with exactly this sentence. */
static void wrong(const char *line, const char *sentence)
{
    struct cli c;
    struct err e;

    cr_assert_lt(parse(line, &c, &e), 0, "%s", line);
    cr_assert_str_eq(e.text, sentence);
}

Test(cli, has_verbs)
{
    cr_assert_eq(right("--help").verb, CLI_HELP);
    cr_assert_eq(right("-h").verb, CLI_HELP);
    cr_assert_eq(right("--version").verb, CLI_VERSION);
    cr_assert_eq(right("run --help").verb, CLI_RUN_HELP);
    cr_assert_eq(right("run -h").verb, CLI_RUN_HELP);
    cr_assert_eq(right("run --kernel k --mem 0 --help").verb, CLI_RUN_HELP);
    cr_assert_eq(right("run --help-devices").verb, CLI_DEVICES_HELP);
    cr_assert_eq(right("run --kernel k").verb, CLI_RUN);
    cr_assert_eq(right("doctor").verb, CLI_DOCTOR);
    cr_assert_eq(right("doctor --help").verb, CLI_DOCTOR_HELP);
    cr_assert_eq(right("doctor --json -h").verb, CLI_DOCTOR_HELP);
}

Test(cli, refuses_other_verbs)
{
    wrong("", "no command given: try 'mote run --kernel FILE' or see 'mote --help'");
    wrong("rnu", "unknown command 'rnu', did you mean 'mote run'?");
    wrong("--verison", "unknown command '--verison', did you mean 'mote --version'?");
    wrong("docter", "unknown command 'docter', did you mean 'mote doctor'?");
    wrong("launch", "unknown command 'launch', see 'mote --help'");
    wrong("--version run", "unexpected argument 'run' after --version");
}

Test(cli, fills_the_configuration)
{
    struct cli c = right("run --kernel k --initrd=i --append quiet --mem 1G --vcpus 4 "
                         "--huge-pages transparent --accel kvm --log-file=f --log-level debug");

    cr_assert_eq(c.machine.devices.patience_s, 20);
    cr_assert_str_eq(c.machine.kernel, "k");
    cr_assert_str_eq(c.machine.initrd, "i");
    cr_assert_str_eq(c.machine.append, "quiet");
    cr_assert_null(c.machine.cmdline);
    cr_assert_eq(c.machine.mem_size, 1ull << 30);
    cr_assert_eq(c.machine.vcpu_count, 4);
    cr_assert_eq(c.machine.huge, MEM_HUGE_TRANSPARENT);
    cr_assert_str_eq(c.machine.accel, "kvm");
    cr_assert_str_eq(c.log.path, "f");
    cr_assert_eq(c.log.level, LOG_DEBUG);
    cr_assert_eq(c.timeline, REPORT_NONE);
    cr_assert_eq(right("run --kernel k --patience 5").machine.devices.patience_s, 5);
}

Test(cli, takes_devices)
{
    struct cli c = right("run --kernel k --drive /a --net tap=t --drive=/b,ro --vsock "
                         "cid=3,uds=/s --rng --virtio-cmdline");

    cr_assert_eq(c.machine.devices.drive_count, 2);
    cr_assert_str_eq(c.machine.devices.drives[1].path, "/b");
    cr_assert(c.machine.devices.drives[1].read_only);
    cr_assert_str_eq(c.machine.devices.nets[0].tap, "t");
    cr_assert_eq(c.machine.devices.vsock.cid, 3);
    cr_assert(c.machine.devices.has_rng);
    cr_assert(c.machine.virtio_cmdline);
    cr_assert_eq(right("run --kernel k --rng=ops=5").machine.devices.rng.ops.per_s, 5);
    wrong("run --kernel k --drive", "--drive needs a value: --drive PATH[,KEY...]");
    wrong("run --kernel k --drive --rng", "--drive needs a value: --drive PATH[,KEY...]");
    wrong("run --kernel k --net tpa=t", "--net: unknown key 'tpa', did you mean tap?");
    wrong("run --kernel k --rng --rng", "--rng is given twice");
    wrong("run --kernel k --drive /a --drive /b,id=drive0", "two drives are called 'drive0'");
}

Test(cli, doctor_has_one_option)
{
    cr_assert_not(right("doctor").json);
    cr_assert(right("doctor --json").json);
    wrong("doctor --jsn", "unknown option '--jsn', did you mean --json?");
    wrong("doctor --kernel k", "unknown option '--kernel', see 'mote doctor --help'");
    wrong("doctor --json=1", "--json takes no value");
    wrong("doctor --json --json", "--json is given twice");
    wrong("doctor kvm", "'kvm' is not an option, see 'mote doctor --help'");
    wrong("run --kernel k --json", "unknown option '--json', see 'mote run --help'");
}

Test(cli, leaves_defaults)
{
    struct cli c = right("run --kernel k");

    cr_assert_eq(c.machine.mem_size, 256ull << 20);
    cr_assert_eq(c.machine.vcpu_count, 1);
    cr_assert_null(c.machine.initrd);
    cr_assert_null(c.machine.accel);
    cr_assert_null(c.log.path);
    cr_assert_eq(c.log.level, LOG_WARN);
}

Test(cli, takes_an_optional_value_only_behind_an_equals_sign)
{
    cr_assert_eq(right("run --kernel k --timeline").timeline, REPORT_TEXT);
    cr_assert_eq(right("run --kernel k --timeline=json").timeline, REPORT_JSON);
    cr_assert_eq(right("run --timeline --kernel k").timeline, REPORT_TEXT);
    wrong("run --kernel k --timeline=xml",
          "--timeline: 'xml' is not a format: give json, or no value for text");
    wrong("run --kernel k --timeline json", "'json' is not an option, see 'mote run --help'");
}

Test(cli, splits_at_the_first_equals_sign)
{
    cr_assert_str_eq(right("run --kernel k --append=root=/dev/vda").machine.append,
                     "root=/dev/vda");
    cr_assert_str_eq(right("run --kernel k --append root=/dev/vda").machine.append,
                     "root=/dev/vda");
    cr_assert_str_eq(right("run --kernel k --cmdline=").machine.cmdline, "");
    cr_assert_str_eq(right("run --kernel k --append=--x").machine.append, "--x");
}

Test(cli, suggests_the_nearest_option)
{
    wrong("run --kernle k", "unknown option '--kernle', did you mean --kernel?");
    wrong("run --kernel k --memory=1G", "unknown option '--memory', did you mean --mem?");
    wrong("run --kernel k --frobnicate", "unknown option '--frobnicate', see 'mote run --help'");
    wrong("run --", "unknown option '--', see 'mote run --help'");
    wrong("run --kernel-kernel-kernel-kernel-kernel k",
          "unknown option '--kernel-kernel-kernel-kernel-kernel', see 'mote run --help'");
}

Test(cli, takes_no_abbreviation)
{
    wrong("run --kern k", "unknown option '--kern', did you mean --kernel?");
}

Test(cli, says_which_argument_is_missing)
{
    wrong("run", "--kernel FILE is missing: a machine needs a kernel to boot");
    wrong("run --kernel", "--kernel needs a value: --kernel FILE");
    wrong("run --mem --kernel k", "--mem needs a value: --mem SIZE");
    wrong("run --kernel k --huge-pages",
          "--huge-pages needs a value: --huge-pages none|boot|transparent|2M");
}

Test(cli, refuses_what_is_too_much)
{
    wrong("run vmlinux", "'vmlinux' is not an option, see 'mote run --help'");
    wrong("run --kernel a --kernel b", "--kernel is given twice");
    wrong("run --help=me", "--help takes no value");
    wrong("run --kernel k --cmdline a --append b",
          "--append adds to the command line that --cmdline replaces: give only one of them");
}

Test(cli, refuses_malformed_values)
{
    wrong("run --kernel k --mem lots", "--mem: 'lots' is not a size: write a number of MiB, or "
                                       "one with K, M or G, like 256M");
    wrong("run --kernel k --mem -1", "--mem: '-1' is not a size: write a number of MiB, or "
                                     "one with K, M or G, like 256M");
    wrong("run --kernel k --mem 99999999999999999999G",
          "--mem: '99999999999999999999G' is more bytes than a 64-bit number holds");
    wrong("run --kernel k --vcpus two", "--vcpus: 'two' is not a number of vCPUs");
    wrong("run --kernel k --patience long", "--patience: 'long' is not a number of seconds");
    wrong("run --kernel k --patience 0", "a patience of 0 s is out of range: 1 to 3600");
    wrong("run --kernel k --patience 3601", "a patience of 3601 s is out of range: 1 to 3600");
    wrong("run --kernel k --vcpus 1x", "--vcpus: '1x' is not a number of vCPUs");
    wrong("run --kernel k --vcpus -1", "--vcpus: '-1' is not a number of vCPUs");
    wrong("run --kernel k --vcpus 99999999999999999999",
          "--vcpus: '99999999999999999999' is not a number of vCPUs");
    wrong("run --kernel k --huge-pages 1G",
          "--huge-pages: '1G' is not a kind of huge pages: none, boot, transparent or 2M");
    wrong("run --kernel k --log-level loud",
          "--log-level: 'loud' is not a level: off, error, warn, info, debug or trace");
    wrong("run --kernel k --log-file=", "--log-file: the path is empty");
}

Test(cli, judges_the_machine)
{
    wrong("run --kernel k --mem 0", "memory of 0 bytes is too little: a machine has 32M to 64G");
    wrong("run --kernel k --mem 65G", "memory of 65G is too much: a machine has 32M to 64G");
    wrong("run --kernel k --mem 40001K", "memory of 40001K is not a whole number of 4K pages");
    wrong("run --kernel k --vcpus 0", "0 vCPUs: a machine has 1 to 32");
    wrong("run --kernel k --vcpus 33", "33 vCPUs: a machine has 1 to 32");
}

/* Expects the text to fit an 80x24 terminal, whose last line is the prompt. */
static void fits_a_screen(const char *text)
{
    unsigned lines = 0;

    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        cr_assert_not_null(strchr(line, '\n'));
        cr_assert_leq(strchr(line, '\n') - line, 80);
        lines++;
    }
    cr_assert_leq(lines, 23);
}

Test(cli, help_fits_a_screen)
{
    fits_a_screen(cli_help);
    fits_a_screen(cli_run_help);
    fits_a_screen(cli_devices_help);
    fits_a_screen(cli_doctor_help);
}

Test(cli, help_knows_every_option_and_no_other)
{
    for (const char *at = strstr(cli_run_help, "  --"); at; at = strstr(at + 1, "\n  --")) {
        char line[64];
        struct cli c;
        struct err e;
        const char *name = strstr(at, "--");

        (void)snprintf(line, sizeof(line), "run %.*s=", (int)strcspn(name, " =["), name);
        (void)parse(line, &c, &e);
        cr_assert_null(strstr(e.text, "unknown option"), "%s", e.text);
    }
}
