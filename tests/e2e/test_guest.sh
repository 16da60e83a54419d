#!/bin/sh
# The guests of tests/guest on KVM: always in the bed's, and on this host's own where that can run
# Linux. They must observe there what they observe on the software CPU, line by line.
set -u
# shellcheck source=../lib.sh
. "$MOTE_SOURCE/tests/lib.sh"

guest=$MOTE_BUILD/tests/guest
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

"$guest" emu >"$work/emu"
expect "guests on the software CPU" 0 $?

# run_kvm WHERE COMMAND...
run_kvm() {
    where=$1
    shift
    "$@" >"$work/kvm"
    expect "guests $where" 0 $?
    if diff -u "$work/emu" "$work/kvm" >"$work/diff"; then
        pass "they observe $where what they do on the software CPU"
    else
        fail "they observe $where what they do on the software CPU" "$(cat "$work/diff")"
    fi
}

# One processor: each of the many machines here makes the bed's kernel patch its own code, which a
# bed with two processors does not always survive (kvmbed says why).
run_kvm "in the bed" "$MOTE_SOURCE/tests/bed/kvmbed" -c 1 -t 120 -f "$guest:/guest" "/guest kvm"

if why=$(host_kvm); then
    run_kvm "on this host's KVM" "$guest" kvm
else
    echo "in the bed only: $why"
fi
conclude
