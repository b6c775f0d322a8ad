/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet infer: answers a prompt. Builds the pipeline that everybody else
 * builds with gst-launch-1.0,
 *
 *     ggufsrc ! tokresolve ! tokenize ! infer ! detokenize ! fakesink
 *
 * and prints what comes out of it as it comes. Options are properties of
 * these elements; the table says of which. Three threads matter: the main one
 * runs the bus, infer's and its downstream's write and collect, and nothing
 * is read from what they collect before the pipeline is back in NULL. */
#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-plugin.h"
#include "tool-record.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COMMAND "infer"
/* Posted when stdout takes no more text: nobody reads what is generated. */
#define MESSAGE_UNWRITABLE "bitnet-unwritable"

enum {
  LINES_DELAY_US = 2 * 1000 * 1000, /* in a log quick loads say nothing */
  NS_PER_MS = 1000 * 1000,
  US_PER_MS = 1000,
};

/* An option that is a property. */
typedef struct {
  const char *name;
  char short_name;
  const char *element;
  const char *property;
  const char *description;
  const char *value; /* its name in --help */
} Setting;

static const Setting settings[] = {
    {"max-tokens", 'n', "infer", "max-tokens",
        "Most tokens of the answer; 0 = until the context is full [512]", "N"},
    {"temperature", 0, "infer", "temperature",
        "How freely to draw; 0 = always the likeliest token [0.8]", "T"},
    {"top-k", 0, "infer", "top-k",
        "Draw from the K likeliest tokens; 0 = all [40]", "K"},
    {"top-p", 0, "infer", "top-p",
        "Draw from the fewest tokens of probability P [0.95]", "P"},
    {"min-p", 0, "infer", "min-p",
        "Least share of the likeliest token's probability [0.05]", "P"},
    {"typical-p", 0, "infer", "typical-p",
        "Draw from the most typical tokens; 1 = off [1]", "P"},
    {"min-keep", 0, "infer", "min-keep", "Tokens that no filter goes below [0]",
        "N"},
    {"penalty-repeat", 0, "infer", "penalty-repeat",
        "Divides the score of repeated tokens; 1 = off [1]", "X"},
    {"penalty-freq", 0, "infer", "penalty-freq",
        "Subtracted for each occurrence [0]", "X"},
    {"penalty-present", 0, "infer", "penalty-present",
        "Subtracted once from what occurred [0]", "X"},
    {"penalty-last-n", 0, "infer", "penalty-last-n",
        "Tokens the penalties look back; -1 = all [64]", "N"},
    {"dynatemp-range", 0, "infer", "dynatemp-range",
        "Half width of a temperature range; 0 = off [0]", "X"},
    {"dynatemp-exponent", 0, "infer", "dynatemp-exponent",
        "Exponent of the entropy in that range [1]", "X"},
    {"xtc-probability", 0, "infer", "xtc-probability",
        "Chance to exclude top choices; 0 = off [0]", "P"},
    {"xtc-threshold", 0, "infer", "xtc-threshold",
        "Probability of a top choice [0.1]", "P"},
    {"mirostat", 0, "infer", "mirostat", "Version of Mirostat; 0 = off [0]",
        "N"},
    {"mirostat-tau", 0, "infer", "mirostat-tau",
        "Surprise that Mirostat holds [5]", "X"},
    {"mirostat-eta", 0, "infer", "mirostat-eta",
        "How fast Mirostat follows [0.1]", "X"},
    {"seed", 0, "infer", "seed",
        "Seed of the random numbers; 0 = another one each time", "S"},
    {"threads", 't', "infer", "threads",
        "Threads that compute; 0 = one for each core [0]", "N"},
    {"device", 0, "infer", "device", "auto, cpu, cuda or cuda:N [auto]", "D"},
    {"context-size", 'c', "infer", "context-size",
        "Tokens of prompt and answer; 0 = the model's [0]", "N"},
    {"batch-size", 0, "infer", "batch-size",
        "Prompt tokens computed at a time [512]", "N"},
    {"repack", 0, "infer", "repack",
        "Rearrange weights: auto, never, always [auto]", "R"},
    {"cache-type", 0, "infer", "cache-type",
        "Hold keys and values as: f16, q8_0 [f16]", "T"},
    {"head", 0, "infer", "head",
        "Hold the output matrix as: auto, file, q8_0, q6_k, screened [auto]",
        "H"},
    {"drafts", 0, "infer", "drafts",
        "Most tokens guessed ahead; changes speed alone; 0 = none [8]", "N"},
    {"i2s-layout", 0, "infer", "i2s-layout",
        "Element order of I2_S tensors: a, b, c [a]", "L"},
    {"template", 0, "tokenize", "template",
        "Chat template: auto, none, a name or a file [auto]", "T"},
    {"tokenizer", 0, "tokresolve", "tokenizer",
        "Tokenizer file, folder or repository to use and no other", "REF"},
    {"tokenizer-repo", 0, "tokresolve", "tokenizer-repo",
        "Repository that has the tokenizer", "OWNER/NAME"},
    {"timeout", 0, "tokresolve", "timeout",
        "Seconds to find it on the network; 0 = no limit [300]", "S"},
};

typedef struct {
  char *model;
  char *prompt;
  char *system_prompt;
  char **stop;
  char *values[G_N_ELEMENTS (settings)]; /* of settings; NULL: not given */
  gboolean ignore_eos;
  gboolean ids;
  gboolean json;
  gboolean strict;
  gboolean offline;
  gboolean auto_download;
  gboolean no_auto_download;
} Options;

typedef struct {
  const Options *options;
  GMainLoop *loop;
  GstElement *pipeline;
  GstElement *source, *tokresolve, *tokenize, *infer, *detokenize, *sink;
  int status;
  gint64 started_us;
  GstStructure *generation; /* of the message bitnet-generation */
  GstStructure *resolution; /* of the message tokenizer-resolved */
  GString *text;            /* sink's thread */
  GArray *ids;              /* infer's thread; of guint32 */
  gint64 first_us;          /* infer's thread: when the first token came */
} Run;

/* Options. */

static void
options_clear (Options *options)
{
  g_free (options->model);
  g_free (options->prompt);
  g_free (options->system_prompt);
  g_strfreev (options->stop);
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    g_free (options->values[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static GArray *
new_entries (Options *options)
{
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
          "Model file, or one on a hub: hf://owner/name/file.gguf or "
          "owner/name[:quantization]; without it the demo model",
          "FILE|REF"},
      {"prompt", 'p', 0, G_OPTION_ARG_FILENAME, &options->prompt,
          "What to answer; without it the text on standard input", "TEXT"},
      {"system-prompt", 's', 0, G_OPTION_ARG_FILENAME, &options->system_prompt,
          "What the model is told before", "TEXT"},
      {"stop", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->stop,
          "Text that ends the answer; may be given again", "TEXT"},
      {"ignore-eos", 0, 0, G_OPTION_ARG_NONE, &options->ignore_eos,
          "Go on where the model would end", NULL},
      {"ids", 0, 0, G_OPTION_ARG_NONE, &options->ids,
          "Print token ids on one line in place of text", NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of text", NULL},
      {"strict", 0, 0, G_OPTION_ARG_NONE, &options->strict,
          "Refuse doubtful tokenizers and a last resort", NULL},
      {"offline", 0, 0, G_OPTION_ARG_NONE, &options->offline,
          "Never use the network", NULL},
      {"auto-download", 0, 0, G_OPTION_ARG_NONE, &options->auto_download,
          "Fetch a model or tokenizer that is not here (the default)", NULL},
      {"no-auto-download", 0, 0, G_OPTION_ARG_NONE, &options->no_auto_download,
          "Fetch nothing", NULL},
  };
  GArray *all = g_array_new (TRUE, TRUE, sizeof (GOptionEntry));

  g_array_append_vals (all, entries, G_N_ELEMENTS (entries));
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++) {
    GOptionEntry entry = {settings[i].name, settings[i].short_name, 0,
        G_OPTION_ARG_STRING, &options->values[i], settings[i].description,
        settings[i].value};

    g_array_append_val (all, entry);
  }
  return all;
}

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  g_autoptr (GArray) entries = new_entries (options);

  if (!tool_parse_options (argc, argv, (const void *) entries->data, "",
          "Answers a prompt, as it is generated.",
          "Examples:\n"
          "  bitnet infer -p \"Once upon a time\"\n"
          "  bitnet infer -m model.gguf -p \"Why is the sky blue?\" -n 64\n"
          "  bitnet infer -m owner/name:Q4_K_M -p \"Hello\" --auto-download\n"
          "  bitnet infer -m model.gguf -p \"Hello\" --strict --offline\n"
          "  bitnet infer -m model.gguf -p \"Q: 2+2?\" --template none "
          "--temperature 0 --stop \"Q:\"\n"
          "  echo \"Tell a story\" | bitnet infer -m model.gguf --json\n"
          "  BITNET_DETERMINISTIC=1 BITNET_SEED=42 bitnet infer "
          "-m model.gguf -p Test\n"
          "\n"
          "The same with GStreamer:\n"
          "  gst-launch-1.0 -q ggufsrc location=model.gguf ! tokresolve ! "
          "tokenize prompt=Test ! infer ! detokenize newline=true ! fdsink\n"
          "\n"
          "Keys of the JSON object: text, ids, prompt_tokens, "
          "generated_tokens, finish_reason,\nprefill_ms, decode_ms, "
          "tokens_per_second, first_token_ms (since the start), tokenizer\n"
          "{strategy, source, from_cache, fallback, duration_ms}.\n"
          "\n"
          "Exit status: 0 done, 1 failed, 2 wrong command line, "
          "130 interrupted.",
          status))
    return FALSE;
  if (options->auto_download && options->no_auto_download) {
    tool_fail_usage (
        COMMAND, "--auto-download and --no-auto-download exclude each other");
    *status = EXIT_USAGE;
    return FALSE;
  }
  if (*argc > 1) {
    tool_fail (COMMAND,
        "there is no argument \"%s\"; the prompt goes behind "
        "-p",
        (*argv)[1]);
    *status = EXIT_USAGE;
    return FALSE;
  }
  if (options->ids && options->json) {
    tool_fail (COMMAND, "--ids and --json exclude each other");
    *status = EXIT_USAGE;
    return FALSE;
  }
  return TRUE;
}

/* Standard input without the last end of line. */
static gboolean
read_prompt (Options *options, int *status)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char buffer[4096];
  size_t n;

  if (options->prompt)
    return TRUE;
  if (isatty (STDIN_FILENO)) {
    tool_fail (COMMAND, "no prompt; give one with -p or on standard input "
                        "(bitnet infer --help says more)");
    *status = EXIT_USAGE;
    return FALSE;
  }
  while ((n = fread (buffer, 1, sizeof buffer, stdin)) > 0)
    g_string_append_len (text, buffer, n);
  if (text->len > 0 && text->str[text->len - 1] == '\n')
    g_string_truncate (text, text->len - 1);
  if (strlen (text->str) != text->len || text->len == 0) {
    *status = tool_fail (COMMAND, "standard input: found %s, expected a prompt",
        text->len == 0 ? "no text" : "a NUL byte");
    return FALSE;
  }
  options->prompt = g_strdup (text->str);
  return TRUE;
}

/* The pipeline. */

/* Writes text as it comes. Sink's thread. */
static void
on_text (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user_data)
{
  Run *run = user_data;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return;
  if (run->options->json) {
    g_string_append_len (run->text, (const char *) map.data, map.size);
  } else if (!run->options->ids) {
    tool_progress_end ();
    if (fwrite (map.data, 1, map.size, stdout) < map.size
        || fflush (stdout) != 0)
      gst_element_post_message (run->pipeline,
          gst_message_new_application (GST_OBJECT (run->pipeline),
              gst_structure_new_empty (MESSAGE_UNWRITABLE)));
  }
  gst_buffer_unmap (buffer, &map);
}

/* Collects what infer generates. Its thread. */
static GstPadProbeReturn
on_tokens (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Run *run = user_data;
  GstMapInfo map;

  if (run->first_us == 0)
    run->first_us = g_get_monotonic_time ();
  if (gst_buffer_map (GST_PAD_PROBE_INFO_BUFFER (info), &map, GST_MAP_READ)) {
    for (gsize i = 0; i + sizeof (guint32) <= map.size; i += sizeof (guint32)) {
      guint32 id = GST_READ_UINT32_LE (map.data + i);

      g_array_append_val (run->ids, id);
    }
    gst_buffer_unmap (GST_PAD_PROBE_INFO_BUFFER (info), &map);
  }
  return GST_PAD_PROBE_OK;
}

/* The values a property takes, for a message. */
static char *
describe_values (GParamSpec *pspec)
{
  if (G_IS_PARAM_SPEC_DOUBLE (pspec))
    return g_strdup_printf ("a number from %g to %g",
        G_PARAM_SPEC_DOUBLE (pspec)->minimum,
        G_PARAM_SPEC_DOUBLE (pspec)->maximum);
  if (G_IS_PARAM_SPEC_UINT (pspec))
    return g_strdup_printf ("a whole number from %u to %u",
        G_PARAM_SPEC_UINT (pspec)->minimum, G_PARAM_SPEC_UINT (pspec)->maximum);
  if (G_IS_PARAM_SPEC_INT (pspec))
    return g_strdup_printf ("a whole number from %d to %d",
        G_PARAM_SPEC_INT (pspec)->minimum, G_PARAM_SPEC_INT (pspec)->maximum);
  if (G_IS_PARAM_SPEC_UINT64 (pspec))
    return g_strdup_printf ("a whole number from %" G_GUINT64_FORMAT
                            " to %" G_GUINT64_FORMAT,
        G_PARAM_SPEC_UINT64 (pspec)->minimum,
        G_PARAM_SPEC_UINT64 (pspec)->maximum);
  if (G_IS_PARAM_SPEC_ENUM (pspec)) {
    GEnumClass *class = G_PARAM_SPEC_ENUM (pspec)->enum_class;
    GString *names = g_string_new ("one of");

    for (guint i = 0; i < class->n_values; i++)
      g_string_append_printf (
          names, "%s %s", i ? "," : "", class->values[i].value_nick);
    return g_string_free (names, FALSE);
  }
  return g_strdup_printf ("a value of %s", g_type_name (pspec->value_type));
}

/* FALSE and a message if text is no value of the property. */
static gboolean
set_from_text (GstElement *element, const Setting *setting, const char *text)
{
  GParamSpec *pspec = g_object_class_find_property (
      G_OBJECT_GET_CLASS (element), setting->property);
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (pspec));
  if (G_PARAM_SPEC_VALUE_TYPE (pspec) == G_TYPE_STRING)
    g_value_set_string (&value, text);
  else if (!gst_value_deserialize (&value, text)
           || g_param_value_validate (pspec, &value)) {
    g_autofree char *values = describe_values (pspec);

    tool_fail_usage (COMMAND, "--%s: found \"%s\", expected %s", setting->name,
        text, values);
    return FALSE;
  }
  g_object_set_property (G_OBJECT (element), setting->property, &value);
  return TRUE;
}

static void
set_stop (GstElement *infer, char **stop)
{
  g_auto (GValue) array = G_VALUE_INIT;

  if (stop == NULL)
    return;
  g_value_init (&array, GST_TYPE_ARRAY);
  for (; *stop; stop++) {
    GValue text = G_VALUE_INIT;

    g_value_init (&text, G_TYPE_STRING);
    g_value_set_string (&text, *stop);
    gst_value_array_append_and_take_value (&array, &text);
  }
  g_object_set_property (G_OBJECT (infer), "stop", &array);
}

static gboolean
apply_options (Run *run)
{
  const Options *options = run->options;

  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++) {
    g_autoptr (GstElement) element = NULL;

    if (options->values[i] == NULL)
      continue;
    element =
        gst_bin_get_by_name (GST_BIN (run->pipeline), settings[i].element);
    if (!set_from_text (element, &settings[i], options->values[i]))
      return FALSE;
  }
  g_object_set (run->tokenize, "prompt", options->prompt, "system-prompt",
      options->system_prompt, NULL);
  g_object_set (run->detokenize, "newline", !options->json, NULL);
  set_stop (run->infer, options->stop);
  if (options->ignore_eos)
    g_object_set (run->infer, "ignore-eos", TRUE, NULL);
  if (options->strict)
    g_object_set (run->tokresolve, "strict", TRUE, NULL);
  if (options->offline)
    g_object_set (run->tokresolve, "offline", TRUE, NULL);
  if (options->offline || options->no_auto_download)
    g_object_set (run->source, "offline", TRUE, NULL);
  if (options->auto_download || options->no_auto_download)
    g_object_set (
        run->tokresolve, "allow-download", !options->no_auto_download, NULL);
  return TRUE;
}

/* A path, or what ggufsrc takes as a model on a hub. */
static void
set_model (GstElement *source, const char *model)
{
  static const char *const hosts[] = {"hf.co/", "huggingface.co/"};
  g_autofree char *uri = NULL;
  g_autofree char *demo = NULL;

  if (model == NULL) {
    demo = tool_default_model ();
    model = demo;
  }
  if (!bitnet_hub_is_reference (model)) {
    g_object_set (source, "location", model, NULL);
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (hosts); i++) {
    if (g_str_has_prefix (model, hosts[i]))
      model += strlen (hosts[i]);
  }
  uri = g_str_has_prefix (model, "hf://") ? g_strdup (model)
                                          : g_strconcat ("hf://", model, NULL);
  g_object_set (source, "uri", uri, NULL);
}

static gboolean
build_pipeline (Run *run, GError **error)
{
  g_autoptr (GstPad) pad = NULL;

  run->pipeline = gst_pipeline_new (NULL);
  run->source = gst_element_factory_make ("ggufsrc", "ggufsrc");
  run->tokresolve = gst_element_factory_make ("tokresolve", "tokresolve");
  run->tokenize = gst_element_factory_make ("tokenize", "tokenize");
  run->infer = gst_element_factory_make ("infer", "infer");
  run->detokenize = gst_element_factory_make ("detokenize", "detokenize");
  run->sink = gst_element_factory_make ("fakesink", "sink");
  if (!run->source || !run->tokresolve || !run->tokenize || !run->infer
      || !run->detokenize || !run->sink) {
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
        "an element is missing; are the GStreamer core elements installed?");
    return FALSE;
  }
  gst_bin_add_many (GST_BIN (run->pipeline), run->source, run->tokresolve,
      run->tokenize, run->infer, run->detokenize, run->sink, NULL);
  if (!gst_element_link_many (run->source, run->tokresolve, run->tokenize,
          run->infer, run->detokenize, run->sink, NULL)) {
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
        "the elements cannot be linked");
    return FALSE;
  }
  set_model (run->source, run->options->model);
  g_object_set (run->sink, "sync", FALSE, "signal-handoffs", TRUE, NULL);
  g_signal_connect (run->sink, "handoff", G_CALLBACK (on_text), run);
  pad = gst_element_get_static_pad (run->infer, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_tokens, run, NULL);
  return TRUE;
}

/* The bus. */

static void
quit (Run *run, int status)
{
  run->status = status;
  g_main_loop_quit (run->loop);
}

/* A search or a download: ends a line for each repository, else a bar. */
static gboolean
show_transfer (const GstStructure *s)
{
  const char *nick = gst_structure_get_string (s, "phase");
  g_autoptr (GEnumClass) phases = g_type_class_ref (BITNET_TYPE_PHASE);
  const GEnumValue *phase =
      nick ? g_enum_get_value_by_nick (phases, nick) : NULL;
  BitnetProgress progress = {.eta = -1};
  guint64 total = 0;

  if (phase == NULL)
    return FALSE;
  progress.phase = (BitnetPhase) phase->value;
  progress.repository = (char *) gst_structure_get_string (s, "repo");
  progress.file = (char *) gst_structure_get_string (s, "file");
  gst_structure_get (s, "bytes-done", G_TYPE_UINT64, &progress.bytes_done,
      "bytes-total", G_TYPE_UINT64, &total, "rate", G_TYPE_DOUBLE,
      &progress.rate, "eta", G_TYPE_DOUBLE, &progress.eta, NULL);
  gst_structure_get_boolean (s, "cached", &progress.cached);
  progress.bytes_total = total > 0 ? (gint64) total : -1;
  tool_transfer (&progress, NULL);
  return TRUE;
}

static void
show_progress (Run *run, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);
  gboolean is_terminal = isatty (STDERR_FILENO);
  gint64 delay_us = is_terminal ? 0 : LINES_DELAY_US;
  g_autofree char *text = NULL;
  GstProgressType type;
  guint64 done, total;

  gst_message_parse_progress (message, &type, NULL, &text);
  if (type != GST_PROGRESS_TYPE_CONTINUE) {
    tool_progress_end ();
    return;
  }
  if (show_transfer (s)
      || g_get_monotonic_time () - run->started_us <= delay_us)
    return;
  if (gst_structure_get_uint64 (s, "bytes-done", &done)
      && gst_structure_get_uint64 (s, "bytes-total", &total))
    tool_progress (done, total, (gpointer) "Loading");
  else if (is_terminal)
    tool_progress_text (text);
}

/* What the details of an error add: the report of the search, which names
 * every attempt and what to try. */
static void
show_details (GstMessage *message)
{
  const GstStructure *details = NULL;
  const char *text = NULL;

  gst_message_parse_error_details (message, &details);
  if (details != NULL)
    text = gst_structure_get_string (details, "text");
  if (text != NULL) {
    g_autofree char *shown = tool_make_printable_lines (text);

    fprintf (stderr, "%s\n", shown);
  }
}

static void
keep_structure (GstStructure **kept, GstMessage *message)
{
  gst_clear_structure (kept);
  *kept = gst_structure_copy (gst_message_get_structure (message));
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Run *run = user_data;
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      quit (run, tool_fail (COMMAND, "%s", error->message));
      show_details (message);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      tool_fail (COMMAND, "warning: %s", error->message);
      break;
    case GST_MESSAGE_PROGRESS:
      show_progress (run, message);
      break;
    case GST_MESSAGE_ELEMENT:
      if (gst_message_has_name (message, "bitnet-generation"))
        keep_structure (&run->generation, message);
      else if (gst_message_has_name (message, "tokenizer-resolved"))
        keep_structure (&run->resolution, message);
      break;
    case GST_MESSAGE_APPLICATION:
      if (gst_message_has_name (message, MESSAGE_UNWRITABLE))
        quit (run, tool_finish_output (COMMAND));
      break;
    case GST_MESSAGE_EOS:
      quit (run, EXIT_OK);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer user_data)
{
  quit (user_data, EXIT_INTERRUPTED);
  return G_SOURCE_CONTINUE;
}

static void
run_pipeline (Run *run)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (run->pipeline);
  guint interrupt = g_unix_signal_add (SIGINT, on_signal, run);
  guint terminate = g_unix_signal_add (SIGTERM, on_signal, run);
  guint watch = gst_bus_add_watch (bus, on_message, run);

  run->loop = g_main_loop_new (NULL, FALSE);
  run->started_us = g_get_monotonic_time ();
  gst_element_set_state (run->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (run->loop);
  gst_element_set_state (run->pipeline, GST_STATE_NULL);
  tool_progress_end ();
  g_clear_pointer (&run->loop, g_main_loop_unref);
  g_source_remove (watch);
  g_source_remove (terminate);
  g_source_remove (interrupt);
}

/* Results. */

static void
print_ids (const Run *run)
{
  for (guint i = 0; i < run->ids->len; i++)
    printf ("%s%u", i ? " " : "", g_array_index (run->ids, guint32, i));
  putchar ('\n');
}

static void
add_generation (JsonBuilder *builder, const GstStructure *s)
{
  guint64 prefill_ns = 0, decode_ns = 0;
  guint n_prompt = 0, n_generated = 0;
  double rate = 0;

  gst_structure_get (s, "prompt-tokens", G_TYPE_UINT, &n_prompt,
      "generated-tokens", G_TYPE_UINT, &n_generated, "prefill-ns",
      G_TYPE_UINT64, &prefill_ns, "decode-ns", G_TYPE_UINT64, &decode_ns,
      "tokens-per-second", G_TYPE_DOUBLE, &rate, NULL);
  json_builder_set_member_name (builder, "prompt_tokens");
  json_builder_add_int_value (builder, n_prompt);
  json_builder_set_member_name (builder, "generated_tokens");
  json_builder_add_int_value (builder, n_generated);
  json_builder_set_member_name (builder, "finish_reason");
  json_builder_add_string_value (
      builder, gst_structure_get_string (s, "finish-reason"));
  json_builder_set_member_name (builder, "prefill_ms");
  json_builder_add_double_value (builder, (double) prefill_ns / NS_PER_MS);
  json_builder_set_member_name (builder, "decode_ms");
  json_builder_add_double_value (builder, (double) decode_ns / NS_PER_MS);
  json_builder_set_member_name (builder, "tokens_per_second");
  json_builder_add_double_value (builder, rate);
}

/* What a person or a monitor wants to know of the search. */
static void
add_resolution (JsonBuilder *builder, const GstStructure *s)
{
  static const char *const texts[] = {"strategy", "source"};
  gboolean from_cache = FALSE, fallback = FALSE;
  double duration_ms = 0;

  gst_structure_get (s, "from-cache", G_TYPE_BOOLEAN, &from_cache, NULL);
  gst_structure_get (s, "fallback", G_TYPE_BOOLEAN, &fallback, NULL);
  gst_structure_get (s, "duration-ms", G_TYPE_DOUBLE, &duration_ms, NULL);
  json_builder_set_member_name (builder, "tokenizer");
  json_builder_begin_object (builder);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    tool_json_add_string (
        builder, texts[i], gst_structure_get_string (s, texts[i]));
  json_builder_set_member_name (builder, "from_cache");
  json_builder_add_boolean_value (builder, from_cache);
  json_builder_set_member_name (builder, "fallback");
  json_builder_add_boolean_value (builder, fallback);
  tool_json_add_double (builder, "duration_ms", duration_ms);
  json_builder_end_object (builder);
}

static void
print_json (const Run *run)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "text");
  json_builder_add_string_value (builder, run->text->str);
  json_builder_set_member_name (builder, "ids");
  json_builder_begin_array (builder);
  for (guint i = 0; i < run->ids->len; i++)
    json_builder_add_int_value (builder, g_array_index (run->ids, guint32, i));
  json_builder_end_array (builder);
  if (run->generation)
    add_generation (builder, run->generation);
  if (run->first_us > 0)
    tool_json_add_double (builder, "first_token_ms",
        (double) (run->first_us - run->started_us) / US_PER_MS);
  if (run->resolution)
    add_resolution (builder, run->resolution);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  puts (text);
}

static void
run_clear (Run *run)
{
  gst_clear_object (&run->pipeline);
  gst_clear_structure (&run->generation);
  gst_clear_structure (&run->resolution);
  g_string_free (run->text, TRUE);
  g_array_unref (run->ids);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

int
cmd_infer (int argc, char **argv)
{
  g_auto (Options) options = {0};
  g_auto (Run) run = {.options = &options,
      .text = g_string_new (NULL),
      .ids = g_array_new (FALSE, FALSE, sizeof (guint32))};
  g_autoptr (GError) error = NULL;
  int status = EXIT_OK;

  if (!parse (&options, &argc, &argv, &status)
      || !read_prompt (&options, &status))
    return status;
  if (!gst_init_check (NULL, NULL, &error) || !tool_load_plugin (&error)
      || !build_pipeline (&run, &error))
    return tool_fail (COMMAND, "%s", error->message);
  if (!apply_options (&run))
    return EXIT_USAGE;
  run_pipeline (&run);
  if (run.status != EXIT_OK)
    return run.status;
  if (options.ids)
    print_ids (&run);
  else if (options.json)
    print_json (&run);
  return tool_finish_output (COMMAND);
}
