# Checks for shell tests, for any POSIX shell: the tests of the tree and those that run in the bed.
# shellcheck shell=sh
#
# Each check prints one line, "ok: what" or "FAILED: what"; a failed one also prints what it saw.
# The script goes on after a failure and ends with `conclude`.
checks=0
failures=0

pass() {
    checks=$((checks + 1))
    echo "ok: $1"
}

fail() {
    checks=$((checks + 1))
    failures=$((failures + 1))
    echo "FAILED: $1"
    shift
    printf '%s\n' "$@" | sed 's/^/    /'
}

# expect WHAT WANTED GOT
expect() {
    if [ "$2" = "$3" ]; then
        pass "$1"
    else
        fail "$1" "wanted: $2" "got:    $3"
    fi
}

# expect_match WHAT PATTERN FILE: a line of the file matches the basic regular expression.
expect_match() {
    if grep -q -e "$2" "$3"; then
        pass "$1"
    else
        fail "$1" "no line matches: $2" "$(tail -n 30 "$3")"
    fi
}

# host_kvm: can this host's KVM run a guest? Status 0 if $MOTE's doctor says so; otherwise 1, and
# the doctor's reason, in one line, on standard output.
host_kvm() {
    conclusion=$("$MOTE" doctor | tail -n 1)
    case $conclusion in
    *' auto chooses kvm, '*) return 0 ;;
    esac
    echo "${conclusion:-the doctor said nothing}"
    return 1
}

# Ends the script: 0 if every check passed and there was one at all.
conclude() {
    echo "$checks checks, $failures failed"
    [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
    exit
}
