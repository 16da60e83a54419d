#ifndef EMU_X86_CPU_VECTOR_H
#define EMU_X86_CPU_VECTOR_H
/*
 * Exceptions: their vectors, and the record of one that is to be delivered.
 */
#include <stdbool.h>
#include <stdint.h>

/* Exception vectors (SDM 3A, 6.3.1). */
enum cpu_vector {
    CPU_DE = 0,
    CPU_DB = 1,
    CPU_NMI = 2,
    CPU_BP = 3,
    CPU_OF = 4,
    CPU_BR = 5,
    CPU_UD = 6,
    CPU_NM = 7,
    CPU_DF = 8,
    CPU_TS = 10,
    CPU_NP = 11,
    CPU_SS = 12,
    CPU_GP = 13,
    CPU_PF = 14,
    CPU_MF = 16,
    CPU_AC = 17,
    CPU_XM = 19,
};

static inline bool cpu_vector_has_error(enum cpu_vector vector)
{
    const uint32_t with = 1u << CPU_DF | 1u << CPU_TS | 1u << CPU_NP | 1u << CPU_SS | 1u << CPU_GP |
                          1u << CPU_PF | 1u << CPU_AC;

    return with >> vector & 1u;
}

struct cpu_fault {
    uint8_t vector;
    bool has_error;
    bool address_fault; /* #GP for a non-canonical address; #SS if the access was through SS */
    bool software;      /* INT n, INT3, INTO: the gate's privilege level is checked */
    /* The length of the INT n, INT1, INT3 or INTO that raised this, otherwise 0. rip stays at that
     * instruction, so that a fault during the delivery is reported there; the frame that is pushed
     * holds rip + length. */
    uint8_t length;
    uint32_t error;
    uint64_t address; /* of a page fault, for CR2 */
};

#endif
