/*
 * The block cache.
 *
 * A block is found in three ways. By virtual address: a direct-mapped table of recent blocks, where
 * nearly all look-ups end. Raising the generation number empties this table; that is done whenever
 * a virtual address may have come to mean another physical one. By physical address and mode: a
 * hash table. By page: a list, to find the blocks that a store hits.
 *
 * Blocks are cut from one arena and never freed singly. A dropped block only leaves the tables: it
 * may be the one that is running, and its memory must stay valid until it returns. When the arena
 * or the memory for thunks is full, all blocks are dropped at once. This happens only between
 * blocks.
 */
#include "emu/x86/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/units.h"
#include "emu/x86/block_build.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/mem/code_pages.h"
#include "emu/x86/mem/mmu.h"
#include "emu/x86/native/thunk.h"

#define ARENA_SIZE  (10u << 20)
#define BLOCK_MAX   (sizeof(struct block) + BLOCK_OPS_MAX * sizeof(struct op))
#define HASH_SIZE   16384u
#define PAGES_SIZE  2048u
#define RECENT_SIZE 4096u

struct page {
    gpa_t gpa;
    struct block *blocks;
    struct page *next;
};

struct recent {
    uint64_t linear;
    const struct block *block;
    uint32_t mode;
    uint32_t generation;
};

struct block_cache {
    uint8_t *arena;
    struct block *straddler; /* for the one block that is not cached: block_decode_straddler */
    size_t used;             /* bytes of the arena */
    uint32_t generation;
    struct recent recent[RECENT_SIZE];
    struct block *hash[HASH_SIZE];
    struct page *pages[PAGES_SIZE];
};

int block_cache_create(struct block_cache **out)
{
    struct block_cache *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    b->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b->arena == MAP_FAILED) {
        free(b);
        return -ENOMEM;
    }
    b->straddler = malloc(BLOCK_MAX);
    if (!b->straddler) {
        block_cache_destroy(b);
        return -ENOMEM;
    }
    b->generation = 1;
    *out = b;
    return 0;
}

void block_cache_destroy(struct block_cache *b)
{
    if (!b)
        return;
    (void)munmap(b->arena, ARENA_SIZE);
    free(b->straddler);
    free(b);
}

static unsigned block_hash(gpa_t pc, uint32_t mode)
{
    return (unsigned)((pc ^ pc >> 14 ^ (uint64_t)mode << 7) % HASH_SIZE);
}

static void *block_arena_take(struct block_cache *b, size_t size)
{
    void *at = b->arena + b->used;

    b->used += (size + 31) & ~(size_t)31;
    return at;
}

static bool block_arena_has_room(const struct block_cache *b)
{
    return ARENA_SIZE - b->used >= BLOCK_MAX + 2 * sizeof(struct page) + 64;
}

static struct page **block_page_slot(struct block_cache *b, gpa_t page)
{
    struct page **slot = &b->pages[page / PAGE_4K % PAGES_SIZE];

    while (*slot && (*slot)->gpa != page)
        slot = &(*slot)->next;
    return slot;
}

/* Returns the page's entry in the table. If there is none, makes it and takes a hold on the page
 * (code_pages.h). */
static struct page *block_page(struct cpu *c, gpa_t gpa)
{
    gpa_t at = gpa & ~(gpa_t)(PAGE_4K - 1);
    struct page **slot = block_page_slot(c->blocks, at);

    if (!*slot) {
        struct page *page = block_arena_take(c->blocks, sizeof(*page));

        *page = (struct page){ .gpa = at };
        code_page_hold(c, at);
        *slot = page;
    }
    return *slot;
}

static void block_recent_clear(struct block_cache *b)
{
    memset(b->recent, 0, sizeof(b->recent));
    b->generation = 1;
}

static void block_forget_addresses(struct cpu *c)
{
    if (++c->blocks->generation == 0)
        block_recent_clear(c->blocks);
}

static void block_drop_all(struct cpu *c)
{
    struct block_cache *b = c->blocks;

    for (unsigned i = 0; i < PAGES_SIZE; i++)
        for (struct page *p = b->pages[i]; p; p = p->next)
            code_page_release(c, p->gpa);
    memset(b->hash, 0, sizeof(b->hash));
    memset(b->pages, 0, sizeof(b->pages));
    b->used = 0;
    thunks_clear(c->thunks);
    block_recent_clear(b); /* block_stop looks at old entries too */
}

static void block_unhash(struct block_cache *b, struct block *block)
{
    struct block **slot = &b->hash[block_hash(block->pc, block->mode)];

    while (*slot != block)
        slot = &(*slot)->hash_next;
    *slot = block->hash_next;
}

static bool block_overlaps(const struct block *block, gpa_t gpa, uint64_t len)
{
    return gpa < block->pc + block->len && gpa + len > block->pc;
}

static bool block_page_drop(struct cpu *c, struct page *page, gpa_t gpa, uint64_t len)
{
    struct block **slot = &page->blocks;
    bool dropped = false;

    while (*slot) {
        struct block *block = *slot;

        if (!block_overlaps(block, gpa, len)) {
            slot = &block->page_next;
            continue;
        }
        *slot = block->page_next;
        block_unhash(c->blocks, block);
        for (unsigned i = 0; i < block->op_count; i++)
            block->ops[i].run = op_stale;
        dropped = true;
    }
    return dropped;
}

static void block_drop(struct cpu *c, gpa_t gpa, uint64_t len)
{
    struct block_cache *b = c->blocks;
    gpa_t first = gpa & ~(gpa_t)(PAGE_4K - 1);
    bool dropped = false;

    for (gpa_t at = first; at < gpa + len; at += PAGE_4K) {
        struct page **slot = block_page_slot(b, at);
        struct page *page = *slot;

        if (!page)
            continue;
        dropped |= block_page_drop(c, page, gpa, len);
        if (page->blocks)
            continue;
        *slot = page->next;
        code_page_release(c, at);
    }
    if (dropped)
        block_forget_addresses(c);
}

/* Decodes up to `room` bytes into a new block of the cache. NULL: the first instruction does not
 * end within these bytes. */
static struct block *block_decode(struct cpu *c, uint32_t mode, gpa_t pc, const uint8_t *code,
                                  unsigned room)
{
    struct block_cache *b = c->blocks;
    struct page *page;
    struct block *block;

    if (!block_arena_has_room(b) || !thunks_have_room(c->thunks))
        block_drop_all(c);
    page = block_page(c, pc); /* hold the page before reading its first byte */
    block = (struct block *)(b->arena + b->used);
    *block = (struct block){ .pc = pc, .mode = mode };
    if (!block_build(c, block, code, room))
        return NULL;
    (void)block_arena_take(b, sizeof(*block) + block->op_count * sizeof(struct op));
    block->hash_next = b->hash[block_hash(pc, mode)];
    b->hash[block_hash(pc, mode)] = block;
    block->page_next = page->blocks;
    page->blocks = block;
    return block;
}

/* Whether `len` bytes from rip on are inside the code segment (SDM 3A, 5.3). Records the fault if
 * not. */
static bool block_within_limit(struct cpu *c, uint32_t mode, unsigned len)
{
    if (__builtin_expect((mode & (MODE_64 | MODE_FLAT)) != 0, 1) ||
        c->rip + len - 1 <= c->seg[X86_CS].limit)
        return true;
    cpu_fault_error(c, CPU_GP, 0);
    return false;
}

/* Decodes one instruction whose bytes are gathered page by page, because it straddles two pages or
 * its page is not RAM. */
static struct block *block_decode_straddler(struct cpu *c, uint32_t mode, uint64_t linear, gpa_t pc)
{
    struct block *block = c->blocks->straddler;
    uint8_t bytes[DECODE_BYTES_MAX];
    unsigned have = 0;

    if (!thunks_have_room(c->thunks))
        block_drop_all(c);
    *block = (struct block){ .pc = pc, .mode = mode | MODE_STEP };
    do {
        unsigned got;

        if (!block_within_limit(c, mode, have + 1u))
            return NULL;
        got = mmu_fetch_bytes(c, linear + have, bytes + have, (unsigned)sizeof(bytes) - have);

        if (got == 0)
            return NULL;
        have += got;
    } while (!block_build(c, block, bytes, have));
    return block;
}

/* Not inlined, so that a look-up that ends in the table of recent blocks, as nearly all do, does
 * not pay for this function's stack frame. */
static __attribute__((noinline)) const struct block *
block_look_up(struct cpu *c, uint32_t mode, uint64_t linear, struct recent *r)
{
    const uint8_t *code;
    struct block *block;
    gpa_t pc;

    if (!mmu_fetch(c, linear, &pc, &code))
        return NULL;
    block = c->blocks->hash[block_hash(pc, mode)];
    while (block && (block->pc != pc || block->mode != mode))
        block = block->hash_next;
    if (!block && code)
        block = block_decode(c, mode, pc, code, PAGE_4K - (unsigned)(pc % PAGE_4K));
    if (!block)
        return block_decode_straddler(c, mode, linear, pc);
    *r = (struct recent){ linear, block, mode, c->blocks->generation };
    return block;
}

static struct recent *block_recent_slot(struct block_cache *b, uint64_t linear)
{
    return &b->recent[(linear ^ linear >> 12) % RECENT_SIZE];
}

static inline const struct block *block_find(struct cpu *c, uint32_t mode)
{
    uint64_t linear = c->gpr[CPU_CS_BASE] + c->rip;
    struct block_cache *b = c->blocks;
    struct recent *r = block_recent_slot(b, linear);

    if (__builtin_expect(r->linear == linear && r->mode == mode && r->generation == b->generation,
                         1))
        return r->block;
    return block_look_up(c, mode, linear, r);
}

/* Blocks are decoded without regard to the limit of CS. If a block goes on past the limit, its
 * instructions run one at a time, each in a block of its own, up to the first that is not wholly
 * within the limit. That instruction faults. */
static __attribute__((noinline)) const struct block *block_find_within_limit(struct cpu *c,
                                                                             uint32_t mode)
{
    const struct block *block;

    if (!block_within_limit(c, mode, 1))
        return NULL;
    block = block_find(c, mode);
    if (!block || c->rip + block->len - 1 <= c->seg[X86_CS].limit)
        return block;
    block = block_find(c, mode | MODE_STEP);
    return block && block_within_limit(c, mode, block->len) ? block : NULL;
}

const struct block *block_at(struct cpu *c, uint32_t mode)
{
    if (__builtin_expect(!(mode & (MODE_64 | MODE_FLAT)), 0))
        return block_find_within_limit(c, mode);
    return block_find(c, mode);
}

/* Drops the running block as if its code had changed. Its entry in the table of recent blocks holds
 * even if its generation is over: a store earlier in the block may have dropped others, but nothing
 * has been looked up since. If that store dropped the block itself, it ends anyway. So does one
 * without an entry, which is a single instruction; an old entry may then have an older block
 * dropped, which does no harm. */
static void block_stop(struct cpu *c)
{
    uint64_t linear = c->gpr[CPU_CS_BASE] + c->gpr[CPU_BLOCK_RIP];
    const struct recent *r = block_recent_slot(c->blocks, linear);

    if (r->block && r->linear == linear && r->mode == c->mode)
        block_drop(c, r->block->pc, 1);
}

const struct code_cache_ops block_code_ops = {
    .drop = block_drop,
    .drop_all = block_drop_all,
    .stop = block_stop,
    .forget_addresses = block_forget_addresses,
};
