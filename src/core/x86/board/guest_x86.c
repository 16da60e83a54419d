/*
 * The x86 machine model as a table: what it allows and what it starts with.
 *
 * The default command line is Firecracker's, for a guest that somebody sits in front of:
 *
 *   console=ttyS0       there, the guest is silent by default; here its console is the terminal
 *   8250.nr_uarts=1     so the one serial port has to be probed (there 0)
 *   reboot=panic_warm,k reset through the keyboard controller, which ends the process (the
 *                       default order of methods would try others first), and leave word of a
 *                       panic (core/x86/tables/reset_flag.h); kernels that know no panic_warm take it for
 *                       a method, so that it comes first
 *   panic=1             a panicking guest ends too, after a second
 *   i8042.noaux, nomux, dumbkbd
 *                       no waiting for a mouse, a multiplexer and a keyboard that are not there
 *   swiotlb=noforce     no bounce buffers: every device reaches all of memory
 *   pci=off             no probing of a bus that is not there
 *   initcall_blacklist=pci_arch_init
 *                       nor a complaint, however quiet the boot, that there is none
 *
 * Left out is `nomodule`: distribution kernels bring virtio as modules in their initramfs.
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
    /* What Debian's stock kernel and an initramfs unpack into with room to spare. */
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
