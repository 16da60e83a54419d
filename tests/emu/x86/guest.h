#ifndef TESTS_EMU_GUEST_H
#define TESTS_EMU_GUEST_H
/*
 * Executes single instructions on the software CPU: on a processor in 64-bit mode at CPL 3 that has
 * the same virtual memory as the host.
 */
#include "emu/x86/case.h"

struct guest;

struct guest *guest_create(const struct case_bases *bases);
void guest_destroy(struct guest *g);

/* The window as the guest's instructions see and change it. */
uint8_t *guest_data(struct guest *g);

/* Whether both the software CPU and the host have what the row asks for. */
bool guest_offers(const struct guest *g, const struct table_row *row);

void guest_run(struct guest *g, const struct test_case *t, struct case_state *after);

#endif
