/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vocabulary of synthetic models: complete over bytes, small in merges. */
#include "synth-vocab.h"

#include <string.h>

enum {
  N_BYTES = 256,
  FIRST_STAND_IN = 0x100, /* for the first byte without a visible character */
  TYPE_NORMAL = 1,
  TYPE_CONTROL = 3,
};

/* Pairs of tokens; "\304\240" is the stand-in of the space. In order of rank;
 * both sides are bytes or results of earlier pairs. */
static const char *const merges[] = {"t h", "th e", "i n", "e r", "a n", "an d",
    "o n", "r e", "\304\240 t", "\304\240 a", "\304\240t he", "\304\240a nd",
    "in g", "\304\240 s", "\304\240 w", "o u", "l l", "e d",
    "\304\240 \304\240", "e s", "o r", "\304\240 o", "\304\240o f", "i t",
    "\304\240 c", "h e", "\304\240 h", "he r", "e n", "a t"};

static gboolean
is_visible (guint byte)
{
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
}

/* GPT-2's table: bytes with a visible Latin-1 character stand for
 * themselves, the others get characters from U+0100 on. */
static gunichar
byte_to_char (guint byte)
{
  gunichar stand_in = FIRST_STAND_IN;

  if (is_visible (byte))
    return byte;
  for (guint b = 0; b < byte; b++)
    stand_in += !is_visible (b);
  return stand_in;
}

static char *
join_pair (const char *pair)
{
  const char *space = strchr (pair, ' ');

  return g_strdup_printf ("%.*s%s", (int) (space - pair), pair, space + 1);
}

void
synth_add_vocab (BnGgufWriter *writer, uint32_t n_vocab)
{
  g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (g_free);
  g_autofree int32_t *types = g_new (int32_t, n_vocab);
  uint32_t bos = n_vocab - 2, eos = n_vocab - 1;

  g_assert (n_vocab >= SYNTH_MIN_VOCAB);
  for (guint byte = 0; byte < N_BYTES; byte++) {
    char text[8] = {0};

    g_unichar_to_utf8 (byte_to_char (byte), text);
    g_ptr_array_add (tokens, g_strdup (text));
  }
  for (gsize i = 0; i < G_N_ELEMENTS (merges); i++)
    g_ptr_array_add (tokens, join_pair (merges[i]));
  while (tokens->len < bos)
    g_ptr_array_add (tokens, g_strdup_printf ("\304\240w%u", tokens->len));
  g_ptr_array_add (tokens, g_strdup ("<|begin_of_text|>"));
  g_ptr_array_add (tokens, g_strdup ("<|end_of_text|>"));
  for (uint32_t i = 0; i < n_vocab; i++)
    types[i] = i < bos ? TYPE_NORMAL : TYPE_CONTROL;

  bn_gguf_writer_add_string (writer, "tokenizer.ggml.model", "gpt2");
  bn_gguf_writer_add_string (writer, "tokenizer.ggml.pre", "llama-bpe");
  bn_gguf_writer_add_strings (writer, "tokenizer.ggml.tokens",
      (const char *const *) tokens->pdata, n_vocab);
  bn_gguf_writer_add_array (
      writer, "tokenizer.ggml.token_type", BN_GGUF_I32, types, n_vocab);
  bn_gguf_writer_add_strings (
      writer, "tokenizer.ggml.merges", merges, G_N_ELEMENTS (merges));
  bn_gguf_writer_add_uint32 (writer, "tokenizer.ggml.bos_token_id", bos);
  bn_gguf_writer_add_uint32 (writer, "tokenizer.ggml.eos_token_id", eos);
  bn_gguf_writer_add_bool (writer, "tokenizer.ggml.add_bos_token", TRUE);
}
