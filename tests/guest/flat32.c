/*
 * Guests of a few instructions, one for each thing an accelerator has to do.
 *
 * Each starts in 32-bit protected mode at CODE with flat segments and no paging. Most leave what
 * they found in RAM and end with ud2, for which there is no handler: so they test the triple fault
 * as well.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/kvm/kvm.h"
#include "core/vm/irq.h"
#include "core/vm/vcpu.h"
#include "core/x86/bits.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"
#include "guest/machine.h"
#include "guest/suite.h"
#include "lib/check.h"

#define GDT    0x500u
#define IDT    0x600u
#define CODE   0x1000u
#define RESULT 0x2000u /* where guests leave what they found */
#define INPUT  0x3000u
#define AP     0x4000u /* where the second processor starts, in real mode */
#define STACK  0x8000u

#define FLAT32_RAM (2u << 20)

#define LE32(x) (x) & 0xff, (x) >> 8 & 0xff, (x) >> 16 & 0xff, (x) >> 24 & 0xff

/* Instructions, as bytes. */
#define MOV_EAX(x)       0xb8, LE32(x)
#define MOV_EDX(x)       0xba, LE32(x)
#define MOV_ECX(x)       0xb9, LE32(x)
#define MOV_ESI(x)       0xbe, LE32(x)
#define MOV_EDI(x)       0xbf, LE32(x)
#define STORE_EAX(addr)  0xa3, LE32(addr)
#define LOAD_EAX(addr)   0xa1, LE32(addr)
#define STORE8(addr, x)  0xc6, 0x05, LE32(addr), (x)
#define STORE16(addr, x) 0x66, 0xc7, 0x05, LE32(addr), (x)&0xff, (x) >> 8
#define STORE32(addr, x) 0xc7, 0x05, LE32(addr), LE32(x)
#define OUT_IMM(port, x) 0xb0, (x), 0xe6, (port)
#define OUT_DX_AL        0xee
#define OUT_DX_AX        0x66, 0xef
#define OUT_DX_EAX       0xef
#define IN_AL_DX         0xec
#define IN_AX_DX         0x66, 0xed
#define IN_EAX_DX        0xed
#define CPUID            0x0f, 0xa2
#define STI              0xfb
#define HLT              0xf4
#define UD2              0x0f, 0x0b
#define SPIN             0xeb, 0xfe
#define HALT_FOREVER     0xf4, 0xeb, 0xfd

static uint32_t result(unsigned n)
{
    uint32_t value;

    CHECK(mem_read(&m.mem, RESULT + 4 * n, &value, sizeof(value)));
    return value;
}

static struct vcpu_regs flat32(void)
{
    struct vcpu_regs r = { .rip = CODE, .rflags = X86_RFLAGS_R1, .cr0 = X86_CR0_PE | X86_CR0_ET };
    const uint64_t gdt[] = { 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };

    put(GDT, gdt, sizeof(gdt));
    for (unsigned i = 0; i < X86_SEGS; i++)
        r.seg[i] = (struct x86_segment){ 0, 0xffffffff, 0x18, X86_ACCESS_DATA32 };
    r.seg[X86_CS] = (struct x86_segment){ 0, 0xffffffff, 0x10, X86_ACCESS_CODE32 };
    r.tr = (struct x86_segment){ 0, 0x67, 0, X86_ACCESS_TSS };
    r.ldt = (struct x86_segment){ 0, 0, 0, 0x82 };
    r.gdt = (struct x86_table){ GDT, sizeof(gdt) - 1 };
    r.gpr[X86_RSP] = STACK;
    return r;
}

#define LOAD(...)                                \
    do {                                         \
        const uint8_t code_[] = { __VA_ARGS__ }; \
        const struct vcpu_regs r_ = flat32();    \
        put(CODE, code_, sizeof(code_));         \
        start_at(&r_);                           \
    } while (0)

static void ports_of_every_size(void)
{
    machine_init(1, FLAT32_RAM);
    LOAD(MOV_EDX(PORT), MOV_EAX(0x44332211), OUT_DX_AL, OUT_DX_AX, OUT_DX_EAX, MOV_EAX(0), IN_AL_DX,
         STORE_EAX(RESULT), IN_AX_DX, STORE_EAX(RESULT + 4), IN_EAX_DX, STORE_EAX(RESULT + 8), UD2);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(m.port.writes == 3 && m.port.written_len == 7);
    CHECK(memcmp(m.port.written, "\x11\x11\x22\x11\x22\x33\x44", 7) == 0);
    CHECK(result(0) == 0xa1 && result(1) == 0xa2 && result(2) == 0xa3);
    machine_finish();
}

static void string_ports(void)
{
    uint16_t read[4];

    machine_init(1, FLAT32_RAM);
    put(INPUT, "hello", 5);
    LOAD(MOV_EDX(PORT), MOV_ESI(INPUT), MOV_ECX(5), 0xf3, 0x6e /* rep outsb */, MOV_EDI(RESULT),
         MOV_ECX(4), 0x66, 0xf3, 0x6d /* rep insw */, UD2);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(m.port.written_len == 5 && memcmp(m.port.written, "hello", 5) == 0);
    CHECK(mem_read(&m.mem, RESULT, read, sizeof(read)));
    CHECK(read[0] == 0xa1 && read[1] == 0xa2 && read[2] == 0xa3 && read[3] == 0xa4);
    machine_finish();
}

static void unclaimed_accesses(void)
{
    machine_init(1, FLAT32_RAM);
    LOAD(MOV_EDX(0x300), IN_EAX_DX, STORE_EAX(RESULT), OUT_DX_EAX, LOAD_EAX(0xd0000000),
         STORE_EAX(RESULT + 4), STORE32(0xd0000000, 1), LOAD_EAX(WINDOW + 0xffe),
         STORE_EAX(RESULT + 8), UD2);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(result(0) == 0xffffffff && result(1) == 0xffffffff);
    /* That load crossed the window's end: its upper half is nobody's. */
    CHECK(result(2) >> 16 == 0xffff);
    machine_finish();
}

static void mmio_of_every_size(void)
{
    uint64_t wide;

    machine_init(1, FLAT32_RAM);
    LOAD(STORE8(WINDOW, 0x11), STORE16(WINDOW + 2, 0x2222), STORE32(WINDOW + 4, 0x33333333),
         LOAD_EAX(WINDOW), STORE_EAX(RESULT), 0x0f, 0x6f, 0x05,
         LE32(WINDOW + 16) /* movq mm0, [window + 16] */, 0x0f, 0x7f, 0x05,
         LE32(RESULT + 8) /* movq [result + 8], mm0 */, UD2);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(m.window.writes == 3 && m.window.written_len == 7);
    CHECK(memcmp(m.window.written, "\x11\x22\x22\x33\x33\x33\x33", 7) == 0);
    CHECK(result(0) == 0xa1);
    CHECK(mem_read(&m.mem, RESULT + 8, &wide, sizeof(wide)) && wide == 0xa2);
    CHECK(m.window.offset == 16 && m.window.size == 8);
    machine_finish();
}

static void doorbell_without_exit(void)
{
    uint64_t rung = 0;
    int fd = eventfd(0, EFD_NONBLOCK);

    machine_init(1, FLAT32_RAM);
    must(m.accel->ops->doorbell_add(m.accel, WINDOW + 0x50, 4, 3, fd, &e));
    CHECK(m.accel->ops->doorbell_add(m.accel, WINDOW + 0x50, 4, 3, fd, &e) == -EEXIST);
    LOAD(STORE32(WINDOW + 0x50, 3), STORE32(WINDOW + 0x50, 4), STORE32(WINDOW + 0x50, 3), UD2);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(read(fd, &rung, sizeof(rung)) == sizeof(rung) && rung == 2);
    /* A store of another value reaches the register. */
    CHECK(m.window.writes == 1 && m.window.written[0] == 4);
    (void)close(fd);
    machine_finish();
}

static struct irq_line line;

static void raise_line(struct probe *p)
{
    (void)p;
    irq_line_raise(&line);
}

/* Runs a guest that sets itself up by `setup` and, with interrupts enabled, writes to the port,
 * which raises the line. Its handler for `vector` leaves a mark and ends. */
static void take_interrupt(unsigned gsi, unsigned vector, const uint8_t *setup, size_t len)
{
    const uint8_t wait[] = { MOV_EDX(PORT), STI, OUT_DX_AL, HALT_FOREVER };
    const uint8_t handler[] = { STORE32(RESULT, 0x1234), UD2 };
    const uint64_t gate = 0x00008e0000100000 | INPUT; /* present, 32-bit interrupt gate */
    struct vcpu_regs r;

    machine_init(1, FLAT32_RAM);
    must(m.accel->ops->irq_init(m.accel, &line, gsi, &e));
    m.port.on_write = raise_line;
    put(CODE, setup, len);
    put(CODE + len, wait, sizeof(wait));
    put(INPUT, handler, sizeof(handler));
    put(IDT + 8 * vector, &gate, sizeof(gate));
    r = flat32();
    r.idt = (struct x86_table){ IDT, (uint16_t)(8 * vector + 7) };
    start_at(&r);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(result(0) == 0x1234);
    m.accel->ops->irq_finish(m.accel, &line);
    machine_finish();
}

/* Through the PIC and LINT0, as for a guest without an I/O APIC driver. */
static void interrupt_through_pic(void)
{
    const uint8_t setup[] = { OUT_IMM(0x20, 0x11), OUT_IMM(0x21, 0x20), OUT_IMM(0x21, 0x04),
                              OUT_IMM(0x21, 0x01), OUT_IMM(0x21, 0xef) };

    take_interrupt(4, 0x24, setup, sizeof(setup));
}

static void interrupt_through_ioapic(void)
{
    const uint8_t setup[] = { STORE32(LAYOUT_LAPIC + 0xf0, 0x1ff),   /* enable */
                              STORE32(LAYOUT_IOAPIC, 0x10 + 2 * 23), /* line 23: vector 0x31 */
                              STORE32(LAYOUT_IOAPIC + 0x10, 0x31) };

    take_interrupt(23, 0x31, setup, sizeof(setup));
}

static void line_errors(void)
{
    struct irq_line second;

    machine_init(1, FLAT32_RAM);
    must(m.accel->ops->irq_init(m.accel, &line, 5, &e));
    CHECK(line.gsi == 5);
    CHECK(line.fd >= 0 || machine_accel != &kvm_accel); /* KVM listens to an eventfd */
    CHECK(m.accel->ops->irq_init(m.accel, &second, 5, &e) == -EEXIST);
    CHECK(m.accel->ops->irq_init(m.accel, &second, 24, &e) == -EINVAL);
    m.accel->ops->irq_finish(m.accel, &line);
    must(m.accel->ops->irq_init(m.accel, &second, 5, &e));
    irq_line_raise(&second); /* no processor takes it, and nothing blocks */
    irq_line_raise(&second);
    m.accel->ops->irq_finish(m.accel, &second);
    machine_finish();
}

static void kick_before_run(void)
{
    machine_init(1, FLAT32_RAM);
    LOAD(UD2);
    m.vcpu[0]->ops->kick(m.vcpu[0]);
    CHECK(run(0) == VCPU_KICKED);
    CHECK(regs_now().rip == CODE);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    machine_finish();
}

static void kick_self(struct probe *p)
{
    (void)p;
    m.vcpu[0]->ops->kick(m.vcpu[0]);
}

/* A kick during an access lets the access finish first. */
static void kick_inside_access(void)
{
    machine_init(1, FLAT32_RAM);
    m.port.on_read = kick_self;
    LOAD(MOV_EDX(PORT), MOV_EAX(0), IN_AL_DX, UD2);
    CHECK(run(0) == VCPU_KICKED);
    CHECK(regs_now().rip == CODE + 11 && regs_now().gpr[X86_RAX] == 0xa1);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(m.port.reads == 1);
    machine_finish();
}

/* After the store that kicks, not one more instruction is executed; twice. */
static void kick_inside_a_store(void)
{
    machine_init(1, FLAT32_RAM);
    m.window.on_write = kick_self;
    LOAD(MOV_EAX(5), STORE_EAX(WINDOW), STORE32(RESULT, 1), UD2);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(run(0) == VCPU_KICKED);
        CHECK(regs_now().rip == CODE + 10 && result(0) == 0 && m.window.writes == i + 1);
        struct vcpu_regs again = regs_now();
        again.rip = CODE;
        must(m.vcpu[0]->ops->regs_set(m.vcpu[0], &again, &e));
    }
    m.window.on_write = NULL;
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(result(0) == 1);
    machine_finish();
}

static void kick_inside_a_load(void)
{
    machine_init(1, FLAT32_RAM);
    m.window.on_read = kick_self;
    LOAD(LOAD_EAX(WINDOW), STORE_EAX(RESULT), UD2);
    CHECK(run(0) == VCPU_KICKED);
    CHECK(regs_now().rip == CODE + 5 && regs_now().gpr[X86_RAX] == 0xa1 && result(0) == 0);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(result(0) == 0xa1 && m.window.reads == 1);
    machine_finish();
}

static int ready_fd;

static void say_ready(struct probe *p)
{
    (void)p;
    CHECK(eventfd_write(ready_fd, 1) == 0);
}

/* One kick ends a run, whether it comes before the guest runs, while it spins, or in between. */
static void kick_while_spinning(void)
{
    eventfd_t ready;

    ready_fd = eventfd(0, 0);
    machine_init(1, FLAT32_RAM);
    m.port.on_write = say_ready;
    LOAD(MOV_EDX(PORT), OUT_DX_AL, SPIN);
    pthread_t thread = spawn(0);
    CHECK(eventfd_read(ready_fd, &ready) == 0);
    CHECK(kick_and_join(0, thread) == VCPU_KICKED);
    CHECK(regs_now().rip == CODE + 6);
    for (unsigned i = 0; i < 50; i++)
        CHECK(kick_and_join(0, spawn(0)) == VCPU_KICKED);
    CHECK(regs_now().rip == CODE + 6);
    (void)close(ready_fd);
    machine_finish();
}

/* Whether the guest goes on reading the port. */
static bool reads_again(void)
{
    struct pollfd ready = { .fd = ready_fd, .events = POLLIN };
    eventfd_t before;

    return poll(&ready, 1, 10000) == 1 && eventfd_read(ready_fd, &before) == 0 &&
           poll(&ready, 1, 10000) == 1;
}

static void signals_without_a_kick(void)
{
    ready_fd = eventfd(0, 0);
    machine_init(1, FLAT32_RAM);
    m.port.on_read = say_ready;
    LOAD(MOV_EDX(PORT), IN_AL_DX, 0xeb, 0xfd /* jmp to the in */);
    pthread_t thread = spawn(0);
    for (unsigned i = 0; i < 50; i++) {
        CHECK(pthread_kill(thread, VCPU_SIGNAL) == 0);
        CHECK(reads_again());
    }
    CHECK(kick_and_join(0, thread) == VCPU_KICKED);
    (void)close(ready_fd);
    machine_finish();
}

static void kick_while_halted(void)
{
    machine_init(1, FLAT32_RAM);
    LOAD(HALT_FOREVER);
    for (unsigned i = 0; i < 30; i++)
        CHECK(kick_and_join(0, spawn(0)) == VCPU_KICKED);
    machine_finish();
}

/* The second processor sleeps until the first one starts it, and can be kicked all the while. */
static void second_processor(void)
{
    const uint8_t ap[] = { 0xc6, 0x06, RESULT & 0xff, RESULT >> 8, 0x5a, HALT_FOREVER };

    machine_init(2, FLAT32_RAM);
    CHECK(kick_and_join(1, spawn(1)) == VCPU_KICKED);
    CHECK(result(0) == 0);
    put(AP, ap, sizeof(ap));
    LOAD(STORE32(LAYOUT_LAPIC + 0x300, 0xc4500u),            /* INIT to all but self */
         STORE32(LAYOUT_LAPIC + 0x300, 0xc4600u | AP >> 12), /* start-up, at AP */
         0x80, 0x3d, LE32(RESULT), 0x5a, 0x75, 0xf7 /* until byte [RESULT] is 0x5a */, UD2);
    pthread_t thread = spawn(1);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(kick_and_join(1, thread) == VCPU_KICKED);
    CHECK(result(0) == 0x5a);
    machine_finish();
}

static void cpuid_in_the_guest(void)
{
    machine_init(2, FLAT32_RAM);
    LOAD(MOV_EAX(1), CPUID, STORE_EAX(RESULT), 0x89, 0x1d, LE32(RESULT + 4) /* ebx */, 0x89, 0x0d,
         LE32(RESULT + 8) /* ecx */, MOV_EAX(0x40000000), CPUID, 0x89, 0x1d, LE32(RESULT + 12),
         UD2);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(result(1) >> 24 == 0 && (result(1) >> 16 & 0xff) == 2);
    CHECK(result(2) & 1u << 31);       /* a hypervisor */
    CHECK(result(2) & 1u << 21);       /* x2APIC */
    CHECK((result(2) & 1u << 3) == 0); /* no MONITOR */
    CHECK((result(2) & 1u << 5) == 0); /* no VMX */
    CHECK(result(3) == 0x4b4d564b);    /* "KVMK": kvmclock can be found */
    machine_finish();
}

static void registers_round_trip(void)
{
    struct vcpu_regs r, back;

    machine_init(1, FLAT32_RAM);
    r = flat32();
    for (unsigned i = 0; i < X86_GPRS; i++)
        r.gpr[i] = 0xabcd000000000000u + i;
    r.seg[X86_CS].access = X86_ACCESS_CODE64;
    r.idt = (struct x86_table){ IDT, 0xfff };
    r.cr0 |= X86_CR0_PG;
    r.cr2 = 0x1234;
    r.cr3 = 0x9000;
    r.cr4 = X86_CR4_PAE;
    r.cr8 = 5;
    r.efer = X86_EFER_LME | X86_EFER_LMA;
    r.rflags |= 0x8d5; /* every arithmetic flag */
    start_at(&r);
    back = regs_now();
    CHECK(memcmp(back.gpr, r.gpr, sizeof(r.gpr)) == 0);
    CHECK(back.rip == r.rip && back.rflags == r.rflags);
    CHECK(memcmp(back.seg, r.seg, sizeof(r.seg)) == 0);
    CHECK(memcmp(&back.tr, &r.tr, sizeof(r.tr)) == 0);
    CHECK(back.gdt.base == GDT && back.gdt.limit == r.gdt.limit);
    CHECK(back.idt.base == IDT && back.idt.limit == 0xfff);
    CHECK(back.cr0 == r.cr0 && back.cr2 == r.cr2 && back.cr3 == r.cr3 && back.cr4 == r.cr4);
    CHECK(back.cr8 == 5 && back.efer == r.efer);
    machine_finish();
}

static void impossible_registers(void)
{
    struct vcpu_regs r;

    machine_init(1, FLAT32_RAM);
    r = flat32();
    r.cr0 = X86_CR0_PG; /* paging without protection */
    CHECK(m.vcpu[0]->ops->regs_set(m.vcpu[0], &r, &e) == -EINVAL);
    CHECK(strstr(e.text, "system registers"));
    machine_finish();
}

static void code_outside_ram(void)
{
    machine_init(1, FLAT32_RAM);
    struct vcpu_regs r = flat32();
    r.rip = WINDOW;
    start_at(&r);
    CHECK(run(0) == VCPU_FAILED);
    machine_finish();
}

static void file_cut_short_under_the_guest(void)
{
    int fd = memfd_create("kernel", MFD_CLOEXEC);

    machine_init(1, FLAT32_RAM);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    must(mem_map_file(&m.mem, 0x10000, fd, 0, 4096, &e));
    LOAD(LOAD_EAX(0x10000), UD2);
    CHECK(ftruncate(fd, 0) == 0);
    CHECK(run(0) == VCPU_FAILED);
    (void)close(fd);
    machine_finish();
}

static bool tables_equal(const struct x86_table *a, const struct x86_table *b)
{
    return a->base == b->base && a->limit == b->limit; /* the struct has padding */
}

static bool regs_equal(const struct vcpu_regs *a, const struct vcpu_regs *b)
{
    return memcmp(a->gpr, b->gpr, sizeof(a->gpr)) == 0 && a->rip == b->rip &&
           a->rflags == b->rflags && memcmp(a->seg, b->seg, sizeof(a->seg)) == 0 &&
           memcmp(&a->tr, &b->tr, sizeof(a->tr)) == 0 &&
           memcmp(&a->ldt, &b->ldt, sizeof(a->ldt)) == 0 && tables_equal(&a->gdt, &b->gdt) &&
           tables_equal(&a->idt, &b->idt) && a->cr0 == b->cr0 && a->cr2 == b->cr2 &&
           a->cr3 == b->cr3 && a->cr4 == b->cr4 && a->cr8 == b->cr8 && a->efer == b->efer;
}

/* A probe leaves memory and processor as they were, whether it found the processor fast enough or,
 * on a busy host, too slow. */
static void probed(void)
{
    static const uint8_t nothing[0x10000];
    uint64_t mips = 0;

    machine_init(1, FLAT32_RAM);
    const struct vcpu_regs before = regs_now();
    int ret = m.vcpu[0]->ops->probe(m.vcpu[0], &mips, &e);
    const struct vcpu_regs after = regs_now();
    CHECK(ret == 0 || (ret == -EOPNOTSUPP && strstr(e.text, "million instructions")));
    CHECK(mips > 0);
    CHECK(regs_equal(&before, &after));
    CHECK(memcmp(mem_at(&m.mem, 0, sizeof(nothing)), nothing, sizeof(nothing)) == 0);
    LOAD(MOV_EAX(7), STORE_EAX(RESULT), UD2);
    CHECK(run(0) == VCPU_TRIPLE_FAULT);
    CHECK(result(0) == 7);
    machine_finish();
}

static void probe_ends_by_a_kick(void)
{
    uint64_t mips = 0;

    machine_init(1, FLAT32_RAM);
    const struct vcpu_regs before = regs_now();
    m.vcpu[0]->ops->kick(m.vcpu[0]);
    CHECK(m.vcpu[0]->ops->probe(m.vcpu[0], &mips, &e) == -EOPNOTSUPP);
    const struct vcpu_regs after = regs_now();
    CHECK(regs_equal(&before, &after));
    CHECK(mips == 0);
    CHECK(strstr(e.text, "does not get through"));
    machine_finish();
}

const struct guest_test flat32_tests[] = {
    { "probed", probed, "kvm" },
    { "probe ends by a kick", probe_ends_by_a_kick, "kvm" },
    { "ports of every size", ports_of_every_size, NULL },
    { "string port instructions", string_ports, NULL },
    { "unclaimed accesses", unclaimed_accesses, NULL },
    { "MMIO of every size", mmio_of_every_size, NULL },
    { "doorbell without exit", doorbell_without_exit, NULL },
    { "interrupt through the PIC", interrupt_through_pic, "kvm" },
    { "interrupt through the I/O APIC", interrupt_through_ioapic, NULL },
    { "interrupt line errors", line_errors, NULL },
    { "kick before run", kick_before_run, NULL },
    { "kick inside an access", kick_inside_access, NULL },
    { "kick inside a store", kick_inside_a_store, NULL },
    { "kick inside a load", kick_inside_a_load, NULL },
    { "kick while spinning", kick_while_spinning, NULL },
    { "signals without a kick", signals_without_a_kick, NULL },
    { "kick while halted", kick_while_halted, NULL },
    { "second processor", second_processor, NULL },
    { "CPUID in the guest", cpuid_in_the_guest, NULL },
    { "registers round trip", registers_round_trip, NULL },
    { "impossible registers", impossible_registers, "kvm" },
    { "code outside RAM", code_outside_ram, "kvm" },
    { "file cut short under the guest", file_cut_short_under_the_guest, "kvm" },
    { NULL, NULL, NULL },
};
