/*
 * Whether this KVM runs a guest's kernel as a processor does.
 *
 * A KVM that is present may still be of no use. Where the host is itself a guest, KVM may interpret
 * code in ring 0, at about 1 MIPS, and know only some of the instructions. Ring 3 runs at full
 * speed even there, so only ring 0 tells. Processor 0 of the very machine that is about to boot
 * therefore runs a loop in long mode and ring 0. The loop contains cmpxchg16b, which Linux cannot
 * do without and interpreters tend to lack. After a number of rounds the program writes to a port,
 * which makes KVM_RUN return: that is one pass.
 *
 *   page tables   where the boot protocols put theirs, one 2 MiB page mapped one to one
 *   code, data    in the page that becomes Linux's zero page
 *
 * The bar is 10 MIPS, in a wide gap: interpreters do about 1, processors thousands, and the
 * software CPU, which takes over where KVM fails, about 100. The first pass is 4096 instructions,
 * which take a processor some 10 us, and then the probe is over. If the pass was too slow, another
 * follows, and if need be a third, each four times as long as the one before. A longer pass gives
 * less weight to the first touch of a page, to an interruption, and to the half millisecond that an
 * entry into the guest takes where QEMU emulates the processor; an interpreter stays as slow as it
 * is. The three passes take an interpreter 85 ms.
 */
#include <asm/kvm.h>
#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/units.h"
#include "core/kvm/kvm_internal.h"
#include "core/kvm/x86/kvm_x86.h"
#include "core/x86/bits.h"
#include "core/x86/layout.h"
#include "core/x86/regs.h"

#define CODE LAYOUT_ZERO_PAGE
#define DATA (LAYOUT_ZERO_PAGE + PAGE_4K / 2) /* cmpxchg16b wants it aligned to 16 */

#define ROUND_INSTRUCTIONS 8u
#define ROUNDS_FIRST       512u
#define PASS_SHIFT         2u /* each pass has 1 << this times as many rounds as the last one */
#define PASSES             3u
#define MIPS_MIN           10u

/* RAX counts, RDX stays 0, R10 holds the rounds of a pass. */
static const char program[] = "\x44\x89\xd7"     /* pass:  mov edi, r10d */
                              "\x48\x8d\x58\x01" /* round: lea rbx, [rax + 1] */
                              "\x48\x89\xd1"     /*        mov rcx, rdx */
                              "\x48\x0f\xc7\x0e" /*        cmpxchg16b [rsi] */
                              "\x48\x89\xd8"     /*        mov rax, rbx */
                              "\x4c\x03\x06"     /*        add r8, [rsi] */
                              "\x4d\x31\xc1"     /*        xor r9, r8 */
                              "\xff\xcf"         /*        dec edi */
                              "\x75\xe8"         /*        jnz round */
                              "\xe6\xf4"         /*        out KVM_PROBE_PORT, al */
                              "\x49\xc1\xe2\x02" /*        shl r10, PASS_SHIFT */
                              "\xeb\xdd";        /*        jmp pass */
static_assert(sizeof(program) <= DATA - CODE, "code and data share a page");

static const gpa_t pages[] = { CODE, LAYOUT_PML4, LAYOUT_PDPT, LAYOUT_PD };
#define PAGES (sizeof(pages) / sizeof(pages[0]))

bool kvm_probe_load(const struct mem *m, struct vcpu_regs *regs)
{
    const uint64_t pml4 = LAYOUT_PDPT | X86_PTE_P | X86_PTE_RW;
    const uint64_t pdpt = LAYOUT_PD | X86_PTE_P | X86_PTE_RW;
    const uint64_t pd = X86_PTE_P | X86_PTE_RW | X86_PTE_PS;

    *regs = (struct vcpu_regs){
        .rip = CODE,
        .rflags = X86_RFLAGS_R1,
        .gpr[X86_RSI] = DATA,
        .gpr[X86_R10] = ROUNDS_FIRST,
        .tr = { .limit = 0x67, .access = X86_ACCESS_TSS },
        .cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_PG,
        .cr3 = LAYOUT_PML4,
        .cr4 = X86_CR4_PAE,
        .efer = X86_EFER_LME | X86_EFER_LMA,
    };
    for (unsigned i = 0; i < X86_SEGS; i++)
        regs->seg[i] = (struct x86_segment){ .limit = UINT32_MAX, .access = X86_ACCESS_DATA32 };
    regs->seg[X86_CS].access = X86_ACCESS_CODE64;
    return mem_write(m, CODE, program, sizeof(program)) &&
           mem_write(m, LAYOUT_PML4, &pml4, sizeof(pml4)) &&
           mem_write(m, LAYOUT_PDPT, &pdpt, sizeof(pdpt)) &&
           mem_write(m, LAYOUT_PD, &pd, sizeof(pd));
}

/* Makes the pages zero again, as RAM is before anything is loaded. */
void kvm_probe_unload(const struct mem *m)
{
    for (size_t i = 0; i < PAGES; i++) {
        void *page = mem_at(m, pages[i], PAGE_4K);

        if (page)
            memset(page, 0, PAGE_4K);
    }
}

uint64_t kvm_probe_mips(uint64_t instructions, uint64_t ns)
{
    return instructions * 1000 / (ns ? ns : 1); /* 0 ns: faster than the clock */
}

int kvm_probe_judge(uint64_t mips, struct err *e)
{
    if (mips >= MIPS_MIN)
        return 0;
    return err_set(
        e, EOPNOTSUPP,
        "KVM executes a guest's kernel at %llu million instructions a second, where a processor "
        "reaches thousands of millions: this host interprets it",
        (unsigned long long)mips);
}

static int probe_pass_failed(struct kvm_vcpu *v, struct err *e)
{
    struct err why = { "" };
    enum vcpu_exit end;

    (void)kvm_exit_serve(&v->kvm->config, v->run, &end, &why);
    return err_set(e, EOPNOTSUPP, "KVM does not execute a guest's kernel: %s",
                   why.text[0] ? why.text : "the processor shut down");
}

/* Runs to the next port write. A signal without a kick (job control) only takes time. */
static int probe_pass_run(struct kvm_vcpu *v, uint64_t *ns, struct err *e)
{
    uint64_t start_ns = clock_now_ns();
    struct kvm_run *run = v->run;

    while (ioctl(v->fd, KVM_RUN, 0) < 0) {
        if (errno != EINTR) {
            int ret = -errno;
            kvm_exit_failed(errno, e);
            return ret;
        }
        if (__atomic_load_n(&run->immediate_exit, __ATOMIC_SEQ_CST))
            return err_set(
                e, EOPNOTSUPP,
                "KVM does not get through a few thousand instructions of a guest's kernel");
    }
    *ns = clock_now_ns() - start_ns;
    if (run->exit_reason == KVM_EXIT_IO && run->io.port == KVM_PROBE_PORT)
        return 0;
    return probe_pass_failed(v, e);
}

static int probe_passes_run(struct kvm_vcpu *v, uint64_t *mips, struct err *e)
{
    uint64_t instructions = ROUND_INSTRUCTIONS * ROUNDS_FIRST;
    int slow = 0;

    for (unsigned i = 0; i < PASSES; i++, instructions <<= PASS_SHIFT) {
        uint64_t ns = 0;
        int ret = probe_pass_run(v, &ns, e);

        if (ret < 0)
            return ret;
        *mips = kvm_probe_mips(instructions, ns);
        slow = kvm_probe_judge(*mips, e);
        if (slow == 0)
            break;
    }
    return slow;
}

/* Has KVM complete the port write, which it does when it is entered again. The registers may change
 * only after that. */
static void probe_port_write_complete(struct kvm_vcpu *v)
{
    __atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    (void)ioctl(v->fd, KVM_RUN, 0);
    __atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

int kvm_arch_probe(struct accel_vcpu *a, uint64_t *mips, struct err *e)
{
    struct kvm_vcpu *v = (struct kvm_vcpu *)a;
    const struct mem *mem = v->kvm->config.mem;
    struct vcpu_regs before, regs;
    int ret = kvm_arch_regs_get(a, &before, e);

    if (ret < 0)
        return ret;
    if (!kvm_probe_load(mem, &regs))
        return err_set(e, EINVAL, "the guest's memory is too small to try KVM in");
    ret = kvm_arch_regs_set(a, &regs, e);
    if (ret == 0) {
        ret = probe_passes_run(v, mips, e);
        probe_port_write_complete(v);
        int restored = kvm_arch_regs_set(a, &before, ret == 0 ? e : NULL);
        if (ret == 0)
            ret = restored;
    }
    kvm_probe_unload(mem);
    return ret;
}
