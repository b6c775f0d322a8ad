/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoders of tokenizer.json. */
#include "bn-decode-stage.h"

#include <string.h>

#include "bitnet-error.h"

#define METASPACE "\xE2\x96\x81"

enum {
  MAX_STAGES = 64,
  /* How much longer stages may make a text, and how long all texts of a
   * vocabulary may become: replacements of replacements grow without end. */
  MAX_GROWTH = 1 << 10,
  MAX_TEXTS_SIZE = 1 << 30,
};

typedef struct {
  GArray *stages; /* of BnStage */
  double growth;
} Reader;

static void
clear_stage (void *stage)
{
  bn_stage_clear (stage);
}

/* How much longer a stage can make a text. */
static double
get_growth (const BnStage *stage)
{
  double content = (double) stage->content_length;

  switch (stage->type) {
    case BN_STAGE_REPLACE:
      return stage->pattern_length > 0
                 ? MAX (1, content / (double) stage->pattern_length)
                 : 1 + content;
    case BN_STAGE_SUFFIX:
      return stage->pattern_length > 0 ? 1 : 2;
    case BN_STAGE_CTC:
      return stage->content_length > 0 ? 1 : 2;
    default:
      return 1;
  }
}

static gboolean
add_stage (Reader *self, BnJson json, BnStage stage, GError **error)
{
  self->growth *= get_growth (&stage);
  g_array_append_val (self->stages, stage);
  if (self->stages->len > MAX_STAGES)
    return bn_json_fail (json, error, "at most %d decoders", MAX_STAGES);
  if (self->growth > MAX_GROWTH)
    return bn_json_fail (json, error,
        "replacements that make a text at most %d times as long", MAX_GROWTH);
  return TRUE;
}

/* A member that is a string; *text stays what it is if there is none. It may
 * contain NUL bytes. */
static gboolean
read_text (
    BnJson json, const char *name, char **text, size_t *length, GError **error)
{
  BnJson value;

  if (!bn_json_find (json, name, &value))
    return TRUE;
  if (!bn_json_expect (value, BN_JSON_STRING, error))
    return FALSE;
  g_free (*text);
  *text = bn_json_dup_string (value, length);
  return TRUE;
}

/* The same for one character. */
static gboolean
read_character (
    BnJson json, const char *name, char **text, size_t *length, GError **error)
{
  BnJson value;

  if (!read_text (json, name, text, length, error))
    return FALSE;
  if (*length == 0 || bn_utf8_announced_length ((uint8_t) * *text) != *length) {
    if (!bn_json_find (json, name, &value))
      value = json;
    return bn_json_fail (value, error, "one character (\"%s\")", name);
  }
  return TRUE;
}

static gboolean
read_replace (BnJson json, BnStage *stage, GError **error)
{
  BnJson pattern, value;

  stage->type = BN_STAGE_REPLACE;
  stage->content = g_strdup ("");
  if (!bn_json_find (json, "pattern", &pattern))
    return bn_json_fail (json, error, "a member \"pattern\"");
  if (!bn_json_expect (pattern, BN_JSON_OBJECT, error))
    return FALSE;
  if (bn_json_find (pattern, "Regex", &value)) {
    if (!bn_json_expect (value, BN_JSON_STRING, error))
      return FALSE;
    stage->regex = bn_regex_new (value, error);
    return stage->regex
           && read_text (
               json, "content", &stage->content, &stage->content_length, error);
  }
  if (!bn_json_find (pattern, "String", &value))
    return bn_json_fail (pattern, error, "a member \"String\" or \"Regex\"");
  return read_text (
             pattern, "String", &stage->pattern, &stage->pattern_length, error)
         && read_text (
             json, "content", &stage->content, &stage->content_length, error);
}

static gboolean
read_metaspace (BnJson json, BnStage *stage, GError **error)
{
  g_autofree char *scheme = NULL;
  gboolean add_prefix_space = TRUE;
  BnJson value = json;

  stage->type = BN_STAGE_METASPACE;
  stage->pattern = g_strdup (METASPACE);
  stage->pattern_length = strlen (METASPACE);
  if (!read_character (
          json, "replacement", &stage->pattern, &stage->pattern_length, error)
      || !bn_json_read_string (json, "prepend_scheme", &scheme, error)
      || !bn_json_read_boolean (
          json, "add_prefix_space", &add_prefix_space, error))
    return FALSE;
  if (scheme && strcmp (scheme, "always") != 0 && strcmp (scheme, "never") != 0
      && strcmp (scheme, "first") != 0) {
    bn_json_find (json, "prepend_scheme", &value);
    return bn_json_fail (value, error, "\"always\", \"never\" or \"first\"");
  }
  stage->removes_first =
      scheme ? strcmp (scheme, "never") != 0 : add_prefix_space;
  return TRUE;
}

static gboolean
read_strip (BnJson json, BnStage *stage, GError **error)
{
  uint64_t start = 0, stop = 0;

  stage->type = BN_STAGE_STRIP;
  if (!read_character (
          json, "content", &stage->pattern, &stage->pattern_length, error)
      || !bn_json_read_uint (json, "start", G_MAXUINT32, &start, error)
      || !bn_json_read_uint (json, "stop", G_MAXUINT32, &stop, error))
    return FALSE;
  stage->start = (size_t) start;
  stage->stop = (size_t) stop;
  return TRUE;
}

static gboolean
read_word_piece (BnJson json, BnStage *stage, GError **error)
{
  stage->type = BN_STAGE_WORD_PIECE;
  stage->pattern = g_strdup ("##");
  stage->pattern_length = 2;
  stage->cleans = TRUE;
  return read_text (
             json, "prefix", &stage->pattern, &stage->pattern_length, error)
         && bn_json_read_boolean (json, "cleanup", &stage->cleans, error);
}

static gboolean
read_suffix (BnJson json, BnStage *stage, GError **error)
{
  stage->type = BN_STAGE_SUFFIX;
  stage->pattern = g_strdup ("</w>");
  stage->pattern_length = strlen (stage->pattern);
  return read_text (
      json, "suffix", &stage->pattern, &stage->pattern_length, error);
}

static gboolean
read_ctc (BnJson json, BnStage *stage, GError **error)
{
  stage->type = BN_STAGE_CTC;
  stage->pattern = g_strdup ("<pad>");
  stage->pattern_length = strlen (stage->pattern);
  stage->content = g_strdup ("|");
  stage->content_length = 1;
  stage->cleans = TRUE;
  return read_text (
             json, "pad_token", &stage->pattern, &stage->pattern_length, error)
         && read_text (json, "word_delimiter_token", &stage->content,
             &stage->content_length, error)
         && bn_json_read_boolean (json, "cleanup", &stage->cleans, error);
}

static gboolean
read_byte_level (BnJson json, BnStage *stage, GError **error)
{
  stage->type = BN_STAGE_BYTE_LEVEL;
  return TRUE;
}

static gboolean
read_byte_fallback (BnJson json, BnStage *stage, GError **error)
{
  stage->type = BN_STAGE_BYTE_FALLBACK;
  return TRUE;
}

static gboolean
read_fuse (BnJson json, BnStage *stage, GError **error)
{
  stage->type = BN_STAGE_FUSE;
  return TRUE;
}

static const struct {
  const char *type;
  gboolean (*read) (BnJson json, BnStage *stage, GError **error);
} types[] = {
    {"BPEDecoder", read_suffix},
    {"ByteFallback", read_byte_fallback},
    {"ByteLevel", read_byte_level},
    {"CTC", read_ctc},
    {"Fuse", read_fuse},
    {"Metaspace", read_metaspace},
    {"Replace", read_replace},
    {"Strip", read_strip},
    {"WordPiece", read_word_piece},
};

static gboolean read_decoder (Reader *self, BnJson json, GError **error);

static gboolean
read_sequence (Reader *self, BnJson json, GError **error)
{
  BnJson decoders, decoder;
  BnJsonIter iter;

  if (!bn_json_find (json, "decoders", &decoders))
    return bn_json_fail (json, error, "a member \"decoders\"");
  if (!bn_json_expect (decoders, BN_JSON_ARRAY, error))
    return FALSE;
  bn_json_iter_init (&iter, decoders);
  while (bn_json_iter_next (&iter, NULL, &decoder)) {
    if (!read_decoder (self, decoder, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_decoder (Reader *self, BnJson json, GError **error)
{
  BnJson type;

  if (!bn_json_expect (json, BN_JSON_OBJECT, error))
    return FALSE;
  if (!bn_json_find (json, "type", &type))
    return bn_json_fail (json, error, "a decoder with a member \"type\"");
  if (!bn_json_expect (type, BN_JSON_STRING, error))
    return FALSE;
  if (bn_json_equals (type, "Sequence"))
    return read_sequence (self, json, error);

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
    BnStage stage = {.pattern = NULL};

    if (!bn_json_equals (type, types[i].type))
      continue;
    if (!types[i].read (json, &stage, error)) {
      clear_stage (&stage);
      return FALSE;
    }
    if (!add_stage (self, json, stage, error))
      return FALSE;
    return stage.type != BN_STAGE_BYTE_LEVEL
           || add_stage (self, json, (BnStage){.type = BN_STAGE_JOIN}, error);
  }
  return bn_json_fail (type, error,
      "a decoder of a type that is known (\"ByteLevel\", \"Metaspace\", "
      "\"WordPiece\", \"BPEDecoder\", \"ByteFallback\", \"Fuse\", \"Strip\", "
      "\"Replace\", \"CTC\", \"Sequence\")");
}

static BnDecoder *
take_stages (const BnVocab *vocab, GArray *stages)
{
  unsigned hidden = BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN;
  BnDecoder *decoder;

  /* Where tokens are words, the unknown one stands for a word of the text. */
  for (guint i = 0; i < stages->len; i++) {
    BnStageType type = g_array_index (stages, BnStage, i).type;

    if (type >= BN_STAGE_WORD_PIECE && type <= BN_STAGE_SPACE)
      hidden = BN_TOKEN_CONTROL;
  }
  decoder = bn_decoder_new (vocab, FALSE,
      (const BnStage *) (const void *) stages->data, stages->len, hidden, 0);
  g_array_set_clear_func (stages, NULL);
  return decoder;
}

BnDecoder *
bn_decoder_new_from_json (const BnVocab *vocab, BnJson json, GError **error)
{
  g_autoptr (GArray) stages = g_array_new (FALSE, FALSE, sizeof (BnStage));
  Reader reader = {stages, 1};

  g_array_set_clear_func (stages, clear_stage);
  if (!read_decoder (&reader, json, error))
    return NULL;
  if (reader.growth * vocab->texts.offsets[vocab->n_tokens] > MAX_TEXTS_SIZE) {
    bn_json_fail (json, error,
        "replacements that make a vocabulary of %u "
        "bytes at most %d bytes long",
        vocab->texts.offsets[vocab->n_tokens], MAX_TEXTS_SIZE);
    return NULL;
  }
  return take_stages (vocab, stages);
}

BnDecoder *
bn_decoder_new_joined (const BnVocab *vocab)
{
  g_autoptr (GArray) stages = g_array_new (FALSE, FALSE, sizeof (BnStage));
  BnStage stage = {.type = BN_STAGE_SPACE};

  g_array_append_val (stages, stage);
  return take_stages (vocab, stages);
}

BnDecoder *
bn_decoder_new_word_piece (
    const BnVocab *vocab, const char *prefix, gboolean cleanup)
{
  g_autoptr (GArray) stages = g_array_new (FALSE, FALSE, sizeof (BnStage));
  const char *pattern = prefix ? prefix : METASPACE;
  BnStage stage = {
      .type = prefix ? BN_STAGE_WORD_PIECE : BN_STAGE_PHANTOM,
      .pattern = g_strdup (pattern),
      .pattern_length = strlen (pattern),
      .cleans = cleanup,
  };
  const BnStage join = {.type = BN_STAGE_JOIN};

  g_array_append_val (stages, stage);
  /* Such files may have any bytes. */
  if (prefix == NULL)
    g_array_append_val (stages, join);
  return take_stages (vocab, stages);
}
