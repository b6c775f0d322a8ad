/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* llama.cpp knows pre-tokenizers by name and not by what they consist of. The
 * name follows from the way in which text is cut. */
#include "bn-tokjson-llama.h"

#include <string.h>

#define METASPACE "\xE2\x96\x81" /* U+2581 */
#define BAR "\xEF\xBD\x9C"       /* U+FF5C */

static gboolean
has_ends (const char *text, const char *start, const char *end)
{
  return strlen (text) >= strlen (start) + strlen (end)
         && g_str_has_prefix (text, start) && g_str_has_suffix (text, end);
}

/* As the converter of llama.cpp has it. */
static gboolean
looks_special (const char *text)
{
  static const char *const known[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};

  for (size_t i = 0; i < G_N_ELEMENTS (known); i++) {
    if (strcmp (text, known[i]) == 0)
      return TRUE;
  }
  return has_ends (text, "<|", "|>") || has_ends (text, "<" BAR, BAR ">")
         || has_ends (text, "<unused", ">");
}

void
bn_tokjson_convert_added (BnTokjsonAdded *added)
{
  for (size_t i = 0; i < added->n_tokens; i++) {
    BnAddedToken *token = &added->tokens[i];
    g_autoptr (GString) text = NULL;

    if (looks_special (token->text))
      token->flags |= BN_ADDED_SPECIAL;
    if ((token->flags & BN_ADDED_SPECIAL)
        || memchr (token->text, 0, token->length))
      continue;
    text = g_string_new (token->text);
    if (g_string_replace (text, METASPACE, " ", 0) == 0)
      continue;
    g_free (added->texts[i]);
    token->length = text->len;
    added->texts[i] = g_string_free (g_steal_pointer (&text), FALSE);
    token->text = added->texts[i];
  }
}

static gboolean
make_bpe (const BnTokjsonSource *source, const BnPretokSet *set,
    BnTokenizer *tokenizer, BnWordModel *words, GError **error)
{
  const BnPretok *pretok = set ? bn_pretok_find_by_set (set) : NULL;
  GError *local = NULL;

  if (pretok == NULL)
    return bn_json_fail (source->json, error,
        "a byte-level BPE with a pre-tokenizer that llama.cpp has, for its "
        "results");
  if (!bn_tokjson_make_byte_model (
          source, pretok->set, words, &tokenizer->bpe, &local)) {
    if (local == NULL)
      return bn_json_fail (source->json, error,
          "byte-level BPE without prefixes and suffixes, for results of "
          "llama.cpp");
    g_propagate_error (error, local);
    return FALSE;
  }
  tokenizer->set = pretok->set;
  tokenizer->pre = g_strdup (pretok->name);
  tokenizer->clean_spaces = (pretok->flags & BN_PRETOK_CLEAN_SPACES) != 0;
  tokenizer->add_sep = (pretok->flags & BN_PRETOK_ADD_SEP) != 0;
  return TRUE;
}

gboolean
bn_tokjson_make_llama_cpp (const BnTokjsonSource *source,
    const BnSplitter *splitter, BnJson normalizer, BnJson pre_tokenizer,
    BnTokenizer *tokenizer, GError **error)
{
  BnWordModel words = {.data = NULL};

  switch (source->model->kind) {
    case BN_TOKJSON_BPE:
      if (!make_bpe (source, splitter ? bn_splitter_get_set (splitter) : NULL,
              tokenizer, &words, error))
        return FALSE;
      break;
    case BN_TOKJSON_WORD_PIECE:
      if (!bn_tokjson_make_bert_model (
              source, normalizer, pre_tokenizer, &words))
        return bn_json_fail (source->json, error,
            "a WordPiece with the normalizer and pre-tokenizer of BERT, for "
            "results of llama.cpp");
      tokenizer->add_sep = TRUE;
      tokenizer->clean_spaces = TRUE;
      break;
    default:
      return bn_json_fail (
          source->json, error, "BPE or WordPiece, for results of llama.cpp");
  }
  if (tokenizer->pre == NULL)
    tokenizer->pre = g_strdup ("default");
  tokenizer->vocab = source->vocab;
  tokenizer->encoder = bn_encoder_new (source->vocab, words.model, words.data);
  return TRUE;
}
