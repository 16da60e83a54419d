#ifndef CORE_BASE_CONTAINER_H
#define CORE_BASE_CONTAINER_H
/*
 * From an embedded struct to the one that holds it.
 */
#include <stddef.h>
#include <stdint.h>

/* The struct `type` whose `member` is at `pointer`, which must point to a value of that member's
 * type, const or not. */
#define container_of(pointer, type, member)                                              \
    ({                                                                                   \
        _Static_assert(__builtin_types_compatible_p(__typeof__(*(pointer)),              \
                                                    __typeof__(((type *)NULL)->member)), \
                       "pointer and member have one type");                              \
        (type *)(void *)((char *)(uintptr_t)(pointer)-offsetof(type, member));           \
    })

#endif
