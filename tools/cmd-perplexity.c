/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet perplexity: how surprised a model is by a text.
 *
 * As llama.cpp's program of that name counts: the text is cut into windows,
 * each begins with the token that begins a text where the model wants one, and
 * only the second half of a window counts, so that every token has at least
 * half a window in front of it. What does not fill a window is left out. */
#include <bitnet/bitnet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"
#include "tool-record.h"

#define COMMAND "perplexity"

enum {
  DEFAULT_WINDOW = 512,
  MIN_WINDOW = 4,
  MAX_WINDOW = 1 << 20,
};

typedef struct {
  ToolEngineArgs engine;
  char *tokenizer;
  int window, n_windows, n_threads;
  gboolean offline, json;
} Options;

/* Sums over the predictions that count; surprise in nats. */
typedef struct {
  gsize n;
  double sum, sum_of_squares;
  guint n_windows;
  double seconds;
} Result;

static void
options_clear (Options *self)
{
  tool_engine_args_clear (&self->engine);
  g_free (self->tokenizer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static GBytes *
read_text (const char *path, GError **error)
{
  char buffer[1 << 16];
  g_autoptr (GByteArray) bytes = NULL;
  char *data;
  gsize size, n;

  if (strcmp (path, "-") != 0) {
    if (!g_file_get_contents (path, &data, &size, error))
      return NULL;
    return g_bytes_new_take (data, size);
  }
  bytes = g_byte_array_new ();
  while ((n = fread (buffer, 1, sizeof buffer, stdin)) > 0)
    g_byte_array_append (bytes, (const guint8 *) buffer, (guint) n);
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static BitnetTokenizer *
find_tokenizer (const Options *options, BitnetModel *model,
    GCancellable *cancellable, GError **error)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();

  if (options->tokenizer)
    g_object_set (resolver, "tokenizer", options->tokenizer, NULL);
  if (options->offline)
    g_object_set (resolver, "offline", TRUE, NULL);
  tool_watch_resolver (COMMAND, resolver);
  return bitnet_resolver_resolve (resolver, model, cancellable, NULL, error);
}

/* Tokens of the text; NULL with an error also if they fill no window. */
static GArray *
encode (const Options *options, BitnetTokenizer *tokenizer, GBytes *text,
    guint window, GError **error)
{
  gsize size, n;
  const char *data = g_bytes_get_data (text, &size);
  g_autofree guint32 *tokens = NULL;

  if (size > G_MAXINT32) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "the text has %" G_GSIZE_FORMAT " bytes, at most %d can be read", size,
        G_MAXINT32);
    return NULL;
  }
  tokens = bitnet_tokenizer_encode (tokenizer, data ? data : "", (gssize) size,
      BITNET_ENCODE_ADD_SPECIAL, &n, error);
  if (tokens == NULL)
    return NULL;
  if (n < window) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "the text has %" G_GSIZE_FORMAT " tokens, expected at least the %u of "
        "one window; give more text or a smaller --window",
        n, window);
    return NULL;
  }
  return g_array_append_vals (
      g_array_new (FALSE, FALSE, sizeof (guint32)), tokens, (guint) n);
}

static gboolean
score_window (BitnetEngine *engine, const guint32 *tokens, guint window,
    Result *result, GCancellable *cancellable, GError **error)
{
  g_autoptr (GBytes) bytes =
      bitnet_engine_compute_scores (engine, tokens, window, cancellable, error);
  const float *scores;

  if (bytes == NULL)
    return FALSE;
  scores = g_bytes_get_data (bytes, NULL);
  /* scores[i] is token i + 1's */
  for (guint i = window / 2; i + 1 < window; i++) {
    double surprise = -(double) scores[i];
    result->sum += surprise;
    result->sum_of_squares += surprise * surprise;
    result->n++;
  }
  result->n_windows++;
  return TRUE;
}

static gboolean
score_text (const Options *options, BitnetEngine *engine,
    BitnetTokenizer *tokenizer, GArray *tokens, Result *result,
    GCancellable *cancellable, GError **error)
{
  const guint window = (guint) options->window;
  const guint32 bos =
      bitnet_tokenizer_get_special (tokenizer, BITNET_SPECIAL_BOS);
  const gboolean has_bos =
      bitnet_tokenizer_get_add_bos (tokenizer) && bos != BITNET_TOKEN_NONE;
  guint n_windows = tokens->len / window;
  gint64 start = g_get_monotonic_time ();

  if (options->n_windows > 0)
    n_windows = MIN (n_windows, (guint) options->n_windows);
  for (guint i = 0; i < n_windows; i++) {
    guint32 *first = &g_array_index (tokens, guint32, (gsize) i * window);

    if (has_bos)
      first[0] = bos;
    tool_progress (i, n_windows, (gpointer) "Reading");
    if (!score_window (engine, first, window, result, cancellable, error)) {
      tool_progress_end ();
      return FALSE;
    }
  }
  tool_progress_end ();
  result->seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  return TRUE;
}

static void
print_result (const Options *options, const Result *result)
{
  const double n = (double) result->n;
  const double mean = result->sum / n;
  const double variance = result->sum_of_squares / n - mean * mean;
  const double perplexity = exp (mean);
  /* of the mean, carried through the exponential */
  const double deviation =
      result->n > 1 ? perplexity * sqrt (MAX (variance, 0) / (n - 1)) : 0;
  const double rate = (double) result->n_windows * options->window
                      / MAX (result->seconds, 1e-9);

  if (!options->json) {
    printf ("perplexity  %.4f +/- %.4f\n", perplexity, deviation);
    printf ("entropy     %.4f nats, %.4f bits a token\n", mean, mean / G_LN2);
    printf ("windows     %u of %d tokens, %" G_GSIZE_FORMAT " predictions\n",
        result->n_windows, options->window, result->n);
    printf ("speed       %.1f tokens/s\n", rate);
    return;
  }
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  tool_json_add_double (builder, "perplexity", perplexity);
  tool_json_add_double (builder, "deviation", deviation);
  tool_json_add_double (builder, "nats_per_token", mean);
  tool_json_add_int (builder, "windows", result->n_windows);
  tool_json_add_int (builder, "window", (guint64) options->window);
  tool_json_add_int (builder, "predictions", result->n);
  tool_json_add_double (builder, "tokens_per_second", rate);
  json_builder_end_object (builder);
  tool_json_print (builder);
}

static gboolean
run (const Options *options, BitnetEngineOptions *engine_options,
    const char *path, Result *result, GError **error)
{
  g_autoptr (GCancellable) cancellable = tool_watch_interrupt ();
  g_autoptr (GBytes) text = read_text (path, error);
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (BitnetEngine) engine = NULL;
  g_autoptr (GArray) tokens = NULL;

  if (text == NULL)
    return FALSE;
  model = tool_engine_open_model (&options->engine, cancellable, error);
  if (model == NULL)
    return FALSE;
  tokenizer = find_tokenizer (options, model, cancellable, error);
  if (tokenizer == NULL)
    return FALSE;
  tokens = encode (options, tokenizer, text, (guint) options->window, error);
  if (tokens == NULL)
    return FALSE;
  engine = bitnet_model_get_engine (model, engine_options, error);
  return engine != NULL && tool_engine_load (engine, cancellable, error)
         && score_text (
             options, engine, tokenizer, tokens, result, cancellable, error);
}

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      TOOL_ENGINE_ENTRIES (options->engine),
      {"tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &options->tokenizer,
          "Tokenizer file, folder or repository to use and no other", "REF"},
      {"offline", 0, 0, G_OPTION_ARG_NONE, &options->offline,
          "Never use the network", NULL},
      {"window", 'c', 0, G_OPTION_ARG_INT, &options->window,
          "Tokens read at a time; the second half counts [512]", "N"},
      {"windows", 0, 0, G_OPTION_ARG_INT, &options->n_windows,
          "Most windows to read; 0 = all [0]", "N"},
      {"threads", 't', 0, G_OPTION_ARG_INT, &options->n_threads,
          "Threads that compute; 0 = one for each core [0]", "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of rows", NULL},
      {NULL},
  };

  if (!tool_parse_options (argc, argv, entries, "TEXT",
          "Measures how well a model predicts a text; less is better.",
          "TEXT is a file, or - for standard input. Windows do not overlap; "
          "each begins with\nthe model's first token, and only its second half "
          "counts, as in llama.cpp.\n\n"
          "Examples:\n"
          "  bitnet perplexity -m model.gguf wiki.test.raw\n"
          "  bitnet perplexity -m model.gguf --windows 20 --json "
          "wiki.test.raw\n"
          "  bitnet perplexity --window 128 - < story.txt",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc != 2) {
    tool_fail_usage (COMMAND, "found %d texts, expected one", *argc - 1);
    return FALSE;
  }
  return tool_check_range (
             COMMAND, "window", options->window, MIN_WINDOW, MAX_WINDOW)
         && tool_check_range (
             COMMAND, "windows", options->n_windows, 0, G_MAXINT)
         && tool_check_range (
             COMMAND, "threads", options->n_threads, 0, G_MAXINT);
}

int
cmd_perplexity (int argc, char **argv)
{
  g_auto (Options) options = {.window = DEFAULT_WINDOW};
  g_autoptr (BitnetEngineOptions) engine_options = NULL;
  g_autoptr (GError) error = NULL;
  Result result = {0};
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  engine_options = tool_engine_make_options (&options.engine, &error);
  if (engine_options == NULL)
    return tool_fail_usage (COMMAND, "%s", error->message);
  engine_options->n_threads = (guint) options.n_threads;
  engine_options->n_sequences = 1;
  engine_options->context_size = (guint) options.window;
  if (!run (&options, engine_options, argv[1], &result, &error))
    return tool_engine_fail (COMMAND, error);
  print_result (&options, &result);
  return tool_finish_output (COMMAND);
}
