/*
 * Any memory, executed: one processor runs up to 10,000 instructions from the state that the input
 * describes.
 *
 * The input begins with a struct start (the mode, registers, control registers). Events follow (an
 * interrupt, a pulse, INIT and the like, each after so many turns of the processor's loop), then
 * patches of eight bytes anywhere in RAM (page tables, descriptors, the task state), and the rest
 * is code. Without patches the guest is sane: page tables map RAM and the devices, and the gates of
 * all vectors lead into the code, so that a fault only means going on elsewhere.
 *
 * The functions below stand in for clock.c and tsc.c, which are not linked, and the machine is made
 * once and restored for each input: so the same input does the same every time. RAM lies between
 * guard pages (core/vm/mem.h), the processor's own memory between AddressSanitizer's; an access
 * outside either is a crash. After every run, what the processor caches must agree with what it is
 * derived from.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "core/vm/bus.h"
#include "core/vm/device.h"
#include "core/vm/mem.h"
#include "core/x86/bits.h"
#include "core/x86/cpuid.h"
#include "core/x86/layout.h"
#include "emu/emu.h"
#include "emu/x86/apic/ioapic.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/cpu/tlb.h"
#include "emu/x86/exec.h"
#include "emu/x86/mem/code_pages.h"
#include "emu/x86/native/fault_signal.h"
#include "emu/x86/sys/cpuid.h"
#include "emu/x86/sys/reset.h"
#include "emu/x86/time/tsc.h"

#define NEED(fact)   \
    do {             \
        if (!(fact)) \
            abort(); \
    } while (0)

#define INSTRUCTIONS 10000u
#define TURNS        10000u /* of the processor's loop; a fault takes one, and executes nothing */
#define SLICE        64u    /* so many turns without an instruction end the run */

/* Guest memory. Real mode's vectors are at 0. */
#define RAM        0x80000u
#define GDT        0x1000u
#define IDT        0x2000u
#define TSS        0x3000u
#define STACK      0x5000u /* the end of the kernel's */
#define USER_STACK 0x7000u
#define CODE       0x8000u
#define CODE_MAX   0x8000u
#define PML4       0x10000u
#define PDPT       0x11000u
#define PD         0x12000u
#define PT         0x13000u
#define PAE_PDPT   0x14000u
#define PD32       0x15000u
#define PT32       0x16000u

#define DEVICE_LEN   0x1000u
#define DEVICE_PORTS 0x100u

#define PTE      UINT64_C(0x7)  /* present, writable, user */
#define PTE_LEAF UINT64_C(0x67) /* and accessed, dirty */

/* Bits that the input chooses. */
#define CR0_FREE   UINT64_C(0x5003e) /* MP EM TS ET NE WP AM */
#define CR4_FREE   UINT64_C(0x350e9c)
#define EFER_FREE  UINT64_C(0x801) /* NXE SCE */
#define FLAGS_FREE UINT64_C(0x257fd5)

enum kind {
    REAL,
    PROTECTED16,
    PROTECTED32,
    PAGED32,
    PAGED_PAE,
    COMPATIBILITY,
    LONG64,
    KINDS,
};

struct start {
    uint8_t kind;
    uint8_t how; /* bit 0: CPL 3, 1: XCR0 with AVX, 2 to 6: ES, SS, DS, FS, GS are not flat */
    uint8_t events;
    uint8_t patches;
    uint32_t cr0;
    uint32_t cr4;
    uint32_t efer;
    uint64_t rflags;
    uint64_t gpr[X86_GPRS];
};

struct event {
    uint16_t turns;
    uint8_t what;
    uint8_t arg;
};

struct patch {
    uint16_t at; /* in units of eight bytes */
    uint64_t value;
} __attribute__((packed));

struct input {
    const uint8_t *data;
    size_t size;
};

static struct mem mem;
static struct bus ports, mmio;
static struct device recorder;
static struct accel *accel;
static struct cpu *cpu;
static uint64_t now_ns;
static uint64_t recorded;

/* The processor as it was made. */
static struct cpu first_cpu;
static struct lapic first_lapic;

uint64_t clock_now_ns(void)
{
    return now_ns += 100;
}

uint64_t tsc_host(void)
{
    return 2 * clock_now_ns();
}

struct tsc_sample tsc_sample(clockid_t clock)
{
    uint64_t ns = clock_now_ns();

    (void)clock;
    return (struct tsc_sample){ .tsc = 2 * ns, .ns = ns };
}

void tsc_init(struct emu *m)
{
    m->tsc_khz = 2000000;
}

void tsc_settle(struct emu *m)
{
    (void)m;
}

uint32_t tsc_khz(const struct emu *m)
{
    return m->tsc_khz;
}

uint64_t tsc_guest(const struct cpu *c)
{
    return tsc_host() + c->tsc_offset;
}

uint64_t tsc_to_ns(const struct emu *m, uint64_t ticks)
{
    (void)m;
    return ticks / 2;
}

static void recorder_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)d;
    recorded = recorded * 31 + offset;
    memcpy(data, &recorded, size);
}

static void recorder_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    uint64_t value = 0;

    (void)d;
    memcpy(&value, data, size);
    recorded = recorded * 31 + (value ^ offset);
}

static const struct device_ops recorder_ops = { .name = "recorder",
                                                .read = recorder_read,
                                                .write = recorder_write };

/* The next bytes of the input; zeros where it has ended. */
static void take(struct input *in, void *to, size_t size)
{
    size_t count = in->size < size ? in->size : size;

    memset(to, 0, size);
    if (count)
        memcpy(to, in->data, count);
    in->data += count;
    in->size -= count;
}

static void put64(uint64_t at, uint64_t value)
{
    NEED(mem_write(&mem, at, &value, sizeof(value)));
}

static void put32(uint64_t at, uint32_t value)
{
    NEED(mem_write(&mem, at, &value, sizeof(value)));
}

static void machine_create(void)
{
    const struct mem_config memory = { .size = RAM,
                                       .gap_start = LAYOUT_GAP_START,
                                       .gap_end = LAYOUT_GAP_END };
    const struct accel_config config = {
        .mem = &mem, .ports = &ports, .mmio = &mmio, .vcpu_count = 1
    };
    const struct cpuid_machine shape = { .vcpu_count = 1, .tsc_khz = 2000000 };
    struct accel_vcpu *v;
    struct err e;

    NEED(mem_init(&mem, &memory, &e) == 0);
    bus_init(&ports, "port");
    bus_init(&mmio, "mmio");
    device_init(&recorder, &recorder_ops);
    NEED(bus_add(&ports, 0, DEVICE_PORTS, &recorder, &e) == 0);
    NEED(bus_add(&mmio, LAYOUT_VIRTIO, DEVICE_LEN, &recorder, &e) == 0);
    NEED(emu_accel.create(&config, &accel, &e) == 0);
    NEED(emu_accel.vcpu_create(accel, 0, &v, &e) == 0);
    cpu = (struct cpu *)v;
    NEED(cpuid_shape(&cpu->cpuid, &shape, &e) == 0);
    cpu_features_update(cpu);
    fault_signal_start();
    first_cpu = *cpu;
    first_lapic = *cpu->lapic;
}

static void machine_restore(void)
{
    struct ioapic *io = cpu->emu->ioapic;

    cpu->code->drop_all(cpu);
    *cpu = first_cpu;
    *cpu->lapic = first_lapic;
    ioapic_finish(io);
    ioapic_init(io, cpu->emu);
    memset(mem_at(&mem, 0, RAM), 0, RAM);
    now_ns = recorded = 0;
}

/* Maps RAM one to one in 4 KiB pages, and the recorder, the local APIC and the I/O APIC at 2, 4 and
 * 6 MiB. */
static void tables_write(void)
{
    static const uint64_t windows[] = { LAYOUT_GAP_START, LAYOUT_LAPIC, LAYOUT_IOAPIC };

    put64(PML4, PDPT | PTE);
    put64(PDPT, PD | PTE);
    put64(PAE_PDPT, PD | 1);
    put64(PD, PT | PTE);
    put32(PD32, PT32 | PTE);
    put32(PD32 + 4, (PT32 + PAGE_4K) | PTE);
    for (unsigned i = 0; i < 512; i++) {
        put64(PT + i * 8, i * PAGE_4K | PTE_LEAF);
        put32(PT32 + i * 4, i * PAGE_4K | PTE_LEAF);
        for (unsigned w = 0; w < 3; w++)
            put32(PT32 + ((w + 1) * 512 + i) * 4, (uint32_t)(windows[w] + i * PAGE_4K + PTE_LEAF));
    }
    for (unsigned w = 0; w < 3; w++)
        put64(PD + (w + 1) * 8, windows[w] | PTE_LEAF | X86_PTE_PS);
}

#define SELECTOR_CODE64 0x08u
#define SELECTOR_DATA   0x10u
#define SELECTOR_CODE32 0x18u
#define SELECTOR_USER32 0x20u
#define SELECTOR_USERDS 0x28u
#define SELECTOR_USER64 0x30u
#define SELECTOR_CODE16 0x38u
#define SELECTOR_USER16 0x40u
#define SELECTOR_TSS    0x48u
#define GDT_LIMIT       0x5fu

static void descriptors_write(void)
{
    put64(GDT + SELECTOR_CODE64, UINT64_C(0x00af9b000000ffff));
    put64(GDT + SELECTOR_DATA, UINT64_C(0x00cf93000000ffff));
    put64(GDT + SELECTOR_CODE32, UINT64_C(0x00cf9b000000ffff));
    put64(GDT + SELECTOR_USER32, UINT64_C(0x00cffb000000ffff));
    put64(GDT + SELECTOR_USERDS, UINT64_C(0x00cff3000000ffff));
    put64(GDT + SELECTOR_USER64, UINT64_C(0x00affb000000ffff));
    put64(GDT + SELECTOR_CODE16, UINT64_C(0x00009b000000ffff));
    put64(GDT + SELECTOR_USER16, UINT64_C(0x0000fb000000ffff));
    put64(GDT + SELECTOR_TSS, UINT64_C(0x00008b0000000067) | (uint64_t)TSS << 16);
}

/* Vector n leads 64 * (n % 32) bytes into the code. In IA-32e mode exceptions have stacks of their
 * own (IST): none of them returns, so that one stack for all would soon grow over all below it. */
static void gates_write(enum kind kind)
{
    for (unsigned n = 0; n < 256; n++) {
        uint64_t to = CODE + n % 32 * 64;
        uint64_t ist = n == CPU_DF ? 1 : n == CPU_NMI ? 2 : n < 32 ? 3 : 0;

        put32(n * 4, (uint32_t)to);
        if (kind >= COMPATIBILITY)
            put64(IDT + n * 16, to | SELECTOR_CODE64 << 16 | ist << 32 | UINT64_C(0xee) << 40);
        else
            put64(IDT + n * 8, to | (uint64_t)SELECTOR_CODE32 << 16 | UINT64_C(0xee) << 40);
    }
    if (kind >= COMPATIBILITY) {
        put64(TSS + 4, STACK);
        put64(TSS + 36, STACK - 0x400);
        put64(TSS + 44, STACK - 0x800);
        put64(TSS + 52, STACK - 0xc00);
    } else {
        put32(TSS + 4, STACK);
        put32(TSS + 8, SELECTOR_DATA);
    }
}

static struct x86_segment code_segment(enum kind kind, unsigned cpl)
{
    static const uint16_t selectors[][2] = {
        [PROTECTED16] = { SELECTOR_CODE16, SELECTOR_USER16 },
        [PROTECTED32] = { SELECTOR_CODE32, SELECTOR_USER32 },
        [PAGED32] = { SELECTOR_CODE32, SELECTOR_USER32 },
        [PAGED_PAE] = { SELECTOR_CODE32, SELECTOR_USER32 },
        [COMPATIBILITY] = { SELECTOR_CODE32, SELECTOR_USER32 },
        [LONG64] = { SELECTOR_CODE64, SELECTOR_USER64 },
    };
    struct x86_segment cs = { .limit = 0xffffffff, .access = X86_ACCESS_CODE32 };

    if (kind == REAL || kind == PROTECTED16)
        cs = (struct x86_segment){ .limit = 0xffff, .access = 0x9b };
    if (kind == LONG64)
        cs.access = X86_ACCESS_CODE64;
    if (kind != REAL)
        cs.selector = (uint16_t)(selectors[kind][cpl == 3] | cpl);
    cs.access |= (uint16_t)(cpl << 5);
    return cs;
}

static struct x86_segment data_segment(const struct start *s, enum x86_seg which, unsigned cpl)
{
    bool plain = !(s->how >> (which > X86_CS ? which + 1u : 2u) & 1u);
    struct x86_segment d = { .limit = 0xffffffff, .access = X86_ACCESS_DATA32 };

    if (s->kind % KINDS == REAL)
        return (struct x86_segment){ .limit = 0xffff, .access = 0x93 };
    d.selector = (uint16_t)(cpl == 3 ? SELECTOR_USERDS | 3 : SELECTOR_DATA);
    if (!plain) { /* a base, an odd limit, 16 bits; DS and GS grow down */
        d.base = 0x1230;
        d.limit = 0x6fff;
        d.access = which == X86_DS || which == X86_GS ? 0x97 : 0x93;
    }
    d.access |= (uint16_t)(cpl << 5);
    return d;
}

static void control_set(struct vcpu_regs *r, const struct start *s, enum kind kind)
{
    r->cr0 = (s->cr0 & CR0_FREE) | X86_CR0_ET;
    r->cr4 = s->cr4 & CR4_FREE;
    r->efer = s->efer & EFER_FREE;
    r->cr3 = kind == PAGED32 ? PD32 : kind == PAGED_PAE ? PAE_PDPT : PML4;
    if (kind != REAL)
        r->cr0 |= X86_CR0_PE;
    if (kind >= PAGED32)
        r->cr0 |= X86_CR0_PG;
    if (kind >= PAGED_PAE)
        r->cr4 |= X86_CR4_PAE;
    if (kind >= COMPATIBILITY)
        r->efer |= X86_EFER_LME | X86_EFER_LMA;
}

static void processor_set(const struct start *s)
{
    enum kind kind = (enum kind)(s->kind % KINDS);
    unsigned cpl = kind != REAL && (s->how & 1) ? 3 : 0;
    struct vcpu_regs r = {
        .rip = CODE,
        .rflags = (s->rflags & FLAGS_FREE) | X86_RFLAGS_R1,
        .gdt = { GDT, GDT_LIMIT },
        .idt = { kind == REAL ? 0 : IDT, kind == REAL ? 0x3ff : 0xfff },
        .tr = { .base = TSS, .limit = 0x67, .selector = SELECTOR_TSS, .access = X86_ACCESS_TSS },
    };
    struct err e;

    memcpy(r.gpr, s->gpr, sizeof(r.gpr));
    if (r.gpr[X86_RSP] == 0)
        r.gpr[X86_RSP] = cpl ? USER_STACK : STACK;
    for (unsigned i = 0; i < X86_SEGS; i++)
        r.seg[i] = data_segment(s, (enum x86_seg)i, cpl);
    r.seg[X86_CS] = code_segment(kind, cpl);
    control_set(&r, s, kind);
    if (s->how & 2)
        cpu->xcr0 = emu_cpuid_xcr0();
    NEED(cpu->accel.ops->regs_set(&cpu->accel, &r, &e) == 0);
}

/* What the processor caches agrees with what it is derived from, and the registers make sense. */
static void check_derived(void)
{
    uint32_t mode = cpu->mode;
    const struct tlb *tlb = cpu->tlb;
    uint64_t bases[6];

    memcpy(bases, &cpu->gpr[CPU_ES_BASE], sizeof(bases));
    cpu_mode_update(cpu);
    NEED(cpu->mode == mode && cpu->tlb == tlb);
    NEED(memcmp(bases, &cpu->gpr[CPU_ES_BASE], sizeof(bases)) == 0);
    NEED(cpu->gpr[CPU_ZERO] == 0);
    NEED(cpu->rflags & X86_RFLAGS_R1);
    NEED(!(cpu->cr0 & X86_CR0_PG) || (cpu->cr0 & X86_CR0_PE));
    NEED(!(cpu->efer & X86_EFER_LMA) == !((cpu->efer & X86_EFER_LME) && (cpu->cr0 & X86_CR0_PG)));
    NEED((cpu->mode & MODE_64) || cpu->rip <= UINT32_MAX);
    NEED(!(cpu->mode & MODE_REAL) || cpu->cpl == 0);
}

static void check_entry(const struct tlb_entry *e, unsigned index, bool write)
{
    uint8_t *ram = mem_at(&mem, 0, RAM);
    uint64_t at = (uint64_t)(e->host - ram);

    if (e->tag == TLB_NO_TAG(index))
        return;
    NEED(e->tag / PAGE_4K % TLB_ENTRIES == index);
    NEED(at <= RAM - PAGE_4K && at % PAGE_4K == 0);
    NEED(!write || !code_page_held(cpu->emu, at));
}

static void check_translations(void)
{
    for (unsigned t = 0; t < TLB_TABLES; t++)
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            check_entry(&cpu->tlbs->table[t].read[i], i, false);
            check_entry(&cpu->tlbs->table[t].write[i], i, true);
        }
}

static void happen(const struct event *ev)
{
    switch (ev->what % 6) {
    case 0:
        cpu_request(cpu, CPU_REQ_NMI);
        break;
    case 1:
        lapic_raise(cpu->lapic, ev->arg, ev->what & 0x80);
        break;
    case 2:
        ioapic_pulse(cpu->emu->ioapic, ev->arg % IOAPIC_INPUTS);
        break;
    case 3:
        cpu_request(cpu, CPU_REQ_INIT);
        break;
    case 4:
        cpu->sipi_vector = ev->arg;
        cpu_request(cpu, CPU_REQ_SIPI);
        break;
    default:
        now_ns += UINT64_C(1) << ev->arg % 40;
        break;
    }
    cpu_request(cpu, CPU_REQ_TIMER); /* the processor looks whether a timer has expired */
}

/* Runs so many turns, or to the end. False: the run is over. */
static bool run(uint32_t turns)
{
    enum vcpu_exit why;

    cpu->turns = turns;
    cpu_request(cpu, CPU_REQ_TURNS);
    why = exec_run(cpu);
    check_derived();
    NEED(why == VCPU_KICKED || why == VCPU_TRIPLE_FAULT || cpu->leave == CPU_UNABLE);
    return why == VCPU_KICKED && cpu->executed < INSTRUCTIONS;
}

static void guest_run(struct input *events, unsigned count)
{
    uint32_t left = TURNS, slice;

    for (unsigned i = 0; i < count; i++) {
        struct event ev;
        uint32_t turns;

        take(events, &ev, sizeof(ev));
        turns = ev.turns < left ? ev.turns : left;
        left -= turns;
        if (!run(turns))
            return;
        happen(&ev);
    }
    for (uint64_t before = UINT64_MAX; left && cpu->executed != before; left -= slice) {
        slice = left < SLICE ? left : SLICE;
        before = cpu->executed;
        if (!run(slice))
            return;
    }
}

static void memory_write(const struct start *s, struct input *in)
{
    enum kind kind = (enum kind)(s->kind % KINDS);
    struct patch p;

    tables_write();
    descriptors_write();
    gates_write(kind);
    for (unsigned i = 0; i < s->patches; i++) {
        take(in, &p, sizeof(p));
        (void)mem_write(&mem, p.at * 8u, &p.value, sizeof(p.value));
    }
    take(in, mem_at(&mem, CODE, CODE_MAX), CODE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    struct input events;
    struct start s;

    take(&in, &s, sizeof(s));
    events = in;
    for (unsigned i = 0; i < s.events; i++)
        take(&in, &(struct event){ 0 }, sizeof(struct event));
    if (!accel)
        machine_create();
    machine_restore();
    memory_write(&s, &in);
    processor_set(&s);
    guest_run(&events, s.events);
    check_translations();
    return 0;
}
