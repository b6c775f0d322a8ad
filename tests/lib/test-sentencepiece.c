/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SentencePiece models: ids and texts as sentencepiece gives them (see
 * tests/data/make-sentencepiece.py), and models that are wrong. */
#include <math.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer.h"
#include "text/bn-json.h"
#include "text/bn-sentencepiece.h"

static char *
data_path (const char *name, const char *suffix)
{
  g_autofree char *file = g_strconcat (name, suffix, NULL);

  return g_test_build_filename (
      G_TEST_DIST, "data", "sentencepiece", file, NULL);
}

static BitnetTokenizer *
open_model (const char *name, BitnetFidelity fidelity)
{
  g_autofree char *path = data_path (name, ".model");
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer =
      bitnet_tokenizer_new_from_file (path, fidelity, NULL, &error);

  g_assert_no_error (error);
  return tokenizer;
}

static guint32 *
read_ids (BnJson array, gsize *n_ids)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  BnJsonIter iter;
  BnJson key, value;

  bn_json_iter_init (&iter, array);
  while (bn_json_iter_next (&iter, &key, &value)) {
    guint64 number;
    guint32 id;

    g_assert_true (bn_json_get_uint (value, G_MAXUINT32, &number));
    id = (guint32) number;
    g_array_append_val (ids, id);
  }
  *n_ids = ids->len;
  return (guint32 *) (void *) g_array_free (ids, FALSE);
}

/* Decodes in one go and token by token. */
static gboolean
decodes_to (BitnetTokenizer *tokenizer, const guint32 *ids, gsize n_ids,
    const char *text, gsize length)
{
  g_autoptr (BitnetDecoder) decoder =
      bitnet_decoder_new (tokenizer, BITNET_DECODE_NONE);
  g_autoptr (GString) streamed = g_string_new (NULL);
  gsize found_length;
  g_autofree char *found = bitnet_tokenizer_decode (
      tokenizer, ids, n_ids, BITNET_DECODE_NONE, &found_length, NULL);

  for (gsize i = 0; i <= n_ids; i++) {
    gsize part_length;
    g_autofree char *part =
        i < n_ids ? bitnet_decoder_push (decoder, &ids[i], 1, &part_length)
                  : bitnet_decoder_finish (decoder, &part_length);

    g_string_append_len (streamed, part, (gssize) part_length);
  }
  return found_length == length && memcmp (found, text, length) == 0
         && streamed->len == length
         && memcmp (streamed->str, text, length) == 0;
}

static gboolean
is_row_right (BitnetTokenizer *tokenizer, const char *line)
{
  BnJsonDocument document = {
      .path = "goldens", .text = line, .size = strlen (line)};
  g_autoptr (GString) buffer = g_string_new (NULL);
  g_autofree guint32 *expected = NULL, *found = NULL;
  gsize n_expected, n_found, length;
  const char *text;
  BnJson root, member;

  g_assert_true (bn_json_open (&document, &root, NULL));
  g_assert_true (bn_json_find (root, "ids", &member));
  expected = read_ids (member, &n_expected);
  if (bn_json_find (root, "decoded", &member)) {
    bn_json_get_string (member, buffer, &text, &length);
    return decodes_to (tokenizer, expected, n_expected, text, length);
  }
  g_assert_true (bn_json_find (root, "text", &member));
  bn_json_get_string (member, buffer, &text, &length);
  found = bitnet_tokenizer_encode (
      tokenizer, text, (gssize) length, BITNET_ENCODE_NONE, &n_found, NULL);
  return n_found == n_expected
         && (n_found == 0
             || memcmp (found, expected, n_found * sizeof *found) == 0);
}

static void
check_rows (BitnetTokenizer *tokenizer, const char *path, guint n_expected)
{
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;
  guint n_rows = 0;

  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  lines = g_strsplit (contents, "\n", -1);
  for (; *lines[n_rows]; n_rows++) {
    if (!is_row_right (tokenizer, lines[n_rows])) {
      g_test_message ("%s row %u: %s", path, n_rows, lines[n_rows]);
      g_test_fail ();
    }
  }
  g_assert_cmpuint (n_rows, ==, n_expected);
}

static void
test_goldens (gconstpointer data)
{
  const char *name = data;
  g_autoptr (BitnetTokenizer) tokenizer =
      open_model (name, BITNET_FIDELITY_AUTO);
  g_autofree char *path = data_path (name, ".jsonl");

  check_rows (tokenizer, path, 210);
}

/* A large vocabulary, from GGUF, as llama.cpp runs it. */
static void
test_llama_cpp (void)
{
  const char *folder = g_getenv ("BITNET_REFERENCE_DATA");
  g_autofree char *vocab =
      g_build_filename (folder && *folder ? folder : "/nonexistent", "vocab",
          "nomic-bert-moe.gguf", NULL);
  g_autofree char *path = g_test_build_filename (
      G_TEST_DIST, "data", "unigram-llama-cpp.jsonl", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  if (!g_file_test (vocab, G_FILE_TEST_EXISTS)) {
    g_test_skip ("no vocabulary nomic-bert-moe (option reference_data)");
    return;
  }
  tokenizer = bitnet_tokenizer_new_from_file (
      vocab, BITNET_FIDELITY_AUTO, NULL, &error);
  g_assert_no_error (error);
  check_rows (tokenizer, path, 289);
}

static void
test_roles (void)
{
  static const struct {
    const char *name;
    guint32 bos, eos, unk, pad;
    gboolean add_bos, add_eos;
    const char *algorithm;
  } cases[] = {
      {"bpe", 1, 2, 0, BITNET_TOKEN_NONE, TRUE, FALSE, "spm"},
      {"unigram", 1, 2, 0, BITNET_TOKEN_NONE, FALSE, TRUE, "unigram"},
      {"unigram-symbols", 1, 2, 0, 3, FALSE, TRUE, "unigram"},
      {"unigram-across", BITNET_TOKEN_NONE, 0, 1, BITNET_TOKEN_NONE, FALSE,
          TRUE, "unigram"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetTokenizer) tokenizer =
        open_model (cases[i].name, BITNET_FIDELITY_AUTO);

#define ROLE(role) bitnet_tokenizer_get_special (tokenizer, role)
    g_assert_cmpuint (ROLE (BITNET_SPECIAL_BOS), ==, cases[i].bos);
    g_assert_cmpuint (ROLE (BITNET_SPECIAL_EOS), ==, cases[i].eos);
    g_assert_cmpuint (ROLE (BITNET_SPECIAL_UNK), ==, cases[i].unk);
    g_assert_cmpuint (ROLE (BITNET_SPECIAL_PAD), ==, cases[i].pad);
#undef ROLE
    g_assert_cmpint (
        bitnet_tokenizer_get_add_bos (tokenizer), ==, cases[i].add_bos);
    g_assert_cmpint (
        bitnet_tokenizer_get_add_eos (tokenizer), ==, cases[i].add_eos);
    g_assert_cmpstr (
        bitnet_tokenizer_get_algorithm (tokenizer), ==, cases[i].algorithm);
  }
}

/* Control tokens in text count only if asked for; those of the user always,
 * but in their place among the pieces. */
static void
test_special (void)
{
  g_autoptr (BitnetTokenizer) tokenizer =
      open_model ("unigram-symbols", BITNET_FIDELITY_AUTO);
  const guint32 sep = bitnet_tokenizer_lookup (tokenizer, "<sep>");
  gsize n_plain, n_special;
  g_autofree guint32 *plain = bitnet_tokenizer_encode (
      tokenizer, "new<sep>new", -1, BITNET_ENCODE_NONE, &n_plain, NULL);
  g_autofree guint32 *special = bitnet_tokenizer_encode (tokenizer,
      "new<sep>new", -1, BITNET_ENCODE_PARSE_SPECIAL, &n_special, NULL);
  gboolean has_sep = FALSE;

  g_assert_cmpuint (sep, !=, BITNET_TOKEN_NONE);
  for (gsize i = 0; i < n_plain; i++)
    g_assert_cmpuint (plain[i], !=, sep);
  for (gsize i = 0; i < n_special; i++)
    has_sep |= special[i] == sep;
  g_assert_true (has_sep);
}

/* A text whose sums have no precision left is still encoded as the whole that
 * it is: in pieces the same as sentencepiece, in words the same each time. */
static void
test_long_text (void)
{
  g_autoptr (BitnetTokenizer) tokenizer =
      open_model ("unigram", BITNET_FIDELITY_LLAMA_CPP);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree guint32 *one = NULL, *all = NULL;
  gsize n_one, n_all;
  enum { N_WORDS = 20000 };

  one = bitnet_tokenizer_encode (
      tokenizer, "lowest", -1, BITNET_ENCODE_NONE, &n_one, NULL);
  for (int i = 0; i < N_WORDS; i++)
    g_string_append (text, " lowest");
  all = bitnet_tokenizer_encode (tokenizer, text->str, (gssize) text->len,
      BITNET_ENCODE_NONE, &n_all, NULL);
  g_assert_cmpuint (n_all, ==, n_one * N_WORDS);
  for (gsize i = 0; i < n_all; i++)
    g_assert_cmpuint (all[i], ==, one[i % n_one]);
}

/* Writes models by hand. */

static void
put_varint (GByteArray *out, guint64 value)
{
  guint8 byte;

  for (; value >= 0x80; value >>= 7) {
    byte = (guint8) (value | 0x80);
    g_byte_array_append (out, &byte, 1);
  }
  byte = (guint8) value;
  g_byte_array_append (out, &byte, 1);
}

static void
put_bytes (GByteArray *out, unsigned field, const void *data, gsize size)
{
  put_varint (out, field << 3 | 2);
  put_varint (out, size);
  g_byte_array_append (out, data, (guint) size);
}

static void
put_int (GByteArray *out, unsigned field, gint64 value)
{
  put_varint (out, field << 3);
  put_varint (out, (guint64) value);
}

static void
put_piece (GByteArray *out, const char *text, float score, int type)
{
  g_autoptr (GByteArray) piece = g_byte_array_new ();

  put_bytes (piece, 1, text, strlen (text));
  put_varint (piece, 2 << 3 | 5);
  g_byte_array_append (piece, (const guint8 *) &score, sizeof score);
  put_int (piece, 3, type);
  put_bytes (out, 1, piece->data, piece->len);
}

static void
put_int_in (GByteArray *out, unsigned message, unsigned field, gint64 value)
{
  g_autoptr (GByteArray) inner = g_byte_array_new ();

  put_int (inner, field, value);
  put_bytes (out, message, inner->data, inner->len);
}

static GByteArray *
new_model (void)
{
  GByteArray *out = g_byte_array_new ();

  put_piece (out, "<unk>", 0, 2);
  put_piece (out, "<s>", 0, 3);
  put_piece (out, "</s>", 0, 3);
  put_piece (out, "\xE2\x96\x81", -2, 1);
  put_piece (out, "a", -1, 1);
  put_piece (out, "aa", -1.5, 1);
  return out;
}

static BnTokenizer *
load (const GByteArray *model, GError **error)
{
  const BnFile file = {"a.model", (const char *) model->data, model->len};

  return bn_sentencepiece_load (&file, NULL, NULL, error);
}

static void
put_second_unknown (GByteArray *out)
{
  put_piece (out, "<unk2>", 0, 2);
}

static void
put_duplicate (GByteArray *out)
{
  put_piece (out, "aa", -3, 4);
}

static void
put_empty (GByteArray *out)
{
  put_piece (out, "", -3, 1);
}

static void
put_byte (GByteArray *out)
{
  put_piece (out, "<0x41>", 0, 6);
}

static void
put_some_bytes (GByteArray *out)
{
  put_piece (out, "<0x41>", 0, 6);
  put_int_in (out, 2, 35, 1);
}

static void
put_wrong_byte (GByteArray *out)
{
  put_piece (out, "<0x4G>", 0, 6);
  put_int_in (out, 2, 35, 1);
}

static void
put_nan (GByteArray *out)
{
  put_piece (out, "b", NAN, 1);
}

static void
put_infinity (GByteArray *out)
{
  put_piece (out, "b", -INFINITY, 1);
}

static void
put_type (GByteArray *out)
{
  put_piece (out, "b", 0, 7);
}

static void
put_word_model (GByteArray *out)
{
  put_int_in (out, 2, 3, 3);
}

static void
put_char_model (GByteArray *out)
{
  put_int_in (out, 2, 3, 4);
}

static void
put_model_type (GByteArray *out)
{
  put_int_in (out, 2, 3, -1);
}

static void
put_long_varint (GByteArray *out)
{
  static const guint8 bytes[] = {
      0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1};

  g_byte_array_append (out, bytes, sizeof bytes);
}

static void
put_huge_length (GByteArray *out)
{
  put_varint (out, 1 << 3 | 2);
  put_varint (out, G_MAXUINT64);
}

static void
put_group (GByteArray *out)
{
  put_varint (out, 9 << 3 | 3);
}

static void
put_field_0 (GByteArray *out)
{
  put_varint (out, 0 << 3 | 2);
}

static void
put_wrong_wire (GByteArray *out)
{
  put_int (out, 1, 5);
}

static void
put_charsmap (GByteArray *out)
{
  g_autoptr (GByteArray) inner = g_byte_array_new ();

  put_bytes (inner, 2, "\xFF\xFF\xFF\xFFxxxxxxxx", 12);
  put_bytes (out, 3, inner->data, inner->len);
}

static void
put_sample (GByteArray *out)
{
  static const char sample[] = "\x0A\x02"
                               "aa\x12\x05"
                               "a a a";
  g_autoptr (GByteArray) inner = g_byte_array_new ();

  put_bytes (inner, 1, sample, sizeof sample - 1);
  put_bytes (out, 4, inner->data, inner->len);
}

static void
test_wrong_models (void)
{
  static const struct {
    void (*put) (GByteArray *out);
    const char *message;
  } cases[] = {
      {put_second_unknown, "second unknown piece"},
      {put_duplicate, "with the text \"aa\" of piece 5"},
      {put_empty, "without text"},
      {put_byte, "expected none without byte_fallback"},
      {put_some_bytes, "found no piece <0x00>"},
      {put_wrong_byte, "expected <0x00> to <0xFF>"},
      {put_nan, "expected a finite number"},
      {put_infinity, "expected a finite number"},
      {put_type, "found piece type 7"},
      {put_word_model, "model type WORD is not supported"},
      {put_char_model, "model type CHAR is not supported"},
      {put_model_type, "found model type -1"},
      {put_long_varint, "expected a varint"},
      {put_huge_length, "up to the end, expected at least"},
      {put_group, "found wire type 3 of field 9"},
      {put_field_0, "found field number 0"},
      {put_wrong_wire, "found wire type 0 of field 1, expected 2"},
      {put_charsmap, "precompiled_charsmap has an array of 4294967295 bytes"},
      {put_sample, "other tokens for the sample \"aa\""},
  };
  g_autoptr (GByteArray) right = new_model ();
  g_autoptr (BnTokenizer) tokenizer = load (right, NULL);

  g_assert_nonnull (tokenizer);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GByteArray) model = new_model ();
    g_autoptr (GError) error = NULL;

    cases[i].put (model);
    g_assert_null (load (model, &error));
    g_test_message ("%s", error->message);
    g_assert_true (error->domain == BITNET_ERROR);
    g_assert_true (g_str_has_prefix (error->message, "a.model: "));
    g_assert_nonnull (strstr (error->message, "offset"));
    g_assert_nonnull (strstr (error->message, cases[i].message));
  }
}

static void
test_no_unknown (void)
{
  g_autoptr (GByteArray) model = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  put_piece (model, "a", 0, 1);
  g_assert_null (load (model, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_byte_array_set_size (model, 0);
  g_clear_error (&error);
  g_assert_null (load (model, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
}

/* Cut short anywhere a model is refused, or what is left is one. */
static void
test_truncated (void)
{
  g_autofree char *path = data_path ("unigram-symbols", ".model");
  g_autofree char *contents = NULL;
  gsize size, n_refused = 0;

  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  for (gsize i = 0; i < size; i++) {
    g_autofree char *cut = g_memdup2 (contents, i);
    const BnFile file = {"a.model", cut, i};
    g_autoptr (GError) error = NULL;
    g_autoptr (BnTokenizer) tokenizer =
        bn_sentencepiece_load (&file, NULL, NULL, &error);

    g_assert_true ((tokenizer == NULL) == (error != NULL));
    n_refused += error != NULL;
  }
  g_assert_cmpuint (n_refused, >, size * 8 / 10);
}

int
main (int argc, char **argv)
{
  static const char *const names[] = {"unigram", "unigram-bytes",
      "unigram-symbols", "unigram-suffix", "unigram-across", "bpe", "bpe-bytes",
      "bpe-symbols", "bpe-suffix", "bpe-unused", "bpe-spaces"};

  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path =
        g_strdup_printf ("/sentencepiece/C55/goldens/%s", names[i]);

    g_test_add_data_func (path, names[i], test_goldens);
  }
  g_test_add_func ("/sentencepiece/C55/llama.cpp", test_llama_cpp);
  g_test_add_func ("/sentencepiece/roles", test_roles);
  g_test_add_func ("/sentencepiece/special-tokens", test_special);
  g_test_add_func ("/sentencepiece/long-text", test_long_text);
  g_test_add_func ("/sentencepiece/wrong-models", test_wrong_models);
  g_test_add_func ("/sentencepiece/no-unknown", test_no_unknown);
  g_test_add_func ("/sentencepiece/truncated", test_truncated);
  return g_test_run ();
}
