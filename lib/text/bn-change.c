/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of new tokenizers. */
#include "bn-change.h"

#include <string.h>

/* The tokenizer is new: nobody reads its vocabulary yet. */
static BnVocab *
get_vocab (BnTokenizer *self)
{
  return (BnVocab *) self->vocab;
}

static void
remove_item (BnLayout *layout, size_t i)
{
  layout->n_items--;
  memmove (layout->items + i, layout->items + i + 1,
      (layout->n_items - i) * sizeof *layout->items);
}

static void
replace_token (BnLayout *layout, uint32_t old, uint32_t id)
{
  for (size_t i = layout->n_items; i-- > 0;) {
    if (layout->items[i] != old)
      continue;
    if (id == BN_TOKEN_NONE)
      remove_item (layout, i);
    else
      layout->items[i] = id;
  }
}

void
bn_tokenizer_add_eog (BnTokenizer *self, uint32_t id)
{
  bn_vocab_edit_attributes (get_vocab (self))[id] |= BN_TOKEN_EOG;
}

void
bn_tokenizer_set_role (BnTokenizer *self, BnRole role, uint32_t id)
{
  uint32_t old = self->vocab->roles[role];

  get_vocab (self)->roles[role] = id;
  if (old != BN_TOKEN_NONE
      && (role == BN_ROLE_BOS || role == BN_ROLE_EOS || role == BN_ROLE_SEP)) {
    replace_token (&self->single, old, id);
    replace_token (&self->pair, old, id);
  }
  if (id == BN_TOKEN_NONE) {
    self->add_bos = self->add_bos && role != BN_ROLE_BOS;
    self->add_eos = self->add_eos && role != BN_ROLE_EOS;
  } else if (role == BN_ROLE_EOS || role == BN_ROLE_EOT
             || role == BN_ROLE_EOM) {
    bn_tokenizer_add_eog (self, id);
  }
}

/* Puts a token at the front or the end of a layout, or takes it away. */
static void
change_layout (
    BnLayout *layout, gboolean at_end, uint32_t token, gboolean is_wanted)
{
  size_t n = layout->n_items;
  gboolean has = n > 1 && layout->items[at_end ? n - 1 : 0] == token;

  if (n == 0 || has == is_wanted)
    return;
  if (!is_wanted) {
    remove_item (layout, at_end ? n - 1 : 0);
    return;
  }
  layout->items = g_renew (uint32_t, layout->items, n + 1);
  if (!at_end)
    memmove (layout->items + 1, layout->items, n * sizeof *layout->items);
  layout->items[at_end ? n : 0] = token;
  layout->n_items++;
}

void
bn_tokenizer_set_edge (BnTokenizer *self, gboolean at_end, gboolean is_wanted)
{
  uint32_t token = self->vocab->roles[at_end ? BN_ROLE_EOS : BN_ROLE_BOS];

  if (token == BN_TOKEN_NONE)
    return;
  change_layout (&self->single, at_end, token, is_wanted);
  *(at_end ? &self->add_eos : &self->add_bos) = is_wanted;
}

void
bn_tokenizer_limit (BnTokenizer *self, uint32_t n)
{
  BnVocab *vocab = get_vocab (self);

  vocab->n_usable = MIN (vocab->n_usable, n);
  bn_encoder_limit (self->encoder, n);
}
