/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet inspect: the documented JSON keys, the sections for people, every
 * file of the reference data, messages and exit codes. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "test-spawn.h"

static char *
seed_path (const char *name)
{
  return g_test_build_filename (
      G_TEST_DIST, "fuzz", "seeds", "gguf", name, NULL);
}

static JsonObject *
inspect_json (const char *path, gboolean with_tensors, JsonParser *parser)
{
  const char *arguments[] = {
      "inspect", "--json", path, with_tensors ? "--tensors" : NULL, NULL};
  g_auto (TestOutcome) outcome = test_spawn (arguments);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (outcome.err, ==, "");
  g_assert_cmpint (outcome.status, ==, 0);
  json_parser_load_from_data (parser, outcome.out, -1, &error);
  g_assert_no_error (error);
  return json_node_get_object (json_parser_get_root (parser));
}

static void
check_members (JsonObject *object, const char *const *names)
{
  g_autoptr (GList) members = json_object_get_members (object);
  GList *member = members;

  for (; *names; names++) {
    g_assert_nonnull (member);
    g_assert_cmpstr (member->data, ==, *names);
    member = member->next;
  }
  g_assert_null (member);
}

static void
test_json (void)
{
  static const char *const keys[] = {"path", "version", "n_files", "size", "id",
      "architecture", "name", "quantization", "vocab_size", "context_length",
      "embedding_length", "block_count", "n_parameters", "n_tensors",
      "tokenizer", "discovery", "metadata", "tensors", NULL};
  static const char *const discovery_keys[] = {
      "path", "architecture", "name", "embedded-tokenizer", "candidates"};
  static const char *const tensor_keys[] = {
      "name", "type", "shape", "offset", "size", "file", NULL};
  g_autofree char *path = seed_path ("example.gguf");
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *root = inspect_json (path, TRUE, parser), *object;
  JsonArray *array;

  check_members (root, keys);
  g_assert_cmpstr (json_object_get_string_member (root, "path"), ==, path);
  g_assert_cmpint (json_object_get_int_member (root, "version"), ==, 3);
  g_assert_cmpint (json_object_get_int_member (root, "size"), ==, 320);
  g_assert_cmpint (json_object_get_int_member (root, "n_parameters"), ==, 40);
  g_assert_cmpstr (
      json_object_get_string_member (root, "architecture"), ==, "llama");
  g_assert_true (json_object_get_null_member (root, "name"));
  g_assert_true (json_object_get_null_member (root, "tokenizer"));

  object = json_object_get_object_member (root, "discovery");
  for (gsize i = 0; i < G_N_ELEMENTS (discovery_keys); i++)
    g_assert_true (json_object_has_member (object, discovery_keys[i]));
  g_assert_false (json_object_has_member (object, "family"));
  g_assert_false (
      json_object_get_boolean_member (object, "embedded-tokenizer"));

  object = json_object_get_object_member (root, "metadata");
  g_assert_cmpint (
      json_object_get_int_member (object, "general.alignment"), ==, 32);
  object = json_object_get_object_member (object, "x.a");
  g_assert_cmpstr (json_object_get_string_member (object, "type"), ==, "int32");
  g_assert_cmpint (json_object_get_int_member (object, "count"), ==, 2);

  array = json_object_get_array_member (root, "tensors");
  g_assert_cmpuint (json_array_get_length (array), ==, 2);
  object = json_array_get_object_element (array, 1);
  check_members (object, tensor_keys);
  g_assert_cmpstr (json_object_get_string_member (object, "name"), ==, "t1");
  g_assert_cmpstr (json_object_get_string_member (object, "type"), ==, "Q8_0");
  g_assert_cmpint (json_object_get_int_member (object, "offset"), ==, 256);
  g_assert_cmpint (json_object_get_int_member (object, "size"), ==, 34);
  object = json_array_get_object_element (array, 0);
  array = json_object_get_array_member (object, "shape");
  g_assert_cmpint (json_array_get_int_element (array, 0), ==, 4);
  g_assert_cmpint (json_array_get_int_element (array, 1), ==, 2);

  root = inspect_json (path, FALSE, parser);
  g_assert_false (json_object_has_member (root, "tensors"));
}

static void
test_text (void)
{
  static const char *const parts[] = {"File\n", "\nModel\n", "\nTokenizer\n",
      "\nMetadata\n", "\nTensors by type\n",
      "general.architecture = \"llama\"\n", "x.a = 2 x int32\n", "320 bytes",
      "t1 ", "\n  family           -\n"};
  g_autofree char *path = seed_path ("example.gguf");
  const char *arguments[] = {"inspect", path, "--tensors", NULL};
  g_auto (TestOutcome) outcome = test_spawn (arguments);

  g_assert_cmpint (outcome.status, ==, 0);
  g_assert_cmpstr (outcome.err, ==, "");
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
    if (!strstr (outcome.out, parts[i]))
      g_error ("found \"%s\", expected \"%s\" in it", outcome.out, parts[i]);
  }
}

/* %s is a file of the seeds. */
static const struct {
  const char *name;
  const char *line;
  int status;
  const char *err;
} failures[] = {
    {"no-file", "inspect", 2, "bitnet inspect: expected one file, found 0"},
    {"two-files", "inspect a b", 2, "found 2"},
    {"missing", "inspect /no/such.gguf", 1,
        "bitnet inspect: /no/such.gguf: no such file\n"},
    {"directory", "inspect /", 1, "a directory"},
    {"not-gguf", "inspect --json /proc/self/status", 1, "bitnet inspect: "},
    {"option", "inspect --xml x", 2, "--xml"},
};

static void
test_failure (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_auto (TestOutcome) outcome = test_spawn_line (failures[i].line);

  g_assert_cmpint (outcome.status, ==, failures[i].status);
  g_assert_cmpstr (outcome.out, ==, "");
  if (!strstr (outcome.err, failures[i].err))
    g_error ("found \"%s\", expected \"%s\"", outcome.err, failures[i].err);
}

/* No architecture: the message says so instead of an empty overview. */
static void
test_not_a_model (void)
{
  g_autofree char *path = seed_path ("values.gguf");
  const char *arguments[] = {"inspect", path, NULL};
  g_auto (TestOutcome) outcome = test_spawn (arguments);

  g_assert_cmpint (outcome.status, ==, 1);
  g_assert_nonnull (strstr (outcome.err, "expected general.architecture"));
}

static void
test_reference (void)
{
  static const char *const folders[] = {"models", "vocab"};
  const char *data = g_getenv ("BITNET_REFERENCE_DATA");
  guint n_files = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *folder =
        g_build_filename (data ? data : "", folders[i], NULL);
    g_autoptr (GDir) dir = data ? g_dir_open (folder, 0, NULL) : NULL;
    const char *name;

    while (dir && (name = g_dir_read_name (dir))) {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autoptr (JsonParser) parser = json_parser_new ();
      const char *arguments[] = {"inspect", path, "--tensors", NULL};
      g_auto (TestOutcome) outcome = {0};
      JsonObject *root;

      if (!g_str_has_suffix (name, ".gguf"))
        continue;
      outcome = test_spawn (arguments);
      g_assert_cmpint (outcome.status, ==, 0);
      root = inspect_json (path, TRUE, parser);
      g_assert_cmpint (json_object_get_int_member (root, "vocab_size"), >, 0);
      g_assert_false (json_object_get_null_member (root, "tokenizer"));
      n_files++;
    }
  }
  if (n_files == 0)
    g_test_skip ("no reference data");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/inspect/C02/json", test_json);
  g_test_add_func ("/inspect/C02/text", test_text);
  for (gsize i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autofree char *path =
        g_strdup_printf ("/inspect/failure/%s", failures[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_failure);
  }
  g_test_add_func ("/inspect/not-a-model", test_not_a_model);
  g_test_add_func ("/inspect/reference", test_reference);
  return g_test_run ();
}
