#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes decoders.jsonl: random decoders of tokenizer.json, random tokens and
the text that the Hugging Face tokenizers make of them.

usage: make-decoder-goldens.py [ROWS [SEED]] > decoders.jsonl

The file in this folder was made with `tokenizers` 0.23.1 from PyPI, 300 rows,
seed 1. Other numbers of rows and seeds are for longer comparisons:

  make-decoder-goldens.py 20000 7 > /tmp/decoders.jsonl
  BITNET_DECODER_GOLDENS=/tmp/decoders.jsonl test-decode
"""
import json
import random
import sys

from tokenizers import Tokenizer, models

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)

PARTS = ["a", "b", "##", "##a", "</w>", "<0xE2>", "<0x96>", "<0x81>",
         "<0x41>", "<0xff>", "<0xFG>", "\u2581", " ", "  ", ".", "'", "n't",
         " do not", "'s", "|", "<pad>", "\u0120", "\u00e2", "\u0138",
         "\u0123", "\u20ac", "\U0001f642", "\u0301", "H", "is", "\n"]
CHARACTERS = ["\u2581", " ", "a", "H", "_", "\u20ac", "."]
STRINGS = CHARACTERS + ["##", "</w>", "ab", "aa", "<pad>", "  "]
REGEXES = ["\\s+", "a*", "[ab]", "^a|b$", "(?<=a)b", ".", "<0x(..)>"]
SCHEMES = ["always", "never", "first"]


def step():
    kind = random.randrange(9)
    if kind == 0:
        return {"type": "ByteLevel", "add_prefix_space": True,
                "trim_offsets": True, "use_regex": True}
    if kind == 1:
        return {"type": "Metaspace", "replacement": random.choice(CHARACTERS),
                "prepend_scheme": random.choice(SCHEMES), "split": True}
    if kind == 2:
        return {"type": "WordPiece", "prefix": random.choice(["##", "a", ""]),
                "cleanup": random.random() < 0.5}
    if kind == 3:
        return {"type": "BPEDecoder", "suffix": random.choice(STRINGS + [""])}
    if kind == 4:
        return {"type": "ByteFallback"}
    if kind == 5:
        return {"type": "Fuse"}
    if kind == 6:
        return {"type": "Strip", "content": random.choice(CHARACTERS),
                "start": random.randrange(3), "stop": random.randrange(3)}
    if kind == 7:
        return {"type": "Replace",
                "pattern": {"String": random.choice(STRINGS + [""])}
                if random.random() < 0.5
                else {"Regex": random.choice(REGEXES)},
                "content": random.choice(STRINGS + [""])}
    return {"type": "CTC", "pad_token": random.choice(["<pad>", "a"]),
            "word_delimiter_token": random.choice(["|", "\u2581"]),
            "cleanup": random.random() < 0.5}


LLAMA = {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
    {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}


def chain():
    roll = random.random()
    if roll < 0.2:
        return None if random.random() < 0.2 else LLAMA
    if roll < 0.5:
        return step()
    return {"type": "Sequence",
            "decoders": [step() for _ in range(random.randrange(5))]}


def token():
    text = "".join(random.choice(PARTS) for _ in range(random.randrange(1, 4)))
    return random.choice(PARTS) if random.random() < 0.5 else text


def row():
    decoder = chain()
    tokens = [token() for _ in range(random.randrange(12))]
    if tokens and random.random() < 0.3:
        tokens += [tokens[-1]] * 2
    vocab = {text: i for i, text in enumerate(dict.fromkeys(tokens))}
    whole = json.loads(Tokenizer(models.WordLevel(vocab, "a")).to_str())
    whole["decoder"] = decoder
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    text = tokenizer.decode([vocab[t] for t in tokens],
                            skip_special_tokens=False)
    return {"decoder": decoder, "tokens": tokens, "text": text}


n_rows = 0
while n_rows < ROWS:
    try:
        line = json.dumps(row())
    except KeyboardInterrupt:
        raise
    except BaseException:  # some of Strip end in a panic there
        continue
    print(line)
    n_rows += 1
