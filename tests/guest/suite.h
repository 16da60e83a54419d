#ifndef TESTS_GUEST_SUITE_H
#define TESTS_GUEST_SUITE_H
/* What the guest program runs: one table a file of guests, each ended by a row without a name. */

struct guest_test {
    const char *name;
    void (*run)(void);
    const char *only; /* the accelerator it concerns, or NULL: every one */
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
