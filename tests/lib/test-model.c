/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetModel: sharing by file identity, metadata as GVariant, derived
 * figures, the checks every model passes, read-ahead and digest. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include <utime.h>

#include "bitnet-error.h"
#include "bitnet-model.h"
#include "bitnet-private.h"
#include "bn-gguf.h"

typedef struct {
  char *folder;
  char *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "x.gguf", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_unlink (fixture->path);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
}

/* A file with the usual keys and data_size bytes of weights. */
static void
write_model (const char *path, gsize data_size)
{
  static const char *const tokens[] = {"a", "\377\376", "c"};
  static const float scores[] = {0, -1, 2.5f};
  static const int8_t small[] = {-128, 127};
  const uint64_t shape[] = {data_size / 4};
  g_autofree char *data = g_malloc0 (data_size);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, &error);

  g_assert_no_error (error);
  bn_gguf_writer_add_string (writer, "general.architecture", "llama");
  bn_gguf_writer_add_string (writer, "general.name", "Näme");
  bn_gguf_writer_add_string (writer, "odd", "a\377b");
  bn_gguf_writer_add_uint32 (writer, "llama.context_length", 2048);
  bn_gguf_writer_add_uint32 (writer, "llama.embedding_length", 64);
  bn_gguf_writer_add_uint32 (writer, "llama.block_count", 2);
  bn_gguf_writer_add_float (writer, "eps", 0.5f);
  bn_gguf_writer_add_bool (writer, "flag", TRUE);
  bn_gguf_writer_add_strings (writer, "tokenizer.ggml.tokens", tokens, 3);
  bn_gguf_writer_add_array (
      writer, "tokenizer.ggml.scores", BN_GGUF_F32, scores, 3);
  bn_gguf_writer_add_array (writer, "small", BN_GGUF_I8, small, 2);
  bn_gguf_writer_add_array (writer, "none", BN_GGUF_U64, NULL, 0);
  bn_gguf_writer_add_tensor (writer, "blk.0.w", BN_TYPE_F32, 1, shape);
  bn_gguf_writer_write (writer, data, data_size, &error);
  bn_gguf_writer_finish (writer, &error);
  g_assert_no_error (error);
}

static BitnetModel *
open_model (const char *path)
{
  g_autoptr (GError) error = NULL;
  BitnetModel *model = bitnet_model_new_from_file (path, NULL, &error);

  g_assert_no_error (error);
  return model;
}

static void
test_figures (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autofree char *name = NULL;
  GStatBuf info;

  write_model (fixture->path, 4096);
  model = open_model (fixture->path);
  g_assert_cmpstr (bitnet_model_get_path (model), ==, fixture->path);
  g_assert_cmpstr (bitnet_model_get_architecture (model), ==, "llama");
  g_assert_cmpstr (bitnet_model_get_name (model), ==, "Näme");
  g_assert_cmpstr (bitnet_model_get_quantization (model), ==, "F32");
  g_assert_cmpuint (bitnet_model_get_vocab_size (model), ==, 3);
  g_assert_cmpuint (bitnet_model_get_context_length (model), ==, 2048);
  g_assert_cmpuint (bitnet_model_get_embedding_length (model), ==, 64);
  g_assert_cmpuint (bitnet_model_get_block_count (model), ==, 2);
  g_assert_cmpuint (bitnet_model_get_n_parameters (model), ==, 1024);
  g_assert_true (bitnet_model_has_tokenizer (model));
  g_stat (fixture->path, &info);
  g_assert_cmpuint (
      bitnet_model_get_file_size (model), ==, (guint64) info.st_size);
  g_assert_cmpuint (g_bytes_get_size (bitnet_model_get_bytes (model)), ==,
      (gsize) info.st_size);
  g_assert_cmpuint (strlen (bitnet_model_get_id (model)), ==, 64);
  name = bitnet_model_dup_string (model, "general.name");
  g_assert_cmpstr (name, ==, "Näme");
  g_assert_null (bitnet_model_dup_string (model, "flag"));
  g_assert_null (bitnet_model_dup_string (model, "odd"));
}

static const struct {
  const char *key;
  const char *text; /* as g_variant_print() writes it, with types */
} metadata[] = {
    {"general.architecture", "'llama'"},
    {"odd", "'a\357\277\275b'"},
    {"llama.context_length", "uint32 2048"},
    {"eps", "0.5"},
    {"flag", "true"},
    {"tokenizer.ggml.tokens", "['a', '\357\277\275\357\277\275', 'c']"},
    {"tokenizer.ggml.scores", "[0.0, -1.0, 2.5]"},
    {"small", "[int16 -128, 127]"},
    {"none", "@at []"},
};

static void
test_metadata (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetModel) model = NULL;
  g_auto (GStrv) keys = NULL;

  write_model (fixture->path, 4096);
  model = open_model (fixture->path);
  keys = bitnet_model_list_metadata (model);
  g_assert_cmpuint (g_strv_length (keys), ==, 12);
  g_assert_cmpstr (keys[1], ==, "general.name");
  for (gsize i = 0; i < G_N_ELEMENTS (metadata); i++) {
    g_autoptr (GVariant) value =
        bitnet_model_dup_metadata (model, metadata[i].key);
    g_autofree char *text = g_variant_print (value, TRUE);

    g_assert_false (g_variant_is_floating (value));
    g_assert_cmpstr (text, ==, metadata[i].text);
  }
  g_assert_null (bitnet_model_dup_metadata (model, "no such key"));
}

/* The same file by whatever name is the same object; after a change, or once
 * the last reference is gone, it is another. */
static void
test_shared (Fixture *fixture, gconstpointer data)
{
  g_autofree char *link = g_build_filename (fixture->folder, "link", NULL);
  BitnetModel *first, *second, *third, *changed, *unshared;
  GWeakRef weak;
  struct utimbuf times = {.actime = 1000, .modtime = 1000};

  write_model (fixture->path, 4096);
  g_assert_cmpint (symlink (fixture->path, link), ==, 0);
  first = open_model (fixture->path);
  second = open_model (fixture->path);
  third = open_model (link);
  g_assert_true (first == second);
  g_assert_true (first == third);
  unshared = bitnet_model_new_unshared_from_file (fixture->path, NULL, NULL);
  g_assert_true (first != unshared);
  g_assert_cmpint (utime (fixture->path, &times), ==, 0);
  changed = open_model (fixture->path);
  g_assert_true (first != changed);
  g_assert_cmpstr (
      bitnet_model_get_id (first), ==, bitnet_model_get_id (changed));

  g_weak_ref_init (&weak, first);
  g_object_unref (first);
  g_object_unref (second);
  g_object_unref (third);
  g_assert_null (g_weak_ref_get (&weak));
  g_weak_ref_clear (&weak);
  g_object_unref (unshared);
  second = open_model (fixture->path);
  g_assert_true (second == changed);
  g_object_unref (second);
  g_object_unref (changed);
  g_unlink (link);
}

enum { N_THREADS = 8, N_ROUNDS = 50 };

static gpointer
open_in_thread (gpointer data)
{
  return open_model (data);
}

/* All that open the file at once get one object. */
static void
test_threads (Fixture *fixture, gconstpointer data)
{
  write_model (fixture->path, 4096);
  for (guint round = 0; round < N_ROUNDS; round++) {
    GThread *threads[N_THREADS];
    BitnetModel *models[N_THREADS];

    for (guint i = 0; i < N_THREADS; i++)
      threads[i] = g_thread_new ("open", open_in_thread, fixture->path);
    for (guint i = 0; i < N_THREADS; i++)
      models[i] = g_thread_join (threads[i]);
    for (guint i = 0; i < N_THREADS; i++)
      g_assert_true (models[i] == models[0]);
    for (guint i = 0; i < N_THREADS; i++)
      g_object_unref (models[i]);
  }
}

static gpointer
open_and_drop (gpointer data)
{
  for (guint i = 0; i < N_ROUNDS; i++)
    g_object_unref (open_model (data));
  return NULL;
}

/* Looking up while others finalize. */
static void
test_churn (Fixture *fixture, gconstpointer data)
{
  GThread *threads[N_THREADS];

  write_model (fixture->path, 4096);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("churn", open_and_drop, fixture->path);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
}

static void
on_opened (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static void
test_async (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL, cancelled = NULL;
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) error = NULL;

  write_model (fixture->path, 4096);
  bitnet_model_new_from_file_async (
      fixture->path, G_PRIORITY_DEFAULT, NULL, on_opened, &result);
  while (!result)
    g_main_context_iteration (NULL, TRUE);
  model = bitnet_model_new_from_file_finish (result, &error);
  g_assert_no_error (error);
  g_assert_true (BITNET_IS_MODEL (model));

  g_cancellable_cancel (cancellable);
  bitnet_model_new_from_file_async (
      fixture->path, G_PRIORITY_DEFAULT, cancellable, on_opened, &cancelled);
  while (!cancelled)
    g_main_context_iteration (NULL, TRUE);
  g_assert_null (bitnet_model_new_from_file_finish (cancelled, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* What a model must say, beyond being a sound file. */
static void
write_odd_model (const char *path, guint i)
{
  static const char *const tokens[] = {"a", "b", "c"};
  static const float scores[] = {0, 0};
  static const int32_t types[] = {1, 1};
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, NULL);

  if (i == 1)
    bn_gguf_writer_add_uint32 (writer, "general.architecture", 7);
  else if (i == 2)
    bn_gguf_writer_add_string (writer, "general.architecture", "");
  else if (i > 2)
    bn_gguf_writer_add_string (writer, "general.architecture", "llama");
  if (i == 3)
    bn_gguf_writer_add_uint32 (writer, "general.quantization_version", 1);
  if (i == 4)
    bn_gguf_writer_add_string (writer, "tokenizer.ggml.tokens", "abc");
  else
    bn_gguf_writer_add_strings (writer, "tokenizer.ggml.tokens", tokens, 3);
  if (i == 5)
    bn_gguf_writer_add_array (
        writer, "tokenizer.ggml.scores", BN_GGUF_F32, scores, 2);
  if (i == 6)
    bn_gguf_writer_add_array (
        writer, "tokenizer.ggml.token_type", BN_GGUF_I32, types, 2);
  if (i == 7)
    bn_gguf_writer_add_array (
        writer, "tokenizer.ggml.merges", BN_GGUF_I32, types, 2);
  g_assert_true (bn_gguf_writer_finish (writer, NULL));
}

static const struct {
  BitnetError code;
  const char *message;
} odd_models[] = {
    {BITNET_ERROR_CORRUPT, "no such key, expected general.architecture"},
    {BITNET_ERROR_CORRUPT, "expected general.architecture"},
    {BITNET_ERROR_CORRUPT, "expected general.architecture"},
    {BITNET_ERROR_UNSUPPORTED_QUANTIZATION, "quantization_version 1"},
    {BITNET_ERROR_CORRUPT, "expected an array of strings"},
    {BITNET_ERROR_CORRUPT, "found 2 elements in tokenizer.ggml.scores"},
    {BITNET_ERROR_CORRUPT, "found 2 elements in tokenizer.ggml.token_type"},
    {BITNET_ERROR_CORRUPT, "expected an array of strings"},
};

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (odd_models); i++) {
    g_autoptr (GError) error = NULL;

    write_odd_model (fixture->path, i);
    g_assert_null (bitnet_model_new_from_file (fixture->path, NULL, &error));
    g_assert_error (error, BITNET_ERROR, (int) odd_models[i].code);
    g_assert_true (g_str_has_prefix (error->message, fixture->path));
    g_assert_nonnull (strstr (error->message, ": at byte "));
    if (!strstr (error->message, odd_models[i].message))
      g_error ("message \"%s\", expected \"…%s…\"", error->message,
          odd_models[i].message);
  }
}

typedef struct {
  guint n_calls;
  guint64 done;
  guint64 total;
} Seen;

static void
on_progress (guint64 done, guint64 total, gpointer user_data)
{
  Seen *seen = user_data;

  g_assert_cmpuint (done, >, seen->done);
  g_assert_cmpuint (done, <=, total);
  seen->n_calls++;
  seen->done = done;
  seen->total = total;
}

enum { BIG = 8 << 20 };

static void
test_read_ahead (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) error = NULL;
  Seen seen = {0};

  write_model (fixture->path, BIG);
  model = open_model (fixture->path);
  g_assert_true (
      bitnet_model_read_ahead (model, FALSE, on_progress, &seen, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (seen.n_calls, >=, 1);
  g_assert_cmpuint (seen.total, ==, bitnet_model_get_file_size (model));
  g_assert_cmpuint (seen.done, ==, seen.total);

  g_cancellable_cancel (cancellable);
  g_assert_false (
      bitnet_model_read_ahead (model, FALSE, NULL, NULL, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_lock (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) error = NULL;

  write_model (fixture->path, 4096);
  model = open_model (fixture->path);
  /* Whether it is allowed depends on RLIMIT_MEMLOCK. */
  if (!bitnet_model_read_ahead (model, TRUE, NULL, NULL, NULL, &error))
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
}

static void
test_sha256 (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *digest = NULL, *upper = NULL;

  write_model (fixture->path, BIG);
  model = open_model (fixture->path);
  digest = g_compute_checksum_for_bytes (
      G_CHECKSUM_SHA256, bitnet_model_get_bytes (model));
  upper = g_ascii_strup (digest, -1);
  g_assert_true (
      bitnet_model_verify_sha256 (model, digest, NULL, NULL, NULL, &error));
  g_assert_true (
      bitnet_model_verify_sha256 (model, upper, NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (
      bitnet_model_verify_sha256 (model, "abc", NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  digest[0] = digest[0] == '0' ? '1' : '0';
  g_assert_false (
      bitnet_model_verify_sha256 (model, digest, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_DIGEST);
  g_assert_nonnull (strstr (error->message, digest));
}

/* The type of the blocks, not of the larger embedding (as in 2B-4T files). */
static void
test_quantization (Fixture *fixture, gconstpointer data)
{
  static const uint64_t big[] = {256, 64}, small[] = {256, 4}, norm[] = {256};
  static const char zeros[256 * 64 * 4];
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (fixture->path, NULL);

  bn_gguf_writer_add_string (writer, "general.architecture", "bitnet-b1.58");
  bn_gguf_writer_add_tensor (writer, "token_embd.weight", BN_TYPE_F16, 2, big);
  bn_gguf_writer_add_tensor (
      writer, "blk.0.attn_norm.weight", BN_TYPE_F32, 1, norm);
  bn_gguf_writer_add_tensor (
      writer, "blk.0.attn_q.weight", BN_TYPE_I2_S, 2, small);
  bn_gguf_writer_write (writer, zeros, 256 * 64 * 2 + 1024 + 288, NULL);
  g_assert_true (bn_gguf_writer_finish (writer, NULL));
  model = open_model (fixture->path);
  g_assert_cmpstr (bitnet_model_get_quantization (model), ==, "I2_S");
  g_assert_cmpuint (bitnet_model_get_vocab_size (model), ==, 64);
  g_assert_false (bitnet_model_has_tokenizer (model));
  g_assert_null (bitnet_model_get_name (model));
}

static BitnetEngine *
create_engine (
    BitnetModel *model, const BitnetEngineOptions *options, GError **error)
{
  return (BitnetEngine *) g_object_new (G_TYPE_OBJECT, NULL);
}

static BitnetEngine *
fail_engine (
    BitnetModel *model, const BitnetEngineOptions *options, GError **error)
{
  g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_DEVICE, "no");
  return NULL;
}

static void
test_engine_slots (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) error = NULL;
  GObject *cpu, *again, *cuda;

  write_model (fixture->path, 4096);
  model = open_model (fixture->path);
  cpu = (GObject *) bitnet_model_share_engine (
      model, "cpu", create_engine, NULL, &error);
  again = (GObject *) bitnet_model_share_engine (
      model, "cpu", fail_engine, NULL, &error);
  cuda = (GObject *) bitnet_model_share_engine (
      model, "cuda:0", create_engine, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (cpu == again);
  g_assert_true (cpu != cuda);
  g_object_unref (cpu);
  g_object_unref (again);
  g_assert_null (
      bitnet_model_share_engine (model, "cpu", fail_engine, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_DEVICE);
  g_clear_error (&error);
  again = (GObject *) bitnet_model_share_engine (
      model, "cpu", create_engine, NULL, &error);
  g_assert_nonnull (again);
  g_object_unref (again);
  g_object_unref (cuda);
}

#define ADD(name, function)                                                    \
  g_test_add ("/model/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("figures", test_figures);
  ADD ("metadata", test_metadata);
  ADD ("shared", test_shared);
  ADD ("threads", test_threads);
  ADD ("churn", test_churn);
  ADD ("async", test_async);
  ADD ("refused", test_refused);
  ADD ("read-ahead", test_read_ahead);
  ADD ("lock", test_lock);
  ADD ("sha256", test_sha256);
  ADD ("quantization", test_quantization);
  ADD ("engine-slots", test_engine_slots);
  return g_test_run ();
}
