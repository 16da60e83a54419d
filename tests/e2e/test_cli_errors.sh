#!/bin/sh
# The operator's mistakes that mote finds before it builds anything: each ends with one sentence and
# status 2, and leaves nothing behind. test_bad_kernels.sh has those that need a KVM.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
MOTE=${MOTE:-$here/../../build/release/mote}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp" "$work/files"
export TMPDIR="$work/tmp"

# refused SENTENCE ARGUMENT...: the sentence is a basic regular expression and all of stderr.
refused() {
    sentence=$1
    shift
    status=0
    (cd "$work/tmp" && exec "$MOTE" "$@") </dev/null >"$work/out" 2>"$work/err" || status=$?
    what="mote $(echo "$*" | cut -c 1-60)"
    if [ "$status" != 2 ]; then
        fail "$what" "status $status instead of 2" "$(cat "$work/err")"
    elif [ "$(wc -l <"$work/err")" != 1 ] || ! grep -q -x -e "mote: $sentence" "$work/err"; then
        fail "$what" "wanted: mote: $sentence" "got:    $(cat "$work/err")"
    elif [ -s "$work/out" ]; then
        fail "$what" "printed to stdout:" "$(cat "$work/out")"
    elif [ -n "$(ls -A "$work/tmp")" ]; then
        fail "$what" "left behind: $(ls -A "$work/tmp")"
    else
        pass "$what: $(cut -c 7-106 "$work/err")"
    fi
}

# The file that stands for a kernel: everything here is refused before mote reads it.
kernel=$work/files/kernel
echo "no kernel, but a file" >"$kernel"

# Commands and options.
refused "no command given: .*"
refused "unknown command 'rnu', did you mean 'mote run'?" rnu
refused "unknown command 'launch', see 'mote --help'" launch
refused "unknown option '--kernle', did you mean --kernel?" run --kernle "$kernel"
refused "unknown option '--vcpu', did you mean --vcpus?" run --kernel "$kernel" --vcpu=2
refused "unknown option '--frobnicate', see 'mote run --help'" run --frobnicate
refused "'vmlinux' is not an option, see 'mote run --help'" run vmlinux
refused "unknown command 'docter', did you mean 'mote doctor'?" docter
refused "unknown option '--jsn', did you mean --json?" doctor --jsn
refused "unknown option '--kernel', see 'mote doctor --help'" doctor --kernel "$kernel"
refused "--json takes no value" doctor --json=text
refused "--json is given twice" doctor --json --json
refused "'kvm' is not an option, see 'mote doctor --help'" doctor kvm
refused "--kernel FILE is missing: .*" run
refused "--kernel needs a value: --kernel FILE" run --kernel
refused "--mem needs a value: --mem SIZE" run --mem --kernel "$kernel"
refused "--mem is given twice" run --kernel "$kernel" --mem 64 --mem 128
refused "--append adds to .*: give only one of them" run --kernel "$kernel" --cmdline a --append b
refused "--timeline: 'xml' is not a format: .*" run --kernel "$kernel" --timeline=xml
refused "--log-level: 'loud' is not a level: .*" run --kernel "$kernel" --log-level loud
refused "--huge-pages: '1G' is not a kind of huge pages: .*" run --kernel "$kernel" --huge-pages 1G
refused "'xen' is not an accelerator: choose from auto, kvm, emu" run --kernel "$kernel" --accel xen

# Memory.
refused "memory of 0 bytes is too little: .*" run --kernel "$kernel" --mem 0
refused "memory of 16M is too little: a machine has 32M to 64G" run --kernel "$kernel" --mem 16M
refused "memory of 40001K is not a whole number of 4K pages" run --kernel "$kernel" --mem 40001K
refused "memory of 65M is not a whole number of 2M huge pages" run --kernel "$kernel" --mem 65 --huge-pages 2M
refused "memory of 65G is too much: .*" run --kernel "$kernel" --mem 65G
refused "--mem: '-1' is not a size: .*" run --kernel "$kernel" --mem -1
refused "--mem: 'lots' is not a size: .*" run --kernel "$kernel" --mem lots
refused "--mem: '18446744073709551616' is more bytes than .*" run --kernel "$kernel" \
    --mem 18446744073709551616

# Processors.
refused "0 vCPUs: a machine has 1 to 32" run --kernel "$kernel" --vcpus 0
refused "33 vCPUs: a machine has 1 to 32" run --kernel "$kernel" --vcpus 33
refused "--vcpus: '4294967297x' is not a number of vCPUs" run --kernel "$kernel" --vcpus 4294967297x
refused "a patience of 0 s is out of range: 1 to 3600" run --kernel "$kernel" --patience 0
refused "4294967297 vCPUs: a machine has 1 to 32" run --kernel "$kernel" --vcpus 4294967297

# Command line.
long=$(printf '%2048s' '' | tr ' ' x)
refused "the kernel command line has 2048 bytes, at most 2047 fit" run --kernel "$kernel" \
    --cmdline "$long"
refused "the kernel command line has .* bytes, at most 2047 fit" run --kernel "$kernel" \
    --append "${long#x}"

# Files.
: >"$work/files/empty"
truncate -s 64M "$work/files/large"
mkfifo "$work/files/fifo"
refused "kernel /nonexistent: No such file or directory" run --kernel /nonexistent
refused "kernel .*/empty: the file is empty" run --kernel "$work/files/empty"
refused "kernel .*/files: not a regular file" run --kernel "$work/files"
refused "kernel .*/fifo: not a regular file" run --kernel "$work/files/fifo"
refused "the path of the kernel is empty" run --kernel ''
refused "initrd /nonexistent: No such file or directory" run --kernel "$kernel" --initrd /nonexistent
refused "initrd .*/empty: the file is empty" run --kernel "$kernel" --initrd "$work/files/empty"
refused "initrd .*/large: its 67108864 bytes do not fit into memory of 64M; give the guest more" run --kernel "$kernel" \
    --initrd "$work/files/large" --mem 64M
refused ".*/no/log: No such file or directory" run --kernel "$kernel" --log-file "$work/no/log"

# Devices: their options.
refused "--drive needs a value: --drive PATH.*" run --kernel "$kernel" --drive --rng
refused "--drive: unknown key 'seral', did you mean serial?" run --kernel "$kernel" \
    --drive /a,seral=1
refused "--drive: unknown key 'readonly'; the keys are: ro, .*" run --kernel "$kernel" \
    --drive /a,readonly
refused "--drive: bw: a limit of 0 lets nothing through; .*" run --kernel "$kernel" --drive /a,bw=0
refused "--drive: ops: 'many' is not a number" run --kernel "$kernel" --drive /a,ops=many
refused "the path of a drive is empty" run --kernel "$kernel" --drive ''
refused "two drives are called 'drive1'" run --kernel "$kernel" --drive /a,id=drive1 --drive /b
refused "a network device needs exactly one tap: .*" run --kernel "$kernel" --net mtu=1500
refused "--net: mac: not a MAC address: .*" run --kernel "$kernel" --net tap=t,mac=02:00
refused "--vsock: cid is missing: cid=N,uds=PATH" run --kernel "$kernel" --vsock uds=/s
refused "a guest's vsock CID is 3 to .*, not 2" run --kernel "$kernel" --vsock cid=2,uds=/s
refused "--balloon: '1T' is not a size: .*" run --kernel "$kernel" --balloon=1T
refused "--rng is given twice" run --kernel "$kernel" --rng --rng
many=''
for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do
    many="$many --drive /$number"
done
# shellcheck disable=SC2086 # a list
refused "18 devices are too many: a machine has room for 17" run --kernel "$kernel" $many --rng

# Devices: what they are on the host. Devices that were made before the faulty one go again.
disk=$work/files/disk
truncate -s 1M "$disk"
truncate -s 511 "$work/files/tiny"
truncate -s 1M "$work/files/odd"
vsock="--vsock cid=3,uds=$work/tmp/vsock"
# without CAPABILITIES: makes $MOTE run without these; only root has them anyway
without() {
    dropped=$1
    cat >"$work/mote" <<SCRIPT
#!/bin/sh
[ "\$(id -u)" != 0 ] || set -- setpriv --bounding-set "$dropped" "$real" "\$@"
[ "\$(id -u)" = 0 ] || set -- "$real" "\$@"
exec "\$@"
SCRIPT
    chmod +x "$work/mote"
    MOTE=$work/mote
}
real=$MOTE
refused "drive drive0: /nonexistent: cannot be opened: No such file or directory" run \
    --kernel "$kernel" --drive /nonexistent
refused "drive root: .*/files: a directory, not a disk image" run --kernel "$kernel" \
    --drive "$work/files,id=root"
refused "drive drive0: .*/files: a directory, not a disk image" run --kernel "$kernel" \
    --drive "$work/files,ro"
refused "drive drive0: .*/fifo: neither a file nor a block device" run --kernel "$kernel" \
    --drive "$work/files/fifo"
refused "drive drive0: .*/empty: 0 bytes are less than one block of 512" run --kernel "$kernel" \
    --drive "$work/files/empty"
refused "drive drive0: .*/tiny: 511 bytes are less than one block of 512" run --kernel "$kernel" \
    --drive "$work/files/tiny"
refused "drive drive0: .*/files/a,b: cannot be opened: No such file or directory" run \
    --kernel "$kernel" --drive "$work/files/a,,b,ro"
refused "drive drive1: .*/disk: in use: another process has it open, and a writer needs it alone" run \
    --kernel "$kernel" --drive "$disk,ro" --drive "$disk"
chmod 0 "$work/files/odd"
without -dac_override,-dac_read_search
refused "drive drive0: .*/odd: cannot be opened for writing .*: Permission denied" run \
    --kernel "$kernel" --drive "$work/files/odd"
refused "drive drive0: .*/odd: cannot be opened: Permission denied" run --kernel "$kernel" \
    --drive "$work/files/odd,ro"
MOTE=$real
refused "there is no interface 'no-such-tap': .*" run --kernel "$kernel" --drive "$disk" \
    --net tap=no-such-tap
refused "the interface 'lo' is not a tap" run --kernel "$kernel" --net tap=lo
refused "'an-interface-of-a-long-name' is not an interface name: .*" run --kernel "$kernel" \
    --net tap=an-interface-of-a-long-name
refused "descriptor 0 is not a tap .*" run --kernel "$kernel" --net fd=0
refused "descriptor 99 is not open" run --kernel "$kernel" --net fd=99
refused "vsock: the path of a vsock's unix socket has at most 96 characters, because '_PORT' .*" run \
    --kernel "$kernel" --vsock "cid=3,uds=/$(printf '%96s' '' | tr ' ' x)"
refused "vsock: the path '.*/disk' is taken by a file that is not a socket" run --kernel "$kernel" \
    --vsock "cid=3,uds=$disk"
refused "vsock: cannot make the unix socket '/no/where': No such file or directory" run \
    --kernel "$kernel" --vsock cid=3,uds=/no/where
# shellcheck disable=SC2086 # two words
refused "a balloon of 1024 MiB does not fit into a guest of 256 MiB" run --kernel "$kernel" \
    --drive "$disk" $vsock --balloon=1G
# shellcheck disable=SC2086 # two words
refused ".*kernel.*" run --kernel "$kernel" --accel emu --drive "$disk" $vsock --rng

# An odd size is no mistake: a warning comes before the sentence about the kernel.
truncate -s 1000 "$work/files/uneven"
"$MOTE" run --kernel "$kernel" --accel emu --drive "$work/files/uneven" </dev/null >"$work/out" 2>"$work/err"
expect_match "a disk of odd size" \
    'drive0: the guest does not see the last 488 bytes of its file: they are not a whole block of 512' "$work/err"
expect_match "and the run goes on" '^mote: .*kernel.*neither an ELF file nor a bzImage' "$work/err"

# A socket that a killed monitor left, and one whose monitor lives.
sock=$work/files/sock
leave='import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])'
python3 -c "$leave" "$sock"
refused ".*kernel.*neither an ELF file nor a bzImage" run --kernel "$kernel" --accel emu \
    --vsock "cid=3,uds=$sock"
expect "the socket of a process that is gone is replaced, and goes" no \
    "$([ -e "$sock" ] && echo yes || echo no)"
python3 -c "$leave; print('bound', flush=True); sys.stdin.read()" "$sock" >"$work/bound" <"$work/files/fifo" &
exec 8>"$work/files/fifo"
while [ ! -s "$work/bound" ]; do sleep 0.1; done
refused "vsock: the socket '.*/sock' is in use by another process" run --kernel "$kernel" \
    --vsock "cid=3,uds=$sock"
exec 8>&-
wait

# A tap that is there, in a network namespace.
cat >"$work/in-net" <<SCRIPT
#!/bin/sh
exec unshare -rn sh -c 'busybox tunctl -t ours >/dev/null && exec "\$@"' sh "$real" "\$@"
SCRIPT
chmod +x "$work/in-net"
MOTE=$work/in-net
refused "the tap 'ours' is busy: another process is attached to it" run --kernel "$kernel" \
    --net tap=ours --net tap=ours
refused "03:00:00:00:00:01 is not an address that an interface can have" run --kernel "$kernel" \
    --net tap=ours,mac=03:00:00:00:00:01
MOTE=$real

# No /dev/kvm: where this host has one, in a mount namespace without it.
real=$MOTE
if [ -e /dev/kvm ]; then
    mkdir "$work/dev"
    cat >"$work/mote" <<SCRIPT
#!/bin/sh
exec unshare -rm sh -c 'mount -t tmpfs none "$work/dev" && touch "$work/dev/null" &&
    mount --bind /dev/null "$work/dev/null" && mount --rbind "$work/dev" /dev && exec "\$@"' \
    sh "$real" "\$@"
SCRIPT
    chmod +x "$work/mote"
    MOTE=$work/mote
fi
refused "/dev/kvm is missing: .*" run --kernel "$kernel" --accel kvm
MOTE=$real

# On a terminal, whose mode stays as it was.
script -qec "stty -g; '$MOTE' run --kernel /nonexistent; stty -g" /dev/null </dev/null |
    tr -d '\r' >"$work/modes"
expect "a sentence and the terminal's mode, twice the same" "3 2" \
    "$(wc -l <"$work/modes") $(sort "$work/modes" | uniq | wc -l)"

# With no standard descriptors but the one for messages, and with none at all.
"$MOTE" run --kernel /nonexistent <&- >&- 2>"$work/err"
expect "stdin and stdout closed" "2 mote: kernel /nonexistent: No such file or directory" \
    "$? $(cat "$work/err")"
"$MOTE" run --kernel /nonexistent <&- >&- 2>&-
expect "all three closed" 2 $?

# Nowhere to print to.
"$MOTE" doctor >/dev/full 2>"$work/err"
expect "a full disk" "2 mote: the findings cannot be printed: No space left on device" \
    "$? $(cat "$work/err")"

# Not wrong at all.
for option in --help --version 'run --help' 'doctor --help'; do
    # shellcheck disable=SC2086 # two words
    "$MOTE" $option >"$work/out" 2>"$work/err"
    expect "mote $option" "0 yes no" \
        "$? $([ -s "$work/out" ] && echo yes || echo no) $([ -s "$work/err" ] && echo yes || echo no)"
done
conclude
