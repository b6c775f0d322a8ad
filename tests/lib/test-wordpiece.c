/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WordPiece and WordLevel (text/bn-wordpiece.c) with the normalizer of BERT
 * (text/bn-bert.c): against ids of the Hugging Face tokenizers
 * (data/make-wordpiece-goldens.py), the differences of llama.cpp, and texts
 * that are long. */
#include <string.h>

#include "bitnet-error.h"
#include "text/bn-json.h"
#include "text/bn-vocabtxt.h"
#include "text/bn-wordpiece.h"

#define METASPACE "\xE2\x96\x81"

static uint32_t *
encode (BnEncoder *encoder, const char *text, size_t length, size_t *n_ids)
{
  const BnStretch stretch = {length, BN_TOKEN_NONE, FALSE};
  BnIds ids = {NULL, 0, 0};

  g_assert_true (bn_ids_reserve (&ids, 1));
  g_assert_true (
      bn_encoder_encode (encoder, (const uint8_t *) text, &stretch, 1, &ids));
  *n_ids = ids.n_ids;
  return ids.data;
}

/* Fails if the ids are not those; twice, as words are remembered. */
static void
check_ids (BnEncoder *encoder, const char *text, size_t length,
    const uint32_t *expected, size_t n_expected)
{
  for (int round = 0; round < 2; round++) {
    size_t n_ids;
    g_autofree uint32_t *ids = encode (encoder, text, length, &n_ids);

    if (n_ids == n_expected && memcmp (ids, expected, n_ids * sizeof *ids) == 0)
      continue;
    g_autofree char *quoted = g_strescape (text, NULL);
    g_autoptr (GString) found = g_string_new (NULL);

    for (size_t i = 0; i < n_ids; i++)
      g_string_append_printf (found, " %u", ids[i]);
    g_string_append (found, ", expected");
    for (size_t i = 0; i < n_expected; i++)
      g_string_append_printf (found, " %u", expected[i]);
    g_test_message ("\"%s\": found%s", quoted, found->str);
    g_test_fail ();
  }
}

static BnVocab *
vocab_of_json (BnJson list)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  BnVocab *vocab = bn_vocab_new (10000, 1 << 20, BN_SPELLING_METASPACE);
  BnJsonIter iter;
  BnJson value;

  bn_json_iter_init (&iter, list);
  while (bn_json_iter_next (&iter, NULL, &value)) {
    const char *text;
    size_t length;

    bn_json_get_string (value, buffer, &text, &length);
    g_assert_true (bn_vocab_add (vocab, text, length, BN_TOKEN_NORMAL, 0));
  }
  bn_vocab_seal (vocab);
  return vocab;
}

static BnEncoder *
encoder_of_row (BnJson row)
{
  BnBertOptions bert = {.is_llama_cpp = FALSE};
  g_autofree char *prefix = NULL;
  uint64_t limit = 0;
  BnWordPieceOptions options = {.start = "", .bert = &bert};
  BnVocab *vocab;
  BnEncoder *encoder;
  BnJson list;

  g_assert_true (bn_json_find (row, "vocab", &list));
  vocab = vocab_of_json (list);
  bn_json_read_boolean (row, "clean_text", &bert.clean_text, NULL);
  bn_json_read_boolean (row, "handle_chinese_chars", &bert.split_chinese, NULL);
  bn_json_read_boolean (row, "lowercase", &bert.lowercase, NULL);
  bert.strip_accents = bert.lowercase;
  bn_json_read_boolean (row, "strip_accents", &bert.strip_accents, NULL);
  g_assert_true (bn_json_read_string (row, "prefix", &prefix, NULL));
  g_assert_true (bn_json_read_uint (row, "limit", 1000, &limit, NULL));
  options.continuation = prefix;
  options.continuation_length = strlen (prefix);
  options.max_characters = (uint32_t) limit;
  options.unknown = bn_vocab_lookup (vocab, "[UNK]", 5);
  encoder = bn_encoder_new_wordpiece (vocab, &options);
  g_assert_nonnull (encoder);
  /* All of it is text. */
  bn_encoder_set_added (encoder, NULL, NULL);
  return encoder;
}

static gsize
check_setting (BnJson setting)
{
  g_autoptr (BnEncoder) encoder = encoder_of_row (setting);
  g_autoptr (GString) buffer = g_string_new (NULL);
  g_autoptr (GArray) expected = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  BnJson rows, row, value, ids;
  BnJsonIter iter, ids_iter;
  gsize n_rows = 0;

  g_assert_true (bn_json_find (setting, "rows", &rows));
  bn_json_iter_init (&iter, rows);
  while (bn_json_iter_next (&iter, NULL, &row)) {
    const char *text;
    size_t length;

    g_array_set_size (expected, 0);
    g_assert_true (bn_json_find (row, "ids", &ids));
    bn_json_iter_init (&ids_iter, ids);
    while (bn_json_iter_next (&ids_iter, NULL, &value)) {
      uint64_t id;
      uint32_t id32;

      g_assert_true (bn_json_get_uint (value, UINT32_MAX, &id));
      id32 = (uint32_t) id;
      g_array_append_val (expected, id32);
    }
    g_assert_true (bn_json_find (row, "text", &value));
    bn_json_get_string (value, buffer, &text, &length);
    check_ids (encoder, text, length,
        (const uint32_t *) (const void *) expected->data, expected->len);
    n_rows++;
  }
  return n_rows;
}

static void
test_goldens (void)
{
  const char *path = g_getenv ("BITNET_WORDPIECE_GOLDENS");
  g_autofree char *own =
      g_test_build_filename (G_TEST_DIST, "data", "wordpiece.jsonl", NULL);
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;
  gsize n_rows = 0;

  g_file_get_contents (path ? path : own, &contents, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (contents, "\n", -1);
  for (gsize i = 0; lines[i] && lines[i][0]; i++) {
    BnJsonDocument document = {
        .path = "wordpiece.jsonl", .text = lines[i], .size = strlen (lines[i])};
    BnJson setting;

    g_assert_true (bn_json_open (&document, &setting, NULL));
    n_rows += check_setting (setting);
  }
  g_assert_cmpuint (n_rows, >=, 192);
}

static BnVocab *
vocab_of_texts (const char *const *texts, size_t n_texts)
{
  BnVocab *vocab = bn_vocab_new (
      (uint32_t) n_texts + 1, 1000 * (n_texts + 1), BN_SPELLING_METASPACE);

  for (size_t i = 0; i < n_texts; i++)
    g_assert_true (
        bn_vocab_add (vocab, texts[i], strlen (texts[i]), BN_TOKEN_NORMAL, 0));
  bn_vocab_seal (vocab);
  return vocab;
}

/* Files of llama.cpp: U+2581 begins words. */
static const char *const phantom[] = {"[UNK]", METASPACE "un", "aff", "able",
    METASPACE "\xE1\x84\x92", "x", METASPACE "x", METASPACE "#",
    METASPACE "caf", "e", METASPACE "\xC2\xA7"};

static const struct {
  const char *name;
  gboolean is_llama_cpp;
  const char *text;
  uint32_t ids[6];
  size_t n_ids;
} cases[] = {
    {"words", TRUE, "UNaffable x#x", {1, 2, 3, 6, 7, 6}, 6},
    {"unknown", TRUE, "unaffle", {0}, 1},
    {"accents", TRUE, "caf\xC3\xA9", {8, 9}, 2},
    /* U+D55C is U+1112 U+1161 U+11AB. */
    {"hangul/llama.cpp", TRUE, "\xED\x95\x9C", {4}, 1},
    {"hangul/huggingface", FALSE, "\xED\x95\x9C", {0}, 1},
    /* NEL and vertical tab: white space there, control characters here. */
    {"control/llama.cpp", TRUE, "un\xC2\x85x\x0Bx", {1, 6, 6}, 3},
    {"control/huggingface", FALSE, "un\xC2\x85x\x0Bx", {1, 5, 5}, 3},
    /* What begins a word does not continue one. */
    {"mark/llama.cpp", TRUE, "x" METASPACE "x", {6, 6}, 2},
    {"mark/huggingface", FALSE, "x" METASPACE "x", {0}, 1},
    {"punctuation", FALSE, "x\xC2\xA7x", {6, 10, 6}, 3},
};

static BnEncoder *
new_phantom (gboolean is_llama_cpp)
{
  const BnBertOptions bert = {TRUE, TRUE, TRUE, TRUE, is_llama_cpp};
  const BnWordPieceOptions options = {
      .start = METASPACE,
      .start_length = strlen (METASPACE),
      .continuation = "",
      .unknown = 0,
      .max_characters =
          is_llama_cpp ? BN_WORDPIECE_NO_LIMIT : BN_WORDPIECE_MAX_CHARACTERS,
      .has_empty_start = is_llama_cpp,
      .bert = &bert,
  };

  return bn_encoder_new_wordpiece (
      vocab_of_texts (phantom, G_N_ELEMENTS (phantom)), &options);
}

static void
test_case (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (BnEncoder) encoder = new_phantom (cases[i].is_llama_cpp);

  check_ids (encoder, cases[i].text, strlen (cases[i].text), cases[i].ids,
      cases[i].n_ids);
}

/* A word of a megabyte: unknown there, many tokens here. */
static void
test_long (void)
{
  enum { N = 1 << 20 };
  g_autofree char *text = g_malloc (N);
  g_autoptr (BnEncoder) huggingface = new_phantom (FALSE);
  g_autoptr (BnEncoder) llama_cpp = new_phantom (TRUE);
  g_autofree uint32_t *expected = g_new (uint32_t, N);

  memset (text, 'x', N);
  for (int i = 0; i < N; i++)
    expected[i] = i == 0 ? 6 : 5;
  check_ids (llama_cpp, text, N, expected, N);
  check_ids (llama_cpp, text, 100, expected, 100);
  check_ids (huggingface, text, 100, expected, 100);
  expected[0] = 0;
  check_ids (huggingface, text, 101, expected, 1);
  check_ids (huggingface, text, N, expected, 1);
}

static void
test_word_level (void)
{
  static const char *const texts[] = {"a", "ab", "[UNK]", "b"};
  static const struct {
    const char *word;
    uint32_t id;
  } words[] = {{"a", 0}, {"ab", 1}, {"b", 3}, {"ba", 2}, {"abb", 2}, {"c", 2}};
  const BnWordPieceOptions options = {
      .start = "", .unknown = 2, .max_characters = BN_WORDPIECE_NO_LIMIT};
  BnVocab *vocab = vocab_of_texts (texts, G_N_ELEMENTS (texts));
  BnWordPiece *model = bn_wordpiece_new (vocab, &options);
  g_autoptr (BnEncoder) encoder =
      bn_encoder_new (vocab, &bn_wordlevel_model, model);

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    check_ids (encoder, words[i].word, strlen (words[i].word), &words[i].id, 1);
}

/* Without an unknown token there is nothing to say for an unknown word. */
static void
test_no_unknown (void)
{
  static const char *const texts[] = {"a"};
  const BnWordPieceOptions options = {.start = "",
      .unknown = BN_TOKEN_NONE,
      .max_characters = BN_WORDPIECE_NO_LIMIT};
  BnVocab *vocab = vocab_of_texts (texts, G_N_ELEMENTS (texts));
  BnWordPiece *model = bn_wordpiece_new (vocab, &options);
  g_autoptr (BnEncoder) encoder =
      bn_encoder_new (vocab, &bn_wordlevel_model, model);
  const BnStretch stretch = {1, BN_TOKEN_NONE, FALSE};
  BnIds ids = {NULL, 0, 0};

  g_assert_true (
      bn_encoder_encode (encoder, (const uint8_t *) "a", &stretch, 1, &ids));
  g_assert_false (
      bn_encoder_encode (encoder, (const uint8_t *) "b", &stretch, 1, &ids));
  g_free (ids.data);
}

/* vocab.txt. */

static void
check_vocab_txt (const char *vocab, const BnVocabTxtOptions *options,
    const char *text, gboolean parse_special, const uint32_t *expected,
    size_t n_expected)
{
  const BnFile file = {
      .path = "vocab.txt", .text = vocab, .size = strlen (vocab)};
  g_autoptr (GError) error = NULL;
  g_autoptr (BnTokenizer) tokenizer =
      bn_vocabtxt_load (&file, options, NULL, &error);
  const BnStretch stretch = {strlen (text), BN_TOKEN_NONE, parse_special};
  const BnInput input = {(const uint8_t *) text, &stretch, 1};
  BnIds ids = {NULL, 0, 0};

  g_assert_no_error (error);
  g_assert_true (bn_tokenizer_encode (tokenizer, &input, NULL, TRUE, &ids));
  g_assert_cmpmem (ids.data, ids.n_ids * sizeof *ids.data, expected,
      n_expected * sizeof *expected);
  g_free (ids.data);
}

static void
test_vocab_txt (void)
{
  /* Ids:    0      1      2  3      4      5    6    7  8 */
  static const char vocab[] = "[UNK]\n[CLS]\r\n\n[SEP] \nhe\n##llo\nHe\nx\n##x";
  const BnVocabTxtOptions unsaid = {BN_FIDELITY_AUTO, -1, -1, -1, {NULL}};
  const BnVocabTxtOptions cased = {BN_FIDELITY_AUTO, 0, -1, -1, {NULL}};
  const BnVocabTxtOptions named = {
      BN_FIDELITY_AUTO, -1, -1, -1, {[BN_ROLE_SEP] = "x"}};

  check_vocab_txt (vocab, &unsaid, "Hello", FALSE, (uint32_t[]){1, 4, 5, 3}, 4);
  check_vocab_txt (vocab, &cased, "Hello", FALSE, (uint32_t[]){1, 6, 5, 3}, 4);
  check_vocab_txt (vocab, &named, "hex", FALSE, (uint32_t[]){1, 4, 8, 7}, 4);
  check_vocab_txt (vocab, &unsaid, "x[SEP]x [CLS", TRUE,
      (uint32_t[]){1, 7, 3, 7, 0, 0, 3}, 7);
  check_vocab_txt (
      vocab, &unsaid, "x[SEP]x", FALSE, (uint32_t[]){1, 7, 0, 0, 0, 7, 3}, 7);
  /* Of equal lines the last counts. */
  check_vocab_txt (
      "a\n[UNK]\na\nb\na\n", &unsaid, "a b", FALSE, (uint32_t[]){4, 3}, 2);
}

static void
test_vocab_txt_wrong (void)
{
  static const struct {
    const char *text;
    size_t size;
    const char *message;
  } wrong[] = {{"", 0, "0 lines"}, {"a\n\xFF\n", 4, "0xFF at offset 2"}};
  const BnVocabTxtOptions unsaid = {BN_FIDELITY_AUTO, -1, -1, -1, {NULL}};

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    const BnFile file = {
        .path = "vocab.txt", .text = wrong[i].text, .size = wrong[i].size};
    g_autoptr (GError) error = NULL;

    g_assert_null (bn_vocabtxt_load (&file, &unsaid, NULL, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    g_assert_nonnull (strstr (error->message, wrong[i].message));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokenizer/C55/wordpiece/goldens", test_goldens);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        g_strconcat ("/tokenizer/C55/wordpiece/", cases[i].name, NULL);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_case);
  }
  g_test_add_func ("/tokenizer/wordpiece/long", test_long);
  g_test_add_func ("/tokenizer/wordpiece/no-unknown", test_no_unknown);
  g_test_add_func ("/tokenizer/wordlevel", test_word_level);
  g_test_add_func ("/tokenizer/vocab-txt", test_vocab_txt);
  g_test_add_func ("/tokenizer/vocab-txt/wrong", test_vocab_txt_wrong);
  return g_test_run ();
}
