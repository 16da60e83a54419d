/* Errors: the code is returned; the sentence is whole, bounded and optional. */
#include "core/base/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(err, set_writes_the_sentence_and_returns_the_code)
{
    struct err e = { 0 };

    cr_assert_eq(err_set(&e, EINVAL, "%s is not a kernel", "a.out"), -EINVAL);
    cr_assert_str_eq(e.text, "a.out is not a kernel");
}

Test(err, set_replaces_what_was_there)
{
    struct err e = { 0 };

    (void)err_set(&e, EINVAL, "a long first sentence");
    cr_assert_eq(err_set(&e, ENOENT, "short"), -ENOENT);
    cr_assert_str_eq(e.text, "short");
}

Test(err, sys_appends_what_errno_means)
{
    struct err e = { 0 };

    errno = ENOENT;
    cr_assert_eq(err_sys(&e, "cannot open %s", "vmlinux"), -ENOENT);
    cr_assert_str_eq(e.text, "cannot open vmlinux: No such file or directory");
}

Test(err, wrap_puts_context_in_front_and_keeps_the_code)
{
    struct err e = { 0 };
    int ret = err_set(&e, EPERM, "no access");

    cr_assert_eq(err_wrap(&e, ret, "drive %d", 3), -EPERM);
    cr_assert_eq(err_wrap(&e, ret, "machine"), -EPERM);
    cr_assert_str_eq(e.text, "machine: drive 3: no access");
}

Test(err, the_sentence_is_optional)
{
    errno = EACCES;
    cr_assert_eq(err_sys(NULL, "unheard"), -EACCES);
    cr_assert_eq(err_set(NULL, EIO, "unheard"), -EIO);
    cr_assert_eq(err_wrap(NULL, -EIO, "unheard"), -EIO);
}

Test(err, long_text_is_cut_and_terminated)
{
    struct err e;
    char path[2048];

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = 0;

    memset(&e, 0xff, sizeof(e));
    (void)err_set(&e, EINVAL, "%s", path);
    cr_assert_eq(strnlen(e.text, sizeof(e.text)), sizeof(e.text) - 1);

    memset(&e, 0xff, sizeof(e));
    errno = ENOENT;
    (void)err_sys(&e, "cannot open %s", path);
    cr_assert_lt(strnlen(e.text, sizeof(e.text)), sizeof(e.text));
    cr_assert_not_null(strstr(e.text, ": No such file"), "the reason survives a long name");

    for (int i = 0; i < 5; i++)
        cr_assert_eq(err_wrap(&e, -ENOENT, "%s", path), -ENOENT);
    cr_assert_lt(strnlen(e.text, sizeof(e.text)), sizeof(e.text));
}
