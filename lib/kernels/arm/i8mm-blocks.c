/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of block types with smmla, on rows as they lie in the file.
 *
 * Four rows at a time. smmla multiplies eight columns of a pair of rows with
 * those of a pair of activation rows; its four sums are
 *
 *   (row 0, act 0), (row 0, act 1), (row 1, act 0), (row 1, act 1)
 *
 * One activation row, for which it would do half its work for nothing, is
 * multiplied by sdot, whose sums of four rows are then added to four lanes.
 * Either way a product has one exact integer sum for each block, which is
 * scaled and added to one float with one rounding (fma), blocks in order: the
 * same bits however many activation rows there are. */
#include "init.h"

#ifndef __ARM_FEATURE_MATMUL_INT8
#error "i8mm files need -march=armv8.2-a+dotprod+i8mm"
#endif
#include "block-rows.h"

enum {
  ROWS = 4,
  PAIRS = ROWS / 2,
  MAX_ACTS = 8,
  MAX_ACT_PAIRS = MAX_ACTS / 2,
  CACHED_BYTES = 256 * 1024, /* of rows that are used for all activations */
};

typedef struct {
  const uint8_t *row[ROWS]; /* of weights */
  const uint8_t *act[MAX_ACTS];
  uint32_t n_blocks, n_act_pairs;
} Operands;

/* Results of four rows for each activation row; one: only the first. */
typedef void (*DotFunc) (
    float32x4_t results[MAX_ACTS], const Operands *o, const int is_one);

BN_INLINE void
matmul_rows (float *y, size_t y_stride, const BnMatrix *w, size_t block_cols,
    size_t block_size, uint32_t row_begin, uint32_t row_end, const void *acts,
    size_t act_stride, uint32_t n_acts, DotFunc dot)
{
  Operands o = {.n_blocks = (uint32_t) (w->n_cols / block_cols)};
  size_t row_size = o.n_blocks * block_size;
  uint32_t step =
      ((uint32_t) (CACHED_BYTES / (row_size + 1)) / ROWS + 1) * ROWS;
  float32x4_t results[MAX_ACTS];

  for (uint32_t first = row_begin; first < row_end; first += step) {
    uint32_t stop = row_end - first < step ? row_end : first + step;

    for (uint32_t i = 0, n; i < n_acts; i += n) {
      n = n_acts - i < MAX_ACTS ? n_acts - i : MAX_ACTS;
      o.n_act_pairs = (n + 1) / 2;
      for (uint32_t j = 0; j < MAX_ACTS; j++) /* an odd one's partner: itself */
        o.act[j] =
            (const uint8_t *) acts + (i + (j < n ? j : n - 1)) * act_stride;
      for (uint32_t row = first; row < stop; row += ROWS) {
        uint32_t n_rows = stop - row < ROWS ? stop - row : ROWS;

        for (uint32_t j = 0; j < ROWS; j++)
          o.row[j] = (const uint8_t *) w->data
                     + (row + (j < n_rows ? j : n_rows - 1)) * row_size;
        if (n == 1)
          dot (results, &o, 1);
        else
          dot (results, &o, 0);
        for (uint32_t j = 0; j < n; j++) {
          float *out = y + (i + j) * y_stride + row;

          if (n_rows == ROWS)
            vst1q_f32 (out, results[j]);
          else
            memcpy (out, &results[j], n_rows * sizeof *out);
        }
      }
    }
  }
}

#define DEFINE_MATMUL(name, block_cols, block_size)                            \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    matmul_rows (y, y_stride, w, block_cols, block_size, row_begin, row_end,   \
        acts, act_stride, n_acts, dot_##name);                                 \
  }

/* The halves at the same place of four rows. */
BN_INLINE float32x4_t
load_halves (const uint8_t *const row[ROWS], size_t at)
{
  uint16x4_t halves = vdup_n_u16 (bn_load_u16 (row[0] + at));

  halves = vset_lane_u16 (bn_load_u16 (row[1] + at), halves, 1);
  halves = vset_lane_u16 (bn_load_u16 (row[2] + at), halves, 2);
  halves = vset_lane_u16 (bn_load_u16 (row[3] + at), halves, 3);
  return vcvt_f32_f16 (vreinterpret_f16_u16 (halves));
}

/* Four sums in each of four vectors. */
BN_INLINE int32x4_t
add_lanes (const int32x4_t v[4])
{
  return vpaddq_s32 (vpaddq_s32 (v[0], v[1]), vpaddq_s32 (v[2], v[3]));
}

/* Rows of two activations beside each other as smmla has them. */
BN_INLINE float32x4_t
pair_of_floats (float first, float second)
{
  float32x2_t pair = vset_lane_f32 (second, vdup_n_f32 (first), 1);

  return vcombine_f32 (pair, pair);
}

BN_INLINE int8x16_t
pair_of_8 (const int8_t *first, const int8_t *second)
{
  return vcombine_s8 (vld1_s8 (first), vld1_s8 (second));
}

/* The four rows of each activation from the sums of pairs. */
BN_INLINE void
store_pairs (float32x4_t results[2], const float32x4_t sums[PAIRS])
{
  results[0] = vuzp1q_f32 (sums[0], sums[1]);
  results[1] = vuzp2q_f32 (sums[0], sums[1]);
}

/* Blocks of 32 */

typedef struct {
  const int8_t *qs;
  float d, s;
} Act32;

BN_INLINE Act32
act_block (const uint8_t *row, uint32_t b, const int has_min)
{
  if (has_min) {
    const BnActQ8_1 *act = (const BnActQ8_1 *) (const void *) row + b;
    return (Act32){act->qs, act->d, act->s};
  } else {
    const BnActQ8_0 *act = (const BnActQ8_0 *) (const void *) row + b;
    return (Act32){act->qs, load_f16 (&act->d), 0};
  }
}

BN_INLINE float32x4_t
dot_32_one (const Operands *o, LoadBlock32 load, const size_t block_size,
    const int has_min)
{
  float32x4_t sums = vdupq_n_f32 (0);

  for (uint32_t b = 0; b < o->n_blocks; b++) {
    Act32 act = act_block (o->act[0], b, has_min);
    int8x16_t a[2] = {vld1q_s8 (act.qs), vld1q_s8 (act.qs + 16)};
    float32x4_t d = load_halves (o->row, b * block_size);
    int32x4_t u[ROWS];

#pragma GCC unroll 4
    for (int row = 0; row < ROWS; row++) {
      Block32 w = load (o->row[row], b);

      u[row] = dot_16 (vdupq_n_s32 (0), w.codes[0], a[0]);
      u[row] = dot_16 (u[row], w.codes[1], a[1]);
    }
    sums =
        vfmaq_f32 (sums, vcvtq_f32_s32 (add_lanes (u)), vmulq_n_f32 (d, act.d));
    if (has_min)
      sums =
          vfmaq_n_f32 (sums, load_halves (o->row, b * block_size + 2), act.s);
  }
  return sums;
}

/* Columns 8 k to 8 k + 7 of two rows in vector k. */
BN_INLINE void
pair_rows (int8x16_t pairs[4], const Block32 *first, const Block32 *second)
{
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    int64x2_t a = vreinterpretq_s64_s8 (first->codes[i]);
    int64x2_t b = vreinterpretq_s64_s8 (second->codes[i]);

    pairs[2 * i] = vreinterpretq_s8_s64 (vzip1q_s64 (a, b));
    pairs[2 * i + 1] = vreinterpretq_s8_s64 (vzip2q_s64 (a, b));
  }
}

BN_INLINE void
dot_32_pairs (float32x4_t results[MAX_ACTS], const Operands *o,
    LoadBlock32 load, const size_t block_size, const int has_min,
    const int n_act_pairs)
{
  float32x4_t sums[MAX_ACT_PAIRS][PAIRS];

#pragma GCC unroll 4
  for (int i = 0; i < n_act_pairs; i++)
    sums[i][0] = sums[i][1] = vdupq_n_f32 (0);
  for (uint32_t b = 0; b < o->n_blocks; b++) {
    float32x4_t d = load_halves (o->row, b * block_size), m = d;
    int8x16_t codes[PAIRS][4];

    if (has_min)
      m = load_halves (o->row, b * block_size + 2);
#pragma GCC unroll 2
    for (int pair = 0; pair < PAIRS; pair++) {
      Block32 first = load (o->row[2 * pair], b);
      Block32 second = load (o->row[2 * pair + 1], b);

      pair_rows (codes[pair], &first, &second);
    }
#pragma GCC unroll 4
    for (int i = 0; i < n_act_pairs; i++) {
      Act32 first = act_block (o->act[2 * i], b, has_min);
      Act32 second = act_block (o->act[2 * i + 1], b, has_min);
      float32x4_t act_d = pair_of_floats (first.d, second.d);
      int32x4_t u[PAIRS] = {vdupq_n_s32 (0), vdupq_n_s32 (0)};

#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) {
        int8x16_t a = pair_of_8 (first.qs + 8 * k, second.qs + 8 * k);

        u[0] = vmmlaq_s32 (u[0], codes[0][k], a);
        u[1] = vmmlaq_s32 (u[1], codes[1][k], a);
      }
      sums[i][0] = vfmaq_f32 (sums[i][0], vcvtq_f32_s32 (u[0]),
          vmulq_f32 (vzip1q_f32 (d, d), act_d));
      sums[i][1] = vfmaq_f32 (sums[i][1], vcvtq_f32_s32 (u[1]),
          vmulq_f32 (vzip2q_f32 (d, d), act_d));
      if (has_min) {
        float32x4_t act_s = pair_of_floats (first.s, second.s);
        sums[i][0] = vfmaq_f32 (sums[i][0], vzip1q_f32 (m, m), act_s);
        sums[i][1] = vfmaq_f32 (sums[i][1], vzip2q_f32 (m, m), act_s);
      }
      NEON_LOAD_AFTER ();
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < n_act_pairs; i++)
    store_pairs (results + 2 * i, sums[i]);
}

BN_INLINE void
dot_32 (float32x4_t results[MAX_ACTS], const Operands *o, LoadBlock32 load,
    const size_t block_size, const int has_min, const int is_one)
{
  if (is_one) {
    results[0] = dot_32_one (o, load, block_size, has_min);
    return;
  }
  switch (o->n_act_pairs) {
    case 1:
      dot_32_pairs (results, o, load, block_size, has_min, 1);
      break;
    case 2:
      dot_32_pairs (results, o, load, block_size, has_min, 2);
      break;
    case 3:
      dot_32_pairs (results, o, load, block_size, has_min, 3);
      break;
    default:
      dot_32_pairs (results, o, load, block_size, has_min, MAX_ACT_PAIRS);
  }
}

#define DEFINE_MATMUL_32(name, Block, has_min)                                 \
  BN_INLINE void dot_##name (                                                  \
      float32x4_t results[MAX_ACTS], const Operands *o, const int is_one)      \
  {                                                                            \
    dot_32 (results, o, load_##name, sizeof (Block), has_min, is_one);         \
  }                                                                            \
  DEFINE_MATMUL (name, BN_QK, sizeof (Block))

DEFINE_MATMUL_32 (q4_0, BnBlockQ4_0, 0)
DEFINE_MATMUL_32 (q4_1, BnBlockQ4_1, 1)
DEFINE_MATMUL_32 (q5_0, BnBlockQ5_0, 0)
DEFINE_MATMUL_32 (q5_1, BnBlockQ5_1, 1)
DEFINE_MATMUL_32 (q8_0, BnBlockQ8_0, 0)

/* Blocks of 256 */

/* Four rows of a block, as smmla takes them: vector 2 j of a pair has columns
 * 16 j to 16 j + 7 of both rows, the next one the following eight, and scale j
 * of the first row stands twice in front of the second's. In memory: there are
 * more than there are registers. */
typedef struct {
  int8_t codes[PAIRS][32][16];
  int32_t scales[PAIRS][16][4];
  int16x8_t mins[ROWS][2];
} Rows256;

BN_INLINE void
decode_row (Rows256 *rows, const int row, const Block256 *w)
{
  int8_t (*codes)[16] = rows->codes[row / 2];
  int32_t (*scales)[4] = rows->scales[row / 2];
  int32x4_t wide[4];

  widen_scales (wide, w);
#pragma GCC unroll 16
  for (int j = 0; j < 16; j++) {
    vst1_s8 (codes[2 * j] + 8 * (row % 2), vget_low_s8 (w->codes[j]));
    vst1_s8 (codes[2 * j + 1] + 8 * (row % 2), vget_high_s8 (w->codes[j]));
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    int32x4_t low = vzip1q_s32 (wide[j], wide[j]);
    int32x4_t high = vzip2q_s32 (wide[j], wide[j]);

    vst1_s32 (scales[4 * j] + 2 * (row % 2), vget_low_s32 (low));
    vst1_s32 (scales[4 * j + 1] + 2 * (row % 2), vget_high_s32 (low));
    vst1_s32 (scales[4 * j + 2] + 2 * (row % 2), vget_low_s32 (high));
    vst1_s32 (scales[4 * j + 3] + 2 * (row % 2), vget_high_s32 (high));
  }
  rows->mins[row][0] = w->mins[0];
  rows->mins[row][1] = w->mins[1];
}

/* What is taken out of the products: sums of all activations, where all have
 * the same zero point and scale. */
BN_INLINE int32x4_t
dot_mins (
    const int16x8_t mins[2], const int16_t a_sums[16], const Scales256 kind)
{
  if (kind == SCALES_NONE)
    return vpaddlq_s16 (vaddq_s16 (vld1q_s16 (a_sums), vld1q_s16 (a_sums + 8)));
  return dot_sums (mins, a_sums);
}

BN_INLINE const BnActQ8_K *
act_256 (const Operands *o, int i, uint32_t b)
{
  return (const BnActQ8_K *) (const void *) o->act[i] + b;
}

/* u and mins, exact, times their scales. */
BN_INLINE float32x4_t
add_scaled_256 (float32x4_t sums, int32x4_t u, int32x4_t mins, float32x4_t d,
    float32x4_t dmin, const Scales256 kind)
{
  if (kind != SCALES_MIN)
    return vfmaq_f32 (sums, vcvtq_f32_s32 (vsubq_s32 (u, mins)), d);
  sums = vfmaq_f32 (sums, vcvtq_f32_s32 (u), d);
  return vfmsq_f32 (sums, vcvtq_f32_s32 (mins), dmin);
}

/* Four rows of a block with one activation row: sums of four columns each. */
BN_INLINE void
dot_rows_256 (int32x4_t u[ROWS], int32x4_t mins[ROWS], const Operands *o,
    uint32_t b, LoadBlock256 load, const Scales256 kind)
{
  const BnActQ8_K *act = act_256 (o, 0, b);

  for (int row = 0; row < ROWS; row++) {
    Block256 w = load (o->row[row], b);
    int32x4_t sum = vdupq_n_s32 (0), scales[4];

    widen_scales (scales, &w);
#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) {
      int8x16_t a = vld1q_s8 (act->qs + 16 * j);

      if (kind == SCALES_NONE)
        sum = dot_16 (sum, w.codes[j], a);
      else
        sum = add_scaled (
            sum, dot_16 (vdupq_n_s32 (0), w.codes[j], a), scales, j);
    }
    u[row] = sum;
    mins[row] = dot_mins (w.mins, act->sums, kind);
  }
}

BN_INLINE float32x4_t
dot_256_one (const Operands *o, LoadBlock256 load, const size_t block_size,
    const size_t d_at, const Scales256 kind)
{
  float32x4_t sums = vdupq_n_f32 (0);

  for (uint32_t b = 0; b < o->n_blocks; b++) {
    float32x4_t d = load_halves (o->row, b * block_size + d_at), dmin = d;
    float act_d = act_256 (o, 0, b)->d;
    int32x4_t u[ROWS], mins[ROWS];

    if (kind == SCALES_MIN)
      dmin = load_halves (o->row, b * block_size + d_at + 2);
    dot_rows_256 (u, mins, o, b, load, kind);
    sums = add_scaled_256 (sums, add_lanes (u), add_lanes (mins),
        vmulq_n_f32 (d, act_d), vmulq_n_f32 (dmin, act_d), kind);
  }
  return sums;
}

/* Sums of pairs of rows with a pair of activation rows. */
BN_INLINE void
dot_pairs_256 (int32x4_t u[PAIRS], const Rows256 *rows, const int8_t *first,
    const int8_t *second, const Scales256 kind)
{
  u[0] = u[1] = vdupq_n_s32 (0);
#pragma GCC unroll 2
  for (int j = 0; j < 16; j++) {
    int8x16_t a[2] = {pair_of_8 (first + 16 * j, second + 16 * j),
        pair_of_8 (first + 16 * j + 8, second + 16 * j + 8)};

#pragma GCC unroll 2
    for (int pair = 0; pair < PAIRS; pair++) {
      int8x16_t low = vld1q_s8 (rows->codes[pair][2 * j]);
      int8x16_t high = vld1q_s8 (rows->codes[pair][2 * j + 1]);
      int32x4_t sum = kind == SCALES_NONE ? u[pair] : vdupq_n_s32 (0);

      sum = vmmlaq_s32 (vmmlaq_s32 (sum, low, a[0]), high, a[1]);
      if (kind != SCALES_NONE)
        sum = vmlaq_s32 (u[pair], sum, vld1q_s32 (rows->scales[pair][j]));
      u[pair] = sum;
    }
  }
}

BN_INLINE void
dot_256_pairs (float32x4_t results[MAX_ACTS], const Operands *o,
    LoadBlock256 load, const size_t block_size, const size_t d_at,
    const Scales256 kind)
{
  float32x4_t sums[MAX_ACT_PAIRS][PAIRS];
  Rows256 rows;

  for (uint32_t i = 0; i < o->n_act_pairs; i++)
    sums[i][0] = sums[i][1] = vdupq_n_f32 (0);
  for (uint32_t b = 0; b < o->n_blocks; b++) {
    float32x4_t d = load_halves (o->row, b * block_size + d_at), dmin = d;

    if (kind == SCALES_MIN)
      dmin = load_halves (o->row, b * block_size + d_at + 2);
    for (int row = 0; row < ROWS; row++) {
      Block256 w = load (o->row[row], b);
      decode_row (&rows, row, &w);
    }
    for (uint32_t i = 0; i < o->n_act_pairs; i++) {
      const BnActQ8_K *first = act_256 (o, (int) (2 * i), b);
      const BnActQ8_K *second = act_256 (o, (int) (2 * i + 1), b);
      float32x4_t act_d = pair_of_floats (first->d, second->d);
      int32x4_t u[PAIRS];

      dot_pairs_256 (u, &rows, first->qs, second->qs, kind);
#pragma GCC unroll 2
      for (int pair = 0; pair < PAIRS; pair++) {
        float32x4_t pair_d = pair ? vzip2q_f32 (d, d) : vzip1q_f32 (d, d);
        float32x4_t pair_dmin =
            pair ? vzip2q_f32 (dmin, dmin) : vzip1q_f32 (dmin, dmin);
        const int16x8_t *low = rows.mins[2 * pair];
        const int16x8_t *high = rows.mins[2 * pair + 1];
        const int32x4_t mins[4] = {dot_mins (low, first->sums, kind),
            dot_mins (low, second->sums, kind),
            dot_mins (high, first->sums, kind),
            dot_mins (high, second->sums, kind)};

        sums[i][pair] =
            add_scaled_256 (sums[i][pair], u[pair], add_lanes (mins),
                vmulq_f32 (pair_d, act_d), vmulq_f32 (pair_dmin, act_d), kind);
      }
    }
  }
  for (uint32_t i = 0; i < o->n_act_pairs; i++)
    store_pairs (results + 2 * i, sums[i]);
}

#define DEFINE_MATMUL_256(name, Block, kind)                                   \
  BN_INLINE void dot_##name (                                                  \
      float32x4_t results[MAX_ACTS], const Operands *o, const int is_one)      \
  {                                                                            \
    if (is_one)                                                                \
      results[0] = dot_256_one (                                               \
          o, load_##name, sizeof (Block), offsetof (Block, d), kind);          \
    else                                                                       \
      dot_256_pairs (                                                          \
          results, o, load_##name, sizeof (Block), offsetof (Block, d), kind); \
  }                                                                            \
  DEFINE_MATMUL (name, BN_QK_K, sizeof (Block))

DEFINE_MATMUL_256 (q2_k, BnBlockQ2_K, SCALES_MIN)
DEFINE_MATMUL_256 (q3_k, BnBlockQ3_K, SCALES_ZERO)
DEFINE_MATMUL_256 (q4_k, BnBlockQ4_K, SCALES_MIN)
DEFINE_MATMUL_256 (q5_k, BnBlockQ5_K, SCALES_MIN)
DEFINE_MATMUL_256 (q6_k, BnBlockQ6_K, SCALES_ZERO)
DEFINE_MATMUL_256 (tq1_0, BnBlockTQ1_0, SCALES_NONE)
DEFINE_MATMUL_256 (tq2_0, BnBlockTQ2_0, SCALES_NONE)

void
bn_blocks_init_i8mm (BnKernels *k)
{
  k->in_place[BN_PACK_Q4_0].matmul = matmul_q4_0;
  k->in_place[BN_PACK_Q4_1].matmul = matmul_q4_1;
  k->in_place[BN_PACK_Q5_0].matmul = matmul_q5_0;
  k->in_place[BN_PACK_Q5_1].matmul = matmul_q5_1;
  k->in_place[BN_PACK_Q8_0].matmul = matmul_q8_0;
  k->in_place[BN_PACK_Q2_K].matmul = matmul_q2_k;
  k->in_place[BN_PACK_Q3_K].matmul = matmul_q3_k;
  k->in_place[BN_PACK_Q4_K].matmul = matmul_q4_k;
  k->in_place[BN_PACK_Q5_K].matmul = matmul_q5_k;
  k->in_place[BN_PACK_Q6_K].matmul = matmul_q6_k;
  k->in_place[BN_PACK_TQ1_0].matmul = matmul_tq1_0;
  k->in_place[BN_PACK_TQ2_0].matmul = matmul_tq2_0;
}
