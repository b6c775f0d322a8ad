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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions ();
  g_test_add_func ("/crossval/templates/renderings", test_renderings);
  return g_test_run ();
}
