#!/bin/sh
# A stock guest gives memory back on the software CPU, on this host.
accel=emu exec "$(dirname "$0")/test_balloon.sh"
