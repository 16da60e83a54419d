#!/bin/sh
# A stock guest that is told to do without a part of its interrupt controllers or clocks: it boots,
# its devices interrupt it, it is told the time, and it is the 8259 and the 8254 that it then uses.
set -u
. "$(dirname "$0")/lib.sh"
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
else
    on_every_kvm
fi

# guest APPEND: leaves who interrupts in $work/interrupts, and when it was in $work/when
guest() {
    before=$(date +%s)
    boot "$1 mote.run=\"cat /proc/interrupts; echo random bytes: \$(head -c 64 /dev/hwrng | wc -c);
        echo it is \$(date +%s)\"" --rng --vcpus 2
    after=$(date +%s)
    expect_status "$1: a guest with two processors ends with status 0" 0
    expect_match "$1: a device's interrupts arrive" '^random bytes: 64$' "$work/out"
    when=$(sed -n 's/^it is \([0-9]*\)$/\1/p' "$work/out")
    # Early in its boot it counts no time, and on a busy host that may be long.
    expect "$1: it was told the time" yes \
        "$([ "${when:-0}" -ge $((before - 3600)) ] && [ "${when:-0}" -le $((after + 1)) ] && echo yes)"
}

# Intel's processors say how fast they count, AMD's have to be measured by the 8254. On the software
# CPU both can be had.
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
