/* The key pairs that are meant for mote and not for the guest. */
#include "api/run/escape.h"

const char escape_help[] = "mote: Ctrl-A x quits, Ctrl-A c sends Ctrl-A, Ctrl-A h prints this\n";

size_t escape_filter(struct escape *s, const uint8_t *typed, size_t len, uint8_t *to, size_t *out,
                     enum escape_command *command)
{
    size_t at = 0, n = 0;

    *command = ESCAPE_NONE;
    while (at < len && *command == ESCAPE_NONE) {
        uint8_t key = typed[at++];

        if (!s->prefixed) {
            if (key == ESCAPE_PREFIX)
                s->prefixed = true;
            else
                to[n++] = key;
            continue;
        }
        s->prefixed = false;
        switch (key) {
        case 'x':
            *command = ESCAPE_QUIT;
            break;
        case 'h':
            *command = ESCAPE_HELP;
            break;
        case 'c':
            to[n++] = ESCAPE_PREFIX;
            break;
        default:
            to[n++] = ESCAPE_PREFIX;
            to[n++] = key;
        }
    }
    *out = n;
    return at;
}
