/*
 * Runs one machine after another, in turn on the loop that is chosen by default and on epoll.
 *
 *   chaos [--seed N] [--machines N] [--rounds N]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chaos/chaos.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/log/log.h"
#include "core/vm/accel.h"
#include "core/vm/irq.h"
#include "lib/check.h"
#include "virtio-mmio/plug.h"

#define IMAGE_SIZE (1 << 20)

static struct chaos chaos;
static struct irq_line lines[DEVS];
static struct virtio_counters total; /* of all devices, before they are unplugged */

static unsigned missing; /* devices that are still being unplugged */

/* An accelerator that has doorbells and no processors. */

static int doorbell_add(struct accel *a, gpa_t addr, unsigned size, uint64_t value, int eventfd,
                        struct err *e)
{
    (void)a, (void)size, (void)e;
    CHECK(chaos.bell_count < sizeof(chaos.bells) / sizeof(chaos.bells[0]));
    chaos.bells[chaos.bell_count++] = (struct bell){ addr, value, eventfd };
    return 0;
}

static void memory_written(struct accel *a, gpa_t gpa, uint64_t len)
{
    (void)a;
    CHECK(mem_at(&chaos.mem, gpa, len));
}

static const struct accel_ops accel_ops = {
    .name = "chaos",
    .doorbell_add = doorbell_add,
    .memory_written = memory_written,
};
static struct accel accel = { .ops = &accel_ops };

static void line_raise(struct irq_line *line)
{
    (void)line;
}

/* Devices. */

static void disk_make(unsigned n)
{
    static const char *const ids[DISKS] = { "a", "b", "c" };
    const struct blk_config config = { .id = ids[n],
                                       .path = chaos.images[n],
                                       .writeback = true,
                                       .discard = n == 0,
                                       .read_only = n == 1,
                                       .direct = n == 2 };
    struct err e;

    if (blk_create(&chaos.disk[n], &config, &e) < 0)
        check_failed(__FILE__, __LINE__, e.text);
    chaos.device[DEV_DISK + n] = &chaos.disk[n]->virtio;
}

static void net_make(void)
{
    struct net_setup setup = { .id = "n", .tap = { .offloads = 0, .name = "wire" }, .mtu = 1500 };

    host_open(&chaos, &setup.tap.fd);
    CHECK(net_create(&chaos.net, &setup, NULL) == 0);
    chaos.device[DEV_NET] = net_device(chaos.net);
}

static void devices_make(void)
{
    const struct vsock_config vsock = { .cid = 3,
                                        .uds_path = chaos.uds,
                                        .conns_max = chaos.seed & 2 ? 5 : 0 };
    const struct balloon_config balloon = {
        .ram = LOW + HIGH_LEN, .deflate_on_oom = true, .reporting = true, .stats_interval_s = 1
    };
    const struct rng_config rng = { .bandwidth = { chaos.seed & 4 ? 1000000 : 0, 0 } };

    for (unsigned n = 0; n < DISKS; n++)
        disk_make(n);
    net_make();
    CHECK(vsock_create(&chaos.vsock, &vsock, NULL) == 0);
    CHECK(balloon_create(&chaos.balloon, &balloon, NULL) == 0);
    CHECK(rng_create(&chaos.rng, &rng, NULL) == 0);
    chaos.device[DEV_VSOCK] = vsock_device(chaos.vsock);
    chaos.device[DEV_BALLOON] = &chaos.balloon->virtio;
    chaos.device[DEV_RNG] = &chaos.rng->virtio;
}

static void devices_plug(void)
{
    for (unsigned n = 0; n < DEVS; n++) {
        const struct virtio_slot slot = { .mmio = &chaos.bus,
                                          .gpa = WINDOWS + n * UINT64_C(0x1000),
                                          .accel = &accel,
                                          .irq = &lines[n],
                                          .loop = chaos.loop,
                                          .mem = &chaos.mem,
                                          .metrics = &chaos.metrics,
                                          .patience_ns = 100000000 };
        lines[n] = (struct irq_line){ .raise = line_raise, .fd = -1 };
        CHECK(virtio_plug(chaos.device[n], &slot, NULL) == 0);
    }
}

static void device_destroy(unsigned n)
{
    switch (n) {
    case DEV_NET:
        net_destroy(chaos.net);
        break;
    case DEV_VSOCK:
        vsock_destroy(chaos.vsock);
        break;
    case DEV_BALLOON:
        balloon_destroy(chaos.balloon);
        break;
    case DEV_RNG:
        rng_destroy(chaos.rng);
        break;
    default:
        blk_destroy(chaos.disk[n]);
        break;
    }
}

/* Frees the device at once, so that AddressSanitizer finds whatever still uses it. */
static void device_gone(struct virtio_device *v)
{
    for (unsigned n = 0; n < DEVS; n++)
        if (chaos.device[n] == v)
            device_destroy(n);
    if (--missing == 0)
        loop_stop(chaos.loop);
}

static void devices_unplug(void)
{
    for (unsigned n = 0; n < DEVS; n++)
        missing += virtio_unplug(chaos.device[n], device_gone);
    while (missing > 0)
        CHECK(loop_run(chaos.loop) == 0);
    CHECK(chaos.metrics.first == NULL);
}

static void counters_sum(void)
{
    total = (struct virtio_counters){ 0 };
    for (unsigned n = 0; n < DEVS; n++) {
        const struct virtio_counters *c = &chaos.device[n]->counters;
        total.kicks += c->kicks;
        total.interrupts += c->interrupts;
        total.faults += c->faults;
        total.resets += c->resets;
    }
}

/* A machine. */

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(d);
    while (readdir(d))
        count++;
    (void)closedir(d);
    return count;
}

static void machine_make(enum loop_backend backend)
{
    const struct mem_config mem = { .size = LOW + HIGH_LEN, .gap_start = LOW, .gap_end = HIGH };
    struct err e;

    chaos.bell_count = 0;
    chaos.over = false;
    chaos.executing = CPUS;
    if (loop_create(&chaos.loop, backend, &e) < 0 || mem_init(&chaos.mem, &mem, &e) < 0)
        check_failed(__FILE__, __LINE__, e.text);
    bus_init(&chaos.bus, "mmio");
    devices_make();
    devices_plug();
    operator_start(&chaos);
}

static void machine_run(void)
{
    struct cpu cpus[CPUS];
    pthread_t threads[CPUS], host;

    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i] = (struct cpu){ &chaos, i };
        CHECK(pthread_create(&threads[i], NULL, cpu_main, &cpus[i]) == 0);
    }
    CHECK(pthread_create(&host, NULL, host_main, &chaos) == 0);
    CHECK(loop_run(chaos.loop) == 0);
    for (unsigned i = 0; i < CPUS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    chaos.over = true;
    CHECK(pthread_join(host, NULL) == 0);
}

static void machine(unsigned seed, enum loop_backend backend)
{
    unsigned before = descriptors();
    uint64_t since_ns = clock_now_ns();

    chaos.seed = seed;
    printf("seed %u, %u rounds, %s: ", seed, chaos.rounds,
           backend == LOOP_EPOLL ? "epoll" : "io_uring where there is one");
    machine_make(backend);
    machine_run();
    counters_sum();
    devices_unplug();
    loop_destroy(chaos.loop);
    mem_finish(&chaos.mem);
    host_close(&chaos);
    CHECK(descriptors() == before);
    printf("%llu kicks, %llu interrupts, %llu faults, %llu resets, %u ms\n",
           (unsigned long long)total.kicks, (unsigned long long)total.interrupts,
           (unsigned long long)total.faults, (unsigned long long)total.resets,
           (unsigned)((clock_now_ns() - since_ns) / 1000000));
}

/* Files. */

static void folder_make(void)
{
    (void)strcpy(chaos.folder, "/tmp/mote-chaos-XXXXXX");
    CHECK(mkdtemp(chaos.folder));
    (void)snprintf(chaos.uds, sizeof(chaos.uds), "%s/v", chaos.folder);
    for (unsigned i = 0; i < SERVERS; i++)
        (void)snprintf(chaos.servers[i], sizeof(chaos.servers[i]), "%s_%u", chaos.uds, 50 + i);
    for (unsigned i = 0; i < DISKS; i++) {
        int fd;
        (void)snprintf(chaos.images[i], sizeof(chaos.images[i]), "%s/d%u", chaos.folder, i);
        fd = open(chaos.images[i], O_RDWR | O_CREAT | O_EXCL, 0600);
        CHECK(fd >= 0 && ftruncate(fd, IMAGE_SIZE) == 0 && close(fd) == 0);
    }
}

static void folder_remove(void)
{
    for (unsigned i = 0; i < DISKS; i++)
        CHECK(unlink(chaos.images[i]) == 0);
    CHECK(rmdir(chaos.folder) == 0);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "seed", required_argument, NULL, 's' },
                                             { "machines", required_argument, NULL, 'm' },
                                             { "rounds", required_argument, NULL, 'r' },
                                             { NULL, 0, NULL, 0 } };
    unsigned seed = 1, machines = 4;
    int which;

    chaos.rounds = 2000;
    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        unsigned value = (unsigned)strtoul(optarg ? optarg : "", NULL, 10);
        if (which == 's')
            seed = value;
        else if (which == 'm')
            machines = value;
        else if (which == 'r')
            chaos.rounds = value;
        else
            return 2;
    }
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    CHECK(log_open(&(struct log_config){ .level = LOG_OFF }, NULL) == 0);
    (void)pthread_rwlock_init(&chaos.running, NULL);
    folder_make();
    for (unsigned i = 0; i < machines; i++)
        machine(seed + i, i % 2 ? LOOP_EPOLL : LOOP_AUTO);
    folder_remove();
    (void)pthread_rwlock_destroy(&chaos.running);
    return 0;
}
