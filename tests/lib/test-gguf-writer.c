/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The GGUF writer: what it writes reads back equal, every cut of it is
 * refused, nothing appears under the name before it is finished. */
#include <glib/gstdio.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "bitnet-error.h"
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

static guint
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_unlink (fixture->path);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0); /* nothing left over */
  g_free (fixture->folder);
  g_free (fixture->path);
}

enum { N_ROWS = 3 };
static const char *const tokens[] = {"", "a", "\303\244", "<s>"};
static const int32_t types[] = {1, 1, 1, 3};
static const float matrix[N_ROWS * 32] = {0.5f, -1.25f, 3e38f, [95] = -0.0f};
static const float bias[3] = {1, 2, 3};

/* A file with every kind of value, written in pieces of the given size. */
static void
write_file (const char *path, gsize piece, gboolean finish)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, &error);
  g_autoptr (GByteArray) data = g_byte_array_new ();
  static const uint64_t shape[] = {32, N_ROWS}, length[] = {3};

  g_assert_no_error (error);
  bn_gguf_writer_add_string (writer, "general.architecture", "llama");
  bn_gguf_writer_add_uint32 (writer, "general.alignment", 64);
  bn_gguf_writer_add_uint32 (writer, "llama.block_count", 4000000000u);
  bn_gguf_writer_add_float (writer, "llama.eps", 1e-5f);
  bn_gguf_writer_add_bool (writer, "b.true", TRUE);
  bn_gguf_writer_add_bool (writer, "b.false", FALSE);
  bn_gguf_writer_add_strings (writer, "tokens", tokens, G_N_ELEMENTS (tokens));
  bn_gguf_writer_add_strings (writer, "no-tokens", NULL, 0);
  bn_gguf_writer_add_array (
      writer, "types", BN_GGUF_I32, types, G_N_ELEMENTS (types));
  bn_gguf_writer_add_tensor (writer, "matrix", BN_TYPE_F32, 2, shape);
  bn_gguf_writer_add_tensor (writer, "bias", BN_TYPE_F32, 1, length);
  g_byte_array_append (data, (const guint8 *) matrix, sizeof matrix);
  g_byte_array_append (data, (const guint8 *) bias, sizeof bias);
  for (gsize i = 0; i < data->len; i += piece) {
    g_assert_true (bn_gguf_writer_write (
        writer, data->data + i, MIN (piece, data->len - i), &error));
    g_assert_no_error (error);
  }
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  if (finish) {
    g_assert_true (bn_gguf_writer_finish (writer, &error));
    g_assert_no_error (error);
  }
}

static void
check_file (const BnGguf *gguf)
{
  const BnGgufTensor *tensor;
  const BnGgufKv *kv;
  uint64_t number;
  int64_t type;
  double real;
  gboolean truth;
  const char *text;
  size_t n;

  g_assert_cmpuint (bn_gguf_get_version (gguf), ==, 3);
  g_assert_cmpuint (bn_gguf_get_n_kvs (gguf), ==, 9);
  g_assert_cmpuint (bn_gguf_get_data_start (gguf) % 64, ==, 0);
  g_assert_true (bn_gguf_get_uint (gguf, "llama.block_count", &number));
  g_assert_cmpuint (number, ==, 4000000000u);
  g_assert_true (bn_gguf_get_double (gguf, "llama.eps", &real));
  g_assert_cmpfloat (real, ==, (double) 1e-5f);
  g_assert_true (bn_gguf_get_bool (gguf, "b.true", &truth) && truth);
  g_assert_true (bn_gguf_get_bool (gguf, "b.false", &truth) && !truth);
  kv = bn_gguf_find_kv (gguf, "tokens");
  g_assert_cmpuint (kv->count, ==, G_N_ELEMENTS (tokens));
  for (guint i = 0; i < G_N_ELEMENTS (tokens); i++) {
    g_assert_true (bn_gguf_kv_get_string (kv, i, &text, &n));
    g_assert_cmpmem (text, n, tokens[i], strlen (tokens[i]));
  }
  g_assert_false (bn_gguf_kv_get_string (kv, 4, &text, &n));
  g_assert_cmpuint (bn_gguf_find_kv (gguf, "no-tokens")->count, ==, 0);
  kv = bn_gguf_find_kv (gguf, "types");
  for (guint i = 0; i < G_N_ELEMENTS (types); i++) {
    g_assert_true (bn_gguf_kv_get_int (kv, i, &type));
    g_assert_cmpint (type, ==, types[i]);
  }
  tensor = bn_gguf_find_tensor (gguf, "bias");
  g_assert_cmpmem (tensor->data, tensor->size, bias, sizeof bias);
  tensor = bn_gguf_find_tensor (gguf, "matrix");
  g_assert_cmpuint (tensor->ne[1], ==, N_ROWS);
  g_assert_cmpmem (tensor->data, tensor->size, matrix, sizeof matrix);
  g_assert_cmpuint (tensor->offset % 64, ==, 0);
}

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  static const gsize pieces[] = {1, 7, 13, 1000};

  for (gsize i = 0; i < G_N_ELEMENTS (pieces); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BnGguf) gguf = NULL;

    write_file (fixture->path, pieces[i], TRUE);
    gguf = bn_gguf_open (fixture->path, NULL, &error);
    g_assert_no_error (error);
    check_file (gguf);
    g_unlink (fixture->path);
  }
}

static void
test_unfinished (Fixture *fixture, gconstpointer data)
{
  write_file (fixture->path, 16, FALSE);
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
}

static void
test_replaces (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = NULL;
  g_autofree char *text = NULL;

  g_assert_true (g_file_set_contents (fixture->path, "old", 3, NULL));
  writer = bn_gguf_writer_new (fixture->path, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "old");
  g_assert_true (bn_gguf_writer_finish (writer, &error));
  g_clear_pointer (&text, g_free);
  g_assert_true (g_file_get_contents (fixture->path, &text, NULL, NULL));
  g_assert_true (g_str_has_prefix (text, "GGUF"));
  g_assert_cmpuint (count_files (fixture->folder), ==, 1);
}

/* Whatever the target is, if no file may stand there it is left alone. */
static void
test_bad_targets (Fixture *fixture, gconstpointer data)
{
  g_autofree char *below = g_build_filename (fixture->path, "y", NULL);
  g_autofree char *pipe = g_build_filename (fixture->folder, "pipe", NULL);
  const char *targets[] = {below, pipe, fixture->folder, "/dev/null"};
  struct stat info;

  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (bn_gguf_writer_new (targets[i], &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_WRITE);
    g_assert_true (g_str_has_prefix (error->message, targets[i]));
  }
  g_assert_cmpint (stat ("/dev/null", &info), ==, 0);
  g_assert_true (S_ISCHR (info.st_mode));
  g_unlink (pipe);
}

static void
test_full_disk (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = NULL;
  static const uint64_t shape[] = {1 << 20};
  g_autofree float *zeros = g_new0 (float, 1 << 20);
  struct rlimit old, small;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  small = old;
  small.rlim_cur = 1 << 16;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  writer = bn_gguf_writer_new (fixture->path, &error);
  bn_gguf_writer_add_tensor (writer, "a", BN_TYPE_F32, 1, shape);
  if (bn_gguf_writer_write (writer, zeros, 4 << 20, &error))
    bn_gguf_writer_finish (writer, &error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_WRITE);
  g_clear_pointer (&writer, bn_gguf_writer_free);
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
}

/* Every pair survives being copied by another writer, also from version 1,
 * whose lengths are shorter. */
static void
test_copy_kvs (Fixture *fixture, gconstpointer data)
{
  static const char version_1[] = "GGUF\1\0\0\0"
                                  "\0\0\0\0\2\0\0\0"
                                  "\1\0\0\0a\10\0\0\0\2\0\0\0hi"
                                  "\1\0\0\0b\11\0\0\0\10\0\0\0\2\0\0\0"
                                  "\1\0\0\0x\2\0\0\0yz";
  g_autoptr (GBytes) bytes =
      g_bytes_new_static (version_1, sizeof version_1 - 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) source = bn_gguf_new_from_bytes (bytes, "v1.gguf", &error);
  g_autoptr (BnGguf) copy = NULL;
  g_autoptr (BnGgufWriter) writer = NULL;
  g_autofree char *value = NULL;
  const char *text;
  size_t n;

  g_assert_no_error (error);
  writer = bn_gguf_writer_new (fixture->path, &error);
  for (size_t i = 0; i < bn_gguf_get_n_kvs (source); i++)
    bn_gguf_writer_add_kv (writer, bn_gguf_get_kv (source, i));
  g_assert_true (bn_gguf_writer_finish (writer, &error));
  copy = bn_gguf_open (fixture->path, NULL, &error);
  g_assert_no_error (error);
  value = bn_gguf_dup_string (copy, "a");
  g_assert_cmpstr (value, ==, "hi");
  g_assert_true (
      bn_gguf_kv_get_string (bn_gguf_find_kv (copy, "b"), 1, &text, &n));
  g_assert_cmpmem (text, n, "yz", 2);
}

/* A file of the writer, cut at every byte: refused, or complete because only
 * padding is missing. */
static void
test_truncated (Fixture *fixture, gconstpointer data)
{
  g_autofree char *contents = NULL;
  g_autoptr (BnGguf) whole = NULL;
  const BnGgufTensor *last;
  gsize size;

  write_file (fixture->path, 100, TRUE);
  g_assert_true (g_file_get_contents (fixture->path, &contents, &size, NULL));
  g_assert_cmpuint (size % 64, ==, 0);
  whole = bn_gguf_open (fixture->path, NULL, NULL);
  last = bn_gguf_get_tensor (whole, 1);
  for (gsize cut = 0; cut <= size; cut++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) bytes = g_bytes_new (contents, cut);
    g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "x", &error);

    if (cut >= last->offset + last->size) {
      g_assert_no_error (error);
      check_file (gguf);
    } else {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TRUNCATED);
    }
  }
}

#define ADD(name, function)                                                    \
  g_test_add ("/gguf-writer/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("round-trip", test_round_trip);
  ADD ("unfinished", test_unfinished);
  ADD ("replaces", test_replaces);
  ADD ("bad-targets", test_bad_targets);
  ADD ("full-disk", test_full_disk);
  ADD ("copy-kvs", test_copy_kvs);
  ADD ("truncated", test_truncated);
  return g_test_run ();
}
