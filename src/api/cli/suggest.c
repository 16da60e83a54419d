/*
 * "Did you mean": the known word nearest to a mistyped one.
 *
 * The distance is optimal string alignment: the edit distance in which a swap of two neighbouring
 * characters, the commonest typing error, counts once. It needs only the last three rows of the
 * dynamic programming table.
 */
#include "api/cli/suggest.h"

#include <string.h>

static unsigned min_of_three(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

unsigned suggest_distance(const char *a, const char *b)
{
    unsigned rows[3][SUGGEST_WORD_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];
    size_t alen = strnlen(a, SUGGEST_WORD_MAX), blen = strnlen(b, SUGGEST_WORD_MAX);

    for (unsigned j = 0; j <= blen; j++)
        row[j] = j;
    for (unsigned i = 1; i <= alen; i++) {
        unsigned *spare = before;
        before = above;
        above = row;
        row = spare;
        row[0] = i;
        for (unsigned j = 1; j <= blen; j++) {
            unsigned replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min_of_three(above[j] + 1, row[j - 1] + 1, replaced);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_of_three(row[j], before[j - 2] + 1, row[j]);
        }
    }
    return row[blen];
}

void suggest_offer(struct suggest *s, const char *known)
{
    size_t len = strlen(s->word);
    unsigned distance;

    if (len > SUGGEST_WORD_MAX)
        return;
    distance = suggest_distance(s->word, known);
    /* If over a third of the characters (rounded up) or half need an edit, it is another word. */
    if (distance > (len + 2) / 3 || distance * 2 >= len)
        return;
    if (!s->best || distance < s->distance) {
        s->best = known;
        s->distance = distance;
    }
}
