/* ELF kernels: the file header, the program headers and the note that names the PVH entry. */
#include "core/x86/image/elf.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "core/base/err.h"

#define NOTE_OWNER_LINUX  "Linux"
#define NOTE_OWNER_XEN    "Xen"
#define NOTE_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */

static_assert(sizeof(Elf64_Ehdr) + ELF_HEADERS_MAX * sizeof(Elf64_Phdr) <= ELF_HEAD,
              "the head holds every header of a file that keeps them in front");

/* Names for the kernels an operator is likely to pick up by mistake. */
static const struct {
    uint16_t machine;
    const char *name;
} machines[] = {
    { EM_386, "32-bit x86" },  { EM_ARM, "ARM" },
    { EM_AARCH64, "AArch64" }, { EM_PPC64, "64-bit PowerPC" },
    { EM_S390, "s390" },       { EM_RISCV, "RISC-V" },
    { EM_MIPS, "MIPS" },       { EM_SPARCV9, "SPARC" },
    { EM_IA_64, "Itanium" },
};

static bool elf_range_inside(uint64_t offset, uint64_t len, uint64_t size)
{
    return offset <= size && len <= size - offset;
}

bool elf_is(const void *head, size_t len)
{
    return len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

static int elf_judge_machine(uint16_t machine, struct err *e)
{
    if (machine == EM_X86_64)
        return 0;
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (machines[i].machine == machine)
            return err_set(e, ENOEXEC, "is for %s, not for x86-64", machines[i].name);
    return err_set(e, ENOEXEC, "is for ELF machine %u, not for x86-64", machine);
}

static int elf_judge_type(uint16_t type, struct err *e)
{
    switch (type) {
    case ET_EXEC:
        return 0;
    case ET_REL:
        return err_set(e, ENOEXEC, "is a relocatable object, not a linked kernel");
    case ET_DYN:
        return err_set(e, ENOEXEC,
                       "is a shared object or position-independent; a kernel is linked to fixed "
                       "addresses");
    case ET_CORE:
        return err_set(e, ENOEXEC, "is a core dump, not a kernel");
    default:
        return err_set(e, ENOEXEC, "has ELF type %u, not that of an executable", type);
    }
}

static int elf_read_header(Elf64_Ehdr *h, const void *head, size_t len, uint64_t size,
                           struct err *e)
{
    int ret;

    if (size == 0)
        return err_set(e, ENOEXEC, "is empty");
    if (!elf_is(head, len))
        return err_set(e, ENOEXEC, "is not an ELF file");
    if (len < sizeof(*h))
        return err_set(e, ENOEXEC, "is cut short: %zu bytes, where the ELF header alone takes %zu",
                       len, sizeof(*h));
    memcpy(h, head, sizeof(*h));

    if (h->e_ident[EI_CLASS] != ELFCLASS64)
        return err_set(e, ENOEXEC, "is a 32-bit ELF file: take the distribution's x86-64 kernel");
    if (h->e_ident[EI_DATA] != ELFDATA2LSB)
        return err_set(e, ENOEXEC, "is a big-endian ELF file; an x86-64 kernel is needed");
    ret = elf_judge_machine(h->e_machine, e);
    if (ret < 0)
        return ret;
    ret = elf_judge_type(h->e_type, e);
    if (ret < 0)
        return ret;

    if (h->e_phnum == 0)
        return err_set(e, ENOEXEC, "has no program headers");
    if (h->e_phnum > ELF_HEADERS_MAX)
        return err_set(e, ENOEXEC, "has %u program headers; %u is the limit", h->e_phnum,
                       ELF_HEADERS_MAX);
    if (h->e_phentsize != sizeof(Elf64_Phdr))
        return err_set(e, ENOEXEC, "has program headers of %u bytes instead of %zu", h->e_phentsize,
                       sizeof(Elf64_Phdr));
    if (!elf_range_inside(h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr), size))
        return err_set(e, ENOEXEC, "is cut short: %zu bytes do not hold its program headers",
                       (size_t)size);
    if (!elf_range_inside(h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr), len))
        return err_set(e, ENOEXEC, "has its program headers beyond the first %zu bytes", len);
    return 0;
}

static int elf_judge_segment(const struct elf_segment *s, uint64_t size, struct err *e)
{
    if (s->filesz > s->memsz)
        return err_set(e, ENOEXEC,
                       "has a segment at 0x%llx that takes more bytes in the file (0x%llx) than in "
                       "memory (0x%llx)",
                       (unsigned long long)s->paddr, (unsigned long long)s->filesz,
                       (unsigned long long)s->memsz);
    if (s->filesz > 0 && !elf_range_inside(s->offset, s->filesz, size))
        return err_set(e, ENOEXEC,
                       "is cut short or damaged: the segment at 0x%llx takes 0x%llx bytes from "
                       "offset 0x%llx of 0x%llx",
                       (unsigned long long)s->paddr, (unsigned long long)s->filesz,
                       (unsigned long long)s->offset, (unsigned long long)size);
    if (s->memsz > UINT64_MAX - s->paddr || s->memsz > UINT64_MAX - s->vaddr)
        return err_set(e, ENOEXEC, "has a segment at 0x%llx that wraps the address space",
                       (unsigned long long)s->paddr);
    return 0;
}

/* Keeps the segments in ascending order, so that only neighbours can overlap. */
static int elf_add_segment(struct elf_image *image, const struct elf_segment *s, struct err *e)
{
    unsigned at = image->segment_count;

    if (at == ELF_SEGMENTS_MAX)
        return err_set(e, ENOEXEC, "has more than %u segments", ELF_SEGMENTS_MAX);
    while (at > 0 && image->segments[at - 1].paddr > s->paddr) {
        image->segments[at] = image->segments[at - 1];
        at--;
    }
    image->segments[at] = *s;
    image->segment_count++;

    for (unsigned i = at > 0 ? at : 1; i <= at + 1 && i < image->segment_count; i++) {
        const struct elf_segment *below = &image->segments[i - 1];
        if (below->memsz > image->segments[i].paddr - below->paddr)
            return err_set(e, ENOEXEC, "has overlapping segments at 0x%llx and 0x%llx",
                           (unsigned long long)below->paddr,
                           (unsigned long long)image->segments[i].paddr);
    }
    return 0;
}

static int elf_add_notes(struct elf_image *image, const Elf64_Phdr *p, uint64_t size, struct err *e)
{
    if (image->notes_count == ELF_NOTES_MAX)
        return err_set(e, ENOEXEC, "has more than %u note segments", ELF_NOTES_MAX);
    if (!elf_range_inside(p->p_offset, p->p_filesz, size))
        return err_set(e, ENOEXEC, "is cut short or damaged: its notes lie outside the file");
    image->notes[image->notes_count++] = (struct elf_notes){
        .offset = p->p_offset,
        .size = p->p_filesz,
        .align = p->p_align == 8 ? 8 : 4,
    };
    return 0;
}

static int elf_read_program_header(struct elf_image *image, const Elf64_Phdr *p, uint64_t size,
                                   struct err *e)
{
    if (p->p_type == PT_NOTE)
        return elf_add_notes(image, p, size, e);
    if (p->p_type != PT_LOAD || (p->p_memsz == 0 && p->p_filesz == 0))
        return 0;

    struct elf_segment s = {
        .offset = p->p_filesz > 0 ? p->p_offset : 0, /* without bytes it may be anything */
        .filesz = p->p_filesz,
        .memsz = p->p_memsz,
        .vaddr = p->p_vaddr,
        .paddr = p->p_paddr,
    };
    int ret = elf_judge_segment(&s, size, e);
    return ret < 0 ? ret : elf_add_segment(image, &s, e);
}

int elf_read(struct elf_image *image, const void *head, size_t len, uint64_t size, struct err *e)
{
    Elf64_Ehdr h;
    int ret = elf_read_header(&h, head, len, size, e);

    if (ret < 0)
        return ret;
    *image = (struct elf_image){ .entry = h.e_entry };
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        memcpy(&p, (const uint8_t *)head + h.e_phoff + i * sizeof(p), sizeof(p));
        ret = elf_read_program_header(image, &p, size, e);
        if (ret < 0)
            return ret;
    }
    if (image->segment_count == 0)
        return err_set(e, ENOEXEC, "has nothing to load: no PT_LOAD program header");
    return 0;
}

int elf_fits(const struct elf_image *image, gpa_t start, gpa_t end, struct err *e)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];
        if (s->paddr < start)
            return err_set(e, EFAULT,
                           "has a segment at 0x%llx; a kernel has to lie at or above 0x%llx",
                           (unsigned long long)s->paddr, (unsigned long long)start);
        if (s->paddr + s->memsz > end)
            return err_set(e, EFAULT,
                           "has a segment from 0x%llx to 0x%llx, but the memory it can lie in ends "
                           "at 0x%llx; give the guest more",
                           (unsigned long long)s->paddr, (unsigned long long)(s->paddr + s->memsz),
                           (unsigned long long)end);
    }
    return 0;
}

static bool elf_note_is_from(const Elf64_Nhdr *n, const uint8_t *name, const char *owner)
{
    size_t len = strlen(owner) + 1;

    return n->n_namesz == len && memcmp(name, owner, len) == 0;
}

static void elf_read_note(struct elf_image *image, const Elf64_Nhdr *n, const uint8_t *name,
                          const uint8_t *value)
{
    if (elf_note_is_from(n, name, NOTE_OWNER_LINUX))
        image->is_linux = true;
    if (!image->has_pvh && n->n_type == NOTE_PHYS32_ENTRY &&
        elf_note_is_from(n, name, NOTE_OWNER_XEN) && (n->n_descsz == 4 || n->n_descsz == 8)) {
        memcpy(&image->pvh_entry, value, n->n_descsz); /* it was zero */
        image->has_pvh = true;
    }
}

/* A note is a header, the owner's name and the value; the name and the value are padded to the
 * alignment. */
static void elf_read_note_segment(struct elf_image *image, const uint8_t *at, uint64_t left,
                                  unsigned align)
{
    while (left >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr n;
        memcpy(&n, at, sizeof(n));

        uint64_t mask = align - 1;
        uint64_t value = (sizeof(n) + (uint64_t)n.n_namesz + mask) & ~mask;
        uint64_t next = (value + n.n_descsz + mask) & ~mask;
        if (value + n.n_descsz > left)
            return;
        elf_read_note(image, &n, at + sizeof(n), at + value);
        if (next >= left)
            return;
        at += next;
        left -= next;
    }
}

void elf_read_notes(struct elf_image *image, const void *file)
{
    for (unsigned i = 0; i < image->notes_count; i++) {
        const struct elf_notes *n = &image->notes[i];
        elf_read_note_segment(image, (const uint8_t *)file + n->offset, n->size, n->align);
    }
}

bool elf_holds(const struct elf_image *image, gpa_t gpa)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];
        if (gpa >= s->paddr && gpa - s->paddr < s->filesz)
            return true;
    }
    return false;
}

bool elf_physical(const struct elf_image *image, uint64_t address, gpa_t *gpa)
{
    *gpa = address;
    if (elf_holds(image, address))
        return true;
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];
        if (address >= s->vaddr && address - s->vaddr < s->filesz) {
            *gpa = s->paddr + (address - s->vaddr);
            return true;
        }
    }
    return false;
}

gpa_t elf_end(const struct elf_image *image)
{
    const struct elf_segment *last = &image->segments[image->segment_count - 1];

    return last->paddr + last->memsz;
}
