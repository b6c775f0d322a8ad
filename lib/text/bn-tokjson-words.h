/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The algorithms of tokenizer.json, made of the section "model". */
#pragma once

#include "bn-pipeline.h"
#include "bn-tokenizer.h"
#include "bn-tokjson-model.h"
#include "bn-tokjson-vocab.h"

/* What they are made of; vocab is sealed. */
typedef struct {
  const BnTokjsonModel *model;
  const BnTokjsonPieces *pieces;
  BnVocab *vocab;
  GCancellable *cancellable;
  BnJson json;           /* of the model, for messages */
  gboolean is_llama_cpp; /* whose results count; only for WordPiece of BERT */
} BnTokjsonSource;

/* Byte-level BPE: of whole texts that set cuts into words, or of words of
 * bytes if set is NULL. FALSE with an error, or without one if the model is no
 * byte-level BPE. */
gboolean bn_tokjson_make_byte_model (const BnTokjsonSource *source,
    const BnPretokSet *set, BnWordModel *words, const BnBpe **bpe,
    GError **error);

/* Encodes words; *bpe is set for BPE. */
gboolean bn_tokjson_make_word_model (const BnTokjsonSource *source,
    BnWordModel *words, const BnCharBpe **bpe, GError **error);

/* Encodes texts as BERT normalizes and cuts them, if normalizer and
 * pre_tokenizer are those of BERT and the model is WordPiece. FALSE if not. */
gboolean bn_tokjson_make_bert_model (const BnTokjsonSource *source,
    BnJson normalizer, BnJson pre_tokenizer, BnWordModel *words);
