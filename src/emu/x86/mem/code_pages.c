/*
 * Pages with decoded code.
 *
 * Taking a page's first hold is a handshake. The processor raises the machine's epoch, asks the
 * others to forget their write translations, and waits until each one that is in guest code has
 * answered with that epoch. A processor that waits for the lock answers meanwhile, so that two
 * processors that take holds at once do not wait for each other forever; for this reason it only
 * ever tries the lock.
 */
#include "emu/x86/mem/code_pages.h"

#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>

#include "core/base/err.h"
#include "core/base/units.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/cpu/tlb.h"

int code_pages_init(struct emu *m, struct err *e)
{
    size_t pages = m->mem->size / PAGE_4K;
    void *counts = mmap(NULL, pages, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (counts == MAP_FAILED)
        return err_sys(e, "cannot map the table of code pages (%zu KiB)", pages >> 10);
    m->code_holds = counts;
    lock_init(&m->code_lock);
    return 0;
}

void code_pages_finish(struct emu *m)
{
    if (!m->code_holds)
        return;
    (void)munmap(m->code_holds, m->mem->size / PAGE_4K);
    lock_finish(&m->code_lock);
    m->code_holds = NULL;
}

/* The page's count of holds, or NULL if it is not RAM. */
static uint8_t *code_hold_count(const struct emu *m, gpa_t gpa)
{
    uint64_t before = 0;

    for (unsigned i = 0; i < m->mem->count; i++) {
        const struct mem_region *r = &m->mem->regions[i];

        if (gpa >= r->gpa && gpa - r->gpa < r->size)
            return &m->code_holds[(before + gpa - r->gpa) / PAGE_4K];
        before += r->size;
    }
    return NULL;
}

bool code_page_held(const struct emu *m, gpa_t gpa)
{
    const uint8_t *holds = code_hold_count(m, gpa);

    return holds && __atomic_load_n(holds, __ATOMIC_SEQ_CST);
}

static void code_epoch_answer(struct cpu *c)
{
    uint32_t epoch = __atomic_load_n(&c->emu->code_epoch, __ATOMIC_SEQ_CST);

    if (__atomic_load_n(&c->code_answered, __ATOMIC_RELAXED) == epoch)
        return;
    tlbs_forget_writes(c->tlbs);
    __atomic_store_n(&c->code_answered, epoch, __ATOMIC_SEQ_CST);
}

static void code_lock_take(struct cpu *c)
{
    while (!lock_try(&c->emu->code_lock)) {
        code_epoch_answer(c);
        (void)sched_yield();
    }
}

static void code_lock_release(struct cpu *c)
{
    lock_release(&c->emu->code_lock);
}

static bool code_epoch_answered(const struct cpu *other, uint32_t epoch)
{
    return !__atomic_load_n(&other->in_guest, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&other->code_answered, __ATOMIC_SEQ_CST) == epoch;
}

/* Makes every processor forget its write translations. With the lock held, so that nobody else
 * raises the epoch meanwhile. */
static void code_writes_forget(struct cpu *c)
{
    struct emu *m = c->emu;
    uint32_t epoch = __atomic_add_fetch(&m->code_epoch, 1, __ATOMIC_SEQ_CST);

    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i] != c)
            cpu_request(m->cpus[i], CPU_REQ_CODE);
    code_epoch_answer(c);
    for (unsigned i = 0; i < m->cpu_count; i++)
        while (m->cpus[i] != c && !code_epoch_answered(m->cpus[i], epoch))
            (void)sched_yield();
}

void code_page_hold(struct cpu *c, gpa_t gpa)
{
    uint8_t *holds = code_hold_count(c->emu, gpa);

    if (!holds)
        return;
    code_lock_take(c);
    if (__atomic_fetch_add(holds, 1, __ATOMIC_SEQ_CST) == 0)
        code_writes_forget(c);
    code_lock_release(c);
}

void code_page_release(struct cpu *c, gpa_t gpa)
{
    uint8_t *holds = code_hold_count(c->emu, gpa);

    if (holds)
        __atomic_fetch_sub(holds, 1, __ATOMIC_SEQ_CST);
}

static void code_drop_request(struct cpu *other, gpa_t gpa, uint64_t len)
{
    struct code_drops *d = &other->code_drops;

    if (d->count < CODE_DROPS_MAX) {
        d->range[d->count].gpa = gpa;
        d->range[d->count].len = len;
    }
    if (d->count <= CODE_DROPS_MAX)
        d->count++;
    cpu_request(other, CPU_REQ_CODE);
}

void code_page_written(struct cpu *c, gpa_t gpa, uint64_t len)
{
    struct emu *m = c->emu;

    c->code->drop(c, gpa, len);
    if (m->cpu_count == 1 || !code_page_held(m, gpa))
        return;
    code_lock_take(c);
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (m->cpus[i] != c)
            code_drop_request(m->cpus[i], gpa, len);
    code_lock_release(c);
}

/* For a thread that is no vCPU's. It may be the loop thread, so it takes the lock with priority. It
 * blocks on the lock, whose holder may be waiting for processors in guest code to answer. So no
 * processor in guest code may wait for this thread. None does: a processor leaves guest code to
 * access a device (mmio.c). */
static void code_drop_request_all(struct emu *m, gpa_t gpa, uint64_t len)
{
    lock_take_first(&m->code_lock);
    for (unsigned i = 0; i < m->cpu_count; i++)
        code_drop_request(m->cpus[i], gpa, len);
    lock_release_first(&m->code_lock);
}

/* After the fence, either this thread sees the hold that a processor took on the page, or that
 * processor decodes the new bytes. */
void code_pages_written(struct emu *m, gpa_t gpa, uint64_t len)
{
    gpa_t end = gpa + len;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    while (gpa < end) {
        gpa_t next = (gpa | (PAGE_4K - 1)) + 1;

        if (next > end)
            next = end;
        if (code_page_held(m, gpa))
            code_drop_request_all(m, gpa, next - gpa);
        gpa = next;
    }
}

/* Enters guest code. If another processor has the memory to itself, waits for exclusive_lock, which
 * that processor holds, and sets in_guest before releasing the lock. Whoever takes the lock next
 * then has to wait for this processor, so that one exclusive access after another cannot keep it
 * out of guest code. */
static void code_pages_go_in(struct cpu *c)
{
    struct emu *m = c->emu;
    const struct cpu *alone;

    __atomic_store_n(&c->in_guest, true, __ATOMIC_SEQ_CST);
    alone = __atomic_load_n(&m->exclusive, __ATOMIC_SEQ_CST);
    if (!alone || alone == c)
        return;
    code_pages_exit(c);
    (void)pthread_mutex_lock(&m->exclusive_lock);
    __atomic_store_n(&c->in_guest, true, __ATOMIC_SEQ_CST);
    (void)pthread_mutex_unlock(&m->exclusive_lock);
}

void code_pages_enter(struct cpu *c)
{
    struct code_drops drops;

    code_pages_go_in(c);
    code_lock_take(c);
    drops = c->code_drops;
    c->code_drops.count = 0;
    code_lock_release(c);
    code_epoch_answer(c);
    if (drops.count > CODE_DROPS_MAX) {
        c->code->drop_all(c);
        return;
    }
    for (unsigned i = 0; i < drops.count; i++)
        c->code->drop(c, drops.range[i].gpa, drops.range[i].len);
}

void code_pages_exit(struct cpu *c)
{
    __atomic_store_n(&c->in_guest, false, __ATOMIC_SEQ_CST);
}

void code_pages_return(struct cpu *c)
{
    code_pages_go_in(c);
    code_epoch_answer(c);
}
