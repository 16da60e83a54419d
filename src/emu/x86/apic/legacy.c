/* The 8259 pair and the 8254 as part of the machine. */
#include "emu/x86/apic/legacy.h"

#include <stddef.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "emu/x86/apic/ioapic.h"
#include "emu/x86/apic/lapic.h"
#include "emu/x86/cpu/cpu.h"
#include "emu/x86/cpu/machine.h"
#include "emu/x86/time/host_timer.h"
#include "emu/x86/time/tsc.h"

#define TIMER_LINE 0u

void legacy_init(struct legacy *l, struct emu *m)
{
    *l = (struct legacy){ .emu = m, .due_ns = PIT_NEVER };
    lock_init(&l->lock);
    pic_init(&l->pic);
    pit_init(&l->pit);
}

void legacy_finish(struct legacy *l)
{
    legacy_stop(l);
    lock_finish(&l->lock);
}

int legacy_start(struct legacy *l, struct err *e)
{
    int ret;

    if (l->has_timer)
        return 0;
    ret = host_timer_init(&l->timer, l->emu->cpus[0], e);
    l->has_timer = ret == 0;
    return ret;
}

void legacy_stop(struct legacy *l)
{
    if (l->has_timer)
        host_timer_finish(l->timer);
    l->has_timer = false;
}

/* With the lock held, after every change of the pair: tells the processors if the pair has an
 * interrupt. */
static void legacy_wire_update(struct legacy *l)
{
    bool asks = pic_asks(&l->pic);
    bool before = __atomic_exchange_n(&l->asks, asks, __ATOMIC_SEQ_CST);

    __atomic_store_n(&l->in_use, pic_in_use(&l->pic), __ATOMIC_RELEASE);
    if (!asks)
        return;
    for (unsigned i = 0; i < l->emu->cpu_count; i++)
        lapic_wire(l->emu->cpus[i]->lapic, !before);
}

void legacy_raise(struct legacy *l, unsigned line)
{
    if (!__atomic_load_n(&l->in_use, __ATOMIC_ACQUIRE))
        return;
    lock_take_first(&l->lock);
    pic_pulse(&l->pic, line);
    legacy_wire_update(l);
    lock_release_first(&l->lock);
}

/* With the lock held: sets the host timer for counter 0's next interrupt. */
static void legacy_timer_update(struct legacy *l, uint64_t now_ns)
{
    uint64_t at_ns;

    l->due_ns = pit_next(&l->pit, now_ns);
    at_ns = l->due_ns == PIT_NEVER ? 0 : l->due_ns;
    if (at_ns && at_ns < l->served_ns + HOST_TIMER_MIN_NS)
        at_ns = l->served_ns + HOST_TIMER_MIN_NS;
    if (l->has_timer)
        host_timer_set(l->timer, at_ns);
}

/* With the lock held, whenever the guest may be ready for it: sends one of the timer interrupts
 * that the guest is owed, if the pair or the I/O APIC would keep it (pic_keeps, ioapic_keeps). */
static void legacy_tick(struct legacy *l)
{
    struct ioapic *io = l->emu->ioapic;

    if (l->pit.owed && (pic_keeps(&l->pic, TIMER_LINE) || ioapic_keeps(io, TIMER_LINE))) {
        l->pit.owed--;
        ioapic_pulse(io, TIMER_LINE);
        pic_pulse(&l->pic, TIMER_LINE);
        legacy_wire_update(l);
    }
    __atomic_store_n(&l->owes, l->pit.owed != 0, __ATOMIC_RELEASE);
}

void legacy_eoi(struct legacy *l)
{
    if (!__atomic_load_n(&l->owes, __ATOMIC_ACQUIRE))
        return;
    lock_take(&l->lock);
    legacy_tick(l);
    lock_release(&l->lock);
}

void legacy_timer_ran_out(struct legacy *l)
{
    uint64_t now_ns;

    lock_take(&l->lock);
    now_ns = clock_now_ns();
    if (l->due_ns <= now_ns) {
        pit_owe(&l->pit, l->due_ns, now_ns);
        l->served_ns = now_ns;
        legacy_timer_update(l, now_ns);
        legacy_tick(l);
    }
    lock_release(&l->lock);
}

bool legacy_claims(uint16_t port, unsigned size)
{
    return size == 1 && (pic_claims(port) || pit_claims(port));
}

uint8_t legacy_read(struct legacy *l, uint16_t port)
{
    uint8_t value;

    lock_take(&l->lock);
    if (pic_claims(port)) {
        value = pic_read(&l->pic, port);
        legacy_wire_update(l); /* the read may have been a poll, which takes an interrupt */
        legacy_tick(l);
    } else {
        value = pit_read(&l->pit, port, clock_now_ns());
    }
    lock_release(&l->lock);
    return value;
}

void legacy_write(struct legacy *l, uint16_t port, uint8_t value)
{
    uint64_t now_ns;

    lock_take(&l->lock);
    if (pic_claims(port)) {
        pic_write(&l->pic, port, value);
        legacy_wire_update(l);
        legacy_tick(l);
    } else {
        now_ns = clock_now_ns();
        pit_write(&l->pit, port, value, now_ns);
        legacy_timer_update(l, now_ns);
    }
    lock_release(&l->lock);
}

bool legacy_asks(const struct legacy *l, const struct cpu *c)
{
    return __atomic_load_n(&l->asks, __ATOMIC_ACQUIRE) && lapic_lets_extint(c->lapic);
}

uint8_t legacy_take(struct legacy *l)
{
    uint8_t vector;

    lock_take(&l->lock);
    vector = pic_take(&l->pic);
    legacy_wire_update(l);
    legacy_tick(l);
    lock_release(&l->lock);
    return vector;
}
