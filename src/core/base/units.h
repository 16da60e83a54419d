#ifndef CORE_BASE_UNITS_H
#define CORE_BASE_UNITS_H
/*
 * Sizes that everything counts in, in bytes.
 */
#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Pages of the processors that mote knows, the host's and the guests'. */
#define PAGE_4K (4 * KIB)
#define PAGE_2M (2 * MIB)

#endif
