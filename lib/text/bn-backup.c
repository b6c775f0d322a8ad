/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each byte of a text is a token. */
#include "bn-backup.h"

enum { MAX_NAME_SIZE = 6 }; /* "<0xXX>" */

static gboolean
encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  if (!bn_ids_reserve (out, length))
    return FALSE;
  for (size_t i = 0; i < length; i++)
    bn_ids_push (out, BN_BACKUP_BYTES + (uint32_t) text[i]);
  return TRUE;
}

static void
free_nothing (void *data)
{
}

static BnVocab *
make_vocab (uint32_t n_tokens)
{
  BnVocab *vocab = bn_vocab_new (
      n_tokens, BN_BACKUP_MIN_TOKENS * MAX_NAME_SIZE, BN_SPELLING_METASPACE);

  bn_vocab_add (vocab, "<unk>", 5, BN_TOKEN_UNKNOWN, 0);
  bn_vocab_add (vocab, "<s>", 3, BN_TOKEN_CONTROL, 0);
  bn_vocab_add (vocab, "</s>", 4, BN_TOKEN_CONTROL, 0);
  for (unsigned byte = 0; byte < 256; byte++) {
    char name[MAX_NAME_SIZE + 1];

    g_snprintf (name, sizeof name, "<0x%02X>", byte);
    bn_vocab_add (vocab, name, MAX_NAME_SIZE, BN_TOKEN_BYTE, 0);
  }
  while (vocab->n_tokens < n_tokens)
    bn_vocab_add (vocab, "", 0, BN_TOKEN_UNUSED, 0);
  vocab->roles[BN_ROLE_UNK] = BN_BACKUP_UNK;
  vocab->roles[BN_ROLE_BOS] = BN_BACKUP_BOS;
  vocab->roles[BN_ROLE_EOS] = BN_BACKUP_EOS;
  bn_vocab_seal (vocab);
  return vocab;
}

BnTokenizer *
bn_backup_new (uint32_t n_tokens)
{
  static const BnModelClass model = {"bytes", encode, free_nothing};
  BnTokenizer *self = g_new0 (BnTokenizer, 1);
  BnVocab *vocab = make_vocab (n_tokens);

  self->fidelity = BN_FIDELITY_HUGGINGFACE;
  self->vocab = vocab;
  self->encoder = bn_encoder_new (vocab, &model, NULL);
  self->pre = g_strdup ("default");
  self->identity = g_strdup ("backup");
  return self;
}
