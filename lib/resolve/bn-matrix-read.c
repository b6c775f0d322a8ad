/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the matrix from JSON: the built-in one, or a file of the user, which
 * is checked like any other input. A wrong member is an error rather than left
 * out, because a rule that is not there lets more models pass. */
#include "bn-matrix-private.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-resources.h"
#include "net/bn-hub-names.h"
#include "text/bn-file.h"
#include "text/bn-json.h"
#include "text/bn-vocab.h"

#define RESOURCE_PATH "/org/gst-bitnet/tokenizer-matrix.json"

enum {
  FORMAT_VERSION = 1,
  MAX_SIZE = 4 << 20,
  MAX_FAMILIES = 4096,
  MAX_ELEMENTS = 256, /* of any list of a family */
};

typedef enum {
  NAME,
  TITLE,
  ARCHITECTURES,
  TOKENIZER,
  PRE,
  ROWS,
  TOKENS,
  LANDMARKS,
  REPOSITORY,
  GATED,
  EQUIVALENTS,
  WORDS,
  UNIQUE,
  SHA256,
  N_MEMBERS,
} Member;

static const char *const member_names[N_MEMBERS] = {"name", "title",
    "architectures", "tokenizer", "pre", "rows", "tokens", "landmarks",
    "repository", "gated", "equivalents", "words", "unique", "sha256"};

static void
clear_landmark (gpointer data)
{
  g_free (((BnLandmark *) data)->text);
}

void
bn_family_free (gpointer data)
{
  BnFamily *self = data;

  g_free (self->name);
  g_free (self->title);
  g_strfreev (self->architectures);
  g_free (self->tokenizer);
  g_strfreev (self->pre);
  g_array_unref (self->rows);
  g_array_unref (self->tokens);
  g_array_unref (self->landmarks);
  g_free (self->shares);
  g_free (self->repository);
  g_strfreev (self->equivalents);
  g_strfreev (self->words);
  g_strfreev (self->sha256);
  g_free (self);
}

static BnFamily *
family_new (void)
{
  BnFamily *self = g_new0 (BnFamily, 1);

  self->rows = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->tokens = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->landmarks = g_array_new (FALSE, FALSE, sizeof (BnLandmark));
  g_array_set_clear_func (self->landmarks, clear_landmark);
  return self;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnFamily, bn_family_free)

/* A text that is not empty and has no NUL in it. */
static gboolean
read_text (BnJson value, char **text, GError **error)
{
  size_t length;

  if (!bn_json_expect (value, BN_JSON_STRING, error))
    return FALSE;
  *text = bn_json_dup_string (value, &length);
  return (length > 0 && strlen (*text) == length)
         || bn_json_fail (value, error, "a text");
}

static gboolean
is_repository (const char *text)
{
  return strchr (text, '/') && bn_hub_is_repository (text);
}

static gboolean
read_texts (
    BnJson value, gboolean are_repositories, GStrv *texts, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  BnJsonIter iter;
  BnJson element;

  if (!bn_json_expect (value, BN_JSON_ARRAY, error))
    return FALSE;
  bn_json_iter_init (&iter, value);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    char *text = NULL;

    if (list->len == MAX_ELEMENTS)
      return bn_json_fail (element, error, "at most %d elements", MAX_ELEMENTS);
    if (!read_text (element, &text, error)) {
      g_free (text);
      return FALSE;
    }
    g_ptr_array_add (list, text);
    if (are_repositories && !is_repository (text))
      return bn_json_fail (element, error, "a repository, \"owner/name\"");
  }
  g_ptr_array_add (list, NULL);
  *texts = (GStrv) g_ptr_array_steal (list, NULL);
  return TRUE;
}

static gboolean
read_sizes (BnJson value, GArray *sizes, GError **error)
{
  BnJsonIter iter;
  BnJson element;

  if (!bn_json_expect (value, BN_JSON_ARRAY, error))
    return FALSE;
  bn_json_iter_init (&iter, value);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    uint64_t number;
    guint32 size;

    if (sizes->len == MAX_ELEMENTS)
      return bn_json_fail (element, error, "at most %d elements", MAX_ELEMENTS);
    if (bn_json_get_type (element) != BN_JSON_NUMBER
        || !bn_json_get_uint (element, BN_MAX_TOKENS, &number) || number == 0)
      return bn_json_fail (
          element, error, "a number of tokens, from 1 to %u", BN_MAX_TOKENS);
    size = (guint32) number;
    g_array_append_val (sizes, size);
  }
  return TRUE;
}

/* Those of another family, which stands before this one. */
static gboolean
share_landmarks (const BnFamilyMatrix *matrix, BnJson value, BnFamily *family,
    GError **error)
{
  const BnFamily *other;

  if (!read_text (value, &family->shares, error))
    return FALSE;
  other = bn_matrix_find (matrix, family->shares);
  if (other == NULL)
    return bn_json_fail (value, error, "the name of a family above");
  for (guint i = 0; i < other->landmarks->len; i++) {
    BnLandmark landmark = g_array_index (other->landmarks, BnLandmark, i);

    landmark.text = g_strdup (landmark.text);
    g_array_append_val (family->landmarks, landmark);
  }
  return TRUE;
}

static gboolean
read_landmarks (const BnFamilyMatrix *matrix, BnJson value, BnFamily *family,
    GError **error)
{
  BnJsonIter iter;
  BnJson key, element;

  if (bn_json_get_type (value) == BN_JSON_STRING)
    return share_landmarks (matrix, value, family, error);
  if (!bn_json_expect (value, BN_JSON_OBJECT, error))
    return FALSE;
  bn_json_iter_init (&iter, value);
  while (bn_json_iter_next (&iter, &key, &element)) {
    BnLandmark landmark = {0, NULL};
    size_t length;
    g_autofree char *digits = bn_json_dup_string (key, &length);
    guint64 id;

    if (family->landmarks->len == MAX_ELEMENTS)
      return bn_json_fail (
          element, error, "at most %d landmarks", MAX_ELEMENTS);
    if (!g_ascii_string_to_unsigned (
            digits, 10, 0, BN_MAX_TOKENS - 1, &id, NULL))
      return bn_json_fail (
          element, error, "the id of a token, below %u", BN_MAX_TOKENS);
    if (!read_text (element, &landmark.text, error)) {
      g_free (landmark.text);
      return FALSE;
    }
    landmark.id = (guint32) id;
    g_array_append_val (family->landmarks, landmark);
  }
  return TRUE;
}

static gboolean
read_flag (BnJson value, gboolean *flag, GError **error)
{
  if (!bn_json_expect (value, BN_JSON_BOOLEAN, error))
    return FALSE;
  *flag = bn_json_get_boolean (value);
  return TRUE;
}

static gboolean
read_repository (BnJson value, char **repository, GError **error)
{
  if (!read_text (value, repository, error))
    return FALSE;
  return is_repository (*repository)
         || bn_json_fail (value, error, "a repository, \"owner/name\"");
}

static gboolean
read_member (const BnFamilyMatrix *matrix, Member member, BnJson value,
    BnFamily *family, GError **error)
{
  switch (member) {
    case NAME:
      return read_text (value, &family->name, error);
    case TITLE:
      return read_text (value, &family->title, error);
    case ARCHITECTURES:
      return read_texts (value, FALSE, &family->architectures, error);
    case TOKENIZER:
      return read_text (value, &family->tokenizer, error);
    case PRE:
      return read_texts (value, FALSE, &family->pre, error);
    case ROWS:
      return read_sizes (value, family->rows, error);
    case TOKENS:
      return read_sizes (value, family->tokens, error);
    case LANDMARKS:
      return read_landmarks (matrix, value, family, error);
    case REPOSITORY:
      return read_repository (value, &family->repository, error);
    case GATED:
      return read_flag (value, &family->is_gated, error);
    case EQUIVALENTS:
      return read_texts (value, TRUE, &family->equivalents, error);
    case WORDS:
      return read_texts (value, FALSE, &family->words, error);
    case UNIQUE:
      return read_flag (value, &family->is_unique, error);
    default:
      return read_texts (value, FALSE, &family->sha256, error);
  }
}

/* What a family cannot be without. */
static gboolean
complete (const BnFamilyMatrix *matrix, BnJson object, BnFamily *family,
    GError **error)
{
  GStrv *const lists[] = {&family->architectures, &family->pre,
      &family->equivalents, &family->words, &family->sha256};

  if (family->name == NULL || family->tokenizer == NULL
      || family->repository == NULL || family->rows->len == 0)
    return bn_json_fail (
        object, error, "a family with name, tokenizer, rows and repository");
  if (bn_matrix_find (matrix, family->name))
    return bn_json_fail (object, error, "a family with a new name");
  if (family->title == NULL)
    family->title = g_strdup (family->name);
  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++) {
    if (*lists[i] == NULL)
      *lists[i] = g_new0 (char *, 1);
  }
  return TRUE;
}

static gboolean
read_family (BnFamilyMatrix *matrix, BnJson object, GError **error)
{
  g_autoptr (BnFamily) family = family_new ();
  gboolean seen[N_MEMBERS] = {FALSE};
  BnJsonIter iter;
  BnJson key, value;

  if (!bn_json_expect (object, BN_JSON_OBJECT, error))
    return FALSE;
  bn_json_iter_init (&iter, object);
  while (bn_json_iter_next (&iter, &key, &value)) {
    int member = 0;

    while (member < N_MEMBERS && !bn_json_equals (key, member_names[member]))
      member++;
    if (member == N_MEMBERS || seen[member])
      return bn_json_fail (value, error, "a member of a family, once");
    seen[member] = TRUE;
    if (!read_member (matrix, (Member) member, value, family, error))
      return FALSE;
  }
  if (!complete (matrix, object, family, error))
    return FALSE;
  g_ptr_array_add (matrix->families, g_steal_pointer (&family));
  return TRUE;
}

BnFamilyMatrix *
bn_matrix_new_from_data (
    const char *json, gsize size, const char *name, GError **error)
{
  g_autoptr (BnFamilyMatrix) self = bn_matrix_new ();
  BnJsonDocument document = {.path = name, .text = json, .size = size};
  uint64_t version = 0;
  BnJson root, families, family;
  BnJsonIter iter;

  if (size > MAX_SIZE) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s has %" G_GSIZE_FORMAT " bytes, expected at most %d", name, size,
        MAX_SIZE);
    return NULL;
  }
  if (!bn_json_open (&document, &root, error)
      || !bn_json_expect (root, BN_JSON_OBJECT, error)
      || !bn_json_read_uint (root, "version", G_MAXINT, &version, error)
      || !bn_json_expect_member (
          root, "families", BN_JSON_ARRAY, &families, error))
    return NULL;
  if (version != FORMAT_VERSION) {
    bn_json_fail (root, error, "a member \"version\" of %d", FORMAT_VERSION);
    return NULL;
  }
  bn_json_iter_init (&iter, families);
  while (bn_json_iter_next (&iter, NULL, &family)) {
    if (self->families->len == MAX_FAMILIES) {
      bn_json_fail (family, error, "at most %d families", MAX_FAMILIES);
      return NULL;
    }
    if (!read_family (self, family, error))
      return NULL;
  }
  return g_steal_pointer (&self);
}

static BnFamilyMatrix *
read_built_in (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_resource_lookup_data (
      bn_resources_get_resource (), RESOURCE_PATH, 0, &error);
  BnFamilyMatrix *self;

  g_assert_no_error (error);
  self = bn_matrix_new_from_data (g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes), RESOURCE_PATH, &error);
  g_assert_no_error (error);
  return self;
}

/* NULL if there is none, or if it cannot be used, which is a warning. */
static BnFamilyMatrix *
read_override (void)
{
  const char *variable = g_getenv ("BITNET_TOKENIZER_MATRIX");
  g_autofree char *path = variable && *variable
                              ? g_strdup (variable)
                              : g_build_filename (g_get_user_config_dir (),
                                  "bitnet", "tokenizer-matrix.json", NULL);
  g_auto (BnOpenFile) file = {.path = NULL};
  g_autoptr (GError) error = NULL;
  BnFamilyMatrix *self = NULL;

  if (bn_file_open (&file, path, &error))
    self =
        bn_matrix_new_from_data (file.file.text, file.file.size, path, &error);
  else if (!(variable && *variable)
           && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    return NULL;
  if (self)
    g_info ("%s: %u model families instead of the built-in ones", path,
        self->families->len);
  else
    g_warning ("%s; the built-in model families count", error->message);
  return self;
}

const BnFamilyMatrix *
bn_matrix_get (void)
{
  static const BnFamilyMatrix *matrix;

  if (g_once_init_enter (&matrix)) {
    BnFamilyMatrix *read = read_override ();

    if (read == NULL)
      read = read_built_in ();
    g_once_init_leave (&matrix, read);
  }
  return matrix;
}
