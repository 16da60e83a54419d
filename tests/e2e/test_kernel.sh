#!/bin/sh
# The kernel of our own boots with ACPI and without, with one processor and with many, by the Linux
# protocol and by PVH, as an ELF file and as a bzImage; and on QEMU's microvm too.
#
#   test_kernel.sh [BUILD OPTION...]    what resources/kernel/build takes; its fast form by default
#
# On the software CPU it boots with all of these in every combination, under KVM in the bed with some.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..
if [ -z "${KERNELS:-}${KVM_PLACE:-}" ]; then
    # shellcheck source=../lib.sh
    . "$here/../lib.sh"
    built=$("$top/resources/kernel/build" "$@") || exit 1
    KERNELS=$(mktemp -d)
    export KERNELS
    trap 'rm -rf "$KERNELS"' EXIT
    cp "$built/vmlinuz" "$KERNELS"
    cp --sparse=always "$built/vmlinux" "$KERNELS"
    # By PVH mote boots only what does not say in its notes that it is Linux.
    LC_ALL=C sed 's/\(\x06\x00\x00\x00....[\x00-\x01]\x01\x00\x00\)Linux\x00/\1Linus\x00/g' \
        "$built/vmlinux" >"$KERNELS/vmlinux-pvh"
    status=0
    accel=emu "$0" || status=1
    strip "$KERNELS/vmlinux" "$KERNELS/vmlinux-pvh" # the bed holds them in its memory
    "$0" || status=1
    expect "both accelerators passed" 0 $status
    conclude
fi
. "$here/lib.sh"
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
elif [ "${KVM_PLACE:-}" != bed ]; then
    qemu=$(command -v qemu-system-x86_64) roms=/usr/share/qemu
    bed_limit=550
    on_every_kvm "$qemu:/usr/bin/qemu-system-x86_64" "$KERNELS:/kernels" \
        "$roms/bios-microvm.bin:$roms/bios-microvm.bin" "$roms/pvh.bin:$roms/pvh.bin" \
        "$roms/linuxboot_dma.bin:$roms/linuxboot_dma.bin"
else
    on_every_kvm
    KERNELS=/kernels
fi

# Prints what the kernel was told and what it has found. The type of the boot loader is 255 by mote's
# Linux protocol, and 176 by PVH and by QEMU's.
# shellcheck disable=SC2016 # the guest's to expand
facts='echo vcpus=$(nproc) loader=$(cat /proc/sys/kernel/bootloader_type)
acpi=$(ls /sys/firmware/acpi/tables 2>/dev/null | grep -c APIC) first=$(head -n 1 /dev/vda) $(uname -r)'
facts=$(echo "$facts" | tr '\n' ' ')

# check_facts WHAT VCPUS LOADER ACPI
check_facts() {
    tables=0
    [ "$4" = off ] || tables=1
    expect "$1" "vcpus=$2 loader=$3 acpi=$tables first=the disk mote" \
        "$(sed -n 's/ [^ ]*-mote$/ mote/; /^vcpus=/p' "$work/out")"
}

dd if=/dev/zero of="$work/disk" bs=1M count=8 2>"$work/dd"
echo 'the disk' | dd of="$work/disk" conv=notrunc 2>"$work/dd"

# check_boot FILE VCPUS ACPI [OPTION]...
check_boot() {
    what="$1, $2 processor(s), ACPI $3"
    kernel=$KERNELS/$1 vcpus=$2 acpi=$3
    loader=255
    [ "$1" != vmlinux-pvh ] || loader=176
    shift 3
    what="$what${*:+, $*}"
    if [ "$acpi" = on ]; then
        boot "mote.run=\"$facts\"" --vcpus "$vcpus" --drive "$work/disk,ro" "$@"
    else
        boot "acpi=off mote.run=\"$facts; reboot\"" --vcpus "$vcpus" --drive "$work/disk,ro" --virtio-cmdline "$@"
    fi
    expect_status "$what: ends with status 0" 0
    check_facts "$what: has all that it was given" "$vcpus" "$loader" "$acpi"
}

# check_mapped VCPUS: the ELF file's own pages are the guest's, not a copy
check_mapped() {
    check_boot vmlinux "$1" on --huge-pages none --log-level info
    expect_match "it is mapped" 'kernel: vmlinux, [1-9][0-9]* bytes mapped' "$work/err"
}

# check_qemu FILE VCPUS: on QEMU's microvm under KVM, by PVH for an ELF file
check_qemu() {
    what="$1, $2 processor(s), QEMU"
    timeout -k 5 "$boot_limit" qemu-system-x86_64 -M microvm,rtc=off -accel kvm -cpu host -smp "$2" -m 256 -nodefaults \
        -no-user-config -display none -serial stdio -no-reboot -kernel "$KERNELS/$1" -initrd "$GUEST/initrd" \
        -global virtio-mmio.force-legacy=false \
        -drive "file=$work/disk,if=none,id=disk,format=raw,readonly=on" -device virtio-blk-device,drive=disk \
        -append "console=ttyS0 reboot=t quiet mote.run=\"$facts\"" </dev/null >"$work/raw" 2>"$work/err"
    status=$?
    tr -d '\r' <"$work/raw" >"$work/out"
    expect_status "$what: ends with status 0" 0
    check_facts "$what: has all that it was given" "$2" 176 on
}

if [ "${accel:-kvm}" = emu ]; then
    for file in vmlinux vmlinux-pvh vmlinuz; do
        for mode in on off; do
            for processors in 1 4 32; do
                check_boot $file $processors $mode
            done
        done
    done
    check_mapped 1
else
    check_boot vmlinux 1 on
    check_boot vmlinux-pvh 4 on
    check_boot vmlinuz 4 off
    check_boot vmlinuz 32 on
    check_boot vmlinux 32 off
    check_mapped 4
    if [ "$KVM_PLACE" = bed ]; then
        check_qemu vmlinux 1
        check_qemu vmlinuz 4
    fi
fi
conclude
