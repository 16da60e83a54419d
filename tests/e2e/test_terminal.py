#!/usr/bin/env python3
"""mote on a terminal: keys reach the guest one by one, Ctrl-A is the operator's, and the terminal is
afterwards what it was before.

Runs in the bed, whose -T hands a pseudoterminal of this script through to a shell inside."""

import os
import pathlib
import subprocess
import time

from terminal import Terminal, check, conclude

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOTE = os.environ.get("MOTE") or ROOT / "build/release/mote"


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
    conclude()


main()
