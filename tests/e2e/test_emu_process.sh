#!/bin/sh
# mote in bare surroundings: in a root without anything else, as the first process of a pid
# namespace, with a stderr that nobody reads. The guest is bench/guest, without an operating system.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
MOTE=${MOTE:-$here/../../build/release/mote}
kernel=${MOTE_BUILD:-$here/../../build/release}/bench/bench-guest
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# options DIRECTORY MS: mote's options for a guest that reads a disk for so long, with its files in
# the directory; the last line is the argument of --append
options() {
    echo "run --accel emu --log-level info --mem 64M --kernel $1/guest --drive $1/disk --append"
    echo "tsc_khz=2000000 mmio=0xc0001000 mmio_stride=0x1000 mmio_count=17 run=blk op=read order=random bytes=4096 depth=4 ms=$2"
}

# in_words OPTIONS COMMAND...: runs the command with the words of the first line of OPTIONS, and the
# last line as one more
in_words() {
    last=$(echo "$1" | tail -n 1)
    first=$(echo "$1" | head -n 1)
    shift
    # shellcheck disable=SC2086 # a list
    timeout -k 5 100 "$@" $first "$last"
}

mkdir "$work/root"
cp "$MOTE" "$work/root/mote"
cp "$kernel" "$work/root/guest"
truncate -s 64M "$work/root/disk"

status=0
in_words "$(options '' 50)" unshare -r chroot "$work/root" /mote </dev/null >"$work/out" 2>"$work/err" || status=$?
expect "a root with nothing but mote and its files is enough" 0 $status
expect_match "and the guest runs in it" 'done in' "$work/out"

status=0
in_words "$(options '' 50)" unshare -r chroot "$work/root" /mote <&- >"$work/out" 2>"$work/err" || status=$?
expect "a closed descriptor needs /dev/null, which is not there" 2 $status
expect_match "and a sentence says so" '^mote: cannot open /dev/null in place of a closed standard descriptor: No such file' "$work/err"

# The kernel gives a namespace's first process no signal that it does not handle; the first of these
# may come before mote handles it.
status=0
in_words "$(options "$work/root" 90000)" unshare -rpf --kill-child sh -c '
    (while kill -s TERM 1; do sleep 0.3; done) &
    exec "$@"' sh "$MOTE" </dev/null >"$work/out" 2>"$work/err" || status=$?
expect "SIGTERM ends the first process of a namespace, whose status says so" 143 $status

# A full pipe, whose reader, this shell, does not read. mote does not make it non-blocking, since
# others may write to it.
mkfifo "$work/pipe"
exec 9<>"$work/pipe"
dd if=/dev/zero of="$work/pipe" bs=4096 oflag=nonblock 2>/dev/null
status=0
in_words "$(options "$work/root" 50)" "$MOTE" </dev/null >"$work/out" 2>&9 || status=$?
expect "a stderr that nobody reads stops no guest" 0 $status
expect_match "which runs to its end" 'done in' "$work/out"
status=0
timeout -k 5 100 "$MOTE" run --kernel "$work/none" </dev/null 2>&9 || status=$?
expect "nor the sentence about a mistake" 2 $status
exec 9>&-

# A stderr whose reader has gone, and a file that may not grow: mote's first line already fails.
status=0
cat "$work/pipe" >"$work/drained" &
reader=$!
exec 9>"$work/pipe"
kill $reader
wait $reader
"$MOTE" run --kernel "$work/none" </dev/null 2>&9 || status=$?
exec 9>&-
expect "a reader that has gone kills nobody" 2 $status
status=0
(ulimit -f 0 && exec "$MOTE" run --kernel "$work/none" </dev/null 2>"$work/err") || status=$?
expect "nor does a file that may not grow" 2 $status
conclude
