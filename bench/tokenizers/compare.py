#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures this project's tokenizer beside the others that are installed, on
the same texts, in turns, one thread each, and prints a table.

  compare.py --set gpt-2=tokenizer.json,gpt-2.gguf \\
             --set llama-2=tokenizer.model,llama-2.gguf \\
             english.txt c.txt mixed.txt

A set is one vocabulary in the files that the programs want: tokenizer.json
(tokenizers, iree-tokenizer), tokenizer.model (sentencepiece, or tiktoken if
it holds ranks), GGUF (llama.cpp). Ours reads the first. Peers that are not
installed are left out: `pip install tokenizers tiktoken sentencepiece
iree-tokenizer numpy`; llama.cpp is taken from --llama-cpp, a source folder
with a build in build/bin.

Only the call that encodes is timed. A peer that is slow gets the beginning of
the text; its column says how much. One that takes longer than --limit is
ended and shown as "> s". "equal" is the share of lines, of the first
megabyte, for which a peer and ours have the same ids."""
import argparse
import json
import os
import pathlib
import select
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# Bytes that a peer gets, so that a run takes seconds.
SAMPLE = {"tokenizers": 2e6, "tiktoken": 4e6, "sentencepiece": 2e6,
          "llama.cpp": 1e6}
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def lines_of(text):
    """Lines with their ends, which are newlines only."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return [line for line in lines if line]


# The peers: each returns a function from text to a list of ids.

def load_tokenizers(path):
    import tokenizers
    encoder = tokenizers.Tokenizer.from_file(path)
    encoder.no_truncation()
    encoder.no_padding()
    return lambda text: encoder.encode(text, add_special_tokens=False).ids


def load_iree(path):
    from iree import tokenizer
    encoder = tokenizer.Tokenizer.from_file(path)
    return encoder.encode_to_array


def load_sentencepiece(path):
    import sentencepiece
    encoder = sentencepiece.SentencePieceProcessor(model_file=path)
    return encoder.encode


def load_tiktoken(path):
    import base64
    import tiktoken
    with open(path, "rb") as file:
        ranks = {base64.b64decode(text): int(rank)
                 for text, rank in (line.split() for line in file)}
    encoder = tiktoken.Encoding("ranks", pat_str=LLAMA3_PATTERN,
                                mergeable_ranks=ranks, special_tokens={})
    return encoder.encode_ordinary


PEERS = {"iree": load_iree, "tokenizers": load_tokenizers,
         "tiktoken": load_tiktoken, "sentencepiece": load_sentencepiece}


def serve(name, path):
    """A worker: a line names a text and its size, the answer are seconds and
    the number of ids; "lines" instead of a size asks for the ids of each
    line of the first megabyte."""
    try:
        encode = PEERS[name](path)
    except ImportError as problem:
        print(json.dumps({"missing": str(problem)}), flush=True)
        return
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        with open(request["text"], "rb") as file:
            text = file.read(request["size"]).decode(errors="ignore")
        if request["lines"]:
            ids = [list(map(int, encode(part)))
                   for part in lines_of(text)]
            print(json.dumps({"ids": ids}), flush=True)
            continue
        start = time.perf_counter()
        ids = encode(text)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "n_ids": len(ids),
                          "size": len(text.encode())}), flush=True)


class Peer:
    """A worker process that answers within a time or is ended."""

    def __init__(self, name, command, limit):
        self.name, self.limit = name, limit
        self.size = int(SAMPLE.get(name, 1e9))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        answer = self.read(60)
        self.is_ready = bool(answer and "ready" in answer)

    def read(self, limit):
        ready, _, _ = select.select([self.process.stdout], [], [], limit)
        line = self.process.stdout.readline() if ready else ""
        return json.loads(line) if line else None

    def ask(self, text, size, lines=False):
        """The answer, or None if it took too long; then the peer is gone."""
        if not self.is_ready:
            return None
        request = {"text": text, "size": size, "lines": lines}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.read(self.limit)
        if answer is None:
            self.stop()
        return answer

    def encode(self, text):
        answer = self.ask(text, self.size)
        return answer and answer["size"] / 1e6 / answer["seconds"]

    def stop(self):
        self.is_ready = False
        self.process.kill()
        self.process.wait()


class Ours:
    name = "bitnet"

    def __init__(self, program, path):
        self.program, self.path = program, path

    def run(self, *arguments, **options):
        return subprocess.run([self.program, *arguments], check=True,
                              capture_output=True, text=True, **options).stdout

    def encode(self, text):
        answer = json.loads(self.run("bench", "--tokenizer", "-m", self.path,
                                     "--json", "-r", "1", text))
        return next(row["median"] for row in answer["results"]
                    if row["test"] == "encode")

    def lines(self, text):
        with open(text, "rb") as file:
            data = file.read(10**6).decode(errors="ignore")
        rows = "".join(json.dumps({"text": part}) + "\n"
                       for part in lines_of(data))
        answer = self.run("tokenize", "-m", self.path, "--jsonl", input=rows)
        return [json.loads(row)["ids"] for row in answer.splitlines()]


def build_llama_harness(folder):
    """Compiles llama-worker.c against a llama.cpp tree: its path, or None."""
    program = pathlib.Path("/tmp") / f"llama-worker-{os.getuid()}"
    command = ["cc", "-O2", "-o", program, HERE / "llama-worker.c",
               f"-I{folder}/include", f"-I{folder}/ggml/include",
               f"-L{folder}/build/bin", "-lllama",
               f"-Wl,-rpath,{folder}/build/bin"]
    return program if subprocess.run(command).returncode == 0 else None


def start_peers(files, options, harness):
    """The peers of a set that are there."""
    commands = []
    for path in files:
        with open(path, "rb") as file:
            start = file.read(4)
        if start == b"GGUF":
            if harness:
                commands.append(("llama.cpp", [harness, path]))
            continue
        if path.endswith(".json"):
            names = ["iree", "tokenizers"]
        else:
            names = ["sentencepiece" if start[:1] == b"\n" else "tiktoken"]
        commands += [(name, [sys.executable, __file__, "--worker", name, path])
                     for name in names]
    peers = [Peer(name, command, options.limit) for name, command in commands]
    return [peer for peer in peers if peer.is_ready]


def share_equal(ours, peer, text):
    answer = peer.ask(text, 10**6, lines=True)
    if not answer:
        return None
    pairs = list(zip(ours, answer["ids"]))
    return sum(a == b for a, b in pairs) / max(1, len(pairs))


def measure(name, files, options, harness):
    programs = [Ours(options.bitnet, files[0])]
    programs += start_peers(files, options, harness)
    for text in options.texts:
        speeds = {program.name: [] for program in programs}
        for _ in range(options.runs):
            for program in programs:
                speeds[program.name].append(program.encode(text))
        ours = programs[0].lines(text)
        base = statistics.median(speeds["bitnet"])
        for program in programs:
            values = [value for value in speeds[program.name] if value]
            row = f"{name:10} {pathlib.Path(text).stem:10} {program.name:14}"
            if not values:
                print(f"{row} > {options.limit:.0f} s", flush=True)
                continue
            speed = statistics.median(values)
            row += f"{speed:8.1f} MB/s"
            if program.name != "bitnet":
                equal = share_equal(ours, program, text)
                row += f"  ours x {base / speed:6.1f}"
                row += "" if equal is None else f"  equal {equal:8.3%}"
            print(row, flush=True)
    for peer in programs[1:]:
        peer.stop()


def main():
    if sys.argv[1:2] == ["--worker"]:
        return serve(*sys.argv[2:4])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bitnet", default="build/tools/bitnet",
                        metavar="PROGRAM", help="ours (default: %(default)s)")
    parser.add_argument("--set", action="append", required=True, dest="sets",
                        metavar="NAME=FILE[,FILE…]", help="a vocabulary")
    parser.add_argument("--llama-cpp", metavar="FOLDER",
                        help="source folder of llama.cpp, built")
    parser.add_argument("--runs", type=int, default=5, metavar="N",
                        help="rounds; medians are shown (default: 5)")
    parser.add_argument("--limit", type=float, default=60, metavar="SECONDS",
                        help="for one call of a peer (default: 60)")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="UTF-8 files")
    options = parser.parse_args()
    harness = options.llama_cpp and build_llama_harness(options.llama_cpp)
    for entry in options.sets:
        name, _, files = entry.partition("=")
        measure(name, files.split(","), options, harness)
    return 0


if __name__ == "__main__":
    sys.exit(main())
