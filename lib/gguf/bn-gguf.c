/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A GGUF model as a whole: one file, or the files of a split model, and the
 * accessors. Parsing is in bn-gguf-part.c and bn-gguf-tensors.c; what has
 * passed there needs no further checks here. */
#include "bn-gguf.h"

#include <string.h>

#include "bn-gguf-part.h"

enum {
  MAX_FILES = 1024,
  SPLIT_DIGITS = 5,
};

struct BnGguf {
  gatomicrefcount ref_count;
  char *path;
  GPtrArray *parts;          /* BnGgufPart; the first has the metadata */
  GPtrArray *tensors;        /* BnGgufTensor of all parts, in file order */
  GPtrArray *sorted_tensors; /* the same by name */
};

/* What a split file says about itself. */
typedef struct {
  uint64_t index;
  uint64_t count;
} Split;

static void set_error_at (GError **error, const char *path, BitnetError code,
    uint64_t offset, const char *format, ...) G_GNUC_PRINTF (5, 6);

static void
set_error_at (GError **error, const char *path, BitnetError code,
    uint64_t offset, const char *format, ...)
{
  BnCursor cursor = {.name = path};
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  bn_cursor_fail (&cursor, code, offset, "%s", message);
  g_propagate_error (error, cursor.error);
}

static uint64_t
part_uint (const BnGgufPart *part, const char *key, uint64_t fallback)
{
  const BnGgufKv *kv = bn_gguf_part_find_kv (part, key);
  uint64_t value;

  return kv && bn_gguf_kv_get_uint (kv, 0, &value) ? value : fallback;
}

static uint64_t
kv_offset (const BnGgufPart *part, const char *key)
{
  const BnGgufKv *kv = bn_gguf_part_find_kv (part, key);

  return kv ? kv->offset : 0;
}

static Split
part_split (const BnGgufPart *part)
{
  Split split;

  split.index = part_uint (part, "split.no", 0);
  split.count = MAX (part_uint (part, "split.count", 1), 1);
  return split;
}

/* The name of file i of a split model, made from the name of any of its
 * files: "x-00002-of-00003.gguf". NULL if path has another form. */
static char *
split_path (const char *path, uint64_t i, uint64_t count)
{
  gsize length = strlen (path);
  g_autofree char *ending = g_strdup_printf ("-of-%05u.gguf", (unsigned) count);
  gsize ending_length = strlen (ending);
  const char *digits;

  if (length < ending_length + SPLIT_DIGITS + 1
      || !g_str_has_suffix (path, ending))
    return NULL;
  digits = path + length - ending_length - SPLIT_DIGITS;
  if (digits[-1] != '-' || strspn (digits, "0123456789") != SPLIT_DIGITS)
    return NULL;
  return g_strdup_printf (
      "%.*s%05u%s", (int) (digits - path), path, (unsigned) i + 1, ending);
}

static gboolean
check_split (const BnGgufPart *part, const Split *expected, GError **error)
{
  Split found = part_split (part);

  if (found.count != expected->count) {
    set_error_at (error, part->path, BITNET_ERROR_CORRUPT,
        kv_offset (part, "split.count"),
        "found split.count %" G_GUINT64_FORMAT ", expected %" G_GUINT64_FORMAT
        " as in the first file",
        found.count, expected->count);
    return FALSE;
  }
  if (found.index != expected->index) {
    set_error_at (error, part->path, BITNET_ERROR_CORRUPT,
        kv_offset (part, "split.no"),
        "found split.no %" G_GUINT64_FORMAT ", expected %" G_GUINT64_FORMAT
        " as in the file name",
        found.index, expected->index);
    return FALSE;
  }
  return TRUE;
}

/* Opens the other files of a split model, of which named is one. */
static gboolean
open_split (
    BnGguf *self, BnGgufPart *named, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnGgufPart) owned = named;
  Split split = part_split (named);

  if (split.count > MAX_FILES) {
    set_error_at (error, named->path, BITNET_ERROR_CORRUPT,
        kv_offset (named, "split.count"),
        "found split.count %" G_GUINT64_FORMAT ", expected at most %d",
        split.count, MAX_FILES);
    return FALSE;
  }
  for (split.index = 0; split.index < split.count; split.index++) {
    g_autofree char *path = split_path (self->path, split.index, split.count);
    BnGgufPart *part;

    if (!path) {
      set_error_at (error, self->path, BITNET_ERROR_CORRUPT,
          kv_offset (named, "split.count"),
          "found the name of a file that is not split, expected "
          "NAME-00001-of-%05u.gguf because split.count is %" G_GUINT64_FORMAT,
          (unsigned) split.count, split.count);
      return FALSE;
    }
    if (owned && strcmp (path, named->path) == 0)
      part = g_steal_pointer (&owned);
    else
      part = bn_gguf_part_open (path, cancellable, error);
    if (!part)
      return FALSE;
    g_ptr_array_add (self->parts, part);
    if (!check_split (part, &split, error))
      return FALSE;
  }
  return TRUE;
}

static void
collect_tensors (BnGguf *self)
{
  for (guint i = 0; i < self->parts->len; i++) {
    BnGgufPart *part = g_ptr_array_index (self->parts, i);

    for (guint j = 0; j < part->tensors->len; j++) {
      BnGgufTensor *tensor = &g_array_index (part->tensors, BnGgufTensor, j);

      tensor->file = i;
      g_ptr_array_add (self->tensors, tensor);
      g_ptr_array_add (self->sorted_tensors, tensor);
    }
  }
  g_ptr_array_sort (self->sorted_tensors, bn_gguf_compare_names);
}

static gboolean
check_tensors (const BnGguf *self, GError **error)
{
  const BnGgufPart *first = g_ptr_array_index (self->parts, 0);
  uint64_t n_tensors =
      part_uint (first, "split.tensors.count", self->tensors->len);

  if (self->parts->len > 1 && n_tensors != self->tensors->len) {
    set_error_at (error, first->path, BITNET_ERROR_CORRUPT,
        kv_offset (first, "split.tensors.count"),
        "found split.tensors.count %" G_GUINT64_FORMAT
        ", expected the %u tensors of the %u files",
        n_tensors, self->tensors->len, self->parts->len);
    return FALSE;
  }
  for (guint i = 1; i < self->sorted_tensors->len; i++) {
    const BnGgufTensor *a = g_ptr_array_index (self->sorted_tensors, i - 1);
    const BnGgufTensor *b = g_ptr_array_index (self->sorted_tensors, i);

    if (strcmp (a->name, b->name) == 0) {
      set_error_at (error, bn_gguf_get_file_path (self, b->file),
          BITNET_ERROR_CORRUPT, b->info_offset,
          "found the tensor \"%s\" again, expected it once (at byte "
          "%" G_GUINT64_FORMAT " of %s)",
          b->name, a->info_offset, bn_gguf_get_file_path (self, a->file));
      return FALSE;
    }
  }
  return TRUE;
}

static BnGguf *
gguf_new (const char *path)
{
  BnGguf *self = g_new0 (BnGguf, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->path = g_strdup (path);
  self->parts =
      g_ptr_array_new_with_free_func ((GDestroyNotify) bn_gguf_part_free);
  self->tensors = g_ptr_array_new ();
  self->sorted_tensors = g_ptr_array_new ();
  return self;
}

BnGguf *
bn_gguf_open (const char *path, GCancellable *cancellable, GError **error)
{
  g_autoptr (BnGguf) self = gguf_new (path);
  BnGgufPart *part = bn_gguf_part_open (path, cancellable, error);

  if (!part)
    return NULL;
  if (part_split (part).count == 1)
    g_ptr_array_add (self->parts, part);
  else if (!open_split (self, part, cancellable, error))
    return NULL;
  collect_tensors (self);
  if (!check_tensors (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

BnGguf *
bn_gguf_new_from_bytes (GBytes *bytes, const char *name, GError **error)
{
  g_autoptr (BnGguf) self = gguf_new (name);
  BnGgufPart *part = bn_gguf_part_parse (bytes, name, NULL, error);

  if (!part)
    return NULL;
  g_ptr_array_add (self->parts, part);
  if (part_split (part).count > 1) {
    set_error_at (error, name, BITNET_ERROR_NOT_FOUND,
        kv_offset (part, "split.count"),
        "found one file of a model split into %" G_GUINT64_FORMAT
        ", expected a whole one because bytes in memory have no siblings",
        part_split (part).count);
    return NULL;
  }
  collect_tensors (self);
  if (!check_tensors (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

BnGguf *
bn_gguf_ref (BnGguf *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bn_gguf_unref (BnGguf *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_ptr_array_unref (self->sorted_tensors);
  g_ptr_array_unref (self->tensors);
  g_ptr_array_unref (self->parts);
  g_free (self->path);
  g_free (self);
}

static const BnGgufPart *
get_part (const BnGguf *self, uint32_t file)
{
  g_assert (file < self->parts->len);
  return g_ptr_array_index (self->parts, file);
}

const char *
bn_gguf_get_path (const BnGguf *self)
{
  return self->path;
}

uint32_t
bn_gguf_get_version (const BnGguf *self)
{
  return get_part (self, 0)->version;
}

uint32_t
bn_gguf_get_n_files (const BnGguf *self)
{
  return self->parts->len;
}

const char *
bn_gguf_get_file_path (const BnGguf *self, uint32_t file)
{
  return get_part (self, file)->path;
}

const BnFileId *
bn_gguf_get_file_id (const BnGguf *self, uint32_t file)
{
  return &get_part (self, file)->id;
}

GBytes *
bn_gguf_get_file_bytes (const BnGguf *self, uint32_t file)
{
  return get_part (self, file)->bytes;
}

uint64_t
bn_gguf_get_data_start (const BnGguf *self)
{
  return get_part (self, 0)->data_start;
}

size_t
bn_gguf_get_n_kvs (const BnGguf *self)
{
  return get_part (self, 0)->kvs->len;
}

const BnGgufKv *
bn_gguf_get_kv (const BnGguf *self, size_t i)
{
  g_assert (i < bn_gguf_get_n_kvs (self));
  return &g_array_index (get_part (self, 0)->kvs, BnGgufKv, i);
}

const BnGgufKv *
bn_gguf_find_kv (const BnGguf *self, const char *key)
{
  return bn_gguf_part_find_kv (get_part (self, 0), key);
}

size_t
bn_gguf_get_n_tensors (const BnGguf *self)
{
  return self->tensors->len;
}

const BnGgufTensor *
bn_gguf_get_tensor (const BnGguf *self, size_t i)
{
  g_assert (i < self->tensors->len);
  return g_ptr_array_index (self->tensors, i);
}

const BnGgufTensor *
bn_gguf_find_tensor (const BnGguf *self, const char *name)
{
  return bn_gguf_find_name (self->sorted_tensors, name);
}

void
bn_gguf_drop_pages (const BnGguf *self, const BnGgufTensor *tensor,
    uint64_t offset, uint64_t size)
{
  const BnFileId *id = bn_gguf_get_file_id (self, tensor->file);
  const uint8_t *mapped =
      g_bytes_get_data (bn_gguf_get_file_bytes (self, tensor->file), NULL);

  g_assert (offset <= tensor->size && size <= tensor->size - offset);
  /* Bytes of another origin would be lost. */
  if (id->size > 0 && tensor->data == mapped + tensor->offset)
    bn_mapping_drop_pages (tensor->data + offset, size);
}

gboolean
bn_gguf_get_uint (const BnGguf *self, const char *key, uint64_t *value)
{
  const BnGgufKv *kv = bn_gguf_find_kv (self, key);

  return kv && kv->type != BN_GGUF_ARRAY && bn_gguf_kv_get_uint (kv, 0, value);
}

gboolean
bn_gguf_get_double (const BnGguf *self, const char *key, double *value)
{
  const BnGgufKv *kv = bn_gguf_find_kv (self, key);

  return kv && kv->type != BN_GGUF_ARRAY
         && bn_gguf_kv_get_double (kv, 0, value);
}

gboolean
bn_gguf_get_bool (const BnGguf *self, const char *key, gboolean *value)
{
  const BnGgufKv *kv = bn_gguf_find_kv (self, key);

  return kv && kv->type != BN_GGUF_ARRAY && bn_gguf_kv_get_bool (kv, 0, value);
}

char *
bn_gguf_dup_string (const BnGguf *self, const char *key)
{
  const BnGgufKv *kv = bn_gguf_find_kv (self, key);
  const char *text;
  size_t length;

  if (!kv || kv->type != BN_GGUF_STRING
      || !bn_gguf_kv_get_string (kv, 0, &text, &length)
      || !g_utf8_validate (text, (gssize) length, NULL))
    return NULL;
  return g_strndup (text, length);
}
