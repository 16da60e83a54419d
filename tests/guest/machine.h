#ifndef TESTS_GUEST_MACHINE_H
#define TESTS_GUEST_MACHINE_H
/*
 * The machine the guests run on: RAM from 0, two probe devices, and up to MACHINE_VCPUS processors
 * of the accelerator under test. Only one machine exists at a time.
 */
#include <pthread.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/vm/accel.h"
#include "core/vm/bus.h"
#include "core/vm/device.h"
#include "core/vm/mem.h"
#include "core/x86/regs.h"

#define PORT   0x100u      /* the first of the eight ports of one probe */
#define WINDOW 0xc0001000u /* the page of the other probe */

#define MACHINE_VCPUS 4u

/* A device that notes what reaches it, answers reads with 0xa1, 0xa2, ..., and may call back. */
struct probe {
    struct device device;
    unsigned reads, writes;
    uint64_t offset;
    unsigned size;
    uint8_t written[64];
    size_t written_len;
    void (*on_write)(struct probe *p);
    void (*on_read)(struct probe *p);
};

struct machine {
    struct mem mem;
    struct bus ports, mmio;
    struct probe port, window;
    struct accel *accel;
    unsigned vcpus;
    struct accel_vcpu *vcpu[MACHINE_VCPUS];
};

extern const struct accel_ops *machine_accel; /* the one under test; main sets it */
extern struct machine m;
extern struct err e;

void machine_init(unsigned vcpus, uint64_t ram);
void machine_finish(void);

/* CHECKs that ret is 0; prints e's sentence if it is not. */
void must(int ret);

/* Copies bytes to guest memory. */
void put(gpa_t gpa, const void *bytes, size_t len);

/* Sets and returns processor 0's registers. */
void start_at(const struct vcpu_regs *regs);
struct vcpu_regs regs_now(void);

/* Runs that processor here, or on a thread of its own. */
enum vcpu_exit run(unsigned id);
pthread_t spawn(unsigned id);

/* Kicks a spawned processor and returns why its run ended. */
enum vcpu_exit kick_and_join(unsigned id, pthread_t thread);

#endif
