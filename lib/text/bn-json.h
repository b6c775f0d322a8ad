/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of megabytes, read where it lies.
 *
 * A document is checked once, strictly (RFC 8259). After that a value is its
 * position in the text: it costs nothing, can be kept and read again, and
 * knows its offset and path for messages. Nothing is built in memory, so a
 * vocabulary of 100,000 members is read in one pass.
 *
 *   BnJsonIter iter;
 *   BnJson key, value;
 *
 *   bn_json_iter_init (&iter, vocab);
 *   while (bn_json_iter_next (&iter, &key, &value))
 *     ...
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef enum {
  BN_JSON_NULL,
  BN_JSON_BOOLEAN,
  BN_JSON_NUMBER,
  BN_JSON_STRING,
  BN_JSON_ARRAY,
  BN_JSON_OBJECT,
} BnJsonType;

enum { BN_JSON_MAX_SPANS = 16 };

/* A text in memory; path names it in messages. Both stay with the caller, and
 * the document stays where it is. */
typedef struct {
  const char *path;
  const char *text;
  size_t size;

  /* Private: where the largest containers begin and end, so that passing over
   * them costs nothing. */
  struct {
    size_t start, end;
  } spans[BN_JSON_MAX_SPANS];
  unsigned n_spans;
} BnJsonDocument;

/* A value of a checked document: where its first character stands. */
typedef struct {
  const BnJsonDocument *document;
  size_t offset;
} BnJson;

/* The value that the document holds. FALSE with BITNET_ERROR_TOKENIZER and
 * offset, found and expected, if it is not JSON: also lone surrogates, text
 * after the value, more than 64 levels. */
gboolean bn_json_open (BnJsonDocument *document, BnJson *root, GError **error);

BnJsonType bn_json_get_type (BnJson self);
gboolean bn_json_is_null (BnJson self);

/* The elements of an array (key is left alone and may be NULL) or the members
 * of an object, in order. */
typedef struct {
  const BnJsonDocument *document;
  size_t offset;
  gboolean is_object, is_first;
} BnJsonIter;

void bn_json_iter_init (BnJsonIter *iter, BnJson container);
gboolean bn_json_iter_next (BnJsonIter *iter, BnJson *key, BnJson *value);

/* The last member of that name; FALSE if there is none or it is null. */
gboolean bn_json_find (BnJson object, const char *name, BnJson *value);

/* Several at once in one pass: values[i] is the last member names[i]; its
 * document is NULL if there is none or it is null. */
void bn_json_find_all (
    BnJson object, const char *const *names, size_t n_names, BnJson *values);

static inline gboolean
bn_json_is_set (BnJson self)
{
  return self.document != NULL;
}

/* A string without its escapes. *text points into the document if it has
 * none, else into buffer. It may contain NUL bytes. */
void bn_json_get_string (
    BnJson self, GString *buffer, const char **text, size_t *length);
/* A copy of it with a NUL behind it, which *length does not count. */
char *bn_json_dup_string (BnJson self, size_t *length);
/* A value as it is written. */
void bn_json_get_raw (BnJson self, const char **text, size_t *length);
gboolean bn_json_equals (BnJson self, const char *text);
gboolean bn_json_get_boolean (BnJson self);

/* Of a number; infinite if it is too large. */
double bn_json_get_double (BnJson self);

/* TRUE if it is a whole number from 0 to max, written without sign, point and
 * exponent. */
gboolean bn_json_get_uint (BnJson self, uint64_t max, uint64_t *value);

/* The members that components have. Each returns FALSE with an error if the
 * member has another type; absent or null members leave *value alone. */
gboolean bn_json_read_boolean (
    BnJson object, const char *name, gboolean *value, GError **error);
gboolean bn_json_read_uint (BnJson object, const char *name, uint64_t max,
    uint64_t *value, GError **error);
gboolean bn_json_read_string (
    BnJson object, const char *name, char **value, GError **error);

/* TRUE if it is of that type, else FALSE with an error. */
gboolean bn_json_expect (BnJson self, BnJsonType type, GError **error);

/* TRUE and the member if there is one and it is of that type, else FALSE with
 * an error. */
gboolean bn_json_expect_member (BnJson object, const char *name,
    BnJsonType type, BnJson *value, GError **error);

/* A text for a message: one line, not too long. */
char *bn_json_show (const char *text, size_t length);

/* Sets BITNET_ERROR_TOKENIZER with file, path ("$.model.merges[7]"), offset,
 * what was found there and what was expected; returns FALSE. */
gboolean bn_json_fail (BnJson self, GError **error, const char *expected, ...)
    G_GNUC_PRINTF (3, 4);
