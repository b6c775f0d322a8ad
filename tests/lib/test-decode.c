/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoders of tokenizer.json (text/bn-decode.c): against the texts that the
 * Hugging Face tokenizers give (data/make-decoder-goldens.py), whole and in a
 * stream, and what is wrong in a file. */
#include <string.h>

#include "bitnet-error.h"
#include "text/bn-clean.h"
#include "text/bn-decode.h"

#define METASPACE "\xE2\x96\x81"
#define R "\xEF\xBF\xBD"
#define LLAMA_2                                                                \
  "{\"type\":\"Sequence\",\"decoders\":["                                      \
  "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" METASPACE "\"},"          \
  "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"        \
  "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"

/* A vocabulary of these tokens; the id of a token is its index. */
static BnVocab *
make_vocab (GPtrArray *tokens)
{
  BnVocab *vocab;
  size_t size = 0;

  for (guint i = 0; i < tokens->len; i++)
    size += ((GString *) tokens->pdata[i])->len;
  vocab = bn_vocab_new (tokens->len + 1, size + 1, BN_SPELLING_METASPACE);
  for (guint i = 0; i < tokens->len; i++) {
    GString *token = tokens->pdata[i];

    g_assert_true (
        bn_vocab_add (vocab, token->str, token->len, BN_TOKEN_NORMAL, 0));
  }
  /* One more, which nobody decodes. */
  g_assert_true (bn_vocab_add (vocab, "?", 1, BN_TOKEN_NORMAL, 0));
  bn_vocab_seal (vocab);
  return vocab;
}

static void
free_string (gpointer string)
{
  g_string_free (string, TRUE);
}

static BnJson
open_json (BnJsonDocument *document, const char *text, size_t length)
{
  g_autoptr (GError) error = NULL;
  BnJson root;

  *document = (BnJsonDocument){.path = "x.json", .text = text, .size = length};
  bn_json_open (document, &root, &error);
  g_assert_no_error (error);
  return root;
}

static void
check_decoder (const BnDecoder *decoder, unsigned flags, guint n_tokens,
    const char *expected, gsize length)
{
  g_autofree uint32_t *ids = g_new (uint32_t, n_tokens + 1);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) stream = g_string_new (NULL);
  g_auto (BnDecodeState) state = {.decoder = NULL};

  for (guint i = 0; i < n_tokens; i++)
    ids[i] = i;
  bn_decode_all (decoder, flags, ids, n_tokens, text);
  g_assert_cmpmem (text->str, text->len, expected, length);

  /* A stream makes the results that the first tokens did without. Twice, as
   * the state begins anew. */
  bn_decode_begin (&state, decoder, flags);
  g_string_truncate (text, 0);
  bn_decode_all (decoder, flags, ids, n_tokens, text);
  g_assert_cmpmem (text->str, text->len, expected, length);
  for (int round = 0; round < 2; round++) {
    size_t bad;

    g_string_truncate (stream, 0);
    for (guint i = 0; i < n_tokens; i++) {
      bn_decode_push (&state, &ids[i], 1, stream);
      g_assert_true (
          bn_utf8_validate ((const uint8_t *) stream->str, stream->len, &bad));
    }
    bn_decode_finish (&state, stream);
    g_assert_cmpmem (stream->str, stream->len, expected, length);
  }
}

static void
check_row (BnJson row)
{
  g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (free_string);
  g_autoptr (GString) buffer = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnVocab) vocab = NULL;
  g_autoptr (BnDecoder) decoder = NULL;
  const char *text;
  size_t length;
  BnJson list, value;
  BnJsonIter iter;

  g_assert_true (bn_json_find (row, "tokens", &list));
  bn_json_iter_init (&iter, list);
  while (bn_json_iter_next (&iter, NULL, &value)) {
    bn_json_get_string (value, buffer, &text, &length);
    g_ptr_array_add (tokens, g_string_new_len (text, (gssize) length));
  }
  vocab = make_vocab (tokens);
  decoder = bn_json_find (row, "decoder", &value)
                ? bn_decoder_new_from_json (vocab, value, &error)
                : bn_decoder_new_joined (vocab);
  g_assert_no_error (error);
  g_assert_true (bn_json_find (row, "text", &value));
  bn_json_get_string (value, buffer, &text, &length);
  check_decoder (decoder, BN_DECODE_SPECIAL, tokens->len, text, length);
}

static void
test_goldens (void)
{
  const char *path = g_getenv ("BITNET_DECODER_GOLDENS");
  g_autofree char *own =
      g_test_build_filename (G_TEST_DIST, "data", "decoders.jsonl", NULL);
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;
  gsize n_rows = 0;

  g_file_get_contents (path ? path : own, &contents, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (contents, "\n", -1);
  for (gsize i = 0; lines[i]; i++) {
    BnJsonDocument document;

    if (lines[i][0] == '\0')
      continue;
    if (g_test_verbose ())
      g_test_message ("%s", lines[i]);
    check_row (open_json (&document, lines[i], strlen (lines[i])));
    n_rows++;
  }
  g_assert_cmpuint (n_rows, >=, 300);
}

/* What the goldens cannot say: flags, and what comes out when. */
static const struct {
  const char *name, *decoder;
  unsigned flags;
  const char *tokens[8];
  const char *parts; /* one for each token and the end, with "|" between */
} cases[] = {
    {"byte-level", "{\"type\":\"ByteLevel\"}", 0,
        {"\xC3\xA2", "\xC4\xA4", "a", "\xE2\x82\xAC"},
        "||" R "a|\xE2\x82\xAC|"},
    {"llama-2", LLAMA_2, 0, {METASPACE "a", METASPACE "b"}, "a| b|"},
    {"llama-2/continued", LLAMA_2, BN_DECODE_KEEP_SPACE,
        {METASPACE "a", METASPACE "b"}, " a| b|"},
    {"llama-2/bytes", LLAMA_2, 0, {"a", "<0xE2>", "<0x82>", "<0xAC>", "b"},
        "a||||\xE2\x82\xAC"
        "b|"},
    {"llama-2/wrong-bytes", LLAMA_2, 0, {"<0x41>", "<0xE2>", "b", "<0xFF>"},
        "||" R R "b||" R},
    {"metaspace", "{\"type\":\"Metaspace\",\"replacement\":\"" METASPACE "\"}",
        0, {METASPACE "a", METASPACE "b"}, "a| b|"},
    {"metaspace/continued",
        "{\"type\":\"Metaspace\",\"replacement\":\"" METASPACE "\"}",
        BN_DECODE_KEEP_SPACE, {METASPACE "a", METASPACE "b"}, " a| b|"},
    {"metaspace/legacy",
        "{\"type\":\"Metaspace\",\"replacement\":\"" METASPACE
        "\",\"add_prefix_space\":false}",
        0, {METASPACE "a", METASPACE "b"}, " a| b|"},
    {"word-piece",
        "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}", 0,
        {"he", "##llo", ",", "world", "!"}, "he|llo|,| world|!|"},
    {"word-piece/continued",
        "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
        BN_DECODE_KEEP_SPACE, {"##llo", "he"}, "llo| he|"},
    {"word-piece/special",
        "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}", 0,
        {"[CONTROL]", "a", "[UNKNOWN]", "[CONTROL]", "b"},
        "|a| [UNKNOWN]|| b|"},
    {"word-piece/special-shown",
        "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
        BN_DECODE_SPECIAL, {"[CONTROL]", "a"}, "[CONTROL]| a|"},
    {"byte-level/special", "{\"type\":\"ByteLevel\"}", 0,
        {"[CONTROL]", "a", "[UNKNOWN]", "b"}, "|a||b|"},
    {"suffix", "{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}", 0,
        {"he", "llo</w>", "you</w>"}, "|he|llo |you"},
};

static void
test_case (gconstpointer data)
{
  gsize index = GPOINTER_TO_SIZE (data);
  const char *decoder_text = cases[index].decoder;
  g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (free_string);
  g_autoptr (GString) found = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnVocab) vocab = NULL;
  g_autoptr (BnDecoder) decoder = NULL;
  g_auto (BnDecodeState) state = {.decoder = NULL};
  BnJsonDocument document;

  for (gsize i = 0; cases[index].tokens[i]; i++)
    g_ptr_array_add (tokens, g_string_new (cases[index].tokens[i]));
  vocab = make_vocab (tokens);
  for (guint i = 0; i < tokens->len; i++) {
    if (strcmp (cases[index].tokens[i], "[CONTROL]") == 0)
      vocab->attributes[i] = BN_TOKEN_CONTROL;
    if (strcmp (cases[index].tokens[i], "[UNKNOWN]") == 0)
      vocab->attributes[i] = BN_TOKEN_UNKNOWN;
  }
  decoder = bn_decoder_new_from_json (vocab,
      open_json (&document, decoder_text, strlen (decoder_text)), &error);
  g_assert_no_error (error);

  bn_decode_begin (&state, decoder, cases[index].flags);
  for (uint32_t i = 0; i < tokens->len; i++) {
    bn_decode_push (&state, &i, 1, found);
    g_string_append_c (found, '|');
  }
  bn_decode_finish (&state, found);
  g_assert_cmpstr (found->str, ==, cases[index].parts);
}

/* What is wrong, and a part of the message. */
static const struct {
  const char *decoder, *message;
} wrong[] = {
    {"1", "object"},
    {"{}", "type"},
    {"{\"type\":1}", "$.type"},
    {"{\"type\":\"Wordpiece\"}", "Wordpiece"},
    {"{\"type\":\"Strip\",\"start\":1}", "content"},
    {"{\"type\":\"Strip\",\"content\":\"ab\"}", "$.content"},
    {"{\"type\":\"Strip\",\"content\":\"a\",\"start\":-1}", "$.start"},
    {"{\"type\":\"Metaspace\",\"replacement\":\"\"}", "$.replacement"},
    {"{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}",
        "$.prepend_scheme"},
    {"{\"type\":\"Sequence\"}", "decoders"},
    {"{\"type\":\"Sequence\",\"decoders\":{}}", "$.decoders"},
    {"{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},2]}",
        "$.decoders[1]"},
    {"{\"type\":\"Replace\",\"content\":\"\"}", "pattern"},
    {"{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}",
        "$.pattern.Regex"},
    {"{\"type\":\"Replace\",\"pattern\":{},\"content\":\"\"}", "$.pattern"},
};

static void
test_wrong (void)
{
  g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (free_string);
  g_autoptr (BnVocab) vocab = make_vocab (tokens);

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;
    BnJsonDocument document;
    BnJson json =
        open_json (&document, wrong[i].decoder, strlen (wrong[i].decoder));

    g_assert_null (bn_decoder_new_from_json (vocab, json, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    if (strstr (error->message, wrong[i].message) == NULL) {
      g_test_message ("%s: %s", wrong[i].decoder, error->message);
      g_test_fail ();
    }
  }
}

/* Replacements of replacements would take all memory there is. */
static void
test_growth (void)
{
  g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (free_string);
  g_autoptr (BnVocab) vocab = make_vocab (tokens);
  g_autoptr (GString) text = g_string_new ("{\"type\":\"Sequence\","
                                           "\"decoders\":[");
  g_autoptr (GError) error = NULL;
  BnJsonDocument document;

  for (int i = 0; i < 60; i++)
    g_string_append (text, "{\"type\":\"Replace\",\"pattern\":{\"String\":"
                           "\"a\"},\"content\":\"aaaa\"},");
  g_string_append (text, "{\"type\":\"Fuse\"}]}");
  g_assert_null (bn_decoder_new_from_json (
      vocab, open_json (&document, text->str, text->len), &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_nonnull (strstr (error->message, "1024 times"));
}

/* Expected by tokenizers.md (e). */
static void
test_clean (void)
{
  static const struct {
    const char *text, *llama_cpp, *huggingface;
  } texts[] = {
      {"", "", ""},
      {" ", " ", " "},
      {".", ".", "."},
      {" .", ".", "."},
      {"a .", "a.", "a."},
      {"a  . ?!", "a .?!", "a .?!"},
      {"a ' b", "a'b", "a'b"},
      {"a ' ' b", "a'' b", "a'' b"},
      {" ' ", "'", "'"},
      {"it 's I 'm we 're they 've", "it's I'm we're they've",
          "it's I'm we're they've"},
      {"he 'll I 'd can 't", "he 'll I 'd can 't", "he 'll I 'd can 't"},
      {"do n't", "do n't", "don't"},
      {"x 'r", "x 'r", "x 'r"},
      {"a , b ! c", "a, b! c", "a, b! c"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GString) text = g_string_new (texts[i].text);

    bn_clean_llama_cpp (text);
    g_assert_cmpstr (text->str, ==, texts[i].llama_cpp);
    g_string_assign (text, texts[i].text);
    bn_clean_huggingface (text);
    g_assert_cmpstr (text->str, ==, texts[i].huggingface);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokenizer/C55/decoders/goldens", test_goldens);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        g_strconcat ("/tokenizer/C55/decoders/", cases[i].name, NULL);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_case);
  }
  g_test_add_func ("/tokenizer/decoders/clean-spaces", test_clean);
  g_test_add_func ("/tokenizer/decoders/wrong", test_wrong);
  g_test_add_func ("/tokenizer/decoders/growth", test_growth);
  return g_test_run ();
}
