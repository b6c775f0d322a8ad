/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention with vectors; compiled for each level, with the vectors.h and
 * init.h of its processor. Two ways through a tile of cells give the same bits:
 *
 *   columns  many queries, one in each lane. The tile is widened to floats
 *            once for all of them; a key is multiplied one number at a time:
 *
 *                              queries 0 .. 2 * FLOATS - 1
 *                  number 0  [  |  |  |  |  |  |  |  |  ]  * k[0]
 *                  number 1  [  |  |  |  |  |  |  |  |  ]  * k[1]  ...
 *
 *   quads    few queries. A vector has all pairs of four queries with two or
 *            four cells, whose keys come straight from the cache:
 *
 *                  [ c0 q0 | c0 q1 | c0 q2 | c0 q3 | c1 q0 | c1 q1 | ... ]
 *
 * In both a score is one chain of fma over the columns of the head. The weights
 * lie in rows of cells, a query in each column, and weight the values for four
 * queries at a time: over the cells that all of them see, then over those that
 * only some see. */
#include "init.h"

#include <float.h>
#include <math.h>
#include "bn-blocks.h"
#include "vectors.h"

enum {
  TILE = BN_ATTEND_TILE,
  COLUMNS = 2 * FLOATS, /* queries side by side */
  QUAD = 4,
  MAX_QUADS = 2, /* for which it pays */
  QUAD_CELLS = FLOATS / QUAD,
#ifdef __AVX512F__
  MAX_CELLS = 8,   /* by two vectors of queries */
  MAX_VECTORS = 4, /* by a quad of queries */
#else
  MAX_CELLS = 4,
  MAX_VECTORS = 2,
#endif
};

/* Where values are taken from. */
typedef enum {
  FROM_FLOATS,
  FROM_F16,
  FROM_Q8_0,
} Source;

/* What the tiles of a call share. */
typedef struct {
  const BnQueries *queries;
  const BnKvView *kv;
  uint32_t n_queries;
  uint32_t padded; /* head_size in whole vectors of any level */
  size_t part_size;
  float *keys;    /* TILE rows of padded floats */
  float *values;  /* the same */
  float *q;       /* queries in columns, in blocks of COLUMNS or QUAD */
  float *weights; /* TILE rows of a block of columns */
  float *later;   /* parts of a span that is not the first */
  float *nobody;  /* part of a query that is not there */
  float *max, *sum, *factor; /* of each query */
} Attend;

typedef struct {
  uint32_t first, n_cells;
  const uint8_t *k[TILE], *v[TILE];
} Tile;

static void
tile_init (Tile *tile, const BnKvView *kv, uint32_t first, uint32_t n_cells)
{
  const size_t cell_size = bn_kv_cell_size (kv->type, kv->head_size);
  uint32_t page = first / kv->page_cells, cell = first % kv->page_cells;

  tile->first = first;
  tile->n_cells = n_cells;
  for (uint32_t i = 0; i < n_cells; page++, cell = 0) {
    const size_t offset = kv->page[page] * kv->page_stride;

    for (; i < n_cells && cell < kv->page_cells; i++, cell++) {
      tile->k[i] = (const uint8_t *) kv->k + offset + cell * cell_size;
      tile->v[i] = (const uint8_t *) kv->v + offset + cell * cell_size;
    }
  }
}

/* Cells of the tile that a query sees. */
BN_INLINE uint32_t
count_seen (const Attend *op, const Tile *tile, uint32_t query)
{
  const uint32_t seen = op->queries->n_cells + query / op->queries->n_heads;

  if (query >= op->n_queries || seen <= tile->first)
    return 0;
  return seen - tile->first < tile->n_cells ? seen - tile->first
                                            : tile->n_cells;
}

/* Numbers [i, i + FLOATS) of a cell. */
BN_INLINE Floats
load_cell (const uint8_t *cell, size_t i, const Source source)
{
  const BnBlockQ8_0 *block;

  if (source == FROM_FLOATS)
    return floats_load (cell + i * sizeof (float));
  if (source == FROM_F16)
    return floats_load_f16 (cell + i * sizeof (uint16_t));
  block = (const BnBlockQ8_0 *) cell + i / BN_QK;
  return floats_mul (floats_set1 (load_f16 (block->d)),
      floats_load_i8 (block->qs + i % BN_QK));
}

/* The same for the last ones of a cell of halves, with zeros behind them. */
BN_INLINE Floats
load_cell_rest (const uint8_t *cell, size_t i, size_t n)
{
  uint16_t halves[FLOATS] = {0};

  memcpy (halves, cell + i * sizeof *halves, n * sizeof *halves);
  return floats_load_f16 (halves);
}

BN_INLINE void
widen_cells (float *dst, uint32_t padded, const uint8_t *const *cells,
    uint32_t n_cells, uint32_t head_size, const Source source)
{
  for (uint32_t cell = 0; cell < n_cells; cell++, dst += padded) {
    uint32_t i = 0;

    for (; i + FLOATS <= head_size; i += FLOATS)
      floats_store (dst + i, load_cell (cells[cell], i, source));
    if (i < head_size) {
      floats_store (dst + i, load_cell_rest (cells[cell], i, head_size - i));
      i += FLOATS;
    }
    for (; i < padded; i += FLOATS)
      floats_store (dst + i, floats_set1 (0));
  }
}

static void
widen_tile (const Attend *op, const Tile *tile)
{
  const BnKvView *kv = op->kv;

  if (kv->type == BN_KV_Q8_0) {
    widen_cells (
        op->keys, op->padded, tile->k, tile->n_cells, kv->head_size, FROM_Q8_0);
    widen_cells (op->values, op->padded, tile->v, tile->n_cells, kv->head_size,
        FROM_Q8_0);
  } else {
    widen_cells (
        op->keys, op->padded, tile->k, tile->n_cells, kv->head_size, FROM_F16);
    widen_cells (op->values, op->padded, tile->v, tile->n_cells, kv->head_size,
        FROM_F16);
  }
}

/* Values */

/* The cells [begin, end) of one query. */
BN_INLINE void
add_cells (Floats *sums, const float *weights, size_t stride,
    const uint8_t *const *cells, uint32_t begin, uint32_t end, size_t col,
    const Source source, const int n_vectors)
{
  for (uint32_t cell = begin; cell < end; cell++) {
    const Floats weight = floats_set1 (weights[cell * stride]);

#pragma GCC unroll 4
    for (int j = 0; j < n_vectors; j++)
      sums[j] = floats_fma (
          weight, load_cell (cells[cell], col + j * FLOATS, source), sums[j]);
  }
}

/* values = values * factor + weights * the cells, for a quad of queries and
 * n_vectors vectors of columns. */
BN_INLINE void
add_values_columns (float *const *parts, const float *factor,
    const uint32_t *seen, uint32_t n_common, const float *weights,
    size_t stride, const uint8_t *const *cells, size_t col, const Source source,
    const int n_vectors)
{
  Floats sums[QUAD][MAX_VECTORS];

#pragma GCC unroll 4
  for (int i = 0; i < QUAD; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < n_vectors; j++)
      sums[i][j] = floats_mul (
          floats_load (parts[i] + col + j * FLOATS), floats_set1 (factor[i]));
  }
  for (uint32_t cell = 0; cell < n_common; cell++) {
    Floats v[MAX_VECTORS];

#pragma GCC unroll 4
    for (int j = 0; j < n_vectors; j++)
      v[j] = load_cell (cells[cell], col + j * FLOATS, source);
#pragma GCC unroll 4
    for (int i = 0; i < QUAD; i++) {
      const Floats weight = floats_set1 (weights[cell * stride + i]);

#pragma GCC unroll 4
      for (int j = 0; j < n_vectors; j++) {
        sums[i][j] = floats_fma (weight, v[j], sums[i][j]);
        BN_KEEP (sums[i][j]);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < QUAD; i++) {
    add_cells (sums[i], weights + i, stride, cells, n_common, seen[i], col,
        source, n_vectors);
#pragma GCC unroll 4
    for (int j = 0; j < n_vectors; j++)
      floats_store (parts[i] + col + j * FLOATS, sums[i][j]);
  }
}

/* The last columns of halves, of which there is not a whole vector. */
BN_INLINE void
add_values_rest (float *const *parts, const float *factor, const uint32_t *seen,
    const float *weights, size_t stride, const uint8_t *const *cells,
    size_t col, size_t n)
{
  for (int i = 0; i < QUAD; i++) {
    Floats sum =
        floats_mul (floats_load (parts[i] + col), floats_set1 (factor[i]));

    for (uint32_t cell = 0; cell < seen[i]; cell++)
      sum = floats_fma (floats_set1 (weights[cell * stride + i]),
          load_cell_rest (cells[cell], col, n), sum);
    floats_store (parts[i] + col, sum);
  }
}

/* weights: of the first query of the quad in the first cell. */
BN_INLINE void
add_values (const Attend *op, float *parts, const Tile *tile, uint32_t query,
    const float *weights, size_t stride, const uint8_t *const *cells,
    size_t n_cols, const Source source)
{
  float *quad[QUAD];
  uint32_t seen[QUAD], n_common = tile->n_cells;
  size_t col = 0;

  for (uint32_t i = 0; i < QUAD; i++) {
    seen[i] = count_seen (op, tile, query + i);
    quad[i] = op->nobody;
    if (query + i >= op->n_queries)
      continue;
    quad[i] = parts + (query + i) * op->part_size;
    n_common = seen[i] < n_common ? seen[i] : n_common;
  }
  for (; col + MAX_VECTORS * FLOATS <= n_cols; col += MAX_VECTORS * FLOATS)
    add_values_columns (quad, op->factor + query, seen, n_common, weights,
        stride, cells, col, source, MAX_VECTORS);
  for (; col + FLOATS <= n_cols; col += FLOATS)
    add_values_columns (quad, op->factor + query, seen, n_common, weights,
        stride, cells, col, source, 1);
  if (col < n_cols)
    add_values_rest (quad, op->factor + query, seen, weights, stride, cells,
        col, n_cols - col);
}

/* Columns */

/* Scores of MAX_CELLS cells for n_vectors vectors of queries. */
BN_INLINE void
score_columns (float *scores, const float *q, const float *keys,
    uint32_t padded, uint32_t head_size, float scale, const int n_vectors)
{
  Floats sums[MAX_CELLS][2];

#pragma GCC unroll 8
  for (int cell = 0; cell < MAX_CELLS; cell++) {
#pragma GCC unroll 2
    for (int j = 0; j < n_vectors; j++)
      sums[cell][j] = floats_set1 (0);
  }
  for (uint32_t i = 0; i < head_size; i++, q += COLUMNS, keys++) {
    Floats queries[2];

#pragma GCC unroll 2
    for (int j = 0; j < n_vectors; j++)
      queries[j] = floats_load (q + j * FLOATS);
#pragma GCC unroll 8
    for (int cell = 0; cell < MAX_CELLS; cell++) {
      const Floats key = floats_set1 (keys[cell * padded]);

#pragma GCC unroll 2
      for (int j = 0; j < n_vectors; j++) {
        sums[cell][j] = floats_fma (queries[j], key, sums[cell][j]);
        BN_KEEP (sums[cell][j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int cell = 0; cell < MAX_CELLS; cell++) {
#pragma GCC unroll 2
    for (int j = 0; j < n_vectors; j++)
      floats_store (scores + cell * COLUMNS + j * FLOATS,
          floats_mul (sums[cell][j], floats_set1 (scale)));
  }
}

/* Scores of a vector of queries to weights. seen: how many cells each of them
 * sees, n_cells the largest of these, all of them see n_common. */
BN_INLINE void
weigh_columns (const Attend *op, float *weights, uint32_t query,
    const float *seen, uint32_t n_common, uint32_t n_cells)
{
  const Floats lowest = floats_set1 (-INFINITY);
  const Floats n_seen = floats_load (seen);
  const Floats old_max = floats_load (op->max + query);
  Floats max = old_max, finite, factor, sums[4];

  for (uint32_t cell = n_common; cell < n_cells; cell++)
    floats_store (weights + cell * COLUMNS,
        floats_select_less (floats_set1 ((float) cell), n_seen,
            floats_load (weights + cell * COLUMNS), lowest));
  for (uint32_t cell = 0; cell < n_cells; cell++)
    max = floats_max (max, floats_load (weights + cell * COLUMNS));
  finite = floats_max (max, floats_set1 (-FLT_MAX));
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++)
    sums[i] = floats_set1 (0);
  for (uint32_t cell = 0; cell < n_cells; cell += 4) {
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; i++) {
      float *at = weights + (cell + i) * COLUMNS;
      Floats e;

      if (cell + i >= n_cells)
        break;
      e = floats_exp (floats_sub (floats_load (at), finite));
      floats_store (at, e);
      sums[i] = floats_add (sums[i], e);
    }
  }
  factor = floats_exp (floats_sub (old_max, finite));
  floats_store (op->max + query, max);
  floats_store (op->factor + query, factor);
  floats_store (
      op->sum + query, floats_fma (floats_load (op->sum + query), factor,
                           floats_add (floats_add (sums[0], sums[1]),
                               floats_add (sums[2], sums[3]))));
}

/* One tile for the block of columns that begins with query. */
BN_INLINE void
attend_columns (const Attend *op, float *parts, const Tile *tile,
    uint32_t query, const int n_vectors)
{
  const uint32_t n_left = op->n_queries - query;
  const uint32_t n = n_left < COLUMNS ? n_left : COLUMNS;
  const uint32_t n_common = count_seen (op, tile, query);
  const uint32_t n_cells = count_seen (op, tile, query + n - 1);
  const uint8_t *values[TILE];
  float seen[COLUMNS];

  if (n_cells == 0)
    return;
  for (uint32_t cell = 0; cell < n_cells; cell += MAX_CELLS)
    score_columns (op->weights + cell * COLUMNS,
        op->q + (size_t) query * op->kv->head_size,
        op->keys + cell * op->padded, op->padded, op->kv->head_size,
        op->queries->scale, n_vectors);
  for (uint32_t i = 0; i < COLUMNS; i++)
    seen[i] = (float) count_seen (op, tile, query + i);
#pragma GCC unroll 2
  for (int j = 0; j < n_vectors; j++)
    weigh_columns (op, op->weights + j * FLOATS, query + j * FLOATS,
        seen + j * FLOATS, n < COLUMNS ? 0 : n_common, n_cells);
  for (uint32_t cell = 0; cell < n_cells; cell++)
    values[cell] = (const uint8_t *) (op->values + cell * op->padded);
  for (uint32_t i = 0; i < n; i += QUAD)
    add_values (op, parts, tile, query + i, op->weights + i, COLUMNS, values,
        op->padded, FROM_FLOATS);
}

static void
attend_tile_columns (const Attend *op, float *parts, const Tile *tile)
{
  widen_tile (op, tile);
  for (uint32_t query = 0; query < op->n_queries; query += COLUMNS) {
    if (op->n_queries - query > FLOATS)
      attend_columns (op, parts, tile, query, 2);
    else
      attend_columns (op, parts, tile, query, 1);
  }
}

/* Quads */

/* Scores of FLOATS cells, QUAD_CELLS in a vector, for four queries. q: their
 * numbers side by side. Cells point to what may be loaded. */
BN_INLINE void
score_quad (float *scores, const float *q, const uint8_t *const *cells,
    uint32_t head_size, float scale, const Source source)
{
  Floats sums[QUAD];

#pragma GCC unroll 4
  for (int group = 0; group < QUAD; group++)
    sums[group] = floats_set1 (0);
  for (uint32_t i = 0; i < head_size; i += FLOATS, q += QUAD * FLOATS) {
#pragma GCC unroll 4
    for (int group = 0; group < QUAD; group++) {
      Floats rows[QUAD_CELLS], turned[FLOATS / 4];

#pragma GCC unroll 4
      for (int cell = 0; cell < QUAD_CELLS; cell++) {
        const uint8_t *key = cells[group * QUAD_CELLS + cell];

        rows[cell] = head_size - i < FLOATS
                         ? load_cell_rest (key, i, head_size - i)
                         : load_cell (key, i, source);
      }
      floats_turn_quads (turned, rows);
#pragma GCC unroll 4
      for (int j = 0; j < FLOATS / 4; j++) {
        const float *four = q + j * 4 * QUAD;

        sums[group] =
            floats_fma_spread (turned[j], 0, quad_load (four), sums[group]);
        sums[group] = floats_fma_spread (
            turned[j], 1, quad_load (four + QUAD), sums[group]);
        sums[group] = floats_fma_spread (
            turned[j], 2, quad_load (four + 2 * QUAD), sums[group]);
        sums[group] = floats_fma_spread (
            turned[j], 3, quad_load (four + 3 * QUAD), sums[group]);
      }
    }
  }
#pragma GCC unroll 4
  for (int group = 0; group < QUAD; group++)
    floats_store (
        scores + group * FLOATS, floats_mul (sums[group], floats_set1 (scale)));
}

/* Scores of a quad to weights; cells from n_cells on come to nothing. */
static void
weigh_quad (const Attend *op, float *weights, uint32_t query,
    const uint32_t *seen, uint32_t n_cells)
{
  const Floats lowest = floats_set1 (-INFINITY);
  const Quad old_max = quad_load (op->max + query);
  Floats max = lowest, sums[4 / QUAD_CELLS], all_max;
  float limits[FLOATS], index[FLOATS];
  Quad new_max, finite, factor;

  for (uint32_t i = 0; i < FLOATS; i++) {
    index[i] = (float) (i / QUAD);
    limits[i] = (float) seen[i % QUAD];
  }
  for (uint32_t cell = 0; cell < n_cells; cell += QUAD_CELLS) {
    float *at = weights + cell * QUAD;
    const Floats scores = floats_select_less (
        floats_add (floats_load (index), floats_set1 ((float) cell)),
        floats_load (limits), floats_load (at), lowest);

    floats_store (at, scores);
    max = floats_max (max, scores);
  }
  new_max = quad_max (old_max, floats_max_quads (max));
  finite = quad_max (new_max, quad_set1 (-FLT_MAX));
  all_max = floats_repeat_quad (finite);
#pragma GCC unroll 2
  for (int i = 0; i < 4 / QUAD_CELLS; i++)
    sums[i] = floats_set1 (0);
  for (uint32_t cell = 0; cell < n_cells; cell += 4) {
#pragma GCC unroll 2
    for (int i = 0; i < 4 / QUAD_CELLS; i++) {
      float *at = weights + (cell + (uint32_t) i * QUAD_CELLS) * QUAD;
      Floats e;

      if (cell + (uint32_t) i * QUAD_CELLS >= n_cells)
        break;
      e = floats_exp (floats_sub (floats_load (at), all_max));
      floats_store (at, e);
      sums[i] = floats_add (sums[i], e);
    }
  }
  factor = quad_exp (quad_sub (old_max, finite));
  quad_store (op->max + query, new_max);
  quad_store (op->factor + query, factor);
  quad_store (op->sum + query,
      quad_fma (quad_load (op->sum + query), factor, floats_sum_quads (sums)));
}

/* What comes out of the cache for one token was used a whole pass ago. */
static void
fetch_cells (const Attend *op, const uint8_t *const *cells, uint32_t n)
{
  const size_t size = bn_kv_cell_size (op->kv->type, op->kv->head_size);

  for (uint32_t cell = 0; cell < n; cell++) {
    for (size_t at = 0; at < size; at += BN_ALIGN)
      prefetch (cells[cell], at);
  }
}

BN_INLINE void
attend_quad (const Attend *op, float *parts, const Tile *tile, uint32_t query,
    const Source source)
{
  const uint32_t head_size = op->kv->head_size;
  const uint8_t *keys[TILE];
  uint32_t seen[QUAD], n_cells = 0;

  for (uint32_t i = 0; i < QUAD; i++) {
    seen[i] = count_seen (op, tile, query + i);
    n_cells = seen[i] > n_cells ? seen[i] : n_cells;
  }
  if (n_cells == 0)
    return;
  for (uint32_t cell = 0; cell < TILE; cell++)
    keys[cell] = tile->k[cell < n_cells ? cell : n_cells - 1];
  for (uint32_t cell = 0; cell < n_cells; cell += FLOATS) {
    const uint32_t n_left = n_cells - cell;

    /* the keys behind these, and the values */
    if (n_left > FLOATS)
      fetch_cells (op, keys + cell + FLOATS, FLOATS);
    fetch_cells (op, tile->v + cell, n_left < FLOATS ? n_left : FLOATS);
    score_quad (op->weights + cell * QUAD, op->q + (size_t) query * op->padded,
        keys + cell, head_size, op->queries->scale, source);
  }
  weigh_quad (op, op->weights, query, seen, n_cells);
  add_values (
      op, parts, tile, query, op->weights, QUAD, tile->v, head_size, source);
}

static void
attend_tile_quads (const Attend *op, float *parts, const Tile *tile)
{
  for (uint32_t query = 0; query < op->n_queries; query += QUAD) {
    if (op->kv->type == BN_KV_Q8_0)
      attend_quad (op, parts, tile, query, FROM_Q8_0);
    else
      attend_quad (op, parts, tile, query, FROM_F16);
  }
}

/* Calls */

static int
is_for_quads (const Attend *op)
{
  return op->n_queries <= QUAD * MAX_QUADS;
}

static const float *
find_query (const BnQueries *queries, uint32_t query, uint32_t head_size)
{
  return queries->q + query / queries->n_heads * queries->stride
         + (size_t) (query % queries->n_heads) * head_size;
}

/* The numbers from begin on of n queries, which stand side by side in to. */
static void
turn_singly (const Attend *op, float *to, uint32_t n_columns, uint32_t query,
    uint32_t n, uint32_t begin)
{
  const uint32_t head_size = op->kv->head_size;

  for (uint32_t k = 0; k < n; k++) {
    const float *from = find_query (op->queries, query + k, head_size);

    for (uint32_t i = begin; i < head_size; i++)
      to[(size_t) i * n_columns + k] = from[i];
  }
}

/* Queries in blocks of n_columns, a row for each number of a head; those that
 * are not there are zero. */
static void
turn_queries (const Attend *op, uint32_t n_columns, uint32_t n_numbers)
{
  const uint32_t head_size = op->kv->head_size;
  const uint32_t n = (op->n_queries + n_columns - 1) / n_columns * n_columns;

  if (n > op->n_queries || n_numbers > head_size)
    memset (op->q, 0, (size_t) n * n_numbers * sizeof *op->q);
  for (uint32_t query = 0; query < op->n_queries; query += QUAD) {
    const uint32_t n_left = op->n_queries - query;
    float *to = op->q + (size_t) (query / n_columns) * n_columns * n_numbers
                + query % n_columns;
    const float *from[QUAD];
    uint32_t i = 0;

    if (n_left < QUAD) {
      turn_singly (op, to, n_columns, query, n_left, 0);
      return;
    }
    for (uint32_t k = 0; k < QUAD; k++)
      from[k] = find_query (op->queries, query + k, head_size);
    for (; i + QUAD <= head_size; i += QUAD) {
      Quad v[QUAD];

#pragma GCC unroll 4
      for (int k = 0; k < QUAD; k++)
        v[k] = quad_load (from[k] + i);
      quads_turn (v);
#pragma GCC unroll 4
      for (uint32_t k = 0; k < QUAD; k++)
        quad_store (to + (size_t) (i + k) * n_columns, v[k]);
    }
    turn_singly (op, to, n_columns, query, QUAD, i);
  }
}

/* The parts of the cells [begin, end), which are of one span. */
static void
attend_span (const Attend *op, float *parts, uint32_t begin, uint32_t end)
{
  const size_t max_at = bn_attend_max_at (op->kv->head_size);

  for (uint32_t i = 0; i < op->n_queries + COLUMNS; i++) {
    op->max[i] = -INFINITY;
    op->sum[i] = 0;
    op->factor[i] = 1;
  }
  for (uint32_t i = 0; i < op->n_queries; i++)
    memset (parts + i * op->part_size, 0, op->part_size * sizeof *parts);
  for (uint32_t first = begin; first < end; first += TILE) {
    Tile tile;

    tile_init (&tile, op->kv, first, end - first < TILE ? end - first : TILE);
    if (is_for_quads (op))
      attend_tile_quads (op, parts, &tile);
    else
      attend_tile_columns (op, parts, &tile);
  }
  for (uint32_t i = 0; i < op->n_queries; i++) {
    parts[i * op->part_size + max_at] = op->max[i];
    parts[i * op->part_size + max_at + 1] = op->sum[i];
  }
}

/* Joining */

typedef struct {
  float max, sum;
  float factor, later_factor; /* of the values */
} Joint;

/* FALSE: there is nothing to add. */
BN_INLINE int
join_scales (Joint *joint, const float *later_max)
{
  float max = later_max[0] > joint->max ? later_max[0] : joint->max;
  float factors[QUAD] = {0};

  if (later_max[0] == -INFINITY)
    return 0;
  max = max > -FLT_MAX ? max : -FLT_MAX;
  factors[0] = joint->max - max;
  factors[1] = later_max[0] - max;
  quad_store (factors, quad_exp (quad_load (factors)));
  joint->factor = factors[0];
  joint->later_factor = factors[1];
  joint->max = max;
  joint->sum = fmaf (later_max[1], factors[1], joint->sum * factors[0]);
  return 1;
}

BN_INLINE Floats
join_values (const Joint *joint, Floats values, Floats later)
{
  return floats_fma (later, floats_set1 (joint->later_factor),
      floats_mul (values, floats_set1 (joint->factor)));
}

static void
join_part (float *part, const float *later, uint32_t head_size)
{
  const size_t max_at = bn_attend_max_at (head_size);
  Joint joint = {.max = part[max_at], .sum = part[max_at + 1]};

  if (!join_scales (&joint, later + max_at))
    return;
  for (uint32_t i = 0; i < head_size; i += FLOATS)
    floats_store (part + i,
        join_values (&joint, floats_load (part + i), floats_load (later + i)));
  part[max_at] = joint.max;
  part[max_at + 1] = joint.sum;
}

BN_INLINE void
store_rest (float *y, Floats v, uint32_t n)
{
  float padded[FLOATS];

  floats_store (padded, v);
  memcpy (y, padded, n * sizeof *y);
}

static void
attend_join (float *out, const float *parts, size_t part_stride,
    uint32_t n_parts, uint32_t head_size)
{
  const size_t max_at = bn_attend_max_at (head_size);
  const uint32_t rest = head_size % FLOATS, whole = head_size - rest;
  Joint joint = {.max = parts[max_at], .sum = parts[max_at + 1]};
  Floats last = rest ? floats_load (parts + whole) : floats_set1 (0);
  Floats inverse;

  memcpy (out, parts, head_size * sizeof *out);
  for (uint32_t part = 1; part < n_parts; part++) {
    const float *later = parts + part * part_stride;

    if (!join_scales (&joint, later + max_at))
      continue;
    for (uint32_t i = 0; i < whole; i += FLOATS)
      floats_store (out + i,
          join_values (&joint, floats_load (out + i), floats_load (later + i)));
    if (rest)
      last = join_values (&joint, last, floats_load (later + whole));
  }
  inverse = floats_set1 (1.0f / joint.sum);
  for (uint32_t i = 0; i < whole; i += FLOATS)
    floats_store (out + i, floats_mul (floats_load (out + i), inverse));
  if (rest)
    store_rest (out + whole, floats_mul (last, inverse), rest);
}

static void
attend (
    float *parts, const BnQueries *queries, const BnKvView *kv, void *scratch)
{
  const uint32_t n_seen = queries->n_cells + queries->n_rows - 1;
  const uint32_t end = n_seen < queries->cell_end ? n_seen : queries->cell_end;
  uint32_t begin = queries->cell_begin;
  float state[3][BN_ATTEND_MAX_QUERIES + COLUMNS];
  Attend op = {.queries = queries,
      .kv = kv,
      .n_queries = queries->n_rows * queries->n_heads,
      .padded = (uint32_t) bn_attend_max_at (kv->head_size),
      .part_size = bn_attend_part_size (kv->head_size),
      .keys = scratch,
      .max = state[0],
      .sum = state[1],
      .factor = state[2]};

  op.values = op.keys + TILE * op.padded;
  op.q = op.values + TILE * op.padded;
  op.weights = op.q + BN_ATTEND_MAX_QUERIES * op.padded;
  op.later = op.weights + BN_ATTEND_MAX_QUERIES * TILE;
  op.nobody = op.later + BN_ATTEND_MAX_QUERIES * op.part_size;
  if (is_for_quads (&op))
    turn_queries (&op, QUAD, op.padded);
  else
    turn_queries (&op, COLUMNS, kv->head_size);
  attend_span (&op, parts, begin,
      end - begin < BN_ATTEND_SPAN ? end : begin + BN_ATTEND_SPAN);
  while (end - begin > BN_ATTEND_SPAN) {
    begin += BN_ATTEND_SPAN;
    attend_span (&op, op.later, begin,
        end - begin < BN_ATTEND_SPAN ? end : begin + BN_ATTEND_SPAN);
    for (uint32_t i = 0; i < op.n_queries; i++)
      join_part (
          parts + i * op.part_size, op.later + i * op.part_size, kv->head_size);
  }
}

void
BN_NAME (bn_attend_init) (BnKernels *k)
{
  k->attend = attend;
  k->attend_join = attend_join;
}
