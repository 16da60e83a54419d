#ifndef DECODE_ORACLE_ACCEPTED_H
#define DECODE_ORACLE_ACCEPTED_H
/* The differences from Zydis that are as they should be. */
#include "e2e/decode_oracle/compare.h"

/* Why it is accepted, or NULL. */
const char *accepted(enum difference difference, const struct compared *c);

#endif
