/* Exceptions that the host raises in the guest's instructions: which vector the guest gets. */
#include "emu/x86/native/fault_signal.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/x86/bits.h"
#include "emu/x86/cpu/fpu.h"
#include "lib/x86/emu_rig.h"

#define FCW_UNMASKED   0x33bu /* division by zero, as below */
#define MXCSR_UNMASKED 0x1d80u

static struct emu_rig rig;

static void set_up(void)
{
    struct fpu_image image;

    emu_rig_init(&rig, 1);
    emu_rig_long_mode(&rig);
    memcpy(&image, rig.cpu->fx, sizeof(image));
    image.mxcsr = MXCSR_UNMASKED;
    memcpy(rig.cpu->fx, &image, sizeof(image));
}

static void tear_down(void)
{
    emu_rig_finish(&rig);
}

TestSuite(fault_signal, .init = set_up, .fini = tear_down);

/* The only gate there is leads to the end: any other vector shuts the processor down. */
static bool raises(const uint8_t *code, size_t len, unsigned vector)
{
    emu_rig_gate(&rig, vector, EMU_RIG_CODE + len, 0, 0xe);
    return emu_rig_run(&rig, code, len) == VCPU_KICKED;
}

static const uint8_t div_ecx[] = { 0xf7, 0xf1 };
static const uint8_t div_memory[] = { 0xf7, 0x34, 0x25, 0, 0, 0x01, 0 };
static const uint8_t divss[] = { 0xf3, 0x0f, 0x5e, 0xc1 };
static const uint8_t divss_memory[] = { 0xf3, 0x0f, 0x5e, 0x04, 0x25, 0, 0, 0x01, 0 };

static void one_in_xmm0(void)
{
    const uint32_t one = 0x3f800000;

    memcpy(rig.cpu->vec[0].ymm, &one, sizeof(one));
}

Test(fault_signal, division)
{
    cr_assert(raises(div_ecx, sizeof(div_ecx), CPU_DE));
}

Test(fault_signal, division_by_memory)
{
    cr_assert(raises(div_memory, sizeof(div_memory), CPU_DE));
}

Test(fault_signal, simd)
{
    one_in_xmm0();
    cr_assert(raises(divss, sizeof(divss), CPU_XM));
    cr_assert_eq(rig.cpu->vec[0].ymm[3], 0x3f, "the destination is as it was");
}

Test(fault_signal, simd_from_memory)
{
    one_in_xmm0();
    cr_assert(raises(divss_memory, sizeof(divss_memory), CPU_XM));
}

Test(fault_signal, simd_is_undefined_where_the_system_knows_no_xm)
{
    one_in_xmm0();
    rig.cpu->cr4 &= ~X86_CR4_OSXMMEXCPT;
    emu_rig_update(&rig);
    cr_assert(raises(divss, sizeof(divss), CPU_UD));
}

Test(fault_signal, x87_at_the_next_instruction)
{
    const uint8_t code[] = { 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b }; /* 1 / 0, fwait */
    const uint16_t fcw = FCW_UNMASKED;

    memcpy(rig.cpu->fx, &fcw, sizeof(fcw));
    rig.cpu->cr0 |= 0x20; /* NE */
    emu_rig_update(&rig);
    cr_assert(raises(code, sizeof(code), CPU_MF));
}

/* A SIGFPE that no guest has caused goes to the handler that was installed before, which may have a
 * terminal to restore. */

static void on_own(int sig)
{
    (void)sig;
    _exit(42);
}

static void none_of_the_guests(bool sent)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        (void)signal(SIGFPE, on_own);
        fault_signal_start();
        fault_signal_start(); /* another processor's */
        if (sent)
            (void)raise(SIGFPE);
        else
            __asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0));
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %x", status);
}

Test(fault_signal, what_is_none_of_the_guests_goes_on)
{
    none_of_the_guests(true);
    none_of_the_guests(false);
}
