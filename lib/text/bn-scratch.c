/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Growing and freeing of the buffers that encoding writes to. */
#include "bn-scratch.h"

#include "bn-regex.h"

enum {
  /* What a scratch may keep between texts. */
  KEPT_SYMBOLS = 1 << 14,
  KEPT_TEXT = 1 << 16,
  KEPT_SPANS = 1 << 12,
  KEPT_LATTICE = 1 << 18,
  FIRST_RESERVED = 64,
};

/* Grows the array at *data to hold wanted elements, by half at least. */
static gboolean
grow (void *data, size_t *n_reserved, size_t wanted, size_t element_size)
{
  void **array = data;
  size_t n = MAX (wanted, *n_reserved + *n_reserved / 2);
  size_t size;
  void *grown;

  n = MAX (n, (size_t) FIRST_RESERVED);
  if (!g_size_checked_mul (&size, n, element_size))
    return FALSE;
  grown = g_try_realloc (*array, size);
  if (grown == NULL)
    return FALSE;
  *array = grown;
  *n_reserved = n;
  return TRUE;
}

gboolean
bn_ids_reserve (BnIds *self, size_t n)
{
  if (n <= self->n_reserved - self->n_ids)
    return TRUE;
  return grow (
      &self->data, &self->n_reserved, self->n_ids + n, sizeof *self->data);
}

gboolean
bn_buffer_reserve (BnBuffer *self, size_t n)
{
  if (n <= self->n_reserved - self->length)
    return TRUE;
  if (n > SIZE_MAX - self->length)
    return FALSE;
  return grow (
      &self->data, &self->n_reserved, self->length + n, sizeof *self->data);
}

gboolean
bn_buffer_append (BnBuffer *self, const void *data, size_t n)
{
  if (!bn_buffer_reserve (self, n))
    return FALSE;
  if (n > 0)
    memcpy (self->data + self->length, data, n);
  self->length += n;
  return TRUE;
}

void
bn_buffer_clear (BnBuffer *self)
{
  g_free (self->data);
  *self = (BnBuffer){.length = 0};
}

void
bn_spans_push (BnSpans *self, BnSpan span)
{
  if (self->n_spans == self->n_reserved
      && !grow (&self->data, &self->n_reserved, self->n_spans + 1,
          sizeof *self->data))
    g_error ("no memory for %zu parts of a text", self->n_spans + 1);
  self->data[self->n_spans++] = span;
}

BnScratch *
bn_scratch_new (void)
{
  BnScratch *self = g_new0 (BnScratch, 1);

  bn_cache_init (&self->cache);
  self->pairs = g_new (BnPair, (size_t) 1 << BN_PAIRS_BITS);
  memset (self->pairs, 0xFF, sizeof *self->pairs << BN_PAIRS_BITS);
  return self;
}

void
bn_scratch_free (BnScratch *self)
{
  g_free (self->symbols);
  g_free (self->heap);
  g_free (self->text);
  g_free (self->parts.data);
  g_free (self->spans.data);
  g_free (self->more_spans.data);
  g_free (self->found.data);
  bn_cache_clear (&self->cache);
  g_free (self->pairs);
  bn_buffer_clear (&self->lattice);
  bn_buffer_clear (&self->packed);
  bn_buffer_clear (&self->unknown);
  bn_buffer_clear (&self->normalized);
  if (self->chain)
    self->free_chain (self->chain);
  bn_buffer_clear (&self->rewritten);
  g_clear_pointer (&self->matcher, bn_regex_matcher_free);
  g_free (self);
}

static void
trim_spans (BnSpans *spans)
{
  if (spans->n_reserved > KEPT_SPANS) {
    g_clear_pointer (&spans->data, g_free);
    spans->n_reserved = 0;
  }
  spans->n_spans = 0;
}

static void
trim_buffer (BnBuffer *buffer, size_t kept)
{
  if (buffer->n_reserved > kept)
    bn_buffer_clear (buffer);
}

void
bn_scratch_trim (BnScratch *self)
{
  if (self->n_symbols_reserved > KEPT_SYMBOLS) {
    g_clear_pointer (&self->symbols, g_free);
    self->n_symbols_reserved = 0;
    g_clear_pointer (&self->heap, g_free);
    self->n_heap_reserved = 0;
  }
  if (self->text_reserved > KEPT_TEXT) {
    g_clear_pointer (&self->text, g_free);
    self->text_reserved = 0;
  }
  trim_buffer (&self->lattice, KEPT_LATTICE);
  trim_buffer (&self->packed, KEPT_TEXT);
  trim_buffer (&self->unknown, KEPT_TEXT);
  trim_buffer (&self->normalized, KEPT_TEXT);
  trim_spans (&self->parts);
  trim_spans (&self->spans);
  trim_spans (&self->more_spans);
  trim_spans (&self->found);
}

gboolean
bn_scratch_reserve_symbols (BnScratch *self, size_t n)
{
  /* Every symbol has at most one merge waiting at first; every merge takes
   * one away and adds two at most. */
  if (n > self->n_symbols_reserved
      && !grow (
          &self->symbols, &self->n_symbols_reserved, n, sizeof *self->symbols))
    return FALSE;
  return 2 * n <= self->n_heap_reserved
         || grow (
             &self->heap, &self->n_heap_reserved, 2 * n, sizeof *self->heap);
}

gboolean
bn_scratch_reserve_text (BnScratch *self, size_t n)
{
  return n <= self->text_reserved
         || grow (&self->text, &self->text_reserved, n, sizeof *self->text);
}
