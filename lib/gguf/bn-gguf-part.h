/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One GGUF file as parsed and checked: a model is one of these, or several
 * if it is split. Shared by bn-gguf*.c only. */
#pragma once

#include <string.h>

#include "bn-cursor.h"
#include "bn-gguf.h"
#include "bn-mapping.h"

typedef struct {
  char *path;
  GBytes *bytes;
  BnFileId id; /* zero if the bytes came from memory */
  uint32_t version;
  uint64_t alignment;
  uint64_t data_start;   /* offset of the tensor data */
  GStringChunk *names;   /* keys and tensor names */
  GArray *kvs;           /* BnGgufKv */
  GPtrArray *sorted_kvs; /* the same by key */
  GArray *tensors;       /* BnGgufTensor */
} BnGgufPart;

BnGgufPart *bn_gguf_part_open (
    const char *path, GCancellable *cancellable, GError **error);
BnGgufPart *bn_gguf_part_parse (
    GBytes *bytes, const char *name, GCancellable *cancellable, GError **error);
void bn_gguf_part_free (BnGgufPart *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnGgufPart, bn_gguf_part_free)

/* NULL if absent. */
const BnGgufKv *bn_gguf_part_find_kv (const BnGgufPart *self, const char *key);

/* Looks a name up among pointers to structs that begin with their name, in
 * the order of bn_gguf_compare_names(). A sorted index instead of a hash table
 * because no file can make it slow. */
gconstpointer bn_gguf_find_name (const GPtrArray *sorted, const char *name);
int bn_gguf_compare_names (gconstpointer a, gconstpointer b);

/* The tensor infos: reads n_tensors of them at the cursor, then settles the
 * types, checks the ranges and sets data_start (bn-gguf-tensors.c). */
void bn_gguf_part_parse_tensors (
    BnGgufPart *self, BnCursor *cursor, uint64_t n_tensors);

/* A NUL-terminated copy of a key or tensor name of 1..max bytes. */
const char *bn_gguf_part_parse_name (
    BnGgufPart *self, BnCursor *cursor, uint64_t max, const char *what);

enum {
  BN_GGUF_DEFAULT_ALIGNMENT = 32,
  BN_GGUF_MAX_ALIGNMENT = 1 << 20,
  BN_GGUF_CANCEL_INTERVAL = 1024, /* items between looks at the cancellable */
};

/* The length field of a string: little-endian, 8 bytes, or 4. */
static inline uint64_t
bn_gguf_read_length (const uint8_t *field, uint32_t width)
{
  uint64_t length64;
  uint32_t length32;

  if (width == sizeof length64) {
    memcpy (&length64, field, sizeof length64);
    return GUINT64_FROM_LE (length64);
  }
  memcpy (&length32, field, sizeof length32);
  return GUINT32_FROM_LE (length32);
}

/* Bytes of one element of a number type; 0 for strings, arrays and unknown
 * ids. */
uint32_t bn_gguf_type_size (uint32_t type);
