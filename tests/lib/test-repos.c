/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The repositories inferred from each place that may name one, and the order
 * they have. */
#include <glib/gstdio.h>
#include <string.h>

#include "discovery-fixture.h"

/* What a file may name as its origin. */
static void
test_origins (Fixture *self, gconstpointer data)
{
#define BASE "general.base_model.0."
  static const struct {
    Strings strings;
    const char *candidates;
  } cases[] = {
      {{NULL}, ""},
      {{"general.source.huggingface.repository", "o/n"}, "exact o/n"},
      {{"general.source.huggingface.repository", "https://huggingface.co/o/n"},
          "exact o/n"},
      {{"general.source.huggingface.repository", "n"}, ""},
      {{"general.source.huggingface.repository", "../n"}, ""},
      {{"general.source.huggingface.repository", "/o/n"}, ""},
      {{"general.source.huggingface.repository", "o/n/m"}, ""},
      {{"general.source.huggingface.repository", "o/n\nx"}, ""},
      {{"general.source.huggingface.repository", "o/n?x"}, ""},
      {{BASE "repo_url", "https://huggingface.co/o/n"}, "exact o/n"},
      {{BASE "repo_url", "https://huggingface.co/o/n/"}, "exact o/n"},
      {{BASE "repo_url", "https://huggingface.co/o/n/tree/main"}, "exact o/n"},
      {{BASE "repo_url", "https://hf.co/o/n"}, "exact o/n"},
      {{BASE "repo_url", "https://HuggingFace.co/o/n"}, "exact o/n"},
      {{BASE "repo_url", "https://www.huggingface.co/o/n"}, "exact o/n"},
      {{BASE "repo_url", "https://huggingface.co/o/n?x=../y#z"}, "exact o/n"},
      {{BASE "repo_url", "o/n"}, ""}, /* no address */
      {{BASE "repo_url", "https://example.com/o/n"}, ""},
      {{BASE "repo_url", "https://huggingface.co.example.com/o/n"}, ""},
      {{BASE "repo_url", "https://huggingface.co@example.com/o/n"}, ""},
      {{BASE "repo_url", "https://example.com/huggingface.co/o/n"}, ""},
      {{BASE "repo_url", "https://huggingface.co/../n"}, ""},
      {{BASE "repo_url", "https://huggingface.co/o/.."}, ""},
      {{BASE "repo_url", "https://huggingface.co/o%2Fp/n"}, ""},
      {{BASE "repo_url", "https://huggingface.co/datasets/o/n"}, ""},
      {{BASE "repo_url", "https://huggingface.co/o"}, ""},
      {{BASE "repo_url", "https://huggingface.co/"}, ""},
      {{BASE "repo_url", "file:///o/n"}, ""},
      {{BASE "repo_url", "://"}, ""},
      {{BASE "organization", "o", BASE "name", "n"}, "exact o/n"},
      {{BASE "organization", "Meta Llama", BASE "name", "X 8B"},
          "probable Meta-Llama/X-8B"},
      {{BASE "organization", "..", BASE "name", "n"}, ""},
      {{BASE "organization", "o"}, ""},
      {{BASE "name", "n"}, ""},
      {{"general.base_model.1.repo_url", "https://huggingface.co/o/n"},
          "exact o/n"},
      {{"general.source.repo_url", "https://huggingface.co/o/n"}, "exact o/n"},
      {{"general.source.url", "https://huggingface.co/o/n"}, "exact o/n"},
      {{"general.repo_url", "https://huggingface.co/o/n"}, "exact o/n"},
      {{"general.source.url", "https://example.com/model"}, ""},
      /* The order of keys, each repository once. */
      {{"general.repo_url", "https://huggingface.co/o/d", "general.source.url",
           "https://huggingface.co/o/c", BASE "repo_url",
           "https://huggingface.co/o/b",
           "general.source.huggingface.repository", "o/a",
           "general.base_model.1.repo_url", "https://huggingface.co/O/A"},
          "exact o/a; exact o/b; exact o/c; exact o/d"},
      /* GGUF files alone come last among what was named. */
      {{"general.source.huggingface.repository", "o/n-GGUF", BASE "repo_url",
           "https://huggingface.co/o/n", BASE "organization", "An o",
           BASE "name", "n"},
          "exact o/n; exact o/n-GGUF; probable An-o/n"},
      {{"general.source.huggingface.repository", "microsoft/x-gguf",
           "general.repo_url", "https://huggingface.co/gguf/x"},
          "exact gguf/x; exact microsoft/x-gguf"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = g_strdup_printf ("%" G_GSIZE_FORMAT ".gguf", i);
    g_autoptr (BitnetDiscovery) discovery = NULL;
    g_autofree char *candidates = NULL;
    ModelKind kind = {.architecture = "x"};

    memcpy (kind.strings, cases[i].strings, sizeof kind.strings);
    discovery = fixture_discover (self, name, &kind);
    candidates = fixture_show_candidates (discovery);
    g_test_message ("%s", kind.strings[0] ? kind.strings[1] : "");
    g_assert_cmpstr (candidates, ==, cases[i].candidates);
  }
}

static void
test_reason (Fixture *self, gconstpointer data)
{
  static const ModelKind kind = {.architecture = "llama",
      .n_rows = 128256,
      .strings = {"general.base_model.0.repo_url",
          "https://huggingface.co/meta-llama/Meta-Llama-3-8B", NULL}};
  g_autoptr (BitnetDiscovery) discovery =
      fixture_discover (self, "m.gguf", &kind);
  g_autoptr (BitnetCandidate) named =
      bitnet_candidate_copy (fixture_get_candidate (discovery, 0));
  const BitnetCandidate *other = fixture_get_candidate (discovery, 1);

  g_assert_cmpstr (named->repository, ==, "meta-llama/Meta-Llama-3-8B");
  g_assert_cmpstr (named->reason, ==, "general.base_model.0.repo_url");
  g_assert_cmpstr (named->family, ==, "llama-3");
  g_assert_cmpint (named->confidence, ==, BITNET_CONFIDENCE_EXACT);
  g_assert_true (named->is_gated);
  g_assert_false (named->is_unique);
  g_assert_null (named->revision);
  g_assert_cmpstr (other->repository, ==, "NousResearch/Meta-Llama-3-8B");
  g_assert_cmpstr (other->reason, ==, "the family LLaMA-3");
  g_assert_true (other->is_equivalent);
  g_assert_false (other->is_gated);
}

/* config.json beside the model. */
static void
test_colocated (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *config; /* NULL: none */
    const char *candidates;
  } cases[] = {
      {NULL, ""},
      {"{\"_name_or_path\":\"o/n\"}", "probable o/n"},
      {"{\"a\":[1,{\"_name_or_path\":\"x/y\"}],\"_name_or_path\":\"o/n\"}",
          "probable o/n"},
      {"{\"_name_or_path\":\"\"}", ""},
      {"{\"_name_or_path\":\"n\"}", ""},
      {"{\"_name_or_path\":\"./o\"}", ""},
      {"{\"_name_or_path\":\"../o\"}", ""},
      {"{\"_name_or_path\":\"/home/o/n\"}", ""},
      {"{\"_name_or_path\":\"/o\"}", ""},
      {"{\"_name_or_path\":\"o/n/\"}", ""},
      {"{\"_name_or_path\":\"o\\\\n\"}", ""},
      {"{\"_name_or_path\":\"models/here\"}", ""}, /* which is a folder */
      {"{\"_name_or_path\":\"https://huggingface.co/o/n\"}", ""},
      {"{\"_name_or_path\":\"o/n\\u0000x\"}", ""},
      {"{\"_name_or_path\":1}", ""},
      {"{\"_name_or_path\":null}", ""},
      {"[\"_name_or_path\",\"o/n\"]", ""},
      {"{\"_name_or_path\":\"o/n\"", ""},
      {"no JSON", ""},
  };
  static const ModelKind kind = {.architecture = "x"};

  fixture_write_file (self, "models/here/x", "", 0);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetDiscovery) discovery = NULL;
    g_autofree char *candidates = NULL;

    if (cases[i].config)
      fixture_write_file (self, "config.json", cases[i].config, -1);
    discovery = fixture_discover (self, "m.gguf", &kind);
    candidates = fixture_show_candidates (discovery);
    g_test_message ("%s", cases[i].config);
    g_assert_cmpstr (candidates, ==, cases[i].candidates);
  }
}

/* A config.json that is no usual file harms nobody. */
static void
test_config_odd (Fixture *self, gconstpointer data)
{
  static const ModelKind kind = {.architecture = "x"};
  g_autofree char *path = fixture_get_path (self, "config.json");
  g_autofree char *padding = g_strnfill (2 << 20, ' ');
  g_autofree char *large =
      g_strconcat ("{\"_name_or_path\":\"o/n\"}", padding, NULL);
  g_autoptr (BitnetDiscovery) as_folder = NULL;
  g_autoptr (BitnetDiscovery) as_large = NULL;

  g_mkdir (path, 0700);
  as_folder = fixture_discover (self, "m.gguf", &kind);
  g_assert_null (fixture_get_candidate (as_folder, 0));
  g_rmdir (path);
  fixture_write_file (self, "config.json", large, -1);
  as_large = fixture_discover (self, "m.gguf", &kind);
  g_assert_null (fixture_get_candidate (as_large, 0));
}

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

/* The place where a model lies. */
static void
test_cache_path (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *path;
    const char *candidates;
  } cases[] = {
      {"hub/models--o--n/snapshots/" COMMIT "/m.gguf", "exact o/n"},
      {"hub/models--o--n/snapshots/" COMMIT "/sub/m.gguf", "exact o/n"},
      {"hub/models--o--n-GGUF/snapshots/" COMMIT "/m.gguf", "exact o/n-GGUF"},
      {"hub/models--gpt2/snapshots/" COMMIT "/m.gguf", ""},
      {"hub/datasets--o--n/snapshots/" COMMIT "/m.gguf", ""},
      {"hub/models--o--n/m.gguf", ""},
  };
  static const ModelKind kind = {.architecture = "x"};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetDiscovery) discovery =
        fixture_discover (self, cases[i].path, &kind);
    g_autofree char *candidates = fixture_show_candidates (discovery);

    g_test_message ("%s", cases[i].path);
    g_assert_cmpstr (candidates, ==, cases[i].candidates);
  }
}

/* All sources at once, surest first. */
static void
test_source (Fixture *self, gconstpointer data)
{
  static const ModelKind kind = {.architecture = "falcon",
      .n_rows = 65024,
      .strings = {"general.source.huggingface.repository", "a/key",
          "general.base_model.0.organization", "b c",
          "general.base_model.0.name", "name", NULL}};
  static const ModelKind gated = {.architecture = "gemma2", .n_rows = 256000};
  g_autoptr (BitnetDiscovery) discovery = NULL, other = NULL;
  g_autofree char *candidates = NULL, *others = NULL;

  fixture_write_file (self, "models--d--place/snapshots/" COMMIT "/config.json",
      "{\"_name_or_path\":\"e/config\"}", -1);
  discovery = fixture_discover (
      self, "models--d--place/snapshots/" COMMIT "/m.gguf", &kind);
  candidates = fixture_show_candidates (discovery);
  g_assert_cmpstr (candidates, ==,
      "exact a/key; exact d/place; probable b-c/name; probable e/config; "
      "compatible tiiuae/falcon-7b");
  g_assert_cmpstr (bitnet_discovery_get_family (discovery), ==, "falcon");
  g_assert_true (fixture_get_candidate (discovery, 4)->is_unique);

  other = fixture_discover (self, "n.gguf", &gated);
  others = fixture_show_candidates (other);
  g_assert_cmpstr (others, ==,
      "compatible google/gemma-2b gated; compatible unsloth/gemma-2b "
      "equivalent; compatible unsloth/gemma-2-2b equivalent");
}

int
main (int argc, char **argv)
{
#define ADD(name, function)                                                    \
  g_test_add ("/discovery/" name, Fixture, NULL, fixture_set_up, function,     \
      fixture_tear_down)

  g_test_init (&argc, &argv, NULL);
  ADD ("C10/colocated", test_colocated);
  ADD ("C10/config-odd", test_config_odd);
  ADD ("C11/source", test_source);
  ADD ("C11/origins", test_origins);
  ADD ("C11/reason", test_reason);
  ADD ("C11/cache-path", test_cache_path);
  return g_test_run ();
}
