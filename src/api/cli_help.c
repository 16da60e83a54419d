/* What --help prints: each text fits a screen of 80 columns and 24 lines. */
#include "api/cli.h"

const char cli_help[] =
    "mote boots a Linux guest in a microVM, with its console on this terminal.\n"
    "\n"
    "usage: mote run --kernel FILE [OPTION]...    boot one guest\n"
    "       mote run --help                       what its options mean\n"
    "       mote doctor [--json]                  what this host offers to run one\n"
    "       mote --version\n"
    "       mote --help\n"
    "\n"
    "  mote run --kernel vmlinuz --initrd initrd.img --mem 256M --vcpus 2\n"
    "\n"
    "Exit status: 0 where the guest powered off or rebooted, or the operator quit;\n"
    "1 where the guest died; 2 where something given here was wrong.\n";

const char cli_doctor_help[] =
    "usage: mote doctor [--json]\n"
    "\n"
    "Looks at what this host offers (KVM and how fast it is, the software CPU,\n"
    "io_uring, seccomp, namespaces, cgroups, network, huge pages), says what\n"
    "--accel auto chooses and why, and how to mend what is lacking.\n"
    "\n"
    "  --json    one JSON document instead of text\n"
    "\n"
    "Exit status: 0 where a guest can run, 1 where none can.\n";

const char cli_run_help[] =
    "usage: mote run --kernel FILE [OPTION]...\n"
    "\n"
    "  --kernel FILE       the kernel: a bzImage or an ELF vmlinux\n"
    "  --initrd FILE       the initial RAM disk\n"
    "  --cmdline STRING    the kernel command line, instead of the default one\n"
    "  --append STRING     added to the default command line\n"
    "  --mem SIZE          memory in MiB, or with K, M or G behind it (256M)\n"
    "  --vcpus N           processors, 1 to 32 (1)\n"
    "  --huge-pages WORD   what backs the memory: none, transparent or 2M (none)\n"
    "  --accel NAME        what runs the processors: kvm, emu or auto (auto)\n"
    "  --timeline[=json]   at the end, print to stderr when each phase began\n"
    "  --log-level LEVEL   off, error, warn, info, debug or trace (warn)\n"
    "  --log-file FILE     append the log to FILE instead of writing it to stderr\n"
    "\n"
    "The guest's console is stdin and stdout. On a terminal Ctrl-A x quits, Ctrl-A c\n"
    "sends Ctrl-A and Ctrl-A h prints the keys.\n";
