/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a GGUF file says of its tokenizer, in the terms of the matrix. */
#pragma once

#include "bn-matrix.h"
#include "gguf/bn-gguf.h"

/* facts points into the rest and into the file. Zero to begin; does not move
 * after bn_facts_init(). */
typedef struct {
  BnModelFacts facts;
  char *architecture, *tokenizer, *pre, *name;
} BnFacts;

/* path is where the words of the name come from too; may be NULL. The file
 * must live as long. */
void bn_facts_init (BnFacts *self, const BnGguf *gguf, const char *path);
void bn_facts_clear (BnFacts *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnFacts, bn_facts_clear)

/* Names of the model files of a folder, in the order of their bytes; projectors
 * lie beside models and are none. (transfer full), of char. */
GPtrArray *bn_facts_list_models (const char *folder, GError **error);

/* Whether all names are of one model: parts have the same stem, and only parts
 * have one that several files share. names is not empty. */
gboolean bn_facts_are_parts (const GPtrArray *names);

/* The name of a file without folder, part of a split model, and ending. */
char *bn_facts_dup_stem (const char *path);

/* Rows of the token embedding, which is what ids index; else of the output
 * matrix, else the key "vocab_size", else the length of the token list; 0 if
 * there is none of these. */
guint bn_facts_count_rows (const BnGguf *gguf);
