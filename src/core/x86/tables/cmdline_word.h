#ifndef CORE_X86_TABLES_CMDLINE_WORD_H
#define CORE_X86_TABLES_CMDLINE_WORD_H
/* The words of a kernel command line, as Linux splits it (lib/cmdline.c, next_arg). Pure. */
#include <stdbool.h>
#include <stddef.h>

struct cmdline_word {
    const char *text; /* in the command line; no NUL behind it */
    size_t len;       /* bytes, not 0 */
};

/* Reads the word at *at and moves *at behind it. False: there is none left for the kernel, since
 * the line ends or "--" begins what is for init. */
bool cmdline_word_next(const char **at, struct cmdline_word *word);

/* Whether the word begins with, or is, this text. */
bool cmdline_word_begins(const struct cmdline_word *word, const char *text);
bool cmdline_word_is(const struct cmdline_word *word, const char *text);

#endif
