/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoding of many texts at a time.
 *
 * Threads claim texts one by one, so that long ones do not hold up the others;
 * every text gets an array of its own. When all are done, it is known where
 * each belongs in the result, and the threads copy them there, because the
 * first touch of that much memory takes as long as half of the encoding. */
#include "bitnet-tokenizer.h"

#include <string.h>

#include "bitnet-error.h"
#include "core/bn-threadpool.h"

enum { COPY_GRAIN = 64 };

/* What one text became. */
typedef struct {
  guint32 *tokens;
  gsize n_tokens;
  gsize start; /* in the result */
  GError *error;
} Item;

typedef struct {
  BitnetTokenizer *tokenizer;
  const char *const *texts;
  const gssize *lengths;
  gsize n_texts;
  BitnetEncodeFlags flags;
  GCancellable *cancellable;
  Item *items;
  guint32 *tokens; /* the result */
} Batch;

static void
batch_clear (Batch *self)
{
  for (gsize i = 0; i < self->n_texts && self->items; i++) {
    g_free (self->items[i].tokens);
    g_clear_error (&self->items[i].error);
  }
  g_clear_pointer (&self->items, g_free);
  g_clear_pointer (&self->tokens, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Batch, batch_clear)

static void
encode_items (size_t begin, size_t end, uint32_t worker, void *data)
{
  Batch *self = data;

  for (size_t i = begin; i < end; i++) {
    Item *item = &self->items[i];

    if (g_cancellable_is_cancelled (self->cancellable))
      return;
    item->tokens = bitnet_tokenizer_encode (self->tokenizer, self->texts[i],
        self->lengths ? self->lengths[i] : -1, self->flags, &item->n_tokens,
        &item->error);
  }
}

static void
copy_items (size_t begin, size_t end, uint32_t worker, void *data)
{
  Batch *self = data;

  for (size_t i = begin; i < end; i++) {
    Item *item = &self->items[i];

    if (item->n_tokens > 0)
      memcpy (self->tokens + item->start, item->tokens,
          item->n_tokens * sizeof *item->tokens);
    g_clear_pointer (&item->tokens, g_free);
  }
}

/* Where every item belongs; *n_total is the number of all tokens. */
static gboolean
lay_out (Batch *self, gsize *n_tokens, gsize *n_total, GError **error)
{
  gsize n = 0, size;

  if (g_cancellable_set_error_if_cancelled (self->cancellable, error))
    return FALSE;
  for (gsize i = 0; i < self->n_texts; i++) {
    Item *item = &self->items[i];

    if (item->error) {
      g_propagate_prefixed_error (error, g_steal_pointer (&item->error),
          "text %" G_GSIZE_FORMAT ": ", i);
      return FALSE;
    }
    item->start = n;
    n_tokens[i] = item->n_tokens;
    n += item->n_tokens;
  }
  /* Also for no tokens at all the result is a pointer. */
  self->tokens = g_size_checked_mul (&size, MAX (n, 1), sizeof *self->tokens)
                     ? g_try_malloc (size)
                     : NULL;
  if (self->tokens == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "no memory for %" G_GSIZE_FORMAT " tokens", n);
    return FALSE;
  }
  *n_total = n;
  return TRUE;
}

guint32 *
bitnet_tokenizer_encode_batch (BitnetTokenizer *self, const char *const *texts,
    const gssize *lengths, gsize n_texts, BitnetEncodeFlags flags,
    guint n_threads, gsize **n_tokens, gsize *n_total,
    GCancellable *cancellable, GError **error)
{
  g_auto (Batch) batch = {.tokenizer = self,
      .texts = texts,
      .lengths = lengths,
      .n_texts = n_texts,
      .flags = flags,
      .cancellable = cancellable};
  g_autofree gsize *counts = NULL;
  g_autoptr (BnThreadPool) pool = NULL;

  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (texts != NULL || n_texts == 0, NULL);
  g_return_val_if_fail (n_tokens != NULL && n_total != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  *n_tokens = NULL;
  *n_total = 0;
  batch.items = g_new0 (Item, n_texts);
  counts = g_new0 (gsize, n_texts + 1);
  if (n_threads == 0)
    n_threads = bn_thread_pool_default_n_threads ();
  pool = bn_thread_pool_new ((uint32_t) CLAMP (n_texts, 1, n_threads));

  bn_thread_pool_run (pool, n_texts, 1, encode_items, &batch);
  if (!lay_out (&batch, counts, n_total, error))
    return NULL;
  bn_thread_pool_run (pool, n_texts, COPY_GRAIN, copy_items, &batch);
  *n_tokens = g_steal_pointer (&counts);
  return g_steal_pointer (&batch.tokens);
}
