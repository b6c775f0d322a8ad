/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that is not to be had, at each place where a model is loaded: an
 * error that names the file, nothing lost, and the next attempt succeeds.
 * Memory of the device is refused by a backend of the test's; that of the host
 * by the functions of GLib that may fail, which this program replaces. */
#include <stdlib.h>
#include <string.h>

#include "bitnet.h"
#include "bn-transformer.h"
#include "test-folder.h"
#include "tiny-model.h"

/* Calls until one is refused; below 0: none is. */
static int n_calls_left = -1; /* atomic */

static gboolean
is_refused (void)
{
  return g_atomic_int_get (&n_calls_left) >= 0
         && g_atomic_int_add (&n_calls_left, -1) == 0;
}

/* In place of GLib's. */

gpointer
g_try_malloc (gsize size)
{
  return size == 0 || is_refused () ? NULL : g_malloc (size);
}

gpointer
g_try_malloc0 (gsize size)
{
  return size == 0 || is_refused () ? NULL : g_malloc0 (size);
}

gpointer
g_try_malloc_n (gsize n, gsize size)
{
  if (size != 0 && n > G_MAXSIZE / size)
    return NULL;
  return g_try_malloc (n * size);
}

gpointer
g_try_malloc0_n (gsize n, gsize size)
{
  if (size != 0 && n > G_MAXSIZE / size)
    return NULL;
  return g_try_malloc0 (n * size);
}

/* The processor's backend, with an alloc that fails. */

static BnBackendOps refusing_ops;
static void *(*real_alloc) (BnBackend *self, size_t size);

static void *
refusing_alloc (BnBackend *self, size_t size)
{
  return is_refused () ? NULL : real_alloc (self, size);
}

static BnBackend *
refusing_backend_new (void)
{
  BnBackend *backend = bn_cpu_backend_new (NULL, 2);

  refusing_ops = *backend->ops;
  real_alloc = refusing_ops.alloc;
  refusing_ops.alloc = refusing_alloc;
  backend->ops = &refusing_ops;
  return backend;
}

static const TinySpec specs[] = {
    {.arch = "bitnet-b1.58", .type = BN_TYPE_I2_S, .embd_type = BN_TYPE_F16},
    {.arch = "qwen2", .type = BN_TYPE_Q8_0, .embd_type = BN_TYPE_Q8_0},
    {.arch = "gpt2"},
};

static void
assert_out_of_memory (const GError *error, const char *path)
{
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
  if (!g_str_has_prefix (error->message, path))
    g_error ("\"%s\" does not begin with %s", error->message, path);
}

static void
test_transformer (gconstpointer spec)
{
  g_autoptr (TinyModel) model = tiny_model_new (spec);
  g_autoptr (BnGguf) gguf = tiny_model_open (model);
  g_autoptr (BnBackend) backend = refusing_backend_new ();
  const BnTransformerOptions options = {.batch_size = 8, .context_size = 64};
  int n_refused = 0;

  for (;; n_refused++) {
    g_autoptr (BnTransformer) transformer = NULL;
    g_autoptr (GError) error = NULL;

    g_atomic_int_set (&n_calls_left, n_refused);
    transformer =
        bn_transformer_new (gguf, backend, &options, NULL, NULL, NULL, &error);
    gboolean was_refused = g_atomic_int_get (&n_calls_left) < 0;
    g_atomic_int_set (&n_calls_left, -1);
    if (!was_refused) {
      g_assert_no_error (error);
      g_assert_nonnull (transformer);
      break;
    }
    g_assert_null (transformer);
    assert_out_of_memory (error, "tiny.gguf: ");
  }
  /* weights, vectors, two of packing, cache, its index, scratch, two of the
   * backend, arrays of a batch */
  g_assert_cmpint (n_refused, >=, 14);
}

/* The engine that failed is loaded again, and computes. */
static void
test_engine (gconstpointer spec)
{
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "m.gguf", NULL);
  g_autoptr (TinyModel) tiny = tiny_model_new (spec);
  g_autoptr (GError) error = NULL;
  const guint32 tokens[] = {1, 2, 3};
  int n_refused = 0;

  tiny_model_write (tiny, path);
  g_autoptr (BitnetModel) model =
      bitnet_model_new_from_file (path, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (BitnetEngine) engine =
      bitnet_model_get_engine (model, NULL, &error);
  g_assert_no_error (error);
  for (;; n_refused++) {
    g_atomic_int_set (&n_calls_left, n_refused);
    gboolean is_loaded = bitnet_engine_load (engine, NULL, NULL, NULL, &error);
    gboolean was_refused = g_atomic_int_get (&n_calls_left) < 0;
    g_atomic_int_set (&n_calls_left, -1);
    if (!was_refused) {
      g_assert_no_error (error);
      g_assert_true (is_loaded);
      break;
    }
    g_assert_false (is_loaded);
    assert_out_of_memory (error, path);
    g_clear_error (&error);
  }
  g_assert_cmpint (n_refused, >=, 8);
  g_autoptr (GBytes) logits = bitnet_engine_compute_logits (
      engine, tokens, G_N_ELEMENTS (tokens), NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (logits);
  test_folder_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (specs); i++) {
    g_autofree char *path =
        g_strconcat ("/allocation/transformer/", specs[i].arch, NULL);
    g_test_add_data_func (path, &specs[i], test_transformer);
  }
  g_test_add_data_func ("/allocation/engine", &specs[0], test_engine);
  return g_test_run ();
}
