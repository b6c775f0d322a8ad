#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the three texts that tokenizers are measured with, out of what a
Debian system has installed: English prose, C source and mixed scripts.

usage: make-texts.py FOLDER [MEGABYTES]

Files are taken in the order of their names and none twice, so the same system
gives the same texts. Debian packages that make them larger: perl-doc,
manpages-dev (English), linux-libc-dev and any -dev package (C), gettext
catalogues of any program, python3-django (mixed)."""
import gettext
import gzip
import pathlib
import re
import sys

ROOTS = {
    "english": [("/usr/share/doc", ""), ("/usr/share/common-licenses", ""),
                ("/usr/share/perl", ".pod"), ("/usr/share/man/man1", ""),
                ("/usr/share/man/man3", ""), ("/usr/lib/python3", ".txt")],
    "c": [("/usr/include", ".h"), ("/usr/lib/gcc", ".h"),
          ("/usr/src", ".c"), ("/usr/lib/llvm-14", ".h")],
    "mixed": [("/usr/share/locale", ".mo"), ("/usr/share/i18n/locales", "")],
}
# Languages with other scripts than Latin; two that have accents besides.
LANGUAGES = ("ar bg bn el fa gu he hi hy ja ka kn ko ml mr my ne pa ru si sr "
             "ta te th uk ur zh_CN zh_TW vi fr").split()
BINARY = {".png", ".jpg", ".gif", ".svgz", ".pdf", ".so", ".pyc"}
MARKUP = re.compile(r"^[.'].*\n|\\f.|\\-", re.M)


def read(path):
    """The text of a file, or "" for what is none."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return data.decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, gzip.BadGzipFile):
        return ""


def catalogue(path):
    """The translations of a gettext catalogue, a line each."""
    if path.parts[4] not in LANGUAGES:
        return ""
    try:
        with open(path, "rb") as file:
            messages = gettext.GNUTranslations(file)._catalog
    except (OSError, UnicodeDecodeError, ValueError, LookupError):
        return ""
    return "".join(text + "\n" for key, text in messages.items() if key)


def pieces(kind):
    seen = set()
    for root, ending in ROOTS[kind]:
        # By name first: one program's catalogues in all languages.
        for path in sorted(pathlib.Path(root).rglob("*" + ending),
                key=lambda path: (path.name, path)):
            real = path.resolve()
            if (real in seen or not real.is_file()
                    or path.suffix in BINARY or (kind == "english"
                        and path.suffix in (".h", ".c", ".html", ".xml"))):
                continue
            seen.add(real)
            text = catalogue(path) if ending == ".mo" else read(path)
            if "/man/" in root:
                text = MARKUP.sub("", text)
            yield text


def main():
    folder = pathlib.Path(sys.argv[1])
    wanted = int(float(sys.argv[2] if len(sys.argv) > 2 else 10) * 1e6)
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ROOTS:
        size, parts, known = 0, [], set()
        for text in pieces(kind):
            # The same licence stands in many files.
            if len(text) < 200 or hash(text) in known:
                continue
            known.add(hash(text))
            parts.append(text)
            size += len(text.encode())
            if size >= wanted:
                break
        data = "".join(parts).encode()[:wanted].decode(errors="ignore")
        (folder / f"{kind}.txt").write_bytes(data.encode())
        print(f"{folder}/{kind}.txt: {len(data.encode()) / 1e6:.1f} MB of "
              f"{len(parts)} files")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    main()
