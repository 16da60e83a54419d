#!/bin/sh
# What kvmbed promises: output, errors and status pass through unchanged, /dev/kvm is there, and a
# bed that fails or is ended says so and leaves nothing behind.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib.sh
. "$here/../lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bed() {
    TMPDIR=$work/tmp "$here/kvmbed" "$@" >"$work/out" 2>"$work/err"
}
mkdir "$work/tmp"

# One bed for all checks of a command's surroundings.
head -c 1000000 /dev/urandom >"$work/bytes"
echo 'echo from the added script; exit 7' >"$work/script"
echo 'read from the disk' | dd of="$work/disk" bs=1M conv=sync 2>"$work/dd"
bed -c 2 -i "$work/bytes" -d "$work/disk" -f "$work/script:/a/b/script" '
    test -c /dev/kvm && test -c /dev/net/tun && echo devices >&2
    nproc >&2
    head -n 1 /dev/vda >&2
    echo written >/dev/vda
    echo reopened >/dev/stderr
    cat
    sleep 100 &
    sh /a/b/script >&2'
expect "the command's status is kvmbed's" 7 $?
cmp "$work/bytes" "$work/out" >"$work/cmp" 2>&1
expect "a million bytes pass through unchanged" 0 $?
expect "errors keep apart from output" "devices 2 read from the disk reopened from the added script" \
    "$(tr '\n' ' ' <"$work/err" | sed 's/ $//')"

expect "the disk is as before" 'read from the disk' "$(head -n 1 "$work/disk")"

bed -t 1 'sleep 100'
expect "a command out of time is 124" 124 $?
expect_match "and says so" 'no answer in 1 seconds' "$work/err"

bed -f "$work/missing" true
expect "a file that is not there is the bed's failure" 125 $?
expect_match "and is named" "there is no $work/missing" "$work/err"

bed -m 16 true
expect "a bed too small to start is the bed's failure" 125 $?
expect_match "and says so" 'ended without an answer' "$work/err"

bed
expect "no command is the bed's failure" 125 $?
expect_match "and shows the usage" 'kvmbed .*COMMAND' "$work/err"

# The bed's QEMU, and the timeout around it, are the processes that name its initrd as an argument.
bed_processes() {
    grep -las "$work/tmp/kvmbed[^/]*/[i]nitrd" /proc/[0-9]*/cmdline
}

bed_lives() {
    bed_processes >/dev/null
}

# within TRIES COMMAND: tries it ten times a second until it succeeds
within() {
    tries=$1
    shift
    until "$@"; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.1
    done
}

bed_is_gone() {
    ! bed_lives
}

for signal in HUP:129 TERM:143; do
    TMPDIR=$work/tmp "$here/kvmbed" 'sleep 100' >"$work/out" 2>"$work/err" &
    pid=$!
    within 100 bed_lives
    kill -s "${signal%:*}" "$pid"
    wait "$pid"
    expect "SIG${signal%:*} ends it" "${signal#*:}" $?
    within 100 bed_is_gone
    expect "and QEMU with it" 0 $?
done

stop_qemu() {
    for process in $(bed_processes | cut -d / -f 3); do
        grep -qs '^qemu' "/proc/$process/comm" && kill -s STOP "$process" && return
    done
    return 1
}

# A stopped QEMU stands for an interpreter that got stuck.
TMPDIR=$work/tmp "$here/kvmbed" -p 8 'sleep 100' >"$work/out" 2>"$work/err" &
pid=$!
within 100 stop_qemu
wait "$pid"
expect "a bed that stands still is the bed's failure" 125 $?
expect_match "and says so" 'no sign of life for 8 seconds' "$work/err"
within 100 bed_is_gone
expect "and QEMU is gone" 0 $?

expect "no temporary file is left" "" "$(ls "$work/tmp")"
conclude
