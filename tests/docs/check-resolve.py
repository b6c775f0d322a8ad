#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/resolve.c and examples/resolve.py find the tokenizer of the demo
model and say why they find none; a TAP test.

usage: check-resolve.py RESOLVE SOURCE_ROOT [FOLDER_OF_TYPELIB]
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

resolve, source_root = map(os.path.abspath, sys.argv[1:3])
typelibs = sys.argv[3] if len(sys.argv) > 3 else None
demo = pathlib.Path(source_root, "data/demo.gguf")
number = 0
failed = False


def report(name, ok, result=None, skip=None):
    global number, failed
    number += 1
    if result:
        for line in (result.stdout + result.stderr).splitlines():
            print("#", line)
    failed = failed or not ok
    print("ok" if ok else "not ok", number, f"/docs/resolve/{name}",
          f"# SKIP {skip}" if skip else "")


def run(command, **variables):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          env={**os.environ, **variables})


def find_python():
    """One that has PyGObject; that of the system may be another one."""
    for path in (sys.executable, "/usr/bin/python3"):
        if shutil.which(path) and run([path, "-c", "import gi"]).returncode == 0:
            return path
    return None


def check(name, command, **variables):
    strict = {"BITNET_STRICT_TOKENIZERS": "1"}
    result = run([*command, "model.gguf"], **variables)
    report(f"{name}/finds", "model-embedded: found" in result.stdout
           and "2048 tokens from" in result.stdout, result)
    result = run([*command, "none.gguf"], **variables, **strict)
    report(f"{name}/says-why-not", "none.gguf" in result.stderr
           and "backup" in result.stdout, result)


print("1..5")
if not demo.exists():
    for name in range(5):
        report(name, True, skip="no demo model")
    sys.exit(0)
with tempfile.TemporaryDirectory() as folder:
    for variable in ("BITNET_CACHE_DIR", "HF_HOME"):
        os.environ[variable] = str(pathlib.Path(folder, variable))
    os.environ.pop("BITNET_TOKENIZER_CACHE", None)
    os.chdir(folder)
    shutil.copy(demo, "model.gguf")
    check("c", [resolve])
    # A search with a strategy of its own is not remembered.
    os.mkdir("shelf")
    result = run([resolve, "model.gguf", "shelf"])
    report("c/shelf", result.stdout.startswith("shelf: shelf/")
           and "2048 tokens from model.gguf" in result.stdout, result)
    python = find_python() if typelibs else None
    shutil.rmtree(os.environ["BITNET_CACHE_DIR"])
    if python:
        check("python", [python, os.path.join(source_root, "examples",
                                              "resolve.py")],
              GI_TYPELIB_PATH=typelibs)
    else:
        for name in ("finds", "says-why-not"):
            report(f"python/{name}", True,
                   skip="no PyGObject" if typelibs else "no introspection")
sys.exit(1 if failed else 0)
