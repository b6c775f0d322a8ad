#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Train the demo model with quantization in the loop (W1.58A8).

Documents are packed whole into rows of 512 tokens; a token sees only its own
document, so each starts with BOS as at inference.  The learning rate
falls along a cosine; weight decay ends at half of the steps.  --stop ends a
run before its schedule does, --resume goes on from its weights with a new one
(the second stage of the BitNet papers: lower rate, no weight decay).

Usage: train.py --vocab VOCAB.json --train T.txt --val V.txt --steps N
                --out CHECKPOINT.pt [--resume CHECKPOINT.pt]
"""

import argparse
import math
import time

import numpy as np
import torch

from bpe import Tokenizer
from model import CONFIG, Model

ROW = 512


def pack(path, tok, seed):
    """Ids, targets and document numbers, each [rows, ROW], shuffled."""
    with open(path, encoding="utf-8") as file:
        docs = [d for d in file.read().split("\0") if d]
    docs = [[tok.bos] + tok.encode(d) + [tok.eos] for d in docs]
    docs = [d for d in docs if len(d) <= ROW + 1]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(docs))
    # First fit into a few open rows: little padding, nearly random order.
    rows, open_rows = [], []
    for index in order:
        doc = docs[index]
        size = len(doc) - 1
        for row in open_rows:
            if row[0] + size <= ROW:
                break
        else:
            row = [0, []]
            open_rows.append(row)
            if len(open_rows) > 64:
                open_rows.sort(key=lambda r: r[0])
                rows.append(open_rows.pop())
        row[0] += size
        row[1].append(doc)
    rows += open_rows
    ids = np.full((len(rows), ROW), tok.eos, np.int64)
    targets = np.full((len(rows), ROW), -100, np.int64)
    number = np.full((len(rows), ROW), -1, np.int64)
    for i, (_, members) in enumerate(rows):
        at = 0
        for k, doc in enumerate(members):
            end = at + len(doc) - 1
            ids[i, at:end] = doc[:-1]
            targets[i, at:end] = doc[1:]
            number[i, at:end] = k
            at = end
    order = rng.permutation(len(rows))
    return (torch.from_numpy(ids[order]), torch.from_numpy(targets[order]),
            torch.from_numpy(number[order]))


CAUSAL = torch.ones(ROW, ROW, dtype=torch.bool).tril()


def mask_of(number):
    same = number[:, None, :, None] == number[:, None, None, :]
    return torch.zeros(same.shape, dtype=torch.bfloat16).masked_fill(
        ~(same & CAUSAL), -torch.inf)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--val", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--resume")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--stop", type=int, default=0)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--layers", type=int, default=CONFIG["layers"])
    parser.add_argument("--ffn", type=int, default=CONFIG["ffn"])
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tok = Tokenizer.load(args.vocab)
    ids, targets, number = pack(args.train, tok, args.seed)
    val = pack(args.val, tok, 0)
    used = (targets >= 0).sum().item()
    print("rows %d, tokens %d (%.1f %% padding)"
          % (len(ids), used, 100 - 100 * used / ids.numel()), flush=True)

    config = dict(CONFIG, layers=args.layers, ffn=args.ffn,
                  vocab=len(tok.tokens))
    model = Model(config)
    if args.resume:
        model.load_state_dict(torch.load(args.resume)["model"])
    matrices = [p for n, p in model.named_parameters()
                if p.dim() == 2 and n != "token_embd"]
    others = [p for n, p in model.named_parameters()
              if p.dim() != 2 or n == "token_embd"]
    print("ternary weights %d, other weights %d; %s"
          % (sum(p.numel() for p in matrices),
             sum(p.numel() for p in others), vars(args)), flush=True)
    optimizer = torch.optim.AdamW(
        [dict(params=matrices, weight_decay=args.decay),
         dict(params=others, weight_decay=0.0)],
        lr=args.lr, betas=(0.9, 0.95), fused=True)
    run = torch.compile(model) if args.compile else model

    def validate():
        with torch.no_grad():
            total = count = 0
            for at in range(0, len(val[0]), args.rows):
                i, t, n = (v[at:at + args.rows] for v in val)
                if len(i) < args.rows:
                    break
                weight = (t >= 0).sum().item()
                total += run(i, mask_of(n), t).item() * weight
                count += weight
        return total / count

    def save():
        torch.save(dict(model=model.state_dict(), config=config), args.out)

    started = time.time()
    mean, warmup = None, 100
    for step in range(args.steps):
        done = step / args.steps
        rate = args.lr * min(1, (step + 1) / warmup) \
            * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        if done >= 0.5:
            optimizer.param_groups[0]["weight_decay"] = 0.0
        at = step * args.rows % (len(ids) - args.rows + 1)
        pick = slice(at, at + args.rows)
        loss = run(ids[pick], mask_of(number[pick]), targets[pick])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        value = loss.item()
        mean = value if mean is None else 0.95 * mean + 0.05 * value
        if (step + 1) % 20 == 0 or step < 5:
            spent = time.time() - started
            print("step %5d  loss %.4f  lr %.2e  %6.0f s  %5.0f tokens/s"
                  % (step + 1, mean, rate, spent,
                     (step + 1) * args.rows * ROW / spent), flush=True)
        if (step + 1) % 250 == 0 or step + 1 in (args.stop, args.steps):
            save()
            print("step %5d  validation %.4f" % (step + 1, validate()),
                  flush=True)
        if step + 1 == args.stop:
            break


if __name__ == "__main__":
    main()
