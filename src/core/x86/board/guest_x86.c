/*
 * The x86 machine model as a table: what it allows and what it starts with.
 *
 * The default command line is Firecracker's, adapted to a guest that somebody watches:
 *
 *   console=ttyS0       Firecracker's guests are silent; here the console is the terminal
 *   8250.nr_uarts=1     so the kernel has to look for the one serial port (Firecracker says 0)
 *   reboot=panic_warm,k a reset goes through the keyboard controller, which ends the process; by
 *                       default Linux would try other methods first. The reset after a panic is
 *                       warm, which tells it from others (core/x86/tables/reset_flag.h). A kernel
 *                       that does not know panic_warm takes it for a method; the last method
 *                       counts, so panic_warm comes before k
 *   panic=1             a guest that panicked resets after a second
 *   i8042.noaux, nomux, dumbkbd
 *                       do not look for a mouse or a multiplexer, and do not control the keyboard
 *   swiotlb=noforce     no bounce buffers, since every device reaches all of memory
 *   pci=off             do not probe for PCI, which is not there
 *   initcall_blacklist=pci_arch_init
 *                       and do not complain that it is not there
 *
 * Firecracker's `nomodule` is left out, because distribution kernels have virtio as modules.
 */
#include "core/x86/board/guest_x86.h"

#include "core/base/units.h"
#include "core/vm/guest_arch.h"
#include "core/x86/board/pc.h"
#include "core/x86/layout.h"

const struct guest_arch guest_x86 = {
    .name = "x86_64",
    .mem_min = 32 * MIB,
    .mem_max = 64 * GIB,
    /* Debian's stock kernel and an unpacked initramfs fit with room to spare. */
    .mem_default = 256 * MIB,
    .cmdline_max = LAYOUT_CMDLINE_MAX,
    .cmdline = "console=ttyS0 reboot=panic_warm,k panic=1 8250.nr_uarts=1 i8042.noaux "
               "i8042.nomux i8042.dumbkbd swiotlb=noforce pci=off "
               "initcall_blacklist=pci_arch_init",
    .gap_start = LAYOUT_GAP_START,
    .gap_end = LAYOUT_GAP_END,
    .virtio = { .max = LAYOUT_VIRTIO_MAX,
                .gpa = LAYOUT_VIRTIO,
                .size = LAYOUT_VIRTIO_SIZE,
                .gsi = LAYOUT_GSI_VIRTIO },
    .board_create = pc_create,
    .board_destroy = pc_destroy,
    .board_load = pc_load,
    .board_judge = pc_judge,
};
