# shellcheck shell=sh
# Sourced by the scripts that measure devices from inside a guest: mote and QEMU with the same guest
# (bench/guest), on this host's KVM.
#
# The guest runs in ring 3 and polls its queues, so it measures the monitor: its device, its event
# loop and the way to the host and back. $MOTE_BUILD names another build than build/release.

here=$(cd "$(dirname "$0")" && pwd)
build=${MOTE_BUILD:-$here/../build/release}

need() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then need "this host has no KVM that this user may use"; fi
qemu=$(command -v qemu-system-x86_64) || need "qemu-system-x86_64 is missing; resources/install bed brings it"
khz=$("$build/bench/bench-tsc")

# enter_network ARGUMENT...: runs the script again, with these, in a network namespace of its own.
enter_network() {
    if [ -n "${BENCH_NETWORK:-}" ]; then return; fi
    export BENCH_NETWORK=1
    if [ "$(id -u)" = 0 ]; then exec unshare -n "$0" "$@"; else exec unshare -rn "$0" "$@"; fi
}

# switch_off NAME: switches that setting of IPv4 off for every interface.
switch_off() {
    for directory in /proc/sys/net/ipv4/conf/*; do
        echo 0 >"$directory/$1"
    done
}

# Makes the tap tap0, in that namespace. The host forwards what arrives for 10.9.0.3 back to it.
make_tap() {
    ip tuntap add tap0 mode tap
    ip link set tap0 address 02:00:00:00:00:01
    echo 1 >/proc/sys/net/ipv6/conf/tap0/disable_ipv6
    ip address add 10.9.0.1/24 dev tap0
    ip link set tap0 up
    ip neighbour add 10.9.0.3 lladdr 02:00:00:00:00:09 dev tap0 nud permanent
    echo 1 >/proc/sys/net/ipv4/ip_forward
    switch_off send_redirects
    switch_off rp_filter
}

# on_mote and on_qemu DEVICES ARGUMENTS: run the guest with ARGUMENTS, on a machine with DEVICES, the
# monitor's own options. Both have huge pages as far as the host finds some: QEMU takes them unasked.
on_mote() {
    # shellcheck disable=SC2086 # a list
    "$build/mote" run --accel kvm --kernel "$build/bench/bench-guest" --mem 128M --huge-pages transparent $1 \
        --append "tsc_khz=$khz mmio=0xc0001000 mmio_stride=0x1000 mmio_count=17 $2" </dev/null
}

# The processor is the host's but for one MSR that some hosts' KVM lacks. The machine is QEMU's smallest.
on_qemu() {
    # shellcheck disable=SC2086 # a list
    "$qemu" -M microvm,x-option-roms=off,pit=off,pic=off,rtc=off -accel kvm -cpu host,-arch-capabilities -m 128M \
        -no-reboot -no-user-config -nodefaults -display none -serial stdio -global virtio-mmio.force-legacy=false \
        -kernel "$build/bench/bench-guest" $1 \
        -append "tsc_khz=$khz mmio=0xfeb00000 mmio_stride=0x200 mmio_count=24 $2" </dev/null
}

# Turns a guest's result, "COUNT done in NANOSECONDS ns", into a number a second; all else goes to standard error.
per_second() {
    tr -d '\r' | awk '/ done in / { printf "%.0f\n", $1 * 1e9 / $4; next } { print >"/dev/stderr" }'
}

median() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : 0 }'
}
