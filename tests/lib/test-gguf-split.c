/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Split models: any file opens the whole, in order, and every way in which
 * the files can contradict each other is told apart. */
#include <glib/gstdio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-gguf.h"

enum { MAX_FILES = 3 };

/* How the files differ from a good set; -1 leaves a key out. */
typedef struct {
  const char *name;
  int count[MAX_FILES]; /* split.count of each file; 0: no such file */
  int index[MAX_FILES]; /* split.no */
  int n_tensors;        /* split.tensors.count in the first file */
  const char *tensors[MAX_FILES];
  const char *file_format;
  int opened; /* which file is named, 0-based */
  int code;   /* -1: accepted */
  const char *message;
} Case;

#define GOOD_NAME "m-%05d-of-%05d.gguf"
#define ABC                                                                    \
  {                                                                            \
    "a", "b", "c"                                                              \
  }
static const Case cases[] = {
    {"first", {3, 3, 3}, {0, 1, 2}, 3, ABC, GOOD_NAME, 0, -1, NULL},
    {"second", {3, 3, 3}, {0, 1, 2}, 3, ABC, GOOD_NAME, 1, -1, NULL},
    {"last", {3, 3, 3}, {0, 1, 2}, 3, ABC, GOOD_NAME, 2, -1, NULL},
    {"no-total", {3, 3, 3}, {0, 1, 2}, -1, ABC, GOOD_NAME, 0, -1, NULL},
    {"count-1", {1, 0, 0}, {0}, 1, {"a"}, "m.gguf", 0, -1, NULL},
    {"count-0", {-1, 0, 0}, {0}, 1, {"a"}, "m.gguf", 0, -1, NULL},
    {"missing", {3, 0, 3}, {0, 1, 2}, 3, ABC, GOOD_NAME, 0,
        BITNET_ERROR_NOT_FOUND, "m-00002-of-00003.gguf: no such file"},
    {"first-missing", {0, 3, 3}, {0, 1, 2}, 3, ABC, GOOD_NAME, 2,
        BITNET_ERROR_NOT_FOUND, "m-00001-of-00003.gguf: no such file"},
    {"other-count", {3, 4, 3}, {0, 1, 2}, 3, ABC, GOOD_NAME, 0,
        BITNET_ERROR_CORRUPT, "found split.count 4, expected 3"},
    {"other-index", {3, 3, 3}, {0, 2, 1}, 3, ABC, GOOD_NAME, 0,
        BITNET_ERROR_CORRUPT, "found split.no 2, expected 1"},
    {"no-index", {3, 3, 3}, {0, -1, 2}, 3, ABC, GOOD_NAME, 0,
        BITNET_ERROR_CORRUPT, "found split.no 0, expected 1"},
    {"total", {3, 3, 3}, {0, 1, 2}, 4, ABC, GOOD_NAME, 0, BITNET_ERROR_CORRUPT,
        "found split.tensors.count 4, expected the 3 tensors"},
    {"duplicate", {3, 3, 3}, {0, 1, 2}, 3, {"a", "b", "a"}, GOOD_NAME, 0,
        BITNET_ERROR_CORRUPT, "the tensor \"a\" again"},
    {"name", {3, 3, 3}, {0, 1, 2}, 3, ABC, "m%d-%d.gguf", 0,
        BITNET_ERROR_CORRUPT, "expected NAME-00001-of-00003.gguf"},
    {"name-digits", {3, 3, 3}, {0, 1, 2}, 3, ABC, "m-%04d-of-%05d.gguf", 0,
        BITNET_ERROR_CORRUPT, "expected NAME-00001-of-00003.gguf"},
    {"name-count", {2, 2, 2}, {0, 1, 2}, 3, ABC, GOOD_NAME, 0,
        BITNET_ERROR_CORRUPT, "expected NAME-00001-of-00002.gguf"},
    {"too-many", {2000, 0, 0}, {0}, 3, ABC, GOOD_NAME, 0, BITNET_ERROR_CORRUPT,
        "found split.count 2000, expected at most 1024"},
};

static void
add_uint16 (BnGgufWriter *writer, const char *key, int value)
{
  uint8_t data[2] = {(uint8_t) value, (uint8_t) (value >> 8)};
  BnGgufKv kv = {.key = key,
      .type = BN_GGUF_U16,
      .element_type = BN_GGUF_U16,
      .count = 1,
      .data = data,
      .size = sizeof data};

  if (value >= 0)
    bn_gguf_writer_add_kv (writer, &kv);
}

static void
write_part (const Case *test, int i, const char *path)
{
  static const uint64_t shape[] = {1};
  float value = (float) i;
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGgufWriter) writer = bn_gguf_writer_new (path, &error);

  g_assert_no_error (error);
  if (i == 0)
    bn_gguf_writer_add_string (writer, "general.architecture", "llama");
  add_uint16 (writer, "split.count", test->count[i]);
  add_uint16 (writer, "split.no", test->index[i]);
  if (i == 0)
    add_uint16 (writer, "split.tensors.count", test->n_tensors);
  bn_gguf_writer_add_tensor (writer, test->tensors[i], BN_TYPE_F32, 1, shape);
  bn_gguf_writer_write (writer, &value, sizeof value, &error);
  bn_gguf_writer_finish (writer, &error);
  g_assert_no_error (error);
}

static void
check_parts (const BnGguf *gguf, const Case *test, guint n_files)
{
  g_autofree char *architecture =
      bn_gguf_dup_string (gguf, "general.architecture");

  g_assert_cmpstr (architecture, ==, "llama");
  g_assert_cmpuint (bn_gguf_get_n_files (gguf), ==, n_files);
  g_assert_cmpuint (bn_gguf_get_n_tensors (gguf), ==, n_files);
  for (guint i = 0; i < n_files; i++) {
    const BnGgufTensor *tensor = bn_gguf_get_tensor (gguf, i);
    float value;

    g_assert_cmpstr (tensor->name, ==, test->tensors[i]);
    g_assert_true (tensor == bn_gguf_find_tensor (gguf, test->tensors[i]));
    g_assert_cmpuint (tensor->file, ==, i);
    memcpy (&value, tensor->data, sizeof value);
    g_assert_cmpfloat (value, ==, (float) i);
  }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static char *
make_path (const char *folder, const char *format, int i)
{
  g_autofree char *name = g_strdup_printf (format, i + 1, MAX_FILES);

  return g_build_filename (folder, name, NULL);
}
#pragma GCC diagnostic pop

static void
test_case (gconstpointer user_data)
{
  const Case *test = user_data;
  g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  g_autofree char *opened = make_path (folder, test->file_format, test->opened);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  guint n_files = 0;

  for (int i = 0; i < MAX_FILES; i++) {
    g_autofree char *path = make_path (folder, test->file_format, i);

    if (test->count[i] != 0) {
      write_part (test, i, path);
      n_files++;
    }
  }
  gguf = bn_gguf_open (opened, NULL, &error);
  if (test->code < 0) {
    g_assert_no_error (error);
    check_parts (gguf, test, n_files);
    g_assert_cmpstr (bn_gguf_get_path (gguf), ==, opened);
  } else {
    g_assert_null (gguf);
    g_assert_error (error, BITNET_ERROR, test->code);
    if (!strstr (error->message, test->message))
      g_error (
          "message \"%s\", expected \"…%s…\"", error->message, test->message);
  }
  for (int i = 0; i < MAX_FILES; i++) {
    g_autofree char *path = make_path (folder, test->file_format, i);

    g_unlink (path);
  }
  g_rmdir (folder);
}

/* One file of a split model has no siblings when it is only bytes. */
static void
test_bytes (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "x.gguf", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  write_part (&cases[0], 0, path);
  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  bytes = g_bytes_new (contents, size);
  g_assert_null (bn_gguf_new_from_bytes (bytes, "x.gguf", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND);
  g_unlink (path);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = g_strconcat ("/gguf-split/", cases[i].name, NULL);

    g_test_add_data_func (name, &cases[i], test_case);
  }
  g_test_add_func ("/gguf-split/bytes", test_bytes);
  return g_test_run ();
}
