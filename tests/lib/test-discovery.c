/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetDiscovery: numbers, names and families of models that are written
 * here, folders and split models, and files that are no models. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "discovery-fixture.h"
#include "gguf/bn-gguf.h"

#define KEY "tokenizer.ggml."

enum {
  HIDDEN_SIZE = 2,
  DEADLINE_S = 30,
};

static void
test_llama3 (Fixture *self, gconstpointer data)
{
  static const ModelKind kind = {.architecture = "llama",
      .kind = "gpt2",
      .n_tokens = 128256,
      .landmarks = "llama-3",
      .n_rows = 128256,
      .vocab_size = 128256,
      .has_merges = TRUE,
      .strings = {"general.name", "An 8B", NULL}};
  g_autoptr (BitnetDiscovery) discovery =
      fixture_discover (self, "m.gguf", &kind);
  g_autoptr (BitnetDiscovery) again =
      bitnet_discovery_new_from_model (bitnet_discovery_get_model (discovery));

  g_assert_cmpuint (bitnet_discovery_get_n_rows (discovery), ==, 128256);
  g_assert_cmpuint (bitnet_discovery_get_n_tokens (discovery), ==, 128256);
  g_assert_cmpstr (bitnet_discovery_get_family (discovery), ==, "llama-3");
  g_assert_cmpstr (
      bitnet_discovery_get_implied_pre (discovery), ==, "llama-bpe");
  g_assert_null (bitnet_discovery_get_pre (discovery));
  g_assert_cmpstr (bitnet_discovery_get_architecture (discovery), ==, "llama");
  g_assert_cmpstr (bitnet_discovery_get_name (discovery), ==, "An 8B");
  g_assert_cmpstr (bitnet_discovery_get_quantization (discovery), ==, "F32");
  g_assert_cmpstr (
      bitnet_discovery_get_tokenizer_model (discovery), ==, "gpt2");
  g_assert_true (bitnet_discovery_has_embedded_tokenizer (discovery));
  g_assert_cmpstr (bitnet_discovery_get_family (again), ==, "llama-3");
  g_assert_cmpstr (bitnet_discovery_get_path (again), ==,
      bitnet_discovery_get_path (discovery));
}

static void
test_gpt2 (Fixture *self, gconstpointer data)
{
  static const ModelKind kind = {.architecture = "gpt2",
      .kind = "gpt2",
      .pre = "gpt-2",
      .n_tokens = 50257,
      .landmarks = "gpt-2",
      .n_rows = 50257,
      .has_merges = TRUE,
      .strings = {"general.basename", "Small", NULL}};
  g_autoptr (BitnetDiscovery) discovery =
      fixture_discover (self, "m.gguf", &kind);

  g_assert_cmpuint (bitnet_discovery_get_n_rows (discovery), ==, 50257);
  g_assert_cmpuint (bitnet_discovery_get_n_tokens (discovery), ==, 50257);
  g_assert_cmpuint (
      bitnet_discovery_get_default_vocab_size (discovery), ==, 50257);
  g_assert_cmpstr (bitnet_discovery_get_architecture (discovery), ==, "gpt2");
  g_assert_cmpstr (bitnet_discovery_get_name (discovery), ==, "Small");
  g_assert_cmpstr (bitnet_discovery_get_pre (discovery), ==, "gpt-2");
  g_assert_null (bitnet_discovery_get_implied_pre (discovery));
  g_assert_cmpstr (bitnet_discovery_get_family (discovery), ==, "gpt-2");
  g_assert_cmpstr (fixture_get_candidate (discovery, 0)->repository, ==,
      "openai-community/gpt2");
}

/* Where the number of rows comes from; the width of the hidden state is never
 * it. */
static void
test_rows (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *name;
    ModelKind kind;
    guint n_rows, n_tokens;
  } cases[] = {
      {"embedding",
          {.architecture = "x",
              .n_rows = 300,
              .n_output = 200,
              .vocab_size = 100,
              .kind = "llama",
              .n_tokens = 50},
          300, 50},
      {"output",
          {.architecture = "x",
              .n_output = 200,
              .vocab_size = 100,
              .kind = "llama",
              .n_tokens = 50},
          200, 50},
      {"key",
          {.architecture = "x",
              .vocab_size = 100,
              .kind = "llama",
              .n_tokens = 50},
          100, 50},
      {"tokens", {.architecture = "x", .kind = "llama", .n_tokens = 50}, 50,
          50},
      {"nothing", {.architecture = "x"}, 0, 0},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = g_strconcat (cases[i].name, ".gguf", NULL);
    g_autoptr (BitnetDiscovery) discovery =
        fixture_discover (self, name, &cases[i].kind);

    g_test_message ("%s", cases[i].name);
    g_assert_cmpuint (
        bitnet_discovery_get_n_rows (discovery), ==, cases[i].n_rows);
    g_assert_cmpuint (
        bitnet_discovery_get_n_tokens (discovery), ==, cases[i].n_tokens);
    g_assert_cmpstr (bitnet_discovery_get_name (discovery), ==, cases[i].name);
  }
}

static void
test_embedded (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *name;
    ModelKind kind;
    gboolean is_embedded;
  } cases[] = {
      {"spm", {.kind = "llama", .n_tokens = 9}, TRUE},
      {"bpe", {.kind = "gpt2", .n_tokens = 9, .has_merges = TRUE}, TRUE},
      {"bert", {.kind = "bert", .n_tokens = 9}, TRUE},
      {"ranks", {.kind = "gpt2", .pre = "kimi-k2", .n_tokens = 9}, TRUE},
      {"json", {.strings = {"tokenizer.huggingface.json", "{}", NULL}}, TRUE},
      {"no-merges", {.kind = "gpt2", .n_tokens = 9}, FALSE},
      {"raw-no-merges", {.kind = "gemma4", .n_tokens = 9}, FALSE},
      {"no-kind", {.n_tokens = 9}, FALSE},
      {"kind-none", {.kind = "none", .n_tokens = 9}, FALSE},
      {"no-vocab", {.kind = "no_vocab", .n_tokens = 9}, FALSE},
      {"ids-alone", {.bos = 1, .eos = 2}, FALSE},
      {"kind-and-ids", {.kind = "llama", .bos = 1, .eos = 2}, FALSE},
      {"nothing", {.n_rows = 9}, FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = g_strconcat (cases[i].name, ".gguf", NULL);
    g_autoptr (BitnetDiscovery) discovery =
        fixture_discover (self, name, &cases[i].kind);

    g_test_message ("%s", cases[i].name);
    g_assert_cmpint (bitnet_discovery_has_embedded_tokenizer (discovery), ==,
        cases[i].is_embedded);
  }
}

/* What differs between the variants of a family is in the file: its ids win
 * over those that the kind usually has. */
static void
test_variants (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *family;
    ModelKind kind;
    guint32 bos, eos;
    gboolean add_bos;
  } cases[] = {
      {"llama-2", {.kind = "llama", .n_tokens = 32000}, 1, 2, TRUE},
      {"code-llama", {.kind = "llama", .n_tokens = 32016}, 1, 2, TRUE},
      {"llama-2", {.kind = "llama", .n_tokens = 32000, .bos = 7, .eos = 31999},
          7, 31999, TRUE},
      {"llama-3",
          {.kind = "gpt2",
              .n_tokens = 128256,
              .bos = 128000,
              .eos = 128009,
              .has_merges = TRUE},
          128000, 128009, TRUE},
      {"gpt-2",
          {.architecture = "gpt2",
              .kind = "gpt2",
              .n_tokens = 50257,
              .bos = 50256,
              .eos = 50256,
              .has_merges = TRUE},
          50256, 50256, FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    ModelKind kind = cases[i].kind;
    g_autoptr (BitnetDiscovery) discovery = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GError) error = NULL;

    kind.landmarks = cases[i].family;
    discovery = fixture_discover (self, "m.gguf", &kind);
    g_assert_cmpstr (
        bitnet_discovery_get_family (discovery), ==, cases[i].family);
    tokenizer = bitnet_tokenizer_new_from_model (
        bitnet_discovery_get_model (discovery), NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (
        bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_BOS), ==,
        cases[i].bos);
    g_assert_cmpuint (
        bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_EOS), ==,
        cases[i].eos);
    g_assert_cmpint (
        bitnet_tokenizer_get_add_bos (tokenizer), ==, cases[i].add_bos);
    g_assert_cmpuint (
        bitnet_tokenizer_get_vocab_size (tokenizer), ==, kind.n_tokens);
  }
}

static void
test_default_size (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *file, *architecture, *name;
    guint size;
  } cases[] = {
      {"a.gguf", "llama", "x", 32000},
      {"b.gguf", "llama", "Llama 3 8B", 128256},
      {"c.gguf", "llama", "Meta-Llama-3.1", 128256},
      {"d.gguf", "llama", "llama3", 128256},
      {"llama-3-8b.gguf", "llama", "x", 128256},
      {"llama-2-7b.gguf", "llama", "x", 32000},
      {"e.gguf", "gpt2", "llama-3", 50257},
      {"f.gguf", "bert", "x", 30522},
      {"g.gguf", "t5", "x", 32128},
      {"h.gguf", "falcon", "x", 0},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const ModelKind kind = {.architecture = cases[i].architecture,
        .strings = {"general.name", cases[i].name, NULL}};
    g_autoptr (BitnetDiscovery) discovery =
        fixture_discover (self, cases[i].file, &kind);

    g_assert_cmpuint (
        bitnet_discovery_get_default_vocab_size (discovery), ==, cases[i].size);
  }
}

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

/* The cause of a file that cannot be read, which is no error of the look. */
static void
test_no_models (Fixture *self, gconstpointer data)
{
#define BYTES(text) text, sizeof text - 1
  static const struct {
    const char *name;
    const char *data;
    gssize size;
    const char *message;
  } cases[] = {
      {"empty", BYTES (""), "empty"},
      {"garbage", BYTES ("\x7f\x45\x4c\x46 no model at all"), "GGUF"},
      {"magic-alone", BYTES ("GGUF"), "version"},
      {"version-0", BYTES ("GGUF\0\0\0\0"), "version 0"},
      {"version-4", BYTES ("GGUF\4\0\0\0"), "version 4"},
      {"big-endian", BYTES ("GGUF\0\0\0\3"), "big-endian"},
      {"cut-header", BYTES ("GGUF\3\0\0\0\1\0"), "cut-header"},
      {"many-keys",
          BYTES ("GGUF\3\0\0\0\0\0\0\0\0\0\0\0"
                 "\xff\xff\xff\xff\xff\xff\xff\x7f"),
          "16"},
      {"safetensors", BYTES ("\x40\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F16\"}}"),
          "safetensors"},
      {"zip", BYTES ("PK\3\4 weights"), "GGUF"},
      {"no-keys", BYTES ("GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
          "general.architecture"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = fixture_get_path (self, cases[i].name);
    g_autoptr (BitnetDiscovery) discovery = NULL;
    const GError *error;

    fixture_write_file (self, cases[i].name, cases[i].data, cases[i].size);
    discovery = fixture_discover_path (path);
    error = bitnet_discovery_get_error (discovery);
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_MODEL);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, cases[i].message));
    g_assert_nonnull (strstr (error->message, path));
    g_assert_null (bitnet_discovery_get_model (discovery));
    g_assert_null (bitnet_discovery_get_architecture (discovery));
    g_assert_null (bitnet_discovery_get_quantization (discovery));
    g_assert_null (bitnet_discovery_get_family (discovery));
    g_assert_cmpstr (bitnet_discovery_get_name (discovery), ==, cases[i].name);
    g_assert_cmpuint (bitnet_discovery_get_n_rows (discovery), ==, 0);
    g_assert_false (bitnet_discovery_has_embedded_tokenizer (discovery));
    g_assert_null (fixture_get_candidate (discovery, 0));
  }
}

/* Cut anywhere, a file is either whole enough or no model. */
static void
test_cut (Fixture *self, gconstpointer data)
{
  static const ModelKind kind = {.architecture = "llama",
      .kind = "gpt2",
      .n_tokens = 20,
      .n_rows = 20,
      .has_merges = TRUE,
      .strings = {"general.name", "x", NULL}};
  g_autofree char *path = fixture_write_model (self, "m.gguf", &kind);
  GStatBuf status;
  guint n_models = 0;

  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_size, >, 100);
  for (goffset size = status.st_size; size >= 0; size--) {
    g_autoptr (BitnetDiscovery) discovery = NULL;

    g_assert_cmpint (truncate (path, size), ==, 0);
    discovery = fixture_discover_path (path);
    if (bitnet_discovery_get_model (discovery))
      n_models++;
    else
      g_assert_error (bitnet_discovery_get_error (discovery), BITNET_ERROR,
          BITNET_ERROR_INVALID_MODEL);
  }
  g_assert_cmpuint (n_models, >=, 1);
  g_assert_cmpuint (n_models, <, 64); /* padding behind the data */
}

/* What is known of the path is used also without a model. */
static void
test_path_only (Fixture *self, gconstpointer data)
{
  g_autofree char *path = fixture_get_path (self,
      "models--meta-llama--Meta-Llama-3-8B/snapshots/" COMMIT
      "/m-00001-of-00002.gguf");
  g_autofree char *missing = fixture_get_path (self, "gone.gguf");
  g_autoptr (BitnetDiscovery) broken = NULL,
                              gone = fixture_discover_path (missing);
  g_autofree char *candidates = NULL;
  g_auto (GStrv) nearest = NULL;

  fixture_write_file (self,
      "models--meta-llama--Meta-Llama-3-8B/snapshots/" COMMIT
      "/m-00001-of-00002.gguf",
      "no model", -1);
  broken = fixture_discover_path (path);
  candidates = fixture_show_candidates (broken);
  g_assert_true (g_str_has_prefix (candidates,
      "exact meta-llama/Meta-Llama-3-8B gated; compatible "
      "NousResearch/Meta-Llama-3-8B equivalent"));
  g_assert_cmpstr (bitnet_discovery_get_name (broken), ==, "m");
  nearest = bitnet_discovery_list_nearest_families (broken);
  g_assert_null (nearest[0]);
  g_assert_error (
      bitnet_discovery_get_error (gone), BITNET_ERROR, BITNET_ERROR_NOT_FOUND);
  g_assert_nonnull (
      strstr (bitnet_discovery_get_error (gone)->message, "gone.gguf"));
}

/* Folders: the files in them, and which of these is meant. */
static void
test_folders (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *name;
    const char *files[6];
    const char *model;   /* NULL: none */
    const char *message; /* of why there is none */
  } cases[] = {
      {"one", {"a.gguf", "tokenizer.json"}, "a.gguf", NULL},
      {"upper", {"A.GGUF"}, "A.GGUF", NULL},
      {"projector", {"a.gguf", "mmproj-a.gguf"}, "a.gguf", NULL},
      {"hidden", {"a.gguf", ".b.gguf"}, "a.gguf", NULL},
      {"none", {"tokenizer.json"}, NULL, "no GGUF file"},
      {"several", {"b.gguf", "a.gguf"}, NULL, "2 GGUF files"},
  };
  static const ModelKind kind = {.architecture = "x"};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *folder = fixture_get_path (self, cases[i].name);
    g_autoptr (BitnetDiscovery) discovery = NULL;
    const GError *error;

    for (gsize j = 0; cases[i].files[j]; j++) {
      g_autofree char *name =
          g_build_filename (cases[i].name, cases[i].files[j], NULL);

      g_free (fixture_write_model (self, name, &kind));
    }
    discovery = fixture_discover_path (folder);
    error = bitnet_discovery_get_error (discovery);
    g_test_message ("%s", cases[i].name);
    if (cases[i].model) {
      g_autofree char *path = g_build_filename (folder, cases[i].model, NULL);

      g_assert_no_error (error);
      g_assert_cmpstr (
          bitnet_model_get_path (bitnet_discovery_get_model (discovery)), ==,
          path);
    } else {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_MODEL);
      g_assert_nonnull (strstr (error->message, cases[i].message));
      g_assert_nonnull (strstr (error->message, folder));
      g_assert_cmpstr (
          bitnet_discovery_get_name (discovery), ==, cases[i].name);
    }
  }
}

/* A split model: any part leads to the whole; so does its folder. */
static void
test_split (Fixture *self, gconstpointer data)
{
  static const char *const names[] = {
      "s/mistral-00001-of-00002.gguf", "s/mistral-00002-of-00002.gguf", "s"};
  const uint64_t shape[] = {HIDDEN_SIZE, 32000};
  g_autofree float *values = g_new0 (float, HIDDEN_SIZE * 32000);

  fixture_write_file (self, "s/config.json", "{\"_name_or_path\":\"o/n\"}", -1);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = fixture_get_path (self, names[i]);
    g_autoptr (GError) error = NULL;
    g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, &error);

    g_assert_no_error (error);
    bn_gguf_writer_add_uint32 (writer, "split.no", i);
    bn_gguf_writer_add_uint32 (writer, "split.count", 2);
    bn_gguf_writer_add_uint32 (writer, "split.tensors.count", 1);
    if (i == 0)
      bn_gguf_writer_add_string (writer, "general.architecture", "llama");
    else
      bn_gguf_writer_add_tensor (
          writer, "token_embd.weight", BN_TYPE_F32, 2, shape);
    if (i == 1)
      bn_gguf_writer_write (
          writer, values, HIDDEN_SIZE * 32000 * sizeof *values, &error);
    g_assert_no_error (error);
    bn_gguf_writer_finish (writer, &error);
    g_assert_no_error (error);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = fixture_get_path (self, names[i]);
    g_autoptr (BitnetDiscovery) discovery = fixture_discover_path (path);
    g_autofree char *candidates = fixture_show_candidates (discovery);

    g_assert_no_error (bitnet_discovery_get_error (discovery));
    g_assert_cmpuint (bitnet_discovery_get_n_rows (discovery), ==, 32000);
    g_assert_cmpstr (bitnet_discovery_get_name (discovery), ==, "mistral");
    g_assert_cmpstr (bitnet_discovery_get_family (discovery), ==, "mistral");
    g_assert_true (g_str_has_prefix (candidates, "probable o/n; compatible "
                                                 "mistralai/Mistral-7B-v0.1"));
  }
}

typedef struct {
  BitnetDiscovery *discovery;
  GError *error;
  gboolean is_done;
} Async;

static void
on_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Async *self = user_data;

  self->discovery = bitnet_discovery_new_for_path_finish (result, &self->error);
  self->is_done = TRUE;
}

static void
run_async (const char *path, GCancellable *cancellable, Async *async)
{
  gint64 deadline_us = g_get_monotonic_time () + DEADLINE_S * G_USEC_PER_SEC;

  bitnet_discovery_new_for_path_async (
      path, G_PRIORITY_DEFAULT, cancellable, on_done, async);
  g_assert_false (async->is_done);
  while (!async->is_done) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
    g_main_context_iteration (NULL, TRUE);
  }
}

static void
test_async (Fixture *self, gconstpointer data)
{
  static const ModelKind kind = {.architecture = "falcon", .n_rows = 65024};
  g_autofree char *path = fixture_write_model (self, "m.gguf", &kind);
  g_autofree char *missing = fixture_get_path (self, "gone.gguf");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Async found = {NULL}, gone = {NULL}, cancelled = {NULL};

  run_async (path, NULL, &found);
  g_assert_no_error (found.error);
  g_assert_cmpstr (bitnet_discovery_get_family (found.discovery), ==, "falcon");
  run_async (missing, NULL, &gone);
  g_assert_no_error (gone.error);
  g_assert_nonnull (bitnet_discovery_get_error (gone.discovery));
  g_cancellable_cancel (cancellable);
  run_async (path, cancellable, &cancelled);
  g_assert_error (cancelled.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (bitnet_discovery_new_for_path (path, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_object_unref (found.discovery);
  g_object_unref (gone.discovery);
  g_error_free (cancelled.error);
}

static const char *
lookup (GVariant *dict, const char *key)
{
  const char *text = NULL;

  g_variant_lookup (dict, key, "&s", &text);
  return text;
}

static void
test_variant (Fixture *self, gconstpointer data)
{
  static const ModelKind kind = {.architecture = "falcon",
      .kind = "gpt2",
      .n_tokens = 65024,
      .landmarks = "falcon"};
  g_autoptr (BitnetDiscovery) discovery =
      fixture_discover (self, "m.gguf", &kind);
  g_autoptr (BitnetDiscovery) none = NULL;
  g_autoptr (GVariant) dict = bitnet_discovery_to_variant (discovery);
  g_autoptr (GVariant) empty = NULL;
  g_autoptr (GVariant) candidates = NULL;
  g_autoptr (GVariant) candidate = NULL;
  g_auto (GStrv) nearest = bitnet_discovery_list_nearest_families (discovery);
  g_autofree char *missing = fixture_get_path (self, "gone.gguf");
  guint32 number = 0;
  gboolean flag = TRUE;

  g_assert_cmpstr (
      lookup (dict, "path"), ==, bitnet_discovery_get_path (discovery));
  g_assert_cmpstr (lookup (dict, "architecture"), ==, "falcon");
  g_assert_cmpstr (lookup (dict, "name"), ==, "m");
  g_assert_cmpstr (lookup (dict, "quantization"), ==, "none");
  g_assert_cmpstr (lookup (dict, "tokenizer-model"), ==, "gpt2");
  g_assert_cmpstr (lookup (dict, "implied-pre"), ==, "falcon");
  g_assert_cmpstr (lookup (dict, "family"), ==, "falcon");
  g_assert_null (lookup (dict, "pre"));
  g_assert_null (lookup (dict, "error"));
  g_assert_true (g_variant_lookup (dict, "rows", "u", &number));
  g_assert_cmpuint (number, ==, 65024);
  g_assert_true (g_variant_lookup (dict, "tokens", "u", &number));
  g_assert_cmpuint (number, ==, 65024);
  g_assert_true (g_variant_lookup (dict, "embedded-tokenizer", "b", &flag));
  g_assert_false (flag); /* no merges */
  candidates =
      g_variant_lookup_value (dict, "candidates", G_VARIANT_TYPE ("aa{sv}"));
  g_assert_cmpuint (g_variant_n_children (candidates), ==, 1);
  candidate = g_variant_get_child_value (candidates, 0);
  g_assert_cmpstr (lookup (candidate, "repository"), ==, "tiiuae/falcon-7b");
  g_assert_cmpstr (lookup (candidate, "confidence"), ==, "compatible");
  g_assert_cmpstr (nearest[0], ==, "Falcon 7B, 40B, 11B (tiiuae/falcon-7b)");
  g_assert_cmpuint (g_strv_length (nearest), ==, 3);

  none = fixture_discover_path (missing);
  empty = bitnet_discovery_to_variant (none);
  g_assert_nonnull (lookup (empty, "error"));
  g_assert_null (lookup (empty, "architecture"));
  g_assert_false (g_variant_lookup (empty, "rows", "u", &number));
}

/* Vocabularies of real models, most of them without a tensor. */
static const struct {
  const char *name, *architecture, *kind, *pre;
  guint n_tokens;
  const char *family; /* NULL: none is known */
} references[] = {
    {"bert-bge", "bert", "bert", "bert-bge", 30522, "bert"},
    {"deepseek-coder", "llama", "gpt2", "deepseek-coder", 32256,
        "deepseek-coder"},
    {"falcon", "falcon", "gpt2", "falcon", 65024, "falcon"},
    {"gemma-4", "gemma4", "gemma4", NULL, 262144, "gemma-4"},
    {"gpt-2", "gpt2", "gpt2", "gpt-2", 50257, "gpt-2"},
    {"llama-bpe", "llama", "gpt2", "llama-bpe", 128256, "llama-3"},
    {"llama-spm", "llama", "llama", "default", 32000, "llama-2"},
    {"nomic-bert-moe", "nomic-bert-moe", "t5", "default", 250048, "xlm-r"},
    {"qwen2", "qwen2", "gpt2", "qwen2", 151936, "qwen2"},
    {"starcoder", "starcoder2", "gpt2", "starcoder", 49152, "starcoder2"},
};

/* The same file without the key tokenizer.ggml.pre: the vocabulary tells. */
static void
check_repair (const char *path, const char *pre)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-repair-XXXXXX", NULL);
  g_autofree char *copy = g_build_filename (folder, "copy.gguf", NULL);
  g_autoptr (BnGguf) gguf = bn_gguf_open (path, NULL, NULL);
  g_autoptr (BitnetDiscovery) discovery = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;
  BnGgufWriter *writer = bn_gguf_writer_new (copy, &error);

  g_assert_no_error (error);
  for (size_t i = 0; i < bn_gguf_get_n_kvs (gguf); i++) {
    const BnGgufKv *kv = bn_gguf_get_kv (gguf, i);

    if (strcmp (kv->key, KEY "pre") != 0)
      bn_gguf_writer_add_kv (writer, kv);
  }
  bn_gguf_writer_finish (writer, &error);
  g_assert_no_error (error);
  bn_gguf_writer_free (writer);
  discovery = fixture_discover_path (copy);
  g_assert_cmpstr (bitnet_discovery_get_implied_pre (discovery), ==, pre);
  tokenizer = bitnet_tokenizer_new_from_model (
      bitnet_discovery_get_model (discovery), NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_tokenizer_get_pre (tokenizer), ==, pre);
  fixture_remove_tree (folder);
}

static void
test_reference (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  const char *root = g_getenv ("BITNET_REFERENCE_DATA");
  g_autofree char *name = g_strconcat (references[i].name, ".gguf", NULL);
  g_autofree char *path =
      g_build_filename (root ? root : "", "vocab", name, NULL);
  g_autoptr (BitnetDiscovery) discovery = NULL;

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("no reference data");
    return;
  }
  discovery = fixture_discover_path (path);
  g_assert_no_error (bitnet_discovery_get_error (discovery));
  g_assert_cmpstr (bitnet_discovery_get_architecture (discovery), ==,
      references[i].architecture);
  g_assert_cmpstr (
      bitnet_discovery_get_tokenizer_model (discovery), ==, references[i].kind);
  g_assert_cmpstr (bitnet_discovery_get_pre (discovery), ==, references[i].pre);
  g_assert_cmpuint (
      bitnet_discovery_get_n_tokens (discovery), ==, references[i].n_tokens);
  g_assert_cmpuint (
      bitnet_discovery_get_n_rows (discovery), ==, references[i].n_tokens);
  g_assert_cmpstr (
      bitnet_discovery_get_family (discovery), ==, references[i].family);
  g_assert_true (bitnet_discovery_has_embedded_tokenizer (discovery));
  if (strcmp (references[i].kind, "gpt2") == 0)
    check_repair (path, references[i].pre);
}

int
main (int argc, char **argv)
{
#define ADD(name, function)                                                    \
  g_test_add ("/discovery/" name, Fixture, NULL, fixture_set_up, function,     \
      fixture_tear_down)

  g_test_init (&argc, &argv, NULL);
  ADD ("C08/llama3-vocab", test_llama3);
  ADD ("C09/gpt2-meta", test_gpt2);
  ADD ("C05/rows", test_rows);
  ADD ("C05/embedded", test_embedded);
  ADD ("C05/default-size", test_default_size);
  ADD ("C35-C36/variants", test_variants);
  ADD ("B38/no-models", test_no_models);
  ADD ("B38/cut", test_cut);
  ADD ("B38/path-only", test_path_only);
  ADD ("C04/folders", test_folders);
  ADD ("C04/split", test_split);
  ADD ("C04/async", test_async);
  ADD ("C04/variant", test_variant);
  for (gsize i = 0; i < G_N_ELEMENTS (references); i++) {
    g_autofree char *path =
        g_strdup_printf ("/discovery/AC1/%s", references[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_reference);
  }
  return g_test_run ();
}
