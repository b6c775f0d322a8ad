/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet bench --draft-gain: what guessing from a sequence's own text brings.
 *
 * Two engines of one model, one that guesses and one that does not, answer the
 * same request in turns with the same draws, so their answers are equal and
 * only the time differs. */
#include <bitnet/bitnet.h>
#include <json-glib/json-glib.h>
#include <stdio.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"
#include "tool-pairs.h"

#define COMMAND "bench"

/* The lowest penalty of tokens that occurred: no other token is as likely. */
#define REWARD (-100)

enum {
  DEFAULT_PROMPT = 16,
  DEFAULT_GENERATE = 128,
  DEFAULT_DRAFTS = 8,
  MAX_DRAFTS = 16,
  NO_DRAFTS = -1,
};

typedef struct {
  ToolEngineArgs engine;
  char *text;
  int n_prompt, n_generate, n_runs, n_threads, n_drafts;
  double temperature;
  gboolean repeat, json, gain;
} Options;

typedef struct {
  const Options *options;
  BitnetEngine *engines[2]; /* without guesses, with them */
  BitnetTokenizer *tokenizer;
  GArray *prompt; /* of guint32 */
  GCancellable *cancellable;
  GRand *rand;
  guint64 seed;
} Bench;

static void
options_clear (Options *self)
{
  tool_engine_args_clear (&self->engine);
  g_free (self->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
bench_clear (Bench *self)
{
  g_clear_object (&self->engines[0]);
  g_clear_object (&self->engines[1]);
  g_clear_object (&self->tokenizer);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->prompt, g_array_unref);
  g_clear_pointer (&self->rand, g_rand_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

/* ---- the prompt ---- */

static gboolean
read_text (Bench *self, BitnetModel *model, GError **error)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autofree char *text = NULL;
  g_autofree guint32 *tokens = NULL;
  gsize size, n;

  if (!g_file_get_contents (self->options->text, &text, &size, error))
    return FALSE;
  self->tokenizer =
      bitnet_resolver_resolve (resolver, model, self->cancellable, NULL, error);
  if (self->tokenizer == NULL)
    return FALSE;
  tokens = bitnet_tokenizer_encode (self->tokenizer, text, (gssize) size,
      BITNET_ENCODE_ADD_SPECIAL, &n, error);
  if (tokens == NULL)
    return FALSE;
  if (n == 0 || n > G_MAXUINT16) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "%s: found %" G_GSIZE_FORMAT " tokens, expected 1 to %d",
        self->options->text, n, G_MAXUINT16);
    return FALSE;
  }
  g_array_append_vals (self->prompt, tokens, (guint) n);
  return TRUE;
}

/* New random tokens for each round, or those of the text. */
static void
renew_prompt (Bench *self)
{
  BitnetModel *model = bitnet_engine_get_model (self->engines[0]);
  gint32 n_vocab = (gint32) bitnet_model_get_vocab_size (model);

  self->seed++;
  if (self->options->text != NULL)
    return;
  g_array_set_size (self->prompt, 0);
  for (int i = 0; i < self->options->n_prompt; i++) {
    guint32 token = (guint32) g_rand_int_range (self->rand, 0, n_vocab);

    g_array_append_val (self->prompt, token);
  }
}

/* ---- measuring ---- */

static gboolean
measure (guint way, double *rate, gpointer user_data, GError **error)
{
  Bench *self = user_data;
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (BitnetSequence) sequence = NULL;

  if (way == 0)
    renew_prompt (self);
  params->temperature = self->options->temperature;
  params->seed = self->seed;
  params->max_tokens = (guint) self->options->n_generate + 1;
  if (self->options->repeat) {
    params->penalty_present = REWARD;
    params->penalty_last_n = -1;
    params->top_k = (int) self->prompt->len;
    params->top_p = 1;
    params->min_p = 0;
  }
  sequence = bitnet_engine_submit (self->engines[way], NULL,
      (const guint32 *) (gconstpointer) self->prompt->data, self->prompt->len,
      params, error);
  return sequence != NULL
         && tool_time_sequence (sequence, self->cancellable, rate, error);
}

/* One model has one engine for a device, so that the second engine needs an
 * object of its own. */
static BitnetModel *
open_model (Bench *self, guint way, GError **error)
{
  if (way == 0)
    return tool_engine_open_model (
        &self->options->engine, self->cancellable, error);
  return bitnet_model_new_unshared_from_file (
      bitnet_model_get_path (bitnet_engine_get_model (self->engines[0])),
      self->cancellable, error);
}

static gboolean
open_engines (Bench *self, BitnetEngineOptions *options, GError **error)
{
  options->n_sequences = 1;
  options->n_threads = (guint) self->options->n_threads;
  for (guint way = 0; way < G_N_ELEMENTS (self->engines); way++) {
    g_autoptr (BitnetModel) model = open_model (self, way, error);

    if (model == NULL
        || (way == 0 && self->options->text != NULL
            && !read_text (self, model, error)))
      return FALSE;
    options->drafts = way == 0 || self->options->n_drafts == 0
                          ? NO_DRAFTS
                          : self->options->n_drafts;
    options->context_size =
        MAX (self->prompt->len, (guint) self->options->n_prompt)
        + (guint) self->options->n_generate + 1;
    self->engines[way] = bitnet_model_get_engine (model, options, error);
    if (self->engines[way] == NULL
        || !tool_engine_load (self->engines[way], self->cancellable, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      TOOL_ENGINE_ENTRIES (options->engine),
      {"draft-gain", 0, 0, G_OPTION_ARG_NONE, &options->gain,
          "This measurement", NULL},
      {"text", 0, 0, G_OPTION_ARG_FILENAME, &options->text,
          "A prompt; without it a random one for each run", "FILE"},
      {"temperature", 0, 0, G_OPTION_ARG_DOUBLE, &options->temperature,
          "How freely to draw; 0 = always the likeliest token [0]", "T"},
      {"repeat", 0, 0, G_OPTION_ARG_NONE, &options->repeat,
          "Draw tokens of the prompt alone: text that repeats; a temperature "
          "makes it less regular",
          NULL},
      {"prompt", 'p', 0, G_OPTION_ARG_INT, &options->n_prompt,
          "Tokens of a random prompt [16]", "N"},
      {"generate", 'n', 0, G_OPTION_ARG_INT, &options->n_generate,
          "Tokens to generate behind the first one [128]", "N"},
      {"threads", 't', 0, G_OPTION_ARG_INT, &options->n_threads,
          "Threads that compute; 0 = one for each core [0]", "N"},
      {"runs", 'r', 0, G_OPTION_ARG_INT, &options->n_runs,
          "Runs of each, after one to warm up [5]", "N"},
      {"drafts", 0, 0, G_OPTION_ARG_INT, &options->n_drafts,
          "Most tokens guessed ahead; 0 = none: what chance does [8]", "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of a table", NULL},
      {NULL},
  };

  if (!tool_parse_options (argc, argv, entries, "",
          "Measures what guessing tokens ahead brings.",
          "Generates the same answer without guesses and with them, in turns, "
          "and prints tokens\nper second of both and how many times more it "
          "is with guesses, in each round. Guesses\ncome from the text of the "
          "request itself: where that repeats they pay, elsewhere they\nare "
          "to cost nothing.\n\n"
          "Examples:\n"
          "  bitnet bench --draft-gain -m model.gguf -n 256\n"
          "  bitnet bench --draft-gain -m model.gguf --temperature 1\n"
          "  bitnet bench --draft-gain -m model.gguf --text code.c -t 1 --json",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc > 1) {
    tool_fail_usage (COMMAND, "there is no argument \"%s\"", (*argv)[1]);
    return FALSE;
  }
  return tool_check_range (COMMAND, "prompt", options->n_prompt, 1, G_MAXUINT16)
         && tool_check_range (
             COMMAND, "generate", options->n_generate, 1, G_MAXUINT16)
         && tool_check_range (
             COMMAND, "threads", options->n_threads, 0, TOOL_MAX_THREADS)
         && tool_check_range (
             COMMAND, "drafts", options->n_drafts, 0, MAX_DRAFTS)
         && tool_check_range (
             COMMAND, "runs", options->n_runs, 1, TOOL_MAX_RUNS);
}

/* ---- results ---- */

static void
read_drafts (const Bench *self, guint64 *n_drafted, guint64 *n_accepted)
{
  g_autoptr (GVariant) stats = bitnet_engine_dup_stats (self->engines[1]);

  *n_drafted = *n_accepted = 0;
  g_variant_lookup (stats, "drafted-tokens", "t", n_drafted);
  g_variant_lookup (stats, "accepted-tokens", "t", n_accepted);
}

static void
print_result (const Bench *self, const ToolPairs *pairs)
{
  guint64 n_drafted, n_accepted;

  read_drafts (self, &n_drafted, &n_accepted);
  if (!self->options->json) {
    tool_pairs_print (pairs);
    printf ("\nguesses %" G_GUINT64_FORMAT ", of which %" G_GUINT64_FORMAT
            " came true\n",
        n_drafted, n_accepted);
    return;
  }
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  tool_pairs_add_json (pairs, builder);
  tool_json_add_int (builder, "drafted_tokens", n_drafted);
  tool_json_add_int (builder, "accepted_tokens", n_accepted);
  json_builder_end_object (builder);
  tool_json_print (builder);
}

int
cmd_bench_drafts (int argc, char **argv)
{
  g_auto (Options) options = {.n_prompt = DEFAULT_PROMPT,
      .n_generate = DEFAULT_GENERATE,
      .n_drafts = DEFAULT_DRAFTS,
      .n_runs = TOOL_DEFAULT_RUNS};
  g_auto (Bench) bench = {.options = &options};
  g_auto (ToolPairs) pairs = {.names = {"plain", "drafts"}};
  g_autoptr (BitnetEngineOptions) engine_options = NULL;
  g_autoptr (GError) error = NULL;
  char name[16];
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  engine_options = tool_engine_make_options (&options.engine, &error);
  if (engine_options == NULL)
    return tool_fail_usage (COMMAND, "%s", error->message);
  bench.cancellable = tool_watch_interrupt ();
  bench.rand = g_rand_new_with_seed (1);
  bench.prompt = g_array_new (FALSE, FALSE, sizeof (guint32));
  if (!open_engines (&bench, engine_options, &error))
    return tool_engine_fail (COMMAND, error);
  g_snprintf (name, sizeof name, "tg%d", options.n_generate);
  pairs.test = name;
  pairs.n_threads = bitnet_engine_get_n_threads (bench.engines[0]);
  if (!tool_pairs_run (&pairs, (guint) options.n_runs, measure, &bench, &error))
    return tool_engine_fail (COMMAND, error);
  print_result (&bench, &pairs);
  return tool_finish_output (COMMAND);
}
