#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write a training checkpoint as a GGUF file (version 3, little-endian).

Ternary matrices become I2_S, layout A: 128 elements in 32 bytes, the first 32
in the top bits, codes 0/1/2 for -1/0/+1, then the tensor's scale as one f32
and 28 zero bytes.  The embedding is F16, the norms are F32.

Usage: export.py CHECKPOINT.pt VOCAB.json OUTPUT.gguf
"""

import argparse
import struct

import numpy as np
import torch

from bpe import Tokenizer
from model import ternary

ALIGN = 32
U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
TYPE_F32, TYPE_F16, TYPE_I2_S = 0, 1, 36
FILE_TYPE_I2_S = 40
NORMAL, CONTROL = 1, 3
TERNARY = ("attn_q", "attn_k", "attn_v", "attn_output",
           "ffn_gate", "ffn_up", "ffn_down")
NORMS = ("attn_norm", "attn_sub_norm", "ffn_norm", "ffn_sub_norm")


def string(text):
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def scalar(kind, value):
    if kind == STRING:
        return string(value)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind],
                       value)


def pair(key, kind, value):
    if isinstance(value, list):
        body = struct.pack("<IQ", kind, len(value)) \
            + b"".join(scalar(kind, v) for v in value)
        kind = ARRAY
    else:
        body = scalar(kind, value)
    return string(key) + struct.pack("<I", kind) + body


def i2_s(weight):
    code, scale = ternary(weight)
    code = (code.numpy().astype(np.int8) + 1).astype(np.uint8)
    assert code.shape[1] % 128 == 0
    group = code.reshape(-1, 4, 32)
    data = group[:, 0] << 6 | group[:, 1] << 4 | group[:, 2] << 2 | group[:, 3]
    return data.tobytes() + struct.pack("<f", scale.item()) + bytes(28)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("vocab")
    parser.add_argument("output")
    args = parser.parse_args()

    saved = torch.load(args.checkpoint, map_location="cpu")
    config, state = saved["config"], saved["model"]
    tok = Tokenizer.load(args.vocab)
    arch = "bitnet-b1.58"
    count = len(tok.tokens)
    assert count == config["vocab"]
    kinds = [CONTROL if i in (tok.bos, tok.eos) else NORMAL
             for i in range(count)]
    pairs = [
        ("general.architecture", STRING, arch),
        ("general.type", STRING, "model"),
        ("general.name", STRING, "gst-bitnet demo stories"),
        ("general.description", STRING,
         "A small ternary model that tells children's stories. Trained by the "
         "gst-bitnet project on text it generated itself; the recipe is in "
         "tools/demo-model."),
        ("general.license", STRING, "LGPL-2.1-or-later"),
        ("general.languages", STRING, ["en"]),
        ("general.file_type", U32, FILE_TYPE_I2_S),
        ("general.quantization_version", U32, 2),
        (arch + ".vocab_size", U32, count),
        (arch + ".context_length", U32, config["context"]),
        (arch + ".embedding_length", U32, config["width"]),
        (arch + ".block_count", U32, config["layers"]),
        (arch + ".feed_forward_length", U32, config["ffn"]),
        (arch + ".attention.head_count", U32, config["heads"]),
        (arch + ".attention.head_count_kv", U32, config["kv_heads"]),
        (arch + ".attention.layer_norm_rms_epsilon", F32, config["eps"]),
        (arch + ".rope.dimension_count", U32, config["head_dim"]),
        (arch + ".rope.freq_base", F32, config["rope_base"]),
        ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", STRING, tok.tokens),
        ("tokenizer.ggml.token_type", I32, kinds),
        ("tokenizer.ggml.merges", STRING, tok.merges),
        ("tokenizer.ggml.bos_token_id", U32, tok.bos),
        ("tokenizer.ggml.eos_token_id", U32, tok.eos),
        ("tokenizer.ggml.add_bos_token", BOOL, True),
        ("tokenizer.ggml.add_eos_token", BOOL, False),
    ]

    tensors = []

    def norm(name, key):
        weight = state[key].numpy().astype("<f4")
        tensors.append((name, weight.shape, TYPE_F32, weight.tobytes()))

    embd = state["token_embd"].numpy().astype("<f2")
    tensors.append(("token_embd.weight", embd.shape, TYPE_F16,
                    embd.tobytes()))
    norm("output_norm.weight", "output_norm.weight")
    for layer in range(config["layers"]):
        for name in NORMS:
            norm("blk.%d.%s.weight" % (layer, name),
                 "blk.%d.%s.weight" % (layer, name))
        for name in TERNARY:
            weight = state["blk.%d.%s" % (layer, name)]
            tensors.append(("blk.%d.%s.weight" % (layer, name), weight.shape,
                            TYPE_I2_S, i2_s(weight)))

    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    head += b"".join(pair(*p) for p in pairs)
    data = bytearray()
    for name, shape, kind, body in tensors:
        dims = tuple(reversed(shape))
        head += string(name) + struct.pack("<I", len(dims)) \
            + struct.pack("<%dQ" % len(dims), *dims) \
            + struct.pack("<IQ", kind, len(data))
        data += body + bytes(-len(body) % ALIGN)
    with open(args.output, "wb") as out:
        out.write(head + bytes(-len(head) % ALIGN) + data)
        print("%s: %d tensors, %d bytes" % (args.output, len(tensors),
                                            out.tell()))


if __name__ == "__main__":
    main()
