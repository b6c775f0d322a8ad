/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model families that are known, as data.
 *
 * The table is data/tokenizer-matrix.json, built in as a resource, or the file
 * that $BITNET_TOKENIZER_MATRIX names, or
 * $XDG_CONFIG_HOME/bitnet/tokenizer-matrix.json. Read once. */
#pragma once

#include <glib.h>

/* A token that every vocabulary of a family has at one id. */
typedef struct {
  guint32 id;
  char *text;
} BnLandmark;

typedef struct {
  char *name;          /* "llama-3": stable, for messages and tests */
  char *title;         /* "LLaMA-3" */
  GStrv architectures; /* of GGUF files */
  char *tokenizer;     /* tokenizer.ggml.model */
  GStrv pre;           /* values of tokenizer.ggml.pre; the first is implied
                          where the key is missing; may be empty */
  GArray *rows;        /* of guint32: sizes that models have */
  GArray *tokens; /* of guint32: sizes that token lists have; empty: as rows */
  GArray *landmarks; /* of BnLandmark */
  char *shares;      /* the family whose landmarks these are, or NULL */
  char *repository;
  gboolean is_gated;
  GStrv equivalents;  /* same tokenizer, not gated */
  GStrv words;        /* one of which the model's name has; empty: any */
  gboolean is_unique; /* numbers alone identify it */
  GStrv sha256;       /* known digests of its tokenizer files; may be empty */
} BnFamily;

typedef struct BnFamilyMatrix BnFamilyMatrix;

/* Never NULL: an override that cannot be read warns and the built-in one
 * counts. */
const BnFamilyMatrix *bn_matrix_get (void);
/* For tests and tools; NULL with BITNET_ERROR_TOKENIZER. */
BnFamilyMatrix *bn_matrix_new_from_data (
    const char *json, gsize size, const char *name, GError **error);
void bn_matrix_free (BnFamilyMatrix *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnFamilyMatrix, bn_matrix_free)
gsize bn_matrix_get_n_families (const BnFamilyMatrix *self);
const BnFamily *bn_matrix_get_family (const BnFamilyMatrix *self, gsize i);
const BnFamily *bn_matrix_find (const BnFamilyMatrix *self, const char *name);

/* Text of a token, FALSE if there is none. */
typedef gboolean (*BnTokenTextFn) (
    guint32 id, const char **text, gsize *length, gpointer user_data);

/* What is known of a model; 0 or NULL where it is not. */
typedef struct {
  const char *architecture;
  const char *tokenizer;
  const char *pre;
  const char *name; /* any text that may hold a family's words */
  guint n_rows, n_tokens;
  BnTokenTextFn get_token;
  gpointer user_data;
} BnModelFacts;

/* Families that contradict none of the facts, the closest first; of
 * BnFamily (transfer container). With tokens at hand, landmarks decide. */
GPtrArray *bn_matrix_match (
    const BnFamilyMatrix *self, const BnModelFacts *facts);

/* The family among these that the facts prove: by its landmarks, its words or
 * numbers that are unique, and closer than any other one; or NULL. */
const BnFamily *bn_matrix_identify (
    const BnFamilyMatrix *self, const BnModelFacts *facts);

/* Up to n families whose numbers are closest, for messages; of BnFamily
 * (transfer container). */
GPtrArray *bn_matrix_list_nearest (
    const BnFamilyMatrix *self, const BnModelFacts *facts, guint n);

/* The pre-tokenizer that all families with these tokens share, or NULL. */
const char *bn_matrix_imply_pre (
    const BnFamilyMatrix *self, const BnModelFacts *facts);
