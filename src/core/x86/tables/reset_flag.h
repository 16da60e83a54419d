#ifndef CORE_X86_TABLES_RESET_FLAG_H
#define CORE_X86_TABLES_RESET_FLAG_H
/*
 * The word that tells a PC's firmware what kind of reset has happened (40:72 of the BIOS data
 * area), and what mote can tell from it about a guest's end.
 *
 * Linux writes it before it resets the machine by whatever method, a triple fault included: 0x1234
 * for a warm reset and 0 for any other. With panic_warm in "reboot=" (Linux 5.2 and newer) the
 * reset that follows a panic is warm, and no other is.
 *
 * A guest may write anything there at any time. mote reads it once, when the machine is over.
 */
#include <stdbool.h>

#include "core/vm/mem.h"
#include "core/vm/power.h"

struct err;

/* Before the guest starts. Writes a value that means "no reset announced". -ENOSPC if memory ends
 * below the word. */
int reset_flag_write(const struct mem *m, struct err *e);

/* Whether, with this kernel command line, a warm reset always means a panic. Pure. */
bool reset_flag_tells_panics(const char *cmdline);

/* Call when no vCPU runs any more. Returns how the machine ended, which is `why` unless the flag
 * tells more: a triple fault that Linux announced is a reset, and a warm reset is a panic if
 * tells_panics is set. */
enum power_end reset_flag_judge(const struct mem *m, enum power_end why, bool tells_panics);

#endif
