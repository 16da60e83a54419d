#ifndef UNIT_API_DOCTOR_FAKE_HOST_H
#define UNIT_API_DOCTOR_FAKE_HOST_H
/*
 * A host for `mote doctor` to examine: a temporary folder with the files of /dev, /proc and /sys
 * that a test puts there, and the scripted accelerator twice, under the names of the real ones.
 *
 *   TestSuite(name, .init = fake_host_init, .fini = fake_host_finish);
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <criterion/criterion.h>

#include "api/doctor/doctor_check.h"
#include "api/doctor/doctor_look.h"
#include "core/x86/board/guest_x86.h"
#include "lib/vm/scripted.h"

static char fake_root[] = "/tmp/mote-doctor-XXXXXX";
static struct accel_ops fake_kvm, fake_emu;
static const struct accel_ops *fake_accels[] = { &fake_kvm, &fake_emu, NULL };
static const struct doctor_host fake_host = { .root = fake_root,
                                              .arch = &guest_x86,
                                              .accels = fake_accels };

static void fake_host_init(void)
{
    cr_assert_not_null(mkdtemp(fake_root));
    fake_kvm = fake_emu = scripted_accel;
    fake_kvm.name = "kvm";
    fake_emu.name = "emu";
}

static void fake_host_finish(void)
{
    char command[64];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", fake_root);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(atomic_load(&scripted_alive), 0);
}

/* Makes a file of the host, and the folders that it lies in. */
static inline void fake_host_has(const char *path, const char *text)
{
    char full[256];
    FILE *f;

    (void)snprintf(full, sizeof(full), "%s%s", fake_root, path);
    for (char *slash = strchr(full + sizeof(fake_root), '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(full, 0755);
        *slash = '/';
    }
    f = fopen(full, "w");
    cr_assert_not_null(f, "%s", full);
    (void)fputs(text, f);
    (void)fclose(f);
}

/* What one row finds, called as doctor_examine does. */
static inline struct doctor_finding fake_host_look(enum doctor_check check)
{
    struct doctor_finding f = { .fix = doctor_rows[check].fix };

    doctor_rows[check].look(&fake_host, &f);
    return f;
}

#endif
