/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a tokenizer of ranks: the vocabulary has the tokens of the ranks,
 * spelled in the characters of the GPT-2 table, and the added ones. */
#include "bn-ranks.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-rankbpe.h"

enum {
  /* Bytes of all special tokens; the automata that find them in text take a
   * hundred times as much. Ours: models have some kilobytes. */
  MAX_SPECIAL_SIZE = 4 << 20,
};

void
bn_ranks_clear (BnRanks *self)
{
  g_clear_pointer (&self->bytes, g_free);
  g_clear_pointer (&self->starts, g_free);
  g_clear_pointer (&self->lengths, g_free);
  self->n_ranks = 0;
}

int
bn_ranks_find_missing_byte (const BnRanks *self)
{
  gboolean found[256] = {FALSE};

  for (uint32_t rank = 0; rank < self->n_ranks; rank++) {
    if (self->lengths[rank] == 1)
      found[self->bytes[self->starts[rank]]] = TRUE;
  }
  for (int byte = 0; byte < 256; byte++) {
    if (!found[byte])
      return byte;
  }
  return -1;
}

static gboolean fail (const char *path, GError **error, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

static gboolean
fail (const char *path, GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (
      error, BITNET_ERROR, BITNET_ERROR_TOKENIZER, "%s: %s", path, message);
  return FALSE;
}

/* Spells bytes in the characters of the GPT-2 table. */
static size_t
spell (const uint8_t *bytes, size_t length, char *out)
{
  size_t n = 0;

  for (size_t i = 0; i < length; i++)
    n += (size_t) g_unichar_to_utf8 (bn_byte_level_encode (bytes[i]), out + n);
  return n;
}

/* Token ids up to and without it; *by_id tells which added token has an id,
 * as an index and one. */
static gboolean
arrange (const BnRanks *self, const BnRanksOptions *options, const char *path,
    uint32_t *n_tokens, uint32_t **by_id, GError **error)
{
  uint32_t n_ids = options->first_id + self->n_ranks;
  size_t size = 0;

  for (size_t i = 0; i < options->n_added; i++) {
    const BnAddedToken *token = &options->added[i];

    if (token->id >= BN_MAX_TOKENS)
      return fail (path, error,
          "added token \"%s\" has id %u, expected one below %u", token->text,
          token->id, BN_MAX_TOKENS);
    n_ids = MAX (n_ids, token->id + 1);
    size += token->length;
  }
  if (size > MAX_SPECIAL_SIZE)
    return fail (path, error,
        "added tokens have %" G_GSIZE_FORMAT " bytes, expected at most %d",
        size, MAX_SPECIAL_SIZE);
  *by_id = g_new0 (uint32_t, n_ids);
  *n_tokens = n_ids;
  for (size_t i = 0; i < options->n_added; i++) {
    const BnAddedToken *token = &options->added[i];
    uint32_t other = (*by_id)[token->id];

    if (other > 0)
      return fail (path, error,
          "added tokens \"%s\" and \"%s\" both have id %u",
          options->added[other - 1].text, token->text, token->id);
    if (token->id >= options->first_id
        && token->id - options->first_id < self->n_ranks
        && self->lengths[token->id - options->first_id] > 0)
      return fail (path, error,
          "added token \"%s\" has id %u, which is that of an ordinary token",
          token->text, token->id);
    (*by_id)[token->id] = (uint32_t) i + 1;
  }
  return TRUE;
}

static BnVocab *
make_vocab (const BnRanks *self, const BnRanksOptions *options,
    uint32_t n_tokens, const uint32_t *by_id)
{
  BnVocab *vocab;
  size_t size = 0, longest = 0;
  g_autofree char *text = NULL;

  for (uint32_t rank = 0; rank < self->n_ranks; rank++) {
    size += (size_t) self->lengths[rank] * 2;
    longest = MAX (longest, self->lengths[rank]);
  }
  for (size_t i = 0; i < options->n_added; i++)
    size += options->added[i].length;
  text = g_malloc (longest * 2 + 1);
  vocab = bn_vocab_new (n_tokens, size, BN_SPELLING_BYTE_LEVEL);
  for (uint32_t id = 0; id < n_tokens; id++) {
    uint32_t rank = id - options->first_id;

    if (by_id[id] > 0) {
      const BnAddedToken *token = &options->added[by_id[id] - 1];

      bn_vocab_add (vocab, token->text, token->length,
          token->flags & BN_ADDED_SPECIAL ? BN_TOKEN_CONTROL
                                          : BN_TOKEN_USER_DEFINED,
          0);
    } else if (id >= options->first_id && rank < self->n_ranks
               && self->lengths[rank] > 0) {
      size_t length =
          spell (self->bytes + self->starts[rank], self->lengths[rank], text);

      bn_vocab_add (vocab, text, length, BN_TOKEN_NORMAL, 0);
    } else {
      bn_vocab_add (vocab, "", 0, BN_TOKEN_UNUSED, 0);
    }
  }
  return vocab;
}

/* Sealing makes control tokens of ordinary ones whose texts are known; here
 * the ranks are what they are. */
static void
seal_vocab (BnVocab *vocab)
{
  g_autofree uint16_t *attributes =
      g_memdup2 (vocab->attributes, vocab->n_tokens * sizeof *attributes);

  bn_vocab_seal (vocab);
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    if (attributes[id] == BN_TOKEN_CONTROL)
      attributes[id] |= vocab->attributes[id] & BN_TOKEN_EOG;
    vocab->attributes[id] = attributes[id];
  }
}

static gboolean
check_duplicates (const BnVocab *vocab, const char *path, GError **error)
{
  for (uint32_t id = 0; vocab->n_duplicates > 0 && id < vocab->n_tokens; id++) {
    size_t length;
    const uint8_t *text = bn_vocab_text (vocab, id, &length);
    uint32_t first = bn_vocab_lookup (vocab, text, length);

    /* A special token may look like an ordinary one. */
    if (first != id && vocab->attributes[id] == BN_TOKEN_NORMAL
        && vocab->attributes[first] == BN_TOKEN_NORMAL) {
      g_autofree char *valid =
          g_utf8_make_valid ((const char *) text, (gssize) length);
      g_autofree char *shown = g_strescape (valid, NULL);

      return fail (path, error, "tokens %u and %u have the same text \"%s\"",
          first, id, shown);
    }
  }
  return TRUE;
}

/* Of an added token; text may be NULL. */
static void
set_role (BnVocab *vocab, const BnRanksOptions *options, BnRole role,
    const char *text)
{
  for (size_t i = 0; text && i < options->n_added; i++) {
    const BnAddedToken *token = &options->added[i];

    if (strcmp (token->text, text) != 0)
      continue;
    vocab->roles[role] = token->id;
    if (role == BN_ROLE_EOS)
      vocab->attributes[token->id] |= BN_TOKEN_EOG;
  }
}

BnTokenizer *
bn_ranks_build (const BnRanks *self, const BnRanksOptions *options,
    const char *path, BnFidelity fidelity, GError **error)
{
  g_autoptr (BnTokenizer) tokenizer = g_new0 (BnTokenizer, 1);
  g_autoptr (BnVocab) vocab = NULL;
  g_autofree uint32_t *by_id = NULL;
  uint32_t n_tokens = 0;
  BnRankBpe *bpe;

  if (!arrange (self, options, path, &n_tokens, &by_id, error))
    return NULL;
  vocab = make_vocab (self, options, n_tokens, by_id);
  seal_vocab (vocab);
  if (!check_duplicates (vocab, path, error))
    return NULL;
  set_role (vocab, options, BN_ROLE_BOS, options->bos);
  set_role (vocab, options, BN_ROLE_EOS, options->eos);

  bpe = bn_rankbpe_new (vocab, options->set);
  tokenizer->vocab = vocab;
  tokenizer->encoder = bn_encoder_new_rank_bpe (g_steal_pointer (&vocab), bpe);
  tokenizer->fidelity = fidelity;
  tokenizer->set = options->set;
  tokenizer->pre = g_strdup (options->pre);
  tokenizer->identity =
      g_strdup_printf ("ranks from %u, cut by %s%s%s", options->first_id,
          options->set->name, options->normalizes ? ", normalized" : "",
          fidelity == BN_FIDELITY_LLAMA_CPP ? ", longest first" : "");
  tokenizer->add_bos =
      options->add_bos && tokenizer->vocab->roles[BN_ROLE_BOS] != BN_TOKEN_NONE;
  if (options->normalizes)
    bn_encoder_set_nfc (tokenizer->encoder);
  /* llama.cpp looks for the longest special tokens first, wherever they are;
   * the others from left to right. */
  if (fidelity != BN_FIDELITY_LLAMA_CPP && options->n_added > 0)
    bn_encoder_set_added (tokenizer->encoder,
        bn_added_new (options->added, options->n_added), NULL);
  return g_steal_pointer (&tokenizer);
}
