#ifndef CORE_X86_TABLES_RESET_FLAG_H
#define CORE_X86_TABLES_RESET_FLAG_H
/*
 * The word at which a PC's firmware sees what kind of reset it is after (40:72 of the BIOS data
 * area), and what can be known from it about a guest's end.
 *
 * Linux writes it before each reset of its own, by whatever method, a triple fault included: 0x1234
 * for a warm one and 0 for any other. With panic_warm among the words of "reboot=" (Linux 5.2 and
 * newer) the reset that follows a panic is warm, and no other.
 *
 * Guests may write anything there at any time: it is looked at once, when the machine is over.
 */
#include <stdbool.h>

#include "core/vm/mem.h"
#include "core/vm/power.h"

struct err;

/* Before the guest starts: a value that says that nobody has reset anything. -ENOSPC where memory
 * ends below it. */
int reset_flag_write(const struct mem *m, struct err *e);

/* Whether, by this kernel command line, a warm reset is a panic's and only that. Pure. */
bool reset_flag_tells_panics(const char *cmdline);

/* When no vCPU runs any more: how the machine ended, as far as it can be known better than `why`. A
 * triple fault that Linux announced is a reset, and a warm reset is a panic where that is told. */
enum power_end reset_flag_judge(const struct mem *m, enum power_end why, bool tells_panics);

#endif
