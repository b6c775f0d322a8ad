/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokens of a tokenizer and of a model file, compared as what they stand for.
 *
 *   tokenizer.json of LLaMA-3     "Ġthe"       GGUF  "Ġthe"
 *   tokenizer.model of LLaMA-2    "▁the"       GGUF  "▁the"
 *   a symbol of the user          "▁▁"         GGUF  "  "
 *   vocab.txt of BERT             "the", "##s" GGUF  "▁the", "s"
 *
 * All tokens are looked at: a sample would miss the one that a finetune has
 * put in the place of another. Nearly all are equal as they are written, so
 * that this costs a walk over both lists. */
#include "bn-check.h"

#include <string.h>
#include "gguf/bn-cursor.h"

#define METASPACE "\xE2\x96\x81" /* U+2581 */
#define KEY_PREFIX "tokenizer.ggml."

/* Values of tokenizer.ggml.token_type. */
enum {
  TYPE_NORMAL = 1,
  TYPE_UNKNOWN = 2,
  TYPE_CONTROL = 3,
  TYPE_USER_DEFINED = 4,
  TYPE_UNUSED = 5,
};

/* Roles whose token decides where texts begin and end. */
static const BnRole vital_roles[] = {
    BN_ROLE_BOS, BN_ROLE_EOS, BN_ROLE_EOT, BN_ROLE_UNK};

typedef struct {
  const BnCheck *check;
  const BnVocab *vocab;
  const BnGgufKv *tokens, *types;
  BnSpelling spelling;
  uint32_t roles[BN_N_ROLES]; /* of the model */
  guint n_renamed, first_renamed;
  guint n_missing, first_missing;
} Walk;

BnSpelling
bn_check_get_spelling (const char *kind, const char *pre)
{
  const BnPretok *pretok;

  if (g_strcmp0 (kind, "rwkv") == 0)
    return BN_SPELLING_ESCAPED;
  if (g_strcmp0 (kind, "gpt2") != 0 && g_strcmp0 (kind, "whitespace") != 0)
    return BN_SPELLING_METASPACE;
  pretok = pre ? bn_pretok_find (pre) : NULL;
  return pretok && (pretok->flags & BN_PRETOK_RAW) ? BN_SPELLING_METASPACE
                                                   : BN_SPELLING_BYTE_LEVEL;
}

static gboolean
equals (const void *a, gsize a_length, const void *b, gsize b_length)
{
  return a_length == b_length && memcmp (a, b, a_length) == 0;
}

static gboolean
has_prefix (const uint8_t *text, gsize length, const char *prefix)
{
  return length >= strlen (prefix)
         && memcmp (text, prefix, strlen (prefix)) == 0;
}

/* vocab.txt marks what continues a word, GGUF files what begins one. */
static gboolean
is_word_piece (
    const uint8_t *own, gsize own_length, const uint8_t *text, gsize length)
{
  if (has_prefix (own, own_length, "##"))
    return equals (own + 2, own_length - 2, text, length);
  return has_prefix (text, length, METASPACE)
         && equals (own, own_length, text + strlen (METASPACE),
             length - strlen (METASPACE));
}

/* The same after spelling both in one way or the other. */
static gboolean
is_same_output (const uint8_t *own, gsize own_length, const uint8_t *piece,
    gsize piece_length, const uint8_t *text, gsize length, BnSpelling spelling)
{
  g_autofree uint8_t *spelled = g_malloc (length + 1);
  g_autofree uint8_t *own_spelled = g_malloc (own_length + 1);
  int byte = bn_parse_byte_name (text, length);
  gsize n;

  if (byte >= 0 && piece_length == 1 && piece[0] == byte)
    return TRUE;
  n = bn_spell (spelling, text, length, spelled);
  if (equals (spelled, n, piece, piece_length)
      || equals (spelled, n, own, own_length)
      || equals (text, length, piece, piece_length))
    return TRUE;
  n = bn_spell (BN_SPELLING_METASPACE, text, length, spelled);
  return equals (spelled, n, own_spelled,
      bn_spell (BN_SPELLING_METASPACE, own, own_length, own_spelled));
}

gboolean
bn_check_is_token (const BnVocab *vocab, guint32 id, const char *text,
    gsize length, const char *kind, BnSpelling spelling)
{
  const uint8_t *bytes = (const uint8_t *) text, *own, *piece;
  size_t own_length, piece_length;

  own = bn_vocab_text (vocab, id, &own_length);
  if (own_length == length && bn_equal (own, bytes, length))
    return TRUE;
  if (g_strcmp0 (kind, "bert") == 0
      && is_word_piece (own, own_length, bytes, length))
    return TRUE;
  piece = bn_vocab_piece (vocab, id, &piece_length);
  return is_same_output (
      own, own_length, piece, piece_length, bytes, length, spelling);
}

gboolean
bn_check_is_same_end (const BnVocab *vocab, guint32 a, guint32 b)
{
  static const char *const ends[] = {"<|end_of_text|>", "<|eot_id|>"};
  const guint32 ids[] = {a, b};

  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++) {
    size_t length;
    const uint8_t *text;
    gboolean is_end = FALSE;

    if (ids[i] >= vocab->n_tokens)
      return FALSE;
    text = bn_vocab_text (vocab, ids[i], &length);
    for (gsize j = 0; j < G_N_ELEMENTS (ends); j++)
      is_end |= equals (text, length, ends[j], strlen (ends[j]));
    if (!is_end)
      return FALSE;
  }
  return TRUE;
}

/* A name that stands for nothing. */
static gboolean
looks_reserved (const char *text, gsize length)
{
  static const char *const parts[] = {"reserved", "unused", "[PAD", "[EMPTY_",
      "extra_id", "placeholder", "dummy"};

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
    if (g_strstr_len (text, (gssize) length, parts[i]))
      return TRUE;
  }
  return length == 0;
}

static gboolean
is_vital (const Walk *self, guint32 id)
{
  for (gsize i = 0; i < G_N_ELEMENTS (vital_roles); i++) {
    if (self->roles[vital_roles[i]] == id)
      return TRUE;
  }
  return FALSE;
}

static gint64
get_type (const Walk *self, guint64 id)
{
  int64_t type = TYPE_NORMAL;

  if (self->types && id < self->types->count)
    bn_gguf_kv_get_int (self->types, id, &type);
  return type;
}

/* Tokens that no ordinary text becomes. */
static gboolean
is_special_type (gint64 type)
{
  return type == TYPE_UNKNOWN || type == TYPE_CONTROL
         || type == TYPE_USER_DEFINED || type == TYPE_UNUSED;
}

static gboolean
fail_token (const Walk *self, guint32 id, const char *text, gsize length,
    GError **error)
{
  size_t own_length;
  const uint8_t *own = bn_vocab_text (self->vocab, id, &own_length);
  g_autofree char *shown = bn_printable ((const char *) own, own_length);
  g_autofree char *expected = bn_printable (text, length);

  return bn_check_fail (error,
      "token %u is \"%s\" in the tokenizer, expected the model's \"%s\"", id,
      shown, expected);
}

/* A token that both have and that is not the same. */
static gboolean
note_renamed (
    Walk *self, guint32 id, const char *text, gsize length, GError **error)
{
  const unsigned special = BN_TOKEN_SPECIAL | BN_TOKEN_UNUSED | BN_TOKEN_ADDED;
  unsigned attributes = self->vocab->attributes[id];
  gint64 type = get_type (self, id);
  size_t own_length;
  const char *own = (const char *) bn_vocab_text (self->vocab, id, &own_length);

  if (is_vital (self, id)
      || !(is_special_type (type) || looks_reserved (text, length))
      || !((attributes & special) || looks_reserved (own, own_length)))
    return fail_token (self, id, text, length, error);
  if (type == TYPE_UNUSED && (attributes & BN_TOKEN_UNUSED))
    return TRUE; /* neither means anything */
  if (self->n_renamed++ == 0)
    self->first_renamed = id;
  return TRUE;
}

/* A token that only the model has. */
static gboolean
note_missing (
    Walk *self, guint32 id, const char *text, gsize length, GError **error)
{
  gint64 type = get_type (self, id);
  g_autofree char *shown = NULL;

  if (type == TYPE_UNUSED || (looks_reserved (text, length)))
    return TRUE;
  if (is_special_type (type) && !is_vital (self, id)) {
    if (self->n_missing++ == 0)
      self->first_missing = id;
    return TRUE;
  }
  shown = bn_printable (text, length);
  return bn_check_fail (error,
      "the tokenizer has %u tokens and lacks token %u of the model, \"%s\"",
      self->vocab->n_tokens, id, shown);
}

/* Tokens that only the tokenizer has. */
static gboolean
check_extra (const Walk *self, GError **error)
{
  const unsigned special = BN_TOKEN_SPECIAL | BN_TOKEN_UNUSED | BN_TOKEN_ADDED;

  for (guint64 id = self->tokens->count; id < self->vocab->n_tokens; id++) {
    size_t length;
    const char *text =
        (const char *) bn_vocab_text (self->vocab, (guint32) id, &length);

    if (!(self->vocab->attributes[id] & special)
        && !looks_reserved (text, length)) {
      g_autofree char *shown = bn_printable (text, length);

      return bn_check_fail (error,
          "token %u of the tokenizer, \"%s\", is not among the model's "
          "%" G_GUINT64_FORMAT " tokens",
          (guint) id, shown, self->tokens->count);
    }
  }
  return TRUE;
}

static gboolean
compare_all (Walk *self, GError **error)
{
  const BnCheck *check = self->check;
  BnGgufStringIter iter;
  const char *text;
  size_t length;

  bn_gguf_string_iter_init (&iter, self->tokens);
  for (guint32 id = 0; bn_gguf_string_iter_next (&iter, &text, &length); id++) {
    if (id >= self->vocab->n_tokens
            ? !note_missing (self, id, text, length, error)
            : !bn_check_is_token (
                  self->vocab, id, text, length, check->kind, self->spelling)
                  && !note_renamed (self, id, text, length, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
bn_check_pieces (const BnCheck *check, GError **error)
{
  Walk self = {.check = check,
      .vocab = check->inner->vocab,
      .spelling = bn_check_get_spelling (check->kind, check->pre)};

  self.tokens =
      check->gguf ? bn_gguf_find_kv (check->gguf, KEY_PREFIX "tokens") : NULL;
  if (self.tokens == NULL || self.tokens->element_type != BN_GGUF_STRING
      || self.tokens->count == 0 || self.tokens->count > BN_MAX_TOKENS)
    return TRUE;
  self.types = bn_gguf_find_kv (check->gguf, KEY_PREFIX "token_type");
  memset (self.roles, 0xFF, sizeof self.roles);
  bn_tokenizer_read_gguf_roles (
      check->gguf, (guint32) self.tokens->count, self.roles);
  if (!compare_all (&self, error) || !check_extra (&self, error))
    return FALSE;
  if (self.n_renamed > 0
      && !bn_check_warn (check, error,
          "%u reserved or added tokens have other names than in the model, the "
          "first is token %u",
          self.n_renamed, self.first_renamed))
    return FALSE;
  if (self.n_missing > 0
      && !bn_check_warn (check, error,
          "the tokenizer lacks %u added tokens of the model, the first is "
          "token %u",
          self.n_missing, self.first_missing))
    return FALSE;
  check->validation->verified = BN_VERIFIED_BY_PIECES;
  return TRUE;
}
