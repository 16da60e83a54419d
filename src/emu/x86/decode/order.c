/* Which instructions are serializing. */
#include "emu/x86/decode/order.h"

#include <stddef.h>
#include <stdint.h>

#include "emu/x86/decode/row.h"

/* The instructions of SDM 3A, 9.3 that a guest can execute, and AMD's MFENCE. CLTS and LMSW are
 * listed because they write CR0. XSETBV is not in the SDM's list, but changes as much. The SDM
 * excepts MOV to CR8 and writes of some MSRs; here they serialize too. */
static const uint16_t serializing[] = {
    MN_CLTS, MN_CPUID, MN_INVD,   MN_INVLPG,    MN_IRET,   MN_LGDT,  MN_LIDT,   MN_LLDT,
    MN_LMSW, MN_LTR,   MN_MFENCE, MN_SERIALIZE, MN_WBINVD, MN_WRMSR, MN_XSETBV,
};

static bool row_writes_control(const struct table_row *row)
{
    unsigned file = operand_kinds[row->operand[0]].file;

    return row->mnemonic == MN_MOV && (file == FILE_CR || file == FILE_DR);
}

bool order_serializes(const struct table_row *row)
{
    for (size_t i = 0; i < sizeof(serializing) / sizeof(serializing[0]); i++)
        if (row->mnemonic == serializing[i])
            return true;
    return row_writes_control(row);
}
