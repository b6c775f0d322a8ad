# SPDX-License-Identifier: LGPL-2.1-or-later
"""Byte-level BPE: the tokenizer of the demo model, for the Python tools.

The vocabulary is a JSON file with "tokens" (GPT-2 byte-mapped text) and
"merges".  Words are split as GGUF's tokenizer.ggml.pre = "gpt-2" asks.
"""

import json

import regex

SPLIT = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    r"|\s+(?!\S)|\s+")
BOS_TEXT = "<|begin_of_text|>"
EOS_TEXT = "<|end_of_text|>"


def byte_table():
    """Byte value -> printable character, as GPT-2 defined it."""
    keep = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, extra = {}, 0
    for value in range(256):
        if value in keep:
            table[value] = chr(value)
        else:
            table[value] = chr(0x100 + extra)
            extra += 1
    return table


BYTE_CHAR = byte_table()
CHAR_BYTE = {c: b for b, c in BYTE_CHAR.items()}


class Tokenizer:
    def __init__(self, tokens, merges):
        self.tokens = tokens
        self.merges = merges
        self.ids = {t: i for i, t in enumerate(tokens)}
        self.rank = {tuple(m.split(" ")): r for r, m in enumerate(merges)}
        self.bos = self.ids[BOS_TEXT]
        self.eos = self.ids[EOS_TEXT]
        self.cache = {}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return cls(data["tokens"], data["merges"])

    def word(self, word):
        found = self.cache.get(word)
        if found is None:
            symbols = [BYTE_CHAR[b] for b in word.encode("utf-8")]
            while len(symbols) > 1:
                ranks = [self.rank.get(p, 1 << 30)
                         for p in zip(symbols, symbols[1:])]
                best = min(ranks)
                if best == 1 << 30:
                    break
                at = ranks.index(best)
                symbols[at:at + 2] = [symbols[at] + symbols[at + 1]]
            found = self.cache[word] = [self.ids[s] for s in symbols]
        return found

    def encode(self, text):
        out = []
        for word in SPLIT.findall(text):
            out += self.word(word)
        return out

    def decode(self, ids):
        """Text of the ids; BOS and EOS have no text."""
        data = bytearray()
        for i in ids:
            if i not in (self.bos, self.eos):
                data += bytes(CHAR_BYTE[c] for c in self.tokens[i])
        return data.decode("utf-8", "replace")
