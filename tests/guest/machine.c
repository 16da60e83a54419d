/* The machine the guests run on: RAM, two probe devices, and the accelerator under test. */
#include "guest/machine.h"

#include <signal.h>
#include <string.h>

#include "core/base/err.h"
#include "core/vm/vcpu.h"
#include "core/x86/layout.h"
#include "lib/check.h"

struct machine m;
const struct accel_ops *machine_accel;
struct err e;

static void probe_read(struct device *d, uint64_t offset, void *data, unsigned size)
{
    struct probe *p = (struct probe *)d;

    p->offset = offset;
    p->size = size;
    memset(data, 0, size);
    *(uint8_t *)data = (uint8_t)(0xa0 + ++p->reads);
    if (p->on_read)
        p->on_read(p);
}

static void probe_write(struct device *d, uint64_t offset, const void *data, unsigned size)
{
    struct probe *p = (struct probe *)d;

    CHECK(p->written_len + size <= sizeof(p->written));
    memcpy(p->written + p->written_len, data, size);
    p->written_len += size;
    p->writes++;
    p->offset = offset;
    p->size = size;
    if (p->on_write)
        p->on_write(p);
}

static const struct device_ops probe_ops = { "probe", probe_read, probe_write };

void must(int ret)
{
    if (ret == 0)
        return;
    (void)fprintf(stderr, "%s\n", e.text);
    CHECK(ret == 0);
}

void put(gpa_t gpa, const void *bytes, size_t len)
{
    CHECK(mem_write(&m.mem, gpa, bytes, len));
}

void machine_init(unsigned vcpus, uint64_t ram)
{
    const struct mem_config mem = { .size = ram,
                                    .gap_start = LAYOUT_GAP_START,
                                    .gap_end = LAYOUT_GAP_END };

    memset(&m, 0, sizeof(m));
    m.vcpus = vcpus;
    must(mem_init(&m.mem, &mem, &e));
    bus_init(&m.ports, "port");
    bus_init(&m.mmio, "mmio");
    device_init(&m.port.device, &probe_ops);
    device_init(&m.window.device, &probe_ops);
    must(bus_add(&m.ports, PORT, 8, &m.port.device, &e));
    must(bus_add(&m.mmio, WINDOW, 0x1000, &m.window.device, &e));
    const struct accel_config config = { &m.mem, &m.ports, &m.mmio, vcpus };
    must(machine_accel->create(&config, &m.accel, &e));
    for (unsigned i = 0; i < vcpus; i++)
        must(m.accel->ops->vcpu_create(m.accel, i, &m.vcpu[i], &e));
}

void machine_finish(void)
{
    for (unsigned i = 0; i < m.vcpus; i++)
        m.vcpu[i]->ops->destroy(m.vcpu[i]);
    m.accel->ops->destroy(m.accel);
    device_finish(&m.port.device);
    device_finish(&m.window.device);
    mem_finish(&m.mem);
}

void start_at(const struct vcpu_regs *regs)
{
    must(m.vcpu[0]->ops->regs_set(m.vcpu[0], regs, &e));
}

enum vcpu_exit run(unsigned id)
{
    return m.vcpu[id]->ops->run(m.vcpu[id]);
}

struct vcpu_regs regs_now(void)
{
    struct vcpu_regs r;

    must(m.vcpu[0]->ops->regs_get(m.vcpu[0], &r, &e));
    return r;
}

static void *run_thread(void *arg)
{
    return (void *)(uintptr_t)run((unsigned)(uintptr_t)arg);
}

pthread_t spawn(unsigned id)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, run_thread, (void *)(uintptr_t)id) == 0);
    return thread;
}

enum vcpu_exit kick_and_join(unsigned id, pthread_t thread)
{
    void *why;

    m.vcpu[id]->ops->kick(m.vcpu[id]);
    CHECK(pthread_kill(thread, VCPU_SIGNAL) == 0);
    CHECK(pthread_join(thread, &why) == 0);
    return (enum vcpu_exit)(uintptr_t)why;
}
