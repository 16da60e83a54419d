#!/bin/sh
# The README's first command, as CI would call it: it ends by itself, with the guest's words and the
# boot's timeline.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$here/../../resources/quickstart" --once </dev/null >"$out" 2>&1
expect "quickstart --once is status 0" 0 $?
expect_match "the guest said what it is" '^Linux .*-cloud-amd64' "$out"
expect_match "the timeline knows when init ran" 'boot-timer write: *[1-9][0-9]* us' "$out"
expect_match "it said where the guest ran" 'quickstart: .*mote run --accel kvm --kernel' "$out"
conclude
