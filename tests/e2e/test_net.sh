#!/bin/sh
# A stock guest on a tap: the host answers its ping, and up to 100 MiB each way arrive through TCP
# as they were sent.
set -u
arguments=${1:-} # "whole": the full amount of data, in the bed too
. "$(dirname "$0")/lib.sh"
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
    size=32 # MiB each way
else
    on_every_kvm
    size=2 # the bed is six times as slow
fi
[ "$arguments" != whole ] || size=100
cd "$work" || exit 1

dd if=/dev/urandom of=data bs=1M count="$size" 2>/dev/null
truncate -s "${size}M" in-guest

# mote in a network namespace with a tap, a server that takes what the guest sends, and one that
# sends. nc only connects: each dd has the socket to itself, and ends when the other end does.
cat >mote <<SCRIPT
#!/bin/sh
exec unshare -rn sh -c 'busybox tunctl -t tap0 >/dev/null &&
    busybox ip addr add 10.1.2.1/24 dev tap0 && busybox ip link set tap0 up || exit 1
    timeout "$boot_limit" busybox nc -l -p 5001 -e busybox dd of=on-host bs=64k 2>dd-from &
    timeout "$boot_limit" busybox nc -l -p 5002 -e busybox dd if=data bs=64k 2>dd-to &
    "\$@"
    status=\$?
    wait
    exit \$status' sh "$MOTE" "\$@"
SCRIPT
chmod +x mote
MOTE=./mote

boot 'root=none mote.run="ip addr add 10.1.2.2/24 dev eth0; ping -c 3 10.1.2.1;
    nc 10.1.2.1 5001 -e dd if=/dev/vda bs=64k; nc 10.1.2.1 5002 -e dd of=/dev/vdb bs=64k; sync;
    cd /sys/class/net/eth0/statistics; echo errors $(cat rx_errors tx_errors tx_dropped)"' \
    --drive data,ro --drive in-guest --net tap=tap0 --vcpus 2
expect_status "the guest ends with status 0" 0
expect_match "the host answers each ping" '^3 packets transmitted, 3 packets received' out
expect "$size MiB from the guest" same "$(cmp data on-host && echo same)"
expect "$size MiB to the guest" same "$(cmp data in-guest && echo same)"
expect_match "nothing was lost between guest and tap" '^errors 0 0 0$' out
conclude
