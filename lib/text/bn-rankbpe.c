/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BPE by ranks, as tiktoken does it.
 *
 * Nothing is built but an index of the tokens by their bytes: whether two
 * neighbours merge is looked up when it is asked. So a vocabulary is ready in
 * the time that it takes to read it, and words that come back are found in the
 * cache. */
#include "bn-rankbpe.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-merge.h"

enum {
  /* Bytes of all special tokens; the automata that find them in text take a
   * hundred times as much. Ours: models have some kilobytes. */
  MAX_SPECIAL_SIZE = 4 << 20,
};

struct BnRankBpe {
  const BnVocab *vocab;
  const BnPretokSet *pretok;
  BnVocabSlot *slots; /* of the tokens by their bytes */
  uint32_t slot_mask;
  size_t max_length;
  uint32_t byte_tokens[256];
};

/* The slot of a token: its own or the free one where it belongs. */
static inline BnVocabSlot *
find_slot (const BnRankBpe *self, const uint8_t *bytes, size_t length)
{
  uint64_t hash = bn_hash (bytes, length, self->vocab->seed);
  uint32_t tag = (uint32_t) (hash >> 32);

  for (uint32_t i = (uint32_t) hash & self->slot_mask;;
       i = (i + 1) & self->slot_mask) {
    BnVocabSlot *slot = &self->slots[i];
    const uint8_t *piece;
    size_t piece_length;

    if (slot->id == BN_TOKEN_NONE)
      return slot;
    if (slot->tag != tag)
      continue;
    piece = bn_vocab_piece (self->vocab, slot->id, &piece_length);
    if (piece_length == length && memcmp (piece, bytes, length) == 0)
      return slot;
  }
}

static inline uint32_t
lookup (const BnRankBpe *self, const uint8_t *bytes, size_t length)
{
  return length > self->max_length ? BN_TOKEN_NONE
                                   : find_slot (self, bytes, length)->id;
}

BnRankBpe *
bn_rankbpe_new (const BnVocab *vocab, const BnPretokSet *pretok)
{
  BnRankBpe *self = g_new0 (BnRankBpe, 1);
  size_t n_slots = 16;

  while (n_slots < (size_t) vocab->n_tokens * 2)
    n_slots *= 2;
  self->vocab = vocab;
  self->pretok = pretok;
  self->slots = g_malloc_n (n_slots, sizeof *self->slots);
  memset (self->slots, 0xFF, n_slots * sizeof *self->slots);
  self->slot_mask = (uint32_t) (n_slots - 1);
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    size_t length;
    const uint8_t *piece = bn_vocab_piece (vocab, id, &length);
    BnVocabSlot *slot;

    if (vocab->attributes[id] != BN_TOKEN_NORMAL)
      continue;
    slot = find_slot (self, piece, length);
    if (slot->id != BN_TOKEN_NONE)
      continue;
    slot->tag = (uint32_t) (bn_hash (piece, length, vocab->seed) >> 32);
    slot->id = id;
    self->max_length = MAX (self->max_length, length);
  }
  for (unsigned i = 0; i < 256; i++) {
    uint8_t byte = (uint8_t) i;

    self->byte_tokens[i] = lookup (self, &byte, 1);
  }
  return self;
}

void
bn_rankbpe_free (BnRankBpe *self)
{
  g_free (self->slots);
  g_free (self);
}

static inline uint32_t
pair_rank (const void *model, uint32_t left, uint32_t right,
    const uint8_t *text, size_t length, uint32_t *merged)
{
  *merged = lookup (model, text, length);
  return *merged;
}

static gboolean
merge_word (const BnRankBpe *self, BnScratch *scratch, const uint8_t *word,
    size_t length, BnIds *out)
{
  size_t n;

  G_STATIC_ASSERT (BN_TOKEN_NONE == BN_NO_RANK);
  if (!bn_scratch_reserve_symbols (scratch, length))
    return FALSE;
  for (size_t i = 0; i < length; i++) {
    scratch->symbols[i].id = self->byte_tokens[word[i]];
    scratch->symbols[i].start = (uint32_t) i;
  }
  n = bn_merge (self, pair_rank, scratch, length, word, length);
  for (size_t i = 0; i < n; i++) {
    if (scratch->symbols[i].id != BN_TOKEN_NONE)
      bn_ids_push (out, scratch->symbols[i].id);
  }
  return TRUE;
}

/* Appends the ids of a word; memory up to end may be read. */
static inline gboolean
encode_word (const BnRankBpe *self, BnScratch *scratch, const uint8_t *word,
    size_t length, const uint8_t *end, BnIds *out)
{
  BnCachePlace place;
  size_t first = out->n_ids;
  uint32_t id;

  if (!bn_ids_reserve (out, MAX (length, BN_CACHE_INLINE_IDS)))
    return FALSE;
  if (bn_cache_lookup (&scratch->cache, word, length, end, &place, out))
    return TRUE;
  id = lookup (self, word, length);
  if (id != BN_TOKEN_NONE)
    bn_ids_push (out, id);
  else if (!merge_word (self, scratch, word, length, out))
    return FALSE;
  bn_cache_insert (&scratch->cache, &place, word, length, out->data + first,
      out->n_ids - first);
  return TRUE;
}

static gboolean
encode (const BnRankBpe *self, BnScratch *scratch, const uint8_t *text,
    size_t length, BnIds *out)
{
  BnPretokIter iter;
  const uint8_t *start, *end = text + length;
  uint32_t ends[BN_PRETOK_BATCH];
  unsigned n_words;

  bn_pretok_iter_init (&iter, self->pretok, text, length);
  while ((n_words = bn_pretok_iter_take (&iter, &start, ends)) > 0) {
    for (unsigned i = 0; i < n_words; i++) {
      uint32_t first = i > 0 ? ends[i - 1] : 0;

      if (!encode_word (
              self, scratch, start + first, ends[i] - first, end, out))
        return FALSE;
    }
  }
  return TRUE;
}

static gboolean
model_encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  return encode (data, scratch, text, length, out);
}

static void
model_free (void *data)
{
  bn_rankbpe_free (data);
}

BnEncoder *
bn_encoder_new_rank_bpe (BnVocab *vocab, BnRankBpe *bpe)
{
  static const BnModelClass model = {"bpe", model_encode, model_free};

  return bn_encoder_new (vocab, &model, bpe);
}

/* Vocabularies of ranks. */

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
