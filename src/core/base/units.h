#ifndef CORE_BASE_UNITS_H
#define CORE_BASE_UNITS_H
/*
 * Sizes in bytes.
 */
#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Page sizes of the processors that mote knows, on the host and in guests. */
#define PAGE_4K (4 * KIB)
#define PAGE_2M (2 * MIB)

#endif
