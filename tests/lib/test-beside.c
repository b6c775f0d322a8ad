/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokenizer files beside a model without tokens: where they are looked for,
 * and when it is doubtful whose they are. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "bitnet.h"
#include "gguf/bn-gguf.h"
#include "test-folder.h"
#include "test-vocab.h"

enum { N_ROWS = 300 };

typedef struct {
  char *folder;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *cache = NULL;

  fixture->folder = test_folder_new ();
  cache = g_build_filename (fixture->folder, "cache", NULL);
  g_setenv ("BITNET_TOKENIZER_CACHE", cache, TRUE);
  g_setenv ("HF_HUB_CACHE", cache, TRUE);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_folder_remove (fixture->folder);
}

/* A model of N_ROWS rows without tokens; (transfer full). */
static char *
write_model (Fixture *fixture, const char *name)
{
  char *path = test_folder_write (fixture->folder, name, "", 0);
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, NULL);
  const uint64_t shape[] = {1, N_ROWS};
  const float rows[N_ROWS] = {0};

  bn_gguf_writer_add_string (writer, "general.architecture", "llama");
  bn_gguf_writer_add_tensor (
      writer, "token_embd.weight", BN_TYPE_F32, 2, shape);
  bn_gguf_writer_write (writer, rows, sizeof rows, NULL);
  g_assert_true (bn_gguf_writer_finish (writer, NULL));
  return path;
}

static void
write_tokenizer (Fixture *fixture, const char *name)
{
  g_autofree char *json = test_vocab_new_json (N_ROWS);

  g_free (test_folder_write (fixture->folder, name, json, -1));
}

static GVariant *
resolve (const char *path, gboolean strict, GError **error)
{
  static const char *const order[] = {"generic", NULL};
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  GVariant *resolution = NULL;

  g_object_set (resolver, "strict", strict, "strategy-order", order, NULL);
  tokenizer = bitnet_resolver_resolve_reference (
      resolver, path, NULL, &resolution, error);
  return resolution;
}

/* Names of files below a folder, the model first. */
static const struct {
  const char *name;
  const char *model, *tokenizer, *other;
  gboolean is_doubtful;
} cases[] = {
    {"beside", "a/m.gguf", "a/tokenizer.json", NULL, FALSE},
    {"named", "a/m.gguf", "a/m.tokenizer.json", "a/n.gguf", FALSE},
    {"named-part", "a/m-00001-of-00001.gguf", "a/m-tokenizer.json", "a/n.gguf",
        FALSE},
    {"below", "a/m.gguf", "a/tokenizer/tokenizer.json", NULL, FALSE},
    {"above", "a/m.gguf", "tokenizer.json", NULL, TRUE},
    {"several", "a/m.gguf", "a/tokenizer.json", "a/n.gguf", TRUE},
    {"several-below", "a/m.gguf", "a/original/tokenizer.json", "a/n.gguf",
        TRUE},
    {"projector", "a/m.gguf", "a/tokenizer.json", "a/mmproj-m.gguf", FALSE},
};

static void
test_place (Fixture *fixture, gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autofree char *path = write_model (fixture, cases[i].model);
  g_autofree char *other =
      cases[i].other ? write_model (fixture, cases[i].other) : NULL;

  write_tokenizer (fixture, cases[i].tokenizer);
  for (guint strict = 0; strict <= 1; strict++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GVariant) resolution = resolve (path, strict, &error);
    g_autofree const char **warnings = NULL;
    const char *source = NULL;

    if (strict && cases[i].is_doubtful) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_STRICT_MODE);
      continue;
    }
    g_assert_no_error (error);
    g_variant_lookup (resolution, "source", "&s", &source);
    g_assert_true (g_str_has_suffix (source, cases[i].tokenizer));
    g_variant_lookup (resolution, "warnings", "^a&s", &warnings);
    g_assert_cmpint (warnings[0] != NULL, ==, cases[i].is_doubtful);
  }
}

/* One folder up, from wherever the path begins. */
static void
test_relative (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = write_model (fixture, "a/m.gguf");
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *before = g_get_current_dir ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GError) error = NULL;

  write_tokenizer (fixture, "tokenizer.json");
  g_assert_cmpint (g_chdir (folder), ==, 0);
  resolution = resolve ("m.gguf", FALSE, &error);
  g_assert_cmpint (g_chdir (before), ==, 0);
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/beside/B23/%s", cases[i].name);

    g_test_add (
        path, Fixture, GSIZE_TO_POINTER (i), set_up, test_place, tear_down);
  }
  g_test_add (
      "/beside/relative", Fixture, NULL, set_up, test_relative, tear_down);
  return g_test_run ();
}
