#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H
/*
 * What the workloads of the benchmark guest share: its command line, the time, output to the serial
 * port, and the end. There is one processor, in ring 3, and no interrupts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text after "name=" on the command line, up to its end or a space; NULL: there is none. */
const char *arg_text(const char *name);

/* The same as a number, decimal or with 0x; `otherwise` if there is none. */
uint64_t arg_number(const char *name, uint64_t otherwise);

/* Whether the argument is this word. */
bool arg_is(const char *name, const char *word);

/* Nanoseconds, by the time stamp counter at the rate that tsc_khz= tells. */
uint64_t now_ns(void);

/* Print to the serial port. */
void say(const char *text);
void say_number(uint64_t number);

/* Prints "COUNT done in NANOSECONDS ns", which the scripts read. */
void say_result(uint64_t count, uint64_t ns);

/* Says why and ends. */
_Noreturn void fail(const char *why);

static inline void pause(void)
{
    __asm__ volatile("pause");
}

/* Workloads, by run= on the command line. Each says its result. */
void blk_run(void);
void net_run(void);
void vsock_run(void);
_Noreturn void attack_run(void);
_Noreturn void idle_run(void); /* in ring 0, where it halts */

#endif
