/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory, numbers, requests and JSON of the measuring commands. */
#include "tool-bench.h"

#include <stdio.h>
#include <string.h>

#include "bitnet-tool.h"
#include "tool-engine.h"

#define NS_PER_S 1e9

enum { TAKE_SIZE = 64 };

guint64
tool_get_peak_memory (void)
{
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents ("/proc/self/status", &text, NULL, NULL))
    return 0;
  line = strstr (text, "VmHWM:");
  return line ? g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) * 1024
              : 0;
}

GArray *
tool_parse_numbers (
    const char *command, const char *name, const char *text, guint max)
{
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (guint));
  g_auto (GStrv) words = g_strsplit (text, ",", -1);

  for (char **word = words; *word; word++) {
    guint64 value;
    guint n;

    if (!g_ascii_string_to_unsigned (*word, 10, 1, max, &value, NULL)) {
      tool_fail_usage (
          command, "--%s has \"%s\", expected 1 to %u", name, *word, max);
      return NULL;
    }
    n = (guint) value;
    g_array_append_val (numbers, n);
  }
  return g_steal_pointer (&numbers);
}

GArray *
tool_parse_threads (const char *command, const char *text)
{
  const guint as_is_good = 0;
  GArray *threads;

  if (text != NULL)
    return tool_parse_numbers (command, "threads", text, TOOL_MAX_THREADS);
  threads = g_array_new (FALSE, FALSE, sizeof (guint));
  g_array_append_val (threads, as_is_good);
  return threads;
}

gboolean
tool_check_range (
    const char *command, const char *name, int value, int min, int max)
{
  if (value >= min && value <= max)
    return TRUE;
  tool_fail_usage (
      command, "--%s is %d, expected %d to %d", name, value, min, max);
  return FALSE;
}

BitnetSequence *
tool_submit_random (BitnetEngine *engine, GRand *rand, guint n_prompt,
    guint max_tokens, GError **error)
{
  g_autofree guint32 *prompt = g_new (guint32, n_prompt);
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  BitnetModel *model = bitnet_engine_get_model (engine);
  gint32 n_vocab = (gint32) bitnet_model_get_vocab_size (model);

  for (guint i = 0; i < n_prompt; i++)
    prompt[i] = (guint32) g_rand_int_range (rand, 0, n_vocab);
  params->temperature = 0;
  params->max_tokens = max_tokens;
  return bitnet_engine_submit (engine, NULL, prompt, n_prompt, params, error);
}

gboolean
tool_take_all (
    const GPtrArray *sequences, GCancellable *cancellable, GError **error)
{
  guint32 tokens[TAKE_SIZE];
  gboolean has_more = TRUE;

  while (has_more) {
    has_more = FALSE;
    for (guint i = 0; i < sequences->len; i++) {
      gssize n = bitnet_sequence_take (
          sequences->pdata[i], tokens, TAKE_SIZE, cancellable, error);

      if (n < 0)
        return FALSE;
      has_more |= n > 0;
    }
  }
  return TRUE;
}

BitnetEngine *
tool_open_engine (BitnetModel *model, BitnetEngineOptions *options,
    ToolTest *test, GCancellable *cancellable, GError **error)
{
  g_autoptr (BitnetEngine) engine = NULL;
  guint n_context;

  options->n_sequences = test->n_sequences;
  options->context_size = test->n_prompt + test->n_generate + 1;
  engine = bitnet_model_get_engine (model, options, error);
  if (engine == NULL || !tool_engine_load (engine, cancellable, error))
    return NULL;
  n_context = bitnet_engine_get_context_size (engine);
  test->n_prompt = MIN (test->n_prompt, n_context - 1);
  test->n_generate = MIN (test->n_generate, n_context - 1 - test->n_prompt);
  return g_steal_pointer (&engine);
}

void
tool_name_test (const ToolTest *test, char *name, gsize size)
{
  if (test->n_generate == 0)
    g_snprintf (name, size, "pp%u", test->n_prompt);
  else if (test->n_sequences == 1)
    g_snprintf (name, size, "tg%u", test->n_generate);
  else
    g_snprintf (name, size, "tg%ux%u", test->n_generate, test->n_sequences);
}

gboolean
tool_run_test (BitnetEngine *engine, GRand *rand, const ToolTest *test,
    double *rate, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) sequences =
      g_ptr_array_new_with_free_func (g_object_unref);
  guint n = 0;
  guint64 ns = 0;

  for (guint i = 0; i < test->n_sequences; i++) {
    BitnetSequence *sequence = tool_submit_random (
        engine, rand, test->n_prompt, test->n_generate + 1, error);

    if (sequence == NULL)
      return FALSE;
    g_ptr_array_add (sequences, sequence);
  }
  if (!tool_take_all (sequences, cancellable, error))
    return FALSE;
  for (guint i = 0; i < sequences->len; i++) {
    BitnetSequence *sequence = sequences->pdata[i];

    if (test->n_generate > 0) {
      n += bitnet_sequence_get_n_generated_tokens (sequence) - 1;
      ns = MAX (ns, bitnet_sequence_get_decode_ns (sequence));
    } else {
      n += test->n_prompt;
      ns = MAX (ns, bitnet_sequence_get_prefill_ns (sequence));
    }
  }
  *rate = ns > 0 ? n * NS_PER_S / (double) ns : 0;
  return TRUE;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a;
  double y = *(const double *) b;

  return x < y ? -1 : x > y;
}

void
tool_sort_rates (GArray *rates)
{
  g_array_sort (rates, compare_doubles);
}

double
tool_get_least (const GArray *rates)
{
  return g_array_index (rates, double, 0);
}

double
tool_get_median (const GArray *rates)
{
  return (g_array_index (rates, double, (rates->len - 1) / 2)
             + g_array_index (rates, double, rates->len / 2))
         / 2;
}

double
tool_get_most (const GArray *rates)
{
  return g_array_index (rates, double, rates->len - 1);
}

double
tool_get_quantile (const GArray *rates, double part)
{
  const double at = part * (rates->len - 1);
  const guint below = (guint) at;
  const guint above = MIN (below + 1, rates->len - 1);

  return g_array_index (rates, double, below)
         + (at - below)
               * (g_array_index (rates, double, above)
                   - g_array_index (rates, double, below));
}

void
tool_json_add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value != NULL)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
tool_json_add_int (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) value);
}

void
tool_json_add_double (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_double_value (builder, value);
}

void
tool_json_add_rates (JsonBuilder *builder, const GArray *rates)
{
  tool_json_add_double (builder, "median", tool_get_median (rates));
  tool_json_add_double (builder, "min", tool_get_least (rates));
  tool_json_add_double (builder, "max", tool_get_most (rates));
}

void
tool_json_print (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, TRUE);

  printf ("%s\n", text);
}
