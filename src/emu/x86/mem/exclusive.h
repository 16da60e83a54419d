#ifndef EMU_X86_MEM_EXCLUSIVE_H
#define EMU_X86_MEM_EXCLUSIVE_H
/*
 * One processor has the machine's memory to itself. That makes an access atomic for which hardware
 * would lock the bus, and which the host cannot or must not make in one piece.
 */

struct cpu;

/* That vCPU's thread, inside an instruction that has changed nothing yet: waits for its turn, then
 * until every other processor is between two instructions, asleep or accessing a device. They stay
 * there until exclusive_end. What the caller knew of mappings and code pages may be out of date
 * afterwards. */
void exclusive_begin(struct cpu *c);
void exclusive_end(struct cpu *c);

#endif
