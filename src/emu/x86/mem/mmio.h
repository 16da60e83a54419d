#ifndef EMU_X86_MEM_MMIO_H
#define EMU_X86_MEM_MMIO_H
/*
 * A processor's accesses to devices: to physical addresses that are not RAM, and to ports.
 * Interrupt controllers and timers come first, then doorbells, then the machine's buses.
 */
#include "core/vm/mem.h"

struct cpu;
struct emu;

/* That vCPU's thread. size is 1 to 8. A read of an address without a device gives all ones. */
void mmio_read(struct emu *m, struct cpu *c, gpa_t gpa, void *data, unsigned size);
void mmio_write(struct emu *m, struct cpu *c, gpa_t gpa, const void *data, unsigned size);

/* The same for ports; size is 1, 2 or 4. */
void port_read(struct cpu *c, uint16_t port, void *data, unsigned size);
void port_write(struct cpu *c, uint16_t port, const void *data, unsigned size);

#endif
