#!/bin/sh
# The console in both directions: a shell that is typed to, more bytes than any buffer holds, and an
# input that is closed or a file.
set -u
. "$(dirname "$0")/lib.sh"
on_every_kvm

# start_guest APPEND: starts a guest in the background, to which descriptor 7 types
start_guest() {
    : >"$work/out"
    mote_run "$1" <"$work/keys" >"$work/out" 2>"$work/err" &
    mote=$!
    exec 7>"$work/keys"
}

# expect_answer WHAT PATTERN: the console shows it within a minute, and before the guest ends
expect_answer() {
    tries=0
    while ! grep -q -e "$2" "$work/out"; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ] || ! kill -0 $mote 2>/dev/null; then
            fail "$1" "never said: $2" "console:" "$(tail -n 20 "$work/out")" "errors:" \
                "$(cat "$work/err")"
            return
        fi
        sleep 0.1
    done
    pass "$1"
}

end_guest() {
    status=0
    wait $mote || status=$?
    exec 7>&-
}

# A conversation: what is typed depends on what was said.
trap '' PIPE # a guest that dies early fails a check and does not kill this script
mkfifo "$work/keys"
start_guest ''
expect_answer "a shell shows its prompt" 'guest:.*# '
echo 'echo answer $((6 * 7))' >&7
expect_answer "a typed line reaches it and its answer comes back" 'answer 42'
echo 'tty' >&7
expect_answer "it has a terminal" '/dev/ttyS0'
echo 'sleep 1000' >&7
expect_answer "what is typed is shown" 'sleep 1000'
sleep 1
printf '\003' >&7
echo 'echo interrupted $((6 * 8))' >&7
expect_answer "Ctrl-C interrupts what runs in the foreground" 'interrupted 48'
echo poweroff >&7
end_guest
expect_status "poweroff typed at the prompt is status 0" 0

# Output, as fast as the guest makes it: in the bed a tenth of a millisecond or more for each byte.
boot 'mote.run="seq 1 300"'
seq 1 300 >"$work/wanted"
sed -n '/^1$/,/^300$/p' "$work/out" | cmp - "$work/wanted" >"$work/cmp" 2>&1
expect "300 lines of output are all there" 0 $?

# Input: more than the UART's ring of 4 KiB, as fast as mote takes it, once the guest reads.
seq 1 10000 | head -c 6000 >"$work/bytes"
start_guest 'mote.run="stty raw -echo; echo ready; head -c 6000 | md5sum"'
expect_answer "a guest waits for input" ready
cat "$work/bytes" >&7
expect_answer "6000 bytes of input are all there" "$(md5sum <"$work/bytes" | cut -d ' ' -f 1)"
end_guest

# Input that is closed, or at its end at once.
status=0
mote_run 'mote.run="echo alive"' <&- >"$work/out" 2>"$work/err" || status=$?
expect_status "a closed standard input does not keep a guest from running" 0
expect_match "or from being heard" alive "$work/out"

head -c 100 "$work/bytes" >"$work/few"
status=0
mote_run 'mote.run="echo alive"' <"$work/few" >"$work/out" 2>"$work/err" || status=$?
expect_status "nor does a file" 0
expect_match "or from being heard" alive "$work/out"
conclude
