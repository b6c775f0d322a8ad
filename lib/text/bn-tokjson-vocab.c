/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ids come from outside: they index tables here, so they are bounded before
 * anything is made as large as they are. */
#include "bn-tokjson-vocab.h"

#include <math.h>
#include <string.h>

#include "bitnet-error.h"

enum {
  CANCEL_INTERVAL = 4096,   /* tokens between two looks */
  MAX_ADDED_SIZE = 4 << 20, /* bytes of all added tokens */
  FIRST_RESERVED = 1 << 15,
};

#define NO_OFFSET UINT32_MAX

void
bn_tokjson_pieces_clear (BnTokjsonPieces *self)
{
  g_clear_pointer (&self->offsets, g_free);
  g_clear_pointer (&self->scores, g_free);
}

/* Makes room for id, and marks what is new as free. */
static void
reserve_ids (BnTokjsonPieces *self, uint32_t id, gboolean with_scores)
{
  uint32_t n = MAX (self->n_reserved, FIRST_RESERVED);

  if (id >= self->n_reserved) {
    while (n <= id)
      n *= 2;
    self->offsets = g_renew (uint32_t, self->offsets, n);
    memset (self->offsets + self->n_reserved, 0xFF,
        (n - self->n_reserved) * sizeof *self->offsets);
    if (with_scores)
      self->scores = g_renew (double, self->scores, n);
    self->n_reserved = n;
  }
  self->n_ids = MAX (self->n_ids, id + 1);
}

static gboolean
check_document (BnTokjsonPieces *self, BnJson vocab, GError **error)
{
  *self = (BnTokjsonPieces){.document = vocab.document};
  return vocab.document->size < UINT32_MAX
         || bn_json_fail (vocab, error, "a file of less than 4 GiB");
}

gboolean
bn_tokjson_pieces_read (BnTokjsonPieces *self, BnJson vocab,
    GCancellable *cancellable, GError **error)
{
  BnJson key, value;
  BnJsonIter iter;
  uint64_t id;

  if (!check_document (self, vocab, error)
      || !bn_json_expect (vocab, BN_JSON_OBJECT, error))
    return FALSE;
  bn_json_iter_init (&iter, vocab);
  while (bn_json_iter_next (&iter, &key, &value)) {
    if (!bn_json_get_uint (value, BN_MAX_TOKENS - 1, &id))
      return bn_json_fail (
          value, error, "an id, which is a number below %u", BN_MAX_TOKENS);
    if (self->n_entries % CANCEL_INTERVAL == 0
        && g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    reserve_ids (self, (uint32_t) id, FALSE);
    if (self->offsets[id] != NO_OFFSET)
      return bn_json_fail (value, error, "an id that no other token has");
    self->offsets[id] = (uint32_t) key.offset;
    self->text_size += value.offset - key.offset;
    self->n_entries++;
  }
  return TRUE;
}

gboolean
bn_tokjson_pieces_read_scored (BnTokjsonPieces *self, BnJson vocab,
    GCancellable *cancellable, GError **error)
{
  BnJson pair, text, score;
  BnJsonIter iter, pair_iter;

  if (!check_document (self, vocab, error)
      || !bn_json_expect (vocab, BN_JSON_ARRAY, error))
    return FALSE;
  bn_json_iter_init (&iter, vocab);
  while (bn_json_iter_next (&iter, NULL, &pair)) {
    uint32_t id = self->n_entries;

    if (id == BN_MAX_TOKENS)
      return bn_json_fail (pair, error, "at most %u tokens", BN_MAX_TOKENS);
    if (id % CANCEL_INTERVAL == 0
        && g_cancellable_set_error_if_cancelled (cancellable, error))
      return FALSE;
    if (!bn_json_expect (pair, BN_JSON_ARRAY, error))
      return FALSE;
    bn_json_iter_init (&pair_iter, pair);
    if (!bn_json_iter_next (&pair_iter, NULL, &text)
        || bn_json_get_type (text) != BN_JSON_STRING
        || !bn_json_iter_next (&pair_iter, NULL, &score)
        || bn_json_get_type (score) != BN_JSON_NUMBER)
      return bn_json_fail (pair, error, "a text and its score");
    reserve_ids (self, id, TRUE);
    self->offsets[id] = (uint32_t) text.offset;
    self->scores[id] = bn_json_get_double (score);
    if (!isfinite (self->scores[id]))
      return bn_json_fail (score, error, "a number that a double can hold");
    self->text_size += score.offset - text.offset;
    self->n_entries++;
  }
  return TRUE;
}

/* Added tokens. */

typedef struct {
  const char *text;
  size_t length;
} TextKey;

static guint
hash_text (gconstpointer data)
{
  const TextKey *key = data;

  return (guint) bn_hash (key->text, key->length, 0);
}

static gboolean
equal_texts (gconstpointer a, gconstpointer b)
{
  const TextKey *left = a, *right = b;

  return left->length == right->length
         && memcmp (left->text, right->text, left->length) == 0;
}

void
bn_tokjson_added_clear (BnTokjsonAdded *self)
{
  for (size_t i = 0; i < self->n_tokens; i++)
    g_free (self->texts[i]);
  g_clear_pointer (&self->texts, g_free);
  g_clear_pointer (&self->tokens, g_free);
  self->n_tokens = 0;
}

/* One element of the list; its id is set later, to BN_TOKEN_NONE here. The id
 * that the file gives it goes to *said, BN_TOKEN_NONE if it gives none. */
static gboolean
read_added (BnJson json, BnAddedToken *token, char **copy, uint32_t *said,
    GError **error)
{
  static const struct {
    const char *name;
    unsigned flag;
  } flags[] = {{"single_word", BN_ADDED_SINGLE_WORD},
      {"lstrip", BN_ADDED_LSTRIP}, {"rstrip", BN_ADDED_RSTRIP},
      {"special", BN_ADDED_SPECIAL}, {"normalized", BN_ADDED_NORMALIZED}};
  enum { N_FLAGS = G_N_ELEMENTS (flags), CONTENT = N_FLAGS, ID, N_NAMES };
  const char *names[N_NAMES] = {[CONTENT] = "content", [ID] = "id"};
  BnJson values[N_NAMES];
  uint64_t id;

  if (!bn_json_expect (json, BN_JSON_OBJECT, error))
    return FALSE;
  for (size_t i = 0; i < N_FLAGS; i++)
    names[i] = flags[i].name;
  bn_json_find_all (json, names, N_NAMES, values);
  if (!bn_json_is_set (values[CONTENT]))
    return bn_json_fail (json, error, "a member \"content\"");
  if (!bn_json_expect (values[CONTENT], BN_JSON_STRING, error))
    return FALSE;

  *token = (BnAddedToken){.id = BN_TOKEN_NONE};
  for (size_t i = 0; i < N_FLAGS; i++) {
    gboolean is_on = flags[i].flag == BN_ADDED_NORMALIZED
                     && !(token->flags & BN_ADDED_SPECIAL);

    if (bn_json_is_set (values[i])) {
      if (!bn_json_expect (values[i], BN_JSON_BOOLEAN, error))
        return FALSE;
      is_on = bn_json_get_boolean (values[i]);
    }
    token->flags |= is_on ? flags[i].flag : 0;
  }
  *said = BN_TOKEN_NONE;
  if (bn_json_is_set (values[ID])) {
    if (!bn_json_get_uint (values[ID], UINT32_MAX - 1, &id))
      return bn_json_fail (values[ID], error, "an id");
    *said = (uint32_t) id;
  }
  *copy = bn_json_dup_string (values[CONTENT], &token->length);
  token->text = *copy;
  return TRUE;
}

/* Appends token, or changes the one of the same text: the last counts, but
 * what has been special stays special. */
static void
put_added (BnTokjsonAdded *self, GHashTable *by_text, const BnAddedToken *token,
    char *copy)
{
  TextKey key = {token->text, token->length};
  TextKey *stored;
  gpointer found;

  if (g_hash_table_lookup_extended (by_text, &key, NULL, &found)) {
    BnAddedToken *old = &self->tokens[GPOINTER_TO_SIZE (found)];

    old->flags = token->flags | (old->flags & BN_ADDED_SPECIAL);
    g_free (copy);
    return;
  }
  stored = g_memdup2 (&key, sizeof key);
  g_hash_table_insert (by_text, stored, GSIZE_TO_POINTER (self->n_tokens));
  self->tokens[self->n_tokens] = *token;
  self->texts[self->n_tokens] = copy;
  self->n_tokens++;
}

static void
get_piece (const BnTokjsonPieces *pieces, uint32_t id, GString *buffer,
    const char **text, size_t *length)
{
  bn_json_get_string (
      (BnJson){pieces->document, pieces->offsets[id]}, buffer, text, length);
}

/* Tokens whose text the model has get its id, the others those that follow the
 * number of its entries. */
static gboolean
assign_ids (BnTokjsonAdded *self, GHashTable *by_text,
    const BnTokjsonPieces *pieces, BnJson json, GError **error)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  uint32_t next = pieces->n_entries;

  for (uint32_t id = 0; id < pieces->n_ids && self->n_tokens > 0; id++) {
    TextKey key;
    gpointer found;

    if (pieces->offsets[id] == NO_OFFSET)
      continue;
    get_piece (pieces, id, buffer, &key.text, &key.length);
    if (g_hash_table_lookup_extended (by_text, &key, NULL, &found))
      self->tokens[GPOINTER_TO_SIZE (found)].id = id;
  }
  self->n_ids = pieces->n_ids;
  for (size_t i = 0; i < self->n_tokens; i++) {
    if (self->tokens[i].id != BN_TOKEN_NONE)
      continue;
    if (next == BN_MAX_TOKENS)
      return bn_json_fail (json, error,
          "at most %u tokens with those of the model", BN_MAX_TOKENS);
    if (next < pieces->n_ids && pieces->offsets[next] != NO_OFFSET)
      return bn_json_fail (json, error,
          "no added tokens that are new to the model, because their ids are "
          "those of other tokens: the model has %u tokens with ids up to %u",
          pieces->n_entries, pieces->n_ids - 1);
    self->tokens[i].id = next++;
    self->n_ids = MAX (self->n_ids, next);
  }
  return TRUE;
}

/* The list without ids; said becomes those that the file gives them. */
static gboolean
read_list (BnTokjsonAdded *self, BnJson json, GHashTable *by_text,
    uint32_t **said, GError **error)
{
  size_t n_reserved = 0, size = 0;
  BnJson element;
  BnJsonIter iter;

  if (!bn_json_is_set (json))
    return TRUE;
  if (!bn_json_expect (json, BN_JSON_ARRAY, error))
    return FALSE;
  bn_json_iter_init (&iter, json);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    BnAddedToken token;
    char *copy = NULL;
    uint32_t id = BN_TOKEN_NONE;

    if (!read_added (element, &token, &copy, &id, error))
      return FALSE;
    size += token.length;
    if (size > MAX_ADDED_SIZE) {
      g_free (copy);
      return bn_json_fail (
          element, error, "at most %d bytes of added tokens", MAX_ADDED_SIZE);
    }
    if (token.length == 0) {
      g_free (copy);
      continue;
    }
    if (self->n_tokens == n_reserved) {
      n_reserved = MAX (256, n_reserved * 2);
      self->tokens = g_renew (BnAddedToken, self->tokens, n_reserved);
      self->texts = g_renew (char *, self->texts, n_reserved);
      *said = g_renew (uint32_t, *said, n_reserved);
    }
    (*said)[self->n_tokens] = id;
    put_added (self, by_text, &token, copy);
  }
  return TRUE;
}

static GHashTable *
new_by_text (void)
{
  return g_hash_table_new_full (hash_text, equal_texts, g_free, NULL);
}

gboolean
bn_tokjson_added_read (BnTokjsonAdded *self, BnJson json,
    const BnTokjsonPieces *pieces, GError **error)
{
  g_autoptr (GHashTable) by_text = new_by_text ();
  g_autofree uint32_t *said = NULL;
  size_t n_wrong = 0;

  *self = (BnTokjsonAdded){.n_ids = pieces->n_ids};
  if (!read_list (self, json, by_text, &said, error)
      || !assign_ids (self, by_text, pieces, json, error))
    return FALSE;
  for (size_t i = 0; i < self->n_tokens; i++)
    n_wrong += said[i] != BN_TOKEN_NONE && said[i] != self->tokens[i].id;
  if (n_wrong > 0)
    g_info ("%s: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
            " added tokens have other ids than the file says; ids follow "
            "from the vocabulary",
        json.document->path, n_wrong, self->n_tokens);
  return TRUE;
}

gboolean
bn_tokjson_added_read_again (BnTokjsonAdded *self, BnJson json,
    const uint32_t *ids, size_t n_ids, uint32_t n_tokens, GError **error)
{
  g_autoptr (GHashTable) by_text = new_by_text ();
  g_autofree uint32_t *said = NULL;
  gboolean is_wrong;

  *self = (BnTokjsonAdded){.n_ids = n_tokens};
  if (!read_list (self, json, by_text, &said, error))
    return FALSE;
  is_wrong = ids == NULL || n_ids != self->n_tokens;
  for (size_t i = 0; i < self->n_tokens && !is_wrong; i++) {
    self->tokens[i].id = ids[i];
    is_wrong = ids[i] >= n_tokens;
  }
  if (is_wrong)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "the ids of added tokens are not those of its tables");
  return !is_wrong;
}

/* The vocabulary of both. */

/* Ids without a token get a text that no text in UTF-8 contains. */
static size_t
write_gap (char *text, size_t size, uint32_t id)
{
  return (size_t) g_snprintf (text, size, "\xFF[PAD%u]", id);
}

BnVocab *
bn_tokjson_vocab_new (const BnTokjsonPieces *pieces,
    const BnTokjsonAdded *added, BnSpelling spelling, gboolean is_llama_cpp,
    GError **error)
{
  g_autofree uint32_t *added_of = g_new (uint32_t, (size_t) added->n_ids + 1);
  g_autoptr (GString) buffer = g_string_new (NULL);
  g_autoptr (BnVocab) vocab =
      bn_vocab_new (added->n_ids, pieces->text_size, spelling);

  memset (added_of, 0xFF, ((size_t) added->n_ids + 1) * sizeof *added_of);
  for (size_t i = 0; i < added->n_tokens; i++)
    added_of[added->tokens[i].id] = (uint32_t) i;
  for (uint32_t id = 0; id < added->n_ids; id++) {
    const BnAddedToken *token =
        added_of[id] != UINT32_MAX ? &added->tokens[added_of[id]] : NULL;
    gboolean is_piece = id < pieces->n_ids && pieces->offsets[id] != NO_OFFSET;
    unsigned attributes = BN_TOKEN_NORMAL;
    char gap[sizeof "\xFF[PAD4294967295]"];
    const char *text = gap;
    size_t length;

    if (token)
      attributes = token->flags & BN_ADDED_SPECIAL ? BN_TOKEN_CONTROL
                                                   : BN_TOKEN_USER_DEFINED;
    if (token) {
      text = token->text;
      length = token->length;
      attributes |= is_piece || is_llama_cpp ? 0 : BN_TOKEN_ADDED;
    } else if (is_piece) {
      get_piece (pieces, id, buffer, &text, &length);
    } else {
      length = write_gap (gap, sizeof gap, id);
      text += is_llama_cpp;
      length -= is_llama_cpp;
      attributes = BN_TOKEN_UNUSED;
    }
    if (!bn_vocab_add (vocab, text, length, attributes,
            pieces->scores && is_piece ? (float) pieces->scores[id] : 0)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
          "%s: the vocabulary has more than 4 GiB of text",
          pieces->document->path);
      return NULL;
    }
  }
  return g_steal_pointer (&vocab);
}
