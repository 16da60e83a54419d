#ifndef TESTS_EMU_PICK_H
#define TESTS_EMU_PICK_H
/*
 * Random choices, and values at which instructions behave differently.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pick {
    uint64_t state;
};

uint64_t pick_bits(struct pick *p);
unsigned pick_below(struct pick *p, unsigned limit); /* 0 to limit - 1 */
bool pick_chance(struct pick *p, unsigned percent);

/* Small, large, near a power of two, or any. */
uint64_t pick_integer(struct pick *p);

/* Operands of any kind: integers, floating-point numbers of every class and width, plain bytes. */
void pick_operand(struct pick *p, uint8_t *to, unsigned size);

/* An x87 register: ten bytes, invalid encodings included. */
void pick_extended(struct pick *p, uint8_t *to);

#endif
