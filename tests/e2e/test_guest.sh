#!/bin/sh
# The guests of tests/guest on a real KVM: always in the bed, and on this host's own KVM where that
# can run Linux.
set -u
# shellcheck source=../lib.sh
. "$MOTE_SOURCE/tests/lib.sh"

guest=$MOTE_BUILD/tests/guest

# One processor: each of the many machines made here has the bed's kernel patch its own code, and an
# interpreter with two may go on running the breakpoint that stood there in between.
"$MOTE_SOURCE/tests/bed/kvmbed" -c 1 -t 120 -f "$guest:/guest" "/guest kvm"
expect "guests in the bed" 0 $?

usable=0
why=$("$MOTE_SOURCE/resources/host-kvm" "$MOTE") || usable=$?
case $usable in
0)
    "$guest" kvm
    expect "guests on this host's KVM" 0 $?
    ;;
1) echo "in the bed only: $why" ;;
*) fail "whether this host's KVM can run Linux is known" "host-kvm ended with status $usable" ;;
esac
conclude
