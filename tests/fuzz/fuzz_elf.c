/* Any bytes as an ELF kernel: they are accepted or refused, and what is accepted holds what elf.h
 * promises. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/x86/image/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segments(const struct elf_image *elf, uint64_t size)
{
    assert(elf->segment_count > 0 && elf->segment_count <= ELF_SEGMENTS_MAX);
    for (unsigned i = 0; i < elf->segment_count; i++) {
        const struct elf_segment *s = &elf->segments[i];
        assert(s->memsz > 0 && s->filesz <= s->memsz);
        assert(s->filesz == 0 || (s->offset <= size && s->filesz <= size - s->offset));
        assert(s->paddr + s->memsz >= s->paddr);
        assert(i == 0 || elf->segments[i - 1].paddr + elf->segments[i - 1].memsz <= s->paddr);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_image elf;
    struct err e;
    gpa_t gpa = 0;

    if (elf_read(&elf, data, size, size, &e) < 0) {
        assert(e.text[0] != '\0');
        return 0;
    }
    check_segments(&elf, size);
    elf_read_notes(&elf, data);
    if (elf_physical(&elf, elf.has_pvh ? elf.pvh_entry : elf.entry, &gpa))
        assert(elf_holds(&elf, gpa) && gpa < elf_end(&elf));
    if (elf_fits(&elf, 0x100000, 0x8000000, &e) == 0)
        assert(elf_end(&elf) <= 0x8000000);
    return 0;
}
