/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetDecoder: tokens to text, one at a time.
 *
 * Tokens may end inside a character, so bytes are joined before they come
 * out. Everything that depends on what came before is in BitnetDecodeState;
 * decoding all at once and in pieces gives the same text. */
#include "bitnet-tokenizer-private.h"

struct _BitnetDecoder {
  GObject parent_instance;

  BitnetTokenizer *tokenizer;
  BitnetDecodeFlags flags;
  BitnetDecodeState state;
  GString *text; /* what push returns a copy of */
};

G_DEFINE_FINAL_TYPE (BitnetDecoder, bitnet_decoder, G_TYPE_OBJECT)

void
bitnet_decode_token (const BnTokenizer *parts, BitnetDecodeState *state,
    BitnetDecodeFlags flags, guint32 token, GString *out)
{
  unsigned attributes;
  const uint8_t *piece;
  size_t length;

  if (token >= parts->vocab->n_tokens)
    return;
  attributes = parts->vocab->attributes[token];
  if (attributes & (BN_TOKEN_CONTROL | BN_TOKEN_UNKNOWN)) {
    if (!(flags & BITNET_DECODE_SPECIAL))
      return;
  } else if (attributes & BN_TOKEN_UNUSED) {
    return;
  }

  piece = bn_vocab_piece (parts->vocab, token, &length);
  if (!state->has_text && parts->add_space_prefix
      && !(flags & BITNET_DECODE_KEEP_SPACE) && length > 0 && *piece == ' ') {
    piece++;
    length--;
  }
  state->has_text = TRUE;
  bn_utf8_joiner_push (&state->joiner, piece, length, out);
}

static void
bitnet_decoder_finalize (GObject *object)
{
  BitnetDecoder *self = BITNET_DECODER (object);

  g_clear_object (&self->tokenizer);
  g_string_free (self->text, TRUE);
  G_OBJECT_CLASS (bitnet_decoder_parent_class)->finalize (object);
}

static void
bitnet_decoder_class_init (BitnetDecoderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bitnet_decoder_finalize;
}

static void
bitnet_decoder_init (BitnetDecoder *self)
{
  self->text = g_string_new (NULL);
}

BitnetDecoder *
bitnet_decoder_new (BitnetTokenizer *tokenizer, BitnetDecodeFlags flags)
{
  BitnetDecoder *self;

  g_return_val_if_fail (BITNET_IS_TOKENIZER (tokenizer), NULL);

  self = g_object_new (BITNET_TYPE_DECODER, NULL);
  self->tokenizer = g_object_ref (tokenizer);
  self->flags = flags;
  return self;
}

static char *
take_text (BitnetDecoder *self, gsize *length)
{
  char *text = g_memdup2 (self->text->str, self->text->len + 1);

  if (length)
    *length = self->text->len;
  g_string_truncate (self->text, 0);
  return text;
}

char *
bitnet_decoder_push (
    BitnetDecoder *self, const guint32 *tokens, gsize n_tokens, gsize *length)
{
  const BnTokenizer *parts;

  g_return_val_if_fail (BITNET_IS_DECODER (self), NULL);
  g_return_val_if_fail (tokens != NULL || n_tokens == 0, NULL);

  parts = bitnet_tokenizer_get_inner (self->tokenizer);
  for (gsize i = 0; i < n_tokens; i++)
    bitnet_decode_token (
        parts, &self->state, self->flags, tokens[i], self->text);
  return take_text (self, length);
}

char *
bitnet_decoder_finish (BitnetDecoder *self, gsize *length)
{
  char *text;

  g_return_val_if_fail (BITNET_IS_DECODER (self), NULL);

  bn_utf8_joiner_finish (&self->state.joiner, self->text);
  text = take_text (self, length);
  bitnet_decoder_reset (self);
  return text;
}

void
bitnet_decoder_reset (BitnetDecoder *self)
{
  g_return_if_fail (BITNET_IS_DECODER (self));

  self->state = (BitnetDecodeState){.has_text = FALSE};
}
