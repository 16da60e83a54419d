#ifndef CORE_X86_LAYOUT_H
#define CORE_X86_LAYOUT_H
/*
 * Where everything is in an x86 guest: addresses, ports and interrupt lines.
 *
 * The map is Firecracker's wherever a guest or an orchestrator could notice a difference.
 */

/* Below 1 MiB. */
#define LAYOUT_RESET_FLAG  0x472ull
#define LAYOUT_GDT         0x500ull
#define LAYOUT_BOOT_STACK  0x8ff0ull
#define LAYOUT_PVH_INFO    0x6000ull
#define LAYOUT_PVH_MODULES 0x6040ull
#define LAYOUT_ZERO_PAGE   0x7000ull /* struct boot_params; the PVH memory map uses the same page */
#define LAYOUT_PML4        0x9000ull
#define LAYOUT_PDPT        0xa000ull
#define LAYOUT_PD          0xb000ull /* four pages: 4 GiB in 2 MiB pages */
#define LAYOUT_CMDLINE     0x20000ull
#define LAYOUT_CMDLINE_MAX 2048u /* bytes, the terminating NUL included */
#define LAYOUT_LOW_RAM_END 0x9fc00ull
/* In the first KiB above low RAM, where an EBDA would be. */
#define LAYOUT_MPTABLE      0x9fc00ull
#define LAYOUT_ACPI         0xa0000ull /* tables other than the RSDP */
#define LAYOUT_RSDP         0xe0000ull
#define LAYOUT_RESET_VECTOR 0xffff0ull
#define LAYOUT_HIGH_RAM     0x100000ull

/* The MMIO gap. */
#define LAYOUT_GAP_START    0xc0000000ull
#define LAYOUT_GAP_END      0x100000000ull
#define LAYOUT_BOOT_TIMER   0xc0000000ull
#define LAYOUT_VIRTIO       0xc0001000ull /* window of device n: + n * LAYOUT_VIRTIO_SIZE */
#define LAYOUT_VIRTIO_SIZE  0x1000ull
#define LAYOUT_IOAPIC       0xfec00000ull
#define LAYOUT_LAPIC        0xfee00000ull
#define LAYOUT_KVM_IDENTITY 0xfffbc000ull /* one page KVM wants on Intel hosts */
#define LAYOUT_KVM_TSS      0xfffbd000ull /* three pages, likewise */

/* Ports. */
#define LAYOUT_I8042_DATA    0x60u
#define LAYOUT_I8042_COMMAND 0x64u
#define LAYOUT_SERIAL        0x3f8u
#define LAYOUT_SERIAL_LEN    8u
#define LAYOUT_CMOS          0x70u /* index, data */
#define LAYOUT_PVPANIC       0x505u
#define LAYOUT_ACPI_PM       0x600u /* PM1 event and control registers, reset, sleep */
#define LAYOUT_ACPI_PM_LEN   9u

/* Global system interrupts. */
#define LAYOUT_GSI_I8042  1u
#define LAYOUT_GSI_SCI    3u /* never raised; the customary 9 is a virtio device's */
#define LAYOUT_GSI_SERIAL 4u
#define LAYOUT_GSI_VIRTIO 5u
#define LAYOUT_VIRTIO_MAX 17u /* devices */

#endif
