/* The local APIC disabled, as xAPIC and as x2APIC: what its registers hold, and which way leads
 * from one mode to another (SDM 3A, 11.4 and 11.12). */
#include "guest/suite.h"

#include <stddef.h>

#include "guest/apic.h"
#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/report.h"

GUEST(registers, "  apic_enter\n"
                 "  handle 0x61, 10f\n"
                 "  note_apic APIC_VERSION\n"
                 "  note_apic APIC_SVR\n"
                 "  note_apic APIC_TPR\n"
                 "  note_apic APIC_PPR\n"
                 "  note_apic APIC_LVT_TIMER\n"
                 "  note_apic APIC_LVT_ERROR\n"
                 "  apic_put APIC_LVT_TIMER, 0x51\n"
                 "  note_apic APIC_LVT_TIMER\n"
                 "  apic_put APIC_SVR, 0x1ff\n"
                 "  apic_put APIC_LVT_TIMER, 0x51\n"
                 "  note_apic APIC_LVT_TIMER\n"
                 "  apic_put APIC_LVT_ERROR, 0xfe\n"
                 "  apic_put APIC_SVR, 0xff\n"
                 "  note_apic APIC_LVT_TIMER\n"
                 "  note_apic APIC_LVT_ERROR\n"
                 "  apic_self 0x61\n"
                 "  note_apic APIC_IRR + 0x30\n"
                 "  apic_put APIC_SVR, 0x1ff\n"
                 "  note_apic APIC_LVT_ERROR\n"
                 "  open\n"
                 "  note $0xa1\n"
                 "  finish\n"
                 "10:\n"
                 "  note $0x61\n"
                 "  eoi\n"
                 "  iretq\n");

__asm__(".macro try_msr_write msr, high, low\n"
        "  lea 771f(%rip), %r15\n"
        "  msr_put \\msr, \\high, \\low\n"
        "771:\n"
        ".endm\n"
        ".macro try_msr_read msr\n"
        "  mov $\\msr, %ecx\n"
        "  try rdmsr\n"
        ".endm\n"
        ".macro note_msr msr\n"
        "  mov $\\msr, %ecx\n"
        "  rdmsr\n"
        "  shl $32, %rdx\n"
        "  or %rdx, %rax\n"
        "  stosq\n"
        ".endm\n");

GUEST(modes, "  note_msr 0x1b\n"
             "  try_msr_read 0x802\n"
             "  try_msr_write 0x1b, 0, 0xfee00d01\n" /* a reserved bit */
             "  try_msr_write 0x1b, 0, 0xfee00500\n" /* x2APIC but not enabled */
             "  msr_put 0x1b, 0, 0xfee00d00\n"
             "  note_msr 0x802\n"
             "  note_msr 0x80d\n"
             "  try_msr_write 0x802, 0, 0\n" /* read only */
             "  try_msr_write 0x80a, 0, 0\n"
             "  try_msr_write 0x839, 0, 0\n"
             "  try_msr_read 0x80b\n" /* write only */
             "  try_msr_read 0x83f\n"
             "  try_msr_read 0x80e\n" /* not there in this mode */
             "  try_msr_read 0x831\n"
             "  try_msr_read 0x840\n"
             "  try_msr_write 0x828, 0, 1\n"         /* 0 and nothing else */
             "  try_msr_write 0x1b, 0, 0xfee00900\n" /* back to xAPIC */
             "  msr_put 0x1b, 0, 0xfee00100\n"
             "  note_msr 0x1b\n"
             "  try_msr_read 0x802\n"
             "  try_msr_write 0x1b, 0, 0xfee00d00\n" /* x2APIC from disabled */
             "  msr_put 0x1b, 0, 0xfee00900\n"
             "  note_msr 0x1b\n"
             "  finish\n");

static void registers_run(void)
{
    static const struct long64_left expected[] = {
        { "version", 0x50014 },
        { "spurious vector", 0xff },
        { "TPR", 0 },
        { "PPR", 0 },
        { "timer's LVT", 0x10000 },
        { "error's LVT", 0x10000 },
        { "timer's LVT, written while disabled", 0x10051 },
        { "timer's LVT, written while enabled", 0x51 },
        { "timer's LVT, disabled after that", 0x10051 },
        { "error's LVT, disabled after that", 0x100fe },
        { "IRR with what was sent while disabled", 0 },
        { "error's LVT, enabled again", 0x100fe },
        { "mark", 0xa1 },
    };

    APIC_IN_BOTH_MODES(registers, expected);
}

static void modes_run(void)
{
    static const struct long64_left left[] = {
        { "IA32_APIC_BASE", 0xfee00900 },
        { "id", 0 },
        { "logical id", 1 },
        { "IA32_APIC_BASE, disabled", 0xfee00100 },
        { "IA32_APIC_BASE, enabled", 0xfee00900 },
    };
    static const struct long64_expected expected[] = {
        { "x2APIC register of an xAPIC", 13, 0, 0 },
        { "reserved bit", 13, 0, 0 },
        { "x2APIC without enable", 13, 0, 0 },
        { "write to the id", 13, 0, 0 },
        { "write to the PPR", 13, 0, 0 },
        { "write to the current count", 13, 0, 0 },
        { "read of the EOI", 13, 0, 0 },
        { "read of the self IPI", 13, 0, 0 },
        { "read of the DFR", 13, 0, 0 },
        { "read of the ICR's high half", 13, 0, 0 },
        { "read behind the last", 13, 0, 0 },
        { "ESR of 1", 13, 0, 0 },
        { "xAPIC out of x2APIC", 13, 0, 0 },
        { "x2APIC register, disabled", 13, 0, 0 },
        { "x2APIC out of disabled", 13, 0, 0 },
    };

    LONG64_LOAD(1, modes);
    long64_run();
    LONG64_LEFT(left);
    LONG64_CHECK(expected);
    machine_finish();
}

const struct guest_test apic_tests[] = {
    { "local APIC registers", registers_run, NULL },
    { "local APIC modes", modes_run, NULL },
    { NULL, NULL, NULL },
};
