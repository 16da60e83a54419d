#!/usr/bin/env python3
"""Includes go down only: the arrows between folders, and no circle anywhere.

What may include what is the table below, and nothing else. Inside a folder a file and its header are
one module, and the modules' includes form no circle. What lies in a folder named after an
architecture is seen only from such folders."""

import pathlib
import re

import tree

# folder of src/: the folders below it
BELOW = {
    "main": {"api", "core", "emu", "jail"},
    "api": {"core", "virtio-mmio"},
    "virtio-mmio": {"core"},
    "emu": {"core"},
    "core": set(),
    "jail": set(),
}
ARCHITECTURES = {"x86"}

# Tests and benches see all of src/, and besides it what they share; benches the tests' driver too.
ROOTS = {"src": ["src"], "tests": ["src", "tests"], "bench": ["src", "bench", "tests"]}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(root, path):
    """(line number, '<' or '"', name) of each include."""
    for number, line in enumerate(tree.lines(root, path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1], match[2]


def folder_of(path):
    """The floor that a path below src/ is on; src/main.c is one by itself."""
    return "main" if path == pathlib.PurePath("main.c") else path.parts[0]


def is_architecture(path):
    return bool(ARCHITECTURES & set(path.parts))


def judge_arrow(source, target):
    """What is wrong with a file of src/ including another, both relative to src/; or None."""
    here, there = folder_of(source), folder_of(target)
    if here not in BELOW:
        return f"{here} is no folder of the design"
    if there != here and there not in BELOW[here]:
        return f"{here} may not include {there}"
    if is_architecture(target) and not is_architecture(source):
        return "only an architecture's own folder may include its headers"
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
        return judge_arrow(path.relative_to("src"), pathlib.PurePath(name))
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
    return {
        path.relative_to("src").as_posix(): {
            name for _, quote, name in includes(root, path) if quote == '"'
        }
        for path in tree.c_files(root, ["src"])
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


def circles(graph):
    """One sentence for each circle that a walk through the graph closes."""
    done, trail = set(), []

    def walk(module):
        if module in trail:
            yield "include circle: " + " -> ".join(trail[trail.index(module) :] + [module])
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


def check(root):
    faults = []
    for path in tree.c_files(root):
        for number, quote, name in includes(root, path):
            fault = judge_include(root, path, quote, name)
            if fault:
                faults.append(f"{path}:{number}: {name}: {fault}")
        faults += order_faults(root, path)
    files = file_graph(root)
    return faults + list(circles(files)) + list(circles(module_graph(files)))


HEADER = "src/core/planted_low.h"
PLANTED = [
    (
        "core includes api",
        {"src/api/planted.h": "\n", "src/core/planted.c": '#include "api/planted.h"\n'},
        "core may not include api",
    ),
    (
        "jail includes core",
        {HEADER: "\n", "src/jail/planted.c": '#include "core/planted_low.h"\n'},
        "jail may not include core",
    ),
    (
        "a folder that the design does not know",
        {HEADER: "\n", "src/misc/planted.c": '#include "core/planted_low.h"\n'},
        "misc is no folder of the design",
    ),
    (
        "a circle of two headers",
        {
            "src/core/planted_a.h": '#include "core/planted_b.h"\n',
            "src/core/planted_b.h": '#include "core/planted_a.h"\n',
        },
        "include circle: core/planted_a.h -> core/planted_b.h -> core/planted_a.h",
    ),
    (
        "a circle of two modules",
        {
            "src/core/planted_a.h": "\n",
            "src/core/planted_a.c": '#include "core/planted_a.h"\n\n#include "core/planted_b.h"\n',
            "src/core/planted_b.h": "\n",
            "src/core/planted_b.c": '#include "core/planted_b.h"\n\n#include "core/planted_a.h"\n',
        },
        "include circle: core/planted_a -> core/planted_b -> core/planted_a",
    ),
    (
        "an architecture's header outside",
        {"src/core/x86/planted.h": "\n", "src/core/planted.c": '#include "core/x86/planted.h"\n'},
        "only an architecture's own folder",
    ),
    (
        "no folder named",
        {HEADER: "\n", "src/core/planted.c": '#include "planted_low.h"\n'},
        "names its folder",
    ),
    (
        "a header of ours in angle brackets",
        {HEADER: "\n", "src/core/planted.c": "#include <core/planted_low.h>\n"},
        "comes in quotes",
    ),
    (
        "a header that is not there",
        {"src/core/planted.c": '#include "core/planted_low.h"\n'},
        "there is no such file",
    ),
    (
        "a system header after ours",
        {
            HEADER: "\n",
            "src/core/planted.c": "#include <errno.h>\n"
            '#include "core/planted_low.h"\n#include <stdio.h>\n',
        },
        "<stdio.h> comes before the project's headers",
    ),
    (
        "the own header second",
        {
            "src/core/planted.h": "\n",
            "src/core/planted.c": '#include <stdio.h>\n\n#include "core/planted.h"\n',
        },
        "its own header comes first",
    ),
]

if __name__ == "__main__":
    tree.run(check, PLANTED)
