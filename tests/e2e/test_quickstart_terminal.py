#!/usr/bin/env python3
"""The README's first command in front of a person: a shell in the guest, on whatever accelerator
auto chooses, and the terminal given back."""

import pathlib

from terminal import Terminal, check, conclude

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    t = Terminal(["sh", "-c", f"stty -a; {ROOT}/resources/quickstart; echo status=$?; stty -a"])
    check("the terminal is as it should be", t.wait_for(" icanon "), t)
    check("the guest's shell shows its prompt", t.wait_for("guest:.*# "), t)
    t.type("echo answer $((6 * 7))\r")
    check("a typed line is shown", t.wait_for("echo answer"), t)
    check("and answered", t.wait_for("answer 42"), t)
    t.type("poweroff\r")
    check("poweroff ends quickstart with status 0", t.wait_for("status=0"), t)
    check("the terminal is what it was", t.wait_for(" icanon "), t)
    check("and nothing is left on it", t.end() == 0, t)
    conclude()


main()
