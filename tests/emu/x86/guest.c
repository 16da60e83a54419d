/* Instructions on the software CPU. */
#include "emu/x86/guest.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "core/x86/bits.h"
#include "emu/x86/mem/code_pages.h"
#include "lib/check.h"
#include "lib/x86/emu_rig.h"

#define CODE_GPA 0x400000u
#define DATA_GPA 0x410000u

/* A repeated string instruction returns between chunks, but no more often than this. */
#define STEPS_MAX 4096u

struct guest {
    struct emu_rig rig;
    struct case_bases bases;
};

static void map(struct guest *g, uint64_t va, gpa_t gpa, unsigned pages, uint64_t bits)
{
    for (unsigned i = 0; i < pages; i++)
        emu_rig_map(&g->rig, va + i * CASE_PAGE, gpa + i * CASE_PAGE,
                    bits | X86_PTE_P | X86_PTE_US);
}

struct guest *guest_create(const struct case_bases *bases)
{
    struct guest *g = calloc(1, sizeof(*g));
    struct cpu *c;

    CHECK(g);
    g->bases = *bases;
    emu_rig_init(&g->rig, 1);
    emu_rig_long_mode(&g->rig);
    emu_rig_user(&g->rig);
    c = g->rig.cpu;
    for (unsigned i = 0; i < X86_SEGS; i++) /* as Linux leaves them to its processes */
        if (i != X86_CS && i != X86_SS)
            c->seg[i] = (struct x86_segment){ .selector = 0 };
    c->seg[X86_FS].base = bases->fs;
    c->seg[X86_GS].base = bases->gs;
    emu_rig_update(&g->rig);
    /* No system table is needed: faults are not delivered, and the TSS has no I/O map to read. */
    *emu_rig_entry(&g->rig, 0, 2) = 0;
    c->tr.limit = 0;
    map(g, CASE_CODE, CODE_GPA, 2, 0);
    map(g, CASE_DATA, DATA_GPA, 2, X86_PTE_RW);
    map(g, CASE_READONLY, DATA_GPA + CASE_WRITABLE, 1, 0);
    memset(emu_rig_at(&g->rig, CODE_GPA), 0xcc, 2 * CASE_PAGE);
    return g;
}

void guest_destroy(struct guest *g)
{
    emu_rig_finish(&g->rig);
    free(g);
}

uint8_t *guest_data(struct guest *g)
{
    return emu_rig_at(&g->rig, DATA_GPA);
}

bool guest_offers(const struct guest *g, const struct table_row *row)
{
    struct table_feature_bit bit = table_feature_bit((enum table_feature)row->feature);
    uint32_t regs[4] = { 0 };

    if (!cpu_offers(g->rig.cpu, row->feature))
        return false;
    if (row->feature == 0)
        return true;
    return __get_cpuid_count(bit.leaf, bit.subleaf, &regs[0], &regs[1], &regs[2], &regs[3]) &&
           (regs[bit.reg] >> bit.bit & 1u);
}

static void state_load(struct cpu *c, const struct case_state *s)
{
    memcpy(c->gpr, s->gpr, sizeof(s->gpr));
    c->rip = s->rip;
    cpu_rflags_set(c, s->rflags);
    memcpy(c->fx, s->fx, CASE_FX);
    memcpy(c->vec, s->vec, sizeof(s->vec));
}

static void state_store(const struct cpu *c, struct case_state *s)
{
    memcpy(s->gpr, c->gpr, sizeof(s->gpr));
    s->rip = c->rip;
    s->rflags = cpu_rflags(c);
    memcpy(s->fx, c->fx, CASE_FX);
    memcpy(s->vec, c->vec, sizeof(s->vec));
    s->vector = CASE_COMPLETED;
}

static void code_put(struct guest *g, const struct test_case *t)
{
    gpa_t gpa = CODE_GPA + t->before.rip - CASE_CODE;
    uint8_t *code = emu_rig_at(&g->rig, gpa);

    if (memcmp(code, t->code, DECODE_BYTES_MAX) == 0)
        return;
    memcpy(code, t->code, DECODE_BYTES_MAX);
    if (code_page_held(g->rig.emu, gpa) || code_page_held(g->rig.emu, gpa + DECODE_BYTES_MAX - 1))
        code_page_written(g->rig.cpu, gpa, DECODE_BYTES_MAX);
}

void guest_run(struct guest *g, const struct test_case *t, struct case_state *after)
{
    struct cpu *c = g->rig.cpu;
    unsigned steps = 0;
    bool completed;

    code_put(g, t);
    state_load(c, &t->before);
    do
        completed = emu_rig_step(&g->rig);
    while (completed && c->rip == t->before.rip &&
           (t->row->class == CLASS_STRING || t->row->class == CLASS_IO) && ++steps < STEPS_MAX);
    *after = (struct case_state){ 0 };
    state_store(c, after);
    if (completed)
        return;
    after->vector = c->fault.vector;
    after->error = c->fault.error;
    after->address = c->fault.address;
}
