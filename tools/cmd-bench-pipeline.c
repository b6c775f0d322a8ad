/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet bench --pipeline: what a pipeline costs.
 *
 * One engine answers one prompt, always the likeliest token, in turns asked
 * directly and by
 *
 *     ggufsrc ! tokresolve ! tokenize ! infer ! detokenize ! fakesink
 *
 * which gets model and engine as properties. Both count the tokens behind the
 * first one by the clock on the wall: those that come out of the sequence, and
 * those that infer pushes, which everything downstream has handled before it
 * takes the next. */
#include <bitnet/bitnet.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"
#include "tool-pairs.h"
#include "tool-plugin.h"

#define COMMAND "bench"
#define PROMPT "Once upon a time"
#define LAUNCH                                                                 \
  "ggufsrc name=source ! tokresolve ! tokenize name=tokenize template=none "   \
  "prompt=\"" PROMPT "\" ! infer name=infer ignore-eos=true temperature=0 ! "  \
  "detokenize ! fakesink sync=false"

enum {
  DEFAULT_GENERATE = 128,
  NO_DRAFTS = -1,
  N_PROMPT = 64, /* room in the context; its tokens are fewer */
  POLL_NS = 100 * 1000 * 1000,
};

typedef struct {
  ToolEngineArgs engine;
  int n_generate, n_runs, n_threads;
  gboolean json, pipeline;
} Options;

typedef struct {
  const Options *options;
  BitnetModel *model;
  BitnetEngine *engine;
  GCancellable *cancellable;
  GstElement *pipeline;

  GArray *prompt; /* of guint32: what tokenize made of it */
  /* infer's thread; read when the pipeline has stopped */
  gint64 first_us, last_us;
  guint n_tokens; /* behind the first buffer */
} Bench;

static void
options_clear (Options *self)
{
  tool_engine_args_clear (&self->engine);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static void
bench_clear (Bench *self)
{
  if (self->pipeline != NULL)
    gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_clear_object (&self->pipeline);
  g_clear_object (&self->engine);
  g_clear_object (&self->model);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->prompt, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

/* ---- the pipeline ---- */

static GstPadProbeReturn
on_prompt (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Bench *self = user_data;
  GstMapInfo map;

  if (!gst_buffer_map (GST_PAD_PROBE_INFO_BUFFER (info), &map, GST_MAP_READ))
    return GST_PAD_PROBE_OK;
  g_array_set_size (self->prompt, 0);
  for (gsize i = 0; i + sizeof (guint32) <= map.size; i += sizeof (guint32)) {
    guint32 token = GST_READ_UINT32_LE (map.data + i);

    g_array_append_val (self->prompt, token);
  }
  gst_buffer_unmap (GST_PAD_PROBE_INFO_BUFFER (info), &map);
  return GST_PAD_PROBE_OK;
}

/* The last buffer, without tokens, marks the end. */
static GstPadProbeReturn
on_tokens (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Bench *self = user_data;
  guint n = (guint) (gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info))
                     / sizeof (guint32));

  if (n == 0)
    return GST_PAD_PROBE_OK;
  self->last_us = g_get_monotonic_time ();
  if (self->first_us == 0)
    self->first_us = self->last_us;
  else
    self->n_tokens += n;
  return GST_PAD_PROBE_OK;
}

static void
add_probe (Bench *self, const char *name, GstPadProbeCallback probe)
{
  g_autoptr (GstElement) element =
      gst_bin_get_by_name (GST_BIN (self->pipeline), name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, probe, self, NULL);
}

static gboolean
build_pipeline (Bench *self, GError **error)
{
  g_autoptr (GstElement) source = NULL;
  g_autoptr (GstElement) infer = NULL;

  if (!gst_init_check (NULL, NULL, error) || !tool_load_plugin (error))
    return FALSE;
  self->pipeline =
      gst_parse_launch_full (LAUNCH, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (self->pipeline == NULL)
    return FALSE;
  source = gst_bin_get_by_name (GST_BIN (self->pipeline), "source");
  infer = gst_bin_get_by_name (GST_BIN (self->pipeline), "infer");
  g_object_set (source, "model", self->model, NULL);
  g_object_set (infer, "engine", self->engine, "max-tokens",
      (guint) self->options->n_generate + 1, NULL);
  add_probe (self, "tokenize", on_prompt);
  add_probe (self, "infer", on_tokens);
  return TRUE;
}

/* Runs it to the end. */
static gboolean
wait_for_end (Bench *self, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);

  for (;;) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
        bus, POLL_NS, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);

    if (g_cancellable_set_error_if_cancelled (self->cancellable, error))
      return FALSE;
    if (message == NULL)
      continue;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      return TRUE;
    gst_message_parse_error (message, error, NULL);
    return FALSE;
  }
}

static gboolean
measure_pipeline (Bench *self, double *rate, GError **error)
{
  gboolean is_good;

  self->first_us = self->last_us = 0;
  self->n_tokens = 0;
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
  is_good = wait_for_end (self, error);
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  *rate = self->last_us > self->first_us
              ? (double) self->n_tokens * G_USEC_PER_SEC
                    / (double) (self->last_us - self->first_us)
              : 0;
  return is_good;
}

/* ---- the engine alone ---- */

static gboolean
measure_engine (Bench *self, double *rate, GError **error)
{
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (BitnetSequence) sequence = NULL;

  params->temperature = 0;
  params->max_tokens = (guint) self->options->n_generate + 1;
  sequence = bitnet_engine_submit (self->engine, NULL,
      (const guint32 *) (gconstpointer) self->prompt->data, self->prompt->len,
      params, error);
  return sequence != NULL
         && tool_time_sequence (sequence, self->cancellable, rate, error);
}

static gboolean
measure (guint way, double *rate, gpointer user_data, GError **error)
{
  return way == 0 ? measure_engine (user_data, rate, error)
                  : measure_pipeline (user_data, rate, error);
}

/* ---- all of it ---- */

static gboolean
open_engine (Bench *self, BitnetEngineOptions *options, GError **error)
{
  self->model =
      tool_engine_open_model (&self->options->engine, self->cancellable, error);
  if (self->model == NULL)
    return FALSE;
  options->n_sequences = 1;
  options->n_threads = (guint) self->options->n_threads;
  options->drafts = NO_DRAFTS;
  options->context_size = N_PROMPT + (guint) self->options->n_generate + 1;
  self->engine = bitnet_model_get_engine (self->model, options, error);
  return self->engine != NULL
         && tool_engine_load (self->engine, self->cancellable, error);
}

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      TOOL_ENGINE_ENTRIES (options->engine),
      {"pipeline", 0, 0, G_OPTION_ARG_NONE, &options->pipeline,
          "This measurement", NULL},
      {"generate", 'n', 0, G_OPTION_ARG_INT, &options->n_generate,
          "Tokens to generate behind the first one [128]", "N"},
      {"threads", 't', 0, G_OPTION_ARG_INT, &options->n_threads,
          "Threads that compute; 0 = one for each core [0]", "N"},
      {"runs", 'r', 0, G_OPTION_ARG_INT, &options->n_runs,
          "Runs of each, after one to warm up [5]", "N"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of a table", NULL},
      {NULL},
  };

  if (!tool_parse_options (argc, argv, entries, "",
          "Measures what a pipeline costs beside the engine alone.",
          "Generates the same answer by one engine, asked directly and through "
          "ggufsrc !\ntokresolve ! tokenize ! infer ! detokenize ! fakesink, "
          "in turns, and prints tokens\nper second of both and what part of "
          "the engine's the pipeline's are, in each round.\n\n"
          "Examples:\n"
          "  bitnet bench --pipeline -m model.gguf\n"
          "  bitnet bench --pipeline -m model.gguf -n 400 -t 1 -r 20 --json",
          status))
    return FALSE;
  *status = EXIT_USAGE;
  if (*argc > 1) {
    tool_fail_usage (COMMAND, "there is no argument \"%s\"", (*argv)[1]);
    return FALSE;
  }
  return tool_check_range (
             COMMAND, "generate", options->n_generate, 1, G_MAXUINT16)
         && tool_check_range (
             COMMAND, "threads", options->n_threads, 0, TOOL_MAX_THREADS)
         && tool_check_range (
             COMMAND, "runs", options->n_runs, 1, TOOL_MAX_RUNS);
}

static void
print_json (const ToolPairs *pairs)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  tool_pairs_add_json (pairs, builder);
  json_builder_end_object (builder);
  tool_json_print (builder);
}

int
cmd_bench_pipeline (int argc, char **argv)
{
  g_auto (Options)
      options = {.n_generate = DEFAULT_GENERATE, .n_runs = TOOL_DEFAULT_RUNS};
  g_auto (Bench) bench = {.options = &options};
  g_auto (ToolPairs) pairs = {.names = {"engine", "pipeline"}};
  g_autoptr (BitnetEngineOptions) engine_options = NULL;
  g_autoptr (GError) error = NULL;
  char name[16];
  double rate;
  int status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  engine_options = tool_engine_make_options (&options.engine, &error);
  if (engine_options == NULL)
    return tool_fail_usage (COMMAND, "%s", error->message);
  bench.cancellable = tool_watch_interrupt ();
  bench.prompt = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_snprintf (name, sizeof name, "tg%d", options.n_generate);
  pairs.test = name;
  /* The first run finds out what the prompt's tokens are. */
  if (!open_engine (&bench, engine_options, &error)
      || !build_pipeline (&bench, &error)
      || !measure_pipeline (&bench, &rate, &error))
    return tool_engine_fail (COMMAND, error);
  pairs.n_threads = bitnet_engine_get_n_threads (bench.engine);
  if (!tool_pairs_run (&pairs, (guint) options.n_runs, measure, &bench, &error))
    return tool_engine_fail (COMMAND, error);
  if (options.json)
    print_json (&pairs);
  else
    tool_pairs_print (&pairs);
  return tool_finish_output (COMMAND);
}
