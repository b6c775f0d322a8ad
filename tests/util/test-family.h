/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models and tokenizers that look like those of a family of the matrix: its
 * sizes, its landmarks at their ids, all other tokens made up. Families that
 * share a repository share the vocabulary; no two others do. */
#pragma once

#include "bitnet-tokenizer.h"
#include "resolve/bn-matrix.h"

/* Whether such can be made of a family. */
gboolean test_family_is_supported (const BnFamily *family);

/* What a model file is to have. */
typedef struct {
  gboolean has_tokens; /* the token list and all that goes with it */
  gboolean has_pre;    /* tokenizer.ggml.pre */
  const char *name;    /* general.name */
  const char *origin;  /* general.base_model.0.repo_url */
  guint n_padding;     /* rows more than the family has */
} TestFamilyModel;

void test_family_write_model (
    const BnFamily *family, const char *path, const TestFamilyModel *model);

/* Its tokenizer file and the name that this has. */
GBytes *test_family_make_tokenizer (const BnFamily *family, const char **name);

/* Whether a tokenizer has the vocabulary of the family and no other. */
gboolean test_family_owns (const BnFamily *family, BitnetTokenizer *tokenizer);
