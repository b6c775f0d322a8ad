/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reader and writer of GGUF files.
 *
 * The reader maps the file (all files of a split model), checks everything
 * gguf.md section 7 lists and then hands out views into the mapping. A file
 * that was accepted never makes an accessor fail or read out of bounds.
 * Immutable after opening, reference counted, thread-safe. */
#pragma once

#include <gio/gio.h>
#include "bn-mapping.h"
#include "bn-types.h"

typedef struct BnGguf BnGguf;

typedef enum {
  BN_GGUF_U8 = 0,
  BN_GGUF_I8 = 1,
  BN_GGUF_U16 = 2,
  BN_GGUF_I16 = 3,
  BN_GGUF_U32 = 4,
  BN_GGUF_I32 = 5,
  BN_GGUF_F32 = 6,
  BN_GGUF_BOOL = 7,
  BN_GGUF_STRING = 8,
  BN_GGUF_ARRAY = 9,
  BN_GGUF_U64 = 10,
  BN_GGUF_I64 = 11,
  BN_GGUF_F64 = 12,
} BnGgufType;

enum { BN_GGUF_STRING_STEP = 16 };

/* One key-value pair. Numeric data are little-endian and unaligned. */
typedef struct {
  const char *key;         /* NUL-terminated */
  BnGgufType type;         /* of the value; ARRAY for arrays */
  BnGgufType element_type; /* of an array; equal to type otherwise */
  uint64_t count;          /* elements of an array; 1 otherwise */
  const uint8_t *data;     /* first element (first length field of strings) */
  uint64_t size;           /* bytes at data */
  uint64_t offset;         /* of data in its file, for messages */
  const uint64_t *strings; /* string arrays: offsets from data of the length
                              fields of every BN_GGUF_STRING_STEP-th string;
                              NULL otherwise */
  uint64_t key_offset;     /* of the pair in its file, for messages */
  uint32_t length_size;    /* bytes of a string's length field: 8, or 4 */
} BnGgufKv;

/* One tensor. ne[0] is contiguous; missing dimensions are 1, none is 0. data
 * is aligned for the numbers of its type (8 bytes at most), not for vectors. */
typedef struct {
  const char *name; /* NUL-terminated */
  BnType type;
  uint32_t n_dims;
  uint64_t ne[4];
  const uint8_t *data;
  uint64_t size;        /* bytes at data, tail included */
  uint64_t offset;      /* of data in its file, for messages */
  uint32_t file;        /* index of the file of a split model */
  uint64_t info_offset; /* of its description in its file, for messages */
} BnGgufTensor;

/* Opens path; with split.count > 1 also its siblings (any of the files may be
 * named). Errors: BITNET_ERROR with file, offset, found and expected in the
 * message, or G_IO_ERROR_CANCELLED. */
BnGguf *bn_gguf_open (
    const char *path, GCancellable *cancellable, GError **error);

/* Parses bytes that are in memory; name stands for the file in messages. */
BnGguf *bn_gguf_new_from_bytes (
    GBytes *bytes, const char *name, GError **error);

BnGguf *bn_gguf_ref (BnGguf *self);
void bn_gguf_unref (BnGguf *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnGguf, bn_gguf_unref)

/* As it was given to bn_gguf_open(). */
const char *bn_gguf_get_path (const BnGguf *self);
uint32_t bn_gguf_get_version (const BnGguf *self);
uint32_t bn_gguf_get_n_files (const BnGguf *self);
const char *bn_gguf_get_file_path (const BnGguf *self, uint32_t file);
/* What identifies one file; zero if the bytes came from memory. */
const BnFileId *bn_gguf_get_file_id (const BnGguf *self, uint32_t file);
/* The mapping of one file (transfer none). */
GBytes *bn_gguf_get_file_bytes (const BnGguf *self, uint32_t file);
/* Bytes in front of the tensor data of the first file. */
uint64_t bn_gguf_get_data_start (const BnGguf *self);

size_t bn_gguf_get_n_kvs (const BnGguf *self);
const BnGgufKv *bn_gguf_get_kv (const BnGguf *self, size_t i);
const BnGgufKv *bn_gguf_find_kv (const BnGguf *self, const char *key);
size_t bn_gguf_get_n_tensors (const BnGguf *self);
const BnGgufTensor *bn_gguf_get_tensor (const BnGguf *self, size_t i);
const BnGgufTensor *bn_gguf_find_tensor (const BnGguf *self, const char *name);

/* The system may take back the memory of size bytes of a tensor, from offset
 * on, if they are mapped from a file; reading them again reads the file. */
void bn_gguf_drop_pages (const BnGguf *self, const BnGgufTensor *tensor,
    uint64_t offset, uint64_t size);

/* Element i of a value (0 for scalars). Integers convert to any integer type
 * that holds the value, numbers to double; strings are (pointer, length)
 * views without a terminator. FALSE where type or index do not fit. */
gboolean bn_gguf_kv_get_uint (const BnGgufKv *kv, uint64_t i, uint64_t *value);
gboolean bn_gguf_kv_get_int (const BnGgufKv *kv, uint64_t i, int64_t *value);
gboolean bn_gguf_kv_get_double (const BnGgufKv *kv, uint64_t i, double *value);
gboolean bn_gguf_kv_get_bool (const BnGgufKv *kv, uint64_t i, gboolean *value);
gboolean bn_gguf_kv_get_string (
    const BnGgufKv *kv, uint64_t i, const char **value, size_t *length);

/* The strings of an array one after the other, which is faster than by index.
 * FALSE at the end, and for values that are no strings. */
typedef struct {
  const uint8_t *next;
  uint64_t n_left;
  uint32_t length_size;
} BnGgufStringIter;

void bn_gguf_string_iter_init (BnGgufStringIter *iter, const BnGgufKv *kv);
gboolean bn_gguf_string_iter_next (
    BnGgufStringIter *iter, const char **value, size_t *length);

/* The same by key, of a scalar. FALSE if absent or of another kind. */
gboolean bn_gguf_get_uint (
    const BnGguf *self, const char *key, uint64_t *value);
gboolean bn_gguf_get_double (
    const BnGguf *self, const char *key, double *value);
gboolean bn_gguf_get_bool (
    const BnGguf *self, const char *key, gboolean *value);
/* A copy (transfer full), NULL if absent, not a string or not UTF-8. */
char *bn_gguf_dup_string (const BnGguf *self, const char *key);

/* Writer of version 3. Keys and tensors are added first, then the data of the
 * tensors follow in the same order, in pieces of any size that may run over
 * tensor ends; padding is the writer's work, and nothing of a tensor is held
 * in memory. The file appears under its name only when
 * bn_gguf_writer_finish() succeeds, until then it has a temporary name beside
 * it. Keys and tensor names must be unique and shapes fit their types: that
 * is for the caller to see to. Errors: BITNET_ERROR_WRITE. */
typedef struct BnGgufWriter BnGgufWriter;

/* Fails also if path is anything but a regular file or nothing. */
BnGgufWriter *bn_gguf_writer_new (const char *path, GError **error);
void bn_gguf_writer_free (BnGgufWriter *self); /* removes an unfinished file */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnGgufWriter, bn_gguf_writer_free)

/* The key "general.alignment" takes effect and comes before any tensor. */
void bn_gguf_writer_add_uint32 (
    BnGgufWriter *self, const char *key, uint32_t value);
void bn_gguf_writer_add_float (
    BnGgufWriter *self, const char *key, float value);
void bn_gguf_writer_add_bool (
    BnGgufWriter *self, const char *key, gboolean value);
void bn_gguf_writer_add_string (
    BnGgufWriter *self, const char *key, const char *value);
void bn_gguf_writer_add_strings (BnGgufWriter *self, const char *key,
    const char *const *values, size_t n_values);
/* An array of numbers, packed as in the file. */
void bn_gguf_writer_add_array (BnGgufWriter *self, const char *key,
    BnGgufType element_type, const void *values, size_t n_values);
/* A pair of another file, unchanged; of any version. */
void bn_gguf_writer_add_kv (BnGgufWriter *self, const BnGgufKv *kv);
void bn_gguf_writer_add_tensor (BnGgufWriter *self, const char *name,
    BnType type, uint32_t n_dims, const uint64_t *ne);
gboolean bn_gguf_writer_write (
    BnGgufWriter *self, const void *data, size_t size, GError **error);
/* All tensors have their data. */
gboolean bn_gguf_writer_finish (BnGgufWriter *self, GError **error);
