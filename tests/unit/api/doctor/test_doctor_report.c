#include "api/doctor/doctor_report.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct doctor_finding found[DOCTOR_CHECKS];
static char *printed;

/* The findings of a host that lacks nothing. */
static void set_up(void)
{
    for (unsigned i = 0; i < DOCTOR_CHECKS; i++)
        doctor_find(&found[i], DOCTOR_GOOD, "good %s", doctor_rows[i].key);
    found[DOCTOR_KVM].mips = 1234;
}

static void tear_down(void)
{
    free(printed);
}

TestSuite(doctor_report, .init = set_up, .fini = tear_down);

static void lacks(enum doctor_check check, const char *text)
{
    doctor_find(&found[check], DOCTOR_LACKING, "%s", text);
    found[check].fix = "Mend it.";
}

static void print(void (*how)(const struct doctor_finding *found, FILE *to))
{
    size_t size;
    FILE *to = open_memstream(&printed, &size);

    how(found, to);
    (void)fclose(to);
}

static json_t *document(void)
{
    json_error_t error;
    json_t *d;

    print(doctor_print_json);
    d = json_loads(printed, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(d, "%s in %s", error.text, printed);
    return d;
}

static bool conclusion_is(const char *line)
{
    size_t len = strlen(printed), wanted = strlen(line);

    return len > wanted && strcmp(printed + len - wanted, line) == 0;
}

Test(doctor_report, chooses_kvm_where_all_of_it_is_good)
{
    struct doctor_choice c = doctor_choose(found);

    cr_assert_str_eq(c.accel, "kvm");
    cr_assert_null(c.instead_of);
    cr_assert_str_eq(c.why, "good kvm");
}

Test(doctor_report, chooses_the_software_for_the_first_reason)
{
    struct doctor_choice c;

    doctor_find(&found[DOCTOR_KVM], DOCTOR_UNKNOWN, "not tried");
    lacks(DOCTOR_KVM_INTERFACE, "too old");
    c = doctor_choose(found);
    cr_assert_str_eq(c.accel, "emu");
    cr_assert_str_eq(c.instead_of, "kvm");
    cr_assert_str_eq(c.why, "too old");
    lacks(DOCTOR_KVM_DEVICE, "not there");
    cr_assert_str_eq(doctor_choose(found).why, "not there");
}

Test(doctor_report, chooses_nothing_where_there_is_none)
{
    struct doctor_choice c;

    lacks(DOCTOR_KVM, "interpreted");
    lacks(DOCTOR_EMU, "forbidden");
    c = doctor_choose(found);
    cr_assert_null(c.accel);
    cr_assert_str_eq(c.why, "forbidden");
}

Test(doctor_report, other_lacks_change_no_choice)
{
    for (unsigned i = 0; i < DOCTOR_CHECKS; i++)
        if (!doctor_rows[i].accel)
            lacks((enum doctor_check)i, "not there");
    cr_assert_str_eq(doctor_choose(found).accel, "kvm");
}

Test(doctor_report, has_a_line_a_check_and_one_a_fix)
{
    unsigned lines = 0;

    lacks(DOCTOR_TUN, "not there");
    doctor_find(&found[DOCTOR_KVM], DOCTOR_UNKNOWN, "not tried");
    print(doctor_print);
    for (const char *c = printed; *c; c++)
        lines += *c == '\n';
    cr_assert_eq(lines, DOCTOR_CHECKS + 1 + 2, "%s", printed);
    cr_assert(strstr(printed, "software CPU            yes  good emu\n"), "%s", printed);
    cr_assert(strstr(printed, "/dev/net/tun            no   not there\n      Mend it.\n"), "%s",
              printed);
    cr_assert(strstr(printed, "KVM                     -    not tried\n"), "%s", printed);
}

Test(doctor_report, ends_with_the_conclusion)
{
    print(doctor_print);
    cr_assert(conclusion_is("\n\nA machine can run here: --accel auto chooses kvm, which good "
                            "kvm\n"),
              "%s", printed);
    free(printed);
    lacks(DOCTOR_KVM_DEVICE, "there is none");
    print(doctor_print);
    cr_assert(conclusion_is("\n\nA machine can run here: --accel auto chooses emu, not kvm: there "
                            "is none\n"),
              "%s", printed);
    free(printed);
    lacks(DOCTOR_EMU, "forbidden");
    print(doctor_print);
    cr_assert(conclusion_is("\n\nNo machine can run here: forbidden\n"), "%s", printed);
}

Test(doctor_report, is_one_json_document)
{
    const char *version, *accel, *why, *text, *fix;
    json_t *d, *instead_of, *device_mips;
    int runs, ok, tun_ok;
    json_int_t mips;

    lacks(DOCTOR_TUN, "quote \" and \\ and tab \t");
    d = document();
    cr_assert_eq(json_unpack_ex(d, NULL, JSON_STRICT, "{s:s, s:b, s:{s:s, s:o, s:s}, s:o}",
                                "version", &version, "runs", &runs, "auto", "accel", &accel,
                                "instead_of", &instead_of, "why", &why, "checks",
                                &(json_t *){ NULL }),
                 0, "%s", printed);
    cr_assert_str_eq(version, MOTE_VERSION);
    cr_assert(runs);
    cr_assert_str_eq(accel, "kvm");
    cr_assert(json_is_null(instead_of));
    cr_assert_str_eq(why, "good kvm");
    cr_assert_eq(json_object_size(json_object_get(d, "checks")), DOCTOR_CHECKS);
    cr_assert_eq(json_unpack(d, "{s:{s:{s:b, s:n, s:I}, s:{s:b, s:s, s:s}, s:{s:o}}}", "checks",
                             "kvm", "ok", &ok, "fix", "mips", &mips, "tun", "ok", &tun_ok, "found",
                             &text, "fix", &fix, "kvm_device", "mips", &device_mips),
                 0, "%s", printed);
    cr_assert(ok && !tun_ok);
    cr_assert_eq(mips, 1234);
    cr_assert(json_is_null(device_mips));
    cr_assert_str_eq(text, "quote \" and \\ and tab \t");
    cr_assert_str_eq(fix, "Mend it.");
    json_decref(d);
}

Test(doctor_report, json_says_what_is_not_known)
{
    json_t *d;
    int runs;

    doctor_find(&found[DOCTOR_KVM], DOCTOR_UNKNOWN, "not tried");
    lacks(DOCTOR_EMU, "forbidden");
    d = document();
    cr_assert_eq(json_unpack(d, "{s:b, s:{s:n, s:n}, s:{s:{s:n}}}", "runs", &runs, "auto", "accel",
                             "instead_of", "checks", "kvm", "ok"),
                 0, "%s", printed);
    cr_assert_not(runs);
    json_decref(d);
}
