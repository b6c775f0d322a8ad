/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chat templates of real models against what Python jinja2, set up as the
 * Hugging Face libraries do, makes of them: the interpreter on every row, and
 * the fixed forms where a template is one of them. Reads
 * $BITNET_REFERENCE_DATA. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "bitnet.h"
#include "bitnet-private.h"

typedef struct {
  JsonObject *row;
  const char *bos, *eos;
  char *source;
} Case;

static const char *
get_string (JsonObject *row, const char *member)
{
  return json_object_has_member (row, member)
             ? json_object_get_string_member (row, member)
             : NULL;
}

static void
check_outcome (JsonObject *row, const char *text, GError *error)
{
  if (json_object_has_member (row, "text")) {
    g_assert_no_error (error);
    g_assert_cmpstr (text, ==, get_string (row, "text"));
  } else if (json_object_has_member (row, "raised")) {
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE_RAISED);
    g_assert_cmpstr (error->message, ==, get_string (row, "raised"));
  } else {
    g_assert_null (text);
  }
}

static void
check_program (const Case *c, const char *request)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetTemplate) template =
      bitnet_template_new_from_text (c->source, &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  text =
      bitnet_template_render_json (template, request, -1, NULL, NULL, &error);
  check_outcome (c->row, text, error);
}

/* TRUE if the template is one of the forms and has a place for every message.
 * The forms give reasons of their own where they refuse. */
static gboolean
check_form (const Case *c, const char *messages)
{
  g_autoptr (BitnetTemplate) template =
      bitnet_template_new_form (c->source, c->bos, c->eos);
  g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (template == NULL || !json_object_has_member (c->row, "text")
      || !bitnet_conversation_load_json (conversation, messages, -1, NULL))
    return FALSE;
  text = bitnet_template_render (template, conversation,
      json_object_get_boolean_member (c->row, "add_generation_prompt"), &error);
  check_outcome (c->row, text, error);
  return TRUE;
}

static void
test_renderings (void)
{
  const char *data = g_getenv ("BITNET_REFERENCE_DATA");
  g_autofree char *folder =
      g_build_filename (data ? data : "", "templates", NULL);
  g_autofree char *path = g_build_filename (folder, "renderings.jsonl", NULL);
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;
  guint n_rows = 0, n_forms = 0;

  if (!g_file_get_contents (path, &contents, NULL, NULL)) {
    g_test_skip ("no reference data (option reference_data)");
    return;
  }
  lines = g_strsplit (contents, "\n", -1);
  for (; lines[n_rows] != NULL && *lines[n_rows] != '\0'; n_rows++) {
    g_autoptr (JsonNode) node = json_from_string (lines[n_rows], NULL);
    JsonObject *row = json_node_get_object (node);
    g_autofree char *file =
        g_build_filename (folder, get_string (row, "template"), NULL);
    g_autofree char *source = NULL;
    g_autofree char *messages =
        json_to_string (json_object_get_member (row, "messages"), FALSE);
    Case c = {row, get_string (row, "bos_token"), get_string (row, "eos_token"),
        NULL};

    g_test_message ("row %u: %s", n_rows, get_string (row, "template"));
    g_assert_true (g_file_get_contents (file, &source, NULL, NULL));
    c.source = source;
    check_program (&c, lines[n_rows]);
    n_forms += check_form (&c, messages);
  }
  g_test_message ("%u rows, %u of them by a form as well", n_rows, n_forms);
  g_assert_cmpuint (n_rows, >=, 330);
  g_assert_cmpuint (n_forms, >, 0);
}

/* Control tokens that are written into messages */

/* How often each control token stands in what a message becomes; NULL if the
 * template refuses it. */
static GHashTable *
count_control_tokens (BitnetTemplate *template, BitnetTokenizer *tokenizer,
    const char *role, const char *text)
{
  g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
  g_autoptr (GHashTable) counts = g_hash_table_new (NULL, NULL);
  g_autofree guint32 *tokens = NULL;
  gsize n_tokens;

  if (strcmp (role, "user") != 0)
    bitnet_conversation_append (conversation, "user", "x", NULL);
  bitnet_conversation_append (conversation, role, text, NULL);
  tokens = bitnet_template_encode (template, conversation, tokenizer, FALSE,
      BITNET_ENCODE_NONE, &n_tokens, NULL);
  if (tokens == NULL)
    return NULL;
  for (gsize i = 0; i < n_tokens; i++) {
    gpointer key = GUINT_TO_POINTER (tokens[i]);

    if (bitnet_tokenizer_get_attributes (tokenizer, tokens[i])
        & BITNET_TOKEN_CONTROL)
      g_hash_table_insert (counts, key,
          GUINT_TO_POINTER (
              GPOINTER_TO_UINT (g_hash_table_lookup (counts, key)) + 1));
  }
  return g_steal_pointer (&counts);
}

/* The texts of the first control tokens, one after another. */
static char *
join_control_tokens (BitnetTokenizer *tokenizer)
{
  enum { MAX_TOKENS = 64 };
  g_autoptr (GString) text = g_string_new ("a");
  guint n_found = 0;

  for (guint i = 0;
       i < bitnet_tokenizer_get_vocab_size (tokenizer) && n_found < MAX_TOKENS;
       i++) {
    g_autoptr (GBytes) bytes = NULL;

    if (!(bitnet_tokenizer_get_attributes (tokenizer, i)
            & BITNET_TOKEN_CONTROL))
      continue;
    bytes = bitnet_tokenizer_get_token_bytes (tokenizer, i);
    g_string_append_len (
        text, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    n_found++;
  }
  g_string_append_c (text, 'b');
  g_assert_cmpuint (n_found, >, 0);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* A message of control tokens gives those that a harmless one gives. */
static guint
check_injection (const char *path, BitnetTokenizer *tokenizer)
{
  static const char *const roles[] = {"user", "assistant", "system", "tool"};
  g_autofree char *injected = join_control_tokens (tokenizer);
  g_autofree char *source = NULL;
  g_autoptr (BitnetTemplate) template = NULL;
  guint n_checked = 0;

  g_assert_true (g_file_get_contents (path, &source, NULL, NULL));
  template = bitnet_template_new_from_text (source, NULL);
  g_assert_nonnull (template);
  for (gsize i = 0; i < G_N_ELEMENTS (roles); i++) {
    g_autoptr (GHashTable) plain =
        count_control_tokens (template, tokenizer, roles[i], "ab");
    g_autoptr (GHashTable) found =
        count_control_tokens (template, tokenizer, roles[i], injected);
    GHashTableIter iter;
    gpointer token, n;

    if (plain == NULL || found == NULL)
      continue;
    g_hash_table_iter_init (&iter, found);
    while (g_hash_table_iter_next (&iter, &token, &n)) {
      if (n != g_hash_table_lookup (plain, token))
        g_test_message (
            "%s, %s: token %u", path, roles[i], GPOINTER_TO_UINT (token));
      g_assert_true (n == g_hash_table_lookup (plain, token));
    }
    n_checked++;
  }
  return n_checked;
}

static void
test_injection (gconstpointer data)
{
  const char *folder = g_getenv ("BITNET_REFERENCE_DATA");
  g_autofree char *templates =
      g_build_filename (folder ? folder : "", "templates", NULL);
  g_autofree char *vocabulary = g_strdup_printf (
      "%s/vocab/%s.gguf", folder ? folder : "", (const char *) data);
  g_autoptr (GDir) dir = g_dir_open (templates, 0, NULL);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  const char *name;
  guint n_checked = 0;

  if (dir == NULL || !g_file_test (vocabulary, G_FILE_TEST_EXISTS)) {
    g_test_skip ("no reference data (option reference_data)");
    return;
  }
  tokenizer = bitnet_tokenizer_new_from_file (
      vocabulary, BITNET_FIDELITY_AUTO, NULL, NULL);
  g_assert_nonnull (tokenizer);
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (templates, name, NULL);

    if (g_str_has_suffix (name, ".jinja"))
      n_checked += check_injection (path, tokenizer);
  }
  g_test_message ("%u conversations", n_checked);
  g_assert_cmpuint (n_checked, >, 50);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  g_test_add_func ("/crossval/templates/renderings", test_renderings);
  g_test_add_data_func (
      "/crossval/templates/injection/qwen2", "qwen2", test_injection);
  g_test_add_data_func (
      "/crossval/templates/injection/llama-3", "llama-bpe", test_injection);
  return g_test_run ();
}
