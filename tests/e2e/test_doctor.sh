#!/bin/sh
# mote doctor on this host, with some things taken away, and in the bed, where everything can be
# taken away: what it finds, what follows for --accel auto, its status, and that nothing is left
# behind.
#
# The script runs itself in the bed with KVM_PLACE set, where it does the first part of the checks.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib.sh
. "$here/../lib.sh"
MOTE=${MOTE:-$here/../../build/release/mote}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/empty"
export TMPDIR="$work/empty"

# doctor [COMMAND...]: runs mote doctor by way of COMMAND; leaves its report in $work/out.
doctor() {
    status=0
    (cd "$work/empty" && exec "$@" "$MOTE" doctor) >"$work/out" 2>"$work/err" || status=$?
    if [ -s "$work/err" ] || [ -n "$(ls -A "$work/empty")" ]; then
        fail "the doctor is silent otherwise and leaves nothing behind" \
            "$(cat "$work/err")" "$(ls -A "$work/empty")"
    fi
}

# chosen WHAT STATUS PATTERN: the doctor's status, and what its last line must match
chosen() {
    expect "$1: status" "$2" "$status"
    tail -n 1 "$work/out" >"$work/last"
    expect_match "$1: conclusion" "$3" "$work/last"
}

# found WHAT LABEL VERDICT [FIX]: what the line with that label, and the fix on the next, must match
found() {
    expect_match "$1" "^$2  *$3\\( \\|$\\)" "$work/out"
    if [ $# -gt 3 ]; then
        sed -n "/^$(echo "$2" | sed 's|/|\\/|g') /{n;p;}" "$work/out" >"$work/fix"
        expect_match "$1: what to do" "$4" "$work/fix"
    fi
}

if [ "${KVM_PLACE:-}" = bed ]; then
    # On a busy host the bed's KVM may be too slow once or twice.
    tries=50
    doctor
    while [ $tries -gt 0 ] && ! grep -q 'auto chooses kvm' "$work/out"; do
        tries=$((tries - 1))
        doctor
    done
    chosen "with KVM" 0 'auto chooses kvm, which executes .* at [1-9][0-9]* MIPS or more'
    found "with KVM: the device" 'KVM device' yes
    found "with KVM: its interface" 'KVM interface' yes
    found "with KVM: the software CPU is there too" 'software CPU' yes
    found "cgroup in the bed" cgroup 'yes *version 2'
    found "no pool of huge pages" 'huge pages, 2M' no 'vm.nr_hugepages='
    "$MOTE" doctor --json >"$work/json"
    expect "--json: status" 0 $?
    expect_match "--json: the speed is a number" '"mips": [1-9]' "$work/json"

    echo 4 >/proc/sys/vm/nr_hugepages
    echo never >/sys/kernel/mm/transparent_hugepage/enabled
    echo 0 >/proc/sys/user/max_user_namespaces
    umount /sys/fs/cgroup
    rmmod tun
    mkdir -p /etc
    echo 'nobody:x:65534:65534::/:/bin/sh' >>/etc/passwd
    doctor
    found "a pool of huge pages" 'huge pages, 2M' 'yes *4 free of 4'
    found "transparent ones switched off" 'huge pages, transparent' no 'echo madvise'
    found "user namespaces switched off" 'user namespaces' no 'max_user_namespaces'
    found "no cgroup" cgroup no 'mount -t cgroup2'
    found "no tun" /dev/net/tun no 'modprobe tun'
    chosen "none of these is needed" 0 '^A machine can run here: '

    chmod 755 "$work" "$work/empty"
    chmod 600 /dev/kvm
    status=0
    start-stop-daemon -S -c nobody -x "$MOTE" -- doctor >"$work/out" || status=$?
    chosen "a /dev/kvm that this user may not open" 0 'chooses emu, not kvm: /dev/kvm may not be opened'
    found "a /dev/kvm that this user may not open" 'KVM device' no 'usermod -aG kvm'
    found "a /dev/kvm that this user may not open has no interface" 'KVM interface' '-'

    rmmod kvm_amd
    rm -f /dev/kvm
    doctor
    chosen "without the module" 0 'chooses emu, not kvm: there is no /dev/kvm'
    found "without the module" 'KVM device' no 'modprobe kvm_amd'
    conclude
fi

"$here/../bed/kvmbed" -t 120 -f "$MOTE:/bin/mote" -f "$here/../lib.sh:/tests/lib.sh" \
    -f "$0:/tests/e2e/test" 'KVM_PLACE=bed MOTE=/bin/mote sh /tests/e2e/test'
expect "the doctor in the bed" 0 $?

doctor
chosen "this host" 0 '^A machine can run here: '
"$MOTE" doctor --json >"$work/json"
expect "--json: status" 0 $?
accel=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["auto"]["accel"])' <"$work/json")
expect_match "--json is a document, and says the same" " auto chooses $accel\(,.*\|\)" "$work/last"

doctor "$here/without" io_uring_setup=425:1
found "io_uring forbidden" io_uring no 'seccomp profile\|kernel.io_uring'
chosen "io_uring forbidden" 0 '^A machine can run here: '
doctor "$here/without" seccomp=317:38
found "no seccomp" seccomp no CONFIG_SECCOMP_FILTER

# Neither KVM nor memory for the software CPU's code.
cat >"$work/without-kvm" <<SCRIPT
#!/bin/sh
exec unshare -rm sh -c 'mkdir "$work/dev" && mount -t tmpfs none "$work/dev" &&
    touch "$work/dev/null" && mount --bind /dev/null "$work/dev/null" &&
    mount --rbind "$work/dev" /dev && exec "\$@"' sh "$here/without" memfd_create=319:1 "\$@"
SCRIPT
chmod +x "$work/without-kvm"
doctor "$work/without-kvm"
chosen "no accelerator at all" 1 '^No machine can run here: .*memory file for generated code'
found "no accelerator at all" 'software CPU' no 'executable'
conclude
