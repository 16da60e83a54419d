"""The tree as the style tests see it: its files, and copies of it with a fault planted."""

import os
import pathlib
import shutil
import sys
import tempfile

C_FOLDERS = ("src", "tests", "bench")


def source_root():
    """The tree under test: MOTE_SOURCE, or the one this file is in."""
    return pathlib.Path(os.environ.get("MOTE_SOURCE") or pathlib.Path(__file__).parents[2])


def c_files(root, folders=C_FOLDERS):
    """Every .c and .h file below these folders, relative to root, in order."""
    return sorted(
        path.relative_to(root)
        for folder in folders
        for path in (root / folder).rglob("*.[ch]")
        if path.is_file()
    )


def lines(root, path):
    return (root / path).read_text(encoding="utf-8").splitlines()


class Planted:
    """A temporary copy of the C files, for `with`: put() adds a file or replaces one."""

    def __init__(self, root):
        self.original = root

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mote-style.")
        self.root = pathlib.Path(self.folder.name)
        for folder in C_FOLDERS:
            if (self.original / folder).is_dir():
                shutil.copytree(self.original / folder, self.root / folder)
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def put(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def run(check, planted_faults):
    """The whole of a style test: the check must find every planted fault, and none in the tree.

    check(root) gives a list of sentences; planted_faults is a list of (what, {path: text}, a part of
    the sentence that this must add)."""
    root = source_root()
    before = check(root)
    failed = False
    for what, files, wanted in planted_faults:
        with Planted(root) as copy:
            for path, text in files.items():
                copy.put(path, text)
            found = any(wanted in fault for fault in check(copy.root) if fault not in before)
        print(f"{'ok' if found else 'FAILED'}: a planted fault is found: {what}")
        failed |= not found
    for fault in before:
        print(f"FAILED: {fault}")
    if not before:
        print("ok: the tree has none")
    sys.exit(1 if failed or before else 0)
