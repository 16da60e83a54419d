#!/bin/sh
# Kernels and initrds that cannot be booted, on a host with KVM: for each, mote ends with status 2
# and one sentence that names the file, and leaves nothing behind.
#
# The script runs itself in the bed, and on this host too where its KVM can run Linux, with
# KVM_PLACE set; there it does the checks.
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib.sh
. "$here/../lib.sh"

if [ -z "${KVM_PLACE:-}" ]; then
    GUEST=$("$MOTE_SOURCE/resources/guest" -u) || exit 1
    export GUEST
    "$MOTE_SOURCE/tests/bed/kvmbed" -m 1536 -t 300 -f "$MOTE:/bin/mote" \
        -f "$GUEST/vmlinuz:/guest/vmlinuz" -f "$GUEST/vmlinux:/guest/vmlinux" \
        -f "$here/../lib.sh:/tests/lib.sh" -f "$0:/tests/e2e/test" \
        'KVM_PLACE=bed MOTE=/bin/mote GUEST=/guest sh /tests/e2e/test'
    expect "bad kernels in the bed" 0 $?
    if why=$(host_kvm); then
        KVM_PLACE=host "$0"
        expect "bad kernels on this host's KVM" 0 $?
    else
        echo "in the bed only: $why"
    fi
    conclude
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
export TMPDIR="$work/tmp"

# refused WHAT NAMED OPTION...: mote refuses the options, in one sentence with NAMED in it.
refused() {
    what=$1
    named=$2
    shift 2
    status=0
    (cd "$work/tmp" && exec timeout 60 "$MOTE" run --accel kvm "$@") </dev/null >"$work/out" 2>"$work/err" ||
        status=$?
    if [ "$status" != 2 ]; then
        fail "$what" "status $status instead of 2" "$(cat "$work/err")"
    elif [ "$(wc -l <"$work/err")" != 1 ] || ! grep -q "^mote: .*$named" "$work/err"; then
        fail "$what" "wanted one sentence about $named" "got: $(cat "$work/err")"
    elif [ -s "$work/out" ] || [ -n "$(ls -A "$work/tmp")" ]; then
        fail "$what" "left behind: $(head -c 200 "$work/out") $(ls -A "$work/tmp")"
    else
        pass "$what: $(cut -c 7- "$work/err")"
    fi
}

# poke FILE OFFSET BYTES: bytes as printf escapes
poke() {
    # shellcheck disable=SC2059 # the escapes are the point
    printf "$3" | dd of="$1" bs=1 seek=$(($2)) conv=notrunc 2>/dev/null
}

# spoilt NAME FROM OFFSET BYTES WHAT: mote refuses a copy with some bytes changed
spoilt() {
    cp "$2" "$work/$1"
    poke "$work/$1" "$3" "$4"
    refused "$5" "$1" --kernel "$work/$1"
    rm "$work/$1"
}

# cut_off NAME FROM SIZE: mote refuses a copy of the first SIZE bytes
cut_off() {
    head -c "$3" "$2" >"$work/$1"
    refused "$2 cut off after $3 bytes" "$1" --kernel "$work/$1"
    rm "$work/$1"
}

bzimage=$GUEST/vmlinuz
elf=$GUEST/vmlinux

echo "#!/bin/sh" >"$work/script"
refused "a text file" script --kernel "$work/script"
head -c 65536 /dev/zero >"$work/zeros"
refused "zeros" zeros --kernel "$work/zeros"

for size in 1 4 16 63 64 100 400 4096; do
    cut_off short-elf "$elf" $size
done
spoilt elf32 "$elf" 4 '\001' "a 32-bit ELF"
spoilt big-endian "$elf" 5 '\002' "a big-endian ELF"
spoilt aarch64 "$elf" 18 '\267\000' "an ELF for another architecture"
spoilt phoff "$elf" 32 '\377\377\377\377\377\377\377\377' "program headers beyond the file"
spoilt phnum "$elf" 56 '\377\377' "a number of program headers that is elsewhere (PN_XNUM)"
spoilt p-offset "$elf" 64+8 '\377\377\377\377\377\377\377\177' "a segment beyond the file"
spoilt p-paddr "$elf" 64+24 '\000\360\377\377\377\377\377\377' "a segment that wraps"
spoilt p-memsz "$elf" 64+40 '\377\377\377\377\377\377\377\177' "a segment larger than memory"

for size in 510 512 520 600 700 4096 1000000; do
    cut_off short-bzimage "$bzimage" $size
done
spoilt protocol "$bzimage" 0x206 '\005\002' "a bzImage of protocol 2.05"
spoilt offset "$bzimage" 0x248 '\377\377\377\177' "a payload beyond the file"
spoilt length "$bzimage" 0x24c '\377\377\377\177' "a payload longer than the file"
spoilt nothing "$bzimage" 0x24c '\000\000\000\000' "a payload of no bytes"

refused "a kernel that does not fit" vmlinux --kernel "$elf" --mem 32M
truncate -s 250M "$work/initrd"
refused "an initrd that does not fit beside the kernel" initrd --kernel "$elf" \
    --initrd "$work/initrd" --mem 256M

# What only the bed can be deprived of.
if [ "$KVM_PLACE" = bed ]; then
    echo 0 >/proc/sys/vm/nr_hugepages
    refused "huge pages that the host has not set aside" 'huge pages' --kernel "$elf" --huge-pages 2M
    echo 2 >/proc/sys/vm/overcommit_memory
    refused "more memory than the host can map" 'memory' --kernel "$elf" --mem 64G
    echo 0 >/proc/sys/vm/overcommit_memory

    real=$MOTE
    mkdir -p /etc
    echo 'nobody:x:65534:65534::/:/bin/sh' >>/etc/passwd
    cat >"$work/as-nobody" <<SCRIPT
#!/bin/sh
exec start-stop-daemon -S -c nobody -x "$real" -- "\$@"
SCRIPT
    chmod 755 "$work/as-nobody" "$work"
    MOTE=$work/as-nobody
    refused "a /dev/kvm that this user may not open" '/dev/kvm' --kernel "$elf"
    MOTE=$real
fi
conclude
