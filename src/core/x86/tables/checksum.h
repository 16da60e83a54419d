#ifndef CORE_X86_TABLES_CHECKSUM_H
#define CORE_X86_TABLES_CHECKSUM_H
/*
 * The checksum of firmware tables: the byte that makes all bytes of a table add up to zero.
 */
#include <stddef.h>
#include <stdint.h>

/* The checksum's own byte, if it is one of these, must still be zero. */
static inline uint8_t table_checksum(const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + b[i]);
    return (uint8_t)-sum;
}

#endif
