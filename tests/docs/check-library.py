#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/library.md shows examples/hello.c as it is; a TAP test.

usage: check-library.py SOURCE_ROOT
"""
import difflib
import pathlib
import re
import sys

source_root = pathlib.Path(sys.argv[1])
page = (source_root / "docs/library.md").read_text(encoding="utf-8")
blocks = re.findall(r"^```c\n(.*?)^```$", page, re.M | re.S)
program = (source_root / "examples/hello.c").read_text(encoding="utf-8")

print("1..1")
if program in blocks:
    print("ok 1 /docs/library/hello")
    sys.exit(0)
closest = max(blocks, key=len, default="")
for line in difflib.unified_diff(closest.splitlines(), program.splitlines(),
                                 "docs/library.md", "examples/hello.c",
                                 lineterm=""):
    print("#", line)
print("not ok 1 /docs/library/hello")
sys.exit(1)
