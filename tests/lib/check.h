#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H
/*
 * CHECK: a fact that must hold, for the tests that are plain executables.
 *
 * Those also run under ThreadSanitizer, where Criterion cannot start. A fact that does not hold
 * ends the process at once with status 1, on whichever thread finds it. The other threads may be in
 * any state, so nothing is unwound.
 */
#include <stdio.h>
#include <stdlib.h>

#define CHECK(fact)                                  \
    do {                                             \
        if (!(fact))                                 \
            check_failed(__FILE__, __LINE__, #fact); \
    } while (0)

_Noreturn static inline void check_failed(const char *file, int line, const char *fact)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, fact);
    _Exit(1);
}

#endif
