/*
 * LOCK across processors: four do the same to the same words at the same time, and nothing of it is
 * lost.
 *
 * Some words straddle a cache line, some a page: on hardware that is a locked bus, which has a
 * price in the software CPU too. Each operation is repeated often enough for the processors to meet
 * in the middle of it.
 */
#include "guest/suite.h"

#include <stddef.h>

#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/processors.h"

#define PROCESSORS 4u
#define TIMES      20000u
#define SUM        (PROCESSORS * TIMES)

/* Where the software CPU has all others stand still. */
#define STRADDLES     1000u
#define STRADDLES_SUM (PROCESSORS * STRADDLES)

__asm__(".set TIMES, 20000\n"
        ".set DONE, 0x33008\n"
        ".set WORDS, 0x34000\n"
        ".set LINE, 0x34800\n" /* a cache line begins here, a page there */
        ".set PAGE, 0x36000\n"
        ".macro times insn:vararg\n"
        "  mov $TIMES, %r8d\n"
        "771:\n"
        "  \\insn\n"
        "  dec %r8d\n"
        "  jnz 771b\n"
        ".endm\n"
        /* A word of %rcx's size becomes one more, by comparison with what it was. */
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
        /* The lower half becomes one more, the upper three. */
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
        /* Everybody begins when all are there, and processor 0 goes on when all have ended. */
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

/* Whoever is processor 0 or not does what is in between. */
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
                         "  times lock xorl %ebx, WORDS + 0x100\n" /* a bit of its own each */
                         "  lock orl %ebx, WORDS + 0x100\n"
                         "  times lock addb $1, WORDS + 0x140(%r12)\n" /* a byte each */
                         "  mov $TIMES, %r8d\n"
                         "2:\n"
                         "  mov $1, %eax\n"
                         "  lock xadd %rax, WORDS + 0x180\n"
                         "  lock xor %rax, WORDS + 0x188\n" /* every value once */
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

/* Counters without LOCK, each behind a lock of another kind; and 4096 bits, each set by one only.
 */
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
                               "  xchg %eax, WORDS + 0x80\n" /* LOCK or not */
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

__asm__(".set TIMES, 1000\n"); /* from here on */

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
                        "  lock xor %eax, LINE + 0xd0\n" /* every value once */
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

/* A quadword that straddles, and at the same time its upper parts: two processors add to all of it
 * with LOCK; until they are done, one adds to a word with LOCK and one to a byte that is its own
 * and needs none. These two then take away what they added. */
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
        { "what XADD returned, by XOR", 0 }, /* of 0 to SUM - 1, which 4 divides */
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
        { "behind BTS and BTR", SUM },
        { "behind XCHG", SUM },
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
    { "critical sections", critical_sections_run, NULL },
    { "LOCK across lines and pages", straddling_run, NULL },
    { "LOCK across lines and pages against parts", parts_run, NULL },
    { NULL, NULL, NULL },
};
