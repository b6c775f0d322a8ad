/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first byte says what the others are: text for the two small
 * vocabularies, which must come back from encoding and decoding unchanged;
 * ids; or a GGUF file whose tokenizer is refused or works. */
#include <stdlib.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "fuzz.h"
#include "gguf/bn-gguf.h"
#include "test-vocab.h"

enum { MODE_TEXT, MODE_IDS, MODE_VOCABULARY, N_MODES };

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static gboolean
is_refusal (const GError *error)
{
  static const BitnetError codes[] = {BITNET_ERROR_TOKENIZER,
      BITNET_ERROR_NO_EMBEDDED_TOKENIZER, BITNET_ERROR_UNSUPPORTED_TOKENIZER,
      BITNET_ERROR_UNKNOWN_PRETOKENIZER};

  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++) {
    if (g_error_matches (error, BITNET_ERROR, (int) codes[i]))
      return TRUE;
  }
  return FALSE;
}

static BitnetTokenizer *
build (TestVocab *vocab_)
{
  g_autoptr (TestVocab) vocab = vocab_;
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "fuzz", NULL);
  BitnetTokenizer *tokenizer =
      bitnet_tokenizer_new_from_gguf (gguf, BITNET_FIDELITY_AUTO, NULL, NULL);

  check (tokenizer != NULL, "a small vocabulary is read");
  return tokenizer;
}

/* Decodes in pieces of one id and all at once; returns the text. */
static char *
decode (
    BitnetTokenizer *tokenizer, const guint32 *ids, gsize n_ids, gsize *length)
{
  g_autoptr (BitnetDecoder) decoder =
      bitnet_decoder_new (tokenizer, BITNET_DECODE_SPECIAL);
  g_autoptr (GString) streamed = g_string_new (NULL);
  char *whole = bitnet_tokenizer_decode (
      tokenizer, ids, n_ids, BITNET_DECODE_SPECIAL, length, NULL);
  gsize bad;

  check (whole != NULL, "known ids are decoded");
  for (gsize i = 0; i <= n_ids; i++) {
    gsize part_length;
    g_autofree char *part =
        i < n_ids ? bitnet_decoder_push (decoder, &ids[i], 1, &part_length)
                  : bitnet_decoder_finish (decoder, &part_length);

    check (bn_utf8_validate ((const uint8_t *) part, part_length, &bad),
        "every piece is UTF-8");
    g_string_append_len (streamed, part, (gssize) part_length);
  }
  check (
      streamed->len == *length && memcmp (streamed->str, whole, *length) == 0,
      "pieces make the whole");
  return whole;
}

static gboolean
contains (const char *text, gsize size, const char *part)
{
  gsize length = strlen (part);

  for (gsize i = 0; i + length <= size; i++) {
    if (memcmp (text + i, part, length) == 0)
      return TRUE;
  }
  return FALSE;
}

static void
fuzz_text (BitnetTokenizer *tokenizer, const char *text, gsize size, int flags)
{
  g_autoptr (GError) error = NULL;
  gsize n_ids, length, bad;
  g_autofree guint32 *ids = bitnet_tokenizer_encode (tokenizer, text,
      (gssize) size, (BitnetEncodeFlags) flags, &n_ids, &error);
  g_autofree char *decoded = NULL;

  gboolean is_utf8 = bn_utf8_validate ((const uint8_t *) text, size, &bad);

  if (!is_utf8 && (flags & BITNET_ENCODE_STRICT)) {
    check (ids == NULL
               && g_error_matches (error, BITNET_ERROR, BITNET_ERROR_ENCODING),
        "text that is not UTF-8 is an error");
    return;
  }
  check (ids != NULL && error == NULL, "text is encoded");
  decoded = decode (tokenizer, ids, n_ids, &length);
  /* Spaces that come from U+2581 or stand behind special tokens look like
   * those of the text. */
  if (is_utf8 && flags == BITNET_ENCODE_NONE && !contains (text, size, "<tool>")
      && !contains (text, size, "\xE2\x96\x81"))
    check (length == size && memcmp (decoded, text, size) == 0,
        "the text comes back");
}

static void
fuzz_ids (BitnetTokenizer *tokenizer, const uint8_t *data, gsize size)
{
  guint n_tokens = bitnet_tokenizer_get_vocab_size (tokenizer);
  g_autofree guint32 *ids = g_new (guint32, size + 1);
  g_autofree char *text = NULL;
  gsize length;

  for (gsize i = 0; i < size; i++)
    ids[i] = (data[i] * 7u + (guint) i) % n_tokens;
  text = decode (tokenizer, ids, size, &length);
}

static void
fuzz_vocabulary (const uint8_t *data, gsize size)
{
  static const char text[] = "hello world  12345\n\n<tool>\xC3\xA9 <|eot_id|>"
                             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "fuzz", NULL);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;

  if (gguf == NULL)
    return;
  tokenizer =
      bitnet_tokenizer_new_from_gguf (gguf, BITNET_FIDELITY_AUTO, NULL, &error);
  if (tokenizer == NULL) {
    check (is_refusal (error), "a refusal has a reason");
    check (!strpbrk (error->message, "\r\n")
               && g_utf8_validate (error->message, -1, NULL),
        "a message is one line of text");
    return;
  }
  for (int flags = 0; flags < 4; flags++) {
    gsize n_ids, length;
    g_autofree guint32 *ids = bitnet_tokenizer_encode (tokenizer, text,
        sizeof text - 1, (BitnetEncodeFlags) flags, &n_ids, NULL);
    g_autofree char *decoded = NULL;

    check (ids != NULL, "text is encoded");
    decoded = decode (tokenizer, ids, n_ids, &length);
  }
  check (strlen (bitnet_tokenizer_get_id (tokenizer)) == 64, "there is an id");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static BitnetTokenizer *tokenizers[2];

  if (tokenizers[0] == NULL) {
    tokenizers[0] = build (test_vocab_new_bpe ());
    tokenizers[1] = build (test_vocab_new_spm ());
  }
  if (size == 0)
    return 0;
  if (data[0] % N_MODES == MODE_VOCABULARY) {
    fuzz_vocabulary (data + 1, size - 1);
    return 0;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (tokenizers); i++) {
    if (data[0] % N_MODES == MODE_IDS) {
      fuzz_ids (tokenizers[i], data + 1, size - 1);
      continue;
    }
    for (int flags = 0; flags < 8; flags++)
      fuzz_text (tokenizers[i], (const char *) data + 1, size - 1, flags);
  }
  return 0;
}
