#ifndef TESTS_HOST_MEMORY_H
#define TESTS_HOST_MEMORY_H
/*
 * How the host has mapped the memory of this process.
 */
#include <stdbool.h>
#include <stdint.h>

/* Stores to this address in a child process. Returns the signal that ended the child, or 0. */
int host_store_signal(uint8_t *at);

/* Whether the mapping that holds this address has this flag, such as " hg", in its VmFlags line. */
bool host_mapping_has(const void *at, const char *flag);

/* How many 2 MiB pages are free in the host's pool. */
long host_huge_pages_free(void);

#endif
