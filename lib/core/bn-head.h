/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the output matrix, the head of the graph, is held: in the file's own
 * form or a smaller one.
 *
 * It is the largest matrix of most models and read whole for every token.
 * Where the file has it in floats, a quantized copy is made at load. Either
 * the copy is used in place of the matrix, or it only screens it: the copy
 * gives every logit but for an error with a known bound, and rows whose logit
 * can matter to the draw are then computed from the file. */
#pragma once

#include <glib.h>
#include "bn-kernels.h"

/* Same values as BitnetHead. */
typedef enum {
  BN_HEAD_AUTO,
  BN_HEAD_FILE,
  BN_HEAD_Q8_0,
  BN_HEAD_Q6_K,
  BN_HEAD_SCREENED,
} BnHead;

/* What a wish comes to. */
typedef struct {
  BnHead head;      /* no AUTO */
  BnType copy_type; /* of the copy; the file's own type for FILE */
} BnHeadChoice;

/* For a matrix of the file's type. Says so (g_info()) where a wish cannot be
 * met. */
BnHeadChoice bn_head_choose (
    BnHead wanted, BnType type, uint32_t n_rows, uint32_t n_cols);

/* No less than the length of a row of the copy, and of its difference to the
 * file's row. */
typedef struct {
  float norm;
  float error;
} BnHeadLengths;

/* A row of floats in file form, F32, F16 or BF16, to a row of Q8_0 or Q6_K.
 * Lengths that are not finite: the row has numbers too large for the type.
 * scratch: 2 n_cols floats. */
void bn_head_convert_row (void *dst, BnType dst_type, BnHeadLengths *lengths,
    const void *src, BnType src_type, uint32_t n_cols, float *scratch);

/* What a draw asks of the logits of one row. Whatever is not asked for may be
 * -INFINITY in their place. */
typedef struct {
  uint32_t n_best; /* so many of the best, UINT32_MAX: however many; 0: all
                      logits */
  float span;      /* of those, as far as this below the best; or INFINITY */
  const uint32_t *tokens; /* and these */
  uint32_t n_tokens;
} BnLogitNeed;
