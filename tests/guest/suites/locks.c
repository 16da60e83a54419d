/*
 * Locked instructions: four processors do the same to the same words at the same time, and no
 * update may be lost.
 *
 * Some words straddle two cache lines, some two pages: hardware then locks the bus, and the
 * software CPU stops all other processors. Each operation is repeated often enough for the
 * processors to meet in the middle of it.
 */
#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/processors.h"
#include "guest/suite.h"

#define PROCESSORS 4u
#define TIMES      20000u
#define SUM        (PROCESSORS * TIMES)

/* For words that straddle, where the software CPU stops all other processors: fewer times. */
#define STRADDLES     1000u
#define STRADDLES_SUM (PROCESSORS * STRADDLES)

__asm__(".set TIMES, 20000\n"
        ".set DONE, 0x33008\n"
        ".set WORDS, 0x34000\n"
        ".set LINE, 0x34800\n" /* where a cache line begins */
        ".set PAGE, 0x36000\n" /* where a page begins */
        ".macro times insn:vararg\n"
        "  mov $TIMES, %r8d\n"
        "771:\n"
        "  \\insn\n"
        "  dec %r8d\n"
        "  jnz 771b\n"
        ".endm\n"
        /* Adds 1 to a word by CMPXCHG; a and c are %rax and %rcx in the word's size. */
        ".macro add_by_cmpxchg address, a, c\n"
        "  mov $TIMES, %r8d\n"
        "771:\n"
        "  mov \\address, \\a\n"
        "772:\n"
        "  lea 1(%rax), \\c\n"
        "  lock cmpxchg \\c, \\address\n"
        "  jnz 772b\n"
        "  dec %r8d\n"
        "  jnz 771b\n"
        ".endm\n"
        /* Adds 1 to the lower half of a pair and 3 to the upper one, by CMPXCHG8B or 16B. */
        ".macro add_by_cmpxchg_pair insn, address, half, a, d, b, c\n"
        "  mov $TIMES, %r8d\n"
        "771:\n"
        "  mov \\address, \\a\n"
        "  mov \\address + \\half, \\d\n"
        "772:\n"
        "  lea 1(%rax), \\b\n"
        "  lea 3(%rdx), \\c\n"
        "  lock \\insn \\address\n"
        "  jnz 772b\n"
        "  dec %r8d\n"
        "  jnz 771b\n"
        ".endm\n"
        /* `together` waits until all four have started. After `ended` only processor 0 goes on,
         * once all four have got there. */
        ".macro together\n"
        "  ready\n"
        "  await_word READY, 4\n"
        ".endm\n"
        ".macro ended\n"
        "  lock incq DONE\n"
        "  test %r12d, %r12d\n"
        "  jz 778f\n"
        "  cli\n"
        "  hlt\n"
        "778:\n"
        "  await_word DONE, 4\n"
        ".endm\n");

/* All four processors execute what is between BEGIN and `ended`. */
#define BEGIN                                                 \
    "  apic_start\n"                                          \
    "  xor %r12d, %r12d\n"                                    \
    "  others_to 1f\n"                                        \
    "  apic_send ICR_OTHERS | ICR_ASSERT | ICR_INIT\n"        \
    "  apic_send ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | 9\n" \
    "1:\n"                                                    \
    "  together\n"

GUEST(whole_words, BEGIN "  times lock incb WORDS\n"
                         "  times lock decw WORDS + 0x40\n"
                         "  times lock addl $3, WORDS + 0x80\n"
                         "  times lock subq $5, WORDS + 0xc0\n"
                         "  mov $1, %ebx\n"
                         "  mov %r12d, %ecx\n"
                         "  shl %cl, %ebx\n"
                         "  times lock xorl %ebx, WORDS + 0x100\n" /* a bit for each processor */
                         "  lock orl %ebx, WORDS + 0x100\n"
                         "  times lock addb $1, WORDS + 0x140(%r12)\n" /* a byte for each */
                         "  mov $TIMES, %r8d\n"
                         "2:\n"
                         "  mov $1, %eax\n"
                         "  lock xadd %rax, WORDS + 0x180\n"
                         "  lock xor %rax, WORDS + 0x188\n" /* XADD returns every value once */
                         "  dec %r8d\n"
                         "  jnz 2b\n"
                         "  ended\n"
                         "  note WORDS\n"
                         "  note WORDS + 0x40\n"
                         "  note WORDS + 0x80\n"
                         "  note WORDS + 0xc0\n"
                         "  note WORDS + 0x100\n"
                         "  note WORDS + 0x140\n"
                         "  note WORDS + 0x180\n"
                         "  note WORDS + 0x188\n"
                         "  finish\n");

GUEST(compared, BEGIN "  add_by_cmpxchg WORDS, %rax, %rcx\n"
                      "  add_by_cmpxchg WORDS+0x40, %eax, %ecx\n"
                      "  add_by_cmpxchg_pair cmpxchg8b, WORDS+0x80, 4, %eax, %edx, %ebx, %ecx\n"
                      "  add_by_cmpxchg_pair cmpxchg16b, WORDS+0xc0, 8, %rax, %rdx, %rbx, %rcx\n"
                      "  ended\n"
                      "  note WORDS\n"
                      "  note WORDS + 0x40\n"
                      "  note WORDS + 0x80\n"
                      "  note WORDS + 0xc0\n"
                      "  note WORDS + 0xc8\n"
                      "  finish\n");

/* Counters that are incremented without LOCK, each under a lock of another kind; and 4096 bits,
 * each of which only one processor finds clear. */
GUEST(critical_sections, BEGIN "  mov $TIMES, %r8d\n"
                               "2:\n"
                               "  lock btsl $5, WORDS\n"
                               "  jnc 3f\n"
                               "  pause\n"
                               "  jmp 2b\n"
                               "3:\n"
                               "  incq WORDS + 0x40\n"
                               "  lock btrl $5, WORDS\n"
                               "  dec %r8d\n"
                               "  jnz 2b\n"
                               "  mov $TIMES, %r8d\n"
                               "4:\n"
                               "  mov $1, %eax\n"
                               "  xchg %eax, WORDS + 0x80\n" /* locked even without LOCK */
                               "  test %eax, %eax\n"
                               "  jz 5f\n"
                               "  pause\n"
                               "  jmp 4b\n"
                               "5:\n"
                               "  incq WORDS + 0xc0\n"
                               "  movl $0, WORDS + 0x80\n"
                               "  dec %r8d\n"
                               "  jnz 4b\n"
                               "  xor %ebx, %ebx\n"
                               "  xor %ecx, %ecx\n"
                               "6:\n"
                               "  lock bts %rcx, PAGE\n"
                               "  cmc\n"
                               "  adc $0, %rbx\n"
                               "  inc %ecx\n"
                               "  cmp $4096, %ecx\n"
                               "  jb 6b\n"
                               "  lock add %rbx, WORDS + 0x100\n"
                               "  ended\n"
                               "  note WORDS + 0x40\n"
                               "  note WORDS + 0xc0\n"
                               "  note WORDS + 0x100\n"
                               "  finish\n");

__asm__(".set TIMES, 1000\n"); /* STRADDLES, for the guests below */

GUEST(straddling, BEGIN "  times lock incw LINE - 1\n"
                        "  times lock incl LINE + 0x40 - 2\n"
                        "  times lock incq LINE + 0x80 - 5\n"
                        "  times lock incw PAGE - 1\n"
                        "  times lock incl PAGE + 0x1000 - 2\n"
                        "  times lock incq PAGE + 0x2000 - 5\n"
                        "  mov $TIMES, %r8d\n"
                        "2:\n"
                        "  mov $1, %eax\n"
                        "  lock xadd %eax, LINE + 0xc0 - 3\n"
                        "  lock xor %eax, LINE + 0xd0\n" /* XADD returns every value once */
                        "  mov $1, %eax\n"
                        "  lock xadd %eax, PAGE + 0x3000 - 3\n"
                        "  lock xor %eax, LINE + 0xd8\n"
                        "  dec %r8d\n"
                        "  jnz 2b\n"
                        "  add_by_cmpxchg LINE+0x100-4, %rax, %rcx\n"
                        "  add_by_cmpxchg PAGE+0x4000-4, %rax, %rcx\n"
                        "  add_by_cmpxchg_pair cmpxchg8b, LINE+0x140-4, 4, %eax, %edx, %ebx, "
                        "%ecx\n"
                        "  add_by_cmpxchg_pair cmpxchg8b, PAGE+0x5000-6, 4, %eax, %edx, %ebx, "
                        "%ecx\n"
                        "  ended\n"
                        "  note LINE - 1\n"
                        "  note LINE + 0x40 - 2\n"
                        "  note LINE + 0x80 - 5\n"
                        "  note PAGE - 1\n"
                        "  note PAGE + 0x1000 - 2\n"
                        "  note PAGE + 0x2000 - 5\n"
                        "  note LINE + 0xc0 - 3\n"
                        "  note LINE + 0xd0\n"
                        "  note PAGE + 0x3000 - 3\n"
                        "  note LINE + 0xd8\n"
                        "  note LINE + 0x100 - 4\n"
                        "  note PAGE + 0x4000 - 4\n"
                        "  note LINE + 0x140 - 4\n"
                        "  note PAGE + 0x5000 - 6\n"
                        "  finish\n");

/* A quadword that straddles, and parts of its upper half at the same time. Two processors increment
 * the quadword with LOCK. Until they are done, a third increments the word after the boundary with
 * LOCK, and a fourth the last byte, which nobody else writes, without. These two then subtract what
 * they added. */
#define PARTS(boundary)                          \
    BEGIN "  xor %ebx, %ebx\n"                   \
          "  cmp $2, %r12d\n"                    \
          "  jae 2f\n"                           \
          "  times lock incq " boundary " - 4\n" \
          "  lock incq WORDS\n"                  \
          "  jmp 5f\n"                           \
          "2:\n"                                 \
          "  ja 4f\n"                            \
          "3:\n"                                 \
          "  lock incw " boundary "\n"           \
          "  inc %ebx\n"                         \
          "  cmpq $2, WORDS\n"                   \
          "  jb 3b\n"                            \
          "  lock sub %bx, " boundary "\n"       \
          "  jmp 5f\n"                           \
          "4:\n"                                 \
          "  incb " boundary " + 3\n"            \
          "  inc %ebx\n"                         \
          "  cmpq $2, WORDS\n"                   \
          "  jb 4b\n"                            \
          "  sub %bl, " boundary " + 3\n"        \
          "5:\n"                                 \
          "  ended\n"                            \
          "  note " boundary " - 4\n"            \
          "  finish\n"

GUEST(parts_across_lines, PARTS("LINE"));
GUEST(parts_across_pages, PARTS("PAGE"));

static void whole_words_run(void)
{
    static const struct long64_left expected[] = {
        { "INC, a byte", SUM % 0x100 },
        { "DEC, a word", 0x10000 - SUM % 0x10000 },
        { "ADD", 3 * SUM },
        { "SUB", -(uint64_t)(5 * SUM) },
        { "XOR and OR", 0xf },
        { "ADD, a byte each", TIMES % 0x100 * 0x01010101 },
        { "XADD", SUM },
        { "what XADD returned, by XOR", 0 }, /* 0 ^ 1 ^ ... ^ SUM - 1, as 4 divides SUM */
    };

    LONG64_LOAD(PROCESSORS, whole_words);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

static void compared_run(void)
{
    static const struct long64_left expected[] = {
        { "CMPXCHG", SUM },
        { "CMPXCHG, 32 bits", SUM },
        { "CMPXCHG8B", 3ull * SUM << 32 | SUM },
        { "CMPXCHG16B, lower half", SUM },
        { "CMPXCHG16B, upper half", 3 * SUM },
    };

    LONG64_LOAD(PROCESSORS, compared);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

static void critical_sections_run(void)
{
    static const struct long64_left expected[] = {
        { "under BTS and BTR", SUM },
        { "under XCHG", SUM },
        { "bits that BTS found clear", 4096 },
    };

    LONG64_LOAD(PROCESSORS, critical_sections);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

static void straddling_run(void)
{
    static const struct long64_left expected[] = {
        { "INC of a word across lines", STRADDLES_SUM % 0x10000 },
        { "INC of a doubleword across lines", STRADDLES_SUM },
        { "INC of a quadword across lines", STRADDLES_SUM },
        { "INC of a word across pages", STRADDLES_SUM % 0x10000 },
        { "INC of a doubleword across pages", STRADDLES_SUM },
        { "INC of a quadword across pages", STRADDLES_SUM },
        { "XADD across lines", STRADDLES_SUM },
        { "what it returned, by XOR", 0 },
        { "XADD across pages", STRADDLES_SUM },
        { "what it returned, by XOR", 0 },
        { "CMPXCHG across lines", STRADDLES_SUM },
        { "CMPXCHG across pages", STRADDLES_SUM },
        { "CMPXCHG8B across lines", 3ull * STRADDLES_SUM << 32 | STRADDLES_SUM },
        { "CMPXCHG8B across pages", 3ull * STRADDLES_SUM << 32 | STRADDLES_SUM },
    };

    LONG64_LOAD(PROCESSORS, straddling);
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

static void parts_run(void)
{
    static const struct long64_left across_lines[] = { { "across lines", 2 * STRADDLES } };
    static const struct long64_left across_pages[] = { { "across pages", 2 * STRADDLES } };

    LONG64_LOAD(PROCESSORS, parts_across_lines);
    long64_run();
    LONG64_LEFT(across_lines);
    machine_finish();
    LONG64_LOAD(PROCESSORS, parts_across_pages);
    long64_run();
    LONG64_LEFT(across_pages);
    machine_finish();
}

const struct guest_test lock_tests[] = {
    { "LOCK on whole words", whole_words_run, NULL },
    { "LOCK and comparison", compared_run, NULL },
    { "critical sections and bits", critical_sections_run, NULL },
    { "LOCK across lines and pages", straddling_run, NULL },
    { "LOCK across lines and pages against parts", parts_run, NULL },
    { NULL, NULL, NULL },
};
