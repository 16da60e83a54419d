/*
 * bzImage: a boot sector and real-mode code, then the protected-mode code, which contains the
 * kernel proper as a compressed ELF file, the payload.
 *
 * The payload's last four bytes are its unpacked size, little-endian. In gzip they are part of the
 * format's own trailer; for the other formats the kernel's build appends them to the stream.
 */
#include "core/x86/image/bzimage.h"

#include <errno.h>
#include <string.h>

#include "core/base/err.h"

#define SECTOR          512u
#define HEADER          0x1f1u /* where struct setup_header is in the file */
#define JUMP_END        0x202u /* the header's jump leads from here to the header's end */
#define HEADER_END_MIN  0x268u /* where the header of protocol 2.12 ends */
#define SETUP_SECTS_OLD 4u     /* what setup_sects 0 means */
#define UNPACKED_LEN    4u

bool bzimage_is(const void *file, size_t size)
{
    struct setup_header h;

    if (size < HEADER + sizeof(h))
        return false;
    memcpy(&h, (const uint8_t *)file + HEADER, sizeof(h));
    return h.header == BZIMAGE_MAGIC;
}

static int bzimage_read_header(struct setup_header *h, const uint8_t *file, size_t size,
                               struct err *e)
{
    size_t end;

    if (!bzimage_is(file, size))
        return err_set(e, ENOEXEC, "is not a bzImage");
    end = JUMP_END + file[JUMP_END - 1];
    if (end > HEADER + sizeof(*h))
        end = HEADER + sizeof(*h);
    memset(h, 0, sizeof(*h));
    memcpy(h, file + HEADER, end - HEADER);

    if (h->version < BZIMAGE_PROTOCOL_MIN)
        return err_set(e, ENOEXEC,
                       "has boot protocol %u.%02u; 2.12 or later is needed: Linux 3.8 and newer",
                       h->version >> 8, h->version & 0xffu);
    if (end < HEADER_END_MIN)
        return err_set(e, ENOEXEC, "has a setup header that ends at 0x%zx, before 0x%x", end,
                       HEADER_END_MIN);
    if (!(h->loadflags & LOADED_HIGH))
        return err_set(e, ENOEXEC, "is a zImage, loaded below 1 MiB; a bzImage is needed");
    if (!(h->xloadflags & XLF_KERNEL_64))
        return err_set(
            e, ENOEXEC,
            "is a 32-bit kernel: take the distribution's x86-64 one, 'amd64' or 'x86_64'");
    return 0;
}

/* payload_offset counts from the protected-mode code, which follows the setup sectors. */
static int bzimage_find_payload(const struct setup_header *h, size_t size, uint64_t *offset,
                                struct err *e)
{
    unsigned sects = h->setup_sects ? h->setup_sects : SETUP_SECTS_OLD;
    uint64_t at = (sects + 1ull) * SECTOR + h->payload_offset;

    if (at > size || h->payload_length > size - at)
        return err_set(e, ENOEXEC,
                       "is cut short or damaged: its payload takes 0x%x bytes from offset 0x%llx "
                       "of 0x%zx",
                       h->payload_length, (unsigned long long)at, size);
    if (h->payload_length <= UNPACKED_LEN)
        return err_set(
            e, ENOEXEC,
            "has no compressed kernel in it (%u bytes): take the vmlinux it was built from",
            h->payload_length);
    *offset = at;
    return 0;
}

int bzimage_read(struct bzimage *b, const void *file, size_t size, struct err *e)
{
    const uint8_t *bytes = file;
    uint64_t at = 0;
    int ret;

    *b = (struct bzimage){ 0 };
    ret = bzimage_read_header(&b->header, bytes, size, e);
    if (ret == 0)
        ret = bzimage_find_payload(&b->header, size, &at, e);
    if (ret < 0)
        return ret;

    b->payload.data = bytes + at;
    b->payload.size = b->header.payload_length;
    memcpy(&b->unpacked, bytes + at + b->payload.size - UNPACKED_LEN, UNPACKED_LEN);
    b->payload.size -= UNPACKED_LEN;
    ret = inflate_detect(b->payload.data, b->payload.size, &b->payload.format, e);
    if (ret < 0)
        return ret;
    if (b->payload.format == INFLATE_GZIP)
        b->payload.size += UNPACKED_LEN;
    if (b->unpacked == 0)
        return err_set(e, ENOEXEC, "is damaged: its payload claims to unpack to nothing");
    return 0;
}
