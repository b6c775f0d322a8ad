/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetTokenizer on two small vocabularies made in memory, against ids worked
 * out by hand and against slow and plain forms of the algorithms. */
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "gguf/bn-gguf.h"
#include "resolve/bn-matrix.h"
#include "test-vocab.h"

#define KEY "tokenizer.ggml."
#define METASPACE "\xE2\x96\x81"

static BitnetTokenizer *
try_build (TestVocab *vocab, GError **error)
{
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "test.gguf", error);

  return gguf ? bitnet_tokenizer_new_from_gguf (
             gguf, BITNET_FIDELITY_AUTO, NULL, error)
              : NULL;
}

static BitnetTokenizer *
build (TestVocab *vocab)
{
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer = try_build (vocab, &error);

  g_assert_no_error (error);
  return tokenizer;
}

/* The texts of the tokens, with a bar behind each; control tokens too. */
static char *
encode (BitnetTokenizer *tokenizer, const char *text, gssize length,
    BitnetEncodeFlags flags)
{
  g_autoptr (GError) error = NULL;
  gsize n_tokens;
  g_autofree guint32 *tokens = bitnet_tokenizer_encode (
      tokenizer, text, length, flags, &n_tokens, &error);
  GString *out = g_string_new (NULL);

  g_assert_no_error (error);
  g_assert_nonnull (tokens);
  for (gsize i = 0; i < n_tokens; i++) {
    g_autoptr (GBytes) bytes =
        bitnet_tokenizer_get_token_bytes (tokenizer, tokens[i]);
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);

    if (size == 1 && (data[0] < 0x20 || data[0] >= 0x7F))
      g_string_append_printf (out, "%02X", data[0]);
    else
      g_string_append_len (out, (const char *) data, (gssize) size);
    g_string_append_c (out, '|');
  }
  return g_string_free (out, FALSE);
}

#define PLAIN BITNET_ENCODE_NONE
#define SPECIAL BITNET_ENCODE_ADD_SPECIAL
#define PARSE BITNET_ENCODE_PARSE_SPECIAL
#define BOTH (BITNET_ENCODE_ADD_SPECIAL | BITNET_ENCODE_PARSE_SPECIAL)

typedef struct {
  const char *text;
  BitnetEncodeFlags flags;
  const char *tokens;
} Case;

static void
check_cases (TestVocab *vocab, const Case *cases, gsize n_cases)
{
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);

  for (gsize i = 0; i < n_cases; i++) {
    g_autofree char *found =
        encode (tokenizer, cases[i].text, -1, cases[i].flags);

    g_test_message ("\"%s\"", cases[i].text);
    g_assert_cmpstr (found, ==, cases[i].tokens);
  }
}

static void
test_bpe (void)
{
  static const Case cases[] = {
      {"", PLAIN, ""},
      {"", SPECIAL, "<|begin|>|"},
      {"hello world", PLAIN, "hello| world|"},
      {"hello world", SPECIAL, "<|begin|>|hello| world|"},
      {" hello", PLAIN, " hello|"},
      {"hell", PLAIN, "hell|"},
      {"helllo", PLAIN, "hell|l|o|"},
      {"aaaaa", PLAIN, "aaaa|a|"},
      {"aaaaaaa", PLAIN, "aaaa|aa|a|"},
      {"aba", PLAIN, "ab|a|"},
      {"\xC3\xA9", PLAIN, "\xC3\xA9|"},
      {"\xC3\xA8", PLAIN, "C3|A8|"},
      /* Control tokens in text stay text unless asked for. */
      {"<|eot_id|>", PLAIN, "<|||e|o|t|_|i|d|||>|"},
      {"a<|eot_id|>b", PARSE, "a|<|eot_id|>|b|"},
      {"<|begin|>", BOTH, "<|begin|>|<|begin|>|"},
      /* User-defined ones always count. */
      {"a<tool>b", PLAIN, "a|<tool>|b|"},
      {"<tool><tool>", PLAIN, "<tool>|<tool>|"},
      {"<too<tool>", PLAIN, "<|t|o|o|<tool>|"},
  };
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();

  test_vocab_set_bool (vocab, KEY "add_bos_token", TRUE);
  check_cases (vocab, cases, G_N_ELEMENTS (cases));
}

static void
test_spm (void)
{
  static const Case cases[] = {
      {"", PLAIN, ""},
      {"", SPECIAL, "<s>|"},
      {"hello", PLAIN, " hello|"},
      {"hello world", SPECIAL, "<s>| hello| world|"},
      {" hello", PLAIN, " | hello|"},
      {"hello  world", PLAIN, " hello| | world|"},
      {"      ", PLAIN, "    |  | |"},
      {METASPACE "hello", PLAIN, " | hello|"},
      {"hellohello", PLAIN, " hello|h|el|lo|"},
      {"aab", PLAIN, " |aa|b|"},
      {"z", PLAIN, " |z|"},
      {"\xC3\xA9\xC3\xA8", PLAIN, " |\xC3\xA9|C3|A8|"},
      /* A space in front after every special token, too. */
      {"a</s>b", PARSE, " |a|</s>| |b|"},
      {"a</s>b", PLAIN, " |a|<|/|s|>|b|"},
      {"<tool>a", PLAIN, "<tool>| |a|"},
      {"</s>", BOTH, "<s>|</s>|"},
  };
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();

  check_cases (vocab, cases, G_N_ELEMENTS (cases));
}

static void
test_spm_no_prefix (void)
{
  static const Case cases[] = {
      {"hello", SPECIAL, "h|el|lo|</s>|"},
      {" hello", PLAIN, " hello|"},
      {"a</s>b", PARSE, "a|</s>|b|"},
  };
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();

  test_vocab_set_bool (vocab, KEY "add_space_prefix", FALSE);
  test_vocab_set_bool (vocab, KEY "add_bos_token", FALSE);
  test_vocab_set_bool (vocab, KEY "add_eos_token", TRUE);
  check_cases (vocab, cases, G_N_ELEMENTS (cases));
}

/* A piece with the space inside forbids cutting the text into words. */
static void
test_spm_across_words (void)
{
  static const Case cases[] = {
      {"hello a", PLAIN, " hello| a|"},
      {"a b", PLAIN, " |a b|"},
      {"a b a b", PLAIN, " |a b| |a b|"},
  };
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();

  test_vocab_add (vocab, "a" METASPACE, 1, -5);
  test_vocab_add (vocab, "a" METASPACE "b", 1, -4);
  test_vocab_add (vocab, METASPACE "a", 1, -6);
  check_cases (vocab, cases, G_N_ELEMENTS (cases));
}

/* Of equal scores the leftmost pair goes first. */
static void
test_spm_ties (void)
{
  static const Case cases[] = {
      {"xyxyx", PLAIN, " |xy|xy|x|"},
      {"yxy", PLAIN, " |yx|y|"},
  };
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();

  test_vocab_add (vocab, "x", 1, -50);
  test_vocab_add (vocab, "y", 1, -50);
  test_vocab_add (vocab, "xy", 1, -50);
  test_vocab_add (vocab, "yx", 1, -50);
  check_cases (vocab, cases, G_N_ELEMENTS (cases));
}

/* The longest token in the whole text goes first, then the next shorter. */
static void
test_special_order (void)
{
  static const Case cases[] = {
      {"abcde", PLAIN, "a|bcde|"},
      {"abcabcde", PLAIN, "abc|a|bcde|"},
      {"abc", PLAIN, "abc|"},
      {"xabcabcx", PLAIN, "x|abc|abc|x|"},
      {"bcdebcdebcd", PLAIN, "bcde|bcde|bcd|"},
      {"zzzzz", PLAIN, "zzz|zz|"},
  };
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();

  test_vocab_add (vocab, "abc", 4, 0);
  test_vocab_add (vocab, "bcde", 4, 0);
  test_vocab_add (vocab, "bcd", 4, 0);
  test_vocab_add (vocab, "zz", 4, 0);
  test_vocab_add (vocab, "zzz", 4, 0);
  check_cases (vocab, cases, G_N_ELEMENTS (cases));
}

/* Vocabularies of the Phi-3 name take the white space behind special tokens;
 * others leave it. */
static void
test_special_strip (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (BitnetTokenizer) plain = build (vocab), strip = NULL;
  g_autofree char *plain_found = encode (plain, "<tool> \n a", -1, PLAIN);
  g_autofree char *strip_found = NULL;

  test_vocab_set_string (vocab, "general.name", "My Phi-3 mini");
  strip = build (vocab);
  strip_found = encode (strip, "<tool> \n a", -1, PLAIN);
  g_assert_cmpstr (plain_found, ==, "<tool>|  |0A| |a|");
  g_assert_cmpstr (strip_found, ==, "<tool>| |a|");
}

/* A word that is a token is this token, though no merges make it. */
static void
test_ignore_merges (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) merging = NULL, ignoring = NULL;
  g_autofree char *merged = NULL, *ignored = NULL, *control = NULL;

  test_vocab_add (vocab, "wx", 1, 0);
  test_vocab_add (vocab, "xw", 3, 0);
  merging = build (vocab);
  test_vocab_set_string (vocab, KEY "pre", "llama-bpe");
  ignoring = build (vocab);
  merged = encode (merging, "wx", -1, PLAIN);
  ignored = encode (ignoring, "wx", -1, PLAIN);
  control = encode (ignoring, "xw", -1, PLAIN);
  g_assert_cmpstr (merged, ==, "w|x|");
  g_assert_cmpstr (ignored, ==, "wx|");
  g_assert_cmpstr (control, ==, "x|w|");
  g_assert_true (bitnet_tokenizer_get_add_bos (ignoring));
  g_assert_false (bitnet_tokenizer_get_add_bos (merging));
}

static char *
encode_parts (BitnetTokenizer *tokenizer, const BitnetTextPart *parts,
    gsize n_parts, BitnetEncodeFlags flags)
{
  g_autoptr (GError) error = NULL;
  gsize n_tokens;
  g_autofree guint32 *tokens = bitnet_tokenizer_encode_parts (
      tokenizer, parts, n_parts, flags, &n_tokens, &error);

  g_assert_no_error (error);
  return bitnet_tokenizer_decode (
      tokenizer, tokens, n_tokens, BITNET_DECODE_NONE, NULL, NULL);
}

/* Control tokens count where a part may write them and nowhere else; words go
 * across the borders of parts. */
static void
test_parts (void)
{
  static const BitnetTextPart parts[] = {
      {NULL, 0, 272, FALSE},
      {"<|eot_id|>hel", -1, 0, TRUE},
      {"lo <|eot_id|>", -1, 0, FALSE},
      {"", 0, 0, FALSE},
      {"<|eot_id|>", -1, 0, TRUE},
      {"<|eot", -1, 0, FALSE},
      {"_id|>", -1, 0, TRUE},
      {"<tool>xyz", 6, 0, FALSE},
  };
  static const BitnetTextPart split[] = {
      {"a\xC3", -1, 0, FALSE},
      {"\xA9", -1, 0, FALSE},
  };
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  g_autoptr (GError) error = NULL;
  gsize n_tokens;
  g_autofree guint32 *tokens = bitnet_tokenizer_encode_parts (
      tokenizer, parts, 2, PLAIN, &n_tokens, &error);
  g_autofree char *found =
      encode_parts (tokenizer, parts, G_N_ELEMENTS (parts), PLAIN);
  g_autofree char *all =
      encode_parts (tokenizer, parts, G_N_ELEMENTS (parts), PARSE);
  g_autofree char *none = encode_parts (tokenizer, NULL, 0, PLAIN);

  g_assert_cmpuint (n_tokens, ==, 4);
  g_assert_cmpuint (tokens[0], ==, 272);
  g_assert_cmpuint (tokens[1], ==, 273);
  g_assert_cmpstr (found, ==, "hello <|eot_id|><|eot_id|><tool>");
  g_assert_cmpstr (all, ==, "hello <|eot_id|><tool>");
  g_assert_cmpstr (none, ==, "");

  g_clear_pointer (&tokens, g_free);
  tokens = bitnet_tokenizer_encode_parts (
      tokenizer, parts + 1, 2, PLAIN, &n_tokens, &error);
  g_assert_cmpuint (tokens[1], ==, 259); /* "hello" from two parts */
  g_assert_null (bitnet_tokenizer_encode_parts (
      tokenizer, split, 2, BITNET_ENCODE_STRICT, &n_tokens, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_ENCODING);
  g_assert_nonnull (strstr (error->message, "0xC3 at offset 1"));
}

/* A special token takes the white space behind it from the parts that follow,
 * too, as it would from the whole text. */
static void
test_parts_strip (void)
{
  static const BitnetTextPart parts[] = {
      {"<tool> ", -1, 0, TRUE},
      {" ", -1, 0, FALSE},
      {"\n a", -1, 0, FALSE},
  };
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (BitnetTokenizer) plain = build (vocab), strip = NULL;
  g_autofree char *plain_found = NULL, *strip_found = NULL;

  test_vocab_set_string (vocab, "general.name", "My Phi-3 mini");
  strip = build (vocab);
  plain_found = encode_parts (plain, parts, G_N_ELEMENTS (parts), PLAIN);
  strip_found = encode_parts (strip, parts, G_N_ELEMENTS (parts), PLAIN);
  g_assert_cmpstr (plain_found, ==, "<tool>   \n a");
  g_assert_cmpstr (strip_found, ==, "<tool> a");
}

/* Merges the slow way: texts, a scan for the lowest rank, from the left. */
static GPtrArray *
merge_slowly (const char *const *ranks, const char *word)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (g_free);

  for (; *word; word++)
    g_ptr_array_add (parts, g_strndup (word, 1));
  for (guint rank = 0; ranks[rank];) {
    gboolean is_found = FALSE;

    for (guint i = 0; i + 1 < parts->len; i++) {
      g_autofree char *pair = g_strdup_printf (
          "%s %s", (char *) parts->pdata[i], (char *) parts->pdata[i + 1]);

      if (strcmp (pair, ranks[rank]) != 0)
        continue;
      g_autofree char *joined =
          g_strconcat (parts->pdata[i], parts->pdata[i + 1], NULL);

      g_free (parts->pdata[i]);
      parts->pdata[i] = g_steal_pointer (&joined);
      g_ptr_array_remove_index (parts, i + 1);
      is_found = TRUE;
      break;
    }
    /* A merge may make one of a lower rank possible. */
    rank = is_found ? 0 : rank + 1;
  }
  return parts;
}

/* Short words, long words, and those on the border between the two. */
static void
test_bpe_against_slow (void)
{
  static const char *const merges[] = {"c a", "a b", "b a", "ab ab", "a a",
      "ba a", "ab a", "aa ba", "c ab", "b b", "bb bb", "abab c", "ca ca", NULL};
  g_autoptr (TestVocab) vocab = test_vocab_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  test_vocab_set_string (vocab, KEY "model", "gpt2");
  test_vocab_set_string (vocab, KEY "pre", "gpt-2");
  test_vocab_add (vocab, "a", 1, 0);
  test_vocab_add (vocab, "b", 1, 0);
  test_vocab_add (vocab, "c", 1, 0);
  for (gsize i = 0; merges[i]; i++) {
    g_auto (GStrv) parts = g_strsplit (merges[i], " ", 2);
    g_autofree char *token = g_strconcat (parts[0], parts[1], NULL);

    test_vocab_add (vocab, token, 1, 0);
    test_vocab_add_merge (vocab, merges[i]);
  }
  tokenizer = build (vocab);

  for (guint i = 0; i < 3000; i++) {
    char word[200];
    int length = g_rand_int_range (rand, 0, i < 2500 ? 50 : 199);
    g_autoptr (GPtrArray) parts = NULL;
    g_autoptr (GString) expected = g_string_new (NULL);
    g_autofree char *found = NULL;

    for (int j = 0; j < length; j++)
      word[j] = (char) ('a' + g_rand_int_range (rand, 0, 3));
    word[length] = '\0';
    parts = merge_slowly (merges, word);
    for (guint j = 0; j < parts->len; j++)
      g_string_append_printf (expected, "%s|", (char *) parts->pdata[j]);
    found = encode (tokenizer, word, -1, PLAIN);
    g_assert_cmpstr (found, ==, expected->str);
  }
}

/* SentencePiece the slow way. Scores fall with the index of pieces. */
static GPtrArray *
join_slowly (const char *const *pieces, const char *text)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (g_free);

  for (; *text; text = g_utf8_next_char (text))
    g_ptr_array_add (
        parts, g_strndup (text, (gsize) (g_utf8_next_char (text) - text)));
  for (;;) {
    guint best = 0, best_piece = G_MAXUINT;

    for (guint i = 0; i + 1 < parts->len; i++) {
      g_autofree char *joined =
          g_strconcat (parts->pdata[i], parts->pdata[i + 1], NULL);

      for (guint j = 0; pieces[j] && j < best_piece; j++) {
        if (strcmp (pieces[j], joined) == 0) {
          best = i;
          best_piece = j;
        }
      }
    }
    if (best_piece == G_MAXUINT)
      return parts;
    g_free (parts->pdata[best]);
    parts->pdata[best] = g_strdup (pieces[best_piece]);
    g_ptr_array_remove_index (parts, best + 1);
  }
}

static void
test_spm_against_slow (gconstpointer data)
{
  static const char *const pieces[] = {METASPACE "a", "ab", "ba", "aba",
      METASPACE METASPACE, "bb", METASPACE "ab",
      "\xC3\xA9"
      "a",
      "abab", "a\xC3\xA9", "bab", METASPACE METASPACE METASPACE, "aa",
      "a" METASPACE, "b" METASPACE "a", NULL};
  /* With the last two pieces a text is no row of words. */
  gboolean has_words = GPOINTER_TO_INT (data);
  const char *used[G_N_ELEMENTS (pieces)] = {NULL};
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  static const char *const characters[] = {"a", "b", METASPACE, "\xC3\xA9"};

  test_vocab_free (g_steal_pointer (&vocab));
  vocab = test_vocab_new ();
  test_vocab_set_string (vocab, KEY "model", "llama");
  test_vocab_set_bool (vocab, KEY "add_space_prefix", FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (characters); i++)
    test_vocab_add (vocab, characters[i], 1, -1000);
  for (gsize i = 0; pieces[i + (has_words ? 2 : 0)]; i++) {
    used[i] = pieces[i];
    test_vocab_add (vocab, pieces[i], 1, -(float) i);
  }
  tokenizer = build (vocab);

  for (guint i = 0; i < 3000; i++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GPtrArray) parts = NULL;
    int length = g_rand_int_range (rand, 0, i < 2500 ? 40 : 120);
    gsize n_tokens;
    g_autofree guint32 *tokens = NULL;

    while (length-- > 0)
      g_string_append (text, characters[g_rand_int_range (rand, 0, 4)]);
    parts = join_slowly (used, text->str);
    tokens = bitnet_tokenizer_encode (
        tokenizer, text->str, -1, PLAIN, &n_tokens, NULL);
    g_assert_cmpuint (n_tokens, ==, parts->len);
    for (guint j = 0; j < parts->len; j++)
      g_assert_cmpuint (
          tokens[j], ==, bitnet_tokenizer_lookup (tokenizer, parts->pdata[j]));
  }
}

/* A megabyte of one letter, of one space, of nothing but special tokens: no
 * text may take time that grows with its square. */
static void
test_long_texts (void)
{
  const gsize size = 1 << 20;
  g_autoptr (TestVocab) bpe_vocab = test_vocab_new_bpe ();
  g_autoptr (TestVocab) spm_vocab = test_vocab_new_spm ();
  g_autoptr (BitnetTokenizer) bpe = NULL;
  g_autoptr (BitnetTokenizer) spm = build (spm_vocab);
  g_autofree char *text = g_malloc (size);
  gsize n_tokens;

  for (char run[40] = "~~"; strlen (run) < 30; strcat (run, "~"))
    test_vocab_add (bpe_vocab, run, 4, 0);
  bpe = build (bpe_vocab);

  for (const char *letter = "a b~"; *letter; letter++) {
    g_autofree guint32 *bpe_tokens = NULL, *spm_tokens = NULL;

    memset (text, *letter, size);
    bpe_tokens = bitnet_tokenizer_encode (
        bpe, text, (gssize) size, BITNET_ENCODE_PARSE_SPECIAL, &n_tokens, NULL);
    g_assert_cmpuint (n_tokens, >=, size / 29);
    spm_tokens = bitnet_tokenizer_encode (
        spm, text, (gssize) size, PLAIN, &n_tokens, NULL);
    g_assert_cmpuint (n_tokens, >=, size / 4);
  }
}

static void
test_nul (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  g_autofree char *found = encode (tokenizer, "he\0he", 5, PLAIN);
  gsize n_tokens, length;
  g_autofree guint32 *tokens =
      bitnet_tokenizer_encode (tokenizer, "he\0he", 5, PLAIN, &n_tokens, NULL);
  g_autofree char *text = bitnet_tokenizer_decode (
      tokenizer, tokens, n_tokens, BITNET_DECODE_NONE, &length, NULL);

  g_assert_cmpstr (found, ==, "he|00|he|");
  g_assert_cmpmem (text, length, "he\0he", 5);
}

static void
test_encoding_error (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  g_autoptr (GError) error = NULL;
  gsize n_tokens = 5;

  g_assert_null (bitnet_tokenizer_encode (
      tokenizer, "hello\xC3(", -1, BITNET_ENCODE_STRICT, &n_tokens, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_ENCODING);
  g_assert_nonnull (strstr (error->message, "0xC3 at offset 5"));
  g_assert_cmpuint (n_tokens, ==, 0);
}

static void
test_decode_error (void)
{
  static const guint32 tokens[] = {5, 100000};
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  g_autoptr (GError) error = NULL;

  g_assert_null (bitnet_tokenizer_decode (
      tokenizer, tokens, 2, BITNET_DECODE_NONE, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "token 100000 at position 1"));
}

static void
test_accessors (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  guint32 n = bitnet_tokenizer_get_vocab_size (tokenizer);
  guint32 eot = bitnet_tokenizer_lookup (tokenizer, "<|eot_id|>");
  g_autoptr (GBytes) bytes = bitnet_tokenizer_get_token_bytes (
      tokenizer, bitnet_tokenizer_lookup (tokenizer, "\xC4\xA0world"));

  g_assert_cmpstr (bitnet_tokenizer_get_algorithm (tokenizer), ==, "bpe");
  g_assert_cmpstr (bitnet_tokenizer_get_pre (tokenizer), ==, "gpt-2");
  g_assert_cmpuint (n, ==, 256 + 16 + 3);
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOS), ==, eot);
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOT), ==, eot);
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_MASK), ==,
      BITNET_TOKEN_NONE);
  g_assert_cmpint (bitnet_tokenizer_get_attributes (tokenizer, eot), ==,
      BITNET_TOKEN_CONTROL | BITNET_TOKEN_EOG);
  g_assert_cmpint (
      bitnet_tokenizer_get_attributes (tokenizer, 0), ==, BITNET_TOKEN_NORMAL);
  g_assert_cmpint (bitnet_tokenizer_get_attributes (tokenizer, n), ==, 0);
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, eot));
  g_assert_false (bitnet_tokenizer_is_eog (tokenizer, eot - 1));
  g_assert_false (bitnet_tokenizer_is_eog (tokenizer, G_MAXUINT32));
  g_assert_null (bitnet_tokenizer_get_token_bytes (tokenizer, n));
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (tokenizer, "nothing"), ==, BITNET_TOKEN_NONE);
  g_assert_cmpmem (
      g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), " world", 6);
}

/* All tokens that can end a generation do, whatever the file calls them. */
static void
test_eog (void)
{
  static const char *const texts[] = {"<|im_end|>", "<|endoftext|>",
      "<end_of_turn>", "</s>", "<|eom_id|>", "<EOT>", "<|file_sep|>"};
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autofree char *found = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    test_vocab_add (vocab, texts[i], 4, 0);
  test_vocab_add (vocab, "<|message|>", 3, 0);
  tokenizer = build (vocab);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    guint32 id = bitnet_tokenizer_lookup (tokenizer, texts[i]);

    g_test_message ("%s", texts[i]);
    g_assert_true (bitnet_tokenizer_is_eog (tokenizer, id));
    g_assert_true (
        bitnet_tokenizer_get_attributes (tokenizer, id) & BITNET_TOKEN_CONTROL);
  }
  /* No more a user-defined token, so it is text. */
  found = encode (tokenizer, "</s><|message|>", -1, PLAIN);
  g_assert_cmpstr (found, ==, "<|/|s|>|<|message|>|");
}

/* <|end|> ends a message, not a turn, where <|return|> and <|call|> exist. */
static void
test_eog_corrections (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  guint32 end;

  test_vocab_add (vocab, "<|return|>", 3, 0);
  test_vocab_add (vocab, "<|call|>", 3, 0);
  end = test_vocab_add (vocab, "<|end|>", 3, 0);
  tokenizer = build (vocab);
  g_assert_false (bitnet_tokenizer_is_eog (tokenizer, end));
  g_assert_cmpint (bitnet_tokenizer_get_attributes (tokenizer, end), ==,
      BITNET_TOKEN_USER_DEFINED);
}

static void
test_id (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) one = build (vocab);
  g_autoptr (BitnetTokenizer) two = build (vocab);
  g_autoptr (BitnetTokenizer) other_pre = NULL, other_merges = NULL;

  g_assert_cmpuint (strlen (bitnet_tokenizer_get_id (one)), ==, 64);
  g_assert_cmpstr (
      bitnet_tokenizer_get_id (one), ==, bitnet_tokenizer_get_id (two));
  test_vocab_set_string (vocab, KEY "pre", "qwen2");
  other_pre = build (vocab);
  g_assert_cmpstr (
      bitnet_tokenizer_get_id (one), !=, bitnet_tokenizer_get_id (other_pre));
  test_vocab_add_merge (vocab, "b b");
  test_vocab_add (vocab, "bb", 1, 0);
  other_merges = build (vocab);
  g_assert_cmpstr (bitnet_tokenizer_get_id (other_pre), !=,
      bitnet_tokenizer_get_id (other_merges));
}

/* Adds tokens up to n_tokens, with the landmarks of a family among them. */
static void
add_landmarks (TestVocab *vocab, guint32 n_tokens, const char *family)
{
  const GArray *landmarks =
      bn_matrix_find (bn_matrix_get (), family)->landmarks;
  g_autoptr (BitnetTokenizer) base = build (vocab);
  guint next = 0;

  for (guint32 id = bitnet_tokenizer_get_vocab_size (base); id < n_tokens;
       id++) {
    g_autofree char *text = g_strdup_printf ("t%u", id);

    while (next < landmarks->len
           && g_array_index (landmarks, BnLandmark, next).id < id)
      next++;
    if (next < landmarks->len
        && g_array_index (landmarks, BnLandmark, next).id == id)
      test_vocab_add (
          vocab, g_array_index (landmarks, BnLandmark, next).text, 1, 0);
    else
      test_vocab_add (vocab, text, 1, 0);
  }
}

/* DESIGN: a file without the key gets what its family implies. That numbers
 * are those of a family proves nothing. */
static void
test_pre_missing (void)
{
  static const struct {
    const char *architecture;
    const char *landmarks; /* of that family */
    const char *pre;
  } cases[] = {
      {"bitnet-b1.58", "llama-3", "llama-bpe"},
      {"llama", "llama-3", "llama-bpe"},
      {"of-its-own", "llama-3", "llama-bpe"},
      {"bitnet-b1.58", "falcon", "default"},
  };
  g_autoptr (TestVocab) small = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  test_vocab_remove (small, KEY "pre");
  tokenizer = build (small);
  g_assert_cmpstr (bitnet_tokenizer_get_pre (tokenizer), ==, "default");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
    g_autoptr (BitnetTokenizer) repaired = NULL;

    test_vocab_remove (vocab, KEY "pre");
    test_vocab_set_string (
        vocab, "general.architecture", cases[i].architecture);
    add_landmarks (vocab, 128256, cases[i].landmarks);
    repaired = build (vocab);
    g_assert_cmpstr (bitnet_tokenizer_get_pre (repaired), ==, cases[i].pre);
    g_assert_cmpint (bitnet_tokenizer_get_add_bos (repaired), ==,
        strcmp (cases[i].pre, "llama-bpe") == 0);
  }
}

/* Whoever asks for a known way to cut text gets one or an error. */
static void
test_pre_flags (void)
{
  static const struct {
    const char *pre; /* NULL: the key is missing */
    BnGgufTokenizerFlags flags;
    const char *result; /* NULL: UNKNOWN_PRETOKENIZER */
    gboolean is_default;
  } cases[] = {
      {NULL, 0, "default", TRUE},
      {NULL, BN_GGUF_REQUIRE_PRE, NULL, FALSE},
      {NULL, BN_GGUF_DEFAULT_PRE, "default", TRUE},
      {"no-such-pre", 0, NULL, FALSE},
      {"no-such-pre", BN_GGUF_REQUIRE_PRE, NULL, FALSE},
      {"no-such-pre", BN_GGUF_DEFAULT_PRE, "default", TRUE},
      {"default", BN_GGUF_REQUIRE_PRE, "default", FALSE},
      {"qwen2", BN_GGUF_REQUIRE_PRE, "qwen2", FALSE},
      {"qwen2", BN_GGUF_DEFAULT_PRE, "qwen2", FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (BnGguf) gguf = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GError) error = NULL;
    gboolean is_default = !cases[i].is_default;

    if (cases[i].pre)
      test_vocab_set_string (vocab, KEY "pre", cases[i].pre);
    else
      test_vocab_remove (vocab, KEY "pre");
    bytes = test_vocab_to_bytes (vocab);
    gguf = bn_gguf_new_from_bytes (bytes, "test.gguf", &error);
    g_assert_no_error (error);
    tokenizer = bitnet_tokenizer_new_from_gguf_full (
        gguf, BITNET_FIDELITY_AUTO, cases[i].flags, &is_default, NULL, &error);
    g_assert_cmpint (is_default, ==, cases[i].is_default);
    if (cases[i].result) {
      g_assert_no_error (error);
      g_assert_cmpstr (
          bitnet_tokenizer_get_pre (tokenizer), ==, cases[i].result);
    } else {
      g_assert_null (tokenizer);
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_UNKNOWN_PRETOKENIZER);
    }
  }
}

static void
set_model_plamo (TestVocab *vocab)
{
  test_vocab_set_string (vocab, KEY "model", "plamo2");
}

static void
set_model_none (TestVocab *vocab)
{
  test_vocab_set_string (vocab, KEY "model", "none");
}

static void
remove_model (TestVocab *vocab)
{
  test_vocab_remove (vocab, KEY "model");
}

static void
remove_tokens (TestVocab *vocab)
{
  test_vocab_remove (vocab, KEY "tokens");
}

static void
remove_merges (TestVocab *vocab)
{
  test_vocab_remove (vocab, KEY "merges");
}

static void
set_pre_unknown (TestVocab *vocab)
{
  test_vocab_set_string (vocab, KEY "pre", "no-such-pre");
}

static void
set_tokens_string (TestVocab *vocab)
{
  test_vocab_remove (vocab, KEY "tokens");
  test_vocab_set_string (vocab, KEY "tokens", "a b c");
}

static void
set_merges_number (TestVocab *vocab)
{
  test_vocab_remove (vocab, KEY "merges");
  test_vocab_set_uint (vocab, KEY "merges", 1);
}

static void
add_long_specials (TestVocab *vocab)
{
  g_autofree char *text = g_strnfill (1 << 20, 'x');

  for (gint32 i = 0; i < 5; i++) {
    text[0] = (char) ('a' + i);
    test_vocab_add (vocab, text, i % 2 ? 3 : 4, 0);
  }
}

static void
test_errors (void)
{
  static const struct {
    void (*damage) (TestVocab *vocab);
    const char *message; /* a part of it */
    BitnetError code;
  } errors[] = {
      {set_model_plamo, "\"plamo2\"", BITNET_ERROR_UNSUPPORTED_TOKENIZER},
      {set_model_none, "has no tokenizer", BITNET_ERROR_NO_EMBEDDED_TOKENIZER},
      {remove_model, KEY "model is missing",
          BITNET_ERROR_NO_EMBEDDED_TOKENIZER},
      {remove_tokens, KEY "tokens is missing",
          BITNET_ERROR_NO_EMBEDDED_TOKENIZER},
      {remove_merges, KEY "merges is missing", BITNET_ERROR_TOKENIZER},
      {set_pre_unknown, "\"no-such-pre\"", BITNET_ERROR_UNKNOWN_PRETOKENIZER},
      {set_tokens_string, "expected an array of strings",
          BITNET_ERROR_TOKENIZER},
      {set_merges_number, "expected an array of strings",
          BITNET_ERROR_TOKENIZER},
      {add_long_specials, "bytes of special tokens", BITNET_ERROR_TOKENIZER},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (errors); i++) {
    g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
    g_autoptr (GError) error = NULL;

    errors[i].damage (vocab);
    g_assert_null (try_build (vocab, &error));
    g_assert_error (error, BITNET_ERROR, (int) errors[i].code);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, errors[i].message));
    g_assert_nonnull (strstr (error->message, "test.gguf"));
  }
}

/* What is wrong in a small way is left out. */
static void
test_oddities (void)
{
  static const char *const merges[] = {"", " ", "a", "a ", " a", "a  b",
      "missing a", "a missing", "a c", "h e", "h e"};
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autofree char *found = NULL;
  guint32 empty;

  for (gsize i = 0; i < G_N_ELEMENTS (merges); i++)
    test_vocab_add_merge (vocab, merges[i]);
  empty = test_vocab_add (vocab, "", 1, 0);
  test_vocab_add (vocab, "<tool>", 4, 0);
  test_vocab_add (vocab, "strange type", 77, 0);
  test_vocab_add (vocab, "\xFF\xFE", 4, 0);
  test_vocab_add (vocab, "\xC3", 4, 0);
  test_vocab_set_uint (vocab, KEY "eos_token_id", 1000000);
  test_vocab_set_uint (vocab, KEY "padding_token_id", 0xFFFFFFFF);
  test_vocab_set_bool (vocab, KEY "add_eos_token", TRUE);
  tokenizer = build (vocab);

  found = encode (tokenizer, "hello<tool>\xC3\xA9", -1, BOTH);
  g_assert_cmpstr (found, ==, "hello|<tool>|\xC3\xA9|");
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (tokenizer, "<tool>"), ==, empty - 1);
  g_assert_cmpuint (
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOS), ==,
      BITNET_TOKEN_NONE);
  {
    g_autofree char *name = g_strdup_printf ("[EMPTY_%u]", empty);

    g_assert_cmpuint (bitnet_tokenizer_lookup (tokenizer, name), ==, empty);
  }
}

static void
test_cancelled (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "x", NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (bitnet_tokenizer_new_from_gguf (
      gguf, BITNET_FIDELITY_AUTO, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static gpointer
encode_often (gpointer data)
{
  BitnetTokenizer *tokenizer = data;

  for (guint i = 0; i < 2000; i++) {
    g_autofree char *found =
        encode (tokenizer, "hello world aaab\xC3\xA9<tool>ab", -1, PARSE);

    g_assert_cmpstr (found, ==, "hello| world| |aa|ab|\xC3\xA9|<tool>|ab|");
    g_assert_cmpuint (strlen (bitnet_tokenizer_get_id (tokenizer)), ==, 64);
  }
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetTokenizer) tokenizer = build (vocab);
  GThread *threads[4];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("encode", encode_often, tokenizer);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokenizer/bpe", test_bpe);
  g_test_add_func ("/tokenizer/bpe/against-slow", test_bpe_against_slow);
  g_test_add_func ("/tokenizer/bpe/ignore-merges", test_ignore_merges);
  g_test_add_func ("/tokenizer/spm", test_spm);
  g_test_add_func ("/tokenizer/spm/no-prefix", test_spm_no_prefix);
  g_test_add_func ("/tokenizer/spm/across-words", test_spm_across_words);
  g_test_add_func ("/tokenizer/spm/ties", test_spm_ties);
  g_test_add_data_func ("/tokenizer/spm/against-slow/words",
      GINT_TO_POINTER (TRUE), test_spm_against_slow);
  g_test_add_data_func ("/tokenizer/spm/against-slow/whole",
      GINT_TO_POINTER (FALSE), test_spm_against_slow);
  g_test_add_func ("/tokenizer/special/order", test_special_order);
  g_test_add_func ("/tokenizer/special/strip", test_special_strip);
  g_test_add_func ("/tokenizer/special/parts", test_parts);
  g_test_add_func ("/tokenizer/special/parts-strip", test_parts_strip);
  g_test_add_func ("/tokenizer/long-texts", test_long_texts);
  g_test_add_func ("/tokenizer/nul", test_nul);
  g_test_add_func ("/tokenizer/encoding-error", test_encoding_error);
  g_test_add_func ("/tokenizer/decode-error", test_decode_error);
  g_test_add_func ("/tokenizer/accessors", test_accessors);
  g_test_add_func ("/tokenizer/eog", test_eog);
  g_test_add_func ("/tokenizer/eog/corrections", test_eog_corrections);
  g_test_add_func ("/tokenizer/id", test_id);
  g_test_add_func ("/tokenizer/pre-missing", test_pre_missing);
  g_test_add_func ("/tokenizer/pre-flags", test_pre_flags);
  g_test_add_func ("/tokenizer/errors", test_errors);
  g_test_add_func ("/tokenizer/oddities", test_oddities);
  g_test_add_func ("/tokenizer/cancelled", test_cancelled);
  g_test_add_func ("/tokenizer/threads", test_threads);
  return g_test_run ();
}
