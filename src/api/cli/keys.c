/* Reads "key=value,word,..." by a table of keys. */
#include "api/cli/keys.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/suggest.h"
#include "core/base/err.h"

static int key_unknown(const struct key_row *rows, const char *name, struct err *e)
{
    struct suggest s = { .word = name };
    char known[256] = "";
    size_t used = 0;

    for (; rows->name; rows++) {
        suggest_offer(&s, rows->name);
        if (used < sizeof(known))
            used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
                                     used > 0 ? ", " : "", rows->name);
    }
    if (s.best)
        return err_set(e, EINVAL, "unknown key '%.80s', did you mean %s?", name, s.best);
    return err_set(e, EINVAL, "unknown key '%.80s'; the keys are: %s", name, known);
}

static const struct key_row *keys_find(const struct key_row *rows, const char *name)
{
    while (rows->name && strcmp(rows->name, name) != 0)
        rows++;
    return rows->name ? rows : NULL;
}

static int key_set(const struct key_row *row, const char *value, struct device_config *c,
                   struct err *e)
{
    int ret;

    if (!row->value && value)
        return err_set(e, EINVAL, "%s takes no value", row->name);
    if (row->value && (!value || value[0] == '\0'))
        return err_set(e, EINVAL, "%s needs a value: %s=%s", row->name, row->name, row->value);
    ret = row->set(c, value, e);
    return ret < 0 ? err_wrap(e, ret, "%s", row->name) : 0;
}

char *keys_next(char **text)
{
    char *start = *text, *from = start, *to = start;

    if (!start)
        return NULL;
    for (; *from != '\0' && (*from != ',' || from[1] == ','); from++) {
        from += *from == ',';
        *to++ = *from;
    }
    *text = *from == ',' ? from + 1 : NULL;
    *to = '\0';
    return start;
}

int keys_walk(const struct key_row *rows, char *text, struct device_config *c, struct err *e)
{
    uint64_t given = 0; /* bit n: the key of row n was given */
    char *name;

    while ((name = keys_next(&text))) {
        char *value = name;
        const struct key_row *row = keys_find(rows, strsep(&value, "="));
        int ret;

        if (!row)
            return key_unknown(rows, name, e);
        if (given & UINT64_C(1) << (row - rows))
            return err_set(e, EINVAL, "%s is given twice", row->name);
        given |= UINT64_C(1) << (row - rows);
        ret = key_set(row, value, c, e);
        if (ret < 0)
            return ret;
    }
    return 0;
}
