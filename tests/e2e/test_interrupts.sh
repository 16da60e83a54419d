#!/bin/sh
# A stock guest that is told to do without a part of its interrupt controllers or clocks: it boots,
# its devices' interrupts arrive, it knows the time, and it uses the 8259 and the 8254 instead.
set -u
. "$(dirname "$0")/lib.sh"
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
else
    on_every_kvm
fi

# guest APPEND: boots a guest with two processors; leaves its /proc/interrupts in $work/out
guest() {
    before=$(date +%s)
    boot "$1 mote.run=\"cat /proc/interrupts; echo random bytes: \$(head -c 64 /dev/hwrng | wc -c);
        echo it is \$(date +%s)\"" --rng --vcpus 2
    after=$(date +%s)
    expect_status "$1: a guest with two processors ends with status 0" 0
    expect_match "$1: a device's interrupts arrive" '^random bytes: 64$' "$work/out"
    when=$(sed -n 's/^it is \([0-9]*\)$/\1/p' "$work/out")
    # Early in its boot the guest's clock stands still, on a busy host for long.
    expect "$1: it knows the time" yes \
        "$([ "${when:-0}" -ge $((before - 3600)) ] && [ "${when:-0}" -le $((after + 1)) ] && echo yes)"
}

# Intel's processors say how fast their TSC counts; Linux measures AMD's by the 8254. The software
# CPU can be either.
vendors=host
[ "${accel:-kvm}" != emu ] || vendors='intel amd'
for vendor in $vendors; do
    [ "$vendor" = host ] || export MOTE_EMU_CPU="$vendor"
    guest no-kvmclock
    expect_match "no-kvmclock, $vendor: through the I/O APIC" ' IO-APIC .* virtio0$' "$work/out"
done
unset MOTE_EMU_CPU
guest noapic
expect_match "noapic: through the 8259" ' XT-PIC .* virtio0$' "$work/out"
guest nosmp
expect_match "nosmp: through the 8259" ' XT-PIC .* virtio0$' "$work/out"
guest nolapic
expect_match "nolapic: through the 8259" ' XT-PIC .* virtio0$' "$work/out"
expect_match "nolapic: the timer is the 8254" '^ *0: *[1-9][0-9]* .* XT-PIC .* timer$' "$work/out"
conclude
