/* Machines of two architectures, run by one process from one list of accelerators. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/config/config.h"
#include "api/run/run.h"
#include "core/base/err.h"
#include "core/base/timeline.h"
#include "core/vm/guest_arch.h"
#include "core/x86/board/guest_x86.h"
#include "emu/emu.h"
#include "lib/vm/toy.h"
#include "lib/x86/image.h"

static const struct accel_ops *const accels[] = { &emu_accel, &toy_accel, NULL };

/* Why a machine with this kernel ended; -1 where there was none, and then stderr says why. */
static int boot(const struct guest_arch *arch, const struct image *kernel)
{
    char path[IMAGE_PATH];
    struct machine_config c;
    struct timeline timeline = { 0 };
    struct run_end end = { 0 };
    struct err e = { "" };
    int ret;

    image_save(kernel, path);
    config_init(&c, arch);
    c.kernel = path;
    ret = config_check(&c, &e);
    if (ret == 0)
        ret = run(&c, accels, &timeline, &end, &e);
    if (ret < 0)
        (void)fprintf(stderr, "%s: %s\n", arch->name, e.text);
    (void)unlink(path);
    return ret < 0 ? -1 : (int)end.why;
}

static int toy_boot(uint8_t instruction)
{
    const struct image kernel = { .data = &instruction, .size = 1 };

    return boot(&guest_toy, &kernel);
}

/* It asks the keyboard controller for a reset. */
static int x86_boot(void)
{
    static const uint8_t code[] = { 0xb0, 0xfe, 0xe6, 0x64, 0xf4 }; /* mov al, out, hlt */
    const Elf64_Phdr segment = { .p_type = PT_LOAD,
                                 .p_offset = 0x1000,
                                 .p_vaddr = 0x201000,
                                 .p_paddr = 0x201000,
                                 .p_filesz = 0x1000,
                                 .p_memsz = 0x1000 };
    struct image kernel = image_elf(&segment, 1, 0x201000, 0x2000);
    int why;

    memcpy(kernel.data + 0x1000, code, sizeof(code));
    why = boot(&guest_x86, &kernel);
    image_free(&kernel);
    return why;
}

/* In a child: run takes the process's signals and its standard input. */
static void in_child(void (*what)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        int null = open("/dev/null", O_RDWR);

        (void)dup2(null, STDIN_FILENO);
        what();
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

static void expect(int got, int wanted)
{
    if (got != wanted)
        _exit(1);
}

static void both(void)
{
    expect(toy_boot(0), POWER_OFF);
    expect(x86_boot(), POWER_RESET);
    expect(toy_boot(0), POWER_OFF);
}

Test(run_archs, one_process_runs_both)
{
    in_child(both);
}

static void wrong_instruction(void)
{
    expect(toy_boot(1), POWER_TRIPLE_FAULT);
}

Test(run_archs, the_toy_has_one_instruction)
{
    in_child(wrong_instruction);
}
