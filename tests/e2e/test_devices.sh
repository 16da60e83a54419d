#!/bin/sh
# A guest finds the devices that were asked for, in order, and uses each: disks, a network device on a
# tap, a vsock, a balloon and an entropy device. Nothing is left behind. The guest has the stock
# kernel, or else the one that $kernel names.
set -u
. "$(dirname "$0")/lib.sh"
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
else
    on_every_kvm
fi

# mote in a network namespace of its own, with a tap.
real=$MOTE
cat >"$work/mote" <<SCRIPT
#!/bin/sh
exec unshare -rn sh -c 'busybox tunctl -t tap0 >/dev/null &&
    busybox ip addr add 10.1.2.1/24 dev tap0 && busybox ip link set tap0 up && exec "\$@"' sh "$real" "\$@"
SCRIPT
chmod +x "$work/mote"
MOTE=$work/mote

dd if=/dev/zero of="$work/data" bs=1M count=3 2>"$work/dd"
dd if=/dev/zero of="$work/root" bs=1M count=8 2>"$work/dd"
echo 'the root drive' | dd of="$work/root" conv=notrunc 2>"$work/dd"

boot 'mote.run="
    echo release $(uname -r);
    for d in vda vdb; do cd /sys/block/$d; echo $d $(cat size ro serial); done;
    echo read: $(head -n 1 /dev/vda);
    echo written by the guest | dd of=/dev/vdb bs=512 seek=100 conv=fsync,sync 2>/dev/null;
    echo $(cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu);
    ip addr add 10.1.2.2/24 dev eth0; ip link set eth0 up; ping -c 1 -W 9 10.1.2.1 | grep received;
    ls /dev/vsock; cat /sys/class/misc/hw_random/rng_current;
    echo random bytes: $(head -c 64 /dev/hwrng | wc -c);
    sleep 1; echo kinds: $(cat /sys/bus/virtio/devices/*/device)"' \
    --drive "$work/data,id=data" --drive "$work/root,ro,root,serial=ROOT1" \
    --net "tap=tap0,mac=02:00:00:00:00:42,mtu=1400" --vsock "cid=3,uds=$work/vsock" \
    --balloon=32M --rng
expect_status "a guest with a device of each kind ends with status 0" 0
release='-cloud-amd64$'
[ -z "${kernel:-}" ] || release='-mote$'
expect_match "it has the kernel that was asked for" "^release .*$release" "$work/out"
expect_match "the root drive is vda, however late it was given" '^vda 16384 1 ROOT1$' "$work/out"
expect_match "the other is vdb" '^vdb 6144 0 data$' "$work/out"
expect_match "it reads a disk" '^read: the root drive$' "$work/out"
expect "it writes a disk" 'written by the guest' \
    "$(dd if="$work/data" bs=512 skip=100 count=1 2>"$work/dd" | head -n 1)"
expect_match "its network device has address and MTU" '^02:00:00:00:00:42 1400$' "$work/out"
expect_match "the host answers on the tap" '1 packets received' "$work/out"
expect_match "it has a vsock" '^/dev/vsock$' "$work/out"
expect_match "it has a source of randomness" '^virtio_rng' "$work/out"
expect_match "which gives what was asked for" '^random bytes: 64$' "$work/out"
expect_match "windows come in the order of the kinds" \
    '^kinds: 0x0002 0x0002 0x0001 0x0013 0x0005 0x0004$' "$work/out"
expect "the vsock's socket is gone" no "$([ -e "$work/vsock" ] && echo yes || echo no)"

# A signal ends a machine that is in the middle of something.
: >"$work/out"
"$real" run --accel "${accel:-kvm}" --kernel "${kernel:-$GUEST/vmlinuz}" --initrd "$GUEST/initrd" --append 'quiet
    mote.run="echo going; while :; do dd if=/dev/zero of=/dev/vda bs=1M count=8 conv=fsync; done"' \
    --drive "$work/root" --vsock "cid=3,uds=$work/vsock" </dev/null >"$work/out" 2>"$work/err" &
wait_for 'records out' "$work/out"
expect_match "the guest writes" 'records out' "$work/out"
expect "its vsock has a socket" yes "$([ -S "$work/vsock" ] && echo yes || echo no)"
kill -TERM $!
wait $!
expect "a signal ends it" 143 $?
expect "and its socket" no "$([ -e "$work/vsock" ] && echo yes || echo no)"
conclude
