#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Train the byte-level BPE vocabulary of the demo model.

All 256 bytes are tokens, so any text can be encoded.  Ids: bytes first, then
one token per merge in merge order, then the two control tokens.

Usage: train_bpe.py STORIES.txt VOCAB.json --size 2048 --documents 30000
"""

import argparse
import collections
import json

from bpe import BOS_TEXT, BYTE_CHAR, EOS_TEXT, SPLIT


def learn(words, count):
    """Learn count merges from {word: frequency}; ties go to the first text."""
    splits = {w: [BYTE_CHAR[b] for b in w.encode("utf-8")] for w in words}
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, symbols in splits.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += words[word]
        if not pairs:
            break
        left, right = max(pairs, key=lambda p: (pairs[p], p))
        merges.append((left, right))
        for symbols in splits.values():
            at = 0
            while at + 1 < len(symbols):
                if symbols[at] == left and symbols[at + 1] == right:
                    symbols[at:at + 2] = [left + right]
                at += 1
    return merges


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text")
    parser.add_argument("vocab")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--documents", type=int, default=30000)
    args = parser.parse_args()
    with open(args.text, encoding="utf-8") as file:
        docs = file.read().split("\0")[:args.documents]
    words = collections.Counter()
    for doc in docs:
        words.update(SPLIT.findall(doc))
    merges = learn(dict(words), args.size - 256 - 2)
    tokens = [BYTE_CHAR[b] for b in range(256)]
    tokens += [a + b for a, b in merges]
    tokens += [BOS_TEXT, EOS_TEXT]
    assert len(set(tokens)) == len(tokens)
    with open(args.vocab, "w", encoding="utf-8") as out:
        json.dump({"tokens": tokens,
                   "merges": [a + " " + b for a, b in merges]},
                  out, ensure_ascii=False, indent=0)
    print("%d words, %d tokens, %d merges"
          % (len(words), len(tokens), len(merges)))


if __name__ == "__main__":
    main()
