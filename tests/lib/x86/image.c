/* Kernel images for the tests: ELF files, compressed payloads, bzImages. */
#include "lib/x86/image.h"

#include <asm/bootparam.h>
#include <assert.h>
#include <lz4.h>
#include <lz4hc.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "core/x86/layout.h"

#define SETUP_SECTS 4u

const Elf64_Phdr image_kernel_headers[] = {
    { .p_type = PT_LOAD,
      .p_offset = 0x1000,
      .p_vaddr = 0xffffffff81001000,
      .p_paddr = IMAGE_KERNEL_BASE + 0x1000,
      .p_filesz = 0x2345,
      .p_memsz = 0x2345 },
    { .p_type = PT_LOAD,
      .p_offset = 0x4000,
      .p_vaddr = 0xffffffff81004000,
      .p_paddr = IMAGE_KERNEL_BASE + 0x4000,
      .p_filesz = 0x1000,
      .p_memsz = 0x1000 },
    { .p_type = PT_LOAD,
      .p_offset = 0x7000,
      .p_vaddr = 0,
      .p_paddr = IMAGE_KERNEL_BASE + 0x5000,
      .p_filesz = 0x1801,
      .p_memsz = 0x1801 },
    { .p_type = PT_LOAD,
      .p_offset = 0xa000,
      .p_vaddr = 0xffffffff81008000,
      .p_paddr = IMAGE_KERNEL_BASE + 0x8000,
      .p_filesz = 0x1003,
      .p_memsz = 0x3000 },
    { .p_type = PT_NOTE, .p_offset = 0x1100, .p_filesz = 0x40, .p_memsz = 0x40, .p_align = 4 },
};
const unsigned image_kernel_header_count =
    sizeof(image_kernel_headers) / sizeof(image_kernel_headers[0]);

static struct image image_new(size_t size)
{
    struct image image = { malloc(size ? size : 1), size };

    assert(image.data);
    return image;
}

void image_free(struct image *image)
{
    free(image->data);
    *image = (struct image){ 0 };
}

struct image image_cut(const struct image *image, size_t size)
{
    struct image cut = image_new(size);

    memcpy(cut.data, image->data, size);
    return cut;
}

struct image image_elf(const Elf64_Phdr *headers, unsigned count, uint64_t entry, size_t size)
{
    Elf64_Ehdr h = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = entry,
        .e_phoff = sizeof(h),
        .e_ehsize = sizeof(h),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = (Elf64_Half)count,
    };
    struct image image = image_new(size);

    for (size_t i = 0; i < size; i++)
        image.data[i] = (uint8_t)(((uint32_t)i * 2654435761u) >> (i & 64 ? 24 : 20));
    assert(size >= sizeof(h) + count * sizeof(*headers));
    memcpy(image.data, &h, sizeof(h));
    memcpy(image.data + sizeof(h), headers, count * sizeof(*headers));
    return image;
}

struct image image_kernel(uint64_t pvh)
{
    struct image image = image_elf(image_kernel_headers, image_kernel_header_count,
                                   IMAGE_KERNEL_START, IMAGE_KERNEL_SIZE);
    size_t at = image_kernel_headers[4].p_offset;

    memset(image.data + at, 0, image_kernel_headers[4].p_filesz);
    at = image_note(&image, at, "GNU", 3, 0x1122334455667788, 8);
    if (pvh)
        (void)image_note(&image, at, "Xen", 18, pvh, 8);
    return image;
}

size_t image_note(struct image *image, size_t offset, const char *owner, uint32_t type,
                  uint64_t value, uint32_t value_len)
{
    Elf64_Nhdr n = { (uint32_t)strlen(owner) + 1, value_len, type };
    size_t name = offset + sizeof(n);
    size_t at = name + ((n.n_namesz + 3u) & ~3u);

    assert(at + value_len <= image->size && value_len <= sizeof(value));
    memcpy(image->data + offset, &n, sizeof(n));
    memcpy(image->data + name, owner, n.n_namesz);
    memcpy(image->data + at, &value, value_len);
    return at + ((value_len + 3u) & ~3u);
}

void image_save(const struct image *image, char path[IMAGE_PATH])
{
    int fd;

    (void)snprintf(path, IMAGE_PATH, "/tmp/mote-test-XXXXXX");
    fd = mkstemp(path);
    assert(fd >= 0);
    for (size_t done = 0; done < image->size;) {
        ssize_t n = write(fd, image->data + done, image->size - done);
        assert(n > 0);
        done += (size_t)n;
    }
    (void)close(fd);
}

struct mem image_memory(uint64_t size, bool shared)
{
    const struct mem_config config = {
        .size = size,
        .gap_start = LAYOUT_GAP_START,
        .gap_end = LAYOUT_GAP_END,
        .shared = shared,
    };
    struct mem m;
    int ret = mem_init(&m, &config, NULL);

    assert(ret == 0);
    return m;
}

bool image_is_loaded(const struct image *elf, const struct mem *m)
{
    const struct mem_region *ram = &m->regions[0];
    uint8_t *want = calloc(1, ram->size);
    Elf64_Ehdr h;
    bool same;

    assert(want);
    memcpy(&h, elf->data, sizeof(h));
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        memcpy(&p, elf->data + h.e_phoff + i * sizeof(p), sizeof(p));
        if (p.p_type == PT_LOAD && p.p_filesz > 0)
            memcpy(want + p.p_paddr, elf->data + p.p_offset, p.p_filesz);
    }
    same = memcmp(want + LAYOUT_HIGH_RAM, ram->host + LAYOUT_HIGH_RAM,
                  ram->size - LAYOUT_HIGH_RAM) == 0;
    free(want);
    return same;
}

static size_t gzip_compress(uint8_t *to, size_t room, const void *data, size_t size)
{
    z_stream z = {
        .next_in = (Bytef *)data, .avail_in = (uInt)size, .next_out = to, .avail_out = (uInt)room
    };
    int ret = deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);

    assert(ret == Z_OK);
    ret = deflate(&z, Z_FINISH);
    assert(ret == Z_STREAM_END);
    (void)deflateEnd(&z);
    return room - z.avail_out;
}

static size_t lz4_compress(uint8_t *to, size_t room, const void *data, size_t size)
{
    const uint32_t magic = 0x184c2102;
    const size_t block = 8u << 20;
    size_t at = sizeof(magic);

    memcpy(to, &magic, sizeof(magic));
    for (size_t done = 0; done < size; done += block) {
        size_t part = size - done < block ? size - done : block;
        uint32_t n = (uint32_t)LZ4_compress_HC((const char *)data + done, (char *)to + at + 4,
                                               (int)part, (int)(room - at - 4), 1);
        assert(n > 0);
        memcpy(to + at, &n, sizeof(n));
        at += sizeof(n) + n;
    }
    return at;
}

static size_t zstd_compress(uint8_t *to, size_t room, const void *data, size_t size)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    size_t n;

    assert(c);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 1);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    n = ZSTD_compress2(c, to, room, data, size);
    assert(!ZSTD_isError(n));
    (void)ZSTD_freeCCtx(c);
    return n;
}

static size_t xz_compress(uint8_t *to, size_t room, const void *data, size_t size)
{
    lzma_options_lzma options;
    lzma_filter filters[] = {
        { .id = LZMA_FILTER_X86, .options = NULL },
        { .id = LZMA_FILTER_LZMA2, .options = &options },
        { .id = LZMA_VLI_UNKNOWN, .options = NULL },
    };
    size_t at = 0;

    (void)lzma_lzma_preset(&options, 0);
    options.dict_size = 1u << 20;
    lzma_ret ret =
        lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, data, size, to, &at, room);
    assert(ret == LZMA_OK);
    return at;
}

struct image image_compress(enum inflate_format format, const void *data, size_t size)
{
    struct image out = image_new(size + size / 64 + 4096);
    uint32_t unpacked = (uint32_t)size;

    switch (format) {
    case INFLATE_GZIP:
        out.size = gzip_compress(out.data, out.size, data, size);
        break;
    case INFLATE_LZ4:
        out.size = lz4_compress(out.data, out.size, data, size);
        break;
    case INFLATE_ZSTD:
        out.size = zstd_compress(out.data, out.size, data, size);
        break;
    default:
        out.size = xz_compress(out.data, out.size, data, size);
        break;
    }
    if (format != INFLATE_GZIP) {
        memcpy(out.data + out.size, &unpacked, sizeof(unpacked));
        out.size += sizeof(unpacked);
    }

    struct image exact = image_cut(&out, out.size);
    image_free(&out);
    return exact;
}

struct image image_bzimage(const struct image *payload)
{
    struct setup_header h = {
        .setup_sects = SETUP_SECTS,
        .boot_flag = 0xaa55,
        .jump = 0x6aeb,
        .header = 0x53726448,
        .version = 0x020f,
        .loadflags = LOADED_HIGH,
        .initrd_addr_max = 0x7fffffff,
        .kernel_alignment = 0x200000,
        .relocatable_kernel = 1,
        .min_alignment = 21,
        .xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G,
        .cmdline_size = 2047,
        .payload_offset = 0x123,
        .payload_length = (uint32_t)payload->size,
        .pref_address = IMAGE_KERNEL_START,
        .init_size = 0x100000,
    };
    size_t at = (SETUP_SECTS + 1) * 512 + h.payload_offset;
    struct image image = image_new(at + payload->size + 77);

    memset(image.data, 0x90, image.size);
    memcpy(image.data + 0x1f1, &h, sizeof(h));
    memcpy(image.data + at, payload->data, payload->size);
    return image;
}
