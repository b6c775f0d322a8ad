/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The numbers that describe a model's graph, read from its {arch}.* keys and
 * checked (gguf.md sections 7.9, 14 and 16; model-graphs.md 3 to 9). What is
 * accepted here never makes the graph divide by zero, overflow or index out
 * of a tensor. */
#pragma once

#include "bn-gguf.h"

typedef enum {
  BN_ARCH_LLAMA,
  BN_ARCH_BITNET,      /* 1bitLLM b1.58 large and 3B */
  BN_ARCH_BITNET_B158, /* 2B-4T: "bitnet-b1.58", "bitnet-25" */
  BN_ARCH_GPT2,
  BN_ARCH_QWEN2,
  BN_ARCH_QWEN3,
} BnArch;

typedef enum {
  BN_ACTIVATION_SILU,  /* silu (gate) * up */
  BN_ACTIVATION_RELU2, /* max (gate, 0)^2 * up */
  BN_ACTIVATION_GELU,  /* gelu (up), no gate */
} BnActivation;

typedef enum {
  BN_ROPE_NONE,
  BN_ROPE_NORM, /* pairs (2i, 2i + 1) */
  BN_ROPE_NEOX, /* pairs (i, i + n_rot / 2) */
} BnRope;

typedef struct {
  BnArch arch;
  char name[32]; /* the architecture string of the file */

  uint32_t n_vocab;
  uint32_t n_context; /* positions the model was made for */
  uint32_t n_layers;
  uint32_t n_embd;
  uint32_t n_ff;
  uint32_t n_heads;
  uint32_t n_kv_heads; /* divides n_heads */
  uint32_t head_size;
  float norm_eps;
  float attn_scale; /* of q . k */

  BnActivation activation;
  gboolean has_layer_norm; /* LayerNorm with bias instead of RMSNorm */
  gboolean has_sub_norms;  /* norms in front of attn_output and ffn_down */
  gboolean is_ternary;     /* trained with one int8 scale per activation row */

  BnRope rope;
  uint32_t n_rot; /* dimensions that turn; even */
  double rope_base;
  double rope_freq_scale; /* 1 / scaling factor */
  double rope_ext_factor; /* 0: linear or none; 1: YaRN */
  double rope_attn_factor;
  double rope_beta_fast;
  double rope_beta_slow;
  uint32_t rope_n_context; /* context before scaling */
} BnHparams;

/* Errors: UNSUPPORTED_ARCHITECTURE with the names that are supported, CORRUPT
 * with file, key, found and expected. */
gboolean bn_hparams_read (BnHparams *self, const BnGguf *gguf, GError **error);

/* n_rot / 2 pairs (cos, sin) of a position. factors: rope_freqs of the file,
 * n_rot / 2 divisors of the angle, or NULL. */
void bn_hparams_rope (const BnHparams *self, const float *factors,
    uint32_t position, float *cos_sin);
