/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products of rows of F32, F16 and BF16 with vectors.
 *
 * Columns are taken in blocks of BLOCK_COLS. Column i of a block is added to
 * lane i % FLOATS of a vector of sums with one rounding (fma), the lanes at the
 * end of the block, and the blocks in their order; it does not matter how many
 * blocks or rows are under way at a time.
 *
 *   One or two activation rows wait for the memory. One row of weights is read
 *   after the other, MAX_BLOCKS blocks side by side, so that additions do not
 *   wait for one another, and what comes is asked for in the order in which it
 *   lies.
 *
 *   Up to TILE_ACTS are multiplied with TILE_ROWS rows side by side.
 *
 *   More wait for the multiplication. A block of PANEL_ROWS rows becomes floats
 *   once, in a panel that stays in the first level cache while all activation
 *   rows pass by, TILE_ACTS at a time, with the sums in registers:
 *
 *                 block 0        block 1
 *              +--------------+--------------+
 *   PANEL_ROWS | floats       | next: asked  |
 *              |              | for meanwhile|
 *              +--------------+--------------+
 *
 * Compiled for each level; vectors.h and init.h are those of its processor. */
#include "init.h"

#include "vectors.h"

enum {
  BLOCK_COLS = 512,
  MAX_BLOCKS = 4,
  TILE_ROWS = 4,
#ifdef __AVX512F__
  TILE_ACTS = 6,
#else
  TILE_ACTS = 3,
#endif
  PANEL_ROWS = 8,
  RANGE_ROWS = 32, /* that share the activations of a block */
  FEW_ACTS = 2,
  PREFETCH = 6144, /* bytes ahead: the next blocks of all that are read */
  LINE = 64,
};

typedef Floats (*LoadWeights) (const void *weights);

BN_INLINE uint32_t
min_u32 (uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* n < FLOATS numbers with zeros behind them */
BN_INLINE Floats
load_part (const void *p, uint32_t n, LoadWeights load, size_t element_size)
{
  uint8_t part[FLOATS * sizeof (float)] = {0};

  memcpy (part, p, n * element_size);
  return load (part);
}

/* Few activation rows */

/* n_blocks blocks of a row, each n_cols columns; of two or more, all have
 * BLOCK_COLS. */
BN_INLINE void
dot_blocks (float *y, size_t y_stride, const uint8_t *row, const uint8_t *acts,
    size_t act_stride, uint32_t n_cols, int is_first, LoadWeights load,
    const size_t element_size, const int n_blocks, const int n_acts)
{
  const size_t step = FLOATS * element_size;
  Floats sums[FEW_ACTS][MAX_BLOCKS] = {0};
  uint32_t col = 0;

  for (; col + FLOATS <= n_cols; col += FLOATS) {
#pragma GCC unroll 4
    for (int k = 0; k < n_blocks; k++) {
      const size_t at = (size_t) k * BLOCK_COLS + col;
      const Floats w = load (row + at * element_size);

      if (k * step % LINE == 0)
        prefetch (row + (n_blocks * col) * element_size + k * step, PREFETCH);
#pragma GCC unroll 2
      for (int i = 0; i < n_acts; i++) {
        sums[i][k] = floats_fma (w,
            floats_load (acts + i * act_stride + at * sizeof (float)),
            sums[i][k]);
        BN_KEEP (sums[i][k]);
      }
    }
  }
  if (n_blocks == 1 && col < n_cols) {
    const uint32_t n = n_cols - col;
    const Floats w =
        load_part (row + col * element_size, n, load, element_size);

#pragma GCC unroll 2
    for (int i = 0; i < n_acts; i++)
      sums[i][0] = floats_fma (w,
          load_part (acts + i * act_stride + col * sizeof (float), n,
              floats_load, sizeof (float)),
          sums[i][0]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < n_acts; i++, y += y_stride) {
    float blocks[MAX_BLOCKS];

    floats_sum_4 (blocks, sums[i]);
    for (int k = 0; k < n_blocks; k++)
      *y = is_first && k == 0 ? blocks[0] : *y + blocks[k];
  }
}

BN_INLINE void
dot_row (float *y, size_t y_stride, const uint8_t *row, const uint8_t *acts,
    size_t act_stride, uint32_t n_cols, LoadWeights load,
    const size_t element_size, const int n_acts)
{
  uint32_t col = 0;

  for (; n_cols - col >= MAX_BLOCKS * BLOCK_COLS;
       col += MAX_BLOCKS * BLOCK_COLS)
    dot_blocks (y, y_stride, row + col * element_size,
        acts + col * sizeof (float), act_stride, BLOCK_COLS, col == 0, load,
        element_size, MAX_BLOCKS, n_acts);
  for (; n_cols - col >= 2 * BLOCK_COLS; col += 2 * BLOCK_COLS)
    dot_blocks (y, y_stride, row + col * element_size,
        acts + col * sizeof (float), act_stride, BLOCK_COLS, col == 0, load,
        element_size, 2, n_acts);
  for (; col < n_cols; col += BLOCK_COLS)
    dot_blocks (y, y_stride, row + col * element_size,
        acts + col * sizeof (float), act_stride,
        min_u32 (n_cols - col, BLOCK_COLS), col == 0, load, element_size, 1,
        n_acts);
}

BN_INLINE void
matmul_few (float *y, size_t y_stride, const uint8_t *rows, uint32_t n_rows,
    uint32_t n_cols, const uint8_t *acts, size_t act_stride, LoadWeights load,
    const size_t element_size, const int n_acts)
{
  for (uint32_t row = 0; row < n_rows; row++)
    dot_row (y + row, y_stride, rows + (size_t) row * n_cols * element_size,
        acts, act_stride, n_cols, load, element_size, n_acts);
}

/* Many */

/* y (+)= the lanes of sums, added */
BN_INLINE void
add_sums (float *y, size_t y_stride, Floats sums[TILE_ACTS][TILE_ROWS],
    uint32_t n_rows, const int n_acts, int is_first)
{
#pragma GCC unroll 8
  for (int i = 0; i < n_acts; i++, y += y_stride) {
    float rows[TILE_ROWS];

    floats_sum_4 (rows, sums[i]);
    for (uint32_t row = 0; row < n_rows; row++)
      y[row] = is_first ? rows[row] : y[row] + rows[row];
  }
}

/* TILE_ROWS rows of weights, stride bytes apart, of which n_rows are there; of
 * a panel, all can be read. */
typedef struct {
  const uint8_t *first;
  size_t stride;
  uint32_t n_rows;
  LoadWeights load;
  size_t element_size;
  int is_panel;
} Tile;

/* The numbers that are left at col. */
BN_INLINE Floats
load_last (const uint8_t *row, uint32_t col, uint32_t n_cols, const Tile tile)
{
  row += col * tile.element_size;
  return tile.is_panel
             ? tile.load (row)
             : load_part (row, n_cols - col, tile.load, tile.element_size);
}

/* Columns [0, n_cols) of a tile. */
BN_INLINE void
dot_tile (float *y, size_t y_stride, const Tile tile, const uint8_t *acts,
    size_t act_stride, uint32_t n_cols, int is_first, const int n_acts)
{
  Floats sums[TILE_ACTS][TILE_ROWS] = {0}, a[TILE_ACTS];
  const uint8_t *rows[TILE_ROWS];
  uint32_t col = 0;

#pragma GCC unroll 4
  for (uint32_t row = 0; row < TILE_ROWS; row++)
    rows[row] =
        tile.first
        + (tile.is_panel ? row : min_u32 (row, tile.n_rows - 1)) * tile.stride;
  for (; col + FLOATS <= n_cols; col += FLOATS) {
#pragma GCC unroll 8
    for (int i = 0; i < n_acts; i++)
      a[i] = floats_load (acts + i * act_stride + col * sizeof (float));
#pragma GCC unroll 4
    for (int row = 0; row < TILE_ROWS; row++) {
      const Floats w = tile.load (rows[row] + col * tile.element_size);

      if (!tile.is_panel)
        prefetch_second_level (
            rows[row] + col * tile.element_size, TILE_ROWS * tile.stride);
#pragma GCC unroll 8
      for (int i = 0; i < n_acts; i++) {
        sums[i][row] = floats_fma (w, a[i], sums[i][row]);
        BN_KEEP (sums[i][row]);
      }
    }
  }
  if (col < n_cols) {
#pragma GCC unroll 8
    for (int i = 0; i < n_acts; i++) {
      a[i] = load_part (acts + i * act_stride + col * sizeof (float),
          n_cols - col, floats_load, sizeof (float));
#pragma GCC unroll 4
      for (int row = 0; row < TILE_ROWS; row++)
        sums[i][row] = floats_fma (
            load_last (rows[row], col, n_cols, tile), a[i], sums[i][row]);
    }
  }
  if (tile.n_rows >= TILE_ROWS)
    add_sums (y, y_stride, sums, TILE_ROWS, n_acts, is_first);
  else
    add_sums (y, y_stride, sums, tile.n_rows, n_acts, is_first);
}

BN_INLINE void
dot_tile_acts (float *y, size_t y_stride, const Tile tile, const uint8_t *acts,
    size_t act_stride, uint32_t n_cols, int is_first, uint32_t n_acts)
{
#define DOT_TILE(n)                                                            \
  case n:                                                                      \
    dot_tile (y, y_stride, tile, acts, act_stride, n_cols, is_first, n);       \
    break

  switch (n_acts) {
    DOT_TILE (1);
    DOT_TILE (2);
    DOT_TILE (3);
#ifdef __AVX512F__
    DOT_TILE (4);
    DOT_TILE (5);
    DOT_TILE (6);
#endif
  }
#undef DOT_TILE
}

/* n_rows rows of n_cols columns as floats, with zeros up to a whole vector and
 * a whole tile. */
BN_INLINE void
fill_panel (float panel[PANEL_ROWS][BLOCK_COLS], const uint8_t *rows,
    size_t row_size, uint32_t n_rows, uint32_t n_cols, LoadWeights load,
    const size_t element_size)
{
  uint32_t row = 0;

  for (; row < n_rows; row++, rows += row_size) {
    uint32_t col = 0;

    for (; col + FLOATS <= n_cols; col += FLOATS)
      floats_store (&panel[row][col], load (rows + col * element_size));
    if (col < n_cols)
      floats_store (&panel[row][col], load_part (rows + col * element_size,
                                          n_cols - col, load, element_size));
  }
  for (; row % TILE_ROWS != 0; row++)
    memset (panel[row], 0, sizeof panel[row]);
}

/* Where the block lies that comes after the one that is multiplied: behind
 * rows, or nowhere. */
typedef struct {
  const uint8_t *rows;
  size_t distance;
  size_t row_size;
  uint32_t row_lines;
} Next;

/* A panel with all activation rows. */
static void
multiply_panel (float *y, size_t y_stride,
    const float panel[PANEL_ROWS][BLOCK_COLS], uint32_t n_rows,
    const uint8_t *acts, size_t act_stride, uint32_t n_cols, int is_first,
    uint32_t n_acts, const Next *next)
{
  uint32_t n_groups = (n_acts + TILE_ACTS - 1) / TILE_ACTS;
  const uint32_t n_tiles = (n_rows + TILE_ROWS - 1) / TILE_ROWS;
  const uint32_t tile_lines =
      PANEL_ROWS * next->row_lines / (n_groups * n_tiles) + 1;
  uint32_t line = 0;

  for (; n_acts > 0; n_groups--) {
    const uint32_t n = (n_acts + n_groups - 1) / n_groups;

    for (uint32_t row = 0; row < n_rows; row += TILE_ROWS) {
      for (uint32_t i = 0; i < tile_lines; i++, line++)
        prefetch_second_level (
            next->rows, next->distance + line / next->row_lines * next->row_size
                            + line % next->row_lines * LINE);
      dot_tile_acts (y + row, y_stride,
          (Tile){(const uint8_t *) panel[row], sizeof panel[row], n_rows - row,
              floats_load, sizeof (float), 1},
          acts, act_stride, n_cols, is_first, n);
    }
    acts += n * act_stride;
    y += n * y_stride;
    n_acts -= n;
  }
}

BN_INLINE void
matmul_many (float *y, size_t y_stride, const uint8_t *rows, uint32_t n_rows,
    uint32_t n_cols, const uint8_t *acts, size_t act_stride, LoadWeights load,
    const size_t element_size, uint32_t n_acts)
{
  const size_t row_size = n_cols * element_size;
  float panel[PANEL_ROWS][BLOCK_COLS] __attribute__ ((aligned (BN_ALIGN)));

  for (uint32_t col = 0; col < n_cols; col += BLOCK_COLS) {
    const uint32_t n = min_u32 (n_cols - col, BLOCK_COLS);

    for (uint32_t row = 0; row < n_rows; row += PANEL_ROWS) {
      const uint32_t n_panel = min_u32 (n_rows - row, PANEL_ROWS);
      const uint8_t *block = rows + row * row_size + col * element_size;
      const Next next = {rows,
          n_rows - row > PANEL_ROWS
              ? (row + PANEL_ROWS) * row_size + col * element_size
              : (col + BLOCK_COLS) * element_size,
          row_size, (uint32_t) (BLOCK_COLS * element_size / LINE)};

      fill_panel (panel, block, row_size, n_panel, n, load, element_size);
      multiply_panel (y + row, y_stride, panel, n_panel,
          acts + col * sizeof (float), act_stride, n, col == 0, n_acts, &next);
    }
  }
}

/* So few that the panel would be used once: rows are read where they are. */
BN_INLINE void
matmul_some (float *y, size_t y_stride, const uint8_t *rows, uint32_t n_rows,
    uint32_t n_cols, const uint8_t *acts, size_t act_stride, LoadWeights load,
    const size_t element_size, uint32_t n_acts)
{
  const size_t row_size = n_cols * element_size;

  for (uint32_t row = 0; row < n_rows; row += TILE_ROWS) {
    for (uint32_t col = 0; col < n_cols; col += BLOCK_COLS)
      dot_tile_acts (y + row, y_stride,
          (Tile){rows + row * row_size + col * element_size, row_size,
              n_rows - row, load, element_size, 0},
          acts + col * sizeof (float), act_stride,
          min_u32 (n_cols - col, BLOCK_COLS), col == 0, n_acts);
  }
}

BN_INLINE void
matmul_floats (float *y, size_t y_stride, const BnMatrix *w, uint32_t row_begin,
    uint32_t row_end, const uint8_t *acts, size_t act_stride, uint32_t n_acts,
    LoadWeights load, const size_t element_size)
{
  const uint32_t n_rows = row_end - row_begin, n_cols = w->n_cols;
  const uint8_t *rows =
      (const uint8_t *) w->data + (size_t) row_begin * n_cols * element_size;

  if (n_acts == 1)
    matmul_few (y + row_begin, y_stride, rows, n_rows, n_cols, acts, act_stride,
        load, element_size, 1);
  else if (n_acts == FEW_ACTS)
    matmul_few (y + row_begin, y_stride, rows, n_rows, n_cols, acts, act_stride,
        load, element_size, FEW_ACTS);
  else if (n_acts <= TILE_ACTS)
    matmul_some (y + row_begin, y_stride, rows, n_rows, n_cols, acts,
        act_stride, load, element_size, n_acts);
  else
    matmul_many (y + row_begin, y_stride, rows, n_rows, n_cols, acts,
        act_stride, load, element_size, n_acts);
}

#define DEFINE_MATMUL(name, load, element_size)                                \
  static void matmul_##name (float *y, size_t y_stride, const BnMatrix *w,     \
      uint32_t row_begin, uint32_t row_end, const void *acts,                  \
      size_t act_stride, uint32_t n_acts)                                      \
  {                                                                            \
    matmul_floats (y, y_stride, w, row_begin, row_end, acts, act_stride,       \
        n_acts, load, element_size);                                           \
  }

DEFINE_MATMUL (f32, floats_load, 4)
DEFINE_MATMUL (f16, floats_load_f16, 2)
DEFINE_MATMUL (bf16, floats_load_bf16, 2)

void
BN_NAME (bn_floats_init) (BnKernels *k)
{
  k->in_place[BN_PACK_F32].matmul = matmul_f32;
  k->in_place[BN_PACK_F16].matmul = matmul_f16;
  k->in_place[BN_PACK_BF16].matmul = matmul_bf16;
  for (int pack = BN_PACK_F32; pack <= BN_PACK_BF16; pack++)
    k->in_place[pack].row_tile = RANGE_ROWS;
}
