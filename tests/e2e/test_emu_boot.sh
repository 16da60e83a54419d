#!/bin/sh
# The stock kernel on the software CPU, on this host: it boots, packed and unpacked, with one
# processor and with two, ends as the guest asks, all of its output arrives, and its shell answers.
set -u
# shellcheck source=../lib.sh
. "$MOTE_SOURCE/tests/lib.sh"

guest=$("$MOTE_SOURCE/resources/guest" -u) || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
deadline=120 # seconds: a boot takes 3, and several times that under a sanitizer

# emu KERNEL APPEND OPTION...: leaves the console in $work/out, mote's standard error in $work/err.
emu() {
    kernel=$1
    append=$2
    shift 2
    timeout -k 1 "$deadline" "$MOTE" run --accel emu --kernel "$guest/$kernel" \
        --initrd "$guest/initrd" --append "quiet $append" "$@" >"$work/out" 2>"$work/err"
}

emu vmlinuz mote.once --timeline=json </dev/null
expect "the stock kernel ends with status 0" 0 $?
expect_match "it says what it is" '^Linux .*-cloud-amd64' "$work/out"
expect_match "it sees its processor" '^up .* s, 1 processor(s), ' "$work/out"
expect_match "it reached its init" '"boot_timer_write":[1-9]' "$work/err"

# shellcheck disable=SC2016 # the guest's to expand
emu vmlinuz 'cryptomgr.notests mote.run="echo up with $(nproc); reboot"' --vcpus 2 </dev/null
expect "a guest of two processors that reboots ends with status 0" 0 $?
expect_match "it saw both" '^up with 2' "$work/out"
expect_match "it was Linux that rebooted" 'reboot: ' "$work/out"

# Each vendor's processors enter the kernel and leave it in their own ways.
for vendor in intel:GenuineIntel amd:AuthenticAMD; do
    # shellcheck disable=SC2016 # the guest's to expand
    MOTE_EMU_CPU=${vendor%%:*} emu vmlinuz 'cryptomgr.notests mote.run="grep -m1 vendor_id /proc/cpuinfo; reboot"' </dev/null
    expect "a guest of ${vendor#*:} ends with status 0" 0 $?
    expect_match "it saw who it is" "^vendor_id.*${vendor#*:}" "$work/out"
done

# The guest's last output waits for a reader that comes three seconds after the guest had to stop:
# by then the pipe, mote's ring and the guest's own driver are full. How many lines it got rid of,
# the guest writes to a disk.
mkfifo "$work/console"
truncate -s 4096 "$work/lines"
reads_late() {
    tries=$((deadline * 10))
    until grep -q '[0-9]' "$work/lines"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return
        sleep 0.1
    done
    sleep 3
    cat
}
reads_late <"$work/console" >"$work/late" &
# shellcheck disable=SC2016 # the guest's to expand
talks='n=0; while printf '\''said %080d\n'\'' $n; do n=$((n + 1)); echo $n >/tmp/n; done'
append="quiet cryptomgr.notests mote.run=\"
    ($talks) & sleep 4; kill \$!; dd if=/tmp/n of=/dev/vda conv=fsync 2>/dev/null\""
timeout -k 5 "$deadline" "$MOTE" run --accel emu --kernel "$guest/vmlinuz" --initrd "$guest/initrd" \
    --append "$append" --drive "$work/lines" </dev/null >"$work/console" 2>"$work/err"
expect "a guest whose console waits for a reader ends with status 0" 0 $?
wait
lines=$(tr -dc 0-9 <"$work/lines")
tr -d '\r' <"$work/late" | sed -n 's/^said 0*\([0-9]\)/\1/p' | head -n "$lines" >"$work/heard"
seq 0 $((lines - 1)) | cmp - "$work/heard"
expect "what it said last is all there: $lines lines" 0 $?

# Types to the shell once it has shown its prompt: what comes earlier the guest's driver discards.
prompted() {
    tries=$((deadline * 10))
    until grep -q -s 'guest:.*# ' "$work/out"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

type_to_shell() {
    prompted || return
    # shellcheck disable=SC2016 # the guest's to expand
    printf 'echo "answer $((6 * 7))"\npoweroff\n'
}

: >"$work/out"
mkfifo "$work/in"
type_to_shell >"$work/in" &
emu vmlinux cryptomgr.notests <"$work/in"
expect "an unpacked kernel whose shell is told to power off ends with status 0" 0 $?
wait
expect_match "its shell answers" '^answer 42' "$work/out"
conclude
