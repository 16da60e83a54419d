/*
 * From the PVH entry to guest_main in ring 3: 4 GiB mapped one to one for every ring, interrupts
 * off. Nothing handles exceptions: one ends the guest.
 *
 * What is measured runs in ring 3, as some hosts' KVM runs only that at the processor's speed. It
 * takes some dozen instructions to get there, with page tables that the assembler made. The TSS's I/O
 * permission bitmap opens the ports, since the same KVM ignores IOPL.
 *
 * Before that, guest_begin runs in ring 0: a guest that is to halt stays there.
 */
#define CR0_PE      0x00000001
#define CR0_PG      0x80000000
#define CR4_PAE     0x20
#define MSR_EFER    0xc0000080
#define EFER_LME    0x100
#define RFLAGS      0x2

#define KERNEL_CODE 0x08
#define USER_DATA   0x1b
#define USER_CODE   0x23
#define TASK        0x28

#define PORTS      0x800 /* so many ports are open, from 0 on */
#define TASK_SIZE  104   /* without the bitmap */
#define TASK_LIMIT (TASK_SIZE + PORTS / 8)

#define TABLE 0x07 /* present, writable, for user */
#define PAGE  0x87 /* ... of 2 MiB */

    .section .note.pvh, "a", @note
    .long 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad entry32

    .section .text.entry, "ax", @progbits
    .code32
    .globl entry32
entry32:
    mov $pml4, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $CR4_PAE, %eax
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    mov $EFER_LME, %eax
    xor %edx, %edx
    wrmsr
    mov $(CR0_PG | CR0_PE), %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $KERNEL_CODE, $entry64

    .code64
entry64:
    mov $stack_end, %esp
    mov %ebx, %edi /* struct hvm_start_info */
    call guest_begin
    mov $TASK, %eax
    ltr %ax
    push $USER_DATA
    push $stack_end - 8 /* as a call would leave it */
    push $RFLAGS
    push $USER_CODE
    push $guest_main
    iretq

    .section .data
    .balign 4096
pml4:
    .quad pdpt + TABLE
    .fill 511, 8, 0
pdpt:
    .quad pd + TABLE, pd + 0x1000 + TABLE, pd + 0x2000 + TABLE, pd + 0x3000 + TABLE
    .fill 508, 8, 0
pd:
    .set page, 0
    .rept 2048
    .quad page + PAGE
    .set page, page + 0x200000
    .endr

gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00cff3000000ffff
    .quad 0x00affb000000ffff
    .word TASK_LIMIT, task_low /* guest.ld splits the address */
    .byte task_high, 0x89, 0, 0
    .quad 0
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

    .globl task
task:
    .skip TASK_SIZE - 2
    .word TASK_SIZE
    .skip PORTS / 8
    .byte 0xff

    .section .bss
    .balign 16
    .skip 16384
stack_end:

    .section .note.GNU-stack, "", @progbits
