/* What `mote doctor` says about the processor that this test runs on. */
#include <criterion/criterion.h>
#include <string.h>

#include "api/doctor/doctor_check.h"
#include "api/doctor/doctor_look.h"

static struct doctor_finding look(void)
{
    struct doctor_finding f = { .fix = "" };

    doctor_look_cpu_features(&(struct doctor_host){ .root = "" }, &f);
    return f;
}

/* Compares with what the compiler's run time says. */
Test(doctor_cpu, features_are_the_processors)
{
    const struct doctor_finding f = look();
    const char *lacks = strstr(f.text, ", and lacks");
    const char *avx2 = strstr(f.text, " avx2"), *aes = strstr(f.text, " aes");

    cr_assert_eq(strncmp(f.text, "a guest gets ", 13), 0, "%s", f.text);
    cr_assert(avx2 && aes, "each is named: %s", f.text);
    cr_assert_eq(!lacks || avx2 < lacks, __builtin_cpu_supports("avx2") != 0, "%s", f.text);
    cr_assert_eq(!lacks || aes < lacks, __builtin_cpu_supports("aes") != 0, "%s", f.text);
}

Test(doctor_cpu, lack_of_one_is_a_lack)
{
    const struct doctor_finding f = look();

    cr_assert_eq(f.verdict, strstr(f.text, ", and lacks ") ? DOCTOR_LACKING : DOCTOR_GOOD);
}

Test(doctor_cpu, missing_kvm_has_a_remedy)
{
    const char *fix = doctor_kvm_module_fix();

    cr_assert(strstr(fix, "modprobe kvm_") || strstr(fix, "firmware"), "%s", fix);
    cr_assert_eq(fix, doctor_kvm_module_fix(), "the same each time");
}
