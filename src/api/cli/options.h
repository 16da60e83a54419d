#ifndef API_CLI_OPTIONS_H
#define API_CLI_OPTIONS_H
/*
 * A walk over "--name value" and "--name=value" by a table. Pure.
 *
 * Not getopt_long: it takes abbreviations, which break scripts on the day that a second option with
 * the same beginning appears, lets a later option silently undo an earlier one, and words its own
 * messages.
 */
struct cli;
struct err;

enum option_takes {
    OPTION_ALONE,
    OPTION_VALUE,      /* --name value or --name=value */
    OPTION_MAY_VALUE,  /* --name or --name=value */
    OPTION_EACH_VALUE, /* as OPTION_VALUE, any number of times */
};

struct option_row {
    const char *name; /* with its dashes; NULL ends a table of at most 64 rows */
    enum option_takes takes;
    const char *value; /* what the value is, for messages: "FILE" */
    /* value: the argument's, NULL where none was given. A sentence it leaves gets the option's name
     * in front. */
    int (*set)(struct cli *c, char *value, struct err *e);
};

/* Calls set for each of args, which ends with NULL. verb: "run", for messages. -EINVAL with a
 * sentence at the first that is unknown (and what was probably meant), given twice, lacks its
 * value, has one too many, or is no option. */
int options_walk(const struct option_row *rows, const char *verb, char *const *args, struct cli *c,
                 struct err *e);

#endif
