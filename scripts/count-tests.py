#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts what `meson test` ran: passed, failed and skipped, on one line.

usage: count-tests.py BUILD_FOLDER/meson-logs/testlog.json

A program that prints TAP counts by its subtests, any other as one.
"""
import json
import re
import sys

TAP = re.compile(r"^(not )?ok\b(?:[^#\n]*)(#\s*(?:SKIP|TODO))?", re.M | re.I)
PASSED, SKIPPED = {"OK", "EXPECTEDFAIL"}, {"SKIP"}


def count(test):
    passed = failed = skipped = 0
    for not_ok, directive in TAP.findall(test.get("stdout", "")):
        if directive:
            skipped += 1
        elif not_ok:
            failed += 1
        else:
            passed += 1
    result = test["result"]
    if passed + failed + skipped == 0:
        passed, failed, skipped = (result in PASSED,
                                   result not in PASSED | SKIPPED,
                                   result in SKIPPED)
    elif result not in PASSED | SKIPPED and failed == 0:
        failed = 1  # crashed or timed out between subtests
    return passed, failed, skipped


totals = [0, 0, 0]
with open(sys.argv[1], encoding="utf-8") as log:
    for line in log:
        for i, n in enumerate(count(json.loads(line))):
            totals[i] += n
print(*totals)
