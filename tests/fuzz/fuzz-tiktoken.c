/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of tiktoken ranks, a byte 0x1E, a text. What is read encodes the text
 * so that it comes back. */
#include <stdlib.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-decode.h"
#include "bn-tiktoken.h"
#include "fuzz.h"

enum { SEPARATOR = 0x1E };

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
check_error (const GError *error)
{
  check (g_error_matches (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER),
      "a refusal has a reason");
  check (!strpbrk (error->message, "\r\n")
             && g_utf8_validate (error->message, -1, NULL),
      "a message is one line of text");
}

static void
check_text (BnTokenizer *tokenizer, const uint8_t *text, size_t size)
{
  const BnStretch stretch = {size, BN_TOKEN_NONE, FALSE};
  g_autoptr (BnDecoder) decoder =
      bn_decoder_new_pieces (tokenizer->vocab, FALSE);
  g_autoptr (GString) decoded = g_string_new (NULL);
  BnIds ids = {.n_ids = 0};
  size_t bad;

  if (!bn_utf8_validate (text, size, &bad))
    return;
  check (bn_encoder_encode (tokenizer->encoder, text, &stretch, 1, &ids),
      "text is encoded");
  for (size_t i = 0; i < ids.n_ids; i++)
    check (ids.data[i] < tokenizer->vocab->n_tokens, "ids are in range");
  bn_decode_all (decoder, 0, ids.data, ids.n_ids, decoded);
  check (decoded->len == size && memcmp (decoded->str, text, size) == 0,
      "the text comes back");
  g_free (ids.data);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const uint8_t *separator = size > 0 ? memchr (data, SEPARATOR, size) : NULL;
  size_t file_size = separator ? (size_t) (separator - data) : size;
  const BnFile file = {"fuzz", (const char *) data, file_size};
  const BnAddedToken added = {"<|end|>", 7, 0, BN_ADDED_SPECIAL};
  BnAddedToken token = added;
  g_auto (BnRanks) ranks = {.n_ranks = 0};
  g_autoptr (BnBeside) beside = bn_beside_new (NULL);
  g_autoptr (BnTokenizer) tokenizer = NULL, family = NULL;
  g_autoptr (GError) error = NULL;
  BnRanksOptions options;

  bn_tiktoken_is_ranks (&file);
  family = bn_tiktoken_load (&file, beside, BN_FIDELITY_AUTO, NULL, &error);
  if (family == NULL)
    check_error (error);
  g_clear_error (&error);
  if (!bn_tiktoken_read (&file, &ranks, NULL, &error)) {
    check_error (error);
    return 0;
  }
  token.id = ranks.n_ranks;
  options = (BnRanksOptions){.set = bn_pretok_find_set ("gpt-4o-hf"),
      .pre = "fuzz",
      .added = &token,
      .n_added = 1,
      .eos = token.text};
  tokenizer = bn_ranks_build (
      &ranks, &options, "fuzz", BN_FIDELITY_HUGGINGFACE, &error);
  if (tokenizer == NULL)
    check_error (error);
  else if (separator)
    check_text (tokenizer, separator + 1, size - file_size - 1);
  return 0;
}
