/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A trie of all pieces, and nothing else. Time is bounded by the length of the
 * text times that of the longest token. */
#include "bn-rwkv.h"

#include "bn-trie.h"

typedef struct {
  BnTrie *trie;
  uint32_t unknown;
} Rwkv;

static gboolean
rwkv_encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  const Rwkv *self = data;

  for (size_t i = 0; i < length;) {
    uint32_t id;
    size_t n = bn_trie_find_longest (self->trie, text + i, length - i, &id);

    if (n == 0) {
      id = self->unknown;
      n = 1;
    }
    i += n;
    if (id == BN_TOKEN_NONE)
      continue;
    if (out->n_ids == out->n_reserved && !bn_ids_reserve (out, 1))
      return FALSE;
    bn_ids_push (out, id);
  }
  return TRUE;
}

static void
rwkv_free (void *data)
{
  Rwkv *self = data;

  bn_trie_free (self->trie);
  g_free (self);
}

BnEncoder *
bn_encoder_new_rwkv (BnVocab *vocab_)
{
  static const BnModelClass model = {"rwkv", rwkv_encode, rwkv_free};
  g_autoptr (BnVocab) vocab = vocab_;
  g_autofree BnTrieKey *keys = g_new (BnTrieKey, (size_t) vocab->n_tokens + 1);
  BnTrie *trie;
  Rwkv *data;
  size_t n_keys = 0;

  /* Of equal pieces the last counts. */
  for (uint32_t i = vocab->n_tokens; i > 0; i--) {
    uint32_t id = i - 1;
    size_t length;
    const uint8_t *piece = bn_vocab_piece (vocab, id, &length);

    if (length > 0 && id <= BN_TRIE_MAX_VALUE
        && !(vocab->attributes[id]
             & (BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN | BN_TOKEN_ADDED)))
      keys[n_keys++] = (BnTrieKey){piece, (uint32_t) length, id};
  }
  trie = bn_trie_new (keys, n_keys);
  if (trie == NULL)
    return NULL;
  data = g_new (Rwkv, 1);
  *data = (Rwkv){trie, vocab->roles[BN_ROLE_UNK]};
  return bn_encoder_new (g_steal_pointer (&vocab), &model, data);
}
