/* Segment descriptors: unpacking, checking limits. */
#include "emu/x86/cpu/descriptor.h"

struct x86_segment seg_unpack(uint16_t selector, uint64_t raw)
{
    uint32_t limit = (uint32_t)((raw & 0xffff) | (raw >> 32 & 0xf0000));
    uint16_t access = (uint16_t)((raw >> 40 & 0xff) | (raw >> 40 & 0xf000));

    if (access & SEG_G)
        limit = limit << 12 | 0xfff;
    return (struct x86_segment){
        .base = (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000),
        .limit = limit,
        .selector = selector,
        .access = access,
    };
}

bool seg_within_limit(const struct x86_segment *s, uint32_t offset, unsigned size)
{
    uint64_t last = (uint64_t)offset + (size ? size - 1 : 0);
    uint32_t top = s->access & SEG_DB ? UINT32_MAX : 0xffff;

    if (!(s->access & SEG_P))
        return false;
    if ((s->access & (SEG_CODE | SEG_CONFORMING)) == SEG_CONFORMING) /* data, expand-down */
        return offset > s->limit && last <= top;
    return last <= s->limit;
}

struct x86_segment seg_flat(uint16_t selector, uint16_t access)
{
    return (struct x86_segment){ .limit = 0xffffffff, .selector = selector, .access = access };
}
