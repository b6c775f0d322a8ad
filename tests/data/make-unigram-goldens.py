#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes unigram-llama-cpp.jsonl: what llama.cpp makes of texts with the
vocabulary of nomic-bert-moe (250,048 pieces, a model "t5").

usage: make-unigram-goldens.py LLAMA-WORKER VOCABULARY > unigram-llama-cpp.jsonl

LLAMA-WORKER is bench/tokenizers/llama-worker.c, compiled against llama.cpp as
bench/tokenizers/compare.py does; the file here was made with the sources that
llama-cpp-python 0.3.36 brings.
"""

import importlib
import json
import os
import random
import subprocess
import sys
import tempfile

source = importlib.import_module("make-sentencepiece")


def main():
    rng = random.Random(2)
    texts = [source.text(rng) for _ in range(250)] + source.SPACES + source.ODD
    # A text is a line, and ends with its newline.
    texts = [
        text.translate({0: None, 10: None, 13: None}) + "\n" for text in texts
    ]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write("".join(texts))
        file.flush()
        request = {
            "text": file.name,
            "size": os.path.getsize(file.name),
            "lines": True,
        }
        answer = subprocess.run(
            sys.argv[1:3],
            input=json.dumps(request) + "\n",
            capture_output=True,
            check=True,
            text=True,
        )
    ids = json.loads(answer.stdout.splitlines()[-1])["ids"]
    for text, row in zip(texts, ids, strict=True):
        print(json.dumps({"text": text, "ids": row}))


if __name__ == "__main__":
    main()
