/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens when the first way to a tokenizer is none: which strategy is
 * tried first, what a broken model, a broken file or a hub that cannot be asked
 * leads to, which files beside a model count, when a remembered resolution
 * counts, and what strict mode refuses. No network is needed. */
#include <glib/gstdio.h>
#include <string.h>
#include <utime.h>
#include "bitnet.h"
#include "resolve/bn-record.h"
#include "test-folder.h"
#include "test-vocab.h"

enum { N_ROWS = 300, OTHER_TIME = 1000 * 1000 * 1000, KEY_SIZE = 64 };

typedef struct {
  char *folder;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autofree char *cache = NULL;
  g_autofree char *hub_cache = NULL;

  self->folder = test_folder_new ();
  cache = g_build_filename (self->folder, "cache", NULL);
  hub_cache = g_build_filename (self->folder, "hub", NULL);
  g_setenv ("BITNET_TOKENIZER_CACHE", cache, TRUE);
  g_setenv ("HF_HUB_CACHE", hub_cache, TRUE);
  g_setenv ("BITNET_OFFLINE", "1", TRUE);
  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  g_unsetenv ("HF_ENDPOINT");
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  test_folder_remove (self->folder);
}

/* Files. */

static char *
write_vocab (Fixture *self, const char *name, TestVocab *vocab)
{
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);

  return test_folder_write (self->folder, name, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes));
}

static char *
write_complete (Fixture *self, const char *name)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();

  return write_vocab (self, name, vocab);
}

/* Without a tokenizer; n_rows 0: it does not even say how many tokens. */
static char *
write_bare (Fixture *self, const char *name, guint n_rows)
{
  g_autoptr (TestVocab) vocab = test_vocab_new ();

  test_vocab_set_string (vocab, "general.architecture", "something");
  if (n_rows > 0)
    test_vocab_set_uint (vocab, "something.vocab_size", n_rows);
  return write_vocab (self, name, vocab);
}

static void
write_text (Fixture *self, const char *name, const char *text)
{
  g_free (test_folder_write (self->folder, name, text, (gssize) strlen (text)));
}

static void
write_json (Fixture *self, const char *name)
{
  g_autofree char *json = test_vocab_new_json (N_ROWS);

  write_text (self, name, json);
}

static void
write_sentencepiece (Fixture *self, const char *name)
{
  g_autofree char *path = g_test_build_filename (
      G_TEST_DIST, "data", "sentencepiece", "bpe-bytes.model", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_file_get_contents (path, &contents, &size, &error);
  g_assert_no_error (error);
  g_free (test_folder_write (self->folder, name, contents, (gssize) size));
}

/* A pair of vocab.json and merges.txt with as many tokens as write_json(),
 * others at the end. */
static void
write_pair (Fixture *self, const char *folder)
{
  g_autoptr (GString) json = g_string_new ("{");
  g_autofree char *vocab_name = g_build_filename (folder, "vocab.json", NULL);
  g_autofree char *merges_name = g_build_filename (folder, "merges.txt", NULL);

  for (guint i = 0; i < N_ROWS; i++) {
    guint8 byte = (guint8) i;
    g_autofree char *token = i < 256    ? test_vocab_spell (&byte, 1)
                             : i == 256 ? g_strdup ("ab")
                                        : g_strdup_printf ("other%u", i);

    g_string_append_printf (json, "%s\"%s%s\":%u", i > 0 ? "," : "",
        *token == '"' || *token == '\\' ? "\\" : "", token, i);
  }
  g_string_append_c (json, '}');
  write_text (self, vocab_name, json->str);
  write_text (self, merges_name, "#version: 0.2\na b\n");
}

/* Results. */

static const char *
get_string (GVariant *dict, const char *name)
{
  const char *text = NULL;

  g_variant_lookup (dict, name, "&s", &text);
  return text;
}

static gboolean
get_boolean (GVariant *dict, const char *name)
{
  gboolean value = FALSE;

  g_assert_true (g_variant_lookup (dict, name, "b", &value));
  return value;
}

static guint
count_warnings (GVariant *resolution)
{
  g_autofree const char **warnings = NULL;

  g_assert_true (g_variant_lookup (resolution, "warnings", "^a&s", &warnings));
  return g_strv_length ((char **) warnings);
}

/* "strategy CODE; ..." of what was tried, "ok" for what was successful. */
static char *
show_attempts (GVariant *resolution)
{
  g_autoptr (GVariant) attempts =
      g_variant_lookup_value (resolution, "attempts", NULL);
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < g_variant_n_children (attempts); i++) {
    g_autoptr (GVariant) attempt = g_variant_get_child_value (attempts, i);
    const char *code = get_string (attempt, "code");

    g_string_append_printf (text, "%s%s %s", i > 0 ? "; " : "",
        get_string (attempt, "strategy"), code ? code : "ok");
  }
  return g_string_free (text, FALSE);
}

static BitnetTokenizer *
resolve (BitnetResolver *resolver, const char *path, GVariant **resolution)
{
  g_autoptr (GError) error = NULL;
  BitnetTokenizer *tokenizer = bitnet_resolver_resolve_reference (
      resolver, path, NULL, resolution, &error);

  g_assert_no_error (error);
  return tokenizer;
}

static void
expect (BitnetResolver *resolver, const char *path, const char *attempts)
{
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = resolve (resolver, path, &resolution);
  g_autofree char *found = show_attempts (resolution);

  g_assert_cmpstr (found, ==, attempts);
}

static void
expect_strict (const char *path, const char *cause)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (resolver, "strict", TRUE, NULL);
  g_assert_null (bitnet_resolver_resolve_reference (
      resolver, path, NULL, &resolution, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_STRICT_MODE);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_cmpstr (get_string (resolution, "cause"), ==, cause);
}

/* Tests. */

/* What the model itself says is tried first, or what the application has
 * named; why that failed stays in the report. */
static void
test_primary (Fixture *self, gconstpointer data)
{
  g_autofree char *complete = write_complete (self, "a/b/complete.gguf");
  g_autofree char *bare = write_bare (self, "c/d/bare.gguf", N_ROWS);
  g_autofree char *elsewhere = write_complete (self, "e/f/elsewhere.gguf");
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetResolver) named = bitnet_resolver_new ();

  write_json (self, "a/b/tokenizer.json");
  write_json (self, "c/d/tokenizer.json");
  expect (resolver, complete, "model-embedded ok");
  expect (resolver, bare, "model-embedded NO_EMBEDDED_TOKENIZER; generic ok");
  g_object_set (named, "tokenizer", elsewhere, NULL);
  expect (named, complete, "explicit ok");
  g_object_set (named, "tokenizer", "/nonexistent/tokenizer.json",
      "explicit-fallback", TRUE, NULL);
  expect (named, complete, "explicit NOT_FOUND; model-embedded ok");
}

/* The content says what a file is, not its name. */
static void
test_extension (Fixture *self, gconstpointer data)
{
  g_autofree char *other = write_complete (self, "a/b/weights.bin");
  g_autofree char *wrong = test_folder_write (
      self->folder, "c/d/model.gguf", "PK\3\4 other weights", 18);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();

  expect (resolver, other, "model-embedded ok");
  expect (resolver, wrong,
      "model-embedded INVALID_MODEL; generic NOT_FOUND; "
      "local-cache NO_SOURCE; huggingface NO_SOURCE; backup ok");
}

/* Of a path that leads nowhere the report says so, and not what else failed;
 * there is no last resort for no model. */
static void
test_missing (Fixture *self, gconstpointer data)
{
  g_autofree char *missing =
      g_build_filename (self->folder, "e/f/gone.gguf", NULL);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (bitnet_resolver_resolve_reference (
      resolver, missing, NULL, &resolution, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_ALL_FAILED);
  g_assert_cmpstr (get_string (resolution, "cause"), ==, "NOT_FOUND");
  expect_strict (missing, "NOT_FOUND");
}

/* A hub that cannot even be addressed fails its strategy and no other. */
static void
test_no_client (Fixture *self, gconstpointer data)
{
  static const char *const endpoints[] = {"nonsense", "ftp://hub.example",
      "http://hub.example", "https://", "https://a b"};
  g_autofree char *bare = write_bare (self, "a/b/bare.gguf", N_ROWS);

  g_unsetenv ("BITNET_OFFLINE");
  for (gsize i = 0; i < G_N_ELEMENTS (endpoints); i++) {
    g_autoptr (BitnetResolver) resolver = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GVariant) resolution = NULL;
    g_autoptr (GVariant) attempts = NULL;
    g_autofree char *shown = NULL;

    g_setenv ("HF_ENDPOINT", endpoints[i], TRUE);
    resolver = bitnet_resolver_new ();
    g_object_set (resolver, "tokenizer-repo", "owner/name", NULL);
    tokenizer = resolve (resolver, bare, &resolution);
    g_assert_nonnull (tokenizer);
    g_assert_true (get_boolean (resolution, "fallback"));
    attempts = g_variant_lookup_value (resolution, "attempts", NULL);
    shown = g_variant_print (attempts, FALSE);
    g_test_message ("%s: %s", endpoints[i], shown);
    g_assert_nonnull (strstr (shown, "the hub cannot be asked: "));
  }
  g_unsetenv ("HF_ENDPOINT");
}

/* Every subset of the four names, in their order; half of a pair is nothing. */
static void
test_subsets (Fixture *self, gconstpointer data)
{
  enum { JSON = 1, MODEL = 2, VOCAB = 4, MERGES = 8, ALL = 16 };

  for (guint subset = 0; subset < ALL; subset++) {
    g_autofree char *folder = g_strdup_printf ("%u/models", subset);
    g_autofree char *model = g_build_filename (folder, "model.gguf", NULL);
    g_autofree char *json = g_build_filename (folder, "tokenizer.json", NULL);
    g_autofree char *spm = g_build_filename (folder, "tokenizer.model", NULL);
    g_autofree char *vocab = g_build_filename (folder, "vocab.txt", NULL);
    g_autofree char *merges = g_build_filename (folder, "merges.txt", NULL);
    g_autofree char *path = write_bare (self, model, 0);
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GVariant) resolution = NULL;
    const char *expected = subset & JSON    ? "tokenizer.json"
                           : subset & MODEL ? "tokenizer.model"
                           : subset & VOCAB ? "vocab.txt"
                                            : NULL;

    if (subset & JSON)
      write_json (self, json);
    if (subset & MODEL)
      write_sentencepiece (self, spm);
    if (subset & VOCAB)
      write_text (self, vocab,
          "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n,\nworld\n!\n##s\n");
    if (subset & MERGES)
      write_text (self, merges, "#version: 0.2\na b\n");
    tokenizer = resolve (resolver, path, &resolution);
    g_test_message ("%u: %s", subset, get_string (resolution, "source"));
    g_assert_cmpstr (get_string (resolution, "strategy"), ==,
        expected ? "generic" : "backup");
    if (expected)
      g_assert_true (
          g_str_has_suffix (get_string (resolution, "source"), expected));
  }
}

/* A file that cannot be read is reported and the next one is tried. */
static void
test_next (Fixture *self, gconstpointer data)
{
  g_autofree char *model = write_bare (self, "a/b/model.gguf", 0);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  write_text (self, "a/b/tokenizer.json", "{\"version\":\"1.0\",");
  write_sentencepiece (self, "a/b/tokenizer.model");
  expect (resolver, model,
      "model-embedded NO_EMBEDDED_TOKENIZER; generic TOKENIZER; generic ok");
  tokenizer = resolve (resolver, model, &resolution);
  g_assert_true (
      g_str_has_suffix (get_string (resolution, "source"), "/tokenizer.model"));
  g_assert_cmpstr (bitnet_tokenizer_get_algorithm (tokenizer), ==, "spm");
  g_clear_object (&tokenizer); /* who has one shares it */
  write_text (self, "a/b/tokenizer.model", "<html>");
  expect (resolver, model,
      "model-embedded NO_EMBEDDED_TOKENIZER; generic TOKENIZER; "
      "generic TOKENIZER; local-cache NO_SOURCE; huggingface NO_SOURCE; "
      "backup ok");
}

/* The two models that the request names. */
static void
test_invalid_model (Fixture *self, gconstpointer data)
{
  g_autofree char *path = test_folder_write (
      self->folder, "tests/data/invalid_model.gguf", "GGUF\3\0\0\0 and no", 16);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = resolve (resolver, path, &resolution);

  g_assert_nonnull (tokenizer);
  g_assert_true (get_boolean (resolution, "fallback"));
  expect_strict (path, "INVALID_MODEL");
}

static void
test_without_tokenizer (Fixture *self, gconstpointer data)
{
  g_autofree char *path =
      write_bare (self, "tests/data/model_without_tokenizer.gguf", N_ROWS);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = resolve (resolver, path, &resolution);
  g_autoptr (GError) error = NULL;
  g_autofree guint32 *ids = NULL;
  g_autofree char *decoded = NULL;
  gsize n_ids;

  g_assert_true (get_boolean (resolution, "fallback"));
  g_assert_cmpuint (count_warnings (resolution), ==, 1);
  g_assert_cmpuint (bitnet_tokenizer_get_vocab_size (tokenizer), ==, N_ROWS);
  ids = bitnet_tokenizer_encode (
      tokenizer, "Hello, world!", -1, 0, &n_ids, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n_ids, >=, 1);
  decoded = bitnet_tokenizer_decode (tokenizer, ids, n_ids, 0, NULL, &error);
  g_assert_cmpstr (decoded, ==, "Hello, world!");
  expect_strict (path, "NO_SOURCE");
}

/* What a remembered resolution is remembered for. */
static char *
make_key (const char *path)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) error = NULL;
  BnResolveOptions options;
  char *key;

  model = bitnet_model_new_from_file (path, NULL, &error);
  g_assert_no_error (error);
  bn_resolve_options_init (&options);
  key = bn_record_make_key (model, NULL, &options);
  bn_resolve_options_clear (&options);
  g_assert_cmpuint (strspn (key, "0123456789abcdef"), ==, KEY_SIZE);
  g_assert_cmpuint (strlen (key), ==, KEY_SIZE);
  return key;
}

static void
append (const char *path)
{
  g_autofree char *contents = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  /* The zero behind it. */
  g_assert_true (g_file_set_contents (path, contents, (gssize) size + 1, NULL));
}

static void
set_time (const char *path, time_t seconds)
{
  const struct utimbuf times = {seconds, seconds};

  g_assert_cmpint (g_utime (path, (struct utimbuf *) &times), ==, 0);
}

static void
test_key (Fixture *self, gconstpointer data)
{
  g_autofree char *path = write_complete (self, "a/b/model.gguf");
  g_autofree char *moved =
      g_build_filename (self->folder, "a/moved.gguf", NULL);
  g_autofree char *first = make_key (path);
  g_autofree char *again = make_key (path);
  g_autofree char *touched = NULL;
  g_autofree char *longer = NULL;
  g_autofree char *elsewhere = NULL;

  g_assert_cmpstr (again, ==, first);
  set_time (path, OTHER_TIME);
  touched = make_key (path);
  g_assert_cmpstr (touched, !=, first);
  append (path);
  set_time (path, OTHER_TIME);
  longer = make_key (path);
  g_assert_cmpstr (longer, !=, touched);
  g_assert_cmpint (g_rename (path, moved), ==, 0);
  elsewhere = make_key (moved);
  g_assert_cmpstr (elsewhere, !=, longer);
}

static gboolean
is_remembered (const char *path)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = resolve (resolver, path, &resolution);
  g_autofree char *attempts = show_attempts (resolution);

  g_assert_cmpstr (get_string (resolution, "strategy"), ==, "generic");
  g_assert_cmpint (
      get_boolean (resolution, "from-cache"), ==, *attempts == '\0');
  return get_boolean (resolution, "from-cache");
}

/* The same with the resolver: whatever changes, it looks again, once. */
static void
test_remembered (Fixture *self, gconstpointer data)
{
  g_autofree char *path = write_bare (self, "a/b/model.gguf", N_ROWS);
  g_autofree char *json =
      g_build_filename (self->folder, "a/b/tokenizer.json", NULL);
  g_autofree char *other = g_build_filename (self->folder, "a/b/o.gguf", NULL);

  write_json (self, "a/b/tokenizer.json");
  g_assert_false (is_remembered (path));
  g_assert_true (is_remembered (path));
  set_time (path, OTHER_TIME);
  g_assert_false (is_remembered (path));
  g_assert_true (is_remembered (path));
  append (path);
  g_assert_false (is_remembered (path));
  g_assert_true (is_remembered (path));
  g_assert_cmpint (g_rename (path, other), ==, 0);
  g_assert_false (is_remembered (other));
  g_assert_true (is_remembered (other));
  /* So does what was found. */
  set_time (json, OTHER_TIME);
  g_assert_false (is_remembered (other));
  g_assert_true (is_remembered (other));
}

/* A vocabulary that does not say in a known way how text is cut: the other
 * strategies first, then the usual way with a warning that is said each time;
 * strict mode refuses it. */
static void
test_unknown_pre (Fixture *self, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autofree char *path = NULL;
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();

  test_vocab_set_string (vocab, "tokenizer.ggml.pre", "nobody-knows");
  path = write_vocab (self, "a/b/model.gguf", vocab);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GVariant) resolution = NULL;
    g_autoptr (BitnetTokenizer) tokenizer =
        resolve (resolver, path, &resolution);
    g_autofree char *attempts = show_attempts (resolution);

    g_assert_cmpstr (attempts, ==,
        "model-embedded UNKNOWN_PRETOKENIZER; generic NOT_FOUND; "
        "local-cache NO_SOURCE; huggingface NO_SOURCE; model-embedded ok");
    g_assert_cmpuint (count_warnings (resolution), ==, 1);
    g_assert_false (get_boolean (resolution, "fallback"));
  }
  expect_strict (path, "UNKNOWN_PRETOKENIZER");
}

/* Two tokenizers beside a model that both have its size: the first with a
 * warning; strict mode wants to be told. */
static void
test_ambiguous (Fixture *self, gconstpointer data)
{
  g_autofree char *path = write_bare (self, "a/b/model.gguf", N_ROWS);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetResolver) strict = bitnet_resolver_new ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  write_json (self, "a/b/tokenizer.json");
  g_object_set (strict, "strict", TRUE, NULL);
  expect (strict, path, "model-embedded NO_EMBEDDED_TOKENIZER; generic ok");

  write_pair (self, "a/b");
  g_free (write_bare (self, "a/b/model.gguf", N_ROWS));
  tokenizer = resolve (resolver, path, &resolution);
  g_assert_true (
      g_str_has_suffix (get_string (resolution, "source"), "/tokenizer.json"));
  g_assert_cmpuint (count_warnings (resolution), ==, 1);
  expect_strict (path, "AMBIGUOUS");
}

#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/fallback/B07/primary", test_primary);
  ADD ("/fallback/B12/extension", test_extension);
  ADD ("/fallback/B29/missing", test_missing);
  ADD ("/fallback/B14/no-client", test_no_client);
  ADD ("/fallback/B17/key", test_key);
  ADD ("/fallback/B17-B22/remembered", test_remembered);
  ADD ("/fallback/B18-C10/subsets", test_subsets);
  ADD ("/fallback/B19/next", test_next);
  ADD ("/fallback/B29/invalid-model", test_invalid_model);
  ADD ("/fallback/B30/no-tokenizer", test_without_tokenizer);
  ADD ("/fallback/strict/unknown-pre", test_unknown_pre);
  ADD ("/fallback/strict/ambiguous", test_ambiguous);
  return g_test_run ();
}
