/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet tokenize and bitnet detokenize: text to ids and back, for one text or
 * for a stream of JSON lines. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bitnet/bitnet.h>

#include "bitnet-tool.h"
#include "tool-jsonl.h"

#define MODEL_HELP                                                             \
  "model, tokenizer file or folder with one (default: the demo model)"
#define FIDELITY_HELP                                                          \
  "whose results count where references differ: auto, llama.cpp, huggingface"

enum { MAX_INPUT_SIZE = G_MAXINT32 };

static gboolean
parse_fidelity (const char *name, BitnetFidelity *fidelity)
{
  static const char *const names[] = {
      [BITNET_FIDELITY_AUTO] = "auto",
      [BITNET_FIDELITY_LLAMA_CPP] = "llama.cpp",
      [BITNET_FIDELITY_HUGGINGFACE] = "huggingface",
  };

  *fidelity = BITNET_FIDELITY_AUTO;
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (name && strcmp (name, names[i]) == 0)
      *fidelity = (BitnetFidelity) i;
    if (name == NULL || strcmp (name, names[i]) == 0)
      return TRUE;
  }
  return FALSE;
}

static int
fail_fidelity (const char *command, const char *name)
{
  return tool_fail_usage (command,
      "--fidelity is \"%s\", expected auto, llama.cpp or huggingface", name);
}

static BitnetTokenizer *
open_tokenizer (const char *path, BitnetFidelity fidelity, GError **error)
{
  g_autofree char *chosen = path ? g_strdup (path) : tool_default_model ();

  return bitnet_tokenizer_new_from_file (chosen, fidelity, NULL, error);
}

/* Appends a number; printf would cost more than the encoding. */
static void
append_id (GString *out, guint32 id)
{
  char digits[10];
  gsize n = 0;

  do {
    digits[n++] = (char) ('0' + id % 10);
    id /= 10;
  } while (id > 0);
  while (n > 0)
    g_string_append_c (out, digits[--n]);
}

static void
append_ids (
    GString *out, const guint32 *ids, gsize n_ids, const char *separator)
{
  for (gsize i = 0; i < n_ids; i++) {
    if (i > 0)
      g_string_append (out, separator);
    append_id (out, ids[i]);
  }
}

static int
tokenize_text (BitnetTokenizer *tokenizer, const char *text, gsize length,
    BitnetEncodeFlags flags)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) out = g_string_new (NULL);
  gsize n_ids;
  g_autofree guint32 *ids = bitnet_tokenizer_encode (
      tokenizer, text, (gssize) length, flags, &n_ids, &error);

  if (ids == NULL)
    return tool_fail ("tokenize", "%s", error->message);
  append_ids (out, ids, n_ids, " ");
  g_string_append_c (out, '\n');
  fwrite (out->str, 1, out->len, stdout);
  return tool_finish_output ("tokenize");
}

static int
tokenize_stdin (BitnetTokenizer *tokenizer, BitnetEncodeFlags flags)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) text = g_byte_array_new ();

  if (!tool_read_all (STDIN_FILENO, MAX_INPUT_SIZE, text, &error))
    return tool_fail ("tokenize", "%s", error->message);
  return tokenize_text (tokenizer, (const char *) text->data, text->len, flags);
}

static int
tokenize_lines (BitnetTokenizer *tokenizer, BitnetEncodeFlags flags)
{
  g_autoptr (ToolLines) lines = tool_lines_new (STDIN_FILENO);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  const char *line;
  gsize length;

  while (tool_lines_next (lines, &line, &length, &error)) {
    g_autofree guint32 *ids = NULL;
    gsize n_ids;

    if (!tool_json_get_string (line, length, "text", text, &error))
      break;
    ids = bitnet_tokenizer_encode (
        tokenizer, text->str, (gssize) text->len, flags, &n_ids, &error);
    if (ids == NULL)
      break;
    g_string_assign (out, "{\"ids\":[");
    append_ids (out, ids, n_ids, ",");
    g_string_append (out, "]}\n");
    fwrite (out->str, 1, out->len, stdout);
  }
  if (error) {
    fflush (stdout);
    return tool_fail ("tokenize", "line %" G_GUINT64_FORMAT ": %s",
        tool_lines_get_number (lines), error->message);
  }
  return tool_finish_output ("tokenize");
}

int
cmd_tokenize (int argc, char **argv)
{
  g_autofree char *model = NULL, *text = NULL, *fidelity_name = NULL;
  gboolean special = FALSE, parse_special = FALSE, jsonl = FALSE;
  gboolean strict = FALSE;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model, MODEL_HELP, "FILE"},
      /* A file name is taken as it is, whatever the locale. */
      {"text", 't', 0, G_OPTION_ARG_FILENAME, &text,
          "the text (default: all of standard input)", "TEXT"},
      {"special", 's', 0, G_OPTION_ARG_NONE, &special,
          "add BOS and EOS as the model wants them", NULL},
      {"parse-special", 0, 0, G_OPTION_ARG_NONE, &parse_special,
          "control tokens written in the text count as such", NULL},
      {"strict", 0, 0, G_OPTION_ARG_NONE, &strict,
          "fail on text that is not UTF-8 (default: read it as U+FFFD)", NULL},
      {"fidelity", 0, 0, G_OPTION_ARG_STRING, &fidelity_name, FIDELITY_HELP,
          "WHICH"},
      {"jsonl", 0, 0, G_OPTION_ARG_NONE, &jsonl,
          "read {\"text\":…} lines, write {\"ids\":[…]} lines", NULL},
      G_OPTION_ENTRY_NULL,
  };
  int status;
  BitnetEncodeFlags flags;
  BitnetFidelity fidelity;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;

  if (!tool_parse_options (&argc, &argv, entries, NULL,
          "Prints the token ids of a text on one line, separated by spaces.",
          "Examples:\n"
          "  bitnet tokenize -m model.gguf --text \"Hello world\"\n"
          "  bitnet tokenize -m model.gguf --special < story.txt\n"
          "  bitnet tokenize -m tokenizer.json --jsonl < texts.jsonl\n"
          "\n"
          "Standard input is taken byte by byte; a newline at its end counts.",
          &status))
    return status;
  if (argc > 1)
    return tool_fail_usage ("tokenize", "the text is given with --text or on "
                                        "standard input, not as an argument");
  if (text && jsonl)
    return tool_fail_usage (
        "tokenize", "--text and --jsonl exclude each other");
  if (!parse_fidelity (fidelity_name, &fidelity))
    return fail_fidelity ("tokenize", fidelity_name);

  flags = (special ? BITNET_ENCODE_ADD_SPECIAL : BITNET_ENCODE_NONE)
          | (parse_special ? BITNET_ENCODE_PARSE_SPECIAL : BITNET_ENCODE_NONE)
          | (strict ? BITNET_ENCODE_STRICT : BITNET_ENCODE_NONE);
  tokenizer = open_tokenizer (model, fidelity, &error);
  if (tokenizer == NULL)
    return tool_fail ("tokenize", "%s", error->message);
  if (jsonl)
    return tokenize_lines (tokenizer, flags);
  if (text)
    return tokenize_text (tokenizer, text, strlen (text), flags);
  return tokenize_stdin (tokenizer, flags);
}

/* Appends the ids in text, between which stand white space and commas. */
static gboolean
parse_ids (const char *text, gsize length, GArray *ids, GError **error)
{
  const char *p = text, *end = text + length;

  for (;;) {
    guint64 id = 0;
    const char *start;
    guint32 id32;

    while (p < end && (g_ascii_isspace (*p) || *p == ','))
      p++;
    if (p == end)
      return TRUE;
    start = p;
    while (p < end && g_ascii_isdigit (*p) && id <= G_MAXUINT32)
      id = id * 10 + (guint64) (*p++ - '0');
    if (id > G_MAXUINT32 || (p < end && !g_ascii_isspace (*p) && *p != ',')) {
      g_autofree char *word = NULL;
      g_autofree char *shown = NULL;

      while (p < end && !g_ascii_isspace (*p) && *p != ',' && p - start < 40)
        p++;
      word = g_strndup (start, (gsize) (p - start));
      shown = g_utf8_make_valid (word, -1);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
          "\"%s\" at offset %" G_GSIZE_FORMAT " is not a token id", shown,
          (gsize) (start - text));
      return FALSE;
    }
    id32 = (guint32) id;
    g_array_append_val (ids, id32);
  }
}

static int
detokenize_ids (
    BitnetTokenizer *tokenizer, const GArray *ids, BitnetDecodeFlags flags)
{
  g_autoptr (GError) error = NULL;
  gsize length;
  g_autofree char *text = bitnet_tokenizer_decode (tokenizer,
      (const guint32 *) (const void *) ids->data, ids->len, flags, &length,
      &error);

  if (text == NULL)
    return tool_fail ("detokenize", "%s", error->message);
  fwrite (text, 1, length, stdout);
  if (isatty (STDOUT_FILENO) && (length == 0 || text[length - 1] != '\n'))
    putchar ('\n');
  return tool_finish_output ("detokenize");
}

static int
detokenize_lines (BitnetTokenizer *tokenizer, BitnetDecodeFlags flags)
{
  g_autoptr (ToolLines) lines = tool_lines_new (STDIN_FILENO);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  const char *line;
  gsize length;

  while (tool_lines_next (lines, &line, &length, &error)) {
    g_autofree char *text = NULL;
    gsize text_length;

    if (!tool_json_get_ids (line, length, "ids", ids, &error))
      break;
    text = bitnet_tokenizer_decode (tokenizer,
        (const guint32 *) (const void *) ids->data, ids->len, flags,
        &text_length, &error);
    if (text == NULL)
      break;
    g_string_assign (out, "{\"text\":");
    tool_json_append_string (out, text, text_length);
    g_string_append (out, "}\n");
    fwrite (out->str, 1, out->len, stdout);
  }
  if (error) {
    fflush (stdout);
    return tool_fail ("detokenize", "line %" G_GUINT64_FORMAT ": %s",
        tool_lines_get_number (lines), error->message);
  }
  return tool_finish_output ("detokenize");
}

/* The ids of --ids and of the arguments, or of standard input. */
static gboolean
collect_ids (
    const char *option, int argc, char **argv, GArray *ids, GError **error)
{
  g_autoptr (GByteArray) input = NULL;

  if (option && !parse_ids (option, strlen (option), ids, error))
    return FALSE;
  for (int i = 1; i < argc; i++) {
    if (i == 1 && strcmp (argv[i], "--") == 0)
      continue;
    if (!parse_ids (argv[i], strlen (argv[i]), ids, error))
      return FALSE;
  }
  if (option || argc > 1)
    return TRUE;
  input = g_byte_array_new ();
  return tool_read_all (STDIN_FILENO, MAX_INPUT_SIZE, input, error)
         && parse_ids ((const char *) input->data, input->len, ids, error);
}

int
cmd_detokenize (int argc, char **argv)
{
  g_autofree char *model = NULL, *option = NULL, *fidelity_name = NULL;
  gboolean special = FALSE, clean_spaces = FALSE, jsonl = FALSE;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model, MODEL_HELP, "FILE"},
      {"ids", 'i', 0, G_OPTION_ARG_FILENAME, &option,
          "the ids, separated by spaces or commas", "IDS"},
      {"special", 's', 0, G_OPTION_ARG_NONE, &special,
          "show control tokens as their text", NULL},
      {"clean-spaces", 0, 0, G_OPTION_ARG_NONE, &clean_spaces,
          "remove spaces in front of punctuation, as the reference cleans up",
          NULL},
      {"fidelity", 0, 0, G_OPTION_ARG_STRING, &fidelity_name, FIDELITY_HELP,
          "WHICH"},
      {"jsonl", 0, 0, G_OPTION_ARG_NONE, &jsonl,
          "read {\"ids\":[…]} lines, write {\"text\":…} lines", NULL},
      G_OPTION_ENTRY_NULL,
  };
  int status;
  BitnetDecodeFlags flags;
  BitnetFidelity fidelity;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GError) error = NULL;

  if (!tool_parse_options (&argc, &argv, entries, "[ID…]",
          "Prints the text of token ids, exactly: no newline is added but on "
          "a terminal.\nWithout ids on the command line they come from "
          "standard input.",
          "Examples:\n"
          "  bitnet detokenize -m model.gguf 9906 1917\n"
          "  bitnet detokenize -m model.gguf --ids \"9906,1917\"\n"
          "  bitnet tokenize --text Hello | bitnet detokenize\n"
          "  bitnet detokenize -m model.gguf --jsonl < ids.jsonl",
          &status))
    return status;
  if (jsonl && (option || argc > 1))
    return tool_fail_usage (
        "detokenize", "--jsonl reads ids from standard input only");
  if (!parse_fidelity (fidelity_name, &fidelity))
    return fail_fidelity ("detokenize", fidelity_name);

  flags = (special ? BITNET_DECODE_SPECIAL : BITNET_DECODE_NONE)
          | (clean_spaces ? BITNET_DECODE_CLEAN_SPACES : BITNET_DECODE_NONE);
  if (!jsonl && !collect_ids (option, argc, argv, ids, &error))
    return option || argc > 1
               ? tool_fail_usage ("detokenize", "%s", error->message)
               : tool_fail ("detokenize", "%s", error->message);
  tokenizer = open_tokenizer (model, fidelity, &error);
  if (tokenizer == NULL)
    return tool_fail ("detokenize", "%s", error->message);
  if (jsonl)
    return detokenize_lines (tokenizer, flags);
  return detokenize_ids (tokenizer, ids, flags);
}
