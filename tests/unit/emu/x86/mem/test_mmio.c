/* Accesses to devices: each is made once, and a kick from inside it ends the run behind it. */
#include "emu/x86/mem/mmio.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/x86/bits.h"
#include "emu/x86/block.h"
#include "emu/x86/cpu/gpr.h"
#include "lib/x86/emu_rig.h"

#define AT   (EMU_RIG_MMIO + 0x1000)
#define RAM  0x6000u
#define PORT 0u /* and the three behind it */

#define OTHER 0x9000u /* code on a page of its own */

/* A device whose every access kicks the processor that makes it. */
struct kicker {
    struct device device; /* first member */
    unsigned reads, writes;
};

static struct emu_rig r;
static struct kicker kicker, port_kicker;

static void kick(void)
{
    r.cpu->accel.ops->kick(&r.cpu->accel);
}

static void kicker_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    (void)offset;
    memset(data, 0x5a, size);
    ((struct kicker *)d)->reads++;
    kick();
}

static void kicker_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    (void)offset;
    (void)data;
    (void)size;
    ((struct kicker *)d)->writes++;
    kick();
}

static const struct device_ops kicker_ops = { "kicker", kicker_read, kicker_write };

static void start(void)
{
    emu_rig_init(&r, 1);
    emu_rig_long_mode(&r);
    emu_rig_map(&r, AT, AT, X86_PTE_P | X86_PTE_RW);
    device_init(&kicker.device, &kicker_ops);
    device_init(&port_kicker.device, &kicker_ops);
    cr_assert_eq(bus_add(&r.mmio, AT, 0x1000, &kicker.device, NULL), 0);
    cr_assert_eq(bus_add(&r.ports, PORT, 4, &port_kicker.device, NULL), 0);
    r.cpu->gpr[X86_RDI] = AT;
    r.cpu->gpr[X86_RSI] = AT + 8;
}

static void finish(void)
{
    emu_rig_finish(&r);
    device_finish(&kicker.device);
    device_finish(&port_kicker.device);
}

TestSuite(mmio, .init = start, .fini = finish);

/* inc ecx; the code; inc edx. The run ends behind the code, before the second increment. */
static void expect_end_behind(const void *code, size_t len)
{
    uint8_t all[32] = { 0xff, 0xc1 };

    memcpy(all + 2, code, len);
    memcpy(all + 2 + len, (uint8_t[]){ 0xff, 0xc2 }, 2);
    r.cpu->gpr[X86_RCX] = r.cpu->gpr[X86_RDX] = 0;
    cr_assert_eq(emu_rig_run(&r, all, len + 4), VCPU_KICKED);
    cr_assert_eq(r.cpu->rip, EMU_RIG_CODE + 2 + len);
    cr_assert_eq(r.cpu->gpr[X86_RCX], 1);
    cr_assert_eq(r.cpu->gpr[X86_RDX], 0);
}

#define ENDS_BEHIND(...) \
    expect_end_behind((uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

Test(mmio, a_kick_during_a_store_takes_effect_behind_it)
{
    ENDS_BEHIND(0x89, 0x07); /* mov [rdi], eax */
    cr_assert_eq(kicker.writes, 1);
    ENDS_BEHIND(0xc6, 0x07, 0x01); /* mov byte [rdi], 1 */
    ENDS_BEHIND(0x0f, 0x11, 0x07); /* movups [rdi], xmm0: two accesses */
    cr_assert_eq(kicker.writes, 4);
    cr_assert_eq(kicker.reads, 0);
}

Test(mmio, a_kick_during_a_load_takes_effect_behind_it)
{
    ENDS_BEHIND(0x8b, 0x07); /* mov eax, [rdi] */
    cr_assert_eq(kicker.reads, 1);
    cr_assert_eq(r.cpu->gpr[X86_RAX], 0x5a5a5a5a);
    ENDS_BEHIND(0x0f, 0xb6, 0x07); /* movzx eax, byte [rdi] */
    cr_assert_eq(r.cpu->gpr[X86_RAX], 0x5a);
    ENDS_BEHIND(0x66, 0x0f, 0x6e, 0x07); /* movd xmm0, [rdi] */
    cr_assert_eq(kicker.reads, 3);
}

Test(mmio, each_side_of_a_modification_is_made_once)
{
    ENDS_BEHIND(0xff, 0x07);       /* inc dword [rdi] */
    ENDS_BEHIND(0xf0, 0x01, 0x07); /* lock add [rdi], eax */
    ENDS_BEHIND(0x87, 0x07);       /* xchg [rdi], eax */
    cr_assert_eq(kicker.reads, 3);
    cr_assert_eq(kicker.writes, 3);
}

Test(mmio, a_kick_takes_effect_in_a_block_that_has_dropped_another)
{
    emu_rig_write(&r, OTHER, (uint8_t[]){ 0xeb, 0xfe }, 2); /* jmp . */
    r.cpu->rip = OTHER;
    cr_assert(block_at(r.cpu, r.cpu->mode));
    r.cpu->gpr[X86_RBX] = OTHER;
    ENDS_BEHIND(0x88, 0x03, 0x89, 0x07); /* mov [rbx], al; mov [rdi], eax */
    cr_assert_eq(kicker.writes, 1);
}

Test(mmio, moves_reach_a_device_once)
{
    r.cpu->gpr[X86_RSI] = EMU_RIG_CODE;
    ENDS_BEHIND(0xa4); /* movsb */
    cr_assert_eq(kicker.writes, 1);
    cr_assert_eq(r.cpu->gpr[X86_RDI], AT + 1);
    ENDS_BEHIND(0x8f, 0x07); /* pop [rdi] */
    ENDS_BEHIND(0xff, 0x37); /* push [rdi] */
    cr_assert_eq(kicker.writes, 2);
    cr_assert_eq(kicker.reads, 1);
}

Test(mmio, a_kick_during_a_port_access_takes_effect_behind_it)
{
    r.cpu->gpr[X86_RDI] = RAM;
    r.cpu->gpr[X86_RSI] = RAM;
    ENDS_BEHIND(0xec); /* in al, dx */
    ENDS_BEHIND(0xee); /* out dx, al */
    ENDS_BEHIND(0x6c); /* insb */
    ENDS_BEHIND(0x6f); /* outsd */
    cr_assert_eq(port_kicker.reads, 2);
    cr_assert_eq(port_kicker.writes, 2);
    cr_assert_eq(r.cpu->gpr[X86_RDI], RAM + 1);
    cr_assert_eq(r.cpu->gpr[X86_RSI], RAM + 4);
    cr_assert_eq(*(uint8_t *)emu_rig_at(&r, RAM), 0x5a);
}

/* rep `string`; inc ebx. Each access ends the run, the last one behind the instruction. */
static void expect_end_at_each_access(uint8_t string, enum x86_gpr pointer, unsigned count)
{
    const uint8_t code[] = { 0xf3, string, 0xff, 0xc3 };

    r.cpu->gpr[X86_RDX] = PORT;
    r.cpu->gpr[X86_RBX] = 0;
    r.cpu->gpr[X86_RCX] = count;
    r.cpu->gpr[pointer] = RAM;
    port_kicker.reads = port_kicker.writes = 0;
    emu_rig_write(&r, EMU_RIG_CODE, code, sizeof(code));
    r.cpu->rip = EMU_RIG_CODE;
    for (unsigned done = 1; done <= count; done++) {
        cr_assert_eq(emu_rig_go(&r), VCPU_KICKED);
        cr_assert_eq(r.cpu->rip, EMU_RIG_CODE + (done == count ? 2 : 0));
        cr_assert_eq(r.cpu->gpr[X86_RCX], count - done);
        cr_assert_eq(r.cpu->gpr[pointer], RAM + done);
    }
    cr_assert_eq(port_kicker.reads + port_kicker.writes, count);
    cr_assert_eq(r.cpu->gpr[X86_RBX], 0);
}

Test(mmio, a_kick_during_a_repeated_input_leaves_it_to_be_resumed)
{
    expect_end_at_each_access(0x6c, X86_RDI, 3); /* insb */
    cr_assert_eq(memcmp(emu_rig_at(&r, RAM), "\x5a\x5a\x5a", 4), 0);
    expect_end_at_each_access(0x6c, X86_RDI, 1);
}

Test(mmio, a_kick_during_a_repeated_output_leaves_it_to_be_resumed)
{
    expect_end_at_each_access(0x6e, X86_RSI, 1); /* outsb */
    expect_end_at_each_access(0x6e, X86_RSI, 3);
}

Test(mmio, an_x87_store_pops_once)
{
    r.cpu->fx[0] = 0x7f; /* control word 0x37f */
    r.cpu->fx[1] = 0x03;
    ENDS_BEHIND(0xd9, 0xe8, 0xd9, 0xee, 0xd9, 0x1f); /* fld1; fldz; fstp dword [rdi] */
    cr_assert_eq(kicker.writes, 1);
    cr_assert_eq(r.cpu->fx[4], 0x80, "one value is left on the stack: %#x", r.cpu->fx[4]);
}

Test(mmio, under_single_step_a_trap_follows_once)
{
    emu_rig_gate(&r, CPU_DB, EMU_RIG_CODE + 0x100, 0, 0xe);
    emu_rig_write(&r, EMU_RIG_CODE + 0x100, (uint8_t[]){ 0xf4 }, 1); /* hlt */
    emu_rig_write(&r, EMU_RIG_CODE, (uint8_t[]){ 0x89, 0x07, 0xff, 0xc2 }, 4);
    r.cpu->rip = EMU_RIG_CODE;
    r.cpu->rflags |= 0x100;
    emu_rig_update(&r);
    cr_assert_eq(emu_rig_go(&r), VCPU_KICKED);
    cr_assert_eq(kicker.writes, 1);
    cr_assert_eq(r.cpu->rip, EMU_RIG_CODE + 0x100);
    cr_assert_eq(emu_rig_read64(&r, r.cpu->gpr[X86_RSP]), EMU_RIG_CODE + 2, "behind the store");
}
