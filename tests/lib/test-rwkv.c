/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RWKV World (text/bn-rwkv.c): escaped pieces, the longest first, and back. */
#include <string.h>

#include "bitnet-error.h"
#include "text/bn-decode.h"
#include "text/bn-rwkv.h"
#include "text/bn-rwkvtxt.h"

/* As the file spells them; a control token first. */
static const struct {
  const char *text;
  unsigned attributes;
} tokens[] = {
    {"<s>", BN_TOKEN_CONTROL},
    {"a", BN_TOKEN_NORMAL},
    {"ab", BN_TOKEN_NORMAL},
    {"abcd", BN_TOKEN_NORMAL},
    {"\\t", BN_TOKEN_NORMAL},
    {"\\n\\n", BN_TOKEN_NORMAL},
    {"\\x00", BN_TOKEN_NORMAL},
    {"\\xe2\\x82", BN_TOKEN_NORMAL},
    {"\\xAC", BN_TOKEN_NORMAL},
    {"\\\\", BN_TOKEN_NORMAL},
    {"\\'", BN_TOKEN_NORMAL},
    {"\xE2\x82\xAC", BN_TOKEN_NORMAL},
    {"c", BN_TOKEN_NORMAL},
    {"a", BN_TOKEN_NORMAL},
    {"\\x4", BN_TOKEN_NORMAL},
    {"\\", BN_TOKEN_NORMAL},
};

enum { UNKNOWN = 12 };

static const struct {
  const char *text;
  size_t length;
  uint32_t ids[8];
  size_t n_ids;
  const char *decoded; /* NULL: the text */
} cases[] = {
    {"", 0, {0}, 0, NULL},
    {"ababcdabc", 9, {2, 3, 2, 12}, 4, NULL},
    {"abcab", 5, {2, 12, 2}, 3, NULL},
    /* Of equal pieces the last counts. */
    {"a\t\n\n", 4, {13, 4, 5}, 3, NULL},
    {"\0a", 2, {6, 13}, 2, NULL},
    {"\xE2\x82\xAC\xE2\x82", 5, {11, 7}, 2, "\xE2\x82\xAC\xEF\xBF\xBD"},
    {"'", 1, {10}, 1, NULL},
    {"x4", 2, {14}, 1, NULL},
    /* Of equal pieces, again: "\\\\" and a lone "\\". */
    {"\\", 1, {15}, 1, NULL},
    /* Control tokens are no text. */
    {"<s>", 3, {12, 12, 12}, 3, "ccc"},
    {"az", 2, {13, 12}, 2, "ac"},
};

static BnVocab *
make_vocab (void)
{
  BnVocab *vocab =
      bn_vocab_new (G_N_ELEMENTS (tokens), 1000, BN_SPELLING_ESCAPED);

  for (size_t i = 0; i < G_N_ELEMENTS (tokens); i++)
    g_assert_true (bn_vocab_add (vocab, tokens[i].text, strlen (tokens[i].text),
        tokens[i].attributes, 0));
  vocab->roles[BN_ROLE_UNK] = UNKNOWN;
  bn_vocab_seal (vocab);
  return vocab;
}

static void
test_cases (void)
{
  BnVocab *vocab = make_vocab ();
  g_autoptr (BnEncoder) encoder = bn_encoder_new_rwkv (vocab);
  g_autoptr (BnDecoder) decoder = bn_decoder_new_pieces (vocab, FALSE);

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    const BnStretch stretch = {cases[i].length, BN_TOKEN_NONE, FALSE};
    g_autoptr (GString) text = g_string_new (NULL);
    BnIds ids = {NULL, 0, 0};

    g_test_message ("case %" G_GSIZE_FORMAT, i);
    g_assert_true (bn_ids_reserve (&ids, 1));
    g_assert_true (bn_encoder_encode (
        encoder, (const uint8_t *) cases[i].text, &stretch, 1, &ids));
    g_assert_cmpmem (ids.data, ids.n_ids * sizeof *ids.data, cases[i].ids,
        cases[i].n_ids * sizeof *ids.data);
    bn_decode_all (decoder, 0, ids.data, ids.n_ids, text);
    if (cases[i].decoded)
      g_assert_cmpstr (text->str, ==, cases[i].decoded);
    else
      g_assert_cmpmem (text->str, text->len, cases[i].text, cases[i].length);
    g_free (ids.data);
  }
}

/* A text that makes the search go far and come back. */
static void
test_long (void)
{
  enum { N = 1 << 20 };
  BnVocab *vocab = make_vocab ();
  g_autoptr (BnEncoder) encoder = bn_encoder_new_rwkv (vocab);
  const BnStretch stretch = {N, BN_TOKEN_NONE, FALSE};
  g_autofree char *text = g_malloc (N);
  BnIds ids = {NULL, 0, 0};

  for (int i = 0; i < N; i++)
    text[i] = "abc"[i % 3];
  g_assert_true (
      bn_encoder_encode (encoder, (const uint8_t *) text, &stretch, 1, &ids));
  g_assert_cmpuint (ids.n_ids, ==, N / 3 * 2 + 1);
  g_free (ids.data);
}

/* The vocabulary as text. */

static BnTokenizer *
load_text (const char *text, GError **error)
{
  const BnFile file = {.path = "rwkv.txt", .text = text, .size = strlen (text)};

  return bn_rwkvtxt_load (&file, BN_FIDELITY_AUTO, NULL, error);
}

static void
test_text (void)
{
  static const char vocabulary[] = "1 '\\x00' 1\n"
                                   "2 'a' 1\r\n"
                                   "4 \"'\" 1\n"
                                   "5 b'\\xe2\\x82' 2\n"
                                   "6 'a\xC3\xA9' 3\n"
                                   "7 '\\n\\t\\\\' 3\n"
                                   "8 '\\u20ac' 3\n"
                                   "9 '\\xe9' 2";
  static const char text[] = "a'\xE2\x82\xAC"
                             "a\xC3\xA9\n\t\\\xC3\xA9";
  static const uint32_t expected[] = {2, 4, 8, 6, 7, 9};
  const BnFile file = {.text = vocabulary, .size = strlen (vocabulary)};
  g_autoptr (GError) error = NULL;
  g_autoptr (BnTokenizer) tokenizer = load_text (vocabulary, &error);
  const BnStretch stretch = {strlen (text), BN_TOKEN_NONE, FALSE};
  BnIds ids = {NULL, 0, 0};

  g_assert_no_error (error);
  g_assert_true (bn_rwkvtxt_is_vocabulary (&file));
  g_assert_cmpuint (tokenizer->vocab->n_tokens, ==, 10);
  g_assert_true (bn_encoder_encode (
      tokenizer->encoder, (const uint8_t *) text, &stretch, 1, &ids));
  g_assert_cmpmem (
      ids.data, ids.n_ids * sizeof *ids.data, expected, sizeof expected);
  g_free (ids.data);
}

static void
test_text_wrong (void)
{
  static const char *const wrong[] = {"1 'a' 2\n", "1 'a 1\n", "x", "1 'a'",
      "0 'a' 1\n", "1 'a' 1\n1 'b' 1\n", "99999999 'a' 1\n", "1 '\\ud800' 3\n",
      "1 b'\\u20ac' 3\n", "1 '' 0\n", "1 '\\x4' 1\n"};

  for (size_t i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (load_text (wrong[i], &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokenizer/C55/rwkv/cases", test_cases);
  g_test_add_func ("/tokenizer/rwkv/long", test_long);
  g_test_add_func ("/tokenizer/rwkv/text", test_text);
  g_test_add_func ("/tokenizer/rwkv/text/wrong", test_text_wrong);
  return g_test_run ();
}
