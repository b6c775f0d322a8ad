/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks of a resolved tokenizer against its model. T is the number of the
 * tokenizer's ids, M the number of the model's embedding rows. T < M is the
 * usual padding; T > M is possible only where the ids beyond M are never
 * written in text.
 *
 *   check          fits                warning             refused
 *   size, T <= M   up to 1024 less     4096 or 5 % less    fewer
 *   size, T > M    -                   16 special ones     others
 *   pieces         equal               names of reserved   others
 *   merges         equal               other number        other order
 *   special ids    equal               differ              beyond M
 *   BOS, EOS       equal               differ              -
 *   family         equal               -                   differ
 *   words          as pre says         unknown way         as another pre
 *   round trips    equal               what is cleaned     others
 *
 * A tokenizer out of the model file itself is not compared with it. */
#include "bn-check.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-private.h"
#include "text/bn-backup.h"

enum {
  USUAL_PADDING = 1024, /* rows without a token that pass in silence */
  LARGE_PADDING = 4096, /* and with a warning: this or 5 % of M */
  LARGE_PADDING_DIVISOR = 20,
};

static const struct {
  BnRole role;
  const char *name;
} special_roles[] = {
    {BN_ROLE_BOS, "BOS"},
    {BN_ROLE_EOS, "EOS"},
    {BN_ROLE_EOT, "EOT"},
    {BN_ROLE_UNK, "UNK"},
    {BN_ROLE_SEP, "SEP"},
    {BN_ROLE_PAD, "PAD"},
    {BN_ROLE_MASK, "MASK"},
};

/* Algorithms of the kinds of GGUF files; NULL ends. Files of Hugging Face have
 * BPE in place of SentencePiece. */
static const struct {
  const char *kind;
  const char *algorithms[3];
} families[] = {
    {"llama", {"spm", "bpe"}},
    {"gpt2", {"bpe"}},
    {"whitespace", {"bpe"}},
    {"gemma4", {"bpe", "spm"}},
    {"bert", {"wordpiece"}},
    {"t5", {"unigram"}},
    {"rwkv", {"rwkv"}},
};

void
bn_validation_clear (BnValidation *self)
{
  g_clear_pointer (&self->warnings, g_ptr_array_unref);
  self->verified = BN_VERIFIED_NOT;
}

static void G_GNUC_PRINTF (2, 0) set_error (
    GError **error, const char *format, va_list args, const char *end)
{
  g_autofree char *message = g_strdup_vprintf (format, args);

  g_set_error (
      error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH, "%s%s", message, end);
}

gboolean
bn_check_warn (const BnCheck *self, GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (self->strict)
    set_error (error, format, args, ", which strict mode refuses");
  else
    g_ptr_array_add (
        self->validation->warnings, g_strdup_vprintf (format, args));
  va_end (args);
  return !self->strict;
}

gboolean
bn_check_fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  set_error (error, format, args, "");
  va_end (args);
  return FALSE;
}

gboolean
bn_check_can_limit (const BnVocab *vocab, guint n_rows)
{
  unsigned special = BN_TOKEN_CONTROL | BN_TOKEN_UNUSED;

  if (vocab->n_tokens - n_rows > BN_MAX_LIMITED)
    return FALSE;
  /* Others are found in any text; but not any more. */
  if (vocab->n_usable <= n_rows)
    special |= BN_TOKEN_SPECIAL | BN_TOKEN_ADDED;
  for (guint32 id = n_rows; id < vocab->n_tokens; id++) {
    if (!(vocab->attributes[id] & special))
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_size (const BnCheck *self, GError **error)
{
  const BnVocab *vocab = self->inner->vocab;
  guint n_ids = vocab->n_tokens, n_rows = self->n_rows;
  guint large = MAX (LARGE_PADDING, n_rows / LARGE_PADDING_DIVISOR);

  if (n_ids <= n_rows && n_rows - n_ids <= USUAL_PADDING)
    return TRUE;
  if (n_ids <= n_rows && n_rows - n_ids <= large)
    return bn_check_warn (self, error,
        "the tokenizer has %u tokens, the model %u rows", n_ids, n_rows);
  if (n_ids > n_rows && bn_check_can_limit (vocab, n_rows))
    return bn_check_warn (self, error,
        "the tokenizer's %u last tokens have no row in the model",
        n_ids - n_rows);
  return bn_check_fail (error,
      "the tokenizer has %u tokens, expected at most %u and at least %u for "
      "this model",
      n_ids, n_rows, n_rows > large ? n_rows - large : 0);
}

/* Special ids index rows, too. */
static gboolean
check_own_ids (const BnCheck *self, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (special_roles); i++) {
    uint32_t id = self->inner->vocab->roles[special_roles[i].role];

    if (id != BN_TOKEN_NONE && id >= self->n_rows)
      return bn_check_fail (error,
          "the tokenizer's special token %u (%s) is beyond the model's %u rows",
          id, special_roles[i].name, self->n_rows);
  }
  return TRUE;
}

/* Files name paddings that do not exist, and run; but no text goes without
 * these. */
static gboolean
is_needed (BnRole role)
{
  return role == BN_ROLE_BOS || role == BN_ROLE_EOS || role == BN_ROLE_UNK;
}

/* One role, as the model has it. */
static gboolean
check_id (const BnCheck *self, BnRole role, const char *name, uint32_t id,
    GError **error)
{
  const BnVocab *vocab = self->inner->vocab;
  uint32_t own = vocab->roles[role];

  if (self->n_rows > 0 && id >= self->n_rows)
    return is_needed (role)
               ? bn_check_fail (error,
                   "the model's special token %u (%s) is beyond its %u rows",
                   id, name, self->n_rows)
               : bn_check_warn (self, error,
                   "the model's special token %u (%s) is beyond its %u rows",
                   id, name, self->n_rows);
  return own == id || own == BN_TOKEN_NONE
         || (role == BN_ROLE_EOS && bn_check_is_same_end (vocab, own, id))
         || bn_check_warn (self, error,
             "%s is token %u in the tokenizer, in the model %u", name, own, id);
}

static gboolean
check_special_ids (const BnCheck *self, GError **error)
{
  uint32_t roles[BN_N_ROLES];

  memset (roles, 0xFF, sizeof roles);
  bn_tokenizer_read_gguf_roles (self->gguf, BN_TOKEN_NONE, roles);
  for (gsize i = 0; i < G_N_ELEMENTS (special_roles); i++) {
    uint32_t id = roles[special_roles[i].role];

    if (id != BN_TOKEN_NONE
        && !check_id (
            self, special_roles[i].role, special_roles[i].name, id, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_edges (const BnCheck *self, GError **error)
{
  static const struct {
    const char *key, *name;
  } edges[] = {
      {"tokenizer.ggml.add_bos_token", "BOS"},
      {"tokenizer.ggml.add_eos_token", "EOS"},
  };
  const gboolean own[] = {self->inner->add_bos, self->inner->add_eos};

  /* There, what stands around texts is none of these. */
  if (g_strcmp0 (self->kind, "bert") == 0)
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (edges); i++) {
    gboolean adds;

    if (bn_gguf_get_bool (self->gguf, edges[i].key, &adds)
        && adds != (own[i] != 0)
        && !bn_check_warn (self, error,
            "the tokenizer %s %s to texts, the model's key %s says otherwise",
            own[i] ? "adds" : "does not add", edges[i].name, edges[i].key))
      return FALSE;
  }
  return TRUE;
}

/* llama.cpp's BPE and SentencePiece are told apart by the spelling, too: BPE
 * of bytes is no stand-in for SentencePiece. */
static gboolean
check_family (const BnCheck *self, GError **error)
{
  const char *name = bitnet_tokenizer_get_algorithm (self->tokenizer);
  gsize i = 0;

  while (i < G_N_ELEMENTS (families)
         && g_strcmp0 (families[i].kind, self->kind) != 0)
    i++;
  if (i == G_N_ELEMENTS (families))
    return TRUE;
  for (gsize j = 0; families[i].algorithms[j]; j++) {
    if (strcmp (families[i].algorithms[j], name) == 0
        && (strcmp (families[i].kind, "llama") != 0
            || self->inner->vocab->spelling == BN_SPELLING_METASPACE))
      return TRUE;
  }
  return bn_check_fail (error,
      "the tokenizer is of kind \"%s\", the model needs one for \"%s\"", name,
      self->kind);
}

/* How words are cut. A model that says "default" says nothing. */
static gboolean
check_words (const BnCheck *self, GError **error)
{
  const BnPretok *pretok = self->pre ? bn_pretok_find (self->pre) : NULL;
  const BnPretokSet *set = self->inner->set;
  const BnPretok *other;

  if (g_strcmp0 (self->kind, "gpt2") != 0 || pretok == NULL
      || (pretok->flags & BN_PRETOK_RAW)
      || (set && bn_pretok_has_set (pretok, set)))
    return TRUE;
  other = set ? bn_pretok_find_by_set (set) : NULL;
  if (other == NULL || strcmp (self->pre, "default") == 0)
    return bn_check_warn (self, error,
        "the tokenizer cuts words in %s way, the model as \"%s\"",
        other ? "a known" : "an unknown", self->pre);
  return bn_check_fail (error,
      "the tokenizer cuts words as \"%s\", expected \"%s\" for this model",
      other->name, self->pre);
}

static gboolean
compare (const BnCheck *self, GError **error)
{
  return check_family (self, error) && bn_check_pieces (self, error)
         && bn_check_merges (self, error) && check_special_ids (self, error)
         && check_edges (self, error) && check_words (self, error);
}

static void
check_init (BnCheck *self, BitnetTokenizer *tokenizer,
    BitnetDiscovery *discovery, gboolean strict, BnValidation *validation)
{
  BitnetModel *model = bitnet_discovery_get_model (discovery);

  *self = (BnCheck){.tokenizer = tokenizer,
      .inner = bitnet_tokenizer_get_inner (tokenizer),
      .gguf = model ? bitnet_model_get_gguf (model) : NULL,
      .kind = bitnet_discovery_get_tokenizer_model (discovery),
      .pre = bitnet_discovery_get_pre (discovery),
      .n_rows = bitnet_discovery_get_n_rows (discovery),
      .strict = strict,
      .validation = validation};
  if (self->pre == NULL)
    self->pre = bitnet_discovery_get_implied_pre (discovery);
}

gboolean
bn_validate (BitnetTokenizer *tokenizer, BitnetDiscovery *discovery,
    gboolean is_embedded, gboolean strict, BnValidation *validation,
    GError **error)
{
  BnCheck self;

  validation->verified = BN_VERIFIED_NOT;
  validation->warnings = g_ptr_array_new_with_free_func (g_free);
  check_init (&self, tokenizer, discovery, strict, validation);
  if (self.n_rows > 0) {
    if (!check_size (&self, error) || !check_own_ids (&self, error))
      return FALSE;
    validation->verified = BN_VERIFIED_BY_SIZE;
  }
  if (is_embedded) {
    validation->verified = BN_VERIFIED_BY_PIECES;
    return TRUE;
  }
  return (self.gguf == NULL || compare (&self, error))
         && bn_check_round_trips (&self, error);
}

static gboolean
has_same_tokens (const BnVocab *a, const BnVocab *b)
{
  if (a->n_tokens != b->n_tokens)
    return FALSE;
  for (guint32 id = 0; id < a->n_tokens; id++) {
    size_t length;
    const char *text = (const char *) bn_vocab_text (b, id, &length);

    if (!bn_check_is_token (a, id, text, length, NULL, b->spelling))
      return FALSE;
  }
  return TRUE;
}

gboolean
bn_tokenizers_agree (BitnetTokenizer *a, BitnetTokenizer *b)
{
  if (!has_same_tokens (bitnet_tokenizer_get_inner (a)->vocab,
          bitnet_tokenizer_get_inner (b)->vocab))
    return FALSE;
  for (const char *const *text = bn_check_texts; *text; text++) {
    gsize n_left, n_right;
    g_autofree guint32 *left = bitnet_tokenizer_encode (
        a, *text, -1, BITNET_ENCODE_ADD_SPECIAL, &n_left, NULL);
    g_autofree guint32 *right = bitnet_tokenizer_encode (
        b, *text, -1, BITNET_ENCODE_ADD_SPECIAL, &n_right, NULL);

    if (left == NULL || right == NULL || n_left != n_right
        || memcmp (left, right, n_left * sizeof *left) != 0)
      return FALSE;
  }
  return TRUE;
}

BitnetTokenizer *
bn_backup_tokenizer_new (guint n_tokens, GError **error)
{
  if (n_tokens >= BN_BACKUP_MIN_TOKENS && n_tokens <= BN_MAX_TOKENS)
    return bitnet_tokenizer_new_take (bn_backup_new (n_tokens));
  bn_check_fail (error, "the backup tokenizer has %u tokens, expected %d to %u",
      n_tokens, BN_BACKUP_MIN_TOKENS, BN_MAX_TOKENS);
  return NULL;
}
