#ifndef API_MACHINE_BOOT_FILES_H
#define API_MACHINE_BOOT_FILES_H
/*
 * Checks, before anything is built, that the kernel and the initrd are regular files that are not
 * empty, and that the initrd is smaller than the guest's memory.
 *
 * So a mistyped path is reported as such even on a host without an accelerator, and no virtual
 * machine is made for it. What the files contain is judged when they are loaded.
 */
struct err;
struct machine_config;

/* Any thread. On failure returns -errno with a sentence that names the file. */
int boot_files_check(const struct machine_config *c, struct err *e);

#endif
