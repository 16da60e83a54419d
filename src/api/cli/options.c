/* Reads "--name value" and "--name=value" by a table of options. */
#include "api/cli/options.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/cli/suggest.h"
#include "core/base/err.h"

/* One argument, split at its first equals sign. */
struct option {
    const char *name; /* not terminated: name_len long */
    int name_len;
    char *value; /* behind the equals sign, or NULL */
};

static struct option option_split(char *arg)
{
    char *equals = strchr(arg, '=');

    return (struct option){
        .name = arg,
        .name_len = (int)(equals ? (size_t)(equals - arg) : strlen(arg)),
        .value = equals ? equals + 1 : NULL,
    };
}

static const struct option_row *option_find(const struct option_row *rows, const struct option *o)
{
    for (; rows->name; rows++) {
        if (strlen(rows->name) == (size_t)o->name_len &&
            memcmp(rows->name, o->name, (size_t)o->name_len) == 0)
            return rows;
    }
    return NULL;
}

static int option_unknown(const struct option_row *rows, const char *verb, const struct option *o,
                          struct err *e)
{
    char typed[SUGGEST_WORD_MAX + 2]; /* one more character than a suggestion looks at, and NUL */
    struct suggest s = { .word = typed };
    size_t len = (size_t)o->name_len < sizeof(typed) ? (size_t)o->name_len : sizeof(typed) - 1;

    memcpy(typed, o->name, len);
    typed[len] = '\0';
    for (; rows->name; rows++)
        suggest_offer(&s, rows->name);
    if (s.best)
        return err_set(e, EINVAL, "unknown option '%.*s', did you mean %s?", o->name_len, o->name,
                       s.best);
    return err_set(e, EINVAL, "unknown option '%.*s', see 'mote %s --help'", o->name_len, o->name,
                   verb);
}

/* Checks that the option has a value if it needs one, and none if it takes none. A value in the
 * next argument is put into *o, and *args moves on to it. A next argument that begins with two
 * dashes counts as an option, not as the value; --name=--value gives such a value. */
static int option_value(const struct option_row *row, struct option *o, char *const **args,
                        struct err *e)
{
    char *next = (*args)[1];

    if (row->takes == OPTION_ALONE && o->value)
        return err_set(e, EINVAL, "%s takes no value", row->name);
    if (row->takes == OPTION_ALONE || row->takes == OPTION_MAY_VALUE || o->value)
        return 0;
    if (!next || strncmp(next, "--", 2) == 0)
        return err_set(e, EINVAL, "%s needs a value: %s %s", row->name, row->name, row->value);
    o->value = next;
    (*args)++;
    return 0;
}

int options_walk(const struct option_row *rows, const char *verb, char *const *args, struct cli *c,
                 struct err *e)
{
    uint64_t given = 0; /* bit n: the option of row n was given */

    for (; *args; args++) {
        struct option o = option_split(*args);
        const struct option_row *row = option_find(rows, &o);
        int ret;

        if (o.name[0] != '-')
            return err_set(e, EINVAL, "'%.200s' is not an option, see 'mote %s --help'", *args,
                           verb);
        if (!row)
            return option_unknown(rows, verb, &o, e);
        if (row->takes != OPTION_EACH_VALUE && given & 1ull << (row - rows))
            return err_set(e, EINVAL, "%s is given twice", row->name);
        given |= 1ull << (row - rows);
        ret = option_value(row, &o, &args, e);
        if (ret < 0)
            return ret;
        ret = row->set(c, o.value, e);
        if (ret < 0)
            return err_wrap(e, ret, "%s", row->name);
    }
    return 0;
}
