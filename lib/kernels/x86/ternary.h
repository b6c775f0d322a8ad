/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes of the ternary products; see ternary-tmpl.h. */
#pragma once

#include <stdint.h>

enum {
  TILE_ROWS = 4,
  MAX_ACTS = 4, /* activation rows for which codes are unpacked once */
};

/* Sums of code * q for each activation row and row of a tile, in eight lanes:
 * lane j has columns c with c / 4 % 8 == j. */
typedef int32_t Lanes[MAX_ACTS][TILE_ROWS][8];
