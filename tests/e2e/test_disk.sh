#!/bin/sh
# A stock guest with its root on a disk keeps what it has written, through a reboot and through a
# kill -9 of mote, and its filesystem stays whole. The host gets back what it frees. Where the
# host's disk is full or a file is cut off, the guest gets errors and goes on.
set -u
arguments=${1:-} # "whole": the full amount of data, in the bed too
. "$(dirname "$0")/lib.sh"
root_disk=$here/../../resources/root-disk
session=$here/../../resources/guest-session
PATH=$PATH:/usr/sbin:/sbin
if [ "${accel:-kvm}" = emu ]; then
    on_this_host
    size=64 # MiB of known data
else
    on_every_kvm "$root_disk:/resources/root-disk" "$session:/resources/guest-session" \
        "$here/disk/guest:/tests/e2e/disk/guest" "$(command -v mkfs.ext4):/bin/mkfs.ext4" \
        "$(command -v e2fsck):/bin/e2fsck"
    size=16 # the bed is six times as slow, and writes to memory
fi
[ "$arguments" != whole ] || size=200
cd "$work" || exit 1

"$root_disk" root 512M "$here/disk/guest" || exit 1
dd if=/dev/urandom of=data bs=1M count="$size" 2>/dev/null
truncate -s "${size}M" copy
truncate -s 16M cut

# mote with a small filesystem of its own. Its process id is in mote.pid, so that it can be killed.
mkdir small
cat >mote <<SCRIPT
#!/bin/sh
echo \$\$ >mote.pid
exec unshare -rm sh -c 'mount -t tmpfs -o size=8M small small && truncate -s 64M small/disk &&
    exec "\$@"' sh "$MOTE" "\$@"
SCRIPT
chmod +x mote
MOTE=./mote

# run_disk MODE OPTION...: the guest's part, with the root, the known data, and further drives
run_disk() {
    mode=$1
    shift
    mote_run "mote.run=\"sh /root/guest $mode\"" --drive root,discard --drive data,ro "$@" \
        </dev/null >raw 2>err
}

# boot_disk MODE OPTION...: run_disk, to its end, as boot does
boot_disk() {
    status=0
    run_disk "$@" || status=$?
    tr -d '\r' <raw >out
}

# whole WHAT: e2fsck finds the root's filesystem in order
whole() {
    e2fsck -fn root >/dev/null 2>&1
    expect "$1" 0 $?
}

boot_disk fill
expect_status "a guest that reboots ends with status 0" 0
expect_match "it wrote $size MiB and synced them" '^filled$' out
whole "its filesystem is whole"

: >raw
run_disk keep --drive copy &
wait_for synced raw
expect_match "the guest has synced and goes on writing" '^synced' raw
kill -KILL "$(cat mote.pid)"
wait
expect "the next boot read what the first wrote" same "$(cmp data copy && echo same)"

before=$(stat -c %b root)
: >raw
(wait_for 'vde is whole' raw && truncate -s 1M cut) &
boot_disk give-back --drive copy --drive small/disk --drive cut
wait
expect_status "a guest with faulty disks ends with status 0" 0
expect_match "what it synced before mote was killed is there" '^the synced file is whole$' out
expect_match "it trims its filesystem" '^trimmed$' out
freed=$(((before - $(stat -c %b root)) / 2048))
expect "the host has the $size MiB back" yes "$([ $freed -ge $size ] && echo yes || echo "only $freed")"
expect_match "a full disk of the host is an error" '^vdd does not take it all$' out
expect_match "and can be read" '^vdd can still be read$' out
expect_match "what is cut off is an error" '^vde: .*Input/output error' out
expect_match "and the rest can be read" '^vde begins as before$' out
whole "its filesystem is whole after all"
conclude
