#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/library.md shows the programs in examples/*.c as they are; a TAP test.

usage: check-library.py SOURCE_ROOT
"""
import difflib
import pathlib
import re
import sys

source_root = pathlib.Path(sys.argv[1])
page = (source_root / "docs/library.md").read_text(encoding="utf-8")
blocks = re.findall(r"^```c\n(.*?)^```$", page, re.M | re.S)
examples = sorted((source_root / "examples").glob("*.c"))
failed = False

print(f"1..{len(examples)}")
for number, path in enumerate(examples, 1):
    program = path.read_text(encoding="utf-8")
    ok = program in blocks
    if not ok:
        failed = True
        closest = max(blocks, default="", key=lambda block: difflib
                      .SequenceMatcher(None, block, program).quick_ratio())
        for line in difflib.unified_diff(closest.splitlines(),
                                         program.splitlines(),
                                         "docs/library.md", path.name,
                                         lineterm=""):
            print("#", line)
    print("ok" if ok else "not ok", number, f"/docs/library/{path.stem}")
sys.exit(1 if failed else 0)
