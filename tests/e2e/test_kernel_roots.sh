#!/bin/sh
# The kernel of our own (resources/kernel) starts whole systems from their root disks, without an
# initrd, on the software CPU: busybox's init with a getty, in the manner of Alpine, from a packed
# read-only disk; and Debian with systemd. Somebody logs in on the console of each. In Debian an
# ordinary user runs a container in namespaces of its own, with limits and on an overlay, and root
# routes, translates addresses and publishes a container's port. Each guest ends as it is asked.
set -u
# shellcheck source=../lib.sh
. "$MOTE_SOURCE/tests/lib.sh"

vmlinux=$("$MOTE_SOURCE/resources/kernel/build" fast)/vmlinux || exit 1
debian=$("$MOTE_SOURCE/resources/debian-root") || exit 1
scripts=$MOTE_SOURCE/tests/e2e/kernel_roots
PATH=$PATH:/usr/sbin:/sbin # where debugfs is, for users other than root
work=$(mktemp -d)
escape=$(printf '\033')
mote=''
trap 'exec 3>&-; [ -z "$mote" ] || kill "$mote"; rm -rf "$work"' EXIT

# start DEADLINE DISK OPTION...: a guest whose console is $work/out, and descriptor 3 types
start() {
    deadline=$1 # in seconds: several times what it takes
    disk=$2
    shift 2
    typed=0
    rm -f "$work/in"
    mkfifo "$work/in"
    : >"$work/out"
    timeout -k 5 "$deadline" "$MOTE" run --accel emu --kernel "$vmlinux" --drive "$disk" \
        --append quiet "$@" <"$work/in" >"$work/out" 2>"$work/err" &
    mote=$!
    exec 3>"$work/in"
}

# answer PROMPT TEXT: types it once the console has shown the prompt, after what was typed before.
# Fails if the guest ends first, or its deadline is over.
answer() {
    until tail -c +$((typed + 1)) "$work/out" | grep -q -e "$1"; do
        if ! kill -0 "$mote" 2>/dev/null; then
            fail "the console shows: $1" "$(tail -n 30 "$work/out" "$work/err")"
            return 1
        fi
        sleep 0.1
    done
    typed=$(stat -c %s "$work/out")
    echo "$2" >&3
}

# log_in USER: at the login prompt; the password is the user's name
log_in() {
    answer 'login: $' "$1" && answer 'Password: $' "$1"
}

# ended WHAT: the guest has ended, with status 0; what its console showed is in $work/said, without
# the terminal's control sequences
ended() {
    wait "$mote"
    expect "$1" 0 $?
    mote=''
    exec 3>&-
    tr -d '\r' <"$work/out" | sed "s/$escape\[[0-9;?]*[A-Za-z]//g" >"$work/said"
}

# said SCRIPT TEXT WHAT: the guest's script said exactly this
said() {
    sed -n "s/^$1: //p" "$work/said" >"$work/lines"
    if grep -qxF -e "$2" "$work/lines"; then
        pass "$3"
    else
        fail "$3" "$1 did not say: $2" "$(cat "$work/lines")"
    fi
}

# make_busybox: the tree of a system that is busybox alone, in $work/busybox
make_busybox() {
    tree=$work/busybox
    for folder in bin dev etc proc root run sys tmp; do
        mkdir -p "$tree/$folder"
    done
    chmod 755 "$tree"
    cp "$(command -v busybox)" "$tree/bin/busybox"
    for command in $(busybox --list | grep -vx busybox); do
        ln -s busybox "$tree/bin/$command"
    done
    mkdir "$tree/sbin"
    ln -s ../bin/busybox "$tree/sbin/init"
    cat >"$tree/etc/inittab" <<'INITTAB'
::sysinit:/bin/mount -t proc proc /proc
::sysinit:/bin/mount -t sysfs sys /sys
::sysinit:/bin/mount -t tmpfs run /run
::sysinit:/bin/hostname guest
ttyS0::respawn:/bin/getty -L 115200 ttyS0 vt100
::shutdown:/bin/umount -a -r
INITTAB
    echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
    echo 'root:x:0:' >"$tree/etc/group"
    echo "root:$(busybox mkpasswd -m sha512 root):19000:0:99999:7:::" >"$tree/etc/shadow"
    chmod 600 "$tree/etc/shadow"
}

# run_busybox: typed at its console, from the login to the end
run_busybox() {
    log_in root && answer '^~ # ' 'echo "I am $(id -un) in $(tty)"' &&
        answer '^~ # ' 'sed -n "s/^[^ ]* . /root is /p" /proc/mounts' &&
        answer '^~ # ' poweroff
}

# run_debian: likewise
run_debian() {
    log_in guest && answer 'guest@guest:~\$ $' 'container' &&
        answer 'guest@guest:~\$ $' 'exit' &&
        log_in root && answer 'root@guest:~# $' 'router' &&
        answer 'root@guest:~# $' poweroff
}

make_busybox
mkfs.erofs -zlz4 --all-root "$work/erofs" "$work/busybox" >"$work/log" 2>&1
expect "busybox is packed as erofs" 0 $?
mksquashfs "$work/busybox" "$work/squashfs" -comp zstd -all-root >"$work/log" 2>&1
expect "busybox is packed as squashfs" 0 $?
for kind in erofs squashfs; do
    start 60 "$work/$kind,ro"
    run_busybox
    ended "busybox on $kind ends with status 0"
    expect_match "root could log in" '^I am root in /dev/ttyS0$' "$work/said"
    expect_match "its root is what it should be" "^root is $kind ro," "$work/said"
done

cp --sparse=always "$debian" "$work/disk"
for script in container router; do
    echo "write $scripts/$script /usr/local/bin/$script"
done | debugfs -w -f - "$work/disk" >"$work/log" 2>&1
start 400 "$work/disk,cache=unsafe" --mem 1G --vcpus 2
run_debian
ended "Debian ends with status 0"
said system running "no service of systemd's failed"
said container 'own namespaces cgroup ipc mnt net pid user uts' "a user's container has its own"
said container 'process 1 of user 0' "there it is the first process, of root"
said container 'users 0 1000 1, 1 100000 65536,' "who is the user outside"
said container 'root overlay' "its root is an overlay"
said container 'written' "which it can write"
said container 'address 10.0.2.100/24' "it has a network"
said container 'memory 67108864' "its memory is limited"
said container 'dd ended with status 137' "and what takes more is killed"
said container 'processes 50' "its processes are limited"
said router 'no answer without rules' "the far network does not know the near one"
said router 'the far side sees 10.2.0.1' "it sees the router's address"
said port 'published' "a port of root's container is published"
[ "$failures" -eq 0 ] || tail -n 60 "$work/said"
conclude
