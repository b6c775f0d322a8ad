/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalizers and pre-tokenizers of tokenizer.json against what `tokenizers`
 * makes of the same texts (tests/data/pipeline.jsonl), and against files that
 * are wrong. */
#include <string.h>

#include "bitnet-error.h"
#include "bn-encoder.h"
#include "bn-normalize.h"
#include "bn-split.h"

#define FRAGMENT (BN_FRAGMENT_START | BN_FRAGMENT_EDGE)

static char *
dup_string (BnJson json, gsize *length)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  const char *text;

  bn_json_get_string (json, buffer, &text, length);
  return g_memdup2 (text, *length + 1);
}

static void
check_normalizer (BnJson component, BnJson cases, BnScratch *scratch)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnNormalizer) normalizer =
      bn_normalizer_new_from_json (component, &error);
  BnBuffer out = {.length = 0};
  BnJsonIter iter;
  BnJson row;

  g_assert_no_error (error);
  bn_json_iter_init (&iter, cases);
  while (bn_json_iter_next (&iter, NULL, &row)) {
    g_autofree char *text = NULL, *wanted = NULL;
    BnJsonIter columns;
    gsize length, wanted_length;
    BnJson value;

    bn_json_iter_init (&columns, row);
    bn_json_iter_next (&columns, NULL, &value);
    text = dup_string (value, &length);
    bn_json_iter_next (&columns, NULL, &value);
    wanted = dup_string (value, &wanted_length);
    g_assert_true (bn_normalizer_apply (
        normalizer, scratch, (const guint8 *) text, length, &out));
    if (out.length != wanted_length
        || memcmp (wanted, out.length ? out.data : (guint8 *) "", out.length))
      g_error ("\"%s\" became \"%.*s\", not \"%s\"", text, (int) out.length,
          out.data, wanted);
  }
  bn_buffer_clear (&out);
}

static void
check_splitter (BnJson component, BnJson cases, BnScratch *scratch)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnSplitter) splitter =
      bn_splitter_new_from_json (component, &error);
  BnWords words = {.n_words = 0};
  BnJsonIter iter;
  BnJson row;

  g_assert_no_error (error);
  bn_json_iter_init (&iter, cases);
  while (bn_json_iter_next (&iter, NULL, &row)) {
    g_autofree char *text = NULL;
    BnJsonIter columns, list;
    BnJson value, word;
    gsize length, n = 0;

    bn_json_iter_init (&columns, row);
    bn_json_iter_next (&columns, NULL, &value);
    text = dup_string (value, &length);
    bn_json_iter_next (&columns, NULL, &value);
    g_assert_true (bn_splitter_apply (
        splitter, scratch, (const guint8 *) text, length, FRAGMENT, &words));
    bn_json_iter_init (&list, value);
    while (bn_json_iter_next (&list, NULL, &word)) {
      gsize wanted_length;
      g_autofree char *wanted = dup_string (word, &wanted_length);

      if (n >= words.n_words
          || words.starts[n + 1] - words.starts[n] != wanted_length
          || memcmp (words.text.data + words.starts[n], wanted, wanted_length))
        g_error ("word %" G_GSIZE_FORMAT " of \"%s\" is not \"%s\"", n, text,
            wanted);
      n++;
    }
    g_assert_cmpuint (words.n_words, ==, n);
  }
  bn_words_clear (&words);
}

static void
test_golden (gconstpointer data)
{
  g_autofree char *line = g_strdup (data);
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  g_autoptr (GError) error = NULL;
  BnJsonDocument document = {
      .path = "pipeline.jsonl", .text = line, .size = strlen (line)};
  BnJson root, component, cases;

  g_assert_true (bn_json_open (&document, &root, &error));
  g_assert_no_error (error);
  g_assert_true (bn_json_find (root, "cases", &cases));
  if (bn_json_find (root, "normalizer", &component)) {
    check_normalizer (component, cases, scratch);
  } else {
    g_assert_true (bn_json_find (root, "pre_tokenizer", &component));
    check_splitter (component, cases, scratch);
  }
}

/* Reads a component; NULL with an error. */
static BnSplitter *
read_splitter (const char *text, GError **error)
{
  BnJsonDocument document = {
      .path = "t.json", .text = text, .size = strlen (text)};
  BnJson root;

  g_assert_true (bn_json_open (&document, &root, NULL));
  return bn_splitter_new_from_json (root, error);
}

static BnNormalizer *
read_normalizer (const char *text, GError **error)
{
  BnJsonDocument document = {
      .path = "t.json", .text = text, .size = strlen (text)};
  BnJson root;

  g_assert_true (bn_json_open (&document, &root, NULL));
  return bn_normalizer_new_from_json (root, error);
}

#define REGEX(x)                                                               \
  "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" x "\"},"                     \
  "\"behavior\":\"Isolated\",\"invert\":false}"

static void
test_errors (void)
{
  static const struct {
    gboolean is_normalizer;
    const char *json, *place, *message;
  } cases[] = {
      {TRUE, "[]", "$", "object"},
      {TRUE, "{}", "$", "\"type\""},
      {TRUE, "{\"type\":\"NFZ\"}", "$.type", "NFKD"},
      {TRUE, "{\"type\":7}", "$.type", "string"},
      {TRUE, "{\"type\":\"Sequence\"}", "$", "\"normalizers\""},
      {TRUE, "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},3]}",
          "$.normalizers[1]", "object"},
      {TRUE, "{\"type\":\"Replace\",\"content\":\"\"}", "$", "\"pattern\""},
      {TRUE, "{\"type\":\"Replace\",\"pattern\":{},\"content\":\"\"}",
          "$.pattern", "\"Regex\""},
      {TRUE,
          "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"a(\"},"
          "\"content\":\"\"}",
          "$.pattern.Regex", "offset 1"},
      {TRUE, "{\"type\":\"Prepend\"}", "$", "\"prepend\""},
      {TRUE, "{\"type\":\"Strip\",\"strip_left\":1}", "$.strip_left",
          "true or false"},
      {TRUE, "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}",
          "$.precompiled_charsmap", "precompiled_charsmap"},
      {FALSE, "{\"type\":\"Whitespaces\"}", "$.type", "WhitespaceSplit"},
      {FALSE, "{\"type\":\"Split\",\"behavior\":\"Isolated\"}", "$",
          "\"pattern\""},
      {FALSE, "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"}}", "$",
          "\"behavior\""},
      {FALSE,
          "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},"
          "\"behavior\":\"isolated\"}",
          "$.behavior", "Contiguous"},
      {FALSE, "{\"type\":\"Metaspace\",\"replacement\":\"ab\"}",
          "$.replacement", "one character"},
      {FALSE, "{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}",
          "$.prepend_scheme", "first"},
      {FALSE, "{\"type\":\"FixedLength\",\"length\":0}", "$.length", "above 0"},
      {FALSE, "{\"type\":\"FixedLength\",\"length\":-1}", "$.length", "whole"},
      {FALSE, "{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"\"}",
          "$.delimiter", "one character"},
      {FALSE, REGEX ("ab(?~c)"), "$.pattern.Regex", "absence operator"},
      {FALSE, REGEX ("ab(?~c)"), "$.pattern.Regex", "offset 2"},
      {FALSE, REGEX ("\\\\y"), "$.pattern.Regex", "\\y"},
      {FALSE, REGEX ("(?<n>a)(?(n)b|c)"), "$.pattern.Regex", "condition"},
      {FALSE, REGEX ("(*FAIL)"), "$.pattern.Regex", "callout"},
      {FALSE, REGEX ("(?s).*"), "$.pattern.Regex", "option s"},
      {FALSE, REGEX ("[a-\\\\d]"), "$.pattern.Regex", "range"},
      {FALSE, REGEX ("[z-a]"), "$.pattern.Regex", "range"},
      {FALSE, REGEX ("[[:foo:]]"), "$.pattern.Regex", "[: :]"},
      {FALSE, REGEX ("*a"), "$.pattern.Regex", "repeat"},
      {FALSE, REGEX ("a{2,70000}"), "$.pattern.Regex", "65535"},
      {FALSE, REGEX ("\\\\p{Klingon}"), "$.pattern.Regex", "klingon"},
      {FALSE, REGEX ("\\\\p{InGreek}"), "$.pattern.Regex", "ingreek"},
      {FALSE, REGEX ("\\\\xE9"), "$.pattern.Regex", "byte"},
      {FALSE, REGEX ("a)"), "$.pattern.Regex", "offset 1"},
      {FALSE, REGEX ("\\\\2"), "$.pattern.Regex", "group 2"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *place = g_strdup_printf (" %s,", cases[i].place);

    if (cases[i].is_normalizer)
      g_assert_null (read_normalizer (cases[i].json, &error));
    else
      g_assert_null (read_splitter (cases[i].json, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    if (!strstr (error->message, cases[i].message)
        || !strstr (error->message, place))
      g_error ("\"%s\" does not say \"%s\" at %s", error->message,
          cases[i].message, cases[i].place);
  }
}

static char *
join_words (const BnWords *words)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < words->n_words; i++) {
    g_string_append_len (text, (char *) words->text.data + words->starts[i],
        words->starts[i + 1] - words->starts[i]);
    g_string_append_c (text, '|');
  }
  return g_string_free (text, FALSE);
}

/* Where the text stands, the table of bytes, and the sets. */
static void
test_contract (void)
{
#define BYTE_LEVEL(prefix, regex)                                              \
  "{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix                       \
  ",\"use_regex\":" regex "}"
#define SEQUENCE(a, b) "{\"type\":\"Sequence\",\"pretokenizers\":[" a "," b "]}"
#define LLAMA3                                                                 \
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+"       \
  "|\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*"                    \
  "|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
  static const struct {
    const char *json, *text;
    unsigned fragment;
    const char *words;
    gboolean use_bytes; /* and whether it can */
    gboolean has_set;
  } cases[] = {
      {"{\"type\":\"Metaspace\",\"prepend_scheme\":\"first\"}", "a b", FRAGMENT,
          "▁a|▁b|", FALSE, FALSE},
      {"{\"type\":\"Metaspace\",\"prepend_scheme\":\"first\"}", "a b",
          BN_FRAGMENT_EDGE, "a|▁b|", FALSE, FALSE},
      {"{\"type\":\"Metaspace\",\"prepend_scheme\":\"always\"}", "a b", 0,
          "▁a|▁b|", FALSE, FALSE},
      {"{\"type\":\"Metaspace\",\"add_prefix_space\":false}", "a b", FRAGMENT,
          "a|▁b|", FALSE, FALSE},
      {BYTE_LEVEL ("false", "true"), "é b", 0, "Ã©|Ġb|", FALSE, TRUE},
      {BYTE_LEVEL ("false", "true"), "é b", 0, "é| b|", TRUE, TRUE},
      {BYTE_LEVEL ("true", "true"), "é b", 0, " é| b|", TRUE, FALSE},
      {SEQUENCE (REGEX (LLAMA3), BYTE_LEVEL ("false", "false")), "I'm 1234", 0,
          "I|'m| |123|4|", TRUE, TRUE},
      {SEQUENCE (BYTE_LEVEL ("false", "true"),
           "{\"type\":\"Digits\",\"individual_digits\":false}"),
          "²é 12", 0, "Â|²|Ã©|Ġ|12|", FALSE, FALSE},
      {SEQUENCE (BYTE_LEVEL ("false", "true"),
           "{\"type\":\"Digits\",\"individual_digits\":false}"),
          "²é 12", 0, "\xC2|\xB2|é| |12|", TRUE, FALSE},
      {REGEX (LLAMA3), "I'm", 0, "I|'m|", FALSE, TRUE},
      {SEQUENCE (REGEX ("x(?=y)"), BYTE_LEVEL ("false", "false")), "xyx", 0,
          "x|yx|", TRUE, FALSE},
  };
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  BnWords words = {.n_words = 0};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BnSplitter) splitter = read_splitter (cases[i].json, &error);
    g_autofree char *joined = NULL;

    g_assert_no_error (error);
    g_assert_cmpint (
        bn_splitter_get_set (splitter) != NULL, ==, cases[i].has_set);
    if (cases[i].use_bytes)
      g_assert_true (bn_splitter_use_bytes (splitter));
    g_assert_true (
        bn_splitter_apply (splitter, scratch, (const guint8 *) cases[i].text,
            strlen (cases[i].text), cases[i].fragment, &words));
    joined = join_words (&words);
    g_assert_cmpstr (joined, ==, cases[i].words);
  }
  bn_words_clear (&words);
}

/* An expression that tries everything fails in bounded time. */
static void
test_evil (void)
{
  static const char *const expressions[] = {
      REGEX ("(a+)+[bc]"), REGEX ("(a|a)*[bc]"), REGEX ("(.*)*[x-z]{3}")};
  g_autoptr (BnScratch) scratch = bn_scratch_new ();
  g_autofree char *text = g_strnfill (60, 'a');
  BnWords words = {.n_words = 0};

  for (gsize i = 0; i < G_N_ELEMENTS (expressions); i++) {
    g_autoptr (BnSplitter) splitter = read_splitter (expressions[i], NULL);

    g_assert_nonnull (splitter);
    g_assert_false (bn_splitter_apply (splitter, scratch, (const guint8 *) text,
        strlen (text), FRAGMENT, &words));
  }
  bn_words_clear (&words);
}

int
main (int argc, char **argv)
{
  g_autofree char *file = NULL, *content = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  file = g_test_build_filename (G_TEST_DIST, "data", "pipeline.jsonl", NULL);
  if (!g_file_get_contents (file, &content, NULL, &error))
    g_error ("%s", error->message);
  lines = g_strsplit (content, "\n", -1);
  for (guint i = 0; lines[i] && *lines[i]; i++) {
    g_autofree char *path = g_strdup_printf ("/stages/golden/%u", i + 1);

    g_test_add_data_func (path, lines[i], test_golden);
  }
  g_test_add_func ("/stages/errors", test_errors);
  g_test_add_func ("/stages/contract", test_contract);
  g_test_add_func ("/stages/evil", test_evil);
  return g_test_run ();
}
