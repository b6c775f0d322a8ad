/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetTokenizer: the public face of lib/text. Checks arguments, turns
 * failures into errors; all work is done in text/bn-encoder.c. */
#include "bitnet-tokenizer.h"

#include <string.h>

#include "bitnet-error.h"
#include "bitnet-private.h"
#include "bitnet-tokenizer-private.h"
#include "text/bn-clean.h"
#include "text/bn-rawbpe.h"
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

BitnetTokenizer *
bitnet_tokenizer_new_take (BnTokenizer *inner)
{
  BitnetTokenizer *self;

  if (inner->decoder == NULL)
    inner->decoder =
        bn_decoder_new_pieces (inner->vocab, inner->add_space_prefix);
  self = g_object_new (BITNET_TYPE_TOKENIZER, NULL);
  self->inner = inner;
  return self;
}

/* Takes inner; NULL if there is none. */
static BitnetTokenizer *
wrap (BnTokenizer *inner)
{
  return inner ? bitnet_tokenizer_new_take (inner) : NULL;
}

BitnetTokenizer *
bitnet_tokenizer_new_from_gguf_full (const BnGguf *gguf,
    BitnetFidelity fidelity, BnGgufTokenizerFlags flags,
    gboolean *used_default_pre, GCancellable *cancellable, GError **error)
{
  return wrap (bn_tokenizer_new_from_gguf (gguf, (BnFidelity) fidelity, flags,
      used_default_pre, cancellable, error));
}

BitnetTokenizer *
bitnet_tokenizer_new_from_gguf (const BnGguf *gguf, BitnetFidelity fidelity,
    GCancellable *cancellable, GError **error)
{
  return bitnet_tokenizer_new_from_gguf_full (
      gguf, fidelity, 0, NULL, cancellable, error);
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

BitnetTokenizer *
bitnet_tokenizer_new_from_folder (const BnFolder *folder, const char *name,
    BitnetFidelity fidelity, GCancellable *cancellable, GError **error)
{
  return wrap (bn_source_load_from (
      folder, name, (BnFidelity) fidelity, cancellable, error));
}

const BnTokenizer *
bitnet_tokenizer_get_inner (BitnetTokenizer *self)
{
  return self->inner;
}

BnTokenizer *
bitnet_tokenizer_edit (BitnetTokenizer *self)
{
  g_clear_pointer (&self->id, g_free);
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
  if (vocab->n_usable < vocab->n_tokens)
    digest_uint32 (content, vocab->n_usable);
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
  if (parts->char_bpe)
    bn_char_bpe_foreach_merge (parts->char_bpe, digest_merge, content);
  if (parts->raw_bpe)
    bn_rawbpe_foreach_merge (parts->raw_bpe, digest_merge, content);
  if (parts->identity)
    digest_string (content, parts->identity);
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

/* Whether unknown words fail. */
static gboolean
needs_unknown (const BnTokenizer *parts)
{
  const char *name = bn_encoder_get_model (parts->encoder)->name;

  return parts->vocab->roles[BN_ROLE_UNK] == BN_TOKEN_NONE
         && (strcmp (name, "wordpiece") == 0
             || strcmp (name, "wordlevel") == 0);
}

/* Encodes a text or, if b is not NULL, a pair. */
static guint32 *
encode (BitnetTokenizer *self, const BnInput *a, const BnInput *b,
    BitnetEncodeFlags flags, gsize *n_tokens, GError **error)
{
  BnIds ids = {.n_ids = 0};

  /* Also for no ids at all the result is a pointer. */
  if (!bn_ids_reserve (&ids, 1)
      || !bn_tokenizer_encode (
          self->inner, a, b, (flags & BITNET_ENCODE_ADD_SPECIAL) != 0, &ids)) {
    g_free (ids.data);
    if (needs_unknown (self->inner))
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
          "the text has a word that is not in the vocabulary, which has no "
          "token for unknown words");
    else
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
          "no memory to encode a text, or an expression of its tokenizer takes "
          "too "
          "many steps");
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

/* A copy in which U+FFFD stands for what is not UTF-8 from offset bad on. */
static GString *
substitute (const uint8_t *text, gsize size, gsize bad, gboolean each_byte)
{
  GString *copy = g_string_sized_new (size + 2);

  g_string_append_len (copy, (const char *) text, (gssize) bad);
  for (gsize i = bad; i < size;) {
    guint32 cp;
    int length = bn_utf8_decode (text + i, size - i, &cp);

    if (length > 0) {
      g_string_append_len (copy, (const char *) text + i, length);
      i += (guint) length;
      continue;
    }
    g_string_append_unichar (copy, BN_REPLACEMENT_CHARACTER);
    if (each_byte)
      i++;
    else
      i = length < 0 ? i + (guint) -length : size;
  }
  return copy;
}

/* Makes text UTF-8, if it is none: then it lies in *copy afterwards. offset is
 * where it stands in a longer one, for the message. */
static gboolean
make_utf8 (BitnetTokenizer *self, const char **text, gsize *size, gsize offset,
    BitnetEncodeFlags flags, GString **copy, GError **error)
{
  gsize bad;

  if (!check_size (*size, error))
    return FALSE;
  if (bn_utf8_validate ((const uint8_t *) *text, *size, &bad))
    return TRUE;
  if (flags & BITNET_ENCODE_STRICT) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENCODING,
        "text is not UTF-8: found byte 0x%02X at offset %" G_GSIZE_FORMAT
        ", expected a complete character",
        (guint) (guchar) (*text)[bad], offset + bad);
    return FALSE;
  }
  *copy = substitute ((const uint8_t *) *text, *size, bad,
      self->inner->fidelity == BN_FIDELITY_LLAMA_CPP);
  *text = (*copy)->str;
  *size = (*copy)->len;
  return check_size (*size, error);
}

/* A text that is one stretch. */
typedef struct {
  BnInput input;
  BnStretch stretch;
  GString *copy;
} Text;

static void
text_clear (Text *self)
{
  if (self->copy)
    g_string_free (self->copy, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Text, text_clear)

static gboolean
text_init (Text *self, BitnetTokenizer *tokenizer, const char *text,
    gssize length, BitnetEncodeFlags flags, GError **error)
{
  self->stretch.token = BN_TOKEN_NONE;
  self->stretch.length = length < 0 ? strlen (text) : (gsize) length;
  self->stretch.parse_special = (flags & BITNET_ENCODE_PARSE_SPECIAL) != 0;
  if (!make_utf8 (tokenizer, &text, &self->stretch.length, 0, flags,
          &self->copy, error))
    return FALSE;
  self->input = (BnInput){(const uint8_t *) text, &self->stretch, 1};
  return TRUE;
}

guint32 *
bitnet_tokenizer_encode (BitnetTokenizer *self, const char *text, gssize length,
    BitnetEncodeFlags flags, gsize *n_tokens, GError **error)
{
  g_auto (Text) a = {.copy = NULL};

  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (text != NULL || length == 0, NULL);
  g_return_val_if_fail (n_tokens != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  *n_tokens = 0;
  return text_init (&a, self, text, length, flags, error)
             ? encode (self, &a.input, NULL, flags, n_tokens, error)
             : NULL;
}

guint32 *
bitnet_tokenizer_encode_pair (BitnetTokenizer *self, const char *first,
    gssize first_length, const char *second, gssize second_length,
    BitnetEncodeFlags flags, gsize *n_tokens, GError **error)
{
  g_auto (Text) a = {.copy = NULL};
  g_auto (Text) b = {.copy = NULL};

  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (first != NULL || first_length == 0, NULL);
  g_return_val_if_fail (second != NULL || second_length == 0, NULL);
  g_return_val_if_fail (n_tokens != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  *n_tokens = 0;
  return text_init (&a, self, first, first_length, flags, error)
                 && text_init (&b, self, second, second_length, flags, error)
             ? encode (self, &a.input, &b.input, flags, n_tokens, error)
             : NULL;
}

/* Appends a part to the whole text. */
static gboolean
append_part (BitnetTokenizer *self, const BitnetTextPart *part,
    BitnetEncodeFlags flags, GString *whole, BnStretch *stretch, GError **error)
{
  g_auto (Text) copy = {.copy = NULL};
  const char *text = part->text;

  stretch->token = BN_TOKEN_NONE;
  if (text == NULL) {
    stretch->token = part->token;
    return TRUE;
  }
  stretch->length = part->length < 0 ? strlen (text) : (gsize) part->length;
  stretch->parse_special =
      (flags & BITNET_ENCODE_PARSE_SPECIAL) || part->parse_special;
  if (!make_utf8 (
          self, &text, &stretch->length, whole->len, flags, &copy.copy, error)
      || !check_size (whole->len + stretch->length, error))
    return FALSE;
  g_string_append_len (whole, text, (gssize) stretch->length);
  return TRUE;
}

guint32 *
bitnet_tokenizer_encode_parts (BitnetTokenizer *self,
    const BitnetTextPart *parts, gsize n_parts, BitnetEncodeFlags flags,
    gsize *n_tokens, GError **error)
{
  g_autoptr (GString) text = NULL;
  g_autofree BnStretch *stretches = NULL;

  g_return_val_if_fail (BITNET_IS_TOKENIZER (self), NULL);
  g_return_val_if_fail (parts != NULL || n_parts == 0, NULL);
  g_return_val_if_fail (n_tokens != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  *n_tokens = 0;
  text = g_string_new (NULL);
  stretches = g_new0 (BnStretch, n_parts);
  for (gsize i = 0; i < n_parts; i++) {
    if (!append_part (self, &parts[i], flags, text, &stretches[i], error))
      return NULL;
  }
  return encode (self,
      &(BnInput){(const uint8_t *) text->str, stretches, n_parts}, NULL, flags,
      n_tokens, error);
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
  if (flags & BITNET_DECODE_CLEAN_SPACES) {
    if (self->inner->fidelity == BN_FIDELITY_LLAMA_CPP)
      bn_clean_llama_cpp (text);
    else
      bn_clean_huggingface (text);
  }
  if (length)
    *length = text->len;
  return g_string_free (g_steal_pointer (&text), FALSE);
}
