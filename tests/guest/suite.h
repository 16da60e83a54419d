#ifndef TESTS_GUEST_SUITE_H
#define TESTS_GUEST_SUITE_H
/*
 * The tests of the guest program: one table for each file of guests, ended by a row without a name.
 *
 * Tests that only the software CPU runs say why. The usual reason is the bed's interpreter: QEMU,
 * which emulates the processor under the bed's KVM (tests/bed/kvmbed), differs from hardware there.
 */

struct guest_test {
    const char *name;
    void (*run)(void);
    const char *only; /* the name of the one accelerator that runs it; NULL: every one does */
};

extern const struct guest_test flat32_tests[];
extern const struct guest_test exception_tests[];
extern const struct guest_test paging_tests[];
extern const struct guest_test code_tests[];
extern const struct guest_test ring_tests[];
extern const struct guest_test fast_call_tests[];
extern const struct guest_test interrupt_tests[];
extern const struct guest_test apic_tests[];
extern const struct guest_test line_tests[];
extern const struct guest_test timer_tests[];
extern const struct guest_test clock_tests[];
extern const struct guest_test ipi_tests[];
extern const struct guest_test lock_tests[];
extern const struct guest_test order_tests[];
extern const struct guest_test debug_tests[];
extern const struct guest_test breakpoint_tests[];
extern const struct guest_test bad_tests[];

#endif
