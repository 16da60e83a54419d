#ifndef EMU_X86_BLOCK_H
#define EMU_X86_BLOCK_H
/*
 * The decoded blocks of one processor, and how they are kept in step with guest memory.
 *
 * A block is a straight run of instructions on one page. Its key is the guest physical address of
 * its first byte and the mode it was decoded for. An instruction that straddles two pages is a
 * block of its own and is decoded again each time, since the page mapped after the first may have
 * changed. Each processor has its own cache, so that a look-up takes no lock; the price is that
 * every processor decodes what it runs.
 *
 * When a store changes code, code_pages.h notices it and has the blocks dropped through
 * block_code_ops.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/vm/mem.h"

struct block;
struct block_cache;
struct code_cache_ops;
struct cpu;

extern const struct code_cache_ops block_code_ops;

int block_cache_create(struct block_cache **out);
void block_cache_destroy(struct block_cache *b);

/* That vCPU's thread. */

/* Returns the block at cpu.rip in this mode, decoding it if need be. NULL: the fetch faulted and
 * the fault is recorded. The block is valid until the next call of block_at or drop_all
 * (cpu/code_cache.h). It may be dropped while it runs. */
const struct block *block_at(struct cpu *c, uint32_t mode);

#endif
