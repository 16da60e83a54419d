#include "api/doctor/doctor_check.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "unit/api/doctor/fake_host.h"

TestSuite(doctor_check, .init = fake_host_init, .fini = fake_host_finish);

Test(doctor_check, each_row_is_whole_and_its_key_its_own)
{
    for (unsigned i = 0; i < DOCTOR_CHECKS; i++) {
        const struct doctor_row *row = &doctor_rows[i];

        cr_assert(row->key && row->label && row->look && row->fix, "row %u", i);
        cr_assert_leq(strlen(row->label), 23, "a column's width");
        cr_assert(isupper(row->fix[0]), "a sentence: %s", row->fix);
        for (unsigned j = 0; j < i; j++)
            cr_assert_str_neq(row->key, doctor_rows[j].key);
    }
}

Test(doctor_check, only_a_lack_has_a_fix)
{
    struct doctor_finding found[DOCTOR_CHECKS];

    memset(found, 0xff, sizeof(found));
    doctor_examine(&fake_host, found);
    for (unsigned i = 0; i < DOCTOR_CHECKS; i++) {
        cr_assert_neq(found[i].text[0], '\0', "%s", doctor_rows[i].key);
        cr_assert_null(strchr(found[i].text, '\n'));
        cr_assert_eq(found[i].fix != NULL, found[i].verdict == DOCTOR_LACKING, "%s",
                     doctor_rows[i].key);
    }
    cr_assert_eq(found[DOCTOR_KVM_DEVICE].verdict, DOCTOR_LACKING, "there is no file at all");
    cr_assert_eq(found[DOCTOR_EMU].verdict, DOCTOR_GOOD, "%s", found[DOCTOR_EMU].text);
}

Test(doctor_check, long_text_is_cut)
{
    struct doctor_finding f = { .verdict = DOCTOR_UNKNOWN };

    doctor_find(&f, DOCTOR_GOOD, "%600s", "x");
    cr_assert_eq(f.verdict, DOCTOR_GOOD);
    cr_assert_eq(strlen(f.text), sizeof(f.text) - 1);
}
