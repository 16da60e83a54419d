#!/usr/bin/env python3
"""The sizes the tree is held to: files, functions, headers, comments and tests; what static functions
are called; and what lies at the top.

Lengths are in lines. A function's is that of its body, braces included; clang-format puts its
opening brace, and no other, at the start of a line."""

import re
import shutil
import statistics
import subprocess

import tree

FILE_MAX = 600
HEADER_MAX = 150
FUNCTION_MAX = 80
WIDTH_MAX = 100  # columns; the formatter sees to code, and leaves comments alone
SHARES = ((60, 0.01), (40, 0.10))  # at most this share of functions is longer than that
FILE_MEDIAN_MAX = 300
HEADER_MEDIAN_MAX = 80
FUNCTION_MEDIAN_MAX = 14
COMMENT_SHARE = (0.12, 0.25)  # of the lines of src/ that are not blank, those that hold a comment
TEST_RATIO_MIN = 0.8  # lines of tests for each line of src/

# A data table may be as long as its subject, and one dispatch switch as long as its cases.
TABLES = set()
SWITCHES = set()  # "src/folder/file.c:function"

TOP = {"CMakeLists.txt", "README.md", "LICENSE", "src", "resources", "tests", "bench"}

ATTRIBUTE = re.compile(r"__attribute__\(\((?:[^()]|\([^()]*\))*\)\) ?")
SIGNATURE = re.compile(r"^(\w.*?)\b(\w+)\(")


def functions(lines):
    """(name, whether it is static, first line number, length) of each function of a clang-formatted
    file."""
    start = name = is_static = None
    for number, line in enumerate(lines, 1):
        match = SIGNATURE.match(ATTRIBUTE.sub("", line))
        if match and start is None:
            name, is_static = match[2], "static" in match[1].split()
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            yield name, is_static, start, number - start + 1
            start = None


def size_faults(root, path):
    lines = tree.lines(root, path)
    is_manual = path.suffix == ".h" and path.parts[0] == "src"
    limit = HEADER_MAX if is_manual else FILE_MAX
    if len(lines) > limit and str(path) not in TABLES:
        yield f"{path} has {len(lines)} lines, at most {limit} are allowed"
    for number, line in enumerate(lines, 1):
        if len(line) > WIDTH_MAX:
            yield f"{path}:{number}: {len(line)} columns, at most {WIDTH_MAX} are allowed"
    for name, _, number, length in functions(lines):
        if length > FUNCTION_MAX and f"{path}:{name}" not in SWITCHES:
            yield f"{path}:{number}: {name} has {length} lines, at most {FUNCTION_MAX} are allowed"


def median_fault(what, lengths, limit):
    middle = statistics.median(lengths) if lengths else 0
    if middle > limit:
        yield f"the median {what} has {middle:g} lines, at most {limit} are allowed"


def share_faults(lengths):
    for limit, share in SHARES:
        over = sum(length > limit for length in lengths)
        if over > share * len(lengths):
            yield f"{over} of {len(lengths)} functions have over {limit} lines, at most {share:.0%} may"


def comment_lines(lines):
    """How many of these lines hold a comment or a part of one."""
    count, inside = 0, False
    for line in lines:
        begins = line.rfind("/*")
        count += inside or begins >= 0 or line.lstrip().startswith("//")
        if inside or begins >= 0:
            inside = "*/" not in line[max(begins, 0) :]
    return count


def comment_faults(root, paths):
    lines = [line for path in paths for line in tree.lines(root, path) if line.strip()]
    low, high = COMMENT_SHARE
    share = comment_lines(lines) / max(1, len(lines))
    if not low <= share <= high:
        yield f"{share:.0%} of the lines hold comments, {low:.0%} to {high:.0%} should"


def test_faults(root, paths):
    source = sum(len(tree.lines(root, path)) for path in paths)
    tests = sum(len(tree.lines(root, path)) for path in tree.c_files(root, ["tests"]))
    if tests < TEST_RATIO_MIN * source:
        yield f"{tests} lines of tests for {source} of src are too few"


def name_faults(root, paths):
    """A backtrace shows a static function's name and no file: it is one of its own, of two words."""
    homes = {}
    for path in paths:
        if path.suffix != ".c":
            continue
        for name, is_static, number, _ in functions(tree.lines(root, path)):
            if not is_static:
                continue
            if "_" not in name:
                yield f"{path}:{number}: {name} says too little in a backtrace"
            homes.setdefault(name, set()).add(str(path))
    for name, where in sorted(homes.items()):
        if len(where) > 1:
            yield f"static function {name} is in several files: {', '.join(sorted(where))}"


def body_faults(root):
    """What is asked of src/ as a whole."""
    paths = tree.c_files(root, ["src"])
    length = {path: len(tree.lines(root, path)) for path in paths}
    bodies = [body for path in paths for *_, body in functions(tree.lines(root, path))]
    sources = [length[path] for path in paths if path.suffix == ".c"]
    headers = [length[path] for path in paths if path.suffix == ".h"]
    yield from median_fault(".c file", sources, FILE_MEDIAN_MAX)
    yield from median_fault("header", headers, HEADER_MEDIAN_MAX)
    yield from median_fault("function", bodies, FUNCTION_MEDIAN_MAX)
    yield from share_faults(bodies)
    yield from name_faults(root, paths)
    yield from comment_faults(root, paths)
    yield from test_faults(root, paths)


def top_faults(root):
    """Nothing at the top but what the design names and dotfiles; of a checkout, what git knows."""
    listed = shutil.which("git") and subprocess.run(
        ["git", "-C", root, "ls-files"], capture_output=True, text=True, check=False
    )
    if listed and listed.returncode == 0:
        names = {line.split("/")[0] for line in listed.stdout.splitlines()}
    else:
        names = {path.name for path in root.iterdir()} - {"build"}
    for name in sorted(names - TOP):
        if not name.startswith(".") and name != "CMakePresets.json":
            yield f"{name} has no place at the top of the tree"


def check(root):
    faults = [fault for path in tree.c_files(root) for fault in size_faults(root, path)]
    return faults + list(body_faults(root)) + list(top_faults(root))


def function_of(lines, name="planted"):
    return f"int {name}(void)\n{{\n" + "    call();\n" * (lines - 2) + "}\n\n"


PURE = "__attribute__((format(printf, 1, 2)))"
PLANTED = [
    ("a long file", {"src/core/planted.c": "\n" * (FILE_MAX + 1)}, "planted.c has 601 lines"),
    ("a long header", {"src/core/planted.h": "\n" * (HEADER_MAX + 1)}, "planted.h has 151 lines"),
    ("a long function", {"tests/planted.c": function_of(81)}, "planted has 81 lines"),
    (
        "many functions over 60 lines",
        {f"src/core/planted_{n}.c": function_of(61) * 9 for n in range(50)},
        "functions have over 60 lines",
    ),
    (
        "many functions over 40 lines",
        {f"src/core/planted_{n}.c": function_of(41) * 9 for n in range(50)},
        "functions have over 40 lines",
    ),
    (
        "functions long at the median",
        {f"src/core/planted_{n}.c": function_of(15) * 30 for n in range(100)},
        "the median function has 15 lines",
    ),
    (
        "files long at the median",
        {f"src/core/planted_{n}.c": "\n" * 301 for n in range(500)},
        "the median .c file has 301 lines",
    ),
    (
        "headers long at the median",
        {f"src/core/planted_{n}.h": "\n" * 81 for n in range(500)},
        "the median header has 81 lines",
    ),
    (
        "hardly a comment",
        {"src/core/planted.c": "call();\n" * 100000},
        "of the lines hold comments",
    ),
    (
        "nothing but comments",
        {"src/core/planted.c": "/* one\n * two */\n" * 100000},
        "of the lines hold comments",
    ),
    ("a wide line", {"src/core/vm/planted.c": f"/* {'x' * 95} */\n"}, "101 columns"),
    (
        "a static function of one word",
        {"src/core/vm/planted.c": f"{PURE} static int planted(void)\n{{\n    return 1;\n}}\n"},
        "planted says too little",
    ),
    (
        "two static functions of one name",
        {
            f"src/core/vm/planted_{n}.c": "static int is_planted(void)\n{\n    return 1;\n}\n"
            for n in range(2)
        },
        "static function is_planted is in several files",
    ),
    ("few tests", {"src/core/planted.c": "\n" * 500000}, "of src are too few"),
    ("a stray file at the top", {"utils.c": "\n"}, "utils.c has no place"),
]

if __name__ == "__main__":
    tree.run(check, PLANTED)
