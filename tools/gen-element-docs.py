#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/elements/*.md from what gst-inspect-1.0 prints.

usage: gen-element-docs.py OUTPUT_FOLDER            writes the pages
       gen-element-docs.py --check FOLDER           compares them, as TAP

gst-inspect-1.0 has to see the plugin (meson devenv, GST_PLUGIN_PATH).
"""
import pathlib
import re
import subprocess
import sys

ELEMENTS = ["ggufsrc", "tokresolve", "tokenize", "infer", "detokenize"]


def inspect(element):
    return subprocess.run(["gst-inspect-1.0", "--no-colors", element],
                          check=True, text=True, stdout=subprocess.PIPE).stdout


def section(text, title):
    """The indented lines below a heading of gst-inspect-1.0."""
    match = re.search(rf"^{re.escape(title)}:\n(.*?)(?=^\S|\Z)", text,
                      re.M | re.S)
    return match.group(1) if match else ""


def factory(text):
    """Long name, class and description."""
    body = section(text, "Factory Details")
    return dict(re.findall(r"^  (\S[^\s].*?)\s{2,}(\S.*)$", body, re.M))


def pads(text):
    """(name, direction, availability, caps) of each template."""
    body = section(text, "Pad Templates")
    for match in re.finditer(r"^  (SRC|SINK) template: '([^']*)'\n(.*?)(?=^  \S|\Z)",
                             body, re.M | re.S):
        direction, name, rest = match.groups()
        availability = re.search(r"Availability: (.*)", rest).group(1)
        caps_text = rest.split("Capabilities:", 1)[1]
        caps = []
        for line in caps_text.splitlines():
            line = line.strip()
            if not line:
                continue
            if ":" in line and caps:
                caps[-1] += ", " + re.sub(r"\s*:\s*", "=", line, count=1)
            else:
                caps.append(line)
        yield name, direction.lower(), availability.lower(), caps


def properties(text):
    """(name, blurb, details) of the properties that are the element's own."""
    body = section(text, "Element Properties")
    inherited = {"name", "parent", "blocksize", "num-buffers", "typefind",
                 "do-timestamp", "qos", "automatic-eos"}
    for match in re.finditer(r"^  (\S+)\s*: (.*)\n((?:^ {6,}.*\n?|^\s*\n)*)",
                             body, re.M):
        name, blurb, rest = match.groups()
        if name in inherited:
            continue
        details = [line.strip() for line in rest.splitlines() if line.strip()]
        yield name, blurb, details


def signals(text, title):
    body = section(text, title)
    for match in re.finditer(r'^  "([^"]+)" :? ?(.*(?:\n {6,}.*)*)', body, re.M):
        name, prototype = match.groups()
        yield name, re.sub(r"\s+", " ", prototype).strip(": ")


def when(flags):
    """What gst-inspect-1.0 says about access, in few words."""
    if "writable" not in flags:
        return "read-only"
    access = "" if "readable" in flags else ", write-only"
    if "PLAYING" in flags:
        return "any time" + access
    return "NULL, READY" + access


def property_row(name, blurb, details):
    flags = next((d for d in details if d.startswith("flags:")), "")
    values = [re.match(r"^\(-?\d+\): (\S+)", d).group(1) for d in details
              if re.match(r"^\(-?\d+\):", d)]
    kind = next((d for d in details if not d.startswith(("flags:", "("))), "")
    kind = re.sub(r"\s+", " ", kind).replace("|", "\\|").strip()
    kind = kind.removesuffix("Write only").strip()
    if values:
        default = re.search(r'Default: -?\d+, "([^"]*)"', kind).group(1)
        kind = f"One of {', '.join(values)}. Default: {default}"
    return f"| `{name}` | {blurb} | {kind} | {when(flags)} |"


def page(element):
    text = inspect(element)
    details = factory(text)
    lines = [f"# {element}", "",
             "<!-- Made by tools/gen-element-docs.py from gst-inspect-1.0. -->",
             "", f"{details['Long-name']}: {details['Description']}.".replace("..", "."),
             "", f"Class: `{details['Klass']}`", "", "## Pads", "",
             "| pad | direction | presence | caps |", "|---|---|---|---|"]
    for name, direction, availability, caps in pads(text):
        shown = "<br>".join(f"`{c}`" for c in caps)
        lines.append(f"| `{name}` | {direction} | {availability} | {shown} |")
    lines += ["", "## Properties", "",
              "| property | what | type and default | set in |",
              "|---|---|---|---|"]
    lines += [property_row(*p) for p in properties(text)]
    for title, heading in (("Element Signals", "Signals"),
                           ("Element Actions", "Action signals")):
        found = list(signals(text, title))
        if found:
            lines += ["", f"## {heading}", "", "```"]
            lines += [f"{name}: {prototype}" for name, prototype in found]
            lines += ["```"]
    return "\n".join(lines) + "\n"


def check(folder):
    failed = False
    print(f"1..{len(ELEMENTS)}")
    for number, element in enumerate(ELEMENTS, 1):
        path = folder / f"{element}.md"
        expected = page(element)
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        ok = expected == found
        failed = failed or not ok
        if not ok:
            print(f"# {path} differs from gst-inspect-1.0; "
                  "`ninja element-docs` writes it anew")
        print("ok" if ok else "not ok", number, f"/docs/elements/{element}")
    return 1 if failed else 0


if sys.argv[1] == "--check":
    sys.exit(check(pathlib.Path(sys.argv[2])))
output = pathlib.Path(sys.argv[1])
output.mkdir(parents=True, exist_ok=True)
for element in ELEMENTS:
    (output / f"{element}.md").write_text(page(element), encoding="utf-8")
