/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the sections of tokenizer.json together:
 *
 *   added_tokens -> normalizer -> added_tokens -> pre_tokenizer -> model
 *   -> post_processor; decoder for the way back */
#include "bn-tokjson.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-pipeline.h"
#include "bn-tokjson-llama.h"
#include "bn-tokjson-compiled.h"
#include "bn-tokjson-model.h"
#include "bn-tokjson-vocab.h"
#include "bn-tokjson-words.h"

#define VERSION "1.0"

enum {
  /* Smaller vocabularies are made as fast as they are read. */
  MIN_COMPILED_TOKENS = 1 << 14,
};

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
  BnVocab *vocab;             /* until an encoder takes it */
  const BnCompiled *compiled; /* of it: then nothing else is read of it */
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
is_llama_cpp (const Reader *self)
{
  return self->tokenizer->fidelity == BN_FIDELITY_LLAMA_CPP;
}

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
  for (uint32_t id = 0; id < self->vocab->n_tokens && !is_llama_cpp (self);
       id++)
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
assign_unknown (Reader *self, GError **error)
{
  const BnTokjsonModel *model = &self->model;
  uint32_t *role = &self->vocab->roles[BN_ROLE_UNK];

  if (model->unk_token.length > 0)
    *role = bn_tokjson_lookup (
        self->vocab, model->unk_token.text, model->unk_token.length);
  if (model->unk_id != UINT64_MAX && model->kind == BN_TOKJSON_UNIGRAM) {
    if (model->unk_id >= self->pieces.n_ids)
      return bn_json_fail (self->members[MODEL], error,
          "a member \"unk_id\" below %u", self->pieces.n_ids);
    *role = (uint32_t) model->unk_id;
  }
  return TRUE;
}

static gboolean
read_layouts (Reader *self, GError **error)
{
  BnJson json = self->members[POST_PROCESSOR];

  return !bn_json_is_set (json)
         || bn_layouts_read (json, self->vocab->n_tokens,
             &self->tokenizer->single, &self->tokenizer->pair, error);
}

/* What belongs to a vocabulary that was compiled, which has its attributes and
 * roles already. */
static gboolean
read_about_compiled (Reader *self, GError **error)
{
  size_t n_ids = 0;
  const uint32_t *ids =
      bn_compiled_get (self->compiled, BN_SECTION_ADDED, sizeof *ids, &n_ids);

  if (self->model.kind != BN_TOKJSON_BPE)
    return bn_json_fail (self->members[MODEL], error, "BPE, as it was");
  if (!bn_tokjson_added_read_again (&self->added, self->members[ADDED_TOKENS],
          ids, n_ids, self->vocab->n_tokens, error))
    return FALSE;
  if (is_llama_cpp (self))
    bn_tokjson_convert_added (&self->added);
  if (!read_layouts (self, error))
    return FALSE;
  assign_roles (self);
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
  if (is_llama_cpp (self))
    bn_tokjson_convert_added (&self->added);
  if (self->added.n_ids == 0)
    return bn_json_fail (self->model.vocab, error, "at least one token");
  self->vocab = bn_tokjson_vocab_new (&self->pieces, &self->added,
      is_byte_level ? BN_SPELLING_BYTE_LEVEL : BN_SPELLING_METASPACE,
      is_llama_cpp (self), error);
  if (self->vocab == NULL)
    return FALSE;
  if (!read_layouts (self, error))
    return FALSE;
  assign_roles (self);
  seal_vocab (self);
  return assign_unknown (self, error) && check_duplicates (self, error);
}

/* Normalizer, splitter and algorithm. An algorithm that does the work of the
 * stages before it takes their place. */
static gboolean
make_stages (Reader *self, gboolean has_normalized, BnPipelineStages *stages,
    GError **error)
{
  BnJson normalizer = self->members[NORMALIZER];
  BnJson pre_tokenizer = self->members[PRE_TOKENIZER];
  const BnTokjsonSource source = {&self->model, &self->pieces, self->vocab,
      self->cancellable, self->members[MODEL], FALSE};
  GError *local = NULL;

  if (bn_json_is_set (normalizer)
      && !(
          stages->normalizer = bn_normalizer_new_from_json (normalizer, error)))
    return FALSE;
  if (bn_json_is_set (pre_tokenizer)
      && !(stages->splitter = bn_splitter_new_from_json (pre_tokenizer, error)))
    return FALSE;

  if (!has_normalized
      && bn_tokjson_make_bert_model (
          &source, normalizer, pre_tokenizer, &stages->words)) {
    g_clear_pointer (&stages->normalizer, bn_normalizer_free);
    g_clear_pointer (&stages->splitter, bn_splitter_free);
    return TRUE;
  }
  if (stages->splitter && bn_splitter_is_byte_level (stages->splitter)) {
    const BnPretokSet *set = bn_splitter_get_set (stages->splitter);

    if (bn_tokjson_make_byte_model (
            &source, set, &stages->words, &self->tokenizer->bpe, &local)) {
      self->tokenizer->set = set;
      if (set)
        self->tokenizer->splitter = g_steal_pointer (&stages->splitter);
      else
        bn_splitter_use_bytes (stages->splitter);
      return TRUE;
    }
    if (local) {
      g_propagate_error (error, local);
      return FALSE;
    }
  }
  if (self->compiled)
    return bn_json_fail (
        self->members[MODEL], error, "byte-level BPE, as it was");
  return bn_tokjson_make_word_model (
      &source, &stages->words, &self->tokenizer->char_bpe, error);
}

static void
stages_clear (BnPipelineStages *self)
{
  g_clear_pointer (&self->normalizer, bn_normalizer_free);
  g_clear_pointer (&self->added, bn_added_free);
  g_clear_pointer (&self->splitter, bn_splitter_free);
  if (self->words.data)
    self->words.model->free (self->words.data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BnPipelineStages, stages_clear)

/* Those that are found in the text as it is, or in normalized text. The texts
 * of the latter are normalized, too; *is_changed if that makes a difference. */
static BnAdded *
new_added (Reader *self, const BnNormalizer *normalizer, gboolean is_normalized,
    gboolean *is_changed)
{
  g_autofree BnAddedToken *tokens =
      g_new (BnAddedToken, self->added.n_tokens + 1);
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  size_t n = 0;

  for (size_t i = 0; i < self->added.n_tokens; i++) {
    BnAddedToken *token = &self->added.tokens[i];
    BnBuffer text = {.length = 0};

    if (((token->flags & BN_ADDED_NORMALIZED) != 0) != is_normalized)
      continue;
    if (is_normalized && normalizer
        && bn_normalizer_apply (normalizer, scratch,
            (const uint8_t *) token->text, token->length, &text)
        && (text.length != token->length
            || memcmp (text.data, token->text, text.length) != 0)) {
      g_free (self->added.texts[i]);
      self->added.texts[i] = g_memdup2 (text.data, MAX (text.length, 1));
      token->text = self->added.texts[i];
      token->length = text.length;
      *is_changed = TRUE;
    }
    bn_buffer_clear (&text);
    tokens[n++] = *token;
  }
  return n > 0 ? bn_added_new (tokens, n) : NULL;
}

/* Its pieces are decoded as llama.cpp does; nothing is normalized. */
static gboolean
make_llama_cpp (Reader *self, GError **error)
{
  const BnTokjsonSource source = {&self->model, &self->pieces, self->vocab,
      self->cancellable, self->members[MODEL], TRUE};
  BnJson pre_tokenizer = self->members[PRE_TOKENIZER];
  g_autoptr (BnSplitter) splitter = NULL;

  if (bn_json_is_set (pre_tokenizer)
      && !(splitter = bn_splitter_new_from_json (pre_tokenizer, error)))
    return FALSE;
  if (!bn_tokjson_make_llama_cpp (&source, splitter, self->members[NORMALIZER],
          pre_tokenizer, self->tokenizer, error))
    return FALSE;
  self->vocab = NULL;
  return TRUE;
}

static gboolean
make_encoder (Reader *self, gboolean *is_changed, GError **error)
{
  g_auto (BnPipelineStages) stages = {.normalizer = NULL};
  BnTokenizer *tokenizer = self->tokenizer;
  g_autoptr (BnAdded) first = NULL;
  g_autoptr (BnAdded) second = NULL;
  gboolean has_normalized = FALSE;

  for (size_t i = 0; i < self->added.n_tokens; i++)
    has_normalized |= (self->added.tokens[i].flags & BN_ADDED_NORMALIZED) != 0;
  if (!make_stages (self, has_normalized, &stages, error))
    return FALSE;
  first = new_added (self, NULL, FALSE, is_changed);
  second = new_added (self, stages.normalizer, TRUE, is_changed);
  if (stages.normalizer)
    stages.added = g_steal_pointer (&second);

  tokenizer->vocab = self->vocab;
  tokenizer->encoder =
      stages.normalizer || stages.splitter
          ? bn_encoder_new_pipeline (g_steal_pointer (&self->vocab), &stages)
          : bn_encoder_new (g_steal_pointer (&self->vocab), stages.words.model,
              stages.words.data);
  stages = (BnPipelineStages){.normalizer = NULL};
  bn_encoder_set_added (
      tokenizer->encoder, g_steal_pointer (&first), g_steal_pointer (&second));
  return TRUE;
}

/* Added tokens that were found in normalized text are decoded as they are
 * there. */
static gboolean
make_decoder (Reader *self, gboolean is_changed, GError **error)
{
  BnTokenizer *tokenizer = self->tokenizer;
  BnJson json = self->members[DECODER];
  const BnVocab *vocab = tokenizer->vocab;

  if (is_changed && self->compiled)
    return bn_json_fail (
        self->members[ADDED_TOKENS], error, "texts that stay, as they did");
  if (is_changed) {
    BnVocab *other = bn_tokjson_vocab_new (
        &self->pieces, &self->added, vocab->spelling, FALSE, error);

    if (other == NULL)
      return FALSE;
    bn_vocab_seal (other);
    memcpy (other->attributes, vocab->attributes,
        vocab->n_tokens * sizeof *vocab->attributes);
    vocab = tokenizer->decode_vocab = other;
  }
  tokenizer->decoder = bn_json_is_set (json)
                           ? bn_decoder_new_from_json (vocab, json, error)
                           : bn_decoder_new_joined (vocab);
  return tokenizer->decoder != NULL;
}

/* A digest of the sections that are no vocabulary and no merges, as they are
 * written. */
static char *
make_identity (const Reader *self)
{
  static const int sections[] = {
      ADDED_TOKENS, NORMALIZER, PRE_TOKENIZER, POST_PROCESSOR, DECODER};
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  const BnTokjsonModel *model = &self->model;
  g_autofree char *flags =
      g_strdup_printf ("%d %d %d %d %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
          model->has_unk, model->fuse_unk, model->byte_fallback,
          model->ignore_merges, model->unk_id, model->max_input_chars_per_word);
  const BnTokjsonText texts[] = {
      model->unk_token, model->prefix, model->suffix};

  for (size_t i = 0; i < G_N_ELEMENTS (sections); i++) {
    const char *text = "null";
    size_t length = strlen (text);

    if (bn_json_is_set (self->members[sections[i]]))
      bn_json_get_raw (self->members[sections[i]], &text, &length);
    g_checksum_update (checksum, (const guchar *) text, (gssize) length);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    uint64_t length = GUINT64_TO_LE ((uint64_t) texts[i].length);

    g_checksum_update (checksum, (const guchar *) &length, sizeof length);
    if (texts[i].length > 0)
      g_checksum_update (
          checksum, (const guchar *) texts[i].text, (gssize) texts[i].length);
  }
  g_checksum_update (checksum, (const guchar *) flags, -1);
  return g_strdup (g_checksum_get_string (checksum));
}

static gboolean
read_sections (Reader *self, GError **error)
{
  gboolean is_changed = FALSE;

  if (!find_members (self, error)
      || !bn_tokjson_model_read (&self->model, self->members[MODEL], error)
      || !(self->compiled ? read_about_compiled (self, error)
                          : read_vocab (self, error)))
    return FALSE;
  if (is_llama_cpp (self)) {
    if (!make_llama_cpp (self, error))
      return FALSE;
  } else {
    if (!make_encoder (self, &is_changed, error)
        || !make_decoder (self, is_changed, error))
      return FALSE;
    self->tokenizer->pre = g_strdup ("default");
  }
  self->tokenizer->identity = make_identity (self);
  return TRUE;
}

/* Byte-level BPE only. Where added tokens have other texts when they are
 * decoded, that vocabulary would be made of the document. */
static void
save_compiled (const Reader *self, BnStore *store)
{
  const BnTokenizer *tokenizer = self->tokenizer;
  g_autofree uint32_t *ids = g_new (uint32_t, self->added.n_tokens + 1);
  g_autoptr (BnCompiledWriter) writer = NULL;
  g_autoptr (GString) skeleton = NULL;

  if (tokenizer->bpe == NULL || tokenizer->decode_vocab
      || tokenizer->vocab->n_tokens < MIN_COMPILED_TOKENS)
    return;
  for (size_t i = 0; i < self->added.n_tokens; i++)
    ids[i] = self->added.tokens[i].id;
  skeleton = bn_tokjson_make_skeleton (&self->model);
  writer = bn_compiled_writer_new ();
  bn_vocab_compile (tokenizer->vocab, writer);
  bn_bpe_compile (tokenizer->bpe, writer);
  bn_compiled_writer_add (
      writer, BN_SECTION_ADDED, ids, sizeof *ids, self->added.n_tokens);
  bn_compiled_writer_add (
      writer, BN_SECTION_JSON, skeleton->str, 1, skeleton->len);
  bn_store_save (store, writer);
}

static gboolean
read_all (Reader *self, BnFidelity fidelity, GError **error)
{
  self->tokenizer = g_new0 (BnTokenizer, 1);
  self->tokenizer->fidelity =
      fidelity == BN_FIDELITY_AUTO ? BN_FIDELITY_HUGGINGFACE : fidelity;
  return read_sections (self, error);
}

BnTokenizer *
bn_tokjson_read_into (BnJson root, BnFidelity fidelity, BnStore *store,
    GCancellable *cancellable, GError **error)
{
  g_auto (Reader) self = {.root = root, .cancellable = cancellable};

  if (!read_all (&self, fidelity, error))
    return NULL;
  if (store)
    save_compiled (&self, store);
  return g_steal_pointer (&self.tokenizer);
}

BnTokenizer *
bn_tokjson_read (
    BnJson root, BnFidelity fidelity, GCancellable *cancellable, GError **error)
{
  return bn_tokjson_read_into (root, fidelity, NULL, cancellable, error);
}

BnTokenizer *
bn_tokjson_read_compiled (
    BnCompiled *compiled, const char *path, BnFidelity fidelity, GError **error)
{
  BnJsonDocument document = {.path = path};
  g_auto (Reader) self = {.compiled = compiled};

  document.text =
      bn_compiled_get (compiled, BN_SECTION_JSON, 1, &document.size);
  self.vocab = bn_vocab_new_compiled (compiled);
  if (document.text == NULL || self.vocab == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: its compiled tables make no sense", path);
    return NULL;
  }
  return bn_json_open (&document, &self.root, error)
                 && read_all (&self, fidelity, error)
             ? g_steal_pointer (&self.tokenizer)
             : NULL;
}
