/*
 * Instructions on the host.
 *
 * host_enter loads every register from a page at a fixed address and jumps to the instruction. A
 * jump behind the instruction leads to host_leave, which stores every register to the same page and
 * returns to host_enter's caller. Both need no free register for that, since the page is below 2
 * GiB. An exception becomes a signal. Its handler runs on a stack of its own, because RSP may hold
 * anything. It notes the exception and lets the process go on at host_leave, with the registers as
 * the exception found them.
 *
 * Everything else in the code pages is INT3, at which branches end.
 */
#include "emu/x86/host.h"

#include <asm/prctl.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CONTEXT      0x60000000u /* C in the assembler code */
#define CONTEXT_SIZE (4 * CASE_PAGE)
#define GS_BASE      (CASE_DATA - 0x1000u)

#define CODE_SIZE (CASE_CODE_END - CASE_CODE)
#define INT3      0xcc
#define TRAP_INT3 3
#define TRAP_PF   14

/* State components: x87, SSE, AVX. */
#define COMPONENTS 7

struct xsave_area {
    uint8_t legacy[512];
    uint64_t present;
    uint64_t header[7];
    uint8_t high[16][16]; /* upper halves of YMM: right behind the header on every processor */
};

struct context {
    uint64_t gpr[X86_GPRS];
    uint64_t rip;
    uint64_t rflags;
    uint64_t own_rsp;
    uint64_t own_rflags;
    struct xsave_area fpu __attribute__((aligned(64)));
    uint64_t stack[64];
    uint64_t stack_end[2];
};

_Static_assert(offsetof(struct context, rip) == 0x80, "host_enter knows");
_Static_assert(offsetof(struct context, rflags) == 0x88, "host_enter knows");
_Static_assert(offsetof(struct context, own_rsp) == 0x90, "host_enter knows");
_Static_assert(offsetof(struct context, own_rflags) == 0x98, "host_enter knows");
_Static_assert(offsetof(struct context, fpu) == 0xc0, "host_enter knows");
_Static_assert(offsetof(struct context, stack_end) == 0x600, "host_enter knows");

void host_enter(void);
void host_leave(void);

__asm__(".set C, 0x60000000\n"
        "host_enter:\n"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "pushfq; pop C+0x98; mov %rsp, C+0x90\n"
        "mov $7, %eax; xor %edx, %edx; xrstor C+0xc0\n"
        "mov $C+0x600, %esp; push C+0x88; popfq\n"
        "mov C+0x00, %rax; mov C+0x08, %rcx; mov C+0x10, %rdx; mov C+0x18, %rbx\n"
        "mov C+0x20, %rsp; mov C+0x28, %rbp; mov C+0x30, %rsi; mov C+0x38, %rdi\n"
        "mov C+0x40, %r8;  mov C+0x48, %r9;  mov C+0x50, %r10; mov C+0x58, %r11\n"
        "mov C+0x60, %r12; mov C+0x68, %r13; mov C+0x70, %r14; mov C+0x78, %r15\n"
        "jmp *C+0x80\n"
        "host_leave:\n"
        "mov %rax, C+0x00; mov %rcx, C+0x08; mov %rdx, C+0x10; mov %rbx, C+0x18\n"
        "mov %rsp, C+0x20; mov %rbp, C+0x28; mov %rsi, C+0x30; mov %rdi, C+0x38\n"
        "mov %r8,  C+0x40; mov %r9,  C+0x48; mov %r10, C+0x50; mov %r11, C+0x58\n"
        "mov %r12, C+0x60; mov %r13, C+0x68; mov %r14, C+0x70; mov %r15, C+0x78\n"
        "mov $C+0x600, %esp; pushfq; pop C+0x88; push C+0x98; popfq\n"
        "mov $7, %eax; xor %edx, %edx; xsave C+0xc0\n"
        "mov C+0x90, %rsp\n"
        "fninit; push $0x1f80; ldmxcsr (%rsp); add $8, %rsp; vzeroupper\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "ret\n");

static struct context *const context = (struct context *)CONTEXT;
static uint8_t *code;
static struct case_state *running; /* or NULL */
static struct sigaction before;    /* the software CPU's handler of SIGFPE */

static void on_signal(int number, siginfo_t *info, void *at)
{
    greg_t *gregs = ((ucontext_t *)at)->uc_mcontext.gregs;

    if (!running && number == SIGFPE && before.sa_sigaction) {
        before.sa_sigaction(number, info, at);
        return;
    }
    if (!running) { /* a fault of the test itself: returning raises it again */
        (void)signal(number, SIG_DFL);
        return;
    }
    running->vector = (int)gregs[REG_TRAPNO];
    running->error = (uint32_t)gregs[REG_ERR];
    running->address = (uint64_t)gregs[REG_CR2];
    running->rip = (uint64_t)gregs[REG_RIP];
    running->gpr[X86_RSP] = (uint64_t)gregs[REG_RSP];
    /* Not every kernel can return to a process with any RSP. */
    gregs[REG_RSP] = (greg_t)(uintptr_t)context->stack_end;
    gregs[REG_RIP] = (greg_t)(uintptr_t)host_leave;
}

static bool handlers_install(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    static uint8_t stack[64 << 10];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

    if (sigaltstack(&alternate, NULL))
        return false;
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (sigaction(signals[i], &action, signals[i] == SIGFPE ? &before : NULL))
            return false;
    return true;
}

static bool map(uint64_t at, size_t size)
{
    void *wanted = (void *)(uintptr_t)at;

    return mmap(wanted, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == wanted;
}

/* Maps the code pages twice: writable at `code`, and executable where the instructions run, so that
 * no instruction can change the code. */
static bool code_map(void)
{
    void *wanted = (void *)(uintptr_t)CASE_CODE;
    int fd = memfd_create("differential", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, CODE_SIZE))
        return false;
    code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (code == MAP_FAILED || mmap(wanted, CODE_SIZE, PROT_READ | PROT_EXEC,
                                   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != wanted)
        return false;
    memset(code, INT3, CODE_SIZE);
    return close(fd) == 0;
}

bool host_start(struct case_bases *bases)
{
    if (!code_map() || !map(CASE_DATA, 3 * CASE_PAGE) || !map(CONTEXT, CONTEXT_SIZE))
        return false;
    bases->gs = GS_BASE;
    return syscall(SYS_arch_prctl, ARCH_SET_GS, bases->gs) == 0 &&
           syscall(SYS_arch_prctl, ARCH_GET_FS, &bases->fs) == 0;
}

uint8_t *host_data(void)
{
    return (uint8_t *)(uintptr_t)CASE_DATA;
}

bool host_seal(void)
{
    return handlers_install() && mprotect(host_data() + CASE_WRITABLE, CASE_PAGE, PROT_READ) == 0;
}

static void state_load(const struct case_state *s)
{
    memcpy(context->gpr, s->gpr, sizeof(s->gpr));
    context->rip = s->rip;
    context->rflags = s->rflags;
    memcpy(context->fpu.legacy, s->fx, CASE_FX);
    memset(context->fpu.header, 0, sizeof(context->fpu.header));
    context->fpu.present = COMPONENTS;
    for (unsigned n = 0; n < 16; n++) {
        memcpy(context->fpu.legacy + CASE_FX + n * 16, s->vec[n], 16);
        memcpy(context->fpu.high[n], s->vec[n] + 16, 16);
    }
}

static void state_store(struct case_state *s)
{
    if (s->vector != CASE_COMPLETED)
        context->gpr[X86_RSP] = s->gpr[X86_RSP];
    memcpy(s->gpr, context->gpr, sizeof(s->gpr));
    s->rflags = context->rflags;
    memcpy(s->fx, context->fpu.legacy, CASE_FX);
    for (unsigned n = 0; n < 16; n++) {
        memcpy(s->vec[n], context->fpu.legacy + CASE_FX + n * 16, 16);
        memcpy(s->vec[n] + 16, context->fpu.high[n], 16);
    }
}

/* Writes the instruction and the jump to host_leave. Returns their length. */
static unsigned code_put(const struct test_case *t, uint8_t *to)
{
    static const uint8_t jump[] = { 0xff, 0x25, 0, 0, 0, 0 }; /* jmp *0(%rip) */
    const uint64_t leave = (uintptr_t)host_leave;
    unsigned len = t->insn.len;

    memcpy(to, t->code, len);
    memcpy(to + len, jump, sizeof(jump));
    memcpy(to + len + sizeof(jump), &leave, sizeof(leave));
    return len + (unsigned)(sizeof(jump) + sizeof(leave));
}

void host_run(const struct test_case *t, struct case_state *after)
{
    uint8_t *at = code + (t->before.rip - CASE_CODE);
    unsigned len = code_put(t, at);

    *after = (struct case_state){ .vector = CASE_COMPLETED, .rip = t->before.rip + t->insn.len };
    state_load(&t->before);
    running = after;
    host_enter();
    running = NULL;
    state_store(after);
    memset(at, INT3, len);
    if (after->vector == TRAP_INT3) { /* at the target of a branch */
        after->vector = CASE_COMPLETED;
        after->rip--;
    } else if (after->vector == TRAP_PF &&
               after->rip != t->before.rip) { /* at a target outside the code pages */
        after->vector = CASE_COMPLETED;
    }
}
