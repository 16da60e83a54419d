#!/usr/bin/env python3
"""mote on a terminal: keys reach the guest one by one, Ctrl-A is the operator's, and the terminal is
afterwards what it was before.

Runs in the bed, whose -T hands a pseudoterminal of this script through to a shell inside."""

import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import time

LIMIT = 120  # seconds for any answer
ROOT = pathlib.Path(__file__).resolve().parents[2]
MOTE = os.environ.get("MOTE") or ROOT / "build/release/mote"


class Terminal:
    """A program on a pseudoterminal, talked to as a person would: wait for words, type."""

    def __init__(self, command):
        self.fd, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.seen = ""

    def wait_for(self, pattern):
        """True once the words since the last match hold the pattern."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end() :]
                return True
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:  # the other side is closed
                    return False
                self.seen += data.decode(errors="replace")
        return False

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            return None


failures = 0


def check(what, good, terminal):
    global failures
    print(f"{'ok' if good else 'FAILED'}: {what}")
    if not good:
        failures += 1
        print("    last seen:", repr(terminal.seen[-600:]))


def main():
    guest = subprocess.run(
        [ROOT / "resources/guest"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    t = Terminal(
        [ROOT / "tests/bed/kvmbed", "-T", "-t", "600", "-f", f"{MOTE}:/bin/mote"]
        + ["-f", f"{guest}/vmlinuz:/vmlinuz", "-f", f"{guest}/initrd:/initrd", "PS1='bed''> ' sh"]
    )
    run = "mote run --accel kvm --kernel /vmlinuz --initrd /initrd --append quiet; echo status=$?\r"

    check("the bed has a shell", t.wait_for("bed> "), t)
    t.type("stty -a >/before; echo no''ted\r")
    check("and takes what is typed", t.wait_for("noted"), t)

    t.type(run)
    check("the guest's shell shows its prompt", t.wait_for("guest:.*# "), t)
    t.type("echo answer $((6 * 7))\r")
    check("a typed line reaches the guest", t.wait_for("answer 42"), t)
    t.type("sleep 1000\r")
    check("a typed line is shown", t.wait_for("sleep 1000"), t)
    time.sleep(1)
    t.type("\x03")
    check("Ctrl-C is the guest's", t.wait_for("guest:.*# "), t)
    t.type("cat -v\r")
    check("and so is what follows", t.wait_for("cat -v"), t)
    t.type("\x01c\r")
    check("Ctrl-A c is Ctrl-A for the guest", t.wait_for(r"\^A\r"), t)
    t.type("\x01x")
    check("Ctrl-A x ends mote with status 0", t.wait_for("status=0"), t)
    t.type("stty -a | cmp - /before && echo re''stored\r")
    check("the terminal is what it was", t.wait_for("restored"), t)

    t.type(run)
    check("a second guest starts on it", t.wait_for("guest:.*# "), t)
    t.type("poweroff\r")
    check("poweroff ends mote with status 0", t.wait_for("status=0"), t)
    t.type("stty -a | cmp - /before && echo re''stored\r")
    check("the terminal is what it was", t.wait_for("restored"), t)
    t.type("exit 9\r")
    check("the bed passes the last status on", t.end() == 9, t)
    sys.exit(1 if failures else 0)


main()
