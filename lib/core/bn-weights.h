/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tensors of a model, bound to their places in the graph and ready for a
 * backend. Binding finds every tensor by name and compares its shape and type
 * with what the graph needs; loading reads every weight once, refuses codes
 * and scales that no encoder writes, and packs what the backend wants packed.
 * Matrices that are used in place point into the mapped file. */
#pragma once

#include "bn-backend.h"
#include "bn-memory-limit.h"

typedef struct {
  BnNorm attn_norm;
  BnLinear attn_qkv[3]; /* one of 3 parts, or one that holds all */
  uint32_t n_attn_qkv;
  BnNorm attn_q_norm, attn_k_norm; /* weight NULL where there is none */
  BnNorm attn_sub_norm;
  BnLinear attn_output;
  BnNorm ffn_norm;
  BnLinear ffn_gate_up[2]; /* gate and up, or up alone */
  uint32_t n_ffn_gate_up;
  BnNorm ffn_sub_norm;
  BnLinear ffn_down;
} BnLayer;

typedef struct {
  BnTable token_embd;
  BnTable position_embd; /* data NULL where there is none */
  float *rope_freqs;     /* host memory; NULL where there are none */
  BnLayer *layers;
  uint32_t n_layers;
  BnNorm output_norm;
  BnLinear output;
  BnHead head;      /* what output is; no AUTO */
  BnScreen *screen; /* of the output; NULL: none */

  BnGguf *gguf;
  BnBackend *backend;
  void *memory; /* of the device: packed matrices, scales, vectors */
  size_t memory_size;
  uint64_t token_size; /* bytes of all this that a pass for one token reads */
  uint64_t token_products; /* of bytes: of the layers' matrices with a token */
} BnWeights;

/* Bytes of tensor data done, in all. */
typedef void (*BnWeightsProgress) (
    guint64 done, guint64 total, gpointer user_data);

/* need: what will be needed beside the weights. Nothing is read before it is
 * known to fit. backend must outlive the weights. For errors see
 * bn_transformer_new(). */
BnWeights *bn_weights_load (BnGguf *gguf, const BnHparams *hparams,
    BnBackend *backend, BnRepack repack, BnI2sLayout i2s_layout, BnHead head,
    const BnMemoryNeed *need, BnWeightsProgress progress,
    gpointer progress_data, GCancellable *cancellable, GError **error);
void bn_weights_free (BnWeights *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnWeights, bn_weights_free)
