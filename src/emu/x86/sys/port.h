#ifndef EMU_X86_SYS_PORT_H
#define EMU_X86_SYS_PORT_H
/*
 * Who may use a port (SDM 1, 19.5): CPL <= IOPL, or the task state segment's permission bitmap says
 * so.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

/* That vCPU's thread, inside the instruction. False: #GP, or the fault of reading the bitmap, is
 * recorded. */
bool port_allowed(struct cpu *c, uint16_t port, unsigned size);

#endif
