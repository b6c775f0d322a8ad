/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a splitter consists of; shared by the machine that runs it
 * (bn-split.c) and by the reader of tokenizer.json (bn-split-json.c). */
#pragma once

#include "bn-regex.h"
#include "bn-split.h"

/* What becomes of the matches of a step, and of the gaps between them. */
typedef enum {
  BN_BEHAVIOR_REMOVED,
  BN_BEHAVIOR_ISOLATED,
  BN_BEHAVIOR_WITH_PREVIOUS,
  BN_BEHAVIOR_WITH_NEXT,
  BN_BEHAVIOR_CONTIGUOUS,
} BnSplitBehavior;

/* When Metaspace puts its character in front. */
typedef enum {
  BN_PREPEND_ALWAYS,
  BN_PREPEND_FIRST,
  BN_PREPEND_NEVER,
} BnSplitPrepend;

typedef struct BnSplitStep BnSplitStep;
typedef struct BnSplitRun BnSplitRun;

/* A part of the text or of what it was rewritten to. */
typedef struct {
  const uint8_t *start, *end;
  gboolean is_first; /* begins where the whole text does */
} BnSplitPiece;

/* Hands the parts of a piece, which is not empty, to the next step. */
typedef gboolean (*BnSplitStepFn) (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);

struct BnSplitStep {
  BnSplitStepFn run;
  BnSplitFn cut; /* of bn_split_run_cut */
  BnSplitBehavior behavior;
  gboolean is_inverted;
  BnRegex *regex;
  char *pattern; /* of bn_split_run_literal */
  size_t pattern_size;
  uint32_t delimiter;
  char *replacement; /* of bn_split_run_metaspace */
  size_t replacement_size;
  BnSplitPrepend prepend;
  gboolean is_split;
  size_t chunk; /* characters */
};

struct BnSplitter {
  GArray *steps; /* BnSplitStep */
  BnPretokSet set;
  gboolean has_set, has_regex, is_byte_level, is_raw;
};

/* Steps that cut: by a splitter, an expression, a text; single characters of a
 * class, which are matches; kinds of pre-tokenizers; so many characters. */
gboolean bn_split_run_cut (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_regex (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_literal (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_space (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_delimiter (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_punctuation (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_bert (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_whitespace (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_scripts (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_chunks (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);

/* Steps that rewrite: a space in front, the byte table, Metaspace. */
gboolean bn_split_run_prefix (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_table (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
gboolean bn_split_run_metaspace (
    BnSplitRun *run, const BnSplitStep *step, BnSplitPiece piece);
