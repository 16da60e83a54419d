/* Sets up the memory of the 64-bit guests, and checks what they leave in it. */
#include "guest/long64.h"

#include <inttypes.h>
#include <string.h>

#include "core/x86/bits.h"
#include "core/x86/layout.h"
#include "guest/machine.h"
#include "guest/processors.h"
#include "guest/report.h"
#include "lib/check.h"

#define PML4    0x1000u
#define PDPT    0x2000u
#define PD_HIGH 0x5000u /* page directory of the fourth GiB, where the APICs are */
#define VECTORS 0x10000u

#define VALUES_MAX 512u
#define NOTHING    UINT64_C(0x6e6f7468696e6721) /* a place where no value was left */

extern const uint8_t long64_vectors[], long64_vectors_end[];

static void put64(gpa_t at, uint64_t value)
{
    put(at, &value, sizeof(value));
}

static uint64_t get64(gpa_t at)
{
    uint64_t value;

    CHECK(mem_read(&m.mem, at, &value, sizeof(value)));
    return value;
}

void long64_page(uint32_t address, uint64_t entry)
{
    put64(LONG64_PT + 8 * (address >> 12), entry);
}

uint64_t long64_entry(uint32_t address)
{
    return get64(LONG64_PT + 8 * (address >> 12));
}

void long64_large(uint32_t address, uint64_t entry)
{
    put64(LONG64_PD + 8 * (address >> 21), entry);
}

uint64_t long64_large_entry(uint32_t address)
{
    return get64(LONG64_PD + 8 * (address >> 21));
}

static void tables_write(void)
{
    const uint64_t table = LONG64_PRESENT | LONG64_WRITE | LONG64_ANYONE;
    const uint64_t page = LONG64_PRESENT | LONG64_WRITE;

    put64(PML4, PDPT | table);
    put64(PDPT, LONG64_PD | table);
    put64(PDPT + 8 * (LAYOUT_LAPIC >> 30), PD_HIGH | table);
    put64(PD_HIGH + 8 * (LAYOUT_LAPIC >> 21 & 511),
          (LAYOUT_LAPIC & ~0x1fffffull) | page | LONG64_2M);
    put64(PD_HIGH + 8 * (LAYOUT_IOAPIC >> 21 & 511),
          (LAYOUT_IOAPIC & ~0x1fffffull) | page | LONG64_2M);
    put64(LONG64_PD, LONG64_PT | table);
    for (unsigned i = 1; i < LONG64_RAM >> 21; i++)
        put64(LONG64_PD + 8 * i, ((uint64_t)i << 21) | page | LONG64_2M);
    for (uint32_t at = 0; at < LONG64_USER; at += 0x1000) {
        long64_page(at, at | page);
        long64_page(LONG64_USER + at, at | page | LONG64_ANYONE);
    }
}

static void descriptors_write(void)
{
    const uint64_t tss = 0x00008b0000000067 | LONG64_TSS << 16;
    const uint64_t tss_short = 0x0000890000000023 | LONG64_TSS << 16;
    const uint64_t gdt[] = { 0,
                             0x00af9b000000ffff,
                             0x00cf93000000ffff,
                             0x00cffb000000ffff,
                             0x00cff3000000ffff,
                             0x00affb000000ffff,
                             tss,
                             0,
                             0x00cf13000000ffff,
                             tss_short,
                             0 };
    uint8_t task[0x68] = { 0 };

    for (unsigned i = 1; i <= 7; i++) { /* IST1 to IST7, from 0x24 on */
        const uint64_t top = LONG64_IST - (7 - i) * 0x1000;

        memcpy(task + 0x1c + 8 * i, &top, sizeof(top));
    }
    memcpy(task + 4, &(uint64_t){ LONG64_STACK - 0x1000 }, 8);
    put(LONG64_GDT, gdt, sizeof(gdt));
    put(LONG64_TSS, task, sizeof(task));
    put(VECTORS, long64_vectors, (size_t)(long64_vectors_end - long64_vectors));
    for (unsigned vector = 0; vector < 256; vector++) {
        put64(LONG64_IDT + 16 * vector, 0x0000ee0000080000 | (VECTORS + 16 * vector) % 0x10000 |
                                            (uint64_t)(VECTORS >> 16) << 48);
        put64(LONG64_IDT + 16 * vector + 8, 0);
    }
}

void long64_gate(unsigned vector, uint64_t clear, uint64_t set)
{
    const gpa_t gate = LONG64_IDT + 16 * vector;

    put64(gate, (get64(gate) & ~clear) | set);
}

void long64_ist(unsigned vector, unsigned ist)
{
    long64_gate(vector, 7ull << 32, (uint64_t)ist << 32);
}

static struct vcpu_regs long64_regs(void)
{
    struct vcpu_regs r = { .rip = LONG64_CODE, .rflags = X86_RFLAGS_R1 };

    for (unsigned i = 0; i < X86_SEGS; i++)
        r.seg[i] = (struct x86_segment){ 0, 0xffffffff, LONG64_KDATA, X86_ACCESS_DATA32 };
    r.seg[X86_CS] = (struct x86_segment){ 0, 0xffffffff, LONG64_KCODE, X86_ACCESS_CODE64 };
    r.tr = (struct x86_segment){ LONG64_TSS, 0x67, LONG64_TR, X86_ACCESS_TSS };
    r.ldt = (struct x86_segment){ 0, 0, 0, 0x82 };
    r.gdt = (struct x86_table){ LONG64_GDT, 11 * 8 - 1 };
    r.idt = (struct x86_table){ LONG64_IDT, 0xfff };
    r.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_PG | 1u << 16 | 1u << 5 | 1u << 1; /* WP, NE, MP */
    r.cr3 = PML4;
    r.cr4 = X86_CR4_PAE | 1u << 9 | 1u << 10;                  /* SSE, with its exceptions */
    r.efer = X86_EFER_LME | X86_EFER_LMA | 1u << 11 | 1u << 0; /* NX, SYSCALL */
    r.gpr[X86_RSP] = r.gpr[X86_R13] = LONG64_STACK;
    r.gpr[X86_RDI] = LONG64_VALUES;
    return r;
}

void long64_load(unsigned vcpus, const uint8_t *code, uint64_t len)
{
    machine_init(vcpus, LONG64_RAM);
    tables_write();
    descriptors_write();
    for (unsigned n = 0; n < VALUES_MAX; n++)
        put64(LONG64_VALUES + 8 * n, NOTHING);
    put(LONG64_CODE, code, len);
    for (gpa_t page = 0; page <= 0x1000; page += 0x1000)
        put(PROCESSORS_START + page, processors_start,
            (size_t)(processors_start_end - processors_start));
    const struct vcpu_regs r = long64_regs();
    start_at(&r);
}

/* The other processors run from the start; they wait for their INIT and SIPI. */
void long64_run(void)
{
    pthread_t others[MACHINE_VCPUS];

    for (unsigned id = 1; id < m.vcpus; id++)
        others[id] = spawn(id);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    for (unsigned id = 1; id < m.vcpus; id++)
        CHECK(kick_and_join(id, others[id]) == VCPU_KICKED);
}

static uint64_t value_left(unsigned n)
{
    return get64(LONG64_VALUES + 8 * n);
}

void long64_check_left(const struct long64_left *expected, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        report("  %s: %#" PRIx64 "\n", expected[n].what, value_left(n));
    for (unsigned n = 0; n < count; n++)
        CHECK(value_left(n) == expected[n].value);
    CHECK(count == VALUES_MAX || value_left(count) == NOTHING);
}

/* RF is left out: these guests do not test whether a fault pushes it set, and the bed's interpreter
 * differs from hardware there. */
static void record_print(const char *what, const struct long64_record *r)
{
    report("  %s: vector %" PRIu64 " error %#" PRIx64 " at %#" PRIx64 ", cs %#" PRIx64
           " rflags %#" PRIx64 " rsp %#" PRIx64 " ss %#" PRIx64,
           what, r->vector, r->error, r->rip, r->cs, r->rflags & ~(uint64_t)X86_RFLAGS_RF, r->rsp,
           r->ss);
    if (r->vector == 14)
        report(" cr2 %#" PRIx64, r->cr2);
    report("\n");
}

void long64_check(const struct long64_expected *expected, unsigned count)
{
    struct long64_record r;
    const uint64_t seen = get64(LONG64_LOG);

    for (unsigned i = 0; i < count && i < seen; i++) {
        CHECK(mem_read(&m.mem, LONG64_LOG + 64 * (1 + i), &r, sizeof(r)));
        record_print(expected[i].what, &r);
        CHECK(r.vector == expected[i].vector);
        CHECK(r.error == expected[i].error);
        CHECK(r.vector != 14 || r.cr2 == expected[i].cr2);
    }
    CHECK(seen == count);
}
