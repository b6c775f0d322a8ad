/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back from ids to text, as a stream: what has come out is always
 * complete UTF-8, and tokens one by one give the text that all at once give.
 *
 * A decoder is a list of stages. Those at its front look at one token at a
 * time, so that their results are kept, one for each token; the others (bytes
 * that make up characters, spaces at the ends) are run on what they give:
 *
 *   ids -> hidden tokens vanish -> text of each token -> stages -> text
 */
#pragma once

#include "bn-json.h"
#include "bn-scratch.h"
#include "bn-spnormalizer.h"
#include "bn-unicode.h"
#include "bn-vocab.h"

/* Values of BitnetDecodeFlags; others have no effect here. */
typedef enum {
  BN_DECODE_SPECIAL = 1 << 0,    /* control tokens appear as their text */
  BN_DECODE_KEEP_SPACE = 1 << 1, /* the text continues other text */
} BnDecodeFlags;

/* Immutable, for all threads. */
typedef struct BnDecoder BnDecoder;

/* The pieces of a vocabulary one behind the other, as llama.cpp does: control
 * and unknown tokens appear only if asked for, unused ones never. The first
 * space of the text is removed if strip_space. The vocabulary is sealed and
 * stays with the caller. */
BnDecoder *bn_decoder_new_pieces (const BnVocab *vocab, gboolean strip_space);

/* From the value of the member "decoder" of tokenizer.json, which is not
 * null. NULL with an error that names the place, for what is wrong or not
 * supported. Special tokens (BN_TOKEN_CONTROL, BN_TOKEN_UNKNOWN) appear only
 * if asked for, but the unknown token of WordPiece always: it stands for a
 * word of the text. */
BnDecoder *bn_decoder_new_from_json (
    const BnVocab *vocab, BnJson json, GError **error);

/* Where that member is null: the texts of tokens with spaces between. */
BnDecoder *bn_decoder_new_joined (const BnVocab *vocab);

/* {"type":"WordPiece"} with these members. Where prefix is NULL, tokens are
 * spelled as llama.cpp does: U+2581 is in front of those that begin a word. */
BnDecoder *bn_decoder_new_word_piece (
    const BnVocab *vocab, const char *prefix, gboolean cleanup);

/* As sentencepiece does: unknown tokens appear as unk_surface, each byte that
 * is part of no character as one U+FFFD. strip_space: the U+2581 at the very
 * beginning vanishes, with strip_all those of all pieces until there is
 * text. With a denormalizer, which is taken and may be NULL, the text appears
 * at its end. */
BnDecoder *bn_decoder_new_sentencepiece (const BnVocab *vocab,
    const char *unk_surface, gboolean strip_space, gboolean strip_all,
    BnSpNormalizer *denormalizer);

void bn_decoder_free (BnDecoder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnDecoder, bn_decoder_free)

typedef struct BnStageState BnStageState;

/* What a stream of tokens has left behind. Nothing in it may be used. */
typedef struct {
  const BnDecoder *decoder;
  unsigned flags;
  BnStageState *stages;
  BnScratch *scratch; /* NULL if no stage needs it */
  uint32_t token;     /* that goes through the stages */
  gboolean has_token; /* one has been shown */
  gboolean is_plain;  /* the stages let whole characters pass */
  gboolean is_direct; /* the results of single tokens are not kept */
} BnDecodeState;

/* A text begins. bn_decode_clear() frees what the state holds; one that is
 * zero can be cleared, too. */
void bn_decode_begin (
    BnDecodeState *state, const BnDecoder *decoder, unsigned flags);
void bn_decode_clear (BnDecodeState *state);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnDecodeState, bn_decode_clear)

/* Appends the text that is complete with these tokens; ids out of range add
 * nothing. */
void bn_decode_push (
    BnDecodeState *state, const uint32_t *ids, size_t n_ids, GString *out);

/* Ends the text. After that the state is at the beginning of the next. */
void bn_decode_finish (BnDecodeState *state, GString *out);

/* Appends the whole text of ids. */
void bn_decode_all (const BnDecoder *decoder, unsigned flags,
    const uint32_t *ids, size_t n_ids, GString *out);
