/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Joins the members of a model with the code of its algorithm. */
#include "bn-tokjson-words.h"

#include "bitnet-error.h"
#include "bn-unigram.h"
#include "bn-wordpiece.h"

/* BPE. */

static void
add_pair (uint32_t left, uint32_t right, uint32_t merged, void *user_data)
{
  bn_bpe_add_pair (user_data, left, right, merged);
}

/* Whether words of any bytes become tokens of bytes, without anything that
 * only characters have. */
static gboolean
is_byte_level (const BnTokjsonSource *source)
{
  const BnTokjsonModel *model = source->model;

  if (model->kind != BN_TOKJSON_BPE || model->prefix.length > 0
      || model->suffix.length > 0)
    return FALSE;
  if (model->unk_token.length == 0 && !model->byte_fallback)
    return TRUE;
  for (unsigned byte = 0; byte < 256; byte++) {
    char text[6];
    int length =
        g_unichar_to_utf8 (bn_byte_level_encode ((uint8_t) byte), text);

    if (bn_tokjson_lookup (source->vocab, text, (size_t) length)
        == BN_TOKEN_NONE)
      return FALSE;
  }
  return TRUE;
}

/* From the tables of a vocabulary that has some, or from the list. */
static BnBpe *
make_byte_bpe (const BnTokjsonSource *source, GError **error)
{
  const BnTokjsonModel *model = source->model;
  gboolean is_compiled = source->vocab->compiled != NULL;
  g_autoptr (BnBpe) made =
      is_compiled ? bn_bpe_new_compiled (source->vocab)
                  : bn_bpe_new (source->vocab, bn_tokjson_count_merges (model));

  if (made == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "the compiled merges make no sense");
    return NULL;
  }
  if (!is_compiled
      && !bn_tokjson_foreach_merge (
          model, source->vocab, add_pair, made, source->cancellable, error))
    return NULL;
  if (model->ignore_merges)
    bn_bpe_ignore_merges (made);
  return g_steal_pointer (&made);
}

static gboolean
byte_word_encode (const void *data, BnScratch *scratch, const uint8_t *word,
    size_t length, unsigned fragment, BnIds *out)
{
  return bn_bpe_encode (data, scratch, word, length, word + length, out);
}

static void
byte_word_free (void *data)
{
  bn_bpe_free (data);
}

gboolean
bn_tokjson_make_byte_model (const BnTokjsonSource *source,
    const BnPretokSet *set, BnWordModel *words, const BnBpe **bpe,
    GError **error)
{
  static const BnModelClass word_model = {
      "bpe", byte_word_encode, byte_word_free};
  g_autoptr (BnBpe) made = NULL;

  if (!is_byte_level (source))
    return FALSE;
  made = make_byte_bpe (source, error);
  if (made == NULL)
    return FALSE;
  *bpe = made;
  if (set)
    words->model =
        bn_bpe_model_new (g_steal_pointer (&made), set, &words->data);
  else
    *words = (BnWordModel){&word_model, g_steal_pointer (&made)};
  return TRUE;
}

static void
add_char_pair (uint32_t left, uint32_t right, uint32_t merged, void *user_data)
{
  bn_char_bpe_add_pair (user_data, left, right, merged);
}

static gboolean
make_char_bpe (const BnTokjsonSource *source, BnWordModel *words,
    const BnCharBpe **bpe, GError **error)
{
  const BnTokjsonModel *model = source->model;
  const BnCharBpeOptions options = {
      .prefix = model->prefix.text,
      .prefix_length = model->prefix.length,
      .suffix = model->suffix.text,
      .suffix_length = model->suffix.length,
      .unknown = source->vocab->roles[BN_ROLE_UNK],
      .fuse_unknown = model->fuse_unk,
      .byte_fallback = model->byte_fallback,
      .ignore_merges = model->ignore_merges,
  };
  g_autoptr (BnCharBpe) made = bn_char_bpe_new (
      source->vocab, &options, bn_tokjson_count_merges (model));

  if (!bn_tokjson_foreach_merge (model, source->vocab, add_char_pair, made,
          source->cancellable, error))
    return FALSE;
  *bpe = made;
  *words = (BnWordModel){&bn_char_bpe_model, g_steal_pointer (&made)};
  return TRUE;
}

/* Unigram. */

static gboolean
unigram_encode (const void *data, BnScratch *scratch, const uint8_t *text,
    size_t length, unsigned fragment, BnIds *out)
{
  return bn_unigram_encode (data, scratch, text, length, out);
}

static void
unigram_free (void *data)
{
  bn_unigram_free (data);
}

static gboolean
make_unigram (const BnTokjsonSource *source, BnWordModel *words, GError **error)
{
  static const BnModelClass model = {"unigram", unigram_encode, unigram_free};
  BnUnigramOptions options = {.rules = BN_UNIGRAM_HUGGINGFACE,
      .n_pieces = source->pieces->n_ids,
      .scores = source->pieces->scores,
      .unknown = source->vocab->roles[BN_ROLE_UNK],
      .byte_fallback = source->model->byte_fallback};

  *words =
      (BnWordModel){&model, bn_unigram_new (source->vocab, &options, error)};
  return words->data != NULL;
}

/* WordPiece. */

static gboolean
make_wordpiece (const BnTokjsonSource *source, const BnModelClass *model,
    const BnBertOptions *bert, BnWordModel *words)
{
  const BnTokjsonText *prefix = &source->model->prefix;
  BnWordPieceOptions options = {
      .start = "",
      .continuation = prefix->length > 0 ? prefix->text : "",
      .continuation_length = prefix->length,
      .unknown = source->vocab->roles[BN_ROLE_UNK],
      .max_characters = (uint32_t) source->model->max_input_chars_per_word,
      .bert = bert,
  };

  if (bert && bert->is_llama_cpp)
    options.max_characters = BN_WORDPIECE_NO_LIMIT;
  if (source->model->kind == BN_TOKJSON_WORD_LEVEL) {
    options.continuation = NULL;
    options.max_characters = BN_WORDPIECE_NO_LIMIT;
  }
  *words = (BnWordModel){model, bn_wordpiece_new (source->vocab, &options)};
  return words->data != NULL;
}

static gboolean
has_type (BnJson json, const char *type)
{
  BnJson value;

  return bn_json_is_set (json) && bn_json_get_type (json) == BN_JSON_OBJECT
         && bn_json_find (json, "type", &value) && bn_json_equals (value, type);
}

gboolean
bn_tokjson_make_bert_model (const BnTokjsonSource *source, BnJson normalizer,
    BnJson pre_tokenizer, BnWordModel *words)
{
  BnBertOptions options = {.clean_text = TRUE,
      .split_chinese = TRUE,
      .lowercase = TRUE,
      .is_llama_cpp = source->is_llama_cpp};

  if (source->model->kind != BN_TOKJSON_WORD_PIECE
      || !has_type (normalizer, "BertNormalizer")
      || !has_type (pre_tokenizer, "BertPreTokenizer")
      || !bn_json_read_boolean (
          normalizer, "clean_text", &options.clean_text, NULL)
      || !bn_json_read_boolean (
          normalizer, "handle_chinese_chars", &options.split_chinese, NULL)
      || !bn_json_read_boolean (
          normalizer, "lowercase", &options.lowercase, NULL))
    return FALSE;
  options.strip_accents = options.lowercase;
  if (!bn_json_read_boolean (
          normalizer, "strip_accents", &options.strip_accents, NULL))
    return FALSE;
  return make_wordpiece (source, &bn_wordpiece_text_model, &options, words);
}

gboolean
bn_tokjson_make_word_model (const BnTokjsonSource *source, BnWordModel *words,
    const BnCharBpe **bpe, GError **error)
{
  gboolean is_made;

  switch (source->model->kind) {
    case BN_TOKJSON_BPE:
      return make_char_bpe (source, words, bpe, error);
    case BN_TOKJSON_UNIGRAM:
      return make_unigram (source, words, error);
    case BN_TOKJSON_WORD_LEVEL:
      is_made = make_wordpiece (source, &bn_wordlevel_model, NULL, words);
      break;
    default:
      is_made = make_wordpiece (source, &bn_wordpiece_word_model, NULL, words);
      break;
  }
  return is_made
         || bn_json_fail (source->json, error, "less memory for its tokens");
}
