#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run the demo model from its GGUF file with plain numpy, one token at a time.

This is an independent second implementation: it shares no code with the
training model.  Ternary products use integers only, as the engine does: int8
activations with one scale per token, 32-bit sums, one division and one
multiplication at the end.  It prints continuations and can write golden.json,
which the engine's tests compare against.

Usage: check.py MODEL.gguf [--prompt TEXT ...] [--tokens N] [--sample SEED]
                [--golden FILE] [--loss FILE]
"""

import argparse
import json
import mmap
import struct
import sys

import numpy as np
import regex

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f",
           7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
GPT2 = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+"
                     r"| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
DEFAULT_PROMPTS = ["Once upon a time", "One day, a little fox",
                   "Why is the sky blue?", "The old lighthouse"]
f32 = np.float32


class Reader:
    """GGUF version 3: metadata and tensors as numpy arrays."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.at = 0
        magic, version, tensors, pairs = self.unpack("<4sIQQ")
        assert magic == b"GGUF" and version == 3
        self.meta = {}
        for _ in range(pairs):
            key = self.string()
            self.meta[key] = self.value(self.unpack("<I")[0])
        infos = []
        for _ in range(tensors):
            name = self.string()
            dims = self.unpack("<%dQ" % self.unpack("<I")[0])
            infos.append((name, dims) + self.unpack("<IQ"))
        align = self.meta.get("general.alignment", 32)
        base = (self.at + align - 1) // align * align
        self.tensors = {n: self.tensor(d, k, base + o)
                        for n, d, k, o in infos}

    def unpack(self, form):
        out = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return out

    def string(self):
        size = self.unpack("<Q")[0]
        self.at += size
        return self.data[self.at - size:self.at].decode("utf-8")

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            kind, count = self.unpack("<IQ")
            return [self.value(kind) for _ in range(count)]
        return self.unpack(SCALARS[kind])[0]

    def tensor(self, dims, kind, at):
        shape = tuple(reversed(dims))
        n = int(np.prod(dims))
        if kind == 0:
            return np.frombuffer(self.data, "<f4", n, at).reshape(shape)
        if kind == 1:
            return np.frombuffer(self.data, "<f2", n, at).astype(
                f32).reshape(shape)
        assert kind == 36, "type %d" % kind
        packed = np.frombuffer(self.data, np.uint8, n // 4, at)
        packed = packed.reshape(-1, 1, 32)
        shift = np.array([6, 4, 2, 0], np.uint8).reshape(1, 4, 1)
        code = (packed >> shift) & 3
        assert code.max() < 3
        scale = np.frombuffer(self.data, "<f4", 1, at + n // 4)[0]
        # 32-bit sums of codes times int8 stay below 2^24 for K up to 2^15,
        # so a float64 product gives the exact integers and is fast.
        return code.reshape(shape).astype(np.float64), f32(scale)


class Words:
    """Byte-level BPE from the file's own vocabulary."""

    def __init__(self, meta):
        self.tokens = meta["tokenizer.ggml.tokens"]
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self.rank = {tuple(m.split(" ", 1)): i for i, m in
                     enumerate(meta["tokenizer.ggml.merges"])}
        self.kind = meta["tokenizer.ggml.token_type"]
        self.bos = meta["tokenizer.ggml.bos_token_id"]
        self.eos = meta["tokenizer.ggml.eos_token_id"]
        plain = set(range(33, 127)) | set(range(161, 173)) \
            | set(range(174, 256))
        other = [b for b in range(256) if b not in plain]
        self.char = {b: chr(b) for b in plain}
        self.char.update({b: chr(256 + i) for i, b in enumerate(other)})
        self.byte = {c: b for b, c in self.char.items()}

    def encode(self, text):
        out = [self.bos]
        for word in GPT2.findall(text):
            parts = [self.char[b] for b in word.encode("utf-8")]
            while True:
                found = [(self.rank[p], i) for i, p in
                         enumerate(zip(parts, parts[1:])) if p in self.rank]
                if not found:
                    break
                at = min(found)[1]
                parts[at:at + 2] = ["".join(parts[at:at + 2])]
            out += [self.ids[p] for p in parts]
        return out

    def decode(self, ids):
        return bytes(self.byte[c] for i in ids if self.kind[i] == 1
                     for c in self.tokens[i]).decode("utf-8", "replace")


class Engine:
    def __init__(self, reader):
        get = {k.split(".", 2)[2]: v for k, v in reader.meta.items()
               if k.startswith("bitnet-b1.58.")}
        self.t = reader.tensors
        self.layers = get["block_count"]
        self.heads = get["attention.head_count"]
        self.groups = get["attention.head_count_kv"]
        self.d = get["rope.dimension_count"]
        self.eps = f32(get["attention.layer_norm_rms_epsilon"])
        half = self.d // 2
        self.freq = float(get["rope.freq_base"]) \
            ** (-np.arange(half, dtype=np.float64) / half)
        self.reset()

    def reset(self):
        self.position = 0
        self.k = [[] for _ in range(self.layers)]
        self.v = [[] for _ in range(self.layers)]

    def norm(self, x, name):
        mean = f32(np.mean(np.square(x), dtype=np.float64))
        return x * (f32(1) / np.sqrt(mean + self.eps)) \
            * self.t[name + ".weight"]

    @staticmethod
    def quantize(x):
        s = f32(127.0 / max(1e-5, float(np.abs(x).max())))
        q = np.clip(np.rint(x * s), -128, 127)
        return q.astype(np.float64), s

    def product(self, name, quantized):
        """y = (sum(code * q) - sum(q)) / s * scale, the sums in integers."""
        code, scale = self.t[name + ".weight"]
        q, s = quantized
        return (code @ q - q.sum()).astype(f32) / s * scale

    def rotate(self, x):
        angle = self.position * self.freq
        cos, sin = np.cos(angle).astype(f32), np.sin(angle).astype(f32)
        a, b = np.split(x, 2, -1)
        return np.concatenate((a * cos - b * sin, a * sin + b * cos), -1)

    def step(self, token):
        """Feed one token, return the logits of the next."""
        x = self.t["token_embd.weight"][token]
        for i in range(self.layers):
            p = "blk.%d." % i
            n = self.quantize(self.norm(x, p + "attn_norm"))
            q = self.product(p + "attn_q", n).reshape(self.heads, self.d)
            k = self.product(p + "attn_k", n).reshape(self.groups, self.d)
            v = self.product(p + "attn_v", n).reshape(self.groups, self.d)
            q = self.rotate(q)
            self.k[i].append(self.rotate(k))
            self.v[i].append(v)
            keys, values = np.stack(self.k[i]), np.stack(self.v[i])
            out = np.empty((self.heads, self.d), f32)
            for h in range(self.heads):
                g = h // (self.heads // self.groups)
                score = keys[:, g] @ q[h] / np.sqrt(f32(self.d))
                weight = np.exp(score - score.max())
                out[h] = weight @ values[:, g] / weight.sum()
            a = self.quantize(self.norm(out.ravel(), p + "attn_sub_norm"))
            x = x + self.product(p + "attn_output", a)
            n = self.quantize(self.norm(x, p + "ffn_norm"))
            gate = np.maximum(self.product(p + "ffn_gate", n), 0)
            h = gate * gate * self.product(p + "ffn_up", n)
            h = self.quantize(self.norm(h, p + "ffn_sub_norm"))
            x = x + self.product(p + "ffn_down", h)
        self.position += 1
        return self.t["token_embd.weight"] @ self.norm(x, "output_norm")


def draw(rng, logits):
    """Temperature 0.8, top-k 40, top-p 0.95."""
    order = np.argsort(-logits)[:40]
    p = np.exp((logits[order] - logits[order[0]]).astype(np.float64))
    p /= p.sum()
    keep = np.searchsorted(np.cumsum(p), 0.95) + 1
    p = np.exp((logits[order[:keep]] - logits[order[0]]).astype(np.float64)
               / 0.8)
    return int(order[rng.choice(keep, p=p / p.sum())])


def generate(engine, words, ids, count, rng=None, stop=True):
    """Continuation ids and the smallest lead of a winner over the second."""
    engine.reset()
    for token in ids:
        logits = engine.step(token)
    out, lead = [], np.inf
    while len(out) < count:
        top = np.sort(logits)[-2:]
        lead = min(lead, top[1] - top[0])
        token = int(logits.argmax()) if rng is None else draw(rng, logits)
        out.append(token)
        if stop and token == words.eos:
            break
        logits = engine.step(token)
    return out, float(lead)


def measure(engine, words, path, limit):
    """Mean cross-entropy per token over the first documents of a file."""
    with open(path, encoding="utf-8") as file:
        docs = [d for d in file.read().split("\0") if d][:limit]
    total, count = 0.0, 0
    for doc in docs:
        engine.reset()
        ids = words.encode(doc) + [words.eos]
        for token, target in zip(ids, ids[1:]):
            logits = engine.step(token).astype(np.float64)
            top = logits.max()
            total += top + np.log(np.exp(logits - top).sum()) - logits[target]
            count += 1
    return total / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--prompt", nargs="*", default=DEFAULT_PROMPTS)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--golden")
    parser.add_argument("--loss")
    parser.add_argument("--documents", type=int, default=40)
    args = parser.parse_args()

    reader = Reader(args.model)
    words, engine = Words(reader.meta), Engine(reader)
    if args.loss:
        print("loss %.4f" % measure(engine, words, args.loss, args.documents))
        return
    if args.golden:
        cases = []
        for prompt in args.prompt:
            ids = words.encode(prompt)
            out, lead = generate(engine, words, ids, 64)
            cases.append(dict(prompt=prompt, prompt_ids=ids, greedy_ids=out,
                              greedy_text=words.decode(out),
                              smallest_lead=round(lead, 4)))
            print("%.4f  %s" % (lead, prompt), file=sys.stderr)
        with open(args.golden, "w", encoding="utf-8") as out:
            json.dump(cases, out, ensure_ascii=False, indent=1)
            out.write("\n")
        return
    for prompt in args.prompt:
        ids = words.encode(prompt)
        rng = None if args.sample is None \
            else np.random.default_rng(args.sample)
        out, lead = generate(engine, words, ids, args.tokens, rng)
        print("[%s]%s\n  (%d tokens%s, smallest lead %.3f)\n" % (
            prompt, words.decode(out), len(out),
            ", ended" if out[-1] == words.eos else "", lead))


if __name__ == "__main__":
    main()
