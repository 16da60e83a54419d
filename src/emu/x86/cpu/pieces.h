#ifndef EMU_X86_CPU_PIECES_H
#define EMU_X86_CPU_PIECES_H
/* Where an operand is in guest physical memory. */
#include "core/vm/mem.h"

/* One piece, or two if the operand crosses a page; size[1] is 0 if there is only one. */
struct pieces {
    gpa_t gpa[2];
    unsigned size[2];
};

#endif
