/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the models of SentencePiece.
 *
 *   text -> normalized, a space for U+2581 -> between symbols of the user: BPE
 *                                          -> or all of it: Unigram
 *
 * BPE differs in four things from what bn-spm.c does for llama.cpp: symbols of
 * the user are found first and join with nothing; control, unknown and byte
 * tokens never come of joining; without byte fallback a run of unknown
 * characters is one unknown token; unused pieces come of joining, but fall
 * apart again in the end. The last is rare and has a slow way of its own. */
#include "bn-spmodel.h"

#include "bitnet-error.h"
#include "bn-spbpe.h"
#include "bn-spm.h"
#include "bn-trie.h"
#include "bn-unicode.h"
#include "bn-unigram.h"

static const uint8_t metaspace[] = {0xE2, 0x96, 0x81};

enum { METASPACE_SIZE = sizeof metaspace };

typedef struct {
  BnSpModelOptions options;
  const BnVocab *vocab;
  BnSpNormalizer *normalizer;
  BnTrie *symbols; /* of the user, in normalized text; BPE, or NULL */
  BnSpm *spm;
  BnSpBpe *slow; /* instead of spm */
  BnUnigram *unigram;
  uint32_t unknown;
  gboolean is_direct; /* spm normalizes by itself */
} SpModel;

static void
sp_model_free (void *data)
{
  SpModel *self = data;

  g_clear_pointer (&self->normalizer, bn_spnormalizer_free);
  g_clear_pointer (&self->symbols, bn_trie_free);
  g_clear_pointer (&self->spm, bn_spm_free);
  g_clear_pointer (&self->slow, bn_spbpe_free);
  g_clear_pointer (&self->unigram, bn_unigram_free);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SpModel, sp_model_free)

/* Makes one of consecutive unknown tokens. */
static void
fuse_unknown (const SpModel *self, BnIds *ids, size_t first)
{
  size_t n = first;

  for (size_t i = first; i < ids->n_ids; i++) {
    if (ids->data[i] != self->unknown || n == first
        || ids->data[n - 1] != self->unknown)
      ids->data[n++] = ids->data[i];
  }
  ids->n_ids = n;
}

static gboolean
encode_between (const SpModel *self, BnScratch *scratch, const uint8_t *text,
    size_t length, BnIds *out)
{
  if (length == 0)
    return TRUE;
  if (self->slow)
    return bn_spbpe_encode (self->slow, scratch, text, length, out);
  return bn_spm_encode (self->spm, scratch, text, length, FALSE, out);
}

/* BPE of a normalized text. */
static gboolean
encode_bpe (const SpModel *self, BnScratch *scratch, const uint8_t *text,
    size_t length, BnIds *out)
{
  size_t start = 0;

  for (size_t i = 0; self->symbols && i < length;) {
    uint32_t id;
    size_t found =
        bn_trie_find_longest (self->symbols, text + i, length - i, &id);

    if (found == 0) {
      i += bn_utf8_announced_length (text[i]);
      continue;
    }
    if (!encode_between (self, scratch, text + start, i - start, out)
        || !bn_ids_reserve (out, 1))
      return FALSE;
    bn_ids_push (out, id);
    i += found;
    start = i;
  }
  return encode_between (self, scratch, text + start, length - start, out);
}

static gboolean
sp_model_encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  const SpModel *self = data;
  const BnBuffer *normalized = &scratch->normalized;
  const size_t first = out->n_ids;
  gboolean add_prefix =
      (fragment
          & (self->options.prefix_once ? BN_FRAGMENT_START : BN_FRAGMENT_EDGE))
      != 0;
  gboolean is_done;

  if (self->is_direct)
    is_done = bn_spm_encode (self->spm, scratch, text, length,
        add_prefix && self->options.normalizer.add_prefix, out);
  else if (!bn_spnormalizer_apply (self->normalizer, text, length, add_prefix,
               &scratch->normalized))
    is_done = FALSE;
  else if (self->unigram)
    is_done = bn_unigram_encode (
        self->unigram, scratch, normalized->data, normalized->length, out);
  else
    is_done =
        encode_bpe (self, scratch, normalized->data, normalized->length, out);
  if (is_done && !self->unigram && !self->options.byte_fallback)
    fuse_unknown (self, out, first);
  return is_done;
}

/* The symbols of the user: as they are in a text, or with a space for U+2581
 * as they are in normalized text, where those with a space cannot be. */
static gboolean
collect_symbols (
    const SpModel *self, gboolean is_normalized, BnTrie **trie, GError **error)
{
  const BnVocab *vocab = self->vocab;
  gboolean is_packed = is_normalized && self->options.normalizer.escape;
  g_autoptr (GArray) keys = g_array_new (FALSE, FALSE, sizeof (BnTrieKey));
  g_autofree uint8_t *texts = NULL;
  size_t used = 0;

  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    size_t length;
    const uint8_t *text = bn_vocab_text (vocab, id, &length);
    BnTrieKey key = {NULL, 0, id};

    if (!(vocab->attributes[id] & BN_TOKEN_INNER)
        || (is_packed && memchr (text, ' ', length)))
      continue;
    if (texts == NULL)
      texts = g_malloc ((size_t) vocab->texts.offsets[vocab->n_tokens] + 1);
    key.text = texts + used;
    for (size_t i = 0; i < length;) {
      if (is_packed && length - i >= METASPACE_SIZE
          && memcmp (text + i, metaspace, METASPACE_SIZE) == 0) {
        texts[used++] = ' ';
        i += METASPACE_SIZE;
      } else {
        texts[used++] = text[i++];
      }
    }
    key.length = (uint32_t) (texts + used - key.text);
    g_array_append_val (keys, key);
  }
  if (keys->len == 0)
    return TRUE;
  *trie = bn_trie_new ((BnTrieKey *) (void *) keys->data, keys->len);
  if (*trie == NULL)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "no memory for %u symbols of %" G_GSIZE_FORMAT " bytes", keys->len,
        used);
  return *trie != NULL;
}

static gboolean
has_unused (const BnVocab *vocab)
{
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    if (vocab->attributes[id] & BN_TOKEN_UNUSED)
      return TRUE;
  }
  return FALSE;
}

static gboolean
build_model (SpModel *self, GError **error)
{
  const BnSpModelOptions *options = &self->options;

  if (options->is_unigram) {
    const BnUnigramOptions unigram = {
        .rules = options->is_llama_cpp ? BN_UNIGRAM_LLAMA_CPP
                                       : BN_UNIGRAM_SENTENCEPIECE,
        .unknown = self->unknown,
        .byte_fallback = options->byte_fallback,
        .spaces_are_escaped = options->normalizer.escape,
    };

    self->unigram = bn_unigram_new (self->vocab, &unigram, error);
    return self->unigram != NULL;
  }
  if (!collect_symbols (self, TRUE, &self->symbols, error))
    return FALSE;
  if (!options->normalizer.escape || has_unused (self->vocab)) {
    self->slow = bn_spbpe_new (
        self->vocab, options->byte_fallback, options->normalizer.escape);
  } else {
    self->spm = bn_spm_new_restricted (self->vocab, BN_TOKEN_NORMAL);
    self->is_direct = bn_spnormalizer_is_plain (self->normalizer);
  }
  return TRUE;
}

BnEncoder *
bn_encoder_new_spmodel (BnVocab *vocab_, const BnSpModelOptions *options,
    BnCharsmap *charsmap_, GError **error)
{
  static const BnModelClass bpe = {"spm", sp_model_encode, sp_model_free};
  static const BnModelClass ugm = {"unigram", sp_model_encode, sp_model_free};
  g_autoptr (BnVocab) vocab = vocab_;
  g_autoptr (BnCharsmap) charsmap = charsmap_;
  g_autoptr (SpModel) self = g_new0 (SpModel, 1);
  BnTrie *symbols = NULL;

  self->options = *options;
  self->vocab = vocab;
  self->unknown = vocab->roles[BN_ROLE_UNK];
  if (!collect_symbols (self, FALSE, &symbols, error))
    return NULL;
  self->normalizer = bn_spnormalizer_new (
      &options->normalizer, g_steal_pointer (&charsmap), symbols);
  if (!build_model (self, error))
    return NULL;
  return bn_encoder_new (g_steal_pointer (&vocab),
      options->is_unigram ? &ugm : &bpe, g_steal_pointer (&self));
}

char *
bn_spmodel_identity (const BnSpModelOptions *options, const void *charsmap,
    size_t charsmap_size, const void *other, size_t other_size)
{
  const BnSpNormalizerOptions *normalizer = &options->normalizer;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *flags = g_strdup_printf (
      "%d%d%d%d%d%d%d%d%d %" G_GSIZE_FORMAT " ", options->is_unigram != 0,
      options->is_llama_cpp != 0, options->byte_fallback != 0,
      options->prefix_once != 0, normalizer->is_llama_cpp != 0,
      normalizer->add_prefix != 0, normalizer->remove_extra != 0,
      normalizer->escape != 0, normalizer->add_as_suffix != 0, charsmap_size);

  g_checksum_update (checksum, (const guchar *) flags, -1);
  if (charsmap_size > 0)
    g_checksum_update (checksum, charsmap, (gssize) charsmap_size);
  if (other_size > 0)
    g_checksum_update (checksum, other, (gssize) other_size);
  return g_strdup (g_checksum_get_string (checksum));
}
