#ifndef API_CLI_KEYS_H
#define API_CLI_KEYS_H
/*
 * A walk over "key=value,word,..." by a table: what stands behind an option like --drive. Pure.
 *
 * A comma that belongs to a value is written twice. The text is cut up in place; values point into
 * it.
 */
struct device_config;
struct err;

struct key_row {
    const char *name;  /* NULL ends a table of at most 64 rows */
    const char *value; /* what it is, for messages: "NAME"; NULL: the key stands alone */
    int (*set)(struct device_config *c, const char *value, struct err *e); /* NULL where alone */
};

/* Takes what stands before the first single comma, its doubled ones made single again, and moves
 * *text behind that comma; to NULL where there is none. NULL where *text is. */
char *keys_next(char **text);

/* Calls set for each key of the text, which may be NULL. -EINVAL with a sentence at the first that
 * is unknown (and what was probably meant), given twice, lacks its value or has one too many. A
 * sentence that set leaves gets the key's name in front. */
int keys_walk(const struct key_row *rows, char *text, struct device_config *c, struct err *e);

#endif
