/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables that tools/gen-unicode.py makes; bn-unicode.h and bn-unorm.h have
 * the functions that read them. */
#pragma once

#include "bn-unicode.h"

/* White space, and what Unicode 15.1 does not have yet. */
#define BN_UNICODE_SPACE_BIT 0x20
#define BN_UNICODE_NEW_BIT 0x40

/* Runs of one category of characters that are newer than Unicode 14.0 and not
 * than 16.0. */
typedef struct {
  uint32_t first, last;
  uint8_t category; /* BnCategory */
} BnUnicodeRange;

extern const BnUnicodeRange bn_unicode_new[];
extern const size_t bn_n_unicode_new;

/* Runs of one script, as of Unicode 9.0. */
extern const uint32_t bn_script_starts[];
extern const uint8_t bn_script_ids[];
extern const size_t bn_n_script_runs;

#define BN_LOWER_BLOCK_SHIFT 7

extern const uint32_t bn_lower_limit;
extern const uint8_t bn_lower_index[];
extern const uint8_t bn_lower_records[];
extern const int32_t bn_lower_deltas[];

/* Normalization: bit i of flags says that form i (BnNormForm) may change the
 * character or join it with another. The expansions stand one behind the other
 * in the pool at offset; the second is missing if it is the same. Characters
 * at or above the limit are inert. */
typedef struct {
  uint8_t combining_class;
  uint8_t flags;
  uint8_t n_canonical, n_compatible;
  uint16_t offset;
} BnNormRecord;

typedef struct {
  uint32_t first, second, composed;
} BnNormPair;

#define BN_NORM_BLOCK_SHIFT 6

extern const uint32_t bn_norm_limit;
extern const uint8_t bn_norm_block_flags[]; /* of all characters of a block */
extern const uint16_t bn_norm_index[];
extern const uint16_t bn_norm_values[];
extern const BnNormRecord bn_norm_records[];
extern const uint32_t bn_norm_pool[];
extern const BnNormPair bn_norm_pairs[]; /* in rising order */
extern const size_t bn_n_norm_pairs;
