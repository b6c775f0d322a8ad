#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes wordpiece.jsonl: random settings of BertNormalizer and WordPiece, a
vocabulary, hard texts and the ids that the Hugging Face tokenizers give.

usage: make-wordpiece-goldens.py [SETTINGS [SEED]] > wordpiece.jsonl

The file in this folder was made with `tokenizers` 0.23.1 from PyPI, 16
settings, seed 1. More for longer comparisons:

  make-wordpiece-goldens.py 400 7 > /tmp/wordpiece.jsonl
  BITNET_WORDPIECE_GOLDENS=/tmp/wordpiece.jsonl test-wordpiece
"""
import json
import random
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

SETTINGS = int(sys.argv[1]) if len(sys.argv) > 1 else 16
random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
N_TEXTS = 12

# Where something special happens: decompositions, marks that stay, white
# space, control characters, symbols, Chinese, Hangul, newer characters.
POOLS = [
    range(0x20, 0x7F), range(0x20, 0x7F), range(0x61, 0x7B), range(0x00, 0x21),
    range(0x7F, 0x250), range(0x300, 0x370), range(0x370, 0x530),
    range(0x590, 0x700), range(0x900, 0xE00), range(0x1680, 0x1681),
    range(0x17B4, 0x17D4), range(0x1D00, 0x1E00), range(0x1E00, 0x2000),
    range(0x2000, 0x2070), range(0x20D0, 0x2200), range(0x2E00, 0x3100),
    range(0x4DB0, 0x4E10), range(0xA640, 0xA700), range(0xAC00, 0xD7A4),
    range(0xE000, 0xE004), range(0xF8FF, 0xFB50), range(0xFE00, 0x10000),
    range(0x10A00, 0x10A60), range(0x11000, 0x11940), range(0x16FE0, 0x17000),
    range(0x1D100, 0x1D200), range(0x1F300, 0x1F700), range(0x20000, 0x20010),
    range(0x2B810, 0x2B930), range(0x2F800, 0x2FA20), range(0xE0000, 0xE0200),
    range(0x0, 0x110000),
]


def character():
    while True:
        cp = random.choice(random.choice(POOLS))
        if not 0xD800 <= cp < 0xE000:
            return chr(cp)


def text():
    parts = []
    for _ in range(random.randrange(1, 12)):
        pool = random.choice(POOLS[:3]) if random.random() < 0.4 else None
        for _ in range(random.randrange(1, 8)):
            parts.append(chr(random.choice(pool)) if pool else character())
        if random.random() < 0.5:
            parts.append(" ")
    if random.random() < 0.1:
        parts.append("ab" * random.randrange(40, 60))
    return "".join(parts)


def setting():
    options = {
        "clean_text": random.random() < 0.8,
        "handle_chinese_chars": random.random() < 0.8,
        "strip_accents": random.choice([None, None, True, False]),
        "lowercase": random.random() < 0.7,
    }
    limit = random.choice([100, 100, 100, 5, 1])
    prefix = random.choice(["##", "##", "##", "@", ""])
    normalizer = normalizers.BertNormalizer(**options)
    splitter = pre_tokenizers.BertPreTokenizer()
    texts = [text() for _ in range(N_TEXTS)]
    pieces = {"[UNK]": None}
    for one in texts:
        for word, _ in splitter.pre_tokenize_str(
                normalizer.normalize_str(one)):
            roll = random.random()
            if roll < 0.3:
                pieces[word] = None
            if roll < 0.9:
                cuts = sorted(random.randrange(len(word) + 1)
                              for _ in range(2))
                for piece in (word[:cuts[0]], prefix + word[cuts[0]:cuts[1]],
                              prefix + word[cuts[1]:], word[0],
                              prefix + word[-1]):
                    if piece:
                        pieces[piece] = None
    vocab = list(pieces)
    random.shuffle(vocab)
    tokenizer = Tokenizer(models.WordPiece(
        {piece: i for i, piece in enumerate(vocab)}, unk_token="[UNK]",
        max_input_chars_per_word=limit, continuing_subword_prefix=prefix))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    rows = [{"text": one, "ids": tokenizer.encode(one).ids} for one in texts]
    return {**options, "limit": limit, "prefix": prefix, "vocab": vocab,
            "rows": rows}


for _ in range(SETTINGS):
    print(json.dumps(setting()))
