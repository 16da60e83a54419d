#include "emu/x86/decode/order.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "emu/x86/block_build.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/native/thunk.h"
#include "emu/x86/op/build.h"
#include "lib/x86/processor.h"

static struct processor p;
static struct block *block;

static void start(void)
{
    processor_init(&p, 64);
    block = malloc(sizeof(*block) + BLOCK_OPS_MAX * sizeof(struct op));
    cr_assert_not_null(block);
}

static void finish(void)
{
    free(block);
    processor_finish(&p);
}

TestSuite(order, .init = start, .fini = finish);

struct code {
    const char *name;
    uint8_t bytes[8];
    unsigned len;
};

#define CODE(name, ...)                                                           \
    {                                                                             \
        name, { __VA_ARGS__ }, (unsigned)sizeof((const uint8_t[]){ __VA_ARGS__ }) \
    }

/* The block that begins with this instruction; three NOPs follow it. */
static void build(const struct code *code)
{
    uint8_t bytes[DECODE_BYTES_MAX + 3];

    memset(bytes, 0x90, sizeof(bytes));
    memcpy(bytes, code->bytes, code->len);
    *block = (struct block){ .mode = p.cpu->mode };
    cr_assert(block_build(p.cpu, block, bytes, code->len + 3), "%s", code->name);
}

/* SDM 3A, 9.3, and what order.c adds to it. */
static const struct code serializing[] = {
    CODE("cpuid", 0x0f, 0xa2),
    CODE("serialize", 0x0f, 0x01, 0xe8),
    CODE("iretq", 0x48, 0xcf),
    CODE("mov cr0, rax", 0x0f, 0x22, 0xc0),
    CODE("mov cr2, rax", 0x0f, 0x22, 0xd0),
    CODE("mov cr3, rax", 0x0f, 0x22, 0xd8),
    CODE("mov cr4, rax", 0x0f, 0x22, 0xe0),
    CODE("mov dr7, rax", 0x0f, 0x23, 0xf8),
    CODE("wrmsr", 0x0f, 0x30),
    CODE("invd", 0x0f, 0x08),
    CODE("wbinvd", 0x0f, 0x09),
    CODE("invlpg [rax]", 0x0f, 0x01, 0x38),
    CODE("invlpg [eax]", 0x67, 0x0f, 0x01, 0x38),
    CODE("lgdt [rax]", 0x0f, 0x01, 0x10),
    CODE("lidt [rax]", 0x0f, 0x01, 0x18),
    CODE("lldt ax", 0x0f, 0x00, 0xd0),
    CODE("lldt [rax]", 0x0f, 0x00, 0x10),
    CODE("ltr ax", 0x0f, 0x00, 0xd8),
    CODE("lmsw ax", 0x0f, 0x01, 0xf0),
    CODE("clts", 0x0f, 0x06),
    CODE("xsetbv", 0x0f, 0x01, 0xd1),
    CODE("mfence", 0x0f, 0xae, 0xf0),
};

static const struct code others[] = {
    CODE("nop", 0x90),
    CODE("lfence", 0x0f, 0xae, 0xe8),
    CODE("sfence", 0x0f, 0xae, 0xf8),
    CODE("mov rax, cr0", 0x0f, 0x20, 0xc0),
    CODE("mov rax, dr7", 0x0f, 0x21, 0xf8),
    CODE("rdmsr", 0x0f, 0x32),
    CODE("swapgs", 0x0f, 0x01, 0xf8),
    CODE("sgdt [rax]", 0x0f, 0x01, 0x00),
    CODE("mov rax, [rax]", 0x48, 0x8b, 0x00),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* In front of each is the same op, which orders memory. */
Test(order, what_serializes_orders_first_and_ends_its_block)
{
    op_fn *orders;

    build(&serializing[0]);
    orders = block->ops[0].run;
    for (unsigned i = 0; i < COUNT(serializing); i++) {
        build(&serializing[i]);
        cr_assert_eq(block->ops[0].run, orders, "%s", serializing[i].name);
        cr_assert_eq(block->count, 1, "%s", serializing[i].name);
    }
    for (unsigned i = 0; i < COUNT(others); i++) {
        build(&others[i]);
        cr_assert_neq(block->ops[0].run, orders, "%s", others[i].name);
    }
}

static bool holds(const uint8_t *code, const uint8_t *bytes, unsigned len)
{
    for (unsigned at = 0; at < 16; at++)
        if (memcmp(code + at, bytes, len) == 0)
            return true;
    return false;
}

/* A fence is the host's own, whatever prefixes it has. */
Test(order, fences_are_the_hosts)
{
    static const struct code fences[] = {
        CODE("lfence", 0x0f, 0xae, 0xe8),
        CODE("mfence", 0x0f, 0xae, 0xf0),
        CODE("sfence", 0x0f, 0xae, 0xf8),
        CODE("rex.w mfence", 0x48, 0x0f, 0xae, 0xf0),
    };

    for (unsigned i = 0; i < COUNT(fences); i++) {
        const uint8_t *insn = fences[i].bytes + fences[i].len - 3;
        bool found = false;

        build(&fences[i]);
        for (unsigned n = 0; n < block->op_count; n++) {
            const uint8_t *run = (const uint8_t *)(uintptr_t)block->ops[n].run;

            if (thunks_hold(p.cpu->thunks, (uint64_t)(uintptr_t)run))
                found = found || holds(run, insn, 3);
        }
        cr_assert(found, "%s", fences[i].name);
    }
}
