/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Token ids and texts against the golden files of llama.cpp (46 texts for
 * every vocabulary, ids by the Hugging Face tokenizers) and against 1,500
 * hard texts each that the Hugging Face tokenizers 0.23 and sentencepiece
 * encoded. Reads $BITNET_REFERENCE_DATA. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "bitnet-tokenizer-private.h"
#include "gguf/bn-gguf.h"

#define SEPARATOR "\n__ggml_vocab_test__\n"

static const char *
data_dir (void)
{
  const char *dir = g_getenv ("BITNET_REFERENCE_DATA");

  return dir && *dir ? dir : NULL;
}

static BitnetTokenizer *
open_vocab (const char *name)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  BitnetTokenizer *tokenizer;

  if (data_dir () == NULL) {
    g_test_skip ("no reference data (option reference_data)");
    return NULL;
  }
  path = g_strdup_printf ("%s/vocab/%s.gguf", data_dir (), name);
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip_printf ("%s does not exist", path);
    return NULL;
  }
  gguf = bn_gguf_open (path, NULL, &error);
  g_assert_no_error (error);
  tokenizer =
      bitnet_tokenizer_new_from_gguf (gguf, BITNET_FIDELITY_AUTO, NULL, &error);
  g_assert_no_error (error);
  return tokenizer;
}

static char *
read_file (const char *name, const char *suffix, gsize *length)
{
  g_autofree char *path =
      g_strdup_printf ("%s/vocab/%s.gguf%s", data_dir (), name, suffix);
  g_autoptr (GError) error = NULL;
  char *contents;

  g_file_get_contents (path, &contents, length, &error);
  g_assert_no_error (error);
  return contents;
}

static char *
print_ids (const guint32 *ids, gsize n_ids)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < n_ids; i++)
    g_string_append_printf (text, "%s%u", i > 0 ? " " : "", ids[i]);
  return g_string_free (text, FALSE);
}

/* Ids and the way back, whole and in a stream of single tokens. */
static void
check_text (BitnetTokenizer *tokenizer, gsize i, const char *text, gsize length,
    const char *expected)
{
  g_autoptr (GError) error = NULL;
  gsize n_ids, decoded_length;
  g_autofree guint32 *ids = bitnet_tokenizer_encode (
      tokenizer, text, (gssize) length, BITNET_ENCODE_NONE, &n_ids, &error);
  g_autofree char *found = NULL, *decoded = NULL;
  g_autoptr (BitnetDecoder) decoder =
      bitnet_decoder_new (tokenizer, BITNET_DECODE_NONE);
  g_autoptr (GString) streamed = g_string_new (NULL);

  g_assert_no_error (error);
  found = print_ids (ids, n_ids);
  if (g_strcmp0 (found, expected) != 0) {
    g_autofree char *quoted = g_strescape (text, NULL);

    g_test_message ("text %" G_GSIZE_FORMAT " \"%s\":\n  found    %s\n"
                    "  expected %s",
        i, quoted, found, expected);
    g_test_fail ();
    return;
  }

  decoded = bitnet_tokenizer_decode (
      tokenizer, ids, n_ids, BITNET_DECODE_NONE, &decoded_length, &error);
  g_assert_no_error (error);
  /* WordPiece forgets spaces, case and accents. */
  if (strcmp (bitnet_tokenizer_get_algorithm (tokenizer), "wordpiece") != 0)
    g_assert_cmpmem (decoded, decoded_length, text, length);

  for (gsize j = 0; j <= n_ids; j++) {
    g_autofree char *part =
        j < n_ids ? bitnet_decoder_push (decoder, &ids[j], 1, NULL)
                  : bitnet_decoder_finish (decoder, NULL);

    g_assert_true (g_utf8_validate (part, -1, NULL));
    g_string_append (streamed, part);
  }
  g_assert_cmpmem (streamed->str, streamed->len, decoded, decoded_length);
}

typedef struct {
  const char *golden; /* file in goldens/, files in vocab/ */
  const char *vocab;  /* file in vocab/ with the same vocabulary, or */
  const char *source; /* file or folder in tokenizers/ */
} Golden;

static BitnetTokenizer *
open_source (const char *name)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer;

  if (data_dir () == NULL) {
    g_test_skip ("no reference data (option reference_data)");
    return NULL;
  }
  path = g_strdup_printf ("%s/tokenizers/%s", data_dir (), name);
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip_printf ("%s does not exist", path);
    return NULL;
  }
  tokenizer =
      bitnet_tokenizer_new_from_file (path, BITNET_FIDELITY_AUTO, NULL, &error);
  g_assert_no_error (error);
  return tokenizer;
}

static BitnetTokenizer *
open_golden (const Golden *golden)
{
  return golden->vocab ? open_vocab (golden->vocab)
                       : open_source (golden->source);
}

static void
test_vocab (gconstpointer data)
{
  const Golden *golden = data;
  const char *name = golden->golden;
  g_autoptr (BitnetTokenizer) tokenizer = open_golden (golden);
  g_autofree char *inputs = NULL, *outputs = NULL;
  g_auto (GStrv) lines = NULL;
  const char *text;
  gsize length, n_texts = 0;

  if (tokenizer == NULL)
    return;
  inputs = read_file (name, ".inp", &length);
  outputs = read_file (name, ".out", NULL);
  lines = g_strsplit (outputs, "\n", -1);

  for (text = inputs; *text; n_texts++) {
    const char *end = strstr (text, SEPARATOR);
    gboolean is_last = end == NULL; /* some files end without a separator */

    if (is_last)
      end = text + strlen (text);
    g_assert_nonnull (lines[n_texts]);
    g_autofree char *one = g_strndup (text, (gsize) (end - text));

    check_text (
        tokenizer, n_texts, one, strlen (one), g_strstrip (lines[n_texts]));
    text = end + (is_last ? 0 : strlen (SEPARATOR));
  }
  g_assert_cmpuint (n_texts, ==, 46);
}

static guint32 *
read_ids (JsonArray *array, gsize *n_ids)
{
  guint32 *ids = g_new (guint32, json_array_get_length (array) + 1);

  *n_ids = json_array_get_length (array);
  for (guint i = 0; i < *n_ids; i++)
    ids[i] = (guint32) json_array_get_int_element (array, i);
  return ids;
}

/* Hard texts: ids by the reference, and the text it decodes them to. */
static void
test_golden (gconstpointer data)
{
  const Golden *golden = data;
  g_autoptr (BitnetTokenizer) tokenizer = open_golden (golden);
  g_autofree char *path = NULL, *contents = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;
  guint n_rows = 0, n_wrong_ids = 0, n_wrong_texts = 0;

  if (tokenizer == NULL)
    return;
  path = g_strdup_printf ("%s/goldens/%s.jsonl", data_dir (), golden->golden);
  if (!g_file_get_contents (path, &contents, NULL, NULL)) {
    g_test_skip_printf ("%s does not exist", path);
    return;
  }
  lines = g_strsplit (contents, "\n", -1);
  for (; lines[n_rows] && *lines[n_rows]; n_rows++) {
    g_autoptr (JsonNode) node = json_from_string (lines[n_rows], &error);
    JsonObject *row;
    const char *text, *decoded;
    g_autofree guint32 *expected = NULL, *found = NULL;
    g_autofree char *found_text = NULL;
    gsize n_expected, n_found;

    g_assert_no_error (error);
    row = json_node_get_object (node);
    text = json_object_get_string_member (row, "text");
    decoded = json_object_get_string_member (row, "decoded");
    expected =
        read_ids (json_object_get_array_member (row, "ids"), &n_expected);
    found = bitnet_tokenizer_encode (
        tokenizer, text, -1, BITNET_ENCODE_NONE, &n_found, &error);
    g_assert_no_error (error);
    if (n_found != n_expected
        || memcmp (found, expected, n_found * sizeof *found) != 0) {
      g_autofree char *quoted = g_strescape (text, NULL);

      g_test_message ("row %u \"%s\"", n_rows, quoted);
      n_wrong_ids++;
    }
    found_text = bitnet_tokenizer_decode (
        tokenizer, expected, n_expected, BITNET_DECODE_SPECIAL, NULL, &error);
    g_assert_no_error (error);
    n_wrong_texts += g_strcmp0 (found_text, decoded) != 0;
    /* No row has a control token; unknown words show in any case. */
    g_free (found_text);
    found_text = bitnet_tokenizer_decode (
        tokenizer, expected, n_expected, BITNET_DECODE_NONE, NULL, &error);
    n_wrong_texts += g_strcmp0 (found_text, decoded) != 0;
  }
  g_assert_cmpuint (n_rows, ==, 1500);
  g_assert_cmpuint (n_wrong_ids, ==, 0);
  g_assert_cmpuint (n_wrong_texts, ==, 0);
}

static void
add_test (const char *kind, const Golden *golden, GTestDataFunc function)
{
  g_autofree char *path =
      golden->vocab
          ? g_strdup_printf ("/crossval/C55/%s/%s", kind, golden->vocab)
          : g_strdup_printf (
              "/crossval/C55/%s-source/%s", kind, golden->source);

  g_test_add_data_func (path, golden, function);
}

int
main (int argc, char **argv)
{
  static const Golden vocabs[] = {
      {"gpt-2", "gpt-2", NULL},
      {"llama-spm", "llama-spm", NULL},
      {"llama-bpe", "llama-bpe", NULL},
      {"falcon", "falcon", NULL},
      {"starcoder", "starcoder", NULL},
      {"deepseek-coder", "deepseek-coder", NULL},
      {"qwen2", "qwen2", NULL},
      {"gemma-4", "gemma-4", NULL},
      {"bert-bge", "bert-bge", NULL},
      {"gpt-2", NULL, "gpt-2/vocab.json"},
      {"llama-bpe", NULL, "llama-3/tokenizer.model"},
      {"llama-spm", NULL, "llama-2/tokenizer.model"},
  };
  static const Golden goldens[] = {
      {"gpt-2", "gpt-2", NULL},
      {"gpt-2", NULL, "gpt-2/tokenizer.json"},
      {"gpt-2", NULL, "gpt-2/vocab.json"},
      {"gpt-2", NULL, "gpt-2/merges.txt"},
      {"gpt-2", NULL, "gpt-2"},
      {"llama-3", "llama-bpe", NULL},
      {"llama-3", NULL, "llama-3/tokenizer.json"},
      {"llama-3", NULL, "llama-3/tokenizer.model"},
      {"llama-2", "llama-spm", NULL},
      {"llama-2", NULL, "llama-2/tokenizer.model"},
      {"llama-2", NULL, "llama-2"},
      {"bert", "bert-bge", NULL},
      {"llama-3", NULL, "llama-3"},
      {"bert", NULL, "bert/vocab.txt"},
      {"bert", NULL, "bert/tokenizer.json"},
      {"bert", NULL, "bert"},
  };

  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  for (gsize i = 0; i < G_N_ELEMENTS (vocabs); i++)
    add_test ("vocab", &vocabs[i], test_vocab);
  for (gsize i = 0; i < G_N_ELEMENTS (goldens); i++)
    add_test ("golden", &goldens[i], test_golden);
  return g_test_run ();
}
