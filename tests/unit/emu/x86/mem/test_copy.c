/* copy_once beside another processor, whose stores a debug trap makes after each instruction. */
#include "emu/x86/mem/copy.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ucontext.h>

#include "core/x86/bits.h"

#define OURS   0x11u
#define THEIRS 0x22u
#define BEFORE 0x33u

#define SIZE_MAX_TRIED 80u

static uint8_t shared[SIZE_MAX_TRIED] __attribute__((aligned(64)));
static uint8_t private[SIZE_MAX_TRIED];
static unsigned written[SIZE_MAX_TRIED]; /* how often our store was seen */
static volatile bool stepping;
static unsigned size;
static bool whole; /* the operand must change in one step */
static bool torn;

/* Wherever our store has arrived, the other processor stores too. */
static void on_store_step(void)
{
    unsigned come = 0;

    for (unsigned i = 0; i < size; i++)
        come += shared[i] != BEFORE;
    if (whole && come != 0 && come != size)
        torn = true;
    for (unsigned i = 0; i < size; i++)
        if (shared[i] == OURS) {
            shared[i] = THEIRS;
            written[i]++;
        }
}

/* Whatever is read after this step differs from what was read before. */
static void on_load_step(void)
{
    for (unsigned i = 0; i < size; i++)
        shared[i]++;
}

static void (*on_step)(void);

static void on_trap(int signal, siginfo_t *info, void *context)
{
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

    (void)signal;
    (void)info;
    if (stepping)
        on_step();
    else
        *flags &= ~(greg_t)X86_RFLAGS_TF;
}

/* copy_once, one step at a time. Does not touch the red zone. */
static void copy_stepped(void *to, const void *from, void (*step)(void))
{
    on_step = step;
    stepping = true;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
                     "lea 128(%%rsp), %%rsp"
                     :
                     :
                     : "memory", "cc");
    copy_once(to, from, size);
    stepping = false;
    __asm__ volatile("nop\n\tnop" : : : "memory"); /* the next trap ends it */
}

static void start(void)
{
    const struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

    cr_assert_eq(sigaction(SIGTRAP, &action, NULL), 0);
}

TestSuite(copy, .init = start);

static bool is_one_access(unsigned bytes)
{
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16;
}

/* If a byte were written twice, the second write would undo the other processor's store. */
Test(copy, writes_each_byte_once)
{
    for (size = 1; size <= SIZE_MAX_TRIED; size++) {
        whole = is_one_access(size);
        memset(shared, BEFORE, sizeof(shared));
        memset(private, OURS, sizeof(private));
        memset(written, 0, sizeof(written));
        copy_stepped(shared, private, on_store_step);
        cr_assert_not(torn, "%u bytes", size);
        for (unsigned i = 0; i < sizeof(shared); i++)
            cr_assert_eq(written[i], i < size, "byte %u of %u", i, size);
    }
}

Test(copy, reads_an_operand_at_once)
{
    for (size = 1; size <= 16; size++) {
        if (!is_one_access(size))
            continue;
        memset(shared, BEFORE, sizeof(shared));
        memset(private, 0, sizeof(private));
        copy_stepped(private, shared, on_load_step);
        for (unsigned i = 1; i < size; i++)
            cr_assert_eq(private[i], private[0], "%u bytes", size);
    }
}

Test(copy, either_end_may_be_anywhere)
{
    for (unsigned to = 0; to < 17; to++)
        for (unsigned from = 0; from < 17; from++)
            for (unsigned len = 0; len <= 40; len++) {
                for (unsigned i = 0; i < SIZE_MAX_TRIED; i++) {
                    private[i] = (uint8_t)(i + 1);
                    shared[i] = 0;
                }
                copy_once(shared + to, private + from, len);
                for (unsigned i = 0; i < SIZE_MAX_TRIED; i++)
                    cr_assert_eq(shared[i], i - to < len ? (uint8_t)(from + i - to + 1) : 0);
            }
}
