#ifndef CORE_X86_BOARD_PC_H
#define CORE_X86_BOARD_PC_H
/*
 * The PC's devices, and what stands in memory when its guest starts: the board of guest_x86
 * (core/vm/guest_arch.h has the contracts).
 */
#include "core/vm/guest_arch.h"

int pc_create(struct vm *vm, struct serial_sink *console, struct board **out, struct err *e);
void pc_destroy(struct board *b);
int pc_load(struct board *b, const struct guest_boot *boot, struct err *e);
enum power_end pc_judge(const struct board *b, enum power_end why);

#endif
