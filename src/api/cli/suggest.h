#ifndef API_CLI_SUGGEST_H
#define API_CLI_SUGGEST_H
/*
 * "Did you mean": the known word nearest to a mistyped one. Pure.
 *
 *   struct suggest s = { .word = typed };
 *   for each known word: suggest_offer(&s, known);
 *   s.best is the nearest, or NULL if none is near enough to be what was meant
 */

#define SUGGEST_WORD_MAX 32u /* no suggestion is made for a longer word */

struct suggest {
    const char *word;
    const char *best;
    unsigned distance; /* of best */
};

/* Makes `known` the best if it is near enough and nearer than the best so far. */
void suggest_offer(struct suggest *s, const char *known);

/* How many characters have to be inserted, deleted, replaced or swapped with their neighbour to
 * turn a into b. Only the first SUGGEST_WORD_MAX characters of each count. */
unsigned suggest_distance(const char *a, const char *b);

#endif
