/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetDecoder: text in pieces, never inside a character, equal to what
 * decoding all at once gives. */
#include <string.h>

#include "bitnet-tokenizer-private.h"
#include "gguf/bn-gguf.h"
#include "test-vocab.h"

#define R "\xEF\xBF\xBD"
#define METASPACE "\xE2\x96\x81"

typedef TestVocab *(*MakeVocab) (void);

static BitnetTokenizer *
build (MakeVocab make)
{
  g_autoptr (TestVocab) vocab = make ();
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "x", &error);
  BitnetTokenizer *tokenizer;

  g_assert_no_error (error);
  tokenizer =
      bitnet_tokenizer_new_from_gguf (gguf, BITNET_FIDELITY_AUTO, NULL, &error);
  g_assert_no_error (error);
  return tokenizer;
}

/* Texts of tokens as the vocabulary spells them; the parts that come out. */
typedef struct {
  BitnetDecodeFlags flags;
  const char *tokens[10];
  const char *parts; /* one for each token and the end, with "|" between */
} Case;

static void
check_cases (MakeVocab make, const Case *cases, gsize n_cases)
{
  g_autoptr (BitnetTokenizer) tokenizer = build (make);

  for (gsize i = 0; i < n_cases; i++) {
    const Case *item = &cases[i];
    g_autoptr (BitnetDecoder) decoder =
        bitnet_decoder_new (tokenizer, item->flags);
    g_autoptr (GString) found = g_string_new (NULL);
    g_autoptr (GString) streamed = g_string_new (NULL);
    g_autofree char *whole = NULL, *end = NULL;
    guint32 ids[G_N_ELEMENTS (item->tokens)];
    gsize n_ids = 0, length;

    for (; item->tokens[n_ids]; n_ids++) {
      g_autofree char *part = NULL;

      ids[n_ids] = bitnet_tokenizer_lookup (tokenizer, item->tokens[n_ids]);
      g_assert_cmpuint (ids[n_ids], !=, BITNET_TOKEN_NONE);
      part = bitnet_decoder_push (decoder, &ids[n_ids], 1, &length);
      g_assert_cmpuint (length, ==, strlen (part));
      g_string_append_printf (found, "%s|", part);
      g_string_append (streamed, part);
    }
    end = bitnet_decoder_finish (decoder, &length);
    g_assert_cmpuint (length, ==, strlen (end));
    g_string_append (found, end);
    g_string_append (streamed, end);
    g_assert_cmpstr (found->str, ==, item->parts);

    whole = bitnet_tokenizer_decode (
        tokenizer, ids, n_ids, item->flags, NULL, NULL);
    g_assert_cmpstr (whole, ==, streamed->str);
  }
}

static void
test_bpe (void)
{
  static const Case cases[] = {
      {BITNET_DECODE_NONE, {NULL}, ""},
      {BITNET_DECODE_NONE, {"hello", "\xC4\xA0world"}, "hello| world|"},
      /* The space of the first word belongs to the text. */
      {BITNET_DECODE_NONE, {"\xC4\xA0world"}, " world|"},
      {BITNET_DECODE_NONE, {"<|begin|>", "hello", "<|eot_id|>"}, "|hello||"},
      {BITNET_DECODE_SPECIAL, {"<|begin|>", "hello"}, "<|begin|>|hello|"},
      {BITNET_DECODE_NONE, {"<tool>", "a"}, "<tool>|a|"},
      /* U+1F642 in four bytes */
      {BITNET_DECODE_NONE, {"\xC3\xB0", "\xC5\x81", "\xC4\xBB", "\xC4\xA4"},
          "|||\xF0\x9F\x99\x82|"},
      /* cut off by something else, by a control token, by the end */
      {BITNET_DECODE_NONE, {"\xC3\xB0", "\xC5\x81", "a"}, "||" R "a|"},
      {BITNET_DECODE_NONE, {"\xC3\x83", "<|eot_id|>", "\xC2\xA9"},
          "||\xC3\xA9|"},
      {BITNET_DECODE_NONE, {"a", "\xC3\xB0", "\xC5\x81"}, "a|||" R},
      {BITNET_DECODE_NONE, {"\xC2\xA9", "\xC2\xA9"}, R "|" R "|"},
  };

  check_cases (test_vocab_new_bpe, cases, G_N_ELEMENTS (cases));
}

static void
test_spm (void)
{
  static const Case cases[] = {
      {BITNET_DECODE_NONE, {METASPACE "hello", METASPACE "world"},
          "hello| world|"},
      {BITNET_DECODE_KEEP_SPACE, {METASPACE "hello", METASPACE "world"},
          " hello| world|"},
      /* One space of the first text, also behind tokens that do not show. */
      {BITNET_DECODE_NONE, {"<s>", METASPACE "hello"}, "|hello|"},
      {BITNET_DECODE_SPECIAL, {"<s>", METASPACE "hello"}, "<s>| hello|"},
      {BITNET_DECODE_NONE, {METASPACE METASPACE, METASPACE "hello"},
          " | hello|"},
      {BITNET_DECODE_NONE, {METASPACE, METASPACE "hello"}, "| hello|"},
      {BITNET_DECODE_NONE, {"h", METASPACE "hello"}, "h| hello|"},
      {BITNET_DECODE_NONE, {"<unk>", "h"}, "|h|"},
      {BITNET_DECODE_SPECIAL, {"<unk>", "h"}, "<unk>|h|"},
      {BITNET_DECODE_NONE, {"<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "<0x0A>"},
          "|||\xF0\x9F\x99\x82|\n|"},
      {BITNET_DECODE_NONE, {"<0xE2>", "<0x82>", "h"}, "||" R "h|"},
      {BITNET_DECODE_NONE, {"<0x20>", "h"}, "|h|"},
  };

  check_cases (test_vocab_new_spm, cases, G_N_ELEMENTS (cases));
}

/* Ids beyond the vocabulary (rows of padding in a model) add nothing. */
static void
test_out_of_range (void)
{
  static const guint32 ids[] = {'h', 100000, BITNET_TOKEN_NONE, 'i'};
  g_autoptr (BitnetTokenizer) tokenizer = build (test_vocab_new_bpe);
  g_autoptr (BitnetDecoder) decoder =
      bitnet_decoder_new (tokenizer, BITNET_DECODE_NONE);
  g_autofree char *text =
      bitnet_decoder_push (decoder, ids, G_N_ELEMENTS (ids), NULL);

  g_assert_cmpstr (text, ==, "hi");
}

static void
test_reset (void)
{
  g_autoptr (BitnetTokenizer) tokenizer = build (test_vocab_new_spm);
  g_autoptr (BitnetDecoder) decoder =
      bitnet_decoder_new (tokenizer, BITNET_DECODE_NONE);
  guint32 hello = bitnet_tokenizer_lookup (tokenizer, METASPACE "hello");
  guint32 lead = bitnet_tokenizer_lookup (tokenizer, "<0xE2>");

  for (int round = 0; round < 3; round++) {
    g_autofree char *first = bitnet_decoder_push (decoder, &hello, 1, NULL);
    g_autofree char *second = bitnet_decoder_push (decoder, &hello, 1, NULL);
    g_autofree char *third = bitnet_decoder_push (decoder, &lead, 1, NULL);

    g_assert_cmpstr (first, ==, "hello");
    g_assert_cmpstr (second, ==, " hello");
    g_assert_cmpstr (third, ==, "");
    if (round == 0) {
      bitnet_decoder_reset (decoder);
    } else {
      g_autofree char *end = bitnet_decoder_finish (decoder, NULL);

      g_assert_cmpstr (end, ==, R);
    }
  }
}

/* Random ids, pushed in random portions, give what decoding at once gives. */
static void
test_portions (gconstpointer data)
{
  g_autoptr (BitnetTokenizer) tokenizer =
      build (data ? test_vocab_new_spm : test_vocab_new_bpe);
  guint n_tokens = bitnet_tokenizer_get_vocab_size (tokenizer);
  g_autoptr (GRand) rand = g_rand_new_with_seed (9);

  for (guint i = 0; i < 5000; i++) {
    g_autoptr (BitnetDecoder) decoder =
        bitnet_decoder_new (tokenizer, BITNET_DECODE_NONE);
    g_autoptr (GString) streamed = g_string_new (NULL);
    g_autofree char *whole = NULL, *end = NULL;
    guint32 ids[20];
    gsize n_ids = (gsize) g_rand_int_range (rand, 0, 20), length, part_length;

    for (gsize j = 0; j < n_ids; j++)
      ids[j] = (guint32) g_rand_int_range (rand, 0, (gint32) n_tokens);
    for (gsize j = 0; j < n_ids;) {
      gsize n = (gsize) g_rand_int_range (rand, 0, (gint32) (n_ids - j) + 1);
      g_autofree char *part =
          bitnet_decoder_push (decoder, ids + j, n, &part_length);

      g_assert_true (g_utf8_validate_len (part, part_length, NULL)
                     || memchr (part, 0, part_length));
      g_string_append_len (streamed, part, (gssize) part_length);
      j += n;
    }
    end = bitnet_decoder_finish (decoder, &part_length);
    g_string_append_len (streamed, end, (gssize) part_length);
    whole = bitnet_tokenizer_decode (
        tokenizer, ids, n_ids, BITNET_DECODE_NONE, &length, NULL);
    g_assert_cmpmem (whole, length, streamed->str, streamed->len);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decoder/bpe", test_bpe);
  g_test_add_func ("/decoder/spm", test_spm);
  g_test_add_func ("/decoder/out-of-range", test_out_of_range);
  g_test_add_func ("/decoder/reset", test_reset);
  g_test_add_data_func ("/decoder/portions/bpe", NULL, test_portions);
  g_test_add_data_func ("/decoder/portions/spm", "spm", test_portions);
  return g_test_run ();
}
