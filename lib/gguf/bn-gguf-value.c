/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of key-value pairs: unaligned little-endian numbers and strings,
 * read with conversion so that a hand-made file with another integer type
 * than usual works (gguf.md section 4). */
#include "bn-gguf.h"

#include <string.h>

#include "bn-gguf-part.h"

enum { BITS_PER_BYTE = 8 };

static uint64_t
read_le (const uint8_t *data, uint32_t size)
{
  uint64_t value = 0;

  for (uint32_t i = 0; i < size; i++)
    value |= (uint64_t) data[i] << (BITS_PER_BYTE * i);
  return value;
}

/* The bits of element i, zero-extended. FALSE beyond the end and for
 * strings. */
static gboolean
read_bits (const BnGgufKv *kv, uint64_t i, uint64_t *bits)
{
  uint32_t size = bn_gguf_type_size (kv->element_type);

  if (size == 0 || i >= kv->count)
    return FALSE;
  *bits = read_le (kv->data + i * size, size);
  return TRUE;
}

static gboolean
is_signed (BnGgufType type)
{
  return type == BN_GGUF_I8 || type == BN_GGUF_I16 || type == BN_GGUF_I32
         || type == BN_GGUF_I64;
}

static gboolean
is_integer (BnGgufType type)
{
  return is_signed (type) || type == BN_GGUF_U8 || type == BN_GGUF_U16
         || type == BN_GGUF_U32 || type == BN_GGUF_U64;
}

static int64_t
sign_extend (uint64_t bits, uint32_t size)
{
  uint64_t sign = UINT64_C (1) << (BITS_PER_BYTE * size - 1);

  return (int64_t) ((bits ^ sign) - sign);
}

gboolean
bn_gguf_kv_get_int (const BnGgufKv *kv, uint64_t i, int64_t *value)
{
  uint64_t bits;

  if (!is_integer (kv->element_type) || !read_bits (kv, i, &bits))
    return FALSE;
  if (is_signed (kv->element_type))
    *value = sign_extend (bits, bn_gguf_type_size (kv->element_type));
  else if (bits <= INT64_MAX)
    *value = (int64_t) bits;
  else
    return FALSE;
  return TRUE;
}

gboolean
bn_gguf_kv_get_uint (const BnGgufKv *kv, uint64_t i, uint64_t *value)
{
  int64_t number;

  if (kv->element_type == BN_GGUF_U64)
    return read_bits (kv, i, value);
  if (!bn_gguf_kv_get_int (kv, i, &number) || number < 0)
    return FALSE;
  *value = (uint64_t) number;
  return TRUE;
}

gboolean
bn_gguf_kv_get_double (const BnGgufKv *kv, uint64_t i, double *value)
{
  uint64_t bits;
  int64_t number;

  if (!read_bits (kv, i, &bits))
    return FALSE;
  switch (kv->element_type) {
    case BN_GGUF_F32: {
      uint32_t bits32 = (uint32_t) bits;
      float single;

      memcpy (&single, &bits32, sizeof single);
      *value = (double) single;
      return TRUE;
    }
    case BN_GGUF_F64:
      memcpy (value, &bits, sizeof *value);
      return TRUE;
    case BN_GGUF_U64:
      *value = (double) bits;
      return TRUE;
    default:
      if (!bn_gguf_kv_get_int (kv, i, &number))
        return FALSE;
      *value = (double) number;
      return TRUE;
  }
}

gboolean
bn_gguf_kv_get_bool (const BnGgufKv *kv, uint64_t i, gboolean *value)
{
  uint64_t bits;

  if (kv->element_type != BN_GGUF_BOOL || !read_bits (kv, i, &bits))
    return FALSE;
  *value = bits != 0;
  return TRUE;
}

gboolean
bn_gguf_kv_get_string (
    const BnGgufKv *kv, uint64_t i, const char **value, size_t *length)
{
  const uint8_t *field = kv->data;

  if (kv->element_type != BN_GGUF_STRING || i >= kv->count)
    return FALSE;
  if (kv->strings) {
    field += kv->strings[i / BN_GGUF_STRING_STEP];
    for (uint64_t rest = i % BN_GGUF_STRING_STEP; rest > 0; rest--)
      field += kv->length_size + bn_gguf_read_length (field, kv->length_size);
  }
  *length = (size_t) bn_gguf_read_length (field, kv->length_size);
  *value = (const char *) field + kv->length_size;
  return TRUE;
}

void
bn_gguf_string_iter_init (BnGgufStringIter *iter, const BnGgufKv *kv)
{
  iter->next = kv->data;
  iter->n_left = kv->element_type == BN_GGUF_STRING ? kv->count : 0;
  iter->length_size = kv->length_size;
}

gboolean
bn_gguf_string_iter_next (
    BnGgufStringIter *iter, const char **value, size_t *length)
{
  if (iter->n_left == 0)
    return FALSE;
  *length = (size_t) bn_gguf_read_length (iter->next, iter->length_size);
  *value = (const char *) iter->next + iter->length_size;
  iter->next += iter->length_size + *length;
  iter->n_left--;
  return TRUE;
}
