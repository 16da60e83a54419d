/*
 * A failed assert writes the log's last lines, which may explain it, then the sentence that the C
 * library would have written, and aborts. Where nobody reads stderr it waits for a second at most.
 *
 * __assert_fail replaces the C library's function of this name.
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
