/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet logits: what a model predicts after each of some tokens, as raw
 * numbers, for comparison with other programs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bitnet-tool.h"
#include "tool-engine.h"

#define COMMAND "logits"

/* "1,2,3", also with spaces. NULL after printing what is wrong. */
static GArray *
parse_tokens (const char *text)
{
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_auto (GStrv) words = g_strsplit_set (text, ", \t\n", -1);

  for (char **word = words; *word; word++) {
    guint64 value;

    if ((*word)[0] == '\0')
      continue;
    if (!g_ascii_string_to_unsigned (*word, 10, 0, G_MAXUINT32, &value, NULL)) {
      tool_fail_usage (
          COMMAND, "--tokens has \"%s\", expected a token id", *word);
      return NULL;
    }
    guint32 token = (guint32) value;
    g_array_append_val (tokens, token);
  }
  if (tokens->len == 0) {
    tool_fail_usage (COMMAND, "--tokens is empty, expected ids as in 1,2,3");
    return NULL;
  }
  return g_steal_pointer (&tokens);
}

static gboolean
write_all (FILE *file, GBytes *rows)
{
  gsize size;
  const void *data = g_bytes_get_data (rows, &size);

  return fwrite (data, 1, size, file) == size && fflush (file) == 0;
}

/* A regular file appears complete or not at all; a pipe or a device is just
 * written to. */
static gboolean
write_rows (const char *path, GBytes *rows, GError **error)
{
  gboolean is_special = g_file_test (path, G_FILE_TEST_EXISTS)
                        && !g_file_test (path, G_FILE_TEST_IS_REGULAR);
  gsize size;
  const char *data = g_bytes_get_data (rows, &size);

  if (!is_special)
    return g_file_set_contents (path, data, (gssize) size, error);
  FILE *file = fopen (path, "wb");
  gboolean is_written = file != NULL && write_all (file, rows);
  int reason = errno;
  if (file != NULL)
    fclose (file);
  if (!is_written)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_WRITE, "cannot write %s: %s",
        path, g_strerror (reason));
  return is_written;
}

static gboolean
run (const ToolEngineArgs *args, BitnetEngineOptions *options,
    const GArray *tokens, const char *output, GError **error)
{
  g_autoptr (GCancellable) cancellable = tool_watch_interrupt ();
  g_autoptr (BitnetModel) model =
      tool_engine_open_model (args, cancellable, error);
  g_autoptr (BitnetEngine) engine = NULL;
  g_autoptr (GBytes) rows = NULL;

  if (model == NULL)
    return FALSE;
  engine = bitnet_model_get_engine (model, options, error);
  if (engine == NULL || !tool_engine_load (engine, cancellable, error))
    return FALSE;
  rows = bitnet_engine_compute_logits (engine,
      (const guint32 *) (const void *) tokens->data, tokens->len, cancellable,
      error);
  if (rows == NULL)
    return FALSE;
  if (output != NULL)
    return write_rows (output, rows, error);
  if (write_all (stdout, rows))
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_WRITE,
      "cannot write to standard output: %s", g_strerror (errno));
  return FALSE;
}

int
cmd_logits (int argc, char **argv)
{
  g_auto (ToolEngineArgs) args = {0};
  g_autofree char *ids = NULL, *output = NULL;
  int n_threads = 0;
  const GOptionEntry entries[] = {
      TOOL_ENGINE_ENTRIES (args),
      {"tokens", 0, 0, G_OPTION_ARG_STRING, &ids,
          "Token ids, separated by commas", "IDS"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output,
          "File to write; without it standard output", "FILE"},
      {"threads", 't', 0, G_OPTION_ARG_INT, &n_threads,
          "Threads that compute; 0 = one for each core [0]", "N"},
      {NULL},
  };
  g_autoptr (BitnetEngineOptions) options = NULL;
  g_autoptr (GArray) tokens = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (!tool_parse_options (&argc, &argv, entries, "",
          "Computes the logits after each of the given tokens.",
          "Writes one row for each token, one 32-bit float for each entry of "
          "the vocabulary,\nin the byte order of the machine.\n\n"
          "Examples:\n"
          "  bitnet logits -m model.gguf --tokens 1,2,3 -o logits.f32\n"
          "  bitnet logits -m model.gguf --tokens 1,2,3 | od -f | head",
          &status))
    return status;
  if (argc > 1)
    return tool_fail_usage (COMMAND, "there is no argument \"%s\"", argv[1]);
  if (ids == NULL)
    return tool_fail_usage (COMMAND, "--tokens is missing");
  if (n_threads < 0)
    return tool_fail_usage (
        COMMAND, "--threads is %d, expected 0 or more", n_threads);
  tokens = parse_tokens (ids);
  if (tokens == NULL)
    return EXIT_USAGE;
  options = tool_engine_make_options (&args, &error);
  if (options == NULL)
    return tool_fail_usage (COMMAND, "%s", error->message);
  if (output == NULL && isatty (STDOUT_FILENO))
    return tool_fail_usage (COMMAND,
        "the rows are binary and standard output is a terminal; name a file "
        "with -o or pipe them");
  options->n_threads = (guint) n_threads;
  if (!run (&args, options, tokens, output, &error))
    return tool_engine_fail (COMMAND, error);
  return EXIT_OK;
}
