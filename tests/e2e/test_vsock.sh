#!/bin/sh
# A stock guest and its host over vsock: up to 100 MiB each way, which arrive as they were sent, a
# thousand connections at a time and a thousand one after the other, half-closed and refused ones.
set -u
arguments=${1:-} # "whole": the full amount of data, in the bed too
. "$(dirname "$0")/lib.sh"
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
    peer=$MOTE_BUILD/tests/vsock_peer
    size=33554432 # bytes each way
else
    on_every_kvm "${MOTE_BUILD:-}/tests/vsock_peer:/bin/vsock_peer"
    [ "$KVM_PLACE" = bed ] && peer=/bin/vsock_peer || peer=$MOTE_BUILD/tests/vsock_peer
    size=2097152 # the bed is six times as slow
fi
[ "$arguments" != whole ] || size=104857600
cd "$work" || exit 1

# The guest gets its program as a disk, which is a whole number of sectors long.
dd if="$peer" of=program bs=64k conv=sync 2>/dev/null
timeout "$boot_limit" "$peer" host vsock "$size" >said &
wait_for 'host: listens' said

boot "root=none mote.run=\"ulimit -n 4096; cp /dev/vda /tmp/peer; chmod +x /tmp/peer;
    /tmp/peer guest $size\"" --drive program,ro --vsock cid=3,uds=vsock --vcpus 2
wait $!
expect "the host's part ends with status 0" 0 $?
expect_status "the guest ends with status 0" 0
expect_match "$size bytes to the host" '^host: received$' said
expect_match "and a half-closed connection to hear of it" '^guest: sent$' out
expect_match "$size bytes to the guest" '^guest: received$' out
expect_match "and a half-closed connection to hear of it" '^host: sent$' said
expect_match "a thousand connections at a time" '^guest: 1000 connections at a time$' out
expect_match "a thousand one after the other" '^host: 1000 connections, one after the other$' said
expect_match "the guest is refused where nobody listens" '^guest: refused where nobody listens$' out
expect_match "the host is refused where nobody listens" '^host: refused where nobody listens$' said
expect "the device's socket is gone" no "$([ -e vsock ] && echo yes || echo no)"
conclude
