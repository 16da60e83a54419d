#ifndef API_CLI_SUGGEST_H
#define API_CLI_SUGGEST_H
/*
 * "Did you mean": the known word nearest to a mistyped one. Pure.
 *
 *   struct suggest s = { .word = typed };
 *   for each known word: suggest_offer(&s, known);
 *   s.best is the nearest, or NULL where none is near enough to be what was meant
 */

#define SUGGEST_WORD_MAX 32u /* a longer word is nobody's typing error */

struct suggest {
    const char *word;
    const char *best;
    unsigned distance; /* of best */
};

void suggest_offer(struct suggest *s, const char *known);

/* How many characters have to be put in, left out, replaced or swapped with their neighbour to
 * make a into b; words are taken up to SUGGEST_WORD_MAX. */
unsigned suggest_distance(const char *a, const char *b);

#endif
