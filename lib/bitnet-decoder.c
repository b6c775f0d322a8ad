/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetDecoder: tokens to text, one at a time.
 *
 * All work is done in text/bn-decode.c; decoding all at once and in pieces
 * gives the same text. */
#include "bitnet-tokenizer-private.h"

struct _BitnetDecoder {
  GObject parent_instance;

  BitnetTokenizer *tokenizer;
  BnDecodeState state;
  GString *text; /* what push returns a copy of */
};

G_DEFINE_FINAL_TYPE (BitnetDecoder, bitnet_decoder, G_TYPE_OBJECT)

static void
bitnet_decoder_finalize (GObject *object)
{
  BitnetDecoder *self = BITNET_DECODER (object);

  bn_decode_clear (&self->state);
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
  bn_decode_begin (
      &self->state, bitnet_tokenizer_get_inner (tokenizer)->decoder, flags);
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
  g_return_val_if_fail (BITNET_IS_DECODER (self), NULL);
  g_return_val_if_fail (tokens != NULL || n_tokens == 0, NULL);

  bn_decode_push (&self->state, tokens, n_tokens, self->text);
  return take_text (self, length);
}

char *
bitnet_decoder_finish (BitnetDecoder *self, gsize *length)
{
  g_return_val_if_fail (BITNET_IS_DECODER (self), NULL);

  bn_decode_finish (&self->state, self->text);
  return take_text (self, length);
}

void
bitnet_decoder_reset (BitnetDecoder *self)
{
  g_return_if_fail (BITNET_IS_DECODER (self));

  bn_decode_finish (&self->state, self->text);
  g_string_truncate (self->text, 0);
}
