/* The local APIC's registers while it is disabled by software, and the transitions between its
 * modes: disabled, xAPIC, x2APIC (SDM 3A, 11.4 and 11.12). */
#include <stddef.h>

#include "guest/apic.h"
#include "guest/long64.h"
#include "guest/machine.h"
#include "guest/report.h"
#include "guest/suite.h"

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
             "  try_msr_read 0x80e\n" /* these three do not exist in x2APIC mode */
             "  try_msr_read 0x831\n"
             "  try_msr_read 0x840\n"
             "  try_msr_write 0x828, 0, 1\n"         /* accepts only 0 */
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
        { "timer's LVT, APIC disabled again", 0x10051 },
        { "error's LVT, APIC disabled again", 0x100fe },
        { "IRR after an IPI sent while disabled", 0 },
        { "error's LVT, APIC enabled again", 0x100fe },
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
        { "x2APIC register in xAPIC mode", 13, 0, 0 },
        { "reserved bit", 13, 0, 0 },
        { "x2APIC mode without the enable bit", 13, 0, 0 },
        { "write to the id", 13, 0, 0 },
        { "write to the PPR", 13, 0, 0 },
        { "write to the current count", 13, 0, 0 },
        { "read of the EOI", 13, 0, 0 },
        { "read of the self IPI", 13, 0, 0 },
        { "read of the DFR", 13, 0, 0 },
        { "read of the ICR's high half", 13, 0, 0 },
        { "read beyond the last register", 13, 0, 0 },
        { "write of 1 to the ESR", 13, 0, 0 },
        { "from x2APIC mode to xAPIC mode", 13, 0, 0 },
        { "x2APIC register, disabled", 13, 0, 0 },
        { "from disabled to x2APIC mode", 13, 0, 0 },
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
