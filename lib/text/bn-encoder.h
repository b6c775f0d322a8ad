/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way from text to ids, whatever the algorithm:
 *
 *   text -> special tokens | text between -> algorithm -> ids
 *
 * An algorithm is a BnModel: a few functions over data of its own. The
 * encoder owns vocabulary, special tokens and model, never changes once it is
 * made, and keeps the scratches of threads that encode. */
#pragma once

#include "bn-added.h"
#include "bn-bpe.h"
#include "bn-pretok.h"
#include "bn-scratch.h"
#include "bn-special.h"
#include "bn-spm.h"
#include "bn-vocab.h"

/* Where a text between special tokens stands. */
typedef enum {
  BN_FRAGMENT_START = 1 << 0, /* at offset 0 of the whole text */
  BN_FRAGMENT_EDGE = 1 << 1,  /* there, or after a special token */
  /* Control tokens that are found in normalized text count. */
  BN_FRAGMENT_PARSE_SPECIAL = 1 << 2,
} BnFragment;

typedef struct {
  const char *name; /* of the algorithm, "bpe" */
  /* Appends the ids of a text between special tokens (or the ends); fragment
   * is BnFragment. FALSE if memory is short. */
  gboolean (*encode) (const void *data, BnScratch *scratch, const uint8_t *text,
      size_t length, unsigned fragment, BnIds *out);
  void (*free) (void *data);
} BnModelClass;

typedef struct BnEncoder BnEncoder;

/* A stretch of a text, or with a length of 0 a token. */
typedef struct {
  size_t length;
  uint32_t token;         /* BN_TOKEN_NONE for none */
  gboolean parse_special; /* control tokens written in it count */
} BnStretch;

/* Takes vocab (sealed) and data. */
BnEncoder *bn_encoder_new (
    BnVocab *vocab, const BnModelClass *model, void *data);
void bn_encoder_free (BnEncoder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnEncoder, bn_encoder_free)

/* Byte-level BPE over the words of pretok; SentencePiece with a space in
 * front of every text at an edge if add_space. Take vocab and bpe. */
BnEncoder *bn_encoder_new_bpe (
    BnVocab *vocab, BnBpe *bpe, const BnPretokSet *pretok);
BnEncoder *bn_encoder_new_spm (BnVocab *vocab, gboolean add_space);

/* From now on added tokens are found instead of the special ones of the
 * vocabulary: those of first, then in the text between those of second. Takes
 * both; each may be NULL. */
void bn_encoder_set_added (BnEncoder *self, BnAdded *first, BnAdded *second);

/* The same for those that the model finds in text that it has normalized; it
 * keeps them. */
void bn_encoder_note_added (BnEncoder *self, BnAdded *added);

/* From now on no special token from id n on is found in text. */
void bn_encoder_limit (BnEncoder *self, uint32_t n);

/* The model of bn_encoder_new_bpe(), for other encoders. Takes bpe. */
const BnModelClass *bn_bpe_model_new (
    BnBpe *bpe, const BnPretokSet *pretok, void **data);

/* From now on text between special tokens is encoded in NFC. */
void bn_encoder_set_nfc (BnEncoder *self);

const BnModelClass *bn_encoder_get_model (const BnEncoder *self);

/* Appends the ids of a text of at most BN_MAX_TEXT_SIZE bytes of UTF-8, which
 * the stretches make up. It is one text: only special tokens separate. From
 * any thread. FALSE if memory is short. */
gboolean bn_encoder_encode (BnEncoder *self, const uint8_t *text,
    const BnStretch *stretches, size_t n_stretches, BnIds *out);
