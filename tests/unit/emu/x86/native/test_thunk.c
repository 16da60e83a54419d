#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "emu/x86/decode/decode.h"
#include "emu/x86/native/thunk.h"
#include "emu/x86/op/build.h"
#include "lib/x86/processor.h"

static struct processor p;

static void start(void)
{
    processor_init(&p, 64);
}

static void finish(void)
{
    processor_finish(&p);
}

TestSuite(thunk, .init = start, .fini = finish);

static const void *made(struct thunks *t, const uint8_t *bytes, size_t size)
{
    struct build b = { .cpu = p.cpu, .bytes = bytes };

    cr_assert_eq(decode(&b.insn, bytes, size, DECODE_64), DECODE_OK);
    b.row = &table_rows[b.insn.row];
    return thunk_for(t, &b);
}

#define MADE(...) \
    made(p.cpu->thunks, (uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

Test(thunk, equal_instructions_share_one)
{
    const void *add = MADE(0x01, 0xc8); /* add eax, ecx */

    cr_assert_eq(MADE(0x01, 0xc8), add);
    cr_assert_neq(MADE(0x01, 0xd0), add, "another register");
    cr_assert_neq(MADE(0x29, 0xc8), add, "another instruction");
    cr_assert_neq(MADE(0x48, 0x01, 0xc8), add, "another width");
}

Test(thunk, addresses_are_no_part_of_it)
{
    const void *add = MADE(0x01, 0x0b); /* add [rbx], ecx */

    cr_assert_eq(MADE(0x01, 0x4b, 0x08), add);
    cr_assert_eq(MADE(0x64, 0x01, 0x4c, 0x8a, 0x08), add);
    cr_assert_eq(MADE(0x01, 0x0d, 1, 2, 3, 4), add);
    cr_assert_neq(MADE(0x01, 0x13), add);
}

Test(thunk, its_code_is_known_as_such)
{
    const uint8_t *add = MADE(0x01, 0xc8);

    cr_assert(thunks_hold(p.cpu->thunks, (uint64_t)(uintptr_t)add));
    cr_assert_not(thunks_hold(p.cpu->thunks, (uint64_t)(uintptr_t)made));
    cr_assert_not(thunks_hold(p.cpu->thunks, 0));
}

Test(thunk, no_page_is_both_written_and_executed)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned views = 0;
    char line[512];

    cr_assert_not_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        const char *rights = strchr(line, ' ') + 1;

        cr_assert_not(rights[1] == 'w' && rights[2] == 'x', "%s", line);
        views += strstr(line, "mote-code") != NULL;
    }
    cr_assert_eq(views, 2);
    (void)fclose(maps);
}

Test(thunk, when_full_there_is_none_until_all_are_forgotten)
{
    struct thunks *t;
    struct err e;
    uint32_t n = 0;
    uint8_t add[5] = { 0x05 }; /* add eax, n */

    cr_assert_eq(thunks_create(&t, &e), 0);
    cr_assert(thunks_have_room(t));
    while (thunks_have_room(t)) {
        memcpy(add + 1, &n, 4);
        cr_assert_not_null(made(t, add, sizeof(add)));
        n++;
    }
    for (unsigned spare = 0; spare < BLOCK_INSNS_MAX; spare++, n++) {
        memcpy(add + 1, &n, 4);
        cr_assert_not_null(made(t, add, sizeof(add)), "a block that was begun can be finished");
    }
    while (memcpy(add + 1, &n, 4), made(t, add, sizeof(add)))
        n++;
    thunks_clear(t);
    cr_assert(thunks_have_room(t));
    cr_assert_not_null(made(t, add, sizeof(add)));
    thunks_destroy(t);
    thunks_destroy(NULL);
}

#define REG(name) (p.cpu->gpr[X86_##name])

Test(thunk, registers_come_and_go)
{
    REG(RAX) = 5;
    REG(R15) = UINT64_MAX;
    cr_assert_eq(STEP(&p, 0x4c, 0x01, 0xf8), PROCESSOR_OK); /* add rax, r15 */
    cr_assert_eq(REG(RAX), 4);
    cr_assert_eq(REG(R15), UINT64_MAX);
    REG(RSP) = 7;
    cr_assert_eq(STEP(&p, 0x01, 0xe4), PROCESSOR_OK); /* add esp, esp */
    cr_assert_eq(REG(RSP), 14);
}

Test(thunk, high_bytes_are_part_of_their_registers)
{
    REG(RAX) = 0x1122;
    REG(RBX) = 0x3344;
    cr_assert_eq(STEP(&p, 0x00, 0xdc), PROCESSOR_OK); /* add ah, bl */
    cr_assert_eq(REG(RAX), 0x5522);
    cr_assert_eq(STEP(&p, 0x00, 0xe0), PROCESSOR_OK); /* add al, ah */
    cr_assert_eq(REG(RAX), 0x5577);
    cr_assert_eq(STEP(&p, 0x86, 0xc4), PROCESSOR_OK); /* xchg ah, al */
    cr_assert_eq(REG(RAX), 0x7755);
    cr_assert_eq(REG(RBX), 0x3344);
}

Test(thunk, flags_come_and_go)
{
    p.cpu->flags = FLAGS_CF | FLAGS_OF;
    REG(RAX) = 1;
    cr_assert_eq(STEP(&p, 0x83, 0xd0, 0x01), PROCESSOR_OK); /* adc eax, 1 */
    cr_assert_eq(REG(RAX), 3);
    cr_assert_eq(p.cpu->flags & FLAGS_ALL, FLAGS_PF);
    p.cpu->flags = FLAGS_CF;
    REG(RAX) = UINT32_MAX;
    cr_assert_eq(STEP(&p, 0xff, 0xc0), PROCESSOR_OK); /* inc eax: CF stays */
    cr_assert_eq(p.cpu->flags & FLAGS_ALL, FLAGS_CF | FLAGS_ZF | FLAGS_PF | FLAGS_AF);
    p.cpu->flags = FLAGS_ALL;
    REG(RCX) = 0;
    cr_assert_eq(STEP(&p, 0xd3, 0xe0), PROCESSOR_OK); /* shl eax, cl: by nothing */
    cr_assert_eq(p.cpu->flags & FLAGS_ALL, FLAGS_ALL);
}

Test(thunk, what_an_instruction_names_by_its_nature_is_found)
{
    REG(RAX) = 0x100000000;
    REG(RDX) = 3;
    REG(RCX) = 4;
    cr_assert_eq(STEP(&p, 0x48, 0xf7, 0xe1), PROCESSOR_OK); /* mul rcx */
    cr_assert_eq(REG(RAX), 0x400000000);
    cr_assert_eq(REG(RDX), 0);
    REG(RBX) = 0x1111;
    REG(RSI) = PROCESSOR_DATA;
    memcpy(p.data, (uint64_t[]){ 0x400000000, 0 }, 16);
    cr_assert_eq(STEP(&p, 0x48, 0x0f, 0xc7, 0x0e), PROCESSOR_OK); /* cmpxchg16b [rsi] */
    cr_assert_eq(*(uint64_t *)p.data, 0x1111);
    cr_assert_eq(REG(RBX), 0x1111);
    cr_assert(p.cpu->flags & FLAGS_ZF);
}

Test(thunk, upper_halves_stay_or_go_as_encoded)
{
    uint8_t *low = p.cpu->vec[1].ymm, *high = low + 16;

    memset(p.cpu->vec, 0x11, sizeof(p.cpu->vec));
    cr_assert_eq(STEP(&p, 0x66, 0x0f, 0xef, 0xc9), PROCESSOR_OK); /* pxor xmm1, xmm1 */
    cr_assert(low[0] == 0 && high[0] == 0x11 && high[15] == 0x11);
    if (!cpu_offers(p.cpu, FEATURE_AVX))
        return;
    cr_assert_eq(STEP(&p, 0xc5, 0xe9, 0xef, 0xcb), PROCESSOR_OK); /* vpxor xmm1, xmm2, xmm3 */
    cr_assert(low[0] == 0 && high[0] == 0 && high[15] == 0);
    cr_assert_eq(p.cpu->vec[2].ymm[31], 0x11);
}

Test(thunk, a_fault_inside_leaves_at_the_instruction)
{
    REG(RCX) = 0;
    REG(RAX) = 7;
    cr_assert_eq(STEP(&p, 0xf7, 0xf1), CPU_DE); /* div ecx */
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE);
    cr_assert_eq(REG(RAX), 7);
    memset(p.data, 0, 8);
    REG(RSI) = PROCESSOR_DATA;
    cr_assert_eq(STEP(&p, 0xf7, 0x36), CPU_DE); /* div dword [rsi] */
    cr_assert_eq(p.cpu->rip, PROCESSOR_CODE);
    cr_assert_eq(REG(RAX), 7);
}

/* VEX.W widens general registers, and memory in their place, in 64-bit mode alone. */
Test(thunk, w_means_nothing_for_general_registers_outside_64_bit_mode)
{
    uint64_t behind;
    uint8_t *last;

    processor_finish(&p);
    processor_init(&p, 32);
    last = p.data + (PROCESSOR_HOLE - PROCESSOR_DATA) - 4;
    memset(last, 0xee, 12); /* the hole is the guest's alone */
    REG(RCX) = 0xffff;
    REG(RDX) = 0x80000001;
    if (cpu_offers(p.cpu, FEATURE_BMI1)) {
        cr_assert_eq(STEP(&p, 0xc4, 0xe2, 0xf0, 0xf2, 0xc2), PROCESSOR_OK); /* andn eax, ecx, edx */
        cr_assert_eq(REG(RAX), 0x80000000);
        cr_assert(p.cpu->flags & FLAGS_SF);
    }
    if (!cpu_offers(p.cpu, FEATURE_AVX))
        return;
    memset(p.cpu->vec, 0x11, sizeof(p.cpu->vec));
    REG(RSI) = PROCESSOR_HOLE - 4;
    cr_assert_eq(STEP(&p, 0xc4, 0xe1, 0xf9, 0x7e, 0x0e), PROCESSOR_OK); /* vmovd [esi], xmm1 */
    memcpy(&behind, last + 4, 8);
    cr_assert_eq(behind, UINT64_C(0xeeeeeeeeeeeeeeee), "written beyond its operand");
    cr_assert_eq(last[0], 0x11);
    cr_assert_eq(STEP(&p, 0xc4, 0xe1, 0xf9, 0x6e, 0x0e), PROCESSOR_OK); /* vmovd xmm1, [esi] */
    cr_assert_eq(p.cpu->vec[1].ymm[3], 0x11);
    cr_assert_eq(p.cpu->vec[1].ymm[4], 0, "read beyond its operand");
    cr_assert_eq(STEP(&p, 0xc4, 0xe3, 0xf9, 0x16, 0x0e, 0x01), PROCESSOR_OK); /* vpextrd [esi], 1 */
    memcpy(&behind, last + 4, 8);
    cr_assert_eq(behind, UINT64_C(0xeeeeeeeeeeeeeeee));
}

/* A blend whose mask is a register named in the immediate. Bit 7 and the low half count for nothing
 * here. */
Test(thunk, an_immediate_names_eight_registers_outside_64_bit_mode)
{
    if (!cpu_offers(p.cpu, FEATURE_AVX))
        return;
    processor_finish(&p);
    processor_init(&p, 32);
    memset(p.cpu->vec, 0, sizeof(p.cpu->vec));
    memset(&p.cpu->vec[1], 0x11, sizeof(p.cpu->vec[1]));
    memset(&p.cpu->vec[2], 0x22, sizeof(p.cpu->vec[2]));
    memset(&p.cpu->vec[3], 0xff, sizeof(p.cpu->vec[3]));
    for (unsigned low = 0; low < 0x10; low += 0xf) {
        const uint8_t is4 = (uint8_t)(0xb0 | low);

        cr_assert_eq(STEP(&p, 0xc4, 0xe3, 0x71, 0x4a, 0xc2, is4), PROCESSOR_OK);
        cr_assert_eq(p.cpu->vec[0].ymm[0], 0x22, "vblendvps xmm0, xmm1, xmm2, xmm3");
    }
}

Test(thunk, an_immediate_names_sixteen_registers_in_64_bit_mode)
{
    if (!cpu_offers(p.cpu, FEATURE_AVX))
        return;
    memset(p.cpu->vec, 0, sizeof(p.cpu->vec));
    memset(&p.cpu->vec[2], 0x22, sizeof(p.cpu->vec[2]));
    memset(&p.cpu->vec[11], 0xff, sizeof(p.cpu->vec[11]));
    cr_assert_eq(STEP(&p, 0xc4, 0xe3, 0x71, 0x4a, 0xc2, 0xb0), PROCESSOR_OK);
    cr_assert_eq(p.cpu->vec[0].ymm[0], 0x22, "vblendvps xmm0, xmm1, xmm2, xmm11");
}
