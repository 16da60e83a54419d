/* The ELF reader: good kernels, and everything that is wrong with bad ones. */
#include "core/x86/image/elf.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "lib/x86/image.h"

#define SIZE 0x4000u

static const Elf64_Phdr one_load = {
    .p_type = PT_LOAD,
    .p_offset = 0x1000,
    .p_vaddr = 0xffffffff80100000,
    .p_paddr = 0x100000,
    .p_filesz = 0x800,
    .p_memsz = 0x1000,
};

/* Expects the reader to refuse the file with a sentence that begins with `why`; frees the file. */
static void refuse(struct image image, const char *why)
{
    struct elf_image elf;
    struct err e = { "" };

    cr_expect_eq(elf_read(&elf, image.data, image.size, image.size, &e), -ENOEXEC, "%s", why);
    cr_expect_eq(strncmp(e.text, why, strlen(why)), 0, "'%s' instead of '%s'", e.text, why);
    image_free(&image);
}

static void refuse_headers(const Elf64_Phdr *headers, unsigned count, const char *why)
{
    refuse(image_elf(headers, count, 0x100000, SIZE), why);
}

/* Likewise, for a file that is right but for `len` bytes of its header. */
static void refuse_patched(size_t offset, const void *bytes, size_t len, const char *why)
{
    struct image image = image_elf(&one_load, 1, 0x100000, SIZE);

    memcpy(image.data + offset, bytes, len);
    refuse(image, why);
}

static void refuse_half(size_t offset, uint16_t value, const char *why)
{
    refuse_patched(offset, &value, sizeof(value), why);
}

Test(elf, reads_a_kernel)
{
    struct image image = image_kernel(0x201200);
    struct elf_image elf;
    gpa_t gpa = 0;

    cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
    cr_assert_eq(elf.segment_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_eq(elf.segments[i].offset, image_kernel_headers[i].p_offset);
        cr_expect_eq(elf.segments[i].filesz, image_kernel_headers[i].p_filesz);
        cr_expect_eq(elf.segments[i].memsz, image_kernel_headers[i].p_memsz);
        cr_expect_eq(elf.segments[i].paddr, image_kernel_headers[i].p_paddr);
        cr_expect_eq(elf.segments[i].vaddr, image_kernel_headers[i].p_vaddr);
    }
    cr_expect_eq(elf_end(&elf), IMAGE_KERNEL_END);
    cr_expect_eq(elf.entry, IMAGE_KERNEL_START);
    cr_expect_not(elf.has_pvh);
    elf_read_notes(&elf, image.data);
    cr_expect(elf.has_pvh);
    cr_expect_eq(elf.pvh_entry, 0x201200);
    cr_expect(elf_physical(&elf, 0x201200, &gpa));
    cr_expect_eq(gpa, 0x201200);
    image_free(&image);
}

Test(elf, the_head_is_enough)
{
    struct image image = image_kernel(0);
    struct image head = image_cut(&image, ELF_HEAD);
    struct elf_image elf;

    cr_expect_eq(elf_read(&elf, head.data, head.size, image.size, NULL), 0);
    cr_expect_eq(elf.segment_count, 4);
    image_free(&head);
    image_free(&image);
}

Test(elf, headers_beyond_the_head_are_refused)
{
    struct image image = image_kernel(0);
    struct image head = image_cut(&image, 100);
    struct elf_image elf;
    struct err e;

    cr_expect_eq(elf_read(&elf, head.data, head.size, image.size, &e), -ENOEXEC);
    cr_expect_str_eq(e.text, "has its program headers beyond the first 100 bytes");
    image_free(&head);
    image_free(&image);
}

/* Cut anywhere, the file loses bytes of a header or of a segment. */
Test(elf, every_truncation_is_refused)
{
    struct image image = image_elf(&one_load, 1, 0x100000, 0x1800);
    struct elf_image elf;

    cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
    for (size_t size = 0; size < image.size; size++) {
        struct image cut = image_cut(&image, size);
        struct err e = { "" };
        const char *why = size == 0                   ? "is empty"
                          : size < SELFMAG            ? "is not an ELF file"
                          : size < sizeof(Elf64_Ehdr) ? "is cut short: "
                          : size < sizeof(Elf64_Ehdr) + sizeof(one_load)
                              ? "is cut short: "
                              : "is cut short or damaged: ";

        cr_expect_eq(elf_read(&elf, cut.data, size, size, &e), -ENOEXEC, "%zu bytes", size);
        cr_expect_eq(strncmp(e.text, why, strlen(why)), 0, "%zu bytes: %s", size, e.text);
        image_free(&cut);
    }
    image_free(&image);
}

Test(elf, what_is_no_x86_64_executable_is_named)
{
    refuse_patched(0, "#!/bin/sh", 9, "is not an ELF file");
    refuse_patched(EI_CLASS, &(uint8_t){ ELFCLASS32 }, 1, "is a 32-bit ELF file: take");
    refuse_patched(EI_DATA, &(uint8_t){ ELFDATA2MSB }, 1, "is a big-endian ELF file");
    refuse_half(offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, "is for AArch64, not for x86-64");
    refuse_half(offsetof(Elf64_Ehdr, e_machine), EM_RISCV, "is for RISC-V, not for x86-64");
    refuse_half(offsetof(Elf64_Ehdr, e_machine), 0x1234, "is for ELF machine 4660, not for");
    refuse_half(offsetof(Elf64_Ehdr, e_type), ET_REL, "is a relocatable object");
    refuse_half(offsetof(Elf64_Ehdr, e_type), ET_DYN, "is a shared object or position-independent");
    refuse_half(offsetof(Elf64_Ehdr, e_type), ET_CORE, "is a core dump");
    refuse_half(offsetof(Elf64_Ehdr, e_type), 0x77, "has ELF type 119");
}

Test(elf, absurd_header_tables_are_refused)
{
    refuse_half(offsetof(Elf64_Ehdr, e_phnum), 0, "has no program headers");
    refuse_half(offsetof(Elf64_Ehdr, e_phnum), ELF_HEADERS_MAX + 1, "has 65 program headers");
    refuse_half(offsetof(Elf64_Ehdr, e_phnum), PN_XNUM, "has 65535 program headers");
    refuse_half(offsetof(Elf64_Ehdr, e_phentsize), 32, "has program headers of 32 bytes");
    refuse_patched(offsetof(Elf64_Ehdr, e_phoff), &(uint64_t){ SIZE - 8 }, 8, "is cut short: ");
    refuse_patched(offsetof(Elf64_Ehdr, e_phoff), &(uint64_t){ UINT64_MAX - 8 }, 8,
                   "is cut short: ");
}

Test(elf, lying_segments_are_refused)
{
    Elf64_Phdr p = one_load;

    p.p_type = PT_NULL;
    refuse_headers(&p, 1, "has nothing to load");
    p = one_load;
    p.p_filesz = 0x1001;
    refuse_headers(&p, 1, "has a segment at 0x100000 that takes more bytes in the file (0x1001)");
    p = one_load;
    p.p_offset = SIZE - 0x7ff;
    refuse_headers(&p, 1, "is cut short or damaged: the segment at 0x100000");
    p.p_offset = UINT64_MAX - 0x10;
    refuse_headers(&p, 1, "is cut short or damaged: the segment at 0x100000");
    p = one_load;
    p.p_paddr = UINT64_MAX - 0xffe;
    refuse_headers(&p, 1, "has a segment at 0xfffffffffffff001 that wraps");
    p = one_load;
    p.p_vaddr = UINT64_MAX - 0xffe;
    refuse_headers(&p, 1, "has a segment at 0x100000 that wraps");
    p = one_load;
    p.p_type = PT_NOTE;
    p.p_offset = SIZE - 0x10;
    refuse_headers(&p, 1, "is cut short or damaged: its notes");
}

Test(elf, overlapping_segments_are_refused_in_any_order)
{
    Elf64_Phdr p[3] = { one_load, one_load, one_load };

    p[1].p_paddr += 0xfff;
    p[2].p_paddr += 0x2000;
    refuse_headers(p, 3, "has overlapping segments at 0x100000 and 0x100fff");
    p[0].p_paddr = 0x102000;
    p[1].p_paddr = 0x100000;
    p[2].p_paddr = 0x101001;
    refuse_headers(p, 3, "has overlapping segments at 0x101001 and 0x102000");
    p[2].p_paddr = 0x100000;
    refuse_headers(p, 3, "has overlapping segments at 0x100000 and 0x100000");
}

Test(elf, segments_come_out_in_ascending_order)
{
    Elf64_Phdr p[3] = { one_load, one_load, one_load };
    struct elf_image elf;

    p[0].p_paddr = 0x102000;
    p[2].p_paddr = 0x101000;
    struct image image = image_elf(p, 3, 0x100000, SIZE);
    cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(elf.segments[i].paddr, 0x100000 + i * 0x1000);
    image_free(&image);
}

Test(elf, too_many_segments_or_notes_are_refused)
{
    Elf64_Phdr p[ELF_SEGMENTS_MAX + 1];

    for (unsigned i = 0; i <= ELF_SEGMENTS_MAX; i++) {
        p[i] = one_load;
        p[i].p_paddr += i * 0x1000;
    }
    refuse_headers(p, ELF_SEGMENTS_MAX + 1, "has more than 16 segments");
    for (unsigned i = 0; i <= ELF_SEGMENTS_MAX; i++)
        p[i].p_type = PT_NOTE;
    refuse_headers(p, ELF_SEGMENTS_MAX + 1, "has more than 8 note segments");
}

Test(elf, empty_segments_are_ignored_and_bss_needs_no_file)
{
    Elf64_Phdr p[3] = { one_load, one_load, one_load };
    struct elf_image elf;

    p[1].p_memsz = p[1].p_filesz = 0;
    p[1].p_offset = UINT64_MAX;
    p[2].p_paddr = 0x200000;
    p[2].p_filesz = 0;
    p[2].p_offset = UINT64_MAX - 7;
    struct image image = image_elf(p, 3, 0x100000, SIZE);
    cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
    cr_expect_eq(elf.segment_count, 2);
    cr_expect_eq(elf_end(&elf), 0x201000);
    cr_expect_eq(elf.segments[1].offset, 0, "an offset that was not checked is not kept");
    image_free(&image);
}

Test(elf, fits_says_which_segment_does_not)
{
    struct image image = image_kernel(0);
    struct elf_image elf;
    struct err e;

    cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
    cr_expect_eq(elf_fits(&elf, IMAGE_KERNEL_START, IMAGE_KERNEL_END, &e), 0);
    cr_expect_eq(elf_fits(&elf, IMAGE_KERNEL_START + 1, IMAGE_KERNEL_END, &e), -EFAULT);
    cr_expect_str_eq(e.text, "has a segment at 0x201000; a kernel has to lie at or above 0x201001");
    cr_expect_eq(elf_fits(&elf, IMAGE_KERNEL_START, IMAGE_KERNEL_END - 1, &e), -EFAULT);
    cr_expect_str_eq(e.text, "has a segment from 0x208000 to 0x20b000, but the memory it can lie "
                             "in ends at 0x20afff; give the guest more");
    image_free(&image);
}

Test(elf, entries_are_physical_or_virtual)
{
    struct image image = image_kernel(0);
    struct elf_image elf;
    gpa_t gpa = 0;

    cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
    cr_expect(elf_holds(&elf, IMAGE_KERNEL_START));
    cr_expect(elf_holds(&elf, IMAGE_KERNEL_START + 0x2344));
    cr_expect_not(elf_holds(&elf, IMAGE_KERNEL_START + 0x2345));
    cr_expect_not(elf_holds(&elf, 0xffffffff81001000));
    cr_expect(elf_physical(&elf, IMAGE_KERNEL_START + 0x2344, &gpa));
    cr_expect_eq(gpa, IMAGE_KERNEL_START + 0x2344);
    cr_expect(elf_physical(&elf, 0xffffffff81008010, &gpa));
    cr_expect_eq(gpa, IMAGE_KERNEL_BASE + 0x8010);
    cr_expect_not(elf_physical(&elf, IMAGE_KERNEL_START + 0x2345, &gpa));
    cr_expect_not(elf_physical(&elf, 0xffffffff81009003, &gpa), "the bss holds no code");
    cr_expect_not(elf_physical(&elf, UINT64_MAX, &gpa));
    image_free(&image);
}

/* One note segment of exactly the bytes written, at the file's end. */
static bool pvh_of(uint64_t align, const char *owner, uint32_t type, uint32_t value_len, size_t cut,
                   uint64_t *entry)
{
    Elf64_Phdr p[2] = { one_load, { .p_type = PT_NOTE, .p_offset = 0x3000, .p_align = align } };
    struct image image = image_elf(p, 2, 0x100000, 0x3100);
    size_t end = image_note(&image, 0x3000, "Xen", 17, 1, 4);
    struct elf_image elf;

    end = image_note(&image, end, owner, type, 0x1122334455667788, value_len) - cut;
    p[1].p_filesz = end - 0x3000;
    memcpy(image.data + sizeof(Elf64_Ehdr), p, sizeof(p));
    struct image exact = image_cut(&image, end);
    cr_assert_eq(elf_read(&elf, exact.data, exact.size, exact.size, NULL), 0);
    elf_read_notes(&elf, exact.data);
    *entry = elf.pvh_entry;
    image_free(&exact);
    image_free(&image);
    return elf.has_pvh;
}

Test(elf, finds_the_pvh_note_and_no_other)
{
    uint64_t entry = 0;

    cr_expect(pvh_of(4, "Xen", 18, 8, 0, &entry));
    cr_expect_eq(entry, 0x1122334455667788);
    cr_expect(pvh_of(4, "Xen", 18, 4, 0, &entry));
    cr_expect_eq(entry, 0x55667788);
    cr_expect(pvh_of(0, "Xen", 18, 4, 0, &entry));
    cr_expect_not(pvh_of(4, "Xen", 17, 8, 0, &entry));
    cr_expect_not(pvh_of(4, "Xem", 18, 8, 0, &entry));
    cr_expect_not(pvh_of(4, "Xe", 18, 8, 0, &entry));
    cr_expect_not(pvh_of(4, "Xen", 18, 2, 0, &entry));
}

Test(elf, knows_linux_by_its_notes)
{
    static const char *const owners[] = { "Linux", "Linus", "Linu", "GNU" };
    Elf64_Phdr p[2] = { one_load, { .p_type = PT_NOTE, .p_offset = 0x3000, .p_align = 4 } };

    for (unsigned i = 0; i < 4; i++) {
        struct image image = image_elf(p, 2, 0x100000, 0x3100);
        struct elf_image elf;
        size_t end = image_note(&image, 0x3000, "Xen", 18, 0x100010, 8);

        p[1].p_filesz = image_note(&image, end, owners[i], 257, 0, 1) - 0x3000;
        memcpy(image.data + sizeof(Elf64_Ehdr), p, sizeof(p));
        cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
        elf_read_notes(&elf, image.data);
        cr_expect_eq(elf.is_linux, i == 0, "%s", owners[i]);
        cr_expect(elf.has_pvh);
        image_free(&image);
    }
}

Test(elf, a_cut_note_is_no_note)
{
    uint64_t entry = 0;

    for (size_t cut = 1; cut <= 24; cut++)
        cr_expect_not(pvh_of(4, "Xen", 18, 8, cut, &entry), "%zu bytes cut", cut);
}

Test(elf, notes_may_be_aligned_to_8)
{
    Elf64_Phdr p[2] = { one_load,
                        { .p_type = PT_NOTE, .p_offset = 0x3000, .p_filesz = 44, .p_align = 8 } };
    struct image image = image_elf(p, 2, 0x100000, 0x302c);
    struct elf_image elf;

    /* 12 + 4 bytes of header and name, a value of 4, padding of 4, then the next. */
    (void)image_note(&image, 0x3000, "GNU", 5, 0, 4);
    (void)image_note(&image, 0x3018, "Xen", 18, 0x100010, 4);
    cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
    elf_read_notes(&elf, image.data);
    cr_expect(elf.has_pvh);
    cr_expect_eq(elf.pvh_entry, 0x100010);
    image_free(&image);
}

Test(elf, a_note_of_absurd_lengths_ends_the_search)
{
    Elf64_Phdr p[2] = { one_load, { .p_type = PT_NOTE, .p_offset = 0x3000, .p_filesz = 0x100 } };
    struct elf_image elf;

    for (unsigned field = 0; field < 2; field++) {
        struct image image = image_elf(p, 2, 0x100000, 0x3100);
        Elf64_Nhdr n = { 4, 8, 18 };
        ((uint32_t *)&n)[field] = UINT32_MAX;
        memcpy(image.data + 0x3000, &n, sizeof(n));
        cr_assert_eq(elf_read(&elf, image.data, image.size, image.size, NULL), 0);
        elf_read_notes(&elf, image.data);
        cr_expect_not(elf.has_pvh);
        image_free(&image);
    }
}
