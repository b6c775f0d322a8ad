/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of validation: each looks at one thing that a tokenizer and a model
 * both have. */
#pragma once

#include "bitnet-tokenizer-private.h"
#include "bn-validate.h"
#include "gguf/bn-gguf.h"

/* What all of them look at. */
typedef struct {
  BitnetTokenizer *tokenizer;
  const BnTokenizer *inner; /* of tokenizer */
  const BnGguf *gguf;       /* NULL if the model cannot be read */
  const char *kind;         /* tokenizer.ggml.model, or NULL */
  const char *pre;          /* named or implied, or NULL */
  guint n_rows;             /* 0 if it is not known */
  gboolean strict;
  BnValidation *validation;
} BnCheck;

/* Something odd but usable: TRUE, or FALSE with an error if strict. */
gboolean bn_check_warn (const BnCheck *self, GError **error, const char *format,
    ...) G_GNUC_PRINTF (3, 4);

/* FALSE with BITNET_ERROR_VOCAB_MISMATCH. */
gboolean bn_check_fail (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* The token list of the model. Nothing happens if it has none. */
gboolean bn_check_pieces (const BnCheck *self, GError **error);

/* Number and order of merges, where both have them. */
gboolean bn_check_merges (const BnCheck *self, GError **error);

/* Whether texts come back from ids that the model has rows for. */
gboolean bn_check_round_trips (const BnCheck *self, GError **error);

/* The texts of that, NULL-terminated. */
extern const char *const bn_check_texts[];

/* How a model with tokenizer.ggml.model and .pre, which may be NULL, spells
 * its tokens. */
BnSpelling bn_check_get_spelling (const char *kind, const char *pre);

/* Whether two texts are one token, whatever way they are spelled. */
gboolean bn_check_is_token (const BnVocab *vocab, guint32 id, const char *text,
    gsize length, const char *kind, BnSpelling spelling);

/* LLaMA-3: the end of a text and the end of a turn, of which one is EOS in the
 * base and the other in the instruct model. */
gboolean bn_check_is_same_end (const BnVocab *vocab, guint32 a, guint32 b);

/* Most tokens beyond the last row. */
enum { BN_MAX_LIMITED = 16 };

/* Whether all tokens from n_rows on, of which there are some, are few and come
 * out of no ordinary text. */
gboolean bn_check_can_limit (const BnVocab *vocab, guint n_rows);
