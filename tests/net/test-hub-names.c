/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names on a hub, good and hostile, and the ways to write a reference. */
#include <gio/gio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-hub-names.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

typedef struct {
  const char *text;
  gboolean is_good;
} Case;

static void
check (const Case *cases, gsize n, gboolean (*function) (const char *))
{
  for (gsize i = 0; i < n; i++) {
    if (function (cases[i].text) != cases[i].is_good)
      g_error ("\"%s\": expected %s", cases[i].text,
          cases[i].is_good ? "good" : "bad");
  }
}

static void
test_repositories (void)
{
  static const Case cases[] = {{"gpt2", TRUE}, {"owner/name", TRUE},
      {"microsoft/bitnet-b1.58-2B-4T-gguf", TRUE}, {"_a/b_", TRUE},
      {"a/b/c", FALSE}, {"", FALSE}, {"/b", FALSE}, {"a/", FALSE},
      {"a//b", FALSE}, {"a/..", FALSE}, {"../b", FALSE}, {"a/b..c", FALSE},
      {"a--b/c", FALSE}, {"a/b.git", FALSE}, {"-a/b", FALSE}, {"a/b-", FALSE},
      {".a/b", FALSE}, {"a/b.", FALSE}, {"a b/c", FALSE}, {"a/b?c", FALSE},
      {"a/b%2f", FALSE}, {"a/b\n", FALSE}, {"a/\xc3\xa4", FALSE},
      {"a:b/c", FALSE}, {"a\\b", FALSE}};
  g_autofree char *longest = g_strnfill (96, 'a');
  g_autofree char *longer = g_strnfill (97, 'a');

  check (cases, G_N_ELEMENTS (cases), bn_hub_is_repository);
  g_assert_false (bn_hub_is_repository (NULL));
  g_assert_true (bn_hub_is_repository (longest));
  g_assert_false (bn_hub_is_repository (longer));
}

static void
test_revisions (void)
{
  static const Case cases[] = {{"main", TRUE}, {"refs/pr/1", TRUE},
      {"v1.0", TRUE}, {COMMIT, TRUE}, {"feature/x", TRUE}, {"", FALSE},
      {"a..b", FALSE}, {"../main", FALSE}, {"/main", FALSE}, {"main/", FALSE},
      {"a b", FALSE}, {"a?b", FALSE}, {"a\tb", FALSE}, {"-main", FALSE},
      {"a\\b", FALSE}, {"a@{1}", FALSE}, {"a//b", FALSE}, {".", FALSE}};
  static const Case commits[] = {{COMMIT, TRUE}, {"main", FALSE},
      {"0123456789abcdef0123456789abcdef0123456", FALSE},
      {"0123456789abcdef0123456789abcdef0123456g", FALSE}, {COMMIT "0", FALSE}};

  check (cases, G_N_ELEMENTS (cases), bn_hub_is_revision);
  check (commits, G_N_ELEMENTS (commits), bn_hub_is_commit);
  g_assert_false (bn_hub_is_revision (NULL));
  g_assert_false (bn_hub_is_commit (NULL));
}

static void
test_files (void)
{
  static const Case cases[] = {{"tokenizer.json", TRUE},
      {"original/tokenizer.model", TRUE}, {"a b.gguf", TRUE},
      {"\xc3\xa4.gguf", TRUE}, {".gitattributes", TRUE}, {"a..b", TRUE},
      {"", FALSE}, {"..", FALSE}, {".", FALSE}, {"../x", FALSE},
      {"a/../x", FALSE}, {"a/..", FALSE}, {"./a", FALSE}, {"a/./b", FALSE},
      {"/etc/passwd", FALSE}, {"a//b", FALSE}, {"a/", FALSE}, {"C:x", FALSE},
      {"c:\\x", FALSE}, {"a\\b", FALSE}, {"a\nb", FALSE}, {"a\x7f", FALSE},
      {"\xff\xfe", FALSE}};
  g_autofree char *segment = g_strnfill (255, 'a');
  g_autofree char *long_segment = g_strnfill (256, 'a');
  g_autofree char *long_name = g_strjoin ("/", segment, segment, segment, NULL);

  check (cases, G_N_ELEMENTS (cases), bn_hub_is_file_name);
  g_assert_false (bn_hub_is_file_name (NULL));
  g_assert_true (bn_hub_is_file_name (segment));
  g_assert_false (bn_hub_is_file_name (long_segment));
  g_assert_false (bn_hub_is_file_name (long_name));
}

static void
test_etags (void)
{
  static const Case cases[] = {{COMMIT, TRUE}, {"a-b_c.9", TRUE}, {"", FALSE},
      {".hidden", FALSE}, {"a/b", FALSE}, {"a\"b", FALSE}, {"..", FALSE}};

  check (cases, G_N_ELEMENTS (cases), bn_hub_is_safe_etag);
}

static void
test_urls (void)
{
  static const struct {
    const char *url, *endpoint, *repository;
  } cases[] = {
      {"https://huggingface.co/a/b", NULL, "a/b"},
      {"https://huggingface.co/a/b/tree/main", NULL, "a/b"},
      {"https://huggingface.co/a/b?x=1#y", NULL, "a/b"},
      {"https://www.huggingface.co/a/b/", NULL, "a/b"},
      {"https://hf.co/a/b", NULL, "a/b"},
      {"https://HF.co/a/b", NULL, "a/b"},
      {"http://mirror.example:8080/a/b", "http://mirror.example:8080", "a/b"},
      {"https://github.com/a/b", NULL, NULL},
      {"https://huggingface.co.evil.example/a/b", NULL, NULL},
      {"https://evil.example/huggingface.co/a/b", NULL, NULL},
      {"https://huggingface.co@evil.example/a/b", NULL, NULL},
      {"https://huggingface.co/datasets/a/b", NULL, NULL},
      {"https://huggingface.co/a", NULL, NULL},
      {"https://huggingface.co/", NULL, NULL},
      {"https://huggingface.co/../b", NULL, NULL},
      {"ftp://huggingface.co/a/b", NULL, NULL},
      {"file:///a/b", NULL, NULL},
      {"a/b", NULL, NULL},
      {"", NULL, NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *repository =
        bn_hub_parse_url (cases[i].url, cases[i].endpoint);

    if (g_strcmp0 (repository, cases[i].repository) != 0)
      g_error (
          "%s: %s, expected %s", cases[i].url, repository, cases[i].repository);
  }
  g_assert_null (bn_hub_parse_url (NULL, NULL));
}

static void
test_references (void)
{
  static const struct {
    const char *text, *repository, *revision, *file, *quant;
  } cases[] = {
      {"hf://a/b/m.gguf", "a/b", NULL, "m.gguf", NULL},
      {"hf://a/b@v1/sub/m.gguf", "a/b", "v1", "sub/m.gguf", NULL},
      {"hf://a/b@refs%2Fpr%2F1/m.gguf", "a/b", "refs/pr/1", "m.gguf", NULL},
      {"hf://a/b", "a/b", NULL, NULL, NULL},
      {"hf.co/a/b", "a/b", NULL, NULL, NULL},
      {"hf.co/a/b:Q4_K_M", "a/b", NULL, NULL, "Q4_K_M"},
      {"hf.co/a/b:m.gguf", "a/b", NULL, "m.gguf", NULL},
      {"huggingface.co/a/b:IQ3_M", "a/b", NULL, NULL, "IQ3_M"},
      {"https://huggingface.co/a/b", "a/b", NULL, NULL, NULL},
      {"https://huggingface.co/a/b/tree/dev", "a/b", "dev", NULL, NULL},
      {"https://huggingface.co/a/b/blob/main/m.gguf", "a/b", "main", "m.gguf",
          NULL},
      {"https://huggingface.co/a/b/resolve/main/s/m.gguf?download=true", "a/b",
          "main", "s/m.gguf", NULL},
      {"a/b", "a/b", NULL, NULL, NULL},
      {"a/b:I2_S", "a/b", NULL, NULL, "I2_S"},
      {"a/b@v1:I2_S", "a/b", "v1", NULL, "I2_S"},
      {"a/b@" COMMIT, "a/b", COMMIT, NULL, NULL},
      {"gpt2", NULL, NULL, NULL, NULL},
      {"hf://gpt2", NULL, NULL, NULL, NULL},
      {"hf://a/b/../m.gguf", NULL, NULL, NULL, NULL},
      {"hf://../b/m.gguf", NULL, NULL, NULL, NULL},
      {"a/b:", NULL, NULL, NULL, NULL},
      {"a/b@", NULL, NULL, NULL, NULL},
      {"a/b@%zz", NULL, NULL, NULL, NULL},
      {"a/b:Q4/K", NULL, NULL, NULL, NULL},
      {"", NULL, NULL, NULL, NULL},
      {"./a.gguf", NULL, NULL, NULL, NULL},
      {"/a/b", NULL, NULL, NULL, NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (BnHubReference) found = {0};
    g_autoptr (GError) error = NULL;
    gboolean is_good = bn_hub_reference_parse (&found, cases[i].text, &error);

    g_test_message ("%s: %s %s %s %s", cases[i].text, found.repository,
        found.revision, found.file, found.quant);
    g_assert_true (is_good == (cases[i].repository != NULL));
    if (!is_good)
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr (found.repository, ==, cases[i].repository);
    g_assert_cmpstr (found.revision, ==, cases[i].revision);
    g_assert_cmpstr (found.file, ==, cases[i].file);
    g_assert_cmpstr (found.quant, ==, cases[i].quant);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hub-names/repositories", test_repositories);
  g_test_add_func ("/hub-names/revisions", test_revisions);
  g_test_add_func ("/hub-names/files", test_files);
  g_test_add_func ("/hub-names/etags", test_etags);
  g_test_add_func ("/hub-names/urls", test_urls);
  g_test_add_func ("/hub-names/references", test_references);
  return g_test_run ();
}
