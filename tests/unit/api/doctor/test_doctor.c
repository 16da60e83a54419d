/* `mote doctor` on the host of this test, whatever it offers, with accelerators of the test's. */
#include "api/doctor/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>

#include "core/base/err.h"
#include "core/vm/guest_arch.h"
#include "core/x86/board/guest_x86.h"
#include "unit/api/doctor/fake_host.h"

TestSuite(doctor, .init = fake_host_init, .fini = fake_host_finish);

static struct err e;

static int run(bool json, char **printed)
{
    size_t size;
    FILE *to = open_memstream(printed, &size);
    int ret = doctor(&guest_x86, fake_accels, json, to, &e);

    (void)fclose(to);
    return ret;
}

static unsigned descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(all))
        count++;
    (void)closedir(all);
    return count;
}

Test(doctor, is_status_0_where_a_machine_can_run)
{
    unsigned before = descriptors();
    char *text;

    cr_assert_eq(run(false, &text), 0);
    cr_assert(strstr(text, "\nA machine can run here: --accel auto chooses "), "%s", text);
    cr_assert_eq(descriptors(), before, "nothing is left open");
    free(text);
}

Test(doctor, is_status_1_where_none_can)
{
    char *text;

    scripted_faults.create = true;
    cr_assert_eq(run(false, &text), 1);
    cr_assert(strstr(text, "\nNo machine can run here: "), "%s", text);
    free(text);
}

Test(doctor, prints_one_json_document)
{
    char *text;
    json_t *document;
    int runs;

    scripted_faults.create = true;
    cr_assert_eq(run(true, &text), 1);
    document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_eq(json_unpack(document, "{s:b}", "runs", &runs), 0, "%s", text);
    cr_assert_not(runs);
    json_decref(document);
    free(text);
}

Test(doctor, says_where_it_could_not_print)
{
    FILE *full = fopen("/dev/full", "w");

    cr_assert_eq(doctor(&guest_x86, fake_accels, false, full, &e), -ENOSPC);
    cr_assert(strstr(e.text, "cannot be printed"), "%s", e.text);
    (void)fclose(full);
}
