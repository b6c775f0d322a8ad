/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ownership of what makes up a tokenizer, and what stands around texts. */
#include "bn-tokenizer.h"

void
bn_tokenizer_free (BnTokenizer *self)
{
  g_clear_pointer (&self->decoder, bn_decoder_free);
  g_clear_pointer (&self->decode_vocab, bn_vocab_free);
  g_clear_pointer (&self->encoder, bn_encoder_free);
  g_clear_pointer (&self->splitter, bn_splitter_free);
  bn_layout_clear (&self->single);
  bn_layout_clear (&self->pair);
  g_free (self->identity);
  g_free (self->pre);
  g_free (self->chat_template);
  g_free (self);
}

/* Where an earlier item has put the ids of a text. */
typedef struct {
  size_t start, n_ids;
  gboolean is_done;
} Place;

/* Appends the ids of a text, which the layout may ask for again. */
static gboolean
append_text (
    const BnTokenizer *self, const BnInput *input, Place *place, BnIds *out)
{
  if (!place->is_done) {
    place->start = out->n_ids;
    if (!bn_encoder_encode (self->encoder, input->text, input->stretches,
            input->n_stretches, out))
      return FALSE;
    place->n_ids = out->n_ids - place->start;
    place->is_done = TRUE;
    return TRUE;
  }
  if (!bn_ids_reserve (out, place->n_ids))
    return FALSE;
  for (size_t i = 0; i < place->n_ids; i++)
    bn_ids_push (out, out->data[place->start + i]);
  return TRUE;
}

static gboolean
append_layout (const BnTokenizer *self, const uint32_t *items, size_t n_items,
    const BnInput *a, const BnInput *b, gboolean add_special, BnIds *out)
{
  Place places[2] = {{.is_done = FALSE}, {.is_done = FALSE}};

  for (size_t i = 0; i < n_items; i++) {
    uint32_t item = items[i];

    if (item == BN_LAYOUT_A || item == BN_LAYOUT_B) {
      gboolean is_b = item == BN_LAYOUT_B;

      if (!append_text (self, is_b ? b : a, &places[is_b], out))
        return FALSE;
    } else if (add_special) {
      if (!bn_ids_reserve (out, 1))
        return FALSE;
      bn_ids_push (out, item);
    }
  }
  return TRUE;
}

/* Takes ids that are not to be used out of those from first on. */
static void
drop_unusable (const BnTokenizer *self, size_t first, BnIds *ids)
{
  const uint32_t n_usable = self->vocab->n_usable;
  size_t n = first;

  if (n_usable >= self->vocab->n_tokens)
    return;
  for (size_t i = first; i < ids->n_ids; i++) {
    if (ids->data[i] < n_usable)
      ids->data[n++] = ids->data[i];
  }
  ids->n_ids = n;
}

static gboolean
append_all (const BnTokenizer *self, const BnInput *a, const BnInput *b,
    gboolean add_special, BnIds *out)
{
  const BnLayout *layout = b ? &self->pair : &self->single;
  const uint32_t *roles = self->vocab->roles;
  uint32_t items[6];
  size_t n_items = 0;

  if (layout->n_items > 0)
    return append_layout (
        self, layout->items, layout->n_items, a, b, add_special, out);

  if (self->add_bos)
    items[n_items++] = roles[BN_ROLE_BOS];
  items[n_items++] = BN_LAYOUT_A;
  if (self->add_eos)
    items[n_items++] = roles[BN_ROLE_EOS];
  if (b) {
    if (self->add_sep && roles[BN_ROLE_SEP] != BN_TOKEN_NONE)
      items[n_items++] = roles[BN_ROLE_SEP];
    items[n_items++] = BN_LAYOUT_B;
    if (self->add_eos)
      items[n_items++] = roles[BN_ROLE_EOS];
  }
  return append_layout (self, items, n_items, a, b, add_special, out);
}

gboolean
bn_tokenizer_encode (const BnTokenizer *self, const BnInput *a,
    const BnInput *b, gboolean add_special, BnIds *out)
{
  size_t first = out->n_ids;

  if (!append_all (self, a, b, add_special, out))
    return FALSE;
  drop_unusable (self, first, out);
  return TRUE;
}
