/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Choosing and making copies of the output matrix. */
#include "bn-head.h"

#include <math.h>

/* Weights below which the output matrix takes little of a pass. */
#define AUTO_MIN_WEIGHTS (4u << 20)

static gboolean
is_float (BnType type)
{
  return type == BN_TYPE_F32 || type == BN_TYPE_F16 || type == BN_TYPE_BF16;
}

static gboolean
fits (BnType type, uint32_t n_cols)
{
  return n_cols % bn_type_info (type)->block_elements == 0;
}

BnHeadChoice
bn_head_choose (BnHead wanted, BnType type, uint32_t n_rows, uint32_t n_cols)
{
  const BnHeadChoice file = {BN_HEAD_FILE, type};
  BnHeadChoice choice = {wanted, BN_TYPE_Q6_K};

  if (wanted == BN_HEAD_FILE)
    return file;
  if (wanted == BN_HEAD_AUTO) {
    if (!is_float (type) || (uint64_t) n_rows * n_cols < AUTO_MIN_WEIGHTS)
      return file;
    choice.head = BN_HEAD_SCREENED;
  }
  if (choice.head == BN_HEAD_Q8_0
      || (choice.head == BN_HEAD_SCREENED && !fits (BN_TYPE_Q6_K, n_cols)))
    choice.copy_type = BN_TYPE_Q8_0;
  if (is_float (type) && fits (choice.copy_type, n_cols))
    return choice;
  g_info ("the output matrix of type %s and %u columns stays as it is: only "
          "floats in whole blocks are quantized",
      bn_type_id_name (type), n_cols);
  return file;
}

/* Squares are added in doubles, exactly as far as floats are concerned. */
static BnHeadLengths
measure_row (const float *copy, const float *row, uint32_t n)
{
  const double round_up = 1 + 1e-6;
  double norm_sum = 0, error_sum = 0;

  for (uint32_t i = 0; i < n; i++) {
    const double difference = (double) row[i] - (double) copy[i];

    norm_sum += (double) copy[i] * (double) copy[i];
    error_sum += difference * difference;
  }
  return (BnHeadLengths){(float) (sqrt (norm_sum) * round_up),
      (float) (sqrt (error_sum) * round_up)};
}

void
bn_head_convert_row (void *dst, BnType dst_type, BnHeadLengths *lengths,
    const void *src, BnType src_type, uint32_t n_cols, float *scratch)
{
  const BnKernels *kernels = bn_kernels_get ();
  float *row = scratch, *copy = scratch + n_cols;

  if (src_type == BN_TYPE_F16)
    kernels->f16_to_f32 (row, src, n_cols);
  else
    bn_dequantize_row_get (src_type) (row, src, n_cols);
  if (dst_type == BN_TYPE_Q6_K) {
    kernels->encode_q6_k (dst, &lengths->norm, &lengths->error, row, n_cols);
    return;
  }
  bn_quantize_row_get (dst_type) (dst, row, n_cols);
  bn_dequantize_row_get (dst_type) (copy, dst, n_cols);
  *lengths = measure_row (copy, row, n_cols);
}
