#!/bin/sh
# The decoder agrees with Zydis on the stock kernel, libc, libcrypto and ten million random strings in
# each mode. DECODE_ORACLE_COUNT: another number of these.
set -eu

guest=$("$MOTE_SOURCE/resources/guest" -u)
lib=/usr/lib/x86_64-linux-gnu
exec "$MOTE_BUILD/tests/decode_oracle" "${DECODE_ORACLE_COUNT:-10000000}" \
    "$guest/vmlinux" "$lib/libc.so.6" "$lib/libcrypto.so.3"
