# What the tests with real guests share: where they run, and how they boot one.
# shellcheck shell=sh
#
# A test sources this file and calls on_every_kvm first. When ctest has started the test, that call
# runs the same script again in the bed, and on this host too where its KVM can run Linux, and exits
# with the result. In the script that it runs, the call returns, and the test goes on with:
#
#   $MOTE                the program
#   $accel               its accelerator, kvm if not set
#   $GUEST               a folder with vmlinuz, vmlinux, initrd (resources/guest); its disk, a
#                        sparse file of 1 GiB, is not copied to the bed
#   $kernel              a kernel of the caller's, if this was set and exported
#   $work                a temporary folder
#
# Inside the bed everything runs in busybox.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

# on_every_kvm [FILE:PLACE]...: adds these files to the bed. The script may set $bed_options and
# $bed_limit (seconds) for kvmbed, $only_bed to leave this host out, and $arguments, which the
# script is run with again.
on_every_kvm() {
    if [ -n "${KVM_PLACE:-}" ]; then
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        return
    fi
    top=$here/../..
    MOTE=${MOTE:-$top/build/release/mote}
    GUEST=$("$top/resources/guest" -u) || exit 1
    export MOTE GUEST
    failed=0
    if [ -n "${only_bed:-}" ]; then
        echo "# in the bed only: the test looks into its kernel"
    elif reason=$(host_kvm); then
        echo "# on this host's KVM, then in the bed"
        # shellcheck disable=SC2086 # a list
        KVM_PLACE=host "$0" ${arguments:-} || failed=1
    else
        echo "# in the bed only: $reason"
    fi
    added='' inside=''
    for file; do
        added="$added -f $file"
    done
    if [ -n "${kernel:-}" ]; then
        added="$added -f $kernel:/guest/kernel" inside='kernel=/guest/kernel '
    fi
    # shellcheck disable=SC2086 # a list
    "$top/tests/bed/kvmbed" -m 1536 -t "${bed_limit:-300}" ${bed_options:-} $added -f "$MOTE:/bin/mote" \
        -f "$GUEST/vmlinuz:/guest/vmlinuz" -f "$GUEST/vmlinux:/guest/vmlinux" \
        -f "$GUEST/initrd:/guest/initrd" \
        -f "$here/lib.sh:/tests/e2e/lib.sh" -f "$here/../lib.sh:/tests/lib.sh" \
        -f "$0:/tests/e2e/test" \
        "${inside}KVM_PLACE=bed MOTE=/bin/mote GUEST=/guest sh /tests/e2e/test ${arguments:-}" || failed=1
    exit $failed
}

# on_this_host: takes the place of on_every_kvm for an accelerator that needs no KVM.
on_this_host() {
    MOTE=${MOTE:-$here/../../build/release/mote}
    GUEST=$("$here/../../resources/guest" -u) || exit 1
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
}

boot_limit=100 # seconds; a boot takes about four in the bed
[ "${arguments:-}" != whole ] || boot_limit=500 bed_limit=1200

# mote_run APPEND OPTION...: runs mote with the kernel $kernel, or else the stock bzImage, and the
# initrd $initrd, or else the stock one. The kernel's tests of its own cryptography, half of a stock
# boot, are left out unless $crypto_tests is set.
mote_run() {
    append=$1
    shift
    [ -n "${crypto_tests:-}" ] || append="cryptomgr.notests $append"
    timeout -k 5 "$boot_limit" "$MOTE" run --accel "${accel:-kvm}" --kernel "${kernel:-$GUEST/vmlinuz}" \
        --initrd "${initrd:-$GUEST/initrd}" --append "quiet $append" "$@"
}

# boot APPEND OPTION...: mote_run, to its end. Leaves the status in $status, the console in
# $work/out, mote's standard error in $work/err.
boot() {
    status=0
    mote_run "$@" </dev/null >"$work/raw" 2>"$work/err" || status=$?
    tr -d '\r' <"$work/raw" >"$work/out"
}

# wait_for PATTERN FILE: waits until a line matches, at most as long as a boot may take
wait_for() {
    tries=$((boot_limit * 10))
    until grep -q -e "$1" "$2" 2>/dev/null; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

# expect_status WHAT WANTED: like expect, for $status; a failed one shows what the boot left behind
expect_status() {
    if [ "$status" = "$2" ]; then
        pass "$1"
    else
        fail "$1" "wanted: status $2" "got:    $status" "console:" "$(tail -n 20 "$work/out")" \
            "errors:" "$(tail -n 20 "$work/err")"
    fi
}
