# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo model for training: the bitnet-b1.58 graph with fake quantization.

Forward uses what inference uses: weights as -1, 0, +1 times one scale per
tensor, activations as int8 with one scale per token, quantized once for each
group of matrices that shares its input (four groups per layer).  Both sets of
integers are exact in bfloat16, so the products run there.  Backward passes
the gradients straight through both roundings.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

CONFIG = dict(vocab=2048, width=256, layers=6, ffn=768, heads=8, kv_heads=4,
              head_dim=32, context=512, rope_base=10000.0, eps=1e-5)


def ternary(weight):
    """(-1/0/+1 tensor, scale): scale is mean |w|, at least 1e-5."""
    scale = weight.abs().mean().clamp(min=1e-5)
    return (weight / scale).round().clamp(-1, 1), scale


class TernaryProduct(torch.autograd.Function):
    """y = (int8 x) (ternary w)^T for one shared input and stacked weights."""

    @staticmethod
    def forward(ctx, x, weight, row_scale):
        weight = weight.to(torch.bfloat16)
        step = 127.0 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
        q = (x * step).round().clamp(-128, 127).to(torch.bfloat16)
        ctx.save_for_backward(q, weight, row_scale, step)
        return (q @ weight.t()).float() * (row_scale / step)

    @staticmethod
    def backward(ctx, grad):
        q, weight, row_scale, step = ctx.saved_tensors
        grad_x = (grad * row_scale).to(torch.bfloat16) @ weight
        grad_w = (grad / step).to(torch.bfloat16).t() @ q
        return grad_x.float(), grad_w.float(), None


def ternary_linear(x, weights):
    """Outputs of several matrices that share the input x, side by side."""
    packed, scales = [], []
    for weight in weights:
        code, scale = ternary(weight.detach())
        # The gradient reaches the latent weight through this identity.
        packed.append(code + (weight - weight.detach()))
        scales.append(scale.expand(weight.shape[0]))
    return TernaryProduct.apply(x, torch.cat(packed), torch.cat(scales))


class Norm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True)
                               + self.eps) * self.weight


def rope(x, cos, sin):
    """NEOX rotation of x [batch, heads, tokens, head_dim]."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
        shapes = dict(attn_q=(q, c["width"]), attn_k=(kv, c["width"]),
                      attn_v=(kv, c["width"]), attn_output=(c["width"], q),
                      ffn_gate=(c["ffn"], c["width"]),
                      ffn_up=(c["ffn"], c["width"]),
                      ffn_down=(c["width"], c["ffn"]))
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.randn(shape) * 0.02))
        self.attn_norm = Norm(c["width"], c["eps"])
        self.attn_sub_norm = Norm(q, c["eps"])
        self.ffn_norm = Norm(c["width"], c["eps"])
        self.ffn_sub_norm = Norm(c["ffn"], c["eps"])

    def forward(self, x, cos, sin, mask):
        c = self.c
        rows, length, _ = x.shape
        heads, groups, d = c["heads"], c["kv_heads"], c["head_dim"]
        n = self.attn_norm(x).reshape(rows * length, -1)
        qkv = ternary_linear(n, (self.attn_q, self.attn_k, self.attn_v))
        qkv = qkv.view(rows, length, heads + 2 * groups, d).transpose(1, 2)
        q, k, v = qkv.split((heads, groups, groups), 1)
        q, k = rope(q, cos, sin), rope(k, cos, sin)
        share = heads // groups
        k = k.repeat_interleave(share, 1)
        v = v.repeat_interleave(share, 1)
        a = F.scaled_dot_product_attention(
            q.to(torch.bfloat16), k.to(torch.bfloat16), v.to(torch.bfloat16),
            attn_mask=mask).float()
        a = a.transpose(1, 2).reshape(rows * length, -1)
        a = ternary_linear(self.attn_sub_norm(a), (self.attn_output,))
        x = x + a.view_as(x)
        n = self.ffn_norm(x).view(rows * length, -1)
        gate, up = ternary_linear(n, (self.ffn_gate, self.ffn_up)).chunk(2, 1)
        h = gate.relu().square() * up
        h = ternary_linear(self.ffn_sub_norm(h), (self.ffn_down,))
        return x + h.view_as(x)


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        c = self.config = dict(config)
        self.token_embd = nn.Parameter(
            torch.randn(c["vocab"], c["width"]) * 0.04)
        self.blk = nn.ModuleList(Block(c) for _ in range(c["layers"]))
        self.output_norm = Norm(c["width"], c["eps"])
        half = c["head_dim"] // 2
        power = torch.arange(half, dtype=torch.float64) / half
        angle = torch.arange(c["context"], dtype=torch.float64)[:, None] \
            * c["rope_base"] ** -power
        self.register_buffer("cos", angle.cos().float(), persistent=False)
        self.register_buffer("sin", angle.sin().float(), persistent=False)

    def forward(self, ids, mask, targets=None):
        """Logits, or the mean loss over targets that are not -100.

        mask [rows, 1, tokens, tokens] says which earlier tokens are seen.
        """
        x = F.embedding(ids, self.token_embd)
        length = ids.shape[1]
        cos, sin = self.cos[:length], self.sin[:length]
        for block in self.blk:
            x = block(x, cos, sin, mask)
        x = self.output_norm(x).to(torch.bfloat16)
        logits = (x @ self.token_embd.to(torch.bfloat16).t()).float()
        if targets is None:
            return logits
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(),
                               ignore_index=-100)
