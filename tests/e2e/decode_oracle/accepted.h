#ifndef DECODE_ORACLE_ACCEPTED_H
#define DECODE_ORACLE_ACCEPTED_H
/* The accepted differences from Zydis. */
#include "e2e/decode_oracle/compare.h"

/* Why the difference is accepted; NULL: it is not. */
const char *accepted(enum difference difference, const struct compared *c);

#endif
