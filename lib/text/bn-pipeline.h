/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stages of tokenizer.json between added tokens and ids, as the model of an
 * encoder:
 *
 *   text -> normalizer -> added tokens -> splitter -> words -> algorithm */
#pragma once

#include "bn-encoder.h"
#include "bn-normalize.h"
#include "bn-split.h"

/* An algorithm that encodes words, whatever the fragment. */
typedef struct {
  const BnModelClass *model;
  void *data;
} BnWordModel;

/* All but words may be NULL. Without a splitter the text is one word. */
typedef struct {
  BnNormalizer *normalizer;
  BnAdded *added; /* found in normalized text */
  BnSplitter *splitter;
  BnWordModel words;
} BnPipelineStages;

/* An encoder whose model has these stages and the name of the algorithm. Takes
 * vocab and the stages. */
BnEncoder *bn_encoder_new_pipeline (
    BnVocab *vocab, const BnPipelineStages *stages);
