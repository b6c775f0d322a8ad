/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Model files with as little in them as a case needs. Landmarks come from the
 * built-in matrix, so that the vocabularies are those of known families. */
#include "discovery-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#include "gguf/bn-gguf.h"
#include "resolve/bn-matrix.h"

#define KEY "tokenizer.ggml."

enum {
  HIDDEN_SIZE = 2,
};

void
fixture_set_up (Fixture *self, gconstpointer data)
{
  self->folder = g_dir_make_tmp ("bitnet-discovery-XXXXXX", NULL);
}

void
fixture_remove_tree (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_DIR)
        && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
      fixture_remove_tree (path);
    else
      g_remove (path);
  }
  g_rmdir (folder);
}

void
fixture_tear_down (Fixture *self, gconstpointer data)
{
  fixture_remove_tree (self->folder);
  g_free (self->folder);
}

char *
fixture_get_path (Fixture *self, const char *name)
{
  return g_build_filename (self->folder, name, NULL);
}

void
fixture_write_file (
    Fixture *self, const char *name, const void *data, gssize size)
{
  g_autofree char *path = fixture_get_path (self, name);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_mkdir_with_parents (folder, 0700);
  g_file_set_contents (path, data, size, &error);
  g_assert_no_error (error);
}

static void
add_tokens (BnGgufWriter *writer, const ModelKind *kind)
{
  const BnFamily *family =
      kind->landmarks ? bn_matrix_find (bn_matrix_get (), kind->landmarks)
                      : NULL;
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < kind->n_tokens; i++)
    g_ptr_array_add (texts, g_strdup_printf ("filler %u", i));
  for (guint i = 0; family && i < family->landmarks->len; i++) {
    const BnLandmark *landmark =
        &g_array_index (family->landmarks, BnLandmark, i);

    g_free (texts->pdata[landmark->id]);
    texts->pdata[landmark->id] = g_strdup (landmark->text);
  }
  bn_gguf_writer_add_strings (
      writer, KEY "tokens", (const char *const *) texts->pdata, texts->len);
}

static void
add_keys (BnGgufWriter *writer, const ModelKind *kind)
{
  static const char *const merges[] = {"a b"};

  bn_gguf_writer_add_string (writer, "general.architecture",
      kind->architecture ? kind->architecture : "llama");
  for (gsize i = 0; kind->strings[i]; i += 2)
    bn_gguf_writer_add_string (writer, kind->strings[i], kind->strings[i + 1]);
  if (kind->vocab_size > 0) {
    g_autofree char *key =
        g_strconcat (kind->architecture, ".vocab_size", NULL);

    bn_gguf_writer_add_uint32 (writer, key, kind->vocab_size);
  }
  if (kind->kind)
    bn_gguf_writer_add_string (writer, KEY "model", kind->kind);
  if (kind->pre)
    bn_gguf_writer_add_string (writer, KEY "pre", kind->pre);
  if (kind->n_tokens > 0)
    add_tokens (writer, kind);
  if (kind->has_merges)
    bn_gguf_writer_add_strings (writer, KEY "merges", merges, 1);
  if (kind->bos > 0)
    bn_gguf_writer_add_uint32 (writer, KEY "bos_token_id", kind->bos);
  if (kind->eos > 0)
    bn_gguf_writer_add_uint32 (writer, KEY "eos_token_id", kind->eos);
}

char *
fixture_write_model (Fixture *self, const char *name, const ModelKind *kind)
{
  g_autofree char *path = fixture_get_path (self, name);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = NULL;
  const uint64_t shapes[2][2] = {
      {HIDDEN_SIZE, kind->n_rows}, {HIDDEN_SIZE, kind->n_output}};
  gsize n_values = HIDDEN_SIZE * (gsize) (kind->n_rows + kind->n_output);
  g_autofree float *values = g_new0 (float, n_values + 1);

  g_mkdir_with_parents (folder, 0700);
  writer = bn_gguf_writer_new (path, &error);
  g_assert_no_error (error);
  add_keys (writer, kind);
  if (kind->n_rows > 0)
    bn_gguf_writer_add_tensor (
        writer, "token_embd.weight", BN_TYPE_F32, 2, shapes[0]);
  if (kind->n_output > 0)
    bn_gguf_writer_add_tensor (
        writer, "output.weight", BN_TYPE_F32, 2, shapes[1]);
  bn_gguf_writer_write (writer, values, n_values * sizeof *values, &error);
  g_assert_no_error (error);
  bn_gguf_writer_finish (writer, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&path);
}

BitnetDiscovery *
fixture_discover_path (const char *path)
{
  g_autoptr (GError) error = NULL;
  BitnetDiscovery *discovery =
      bitnet_discovery_new_for_path (path, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (bitnet_discovery_get_path (discovery), ==, path);
  return discovery;
}

BitnetDiscovery *
fixture_discover (Fixture *self, const char *name, const ModelKind *kind)
{
  g_autofree char *path = fixture_write_model (self, name, kind);
  BitnetDiscovery *discovery = fixture_discover_path (path);

  g_assert_no_error (bitnet_discovery_get_error (discovery));
  g_assert_nonnull (bitnet_discovery_get_model (discovery));
  return discovery;
}

const BitnetCandidate *
fixture_get_candidate (BitnetDiscovery *discovery, guint i)
{
  GPtrArray *candidates = bitnet_discovery_get_candidates (discovery);

  return i < candidates->len ? candidates->pdata[i] : NULL;
}

char *
fixture_show_candidates (BitnetDiscovery *discovery)
{
  g_autoptr (GEnumClass) names = g_type_class_ref (BITNET_TYPE_CONFIDENCE);
  g_autoptr (GString) text = g_string_new (NULL);
  const BitnetCandidate *candidate;

  for (guint i = 0; (candidate = fixture_get_candidate (discovery, i)); i++)
    g_string_append_printf (text, "%s%s %s%s%s", i > 0 ? "; " : "",
        g_enum_get_value (names, (int) candidate->confidence)->value_nick,
        candidate->repository, candidate->is_gated ? " gated" : "",
        candidate->is_equivalent ? " equivalent" : "");
  return g_strdup (text->str);
}
