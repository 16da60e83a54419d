/*
 * What becomes of a failed assert: the C library's sentence, but on a stderr that nobody reads it
 * does not wait for ever, and the log's last lines, which may say how it came to that, go first.
 *
 * Takes the place of the C library's function of this name.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/patience.h"
#include "core/log/log.h"

void __assert_fail(const char *assertion, const char *file, unsigned int line, const char *function)
{
    const uint64_t until_ns = clock_now_ns() + NS_PER_S;
    char text[512];

    (void)snprintf(text, sizeof(text), "mote: %s:%u: %s: Assertion `%s' failed.\n", file, line,
                   function, assertion);
    log_flush(until_ns);
    patience_say(text, until_ns);
    abort();
}
