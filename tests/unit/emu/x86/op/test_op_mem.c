/*
 * All writes of an instruction are checked before it does anything, and not again.
 *
 * A device's page lies in front of a page of RAM. Every access to the device unmaps that page, as
 * another processor could at any time. An instruction that has begun must end as if it had come
 * before that.
 */
#include "emu/x86/op/op_mem.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/vm/device.h"
#include "core/x86/bits.h"
#include "emu/x86/cpu/fpu.h"
#include "emu/x86/cpu/mode.h"
#include "emu/x86/mem/walk.h"
#include "emu/x86/seg/seg.h"
#include "emu/x86/seg/stack.h"
#include "lib/x86/emu_rig.h"

#define DEVICE (EMU_RIG_MMIO + 0x1000)
#define END    (DEVICE + 0x1000) /* where the page of RAM begins */
#define RAM    0x10000u
#define PORT   0x100u

/* A device that keeps what is written to it, and unmaps the page behind it. */
struct thief {
    struct device device; /* first member */
    uint8_t bytes[0x1000];
    unsigned reads, writes;
    uint8_t sets; /* bits that appear in byte 5 after a read */
};

static struct emu_rig r;
static struct thief thief, port;

static void take_away(void)
{
    *emu_rig_entry(&r, END, 1) = 0;
}

static void thief_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct thief *t = (struct thief *)d;

    memcpy(data, t->bytes + offset, size);
    t->bytes[5] |= t->sets;
    t->reads++;
    take_away();
}

static void thief_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct thief *t = (struct thief *)d;

    memcpy(t->bytes + offset, data, size);
    t->writes++;
    take_away();
}

static const struct device_ops thief_ops = { "thief", thief_read, thief_write };

static void map(void)
{
    emu_rig_map(&r, END, RAM, X86_PTE_P | X86_PTE_RW);
    mmu_flush(r.cpu, true);
}

static void start(void)
{
    emu_rig_init(&r, 1);
    emu_rig_long_mode(&r);
    memset(&thief, 0, sizeof(thief));
    memset(&port, 0, sizeof(port));
    device_init(&thief.device, &thief_ops);
    device_init(&port.device, &thief_ops);
    cr_assert_eq(bus_add(&r.mmio, DEVICE, 0x1000, &thief.device, NULL), 0);
    cr_assert_eq(bus_add(&r.ports, PORT, 0x100, &port.device, NULL), 0);
    emu_rig_map(&r, DEVICE, DEVICE, X86_PTE_P | X86_PTE_RW);
    map();
}

static void finish(void)
{
    emu_rig_finish(&r);
    device_finish(&thief.device);
    device_finish(&port.device);
}

TestSuite(op_mem, .init = start, .fini = finish);

static bool step(const uint8_t *code, size_t len)
{
    emu_rig_write(&r, EMU_RIG_CODE, code, len);
    r.cpu->rip = EMU_RIG_CODE;
    r.cpu->code->drop_all(r.cpu);
    return emu_rig_step(&r);
}

#define STEP(...) step((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static uint8_t *ram(void)
{
    return emu_rig_at(&r, RAM);
}

/* A doubleword half on the device, half in RAM. */
static uint32_t doubleword(void)
{
    uint32_t value;

    memcpy(&value, thief.bytes + 0xffe, 2);
    memcpy((uint8_t *)&value + 2, ram(), 2);
    return value;
}

static void set_doubleword(uint32_t value)
{
    map();
    memcpy(thief.bytes + 0xffe, &value, 2);
    memcpy(ram(), (uint8_t *)&value + 2, 2);
    thief.reads = thief.writes = 0;
}

#define EXPECT_MODIFY(from, to, ...)                                    \
    do {                                                                \
        set_doubleword(from);                                           \
        cr_assert(STEP(__VA_ARGS__), "vector %u", r.cpu->fault.vector); \
        cr_assert_eq(doubleword(), (to), "%#x", doubleword());          \
        cr_assert_eq(thief.reads, 1);                                   \
        cr_assert_eq(thief.writes, 1);                                  \
    } while (0)

Test(op_mem, a_modify_is_written_where_it_was_read)
{
    r.cpu->gpr[X86_RDI] = END - 2;
    r.cpu->gpr[X86_RAX] = 0x11111111;
    r.cpu->gpr[X86_RCX] = 17;
    EXPECT_MODIFY(0x22222222, 0x33333333, 0x01, 0x07);       /* add [rdi], eax */
    EXPECT_MODIFY(0x7fffffff, 0x80000000, 0xff, 0x07);       /* inc dword [rdi] */
    EXPECT_MODIFY(0x22222222, 0x88888888, 0xc1, 0x27, 0x02); /* shl dword [rdi], 2 */
    EXPECT_MODIFY(0, 0x20000, 0x0f, 0xab, 0x0f);             /* bts [rdi], ecx */
    EXPECT_MODIFY(0x11111111, 17, 0x0f, 0xb1, 0x0f);         /* cmpxchg [rdi], ecx */
    EXPECT_MODIFY(0x22222222, 0x33333333, 0xf0, 0x01, 0x07); /* lock add [rdi], eax */
    EXPECT_MODIFY(0, 0x20000, 0xf0, 0x0f, 0xab, 0x0f);       /* lock bts [rdi], ecx */
    EXPECT_MODIFY(0x22222222, 0x11111111, 0x87, 0x07);       /* xchg [rdi], eax */
    cr_assert_eq(r.cpu->gpr[X86_RAX], 0x22222222);
}

/* An x87 store has popped its operand by the time it writes. */
Test(op_mem, a_write_only_operand_is_judged_before)
{
    const struct pieces *p = &r.cpu->operand;
    uint8_t *at;

    at = mmu_fill_slow(r.cpu, END - 2, 4);
    cr_assert_eq(at, r.cpu->bounce);
    cr_assert_eq(thief.reads, 0);
    cr_assert_eq(p->gpa[1], RAM);
    take_away();
    memset(at, 0x44, 4);
    mmu_modify_end(r.cpu, at);
    cr_assert_eq(doubleword(), 0x44444444);
    cr_assert_eq(r.cpu->leave, CPU_ON);
}

/* Otherwise what came from the device would be lost. */
Test(op_mem, ins_is_judged_before_the_device_is_read)
{
    port.bytes[0] = 0x5a;
    r.cpu->gpr[X86_RDX] = PORT;
    r.cpu->gpr[X86_RDI] = END;
    cr_assert(STEP(0x6c)); /* insb */
    cr_assert_eq(port.reads, 1);
    cr_assert_eq(ram()[0], 0x5a);
    cr_assert_eq(r.cpu->gpr[X86_RDI], END + 1);
    cr_assert_not(STEP(0x6c));
    cr_assert_eq(r.cpu->fault.vector, CPU_PF);
    cr_assert_eq(port.reads, 1);
}

/* In particular not its destination, which may be a device's too. */
Test(op_mem, ins_reads_nothing_else)
{
    r.cpu->gpr[X86_RDX] = PORT;
    r.cpu->gpr[X86_RDI] = DEVICE;
    cr_assert(STEP(0x6c));
    cr_assert_eq(thief.reads, 0);
    cr_assert_eq(thief.writes, 1);
}

/* FXSAVE and XSAVE with the boundary among the XMM registers. */
Test(op_mem, states_are_saved_whole_or_not_at_all)
{
    const unsigned before = 0x100;

    r.cpu->gpr[X86_RDI] = END - before;
    r.cpu->gpr[X86_RAX] = 7;
    r.cpu->gpr[X86_RDX] = 0;
    for (unsigned n = 0; n < 16; n++)
        memset(r.cpu->vec[n].ymm, 0x50 + (int)n, 32);
    memset(ram(), 0xff, 0x1000);
    cr_assert(STEP(0x0f, 0xae, 0x07), "fxsave");
    cr_assert_eq(thief.bytes[0x1000 - before + 160], 0x50);
    cr_assert_eq(ram()[160 + 15 * 16 - before], 0x5f);
    map();
    memset(ram(), 0xff, 0x1000);
    cr_assert(STEP(0x0f, 0xae, 0x27), "xsave");
    cr_assert_eq(ram()[160 + 15 * 16 - before], 0x5f);
    cr_assert_eq(ram()[576 + 15 * 16 - before], 0x5f);
    cr_assert_eq(ram()[512 - before] & 6, 6, "XSTATE_BV: SSE and AVX");
    map();
    memset(ram(), 0xff, 0x1000);
    cr_assert(STEP(0x0f, 0xc7, 0x27), "xsavec");
    cr_assert_eq(ram()[576 + 15 * 16 - before], 0x5f);
    take_away();
    mmu_flush(r.cpu, true);
    thief.writes = 0;
    cr_assert_not(STEP(0x0f, 0xae, 0x27));
    cr_assert_eq(r.cpu->fault.vector, CPU_PF);
    cr_assert_eq(thief.writes, 0);
}

Test(op_mem, masked_stores_are_made_whole_or_not_at_all)
{
    r.cpu->gpr[X86_RDI] = END - 16;
    memset(r.cpu->vec[0].ymm, 0xff, 32); /* the mask */
    memset(r.cpu->vec[1].ymm, 0x77, 32);
    cr_assert(STEP(0xc4, 0xe2, 0x7d, 0x2e, 0x0f)); /* vmaskmovps [rdi], ymm0, ymm1 */
    cr_assert_eq(thief.writes, 4);
    cr_assert_eq(ram()[0], 0x77);
    cr_assert_eq(ram()[15], 0x77);
    thief.writes = 0;
    cr_assert_not(STEP(0xc4, 0xe2, 0x7d, 0x2e, 0x0f));
    cr_assert_eq(r.cpu->fault.vector, CPU_PF);
    cr_assert_eq(thief.writes, 0);
}

/* Several values, of which the last one has no room on the stack. */
Test(op_mem, pushes_are_made_together)
{
    const uint64_t values[] = { 1, 2, 3 };
    uint64_t sp = END + 16;

    memset(ram(), 0xff, 0x1000);
    *emu_rig_entry(&r, DEVICE, 1) = 0;
    cr_assert_not(stack_push_all(r.cpu, &sp, values, 3, 8));
    cr_assert_eq(r.cpu->fault.vector, CPU_PF);
    cr_assert_eq(sp, END + 16);
    for (unsigned i = 0; i < 16; i++)
        cr_assert_eq(ram()[i], 0xff);
    r.cpu->leave = CPU_ON;
    for (unsigned known = 0; known < 2; known++) { /* by the slow path, then by a hit */
        sp = END + 16;
        memset(ram(), 0xff, 0x1000);
        cr_assert(stack_push_all(r.cpu, &sp, values, 2, 8));
        cr_assert_eq(sp, END);
        cr_assert_eq(ram()[0], 2);
        cr_assert_eq(ram()[8], 1);
        cr_assert(mmu_write(r.cpu, END + 0x100, values, 8));
        cr_assert_not_null(mmu_write_hit(r.cpu, END, 16));
    }
}

/* There is room for two of the four values that ENTER pushes. */
Test(op_mem, enter_faults_in_the_order_of_its_accesses_and_writes_nothing)
{
    memset(ram(), 0xff, 0x1000);
    *emu_rig_entry(&r, DEVICE, 1) = 0;
    r.cpu->gpr[X86_RSP] = END + 16;
    r.cpu->gpr[X86_RBP] = EMU_RIG_STACK;
    cr_assert_not(STEP(0xc8, 0x00, 0x00, 0x03)); /* enter 0, 3 */
    cr_assert_eq(r.cpu->fault.vector, CPU_PF);
    cr_assert_eq(r.cpu->fault.address, END - 8);
    cr_assert_eq(r.cpu->gpr[X86_RSP], END + 16);
    for (unsigned i = 0; i < 16; i++)
        cr_assert_eq(ram()[i], 0xff);
    r.cpu->gpr[X86_RBP] =
        END - 0x10; /* the first link cannot be read, which comes before those pushes */
    cr_assert_not(STEP(0xc8, 0x00, 0x00, 0x03));
    cr_assert_eq(r.cpu->fault.address, END - 0x18);
    cr_assert_eq(r.cpu->fault.error & PF_WRITE, 0);
    cr_assert_eq(ram()[8], 0xff);
    r.cpu->gpr[X86_RBP] = EMU_RIG_STACK;
    r.cpu->gpr[X86_RSP] = END + 0x20;
    cr_assert(STEP(0xc8, 0x00, 0x00, 0x02)); /* enter 0, 2 */
    cr_assert_eq(r.cpu->gpr[X86_RSP], END + 8);
    cr_assert_eq(emu_rig_read64(&r, RAM + 0x18), EMU_RIG_STACK);
    cr_assert_eq(emu_rig_read64(&r, RAM + 8), END + 0x18);
}

/* If two processors load a task at the same time, one of them finds it busy. */
Test(op_mem, a_task_is_taken_by_one_processor)
{
    const uint64_t tss = UINT64_C(0x0000890000000067) | (uint64_t)RAM << 16;

    memcpy(thief.bytes, &tss, sizeof(tss));
    r.cpu->gdt = (struct x86_table){ DEVICE - 8, 0x17 };
    thief.sets = SEG_BUSY;
    cr_assert_not(seg_load_tr(r.cpu, 8));
    cr_assert_eq(r.cpu->fault.vector, CPU_GP);
    cr_assert_eq(r.cpu->fault.error, 8);
}
