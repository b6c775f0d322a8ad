#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Has anything become slower? Measures the programs of a build folder and
judges them by bench/regression-baseline.json. Every figure is a ratio to
something that runs in turn with it, so that a machine that is slower or busy
for a while gives the same:

  tokenizer   the demo model's tokenizer, how long it takes to load and to be
              found, to a calibration loop (zlib compresses the same text)
  kernels     each kernel on each level of the processor, to the C kernel
  inference   a prompt, to the products of bytes that the processor can do, and
              tokens one by one, to the bytes that it reads from memory (bitnet
              bench --ceilings); of two models of random weights that are larger
              than caches and are made in a folder of their own

A figure is the median of some rounds, for kernels the best. What is worse than
its baseline by more than its limit is measured again, twice at most, and counts
if it stays so. A figure without a baseline is not judged. Exit status: 0 good,
1 something is slower, 2 it could not be measured. It takes some four minutes.

The ratios belong to one kind of processor and build: on another one make a
baseline of your own first. A C kernel that becomes faster looks like levels
that became slower; --update says that it is meant so.

examples:
  scripts/performance-regression-check.sh
  scripts/performance-regression-check.sh --only kernels,inference --all
  scripts/performance-regression-check.sh --update build-release
  scripts/performance-regression-check.sh --baseline mine.json --update
  scripts/performance-regression-check.sh --baseline mine.json
"""
import argparse
import collections
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

TOP = pathlib.Path(__file__).resolve().parents[1]
SCRIPT = "scripts/performance-regression-check.sh"
BASELINE = TOP / "bench/regression-baseline.json"
N_REPEATS = 2

# What a figure may lose, of its baseline. Times of a few milliseconds are
# mostly the system's, microseconds mostly chance; memory has more moods than
# arithmetic.
TOKENIZER_LIMITS = {"encode": .25, "decode": .25, "load": .5, "discovery": 3.0,
                    "cold": .75, "disk": .75, "memory": 3.0}
TIMES = ("load", "discovery", "cold", "disk", "memory")  # less is better
KERNEL_LIMIT = .2
# C looks at the first bytes only.
NOT_COMPARABLE = {("utf8_check", "mixed")}
INFERENCE_LIMITS = {"prefill": .2, "decode": .3}

# Ternary weights, and blocks of ordinary ones.
MODELS = {"I2_S": ("--arch", "bitnet", "--type", "I2_S"),
          "Q4_0": ("--arch", "llama", "--type", "Q4_0")}
SYNTH = ("synth", "--preset", "bitnet-large", "--head", "Q6_K")
TESTS = {"prefill": ("-p", "256", "-n", "0"), "decode": ("-p", "0")}

KERNEL_LEVELS = re.compile(r"^memory, .*; levels: (.*)$", re.M)
KERNEL_LINE = re.compile(r"^(\S+) +(\S.*?) +(\S+) +(\d+) ns\b", re.M)


class Failed(Exception):
    """A program is not there or ended with an error."""


def run(*command):
    """Its stdout."""
    try:
        return subprocess.run([str(word) for word in command], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True).stdout
    except OSError as error:
        raise Failed(f"{error}; build first: ninja -C BUILD tools/bitnet "
                     "tests/kernels/checkkern") from error
    except subprocess.CalledProcessError as error:
        raise Failed(f"{' '.join(error.cmd)}: exit status {error.returncode}: "
                     f"{error.stderr.strip()[-300:]}") from error


# ---- groups: one round of each, of all figures or of some ----

class Group:
    """The rest is in those derived from it: measure(names), get_limit(name),
    get_commands(name, build)."""

    def combine(self, rounds):
        """Figures of some rounds."""
        return {name: statistics.median(r[name] for r in rounds)
                for name in rounds[0]}


class Tokenizer(Group):
    """What the demo model's tokenizer does."""

    def __init__(self, build, folder):
        self.tool = build / "tools/bitnet"
        self.text = (TOP / "COPYING").read_bytes() * 40
        self.path = pathlib.Path(folder, "text")
        self.path.write_bytes(self.text)

    def calibrate(self):
        """Megabytes a second that zlib compresses, by processor time."""
        start = time.process_time()
        zlib.compress(self.text, 6)
        return len(self.text) / 1e6 / (time.process_time() - start)

    def bench(self, *options):
        return json.loads(run(self.tool, "bench", "--json", "-m",
                              TOP / "data/demo.gguf", *options))

    def measure(self, names=None):
        """Rates by the calibration, times multiplied by it."""
        before = self.calibrate()
        tokens = self.bench("--tokenizer", "--cpu-time", "-r", "3", self.path)
        found = self.bench("--tokenizer-discovery-overhead", "-r", "3",
                           "--starts", "0")
        speed = (before + self.calibrate()) / 2
        figures = {row["test"]: row["median"] / speed
                   for row in tokens["results"]}
        figures["load"] = tokens["load_ms"] * speed
        for name in ("discovery", "cold", "disk", "memory"):
            figures[name] = found[name + "_ms"]["median"] * speed
        return {name: figures[name] for name in names or TOKENIZER_LIMITS}

    @staticmethod
    def get_limit(name):
        return TOKENIZER_LIMITS[name]

    @staticmethod
    def get_commands(name, build):
        what = ("--tokenizer --cpu-time COPYING"
                if name in ("encode", "decode", "load")
                else "--tokenizer-discovery-overhead")
        return [f"{build}/tools/bitnet bench -m data/demo.gguf {what}"]


class Kernels(Group):
    """How many times faster than C: "avx2 rms_norm 6912"."""

    def __init__(self, build, folder):
        self.program = build / "tests/kernels/checkkern"

    def measure(self, names=None):
        """Calls a nanosecond by kernel, shape, level and size. One with 128
        activation rows counts as 128."""
        speeds = {}
        for kernel in {name.split()[1] for name in names or ()} or {""}:
            text = run(self.program, "--quick-bench", kernel)  # "": all
            self.levels = KERNEL_LEVELS.search(text).group(1).split()
            for kernel, size, level, ns in KERNEL_LINE.findall(text):
                shape, _, n_rows = size.partition(" x")
                speeds[kernel, shape, level, size] = (
                    int(n_rows or 1) / max(int(ns), 1))
        return speeds

    def combine(self, rounds):
        """The best speeds, because where the pages of a process lie makes all
        of its runs slower at times; by those of C, which has none with many
        rows. A level has what the one below has and it has not."""
        best = {key: max(r[key] for r in rounds) for key in rounds[0]}
        slow = {}
        for (kernel, shape, level, _), speed in best.items():
            if level == "c":
                slow[kernel, shape] = max(speed, slow.get((kernel, shape), 0))
        figures = {}
        for below, level in zip(self.levels, self.levels[1:]):
            known = {key[:2] for key in best if key[2] == level}
            best.update({(kernel, shape, level, size): speed
                         for (kernel, shape, at, size), speed in best.items()
                         if at == below and (kernel, shape) not in known})
            for (kernel, shape, at, size), speed in best.items():
                if at == level and (kernel, size) not in NOT_COMPARABLE:
                    figures[f"{level} {kernel} {size}"] = (
                        speed / slow[kernel, shape])
        return figures

    @staticmethod
    def get_limit(name):
        return KERNEL_LIMIT

    @staticmethod
    def get_commands(name, build):
        return [f"{build}/tests/kernels/checkkern --bench {name.split()[1]}"]


class Inference(Group):
    """What part of the ceilings: "I2_S prefill, 2 threads"."""

    def __init__(self, build, folder):
        self.build = build
        self.folder = folder
        self.threads = sorted({1, os.cpu_count() or 1})
        for model, options in MODELS.items():
            run(build / "tools/bitnet", *SYNTH, *options, "-o",
                self.get_path(model))

    def get_path(self, model):
        return pathlib.Path(self.folder, model + ".gguf")

    def measure(self, names=None):
        figures = {}
        for model in MODELS:
            for part, options in TESTS.items():
                threads = [n for n in self.threads if names is None
                           or f"{model} {part}, {n} threads" in names]
                if not threads:
                    continue
                found = json.loads(run(
                    self.build / "tools/bitnet", "bench", "--ceilings",
                    "--json", "-r", "3", "-m", self.get_path(model), *options,
                    "-t", ",".join(map(str, threads))))
                for row in found["results"]:
                    name = f"{model} {part}, {row['threads']} threads"
                    if "share" in row:  # not where there is no ceiling
                        figures[name] = row["share"]
        return figures

    @staticmethod
    def get_limit(name):
        return INFERENCE_LIMITS[name.split()[1].rstrip(",")]

    @staticmethod
    def get_commands(name, build):
        model, part, threads, _ = name.replace(",", "").split()
        file = model + ".gguf"
        return [" ".join([f"{build}/tools/bitnet", *SYNTH, *MODELS[model],
                          "-o", file]),
                " ".join([f"{build}/tools/bitnet bench --ceilings -m {file}",
                          *TESTS[part], "-t", threads])]


GROUPS = {"tokenizer": Tokenizer, "kernels": Kernels, "inference": Inference}


# ---- measuring and judging ----

def loses(group, name, now, baseline):
    """What part of the baseline it lost; below 0 it won. None without one."""
    then = baseline.get(group, {}).get(name)
    if then is None:
        return None
    if group == "tokenizer" and name in TIMES:
        return now / then - 1
    return 1 - now / then


def list_bad(group, figures, baseline):
    limit = GROUPS[group].get_limit
    return [name for name, now in figures.items()
            if (loses(group, name, now, baseline) or 0) > limit(name)]


def measure_all(options, baseline):
    """Figures by group: the rounds of all groups in turns, then what is bad
    again."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BITNET_CACHE_DIR"] = folder
        groups = {name: GROUPS[name](options.build, folder)
                  for name in options.only}
        rounds = collections.defaultdict(list)
        for number in range(options.rounds):
            for name, group in groups.items():
                print(f"round {number + 1} of {options.rounds}: {name}",
                      file=sys.stderr)
                rounds[name].append(group.measure())
        for name, group in groups.items():
            found = figures[name] = group.combine(rounds[name])
            for _ in range(0 if options.update else N_REPEATS):
                bad = list_bad(name, found, baseline)
                if not bad:
                    break
                print(f"again: {name}: {', '.join(bad)}", file=sys.stderr)
                again = group.combine([group.measure(bad)
                                       for _ in range(options.rounds)])
                for figure in bad:
                    found[figure] = min(
                        found[figure], again[figure],
                        key=lambda v, f=figure: loses(name, f, v, baseline))
    return figures


def print_group(group, figures, baseline, show_all):
    """A line for the group, or one for each figure."""
    lost = {name: loses(group, name, now, baseline)
            for name, now in figures.items()}
    known = {name: part for name, part in lost.items() if part is not None}
    print(f"{group}: {len(known)} figures judged, {len(figures) - len(known)} "
          "without a baseline, "
          f"{len(baseline.get(group, {}).keys() - figures)} not here")
    if show_all:
        print(f"  {'figure':<44} {'baseline':>10} {'now':>10} {'change':>8} "
              f"{'limit':>8}")
    for name, now in figures.items() if show_all else ():
        if name in known:
            limit = GROUPS[group].get_limit(name)
            print(f"  {name:<44} {baseline[group][name]:>10.4g} {now:>10.4g} "
                  f"{-known[name]:>+8.0%} {-limit:>+8.0%}")
        else:
            print(f"  {name:<44} {'none':>10} {now:>10.4g}")
    if known:
        worst = max(known, key=lambda n: known[n] / GROUPS[group].get_limit(n))
        print(f"  the worst: {worst}, {-known[worst]:+.0%}, limit "
              f"{-GROUPS[group].get_limit(worst):+.0%}")


def print_bad(group, name, now, then, build):
    unit = {"tokenizer": "times the calibration", "kernels": "times C",
            "inference": "of the ceiling"}[group]
    is_time = group == "tokenizer" and name in TIMES
    times = now / then if is_time else then / now
    print(f"SLOWER {times:.2f} times: {group}: {name}: {now:.4g} {unit}, was "
          f"{then:.4g}")
    for command in GROUPS[group].get_commands(name, build):
        print(f"    {command}")


def get_processor():
    """Its name, and how many there are."""
    try:
        names = re.findall(r"^model name\s*: (.*)$",
                           pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        names = []
    return f"{names[0] if names else 'unknown'}, {os.cpu_count()} threads"


def write_json(path, machine, figures):
    """Each figure in a line of its own."""
    rounded = {group: {name: float(f"{value:.4g}")
                       for name, value in found.items()}
               for group, found in figures.items()}
    path.write_text(
        json.dumps({"machine": machine, **rounded}, indent=2) + "\n")


def read_json(path):
    """Machine and figures."""
    try:
        found = json.loads(path.read_text())
        return found.pop("machine"), found
    except (OSError, ValueError, KeyError) as error:
        raise Failed(f"{path}: {error}") from error


def update(options, figures):
    """What was measured replaces what was known of the same levels or models,
    the first words of names; others stay."""
    merged = {}
    if options.baseline.exists():
        merged = read_json(options.baseline)[1]
    for group, found in figures.items():
        heads = {name.split()[0] for name in found}
        kept = {name: value for name, value in merged.get(group, {}).items()
                if name.split()[0] not in heads}
        merged[group] = {**found, **kept}
    write_json(options.baseline, get_processor(), merged)
    print(f"wrote {options.baseline}")
    return 0


def judge(options, figures, machine, baseline):
    """Prints everything; the exit status."""
    if machine != get_processor():
        print(f"The baseline is of another machine: {machine}; this is "
              f"{get_processor()}.")
    if os.environ.get("BITNET_CPU_MASK"):
        print(f"BITNET_CPU_MASK is {os.environ['BITNET_CPU_MASK']}.")
    bad = []
    for group, found in figures.items():
        print_group(group, found, baseline, options.all)
        bad += [(group, name) for name in list_bad(group, found, baseline)]
    for group, name in bad:
        print_bad(group, name, figures[group][name], baseline[group][name],
                  os.path.relpath(options.build))
    print("performance:", f"NOT GOOD: {len(bad)} slower" if bad else "good")
    return 1 if bad else 0


def group_names(text):
    names = text.split(",")
    if not set(names) <= GROUPS.keys():
        raise ValueError
    return names


def parse():
    parser = argparse.ArgumentParser(
        prog=SCRIPT, description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("build", nargs="?", default=TOP / "build", metavar="BUILD",
        type=lambda text: pathlib.Path(text).resolve(),
        help="folder with the programs [build]")
    add("--update", action="store_true", help="write what was measured into "
        "the baseline; levels that this processor lacks keep theirs")
    add("--only", type=group_names, default=list(GROUPS), metavar="GROUPS",
        help="some of " + ",".join(GROUPS) + " [all]")
    add("--rounds", type=int, default=5, metavar="N", help="[5]")
    add("--all", action="store_true", help="print every figure")
    add("--baseline", type=pathlib.Path, default=BASELINE, metavar="FILE",
        help="[bench/regression-baseline.json]")
    add("--json", type=pathlib.Path, metavar="FILE",
        help="write what was measured")
    add("--measured", type=pathlib.Path, metavar="FILE",
        help="judge what --json wrote, measure nothing")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds is below 1")
    return options


def main():
    options = parse()
    try:
        machine, baseline = "", {}
        if not options.update:
            machine, baseline = read_json(options.baseline)
        if options.measured:
            figures = read_json(options.measured)[1]
        else:
            figures = measure_all(options, baseline)
        if options.json:
            write_json(options.json, get_processor(), figures)
        if options.update:
            return update(options, figures)
        return judge(options, figures, machine, baseline)
    except Failed as error:
        print(f"{SCRIPT}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
