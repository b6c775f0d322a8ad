/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tokenizer.json: it is refused with one line, or encodes and decodes texts
 * with tokens that it has. Files whose regular expressions take long are slow,
 * but they end. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "text/bn-tokjson.h"

enum { MAX_SIZE = 1 << 16 };

static const char *const texts[] = {
    "",
    "hello world  12345\n\n<s>\xC3\xA9 [CLS]",
    "\xE2\x96\x81\xE2\x96\x81 don't \xF0\x9F\x98\x80\xE4\xBD\xA0 e\xCC\x81",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
};

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
run_text (const BnTokenizer *tokenizer, const char *text, gboolean special)
{
  const BnStretch stretch = {strlen (text), BN_TOKEN_NONE, special};
  const BnInput input = {(const uint8_t *) text, &stretch, 1};
  g_autoptr (GString) decoded = g_string_new (NULL);
  BnIds ids = {.n_ids = 0};
  size_t bad;

  /* It may fail where a vocabulary has no token for an unknown word. */
  bn_tokenizer_encode (tokenizer, &input, &input, special, &ids);
  for (size_t i = 0; i < ids.n_ids; i++)
    check (ids.data[i] < tokenizer->vocab->n_tokens, "tokens exist");
  bn_decode_all (tokenizer->decoder, special ? BN_DECODE_SPECIAL : 0, ids.data,
      ids.n_ids, decoded);
  check (bn_utf8_validate ((const uint8_t *) decoded->str, decoded->len, &bad),
      "text is UTF-8");
  g_free (ids.data);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  BnJsonDocument document = {
      .path = "fuzz", .text = (const char *) data, .size = size};
  BnJson root;
  g_autoptr (BnTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;

  if (size > MAX_SIZE || !bn_json_open (&document, &root, NULL))
    return 0;
  tokenizer = bn_tokjson_read (root, BN_FIDELITY_AUTO, NULL, &error);
  if (tokenizer == NULL) {
    check (error != NULL && !strpbrk (error->message, "\r\n")
               && g_utf8_validate (error->message, -1, NULL),
        "a refusal has a message of one line");
    return 0;
  }
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    run_text (tokenizer, texts[i], FALSE);
    run_text (tokenizer, texts[i], TRUE);
  }
  return 0;
}
