#ifndef TESTS_HOST_MEMORY_H
#define TESTS_HOST_MEMORY_H
/*
 * What the host has at an address of this process.
 */
#include <stdbool.h>
#include <stdint.h>

/* The signal that one store to this address ends a child with, or 0. */
int host_store_signal(uint8_t *at);

/* Does the mapping that holds this address have this flag, " hg" say, in its VmFlags line? */
bool host_mapping_has(const void *at, const char *flag);

/* Pages of 2 MiB in the host's pool that nobody has. */
long host_huge_pages_free(void);

#endif
