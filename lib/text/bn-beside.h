/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What files beside a tokenizer say about it: tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json, generation_config.json and chat
 * templates. They refine a tokenizer, none of them is one. */
#pragma once

#include "bn-added.h"
#include "bn-folder.h"
#include "bn-tokenizer.h"

/* A setting: BN_UNSAID, or a gboolean. */
typedef int BnSetting;

enum { BN_UNSAID = -1 };

typedef struct {
  char *text;
  uint32_t id;    /* BN_TOKEN_NONE if nothing is said of it */
  unsigned flags; /* BnAddedFlags */
} BnBesideToken;

typedef struct {
  char *tokenizer_class;   /* "GPT2Tokenizer", or NULL */
  GArray *added;           /* of BnBesideToken, no two with one text */
  GHashTable *by_text;     /* their indices */
  char *roles[BN_N_ROLES]; /* texts of the tokens that have them, or NULL */
  GArray *eog_ids;         /* of uint32_t: tokens that end a generation */
  char *chat_template;     /* the one that is not named, or NULL */
  BnSetting add_bos, add_eos;
  BnSetting add_prefix_space, legacy, clean_spaces;
  BnSetting do_lower_case, strip_accents, tokenize_chinese_chars;
  gboolean scales_rope; /* as LLaMA has done since 3.1 */
} BnBeside;

/* All that lies in a folder; NULL stands for none. What cannot be read is left
 * out with a warning. */
BnBeside *bn_beside_new (const BnFolder *folder);
void bn_beside_free (BnBeside *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnBeside, bn_beside_free)

/* The added token of that text, NULL if there is none. */
const BnBesideToken *bn_beside_find (const BnBeside *self, const char *text);

/* Gives a tokenizer that has been read from a file of its own what is said:
 * roles, ends of generation, BOS and EOS around texts, the chat template. */
void bn_beside_apply (const BnBeside *self, BnTokenizer *tokenizer);
