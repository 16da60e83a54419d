#ifndef EMU_X86_BLOCK_H
#define EMU_X86_BLOCK_H
/*
 * Decoded blocks of one processor, and how they stay true when code changes.
 *
 * A block is a straight run of instructions on one page, known by the guest physical address of its
 * first byte and the mode it was decoded for. An instruction that straddles two pages is a block of
 * its own, decoded anew each time, since what follows the first page depends on the mapping of the
 * moment. Each processor has its own cache, so that looking up takes no lock; the price is that
 * every processor decodes what it runs.
 *
 * Code that changes: code_pages.h notices the stores, and asks for block_drop here.
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

/* The block at cpu.rip in this mode, decoded if need be; NULL: fetching faulted and the fault is
 * recorded. Valid until the next call of a function here. */
const struct block *block_at(struct cpu *c, uint32_t mode);

/* From inside an instruction: the running block ends behind it. Costs decoding it again. */
void block_stop(struct cpu *c);

#endif
