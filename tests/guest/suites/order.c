/*
 * Which instructions order the memory accesses of two processors.
 *
 * Each outcome that order forbids is tried in rounds: odd ones have the ordering instruction, even
 * ones a NOP, so that the outcome may come. They go on until it came ENOUGH times in the even
 * rounds, and so had its chances in the odd ones; or, on a host that never runs both processors at
 * once, for a fixed number of rounds.
 */
#include <stdbool.h>
#include <stddef.h>

#include "emu/emu.h"
#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/processors.h"
#include "guest/suite.h"

/* Where both processors share one of the host's, a round may last until the host switches between
 * them. KVM gets few rounds, since the host's own processor keeps the order there. */
struct limits {
    uint64_t rounds, changes;
};

static const struct limits limits_emu = { 4000, 200 };
static const struct limits limits_kvm = { 20, 20 };

#define LIMITS 0x33018u

__asm__(".set ROUNDS, 0x33018\n" /* struct limits */
        ".set CHANGES, 0x33020\n"
        ".set ENOUGH, 40\n"
        ".set STOP, 0x33008\n"
        ".set ROUND, 0x33040\n"
        ".set STORED, 0x34000\n" /* a word for each processor, 2 KiB apart */
        ".set LOADED, 0x35000\n"
        ".set BUSY, 0x36000\n"
        ".set FLAG, 0x37000\n"
        ".set SEEN, 0x37040\n"

        /* Waits until both processors are here. */
        ".macro meet counter\n"
        "  lock incq \\counter\n"
        "  lea (%r8, %r8), %rax\n"
        "  until_word \\counter\n"
        ".endm\n"
        /* Waits until a word is at least %rax; soon by PAUSE, which lets others run. */
        ".macro until_word address\n"
        "  mov $1000, %ecx\n"
        "774:\n"
        "  cmp %rax, \\address\n"
        "  jae 776f\n"
        "  dec %ecx\n"
        "  jnz 774b\n"
        "775:\n"
        "  pause\n"
        "  cmp %rax, \\address\n"
        "  jb 775b\n"
        "776:\n"
        ".endm\n"

        /* Counts the outcome: in %r9 for odd rounds (forbidden), in %r10 for even ones. */
        ".macro count_outcome\n"
        "  mov %r8d, %eax\n"
        "  and $1, %eax\n"
        "  add %rax, %r9\n"
        "  xor $1, %eax\n"
        "  add %rax, %r10\n"
        "  cmp $ENOUGH, %r10\n"
        "  jb 777f\n"
        "  movq $1, STOP\n"
        "777:\n"
        ".endm\n"
        /* Another round, unless it is enough. */
        ".macro again label\n"
        "  testb $1, STOP\n"
        "  jnz 777f\n"
        "  cmp ROUNDS, %r8\n"
        "  jb \\label\n"
        "777:\n"
        ".endm\n"
        /* Only processor 0 goes on. */
        ".macro only_first\n"
        "  test %r12d, %r12d\n"
        "  jz 777f\n"
        "  cli\n"
        "  hlt\n"
        "777:\n"
        ".endm\n");

#define BEGIN                                                 \
    "  apic_start\n"                                          \
    "  xor %r12d, %r12d\n"                                    \
    "  others_to 1f\n"                                        \
    "  apic_send ICR_OTHERS | ICR_ASSERT | ICR_INIT\n"        \
    "  apic_send ICR_OTHERS | ICR_ASSERT | ICR_STARTUP | 9\n" \
    "1:\n"                                                    \
    "  ready\n"                                               \
    "  await_word READY, 2\n"                                 \
    "  xor %r8d, %r8d\n"                                      \
    "  xor %r9d, %r9d\n"                                      \
    "  xor %r10d, %r10d\n"

/* Store buffering: each processor stores to its own word and loads the other's. With order in
 * between, one of them finds what the other stored. Before, both write the same cache lines, which
 * delays their stores. */
#define STORE_AND_LOAD(order)        \
    "  mov %r8, BUSY\n"              \
    "  mov %r8, BUSY + 0x80\n"       \
    "  mov %r8, BUSY + 0x100\n"      \
    "  mov %r8, BUSY + 0x180\n"      \
    "  mov %r8, (%rsi)\n" order "\n" \
    "  mov (%rbx), %rax\n"           \
    "  mov %rax, LOADED(, %r12, 8)\n"

/* clang-format off */
#define STORE_BUFFERING(order)                                          \
    BEGIN                                                               \
    "  mov $STORED, %esi\n"                                             \
    "  mov $STORED + 0x800, %ebx\n"                                     \
    "  test %r12d, %r12d\n"                                             \
    "  jz 2f\n"                                                         \
    "  xchg %rsi, %rbx\n"                                               \
    "2:\n"                                                              \
    "  inc %r8\n"                                                       \
    "  meet ROUND\n"                                                    \
    "  test $1, %r8b\n"                                                 \
    "  jz 3f\n"                                                         \
    STORE_AND_LOAD(order)                                               \
    "  jmp 4f\n"                                                        \
    "3:\n"                                                              \
    STORE_AND_LOAD("nop")                                               \
    "4:\n"                                                              \
    "  meet ROUND + 0x40\n"                                             \
    "  test %r12d, %r12d\n"                                             \
    "  jnz 5f\n"                                                        \
    "  cmp %r8, LOADED\n"                                               \
    "  je 5f\n"                                                         \
    "  cmp %r8, LOADED + 8\n"                                           \
    "  je 5f\n"                                                         \
    "  count_outcome\n"                                                 \
    "5:\n"                                                              \
    "  meet ROUND + 0x80\n"                                             \
    "  again 2b\n"                                                      \
    "  only_first\n"                                                    \
    "  note %r9\n"                                                      \
    "  finish\n"
/* clang-format on */

GUEST(sb_mfence, STORE_BUFFERING("mfence"));
GUEST(sb_lock, STORE_BUFFERING("lock orl $0, -8(%rsp)"));
GUEST(sb_xchg, STORE_BUFFERING("xchg %eax, -8(%rsp)"));
GUEST(sb_cpuid, STORE_BUFFERING("mov %rbx, %rbp\n xor %eax, %eax\n cpuid\n mov %rbp, %rbx"));
GUEST(sb_control, STORE_BUFFERING("mov %rax, %cr2"));
GUEST(sb_serialize, STORE_BUFFERING(".byte 0x0f, 0x01, 0xe8"));

/* Message passing: processor 0 makes non-temporal stores to four cache lines, orders, and sets a
 * flag. When processor 1 sees the flag it must see the stores. */
#define STORE_AND_TELL(order)                 \
    "  movnti %r8, BUSY\n"                    \
    "  movnti %r8, BUSY + 0x80\n"             \
    "  movnti %r8, BUSY + 0x100\n"            \
    "  movnti %r8, BUSY + 0x180\n" order "\n" \
    "  mov %r8, FLAG\n"

/* clang-format off */
#define MESSAGES(order)                                                 \
    BEGIN                                                               \
    "2:\n"                                                              \
    "  inc %r8\n"                                                       \
    "  test %r12d, %r12d\n"                                             \
    "  jnz 5f\n"                                                        \
    "  test $1, %r8b\n"                                                 \
    "  jz 3f\n"                                                         \
    STORE_AND_TELL(order)                                               \
    "  jmp 4f\n"                                                        \
    "3:\n"                                                              \
    STORE_AND_TELL("nop")                                               \
    "4:\n"                                                              \
    "  mov %r8, %rax\n"                                                 \
    "  until_word SEEN\n"                                               \
    "  again 2b\n"                                                      \
    "  mov LOADED, %r9\n"                                               \
    "  note %r9\n"                                                      \
    "  finish\n"                                                        \
    "5:\n"                                                              \
    "  mov %r8, %rax\n"                                                 \
    "  until_word FLAG\n"                                               \
    "  cmp BUSY + 0x180, %r8\n"                                         \
    "  jne 6f\n"                                                        \
    "  cmp BUSY + 0x100, %r8\n"                                         \
    "  jne 6f\n"                                                        \
    "  cmp BUSY + 0x80, %r8\n"                                          \
    "  jne 6f\n"                                                        \
    "  cmp BUSY, %r8\n"                                                 \
    "  je 7f\n"                                                         \
    "6:\n"                                                              \
    "  count_outcome\n"                                                 \
    "  mov %r9, LOADED\n"                                               \
    "7:\n"                                                              \
    "  mov %r8, SEEN\n"                                                 \
    "  jmp 2b\n"
/* clang-format on */

GUEST(mp_sfence, MESSAGES("sfence"));
GUEST(mp_mfence, MESSAGES("mfence"));

/* Changed code: processor 0 changes an instruction and then sets a flag. Processor 1, having seen
 * the flag and serialized, must execute the new one. It takes long to get to where it reads the
 * flag, so that both stores come meanwhile. */
#define CHANGED_CODE(serialize)        \
    BEGIN "  test %r12d, %r12d\n"      \
          "  jnz 3f\n"                 \
          "2:\n"                       \
          "  inc %r8\n"                \
          "  mov %r8d, 6f + 1(%rip)\n" \
          "  mov %r8, FLAG\n"          \
          "  mov %r8, %rax\n"          \
          "  until_word SEEN\n"        \
          "  cmp CHANGES, %r8\n"       \
          "  jb 2b\n"                  \
          "  note LOADED\n"            \
          "  finish\n"                 \
          "3:\n"                       \
          "  inc %r8\n"                \
          "4:\n"                       \
          "  mov $1, %ecx\n"           \
          "  .rept 24\n"               \
          "  xor %edx, %edx\n"         \
          "  mov $1000, %eax\n"        \
          "  div %rcx\n"               \
          "  .endr\n"                  \
          "  cmp %r8, FLAG\n"          \
          "  jb 4b\n" serialize "\n"   \
          "6:\n"                       \
          "  mov $0, %eax\n"           \
          "  cmp %r8d, %eax\n"         \
          "  je 7f\n"                  \
          "  incq LOADED\n"            \
          "7:\n"                       \
          "  mov %r8, SEEN\n"          \
          "  jmp 3b\n"

GUEST(code_cpuid, CHANGED_CODE("xor %eax, %eax\n cpuid"));
GUEST(code_control, CHANGED_CODE("mov %rax, %cr2"));

static void none_left(const uint8_t *code, const uint8_t *end, const char *what)
{
    const struct long64_left expected[] = { { what, 0 } };
    const bool emu = machine_accel == &emu_accel;

    long64_load(2, code, (uint64_t)(end - code));
    put(LIMITS, emu ? &limits_emu : &limits_kvm, sizeof(struct limits));
    long64_run();
    LONG64_LEFT(expected);
    machine_finish();
}

#define NONE_LEFT(name, what) none_left(guest_##name, guest_##name##_end, what)

static void store_buffering(void)
{
    NONE_LEFT(sb_mfence, "MFENCE");
    NONE_LEFT(sb_lock, "LOCK");
    NONE_LEFT(sb_xchg, "XCHG");
    NONE_LEFT(sb_cpuid, "CPUID");
    NONE_LEFT(sb_control, "MOV to CR2");
}

static void store_buffering_serialize(void)
{
    NONE_LEFT(sb_serialize, "SERIALIZE");
}

static void message_passing(void)
{
    NONE_LEFT(mp_sfence, "SFENCE");
    NONE_LEFT(mp_mfence, "MFENCE");
}

static void changed_code(void)
{
    NONE_LEFT(code_cpuid, "CPUID");
    NONE_LEFT(code_control, "MOV to CR2");
}

const struct guest_test order_tests[] = {
    { "store buffering", store_buffering, NULL },
    { "store buffering, SERIALIZE", store_buffering_serialize, "emu" },
    { "non-temporal stores", message_passing, NULL },
    { "code that another processor changes", changed_code, NULL },
    { NULL, NULL, NULL },
};
