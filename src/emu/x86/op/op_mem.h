#ifndef EMU_X86_OP_OP_MEM_H
#define EMU_X86_OP_OP_MEM_H
/*
 * How handlers access memory. A hit in the translation table is inline, everything else a call.
 *
 * A handler does nothing that cannot be undone before its accesses have succeeded: on a fault it
 * returns at once, and the instruction has not happened.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "emu/x86/mem/mmu.h"
#include "emu/x86/op/op.h"

/* A value of type T from va; on a fault the handler returns. */
#define OP_LOAD(c, op, T, va)                                  \
    __extension__({                                            \
        const void *from_ = mmu_read_at((c), (va), sizeof(T)); \
        T value_;                                              \
        if (__builtin_expect(!from_, 0))                       \
            return op_leave((c), (op));                        \
        memcpy(&value_, from_, sizeof(value_));                \
        value_;                                                \
    })

/* Stores value, of type T, to va; on a fault the handler returns. */
#define OP_STORE(c, op, T, va, value)                                  \
    do {                                                               \
        uint64_t to_ = (va);                                           \
        T stored_ = (value);                                           \
        void *hit_ = mmu_write_hit((c), to_, sizeof(T));               \
        if (__builtin_expect(hit_ != NULL, 1))                         \
            memcpy(hit_, &stored_, sizeof(stored_));                   \
        else if (!mmu_write_slow((c), to_, &stored_, sizeof(stored_))) \
            return op_leave((c), (op));                                \
    } while (0)

/* Read-modify-write of a T at va: declares `at` as a T *, which `body` changes in place. Not
 * atomic. */
#define OP_MODIFY(c, op, T, va, at, body)                                               \
    do {                                                                                \
        uint64_t to_ = (va);                                                            \
        T *at = mmu_write_hit((c), to_, sizeof(T));                                     \
        bool slow_ = !at;                                                               \
        if (__builtin_expect(slow_, 0) && !(at = mmu_modify_slow((c), to_, sizeof(T)))) \
            return op_leave((c), (op));                                                 \
        body;                                                                           \
        if (__builtin_expect(slow_, 0))                                                 \
            mmu_modify_end((c), at);                                                    \
    } while (0)

/* As OP_MODIFY for an instruction with LOCK: `body` uses the host's own locked instruction. */
#define OP_MODIFY_LOCKED(c, op, T, va, at, body)                                        \
    do {                                                                                \
        uint64_t to_ = (va);                                                            \
        T *at = mmu_locked_hit((c), to_, sizeof(T));                                    \
        bool slow_ = !at;                                                               \
        if (__builtin_expect(slow_, 0) && !(at = mmu_locked_slow((c), to_, sizeof(T)))) \
            return op_leave((c), (op));                                                 \
        body;                                                                           \
        if (__builtin_expect(slow_, 0))                                                 \
            mmu_locked_end((c), at);                                                    \
    } while (0)

#endif
