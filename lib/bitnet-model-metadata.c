/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetModel: metadata as GVariant, for programs and bindings. */
#include <string.h>

#include "bitnet-model.h"
#include "bitnet-private.h"
#include "gguf/bn-gguf.h"

static GVariant *
string_to_variant (const BnGgufKv *kv, uint64_t i)
{
  const char *text;
  size_t length;

  bn_gguf_kv_get_string (kv, i, &text, &length);
  return g_variant_new_take_string (g_utf8_make_valid (text, (gssize) length));
}

static const GVariantType *
variant_type (BnGgufType type)
{
  switch (type) {
    case BN_GGUF_U8:
      return G_VARIANT_TYPE_BYTE;
    case BN_GGUF_U16:
      return G_VARIANT_TYPE_UINT16;
    case BN_GGUF_U32:
      return G_VARIANT_TYPE_UINT32;
    case BN_GGUF_U64:
      return G_VARIANT_TYPE_UINT64;
    case BN_GGUF_I8:
    case BN_GGUF_I16:
      return G_VARIANT_TYPE_INT16;
    case BN_GGUF_I32:
      return G_VARIANT_TYPE_INT32;
    case BN_GGUF_I64:
      return G_VARIANT_TYPE_INT64;
    case BN_GGUF_F32:
    case BN_GGUF_F64:
      return G_VARIANT_TYPE_DOUBLE;
    case BN_GGUF_BOOL:
      return G_VARIANT_TYPE_BOOLEAN;
    default:
      return G_VARIANT_TYPE_STRING;
  }
}

/* Writes element i at out as GVariant stores its type; returns its bytes. */
static gsize
store_number (const BnGgufKv *kv, uint64_t i, guint8 *out)
{
  guint64 as_uint = 0;
  gint64 as_int = 0;
  gint16 as_int16;
  gint32 as_int32;
  guint16 as_uint16;
  guint32 as_uint32;
  double as_double = 0;
  gboolean as_bool = FALSE;

#define STORE(value)                                                           \
  memcpy (out, &(value), sizeof (value));                                      \
  return sizeof (value)

  switch (kv->element_type) {
    case BN_GGUF_BOOL:
      bn_gguf_kv_get_bool (kv, i, &as_bool);
      out[0] = as_bool ? 1 : 0;
      return 1;
    case BN_GGUF_U8:
      bn_gguf_kv_get_uint (kv, i, &as_uint);
      out[0] = (guint8) as_uint;
      return 1;
    case BN_GGUF_U16:
      bn_gguf_kv_get_uint (kv, i, &as_uint);
      as_uint16 = (guint16) as_uint;
      STORE (as_uint16);
    case BN_GGUF_U32:
      bn_gguf_kv_get_uint (kv, i, &as_uint);
      as_uint32 = (guint32) as_uint;
      STORE (as_uint32);
    case BN_GGUF_U64:
      bn_gguf_kv_get_uint (kv, i, &as_uint);
      STORE (as_uint);
    case BN_GGUF_I8:
    case BN_GGUF_I16:
      bn_gguf_kv_get_int (kv, i, &as_int);
      as_int16 = (gint16) as_int;
      STORE (as_int16);
    case BN_GGUF_I32:
      bn_gguf_kv_get_int (kv, i, &as_int);
      as_int32 = (gint32) as_int;
      STORE (as_int32);
    case BN_GGUF_I64:
      bn_gguf_kv_get_int (kv, i, &as_int);
      STORE (as_int);
    default:
      bn_gguf_kv_get_double (kv, i, &as_double);
      STORE (as_double);
  }
#undef STORE
}

/* One allocation whatever the length, so that a file of a gigabyte of small
 * numbers costs at most twice that. */
static GVariant *
numbers_to_variant (const BnGgufKv *kv, const GVariantType *type)
{
  guint8 one[8];
  gsize element_size = kv->count ? store_number (kv, 0, one) : 0;
  guint8 *data = g_try_malloc_n ((gsize) kv->count, element_size);

  if (!data && kv->count > 0)
    return NULL;
  for (uint64_t i = 0; i < kv->count; i++)
    store_number (kv, i, data + i * element_size);
  return g_variant_new_from_data (
      type, data, (gsize) kv->count * element_size, TRUE, g_free, data);
}

static GVariant *
strings_to_variant (const BnGgufKv *kv)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (uint64_t i = 0; i < kv->count; i++)
    g_variant_builder_add_value (&builder, string_to_variant (kv, i));
  return g_variant_builder_end (&builder);
}

static GVariant *
kv_to_variant (const BnGgufKv *kv)
{
  const GVariantType *type = variant_type (kv->element_type);
  g_autoptr (GVariantType) array_type = NULL;
  guint8 data[8];

  if (kv->type == BN_GGUF_STRING)
    return string_to_variant (kv, 0);
  if (kv->type != BN_GGUF_ARRAY) {
    gsize size = store_number (kv, 0, data);
    guint8 *copy = g_memdup2 (data, size);

    return g_variant_new_from_data (type, copy, size, TRUE, g_free, copy);
  }
  if (kv->element_type == BN_GGUF_STRING)
    return strings_to_variant (kv);
  array_type = g_variant_type_new_array (type);
  return numbers_to_variant (kv, array_type);
}

GVariant *
bitnet_model_dup_metadata (BitnetModel *self, const char *key)
{
  const BnGgufKv *kv;
  GVariant *value;

  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);
  g_return_val_if_fail (key != NULL, NULL);

  kv = bn_gguf_find_kv (bitnet_model_get_gguf (self), key);
  value = kv ? kv_to_variant (kv) : NULL;
  return value ? g_variant_ref_sink (value) : NULL;
}

char *
bitnet_model_dup_string (BitnetModel *self, const char *key)
{
  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);
  g_return_val_if_fail (key != NULL, NULL);

  return bn_gguf_dup_string (bitnet_model_get_gguf (self), key);
}

char **
bitnet_model_list_metadata (BitnetModel *self)
{
  BnGguf *gguf;
  size_t n_keys;
  char **keys;

  g_return_val_if_fail (BITNET_IS_MODEL (self), NULL);

  gguf = bitnet_model_get_gguf (self);
  n_keys = bn_gguf_get_n_kvs (gguf);
  keys = g_new0 (char *, n_keys + 1);
  for (size_t i = 0; i < n_keys; i++)
    keys[i] = g_strdup (bn_gguf_get_kv (gguf, i)->key);
  return keys;
}
