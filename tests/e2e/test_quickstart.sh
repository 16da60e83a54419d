#!/bin/sh
# The README's first command, as CI would call it: it ends by itself, after the guest's output and
# the boot's timeline, on the accelerator that the doctor names; and the same in the bed. The guest
# has all devices that the command offers: its disk, a tap and a vsock.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
MOTE=${MOTE:-$here/../../build/release/mote}

work=$(mktemp -d)
out=$work/out
trap 'rm -rf "$work"' EXIT
set -- --stock-kernel --once --net tap=tap0 --vsock "cid=3,uds=$work/socket"
unshare -rn sh -c 'busybox tunctl -t tap0 >/dev/null && busybox ip link set tap0 up && exec "$@"' \
    sh "$here/../../resources/quickstart" "$@" </dev/null >"$out" 2>&1
expect "quickstart --once is status 0" 0 $?
expect_match "it said what it runs" '^quickstart: mote run --kernel .*/vmlinuz --initrd' "$out"
expect_match "the guest said what it is" '^Linux .*-cloud-amd64' "$out"
expect_match "its root is the disk" '^root is ext4 on /dev/vda' "$out"
expect_match "it has a network" '^network is eth0, .* carrier 1' "$out"
expect_match "it has a vsock" '^vsock is ready' "$out"
expect_match "the timeline knows when init ran" 'boot-timer write: *[1-9][0-9]* us' "$out"
set -- --stock-kernel --once --net tap=tap0 --vsock cid=3,uds=/tmp/socket
"$here/../../resources/quickstart" --bed "$@" </dev/null >"$work/bed" 2>&1
expect "quickstart --bed --once is status 0" 0 $?
expect_match "it ran on KVM" '^quickstart: in the KVM bed, .*: mote run --accel kvm ' "$work/bed"
expect_match "the guest said what it is" '^Linux .*-cloud-amd64' "$work/bed"
expect_match "its root is the disk" '^root is ext4 on /dev/vda' "$work/bed"
expect_match "it has a network" '^network is eth0, .* carrier 1' "$work/bed"
expect_match "it has a vsock" '^vsock is ready' "$work/bed"
expect_match "the timeline knows when init ran" 'boot-timer write: *[1-9][0-9]* us' "$work/bed"
for options in --fast-kernel ''; do
    # shellcheck disable=SC2086 # one option or none
    "$here/../../resources/quickstart" $options --once </dev/null >"$work/fast" 2>&1
    expect "quickstart $options, with the fast kernel built, is status 0" 0 $?
    expect_match "the guest has the fast kernel" '^Linux .*-mote ' "$work/fast"
    expect_match "and its root is the disk" '^root is ext4 on /dev/vda' "$work/fast"
done
if host_kvm >/dev/null; then
    expect "nothing was said about the accelerator" 0 "$(grep -c 'the guest runs on' "$out")"
else
    expect "one line said why it runs in software" 1 \
        "$(grep -c 'WARN. the guest runs on emu, not on kvm: ' "$out")"
fi
conclude
