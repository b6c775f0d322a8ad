/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A SentencePiece model of any kind: it is refused with one line, or texts can
 * be encoded with it and ids decoded, by the rules of both references. */
#include <stdlib.h>
#include <string.h>

#include "bitnet-error.h"
#include "fuzz.h"
#include "text/bn-sentencepiece.h"
#include "text/bn-unicode.h"

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
use (const BnTokenizer *tokenizer)
{
  static const char text[] =
      "hello world  12345\n\n<tool>\xC3\xA9 <s>\xE2\x96\x81x \xE3\x80\x80 "
      "foobar a\xCC\x81 \xF0\x9F\x98\x80zz   \xEF\xBF\xBD end";
  const uint32_t n_tokens = tokenizer->vocab->n_tokens;
  g_autoptr (BnDecoder) pieces = NULL;
  const BnDecoder *decoder = tokenizer->decoder;
  g_autoptr (GString) decoded = g_string_new (NULL);
  BnIds ids = {.n_ids = 0};
  size_t bad;

  for (int i = 0; i < 2; i++) {
    BnStretch stretch = {sizeof text - 1, BN_TOKEN_NONE, i > 0};

    check (bn_encoder_encode (
               tokenizer->encoder, (const uint8_t *) text, &stretch, 1, &ids),
        "text is encoded");
  }
  for (size_t i = 0; i < ids.n_ids; i++)
    check (ids.data[i] < n_tokens, "ids are in the vocabulary");
  if (decoder == NULL)
    decoder = pieces = bn_decoder_new_pieces (tokenizer->vocab, TRUE);
  bn_decode_all (decoder, 0, ids.data, ids.n_ids, decoded);
  for (uint32_t id = 0; id < MIN (n_tokens, 600); id++)
    bn_decode_all (decoder, 0, &id, 1, decoded);
  check (bn_utf8_validate ((const uint8_t *) decoded->str, decoded->len, &bad),
      "decoded text is UTF-8");
  g_free (ids.data);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const BnFidelity fidelities[] = {
      BN_FIDELITY_AUTO, BN_FIDELITY_LLAMA_CPP};
  const BnFile file = {"fuzz", (const char *) data, size};

  for (gsize i = 0; i < G_N_ELEMENTS (fidelities); i++) {
    const BnSentencepieceOptions options = {.fidelity = fidelities[i],
        .prefix_once = size % 2 != 0,
        .add_bos = -1,
        .add_eos = -1};
    g_autoptr (GError) error = NULL;
    g_autoptr (BnTokenizer) tokenizer =
        bn_sentencepiece_load (&file, &options, NULL, &error);

    if (tokenizer == NULL) {
      check (error && error->domain == BITNET_ERROR, "a refusal has a reason");
      check (!strpbrk (error->message, "\r\n")
                 && g_utf8_validate (error->message, -1, NULL)
                 && g_str_has_prefix (error->message, "fuzz: "),
          "a message is one line of text and names the file");
      continue;
    }
    use (tokenizer);
  }
  return 0;
}
