/* What `mote doctor` examines. */
#include "api/doctor/doctor_check.h"

#include <assert.h>
#include <stddef.h>

#include "api/doctor/doctor_look.h"

const struct doctor_row doctor_rows[] = {
    [DOCTOR_KVM_DEVICE] = { "kvm_device", "KVM device", "kvm", doctor_look_kvm_device,
                            "Look in the host's dmesg for what is wrong with /dev/kvm." },
    [DOCTOR_KVM_INTERFACE] = { "kvm_interface", "KVM interface", "kvm", doctor_look_kvm_interface,
                               "Update the host's kernel." },
    [DOCTOR_KVM] = { "kvm", "KVM", "kvm", doctor_look_kvm,
                     "Ask whoever runs this host for nested virtualisation by the hardware, or "
                     "use a host that is not itself a guest." },
    [DOCTOR_EMU] = { "emu", "software CPU", "emu", doctor_look_emu,
                     "Let this process map executable memory (SELinux execmem, vm.memfd_noexec, "
                     "the container's profile), and use a processor with SSE4.2 and POPCNT." },
    [DOCTOR_CPU_FEATURES] = { "cpu_features", "CPU features", NULL, doctor_look_cpu_features,
                              "If this host is itself a guest, give it the CPU model of its "
                              "host." },
    [DOCTOR_IO_URING] = { "io_uring", "io_uring", NULL, doctor_look_io_uring,
                          "Allow io_uring_setup, io_uring_enter and io_uring_register in the "
                          "container's seccomp profile." },
    [DOCTOR_SECCOMP] = { "seccomp", "seccomp", NULL, doctor_look_seccomp,
                         "Use a host kernel with CONFIG_SECCOMP_FILTER, and a container profile "
                         "that allows the call seccomp." },
    [DOCTOR_USER_NAMESPACES] = { "user_namespaces", "user namespaces", NULL,
                                 doctor_look_user_namespaces,
                                 "Allow unshare with CLONE_NEWUSER in the container's profile; "
                                 "inside a chroot it is never allowed." },
    [DOCTOR_CGROUP] = { "cgroup", "cgroup", NULL, doctor_look_cgroup,
                        "Mount version 2: mount -t cgroup2 none /sys/fs/cgroup, or boot the host "
                        "with systemd.unified_cgroup_hierarchy=1." },
    [DOCTOR_TUN] = { "tun", "/dev/net/tun", NULL, doctor_look_tun,
                     "Load its module with modprobe tun; for a container, pass the device into "
                     "it." },
    [DOCTOR_TRANSPARENT_HUGE_PAGES] = { "transparent_huge_pages", "huge pages, transparent", NULL,
                                        doctor_look_transparent_huge_pages,
                                        "Let programs ask for them: echo madvise "
                                        ">/sys/kernel/mm/transparent_hugepage/enabled" },
    [DOCTOR_HUGE_PAGES_2M] = { "huge_pages_2m", "huge pages, 2M", NULL, doctor_look_huge_pages_2m,
                               "Reserve some, for example 256 MiB: sysctl -w vm.nr_hugepages=128" },
};
static_assert(sizeof(doctor_rows) / sizeof(doctor_rows[0]) == DOCTOR_CHECKS, "one row a check");

void doctor_examine(const struct doctor_host *h, struct doctor_finding found[DOCTOR_CHECKS])
{
    for (unsigned i = 0; i < DOCTOR_CHECKS; i++) {
        struct doctor_finding *f = &found[i];

        *f = (struct doctor_finding){ .fix = doctor_rows[i].fix };
        doctor_rows[i].look(h, f);
        if (f->verdict != DOCTOR_LACKING)
            f->fix = NULL;
    }
}
