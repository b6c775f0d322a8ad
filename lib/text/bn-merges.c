/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filling the table of merges.
 *
 * A file names the tokens of a merge by their texts; finding three ids and a
 * place for each of 280,000 merges is most of the time that a vocabulary takes
 * to load, and nearly all of it is waiting for memory. So merges are taken in
 * batches: one step is done for all of them, and what the next step reads is
 * on its way meanwhile. The third text is not looked up at all where the
 * merge, as usual, makes the same token as the one before or the next. */
#define _GNU_SOURCE /* MADV_HUGEPAGE */

#include "bn-merges.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bn-bits.h"

enum {
  BATCH = 32,
  MIN_BITS = 8,
  HUGE_PAGE_SIZE = 2 << 20,
};

/* A merge while its batch is worked on. */
typedef struct {
  BnVocabQuery left, right;
  uint32_t left_id, right_id;
  gboolean is_pair; /* has two parts that may be tokens */
} Parts;

/* The parts of the table that are no arrays. */
typedef struct {
  uint64_t hash; /* of a pair: another function would find nothing */
  uint64_t n_pairs;
  uint32_t n_merges;
} Info;

/* Memory for the slots, in huge pages where it has such a size: they are filled
 * and read in no order at all. */
static void *
allocate_slots (size_t size)
{
#ifdef MADV_HUGEPAGE
  void *memory;

  if (size >= HUGE_PAGE_SIZE
      && posix_memalign (&memory, HUGE_PAGE_SIZE, size) == 0) {
    madvise (memory, size, MADV_HUGEPAGE);
    return memory;
  }
#endif
  return g_malloc (size);
}

void
bn_merges_init (BnMerges *self, const BnVocab *vocab, size_t n_merges)
{
  unsigned bits = MIN_BITS;
  size_t size;

  while (((size_t) 1 << bits) * 5 < n_merges * 8)
    bits++;
  size = ((size_t) 1 << bits) * sizeof *self->slots;
  *self = (BnMerges){.vocab = vocab, .max_pairs = n_merges};
  self->shift = 64 - bits;
  self->last_merged = BN_TOKEN_NONE;
  self->slots = allocate_slots (size);
  memset (self->slots, 0xFF, size);
}

void
bn_merges_clear (BnMerges *self)
{
  if (!self->is_compiled)
    g_free (self->slots);
  self->slots = NULL;
}

static void
split (const BnMerges *self, const BnMerge *merge, Parts *parts)
{
  const char *text = merge->text, *space = NULL;
  size_t length = merge->length, left_length;

  /* The left part has at least one byte, and that may be a space. */
  if (length >= 3 && length - 1 <= self->vocab->max_text_length)
    space = memchr (text + 1, ' ', length - 1);
  parts->is_pair = space != NULL && space < text + length - 1;
  if (!parts->is_pair)
    return;
  left_length = (size_t) (space - text);
  bn_vocab_query_begin (self->vocab, &parts->left, text, left_length);
  bn_vocab_query_begin (
      self->vocab, &parts->right, space + 1, length - left_length - 1);
}

static gboolean
is_text_of (const BnVocab *vocab, uint32_t id, const Parts *parts)
{
  size_t length, left_length = parts->left.length;
  const uint8_t *text;

  if (id >= vocab->n_tokens)
    return FALSE;
  text = bn_vocab_text (vocab, id, &length);
  return length == left_length + parts->right.length
         && bn_equal (text, parts->left.text, left_length)
         && bn_equal (
             text + left_length, parts->right.text, parts->right.length);
}

static uint32_t
find_merged (BnMerges *self, const Parts *parts)
{
  const BnVocab *vocab = self->vocab;
  uint32_t id = self->last_merged;
  uint8_t *text;
  size_t length;

  if (vocab->n_duplicates == 0) { /* else a lower id may have the text, too */
    if (is_text_of (vocab, id, parts))
      return id;
    if (is_text_of (vocab, id + 1, parts))
      return id + 1;
  }
  length = parts->left.length + parts->right.length;
  text = g_malloc (length);
  memcpy (text, parts->left.text, parts->left.length);
  memcpy (text + parts->left.length, parts->right.text, parts->right.length);
  id = bn_vocab_lookup (vocab, text, length);
  g_free (text);
  return id;
}

static void
add_batch (BnMerges *self, BnMerge *merges, size_t n)
{
  const BnVocab *vocab = self->vocab;
  Parts all[BATCH];

  for (size_t i = 0; i < n; i++)
    split (self, &merges[i], &all[i]);
  for (size_t i = 0; i < n; i++) {
    if (all[i].is_pair) {
      bn_vocab_query_find (vocab, &all[i].left);
      bn_vocab_query_find (vocab, &all[i].right);
    }
  }
  for (size_t i = 0; i < n; i++) {
    if (all[i].is_pair) {
      bn_vocab_query_read (vocab, &all[i].left);
      bn_vocab_query_read (vocab, &all[i].right);
    }
  }
  for (size_t i = 0; i < n; i++) {
    Parts *parts = &all[i];

    merges[i].merged = BN_TOKEN_NONE;
    if (!parts->is_pair)
      continue;
    parts->left_id = bn_vocab_query_end (vocab, &parts->left);
    parts->right_id = bn_vocab_query_end (vocab, &parts->right);
    if (parts->left_id == BN_TOKEN_NONE || parts->right_id == BN_TOKEN_NONE)
      continue;
    bn_prefetch (&self->slots[bn_merges_home (
        self, (uint64_t) parts->left_id << 32 | parts->right_id)]);
    merges[i].merged = find_merged (self, parts);
    if (merges[i].merged != BN_TOKEN_NONE)
      self->last_merged = merges[i].merged;
  }
  for (size_t i = 0; i < n; i++) {
    uint32_t rank = self->n_merges++;
    BnMergeSlot *slot;

    if (merges[i].merged == BN_TOKEN_NONE)
      continue;
    slot = bn_merges_find (self, all[i].left_id, all[i].right_id);
    if (slot->rank != BN_NO_RANK || self->n_pairs == self->max_pairs) {
      merges[i].merged = BN_TOKEN_NONE;
      continue;
    }
    *slot = (BnMergeSlot){(uint64_t) all[i].left_id << 32 | all[i].right_id,
        rank, merges[i].merged};
    self->n_pairs++;
  }
}

void
bn_merges_add (BnMerges *self, BnMerge *merges, size_t n)
{
  for (size_t i = 0; i < n; i += BATCH)
    add_batch (self, merges + i, MIN (n - i, BATCH));
}

gboolean
bn_merges_add_pair (
    BnMerges *self, uint32_t left, uint32_t right, uint32_t merged)
{
  BnMergeSlot *slot = bn_merges_find (self, left, right);
  gboolean is_new = slot->rank == BN_NO_RANK;

  if (is_new && self->n_pairs == self->max_pairs)
    return FALSE;
  *slot =
      (BnMergeSlot){(uint64_t) left << 32 | right, self->n_merges++, merged};
  self->n_pairs += is_new;
  return TRUE;
}

void
bn_merges_foreach (const BnMerges *self,
    void (*visit) (
        uint32_t left, uint32_t right, uint32_t merged, void *user_data),
    void *user_data)
{
  size_t n_slots = (size_t) 1 << (64 - self->shift);
  g_autofree const BnMergeSlot **by_rank =
      g_new0 (const BnMergeSlot *, (size_t) self->n_merges + 1);

  for (size_t i = 0; i < n_slots; i++) {
    uint32_t rank = bn_merges_get_rank (self, &self->slots[i]);

    if (rank < self->n_merges)
      by_rank[rank] = &self->slots[i];
  }
  for (uint32_t rank = 0; rank < self->n_merges; rank++) {
    const BnMergeSlot *slot = by_rank[rank];

    if (slot)
      visit ((uint32_t) (slot->key >> 32), (uint32_t) slot->key, slot->merged,
          user_data);
  }
}

/* Compiled tables. */

void
bn_merges_compile (const BnMerges *self, BnCompiledWriter *writer)
{
  const Info info = {.hash = bn_merges_home (self, 1),
      .n_pairs = self->n_pairs,
      .n_merges = self->n_merges};

  bn_compiled_writer_add_copy (
      writer, BN_SECTION_MERGES, &info, sizeof info, 1);
  bn_compiled_writer_add (writer, BN_SECTION_MERGE_SLOTS, self->slots,
      sizeof *self->slots, (size_t) 1 << (64 - self->shift));
}

/* Whether a search comes to an end. Tokens and ranks are compared where they
 * are used: most of this table, which is the largest of all, is never read. */
static gboolean
has_free_slot (const BnMergeSlot *slots, size_t n_slots)
{
  size_t i = 0;

  while (i < n_slots && slots[i].rank != BN_NO_RANK)
    i++;
  return i < n_slots;
}

gboolean
bn_merges_init_compiled (BnMerges *self, const BnVocab *vocab)
{
  const BnMergeSlot *slots;
  const Info *info;
  size_t n_slots;

  if (vocab->compiled == NULL)
    return FALSE;
  info =
      bn_compiled_get_n (vocab->compiled, BN_SECTION_MERGES, sizeof *info, 1);
  slots = bn_compiled_get (
      vocab->compiled, BN_SECTION_MERGE_SLOTS, sizeof *slots, &n_slots);
  if (info == NULL || slots == NULL || n_slots < (1 << MIN_BITS)
      || (n_slots & (n_slots - 1)) != 0 || info->n_merges > BN_MAX_MERGES
      || !has_free_slot (slots, n_slots))
    return FALSE;
  *self = (BnMerges){.vocab = vocab,
      .slots = (BnMergeSlot *) slots,
      .is_compiled = TRUE,
      .n_merges = info->n_merges};
  self->shift = 64 - bn_highest_bit (n_slots);
  self->n_pairs = self->max_pairs = (size_t) info->n_pairs;
  return info->hash == bn_merges_home (self, 1);
}
