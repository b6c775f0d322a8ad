/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writer of GGUF files (version 3, little-endian). Keys and tensor infos are
 * collected in memory; the first data byte, or finish, writes them out, and
 * from then on data goes straight to a temporary file beside the target. */
#include "bn-gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitnet-error.h"
#include "bn-gguf-part.h"

enum {
  VERSION = 3,
  BUFFER_SIZE = 256 << 10,
  FILE_MODE = 0666,            /* less the umask */
  MAX_METADATA_SIZE = 1 << 30, /* it is held in memory */
};

struct BnGgufWriter {
  char *path;
  char *temporary_path; /* NULL once renamed */
  FILE *file;
  uint64_t alignment;
  GByteArray *kvs;
  uint64_t n_kvs;
  GByteArray *infos;
  GArray *sizes;         /* uint64_t, bytes of each tensor */
  uint64_t next_offset;  /* of the next tensor to be added */
  gboolean has_header;   /* written: nothing can be added any more */
  gboolean is_too_large; /* the metadata; told when they are written */
  guint tensor;          /* whose data come next */
  uint64_t written;      /* of that tensor */
};

static gboolean
fail (const BnGgufWriter *self, const char *action, GError **error)
{
  int number = errno;
  g_autofree char *name = g_filename_display_name (self->path);

  g_set_error (error, BITNET_ERROR, BITNET_ERROR_WRITE, "%s: %s: %s", name,
      action, g_strerror (number));
  return FALSE;
}

/* Renaming over a device or a pipe would replace it. */
static gboolean
check_target (const char *path, GError **error)
{
  g_autofree char *name = g_filename_display_name (path);
  struct stat info;

  if (stat (path, &info) != 0 || S_ISREG (info.st_mode))
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_WRITE,
      "%s: found %s, expected a regular file or none", name,
      S_ISDIR (info.st_mode) ? "a directory" : "a special file");
  return FALSE;
}

BnGgufWriter *
bn_gguf_writer_new (const char *path, GError **error)
{
  g_autoptr (BnGgufWriter) self = NULL;
  int fd;

  if (!check_target (path, error))
    return NULL;
  self = g_new0 (BnGgufWriter, 1);
  self->path = g_strdup (path);
  self->alignment = BN_GGUF_DEFAULT_ALIGNMENT;
  self->kvs = g_byte_array_new ();
  self->infos = g_byte_array_new ();
  self->sizes = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  self->temporary_path = g_strconcat (path, ".XXXXXX", NULL);
  fd = g_mkstemp_full (self->temporary_path, O_WRONLY | O_CLOEXEC, FILE_MODE);
  if (fd < 0) {
    fail (self, "cannot create", error);
    g_clear_pointer (&self->temporary_path, g_free);
    return NULL;
  }
  self->file = fdopen (fd, "wb");
  if (!self->file) {
    fail (self, "cannot create", error);
    close (fd);
    return NULL;
  }
  setvbuf (self->file, NULL, _IOFBF, BUFFER_SIZE);
  return g_steal_pointer (&self);
}

void
bn_gguf_writer_free (BnGgufWriter *self)
{
  if (self->file)
    fclose (self->file);
  if (self->temporary_path)
    g_unlink (self->temporary_path);
  g_free (self->temporary_path);
  g_free (self->path);
  g_byte_array_unref (self->kvs);
  g_byte_array_unref (self->infos);
  g_array_unref (self->sizes);
  g_free (self);
}

static void
append_uint32 (GByteArray *out, uint32_t value)
{
  uint32_t bytes = GUINT32_TO_LE (value);

  g_byte_array_append (out, (const guint8 *) &bytes, sizeof bytes);
}

static void
append_uint64 (GByteArray *out, uint64_t value)
{
  uint64_t bytes = GUINT64_TO_LE (value);

  g_byte_array_append (out, (const guint8 *) &bytes, sizeof bytes);
}

static void
append_string (GByteArray *out, const char *text, size_t length)
{
  append_uint64 (out, length);
  g_byte_array_append (out, (const guint8 *) text, (guint) length);
}

/* Whether n more bytes of metadata are acceptable; if not, that is noted. */
static gboolean
has_room (BnGgufWriter *self, uint64_t n)
{
  if (n > MAX_METADATA_SIZE || self->kvs->len > MAX_METADATA_SIZE - n)
    self->is_too_large = TRUE;
  return !self->is_too_large;
}

static void
begin_kv (BnGgufWriter *self, const char *key, BnGgufType type)
{
  g_assert (!self->has_header);
  append_string (self->kvs, key, strlen (key));
  append_uint32 (self->kvs, type);
  self->n_kvs++;
}

void
bn_gguf_writer_add_uint32 (BnGgufWriter *self, const char *key, uint32_t value)
{
  begin_kv (self, key, BN_GGUF_U32);
  append_uint32 (self->kvs, value);
  if (strcmp (key, "general.alignment") == 0) {
    g_assert (self->sizes->len == 0);
    g_assert (value > 0 && (value & (value - 1)) == 0);
    self->alignment = value;
  }
}

void
bn_gguf_writer_add_float (BnGgufWriter *self, const char *key, float value)
{
  uint32_t bits;

  memcpy (&bits, &value, sizeof bits);
  begin_kv (self, key, BN_GGUF_F32);
  append_uint32 (self->kvs, bits);
}

void
bn_gguf_writer_add_bool (BnGgufWriter *self, const char *key, gboolean value)
{
  guint8 byte = value ? 1 : 0;

  begin_kv (self, key, BN_GGUF_BOOL);
  g_byte_array_append (self->kvs, &byte, 1);
}

void
bn_gguf_writer_add_string (
    BnGgufWriter *self, const char *key, const char *value)
{
  begin_kv (self, key, BN_GGUF_STRING);
  append_string (self->kvs, value, strlen (value));
}

static void
begin_array (BnGgufWriter *self, const char *key, BnGgufType element_type,
    uint64_t count)
{
  begin_kv (self, key, BN_GGUF_ARRAY);
  append_uint32 (self->kvs, element_type);
  append_uint64 (self->kvs, count);
}

void
bn_gguf_writer_add_strings (BnGgufWriter *self, const char *key,
    const char *const *values, size_t n_values)
{
  begin_array (self, key, BN_GGUF_STRING, n_values);
  for (size_t i = 0; i < n_values; i++)
    append_string (self->kvs, values[i], strlen (values[i]));
}

void
bn_gguf_writer_add_array (BnGgufWriter *self, const char *key,
    BnGgufType element_type, const void *values, size_t n_values)
{
  g_assert (bn_gguf_type_size (element_type) > 0);
  begin_array (self, key, element_type, n_values);
  g_byte_array_append (
      self->kvs, values, (guint) (n_values * bn_gguf_type_size (element_type)));
}

void
bn_gguf_writer_add_kv (BnGgufWriter *self, const BnGgufKv *kv)
{
  const char *text;
  size_t length;
  uint64_t number;

  if (strcmp (kv->key, "general.alignment") == 0
      && bn_gguf_kv_get_uint (kv, 0, &number)) {
    bn_gguf_writer_add_uint32 (self, kv->key, (uint32_t) number);
    return;
  }
  /* Lengths of version 1 become twice as long, so at most the size doubles. */
  if (!has_room (self, 2 * kv->size + strlen (kv->key) + sizeof number * 2))
    return;
  if (kv->type == BN_GGUF_ARRAY)
    begin_array (self, kv->key, kv->element_type, kv->count);
  else
    begin_kv (self, kv->key, kv->type);
  if (kv->element_type != BN_GGUF_STRING) {
    g_byte_array_append (self->kvs, kv->data, (guint) kv->size);
    return;
  }
  for (uint64_t i = 0; i < kv->count; i++) {
    bn_gguf_kv_get_string (kv, i, &text, &length);
    append_string (self->kvs, text, length);
  }
}

static uint64_t
pad (const BnGgufWriter *self, uint64_t offset)
{
  return -offset & (self->alignment - 1);
}

void
bn_gguf_writer_add_tensor (BnGgufWriter *self, const char *name, BnType type,
    uint32_t n_dims, const uint64_t *ne)
{
  uint64_t n_rows = 1, size;

  g_assert (!self->has_header && n_dims <= 4);
  append_string (self->infos, name, strlen (name));
  append_uint32 (self->infos, n_dims);
  for (uint32_t i = 0; i < n_dims; i++) {
    append_uint64 (self->infos, ne[i]);
    if (i > 0)
      n_rows *= ne[i];
  }
  append_uint32 (self->infos, (uint32_t) type);
  append_uint64 (self->infos, self->next_offset);
  size = bn_type_tensor_size (type, n_dims > 0 ? ne[0] : 1, n_rows);
  g_assert (size > 0);
  g_array_append_val (self->sizes, size);
  self->next_offset += size + pad (self, self->next_offset + size);
}

static gboolean
write_bytes (BnGgufWriter *self, const void *data, size_t size, GError **error)
{
  return size == 0 || fwrite (data, 1, size, self->file) == size
         || fail (self, "cannot write", error);
}

static gboolean
write_padding (BnGgufWriter *self, uint64_t offset, GError **error)
{
  for (uint64_t n = pad (self, offset); n > 0; n--) {
    if (putc (0, self->file) == EOF)
      return fail (self, "cannot write", error);
  }
  return TRUE;
}

static gboolean
write_header (BnGgufWriter *self, GError **error)
{
  g_autoptr (GByteArray) header = g_byte_array_new ();

  if (self->has_header)
    return TRUE;
  if (self->is_too_large) {
    errno = EFBIG;
    return fail (self, "cannot write its metadata", error);
  }
  self->has_header = TRUE;
  g_byte_array_append (header, (const guint8 *) "GGUF", 4);
  append_uint32 (header, VERSION);
  append_uint64 (header, self->sizes->len);
  append_uint64 (header, self->n_kvs);
  return write_bytes (self, header->data, header->len, error)
         && write_bytes (self, self->kvs->data, self->kvs->len, error)
         && write_bytes (self, self->infos->data, self->infos->len, error)
         && write_padding (self,
             (uint64_t) header->len + self->kvs->len + self->infos->len, error);
}

gboolean
bn_gguf_writer_write (
    BnGgufWriter *self, const void *data, size_t size, GError **error)
{
  const uint8_t *bytes = data;

  if (!write_header (self, error))
    return FALSE;
  while (size > 0) {
    uint64_t tensor_size;
    size_t n;

    g_assert (self->tensor < self->sizes->len);
    tensor_size = g_array_index (self->sizes, uint64_t, self->tensor);
    n = (size_t) MIN (size, tensor_size - self->written);
    if (!write_bytes (self, bytes, n, error))
      return FALSE;
    bytes += n;
    size -= n;
    self->written += n;
    if (self->written == tensor_size) {
      if (!write_padding (self, tensor_size, error))
        return FALSE;
      self->tensor++;
      self->written = 0;
    }
  }
  return TRUE;
}

gboolean
bn_gguf_writer_finish (BnGgufWriter *self, GError **error)
{
  int status;

  if (!write_header (self, error))
    return FALSE;
  g_assert (self->tensor == self->sizes->len);
  if (fflush (self->file) != 0)
    return fail (self, "cannot write", error);
  /* A crash of the machine must not cost the old file; where there is none,
   * waiting for the disk would only take time. */
  if (g_file_test (self->path, G_FILE_TEST_EXISTS)
      && fsync (fileno (self->file)) != 0)
    return fail (self, "cannot write", error);
  status = fclose (self->file);
  self->file = NULL;
  if (status != 0)
    return fail (self, "cannot write", error);
  if (g_rename (self->temporary_path, self->path) != 0)
    return fail (self, "cannot rename the finished file", error);
  g_clear_pointer (&self->temporary_path, g_free);
  return TRUE;
}
