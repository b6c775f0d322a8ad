#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The C files are formatted by clang-format 14 (docs/testing.md), as TAP.

usage: test-format.py SOURCE_ROOT
"""
import pathlib
import shutil
import subprocess
import sys

source_root = pathlib.Path(sys.argv[1])
FOLDERS = ("lib", "elements", "tools", "examples", "bench", "tests")


def find_formatter():
    """clang-format 14; others would format differently."""
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path is None:
            continue
        version = subprocess.run([path, "--version"], text=True,
                                 stdout=subprocess.PIPE).stdout
        if " 14." in version:
            return path
    return None


formatter = find_formatter()
if formatter is None:
    print("1..0 # SKIP no clang-format 14")
    sys.exit(0)
paths = [path for folder in FOLDERS for ending in ("*.c", "*.h")
         for path in sorted((source_root / folder).rglob(ending))
         if "include" not in path.relative_to(source_root).parts]
print(f"1..{len(paths)}")
result = subprocess.run([formatter, "--dry-run", "-Werror", *map(str, paths)],
                        text=True, stderr=subprocess.PIPE)
unformatted = {line.split(":", 1)[0] for line in result.stderr.splitlines()
               if ": error: " in line}
for number, path in enumerate(paths, 1):
    print("not ok" if str(path) in unformatted else "ok", number,
          f"/format/{path.relative_to(source_root)}")
sys.exit(1 if unformatted or result.returncode else 0)
