/* The words of a kernel command line: a word ends at a space that is not in quotes. */
#include "core/x86/tables/cmdline_word.h"

#include <string.h>

static size_t cmdline_word_length(const char *word)
{
    bool quoted = false;
    size_t len = 0;

    for (; word[len] != '\0' && (quoted || word[len] != ' '); len++)
        quoted ^= word[len] == '"';
    return len;
}

bool cmdline_word_next(const char **at, struct cmdline_word *word)
{
    word->text = *at + strspn(*at, " ");
    word->len = cmdline_word_length(word->text);
    *at = word->text + word->len;
    return word->len > 0 && !cmdline_word_is(word, "--");
}

bool cmdline_word_begins(const struct cmdline_word *word, const char *text)
{
    size_t len = strlen(text);

    return word->len >= len && memcmp(word->text, text, len) == 0;
}

bool cmdline_word_is(const struct cmdline_word *word, const char *text)
{
    return word->len == strlen(text) && cmdline_word_begins(word, text);
}
