#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is built and what it needs, as a TAP test: the library and the plugin
show their own names and nothing of the tests; every dependency has a floor.

usage: test-symbols.py SOURCE_ROOT LIBRARY PLUGIN
"""
import pathlib
import re
import shutil
import subprocess
import sys

source_root, library, plugin = map(pathlib.Path, sys.argv[1:4])
# What only tests have: strategies, hubs and models that do as they are told.
TEST_NAME = re.compile(r"mock|fake|stub|(^|_)test_", re.I)


def list_symbols(path):
    """Names that the file defines for others; not those of a sanitizer."""
    out = subprocess.run(["nm", "-D", "--defined-only", str(path)], text=True,
                         check=True, stdout=subprocess.PIPE).stdout
    names = [line.split()[-1] for line in out.splitlines()]
    return [name for name in names if not name.startswith("_")]


def check_symbols(path, prefix):
    names = list_symbols(path)
    problems = [f"{path.name} defines {name}" for name in names
                if not name.startswith(prefix) or TEST_NAME.search(name)]
    if not names:
        problems.append(f"{path.name} defines nothing")
    return problems


def check_floors():
    """Each dependency of the project states the oldest version that does."""
    text = (source_root / "meson.build").read_text(encoding="utf-8")
    problems = []
    n_floors = 0
    for name, rest in re.findall(r"dependency\('([^']+)'([^)]*\)?)", text):
        if name == "threads":
            continue
        n_floors += 1
        version = re.search(r"version: *('[^']*'|\w+)", rest)
        if version is None:
            problems.append(f"{name} has no version")
            continue
        value = version.group(1)
        if not value.startswith("'"):
            value = re.search(rf"^{value} = (.*)$", text, re.M).group(1)
        if not re.fullmatch(r"'>= *[0-9.]+'", value):
            problems.append(f"{name} has the version {value}")
    if n_floors < 5:
        problems.append(f"{n_floors} dependencies found")
    return problems


tests = [("/project/A02/floors", check_floors)]
if shutil.which("nm"):
    tests += [
        ("/symbols/C16/library", lambda: check_symbols(library, "bitnet_")),
        ("/symbols/C16/plugin",
         lambda: check_symbols(plugin, "gst_plugin_bitnet_")),
    ]
print(f"1..{len(tests)}")
failed = False
for number, (name, function) in enumerate(tests, 1):
    problems = function()
    failed = failed or bool(problems)
    for problem in problems:
        print("#", problem)
    print("not ok" if problems else "ok", number, name)
sys.exit(1 if failed else 0)
