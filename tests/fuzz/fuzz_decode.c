/*
 * Any bytes, decoded in any mode: the first byte chooses the mode, the rest are in a buffer of
 * exactly their size, so that AddressSanitizer sees a read beyond them.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emu/x86/decode/decode.h"
#include "emu/x86/decode/table.h"

static void check_offsets(const struct insn *i, const uint8_t *bytes)
{
    assert(i->len >= 1 && i->len <= DECODE_BYTES_MAX);
    assert(i->prefix_len <= i->opcode_at && i->opcode_at < i->len);
    assert(bytes[i->opcode_at] == i->opcode);
    assert(i->modrm_at == 0 || (i->modrm_at == i->opcode_at + 1 && i->modrm_at < i->len));
    assert(i->modrm_at == 0 || bytes[i->modrm_at] == i->modrm);
    assert(i->disp_at == 0 || (i->disp_at > i->modrm_at && i->disp_at < i->len));
    assert(i->imm_at == 0 || (i->imm_at > i->opcode_at && i->imm_at < i->len));
    assert(i->imm_at == 0 || i->imm_at > i->disp_at);
}

static void check_fields(const struct insn *i, enum decode_mode mode)
{
    bool wide = mode == DECODE_64 || mode == DECODE_64_AMD;
    unsigned registers = wide ? 16 : 8;

    assert(i->row > 0 && i->row < table_count);
    assert(i->osize == 2 || i->osize == 4 || (i->osize == 8 && wide));
    assert(i->asize == 2 || i->asize == 4 || (i->asize == 8 && wide));
    assert(i->reg < registers && i->rm < registers && i->vvvv < registers);
    assert(i->base < registers || i->base == INSN_NONE || (i->base == INSN_RIP && wide));
    assert(i->index < registers || i->index == INSN_NONE);
    assert(i->seg < 6 && i->scale < 4);
    assert(!(i->flags & INSN_LOCK) || (i->flags & INSN_MEM));
}

static void check_operands(const struct insn *i)
{
    for (unsigned n = 0; n < TABLE_OPERANDS; n++) {
        enum operand operand = (enum operand)table_rows[i->row].operand[n];

        assert(operand_reg(i, operand) < 16);
        assert(operand_bytes(i, operand) <= 576);
    }
}

/* What was decoded depends on its own bytes alone. */
static void check_prefix_free(const struct insn *i, const uint8_t *bytes, enum decode_mode mode)
{
    uint8_t *exact = malloc(i->len);
    struct insn again;

    assert(exact);
    memcpy(exact, bytes, i->len);
    assert(decode(&again, exact, i->len, mode) == DECODE_OK);
    assert(again.row == i->row && again.len == i->len && again.imm == i->imm);
    assert(decode(&again, exact, i->len - 1u, mode) == DECODE_MORE);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum decode_mode mode;
    struct insn insn;
    uint8_t *bytes;

    if (size == 0)
        return 0;
    mode = (enum decode_mode)(data[0] % DECODE_MODES);
    bytes = malloc(size - 1);
    assert(bytes || size == 1);
    if (size > 1)
        memcpy(bytes, data + 1, size - 1);
    if (decode(&insn, bytes, size - 1, mode) == DECODE_OK) {
        check_offsets(&insn, bytes);
        check_fields(&insn, mode);
        check_operands(&insn);
        check_prefix_free(&insn, bytes, mode);
    }
    free(bytes);
    return 0;
}
