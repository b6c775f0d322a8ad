#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes sentencepiece/: small models and what sentencepiece does with them.

Trains models on sentences of its own and writes NAME.model and NAME.jsonl,
one object a line: {"text", "ids"} by encode() or {"ids", "decoded"} by
decode(). The files there were made with sentencepiece 0.2.3 and protobuf:

    pip install sentencepiece==0.2.3 protobuf
    tests/data/make-sentencepiece.py
"""

import json
import pathlib
import random
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto

FOLDER = pathlib.Path(__file__).parent / "sentencepiece"
N_TEXTS = 150
N_DECODED = 60

WORDS = """the a of and to in is that it for on with as was are this by from
stream buffer pipeline element token tokenizer model text space space's don't
lower lowest newer newest wide wider widest low new hello world 12 345 2026
café naïve Straße Größe señor été Владимир слово слова мир мира κόσμος λόγος
日本語 日本 東京 中文 文字 한국어 한글 שלום عالم नमस्ते हिन्दी ไทย 😀 👍 ½ ① ﬁ
foo foobar <tool> xyz zz aaa aaaa !? ... -- ( ) [ ] { } , ; : . =""".split()

# Longer entries before shorter, things that vanish, that become spaces, that
# begin with other entries.
RULES = """41	61
42	62
C4	61 65
DF	73 73
65 301	E9
FF21	41
AD
200B	20
3000	20
3000 3000	20 20
2026	2E 2E 2E
9	20
A	20
B7 B7	20 78 20
78 79 7A	7A 7A
1F600	3A 29
"""

MODELS = {
    "unigram": {"model_type": "unigram"},
    "unigram-bytes": {
        "model_type": "unigram",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
    },
    "unigram-symbols": {
        "model_type": "unigram",
        "user_defined_symbols": ["<tool>", "foo", "foobar", "  ", "▁the", "aa"],
        "control_symbols": ["<sep>"],
        "pad_id": 3,
        "unk_surface": "<?>",
    },
    "unigram-suffix": {
        "model_type": "unigram",
        "treat_whitespace_as_suffix": True,
    },
    "unigram-across": {
        "model_type": "unigram",
        "split_by_whitespace": False,
        "add_dummy_prefix": False,
        "normalization_rule_name": "identity",
        "bos_id": -1,
        "eos_id": 0,
        "unk_id": 1,
    },
    "bpe": {"model_type": "bpe", "self_test_sample_size": 10},
    "bpe-bytes": {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
    },
    "bpe-symbols": {
        "model_type": "bpe",
        "user_defined_symbols": ["<tool>", "foo", "foobar", " x", "er", "and▁"],
        "denormalization_rule_tsv": True,
        "remove_extra_whitespaces": False,
    },
    "bpe-suffix": {"model_type": "bpe", "treat_whitespace_as_suffix": True},
    "bpe-unused": {"model_type": "bpe", "split_by_whitespace": False},
    "bpe-spaces": {"model_type": "bpe", "remove_extra_whitespaces": False},
}


def change(name, model):
    """What the trainer cannot make."""
    rng = random.Random(name)
    for piece in model.pieces:
        if piece.type != proto.ModelProto.SentencePiece.NORMAL:
            continue
        if name == "bpe-unused" and rng.random() < 0.3:
            piece.type = proto.ModelProto.SentencePiece.UNUSED
        if name == "bpe-spaces":
            piece.piece = piece.piece.replace("▁", " ")
        if name == "unigram-across":
            piece.score = float(int(piece.score))  # ties
    if name == "bpe-spaces":
        model.normalizer_spec.escape_whitespaces = False


def train(name, options, folder):
    rng = random.Random(1)
    corpus = folder / "corpus.txt"
    rules = folder / "rules.tsv"
    corpus.write_text(
        "\n".join(
            " ".join(rng.choices(WORDS, k=rng.randrange(3, 12))) for _ in range(800)
        )
    )
    rules.write_text(RULES)
    options = dict(options)
    if "denormalization_rule_tsv" in options:
        options["denormalization_rule_tsv"] = str(rules)
    if "normalization_rule_name" not in options:
        options["normalization_rule_tsv"] = str(rules)
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / name),
        vocab_size=560 if options.get("byte_fallback") else 300,
        hard_vocab_limit=False,
        character_coverage=0.995,
        num_threads=1,
        minloglevel=2,
        **options,
    )
    model = proto.ModelProto()
    model.ParseFromString((folder / f"{name}.model").read_bytes())
    model.trainer_spec.input[:] = []
    model.trainer_spec.model_prefix = name
    model.normalizer_spec.normalization_rule_tsv = ""
    model.denormalizer_spec.normalization_rule_tsv = ""
    change(name, model)
    return model.SerializeToString()


SPACES = ["", " ", "  ", "    ", "\t", "\n", "\u3000", "\u3000\u3000", "\u200b"]
SPACES += ["\u00a0", "▁", "▁▁"]
ODD = ["<s>", "</s>", "<unk>", "<sep>", "<0x41>", "fo", "foob", "··", "Ä", "ß"]
ODD += ["e\u0301", "e\u0301\u0301", "Ａ", "…", "xyzz", "AB", "\u00ad", "\0", "\x7f"]
ODD += ["\ufffd", "\U0010ffff", "👨\u200d👩", "가", "각", "aaaaaaaaa", " x", "and▁"]


def text(rng):
    parts = rng.randrange(1, 14)
    out = []
    for _ in range(parts):
        kind = rng.random()
        if kind < 0.45:
            out.append(rng.choice(WORDS) + rng.choice(SPACES))
        elif kind < 0.7:
            out.append(rng.choice(ODD))
        elif kind < 0.85:
            out.append(rng.choice(SPACES))
        else:
            out.append(chr(rng.choice([0x40, 0x100, 0x3000, 0x10000]) + rng.randrange(0x500)))
    return "".join(out)


def goldens(data, name):
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    rng = random.Random(name)
    size = processor.get_piece_size()
    texts = [""] + SPACES[1:] + ODD
    while len(texts) < N_TEXTS:
        texts.append(text(rng))
    for line in texts:
        yield {"text": line, "ids": processor.encode(line)}
    for i in range(N_DECODED):
        top = min(size, rng.choice([8, 270, size]))
        ids = [rng.randrange(top) for _ in range(rng.randrange(1, 12))]
        if i % 2:
            ids = processor.encode(texts[-i])
        yield {"ids": ids, "decoded": processor.decode(ids) if ids else ""}


def main():
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, options in MODELS.items():
            data = train(name, options, pathlib.Path(folder))
            (FOLDER / f"{name}.model").write_bytes(data)
            with open(FOLDER / f"{name}.jsonl", "w", encoding="utf-8") as out:
                for row in goldens(data, name):
                    out.write(json.dumps(row, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
