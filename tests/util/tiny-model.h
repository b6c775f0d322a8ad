/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models of a few thousand weights, made in memory for a test: any supported
 * architecture, any type with an encoder, weights from a fixed generator. A
 * test may change weights and keys before the file is written. */
#pragma once

#include "bn-gguf.h"
#include "bn-kernels.h"

typedef struct {
  const char *arch;
  BnType type;      /* of matrices; 0 is F32 */
  BnType embd_type; /* of token_embd and output */
  BnI2sLayout i2s_layout;
  uint32_t n_layers;      /* 0: 2 */
  uint32_t n_embd;        /* 0: 64 */
  uint32_t n_ff;          /* 0: 128 */
  uint32_t n_heads;       /* 0: 4 */
  uint32_t n_kv_heads;    /* 0: 2, or n_heads for gpt2 */
  uint32_t head_size;     /* 0: n_embd / n_heads */
  uint32_t n_vocab;       /* 0: 96 */
  uint32_t n_context;     /* 0: 256 */
  gboolean is_tied;       /* no output.weight */
  gboolean has_fused_qkv; /* attn_qkv; always in gpt2 */
  gboolean has_biases;    /* optional ones */
  gboolean has_scales;    /* .scale tensors */
  gboolean has_rope_freqs;
} TinySpec;

typedef struct TinyModel TinyModel;

TinyModel *tiny_model_new (const TinySpec *spec);
void tiny_model_free (TinyModel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TinyModel, tiny_model_free)

/* With zeros replaced by what they stand for. */
const TinySpec *tiny_model_get_spec (const TinyModel *self);

/* Values of a tensor, to read or change; NULL if there is none. */
float *tiny_model_get_tensor (TinyModel *self, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
uint32_t tiny_model_get_n_cols (TinyModel *self, const char *name);
uint32_t tiny_model_get_n_rows (TinyModel *self, const char *name);
void tiny_model_drop_tensor (TinyModel *self, const char *name);
void tiny_model_set_type (TinyModel *self, const char *name, BnType type);
void tiny_model_set_shape (
    TinyModel *self, const char *name, uint32_t n_cols, uint32_t n_rows);

/* Keys behind "{arch}."; a key replaces one of the same name. */
void tiny_model_set_uint (TinyModel *self, const char *key, uint32_t value);
void tiny_model_set_float (TinyModel *self, const char *key, float value);
void tiny_model_set_string (
    TinyModel *self, const char *key, const char *value);
void tiny_model_drop_key (TinyModel *self, const char *key);

/* Writes the model to path. Values of types with an encoder become what the
 * file says. */
void tiny_model_write (TinyModel *self, const char *path);
/* The same through a temporary file that is gone afterwards. */
BnGguf *tiny_model_open (TinyModel *self);
/* The bytes of the file, to be damaged. */
GBytes *tiny_model_to_bytes (TinyModel *self);
