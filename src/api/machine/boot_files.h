#ifndef API_MACHINE_BOOT_FILES_H
#define API_MACHINE_BOOT_FILES_H
/*
 * Whether the files that a configuration names are there, before anything is built for them.
 *
 * A mistyped path is told as such even where the host has no accelerator, and costs no virtual
 * machine. What is inside the files is core/x86/boot/boot.h's to judge.
 */
struct err;
struct machine_config;

/* -errno with a sentence that names the file. */
int boot_files_check(const struct machine_config *c, struct err *e);

#endif
