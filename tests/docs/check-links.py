#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the documents point to is there: links to files and headings, names of
source files; a TAP test.

usage: check-links.py SOURCE_ROOT
"""
import pathlib
import re
import sys

source_root = pathlib.Path(sys.argv[1])
pages = [*sorted(source_root.glob("*.md")),
         *sorted((source_root / "docs").rglob("*.md"))]
FOLDERS = "lib|elements|tests|tools|docs|data|scripts|examples|bench"
sources = {path.name for folder in FOLDERS.split("|")
           for path in (source_root / folder).rglob("*")}


def anchors(path):
    """Headings as the usual viewers name them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"),
                  flags=re.M | re.S)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.M)}


def check(page):
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    problems = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            problems.append(f"no file for the link {target}")
        elif anchor and anchor not in anchors(path):
            problems.append(f"no heading for the link {target}")
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./*-]+)`", prose):
        pattern = re.sub(r"\b[A-Z]{2,}\b", "*", name).rstrip("/")
        if not list(source_root.glob(pattern)):
            problems.append(f"no file {name}")
    for name in re.findall(r"\b((?:bn|bitnet|cmd)-[a-z0-9-]+\.[ch])\b", text):
        if name not in sources:
            problems.append(f"no source {name}")
    return problems


print(f"1..{len(pages)}")
failed = False
for number, page in enumerate(pages, 1):
    problems = check(page)
    failed = failed or bool(problems)
    for problem in problems:
        print("#", problem)
    print("not ok" if problems else "ok", number,
          f"/docs/links/{page.relative_to(source_root)}")
sys.exit(1 if failed else 0)
