#ifndef TESTS_EMU_CASE_H
#define TESTS_EMU_CASE_H
/*
 * One case of the differential test: an instruction, the state it meets, and the state it leaves.
 *
 * Host and guest have the same virtual memory: two pages of code, and a window of three pages of
 * data, the last of them read-only, with unmapped memory on both sides. All of it is below 2 GiB,
 * so that every form of addressing reaches it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/x86/regs.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/decode/table.h"

#define CASE_PAGE     4096u
#define CASE_CODE     0x10000000u
#define CASE_CODE_END (CASE_CODE + 2 * CASE_PAGE)
#define CASE_DATA     0x10010000u
#define CASE_READONLY (CASE_DATA + 2 * CASE_PAGE)
#define CASE_DATA_END (CASE_DATA + 3 * CASE_PAGE)
#define CASE_WRITABLE (2 * CASE_PAGE)

#define CASE_COMPLETED (-1) /* no exception */

/* The legacy area of FXSAVE without its XMM registers: control words, MXCSR, x87 registers. */
#define CASE_FX 160u

struct case_state {
    uint64_t gpr[X86_GPRS];
    uint64_t rip;
    uint64_t rflags;
    uint8_t fx[CASE_FX];
    uint8_t vec[16][32];
    int vector; /* CASE_COMPLETED or the exception */
    uint32_t error;
    uint64_t address; /* of a page fault */
};

struct test_case {
    uint8_t code[DECODE_BYTES_MAX];
    struct insn insn;
    const struct table_row *row;
    struct case_state before;
};

/* The bases of FS and GS, which are those of the host's process in every case. */
struct case_bases {
    uint64_t fs;
    uint64_t gs;
};

#endif
