#!/bin/sh
# The decoder agrees with Zydis on the stock kernel, libc, libcrypto and random strings in any mode.
#
#   test_decode_oracle.sh [COUNT]    COUNT random strings, two million by default
set -eu

guest=$("$MOTE_SOURCE/resources/guest" -u)
lib=/usr/lib/x86_64-linux-gnu
exec "$MOTE_BUILD/tests/decode_oracle" "${1:-2000000}" \
    "$guest/vmlinux" "$lib/libc.so.6" "$lib/libcrypto.so.3"
