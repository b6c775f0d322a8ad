/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoders of tokenizer.json. The first byte holds flags, the first line a
 * decoder; every other line is a token, and they are decoded in this order,
 * twice. The text is UTF-8, and one by one they give the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "text/bn-clean.h"
#include "text/bn-decode.h"

enum { MAX_TOKENS = 256 };

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

/* What is not UTF-8 is no token of a JSON document. */
static BnVocab *
read_tokens (const char *text, size_t size)
{
  BnVocab *vocab = bn_vocab_new (MAX_TOKENS + 1, size + 1, 0);
  const char *end = text + size;
  size_t bad;

  while (text < end && vocab->n_tokens < MAX_TOKENS) {
    const char *newline = memchr (text, '\n', (size_t) (end - text));
    size_t length = (size_t) ((newline ? newline : end) - text);
    unsigned attributes = length % 7 == 3 ? BN_TOKEN_CONTROL : BN_TOKEN_NORMAL;

    if (bn_utf8_validate ((const uint8_t *) text, length, &bad))
      bn_vocab_add (vocab, text, length, attributes, 0);
    text += length + (newline != NULL);
  }
  bn_vocab_add (vocab, "?", 1, BN_TOKEN_NORMAL, 0);
  bn_vocab_seal (vocab);
  return vocab;
}

static void
check_utf8 (const GString *text, const char *what)
{
  size_t bad;

  check (bn_utf8_validate ((const uint8_t *) text->str, text->len, &bad), what);
}

static void
check_decoder (const BnDecoder *decoder, unsigned flags, uint32_t n_tokens)
{
  g_autofree uint32_t *ids = g_new (uint32_t, 2 * (size_t) n_tokens);
  g_autoptr (GString) whole = g_string_new (NULL);
  g_autoptr (GString) stream = g_string_new (NULL);
  g_auto (BnDecodeState) state = {.decoder = NULL};

  for (uint32_t i = 0; i < 2 * n_tokens; i++)
    ids[i] = i % (n_tokens + 1); /* one is out of range */
  bn_decode_all (decoder, flags, ids, 2 * n_tokens, whole);
  check_utf8 (whole, "the text is UTF-8");
  bn_decode_begin (&state, decoder, flags);
  for (uint32_t i = 0; i < 2 * n_tokens; i++) {
    bn_decode_push (&state, &ids[i], 1, stream);
    check_utf8 (stream, "every piece is UTF-8");
  }
  bn_decode_finish (&state, stream);
  check (g_string_equal (whole, stream), "pieces make the whole");

  bn_clean_huggingface (whole);
  check_utf8 (whole, "cleaned text is UTF-8");
  bn_clean_llama_cpp (stream);
  check_utf8 (stream, "cleaned text is UTF-8");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (BnVocab) vocab = NULL;
  g_autoptr (BnDecoder) decoder = NULL;
  g_autoptr (GError) error = NULL;
  BnJsonDocument document = {.path = "fuzz", .text = (const char *) data + 1};
  const uint8_t *newline;
  BnJson json;

  if (size == 0 || !(newline = memchr (data + 1, '\n', size - 1)))
    return 0;
  document.size = (size_t) (newline - data - 1);
  vocab = read_tokens (
      (const char *) newline + 1, size - (size_t) (newline + 1 - data));
  if (bn_json_open (&document, &json, &error))
    decoder = bn_json_is_null (json)
                  ? bn_decoder_new_joined (vocab)
                  : bn_decoder_new_from_json (vocab, json, &error);
  check ((decoder == NULL) == (error != NULL), "a refusal has an error");
  if (decoder)
    check_decoder (decoder,
        data[0] & (BN_DECODE_SPECIAL | BN_DECODE_KEEP_SPACE), vocab->n_tokens);
  return 0;
}
