/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header and key-value section of one GGUF file (gguf.md sections 1 to 4).
 *
 *     magic  version  tensor count  pair count
 *     key  type  value            ... pair count times
 *     name  shape  type  offset   ... tensor count times (bn-gguf-tensors.c)
 *     padding, tensor data
 *
 * Nothing in the file is trusted: every length is compared with the bytes
 * left, every count with the fewest bytes that many items take, so that no
 * allocation is larger than a small multiple of the file. */
#include "bn-gguf-part.h"

#include <string.h>

enum {
  MAX_VERSION = 3,
  MAX_ITEMS = 1000 * 1000, /* pairs, and tensors; ours */
  MAX_KEY_LENGTH = 65535,
  MAX_STRING_LENGTH = 256 << 20,
  MAX_ARRAY_ELEMENTS = 1 << 30, /* as ggml */
  MAX_ARRAY_STRINGS = 1 << 24,  /* an index of 128 MiB; ours */
  /* Fewest bytes besides the counts and lengths, which are one size_width
   * each: a pair has one of those, a key byte, a type and a value byte; a
   * tensor has one, a name byte, dimensions, type and offset. */
  MIN_KV_REST = 1 + 4 + 1,
  MIN_TENSOR_REST = 1 + 4 + 4 + 8,
  CANCEL_STRINGS = 1 << 14,    /* between looks at the cancellable */
  DATA_ADDRESS_ALIGNMENT = 16, /* of bytes in memory; mappings have a page */
};

static const char magic[4] = {'G', 'G', 'U', 'F'};

/* First bytes of files that get mistaken for a model. */
static const struct {
  const char *bytes;
  const char *what;
} other_files[] = {
    {"lmgg", "a GGML file of before GGUF"},
    {"fmgg", "a GGML file of before GGUF"},
    {"tjgg", "a GGML file of before GGUF"},
    {"algg", "a GGLA adapter of before GGUF"},
    {"version https://git-lfs", "a Git LFS pointer, not the file itself"},
    {"PK\003\004", "a ZIP archive, as PyTorch writes checkpoints"},
    {"\x1f\x8b", "a gzip archive"},
    {"\x28\xb5\x2f\xfd", "a zstd archive"},
    {"<!DOCTYPE", "a web page"},
    {"<!doctype", "a web page"},
    {"<html", "a web page"},
    {"{", "a JSON file"},
};

uint32_t
bn_gguf_type_size (uint32_t type)
{
  static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

  return type < G_N_ELEMENTS (sizes) ? sizes[type] : 0;
}

/* What a file without the magic looks like, or NULL. */
static const char *
sniff (const uint8_t *data, uint64_t size)
{
  for (gsize i = 0; i < G_N_ELEMENTS (other_files); i++) {
    gsize n = strlen (other_files[i].bytes);

    if (size >= n && memcmp (data, other_files[i].bytes, n) == 0)
      return other_files[i].what;
  }
  /* The length of the header, below 2^48, then the JSON header. */
  if (size > 8 && data[8] == '{' && data[6] == 0 && data[7] == 0)
    return "a safetensors file";
  return NULL;
}

static void
parse_magic (BnCursor *cursor)
{
  uint64_t n = MIN (cursor->size, sizeof magic);
  const char *what = sniff (cursor->data, cursor->size);
  g_autofree char *found = NULL;

  if (cursor->size == 0) {
    bn_cursor_fail (cursor, BITNET_ERROR_TRUNCATED, 0,
        "found an empty file, expected \"GGUF\"");
  } else if (memcmp (cursor->data, magic, (size_t) n) != 0) {
    found = bn_printable ((const char *) cursor->data, n);
    bn_cursor_fail (cursor, BITNET_ERROR_NOT_GGUF, 0,
        "found \"%s\"%s%s%s, expected \"GGUF\"", found, what ? " (" : "",
        what ? what : "", what ? ")" : "");
  }
  bn_cursor_take (cursor, sizeof magic, "the magic");
}

static uint32_t
parse_version (BnCursor *cursor)
{
  uint64_t offset = cursor->pos;
  uint32_t version = bn_cursor_uint32 (cursor, "the version");
  uint32_t swapped = GUINT32_SWAP_LE_BE (version);

  if (!bn_cursor_ok (cursor))
    return 0;
  if (version >= 1 && version <= MAX_VERSION)
    return version;
  if ((version & 0xffff) == 0 && swapped >= 1 && swapped <= MAX_VERSION)
    bn_cursor_fail (cursor, BITNET_ERROR_UNSUPPORTED_VERSION, offset,
        "found a big-endian file of version %u, expected a little-endian one",
        swapped);
  else
    bn_cursor_fail (cursor, BITNET_ERROR_UNSUPPORTED_VERSION, offset,
        "found version %u, expected 1 to %d", version, MAX_VERSION);
  return 0;
}

/* A number of items. */
static uint64_t
parse_count (BnCursor *cursor, const char *what)
{
  uint64_t offset = cursor->pos;
  uint64_t count = bn_cursor_size (cursor, what);

  if (count > MAX_ITEMS)
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, offset,
        "found %" G_GUINT64_FORMAT " as %s, expected at most %d", count, what,
        MAX_ITEMS);
  return count;
}

/* Whether that many items of at least min_size bytes each can follow. */
static void
check_count (
    BnCursor *cursor, uint64_t count, uint64_t min_size, const char *what)
{
  if (count > bn_cursor_left (cursor) / min_size)
    bn_cursor_fail (cursor, BITNET_ERROR_TRUNCATED, cursor->pos,
        "found %" G_GUINT64_FORMAT
        " bytes left, expected at least %" G_GUINT64_FORMAT
        " for %" G_GUINT64_FORMAT " %s",
        bn_cursor_left (cursor), count * min_size, count, what);
}

const char *
bn_gguf_part_parse_name (
    BnGgufPart *self, BnCursor *cursor, uint64_t max, const char *what)
{
  uint64_t offset = cursor->pos, length;
  const char *text = bn_cursor_string (cursor, max, what, &length);
  g_autofree char *printable = NULL;

  if (!text)
    return NULL;
  if (length > 0 && !memchr (text, '\0', length)
      && g_utf8_validate (text, (gssize) length, NULL))
    return g_string_chunk_insert_len (self->names, text, (gssize) length);
  printable = bn_printable (text, length);
  bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, offset,
      "found \"%s\" as %s, expected UTF-8 text without NUL, not empty",
      printable, what);
  return NULL;
}

/* Walks over strings first to end - 1 as long as they lie in the file and have
 * allowed lengths; the loop waits for nothing but the length before. Notes
 * where every BN_GGUF_STRING_STEP-th begins. Returns how many strings there
 * were. */
static inline uint64_t
walk_strings (BnCursor *cursor, uint32_t width, uint64_t *index, uint64_t first,
    uint64_t end, const uint8_t *start)
{
  const uint8_t *p = cursor->data + cursor->pos;
  const uint8_t *file_end = cursor->data + cursor->size;
  uint64_t i;

  for (i = first; i < end; i++) {
    uint64_t length;

    if (i % BN_GGUF_STRING_STEP == 0)
      index[i / BN_GGUF_STRING_STEP] = (uint64_t) (p - start);
    if ((size_t) (file_end - p) < width)
      break;
    length = bn_gguf_read_length (p, width);
    if (length > MAX_STRING_LENGTH || length > (size_t) (file_end - p) - width)
      break;
    p += width + length;
  }
  cursor->pos = (uint64_t) (p - cursor->data);
  return i;
}

static void
parse_strings (BnCursor *cursor, BnGgufKv *kv, uint64_t count)
{
  uint64_t n_index = (count + BN_GGUF_STRING_STEP - 1) / BN_GGUF_STRING_STEP;
  uint64_t *index = g_try_new (uint64_t, n_index);
  const uint8_t *start = cursor->data + cursor->pos;
  uint64_t length;

  if (!index && count > 0) {
    bn_cursor_fail (cursor, BITNET_ERROR_OUT_OF_MEMORY, cursor->pos,
        "no memory for an index of %" G_GUINT64_FORMAT " strings", count);
    return;
  }
  kv->strings = index; /* freed with the pair, also after a failure */
  for (uint64_t i = 0, end, done; i < count; i = end) {
    if (!bn_cursor_continue (cursor))
      return;
    end = MIN (count, i + CANCEL_STRINGS);
    /* One loop for each width, so that it is a constant. */
    if (cursor->size_width == sizeof (uint64_t))
      done = walk_strings (cursor, sizeof (uint64_t), index, i, end, start);
    else
      done = walk_strings (cursor, sizeof (uint32_t), index, i, end, start);
    if (done == end)
      continue;
    /* Says what is wrong with the string there. */
    bn_cursor_string (cursor, MAX_STRING_LENGTH, "a string", &length);
    return;
  }
}

static void
parse_array (BnCursor *cursor, BnGgufKv *kv)
{
  uint64_t offset = cursor->pos;
  uint32_t type = bn_cursor_uint32 (cursor, "an element type");
  gboolean is_string = type == BN_GGUF_STRING;
  uint32_t element_size =
      is_string ? cursor->size_width : bn_gguf_type_size (type);
  g_autofree char *key = bn_printable (kv->key, strlen (kv->key));
  uint64_t count, max = is_string ? MAX_ARRAY_STRINGS : MAX_ARRAY_ELEMENTS;

  if (bn_cursor_ok (cursor) && element_size == 0)
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, offset,
        "found element type %u in the array \"%s\", expected 0 to 8 or 10 to "
        "12",
        type, key);
  offset = cursor->pos;
  count = bn_cursor_size (cursor, "an array length");
  if (bn_cursor_ok (cursor) && count > max)
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, offset,
        "found %" G_GUINT64_FORMAT
        " elements in the array \"%s\", expected at most %" G_GUINT64_FORMAT,
        count, key, max);
  if (!bn_cursor_ok (cursor))
    return;
  check_count (cursor, count, element_size, "array elements");
  if (!bn_cursor_ok (cursor))
    return;
  kv->element_type = (BnGgufType) type;
  kv->count = count;
  kv->offset = cursor->pos;
  kv->data = cursor->data + cursor->pos;
  if (is_string)
    parse_strings (cursor, kv, count);
  else
    bn_cursor_take (cursor, count * element_size, "an array");
  kv->size = cursor->pos - kv->offset;
}

static void
parse_scalar (BnCursor *cursor, BnGgufKv *kv)
{
  uint64_t length;

  kv->element_type = kv->type;
  kv->count = 1;
  kv->offset = cursor->pos;
  kv->data = cursor->data + cursor->pos;
  if (kv->type == BN_GGUF_STRING)
    bn_cursor_string (cursor, MAX_STRING_LENGTH, "a string", &length);
  else
    bn_cursor_take (cursor, bn_gguf_type_size (kv->type), "a value");
  kv->size = cursor->pos - kv->offset;
}

static void
parse_kv (BnGgufPart *self, BnCursor *cursor)
{
  BnGgufKv kv = {.key_offset = cursor->pos, .length_size = cursor->size_width};
  uint64_t type_offset;
  uint32_t type;

  kv.key = bn_gguf_part_parse_name (self, cursor, MAX_KEY_LENGTH, "a key");
  type_offset = cursor->pos;
  type = bn_cursor_uint32 (cursor, "a value type");
  if (!bn_cursor_ok (cursor))
    return;
  if (type > BN_GGUF_F64) {
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, type_offset,
        "found value type %u of \"%s\", expected 0 to 12", type, kv.key);
    return;
  }
  kv.type = (BnGgufType) type;
  if (kv.type == BN_GGUF_ARRAY)
    parse_array (cursor, &kv);
  else
    parse_scalar (cursor, &kv);
  /* Also after a failure, so that the index of strings is freed. */
  g_array_append_val (self->kvs, kv);
}

int
bn_gguf_compare_names (gconstpointer a, gconstpointer b)
{
  const char *const *const *left = a;
  const char *const *const *right = b;

  return strcmp (**left, **right);
}

gconstpointer
bn_gguf_find_name (const GPtrArray *sorted, const char *name)
{
  guint begin = 0, end = sorted->len;

  while (begin < end) {
    guint middle = begin + (end - begin) / 2;
    const char *const *item = g_ptr_array_index (sorted, middle);
    int order = strcmp (name, *item);

    if (order == 0)
      return item;
    if (order < 0)
      end = middle;
    else
      begin = middle + 1;
  }
  return NULL;
}

static void
sort_kvs (BnGgufPart *self, BnCursor *cursor)
{
  for (guint i = 0; i < self->kvs->len; i++)
    g_ptr_array_add (self->sorted_kvs, &g_array_index (self->kvs, BnGgufKv, i));
  g_ptr_array_sort (self->sorted_kvs, bn_gguf_compare_names);
  for (guint i = 1; i < self->sorted_kvs->len; i++) {
    const BnGgufKv *first = g_ptr_array_index (self->sorted_kvs, i - 1);
    const BnGgufKv *second = g_ptr_array_index (self->sorted_kvs, i);
    g_autofree char *key = NULL;

    if (strcmp (first->key, second->key) != 0)
      continue;
    key = bn_printable (second->key, strlen (second->key));
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, second->key_offset,
        "found the key \"%s\" again, expected it once (at byte "
        "%" G_GUINT64_FORMAT ")",
        key, first->key_offset);
    return;
  }
}

static uint64_t
find_alignment (BnGgufPart *self, BnCursor *cursor)
{
  const BnGgufKv *kv = bn_gguf_part_find_kv (self, "general.alignment");
  uint64_t value;

  if (!kv)
    return BN_GGUF_DEFAULT_ALIGNMENT;
  if (kv->type != BN_GGUF_U32) {
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, kv->offset,
        "found general.alignment of value type %d, expected %d (uint32)",
        kv->type, BN_GGUF_U32);
    return 0;
  }
  bn_gguf_kv_get_uint (kv, 0, &value);
  if (value == 0 || value > BN_GGUF_MAX_ALIGNMENT
      || (value & (value - 1)) != 0) {
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, kv->offset,
        "found general.alignment %" G_GUINT64_FORMAT
        ", expected a power of two from 1 to %d",
        value, BN_GGUF_MAX_ALIGNMENT);
    return 0;
  }
  return value;
}

static void
parse_part (BnGgufPart *self, BnCursor *cursor)
{
  uint64_t n_tensors, n_kvs;

  parse_magic (cursor);
  self->version = parse_version (cursor);
  cursor->size_width =
      self->version == 1 ? sizeof (uint32_t) : sizeof (uint64_t);
  n_tensors = parse_count (cursor, "the number of tensors");
  n_kvs = parse_count (cursor, "the number of keys");
  if (!bn_cursor_ok (cursor))
    return;
  check_count (cursor, n_kvs, cursor->size_width + MIN_KV_REST, "keys");
  for (uint64_t i = 0; i < n_kvs && bn_cursor_continue (cursor); i++)
    parse_kv (self, cursor);
  if (!bn_cursor_ok (cursor))
    return;
  sort_kvs (self, cursor);
  check_count (
      cursor, n_tensors, cursor->size_width + MIN_TENSOR_REST, "tensors");
  self->alignment = find_alignment (self, cursor);
  if (bn_cursor_ok (cursor))
    bn_gguf_part_parse_tensors (self, cursor, n_tensors);
}

static void
kv_clear (gpointer data)
{
  BnGgufKv *kv = data;

  g_free ((uint64_t *) kv->strings);
}

BnGgufPart *
bn_gguf_part_parse (
    GBytes *bytes, const char *name, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnGgufPart) self = g_new0 (BnGgufPart, 1);
  BnCursor cursor = {.name = name,
      .size_width = sizeof (uint64_t),
      .cancellable = cancellable};
  gsize size;

  self->path = g_strdup (name);
  self->names = g_string_chunk_new (4096);
  self->kvs = g_array_new (FALSE, FALSE, sizeof (BnGgufKv));
  g_array_set_clear_func (self->kvs, kv_clear);
  self->sorted_kvs = g_ptr_array_new ();
  self->tensors = g_array_new (FALSE, FALSE, sizeof (BnGgufTensor));
  cursor.data = g_bytes_get_data (bytes, &size);
  cursor.size = size;
  /* Tensors are read in place as numbers of up to eight bytes. */
  if ((uintptr_t) cursor.data % DATA_ADDRESS_ALIGNMENT == 0) {
    self->bytes = g_bytes_ref (bytes);
  } else {
    self->bytes = g_bytes_new (cursor.data, size);
    cursor.data = g_bytes_get_data (self->bytes, NULL);
  }
  parse_part (self, &cursor);
  if (!bn_cursor_ok (&cursor)) {
    g_propagate_error (error, cursor.error);
    return NULL;
  }
  return g_steal_pointer (&self);
}

BnGgufPart *
bn_gguf_part_open (const char *path, GCancellable *cancellable, GError **error)
{
  BnFileId id;
  g_autoptr (GBytes) bytes = NULL;
  BnGgufPart *self;

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  bytes = bn_mapping_open (path, &id, error);
  if (!bytes)
    return NULL;
  self = bn_gguf_part_parse (bytes, path, cancellable, error);
  if (self)
    self->id = id;
  return self;
}

void
bn_gguf_part_free (BnGgufPart *self)
{
  g_free (self->path);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  g_clear_pointer (&self->names, g_string_chunk_free);
  g_clear_pointer (&self->sorted_kvs, g_ptr_array_unref);
  g_clear_pointer (&self->kvs, g_array_unref);
  g_clear_pointer (&self->tensors, g_array_unref);
  g_free (self);
}

const BnGgufKv *
bn_gguf_part_find_kv (const BnGgufPart *self, const char *key)
{
  return bn_gguf_find_name (self->sorted_kvs, key);
}
