/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What binding (bn-weights.c) hands to loading (bn-weights-load.c). */
#pragma once

#include "bitnet-error.h"
#include "bn-weights.h"

/* A matrix that is checked and, unless it is used in place, packed. */
typedef struct {
  const BnGgufTensor *tensor;
  BnLinear *linear; /* NULL: a table, checked only */
  BnType type;      /* of the rows that are multiplied: the tensor's own, or
                       what its floats are converted to */
  BnScreen *screen; /* NULL unless this is its copy */
  uint32_t n_rows;
  uint32_t n_cols;
  uint32_t row_tile;
  size_t packed_size; /* 0: in place */
  int n_rows_left;    /* to be packed; atomic */
} BnBoundMatrix;

/* A vector that becomes floats in device memory. */
typedef struct {
  const BnGgufTensor *tensor;
  const float **place;
  uint32_t n;
} BnBoundVector;

typedef struct {
  BnWeights *weights;
  const BnHparams *hparams;
  BnRepack repack;
  BnI2sLayout i2s_layout;
  BnHead head;
  const BnMemoryNeed *need; /* beside the weights */
  GArray *matrices;         /* of BnBoundMatrix */
  GArray *vectors;          /* of BnBoundVector */
  BnWeightsProgress progress;
  gpointer progress_data;
  GCancellable *cancellable;
  GError **error;
  gboolean has_failed; /* the first error sticks */
} BnLoader;

void bn_loader_fail (BnLoader *self, BitnetError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);
/* The same, about a tensor; offset: bytes from its begin. */
void bn_loader_fail_tensor (BnLoader *self, BitnetError code,
    const BnGgufTensor *tensor, uint64_t offset, const char *format, ...)
    G_GNUC_PRINTF (5, 6);

/* The form in which a tensor type is multiplied, BN_N_PACKS if in none. */
BnPack bn_weights_pack (BnType type);

/* Codes with a scale for each row. */
static inline gboolean
bn_pack_is_ternary (BnPack pack)
{
  return pack == BN_PACK_TERNARY || pack == BN_PACK_TERNARY_X4;
}

/* The values of a vector; reports one that is not finite. */
void bn_loader_read_vector (
    BnLoader *self, float *values, const BnGgufTensor *tensor, uint32_t n);

/* Allocates, checks, converts and packs everything that was bound. */
void bn_loader_run (BnLoader *self);
