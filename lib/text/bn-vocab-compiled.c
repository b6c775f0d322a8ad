/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vocabularies as compiled tables. What is read was written by ourselves, but
 * whoever could forge the digest must not gain more than wrong tokens: every
 * offset and table size is checked here, once, and every id of a hash table
 * where it is used. */
#include "bn-vocab.h"

/* The parts that are no arrays. */
typedef struct {
  uint64_t seed;
  uint64_t hash; /* of the seed: another function would find nothing */
  uint32_t n_tokens;
  uint32_t spelling;
  uint32_t n_duplicates;
  uint32_t roles[BN_N_ROLES];
} Info;

static uint64_t
hash_of_seed (uint64_t seed)
{
  return bn_hash (&seed, sizeof seed, seed);
}

void
bn_vocab_compile (const BnVocab *self, BnCompiledWriter *writer)
{
  const size_t n = self->n_tokens;
  Info info = {.seed = self->seed,
      .hash = hash_of_seed (self->seed),
      .n_tokens = self->n_tokens,
      .spelling = (uint32_t) self->spelling,
      .n_duplicates = self->n_duplicates};

  for (int i = 0; i < BN_N_ROLES; i++)
    info.roles[i] = self->roles[i];
  bn_compiled_writer_add_copy (writer, BN_SECTION_VOCAB, &info, sizeof info, 1);
  bn_compiled_writer_add (writer, BN_SECTION_ATTRIBUTES, self->attributes,
      sizeof *self->attributes, n);
  bn_compiled_writer_add (
      writer, BN_SECTION_SCORES, self->scores, sizeof *self->scores, n);
  bn_compiled_writer_add (writer, BN_SECTION_TEXT_BYTES, self->texts.bytes, 1,
      self->texts.offsets[n]);
  bn_compiled_writer_add (writer, BN_SECTION_TEXT_OFFSETS, self->texts.offsets,
      sizeof *self->texts.offsets, n + 1);
  bn_compiled_writer_add (writer, BN_SECTION_PIECE_BYTES, self->pieces.bytes, 1,
      self->pieces.offsets[n]);
  bn_compiled_writer_add (writer, BN_SECTION_PIECE_OFFSETS,
      self->pieces.offsets, sizeof *self->pieces.offsets, n + 1);
  bn_compiled_writer_add (writer, BN_SECTION_SLOTS, self->slots,
      sizeof *self->slots, (size_t) self->slot_mask + 1);
}

/* Reads n strings; each has at least min_length bytes. Sets *max_length. */
static gboolean
read_strings (const BnCompiled *compiled, BnSectionId bytes_id,
    BnSectionId offsets_id, uint32_t n, uint32_t min_length, BnStrings *strings,
    uint32_t *max_length)
{
  size_t size;
  const uint8_t *bytes = bn_compiled_get (compiled, bytes_id, 1, &size);
  const uint32_t *offsets =
      bn_compiled_get_n (compiled, offsets_id, sizeof *offsets, (size_t) n + 1);
  uint32_t longest = 0;
  gboolean is_wrong = FALSE;

  if (bytes == NULL || offsets == NULL || offsets[0] != 0 || offsets[n] != size)
    return FALSE;
  /* No branch, for the sake of vector units. */
  for (uint32_t i = 0; i < n; i++) {
    uint32_t length = offsets[i + 1] - offsets[i];

    is_wrong |= offsets[i + 1] < offsets[i];
    is_wrong |= length < min_length;
    longest = MAX (longest, length);
  }
  strings->bytes = (uint8_t *) bytes;
  strings->offsets = (uint32_t *) offsets;
  *max_length = longest;
  return !is_wrong;
}

gboolean
bn_vocab_check_slots (const BnVocabSlot *slots, size_t n_slots)
{
  size_t i = 0;

  if (n_slots == 0 || (n_slots & (n_slots - 1)) != 0
      || n_slots - 1 > UINT32_MAX)
    return FALSE;
  /* Half of them are free as a rule. */
  while (i < n_slots && slots[i].id != BN_TOKEN_NONE)
    i++;
  return i < n_slots;
}

static gboolean
read_slots (BnVocab *self)
{
  size_t n_slots;
  const BnVocabSlot *slots = bn_compiled_get (
      self->compiled, BN_SECTION_SLOTS, sizeof *slots, &n_slots);

  if (slots == NULL || !bn_vocab_check_slots (slots, n_slots))
    return FALSE;
  self->slots = (BnVocabSlot *) slots;
  self->slot_mask = (uint32_t) (n_slots - 1);
  return TRUE;
}

static gboolean
read_info (BnVocab *self)
{
  const Info *info =
      bn_compiled_get_n (self->compiled, BN_SECTION_VOCAB, sizeof *info, 1);

  if (info == NULL || info->n_tokens == 0 || info->n_tokens > BN_MAX_TOKENS
      || info->spelling > BN_SPELLING_METASPACE
      || info->hash != hash_of_seed (info->seed))
    return FALSE;
  self->seed = info->seed;
  self->n_tokens = self->n_usable = self->n_reserved = info->n_tokens;
  self->spelling = (BnSpelling) info->spelling;
  self->n_duplicates = info->n_duplicates;
  for (int i = 0; i < BN_N_ROLES; i++) {
    if (info->roles[i] != BN_TOKEN_NONE && info->roles[i] >= info->n_tokens)
      return FALSE;
    self->roles[i] = info->roles[i];
  }
  return TRUE;
}

/* Special tokens become automata of many times their size. */
static gboolean
has_few_specials (const BnVocab *self)
{
  size_t size = 0;

  for (uint32_t id = 0; id < self->n_tokens; id++) {
    if (self->attributes[id] & BN_TOKEN_SPECIAL)
      size += self->texts.offsets[id + 1] - self->texts.offsets[id];
  }
  return size <= BN_VOCAB_MAX_SPECIAL_SIZE;
}

BnVocab *
bn_vocab_new_compiled (BnCompiled *compiled)
{
  g_autoptr (BnVocab) self = g_new0 (BnVocab, 1);
  uint32_t max_piece_length;

  self->compiled = compiled;
  if (!read_info (self))
    return NULL;
  self->attributes = (uint16_t *) bn_compiled_get_n (compiled,
      BN_SECTION_ATTRIBUTES, sizeof *self->attributes, self->n_tokens);
  self->scores = (float *) bn_compiled_get_n (
      compiled, BN_SECTION_SCORES, sizeof *self->scores, self->n_tokens);
  if (self->attributes == NULL || self->scores == NULL
      || !read_strings (compiled, BN_SECTION_TEXT_BYTES,
          BN_SECTION_TEXT_OFFSETS, self->n_tokens, 1, &self->texts,
          &self->max_text_length)
      || !read_strings (compiled, BN_SECTION_PIECE_BYTES,
          BN_SECTION_PIECE_OFFSETS, self->n_tokens, 0, &self->pieces,
          &max_piece_length)
      || !read_slots (self) || !has_few_specials (self))
    return NULL;
  return g_steal_pointer (&self);
}
