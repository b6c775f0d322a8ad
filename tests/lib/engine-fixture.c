/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small random models, and short ways to run them. */
#include "engine-fixture.h"

#include <glib/gstdio.h>

#include "test-vocab.h"

EngineFixture fixture;

char *
make_path (const char *name)
{
  return g_build_filename (fixture.folder, name, NULL);
}

BitnetModel *
open_model (const char *path)
{
  g_autoptr (GError) error = NULL;
  BitnetModel *model = bitnet_model_new_from_file (path, NULL, &error);

  g_assert_no_error (error);
  return model;
}

void
write_tiny (const char *path, const TinySpec *spec)
{
  g_autoptr (TinyModel) tiny = tiny_model_new (spec);

  tiny_model_write (tiny, path);
}

BitnetEngine *
get_engine (
    const char *path, guint n_threads, guint batch_size, guint n_sequences)
{
  g_autoptr (BitnetModel) model = open_model (path);
  g_autoptr (BitnetEngineOptions) options = bitnet_engine_options_new ();
  g_autoptr (GError) error = NULL;

  options->n_threads = n_threads;
  options->batch_size = batch_size;
  options->n_sequences = n_sequences;
  BitnetEngine *engine = bitnet_model_get_engine (model, options, &error);
  g_assert_no_error (error);
  return engine;
}

BitnetEngine *
load_engine (
    const char *path, guint n_threads, guint batch_size, guint n_sequences)
{
  g_autoptr (GError) error = NULL;
  BitnetEngine *engine = get_engine (path, n_threads, batch_size, n_sequences);

  bitnet_engine_load (engine, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  return engine;
}

guint32 *
make_prompt (guint32 seed, guint n)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint32 *tokens = g_new (guint32, n);

  for (guint i = 0; i < n; i++)
    tokens[i] = (guint32) g_rand_int_range (rand, 0, (int) fixture.n_vocab);
  return tokens;
}

BitnetSequence *
submit (BitnetEngine *engine, guint32 seed, guint n_prompt, guint max_tokens,
    double temperature)
{
  g_autofree guint32 *prompt = make_prompt (seed, n_prompt);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (GError) error = NULL;

  params->max_tokens = max_tokens;
  params->temperature = temperature;
  BitnetSequence *sequence =
      bitnet_engine_submit (engine, NULL, prompt, n_prompt, params, &error);
  g_assert_no_error (error);
  return sequence;
}

GArray *
drain (BitnetSequence *sequence, GError **error)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint32 piece[16];
  gssize n;

  while ((n = bitnet_sequence_take (sequence, piece, 16, NULL, error)) > 0)
    g_array_append_vals (all, piece, (guint) n);
  return all;
}

GArray *
drain_good (BitnetSequence *sequence)
{
  g_autoptr (GError) error = NULL;
  GArray *all = drain (sequence, &error);

  g_assert_no_error (error);
  return all;
}

void
assert_equal_tokens (const GArray *a, const GArray *b)
{
  g_assert_cmpmem (
      a->data, a->len * sizeof (guint32), b->data, b->len * sizeof (guint32));
}

void
store_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **stored = user_data;

  *stored = g_object_ref (result);
}

GAsyncResult *
wait_result (GAsyncResult **stored)
{
  while (*stored == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *stored;
}

void
engine_fixture_set_up (void)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autofree char *vocab_path = NULL;
  g_autoptr (GError) error = NULL;

  g_setenv ("BITNET_DETERMINISTIC", "1", TRUE);
  g_setenv ("BITNET_SEED", "42", TRUE);
  fixture.folder = g_dir_make_tmp ("bitnet-engine-XXXXXX", &error);
  g_assert_no_error (error);
  vocab_path = make_path ("vocab.gguf");
  g_file_set_contents (vocab_path, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
  g_autoptr (BitnetModel) model = open_model (vocab_path);
  fixture.tokenizer = bitnet_tokenizer_new_from_model (model, NULL, &error);
  g_assert_no_error (error);
  fixture.n_vocab = bitnet_tokenizer_get_vocab_size (fixture.tokenizer);

  const TinySpec small = {.arch = "llama", .n_vocab = fixture.n_vocab};
  const TinySpec large = {.arch = "llama",
      .n_vocab = fixture.n_vocab,
      .n_layers = 4,
      .n_embd = 256,
      .n_ff = 512};
  fixture.small = make_path ("small.gguf");
  fixture.large = make_path ("large.gguf");
  write_tiny (fixture.small, &small);
  write_tiny (fixture.large, &large);
}

void
engine_fixture_tear_down (void)
{
  static const char *const names[] = {"vocab.gguf", "small.gguf", "large.gguf",
      "overflow.gguf", "incomplete.gguf", "claim.gguf"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = make_path (names[i]);
    g_unlink (path);
  }
  g_rmdir (fixture.folder);
  g_clear_object (&fixture.tokenizer);
  g_clear_pointer (&fixture.folder, g_free);
  g_clear_pointer (&fixture.small, g_free);
  g_clear_pointer (&fixture.large, g_free);
}
