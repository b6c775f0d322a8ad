/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* docs/resolution.md says what is so. Each of its commands succeeds in a folder
 * such as it speaks of, with a hub that has the repositories it names; its
 * tables have every strategy in its order and every code of an error; some page
 * has every variable that the program reads.
 *
 * Commands that follow each other without a line between them are one test
 * and may need one another; the tests run in the order of the page.
 *
 * usage: test-resolution --tap SOURCE-ROOT [HUB-SERVER] */
#include <bitnet/bitnet.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "page.h"
#include "test-folder.h"
#include "test-spawn.h"

#define PAGE "docs/resolution.md"
#define INDENT "    "
#define STRATEGIES "## The strategies"
#define VARIABLES "## Network, cache, offline"
#define CODES "## Troubleshooting"
#define PATH "/docs/resolution/"

enum {
  TIMEOUT_S = 60, /* of a pipeline */
  TYPE_CONTROL = 3,
  MIN_VARIABLES = 20,
};

/* Repositories that the page names. */
static const char *const repositories[] = {
    "OWNER/NAME", "openai-community/gpt2"};

static const char *source_root, *hub_server;
static GStrv page;

/* The folder. */

static void
begin_model (JsonBuilder *builder, GVariant *tokens, GVariant *merges)
{
  json_builder_set_member_name (builder, "model");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "type");
  json_builder_add_string_value (builder, "BPE");
  json_builder_set_member_name (builder, "vocab");
  json_builder_begin_object (builder);
  for (gsize i = 0; i < g_variant_n_children (tokens); i++) {
    g_autoptr (GVariant) token = g_variant_get_child_value (tokens, i);

    json_builder_set_member_name (builder, g_variant_get_string (token, NULL));
    json_builder_add_int_value (builder, (gint64) i);
  }
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "merges");
  json_builder_begin_array (builder);
  for (gsize i = 0; i < g_variant_n_children (merges); i++) {
    g_autoptr (GVariant) merge = g_variant_get_child_value (merges, i);

    json_builder_add_string_value (builder, g_variant_get_string (merge, NULL));
  }
  json_builder_end_array (builder);
}

static void
add_special_tokens (JsonBuilder *builder, GVariant *tokens, GVariant *types)
{
  json_builder_set_member_name (builder, "added_tokens");
  json_builder_begin_array (builder);
  for (gsize i = 0; i < g_variant_n_children (tokens); i++) {
    g_autoptr (GVariant) token = g_variant_get_child_value (tokens, i);
    gint32 type;

    g_variant_get_child (types, i, "i", &type);
    if (type != TYPE_CONTROL)
      continue;
    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "id");
    json_builder_add_int_value (builder, (gint64) i);
    json_builder_set_member_name (builder, "content");
    json_builder_add_string_value (builder, g_variant_get_string (token, NULL));
    json_builder_set_member_name (builder, "special");
    json_builder_add_boolean_value (builder, TRUE);
    json_builder_end_object (builder);
  }
  json_builder_end_array (builder);
}

static void
add_byte_level (JsonBuilder *builder, const char *member)
{
  json_builder_set_member_name (builder, member);
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "type");
  json_builder_add_string_value (builder, "ByteLevel");
  json_builder_set_member_name (builder, "add_prefix_space");
  json_builder_add_boolean_value (builder, FALSE);
  json_builder_set_member_name (builder, "use_regex");
  json_builder_add_boolean_value (builder, TRUE);
  json_builder_end_object (builder);
}

/* The vocabulary of a model, which cuts words as GPT-2 does, as tokenizer.json.
 * (transfer full) */
static char *
make_tokenizer (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetModel) model =
      bitnet_model_new_from_file (path, NULL, &error);
  g_autoptr (GVariant) tokens = NULL;
  g_autoptr (GVariant) types = NULL;
  g_autoptr (GVariant) merges = NULL;
  g_autofree char *pre = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  g_assert_no_error (error);
  pre = bitnet_model_dup_string (model, "tokenizer.ggml.pre");
  g_assert_cmpstr (pre, ==, "gpt-2");
  tokens = bitnet_model_dup_metadata (model, "tokenizer.ggml.tokens");
  types = bitnet_model_dup_metadata (model, "tokenizer.ggml.token_type");
  merges = bitnet_model_dup_metadata (model, "tokenizer.ggml.merges");
  json_builder_begin_object (builder);
  add_special_tokens (builder, tokens, types);
  add_byte_level (builder, "pre_tokenizer");
  add_byte_level (builder, "decoder");
  begin_model (builder, tokens, merges);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

static void
set_folder (const char *variable, const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_setenv (variable, path, TRUE);
}

/* The reader's folder, in which this process then is, with a copy of it for
 * the hub; and caches that are empty. */
static char *
set_up_folder (const char *demo)
{
  char *folder = test_folder_new ();
  g_autofree char *json = make_tokenizer (demo);
  g_autofree char *model = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (demo, &model, &size, NULL));
  for (int is_hub = 0; is_hub < 2; is_hub++) {
    g_autofree char *place =
        g_build_filename (folder, is_hub ? "hub" : "here", NULL);

    g_free (test_folder_write (place, "model.gguf", model, (gssize) size));
    g_free (test_folder_write (place, "tokenizer.json", json, -1));
    if (!is_hub)
      g_assert_cmpint (g_chdir (place), ==, 0);
  }
  set_folder ("BITNET_CACHE_DIR", folder, "cache");
  set_folder ("HF_HOME", folder, "huggingface");
  set_folder ("XDG_CONFIG_HOME", folder, "config");
  return folder;
}

/* NULL if there is no program for it. The hub ends with its input, so with
 * the process. */
static GSubprocess *
start_hub (const char *folder)
{
  g_autofree char *files = g_build_filename (folder, "hub", NULL);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GDataInputStream) output = NULL;
  g_autofree char *endpoint = NULL;
  g_autoptr (GError) error = NULL;
  GSubprocess *hub;

  if (hub_server == NULL)
    return NULL;
  g_ptr_array_add (argv, (gpointer) hub_server);
  for (gsize i = 0; i < G_N_ELEMENTS (repositories); i++) {
    g_ptr_array_add (argv, (gpointer) repositories[i]);
    g_ptr_array_add (argv, files);
  }
  g_ptr_array_add (argv, NULL);
  hub = g_subprocess_newv ((const char *const *) argv->pdata,
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (hub));
  endpoint = g_data_input_stream_read_line (output, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (endpoint);
  g_setenv ("HF_ENDPOINT", endpoint, TRUE);
  return hub;
}

/* Commands. */

static void
run_bitnet (const char *const *arguments)
{
  g_auto (TestOutcome) outcome = test_spawn (arguments);

  g_test_message ("%s%s", outcome.out, outcome.err);
  g_assert_cmpint (outcome.status, ==, 0);
}

static void
run_pipeline (const char *line)
{
  g_auto (GStrv) argv = page_get_pipeline (line);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;

  g_assert_nonnull (argv);
  pipeline = gst_parse_launchv ((const char **) argv, &error);
  g_assert_no_error (error);
  gst_object_ref_sink (pipeline);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (
      bus, TIMEOUT_S * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_no_error (error);
}

/* NAME=VALUE in front of a command. */
static gboolean
is_assignment (const char *word)
{
  const char *p = word;

  while (g_ascii_isupper (*p) || *p == '_')
    p++;
  return p > word && *p == '=';
}

static void
run_line (const char *line)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  g_auto (GStrv) set = NULL;
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  char **word;

  g_test_message ("%s", line);
  g_shell_parse_argv (line, NULL, &words, &error);
  g_assert_no_error (error);
  for (word = words; *word && is_assignment (*word); word++) {
    const char *value = strchr (*word, '=') + 1;
    g_autofree char *name = g_strndup (*word, (gsize) (value - 1 - *word));

    g_assert_null (g_getenv (name));
    g_setenv (name, value, TRUE);
    g_strv_builder_add (names, name);
  }
  if (g_strcmp0 (*word, "bitnet") == 0)
    run_bitnet ((const char *const *) word + 1);
  else if (g_strcmp0 (*word, "gst-launch-1.0") == 0 && word == words)
    run_pipeline (line);
  else
    g_error ("nobody has told this test how to run \"%s\"", line);
  set = g_strv_builder_end (names);
  for (char **name = set; *name; name++)
    g_unsetenv (*name);
}

static gboolean
needs_hub (const char *line)
{
  for (gsize i = 0; i < G_N_ELEMENTS (repositories); i++) {
    if (strstr (line, repositories[i]))
      return TRUE;
  }
  return FALSE;
}

static void
test_block (gconstpointer data)
{
  const GStrv lines = (GStrv) data;

  for (char **line = lines; *line; line++) {
    if (hub_server == NULL && needs_hub (*line))
      g_test_skip ("built without libsoup, so there is no hub");
    else
      run_line (*line);
  }
}

static void
free_lines (gpointer lines)
{
  g_strfreev (lines);
}

/* Indented lines that follow each other. */
static guint
add_blocks (void)
{
  guint n_blocks = 0;

  for (guint i = 0; page[i]; i++) {
    g_autoptr (GStrvBuilder) lines = g_strv_builder_new ();
    g_autofree char *path = g_strdup_printf (PATH "line-%u", i + 1);

    if (g_str_has_prefix (page[i], "```")) {
      do
        i++;
      while (page[i] && !g_str_has_prefix (page[i], "```"));
      g_assert_nonnull (page[i]);
      continue;
    }
    if (!g_str_has_prefix (page[i], INDENT))
      continue;
    while (g_str_has_prefix (page[i], INDENT))
      g_strv_builder_add (lines, page[i++] + strlen (INDENT));
    i--;
    g_test_add_data_func_full (
        path, g_strv_builder_end (lines), test_block, free_lines);
    n_blocks++;
  }
  return n_blocks;
}

/* Tables. */

/* The lines of a section, joined. (transfer full) */
static char *
dup_section (const char *title)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint i = 0;

  while (page[i] && strcmp (page[i], title) != 0)
    i++;
  g_assert_nonnull (page[i]);
  while (page[++i] && !g_str_has_prefix (page[i], "## "))
    g_string_append_printf (text, "%s\n", page[i]);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* What stands between backticks in the first cells of a section's tables.
 * (transfer full) */
static GPtrArray *
list_keys (const char *title)
{
  g_autofree char *section = dup_section (title);
  g_auto (GStrv) lines = g_strsplit (section, "\n", -1);
  GPtrArray *keys = g_ptr_array_new_with_free_func (g_free);

  for (char **line = lines; *line; line++) {
    g_auto (GStrv) cells = g_strsplit (*line, "|", 3);
    g_auto (GStrv) parts = NULL;

    if (g_strv_length (cells) < 3 || cells[0][0] != '\0')
      continue;
    parts = g_strsplit (cells[1], "`", -1);
    for (guint i = 1; parts[0] && parts[i] && parts[i + 1]; i += 2)
      g_ptr_array_add (keys, g_strdup (parts[i]));
  }
  g_assert_cmpuint (keys->len, >, 0);
  return keys;
}

/* A line that has all names, one after the other. */
static gboolean
has_line_of (GVariant *strategies)
{
  for (char **line = page; *line; line++) {
    const char *p = *line;
    GVariantIter iter;
    const char *name;

    g_variant_iter_init (&iter, strategies);
    while (p && g_variant_iter_next (&iter, "(&sib)", &name, NULL, NULL)) {
      p = strstr (p, name);
      p = p ? p + strlen (name) : NULL;
    }
    if (p)
      return TRUE;
  }
  return FALSE;
}

/* In the table, in the picture, and whether they need the network. */
static void
test_strategies (void)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) strategies =
      bitnet_resolver_list_strategies (resolver, &error);
  g_autofree char *section = dup_section (STRATEGIES);
  g_autoptr (GPtrArray) names = list_keys (STRATEGIES);

  g_assert_no_error (error);
  g_assert_cmpuint (names->len, ==, g_variant_n_children (strategies));
  for (guint i = 0; i < names->len; i++) {
    const char *name;
    gboolean needs_network;
    g_autofree char *row = NULL;
    g_autofree char *whole = NULL;
    const char *found;

    g_variant_get_child (strategies, i, "(&sib)", &name, NULL, &needs_network);
    g_assert_cmpstr (names->pdata[i], ==, name);
    row = g_strdup_printf ("\n| `%s` |", name);
    found = strstr (section, row);
    g_assert_nonnull (found);
    whole = g_strndup (found, strcspn (found + 1, "\n") + 1);
    g_assert_true (g_str_has_suffix (whole, "| yes |") == needs_network);
  }
  g_assert_true (has_line_of (strategies));
}

static void
test_codes (void)
{
  g_autoptr (GEnumClass) codes = g_type_class_ref (BITNET_TYPE_ERROR);
  g_autofree char *section = dup_section (CODES);
  g_autoptr (GPtrArray) keys = list_keys (CODES);

  for (guint i = 0; i < codes->n_values; i++) {
    const char *name = bitnet_error_get_name (codes->values[i].value);
    g_autofree char *quoted = g_strdup_printf ("`%s`", name);

    g_test_message ("%s", name);
    g_assert_nonnull (strstr (section, quoted));
  }
  for (guint i = 0; i < keys->len; i++) {
    g_autofree char *value =
        g_strconcat ("BITNET_ERROR_", keys->pdata[i], NULL);

    g_test_message ("%s", value);
    g_assert_nonnull (g_enum_get_value_by_name (codes, value));
  }
}

/* Variables. */

/* The page describes what happens where none is set. */
static void
unset_variables (void)
{
  g_autoptr (GPtrArray) names = list_keys (VARIABLES);

  for (guint i = 0; i < names->len; i++)
    g_unsetenv (names->pdata[i]);
}

static gboolean
is_variable (const char *name)
{
  static const char *const prefixes[] = {"BITNET_", "HF_", "HUGGING_FACE_",
      "HUGGINGFACE_", "TRANSFORMERS_", "SSL_", "REQUESTS_"};

  for (gsize i = 0; i < G_N_ELEMENTS (prefixes); i++) {
    if (g_str_has_prefix (name, prefixes[i]))
      return !g_str_has_suffix (name, "_");
  }
  return g_str_has_suffix (name, "_PROXY");
}

/* Whether a text ends with a name and a comma. */
static gboolean
follows (const char *text, const char *end, const char *name)
{
  while (end > text && g_ascii_isspace (end[-1]))
    end--;
  if (end == text || *--end != ',')
    return FALSE;
  end -= MIN (strlen (name), (gsize) (end - text));
  return g_str_has_prefix (end, name);
}

/* Names in quotes that look like variables. A value of an enum type has its
 * own name in front. */
static void
add_variables (const char *text, GHashTable *variables)
{
  const char *p = text;

  while ((p = strchr (p, '"')) != NULL) {
    const char *start = p++;
    gsize length = strspn (p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    g_autofree char *name = g_strndup (p, length);

    if (p[length] == '"' && is_variable (name) && !follows (text, start, name))
      g_hash_table_add (variables, g_steal_pointer (&name));
  }
}

static void
add_folder (const char *folder, GHashTable *variables)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const char *name;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *text = NULL;

    if (g_file_test (path, G_FILE_TEST_IS_DIR))
      add_folder (path, variables);
    else if (g_str_has_suffix (name, ".c")
             && g_file_get_contents (path, &text, NULL, NULL))
      add_variables (text, variables);
  }
}

/* All pages, joined. (transfer full) */
static char *
read_pages (void)
{
  g_autofree char *folder = g_build_filename (source_root, "docs", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autoptr (GString) all = g_string_new (NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *text = NULL;

    if (g_str_has_suffix (name, ".md")
        && g_file_get_contents (path, &text, NULL, NULL))
      g_string_append (all, text);
  }
  return g_string_free (g_steal_pointer (&all), FALSE);
}

static void
test_variables (void)
{
  static const char *const folders[] = {"lib", "elements", "tools"};
  g_autoptr (GHashTable) variables =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *pages = read_pages ();
  g_autoptr (GPtrArray) keys = list_keys (VARIABLES);
  GHashTableIter iter;
  gpointer name;

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *folder = g_build_filename (source_root, folders[i], NULL);

    add_folder (folder, variables);
  }
  g_assert_cmpuint (g_hash_table_size (variables), >=, MIN_VARIABLES);
  g_hash_table_iter_init (&iter, variables);
  while (g_hash_table_iter_next (&iter, &name, NULL)) {
    g_autofree char *pattern = g_strdup_printf ("\\b%s\\b", (char *) name);

    g_test_message ("%s", (char *) name);
    g_assert_true (g_regex_match_simple (pattern, pages, 0, 0));
  }
  for (guint i = 0; i < keys->len; i++) {
    g_test_message ("%s", (char *) keys->pdata[i]);
    g_assert_true (g_hash_table_contains (variables, keys->pdata[i]));
  }
}

int
main (int argc, char **argv)
{
  g_autofree char *demo = NULL;
  g_autofree char *path = NULL;
  char *folder;
  g_autoptr (GSubprocess) hub = NULL;
  guint n_blocks;
  int status;

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_assert_cmpint (argc, >=, 2);
  source_root = argv[1];
  hub_server = argc > 2 ? argv[2] : NULL;
  demo = g_build_filename (source_root, "data/demo.gguf", NULL);
  if (!g_file_test (demo, G_FILE_TEST_EXISTS)) {
    g_print ("1..0 # SKIP no demo model\n");
    return 0;
  }
  path = g_build_filename (source_root, PAGE, NULL);
  page = page_read_lines (path);
  unset_variables ();
  folder = set_up_folder (demo);
  hub = start_hub (folder);
  n_blocks = add_blocks ();
  g_assert_cmpuint (n_blocks, >, 0);
  g_test_add_func (PATH "strategies", test_strategies);
  g_test_add_func (PATH "codes", test_codes);
  g_test_add_func (PATH "variables", test_variables);
  status = g_test_run ();
  g_assert_cmpint (g_chdir ("/"), ==, 0);
  test_folder_remove (folder);
  g_strfreev (page);
  gst_deinit ();
  return status;
}
