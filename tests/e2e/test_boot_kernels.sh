#!/bin/sh
# Debian's stock kernel boots, as bzImage and as the vmlinux inside it, with one processor and more,
# and the guest sees the machine that was asked for.
set -u
. "$(dirname "$0")/lib.sh"
on_every_kvm

# between WHAT LOW HIGH GOT
between() {
    if [ "${4:-0}" -ge "$2" ] && [ "${4:-0}" -le "$3" ]; then
        pass "$1"
    else
        fail "$1" "wanted: $2 to $3" "got:    ${4:-nothing}"
    fi
}

# check_boot KERNEL VCPUS MIB
check_boot() {
    what="$1, $2 vCPU(s), $3 MiB"
    kernel=$GUEST/$1
    boot 'mote.run="echo vcpus=$(nproc) release=$(uname -r); free -m"' --vcpus "$2" --mem "$3M" --timeline=json
    expect_status "$what: boots and powers off" 0
    expect "$what: nproc agrees" "$2" "$(sed -n 's/^vcpus=\([^ ]*\).*/\1/p' "$work/out")"
    # free leaves out what the kernel keeps for itself: its image and the bookkeeping of pages
    between "$what: free agrees" $(($3 - 48)) "$3" "$(awk '/^Mem:/ { print $2 }' "$work/out")"
    expect_match "$what: it is the stock kernel" 'release=.*-cloud-amd64$' "$work/out"
    expect_match "$what: init wrote the boot timer" '"boot_timer_write":[1-9]' "$work/err"
}

crypto_tests=yes
check_boot vmlinuz 1 128
crypto_tests=''
check_boot vmlinuz 4 256
check_boot vmlinux 3 512
conclude
