#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may include whom (style.md B3), as a TAP test.

usage: test-includes.py SOURCE_ROOT
"""
import pathlib
import re
import sys

source_root = pathlib.Path(sys.argv[1])
include = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)

# What lies in a layer, and what its files may include of the project. A
# layer is named by its folder; "public" are lib/bitnet*.h but the private
# ones, "base" the few files that have no dependency.
BASE = {"bn-types.h", "bitnet-error.h", "bitnet-progress.h",
        "bitnet-version.h", "bitnet-env.h"}
PRIVATE = {"bitnet-private.h", "bitnet-forms.h"}
ALLOWED = {
    "lib": {"lib", "gguf", "jinja", "text", "net", "core", "resolve", "kernels"},
    "resolve": {"resolve", "lib", "text", "gguf", "net"},
    "core": {"core", "kernels", "cuda", "gguf", "public"},
    "cuda": {"cuda", "core", "kernels"},
    "gguf": {"gguf"},
    "text": {"text", "kernels"},
    "jinja": {"jinja"},
    "net": {"net"},
    "kernels": {"kernels"},
    "elements": {"elements", "public"},
    "tools": {"tools", "public", "gguf", "kernels"},
    "examples": {"public"},
}
# Libraries that a layer may not see.
FORBIDDEN_SYSTEM = {
    "lib": re.compile(r"^gst/"), "resolve": re.compile(r"^gst/"),
    "core": re.compile(r"^gst/"), "gguf": re.compile(r"^(gst|libsoup|json-glib)/"),
    "text": re.compile(r"^(gst|libsoup|json-glib)/"),
    "jinja": re.compile(r"^(gst|libsoup|json-glib)/"),
    "net": re.compile(r"^gst/"),
    "kernels": re.compile(r"^(gst|glib|gio|libsoup|json-glib)"),
    "examples": re.compile(r"^$"),
}
# Pure parts of the elements: no GStreamer (itemqueue holds its items).
PURE = {"framer", "chunker", "timing"}


def layer_of(path):
    parts = path.relative_to(source_root).parts
    if parts[0] != "lib":
        return parts[0]
    return parts[1] if len(parts) > 2 else "lib"


def index_headers():
    """Header name -> layer, for includes that name no folder."""
    layers = {}
    for folder in ("lib", "elements", "tools"):
        for path in (source_root / folder).rglob("*.h"):
            if "include" not in path.relative_to(source_root).parts:
                layers[path.name] = layer_of(path)
    return layers


headers = index_headers()


def check(path):
    layer = layer_of(path)
    problems = []
    for kind, target in include.findall(path.read_text(encoding="utf-8")):
        name = pathlib.PurePath(target).name
        if name.endswith(".c"):
            problems.append(f"includes the source {target}")
        if target.startswith("bitnet/"):  # as a user of the library
            continue
        if kind == "<" or name not in headers:
            forbidden = FORBIDDEN_SYSTEM.get(layer)
            if forbidden and forbidden.match(target):
                problems.append(f"includes <{target}>")
            if path.stem in PURE and target.startswith("gst/"):
                problems.append(f"is pure but includes <{target}>")
            continue
        if name in BASE:
            continue
        target_layer = headers[name]
        if target_layer == "lib" and name not in PRIVATE:
            if {"public", "lib"} & ALLOWED[layer]:
                continue
        if target_layer not in ALLOWED[layer]:
            problems.append(f"includes {target} of {target_layer}")
    return problems


files = [path for folder in ("lib", "elements", "tools", "examples")
         for ending in ("*.c", "*.h", "*.cu")
         for path in sorted((source_root / folder).rglob(ending))
         if "include" not in path.relative_to(source_root).parts]
print(f"1..{len(files)}")
failed = False
for number, path in enumerate(files, 1):
    problems = check(path)
    failed = failed or bool(problems)
    for problem in problems:
        print("#", path.relative_to(source_root), problem)
    print("not ok" if problems else "ok", number,
          f"/includes/{path.relative_to(source_root)}")
sys.exit(1 if failed else 0)
