/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pre-tokenizer of a GGUF file. Files of BitNet 2B-4T, and many older
 * ones, lack the key; their vocabulary tells the family, and the family how it
 * cuts. A wrong guess would give wrong ids without a word, so only landmarks
 * count. */
#include "bn-pre.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-facts.h"
#include "gguf/bn-cursor.h"

#define PRE_KEY "tokenizer.ggml.pre"
#define PRE_DEFAULT "default"

static const char *
imply (const BnGguf *gguf)
{
  g_auto (BnFacts) facts = {.name = NULL};

  bn_facts_init (&facts, gguf, bn_gguf_get_path (gguf));
  return bn_matrix_imply_pre (bn_matrix_get (), &facts.facts);
}

static const BnPretok *
find_missing (const BnGguf *gguf, BnGgufTokenizerFlags flags,
    gboolean *is_default, GError **error)
{
  const char *implied = imply (gguf);
  const BnPretok *pretok = implied ? bn_pretok_find (implied) : NULL;

  if (pretok) {
    g_info ("%s: " PRE_KEY " is missing; \"%s\" follows from the model "
            "family and the vocabulary",
        bn_gguf_get_path (gguf), implied);
    return pretok;
  }
  if (flags & BN_GGUF_REQUIRE_PRE) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_UNKNOWN_PRETOKENIZER,
        "%s: " PRE_KEY " is missing and the vocabulary is of no known family; "
        "use a tokenizer from another source",
        bn_gguf_get_path (gguf));
    return NULL;
  }
  g_info ("%s: " PRE_KEY " is missing; \"" PRE_DEFAULT "\" may be wrong",
      bn_gguf_get_path (gguf));
  *is_default = TRUE;
  return bn_pretok_find (PRE_DEFAULT);
}

const BnPretok *
bn_pre_find (const BnGguf *gguf, BnGgufTokenizerFlags flags,
    gboolean *is_default, GError **error)
{
  g_autofree char *pre = bn_gguf_dup_string (gguf, PRE_KEY);
  g_autofree char *shown = NULL;
  const BnPretok *pretok;

  if (pre == NULL)
    return find_missing (gguf, flags, is_default, error);
  pretok = bn_pretok_find (pre);
  if (pretok)
    return pretok;
  shown = bn_printable (pre, strlen (pre));
  if (!(flags & BN_GGUF_DEFAULT_PRE)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_UNKNOWN_PRETOKENIZER,
        "%s: pre-tokenizer \"%s\" (" PRE_KEY ") is not supported; convert the "
        "model with one that is, or use a tokenizer from another source",
        bn_gguf_get_path (gguf), shown);
    return NULL;
  }
  g_info ("%s: pre-tokenizer \"%s\" (" PRE_KEY ") is not supported; "
          "\"" PRE_DEFAULT "\" may be wrong",
      bn_gguf_get_path (gguf), shown);
  *is_default = TRUE;
  return bn_pretok_find (PRE_DEFAULT);
}
