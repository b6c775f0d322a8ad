/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool-record.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bitnet-tool.h"
#include "tool-bench.h"

enum {
  LABEL_WIDTH = 24,
  NAME_WIDTH = 16,
  UNITS_PER_STEP = 1000,
};

/* ---- JSON ---- */

/* Keys that are names of something, not of members. */
static gboolean
has_foreign_keys (const char *key)
{
  return strcmp (key, "strategies") == 0 || strcmp (key, "failures") == 0;
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  g_autoptr (GVariant) x = g_variant_get_child_value (*(GVariant **) a, 0);
  g_autoptr (GVariant) y = g_variant_get_child_value (*(GVariant **) b, 0);

  return strcmp (
      g_variant_get_string (x, NULL), g_variant_get_string (y, NULL));
}

/* Entries by their keys: a dictionary itself has no order. */
static GPtrArray *
sort_entries (GVariant *dictionary)
{
  GPtrArray *entries =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (gsize i = 0; i < g_variant_n_children (dictionary); i++)
    g_ptr_array_add (entries, g_variant_get_child_value (dictionary, i));
  g_ptr_array_sort (entries, compare_entries);
  return entries;
}

/* Key and value of an entry; both (transfer full). */
static void
open_entry (GVariant *entry, char **key, GVariant **value)
{
  g_autoptr (GVariant) name = g_variant_get_child_value (entry, 0);
  GVariant *member = g_variant_get_child_value (entry, 1);

  *key = g_variant_dup_string (name, NULL);
  *value = member;
  if (g_variant_is_of_type (member, G_VARIANT_TYPE_VARIANT)) {
    *value = g_variant_get_variant (member);
    g_variant_unref (member);
  }
}

static void
add_dictionary (JsonBuilder *builder, GVariant *dictionary, gboolean is_foreign)
{
  g_autoptr (GPtrArray) entries = sort_entries (dictionary);

  for (guint i = 0; i < entries->len; i++) {
    g_autofree char *name = NULL;
    g_autoptr (GVariant) value = NULL;
    gboolean has_inner_names;

    open_entry (entries->pdata[i], &name, &value);
    has_inner_names = has_foreign_keys (name);

    if (!is_foreign)
      g_strdelimit (name, "-", '_');
    json_builder_set_member_name (builder, name);
    if (has_inner_names
        && g_variant_is_of_type (value, G_VARIANT_TYPE ("a{s*}"))) {
      json_builder_begin_object (builder);
      add_dictionary (builder, value, TRUE);
      json_builder_end_object (builder);
    } else {
      tool_json_add_variant (builder, value);
    }
  }
}

static void
add_number (JsonBuilder *builder, GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    json_builder_add_double_value (builder, g_variant_get_double (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    json_builder_add_int_value (builder, (gint64) g_variant_get_uint64 (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    json_builder_add_int_value (builder, g_variant_get_int64 (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    json_builder_add_int_value (builder, g_variant_get_uint32 (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT32))
    json_builder_add_int_value (builder, g_variant_get_int32 (value));
  else
    json_builder_add_null_value (builder);
}

void
tool_json_add_variant (JsonBuilder *builder, GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{s*}"))) {
    json_builder_begin_object (builder);
    add_dictionary (builder, value, FALSE);
    json_builder_end_object (builder);
  } else if (g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY)) {
    json_builder_begin_array (builder);
    for (gsize i = 0; i < g_variant_n_children (value); i++) {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      tool_json_add_variant (builder, child);
    }
    json_builder_end_array (builder);
  } else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)) {
    g_autofree char *valid =
        g_utf8_make_valid (g_variant_get_string (value, NULL), -1);

    json_builder_add_string_value (builder, valid);
  } else if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN)) {
    json_builder_add_boolean_value (builder, g_variant_get_boolean (value));
  } else {
    add_number (builder, value);
  }
}

void
tool_json_add_members (JsonBuilder *builder, GVariant *dictionary)
{
  add_dictionary (builder, dictionary, FALSE);
}

/* ---- rows ---- */

char *
tool_format_size (guint64 size)
{
  static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
  double value = (double) size;
  gsize unit = 0;

  while (value >= UNITS_PER_STEP && unit + 1 < G_N_ELEMENTS (units)) {
    value /= UNITS_PER_STEP;
    unit++;
  }
  return unit == 0 ? g_strdup_printf ("%.0f %s", value, units[unit])
                   : g_strdup_printf ("%.1f %s", value, units[unit]);
}

/* A value on one line; NULL for a dictionary. (transfer full) */
static char *
format_value (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return tool_make_printable (g_variant_get_string (value, NULL));
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_strdup (g_variant_get_boolean (value) ? "yes" : "no");
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_strdup_printf ("%.3f", g_variant_get_double (value));
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BASIC))
    return g_variant_print (value, FALSE);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE ("at"))) {
    g_autoptr (GString) text = g_string_new (NULL);

    for (gsize i = 0; i < g_variant_n_children (value); i++) {
      guint64 n;

      g_variant_get_child (value, i, "t", &n);
      g_string_append_printf (
          text, "%s%" G_GUINT64_FORMAT, i > 0 ? " " : "", n);
    }
    return g_strdup (text->str);
  }
  return NULL;
}

void
tool_print_rows (GVariant *dictionary, guint indent)
{
  g_autoptr (GPtrArray) entries = sort_entries (dictionary);
  int width = MAX (LABEL_WIDTH - (int) indent, 1);

  for (guint i = 0; i < entries->len; i++) {
    g_autofree char *name = NULL;
    g_autofree char *text = NULL;
    g_autoptr (GVariant) value = NULL;

    open_entry (entries->pdata[i], &name, &value);
    text = format_value (value);

    if (text != NULL) {
      printf ("%*s%-*s %s\n", (int) indent, "", width, name, text);
    } else if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{s*}"))) {
      printf ("%*s%s\n", (int) indent, "", name);
      tool_print_rows (value, indent + 2);
    }
  }
}

/* ---- resolutions ---- */

static void
print_row (GVariant *record, const char *key, const char *label)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (record, key, NULL);
  g_autofree char *text = value ? format_value (value) : NULL;

  if (text != NULL && *text != '\0')
    printf ("%-*s %s\n", NAME_WIDTH, label, text);
}

static void
print_list (GVariant *record, const char *key, const char *label)
{
  g_autoptr (GVariant) list =
      g_variant_lookup_value (record, key, G_VARIANT_TYPE_STRING_ARRAY);
  gsize n = list ? g_variant_n_children (list) : 0;

  for (gsize i = 0; i < n; i++) {
    g_autofree char *printable = NULL;
    const char *text;

    g_variant_get_child (list, i, "&s", &text);
    printable = tool_make_printable (text);
    printf ("%-*s %s\n", NAME_WIDTH, label, printable);
  }
}

static void
print_attempts (GVariant *record)
{
  g_autoptr (GVariant) attempts =
      g_variant_lookup_value (record, "attempts", G_VARIANT_TYPE ("aa{sv}"));
  gsize n = attempts ? g_variant_n_children (attempts) : 0;

  if (n > 0)
    puts ("\nAttempts");
  for (gsize i = 0; i < n; i++) {
    g_autoptr (GVariant) attempt = g_variant_get_child_value (attempts, i);
    g_autofree char *printable = NULL;
    const char *strategy = "", *code = "", *message = "";
    gboolean success = FALSE;
    double duration_ms = 0;

    g_variant_lookup (attempt, "strategy", "&s", &strategy);
    g_variant_lookup (attempt, "success", "b", &success);
    g_variant_lookup (attempt, "duration-ms", "d", &duration_ms);
    g_variant_lookup (attempt, "code", "&s", &code);
    g_variant_lookup (attempt, "message", "&s", &message);
    printable = tool_make_printable (message);
    printf ("  %" G_GSIZE_FORMAT ". %-*s %9.1f ms  %s%s%s\n", i + 1, NAME_WIDTH,
        strategy, duration_ms, success ? "found" : code, *printable ? "  " : "",
        printable);
  }
}

void
tool_print_resolution (GVariant *record)
{
  guint n_rows = 0;

  print_row (record, "strategy", "strategy");
  print_row (record, "source", "source");
  print_row (record, "kind", "kind");
  print_row (record, "repository", "repository");
  print_row (record, "revision", "revision");
  print_row (record, "commit", "commit");
  print_row (record, "vocab-size", "tokens");
  if (g_variant_lookup (record, "model-rows", "u", &n_rows) && n_rows > 0)
    print_row (record, "model-rows", "rows of model");
  print_row (record, "id", "id");
  print_row (record, "verified", "verified by");
  print_row (record, "from-cache", "from cache");
  print_row (record, "fallback", "last resort");
  print_row (record, "duration-ms", "milliseconds");
  print_list (record, "warnings", "warning");
  print_list (record, "notes", "note");
  print_attempts (record);
}

/* ---- progress ---- */

void
tool_transfer (const BitnetProgress *progress, gpointer unused)
{
  g_autofree char *subject = NULL;
  g_autofree char *text = NULL;

  if (progress->cached)
    return;
  if (progress->file && progress->repository)
    subject =
        g_strdup_printf ("%s of %s", progress->file, progress->repository);
  else
    subject =
        g_strdup (progress->repository ? progress->repository : progress->file);
  switch (progress->phase) {
    case BITNET_PHASE_QUERYING:
      text = g_strdup_printf ("Asking for %s", subject);
      break;
    case BITNET_PHASE_WAITING:
      text = g_strdup_printf ("Waiting for %s", subject);
      break;
    case BITNET_PHASE_DOWNLOADING:
      text = g_strdup_printf ("Fetching %s", subject);
      tool_progress_rate (progress->bytes_done,
          (guint64) MAX (progress->bytes_total, 0), progress->rate,
          progress->eta, text);
      return;
    case BITNET_PHASE_VERIFYING:
    case BITNET_PHASE_LOADING:
      /* Too short for lines in a log. */
      if (!isatty (STDERR_FILENO))
        return;
      text = g_strdup_printf ("%s %s",
          progress->phase == BITNET_PHASE_VERIFYING ? "Checking" : "Loading",
          subject ? subject : "the tokenizer");
      break;
  }
  if (subject != NULL)
    tool_progress_text (text);
}

static void
on_progress (
    BitnetResolver *resolver, const BitnetProgress *progress, gpointer unused)
{
  tool_transfer (progress, NULL);
}

static void
on_strategy_started (
    BitnetResolver *resolver, const char *name, int priority, gpointer unused)
{
  g_autofree char *text = NULL;

  if (!isatty (STDERR_FILENO))
    return;
  text = g_strdup_printf ("Looking for the tokenizer: %s", name);
  tool_progress_text (text);
}

static void
on_warning (BitnetResolver *resolver, const char *code, const char *message,
    gpointer command)
{
  tool_fail (command, "warning: %s", message);
}

void
tool_watch_resolver (const char *command, BitnetResolver *resolver)
{
  g_signal_connect (
      resolver, "strategy-started", G_CALLBACK (on_strategy_started), NULL);
  g_signal_connect (resolver, "progress", G_CALLBACK (on_progress), NULL);
  g_signal_connect (
      resolver, "warning", G_CALLBACK (on_warning), (gpointer) command);
}
