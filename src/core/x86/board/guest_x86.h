#ifndef CORE_X86_BOARD_GUEST_X86_H
#define CORE_X86_BOARD_GUEST_X86_H
/*
 * The x86 machine: PC devices, ACPI, kernels by PVH or the 64-bit Linux protocol.
 */
struct guest_arch;

extern const struct guest_arch guest_x86;

#endif
