#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/requirements.md has every row, and every test it names; a TAP test.

usage: check-requirements.py SOURCE_ROOT
"""
import pathlib
import re
import sys

source_root = pathlib.Path(sys.argv[1])
page = (source_root / "docs/requirements.md").read_text(encoding="utf-8")
SECTIONS = {  # letter: the rows that must be there
    "A": list(range(1, 22)),
    "B": list(range(1, 39)),
    "C": [*range(4, 35), *range(37, 50), *range(56, 59), 62, 64,
          *range(69, 75), *range(78, 102)],
    "AC": list(range(1, 11)),
}


def read_literals():
    """String literals of the tests; a path is one, or made of two."""
    literals = set()
    for path in (source_root / "tests").rglob("*.c"):
        text = path.read_text(encoding="utf-8")
        literals.update(re.findall(r'"((?:[^"\\\n]|\\.)*)"', text))
    for path in (source_root / "tests").rglob("*.py"):  # behind "ok 1 "
        text = path.read_text(encoding="utf-8")
        literals.update(re.sub(r"{[^}]*}", "%s", name) for name in
                        re.findall(r'(/[a-z][\w/{}.-]*)["\s]', text))
    return literals


def make_patterns(literals):
    """Paths that are printed: /cache/C20/object/%s."""
    patterns = []
    for literal in literals:
        if literal.startswith("/") and "%" in literal:
            parts = re.split(r"%[a-z]", literal)
            patterns.append(re.compile(".+".join(map(re.escape, parts))))
    return patterns


literals = read_literals()
patterns = make_patterns(literals)
prefixes = {literal for literal in literals
            if literal.startswith("/") and literal.endswith("/")}


def exists(path):
    if path.endswith("..."):
        start = path[:-3]
        return any(literal.startswith(start) for literal in literals) or any(
            start.startswith(prefix) and any(
                literal.startswith(start[len(prefix):])
                for literal in literals)
            for prefix in prefixes if start != prefix)
    return (path in literals
            or any(path.startswith(prefix) and path[len(prefix):] in literals
                   for prefix in prefixes)
            or any(pattern.fullmatch(path) for pattern in patterns))


rows = re.findall(r"^\| ([A-Z]+)([0-9]+) \| ([^|]+) \| ([^|]+) \|$", page, re.M)
results = []
for letter, numbers in SECTIONS.items():
    found = [int(number) for name, number, _, _ in rows if name == letter]
    results.append((found == numbers, f"/docs/requirements/rows/{letter}",
                    f"found {found}"))
for letter, number, _, proof in rows:
    missing = [path for path in re.findall(r"`(/[^`]+)`", proof)
               if not exists(path)]
    results.append((not missing, f"/docs/requirements/{letter}{number}",
                    f"no test {', '.join(missing)}"))

print(f"1..{len(results)}")
for number, (good, name, problem) in enumerate(results, 1):
    if not good:
        print("#", problem)
    print("ok" if good else "not ok", number, name)
sys.exit(0 if all(good for good, _, _ in results) else 1)
