/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How BERT cleans a text and cuts it into words, in one pass.
 *
 * Its normalizer and its pre-tokenizer look at every character by itself, but
 * for one thing: decomposed characters are put in order. So what becomes of a
 * character can be kept in a table. Where the order counts, which is where a
 * combining character stays that is not dropped as an accent, the text is
 * done step by step. */
#pragma once

#include "bn-scratch.h"
#include "bn-unicode.h"

/* Members of BertNormalizer. */
typedef struct {
  gboolean clean_text;
  gboolean split_chinese;
  gboolean strip_accents;
  gboolean lowercase;
  /* As llama.cpp does: newer tables, only the first character of what a
   * character is decomposed to, white space before control characters. */
  gboolean is_llama_cpp;
} BnBertOptions;

typedef enum {
  BN_BERT_WORD,    /* part of a word, as text */
  BN_BERT_ALONE,   /* a word of its own, as text */
  BN_BERT_SPACE,   /* between words */
  BN_BERT_DROPPED, /* nothing */
  BN_BERT_TEXT,    /* several of these; text is to be cut */
  BN_BERT_ORDERED, /* order counts */
} BnBertKind;

enum {
  /* Bytes of all texts. */
  BN_BERT_MAX_LENGTH = 32,
  BN_BERT_N_ENTRIES = 0x10000,
  /* In the table of ASCII characters, with a kind. */
  BN_BERT_NOT_WORD = 0x80,
};

/* What becomes of the characters. Immutable, for all threads. */
typedef struct {
  BnBertOptions options;
  /* Of bytes: the character in a word, else BN_BERT_NOT_WORD | BnBertKind;
   * BN_BERT_TEXT for bytes of longer characters. */
  uint8_t bytes[256];
  /* Of characters below BN_BERT_N_ENTRIES: kind, length of the text and its
   * bytes, or BN_BERT_TEXT with length 0 for those that are classified when
   * they come. */
  uint32_t *entries;
} BnBertMap;

BnBertMap *bn_bert_map_new (const BnBertOptions *options);
void bn_bert_map_free (BnBertMap *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnBertMap, bn_bert_map_free)

/* What becomes of a character. */
BnBertKind bn_bert_classify (const BnBertOptions *options, uint32_t cp,
    uint8_t text[BN_BERT_MAX_LENGTH], unsigned *length);

/* What a character is that nothing more becomes of: BN_BERT_WORD, ALONE or
 * SPACE. */
BnBertKind bn_bert_classify_final (const BnBertOptions *options, uint32_t cp);

/* Replaces the content of out by the normalized text, step by step. FALSE if
 * memory is short. Not for llama.cpp. */
gboolean bn_bert_normalize (const BnBertOptions *options, const uint8_t *text,
    size_t length, BnBuffer *buffer, BnBuffer *out);

static inline BnBertKind
bn_bert_entry_kind (uint32_t entry)
{
  return (BnBertKind) (entry & 7);
}

static inline unsigned
bn_bert_entry_length (uint32_t entry)
{
  return entry >> 3 & 3;
}

/* Three bytes, of which the first length count. */
static inline uint32_t
bn_bert_entry_bytes (uint32_t entry)
{
  return entry >> 8;
}
