#!/usr/bin/env python3
"""Includes and calls go down only: the arrows between rooms, and no circle anywhere.

A room is a folder of src/ with files in it. What may include or call what is the table below, and
nothing else; an arrow of the table that nothing needs is a fault too. Neither includes nor calls
form a circle of files, inside a room either. What is meant for one architecture is seen only from
folders named after it."""

import collections
import pathlib
import re

import calls
import tree

# Each room: the rooms below it that it may include and call. main.c is a room by itself.
CORE = "core/base core/log"
VIRTIO = f"{CORE} core/loop core/vm virtio-mmio/queue"
DEVICES = "virtio-mmio/blk virtio-mmio/net virtio-mmio/vsock virtio-mmio/balloon virtio-mmio/rng"
ROOMS = {
    "core/base": "",
    "core/log": "core/base",
    "core/host": "",
    "core/loop": f"{CORE} core/host",
    "core/vm": "core/base core/loop",
    "core/dev": "core/base core/vm",
    "core/x86": "core/base core/vm",
    "core/x86/image": "core/base core/vm core/x86",
    "core/x86/boot": "core/base core/vm core/x86 core/x86/image",
    "core/x86/tables": "core/base core/vm core/dev core/x86",
    "core/x86/board": f"{CORE} core/vm core/dev core/x86 core/x86/boot core/x86/tables",
    "core/kvm": f"{CORE} core/host core/vm core/x86",
    "virtio-mmio/queue": "core/vm",
    "virtio-mmio": VIRTIO,
    "virtio-mmio/rng": "core/base core/loop virtio-mmio/queue virtio-mmio",
    "virtio-mmio/balloon": f"{VIRTIO} virtio-mmio",
    "virtio-mmio/blk": f"{CORE} core/loop virtio-mmio/queue virtio-mmio",
    "virtio-mmio/net": f"{CORE} core/loop virtio-mmio/queue virtio-mmio",
    "virtio-mmio/vsock": f"{CORE} core/loop virtio-mmio/queue virtio-mmio",
    "emu/x86/cpu": "core/base core/vm core/x86",
    "emu/x86/decode": "core/base core/x86",
    "emu/x86/time": "core/base core/vm emu/x86/cpu",
    "emu/x86/apic": "core/base core/dev core/x86 emu/x86/cpu emu/x86/time",
    "emu/x86/mem": "core/base core/vm core/x86 emu/x86/cpu emu/x86/decode emu/x86/apic",
    "emu/x86/seg": "core/x86 emu/x86/cpu emu/x86/decode emu/x86/mem",
    "emu/x86/sys": "core/base core/vm core/x86 emu/x86/cpu emu/x86/decode emu/x86/time"
    " emu/x86/apic emu/x86/mem",
    "emu/x86/op": "core/base core/vm core/x86 emu/x86/cpu emu/x86/decode emu/x86/time emu/x86/mem"
    " emu/x86/seg emu/x86/sys",
    "emu/x86/native": "core/base core/x86 emu/x86/cpu emu/x86/decode emu/x86/mem emu/x86/op",
    "emu": "core/vm",
    "emu/x86": f"{CORE} core/vm core/x86 emu/x86/cpu emu/x86/decode emu/x86/time emu/x86/apic"
    " emu/x86/mem emu/x86/seg emu/x86/sys emu/x86/op emu/x86/native emu",
    "api/config": f"core/base core/vm {DEVICES}",
    "api/machine": f"{CORE} core/loop core/vm virtio-mmio {DEVICES} api/config",
    "api/run": f"{CORE} core/loop core/vm core/dev api/config api/machine",
    "api/cli": f"{CORE} api/config api/run",
    "api/doctor": "core/base core/host core/loop core/vm core/kvm api/machine",
    "main": f"{CORE} core/kvm core/x86/board emu emu/x86 api/run api/cli api/doctor",
    "jail": "core/base core/log",
}
BELOW = {room: set(rooms.split()) for room, rooms in ROOMS.items()}

# Folders that are their room's own: its part for one kind of host, and its data.
PARTS = {
    "core/host/x86_64": "core/host",
    "core/kvm/x86": "core/kvm",
    "emu/x86/decode/tables": "emu/x86/decode",
}

ARCHITECTURES = {"x86", "x86_64"}
# Who chooses the architecture has to name it.
PICKS = {"main.c"}

FILES_MAX = 20  # in a folder of these
CROWDED = ("src", "tests/unit", "tests/lib", "tests/guest")
FILES_ALONE = 5  # a room with more says in a header's head what it is
ABOUT = re.compile(r"^ \* This room\b", re.MULTILINE)

# Tests and benches see all of src/, and besides it what they share; benches the tests' driver too.
ROOTS = {"src": ["src"], "tests": ["src", "tests"], "bench": ["src", "bench", "tests"]}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(root, path):
    """(line number, '<' or '"', name) of each include."""
    for number, line in enumerate(tree.lines(root, path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1], match[2]


def folder_of(name):
    """The folder of a file that is named relative to src/."""
    return str(pathlib.PurePath(name).parent) if "/" in name else "main"


def room_of(name):
    folder = folder_of(name)
    return PARTS.get(folder, folder)


def is_architecture(name):
    return bool(ARCHITECTURES & set(pathlib.PurePath(name).parts))


def judge_arrow(source, target, verb):
    """What is wrong with a file of src/ including or calling another, both relative to src/; or None."""
    here, there = room_of(source), room_of(target)
    if here not in BELOW:
        return f"{here} is no room of the design"
    if there != here and there not in BELOW[here]:
        return f"{here} may not {verb} {there}"
    if (
        is_architecture(target)
        and (verb == "include" or folder_of(target) not in PARTS)
        and not is_architecture(source)
        and source not in PICKS
    ):
        return f"only an architecture's own folder may {verb} what is in it"
    return None


def judge_include(root, path, quote, name):
    top = path.parts[0]
    found = [r for r in ROOTS[top] if (root / r / name).is_file()]
    if quote == "<":
        return "a header of the project comes in quotes" if found else None
    if "/" not in name:
        return "an include names its folder"
    if not found:
        return "there is no such file"
    if top == "src":
        return judge_arrow(path.relative_to("src").as_posix(), name, "include")
    return None


def order_faults(root, path):
    """The header that a file implements or tests first, then the system's, then the rest of ours."""
    own = path.relative_to(path.parts[0]).with_suffix(".h").as_posix()
    found = list(includes(root, path))
    names = [name for _, _, name in found]
    if path.suffix == ".c" and own in names and names[0] != own:
        yield f"{path}: its own header comes first"
    ours = False
    for number, quote, name in found[1:]:
        if quote == "<" and ours:
            yield f"{path}:{number}: <{name}> comes before the project's headers"
        ours |= quote == '"'


def file_graph(root):
    """Each file of src/ -> the files of src/ it includes."""
    tables = [path.relative_to(root) for path in sorted((root / "src").rglob("*.def"))]
    return {
        path.relative_to("src").as_posix(): {
            name for _, quote, name in includes(root, path) if quote == '"'
        }
        for path in tree.c_files(root, ["src"]) + tables
    }


def module_graph(files):
    """Module -> the modules it includes. A module is a .c file and the header of its name; a header
    without such a file has nothing of its own to call and is looked through."""

    def modules(names, seen):
        for name in names - seen:
            seen.add(name)
            if name[:-2] + ".c" in files:
                yield name[:-2]
            else:
                yield from modules(files.get(name, set()), seen)

    graph = {}
    for name in files:
        if name.endswith(".c"):
            module = name[:-2]
            included = files[name] | files.get(module + ".h", set())
            graph[module] = set(modules(included, set())) - {module}
    return graph


def circles(graph, what):
    """One sentence for each circle that a walk through the graph closes."""
    done, trail = set(), []

    def walk(module):
        if module in trail:
            yield f"{what} circle: " + " -> ".join(trail[trail.index(module) :] + [module])
            return
        if module in done:
            return
        trail.append(module)
        for below in sorted(graph.get(module, ())):
            yield from walk(below)
        trail.pop()
        done.add(module)

    for module in sorted(graph):
        yield from walk(module)


def call_faults(graph, strangers):
    for name in strangers:
        yield f"src/{name} does not compile by itself, so that nobody knows what it calls"
    for source, targets in graph.items():
        for target in sorted(targets):
            fault = judge_arrow(source, target, "call")
            if fault:
                yield f"src/{source}: calls {target}: {fault}"
    sources = {name: targets for name, targets in graph.items() if name.endswith(".c")}
    yield from circles(sources, "call")


def crowd_faults(root):
    for top in CROWDED:
        paths = (path.parent for path in (root / top).rglob("*.*"))
        for folder, count in sorted(collections.Counter(paths).items()):
            if count > FILES_MAX:
                where = folder.relative_to(root)
                yield f"{where} has {count} files, at most {FILES_MAX} are allowed"


def about_faults(root):
    """Every folder is a room, and one of many files says in a header what it is."""
    folders, about = collections.Counter(), set()
    for path in (root / "src").rglob("*.*"):
        name = path.relative_to(root / "src").as_posix()
        folders[folder_of(name)] += 1
        if name.endswith(".h") and ABOUT.search(path.read_text(encoding="utf-8")):
            about.add(room_of(name))
    for folder, count in sorted(folders.items()):
        if PARTS.get(folder, folder) not in BELOW:
            yield f"src/{folder} is no room of the design"
        if count > FILES_ALONE and PARTS.get(folder, folder) not in about:
            yield f"src/{folder}: no header says what 'This room' is"


def unused_arrows(files, graph):
    """Arrows of the table that no include and no call needs."""
    used = set()
    for source, targets in list(files.items()) + list(graph.items()):
        used |= {(room_of(source), room_of(target)) for target in targets}
    rooms = {room_of(name) for name in files}
    for room in sorted(rooms & set(BELOW)):
        for below in sorted(BELOW[room]):
            if (room, below) not in used:
                yield f"the table lets {room} use {below}, and nothing does"


def check(root):
    faults = []
    for path in tree.c_files(root):
        for number, quote, name in includes(root, path):
            fault = judge_include(root, path, quote, name)
            if fault:
                faults.append(f"{path}:{number}: {name}: {fault}")
        faults += order_faults(root, path)
    files = file_graph(root)
    faults += circles(files, "include")
    faults += circles(module_graph(files), "include")
    graph, strangers = calls.graph(root, files)
    faults += call_faults(graph, strangers)
    faults += crowd_faults(root)
    faults += about_faults(root)
    return faults + list(unused_arrows(files, graph))


HEADER = "src/core/vm/planted_low.h"
CALLING = "void {callee}(void);\nvoid {caller}(void);\nvoid {caller}(void)\n{{\n    {callee}();\n}}\n"
PLANTED = [
    (
        "core includes api",
        {"src/api/run/planted.h": "\n", "src/core/vm/planted.c": '#include "api/run/planted.h"\n'},
        "core/vm may not include api/run",
    ),
    (
        "jail includes core",
        {HEADER: "\n", "src/jail/planted.c": '#include "core/vm/planted_low.h"\n'},
        "jail may not include core/vm",
    ),
    (
        "a room that the design does not know",
        {HEADER: "\n", "src/misc/planted.c": '#include "core/vm/planted_low.h"\n'},
        "misc is no room of the design",
    ),
    (
        "a circle of two headers",
        {
            "src/core/vm/planted_a.h": '#include "core/vm/planted_b.h"\n',
            "src/core/vm/planted_b.h": '#include "core/vm/planted_a.h"\n',
        },
        "include circle: core/vm/planted_a.h -> core/vm/planted_b.h -> core/vm/planted_a.h",
    ),
    (
        "a circle of two modules",
        {
            "src/core/vm/planted_a.h": "\n",
            "src/core/vm/planted_a.c": '#include "core/vm/planted_a.h"\n\n#include "core/vm/planted_b.h"\n',
            "src/core/vm/planted_b.h": "\n",
            "src/core/vm/planted_b.c": '#include "core/vm/planted_b.h"\n\n#include "core/vm/planted_a.h"\n',
        },
        "include circle: core/vm/planted_a -> core/vm/planted_b -> core/vm/planted_a",
    ),
    (
        "an architecture's header outside",
        {"src/core/x86/planted.h": "\n", "src/core/kvm/planted.c": '#include "core/x86/planted.h"\n'},
        "only an architecture's own folder may include",
    ),
    (
        "a call into an architecture from outside",
        {"src/core/kvm/planted.c": CALLING.format(caller="planted", callee="cpuid_shape")},
        "only an architecture's own folder may call",
    ),
    (
        "a header's inline function that calls up",
        {
            "src/core/vm/planted.h": "void machine_start(void);\n"
            "static inline void planted(void)\n{\n    machine_start();\n}\n"
        },
        "src/core/vm/planted.h: calls api/machine/machine.c: core/vm may not call api/machine",
    ),
    (
        "a file that does not compile by itself",
        {"src/core/vm/planted.c": "#error\n"},
        "src/core/vm/planted.c does not compile",
    ),
    (
        "a folder that is no room, and uses nobody",
        {"src/extra/planted.h": "\n"},
        "src/extra is no room",
    ),
    (
        "a circle of calls, of which no include tells",
        {
            "src/core/vm/planted_a.c": CALLING.format(caller="planted_a", callee="planted_b"),
            "src/core/vm/planted_b.c": CALLING.format(caller="planted_b", callee="planted_a"),
        },
        "call circle: core/vm/planted_a.c -> core/vm/planted_b.c -> core/vm/planted_a.c",
    ),
    (
        "a call that goes up",
        {"src/core/vm/planted.c": CALLING.format(caller="planted", callee="machine_start")},
        "src/core/vm/planted.c: calls api/machine/machine.c: core/vm may not call api/machine",
    ),
    (
        "an arrow that nothing needs",
        {"src/jail/planted.h": "\n"},
        "the table lets jail use core/base, and nothing does",
    ),
    (
        "a room with too many files",
        {f"src/core/vm/planted_{n}.h": "\n" for n in range(FILES_MAX)},
        "src/core/vm has",
    ),
    (
        "a room of six files that says nothing of itself",
        {f"src/jail/planted_{n}.h": "\n" for n in range(FILES_ALONE + 1)},
        "src/jail: no header says",
    ),
    (
        "no folder named",
        {HEADER: "\n", "src/core/vm/planted.c": '#include "planted_low.h"\n'},
        "names its folder",
    ),
    (
        "a header of ours in angle brackets",
        {HEADER: "\n", "src/core/vm/planted.c": "#include <core/vm/planted_low.h>\n"},
        "comes in quotes",
    ),
    (
        "a header that is not there",
        {"src/core/vm/planted.c": '#include "core/vm/planted_low.h"\n'},
        "there is no such file",
    ),
    (
        "a system header after ours",
        {
            HEADER: "\n",
            "src/core/vm/planted.c": "#include <errno.h>\n"
            '#include "core/vm/planted_low.h"\n#include <stdio.h>\n',
        },
        "<stdio.h> comes before the project's headers",
    ),
    (
        "the own header second",
        {
            "src/core/vm/planted.h": "\n",
            "src/core/vm/planted.c": '#include <stdio.h>\n\n#include "core/vm/planted.h"\n',
        },
        "its own header comes first",
    ),
]

if __name__ == "__main__":
    tree.run(check, PLANTED)
