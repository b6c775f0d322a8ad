/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the members of a model and its merges, in both spellings. */
#include "bn-tokjson-model.h"

#include <string.h>

#include "bitnet-error.h"

enum {
  CANCEL_INTERVAL = 4096, /* merges between two looks */
  MAX_AFFIX_SIZE = 64,    /* bytes of a prefix or suffix; ours: 4 */
  DEFAULT_MAX_INPUT_CHARS = 100,
};

enum {
  TYPE,
  VOCAB,
  MERGES,
  UNK_TOKEN,
  UNK_ID,
  PREFIX,
  SUFFIX,
  MAX_INPUT_CHARS,
  DROPOUT,
  FUSE_UNK,
  BYTE_FALLBACK,
  IGNORE_MERGES,
  N_MEMBERS,
};

static const char *const member_names[N_MEMBERS] = {
    [TYPE] = "type",
    [VOCAB] = "vocab",
    [MERGES] = "merges",
    [UNK_TOKEN] = "unk_token",
    [UNK_ID] = "unk_id",
    [PREFIX] = "continuing_subword_prefix",
    [SUFFIX] = "end_of_word_suffix",
    [MAX_INPUT_CHARS] = "max_input_chars_per_word",
    [DROPOUT] = "dropout",
    [FUSE_UNK] = "fuse_unk",
    [BYTE_FALLBACK] = "byte_fallback",
    [IGNORE_MERGES] = "ignore_merges",
};

void
bn_tokjson_model_clear (BnTokjsonModel *self)
{
  g_clear_pointer (&self->unk_token.text, g_free);
  g_clear_pointer (&self->prefix.text, g_free);
  g_clear_pointer (&self->suffix.text, g_free);
}

/* Old files have no type; then it follows from the members. */
static gboolean
find_kind (
    BnJson json, const BnJson *members, BnTokjsonKind *kind, GError **error)
{
  static const char *const names[] = {
      [BN_TOKJSON_BPE] = "BPE",
      [BN_TOKJSON_WORD_PIECE] = "WordPiece",
      [BN_TOKJSON_WORD_LEVEL] = "WordLevel",
      [BN_TOKJSON_UNIGRAM] = "Unigram",
  };

  if (!bn_json_is_set (members[TYPE])) {
    if (bn_json_is_set (members[MERGES]))
      *kind = BN_TOKJSON_BPE;
    else if (bn_json_is_set (members[VOCAB])
             && bn_json_get_type (members[VOCAB]) == BN_JSON_ARRAY)
      *kind = BN_TOKJSON_UNIGRAM;
    else if (bn_json_is_set (members[PREFIX])
             || bn_json_is_set (members[MAX_INPUT_CHARS]))
      *kind = BN_TOKJSON_WORD_PIECE;
    else if (bn_json_is_set (members[UNK_TOKEN]))
      *kind = BN_TOKJSON_WORD_LEVEL;
    else
      return bn_json_fail (json, error, "a member \"type\"");
    return TRUE;
  }
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++) {
    if (bn_json_equals (members[TYPE], names[i])) {
      *kind = (BnTokjsonKind) i;
      return TRUE;
    }
  }
  return bn_json_fail (members[TYPE], error,
      "\"BPE\", \"WordPiece\", \"WordLevel\" or \"Unigram\"");
}

static gboolean
read_text (BnJson json, size_t max_length, BnTokjsonText *text, GError **error)
{
  g_autoptr (GString) buffer = NULL;
  const char *content;

  if (!bn_json_is_set (json))
    return TRUE;
  if (!bn_json_expect (json, BN_JSON_STRING, error))
    return FALSE;
  buffer = g_string_new (NULL);
  bn_json_get_string (json, buffer, &content, &text->length);
  if (text->length > max_length)
    return bn_json_fail (
        json, error, "at most %" G_GSIZE_FORMAT " bytes", max_length);
  if (text->length > 0)
    text->text = g_memdup2 (content, text->length);
  return TRUE;
}

static gboolean
read_flag (BnJson json, gboolean *flag, GError **error)
{
  if (!bn_json_is_set (json))
    return TRUE;
  if (!bn_json_expect (json, BN_JSON_BOOLEAN, error))
    return FALSE;
  *flag = bn_json_get_boolean (json);
  return TRUE;
}

static gboolean
read_number (BnJson json, uint64_t *number, GError **error)
{
  return !bn_json_is_set (json) || bn_json_get_uint (json, UINT32_MAX, number)
         || bn_json_fail (
             json, error, "a whole number from 0 to %u", UINT32_MAX);
}

/* Random merges are for training. */
static gboolean
check_dropout (BnJson json, GError **error)
{
  if (!bn_json_is_set (json))
    return TRUE;
  return (bn_json_get_type (json) == BN_JSON_NUMBER
             && bn_json_get_double (json) == 0)
         || bn_json_fail (json, error,
             "null or 0: merging at random is for "
             "training");
}

gboolean
bn_tokjson_model_read (BnTokjsonModel *self, BnJson json, GError **error)
{
  BnJson members[N_MEMBERS];

  *self = (BnTokjsonModel){.unk_id = UINT64_MAX,
      .max_input_chars_per_word = DEFAULT_MAX_INPUT_CHARS};
  if (!bn_json_expect (json, BN_JSON_OBJECT, error))
    return FALSE;
  bn_json_find_all (json, member_names, N_MEMBERS, members);
  if (!find_kind (json, members, &self->kind, error)
      || !read_text (members[UNK_TOKEN], SIZE_MAX, &self->unk_token, error)
      || !read_text (members[PREFIX], MAX_AFFIX_SIZE, &self->prefix, error)
      || !read_text (members[SUFFIX], MAX_AFFIX_SIZE, &self->suffix, error)
      || !read_flag (members[FUSE_UNK], &self->fuse_unk, error)
      || !read_flag (members[BYTE_FALLBACK], &self->byte_fallback, error)
      || !read_flag (members[IGNORE_MERGES], &self->ignore_merges, error)
      || !read_number (members[UNK_ID], &self->unk_id, error)
      || !read_number (
          members[MAX_INPUT_CHARS], &self->max_input_chars_per_word, error)
      || !check_dropout (members[DROPOUT], error))
    return FALSE;
  self->has_unk = bn_json_is_set (members[UNK_TOKEN]);
  self->vocab = members[VOCAB];
  self->merges = members[MERGES];
  if (!bn_json_is_set (self->vocab))
    return bn_json_fail (json, error, "a member \"vocab\"");
  if (self->kind != BN_TOKJSON_BPE)
    return TRUE;
  return bn_json_is_set (self->merges)
             ? bn_json_expect (self->merges, BN_JSON_ARRAY, error)
             : bn_json_fail (json, error, "a member \"merges\"");
}

/* Merges. */

typedef struct {
  const char *left, *right;
  size_t left_length, right_length;
} Merge;

/* "left right"; *is_merge is FALSE for a line that says the version. */
static gboolean
split_merge (BnJson json, GString *buffer, Merge *merge, gboolean *is_merge,
    GError **error)
{
  const char *text, *space;
  size_t length;

  if (!bn_json_expect (json, BN_JSON_STRING, error))
    return FALSE;
  bn_json_get_string (json, buffer, &text, &length);
  *is_merge = length < strlen ("#version")
              || memcmp (text, "#version", strlen ("#version")) != 0;
  if (!*is_merge)
    return TRUE;
  space = memchr (text, ' ', length);
  if (space == NULL
      || memchr (space + 1, ' ', length - (size_t) (space - text) - 1))
    return bn_json_fail (json, error, "two texts with one space between");
  *merge = (Merge){text, space + 1, (size_t) (space - text),
      length - (size_t) (space - text) - 1};
  return TRUE;
}

/* ["left", "right"] */
static gboolean
read_pair (BnJson json, GString *left_buffer, GString *right_buffer,
    Merge *merge, GError **error)
{
  BnJsonIter iter;
  BnJson left, right, more;

  if (!bn_json_expect (json, BN_JSON_ARRAY, error))
    return FALSE;
  bn_json_iter_init (&iter, json);
  if (!bn_json_iter_next (&iter, NULL, &left)
      || bn_json_get_type (left) != BN_JSON_STRING
      || !bn_json_iter_next (&iter, NULL, &right)
      || bn_json_get_type (right) != BN_JSON_STRING
      || bn_json_iter_next (&iter, NULL, &more))
    return bn_json_fail (json, error, "two texts");
  bn_json_get_string (left, left_buffer, &merge->left, &merge->left_length);
  bn_json_get_string (right, right_buffer, &merge->right, &merge->right_length);
  return TRUE;
}

static gboolean
find_token (BnJson json, const BnVocab *vocab, const char *text, size_t length,
    uint32_t *id, GError **error)
{
  g_autofree char *shown = NULL;

  *id = bn_tokjson_lookup (vocab, text, length);
  if (*id != BN_TOKEN_NONE)
    return TRUE;
  shown = bn_json_show (text, length);
  return bn_json_fail (json, error,
      "a merge of tokens of the vocabulary, which lacks \"%s\"", shown);
}

/* The tokens of a merge; joined has room for both texts. */
static gboolean
find_merge (const BnTokjsonModel *self, BnJson json, const BnVocab *vocab,
    const Merge *merge, GByteArray *joined, uint32_t ids[3], GError **error)
{
  size_t skipped = self->prefix.length;

  if (!find_token (json, vocab, merge->left, merge->left_length, &ids[0], error)
      || !find_token (
          json, vocab, merge->right, merge->right_length, &ids[1], error))
    return FALSE;
  if (merge->right_length < skipped)
    return bn_json_fail (
        json, error, "a right text that begins with the prefix of words");
  g_byte_array_set_size (joined, 0);
  g_byte_array_append (
      joined, (const guint8 *) merge->left, (guint) merge->left_length);
  g_byte_array_append (joined, (const guint8 *) merge->right + skipped,
      (guint) (merge->right_length - skipped));
  return find_token (
      json, vocab, (const char *) joined->data, joined->len, &ids[2], error);
}

size_t
bn_tokjson_count_merges (const BnTokjsonModel *self)
{
  size_t n = 0;
  BnJson merge;
  BnJsonIter iter;

  bn_json_iter_init (&iter, self->merges);
  while (bn_json_iter_next (&iter, NULL, &merge))
    n++;
  return n;
}

gboolean
bn_tokjson_foreach_merge (const BnTokjsonModel *self, const BnVocab *vocab,
    void (*add) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data, GCancellable *cancellable, GError **error)
{
  g_autoptr (GString) left = g_string_new (NULL);
  g_autoptr (GString) right = g_string_new (NULL);
  g_autoptr (GByteArray) joined = g_byte_array_new ();
  gboolean are_pairs = FALSE;
  size_t n = 0;
  BnJson json;
  BnJsonIter iter;

  bn_json_iter_init (&iter, self->merges);
  for (; bn_json_iter_next (&iter, NULL, &json); n++) {
    gboolean is_merge = TRUE;
    Merge merge;
    uint32_t ids[3];

    if (n % CANCEL_INTERVAL == 0
        && g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    if (n == 0)
      are_pairs = bn_json_get_type (json) == BN_JSON_ARRAY;
    if (are_pairs ? !read_pair (json, left, right, &merge, error)
                  : !split_merge (json, left, &merge, &is_merge, error))
      return FALSE;
    if (!is_merge)
      continue;
    if (!find_merge (self, json, vocab, &merge, joined, ids, error))
      return FALSE;
    add (ids[0], ids[1], ids[2], user_data);
  }
  return TRUE;
}
