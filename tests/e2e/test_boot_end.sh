#!/bin/sh
# Every way a guest can end: with status 0 when it powers off or resets, whichever way, and with
# status 1 and a sentence when it dies. mote tells a panic from a reset with the kernel's pvpanic
# modules, and without.
set -u
arguments=${1:-} # "whole": all of them in the bed too
. "$(dirname "$0")/lib.sh"

# The stock kernel's two pvpanic modules, in an archive of their own after the stock initrd.
if [ -z "${KVM_PLACE:-}" ]; then
    modules=$(mktemp -d)
    trap 'rm -rf "$modules"' EXIT
    cp "$("$here/../../resources/kernel/stock")"/lib/modules/*/kernel/drivers/misc/pvpanic/pvpanic*.ko \
        "$modules" || exit 1
    PVPANIC=$modules/cpio
    (cd "$modules" && printf '%s\n' pvpanic.ko pvpanic-mmio.ko | cpio --quiet -o -H newc) >"$PVPANIC"
    export PVPANIC
fi
[ "${KVM_PLACE:-}" != bed ] || PVPANIC=/guest/pvpanic
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
    trap 'rm -rf "$work" "$modules"' EXIT
else
    on_every_kvm "$PVPANIC:/guest/pvpanic"
fi
cat "$GUEST/initrd" "$PVPANIC" >"$work/initrd"
initrd=$work/initrd

boot 'mote.run="poweroff; sleep 100"'
expect_status "poweroff is status 0" 0
expect "in a quiet boot the kernel complains of nothing" "" \
    "$(grep '^\[' "$work/out" | grep -v 'reboot: ')"

# ACPI, keyboard controller, triple fault, PCI's port, EFI. In the bed, where a boot takes three
# times as long, only what concerns KVM: a triple fault, and a reset while other processors run.
ways='a k t p e' short=''
[ "${KVM_PLACE:-}" != bed ] || [ "$arguments" = whole ] || ways='k t' short=yes
for way in $ways; do
    boot "reboot=$way mote.run=\"reboot; sleep 100\"" --vcpus 4
    expect_status "reboot with reboot=$way is status 0" 0
    expect "and mote says nothing of it" "" "$(cat "$work/err")"
done

# panics WHAT APPEND: status 1, and one sentence
panics() {
    boot "$2"
    expect_status "$1: status 1" 1
    expect "$1: a sentence" "mote: the guest died: its kernel panicked" "$(cat "$work/err")"
    expect_match "$1: the kernel said why" 'Kernel panic - not syncing' "$work/out"
}

if [ -z "$short" ]; then
    panics "no init" 'rdinit=/none init=/none'
    panics "no root" 'rdinit=/none root=/dev/none'
fi
panics "sysrq c" 'mote.run="echo c >/proc/sysrq-trigger"'
panics "sysrq c with pvpanic" 'panic=0 reboot=panic_cold
    mote.run="insmod /pvpanic.ko; insmod /pvpanic-mmio.ko; echo c >/proc/sysrq-trigger"'

# A warm reset that somebody asked for is no panic.
boot 'reboot=w mote.run="reboot -f"'
expect_status "a warm reset is status 0" 0

# A signal to mote ends the guest in order, and mote then dies of it.
: >"$work/out"
mote_run 'mote.run="echo up; sleep 1000"' </dev/null >"$work/out" 2>"$work/err" &
mote=$!
wait_for up "$work/out"
kill -s TERM $mote
status=0
wait $mote || status=$?
expect_status "SIGTERM ends mote, which dies of it" 143
conclude
