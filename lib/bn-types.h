/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tensor types a GGUF file can carry: ids, names and block sizes.
 *
 * This is the bottom of the dependency graph: plain C, included by the GGUF
 * reader, the kernels and the tools alike, so that a type is described once.
 * Ids are ggml's (gguf.md sections 9 and 10); where two programs use one id
 * for different things the reader decides by size which of the two it is and
 * stores the unambiguous value below. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum {
  BN_TYPE_F32 = 0,
  BN_TYPE_F16 = 1,
  BN_TYPE_Q4_0 = 2,
  BN_TYPE_Q4_1 = 3,
  BN_TYPE_Q5_0 = 6,
  BN_TYPE_Q5_1 = 7,
  BN_TYPE_Q8_0 = 8,
  BN_TYPE_Q2_K = 10,
  BN_TYPE_Q3_K = 11,
  BN_TYPE_Q4_K = 12,
  BN_TYPE_Q5_K = 13,
  BN_TYPE_Q6_K = 14,
  BN_TYPE_I8 = 24,
  BN_TYPE_I16 = 25,
  BN_TYPE_I32 = 26,
  BN_TYPE_I64 = 27,
  BN_TYPE_F64 = 28,
  BN_TYPE_BF16 = 30,
  BN_TYPE_TQ1_0 = 34,
  BN_TYPE_TQ2_0 = 35,
  BN_TYPE_I2_S = 36,
  BN_TYPE_TL1 = 38,
  BN_TYPE_TL2 = 39,
  BN_TYPE_IQ1_BN = 134,
  BN_TYPE_IQ2_BN = 135,
  BN_TYPE_INVALID = -1,
} BnType;

/* How the bytes of a tensor follow from its shape. */
typedef struct {
  BnType type;
  const char *name;        /* as other programs print it, "Q4_K" */
  uint32_t block_elements; /* elements in one block along ne[0] */
  uint32_t block_size;     /* bytes of one block; 0: not block-shaped */
  uint32_t row_header;     /* bytes in front of each row (IQ1_BN, IQ2_BN) */
  uint32_t tensor_tail;    /* bytes behind the last row (I2_S, TL1, TL2) */
} BnTypeInfo;

/* NULL for an id this library cannot read. */
const BnTypeInfo *bn_type_info (int32_t type);

/* By name, without regard to case; NULL if unknown. */
const BnTypeInfo *bn_type_info_by_name (const char *name);

/* Name of any id ggml or a fork has used, also of those that cannot be read
 * ("IQ3_XXS"), for error messages; NULL if nobody uses the id. */
const char *bn_type_id_name (int32_t id);

/* Bytes of a tensor of shape n_cols (ne[0]) x n_rows (all other dimensions).
 * Returns 0 where the shape does not fit the type or the size overflows;
 * an empty tensor is not asked for. */
uint64_t bn_type_tensor_size (BnType type, uint64_t n_cols, uint64_t n_rows);
