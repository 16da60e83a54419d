#!/bin/sh
# A few boots in a row all succeed; the same with a larger number is a soak.
exec "$(dirname "$0")/soak" kvm 4
