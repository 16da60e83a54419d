#ifndef EMU_X86_CPU_PIECES_H
#define EMU_X86_CPU_PIECES_H
/* Where an operand is in physical memory. */
#include "core/vm/mem.h"

/* One piece, or two where it crosses a page: then size[1] is not 0. */
struct pieces {
    gpa_t gpa[2];
    unsigned size[2];
};

#endif
