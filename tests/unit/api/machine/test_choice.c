/* Which accelerator a machine gets, and what is said about it. */
#include "api/machine/choice.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "lib/vm/scripted.h"

/* Two accelerators on the scripted one: the first as a test wants it, the second as it should be.
 */
static struct accel_ops first, second;
static const struct accel_ops *const accels[] = { &first, &second };

static unsigned firsts, seconds; /* calls of create */
static bool first_missing;
static bool second_missing;

static int first_create(const struct accel_config *config, struct accel **out, struct err *e)
{
    firsts++;
    return first_missing ? err_set(e, ENOENT, "there is no first")
                         : scripted_accel.create(config, out, e);
}

static int second_create(const struct accel_config *config, struct accel **out, struct err *e)
{
    seconds++;
    return second_missing ? err_set(e, EIO, "there is no second")
                          : scripted_accel.create(config, out, e);
}

static char log_path[] = "/tmp/mote-choice-XXXXXX";
static struct vm vm;
static struct timeline timeline;
static struct err e;

static void set_up(void)
{
    const struct log_config config = { .path = log_path, .level = LOG_WARN };
    int fd = mkstemp(log_path);

    cr_assert_geq(fd, 0);
    (void)close(fd);
    cr_assert_eq(log_open(&config, &e), 0, "%s", e.text);
    first = second = scripted_accel;
    first.name = "first";
    first.create = first_create;
    second.name = "second";
    second.create = second_create;
}

static void tear_down(void)
{
    vm_finish(&vm);
    cr_assert_eq(atomic_load(&scripted_alive), 0);
    (void)unlink(log_path);
}

TestSuite(choice, .init = set_up, .fini = tear_down);

static int choose(unsigned from, unsigned count)
{
    const struct vm_config config = {
        .mem = { .size = 1 << 20, .gap_start = 2 << 20, .gap_end = 4 << 20 },
        .vcpu_count = 2,
    };
    struct choice choice = { .count = count };

    for (unsigned i = 0; i < count; i++)
        choice.accels[i] = accels[from + i];

    return choice_vm_init(&vm, &config, &choice, NULL, &timeline, &e);
}

/* All that was logged is one line with these words at its end, or nothing. */
static void expect_logged(const char *words)
{
    char text[1024] = "";
    FILE *f = fopen(log_path, "r");
    size_t len = fread(text, 1, sizeof(text) - 1, f);

    (void)fclose(f);
    if (!words) {
        cr_assert_eq(len, 0, "%s", text);
        return;
    }
    cr_assert_eq(strchr(text, '\n'), text + len - 1, "%s", text);
    cr_assert(strstr(text, words), "'%s' in '%s'", words, text);
}

Test(choice, takes_the_first_in_silence)
{
    cr_assert_eq(choose(0, 2), 0, "%s", e.text);
    cr_assert_eq(scripted_vcpu(vm.accel, 0)->probes, 1, "after a look at it");
    cr_assert_eq(seconds, 0);
    expect_logged(NULL);
}

Test(choice, tells_the_curious_how_fast_the_first_is)
{
    const struct log_config config = { .path = log_path, .level = LOG_INFO };

    cr_assert_eq(log_open(&config, &e), 0, "%s", e.text);
    cr_assert_eq(choose(0, 2), 0, "%s", e.text);
    expect_logged(":INFO] the guest runs on first, which executes its kernel at 4711 MIPS or "
                  "more\n");
}

Test(choice, takes_the_next_where_the_first_is_missing)
{
    first_missing = true;
    cr_assert_eq(choose(0, 2), 0, "%s", e.text);
    cr_assert_eq(firsts, 1);
    cr_assert_eq(seconds, 1);
    cr_assert_eq(vm.vcpus.count, 2);
    cr_assert_eq(vm.state, VM_BUILDING);
    expect_logged(":WARN] the guest runs on second, not on first: there is no first\n");
}

Test(choice, takes_the_next_where_the_first_is_unusable)
{
    scripted_faults.probe = true;
    cr_assert_eq(choose(0, 2), 0, "the last needs no probe: %s", e.text);
    cr_assert_eq(firsts, 1);
    cr_assert_eq(seconds, 1);
    cr_assert_eq(scripted_vcpu(vm.accel, 0)->probes, 0);
    expect_logged("second, not on first: the script says that the probe fails\n");
}

Test(choice, takes_the_next_where_the_first_never_answers)
{
    scripted_faults.probe_hangs = true;
    cr_assert_eq(choose(0, 2), 0, "%s", e.text);
    cr_assert_eq(firsts, 1);
    cr_assert_eq(seconds, 1);
    cr_assert_eq(atomic_load(&scripted_alive), 1 + 2, "an accelerator and two processors: no more");
    expect_logged("second, not on first: the script says that the probe fails\n");
}

Test(choice, has_no_other_where_the_operator_chose)
{
    first_missing = true;
    cr_assert_eq(choose(0, 1), -ENOENT);
    cr_assert_str_eq(e.text, "there is no first");
    cr_assert_eq(seconds, 0);
    expect_logged(NULL);
}

Test(choice, probes_nothing_where_the_operator_chose)
{
    scripted_faults.probe = true;
    cr_assert_eq(choose(0, 1), 0, "%s", e.text);
    expect_logged(NULL);
}

Test(choice, fails_with_the_last_sentence)
{
    first_missing = second_missing = true;
    cr_assert_eq(choose(0, 2), -EIO);
    cr_assert_str_eq(e.text, "there is no second");
    expect_logged(NULL);
}
