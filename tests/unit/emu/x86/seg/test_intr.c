#include <criterion/criterion.h>
#include <string.h>

#include "emu/x86/cpu/descriptor.h"
#include "emu/x86/seg/intr.h"
#include "lib/x86/processor.h"

static struct processor p;

#define GDT   0x0000u /* offsets in data */
#define IDT   0x1000u
#define TSS   0x3000u
#define STACK 0x6000u
#define INNER 0x8000u /* the kernel's stack when user code is interrupted */

#define HANDLER(vector) (0x1234567800u + (vector))

#define GATE_PRESENT 0x8eu
#define GATE_USERS   0xeeu
#define GATE_ABSENT  0x0eu

static void gate(unsigned vector, uint64_t access)
{
    uint64_t offset = HANDLER(vector);
    uint64_t half[2] = {
        (offset & 0xffff) | 8u << 16 | access << 40 | (offset >> 16 & 0xffff) << 48, offset >> 32
    };

    memcpy(p.data + IDT + vector * 16, half, sizeof(half));
}

static void start(void)
{
    static const uint64_t code = UINT64_C(0x00209a0000000000);
    uint64_t inner = PROCESSOR_DATA + INNER;
    struct cpu *c;

    processor_init(&p, 64);
    c = p.cpu;
    memcpy(p.data + GDT + 8, &code, sizeof(code));
    memcpy(p.data + TSS + 4, &inner, sizeof(inner));
    c->gdt = (struct x86_table){ PROCESSOR_DATA + GDT, 0x3f };
    c->idt = (struct x86_table){ PROCESSOR_DATA + IDT, 0xfff };
    c->tr = (struct x86_segment){ .base = PROCESSOR_DATA + TSS, .limit = 103, .access = SEG_P };
    c->gpr[X86_RSP] = PROCESSOR_DATA + STACK;
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(intr, .init = start, .fini = finish);

/* What the handler finds on its stack, lowest first. */
static uint64_t pushed(unsigned i)
{
    uint64_t value;

    cr_assert(mem_read(&p.mem, p.cpu->gpr[X86_RSP] + i * 8, &value, sizeof(value)));
    return value;
}

Test(intr, a_software_interrupt_returns_behind_itself)
{
    gate(0x80, GATE_PRESENT);
    cr_assert_eq(STEP(&p, 0xcd, 0x80), 0x80);
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE);
    cr_assert(intr_deliver_fault(p.cpu));
    cr_assert_eq(p.cpu->rip, HANDLER(0x80));
    cr_assert_eq(pushed(0), PROCESSOR_CODE + 2);
    cr_assert_eq(pushed(1), 8);
    cr_assert_eq(pushed(3), PROCESSOR_DATA + STACK);
}

Test(intr, the_short_forms_return_behind_themselves_too)
{
    gate(CPU_BP, GATE_PRESENT);
    gate(CPU_DB, GATE_PRESENT);
    cr_assert_eq(STEP(&p, 0xcc), CPU_BP);
    cr_assert(intr_deliver_fault(p.cpu));
    cr_assert_eq(pushed(0), PROCESSOR_CODE + 1);
    cr_assert_eq(STEP(&p, 0xf1), CPU_DB);
    cr_assert(intr_deliver_fault(p.cpu));
    cr_assert_eq(pushed(0), PROCESSOR_CODE + 1);
}

Test(intr, an_exception_returns_to_its_instruction)
{
    gate(CPU_UD, GATE_PRESENT);
    cr_assert_eq(STEP(&p, 0x0f, 0x0b), CPU_UD);
    cr_assert(intr_deliver_fault(p.cpu));
    cr_assert_eq(p.cpu->rip, HANDLER(CPU_UD));
    cr_assert_eq(pushed(0), PROCESSOR_CODE);
}

Test(intr, a_software_interrupt_without_a_gate_is_a_fault_of_the_instruction)
{
    gate(0x80, GATE_ABSENT);
    gate(CPU_NP, GATE_PRESENT);
    cr_assert_eq(STEP(&p, 0xcd, 0x80), 0x80);
    cr_assert(intr_deliver_fault(p.cpu));
    cr_assert_eq(p.cpu->rip, HANDLER(CPU_NP));
    cr_assert_eq(pushed(0), 0x80 * 8 | 2, "the error code says IDT, and not external");
    cr_assert_eq(pushed(1), PROCESSOR_CODE);
}

static void become_user(void)
{
    p.cpu->cpl = 3;
    p.cpu->seg[X86_CS] = seg_flat(0x33, SEG_P | SEG_S | SEG_CODE | SEG_L | 0x60);
    p.cpu->seg[X86_SS] = seg_flat(0x2b, SEG_P | SEG_S | SEG_WRITABLE | 0x60);
}

Test(intr, a_users_interrupt_needs_a_users_gate)
{
    gate(0x80, GATE_PRESENT);
    gate(0x81, GATE_USERS);
    gate(CPU_GP, GATE_PRESENT);
    become_user();
    cr_assert_eq(STEP(&p, 0xcd, 0x80), 0x80);
    cr_assert(intr_deliver_fault(p.cpu));
    cr_assert_eq(p.cpu->rip, HANDLER(CPU_GP));
    cr_assert_eq(p.cpu->cpl, 0);
    cr_assert_eq(pushed(0), 0x80 * 8 | 2);
    cr_assert_eq(pushed(1), PROCESSOR_CODE);
    cr_assert_eq(pushed(2), 0x33);

    become_user();
    p.cpu->gpr[X86_RSP] = PROCESSOR_DATA + STACK;
    cr_assert_eq(STEP(&p, 0xcd, 0x81), 0x81);
    cr_assert(intr_deliver_fault(p.cpu));
    cr_assert_eq(p.cpu->rip, HANDLER(0x81));
    cr_assert_eq(p.cpu->gpr[X86_RSP], PROCESSOR_DATA + INNER - 40);
    cr_assert_eq(pushed(0), PROCESSOR_CODE + 2);
    cr_assert_eq(pushed(3), PROCESSOR_DATA + STACK);
    cr_assert_eq(pushed(4), 0x2b);
}

/* INT1 is an exception: the gate's privilege level does not count. */
Test(intr, int1_passes_any_gate)
{
    gate(CPU_DB, GATE_PRESENT);
    become_user();
    cr_assert_eq(STEP(&p, 0xf1), CPU_DB);
    cr_assert(intr_deliver_fault(p.cpu));
    cr_assert_eq(p.cpu->rip, HANDLER(CPU_DB));
}
