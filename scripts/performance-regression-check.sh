#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Has anything become slower? See the usage; the arithmetic is Python's.
case ${1-} in
  -h | --help)
    cat <<'END'
usage: scripts/performance-regression-check.sh [--update] [BUILD]

Measures the program in BUILD (default: build) and compares with
bench/regression-baseline.json: how fast the demo model's tokenizer encodes and
decodes, how long it takes to load and to be found. Every figure is a ratio to
a calibration loop (compression of the same text by zlib) that runs in turn
with it, and the median of seven rounds, so that a machine that is slower or
busy for a while gives the same. A figure that is worse than its baseline by
more than its tolerance is a regression: exit status 1. Another build type or
processor moves the ratios; there a baseline of its own is needed.

  --update   write what was measured as the new baseline
END
    exit 0 ;;
esac
update=no build=build
for argument; do
  case $argument in
    --update) update=yes ;;
    -*) "$0" --help >&2; exit 2 ;;
    *) build=$argument ;;
  esac
done
cd "$(dirname "$0")/.." || exit 2
[ -x "$build/tools/bitnet" ] || {
  echo "$build/tools/bitnet is not there; build first: ninja -C $build" >&2
  exit 2
}
exec python3 - "$build/tools/bitnet" "$update" <<'END'
import json, os, statistics, subprocess, sys, tempfile, time, zlib

TOOL, UPDATE = sys.argv[1], sys.argv[2] == 'yes'
BASELINE = 'bench/regression-baseline.json'
ROUNDS = 7
# What a figure may lose before it counts, of its baseline. Times of a few
# milliseconds are mostly the system's, microseconds mostly chance.
TOLERANCE = {'encode': .25, 'decode': .25, 'load': .5, 'discovery': 3.0,
             'cold': .75, 'disk': .75, 'memory': 3.0}
RATES = ('encode', 'decode')  # more is better

text = open('COPYING', 'rb').read() * 40


def calibrate():
    """Megabytes a second that zlib compresses, by processor time."""
    start = time.process_time()
    zlib.compress(text, 6)
    return len(text) / 1e6 / (time.process_time() - start)


def bench(*arguments):
    out = subprocess.run([TOOL, 'bench', '--json', '-m', 'data/demo.gguf',
                          *arguments], check=True, capture_output=True)
    return json.loads(out.stdout)


def measure(path):
    """One round: rates by the calibration, times multiplied by it."""
    before = calibrate()
    tokens = bench('--tokenizer', '--cpu-time', '-r', '3', path)
    found = bench('--tokenizer-discovery-overhead', '-r', '3', '--starts', '0')
    speed = (before + calibrate()) / 2
    figures = {row['test']: row['median'] / speed for row in tokens['results']}
    figures['load'] = tokens['load_ms'] * speed
    for name in ('discovery', 'cold', 'disk', 'memory'):
        figures[name] = found[name + '_ms']['median'] * speed
    return figures


with tempfile.TemporaryDirectory() as folder:
    os.environ['BITNET_CACHE_DIR'] = folder
    path = os.path.join(folder, 'text')
    with open(path, 'wb') as file:
        file.write(text)
    rounds = [measure(path) for _ in range(ROUNDS)]
figures = {name: statistics.median(r[name] for r in rounds)
           for name in TOLERANCE}

if UPDATE:
    with open(BASELINE, 'w') as file:
        json.dump({n: float(f'{v:.4g}') for n, v in figures.items()}, file,
                  indent=2)
        file.write('\n')
    print(f'wrote {BASELINE}')
    sys.exit(0)

baseline = json.load(open(BASELINE))
bad = 0
print(f'{"figure":<12} {"baseline":>10} {"now":>10} {"change":>8} {"limit":>8}')
for name, now in figures.items():
    then = baseline[name]
    good, real = (now, then) if name in RATES else (then, now)
    worse = real / max(good, 1e-9) - 1
    bad += worse > TOLERANCE[name]
    print(f'{name:<12} {then:>10.4g} {now:>10.4g} {-worse:>+8.0%} '
          f'{-TOLERANCE[name]:>+8.0%}'
          f'{"  REGRESSION" if worse > TOLERANCE[name] else ""}')
print('performance:', 'NOT GOOD' if bad else 'good')
sys.exit(1 if bad else 0)
END
