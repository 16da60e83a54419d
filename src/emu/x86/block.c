/*
 * The block cache.
 *
 * Three ways to a block. By virtual address: a direct-mapped table of recent ones, emptied by
 * counting up a generation whenever an address may have changed its meaning; nearly all lookups end
 * here. By physical address and mode: a hash table. By page: a list, to find what a store hits.
 *
 * Blocks are cut from one arena and never given back singly; a dropped block only leaves the
 * tables, so that one that is running may still return into its own memory. When the arena is full
 * everything is dropped at once, which happens between blocks only.
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
    struct block *straddler; /* room for one block that is never looked up again */
    size_t used;
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

static unsigned hash_of(gpa_t pc, uint32_t mode)
{
    return (unsigned)((pc ^ pc >> 14 ^ (uint64_t)mode << 7) % HASH_SIZE);
}

static void *arena_take(struct block_cache *b, size_t size)
{
    void *at = b->arena + b->used;

    b->used += (size + 31) & ~(size_t)31;
    return at;
}

static bool arena_has_room(const struct block_cache *b)
{
    return ARENA_SIZE - b->used >= BLOCK_MAX + 2 * sizeof(struct page) + 64;
}

static struct page **page_slot(struct block_cache *b, gpa_t page)
{
    struct page **slot = &b->pages[page / PAGE_4K % PAGES_SIZE];

    while (*slot && (*slot)->gpa != page)
        slot = &(*slot)->next;
    return slot;
}

/* The page's list, held from now on if it was not. */
static struct page *page_of(struct cpu *c, gpa_t gpa)
{
    gpa_t at = gpa & ~(gpa_t)(PAGE_4K - 1);
    struct page **slot = page_slot(c->blocks, at);

    if (!*slot) {
        struct page *page = arena_take(c->blocks, sizeof(*page));

        *page = (struct page){ .gpa = at };
        code_page_hold(c, at);
        *slot = page;
    }
    return *slot;
}

static void forget_addresses(struct cpu *c)
{
    struct block_cache *b = c->blocks;

    if (++b->generation == 0) {
        memset(b->recent, 0, sizeof(b->recent));
        b->generation = 1;
    }
}

static void drop_all(struct cpu *c)
{
    struct block_cache *b = c->blocks;

    for (unsigned i = 0; i < PAGES_SIZE; i++)
        for (struct page *p = b->pages[i]; p; p = p->next)
            code_page_release(c, p->gpa);
    memset(b->hash, 0, sizeof(b->hash));
    memset(b->pages, 0, sizeof(b->pages));
    b->used = 0;
    thunks_clear(c->thunks);
    forget_addresses(c);
}

static void unhash(struct block_cache *b, struct block *block)
{
    struct block **slot = &b->hash[hash_of(block->pc, block->mode)];

    while (*slot != block)
        slot = &(*slot)->hash_next;
    *slot = block->hash_next;
}

static bool overlaps(const struct block *block, gpa_t gpa, uint64_t len)
{
    return gpa < block->pc + block->len && gpa + len > block->pc;
}

static bool page_drop(struct cpu *c, struct page *page, gpa_t gpa, uint64_t len)
{
    struct block **slot = &page->blocks;
    bool dropped = false;

    while (*slot) {
        struct block *block = *slot;

        if (!overlaps(block, gpa, len)) {
            slot = &block->page_next;
            continue;
        }
        *slot = block->page_next;
        unhash(c->blocks, block);
        for (unsigned i = 0; i < block->op_count; i++)
            block->ops[i].run = op_stale;
        dropped = true;
    }
    return dropped;
}

static void drop(struct cpu *c, gpa_t gpa, uint64_t len)
{
    struct block_cache *b = c->blocks;
    gpa_t first = gpa & ~(gpa_t)(PAGE_4K - 1);
    bool dropped = false;

    for (gpa_t at = first; at < gpa + len; at += PAGE_4K) {
        struct page **slot = page_slot(b, at);
        struct page *page = *slot;

        if (!page)
            continue;
        dropped |= page_drop(c, page, gpa, len);
        if (page->blocks)
            continue;
        *slot = page->next;
        code_page_release(c, at);
    }
    if (dropped)
        forget_addresses(c);
}

/* Decodes up to `room` bytes into a new block of the cache. */
static struct block *decode_here(struct cpu *c, uint32_t mode, gpa_t pc, const uint8_t *code,
                                 unsigned room)
{
    struct block_cache *b = c->blocks;
    struct page *page;
    struct block *block;

    if (!arena_has_room(b) || !thunks_have_room(c->thunks))
        drop_all(c);
    page = page_of(c, pc); /* the hold comes before the first byte is read */
    block = (struct block *)(b->arena + b->used);
    *block = (struct block){ .pc = pc, .mode = mode };
    if (!block_build(c, block, code, room))
        return NULL;
    (void)arena_take(b, sizeof(*block) + block->op_count * sizeof(struct op));
    block->hash_next = b->hash[hash_of(pc, mode)];
    b->hash[hash_of(pc, mode)] = block;
    block->page_next = page->blocks;
    page->blocks = block;
    return block;
}

/* Whether `len` bytes from rip on are inside the code segment (SDM 3A, 5.3); records the fault. */
static bool within_limit(struct cpu *c, uint32_t mode, unsigned len)
{
    if (__builtin_expect((mode & (MODE_64 | MODE_FLAT)) != 0, 1) ||
        c->rip + len - 1 <= c->seg[X86_CS].limit)
        return true;
    cpu_fault_error(c, CPU_GP, 0);
    return false;
}

/* One instruction whose bytes are gathered one page at a time: it goes on past the first, or that
 * is not RAM. */
static struct block *decode_straddler(struct cpu *c, uint32_t mode, uint64_t linear, gpa_t pc)
{
    struct block *block = c->blocks->straddler;
    uint8_t bytes[DECODE_BYTES_MAX];
    unsigned have = 0;

    if (!thunks_have_room(c->thunks))
        drop_all(c);
    *block = (struct block){ .pc = pc, .mode = mode | MODE_STEP };
    do {
        unsigned got;

        if (!within_limit(c, mode, have + 1u))
            return NULL;
        got = mmu_fetch_bytes(c, linear + have, bytes + have, (unsigned)sizeof(bytes) - have);

        if (got == 0)
            return NULL;
        have += got;
    } while (!block_build(c, block, bytes, have));
    return block;
}

/* Out of line: a hit among the recent ones, next to all there is, shall not pay for its frame. */
static __attribute__((noinline)) const struct block *look_up(struct cpu *c, uint32_t mode,
                                                             uint64_t linear, struct recent *r)
{
    const uint8_t *code;
    struct block *block;
    gpa_t pc;

    if (!mmu_fetch(c, linear, &pc, &code))
        return NULL;
    block = c->blocks->hash[hash_of(pc, mode)];
    while (block && (block->pc != pc || block->mode != mode))
        block = block->hash_next;
    if (!block && code)
        block = decode_here(c, mode, pc, code, PAGE_4K - (unsigned)(pc % PAGE_4K));
    if (!block)
        return decode_straddler(c, mode, linear, pc);
    *r = (struct recent){ linear, block, mode, c->blocks->generation };
    return block;
}

static struct recent *recent_of(struct block_cache *b, uint64_t linear)
{
    return &b->recent[(linear ^ linear >> 12) % RECENT_SIZE];
}

static inline const struct block *find(struct cpu *c, uint32_t mode)
{
    uint64_t linear = c->gpr[CPU_CS_BASE] + c->rip;
    struct block_cache *b = c->blocks;
    struct recent *r = recent_of(b, linear);

    if (__builtin_expect(r->linear == linear && r->mode == mode && r->generation == b->generation,
                         1))
        return r->block;
    return look_up(c, mode, linear, r);
}

/* A block knows nothing of limits. One that goes on past CS's is run by single instructions, up to
 * the one that is not all inside. */
static __attribute__((noinline)) const struct block *find_within_limit(struct cpu *c, uint32_t mode)
{
    const struct block *block;

    if (!within_limit(c, mode, 1))
        return NULL;
    block = find(c, mode);
    if (!block || c->rip + block->len - 1 <= c->seg[X86_CS].limit)
        return block;
    block = find(c, mode | MODE_STEP);
    return block && within_limit(c, mode, block->len) ? block : NULL;
}

const struct block *block_at(struct cpu *c, uint32_t mode)
{
    if (__builtin_expect(!(mode & (MODE_64 | MODE_FLAT)), 0))
        return find_within_limit(c, mode);
    return find(c, mode);
}

/* As if its own code had changed. A block that is not among the recent ones any more is a single
 * instruction, or one whose code did change. */
void block_stop(struct cpu *c)
{
    uint64_t linear = c->gpr[CPU_CS_BASE] + c->gpr[CPU_BLOCK_RIP];
    const struct recent *r = recent_of(c->blocks, linear);

    if (r->linear == linear && r->mode == c->mode && r->generation == c->blocks->generation)
        drop(c, r->block->pc, 1);
}

const struct code_cache_ops block_code_ops = {
    .drop = drop,
    .drop_all = drop_all,
    .stop = block_stop,
    .forget_addresses = forget_addresses,
};
