/* Page faults with every bit of their error code, pages of every size, accessed and dirty bits, and
 * translations that change. */
#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/processors.h"
#include "guest/suite.h"
#include "lib/check.h"

#define NONE      0x80000
#define READ_ONLY 0x81000
#define NO_EXEC   0x82000
#define USERS     0x83000
#define RESERVED  0x400000 /* a large page with a reserved bit set */

GUEST(page_faults, "  try mov 0x80008, %rcx\n"
                   "  try mov %rcx, 0x80010\n"
                   "  mov $0x80000, %eax\n"
                   "  try call *%rax\n"
                   "  try mov %rcx, 0x81010\n"
                   "  mov $0x82000, %eax\n"
                   "  try call *%rax\n"
                   "  try_user mov 0x80008, %rcx\n"
                   "  try_user mov %rcx, 0x80010\n"
                   "  try_user mov 0x81008, %rcx\n"
                   "  try_user mov %rcx, 0x81010\n"
                   "  mov $0x82000, %ecx\n"
                   "  try_user jmp *%rcx\n"
                   "  finish\n");

GUEST(reserved_bits, "  try mov 0x400008, %rcx\n"
                     "  try mov %rcx, 0x400010\n"
                     "  finish\n");

/* Supervisor rights: read-only pages without WP, the user's pages with SMEP and SMAP. */
GUEST(rights, "  movb $0xc3, 0x83000\n" /* ret */
              "  mov $0x83000, %ebx\n"
              "  call *%rbx\n"
              "  mov %cr0, %rax\n"
              "  btr $16, %rax\n"
              "  mov %rax, %cr0\n"
              "  movq $0x77, 0x81000\n"
              "  bts $16, %rax\n"
              "  mov %rax, %cr0\n"
              "  try movq $0x88, 0x81000\n"
              "  mov %cr4, %rax\n"
              "  bts $20, %rax\n"
              "  mov %rax, %cr4\n"
              "  try call *%rbx\n"
              "  bts $21, %rax\n"
              "  mov %rax, %cr4\n"
              "  try mov 0x83008, %rcx\n"
              "  try mov %rcx, 0x83010\n"
              "  pushf\n"
              "  orl $0x40000, (%rsp)\n"
              "  popf\n"
              "  mov 0x83000, %rcx\n" /* AC allows it */
              "  note %rcx\n"
              "  try call *%rbx\n" /* SMEP knows no exception */
              "  mov 0x81000, %rcx\n"
              "  note %rcx\n"
              "  finish\n");

GUEST(accessed, "  mov 0x84000, %rcx\n"
                "  mov %rcx, 0x85000\n"
                "  mov 0x200000, %rcx\n"
                "  mov 0x4420, %rax\n" /* the entry of 0x84000, which was read */
                "  note %rax\n"
                "  movq $0x84003, 0x4420\n"
                "  invlpg 0x84000\n"
                "  lock incq 0x84000\n"
                "  lock incq 0x200000\n"
                "  finish\n");

/* The entry of 0x88000 changes between the pages at 0x86000 and 0x87000, which hold 1 and 2; each
 * way of dropping the old translation is used once. Then a page of 1 GiB. */
GUEST(translations, "  movq $1, 0x86000\n"
                    "  movq $2, 0x87000\n"
                    "  note 0x88000\n"
                    "  movq $0x86003, 0x4440\n"
                    "  invlpg 0x88000\n"
                    "  note 0x88000\n"
                    "  movq $0x87003, 0x4440\n"
                    "  mov %cr3, %rax\n"
                    "  mov %rax, %cr3\n"
                    "  note 0x88000\n"
                    "  mov %cr4, %rbx\n"
                    "  bts $7, %rbx\n" /* PGE */
                    "  mov %rbx, %cr4\n"
                    "  movq $0x86103, 0x4440\n" /* global */
                    "  invlpg 0x88000\n"
                    "  note 0x88000\n"
                    "  movq $0x87103, 0x4440\n"
                    "  btr $7, %rbx\n"
                    "  mov %rbx, %cr4\n"
                    "  note 0x88000\n"
                    "  movq $0x83, 0x2008\n"
                    "  mov $0x40086000, %ecx\n"
                    "  note (%rcx)\n"
                    "  finish\n");

/* Fifty times, processor 0 changes a translation that processor 1 has too, and sends an interrupt,
 * whose handler drops the old one. */
GUEST(shootdown, "  apic_start\n"
                 "  handle 0x51, 9f\n"
                 "  xor %r12d, %r12d\n"
                 "  movq $1, 0x86000\n"
                 "  movq $2, 0x87000\n"
                 "  others_begin 3f, 1\n"
                 "  xor %ebx, %ebx\n"
                 "1:\n"
                 "  inc %ebx\n"
                 "  xorq $0x1000, 0x4440\n"
                 "  apic_send ICR_OTHERS | ICR_ASSERT | 0x51\n"
                 "2:\n"
                 "  pause\n"
                 "  cmp %rbx, 0x33008\n"
                 "  jne 2b\n"
                 "  cmp $50, %ebx\n"
                 "  jb 1b\n"
                 "  note 0x33010\n"
                 "  finish\n"
                 "3:\n"
                 "  apic_start\n"
                 "  mov 0x88000, %rax\n"
                 "  ready\n"
                 "4:\n"
                 "  sti\n"
                 "  hlt\n"
                 "  jmp 4b\n"
                 "9:\n"
                 "  invlpg 0x88000\n"
                 "  mov 0x88000, %rax\n"
                 "  add %rax, 0x33010\n"
                 "  eoi\n"
                 "  incq 0x33008\n"
                 "  iretq\n");

/* Processor 0 adds to a word across two pages, while processor 1 takes the right to write the
 * second away and gives it back. Every fault must be the addition's, and every addition be made
 * once. */
GUEST(rights_race, "  apic_start\n"
                   "  handle 14, 8f\n"
                   "  others_begin 5f, 1\n"
                   "  mov $0x80ffe, %esi\n"
                   "  xor %ebx, %ebx\n" /* additions */
                   "  xor %r8d, %r8d\n" /* faults of the addition */
                   "  xor %r9d, %r9d\n" /* other faults */
                   "1:\n"
                   "  inc %ebx\n"
                   "  invlpg (%rsi)\n"
                   "  invlpg 0x1000(%rsi)\n"
                   "2:\n"
                   "  addl $1, (%rsi)\n"
                   "  nop\n"
                   "  cmp $200000, %ebx\n"
                   "  jae 3f\n"
                   "  cmp $20000, %r8d\n"
                   "  jb 1b\n"
                   "3:\n"
                   "  mov (%rsi), %ecx\n"
                   "  sub %ebx, %ecx\n"
                   "  note %r9\n"
                   "  note %rcx\n"
                   "  finish\n"
                   "5:\n"
                   "  ready\n"
                   "6:\n"
                   "  btrl $1, 0x4408\n"
                   "  mov $20, %ecx\n"
                   "7:\n"
                   "  loop 7b\n"
                   "  btsl $1, 0x4408\n"
                   "  mov $60, %ecx\n"
                   "4:\n"
                   "  loop 4b\n"
                   "  jmp 6b\n"
                   "8:\n"
                   "  add $8, %rsp\n"
                   "  lea 2b(%rip), %rax\n"
                   "  cmp %rax, (%rsp)\n"
                   "  jne 9f\n"
                   "  inc %r8\n"
                   "  pause\n"
                   "  iretq\n"
                   "9:\n"
                   "  inc %r9\n"
                   "  iretq\n");

static void page_faults(void)
{
    static const struct long64_expected expected[] = {
        { "read", 14, 0, NONE + 8 },
        { "write", 14, 2, NONE + 16 },
        { "fetch", 14, 0x10, NONE },
        { "write to a read-only page", 14, 3, READ_ONLY + 16 },
        { "fetch from a no-execute page", 14, 0x11, NO_EXEC },
        { "user's read", 14, 4, NONE + 8 },
        { "user's write", 14, 6, NONE + 16 },
        { "user's read of the supervisor's", 14, 5, READ_ONLY + 8 },
        { "user's write to the supervisor's", 14, 7, READ_ONLY + 16 },
        { "user's fetch from the supervisor's", 14, 0x15, NO_EXEC },
    };

    LONG64_LOAD(1, page_faults);
    long64_page(NONE, 0);
    long64_page(READ_ONLY, READ_ONLY | LONG64_PRESENT);
    long64_page(NO_EXEC, NO_EXEC | LONG64_PRESENT | LONG64_WRITE | LONG64_NX);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

/* Not for KVM: the bed's interpreter reports the fault as one of an absent page. */
static void reserved_bits(void)
{
    static const struct long64_expected expected[] = {
        { "read, reserved bit", 14, 9, RESERVED + 8 },
        { "write, reserved bit", 14, 0xb, RESERVED + 16 },
    };

    LONG64_LOAD(1, reserved_bits);
    long64_large(RESERVED, RESERVED | LONG64_PRESENT | LONG64_WRITE | LONG64_2M | 1u << 13);
    long64_run();
    LONG64_CHECK(expected);
    machine_finish();
}

static void rights(void)
{
    static const struct long64_left left[] = {
        { "read with AC", 0xc3 },
        { "written without WP", 0x77 },
    };
    static const struct long64_expected expected[] = {
        { "write protection", 14, 3, READ_ONLY },   { "SMEP", 14, 0x11, USERS },
        { "SMAP, read", 14, 1, USERS + 8 },         { "SMAP, write", 14, 3, USERS + 16 },
        { "SMEP in spite of AC", 14, 0x11, USERS },
    };

    LONG64_LOAD(1, rights);
    long64_page(READ_ONLY, READ_ONLY | LONG64_PRESENT);
    long64_page(USERS, USERS | LONG64_PRESENT | LONG64_WRITE | LONG64_ANYONE);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

static void accessed(void)
{
    static const struct long64_left left[] = { { "entry of a page that was read", 0x84023 } };
    const uint64_t page = LONG64_PRESENT | LONG64_WRITE;

    LONG64_LOAD(1, accessed);
    long64_run();
    LONG64_LEFT(left);
    CHECK(long64_entry(0x84000) == (0x84000 | page | LONG64_A | LONG64_D));
    CHECK(long64_entry(0x85000) == (0x85000 | page | LONG64_A | LONG64_D));
    CHECK(long64_large_entry(LONG64_LARGE) ==
          (LONG64_LARGE | page | LONG64_2M | LONG64_A | LONG64_D));
    CHECK(long64_large_entry(0) & LONG64_A);
    machine_finish();
}

static void translations(void)
{
    static const struct long64_left expected[] = {
        { "at first", 0 }, { "after INVLPG", 1 },          { "after a move to CR3", 2 },
        { "global", 1 },   { "after CR4.PGE changed", 2 }, { "in a page of 1 GiB", 1 },
    };

    LONG64_LOAD(1, translations);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

static void shootdown(void)
{
    static const struct long64_left expected[] = { { "sum of what it read", 75 } };

    LONG64_LOAD(2, shootdown);
    long64_page(0x88000, 0x86000 | LONG64_PRESENT | LONG64_WRITE);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

static void rights_race(void)
{
    static const struct long64_left expected[] = {
        { "faults elsewhere", 0 },
        { "additions lost", 0 },
    };

    LONG64_LOAD(2, rights_race);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

const struct guest_test paging_tests[] = {
    { "page faults", page_faults, NULL },
    { "reserved bits", reserved_bits, "emu" },
    { "supervisor rights", rights, NULL },
    { "accessed and dirty bits", accessed, NULL },
    { "translations that change", translations, NULL },
    { "translations of another processor", shootdown, NULL },
    { "rights that another processor changes", rights_race, NULL },
    { NULL, NULL, NULL },
};
