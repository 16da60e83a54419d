/* What is said of the processor that this test runs on. */
#include "core/host/host.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/utsname.h>

static bool has(const char *name)
{
    struct host_feature f = { 0 };
    unsigned n = 0;

    while (host_feature(n, &f) && strcmp(f.name, name) != 0)
        n++;
    cr_assert(host_feature(n, &f), "%s is not named", name);
    return f.present;
}

/* As the compiler's run time sees it. */
Test(host_cpu, features_are_the_processors)
{
    cr_assert_eq(has("avx2"), __builtin_cpu_supports("avx2") != 0);
    cr_assert_eq(has("aes"), __builtin_cpu_supports("aes") != 0);
}

Test(host_cpu, architecture_is_the_kernels)
{
    struct utsname u;

    cr_assert_eq(uname(&u), 0);
    cr_assert_str_eq(host_arch, u.machine);
}

Test(host_cpu, missing_kvm_has_a_remedy)
{
    const char *fix = host_kvm_fix();

    cr_assert(strstr(fix, "modprobe kvm_") || strstr(fix, "firmware"), "%s", fix);
    cr_assert_eq(fix, host_kvm_fix(), "the same each time");
}
