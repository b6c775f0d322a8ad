/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rounds, their figures and how they are shown. */
#include "tool-pairs.h"

#include <stdio.h>

#include "tool-bench.h"

enum { TAKE_SIZE = 64 };

gboolean
tool_pairs_run (ToolPairs *self, guint n_rounds, ToolPairsFunc func,
    gpointer user_data, GError **error)
{
  self->ratios = g_array_new (FALSE, FALSE, sizeof (double));
  for (guint way = 0; way < G_N_ELEMENTS (self->rates); way++)
    self->rates[way] = g_array_new (FALSE, FALSE, sizeof (double));
  for (guint round = 0; round <= n_rounds; round++) {
    double rates[2], ratio;

    for (guint way = 0; way < G_N_ELEMENTS (rates); way++) {
      if (!func (way, &rates[way], user_data, error))
        return FALSE;
    }
    if (round == 0)
      continue;
    ratio = rates[0] > 0 ? rates[1] / rates[0] : 0;
    g_array_append_val (self->ratios, ratio);
    for (guint way = 0; way < G_N_ELEMENTS (rates); way++)
      g_array_append_val (self->rates[way], rates[way]);
  }
  tool_sort_rates (self->ratios);
  for (guint way = 0; way < G_N_ELEMENTS (self->rates); way++)
    tool_sort_rates (self->rates[way]);
  return TRUE;
}

void
tool_pairs_clear (ToolPairs *self)
{
  g_clear_pointer (&self->ratios, g_array_unref);
  for (guint way = 0; way < G_N_ELEMENTS (self->rates); way++)
    g_clear_pointer (&self->rates[way], g_array_unref);
}

static void
print_row (const char *test, guint n_threads, const char *name,
    const GArray *figures, int n_digits, const char *unit)
{
  printf ("%-10s %7u  %-10s %10.*f %10.*f %10.*f %s\n", test, n_threads, name,
      n_digits, tool_get_median (figures), n_digits, tool_get_least (figures),
      n_digits, tool_get_most (figures), unit);
}

void
tool_pairs_print (const ToolPairs *self)
{
  printf ("%-10s %7s  %-10s %10s %10s %10s\n", "test", "threads", "", "median",
      "min", "max");
  for (guint way = 0; way < G_N_ELEMENTS (self->rates); way++)
    print_row (self->test, self->n_threads, self->names[way], self->rates[way],
        2, "tokens/s");
  print_row (
      self->test, self->n_threads, "ratio", self->ratios, 4, "in a round");
  fflush (stdout);
}

void
tool_pairs_add_json (const ToolPairs *self, JsonBuilder *builder)
{
  tool_json_add_string (builder, "test", self->test);
  tool_json_add_int (builder, "threads", self->n_threads);
  tool_json_add_rates (builder, self->ratios);
  for (guint way = 0; way < G_N_ELEMENTS (self->rates); way++) {
    json_builder_set_member_name (builder, self->names[way]);
    json_builder_begin_object (builder);
    tool_json_add_rates (builder, self->rates[way]);
    json_builder_end_object (builder);
  }
}

gboolean
tool_time_sequence (BitnetSequence *sequence, GCancellable *cancellable,
    double *rate, GError **error)
{
  guint32 tokens[TAKE_SIZE];
  gint64 first_us = 0, last_us = 0;
  gsize n_tokens = 0;
  gssize n;

  while ((n = bitnet_sequence_take (
              sequence, tokens, TAKE_SIZE, cancellable, error))
         > 0) {
    last_us = g_get_monotonic_time ();
    if (first_us == 0)
      first_us = last_us;
    else
      n_tokens += (gsize) n;
  }
  *rate = last_us > first_us ? (double) n_tokens * G_USEC_PER_SEC
                                   / (double) (last_us - first_us)
                             : 0;
  return n == 0;
}
