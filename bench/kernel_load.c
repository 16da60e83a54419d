/*
 * How long a kernel file takes from open to loaded, beside a plain loader that reads the whole file
 * and copies the segments.
 *
 *   bench-kernel_load KERNEL...
 *
 * Each figure is the median of RUNS, each run with guest memory that nobody has touched and with
 * the file in the page cache (a first run is thrown away). "touched" adds one write to every page
 * from 1 MiB to the kernel's end, as Linux does to most of itself while it boots: the guest pays
 * for what was only mapped, and here is how much. "none" is mote with --huge-pages none, which maps
 * a vmlinux; the plain loader has such memory too.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/x86/image/boot_file.h"
#include "core/x86/image/bzimage.h"
#include "core/x86/image/elf.h"
#include "core/x86/image/kernel.h"
#include "core/x86/layout.h"

#define RUNS     15
#define MEM_SIZE (512ull << 20)

typedef int loader(const char *path, struct mem *m, struct boot_stats *stats, struct err *e);

struct figures {
    uint64_t loaded_ns;
    uint64_t touched_ns;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int load_ours(const char *path, struct mem *m, struct boot_stats *stats, struct err *e)
{
    struct kernel k;

    return kernel_load(path, m, &k, stats, e);
}

static int copy_segments(const uint8_t *file, uint64_t size, struct mem *m,
                         struct boot_stats *stats, struct err *e)
{
    struct elf_image image;
    int ret = elf_read(&image, file, size, size, e);

    for (unsigned i = 0; i < image.segment_count && ret == 0; i++) {
        const struct elf_segment *s = &image.segments[i];
        if (!mem_write(m, s->paddr, file + s->offset, s->filesz))
            return err_set(e, 1, "a segment is not in memory");
        stats->kernel_end = s->paddr + s->memsz;
    }
    return ret;
}

static int unpack_and_copy(const uint8_t *file, uint64_t size, struct mem *m,
                           struct boot_stats *stats, struct err *e)
{
    struct bzimage b;
    uint8_t *unpacked;
    int ret = bzimage_read(&b, file, size, e);

    if (ret < 0)
        return ret;
    unpacked = malloc(b.unpacked);
    if (!unpacked)
        return err_set(e, 1, "no memory");
    ret = inflate_all(&b.payload, unpacked, b.unpacked, e);
    if (ret == 0)
        ret = copy_segments(unpacked, b.unpacked, m, stats, e);
    free(unpacked);
    return ret;
}

static int load_plainly(const char *path, struct mem *m, struct boot_stats *stats, struct err *e)
{
    struct boot_file f;
    uint8_t *file;
    int ret = boot_file_open(&f, path, e);

    if (ret < 0)
        return ret;
    file = malloc(f.size);
    ret = file ? boot_file_read(&f, 0, file, f.size, e) : err_set(e, 1, "no memory");
    if (ret == 0)
        ret = elf_is(file, f.size) ? copy_segments(file, f.size, m, stats, e)
                                   : unpack_and_copy(file, f.size, m, stats, e);
    free(file);
    boot_file_close(&f);
    return ret;
}

static int run_once(loader *load, enum mem_huge huge, const char *path, struct figures *out,
                    struct boot_stats *stats, struct err *e)
{
    const struct mem_config config = {
        .size = MEM_SIZE, .gap_start = LAYOUT_GAP_START, .gap_end = LAYOUT_GAP_END, .huge = huge
    };
    struct mem m;
    int ret = mem_init(&m, &config, e);

    if (ret < 0)
        return ret;
    *stats = (struct boot_stats){ 0 };
    uint64_t start = now_ns();
    ret = load(path, &m, stats, e);
    out->loaded_ns = now_ns() - start;
    volatile uint8_t *ram = m.regions[0].host;
    for (gpa_t gpa = LAYOUT_HIGH_RAM; ret == 0 && gpa < stats->kernel_end; gpa += 4096)
        ram[gpa] = ram[gpa];
    out->touched_ns = now_ns() - start;
    mem_finish(&m);
    return ret;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int run(const char *name, loader *load, enum mem_huge huge, const char *path,
               struct boot_stats *stats)
{
    uint64_t loaded[RUNS], touched[RUNS];
    struct figures f;
    struct err e;

    for (int i = -1; i < RUNS; i++) {
        if (run_once(load, huge, path, &f, stats, &e) < 0) {
            (void)fprintf(stderr, "%s\n", e.text);
            return 1;
        }
        if (i >= 0) {
            loaded[i] = f.loaded_ns;
            touched[i] = f.touched_ns;
        }
    }
    qsort(loaded, RUNS, sizeof(loaded[0]), compare);
    qsort(touched, RUNS, sizeof(touched[0]), compare);
    printf("  %-5s  loaded %8.3f ms (%.3f to %.3f), touched %8.3f ms\n", name,
           (double)loaded[RUNS / 2] / 1e6, (double)loaded[0] / 1e6, (double)loaded[RUNS - 1] / 1e6,
           (double)touched[RUNS / 2] / 1e6);
    return 0;
}

int main(int argc, char **argv)
{
    struct boot_stats stats;

    if (argc < 2) {
        (void)fprintf(stderr, "usage: bench-kernel_load KERNEL...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        printf("%s\n", argv[i]);
        if (run("plain", load_plainly, MEM_HUGE_NONE, argv[i], &stats) != 0 ||
            run("none", load_ours, MEM_HUGE_NONE, argv[i], &stats) != 0 ||
            run("mote", load_ours, MEM_HUGE_BOOT, argv[i], &stats) != 0)
            return 1;
        printf("  %s: copied %llu, inflated %llu, moved %llu bytes\n", stats.format,
               (unsigned long long)stats.copied, (unsigned long long)stats.inflated,
               (unsigned long long)stats.moved);
    }
    return 0;
}
