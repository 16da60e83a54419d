#ifndef EMU_X86_NATIVE_FAULT_SIGNAL_H
#define EMU_X86_NATIVE_FAULT_SIGNAL_H
/*
 * Turns faults that the host's processor raises inside a thunk into faults of the guest. #DE, #MF
 * and #XM all arrive as SIGFPE.
 *
 * A SIGFPE from anywhere else is a fault of this process. It goes to the handler that was installed
 * before, or to the kernel.
 */

struct cpu;

/* On that vCPU's thread, before its first instruction: installs the handler, if no thread has yet,
 * and unblocks the signal. */
void fault_signal_start(void);

/* On that vCPU's thread: from now on, faults in thunks become faults of this processor. NULL: the
 * thread runs no processor. */
void fault_signal_expect(struct cpu *c);

#endif
