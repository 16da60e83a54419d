#ifndef EMU_X86_NATIVE_FAULT_SIGNAL_H
#define EMU_X86_NATIVE_FAULT_SIGNAL_H
/*
 * Faults that the host's processor raises inside a thunk become the guest's: #DE, #MF and #XM all
 * arrive as SIGFPE.
 *
 * A SIGFPE from anywhere else is our own fault and ends the process as it would have.
 */

struct cpu;

/* That vCPU's thread, before its first instruction. */
void fault_signal_start(void);

/* That vCPU's thread: which processor it runs now, or NULL. */
void fault_signal_expect(struct cpu *c);

#endif
