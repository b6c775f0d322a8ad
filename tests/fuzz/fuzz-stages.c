/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalizers and pre-tokenizers of tokenizer.json: a line of JSON with the
 * members "normalizer" and "pre_tokenizer", then a text. They are refused with
 * one line, or what they make of the text is text again. */
#include <stdlib.h>
#include <string.h>

#include "bn-encoder.h"
#include "bn-normalize.h"
#include "bn-split.h"
#include "bn-unicode.h"
#include "bn-vocab.h"
#include "fuzz.h"

enum { MAX_SIZE = 1 << 14 };

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

static void
check_message (GError *error)
{
  check (error != NULL, "there is an error");
  check (!strpbrk (error->message, "\r\n")
             && g_utf8_validate (error->message, -1, NULL),
      "a message is one line of text");
  g_error_free (error);
}

static gboolean
is_text (const uint8_t *text, size_t size)
{
  size_t bad;

  return bn_utf8_validate (text, size, &bad);
}

static void
check_words (const BnWords *words, gboolean is_bytes)
{
  for (size_t i = 0; i < words->n_words; i++) {
    uint32_t start = words->starts[i], end = words->starts[i + 1];

    check (start < end && end <= words->text.length, "words are not empty");
    check (is_bytes || is_text (words->text.data + start, end - start),
        "words are UTF-8");
  }
  check (words->n_words == 0
             || words->starts[words->n_words] == words->text.length,
      "words are all of the text");
}

/* The words as bytes are those that the characters of the table stand for. */
static void
check_bytes (const BnWords *words, const BnWords *bytes)
{
  check (words->n_words == bytes->n_words, "bytes do not change words");
  for (size_t i = 0; i < words->n_words; i++) {
    const uint8_t *p = words->text.data + words->starts[i];
    const uint8_t *end = words->text.data + words->starts[i + 1];
    size_t n = bytes->starts[i];

    for (uint32_t cp; p < end; n++) {
      p += bn_utf8_next (p, end, &cp);
      check (bn_byte_level_decode (cp) == bytes->text.data[n],
          "bytes are those of the table");
    }
    check (n == bytes->starts[i + 1], "bytes are those of the word");
  }
}

static void
split (BnSplitter *splitter, BnScratch *scratch, const BnBuffer *text)
{
  const uint8_t *data = text->length > 0 ? text->data : (const uint8_t *) "";
  BnWords words = {.n_words = 0}, bytes = {.n_words = 0};

  if (bn_splitter_apply (splitter, scratch, data, text->length,
          BN_FRAGMENT_START | BN_FRAGMENT_EDGE, &words)) {
    check_words (&words, FALSE);
    if (bn_splitter_use_bytes (splitter)
        && bn_splitter_apply (splitter, scratch, data, text->length,
            BN_FRAGMENT_START | BN_FRAGMENT_EDGE, &bytes)) {
      check_words (&bytes, TRUE);
      check_bytes (&words, &bytes);
    }
  }
  bn_words_clear (&words);
  bn_words_clear (&bytes);
}

static void
run (BnJson root, const char *text, size_t size)
{
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  g_autoptr (BnNormalizer) normalizer = NULL;
  g_autoptr (BnSplitter) splitter = NULL;
  GError *error = NULL;
  BnBuffer out = {.length = 0};
  BnJson component;

  if (bn_json_find (root, "normalizer", &component)
      && !(normalizer = bn_normalizer_new_from_json (component, &error))) {
    check_message (error);
    return;
  }
  if (bn_json_find (root, "pre_tokenizer", &component)
      && !(splitter = bn_splitter_new_from_json (component, &error))) {
    check_message (error);
    return;
  }
  if (normalizer ? bn_normalizer_apply (
          normalizer, scratch, (const uint8_t *) text, size, &out)
                 : bn_buffer_append (&out, text, size)) {
    check (is_text (out.data, out.length), "normalized text is UTF-8");
    if (splitter)
      split (splitter, scratch, &out);
  }
  bn_buffer_clear (&out);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const uint8_t *line = size > 0 ? memchr (data, '\n', size) : NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  BnUtf8Joiner joiner = {.n_pending = 0};
  BnJsonDocument document = {.path = "t.json", .text = (const char *) data};
  BnJson root;

  if (!line || size > MAX_SIZE)
    return 0;
  document.size = (size_t) (line - data);
  if (!bn_json_open (&document, &root, &error)
      || bn_json_get_type (root) != BN_JSON_OBJECT)
    return 0;
  bn_utf8_joiner_push (&joiner, line + 1, size - document.size - 1, text);
  bn_utf8_joiner_finish (&joiner, text);
  run (root, text->str, text->len);
  return 0;
}
