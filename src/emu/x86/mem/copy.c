/* Copies that access each byte once. */
#include "emu/x86/mem/copy.h"

#include <stdint.h>

typedef uint16_t __attribute__((may_alias, aligned(1))) copy_u16;
typedef uint32_t __attribute__((may_alias, aligned(1))) copy_u32;
typedef uint64_t __attribute__((may_alias, aligned(1))) copy_u64;
typedef long long copy_u128 __attribute__((vector_size(16), may_alias, aligned(1)));

#define COPY_AS(type, to, from) \
    (*(volatile type *)(void *)(to) = *(const volatile type *)(const void *)(from))

void copy_once(void *to, const void *from, unsigned size)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (size == 16) {
        COPY_AS(copy_u128, t, f);
        return;
    }
    for (; size >= 8; size -= 8, t += 8, f += 8)
        COPY_AS(copy_u64, t, f);
    if (size & 4u) {
        COPY_AS(copy_u32, t, f);
        t += 4;
        f += 4;
    }
    if (size & 2u) {
        COPY_AS(copy_u16, t, f);
        t += 2;
        f += 2;
    }
    if (size & 1u)
        COPY_AS(uint8_t, t, f);
}
