/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetTokenizer: the public face of lib/text. Checks arguments, turns
 * failures into errors; all work is done in text/bn-encoder.c. */
#include "bitnet-tokenizer.h"

#include <string.h>

#include "bitnet-error.h"
#include "bitnet-private.h"
#include "bitnet-tokenizer-private.h"
#include "text/bn-source.h"

struct _BitnetTokenizer {
  GObject parent_instance;

  BnTokenizer *inner;
  char *id; /* made when it is asked for first */
};

G_DEFINE_FINAL_TYPE (BitnetTokenizer, bitnet_tokenizer, G_TYPE_OBJECT)

G_STATIC_ASSERT (
    (int) BITNET_FIDELITY_HUGGINGFACE == (int) BN_FIDELITY_HUGGINGFACE);
G_STATIC_ASSERT ((int) BITNET_TOKEN_NORMAL == (int) BN_TOKEN_NORMAL);
G_STATIC_ASSERT ((int) BITNET_TOKEN_EOG == (int) BN_TOKEN_EOG);
G_STATIC_ASSERT ((int) BITNET_DECODE_KEEP_SPACE == (int) BN_DECODE_KEEP_SPACE);
G_STATIC_ASSERT ((int) BITNET_SPECIAL_MASK == (int) BN_ROLE_MASK);
G_STATIC_ASSERT (BITNET_TOKEN_NONE == BN_TOKEN_NONE);

enum { PUBLIC_ATTRIBUTES = (BITNET_TOKEN_EOG << 1) - 1 };

static void
bitnet_tokenizer_finalize (GObject *object)
{
  BitnetTokenizer *self = BITNET_TOKENIZER (object);

  g_clear_pointer (&self->inner, bn_tokenizer_free);
  g_free (self->id);
  G_OBJECT_CLASS (bitnet_tokenizer_parent_class)->finalize (object);
}

static void
bitnet_tokenizer_class_init (BitnetTokenizerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_tokenizer_finalize;
}

static void
bitnet_tokenizer_init (BitnetTokenizer *self)
{
}

/* Takes inner; NULL if there is none. */
static BitnetTokenizer *
wrap (BnTokenizer *inner)
{
  BitnetTokenizer *self;

  if (inner == NULL)
    return NULL;
  if (inner->decoder == NULL)
    inner->decoder =
        bn_decoder_new_pieces (inner->vocab, inner->add_space_prefix);
  self = g_object_new (BITNET_TYPE_TOKENIZER, NULL);
  self->inner = inner;
  return self;
}

BitnetTokenizer *
bitnet_tokenizer_new_from_gguf (const BnGguf *gguf, BitnetFidelity fidelity,
    GCancellable *cancellable, GError **error)
{
  return wrap (bn_tokenizer_new_from_gguf (
      gguf, (BnFidelity) fidelity, cancellable, error));
}

BitnetTokenizer *
bitnet_tokenizer_new_from_model_full (BitnetModel *model,
    BitnetFidelity fidelity, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (BITNET_IS_MODEL (model), NULL);
  g_return_val_if_fail (fidelity <= BITNET_FIDELITY_HUGGINGFACE, NULL);

  return bitnet_tokenizer_new_from_gguf (
      bitnet_model_get_gguf (model), fidelity, cancellable, error);
}

BitnetTokenizer *
bitnet_tokenizer_new_from_model (
    BitnetModel *model, GCancellable *cancellable, GError **error)
{
  return bitnet_tokenizer_new_from_model_full (
      model, BITNET_FIDELITY_AUTO, cancellable, error);
}

BitnetTokenizer *
bitnet_tokenizer_new_from_file (const char *path, BitnetFidelity fidelity,
    GCancellable *cancellable, GError **error)
{
  gboolean is_gguf;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (fidelity <= BITNET_FIDELITY_HUGGINGFACE, NULL);

  if (!bn_source_is_gguf (path, &is_gguf, error))
    return NULL;
  if (is_gguf) {
    g_autoptr (BitnetModel) model =
        bitnet_model_new_from_file (path, cancellable, error);

    return model ? bitnet_tokenizer_new_from_model_full (
               model, fidelity, cancellable, error)
                 : NULL;
  }
  return wrap (
      bn_source_load (path, (BnFidelity) fidelity, cancellable, error));
}

const BnTokenizer *
bitnet_tokenizer_get_inner (BitnetTokenizer *self)
{
  return self->inner;
}

/* What a digest takes in, gathered so that it is fed in large pieces. Numbers
 * are little-endian on every machine. */
static void
digest_uint32 (GByteArray *content, uint32_t value)
{
  value = GUINT32_TO_LE (value);
  g_byte_array_append (content, (const guint8 *) &value, sizeof value);
}

static void
digest_string (GByteArray *content, const char *text)
{
  g_byte_array_append (
      content, (const guint8 *) text, (guint) strlen (text) + 1);
}

static void
digest_merge (uint32_t left, uint32_t right, uint32_t merged, void *user_data)
{
  digest_uint32 (user_data, left);
  digest_uint32 (user_data, right);
  digest_uint32 (user_data, merged);
}

static void
flush_digest (GChecksum *checksum, GByteArray *content)
{
  g_checksum_update (checksum, content->data, (gssize) content->len);
  g_byte_array_set_size (content, 0);
}

static char *
make_id (const BnTokenizer *parts)
{
  const BnVocab *vocab = parts->vocab;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GByteArray) content = g_byte_array_new ();

  digest_string (content, bn_encoder_get_model (parts->encoder)->name);
  digest_string (content, parts->pre);
  digest_uint32 (content, (parts->add_bos != 0) | (parts->add_eos != 0) << 1
                              | (parts->add_space_prefix != 0) << 2);
  for (int i = 0; i < BN_N_ROLES; i++)
    digest_uint32 (content, vocab->roles[i]);
  digest_uint32 (content, vocab->n_tokens);
  for (uint32_t id = 0; id < vocab->n_tokens; id++) {
    union {
      float number;
      uint32_t bits;
    } score = {vocab->scores[id]};

    digest_uint32 (content, vocab->texts.offsets[id + 1]);
    digest_uint32 (content, vocab->attributes[id]);
    if (score.bits != 0)
      digest_uint32 (content, score.bits);
  }
  flush_digest (checksum, content);
  g_checksum_update (
      checksum, vocab->texts.bytes, vocab->texts.offsets[vocab->n_tokens]);
  if (parts->bpe)
    bn_bpe_foreach_merge (parts->bpe, digest_merge, content);
  flush_digest (checksum, content);
  return g_strdup (g_checksum_get_string (checksum));
}

const char *
bitnet_tokenizer_get_id (BitnetTokenizer *self)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);

  if (g_once_init_enter (&self->id))
    g_once_init_leave (&self->id, make_id (self->inner));
  return self->id;
}

const char *
bitnet_tokenizer_get_algorithm (BitnetTokenizer *self)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);

  return bn_encoder_get_model (self->inner->encoder)->name;
}

const char *
bitnet_tokenizer_get_pre (BitnetTokenizer *self)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);

  return self->inner->pre;
}

guint
bitnet_tokenizer_get_vocab_size (BitnetTokenizer *self)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), 0);

  return self->inner->vocab->n_tokens;
}

guint32
bitnet_tokenizer_get_special (BitnetTokenizer *self, BitnetSpecialToken which)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), BITNET_TOKEN_NONE);
  g_return_val_if_fail (
      (unsigned) which <= BITNET_SPECIAL_MASK, BITNET_TOKEN_NONE);

  return self->inner->vocab->roles[which];
}

BitnetFidelity
bitnet_tokenizer_get_fidelity (BitnetTokenizer *self)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), BITNET_FIDELITY_AUTO);

  return (BitnetFidelity) self->inner->fidelity;
}

const char *
bitnet_tokenizer_get_chat_template (BitnetTokenizer *self)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);

  return self->inner->chat_template;
}

gboolean
bitnet_tokenizer_get_add_bos (BitnetTokenizer *self)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), FALSE);

  return self->inner->add_bos;
}

gboolean
bitnet_tokenizer_get_add_eos (BitnetTokenizer *self)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), FALSE);

  return self->inner->add_eos;
}

gboolean
bitnet_tokenizer_is_eog (BitnetTokenizer *self, guint32 token)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), FALSE);

  return token < self->inner->vocab->n_tokens
         && (self->inner->vocab->attributes[token] & BN_TOKEN_EOG);
}

BitnetTokenAttributes
bitnet_tokenizer_get_attributes (BitnetTokenizer *self, guint32 token)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), 0);

  if (token >= self->inner->vocab->n_tokens)
    return 0;
  return self->inner->vocab->attributes[token] & PUBLIC_ATTRIBUTES;
}

GBytes *
bitnet_tokenizer_get_token_bytes (BitnetTokenizer *self, guint32 token)
{
  const uint8_t *piece;
  size_t length;

  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);

  if (token >= self->inner->vocab->n_tokens)
    return NULL;
  piece = bn_vocab_piece (self->inner->vocab, token, &length);
  return g_bytes_new (piece, length);
}

guint32
bitnet_tokenizer_lookup (BitnetTokenizer *self, const char *text)
{
  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), BITNET_TOKEN_NONE);
  g_return_val_if_fail (text != NULL, BITNET_TOKEN_NONE);

  return bn_vocab_lookup (self->inner->vocab, text, strlen (text));
}

/* Encodes a text that has been checked; the stretches make it up. */
static guint32 *
encode (BitnetTokenizer *self, const uint8_t *text, gsize size,
    const BnStretch *stretches, gsize n_stretches, BitnetEncodeFlags flags,
    gsize *n_tokens, GError **error)
{
  const BnInput input = {text, stretches, n_stretches};
  BnIds ids = {.n_ids = 0};

  /* Also for no ids at all the result is a pointer. */
  if (!bn_ids_reserve (&ids, 1)
      || !bn_tokenizer_encode (self->inner, &input, NULL,
          (flags & BITNET_ENCODE_ADD_SPECIAL) != 0, &ids)) {
    g_free (ids.data);
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
        "no memory to encode a text of %" G_GSIZE_FORMAT " bytes", size);
    return NULL;
  }
  *n_tokens = ids.n_ids;
  return ids.data;
}

static gboolean
check_size (gsize size, GError **error)
{
  if (size <= BN_MAX_TEXT_SIZE)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "text has %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT
      " can be encoded at once",
      size, BN_MAX_TEXT_SIZE);
  return FALSE;
}

/* offset is where text stands in a longer one, for the message. */
static gboolean
check_utf8 (const char *text, gsize size, gsize offset, GError **error)
{
  gsize bad;

  if (bn_utf8_validate ((const uint8_t *) text, size, &bad))
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENCODING,
      "text is not UTF-8: found byte 0x%02X at offset %" G_GSIZE_FORMAT
      ", expected a complete character",
      (guint) (guchar) text[bad], offset + bad);
  return FALSE;
}

guint32 *
bitnet_tokenizer_encode (BitnetTokenizer *self, const char *text, gssize length,
    BitnetEncodeFlags flags, gsize *n_tokens, GError **error)
{
  BnStretch stretch = {.token = BN_TOKEN_NONE};

  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (text != NULL || length == 0, NULL);
  g_return_val_if_fail (n_tokens != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  *n_tokens = 0;
  stretch.length = length < 0 ? strlen (text) : (gsize) length;
  stretch.parse_special = (flags & BITNET_ENCODE_PARSE_SPECIAL) != 0;
  if (!check_size (stretch.length, error)
      || !check_utf8 (text, stretch.length, 0, error))
    return NULL;
  return encode (self, (const uint8_t *) text, stretch.length, &stretch, 1,
      flags, n_tokens, error);
}

guint32 *
bitnet_tokenizer_encode_parts (BitnetTokenizer *self,
    const BitnetTextPart *parts, gsize n_parts, BitnetEncodeFlags flags,
    gsize *n_tokens, GError **error)
{
  g_autoptr (GString) text = NULL;
  g_autofree BnStretch *stretches = NULL;
  gboolean parse_all = (flags & BITNET_ENCODE_PARSE_SPECIAL) != 0;

  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (parts != NULL || n_parts == 0, NULL);
  g_return_val_if_fail (n_tokens != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  *n_tokens = 0;
  text = g_string_new (NULL);
  stretches = g_new0 (BnStretch, n_parts);
  for (gsize i = 0; i < n_parts; i++) {
    const BitnetTextPart *part = &parts[i];

    stretches[i].token = BN_TOKEN_NONE;
    if (part->text == NULL) {
      stretches[i].token = part->token;
      continue;
    }
    stretches[i].length =
        part->length < 0 ? strlen (part->text) : (gsize) part->length;
    stretches[i].parse_special = parse_all || part->parse_special;
    if (!check_size (stretches[i].length, error)
        || !check_size (text->len + stretches[i].length, error)
        || !check_utf8 (part->text, stretches[i].length, text->len, error))
      return NULL;
    g_string_append_len (text, part->text, (gssize) stretches[i].length);
  }
  return encode (self, (const uint8_t *) text->str, text->len, stretches,
      n_parts, flags, n_tokens, error);
}

char *
bitnet_tokenizer_decode (BitnetTokenizer *self, const guint32 *tokens,
    gsize n_tokens, BitnetDecodeFlags flags, gsize *length, GError **error)
{
  g_autoptr (GString) text = NULL;

  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (tokens != NULL || n_tokens == 0, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  for (gsize i = 0; i < n_tokens; i++) {
    if (tokens[i] >= self->inner->vocab->n_tokens) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
          "token %u at position %" G_GSIZE_FORMAT
          " is not in the vocabulary, which has %u tokens",
          tokens[i], i, self->inner->vocab->n_tokens);
      return NULL;
    }
  }
  text = g_string_new (NULL);
  bn_decode_all (self->inner->decoder, flags, tokens, n_tokens, text);
  if (length)
    *length = text->len;
  return g_string_free (g_steal_pointer (&text), FALSE);
}
