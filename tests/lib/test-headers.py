#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every header compiles alone (style.md B3), as a TAP test.

usage: test-headers.py SOURCE_ROOT BUILD_ROOT COMPILER...
"""
import pathlib
import subprocess
import sys

source_root = pathlib.Path(sys.argv[1])
build_root = pathlib.Path(sys.argv[2])
compiler = sys.argv[3:]

flags = ["-std=gnu11"] + subprocess.run(
    ["pkg-config", "--cflags", "gio-unix-2.0", "json-glib-1.0",
     "gstreamer-base-1.0"], check=True, text=True,
    stdout=subprocess.PIPE).stdout.split()

# The folders that the headers' own targets search.
include_folders = [
    source_root / "lib", build_root / "lib", source_root / "lib/include",
    source_root / "lib/include/bitnet", source_root / "lib/gguf",
    source_root / "lib/text", source_root / "lib/core",
    source_root / "lib/jinja",
    source_root / "lib/kernels", source_root / "lib/net",
    source_root / "lib/resolve",
    source_root / "elements", source_root / "elements/common",
    source_root / "tools", source_root / "tests/util",
]
# Bodies for the middle of another file, and what needs the flags of one
# instruction set.
fragments = ["-tmpl.h"]
vector_folders = {"x86", "arm"}


def list_headers():
    for folder in ("lib", "elements", "tools", "tests"):
        for path in sorted((source_root / folder).rglob("*.h")):
            inside = path.relative_to(source_root)
            if "include" in inside.parts:  # the link to lib/ itself
                continue
            if vector_folders & set(inside.parts):
                continue
            if any(path.name.endswith(end) for end in fragments):
                continue
            yield inside


def compile_alone(header):
    """Twice, so that a missing guard shows as well."""
    line = f'#include "{source_root / header}"\n'
    command = compiler + flags + ["-fsyntax-only", "-x", "c"]
    command += [f"-I{folder}" for folder in include_folders if folder.is_dir()]
    command += [f"-I{(source_root / header).parent}", "-"]
    return subprocess.run(command, input=line * 2, text=True,
                          stderr=subprocess.PIPE)


headers = list(list_headers())
print(f"1..{len(headers)}")
failed = False
for number, header in enumerate(headers, 1):
    result = compile_alone(header)
    ok = result.returncode == 0
    failed = failed or not ok
    for line in result.stderr.splitlines():
        print("#", line)
    print("ok" if ok else "not ok", number, f"/headers/{header}")
sys.exit(1 if failed else 0)
