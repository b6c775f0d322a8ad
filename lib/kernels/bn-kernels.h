/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compute kernels: the tables through which everything numeric is called.
 *
 * A weight matrix lives at run time in one of the packings below. Each
 * packing is one row of `matmul`: how its activations are quantized, how big
 * it is, how it is made and how it is multiplied. An instruction set may
 * replace any row (also its memory layout, because packing and product are
 * replaced together); callers see no difference. The same row of `in_place`
 * multiplies the file's own rows, for who would rather not have a second copy
 * of the weights. The C version of every slot is written first, then the init
 * of each level overwrites what it does better; nothing is decided in a loop.
 *
 * Contract of every slot:
 *   - no allocation, no global state, no GLib; any thread;
 *   - integer products are exact and equal to the C version;
 *   - an activation that is NaN or infinite gives results that are not finite,
 *     in its own row only;
 *   - the result for one activation row and one weight row does not depend
 *     on which other rows are in the call, so neither batching nor the number
 *     of threads changes a bit;
 *   - every byte value in a weight is in bounds (files are hostile). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "bn-types.h"

/* How one row of activations is stored for a product. Rows are BN_ALIGN aligned
 * and act_stride bytes apart, at least bn_act_size(). */
typedef enum {
  BN_ACT_F32,  /* n floats */
  BN_ACT_I8,   /* BnActI8: one absmax scale for the row (quant-formats 6.3) */
  BN_ACT_Q8_0, /* blocks of 32: f16 d, int16 sum, int8[32] */
  BN_ACT_Q8_1, /* blocks of 32: f32 d, f32 d*sum, int8[32] */
  BN_ACT_Q8_K, /* blocks of 256: f32 d, int8[256], int16 sums[16] */
  BN_ACT_I8X4, /* BnActI8X4: four scales for the row */
  BN_N_ACTS,
} BnAct;

enum {
  BN_ALIGN = 64,        /* of activations, packed weights, cache pages */
  BN_COL_PADDING = 256, /* BN_ACT_I8* rows are zero-filled to a multiple */
  BN_I2S_COLS = 128     /* of a block of I2_S in layout A */
};

/* Head of a BN_ACT_I8 row; the int8 values follow at BN_ALIGN. */
typedef struct {
  float scale; /* 127 / absmax: q = rne (x * scale) */
  int32_t sum; /* of q */
} BnActI8;

/* Head of a BN_ACT_I8X4 row, the activations of ik_llama.cpp's ternary types:
 * column i belongs to group (i / 4) % 4. The values follow as above. */
typedef struct {
  float d[4];     /* absmax of the group / 127: q = rne (x * (1 / d)) */
  int32_t sum[4]; /* of q */
} BnActI8X4;

/* Run-time forms of a weight matrix. */
typedef enum {
  BN_PACK_F32,
  BN_PACK_F16,
  BN_PACK_BF16,
  BN_PACK_Q4_0,
  BN_PACK_Q4_1,
  BN_PACK_Q5_0,
  BN_PACK_Q5_1,
  BN_PACK_Q8_0,
  BN_PACK_Q2_K,
  BN_PACK_Q3_K,
  BN_PACK_Q4_K,
  BN_PACK_Q5_K,
  BN_PACK_Q6_K,
  BN_PACK_TQ1_0,
  BN_PACK_TQ2_0,
  BN_PACK_TERNARY,    /* codes 0..2 with one float scale per row: the one form
                         of I2_S, TL1, TL2 */
  BN_PACK_TERNARY_X4, /* the same for BN_ACT_I8X4 activations: the form of
                         IQ1_BN and IQ2_BN */
  BN_N_PACKS,
} BnPack;

/* A matrix of n_rows outputs by n_cols inputs, ready for products. */
typedef struct {
  BnPack pack;
  uint32_t n_rows;
  uint32_t n_cols;
  const void *data;       /* packed rows, or the file's rows in place */
  const float *row_scale; /* BN_PACK_TERNARY*: n_rows; NULL otherwise */
} BnMatrix;

typedef struct {
  BnAct act;
  /* Row ranges given to pack and matmul begin at multiples of this, and end
   * at one or at n_rows; but for rows of floats in place, of which any range
   * serves. */
  uint32_t row_tile;
  /* Bytes of a packed matrix, a multiple of BN_ALIGN and to be allocated so
   * aligned; 0 if the file's own rows are used in place (then pack is NULL),
   * which may lie at any address. */
  size_t (*packed_size) (uint32_t n_rows, uint32_t n_cols);
  /* Packs rows [row_begin, row_end) into dst (start of the whole matrix).
   * src is the first of those rows in the canonical form: for
   * BN_PACK_TERNARY* codes 0..2, one a byte, n_cols a row; for the others the
   * file's own rows. */
  void (*pack) (void *dst, const void *src, uint32_t n_rows, uint32_t n_cols,
      uint32_t row_begin, uint32_t row_end);
  /* y[a * y_stride + row] = activation row a . weight row, for the rows
   * [row_begin, row_end) and n_acts activation rows act_stride bytes apart. */
  void (*matmul) (float *y, size_t y_stride, const BnMatrix *w,
      uint32_t row_begin, uint32_t row_end, const void *acts, size_t act_stride,
      uint32_t n_acts);
} BnMatmulOps;

/* How a cell keeps the head_size numbers of a key or a value: as halves
 * (f32_to_f16), or as a row of BN_TYPE_Q8_0 (f32_to_q8_0; head_size is a
 * multiple of 32). Both stand for floats without rounding. */
typedef enum {
  BN_KV_F16,
  BN_KV_Q8_0,
} BnKvType;

/* Where one head group of a sequence finds its keys and values: pages of
 * page_cells cells. Cell c lies page[c / page_cells] * page_stride
 * + (c % page_cells) * bn_kv_cell_size() bytes behind k, and behind v. */
typedef struct {
  BnKvType type;
  const void *k;
  const void *v;
  const uint32_t *page;
  size_t page_stride; /* bytes */
  uint32_t page_cells;
  uint32_t head_size;
} BnKvView;

/* Consecutive tokens of one sequence, with those of their heads that share one
 * key-value head. The query of row r and head h is at q + r * stride
 * + h * head_size. Row r sees the cells [0, n_cells + r). */
typedef struct {
  const float *q;
  size_t stride;
  uint32_t n_rows;
  uint32_t n_heads;
  uint32_t n_cells; /* at least 1 */
  /* Of the cells that a row sees, those in this range count. It begins at a
   * multiple of BN_ATTEND_SPAN, among the cells that the last row sees. */
  uint32_t cell_begin;
  uint32_t cell_end;
  float scale; /* of q . k */
} BnQueries;

enum {
  BN_ATTEND_TILE = 64,         /* cells whose weights are found together */
  BN_ATTEND_SPAN = 512,        /* cells that can be summed apart */
  BN_ATTEND_MAX_QUERIES = 128, /* n_rows * n_heads of a call */
};

enum {
  BN_TEXT_BLOCK = 64,
  BN_TEXT_CLASSES = 8,
};

typedef struct {
  unsigned cpu_flags; /* the level this table was made for */
  /* Packings of which one activation row is multiplied in place as fast as with
   * packed weights. */
  uint8_t streams_in_place[BN_N_PACKS];

  /* The fastest form: packed, or the row of in_place where none is better. */
  BnMatmulOps matmul[BN_N_PACKS];
  /* The file's own rows: pack is NULL. BN_PACK_TERNARY: those of an I2_S
   * tensor in layout A, n_cols a multiple of 128. BN_PACK_TERNARY_X4: those of
   * IQ2_BN. Their scales are taken from row_scale. */
  BnMatmulOps in_place[BN_N_PACKS];
  /* x: n floats to one activation row. */
  void (*quantize[BN_N_ACTS]) (void *dst, const float *x, uint32_t n);

  /* n floats, a multiple of 256, to a row of Q6_K, much quicker than
   * bn_quantize_row_get() and nearly as near. *norm: at least the length of
   * what the row stands for; *error: of what it differs from x. */
  void (*encode_q6_k) (
      void *row, float *norm, float *error, const float *x, uint32_t n);

  /* y = x / sqrt (mean (x^2) + eps) * w */
  void (*rms_norm) (
      float *y, const float *x, const float *w, uint32_t n, float eps);
  /* y = (x - mean) / sqrt (var + eps) * w + b */
  void (*layer_norm) (float *y, const float *x, const float *w, const float *b,
      uint32_t n, float eps);
  /* y += x;  y = max (gate, 0)^2 * up;  y = silu (gate) * up;  y = gelu (x) */
  void (*add) (float *y, const float *x, uint32_t n);
  void (*relu2_mul) (float *y, const float *gate, const float *up, uint32_t n);
  void (*silu_mul) (float *y, const float *gate, const float *up, uint32_t n);
  void (*gelu) (float *y, const float *x, uint32_t n);
  /* In place on one head of head_size floats; the first 2 * n_pairs turn.
   * cos_sin: n_pairs (cos, sin). norm: pairs (2i, 2i+1); neox: (i, i + n). */
  void (*rope_norm) (float *x, const float *cos_sin, uint32_t n_pairs);
  void (*rope_neox) (float *x, const float *cos_sin, uint32_t n_pairs);
  void (*f32_to_f16) (uint16_t *y, const float *x, uint32_t n);
  void (*f16_to_f32) (float *y, const uint16_t *x, uint32_t n);
  /* The largest of n > 0 numbers, NaN if one is NaN. *magnitude: bits of the
   * largest magnitude, which order like magnitudes, those of infinity above
   * all numbers and those of NaN above them. */
  float (*find_max) (const float *x, uint32_t n, uint32_t *magnitude);
  /* To a row in file form at any address; n is a multiple of 32. */
  void (*f32_to_q8_0) (void *y, const float *x, uint32_t n);
  /* Attention, in two steps. attend leaves for each query (row r, head h) a
   * part, bn_attend_part_size() floats at parts + (r * n_heads + h) times
   * that: the weighted sum of the values (head_size floats), and behind
   * bn_attend_max_at() floats the largest score and the sum of the weights.
   * attend_join makes of the parts of one query, part_stride floats apart and
   * in the order of their cells, the attention out (head_size floats).
   *
   * What is computed for a query, in this order, whatever else is in the call:
   *
   *   - a score is scale * (q . k), the products added in order of the columns
   *   - cells are taken in tiles [t, t + BN_ATTEND_TILE), t a multiple of it.
   *     With m the largest score so far, from the tile before to this one:
   *     f = e^(old m - m), weights p = e^(score - m); the weights of a tile are
   *     added in four sums, cell c in sum c % 4, as (0 + 1) + (2 + 3);
   *     sum = sum * f + that; values = values * f, + p * v in order of the
   *     cells
   *   - spans [s, s + BN_ATTEND_SPAN) begin anew, and are joined from the
   *     left: m = the larger m, values = values * e^(m1 - m) + values2
   *     * e^(m2 - m), the sums alike; a span with no cell is left out
   *   - out = values * (1 / sum)
   *
   * So attend may be called for all cells at once, or for each span by itself
   * (for the first ones together), by any thread; the bits are the same. All
   * is float. Vector versions may use fma and their own e^x (within 2 units in
   * the last place), the same ones for every query; results are within 1e-5
   * of the largest value of exact arithmetic on the rounded cells (scores up
   * to 100). A cell that a row does not see is not looked at for that row:
   * its memory may hold anything.
   *
   * scratch: bn_attend_scratch_size() bytes, BN_ALIGN aligned. */
  void (*attend) (float *parts, const BnQueries *queries, const BnKvView *kv,
      void *scratch);
  void (*attend_join) (float *out, const float *parts, size_t part_stride,
      uint32_t n_parts, uint32_t head_size);

  /* Bit i of bits[c] is bit c of table[text[i]], for BN_TEXT_BLOCK bytes of
   * text. The table has the 128 characters of ASCII; all other bytes have the
   * last class alone. */
  void (*text_classes) (uint64_t bits[BN_TEXT_CLASSES], const uint8_t *text,
      const uint8_t *table);
  /* Length of a beginning of text that is UTF-8 (Unicode 3.9, D92) of whole
   * characters: how much was checked before the end or the first error came
   * near; 0 is always right. */
  size_t (*utf8_check) (const uint8_t *text, size_t size);
} BnKernels;

/* Bytes of one activation row of n floats, a multiple of BN_ALIGN. n is a
 * multiple of the block of the kind (32, 256); BN_ACT_I8* and BN_ACT_F32 take
 * any. */
size_t bn_act_size (BnAct act, uint32_t n);

/* Bytes of a key or a value. */
size_t bn_kv_cell_size (BnKvType type, uint32_t head_size);
/* Floats of a part of attention, a multiple of BN_ALIGN bytes; where in it the
 * largest score is, which the sum of the weights follows. */
size_t bn_attend_part_size (uint32_t head_size);
size_t bn_attend_max_at (uint32_t head_size);
size_t bn_attend_scratch_size (uint32_t head_size); /* bytes */

/* The table for the processor, made once; BITNET_CPU_MASK masks its flags. */
const BnKernels *bn_kernels_get (void);

/* The table for the given flags, for tests and benchmarks. */
void bn_kernels_init (BnKernels *k, unsigned cpu_flags);

/* Dequantization and quantization of rows in file form (bn-quants.c). */

/* One row of n elements at x (for I2_S, TL1 and TL2 see below) to floats. */
typedef void (*BnDequantizeRow) (float *y, const void *x, uint32_t n);
BnDequantizeRow bn_dequantize_row_get (BnType type); /* NULL: not row-wise */

/* n floats to one row in file form; NULL where the type has no encoder. The
 * row of IQ1_BN and IQ2_BN includes its header. */
typedef void (*BnQuantizeRow) (void *y, const float *x, uint32_t n);
BnQuantizeRow bn_quantize_row_get (BnType type);

/* Ternary tensors whose codes are spread over the tensor. */
typedef enum {
  BN_I2S_A,
  BN_I2S_B,
  BN_I2S_C,
} BnI2sLayout;

/* Codes 0..2 of rows [row_begin, row_end), one a byte, n_cols a row. Returns
 * 0, or -1 if a code 3 or an impossible index is met (then *bad is the byte
 * offset), or -2 if the shape has no TL parameters. */
int bn_i2s_unpack (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end, BnI2sLayout layout,
    size_t *bad);
/* Offset of the first of size bytes of codes that has a code 3, or size. */
size_t bn_i2s_find_bad (const uint8_t *data, size_t size);
int bn_tl1_unpack (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end, size_t *bad);
int bn_tl2_unpack (uint8_t *codes, const void *data, uint32_t n_rows,
    uint32_t n_cols, uint32_t row_begin, uint32_t row_end, size_t *bad);
/* Row-wise ternary types (TQ1_0, TQ2_0, IQ1_BN, IQ2_BN): the codes and the
 * scale of one row. Returns 0, -1 if a code 3 is met, 1 if the row's block
 * scales differ (then it cannot be BN_PACK_TERNARY). */
int bn_ternary_row_unpack (uint8_t *codes, float *scale, BnType type,
    const void *row, uint32_t n_cols);
/* The scale of an I2_S, TL1 or TL2 tensor. */
float bn_ternary_tensor_scale (
    BnType type, const void *data, uint32_t n_rows, uint32_t n_cols);
/* Writes codes 0..2 and scale as an I2_S tensor of layout; tail zeroed. */
void bn_i2s_pack (void *data, const uint8_t *codes, uint32_t n_rows,
    uint32_t n_cols, BnI2sLayout layout, float scale);
