/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a model file changes of a tokenizer from elsewhere, where special ids
 * come from, and what quantizations ask of devices. */
#include <glib/gstdio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tokenizer-private.h"
#include "gguf/bn-gguf.h"
#include "resolve/bn-validate.h"
#include "test-vocab.h"
#include "text/bn-change.h"

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

typedef struct {
  char *folder;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("bitnet-adapt-XXXXXX", NULL);
  g_setenv ("BITNET_TOKENIZER_CACHE", self->folder, TRUE);
  g_setenv ("BITNET_COMPILED", "0", TRUE);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *child = g_build_filename (path, name, NULL);

    remove_tree (child);
  }
  g_remove (path);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  remove_tree (self->folder);
  g_free (self->folder);
}

static char *
write_file (Fixture *self, const char *name, gconstpointer content, gsize size)
{
  char *path = g_build_filename (self->folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, content, (gssize) size, &error);
  g_assert_no_error (error);
  return path;
}

static char *
write_vocab (Fixture *self, const char *name, TestVocab *vocab)
{
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  return write_file (self, name, data, size);
}

static BitnetDiscovery *
discover_path (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetModel) model =
      bitnet_model_new_unshared_from_file (path, NULL, &error);

  g_assert_no_error (error);
  return bitnet_discovery_new_from_model (model);
}

static BitnetDiscovery *
discover (Fixture *self, TestVocab *vocab)
{
  g_autofree char *path = write_vocab (self, "model.gguf", vocab);

  return discover_path (path);
}

static BitnetTokenizer *
load_path (const char *path)
{
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer =
      bitnet_tokenizer_new_from_file (path, BITNET_FIDELITY_AUTO, NULL, &error);

  g_assert_no_error (error);
  return tokenizer;
}

static BitnetTokenizer *
load (Fixture *self, TestVocab *vocab)
{
  g_autofree char *path = write_vocab (self, "tokenizer.gguf", vocab);

  return load_path (path);
}

/* Byte-level BPE as tokenizer.json: all bytes, added tokens from id 256. */
static BitnetTokenizer *
load_json (Fixture *self, const char *added, const char *post_processor)
{
  g_autoptr (GString) json = g_string_new (NULL);
  g_autofree char *path = NULL;

  g_string_printf (json,
      "{\"version\":\"1.0\",\"added_tokens\":[%s],\"normalizer\":"
      "{\"type\":\"Lowercase\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\","
      "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
      "\"post_processor\":%s,\"decoder\":{\"type\":\"ByteLevel\","
      "\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
      "\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{",
      added, post_processor);
  for (guint i = 0; i < 256; i++) {
    guint8 byte = (guint8) i;
    g_autofree char *text = test_vocab_spell (&byte, 1);

    g_string_append_printf (json, "%s\"%s%s\":%u", i > 0 ? "," : "",
        *text == '"' || *text == '\\' ? "\\" : "", text, i);
  }
  g_string_append (json, "}}}");
  path = write_file (self, "tokenizer.json", json->str, json->len);
  return load_path (path);
}

#define ADDED(id, text, special, normalized)                                   \
  "{\"id\":" #id ",\"content\":\"" text "\",\"special\":" #special             \
  ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"                  \
  "\"normalized\":" #normalized "}"

static void
expect_ids (BitnetTokenizer *tokenizer, const char *text, guint flags,
    const char *expected)
{
  g_autoptr (GString) found = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  gsize n_ids;
  g_autofree guint32 *ids = bitnet_tokenizer_encode (
      tokenizer, text, -1, (BitnetEncodeFlags) flags, &n_ids, &error);

  g_assert_no_error (error);
  for (gsize i = 0; i < n_ids; i++)
    g_string_append_printf (found, "%s%u", i > 0 ? " " : "", ids[i]);
  g_assert_cmpstr (found->str, ==, expected);
}

static gboolean
has_note (GPtrArray *notes, const char *part)
{
  for (guint i = 0; i < notes->len; i++) {
    g_test_message ("%s", (char *) notes->pdata[i]);
    if (strstr (notes->pdata[i], part))
      return TRUE;
  }
  return FALSE;
}

static guint32
get_special (BitnetTokenizer *tokenizer, BitnetSpecialToken which)
{
  return bitnet_tokenizer_get_special (tokenizer, which);
}

/* Ids of the model win; nothing happens where it says nothing. */
static void
test_roles (Fixture *self, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (TestVocab) model = test_vocab_new_spm ();
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *id = NULL;

  test_vocab_set_uint (vocab, "tokenizer.ggml.mask_token_id", 9);
  tokenizer = load (self, vocab);
  id = g_strdup (bitnet_tokenizer_get_id (tokenizer));
  test_vocab_set_uint (model, "tokenizer.ggml.bos_token_id", 2);
  test_vocab_set_uint (model, "tokenizer.ggml.eos_token_id", 4);
  test_vocab_set_uint (model, "tokenizer.ggml.padding_token_id", 5);
  test_vocab_set_uint (model, "tokenizer.ggml.seperator_token_id", 5000);
  discovery = discover (self, model);
  bn_adapt (tokenizer, discovery, notes);

  g_assert_cmpuint (get_special (tokenizer, BITNET_SPECIAL_BOS), ==, 2);
  g_assert_cmpuint (get_special (tokenizer, BITNET_SPECIAL_EOS), ==, 4);
  g_assert_cmpuint (get_special (tokenizer, BITNET_SPECIAL_PAD), ==, 5);
  g_assert_cmpuint (get_special (tokenizer, BITNET_SPECIAL_MASK), ==, 9);
  g_assert_cmpuint (
      get_special (tokenizer, BITNET_SPECIAL_SEP), ==, BITNET_TOKEN_NONE);
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 4));
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 2)); /* as before */
  g_assert_cmpuint (notes->len, ==, 2);                   /* PAD is new */
  g_assert_true (has_note (notes, "BOS is token 2 as in the model, not 1"));
  g_assert_true (has_note (notes, "EOS is token 4 as in the model, not 2"));
  g_assert_cmpstr (bitnet_tokenizer_get_id (tokenizer), !=, id);

  /* Nothing is left to be done. */
  g_ptr_array_set_size (notes, 0);
  bn_adapt (tokenizer, discovery, notes);
  g_assert_cmpuint (notes->len, ==, 0);
}

static TestVocab *
new_json_model (const char *const *texts)
{
  TestVocab *model = test_vocab_new ();

  test_vocab_set_string (model, "general.architecture", "llama");
  test_vocab_set_string (model, "tokenizer.ggml.model", "gpt2");
  test_vocab_set_string (model, "tokenizer.ggml.pre", "gpt-2");
  for (guint i = 0; i < 256; i++) {
    guint8 byte = (guint8) i;
    g_autofree char *text = test_vocab_spell (&byte, 1);

    test_vocab_add (model, text, NORMAL, 0);
  }
  for (; *texts; texts++)
    test_vocab_add (model, *texts, CONTROL, 0);
  return model;
}

/* What stands around texts, also where a template says so. */
static void
test_edges (Fixture *self, gconstpointer data)
{
  static const char added[] = ADDED (256, "<s>", true, false) "," ADDED (
      257, "</s>", true, false) "," ADDED (258, "<e>", true, false);
  static const char template[] =
      "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
      "{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
      "\"type_id\":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}],"
      "\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":"
      "{\"id\":\"B\",\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"id\":"
      "\"<s>\",\"ids\":[256],\"tokens\":[\"<s>\"]},\"</s>\":{\"id\":\"</s>\","
      "\"ids\":[257],\"tokens\":[\"</s>\"]}}}";
  static const struct {
    const char *post_processor;
    int bos, eos; /* keys; -1: none */
    const char *expected;
    guint n_notes;
  } cases[] = {
      {template, -1, -1, "256 97 258", 1}, /* EOS is another */
      {template, TRUE, TRUE, "256 97 258", 1},
      {template, FALSE, TRUE, "97 258", 2},
      {template, TRUE, FALSE, "256 97", 2},
      {template, FALSE, FALSE, "97", 3},
      {"null", -1, -1, "97", 0},
      {"null", TRUE, -1, "256 97", 1},
      {"null", -1, TRUE, "97 258", 1},
      {"null", TRUE, TRUE, "256 97 258", 2},
      {"null", FALSE, FALSE, "97", 0},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (TestVocab) model =
        new_json_model ((const char *const[]){"<s>", "</s>", "<e>", NULL});
    g_autoptr (BitnetTokenizer) tokenizer =
        load_json (self, added, cases[i].post_processor);
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (BitnetDiscovery) discovery = NULL;

    test_vocab_set_uint (model, "tokenizer.ggml.bos_token_id", 256);
    test_vocab_set_uint (model, "tokenizer.ggml.eos_token_id", 258);
    if (cases[i].bos >= 0)
      test_vocab_set_bool (model, "tokenizer.ggml.add_bos_token", cases[i].bos);
    if (cases[i].eos >= 0)
      test_vocab_set_bool (model, "tokenizer.ggml.add_eos_token", cases[i].eos);
    discovery = discover (self, model);
    bn_adapt (tokenizer, discovery, notes);
    g_test_message ("case %u", (guint) i);
    has_note (notes, "");
    expect_ids (tokenizer, "a", BITNET_ENCODE_ADD_SPECIAL, cases[i].expected);
    g_assert_cmpuint (notes->len, ==, cases[i].n_notes);
  }
}

/* An instruct model over the tokenizer of its base: nothing to tell. */
static void
test_llama3 (Fixture *self, gconstpointer data)
{
  static const char added[] = ADDED (
      256, "<|begin_of_text|>", true, false) "," ADDED (257, "<|end_of_text|>",
      true, false) "," ADDED (258, "<|eot_id|>", true, false);
  g_autoptr (TestVocab) model = new_json_model ((const char *const[]){
      "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", NULL});
  g_autoptr (BitnetTokenizer) tokenizer = load_json (self, added, "null");
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BitnetDiscovery) discovery = NULL;

  bn_tokenizer_set_role (bitnet_tokenizer_edit (tokenizer), BN_ROLE_EOS, 257);
  test_vocab_set_uint (model, "tokenizer.ggml.eos_token_id", 258);
  discovery = discover (self, model);
  bn_adapt (tokenizer, discovery, notes);
  g_assert_cmpuint (get_special (tokenizer, BITNET_SPECIAL_EOS), ==, 258);
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 257));
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 258));
  g_assert_cmpuint (notes->len, ==, 0);
}

static void
test_template (Fixture *self, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (TestVocab) model = test_vocab_new_spm ();
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) without = load (self, vocab);
  g_autoptr (BitnetTokenizer) with = NULL;

  test_vocab_set_string (model, "tokenizer.chat_template", "of the model");
  discovery = discover (self, model);
  bn_adapt (without, discovery, NULL);
  g_assert_cmpstr (
      bitnet_tokenizer_get_chat_template (without), ==, "of the model");
  test_vocab_set_string (vocab, "tokenizer.chat_template", "own");
  with = load (self, vocab);
  bn_adapt (with, discovery, NULL);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (with), ==, "own");
}

/* Tokens without a row come out of no text; what they hid comes back. */
static void
test_limit (Fixture *self, gconstpointer data)
{
  static const char added[] = ADDED (256, "<s>", true, false) "," ADDED (
      257, "<s><s>", true, false) "," ADDED (258, "NORM", false, true);
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (TestVocab) model = test_vocab_new_spm ();
  g_autoptr (TestVocab) json_model =
      new_json_model ((const char *const[]){"<s>", NULL});
  g_autoptr (BitnetDiscovery) discovery = NULL, json_discovery = NULL;
  g_autoptr (BitnetTokenizer) spm = NULL, json = NULL;
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  const guint parse = BITNET_ENCODE_PARSE_SPECIAL;
  guint32 first = test_vocab_add (vocab, "<tool><tool>", USER_DEFINED, 0);
  g_autofree char *before = g_strdup_printf ("%u", first);
  g_autofree char *after = g_strdup_printf ("%u %u", first - 1, first - 1);
  const BitnetTextPart part = {.token = first};
  g_autofree guint32 *ids = NULL;
  gsize n_ids;

  test_vocab_set_uint (vocab, "tokenizer.ggml.padding_token_id", first);
  test_vocab_set_uint (model, "llama.vocab_size", first);
  spm = load (self, vocab);
  expect_ids (spm, "<tool><tool>", 0, before);
  discovery = discover (self, model);
  bn_adapt (spm, discovery, notes);
  g_assert_true (has_note (notes, "the 1 last tokens have no row"));
  g_assert_true (has_note (notes, "PAD was token"));
  g_assert_cmpuint (
      get_special (spm, BITNET_SPECIAL_PAD), ==, BITNET_TOKEN_NONE);
  expect_ids (spm, "<tool><tool>", 0, after);
  expect_ids (spm, "<tool><tool>", parse, after);
  g_assert_cmpuint (
      bitnet_tokenizer_lookup (spm, "<tool><tool>"), ==, BITNET_TOKEN_NONE);
  g_assert_cmpuint (bitnet_tokenizer_get_vocab_size (spm), ==, first + 1);
  ids = bitnet_tokenizer_encode_parts (spm, &part, 1, 0, &n_ids, NULL);
  g_assert_cmpuint (n_ids, ==, 0);

  /* Added tokens, also those that are found in normalized text. */
  json = load_json (self, added, "null");
  expect_ids (json, "<s><s>norm", parse, "257 258");
  test_vocab_set_uint (json_model, "llama.vocab_size", 257);
  json_discovery = discover (self, json_model);
  bn_adapt (json, json_discovery, NULL);
  expect_ids (json, "<s><s>norm", parse, "256 256 110 111 114 109");
}

/* Too many of them: nothing is changed, and validation says no. */
static void
test_no_limit (Fixture *self, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (TestVocab) model = test_vocab_new_spm ();
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_auto (BnValidation) validation = {BN_VERIFIED_NOT, NULL};
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = NULL;
  guint32 last = 0;

  for (guint i = 0; i < 17; i++) {
    g_autofree char *text = g_strdup_printf ("<x%u>", i);

    last = test_vocab_add (vocab, text, USER_DEFINED, 0);
  }
  test_vocab_set_uint (model, "llama.vocab_size", last - 16);
  expected = g_strdup_printf ("%u", last);
  tokenizer = load (self, vocab);
  discovery = discover (self, model);
  bn_adapt (tokenizer, discovery, NULL);
  expect_ids (tokenizer, "<x16>", 0, expected);
  g_assert_false (
      bn_validate (tokenizer, discovery, FALSE, FALSE, &validation, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH);
}

/* As Gemma 3: one token more than rows, and it passes with a warning. */
static void
test_gemma (Fixture *self, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (TestVocab) model = test_vocab_new_spm ();
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_auto (BnValidation) validation = {BN_VERIFIED_NOT, NULL};
  g_autoptr (GError) error = NULL;
  guint32 image = test_vocab_add (vocab, "<image_soft_token>", USER_DEFINED, 0);

  test_vocab_set_uint (model, "llama.vocab_size", image);
  tokenizer = load (self, vocab);
  discovery = discover (self, model);
  bn_adapt (tokenizer, discovery, NULL);
  g_assert_true (
      bn_validate (tokenizer, discovery, FALSE, FALSE, &validation, &error));
  g_assert_no_error (error);
  g_assert_cmpint (validation.verified, ==, BN_VERIFIED_BY_PIECES);
  g_assert_cmpuint (validation.warnings->len, ==, 1);
}

/* Attributes that lie in a compiled table are copied before they change. */
static void
test_mapped (Fixture *self, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_spm ();
  g_autoptr (TestVocab) model = NULL;
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) first = NULL, second = NULL, third = NULL;

  for (guint i = 0; i < 17000; i++) {
    g_autofree char *text = g_strdup_printf ("t%u", i);

    test_vocab_add (vocab, text, NORMAL, 0);
  }
  g_setenv ("BITNET_COMPILED", "1", TRUE);
  first = load (self, vocab);
  second = load (self, vocab);
  g_assert_nonnull (bitnet_tokenizer_get_inner (second)->vocab->compiled);
  test_vocab_set_uint (vocab, "tokenizer.ggml.eos_token_id", 300);
  discovery = discover (self, vocab);
  bn_adapt (second, discovery, NULL);
  g_assert_true (bitnet_tokenizer_is_eog (second, 300));
  test_vocab_remove (vocab, "tokenizer.ggml.eos_token_id");
  third = load (self, vocab);
  g_assert_false (bitnet_tokenizer_is_eog (third, 300));
}

/* Special ids of the families come from the files, not from a size. */

static TestVocab *
new_llama (guint n_tokens, guint first_special)
{
  TestVocab *vocab = test_vocab_new ();

  test_vocab_set_string (vocab, "general.architecture", "llama");
  for (guint id = 0; id < n_tokens; id++) {
    g_autofree char *text = NULL;
    gboolean is_special = id >= first_special;

    if (first_special < n_tokens) {
      guint8 byte = (guint8) id;

      text = id < 256     ? test_vocab_spell (&byte, 1)
             : is_special ? g_strdup_printf ("<|s%u|>", id)
                          : g_strdup_printf ("t%u", id);
      test_vocab_add (vocab, text, is_special ? CONTROL : NORMAL, 0);
    } else {
      text = id < 3      ? g_strdup (id == 0   ? "<unk>"
                                     : id == 1 ? "<s>"
                                               : "</s>")
             : id < 259  ? g_strdup_printf ("<0x%02X>", id - 3)
             : id == 259 ? g_strdup ("\xE2\x96\x81")
                         : g_strdup_printf ("t%u", id);
      test_vocab_add (vocab, text,
          id == 0    ? UNKNOWN
          : id < 3   ? CONTROL
          : id < 259 ? BYTE
                     : NORMAL,
          -(float) id);
    }
  }
  return vocab;
}

static const struct {
  guint n_tokens, first_special;
  const char *kind, *pre, *algorithm;
  guint bos, eos, middle; /* middle: FIM, 0 if there is none */
  const char *expected;   /* ids of "a" */
} llamas[] = {
    {32000, G_MAXUINT, "llama", NULL, "spm", 1, 2, 0, "1 259 100"},
    {32016, G_MAXUINT, "llama", NULL, "spm", 1, 2, 32009, "1 259 100"},
    {32000, G_MAXUINT, "llama", NULL, "spm", 7, 8, 0, "7 259 100"},
    {128256, 128000, "gpt2", "llama-bpe", "bpe", 128000, 128009, 0,
        "128000 97"},
    {128256, 128000, "gpt2", "llama-bpe", "bpe", 128006, 128001, 0,
        "128006 97"},
};

static void
test_llama (Fixture *self, gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (TestVocab) vocab =
      new_llama (llamas[i].n_tokens, llamas[i].first_special);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_auto (BnValidation) validation = {BN_VERIFIED_NOT, NULL};
  g_autoptr (GError) error = NULL;

  test_vocab_set_string (vocab, "tokenizer.ggml.model", llamas[i].kind);
  if (llamas[i].pre) {
    test_vocab_set_string (vocab, "tokenizer.ggml.pre", llamas[i].pre);
    test_vocab_add_merge (vocab, "a b");
  }
  test_vocab_set_uint (vocab, "tokenizer.ggml.bos_token_id", llamas[i].bos);
  test_vocab_set_uint (vocab, "tokenizer.ggml.eos_token_id", llamas[i].eos);
  if (llamas[i].middle > 0)
    test_vocab_set_uint (
        vocab, "tokenizer.ggml.middle_token_id", llamas[i].middle);
  tokenizer = load (self, vocab);
  discovery = discover (self, vocab);
  bn_adapt (tokenizer, discovery, NULL);
  g_assert_true (
      bn_validate (tokenizer, discovery, TRUE, TRUE, &validation, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (
      bitnet_tokenizer_get_vocab_size (tokenizer), ==, llamas[i].n_tokens);
  g_assert_cmpstr (
      bitnet_tokenizer_get_algorithm (tokenizer), ==, llamas[i].algorithm);
  g_assert_cmpuint (
      get_special (tokenizer, BITNET_SPECIAL_BOS), ==, llamas[i].bos);
  g_assert_cmpuint (
      get_special (tokenizer, BITNET_SPECIAL_EOS), ==, llamas[i].eos);
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, llamas[i].eos));
  if (llamas[i].middle > 0)
    g_assert_cmpuint (
        bitnet_tokenizer_get_inner (tokenizer)->vocab->roles[BN_ROLE_FIM_MID],
        ==, llamas[i].middle);
  expect_ids (tokenizer, "a", BITNET_ENCODE_ADD_SPECIAL, llamas[i].expected);
}

/* GPT-2 has one special token, and puts it nowhere by itself. */
static void
test_gpt2 (Fixture *self, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = new_llama (50257, 50256);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  test_vocab_set_string (vocab, "general.architecture", "gpt2");
  test_vocab_set_string (vocab, "tokenizer.ggml.model", "gpt2");
  test_vocab_set_string (vocab, "tokenizer.ggml.pre", "gpt-2");
  test_vocab_add_merge (vocab, "a b");
  test_vocab_set_uint (vocab, "tokenizer.ggml.bos_token_id", 50256);
  test_vocab_set_uint (vocab, "tokenizer.ggml.eos_token_id", 50256);
  tokenizer = load (self, vocab);
  g_assert_cmpuint (get_special (tokenizer, BITNET_SPECIAL_EOS), ==, 50256);
  g_assert_true (bitnet_tokenizer_is_eog (tokenizer, 50256));
  g_assert_false (bitnet_tokenizer_get_add_bos (tokenizer));
  expect_ids (tokenizer, "a", BITNET_ENCODE_ADD_SPECIAL, "97");
}

/* Quantizations. */

static BitnetDiscovery *
discover_quantized (Fixture *self, const char *quantization, guint n_rows)
{
  const BnTypeInfo *info = bn_type_info_by_name (quantization);
  g_autofree char *path = g_build_filename (self->folder, "q.gguf", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, &error);
  const uint64_t shape[] = {512, 64};
  gsize size = (gsize) bn_type_tensor_size (info->type, shape[0], shape[1]);
  g_autofree char *zeros = g_malloc0 (size);

  g_assert_no_error (error);
  bn_gguf_writer_add_string (writer, "general.architecture", "bitnet-b1.58");
  bn_gguf_writer_add_uint32 (writer, "bitnet-b1.58.vocab_size", n_rows);
  bn_gguf_writer_add_tensor (
      writer, "blk.0.ffn_up.weight", info->type, 2, shape);
  bn_gguf_writer_write (writer, zeros, size, &error);
  g_assert_no_error (error);
  bn_gguf_writer_finish (writer, &error);
  g_assert_no_error (error);
  return discover_path (path);
}

static const struct {
  const char *quantization, *device;
  guint n_rows;
  gboolean is_unsupported;
  const char *message; /* a part; NULL: nothing to say */
} quantizations[] = {
    {"I2_S", "cpu:x86-64", 128256, FALSE, NULL},
    {"I2_S", "cpu:arm64", 128256, FALSE, NULL},
    {"I2_S", "cpu:x86-64", 200001, FALSE, "200000"},
    {"I2_S", "cuda:0", 128256, TRUE, "does not run on a GPU"},
    {"I2_S", "gpu", 128256, TRUE, "does not run on a GPU"},
    {"TL1", "cpu:arm64", 65536, FALSE, NULL},
    {"TL1", "cpu:arm64", 128256, FALSE, "65536"},
    {"TL1", "cpu:x86-64", 32000, FALSE, "not made for x86-64"},
    {"TL1", "cuda", 32000, TRUE, "GPU"},
    {"TL2", "cpu:x86-64", 65536, FALSE, NULL},
    {"TL2", "cpu:x86-64", 65537, FALSE, "65536"},
    {"TL2", "cpu:arm64", 32000, FALSE, "not made for arm64"},
    {"TL2", "cuda", 32000, TRUE, "GPU"},
    {"IQ1_BN", "cpu", 128256, FALSE, NULL},
    {"IQ2_BN", "cuda", 128256, FALSE, "repacked"},
    {"TQ1_0", "cpu", 300000, FALSE, NULL},
    {"TQ2_0", "auto", 300000, FALSE, NULL},
    {"TQ2_0", "cuda", 32000, FALSE, "repacked"},
    {"Q4_K", "cpu", 300000, FALSE, NULL},
    {"F16", NULL, 32000, FALSE, NULL},
    {"I2_S", "something", 32000, FALSE, NULL},
};

static void
test_quantization (Fixture *self, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (quantizations); i++) {
    g_autoptr (BitnetDiscovery) discovery = discover_quantized (
        self, quantizations[i].quantization, quantizations[i].n_rows);
    gboolean is_unsupported = !quantizations[i].is_unsupported;
    g_autofree char *message = bn_check_quantization (
        discovery, quantizations[i].device, &is_unsupported);

    g_test_message ("%s on %s: %s", quantizations[i].quantization,
        quantizations[i].device, message);
    g_assert_cmpint (is_unsupported, ==, quantizations[i].is_unsupported);
    g_assert_cmpint (message != NULL, ==, quantizations[i].message != NULL);
    if (message)
      g_assert_nonnull (strstr (message, quantizations[i].message));
  }
}

/* One model through its GGUF file and through the files of its origin. */
static const struct {
  const char *vocab;
  const char *tokenizers[3]; /* NULL ends */
} families[] = {
    {"llama-bpe", {"llama-3/tokenizer.json", "llama-3/tokenizer.model"}},
    {"gpt-2", {"gpt-2/tokenizer.json", "gpt-2/vocab.json"}},
    {"llama-spm", {"llama-2/tokenizer.model"}},
    {"bert-bge", {"bert/tokenizer.json", "bert/vocab.txt"}},
};

static void
compare_texts (
    BitnetTokenizer *a, BitnetTokenizer *b, char **texts, const char *name)
{
  for (char **text = texts; *text; text++) {
    gsize n_left, n_right;
    g_autofree guint32 *left = bitnet_tokenizer_encode (
        a, *text, -1, BITNET_ENCODE_ADD_SPECIAL, &n_left, NULL);
    g_autofree guint32 *right = bitnet_tokenizer_encode (
        b, *text, -1, BITNET_ENCODE_ADD_SPECIAL, &n_right, NULL);

    if (n_left != n_right || memcmp (left, right, n_left * sizeof *left) != 0)
      g_error ("%s: other ids for \"%s\"", name, *text);
  }
}

static void
test_same_ids (Fixture *self, gconstpointer data)
{
  gsize index = GPOINTER_TO_SIZE (data);
  const char *reference = g_getenv ("BITNET_REFERENCE_DATA");
  g_autofree char *name = g_strconcat (families[index].vocab, ".gguf", NULL);
  g_autofree char *path =
      g_build_filename (reference ? reference : "", "vocab", name, NULL);
  g_autofree char *texts_path = g_strconcat (path, ".inp", NULL);
  g_autofree char *content = NULL;
  g_auto (GStrv) texts = NULL;
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) gguf = NULL;

  if (reference == NULL
      || !g_file_get_contents (texts_path, &content, NULL, NULL)) {
    g_test_skip ("no reference data");
    return;
  }
  texts = g_strsplit (content, "\n__ggml_vocab_test__\n", -1);
  discovery = discover_path (path);
  gguf = load_path (path);
  for (const char *const *file = families[index].tokenizers; *file; file++) {
    g_autofree char *file_path =
        g_build_filename (reference, "tokenizers", *file, NULL);
    g_autoptr (BitnetTokenizer) tokenizer = load_path (file_path);

    bn_adapt (tokenizer, discovery, NULL);
    compare_texts (gguf, tokenizer, texts, *file);
    g_assert_true (bn_tokenizers_agree (tokenizer, tokenizer));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/adapt/roles", test_roles);
  ADD ("/adapt/edges", test_edges);
  ADD ("/adapt/llama-3", test_llama3);
  ADD ("/adapt/template", test_template);
  ADD ("/adapt/limit", test_limit);
  ADD ("/adapt/no-limit", test_no_limit);
  ADD ("/adapt/gemma", test_gemma);
  ADD ("/adapt/mapped", test_mapped);
  for (gsize i = 0; i < G_N_ELEMENTS (llamas); i++) {
    g_autofree char *path = g_strdup_printf (
        "/wrap/C35/llama/%u-%u", llamas[i].n_tokens, llamas[i].bos);

    g_test_add (
        path, Fixture, GSIZE_TO_POINTER (i), set_up, test_llama, tear_down);
  }
  ADD ("/wrap/C36/gpt2", test_gpt2);
  ADD ("/quantization/C40/devices", test_quantization);
  for (gsize i = 0; i < G_N_ELEMENTS (families); i++) {
    g_autofree char *path =
        g_strdup_printf ("/adapt/AC6/same-ids/%s", families[i].vocab);

    g_test_add (
        path, Fixture, GSIZE_TO_POINTER (i), set_up, test_same_ids, tear_down);
  }
  return g_test_run ();
}
