#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Has anything become slower? See the usage; the arithmetic is Python's.
case ${1-} in
  -h | --help)
    cat <<'END'
usage: scripts/performance-regression-check.sh [--update] [BUILD]

Measures the program in BUILD (default: build) and compares with
bench/regression-baseline.json: how fast the demo model's tokenizer encodes and
decodes, how long it takes to load and to be found, and how many times faster
than the C kernels each level of the processor (avx2, avx512 ...) computes
prompts and answers of small random models, with one thread. Every figure is a
ratio to something that runs in turn with it, a calibration loop (compression
of the same text by zlib) or the C kernels, and the median of seven rounds, so
that a machine that is slower or busy for a while gives the same. A figure that
is worse than its baseline by more than its tolerance is a regression: exit
status 1. A level without a baseline is shown and not judged. Another build type
or processor moves the ratios; there a baseline of its own is needed.

  --update   write what was measured as the new baseline; levels that this
             processor does not have keep theirs
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
import json, os, platform, statistics, subprocess, sys, tempfile, time, zlib

TOOL, UPDATE = sys.argv[1], sys.argv[2] == 'yes'
BASELINE = 'bench/regression-baseline.json'
ROUNDS = 7
# What a figure may lose before it counts, of its baseline. Times of a few
# milliseconds are mostly the system's, microseconds mostly chance.
TOLERANCE = {'encode': .25, 'decode': .25, 'load': .5, 'discovery': 3.0,
             'cold': .75, 'disk': .75, 'memory': 3.0}
KERNEL_TOLERANCE = .25
TIMES = ('load', 'discovery', 'cold', 'disk', 'memory')  # less is better
# One model for products with ternary weights, one for those of blocks.
MODELS = {'I2_S': ('--arch', 'bitnet-b1.58', '--type', 'I2_S'),
          'Q4_K': ('--arch', 'llama', '--type', 'Q4_K')}
LEVELS = {'x86_64': ('avx2', 'avx512', 'avx512vnni'),
          'aarch64': ('neon', 'dotprod', 'i8mm')}

text = open('COPYING', 'rb').read() * 40


def calibrate():
    """Megabytes a second that zlib compresses, by processor time."""
    start = time.process_time()
    zlib.compress(text, 6)
    return len(text) / 1e6 / (time.process_time() - start)


def bench(*arguments, model='data/demo.gguf', **variables):
    out = subprocess.run([TOOL, 'bench', '--json', '-m', model, *arguments],
                         check=True, stdout=subprocess.PIPE,
                         env={**os.environ, **variables})
    return json.loads(out.stdout)


def measure_tokenizer(path):
    """One round: rates by the calibration, times multiplied by it."""
    before = calibrate()
    tokens = bench('--tokenizer', '--cpu-time', '-r', '3', path)
    found = bench('--tokenizer-discovery-overhead', '-r', '3', '--starts', '0')
    speed = (before + calibrate()) / 2
    figures = {row['test']: row['median'] / speed for row in tokens['results']}
    figures['load'] = tokens['load_ms'] * speed
    for name in ('discovery', 'cold', 'disk', 'memory'):
        figures[name] = found[name + '_ms']['median'] * speed
    return {name: figures[name] for name in TOLERANCE}


def measure_level(model, level):
    """Rates of a prompt and of an answer; None if the level is not here."""
    out = bench('-t', '1', '-p', '128', '-n', '64', '-r', '3', model=model,
                BITNET_CPU_MASK=level)
    if level not in ('none', out['cpu_level']):
        return None
    return [row['median'] for row in out['results']]


def measure_kernels(models):
    """One round: rates of each level by those of the C kernels."""
    figures = {}
    for name, path in models.items():
        slow = measure_level(path, 'none')
        for level in LEVELS.get(platform.machine(), ()):
            rates = measure_level(path, level)
            for part, now, then in zip(('prefill', 'decode'), rates or (),
                                       slow):
                figures[f'{level} {name} {part}'] = now / then
    return figures


def measure_all(folder):
    """The median of the rounds, by the name of the figure."""
    path = os.path.join(folder, 'text')
    models = {name: os.path.join(folder, name) for name in MODELS}
    with open(path, 'wb') as file:
        file.write(text)
    for name, model in models.items():
        subprocess.run([TOOL, 'synth', '--preset', 'small', '--head', 'Q8_0',
                        *MODELS[name], '-o', model], check=True,
                       stderr=subprocess.DEVNULL)
    rounds = [{**measure_tokenizer(path), **measure_kernels(models)}
              for _ in range(ROUNDS)]
    return {name: statistics.median(r[name] for r in rounds)
            for name in rounds[0]}


def judge(figures, baseline):
    """Prints a line for each figure; the names of those that are worse."""
    bad = []
    print(f'{"figure":<20} {"baseline":>10} {"now":>10} {"change":>8} '
          f'{"limit":>8}')
    for name, now in figures.items():
        if name not in baseline:
            print(f'{name:<20} {"none":>10} {now:>10.4g}')
            continue
        then = baseline[name]
        good, real = (then, now) if name not in TIMES else (now, then)
        worse = good / max(real, 1e-9) - 1
        limit = TOLERANCE.get(name, KERNEL_TOLERANCE)
        mark = '  REGRESSION' if worse > limit else ''
        bad += [name] if mark else []
        print(f'{name:<20} {then:>10.4g} {now:>10.4g} {-worse:>+8.0%} '
              f'{-limit:>+8.0%}{mark}')
    return bad


with tempfile.TemporaryDirectory() as folder:
    os.environ['BITNET_CACHE_DIR'] = folder
    os.environ.pop('BITNET_CPU_MASK', None)
    figures = measure_all(folder)
with open(BASELINE) as file:
    baseline = json.load(file)
if UPDATE:
    baseline.update((n, float(f'{v:.4g}')) for n, v in figures.items())
    with open(BASELINE, 'w') as file:
        json.dump(baseline, file, indent=2)
        file.write('\n')
    print(f'wrote {BASELINE}')
    sys.exit(0)
bad = judge(figures, baseline)
print('performance:', 'NOT GOOD: ' + ', '.join(bad) if bad else 'good')
sys.exit(1 if bad else 0)
END
