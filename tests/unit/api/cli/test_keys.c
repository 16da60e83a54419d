#include "api/cli/keys.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"

/* What set was called with, in order: "name=x;ro;" */
static char seen[128];

static void note(const char *name, const char *value)
{
    (void)strcat(seen, name);
    if (value)
        (void)strcat(strcat(seen, "="), value);
    (void)strcat(seen, ";");
}

static int set_name(struct device_config *c, const char *value, struct err *e)
{
    (void)c, (void)e;
    note("name", value);
    return 0;
}

static int set_ro(struct device_config *c, const char *value, struct err *e)
{
    (void)c, (void)e;
    note("ro", value);
    return 0;
}

static int set_never(struct device_config *c, const char *value, struct err *e)
{
    (void)c;
    return err_set(e, ERANGE, "'%s' will not do", value);
}

static const struct key_row rows[] = {
    { "name", "NAME", set_name },
    { "ro", NULL, set_ro },
    { "never", "N", set_never },
    { NULL, NULL, NULL },
};

static int walk(const char *text, struct err *e)
{
    static char cut[128];

    seen[0] = '\0';
    return keys_walk(rows, text ? strcpy(cut, text) : NULL, NULL, e);
}

static void right(const char *text, const char *calls)
{
    struct err e = { "" };

    cr_assert_eq(walk(text, &e), 0, "%s: %s", text, e.text);
    cr_assert_str_eq(seen, calls);
}

static void wrong(const char *text, int code, const char *sentence)
{
    struct err e = { "" };

    cr_assert_eq(walk(text, &e), -code, "%s", text);
    cr_assert_str_eq(e.text, sentence);
}

Test(keys, are_set_in_their_order)
{
    right(NULL, "");
    right("ro", "ro;");
    right("name=x", "name=x;");
    right("ro,name=x", "ro;name=x;");
    right("name=a=b,ro", "name=a=b;ro;");
}

Test(keys, a_doubled_comma_is_one_of_the_value)
{
    right("name=a,,b", "name=a,b;");
    right("name=,,,ro", "name=,;ro;");
    right("name=a,,,,b,ro", "name=a,,b;ro;");
    right("ro,name=a,,", "ro;name=a,;");
    wrong("name=a,,ro,never=1", ERANGE, "never: '1' will not do");
    cr_assert_str_eq(seen, "name=a,ro;");
    wrong("r,,o", EINVAL, "unknown key 'r,o', did you mean ro?");
    wrong("name=a,,,", EINVAL, "unknown key ''; the keys are: name, ro, never");
}

Test(keys, come_one_after_the_other)
{
    char cut[] = "/a,,b,ro,,";
    char *text = cut;

    cr_assert_str_eq(keys_next(&text), "/a,b");
    cr_assert_str_eq(keys_next(&text), "ro,");
    cr_assert_null(text);
    cr_assert_null(keys_next(&text));
}

Test(keys, unknown_ones_are_refused)
{
    wrong("nam=x", EINVAL, "unknown key 'nam', did you mean name?");
    wrong("readonly", EINVAL, "unknown key 'readonly'; the keys are: name, ro, never");
    wrong("", EINVAL, "unknown key ''; the keys are: name, ro, never");
    wrong("ro,", EINVAL, "unknown key ''; the keys are: name, ro, never");
    wrong("=x", EINVAL, "unknown key ''; the keys are: name, ro, never");
    cr_assert_str_eq(seen, "");
}

Test(keys, have_a_value_or_none)
{
    wrong("name", EINVAL, "name needs a value: name=NAME");
    wrong("name=", EINVAL, "name needs a value: name=NAME");
    wrong("ro=1", EINVAL, "ro takes no value");
    wrong("ro=", EINVAL, "ro takes no value");
}

Test(keys, come_once)
{
    wrong("ro,name=x,ro", EINVAL, "ro is given twice");
    cr_assert_str_eq(seen, "ro;name=x;");
}

Test(keys, a_sentence_says_whose_it_is)
{
    wrong("never=7", ERANGE, "never: '7' will not do");
}
