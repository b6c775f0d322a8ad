/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table behind bn-types.h. Sizes: gguf.md sections 9 and 10. */
#include "bn-types.h"

#include <strings.h>

enum { TERNARY_TAIL = 32 };

static const BnTypeInfo types[] = {
    {BN_TYPE_F32, "F32", 1, 4, 0, 0},
    {BN_TYPE_F16, "F16", 1, 2, 0, 0},
    {BN_TYPE_Q4_0, "Q4_0", 32, 18, 0, 0},
    {BN_TYPE_Q4_1, "Q4_1", 32, 20, 0, 0},
    {BN_TYPE_Q5_0, "Q5_0", 32, 22, 0, 0},
    {BN_TYPE_Q5_1, "Q5_1", 32, 24, 0, 0},
    {BN_TYPE_Q8_0, "Q8_0", 32, 34, 0, 0},
    {BN_TYPE_Q2_K, "Q2_K", 256, 84, 0, 0},
    {BN_TYPE_Q3_K, "Q3_K", 256, 110, 0, 0},
    {BN_TYPE_Q4_K, "Q4_K", 256, 144, 0, 0},
    {BN_TYPE_Q5_K, "Q5_K", 256, 176, 0, 0},
    {BN_TYPE_Q6_K, "Q6_K", 256, 210, 0, 0},
    {BN_TYPE_I8, "I8", 1, 1, 0, 0},
    {BN_TYPE_I16, "I16", 1, 2, 0, 0},
    {BN_TYPE_I32, "I32", 1, 4, 0, 0},
    {BN_TYPE_I64, "I64", 1, 8, 0, 0},
    {BN_TYPE_F64, "F64", 1, 8, 0, 0},
    {BN_TYPE_BF16, "BF16", 1, 2, 0, 0},
    {BN_TYPE_TQ1_0, "TQ1_0", 256, 54, 0, 0},
    {BN_TYPE_TQ2_0, "TQ2_0", 256, 66, 0, 0},
    {BN_TYPE_I2_S, "I2_S", 4, 0, 0, TERNARY_TAIL},
    {BN_TYPE_TL1, "TL1", 4, 0, 0, TERNARY_TAIL},
    {BN_TYPE_TL2, "TL2", 1, 0, 0, TERNARY_TAIL},
    {BN_TYPE_IQ1_BN, "IQ1_BN", 64, 13, 2, 0},
    {BN_TYPE_IQ2_BN, "IQ2_BN", 64, 16, 4, 0},
};

/* Ids that exist elsewhere but cannot be read here. */
static const struct {
  int32_t id;
  const char *name;
} other_types[] = {
    {4, "Q4_2"},
    {5, "Q4_3"},
    {9, "Q8_1"},
    {15, "Q8_K"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {20, "IQ4_NL"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {23, "IQ4_XS"},
    {29, "IQ1_M"},
    {31, "Q4_0_4_4"},
    {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"},
    {37, "IQ4_NL_4_8"},
    {40, "NVFP4"},
    {41, "Q1_0"},
    {42, "Q2_0"},
    {133, "Q6_0"},
    {335, "IQ2_BN_R4"},
};

const BnTypeInfo *
bn_type_info (int32_t type)
{
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if ((int32_t) types[i].type == type)
      return &types[i];
  }
  return NULL;
}

const BnTypeInfo *
bn_type_info_by_name (const char *name)
{
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strcasecmp (types[i].name, name) == 0)
      return &types[i];
  }
  return NULL;
}

const char *
bn_type_id_name (int32_t id)
{
  const BnTypeInfo *info = bn_type_info (id);

  if (info)
    return info->name;
  for (size_t i = 0; i < sizeof other_types / sizeof other_types[0]; i++) {
    if (other_types[i].id == id)
      return other_types[i].name;
  }
  return NULL;
}

/* Bytes in front of the scale of a TL2 tensor: the writer's formula, integer
 * division left to right, then rounded up to 32 (quant-formats.md 8). */
static uint64_t
tl2_data_size (uint64_t n_cols, uint64_t n_rows)
{
  const uint64_t pair_cols = 256; /* whatever the real split is */
  uint64_t size;

  if (n_cols < pair_cols)
    return 0;
  size = (n_cols - pair_cols) * n_rows / 3 * 5 / 8
         + pair_cols * n_rows / 2 * 4 / 8;
  return (size + 31) / 32 * 32;
}

uint64_t
bn_type_tensor_size (BnType type, uint64_t n_cols, uint64_t n_rows)
{
  const BnTypeInfo *info = bn_type_info (type);
  uint64_t n_elements, row_size;

  if (!info || n_cols == 0 || n_rows == 0 || n_cols % info->block_elements
      || __builtin_mul_overflow (n_cols, n_rows, &n_elements)
      || n_elements > INT64_MAX / 16)
    return 0;
  switch (type) {
    case BN_TYPE_I2_S:
    case BN_TYPE_TL1:
      return n_elements / 4 + TERNARY_TAIL;
    case BN_TYPE_TL2: {
      uint64_t data_size = tl2_data_size (n_cols, n_rows);
      return data_size ? data_size + TERNARY_TAIL : 0;
    }
    default:
      row_size =
          n_cols / info->block_elements * info->block_size + info->row_header;
      return row_size * n_rows;
  }
}
