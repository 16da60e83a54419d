#ifndef API_MACHINE_MODEL_H
#define API_MACHINE_MODEL_H
/*
 * What the architecture's machine model allows and what it starts with: what a configuration is
 * judged by.
 */
#include <stdint.h>

struct machine_model {
    uint64_t mem_min; /* bytes */
    uint64_t mem_max;
    uint64_t mem_default;
    unsigned cmdline_max; /* bytes, the terminating NUL included */
    const char *cmdline;  /* where the operator gives none */
    /* Virtio device n is in a window at virtio_gpa + n * virtio_size, on virtio_gsi + n. */
    unsigned virtio_max;
    uint64_t virtio_gpa;
    uint64_t virtio_size;
    unsigned virtio_gsi;
};

extern const struct machine_model machine_model;

#endif
