/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the sections of tokenizer.json together:
 *
 *   added_tokens -> normalizer -> added_tokens -> pre_tokenizer -> model
 *   -> post_processor; decoder for the way back */
#include "bn-tokjson.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-tokjson-model.h"
#include "bn-tokjson-vocab.h"

#define VERSION "1.0"

enum {
  VERSION_MEMBER,
  ADDED_TOKENS,
  NORMALIZER,
  PRE_TOKENIZER,
  MODEL,
  POST_PROCESSOR,
  DECODER,
  N_MEMBERS,
};

static const char *const member_names[N_MEMBERS] = {
    [VERSION_MEMBER] = "version",
    [ADDED_TOKENS] = "added_tokens",
    [NORMALIZER] = "normalizer",
    [PRE_TOKENIZER] = "pre_tokenizer",
    [MODEL] = "model",
    [POST_PROCESSOR] = "post_processor",
    [DECODER] = "decoder",
};

typedef struct {
  BnJson root;
  BnJson members[N_MEMBERS];
  GCancellable *cancellable;
  BnTokjsonModel model;
  BnTokjsonPieces pieces;
  BnTokjsonAdded added;
  BnTokenizer *tokenizer;
  BnVocab *vocab; /* until an encoder takes it */
} Reader;

static void
reader_clear (Reader *self)
{
  bn_tokjson_model_clear (&self->model);
  bn_tokjson_pieces_clear (&self->pieces);
  bn_tokjson_added_clear (&self->added);
  g_clear_pointer (&self->tokenizer, bn_tokenizer_free);
  g_clear_pointer (&self->vocab, bn_vocab_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reader, reader_clear)

static gboolean
find_members (Reader *self, GError **error)
{
  BnJson version;

  if (!bn_json_expect (self->root, BN_JSON_OBJECT, error))
    return FALSE;
  bn_json_find_all (self->root, member_names, N_MEMBERS, self->members);
  version = self->members[VERSION_MEMBER];
  if (bn_json_is_set (version) && !bn_json_equals (version, VERSION))
    return bn_json_fail (version, error, "\"" VERSION "\"");
  return bn_json_is_set (self->members[MODEL])
         || bn_json_fail (self->root, error, "a member \"model\"");
}

/* Whether a component or one of those that it consists of has this type. */
static gboolean
has_component (BnJson json, const char *list, const char *type)
{
  BnJson members[2], element;
  BnJsonIter iter;

  if (!bn_json_is_set (json) || bn_json_get_type (json) != BN_JSON_OBJECT)
    return FALSE;
  bn_json_find_all (json, (const char *const[]){"type", list}, 2, members);
  if (bn_json_is_set (members[0]) && bn_json_equals (members[0], type))
    return TRUE;
  if (!bn_json_is_set (members[1])
      || bn_json_get_type (members[1]) != BN_JSON_ARRAY)
    return FALSE;
  bn_json_iter_init (&iter, members[1]);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    if (has_component (element, list, type))
      return TRUE;
  }
  return FALSE;
}

/* Roles of tokens that follow from what stands around texts and from texts
 * that everybody uses. */
static void
assign_roles (Reader *self)
{
  static const struct {
    const char *text;
    BnRole role;
  } known[] = {{"[PAD]", BN_ROLE_PAD}, {"<pad>", BN_ROLE_PAD},
      {"[MASK]", BN_ROLE_MASK}, {"<mask>", BN_ROLE_MASK},
      {"[SEP]", BN_ROLE_SEP}};
  const BnLayout *single = &self->tokenizer->single;
  uint32_t *roles = self->vocab->roles;

  for (size_t i = 0; i < self->added.n_tokens; i++) {
    const BnAddedToken *token = &self->added.tokens[i];

    for (size_t j = 0; j < G_N_ELEMENTS (known); j++) {
      if (roles[known[j].role] == BN_TOKEN_NONE
          && strcmp (token->text, known[j].text) == 0)
        roles[known[j].role] = token->id;
    }
  }
  if (single->n_items > 0 && single->items[0] < BN_LAYOUT_B)
    roles[BN_ROLE_BOS] = single->items[0];
  if (single->n_items > 1 && single->items[single->n_items - 1] < BN_LAYOUT_B
      && single->items[single->n_items - 1] != roles[BN_ROLE_SEP])
    roles[BN_ROLE_EOS] = single->items[single->n_items - 1];
  self->tokenizer->add_bos =
      single->n_items > 0 && single->items[0] == roles[BN_ROLE_BOS];
  self->tokenizer->add_eos =
      single->n_items > 1
      && single->items[single->n_items - 1] == roles[BN_ROLE_EOS];
}

/* Sealing changes attributes as llama.cpp does; here added tokens say
 * themselves what they are. What ends a generation stays known. */
static void
seal_vocab (Reader *self)
{
  g_autofree uint16_t *attributes = g_memdup2 (self->vocab->attributes,
      self->vocab->n_tokens * sizeof *self->vocab->attributes);

  bn_vocab_seal (self->vocab);
  for (uint32_t id = 0; id < self->vocab->n_tokens; id++)
    self->vocab->attributes[id] =
        (self->vocab->attributes[id] & BN_TOKEN_EOG) | attributes[id];
}

static gboolean
check_duplicates (const Reader *self, GError **error)
{
  if (self->vocab->n_duplicates == 0)
    return TRUE;
  for (uint32_t id = 0; id < self->pieces.n_ids; id++) {
    size_t length;
    const uint8_t *text = bn_vocab_text (self->vocab, id, &length);
    uint32_t first = bn_vocab_lookup (self->vocab, text, length);

    if (first != id && self->model.kind != BN_TOKJSON_UNIGRAM)
      return bn_json_fail (
          (BnJson){self->pieces.document, self->pieces.offsets[id]}, error,
          "a text that no other token has, token %u has it", first);
  }
  return TRUE;
}

static gboolean
read_vocab (Reader *self, GError **error)
{
  gboolean is_byte_level =
      has_component (self->members[DECODER], "decoders", "ByteLevel")
      || has_component (
          self->members[PRE_TOKENIZER], "pretokenizers", "ByteLevel");

  if (self->model.kind == BN_TOKJSON_UNIGRAM
          ? !bn_tokjson_pieces_read_scored (
              &self->pieces, self->model.vocab, self->cancellable, error)
          : !bn_tokjson_pieces_read (
              &self->pieces, self->model.vocab, self->cancellable, error))
    return FALSE;
  if (!bn_tokjson_added_read (
          &self->added, self->members[ADDED_TOKENS], &self->pieces, error))
    return FALSE;
  if (self->added.n_ids == 0)
    return bn_json_fail (self->model.vocab, error, "at least one token");
  self->vocab = bn_tokjson_vocab_new (&self->pieces, &self->added,
      is_byte_level ? BN_SPELLING_BYTE_LEVEL : BN_SPELLING_METASPACE, error);
  if (self->vocab == NULL)
    return FALSE;
  if (bn_json_is_set (self->members[POST_PROCESSOR])
      && !bn_layouts_read (self->members[POST_PROCESSOR], self->vocab->n_tokens,
          &self->tokenizer->single, &self->tokenizer->pair, error))
    return FALSE;
  assign_roles (self);
  seal_vocab (self);
  if (self->model.unk_token.length > 0)
    self->vocab->roles[BN_ROLE_UNK] = bn_tokjson_lookup (
        self->vocab, self->model.unk_token.text, self->model.unk_token.length);
  return check_duplicates (self, error);
}

/* The pre-tokenizers of gpt-2 and llama-3. */
static const BnPretokSet *
find_set (const Reader *self)
{
  BnJson pre = self->members[PRE_TOKENIZER], list, element, pattern;
  BnJsonIter iter;

  if (bn_json_is_set (self->members[NORMALIZER]) || !bn_json_is_set (pre))
    return NULL;
  if (has_component (pre, "none", "ByteLevel"))
    return bn_pretok_find_set ("gpt-2");
  if (!bn_json_find (pre, "pretokenizers", &list))
    return NULL;
  bn_json_iter_init (&iter, list);
  if (bn_json_iter_next (&iter, NULL, &element)
      && bn_json_find (element, "pattern", &pattern)
      && bn_json_find (pattern, "Regex", &pattern)
      && bn_json_equals (pattern,
          "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
          "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
          "\\s+(?!\\S)|\\s+"))
    return bn_pretok_find_set ("llama-3");
  return NULL;
}

static void
add_pair (uint32_t left, uint32_t right, uint32_t merged, void *user_data)
{
  bn_bpe_add_pair (user_data, left, right, merged);
}

static gboolean
make_encoder (Reader *self, GError **error)
{
  const BnPretokSet *set = find_set (self);
  BnTokenizer *tokenizer = self->tokenizer;
  g_autoptr (BnBpe) bpe = NULL;

  if (self->model.kind != BN_TOKJSON_BPE || set == NULL)
    return bn_json_fail (self->members[MODEL], error,
        "byte-level BPE; others are not supported yet");
  bpe = bn_bpe_new (self->vocab, bn_tokjson_count_merges (&self->model));
  if (!bn_tokjson_foreach_merge (
          &self->model, self->vocab, add_pair, bpe, self->cancellable, error))
    return FALSE;
  if (self->model.ignore_merges)
    bn_bpe_ignore_merges (bpe);
  tokenizer->vocab = self->vocab;
  tokenizer->bpe = bpe;
  tokenizer->encoder = bn_encoder_new_bpe (
      g_steal_pointer (&self->vocab), g_steal_pointer (&bpe), set);
  return TRUE;
}

static BnAdded *
new_added (const Reader *self, gboolean is_normalized)
{
  g_autofree BnAddedToken *tokens =
      g_new (BnAddedToken, self->added.n_tokens + 1);
  size_t n = 0;

  for (size_t i = 0; i < self->added.n_tokens; i++) {
    const BnAddedToken *token = &self->added.tokens[i];

    if (((token->flags & BN_ADDED_NORMALIZED) != 0) == is_normalized)
      tokens[n++] = *token;
  }
  return n > 0 ? bn_added_new (tokens, n) : NULL;
}

static gboolean
read_sections (Reader *self, GError **error)
{
  BnTokenizer *tokenizer = self->tokenizer;

  if (!find_members (self, error)
      || !bn_tokjson_model_read (&self->model, self->members[MODEL], error)
      || !read_vocab (self, error) || !make_encoder (self, error))
    return FALSE;
  tokenizer->decoder = bn_json_is_set (self->members[DECODER])
                           ? bn_decoder_new_from_json (
                               tokenizer->vocab, self->members[DECODER], error)
                           : bn_decoder_new_joined (tokenizer->vocab);
  if (tokenizer->decoder == NULL)
    return FALSE;
  bn_encoder_set_added (
      tokenizer->encoder, new_added (self, FALSE), new_added (self, TRUE));
  tokenizer->pre = g_strdup ("default");
  return TRUE;
}

BnTokenizer *
bn_tokjson_read (
    BnJson root, BnFidelity fidelity, GCancellable *cancellable, GError **error)
{
  g_auto (Reader) self = {.root = root, .cancellable = cancellable};

  self.tokenizer = g_new0 (BnTokenizer, 1);
  self.tokenizer->fidelity =
      fidelity == BN_FIDELITY_AUTO ? BN_FIDELITY_HUGGINGFACE : fidelity;
  return read_sections (&self, error) ? g_steal_pointer (&self.tokenizer)
                                      : NULL;
}
