/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenizer.json: what the reference made of small tokenizers with every
 * component (tests/data/tokenizers.jsonl, by tests/crossval/fuzz-tokenizers.py
 * with tokenizers 0.23), what long words are merged to, and what wrong files
 * are refused with. */
#include <string.h>

#include "bitnet-error.h"
#include "text/bn-tokjson.h"

/* A document in memory of exactly its size, and the tokenizer in it. */
typedef struct {
  char *copy;
  BnJsonDocument document;
  BnJson root;
  BnTokenizer *tokenizer;
  GError *error;
} Opened;

static void
opened_clear (Opened *self)
{
  g_clear_pointer (&self->tokenizer, bn_tokenizer_free);
  g_clear_error (&self->error);
  g_free (self->copy);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Opened, opened_clear)

static gboolean
open_json (Opened *self, const char *text, size_t size)
{
  self->copy = g_memdup2 (text, size);
  self->document =
      (BnJsonDocument){.path = "t.json", .text = self->copy, .size = size};
  return bn_json_open (&self->document, &self->root, &self->error);
}

static void
open_tokenizer (Opened *self, const char *text)
{
  if (open_json (self, text, strlen (text)))
    self->tokenizer =
        bn_tokjson_read (self->root, BN_FIDELITY_AUTO, NULL, &self->error);
}

/* The ids as a list in text. */
static char *
encode (const BnTokenizer *tokenizer, const char *text, size_t length,
    gboolean add_special, gboolean parse_special, BnIds *ids)
{
  const BnStretch stretch = {length, BN_TOKEN_NONE, parse_special};
  const BnInput input = {(const uint8_t *) text, &stretch, 1};
  GString *shown = g_string_new (NULL);

  ids->n_ids = 0;
  g_assert_true (
      bn_tokenizer_encode (tokenizer, &input, NULL, add_special, ids));
  for (size_t i = 0; i < ids->n_ids; i++)
    g_string_append_printf (shown, "%s%u", i ? " " : "", ids->data[i]);
  return g_string_free (shown, FALSE);
}

static char *
list_ids (BnJson json)
{
  GString *shown = g_string_new (NULL);
  BnJsonIter iter;
  BnJson element;
  uint64_t id;

  bn_json_iter_init (&iter, json);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    g_assert_true (bn_json_get_uint (element, UINT32_MAX, &id));
    g_string_append_printf (
        shown, "%s%u", shown->len ? " " : "", (unsigned) id);
  }
  return g_string_free (shown, FALSE);
}

static void
check_case (const BnTokenizer *tokenizer, const char *name, BnJson json)
{
  static const char *const names[] = {"text", "ids", "special", "decoded"};
  BnJson members[4];
  g_autoptr (GString) buffer = g_string_new (NULL);
  g_autoptr (GString) decoded = g_string_new (NULL);
  g_autofree char *wanted = NULL, *wanted_special = NULL;
  g_autofree char *found = NULL, *found_special = NULL;
  g_autofree char *copy = NULL;
  BnIds ids = {.n_ids = 0};
  const char *text;
  size_t length;

  bn_json_find_all (json, names, 4, members);
  bn_json_get_string (members[0], buffer, &text, &length);
  copy = g_memdup2 (text, length ? length : 1);
  wanted = list_ids (members[1]);
  wanted_special = list_ids (members[2]);
  found = encode (tokenizer, copy, length, FALSE, TRUE, &ids);
  if (strcmp (found, wanted) != 0)
    g_error ("tokenizer %s, \"%.*s\": found %s, expected %s", name,
        (int) length, text, found, wanted);
  found_special = encode (tokenizer, copy, length, TRUE, TRUE, &ids);
  if (strcmp (found_special, wanted_special) != 0)
    g_error ("tokenizer %s, \"%.*s\": found %s, expected %s", name,
        (int) length, text, found_special, wanted_special);

  bn_decode_all (
      tokenizer->decoder, BN_DECODE_SPECIAL, ids.data, ids.n_ids, decoded);
  g_free (ids.data);
  bn_json_get_string (members[3], buffer, &text, &length);
  if (decoded->len != length || memcmp (decoded->str, text, length) != 0)
    g_error ("tokenizer %s, ids %s: found \"%s\", expected \"%.*s\"", name,
        found_special, decoded->str, (int) length, text);
}

static void
test_golden (void)
{
  g_autofree char *path =
      g_test_build_filename (G_TEST_DIST, "data", "tokenizers.jsonl", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;
  unsigned n_cases = 0;

  g_file_get_contents (path, &contents, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (contents, "\n", -1);
  for (char **line = lines; *line && **line; line++) {
    g_auto (Opened) it = {.copy = NULL};
    g_autofree char *name = NULL;
    BnJson tokenizer, cases, element;
    BnJsonIter iter;

    g_assert_true (open_json (&it, *line, strlen (*line)));
    g_assert_true (bn_json_read_string (it.root, "name", &name, NULL));
    g_assert_true (bn_json_find (it.root, "tokenizer", &tokenizer));
    g_assert_true (bn_json_find (it.root, "cases", &cases));
    it.tokenizer =
        bn_tokjson_read (tokenizer, BN_FIDELITY_AUTO, NULL, &it.error);
    if (it.tokenizer == NULL)
      g_error ("tokenizer %s: %s", name, it.error->message);
    bn_json_iter_init (&iter, cases);
    for (; bn_json_iter_next (&iter, NULL, &element); n_cases++)
      check_case (it.tokenizer, name, element);
  }
  g_assert_cmpuint (n_cases, >, 300);
}

/* A tokenizer over bytes 0 to 255, then tokens of letters, and its merges. */
typedef struct {
  const char *options; /* members of the model */
  const char *tokens[10];
  uint32_t merges[8][3]; /* left, right, merged: places in tokens */
} LongWords;

static const LongWords long_words[] = {
    {"\"byte_fallback\":true", {"a", "b", "aa", "aaaa", "ab", "aaab"},
        {{0, 0, 2}, {2, 2, 3}, {0, 1, 4}, {2, 4, 5}}},
    {"\"byte_fallback\":true", {"a", "b", "ba", "aba", "baa", "abaa"},
        {{0, 2, 3}, {2, 0, 4}, {1, 0, 2}, {0, 4, 5}}},
    /* Others than a and b are dropped, or all of a row become one token. */
    {"\"unk_token\":null", {"a", "b", "ab", "abab", "ba"},
        {{2, 2, 3}, {0, 1, 2}, {1, 0, 4}}},
    {"\"unk_token\":\"?\",\"fuse_unk\":true", {"a", "b", "?", "a?", "ba"},
        {{0, 2, 3}, {1, 0, 4}}},
};

static char *
make_long_words (const LongWords *it)
{
  GString *json = g_string_new ("{\"model\":{\"type\":\"BPE\",\"vocab\":{");

  for (unsigned byte = 0; byte < 256; byte++)
    g_string_append_printf (json, "\"<0x%02X>\":%u,", byte, byte);
  for (unsigned i = 0; i < G_N_ELEMENTS (it->tokens) && it->tokens[i]; i++)
    g_string_append_printf (
        json, "%s\"%s\":%u", i ? "," : "", it->tokens[i], 256 + i);
  g_string_append (json, "},\"merges\":[");
  for (unsigned i = 0; it->merges[i][2] != 0; i++)
    g_string_append_printf (json, "%s\"%s %s\"", i ? "," : "",
        it->tokens[it->merges[i][0]], it->tokens[it->merges[i][1]]);
  g_string_append_printf (json, "],%s}}", it->options);
  return g_string_free (json, FALSE);
}

/* The definition of BPE, step by step. */
static char *
merge_slowly (const LongWords *it, const char *text)
{
  gboolean has_bytes = strstr (it->options, "byte") != NULL;
  gboolean has_unknown = strchr (it->options, '?') != NULL;
  g_autoptr (GArray) row = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  GString *shown = g_string_new (NULL);

  for (const char *p = text; *p; p++) {
    gboolean is_known = *p == 'a' || *p == 'b';
    uint32_t id = is_known ? 256u + (*p == 'b') : (uint8_t) *p;

    if (!is_known && has_unknown)
      id = 256 + 2;
    if (is_known || has_bytes
        || (has_unknown && (p == text || p[-1] == 'a' || p[-1] == 'b')))
      g_array_append_val (row, id);
  }
  for (unsigned rank = 0; it->merges[rank][2] != 0;) {
    uint32_t *ids = (uint32_t *) (void *) row->data;
    unsigned i = 0;

    while (i + 1 < row->len
           && (ids[i] != 256 + it->merges[rank][0]
               || ids[i + 1] != 256 + it->merges[rank][1]))
      i++;
    if (i + 1 >= row->len) {
      rank++;
      continue;
    }
    ids[i] = 256 + it->merges[rank][2];
    g_array_remove_index (row, i + 1);
    rank = 0;
  }
  for (unsigned i = 0; i < row->len; i++)
    g_string_append_printf (
        shown, "%s%u", i ? " " : "", g_array_index (row, uint32_t, i));
  return g_string_free (shown, FALSE);
}

static void
test_long_words (void)
{
  static const char *const units[] = {
      "a", "b", "ab", "aab", "baa", "aaaaaaab", "x", "xa", "abxxba", NULL};
  static const size_t lengths[] = {2, 63, 64, 65, 66, 300, 1500};

  for (unsigned i = 0; i < G_N_ELEMENTS (long_words); i++) {
    g_autofree char *json = make_long_words (&long_words[i]);
    g_auto (Opened) it = {.copy = NULL};
    uint32_t state = 1;
    BnIds ids = {NULL, 0, 0};

    open_tokenizer (&it, json);
    g_assert_no_error (it.error);
    for (unsigned j = 0; j < G_N_ELEMENTS (units) * G_N_ELEMENTS (lengths);
         j++) {
      const char *unit = units[j / G_N_ELEMENTS (lengths)];
      size_t length = lengths[j % G_N_ELEMENTS (lengths)];
      g_autofree char *text = g_malloc0 (length + 1);
      g_autofree char *wanted = NULL, *found = NULL;

      for (size_t k = 0; k < length; k++) {
        state = state * 1664525 + 1013904223;
        text[k] = unit ? unit[k % strlen (unit)] : "aaaabbbx"[state >> 29];
      }
      wanted = merge_slowly (&long_words[i], text);
      found = encode (it.tokenizer, text, length, FALSE, FALSE, &ids);
      g_assert_cmpstr (found, ==, wanted);
    }
    g_free (ids.data);
  }
}

#define BPE(members)                                                           \
  "{\"version\":\"1.0\",\"model\":{\"type\":\"BPE\"," members "}}"
#define ADDED(members)                                                         \
  "{\"added_tokens\":[" members "],\"model\":{\"type\":\"BPE\","               \
  "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[]}}"
#define PROCESSOR(json)                                                        \
  "{\"post_processor\":" json ",\"model\":{\"type\":\"BPE\","                  \
  "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[]}}"

static void
test_errors (void)
{
  static const struct {
    const char *text;
    const char *message; /* a part */
  } cases[] = {
      {"[]", "found an array at $, offset 0, expected an object"},
      {"{}", "at $, offset 0, expected a member \"model\""},
      {"{\"model\":5}", "found 5 at $.model, offset 9, expected an object"},
      {"{\"version\":\"2.0\",\"model\":{}}",
          "found \"2.0\" at $.version, offset 11, expected \"1.0\""},
      {"{\"model\":{\"type\":\"BPF\"}}", "found \"BPF\" at $.model.type"},
      {"{\"model\":{}}", "expected a member \"type\""},
      {BPE ("\"x\":0"), "expected a member \"vocab\""},
      {BPE ("\"vocab\":{}"), "expected a member \"merges\""},
      {BPE ("\"vocab\":{},\"merges\":[]"), "expected at least one token"},
      {BPE ("\"vocab\":[],\"merges\":[]"),
          "at $.model.vocab, offset 47, expected an object"},
      {BPE ("\"vocab\":{\"a\":0},\"merges\":{}"),
          "at $.model.merges, offset 64, expected an array"},
      {BPE ("\"vocab\":{\"a\":-1},\"merges\":[]"),
          "found -1 at $.model.vocab.a, offset 52, expected an id"},
      {BPE ("\"vocab\":{\"a\":4000000000},\"merges\":[]"),
          "found 4000000000 at $.model.vocab.a"},
      {BPE ("\"vocab\":{\"a\":0.5},\"merges\":[]"), "found 0.5"},
      {BPE ("\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"),
          "found 0 at $.model.vocab.b, offset 58, expected an id that no other "
          "token has"},
      {BPE ("\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]"),
          "expected a text that no other token has, token 0 has it"},
      {BPE ("\"vocab\":{\"a\":0},\"merges\":[\"a\"]"),
          "found \"a\" at $.model.merges[0], offset 65, expected two texts "
          "with "
          "one space between"},
      {BPE ("\"vocab\":{\"a\":0},\"merges\":[\"a a a\"]"), "with one space"},
      {BPE ("\"vocab\":{\"a\":0},\"merges\":[\"a a\"]"),
          "found \"a a\" at $.model.merges[0], offset 65, expected a merge of "
          "tokens of the vocabulary, which lacks \"aa\""},
      {BPE ("\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\"]]"),
          "at $.model.merges[0], offset 65, expected a merge of tokens of the "
          "vocabulary, which lacks \"b\""},
      {BPE ("\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]"), "expected two texts"},
      {BPE ("\"vocab\":{\"a\":0,\"aa\":1},\"merges\":[[\"a\",\"a\"],\"a a\"]"),
          "at $.model.merges[1], offset 82, expected an array"},
      {BPE ("\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1"),
          "found 0.1 at $.model.dropout"},
      {BPE ("\"vocab\":{\"a\":0},\"merges\":[],\"fuse_unk\":1"),
          "found 1 at $.model.fuse_unk, offset 78, expected true or false"},
      {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}",
          "at $.model.vocab[0], offset 36, expected a text and its score"},
      {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1e999]]}}",
          "at $.model.vocab[0][1]"},
      {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1]],\"unk_id\":1}}",
          "expected a member \"unk_id\" below 1"},
      {ADDED ("5"), "found 5 at $.added_tokens[0], offset 17"},
      {ADDED ("{\"id\":3}"), "expected a member \"content\""},
      {ADDED ("{\"id\":-3,\"content\":\"x\"}"), "at $.added_tokens[0].id"},
      {ADDED ("{\"content\":\"x\",\"special\":0}"),
          "found 0 at $.added_tokens[0].special"},
      {"{\"added_tokens\":[{\"content\":\"x\"}],\"model\":{\"type\":\"BPE\","
       "\"vocab\":{\"a\":0,\"b\":2},\"merges\":[]}}",
          "the model has 2 tokens with ids up to 2"},
      {PROCESSOR ("{}"), "at $.post_processor, offset 18"},
      {PROCESSOR ("{\"type\":\"BertProcessing\",\"sep\":[\"a\",3],"
                  "\"cls\":[\"b\",1]}"),
          "found 3 at $.post_processor.sep[1], offset 54, expected a token, "
          "which is a number below 3"},
      {PROCESSOR (
           "{\"type\":\"TemplateProcessing\",\"single\":["
           "{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}}],\"pair\":[],"
           "\"special_tokens\":{}}"),
          "expected a name in \"special_tokens\""},
      {PROCESSOR ("{\"type\":\"TemplateProcessing\",\"single\":["
                  "{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}],\"pair\":[],"
                  "\"special_tokens\":{}}"),
          "found \"B\" at $.post_processor.single[0].Sequence.id"},
      {"{\"normalizer\":{\"type\":\"X\"},\"model\":{\"type\":\"BPE\","
       "\"vocab\":{\"a\":0},\"merges\":[]}}",
          "$.normalizer"},
      {"{\"pre_tokenizer\":{\"type\":\"X\"},\"model\":{\"type\":\"BPE\","
       "\"vocab\":{\"a\":0},\"merges\":[]}}",
          "$.pre_tokenizer"},
      {"{\"decoder\":{\"type\":\"X\"},\"model\":{\"type\":\"BPE\","
       "\"vocab\":{\"a\":0},\"merges\":[]}}",
          "$.decoder"},
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Opened) it = {.copy = NULL};

    open_tokenizer (&it, cases[i].text);
    g_test_message ("%s", cases[i].text);
    g_assert_null (it.tokenizer);
    g_assert_error (it.error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    g_test_message ("%s", it.error->message);
    g_assert_true (g_str_has_prefix (it.error->message, "t.json: "));
    g_assert_nonnull (strstr (it.error->message, cases[i].message));
  }
}

/* A file that ends too early is never a tokenizer. */
static void
test_truncated (void)
{
  static const char text[] =
      ADDED ("{\"id\":3,\"content\":\"<\\u00e9>\",\"special\":true}");

  for (size_t size = 0; size + 1 < sizeof text - 1; size++) {
    g_autofree char *cut = g_strndup (text, size);
    g_auto (Opened) it = {.copy = NULL};

    open_tokenizer (&it, cut);
    g_assert_null (it.tokenizer);
    g_assert_error (it.error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  }
}

static void
test_too_many (void)
{
  g_autoptr (GString) text =
      g_string_new ("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"\",0]");
  g_auto (Opened) it = {.copy = NULL};

  for (uint32_t i = 0; i < BN_MAX_TOKENS; i++)
    g_string_append (text, ",[\"\",0]");
  g_string_append (text, "]}}");
  open_tokenizer (&it, text->str);
  g_assert_null (it.tokenizer);
  g_assert_error (it.error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_nonnull (strstr (it.error->message, "expected at most 4194304"));
}

/* Control tokens in text count only when they are asked for, whatever way
 * there is to make them; what stands around a text always counts. */
static void
test_specials (void)
{
  static const char text[] =
      "{\"added_tokens\":[{\"id\":9,\"content\":\"<s>\",\"special\":true,"
      "\"normalized\":false},{\"id\":4,\"content\":\"ab\",\"special\":true},"
      "{\"id\":7,\"content\":\"<t>\",\"special\":false,\"lstrip\":true}],"
      "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
      "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
      "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":["
      "{\"Sequence\":{\"id\":\"B\",\"type_id\":0}},"
      "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
      "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"special_tokens\":{"
      "\"<s>\":{\"id\":\"<s>\",\"ids\":[5,5],\"tokens\":[\"<s>\",\"<s>\"]}}},"
      "\"model\":{\"type\":\"BPE\",\"ignore_merges\":true,"
      "\"vocab\":{\"a\":0,\"b\":1,\"<\":2,\"s\":3,\"ab\":4},"
      "\"merges\":[[\"a\",\"b\"]]}}";
  g_auto (Opened) it = {.copy = NULL};
  BnIds ids = {.n_ids = 0};
  const BnStretch stretch = {1, BN_TOKEN_NONE, FALSE};
  const BnInput a = {(const uint8_t *) "a", &stretch, 1};
  const BnInput b = {(const uint8_t *) "b", &stretch, 1};
  g_autofree char *parsed = NULL, *plain = NULL, *whole = NULL;

  open_tokenizer (&it, text);
  g_assert_no_error (it.error);
  g_assert_cmpuint (it.tokenizer->vocab->n_tokens, ==, 7);
  g_assert_true (it.tokenizer->add_bos);
  parsed = encode (it.tokenizer, "a<s>ab a<t>", 11, TRUE, TRUE, &ids);
  plain = encode (it.tokenizer, "a<s>ab  <t>", 11, TRUE, FALSE, &ids);
  whole = encode (it.tokenizer, "ab", 2, FALSE, FALSE, &ids);
  g_assert_cmpstr (parsed, ==, "5 5 0 5 4 0 6");
  g_assert_cmpstr (plain, ==, "5 5 0 2 3 0 1 6");
  g_assert_cmpstr (whole, ==, "0 1");
  ids.n_ids = 0;
  g_assert_true (bn_tokenizer_encode (it.tokenizer, &a, &b, TRUE, &ids));
  g_assert_cmpuint (ids.n_ids, ==, 4);
  g_assert_cmpuint (ids.data[0], ==, 1);
  g_assert_cmpuint (ids.data[3], ==, 0);
  g_free (ids.data);
}

/* As llama.cpp reads it: the longest special token comes first, what looks
 * special is, and text is cut by the set of a name. */
static void
test_llama_cpp (void)
{
  static const char text[] =
      "{\"added_tokens\":[{\"id\":7,\"content\":\"<|x|>\",\"special\":false},"
      "{\"id\":8,\"content\":\"abc\",\"special\":false},"
      "{\"id\":9,\"content\":\"bcde\",\"special\":false},"
      "{\"id\":10,\"content\":\"\u2581d\",\"special\":false}],"
      "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
      "\"trim_offsets\":true,\"use_regex\":true},"
      "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"<\":2,"
      "\"e\":3,\"ab\":4,\"x\":5,\"q\":6},\"merges\":[[\"a\",\"b\"]]}}";
  g_auto (Opened) it = {.copy = NULL};
  g_autofree char *found = NULL, *plain = NULL, *other = NULL;
  BnIds ids = {.n_ids = 0};

  open_tokenizer (&it, text);
  g_assert_no_error (it.error);
  other = encode (it.tokenizer, "abcdeab", 7, FALSE, FALSE, &ids);
  g_assert_cmpstr (other, ==, "8 3 4");
  bn_tokenizer_free (it.tokenizer);

  it.tokenizer =
      bn_tokjson_read (it.root, BN_FIDELITY_LLAMA_CPP, NULL, &it.error);
  g_assert_no_error (it.error);
  found = encode (it.tokenizer, "abcdeab d<|x|>", 14, FALSE, TRUE, &ids);
  plain = encode (it.tokenizer, "x<|x|>", 6, FALSE, FALSE, &ids);
  g_assert_cmpstr (found, ==, "0 9 4 10 7");
  g_assert_cmpstr (plain, ==, "5 2 5");
  g_assert_cmpstr (it.tokenizer->pre, !=, "default");
  g_free (ids.data);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tokjson/golden", test_golden);
  g_test_add_func ("/tokjson/long-words", test_long_words);
  g_test_add_func ("/tokjson/errors", test_errors);
  g_test_add_func ("/tokjson/truncated", test_truncated);
  g_test_add_func ("/tokjson/too-many", test_too_many);
  g_test_add_func ("/tokjson/specials", test_specials);
  g_test_add_func ("/tokjson/llama-cpp", test_llama_cpp);
  return g_test_run ();
}
