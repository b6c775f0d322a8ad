#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program of docs/library.md runs and prints text; a TAP test.

usage: check-hello.py HELLO MODEL
"""
import pathlib
import subprocess
import sys

hello, model = sys.argv[1:3]
print("1..2")


def run(path):
    return subprocess.run([hello, path, "Once upon a time"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


failed = False
if not pathlib.Path(model).exists():
    print("ok 1 /docs/hello/streams # SKIP no demo model")
else:
    result = run(model)
    ok = result.returncode == 0 and len(result.stdout.split()) > 10
    failed = failed or not ok
    for line in result.stdout.splitlines() + result.stderr.splitlines():
        print("#", line)
    print("ok" if ok else "not ok", "1 /docs/hello/streams")

result = run("/nonexistent/model.gguf")
ok = result.returncode != 0 and "/nonexistent/model.gguf" in result.stderr
failed = failed or not ok
print("ok" if ok else "not ok", "2 /docs/hello/says-what-is-wrong")
sys.exit(1 if failed else 0)
