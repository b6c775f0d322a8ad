#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/performance-regression-check.sh judges figures that were measured
before: what it calls slower, what it prints and how it exits. A TAP test.

usage: test-regression.py SOURCE_ROOT
"""
import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

source_root = pathlib.Path(sys.argv[1])
stored = json.loads(
    (source_root / "bench/regression-baseline.json").read_text())
number = 0
failed = False


def report(name, ok, result):
    global number, failed
    number += 1
    if not ok:
        for line in (result.stdout + result.stderr).splitlines():
            print("#", line)
    failed = failed or not ok
    print("ok" if ok else "not ok", number, name)


def run(*options):
    return subprocess.run(
        [source_root / "scripts/performance-regression-check.sh", *options],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def judge(figures, *options):
    """What it says of figures, by the stored baseline."""
    measured = pathlib.Path(folder, "measured.json")
    measured.write_text(json.dumps(figures))
    return run("--measured", measured, *options)


def check_changed(name, group, figure, factor, expected):
    """One figure times factor; expected is text of the output, "": good."""
    figures = copy.deepcopy(stored)
    figures[group][figure] *= factor
    result = judge(figures)
    slower = re.findall(r"^SLOWER .*", result.stdout, re.M)
    if expected:
        ok = (result.returncode == 1 and len(slower) == 1
              and figure in slower[0] and expected in result.stdout
              and "NOT GOOD: 1 slower" in result.stdout)
    else:
        ok = result.returncode == 0 and not slower
    report(name, ok, result)


def check_update():
    """New figures replace those of their level, others stay."""
    baseline = pathlib.Path(folder, "baseline.json")
    baseline.write_text(json.dumps(
        {"machine": "m", "kernels": {"i8mm add 6912": 2, "avx2 add 6912": 3,
                                     "avx2 no-more 6912": 5}}))
    result = judge({"machine": "m", "kernels": {"avx2 add 6912": 4.00001}},
                   "--baseline", baseline, "--update")
    found = json.loads(baseline.read_text())
    report("/regression/C58-C74/update", result.returncode == 0
           and found["kernels"] == {"i8mm add 6912": 2, "avx2 add 6912": 4},
           result)


def check_errors():
    result = run("--measured", pathlib.Path(folder, "none.json"))
    report("/regression/no-file", result.returncode == 2
           and "none.json" in result.stderr, result)
    result = run("--only", "tokenizer", "--rounds", "1", folder)
    report("/regression/no-programs", result.returncode == 2
           and "ninja" in result.stderr, result)
    result = run("--only", "everything")
    report("/regression/usage", result.returncode == 2, result)
    result = run("--help")
    report("/regression/help", result.returncode == 0
           and "examples:" in result.stdout and "--update" in result.stdout,
           result)


with tempfile.TemporaryDirectory() as folder:
    print("1..12")
    result = judge(stored, "--all")
    report("/regression/C58-C74/equal", result.returncode == 0
           and "performance: good" in result.stdout
           and all(name in result.stdout for name in stored["kernels"]), result)
    check_changed("/regression/C58-C74/kernel-slower", "kernels",
                  "avx2 matmul/q4_0 6912x2560 x1", 1 / 1.5,
                  "checkkern --bench matmul/q4_0")
    check_changed("/regression/C58-C74/kernel-faster", "kernels",
                  "avx2 matmul/q4_0 6912x2560 x1", 1.5, "")
    check_changed("/regression/C58-C74/within-limit", "kernels",
                  "avx2 matmul/q4_0 6912x2560 x1", .9, "")
    check_changed("/regression/C58-C74/inference-slower", "inference",
                  "I2_S prefill, 1 threads", .5, "SLOWER 2.00 times")
    check_changed("/regression/C58-C74/time-longer", "tokenizer", "load", 4,
                  "bitnet bench -m data/demo.gguf --tokenizer")
    figures = copy.deepcopy(stored)
    figures["kernels"]["i8mm new-one 1"] = 1
    result = judge(figures)
    report("/regression/no-baseline", result.returncode == 0
           and re.search("kernels: .* 1 without", result.stdout), result)
    check_update()
    check_errors()
sys.exit(1 if failed else 0)
