/*
 * The accepted differences from Zydis, one a line.
 *
 * What only Zydis decodes is listed by Zydis' instruction set, any other difference by mote's
 * mnemonic.
 */
#include "e2e/decode_oracle/accepted.h"

#include <stdbool.h>
#include <string.h>

#include "emu/x86/decode/table.h"

#define UNOFFERED "the software CPU does not offer it"
#define HINT      "a hint reads nothing: at most it computes an address"
#define UNDEFINED "operands without a meaning"
#define MERGES    "keeps a part of the destination, which counts as a read of it all"
#define KEEPS     "leaves the destination alone when the source is 0"
#define HYPERCALL "as KVM answers it: arguments to RAX, no flag (linux/kvm_para.h)"
#define LOOP      "its repetition tests the ZF that it set itself"
#define POINTERS  "Zydis leaves out that rSI or rDI moves"
#define SYSTEM    "saves every flag in the handler's frame or loads it with the new context"
#define CLEARS    "Zydis leaves out the flags that it clears"

static const struct {
    enum difference difference;
    const char *what, *why;
} list[] = {
    { DIFFERENT_THEIRS, "AMD3DNOW", UNOFFERED },
    { DIFFERENT_THEIRS, "AMD_INVLPGB", UNOFFERED },
    { DIFFERENT_THEIRS, "AMX_BF16", UNOFFERED },
    { DIFFERENT_THEIRS, "AMX_INT8", UNOFFERED },
    { DIFFERENT_THEIRS, "AMX_TILE", UNOFFERED },
    { DIFFERENT_THEIRS, "AVX512", UNOFFERED },
    { DIFFERENT_THEIRS, "AVX_GFNI", UNOFFERED },
    { DIFFERENT_THEIRS, "AVX_VNNI", UNOFFERED },
    { DIFFERENT_THEIRS, "CET", UNOFFERED },
    { DIFFERENT_THEIRS, "CLZERO", UNOFFERED },
    { DIFFERENT_THEIRS, "ENQCMD", UNOFFERED },
    { DIFFERENT_THEIRS, "FMA4", UNOFFERED },
    { DIFFERENT_THEIRS, "GFNI", UNOFFERED },
    { DIFFERENT_THEIRS, "HRESET", UNOFFERED },
    { DIFFERENT_THEIRS, "KEYLOCKER", UNOFFERED },
    { DIFFERENT_THEIRS, "KNC", UNOFFERED },
    { DIFFERENT_THEIRS, "LWP", UNOFFERED },
    { DIFFERENT_THEIRS, "MCOMMIT", UNOFFERED },
    { DIFFERENT_THEIRS, "MONITORX", UNOFFERED },
    { DIFFERENT_THEIRS, "MOVDIR", UNOFFERED },
    { DIFFERENT_THEIRS, "PADLOCK", UNOFFERED },
    { DIFFERENT_THEIRS, "PCONFIG", UNOFFERED },
    { DIFFERENT_THEIRS, "PT", UNOFFERED },
    { DIFFERENT_THEIRS, "RDPRU", UNOFFERED },
    { DIFFERENT_THEIRS, "RTM", UNOFFERED },
    { DIFFERENT_THEIRS, "SGX", UNOFFERED },
    { DIFFERENT_THEIRS, "SMX", UNOFFERED },
    { DIFFERENT_THEIRS, "SNP", UNOFFERED },
    { DIFFERENT_THEIRS, "SSE4A", UNOFFERED },
    { DIFFERENT_THEIRS, "SVM", UNOFFERED },
    { DIFFERENT_THEIRS, "TBM", UNOFFERED },
    { DIFFERENT_THEIRS, "TDX", UNOFFERED },
    { DIFFERENT_THEIRS, "TSX_LDTRK", UNOFFERED },
    { DIFFERENT_THEIRS, "UINTR", UNOFFERED },
    { DIFFERENT_THEIRS, "VAES", UNOFFERED },
    { DIFFERENT_THEIRS, "VMFUNC", UNOFFERED },
    { DIFFERENT_THEIRS, "VPCLMULQDQ", UNOFFERED },
    { DIFFERENT_THEIRS, "VTX", UNOFFERED },
    { DIFFERENT_THEIRS, "WAITPKG", UNOFFERED },
    { DIFFERENT_THEIRS, "XOP", UNOFFERED },
    { DIFFERENT_WIDTH, "SYSCALL", "has no operand size" },
    { DIFFERENT_COUNT, "XCHG", "F3 41 90 exchanges: with REX.B there is no PAUSE" },
    { DIFFERENT_IMPLIED, "LODS", "with REP Zydis calls the write conditional, as ATTR_REP says" },
    { DIFFERENT_REGISTER, "LAR", "reads 16 bits of a source register, as of one in memory" },
    { DIFFERENT_REGISTER, "LSL", "reads 16 bits of a source register, as of one in memory" },
    { DIFFERENT_REGISTER, "NOP", HINT },
    { DIFFERENT_SIZE, "MOVSXD",
      "with a 16-bit destination the source is 16 bits (SDM 2B, MOVSXD)" },
    { DIFFERENT_ACCESS, "NOP", HINT },
    { DIFFERENT_ACCESS, "CLFLUSH", HINT },
    { DIFFERENT_ACCESS, "CLFLUSHOPT", HINT },
    { DIFFERENT_ACCESS, "CLWB", HINT },
    { DIFFERENT_ACCESS, "FFREE", "marks the register, leaves its value" },
    { DIFFERENT_ACCESS, "FFREEP", "marks the register, leaves its value" },
    { DIFFERENT_ACCESS, "INVLPG", "an address, not an access" },
    { DIFFERENT_ACCESS, "UD0", UNDEFINED },
    { DIFFERENT_ACCESS, "UD1", UNDEFINED },
    { DIFFERENT_ACCESS, "BSF", KEEPS },
    { DIFFERENT_ACCESS, "BSR", KEEPS },
    { DIFFERENT_ACCESS, "CVTPI2PS", MERGES },
    { DIFFERENT_ACCESS, "CVTSD2SS", MERGES },
    { DIFFERENT_ACCESS, "CVTSS2SD", MERGES },
    { DIFFERENT_ACCESS, "MOVHLPS", MERGES },
    { DIFFERENT_ACCESS, "MOVHPD", MERGES },
    { DIFFERENT_ACCESS, "MOVHPS", MERGES },
    { DIFFERENT_ACCESS, "MOVLHPS", MERGES },
    { DIFFERENT_ACCESS, "MOVLPD", MERGES },
    { DIFFERENT_ACCESS, "MOVLPS", MERGES },
    { DIFFERENT_ACCESS, "MOVSD", MERGES },
    { DIFFERENT_ACCESS, "MOVSS", MERGES },
    { DIFFERENT_ACCESS, "RCPSS", MERGES },
    { DIFFERENT_ACCESS, "ROUNDSD", MERGES },
    { DIFFERENT_ACCESS, "ROUNDSS", MERGES },
    { DIFFERENT_ACCESS, "RSQRTSS", MERGES },
    { DIFFERENT_ACCESS, "SQRTSD", MERGES },
    { DIFFERENT_ACCESS, "SQRTSS", MERGES },
    { DIFFERENT_FLAGS_READ, "CMPS", LOOP },
    { DIFFERENT_FLAGS_READ, "SCAS", LOOP },
    { DIFFERENT_FLAGS_READ, "INT", SYSTEM },
    { DIFFERENT_FLAGS_READ, "INT1", SYSTEM },
    { DIFFERENT_FLAGS_READ, "INT3", SYSTEM },
    { DIFFERENT_FLAGS_READ, "INTO", SYSTEM },
    { DIFFERENT_FLAGS_READ, "SYSCALL", SYSTEM },
    { DIFFERENT_FLAGS_READ, "SYSRET", SYSTEM },
    { DIFFERENT_FLAGS_READ, "VMCALL", SYSTEM },
    { DIFFERENT_FLAGS_READ, "VMMCALL", SYSTEM },
    { DIFFERENT_FLAGS_WRITTEN, "RSM", "#UD outside system management mode, which there is not" },
    { DIFFERENT_FLAGS_WRITTEN, "VMCALL", HYPERCALL },
    { DIFFERENT_FLAGS_WRITTEN, "VPTEST", CLEARS },
    { DIFFERENT_FLAGS_WRITTEN, "VTESTPD", CLEARS },
    { DIFFERENT_FLAGS_WRITTEN, "VTESTPS", CLEARS },
    { DIFFERENT_IMPLICIT, "CMPS", POINTERS },
    { DIFFERENT_IMPLICIT, "INS", POINTERS },
    { DIFFERENT_IMPLICIT, "OUTS", POINTERS },
    { DIFFERENT_IMPLICIT, "SCAS", POINTERS },
    { DIFFERENT_IMPLICIT, "VMCALL", HYPERCALL },
    { DIFFERENT_IMPLICIT, "VMMCALL", HYPERCALL },
    { DIFFERENT_IMPLICIT, "XLAT", "Zydis leaves out that AL is the index" },
};

/* Zydis takes R13D for the base where ModRM.mod 0 means a displacement alone, as with R13. */
static bool is_r13d(const struct compared *c)
{
    for (unsigned i = 0; i < c->zydis.operand_count; i++) {
        if (c->operand[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return c->operand[i].mem.base == ZYDIS_REGISTER_R13D && c->insn.base == INSN_NONE;
    }
    return false;
}

/* According to Zydis, AMD's processors heed 66 only before near branches whose displacement can
 * have two bytes. They heed it before the others too: short branches, and RET. */
static bool is_amd_branch(const struct compared *c)
{
    return (c->insn.flags & INSN_64) && c->insn.osize == 2 &&
           table_rows[c->insn.row].size == SIZES_f64;
}

const char *accepted(enum difference difference, const struct compared *c)
{
    const char *name;

    if (difference == DIFFERENT_ADDRESS && is_r13d(c))
        return "with R13D as base, mod 0 means a displacement instead (SDM 2A, table 2-3)";
    if (difference == DIFFERENT_WIDTH && is_amd_branch(c))
        return "66 is heeded before every near branch";
    if (difference == DIFFERENT_OURS)
        return NULL;
    if (difference == DIFFERENT_THEIRS)
        name = ZydisISASetGetString(c->zydis.meta.isa_set);
    else
        name = table_name((enum mnemonic)table_rows[c->insn.row].mnemonic);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i].difference != difference)
            continue;
        if (difference == DIFFERENT_THEIRS ? !strncmp(name, list[i].what, strlen(list[i].what))
                                           : !strcmp(name, list[i].what))
            return list[i].why;
    }
    return NULL;
}
