#ifndef EMU_X86_NATIVE_EMIT_H
#define EMU_X86_NATIVE_EMIT_H
/*
 * Writing x86-64 machine code into a buffer. Pure.
 *
 * Registers are numbers 0 to 15 as instructions encode them. Bytes that do not fit are dropped, and
 * `full` is set.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EMIT_MAX 512u

struct emit {
    uint8_t code[EMIT_MAX];
    unsigned len;
    bool full;
};

static inline void emit_bytes(struct emit *e, const void *bytes, unsigned count)
{
    if (e->len + count > EMIT_MAX) {
        e->full = true;
        return;
    }
    memcpy(e->code + e->len, bytes, count);
    e->len += count;
}

static inline void emit_byte(struct emit *e, unsigned byte)
{
    uint8_t b = (uint8_t)byte;

    emit_bytes(e, &b, 1);
}

/* ModRM and displacement of [base + disp]; base must not be RSP or R12, which need a SIB byte. */
static inline void emit_base_disp(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
    int8_t small = (int8_t)disp;

    if (small == disp) {
        emit_byte(e, 0x40u | (reg & 7u) << 3 | (base & 7u));
        emit_bytes(e, &small, 1);
    } else {
        emit_byte(e, 0x80u | (reg & 7u) << 3 | (base & 7u));
        emit_bytes(e, &disp, 4);
    }
}

/* A general-register move, 64 bits wide: opcode 8b loads, 89 stores. */
static inline void emit_move64(struct emit *e, unsigned opcode, unsigned reg, unsigned base,
                               int32_t disp)
{
    emit_byte(e, 0x48u | (reg >> 3) << 2 | base >> 3);
    emit_byte(e, opcode);
    emit_base_disp(e, reg, base, disp);
}

#endif
