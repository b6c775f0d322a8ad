/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Q6_K in one look at the floats: the body of encode_q6_k, in C that compilers
 * make vectors of, compiled for each level to the same bits.
 *
 * Sixteen floats share a step, a multiple of the block's. bn_quantize_row_get()
 * searches the step that loses least; here the largest of the sixteen gets the
 * last code, which loses a tenth more in a fiftieth of the time. */
#include <math.h>

#include "bn-blocks.h"
#include "bn-scalar.h"

enum {
  ENCODE_STEP_COLS = 16, /* that share a step */
  ENCODE_STEPS = BN_QK_K / ENCODE_STEP_COLS,
  ENCODE_ZERO = 32, /* code of 0 */
  ENCODE_MAX_SCALE = 127,
};

/* Codes that the largest magnitude gets, short of what would round to 32. */
static const float encode_half_range = 31.49f;

/* Sums of squares, in lanes so that vectors give the same bits. */
typedef struct {
  float norm[ENCODE_STEP_COLS];
  float error[ENCODE_STEP_COLS];
} EncodeSums;

/* Codes of sixteen floats. */
static void
encode_step (uint8_t *codes, EncodeSums *sums, const float *x, float step)
{
  const float inverse = step > 0 ? 1 / step : 0;

  for (int i = 0; i < ENCODE_STEP_COLS; i++) {
    const int32_t q =
        bn_clamp_i32 (bn_rne (x[i] * inverse), -ENCODE_ZERO, ENCODE_ZERO - 1);
    const float value = step * (float) q;
    const float lost = x[i] - value;

    codes[i] = (uint8_t) (q + ENCODE_ZERO);
    sums->norm[i] += value * value;
    sums->error[i] += lost * lost;
  }
}

static void
encode_store (BnBlockQ6_K *block, const uint8_t *codes)
{
  for (int half = 0; half < 2; half++, codes += BN_QK_K / 2) {
    uint8_t *ql = block->ql + 64 * half, *qh = block->qh + 32 * half;

    for (int i = 0; i < 64; i++)
      ql[i] = (uint8_t) ((codes[i] & 15) | codes[i + 64] << 4);
    for (int i = 0; i < 32; i++)
      qh[i] = (uint8_t) (codes[i] >> 4 | codes[i + 32] >> 4 << 2
                         | codes[i + 64] >> 4 << 4 | codes[i + 96] >> 4 << 6);
  }
}

static void
encode_block (BnBlockQ6_K *block, EncodeSums *sums, const float *x)
{
  uint8_t codes[BN_QK_K];
  float steps[ENCODE_STEPS], max = 0, d, inverse;

  for (int j = 0; j < ENCODE_STEPS; j++) {
    steps[j] = bn_f32_from_bits (bn_max_magnitude_bits (
                   x + ENCODE_STEP_COLS * j, ENCODE_STEP_COLS))
               / encode_half_range;
    max = steps[j] > max ? steps[j] : max;
  }
  bn_store_u16 (block->d, bn_f32_to_f16 (max / ENCODE_MAX_SCALE));
  d = bn_load_f16 (block->d);
  inverse = d > 0 ? 1 / d : 0;
  for (int j = 0; j < ENCODE_STEPS; j++) {
    const int32_t scale =
        bn_clamp_i32 (bn_rne (steps[j] * inverse), 0, ENCODE_MAX_SCALE);

    block->scales[j] = (int8_t) scale;
    encode_step (codes + ENCODE_STEP_COLS * j, sums, x + ENCODE_STEP_COLS * j,
        d * (float) scale);
  }
  encode_store (block, codes);
}

/* At least the root of the sum: n rounded additions lose less than n 2^-24 of
 * it, squares that are too small for a float less than the last term. */
static float
encode_length (const float lanes[ENCODE_STEP_COLS], uint32_t n)
{
  float sum = 0;

  for (int i = 0; i < ENCODE_STEP_COLS; i++)
    sum += lanes[i];
  return sqrtf (sum) * (1 + (float) n * 0x1p-24f) + 0x1p-60f;
}

static void
encode_q6_k (void *row, float *norm, float *error, const float *x, uint32_t n)
{
  BnBlockQ6_K *block = row;
  EncodeSums sums = {{0}, {0}};

  for (uint32_t i = 0; i < n; i += BN_QK_K)
    encode_block (block++, &sums, x + i);
  *norm = encode_length (sums.norm, n);
  *error = encode_length (sums.error, n);
}
