#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Proves that tokenizers are found: the tests, then real vocabularies.
set -u -o pipefail

usage () {
  cat <<'END'
usage: scripts/validate-tokenizer-discovery.sh [--no-tests] [BUILD]

Runs the tests of discovery, strategies, resolver, hub client and cache that
are built in BUILD (default: build), then `bitnet resolve` for the demo model
and for every vocabulary of the reference data, twice, without a network and
with an empty cache. Prints a table and a verdict; exits with 0 if every test
passed, every tokenizer was found without being named, and the second time
without a strategy.

  --no-tests   only the vocabularies

The reference data are in the folder $BITNET_REFERENCE_DATA, else in
../shared/data; without them only the demo model is resolved.
END
}

with_tests=yes build=build
for argument; do
  case $argument in
    -h | --help) usage; exit 0 ;;
    --no-tests) with_tests=no ;;
    -*) usage >&2; exit 2 ;;
    *) build=$argument ;;
  esac
done
cd "$(dirname "$0")/.." || exit 2
tool=$build/tools/bitnet
[ -x "$tool" ] || {
  echo "$tool is not there; build first: ninja -C $build" >&2
  exit 2
}

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
n_failed=0

if [ "$with_tests" = yes ]; then
  names=$(meson test -C "$build" --list 2>/dev/null | sed -n 's,.* / ,,p' |
    grep -E 'discover|matrix|strateg|resolve|validate|hub|cache|http|download|openmetrics|pull' |
    sort -u)
  if meson test -C "$build" --no-rebuild $names >"$folder/tests.log" 2>&1; then
    echo "tests: $(echo "$names" | wc -l) programs passed"
  else
    grep -E '^ *[0-9]+/.*(FAIL|TIMEOUT|ERROR)' "$folder/tests.log"
    echo "tests: some failed, see $build/meson-logs/testlog.txt"
    n_failed=$((n_failed + 1))
  fi
fi

# row MODEL: a row of the table from what was written of both resolutions;
# TRUE if the tokenizer was found and then remembered
row () {
  python3 - "$1" "$folder/first" "$folder/again" <<'END'
import json, os, sys
try:
    first, again = (json.load(open(path)) for path in sys.argv[2:])
except ValueError:
    first = again = {}
name = os.path.basename(sys.argv[1]).removesuffix('.gguf')
print(f'{name:<22} {first.get("strategy", "-"):<15} '
      f'{first.get("vocab_size", 0):>8} {first.get("verified", "-"):<8} '
      f'{first.get("duration_ms", 0):>9.1f} {again.get("duration_ms", 0):>9.1f}')
sys.exit(first.get('fallback', True) or not again.get('from_cache', False))
END
}

resolve () { # MODEL RESULT
  env -u HF_TOKEN BITNET_TOKENIZER_CACHE="$folder/cache" \
    HF_HOME="$folder/huggingface" \
    "$tool" resolve --offline --json -m "$1" >"$2" 2>"$2.err"
}

reference=${BITNET_REFERENCE_DATA:-../shared/data}
n=0 n_found=0
printf '\n%-22s %-15s %8s %-8s %9s %9s\n' model strategy tokens verified \
  'first ms' 'again ms'
for model in data/demo.gguf "$reference"/vocab/*.gguf; do
  [ -f "$model" ] || continue
  n=$((n + 1))
  resolve "$model" "$folder/first"
  resolve "$model" "$folder/again"
  if row "$model"; then
    n_found=$((n_found + 1))
  else
    sed 's/^/    /' "$folder/first.err" "$folder/again.err"
  fi
done

echo
echo "$n_found of $n tokenizers found without being named, and remembered"
[ "$n_found" = "$n" ] || n_failed=$((n_failed + 1))
if [ "$n_failed" = 0 ]; then
  echo "tokenizer discovery: good"
else
  echo "tokenizer discovery: NOT GOOD"
  exit 1
fi
