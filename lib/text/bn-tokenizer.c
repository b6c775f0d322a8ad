/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ownership of what makes up a tokenizer. */
#include "bn-tokenizer.h"

void
bn_tokenizer_free (BnTokenizer *self)
{
  g_clear_pointer (&self->decoder, bn_decoder_free);
  g_clear_pointer (&self->encoder, bn_encoder_free);
  g_free (self->pre);
  g_free (self->chat_template);
  g_free (self);
}
