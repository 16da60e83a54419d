#ifndef API_CLI_OPTIONS_H
#define API_CLI_OPTIONS_H
/*
 * Reads "--name value" and "--name=value" by a table of options. Pure.
 *
 * getopt_long would not do. It accepts abbreviations, and these break scripts on the day that a
 * second option with the same beginning appears. It lets a later option silently undo an earlier
 * one. And it words its own messages.
 */
struct cli;
struct err;

enum option_takes {
    OPTION_ALONE,      /* --name */
    OPTION_VALUE,      /* --name value or --name=value */
    OPTION_MAY_VALUE,  /* --name or --name=value */
    OPTION_EACH_VALUE, /* as OPTION_VALUE, any number of times */
};

struct option_row {
    const char *name; /* with its dashes; NULL ends a table of at most 64 rows */
    enum option_takes takes;
    const char *value; /* what the value is, for messages: "FILE" */
    /* value: NULL where none was given. */
    int (*set)(struct cli *c, char *value, struct err *e);
};

/* Calls `set` for each option in args, which ends with NULL. `verb` is mote's command, "run", for
 * messages. Stops with -EINVAL and a sentence at the first argument that is not an option, is an
 * unknown one (the sentence says which one was probably meant), is given twice, lacks its value, or
 * has a value that it does not take. If `set` fails, the option's name is put in front of its
 * sentence. */
int options_walk(const struct option_row *rows, const char *verb, char *const *args, struct cli *c,
                 struct err *e);

#endif
