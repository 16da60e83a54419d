"""Who calls whom: the symbols that each file of src/ defines and needs, asked of its object file.

The objects are built here without optimisation, so that no call is lost to inlining. A call through
a pointer that a table holds needs no symbol, and is not seen."""

import concurrent.futures
import hashlib
import os
import shlex
import subprocess
import tempfile

import tree

# Symbols through which a file may need one above it, and why.
EXCEPTIONS = {
    "__assert_fail": "libc's name: every assert ends there, and ours writes the log out first",
}

FLAGS = ["-std=gnu11", "-O0", "-D_GNU_SOURCE", '-DMOTE_VERSION="0"', "-Isrc", "-w", "-c"]
DEFINED = set("TDBRCVWi")
NEEDED = set("Uwv")

known = {}  # fingerprint of a file and all it includes: (symbols defined, symbols needed)


def fingerprint(root, name, files):
    """Of the text of src/name and of every file of src/ it includes, directly or not."""
    seen, todo = set(), [name]
    while todo:
        one = todo.pop()
        if one not in seen and (root / "src" / one).is_file():
            seen.add(one)
            todo += files.get(one, ())
    digest = hashlib.sha256(name.encode())
    for one in sorted(seen):
        digest.update((root / "src" / one).read_bytes())
    return digest.hexdigest()


def symbols(root, name):
    """(defined, needed) of src/name, or None where it does not compile. Of a header, what its inline
    functions need."""
    flags = FLAGS + (["-x", "c", "-fkeep-inline-functions"] if name.endswith(".h") else [])
    with tempfile.TemporaryDirectory(prefix="mote-calls.") as folder:
        built = os.path.join(folder, "object")
        compiler = shlex.split(os.environ.get("CC", "cc"))
        done = subprocess.run(
            [*compiler, *flags, f"src/{name}", "-o", built], cwd=root, capture_output=True, check=False
        )
        if done.returncode != 0:
            return None
        listed = subprocess.run(["nm", built], capture_output=True, text=True, check=True).stdout
    defined, needed = set(), set()
    for line in listed.splitlines():
        *_, kind, symbol = line.split()
        if kind in DEFINED:
            defined.add(symbol)
        elif kind in NEEDED:
            needed.add(symbol)
    return defined, needed - set(EXCEPTIONS)


def graph(root, files):
    """(calls, strangers). calls: each file of src/ -> the .c files that define what it needs.
    strangers: the files that do not compile. `files`: each file -> those it includes."""
    names = sorted(name for name in files if name.endswith((".c", ".h")))
    prints = {name: fingerprint(root, name, files) for name in names}
    new = [name for name in names if prints[name] not in known]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, found in zip(new, pool.map(lambda name: symbols(root, name), new)):
            known[prints[name]] = found
    told = {name: known[prints[name]] for name in names if known[prints[name]]}
    home = {symbol: name for name in told if name.endswith(".c") for symbol in told[name][0]}
    calls = {
        name: {home[symbol] for symbol in told[name][1] if symbol in home} - {name} for name in told
    }
    return calls, [name for name in names if name not in told]
