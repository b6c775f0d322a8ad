#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares `bitnet tokenize` and `bitnet detokenize` with the Python module
`tokenizers` on tokenizers made at random.

Every seed gives one tokenizer.json: an algorithm with all its options over a
small vocabulary, added tokens with all flags, normalizers, pre-tokenizers,
post-processors and decoders in any combination. Texts are hard strings, words
of the vocabulary and added tokens, in any order. Ids with and without special
tokens, and what they decode to, must be the same.

    fuzz-tokenizers.py --tool build/tools/bitnet --seeds 1-1000 [--keep FOLDER]

With --golden FILE it writes what the reference gives instead, one tokenizer in
a line, for tests without the module:

    fuzz-tokenizers.py --seeds 1-400 --texts 12 --golden tests/data/tokenizers.jsonl

Without the module it ends with status 77.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unicodedata

try:
    from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                            normalizers, pre_tokenizers, processors)
except ImportError:
    print("the Python module tokenizers is not installed")
    sys.exit(77)

WORDS = """Hello hello HELLO world don't I'm we'll it's naïve café Ünïcödé
İstanbul ﬁnance Straße ΑΣΣΟΣ Привет мир 你好 世界 日本語 カタカナ ﾊﾝｶｸ 한국어 สวัสดี
नमस्ते क्षि العربية עברית 😀 👨‍👩‍👧‍👦 🇩🇪 e\u0301 n\u0303o Å \u212b ½ ² Ⅷ 123 1234567 3.14 1,000
a_b foo-bar x=y; (z) [q] {} <b> </b> && || -- ... ¿qué? «quote» “x” ‘y’ ſt ß ŉ ǅ
\u200d \u200b \ufeff \u00ad ▁ ▁▁a Ġ Ċ """.split()
SPACES = [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0",
          "\u3000", "\u2028", "\u0085", "\u000b", "", "", ""]
SPECIALS = ["<s>", "</s>", "<unk>", "<pad>", "[CLS]", "[SEP]", "[MASK]",
            "<|im_start|>", "<tool>", "tool", "Hello", " hi", "hi ", "  ",
            "\n", "ABC", "ABCD", "BCDE", "é", "İ", "x", "▁▁", "<0x41>", "ﬁ",
            "世", "don", "don't"]


def sample_text(rng, extra=()):
    parts = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 8, 12])):
        kind = rng.random()
        if kind < 0.5:
            word = rng.choice(WORDS)
        elif kind < 0.75 and extra:
            word = rng.choice(extra)
        elif kind < 0.8:
            word = "".join(chr(rng.choice([
                rng.randrange(1, 0x80), rng.randrange(0x80, 0x800),
                rng.randrange(0x800, 0xd800), rng.randrange(0xe000, 0x10000),
                rng.randrange(0x10000, 0x20000)])) for _ in range(rng.randrange(6)))
            # The references do not agree on the version of Unicode.
            word = "".join(c for c in word if unicodedata.category(c) != "Cn")
        elif kind < 0.9:
            word = rng.choice(WORDS)[::-1]
        else:
            word = rng.choice("aeioub ▁.") * rng.randrange(1, 40)
        parts.append(word + rng.choice(SPACES))
    return "".join(parts)


def letters(rng, byte_level):
    if byte_level:
        return sorted(pre_tokenizers.ByteLevel.alphabet())
    text = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ▁.,'-<>"
    text += "éüïöß你好世界日本Приветмир\u0301😀"
    chars = sorted(set(text))
    rng.shuffle(chars)
    return chars[:rng.randrange(20, len(chars) + 1)]


def byte_tokens(rng):
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    if rng.random() < 0.2:
        bytes_ = rng.sample(bytes_, 200)
    return bytes_


def number(rng, pieces):
    """Ids: in order, or shuffled, or with holes."""
    pieces = list(dict.fromkeys(pieces))
    if rng.random() < 0.3:
        rng.shuffle(pieces)
    return {p: i for i, p in enumerate(pieces)}


def make_bpe(rng, byte_level):
    prefix = suffix = None
    if not byte_level:
        prefix = rng.choice([None, None, None, "##", ""])
        suffix = rng.choice([None, None, None, "</w>"])
    base = letters(rng, byte_level)
    pieces = list(base)
    if prefix or suffix:
        for c in base:
            if rng.random() < 0.8 and prefix:
                pieces.append(prefix + c)
            if rng.random() < 0.8 and suffix:
                pieces.append(c + suffix)
            if rng.random() < 0.8 and prefix and suffix:
                pieces.append(prefix + c + suffix)
    merges = []
    known = list(dict.fromkeys(pieces))
    for _ in range(rng.randrange(5, 150)):
        a = rng.choice(known[-60:] if rng.random() < 0.5 else known)
        if suffix and a.endswith(suffix):
            continue
        b = rng.choice([k for k in known if not prefix or k.startswith(prefix)] or known)
        if prefix and not b.startswith(prefix):
            continue
        merged = a + b[len(prefix or ""):]
        if len(merged) > 12:
            continue
        merges.append((a, b))
        if merged not in known:
            known.append(merged)
    # words of the texts, so that merges happen
    for word in rng.sample(WORDS, 12):
        if prefix or suffix:
            continue
        if byte_level:
            word = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)\
                .pre_tokenize_str(word)[0][0]
        if any(c not in base for c in word):
            continue
        left = word[0]
        for c in word[1:]:
            merges.append((left, c))
            left += c
            if left not in known:
                known.append(left)
    if rng.random() < 0.5:
        rng.shuffle(merges)
    if merges and rng.random() < 0.2:
        merges += rng.sample(merges, min(5, len(merges)))
    pieces = known
    byte_fallback = not byte_level and rng.random() < 0.4
    if byte_fallback:
        pieces = pieces + byte_tokens(rng)
    unk = rng.choice([None, "<unk>", "<unk>"])
    if unk:
        pieces = [unk] + pieces
    ignore = rng.random() < 0.3
    if ignore:
        pieces = pieces + rng.sample(WORDS, 10)
    kwargs = {}
    if prefix is not None:
        kwargs["continuing_subword_prefix"] = prefix
    if suffix is not None:
        kwargs["end_of_word_suffix"] = suffix
    if unk:
        kwargs["unk_token"] = unk
    return models.BPE(vocab=number(rng, pieces), merges=merges, ignore_merges=ignore,
                      fuse_unk=rng.random() < 0.5, byte_fallback=byte_fallback, **kwargs)


def substrings(rng, n):
    found = []
    for _ in range(n):
        word = rng.choice(WORDS)
        i = rng.randrange(len(word))
        j = rng.randrange(i + 1, len(word) + 1)
        found.append(word[i:j])
    return found


def make_wordpiece(rng):
    prefix = rng.choice(["##", "##", "##", "@@", ""])
    pieces = ["[UNK]"] + WORDS[:40]
    for s in substrings(rng, 200):
        pieces.append(rng.choice(["", prefix]) + s)
        pieces.append(rng.choice(["", prefix]) + s.lower())
    return models.WordPiece(vocab=number(rng, pieces), unk_token="[UNK]",
                            continuing_subword_prefix=prefix,
                            max_input_chars_per_word=rng.choice([100, 100, 5]))


def make_wordlevel(rng):
    pieces = ["<unk>"] + WORDS[:60] + substrings(rng, 30)
    return models.WordLevel(vocab=number(rng, pieces), unk_token="<unk>")


def make_unigram(rng):
    pieces = ["<unk>"] + letters(rng, False)[:60] + ["▁"]
    pieces += [rng.choice(["", "▁"]) + s for s in substrings(rng, 150)]
    byte_fallback = rng.random() < 0.3
    if byte_fallback:
        pieces += [f"<0x{b:02X}>" for b in range(256)]
    pieces = list(dict.fromkeys(pieces))
    scored = [(p, round(rng.uniform(-12, -1), rng.choice([0, 2, 8]))) for p in pieces]
    return models.Unigram(vocab=scored, unk_id=0, byte_fallback=byte_fallback)


def simple_normalizer(rng):
    return rng.choice([
        lambda: normalizers.NFC(), lambda: normalizers.NFD(),
        lambda: normalizers.NFKC(), lambda: normalizers.NFKD(),
        lambda: normalizers.Lowercase(),
        lambda: normalizers.Strip(left=rng.random() < 0.5, right=rng.random() < 0.5),
        lambda: normalizers.StripAccents(), lambda: normalizers.Nmt(),
        lambda: normalizers.Replace(" ", "▁"), lambda: normalizers.Replace("a", ""),
        lambda: normalizers.Replace(Regex(r" {2,}"), " "),
        lambda: normalizers.Replace(Regex(r"[aeiou]"), "_"),
        lambda: normalizers.Prepend("▁"),
        lambda: normalizers.BertNormalizer(
            clean_text=rng.random() < 0.5, handle_chinese_chars=rng.random() < 0.5,
            strip_accents=rng.choice([None, True, False]), lowercase=rng.random() < 0.5),
    ])()


def make_normalizer(rng):
    kind = rng.random()
    if kind < 0.4:
        return None
    if kind < 0.7:
        return simple_normalizer(rng)
    return normalizers.Sequence([simple_normalizer(rng) for _ in range(rng.randrange(1, 4))])


BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
REGEXES = [r"\d", r"\s+", r"\w+|[^\w\s]+", r"[A-Z]", r"\p{N}{1,3}", r"[^\s]+",
           r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
           r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]


def simple_pre_tokenizer(rng):
    return rng.choice([
        lambda: pre_tokenizers.Whitespace(), lambda: pre_tokenizers.WhitespaceSplit(),
        lambda: pre_tokenizers.BertPreTokenizer(),
        lambda: pre_tokenizers.Digits(individual_digits=rng.random() < 0.5),
        lambda: pre_tokenizers.Punctuation(rng.choice(BEHAVIORS)),
        lambda: pre_tokenizers.CharDelimiterSplit(rng.choice("a -▁")),
        lambda: pre_tokenizers.Metaspace(
            prepend_scheme=rng.choice(["first", "never", "always"]), split=rng.random() < 0.7),
        lambda: pre_tokenizers.Split(rng.choice([" ", "a", "ll", "▁"]), rng.choice(BEHAVIORS),
                                     invert=rng.random() < 0.3),
        lambda: pre_tokenizers.Split(Regex(rng.choice(REGEXES)), rng.choice(BEHAVIORS),
                                     invert=rng.random() < 0.3),
        lambda: pre_tokenizers.UnicodeScripts(),
        lambda: pre_tokenizers.FixedLength(length=rng.choice([1, 3, 5])),
    ])()


def make_pre_tokenizer(rng, byte_level):
    if byte_level:
        last = pre_tokenizers.ByteLevel(add_prefix_space=rng.random() < 0.3,
                                        use_regex=rng.random() < 0.6)
        if rng.random() < 0.4:
            return last
        first = [simple_pre_tokenizer(rng) for _ in range(rng.randrange(1, 3))]
        return pre_tokenizers.Sequence(first + [last])
    kind = rng.random()
    if kind < 0.25:
        return None
    if kind < 0.7:
        return simple_pre_tokenizer(rng)
    return pre_tokenizers.Sequence([simple_pre_tokenizer(rng) for _ in range(rng.randrange(1, 4))])


def simple_decoder(rng):
    return rng.choice([
        lambda: decoders.ByteFallback(), lambda: decoders.Fuse(),
        lambda: decoders.Strip(rng.choice([" ", "_", "▁"]), rng.randrange(3), rng.randrange(3)),
        lambda: decoders.Replace("▁", " "),
        lambda: decoders.Replace(Regex(r"[0-9]|\s+$"), "#"),
        lambda: decoders.Metaspace(prepend_scheme=rng.choice(["first", "never", "always"])),
        lambda: decoders.WordPiece(prefix="##", cleanup=rng.random() < 0.5),
        lambda: decoders.BPEDecoder(suffix="</w>"),
        lambda: decoders.CTC(pad_token="<pad>", word_delimiter_token="|",
                             cleanup=rng.random() < 0.5),
    ])()


def make_decoder(rng, byte_level):
    if byte_level and rng.random() < 0.8:
        return decoders.ByteLevel()
    kind = rng.random()
    if kind < 0.2:
        return None
    if kind < 0.6:
        return simple_decoder(rng)
    if kind < 0.7:
        return decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                  decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return decoders.Sequence([simple_decoder(rng) for _ in range(rng.randrange(1, 4))])


def make_processor(rng, tk):
    size = tk.get_vocab_size()
    token = lambda: (lambda i: (tk.id_to_token(i), i))(rng.randrange(size))
    a, b = token(), token()
    if a[0] is None or b[0] is None:
        return None
    name = lambda t: t[0] if not re.search(r"[\s:$]", t[0]) else None
    kind = rng.random()
    if kind < 0.3:
        return None
    if kind < 0.4:
        return processors.BertProcessing(b, a)
    if kind < 0.5:
        return processors.RobertaProcessing(b, a)
    if kind < 0.6:
        return processors.ByteLevel(trim_offsets=False)
    if name(a) and name(b):
        template = processors.TemplateProcessing(
            single=rng.choice([f"{a[0]} $A", f"$A {b[0]}", f"{a[0]} $A {b[0]}", "$A",
                               f"{a[0]} {a[0]} $A {b[0]} {a[0]}"]),
            pair=f"{a[0]} $A {b[0]} $B:1 {b[0]}:1", special_tokens=[a, b])
        if rng.random() < 0.3:
            return processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
        return template
    return None


def make_tokenizer(rng):
    kind = rng.random()
    byte_level = kind < 0.3
    if kind < 0.55:
        model = make_bpe(rng, byte_level)
    elif kind < 0.7:
        model = make_wordpiece(rng)
    elif kind < 0.8:
        model = make_wordlevel(rng)
    else:
        model = make_unigram(rng)
    tk = Tokenizer(model)
    normalizer = make_normalizer(rng)
    if normalizer:
        tk.normalizer = normalizer
    pre = make_pre_tokenizer(rng, byte_level)
    if pre:
        tk.pre_tokenizer = pre
    decoder = make_decoder(rng, byte_level)
    if decoder:
        tk.decoder = decoder
    added = []
    for content in rng.sample(SPECIALS, rng.randrange(0, 8)):
        # What looks like a special token, but is none because it is not a word
        # of its own, is never that token here, in the reference it may be.
        special = rng.random() < 0.5
        normalized = rng.random() < 0.4
        # The reference finds empty texts everywhere.
        if normalized and normalizer and not normalizer.normalize_str(content):
            continue
        added.append(AddedToken(content, single_word=not special and rng.random() < 0.3,
                                lstrip=rng.random() < 0.2, rstrip=rng.random() < 0.2,
                                normalized=normalized, special=special))
    tk.add_tokens(added)
    processor = make_processor(rng, tk)
    if processor:
        tk.post_processor = processor
    return tk, [t.content for t in added]


def respell(rng, text):
    """The same file in other words: old merges, fields left out."""
    data = json.loads(text)
    model = data["model"]
    if model["type"] == "BPE" and rng.random() < 0.4:
        if not any(" " in a or " " in b for a, b in model["merges"]):
            model["merges"] = ["#version: 0.2"] * rng.randrange(2) + [
                f"{a} {b}" for a, b in model["merges"]]
    if model["type"] == "BPE" and rng.random() < 0.2:
        for name in ("dropout", "byte_fallback", "ignore_merges", "fuse_unk"):
            if not model.get(name):
                model.pop(name, None)
    if model["type"] != "WordLevel" and rng.random() < 0.1:
        del model["type"]
    return json.dumps(data, ensure_ascii=rng.random() < 0.5,
                      indent=rng.choice([None, 2]))


def run(tool, command, path, rows, *options):
    r = subprocess.run([tool, command, "-m", path, "--jsonl", *options],
                       input="".join(json.dumps(r) + "\n" for r in rows).encode(),
                       capture_output=True)
    if r.returncode != 0:
        return None, r.stderr.decode("utf-8", "replace").strip()
    lines = r.stdout.decode("utf-8").split("\n")[:-1]
    return [json.loads(l) for l in lines], ""


class Reference:
    """A tokenizer of a seed and what the reference makes of texts."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        made, self.added = make_tokenizer(self.rng)
        self.text = respell(self.rng, made.to_str())
        # Of added tokens that are equal when they are normalized, the reference
        # finds any.
        self.same = [Tokenizer.from_str(self.text) for _ in range(4)]
        vocab = self.same[0].get_vocab()
        self.vocab = sorted(t for t in vocab if t)
        self.size = max(vocab.values()) + 1

    def texts(self, n):
        extra = self.added + self.rng.sample(self.vocab, min(20, len(self.vocab)))
        return ["", " "] + [sample_text(self.rng, extra) for _ in range(n)]

    def encode(self, text, add_special, parse_special=True):
        try:
            for t in self.same:
                t.encode_special_tokens = not parse_special
            ids = [t.encode(text, add_special_tokens=add_special).ids for t in self.same]
        except BaseException:  # an unknown word without a token for it
            return None
        return ids[0] if all(i == ids[0] for i in ids) else None

    def decode(self, ids):
        try:
            return self.same[0].decode(ids, skip_special_tokens=False)
        except BaseException:  # it panics
            return None


def features(data):
    """What a tokenizer.json consists of: types, options, flags that are set."""
    found = set()

    def walk(value, where):
        if isinstance(value, dict):
            kind = value.get("type", where)
            found.add(kind)
            for name, member in value.items():
                if isinstance(member, (bool, type(None))) or name in (
                        "behavior", "prepend_scheme"):
                    found.add(f"{kind}.{name}={member}")
                elif name not in ("vocab", "merges", "special_tokens"):
                    walk(member, f"{kind}.{name}")
        elif isinstance(value, list):
            for member in value:
                walk(member, where)

    walk(data, "")
    return found


def write_golden(args, seed, out, seen):
    """Writes a tokenizer that has something which few of those before have."""
    reference = Reference(seed)
    new = features(json.loads(reference.text))
    if all(seen.get(f, 0) >= args.times for f in new):
        return
    for f in new:
        seen[f] = seen.get(f, 0) + 1
    cases = []
    for text in reference.texts(args.texts):
        ids = reference.encode(text, False)
        special = reference.encode(text, True)
        decoded = reference.decode(special) if special is not None else None
        if ids is not None and decoded is not None:
            cases.append({"text": text, "ids": ids, "special": special, "decoded": decoded})
    out.write(json.dumps({"name": str(seed), "tokenizer": json.loads(reference.text),
                          "cases": cases}, ensure_ascii=False, separators=(",", ":")) + "\n")


def check(args, seed, stats):
    reference = Reference(seed)
    rng, text = reference.rng, reference.text
    texts = reference.texts(args.texts)
    path = os.path.join(args.folder, "tokenizer.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    failed = []

    def compare(what, command, rows, member, expected, *options):
        got, message = run(args.tool, command, path, rows, *options)
        if got is None:
            failed.append(f"{what}: {message}")
            return
        for row, have, want in zip(rows, got, expected):
            stats["compared"] += 1
            if have[member] != want:
                failed.append(f"{what}: {json.dumps(row)}\n  have {json.dumps(have[member])}\n"
                              f"  want {json.dumps(want)}")
                if len(failed) > 2:
                    return

    for what, add, parse, options in (
            ("text", False, False, ()),
            ("plain", False, True, ("--parse-special",)),
            ("special", True, True, ("--parse-special", "--special"))):
        rows, ids = [], []
        for t in texts:
            found = reference.encode(t, add, parse)
            if found is not None:
                rows.append({"text": t})
                ids.append(found)
        compare(f"tokenize {what}", "tokenize", rows, "ids", ids, *options)
    rows = [{"ids": i} for i in ids] + [
        {"ids": [rng.randrange(reference.size) for _ in range(rng.randrange(12))]}
        for _ in range(10)]
    decoded = [reference.decode(row["ids"]) for row in rows]
    known = [row for row, text in zip(rows, decoded) if text is not None]
    decoded = [text for text in decoded if text is not None]
    compare("detokenize", "detokenize", known, "text", decoded, "--special")
    if not failed:
        return True
    data = json.loads(text)
    print(f"seed {seed}: {data['model'].get('type')}, normalizer "
          f"{json.dumps(data['normalizer'], ensure_ascii=False)}, pre_tokenizer "
          f"{json.dumps(data['pre_tokenizer'], ensure_ascii=False)}, decoder "
          f"{json.dumps(data['decoder'], ensure_ascii=False)}")
    print("\n".join(failed[:args.shown]))
    if args.keep:
        os.makedirs(args.keep, exist_ok=True)
        with open(os.path.join(args.keep, f"{seed}.json"), "w", encoding="utf-8") as f:
            f.write(text)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tool", default="build/tools/bitnet")
    parser.add_argument("--seeds", default="1-100", help="FIRST-LAST")
    parser.add_argument("--texts", type=int, default=40, help="of each tokenizer")
    parser.add_argument("--keep", help="folder for tokenizers that fail")
    parser.add_argument("--shown", type=int, default=2, help="failures of each")
    parser.add_argument("--golden", help="file to write instead")
    parser.add_argument("--times", type=int, default=1,
                        help="how often everything is to be in there")
    args = parser.parse_args()
    first, last = map(int, args.seeds.split("-"))
    if args.golden:
        with open(args.golden, "w", encoding="utf-8") as out:
            seen = {}
            for seed in range(first, last + 1):
                write_golden(args, seed, out, seen)
        return 0
    stats = {"compared": 0}
    n_failed = 0
    with tempfile.TemporaryDirectory() as args.folder:
        for seed in range(first, last + 1):
            n_failed += not check(args, seed, stats)
    print(f"{last - first + 1} tokenizers, {stats['compared']} comparisons, "
          f"{n_failed} tokenizers differ")
    return n_failed > 0


if __name__ == "__main__":
    sys.exit(main())
