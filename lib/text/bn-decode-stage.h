/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a decoder consists of; shared by the machine that runs it
 * (bn-decode.c) and by the reader of tokenizer.json (bn-decode-json.c). */
#pragma once

#include "bn-decode.h"
#include "bn-regex.h"
#include "bn-spnormalizer.h"

typedef enum {
  /* Of one token; some treat the first token of a text differently. */
  BN_STAGE_REPLACE,    /* pattern by content */
  BN_STAGE_METASPACE,  /* pattern by a space, or by nothing in the first */
  BN_STAGE_WORD_PIECE, /* a space in front unless pattern stands there */
  BN_STAGE_PHANTOM,    /* a space for U+2581 in front and around [...] */
  BN_STAGE_SPACE,      /* a space in front of all but the first */
  BN_STAGE_STRIP,      /* start and stop times pattern at the ends */
  BN_STAGE_BYTE_LEVEL, /* characters of the GPT-2 table to bytes */
  /* Of neighbours. */
  BN_STAGE_SUFFIX,        /* pattern by a space, by nothing in the last */
  BN_STAGE_CTC,           /* repetitions and pattern vanish */
  BN_STAGE_BYTE_FALLBACK, /* <0xXX> to bytes */
  BN_STAGE_PIECE_SPACE,   /* the U+2581 in front of the first piece */
  /* All tokens become one. */
  BN_STAGE_FUSE,
  BN_STAGE_JOIN,      /* of bytes that are characters together */
  BN_STAGE_NORMALIZE, /* of the whole text at its end */
} BnStageType;

typedef struct {
  BnStageType type;
  char *pattern;
  size_t pattern_length;
  char *content;
  size_t content_length;
  BnRegex *regex; /* REPLACE, in the place of pattern */
  size_t start, stop;
  gboolean removes_first; /* METASPACE */
  gboolean removes_more;  /* PIECE_SPACE: of each piece until there is text */
  BnSpNormalizer *normalizer; /* NORMALIZE; taken like the texts */
  gboolean marks_bytes;       /* JOIN: see BnUtf8Joiner */
  gboolean cleans;            /* WORD_PIECE, PHANTOM, CTC */
  /* What it sees is one token, of which it gets parts as they come. Follows
   * from the stages before it. */
  gboolean is_open;
} BnStage;

/* Frees what a stage has. */
void bn_stage_clear (BnStage *self);

/* Appends what a stage of one token makes of it; scratch is for
 * expressions. */
void bn_stage_append (const BnStage *stage, BnScratch *scratch,
    gboolean is_first, const char *text, size_t length, GString *out);

/* Whether pattern is at an end of a text. */
gboolean bn_stage_starts (
    const BnStage *stage, const char *text, size_t length);
gboolean bn_stage_ends (const BnStage *stage, const char *text, size_t length);

/* Appends a text with content for pattern; an empty one is around every
 * character. */
void bn_replace_append (GString *out, const char *text, size_t length,
    const char *pattern, size_t pattern_length, const char *content,
    size_t content_length);

/* Removes marks of tokenization from the text that begins at start. */
void bn_clean_token (GString *text, gsize start);

/* Takes what stages have. Tokens that have one of the attributes hidden
 * appear only if asked for, those that have one of never not at all. Without
 * BN_TOKEN_UNKNOWN in hidden the unknown token always appears. */
BnDecoder *bn_decoder_new (const BnVocab *vocab, gboolean uses_pieces,
    const BnStage *stages, unsigned n_stages, unsigned hidden, unsigned never);

/* The token appears as this text, which is taken. For one token, before the
 * decoder is used. */
void bn_decoder_set_text (BnDecoder *self, uint32_t token, char *text);
