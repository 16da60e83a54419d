#ifndef EMU_X86_SYS_PORT_H
#define EMU_X86_SYS_PORT_H
/*
 * Who may use a port (SDM 1, 19.5): code at CPL <= IOPL, or any code if the permission bitmap in
 * the task state segment allows it.
 */
#include <stdbool.h>
#include <stdint.h>

struct cpu;

/* That vCPU's thread, inside the instruction. True: the access may go ahead, and the breakpoints on
 * the port, if any, are noted in cpu.debug_met. False: #GP is recorded, or the fault of reading the
 * bitmap. */
bool port_allowed(struct cpu *c, uint16_t port, unsigned size);

#endif
