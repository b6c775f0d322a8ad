/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet template: writes conversations as a chat template wants them, one or
 * a stream of JSON lines. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bitnet/bitnet.h>

#include "bitnet-tool.h"
#include "tool-jsonl.h"

enum { MAX_INPUT_SIZE = 1 << 28 };

typedef struct {
  char *file, *model;
  char *messages, *tools, *bos_token, *eos_token, *now;
  char **variables; /* NAME=JSON */
  gboolean no_generation_prompt, jsonl;
} Options;

static void
options_clear (Options *options)
{
  g_free (options->file);
  g_free (options->model);
  g_free (options->messages);
  g_free (options->tools);
  g_free (options->bos_token);
  g_free (options->eos_token);
  g_free (options->now);
  g_strfreev (options->variables);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* The text of a special token, or NULL. */
static char *
dup_special (BitnetTokenizer *tokenizer, BitnetSpecialToken which)
{
  guint32 token = bitnet_tokenizer_get_special (tokenizer, which);
  g_autoptr (GBytes) bytes = NULL;

  if (token == BITNET_TOKEN_NONE)
    return NULL;
  bytes = bitnet_tokenizer_get_token_bytes (tokenizer, token);
  return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

/* text: the template, or NULL for the one beside the tokenizer. */
static BitnetTemplate *
open_beside_tokenizer (const char *path, const char *text, GError **error)
{
  g_autoptr (BitnetTokenizer) tokenizer =
      bitnet_tokenizer_new_from_file (path, BITNET_FIDELITY_AUTO, NULL, error);
  g_autofree char *bos = NULL;
  g_autofree char *eos = NULL;

  if (tokenizer == NULL)
    return NULL;
  if (text == NULL)
    text = bitnet_tokenizer_get_chat_template (tokenizer);
  if (text == NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
        "%s: there is no chat template", path);
    return NULL;
  }
  bos = dup_special (tokenizer, BITNET_SPECIAL_BOS);
  eos = dup_special (tokenizer, BITNET_SPECIAL_EOS);
  return bitnet_template_new_full (text, bos, eos, error);
}

static char *
read_text (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize length;

  if (!g_file_get_contents (path, &text, &length, error))
    return NULL;
  if (strlen (text) != length) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE,
        "%s: there is a NUL byte at offset %" G_GSIZE_FORMAT, path,
        strlen (text));
    return NULL;
  }
  return g_steal_pointer (&text);
}

static BitnetTemplate *
open_template (const Options *options, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *path = NULL;
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GError) local = NULL;

  if (options->file != NULL) {
    text = read_text (options->file, error);
    if (text == NULL || options->model == NULL)
      return text ? bitnet_template_new_from_text (text, error) : NULL;
  }
  path = options->model ? g_strdup (options->model) : tool_default_model ();
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    model = bitnet_model_new_from_file (path, NULL, &local);
  if (model == NULL
      && (local == NULL
          || g_error_matches (local, BITNET_ERROR, BITNET_ERROR_NOT_GGUF)))
    return open_beside_tokenizer (path, text, error);
  if (model == NULL) {
    g_propagate_error (error, g_steal_pointer (&local));
    return NULL;
  }
  return text ? bitnet_template_new_for_model (text, model, error)
              : bitnet_template_new_from_model (model, error);
}

/* A line for one row: what it became, or why it became nothing. */
static void
render_row (
    BitnetTemplate *template, const char *row, gsize length, GString *out)
{
  g_autoptr (GError) error = NULL;
  gsize text_length;
  g_autofree char *text = bitnet_template_render_json (
      template, row, (gssize) length, NULL, &text_length, &error);

  if (text != NULL) {
    g_string_assign (out, "{\"text\":");
    tool_json_append_string (out, text, text_length);
  } else {
    g_string_assign (
        out, g_error_matches (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE_RAISED)
                 ? "{\"raised\":"
                 : "{\"error\":");
    tool_json_append_string (out, error->message, strlen (error->message));
  }
  g_string_append (out, "}\n");
}

static int
render_lines (BitnetTemplate *template)
{
  g_autoptr (ToolLines) lines = tool_lines_new (STDIN_FILENO);
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  const char *line;
  gsize length;

  while (tool_lines_next (lines, &line, &length, &error)) {
    render_row (template, line, length, out);
    fwrite (out->str, 1, out->len, stdout);
  }
  if (error) {
    fflush (stdout);
    return tool_fail ("template", "line %" G_GUINT64_FORMAT ": %s",
        tool_lines_get_number (lines), error->message);
  }
  return tool_finish_output ("template");
}

/* JSON given as itself or as the name of a file that holds it. */
static gboolean
append_json (
    GString *request, const char *name, const char *value, GError **error)
{
  const char *start = value + strspn (value, " \t\n");
  g_autofree char *contents = NULL;

  if (*start != '[' && *start != '{') {
    if (!g_file_get_contents (value, &contents, NULL, error))
      return FALSE;
    value = contents;
  }
  g_string_append_printf (request, "\"%s\":%s,", name, value);
  return TRUE;
}

static void
append_string (GString *request, const char *name, const char *value)
{
  if (value == NULL)
    return;
  g_string_append_printf (request, "\"%s\":", name);
  tool_json_append_string (request, value, strlen (value));
  g_string_append_c (request, ',');
}

static gboolean
append_variables (GString *request, char *const *variables, GError **error)
{
  for (; variables != NULL && *variables != NULL; variables++) {
    const char *equals = strchr (*variables, '=');

    if (equals == NULL || equals == *variables || equals[1] == '\0') {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "--set %s: expected NAME=JSON", *variables);
      return FALSE;
    }
    tool_json_append_string (
        request, *variables, (gsize) (equals - *variables));
    g_string_append_printf (request, ":%s,", equals + 1);
  }
  return TRUE;
}

static gboolean
append_messages (GString *request, const char *messages, GError **error)
{
  g_autoptr (GByteArray) input = NULL;

  if (messages != NULL)
    return append_json (request, "messages", messages, error);
  input = g_byte_array_new ();
  if (!tool_read_all (STDIN_FILENO, MAX_INPUT_SIZE, input, error))
    return FALSE;
  g_string_append (request, "\"messages\":");
  g_string_append_len (request, (const char *) input->data, input->len);
  g_string_append_c (request, ',');
  return TRUE;
}

static int
render_once (BitnetTemplate *template, const Options *options)
{
  g_autoptr (GString) request = g_string_new ("{");
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize length;

  append_string (request, "bos_token", options->bos_token);
  append_string (request, "eos_token", options->eos_token);
  append_string (request, "now", options->now);
  if (!append_variables (request, options->variables, &error))
    return tool_fail_usage ("template", "%s", error->message);
  if ((options->tools != NULL
          && !append_json (request, "tools", options->tools, &error))
      || !append_messages (request, options->messages, &error))
    return tool_fail ("template", "%s", error->message);
  g_string_append_printf (request, "\"add_generation_prompt\":%s}",
      options->no_generation_prompt ? "false" : "true");

  text = bitnet_template_render_json (
      template, request->str, (gssize) request->len, NULL, &length, &error);
  if (text == NULL)
    return tool_fail ("template", "%s", error->message);
  fwrite (text, 1, length, stdout);
  if (isatty (STDOUT_FILENO) && (length == 0 || text[length - 1] != '\n'))
    putchar ('\n');
  return tool_finish_output ("template");
}

int
cmd_template (int argc, char **argv)
{
  g_auto (Options) options = {0};
  const GOptionEntry entries[] = {
      {"file", 'f', 0, G_OPTION_ARG_FILENAME, &options.file,
          "template in the Jinja language (default: the model's)", "FILE"},
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model,
          "model or tokenizer with the template and the tokens (default: the "
          "demo model)",
          "FILE"},
      {"messages", 0, 0, G_OPTION_ARG_FILENAME, &options.messages,
          "the messages, a JSON array or a file with one (default: standard "
          "input)",
          "FILE|JSON"},
      {"tools", 0, 0, G_OPTION_ARG_FILENAME, &options.tools,
          "the tools, a JSON array or a file with one", "FILE|JSON"},
      {"no-generation-prompt", 0, 0, G_OPTION_ARG_NONE,
          &options.no_generation_prompt,
          "end behind the last message, not where the answer begins", NULL},
      {"set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.variables,
          "set another variable of the template; may be repeated", "NAME=JSON"},
      {"bos-token", 0, 0, G_OPTION_ARG_FILENAME, &options.bos_token,
          "text of bos_token (default: the model's)", "TEXT"},
      {"eos-token", 0, 0, G_OPTION_ARG_FILENAME, &options.eos_token,
          "text of eos_token (default: the model's)", "TEXT"},
      {"now", 0, 0, G_OPTION_ARG_FILENAME, &options.now,
          "the time that the template writes (default: now)",
          "YYYY-MM-DDTHH:MM:SS"},
      {"jsonl", 0, 0, G_OPTION_ARG_NONE, &options.jsonl,
          "read {\"messages\":[…],…} lines, write {\"text\":…} lines", NULL},
      G_OPTION_ENTRY_NULL,
  };
  g_autoptr (BitnetTemplate) template = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!tool_parse_options (&argc, &argv, entries, NULL,
          "Writes a conversation as a chat template wants it.",
          "Examples:\n"
          "  bitnet template -m model.gguf --messages "
          "'[{\"role\":\"user\",\"content\":\"Hi\"}]'\n"
          "  bitnet template -f chat.jinja --set enable_thinking=false "
          "< messages.json\n"
          "  bitnet template -f chat.jinja --jsonl < rows.jsonl\n"
          "\n"
          "With --jsonl every line is an object whose members are the "
          "template's variables:\n"
          "messages, tools, add_generation_prompt, bos_token, eos_token, now "
          "and any others.\n"
          "Every line becomes {\"text\":…}, {\"raised\":…} with the template's "
          "own message where\n"
          "it refuses the conversation, or {\"error\":…}.",
          &status))
    return status;
  if (argc > 1)
    return tool_fail_usage ("template",
        "the messages are given with --messages or on standard input, not as "
        "an argument");
  if (options.jsonl && (options.messages || options.tools || options.variables))
    return tool_fail_usage (
        "template", "with --jsonl everything stands in the lines");

  template = open_template (&options, &error);
  if (template == NULL)
    return tool_fail ("template", "%s", error->message);
  return options.jsonl ? render_lines (template)
                       : render_once (template, &options);
}
