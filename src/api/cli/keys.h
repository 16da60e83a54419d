#ifndef API_CLI_KEYS_H
#define API_CLI_KEYS_H
/*
 * Reads "key=value,word,...", the value of an option like --drive, by a table of keys. Pure.
 *
 * A comma that belongs to a value is written twice. The text is cut up in place; values point into
 * it.
 */
struct device_config;
struct err;

struct key_row {
    const char *name;  /* NULL ends a table of at most 64 rows */
    const char *value; /* what the value is, for messages: "NAME"; NULL: the key takes no value */
    /* value: NULL where the key takes none. */
    int (*set)(struct device_config *c, const char *value, struct err *e);
};

/* Returns the part of *text before the first single comma, with its doubled commas made single, and
 * moves *text past that comma, or to NULL if there is none. Returns NULL if *text is NULL. */
char *keys_next(char **text);

/* Calls `set` for each key of the text, which may be NULL. Stops with -EINVAL and a sentence at the
 * first key that is unknown (the sentence says which one was probably meant), is given twice, lacks
 * its value, or has a value that it does not take. If `set` fails, the key's name is put in front
 * of its sentence. */
int keys_walk(const struct key_row *rows, char *text, struct device_config *c, struct err *e);

#endif
