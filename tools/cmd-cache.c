/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet cache: what has been fetched, to look at and to tidy up. Each
 * subcommand works on the cache of tokenizers, on that of models, or on both;
 * what the library says of them is printed as rows or JSON. */
#include <stdio.h>
#include <string.h>

#include "bitnet-tool.h"
#include "tool-bench.h"
#include "tool-engine.h"
#include "tool-record.h"

#define COMMAND "cache"

enum {
  TIME_WIDTH = 16,
  SIZE_WIDTH = 9,
  N_CACHES = 2,
};

typedef struct {
  char *cache_dir;
  char *max_size, *max_age;
  gboolean models, tokenizers;
  gboolean json, openmetrics, repair;
  /* what they mean */
  guint64 max_bytes, max_seconds;
  const char *repository; /* NULL: all */
} Options;

typedef struct {
  const char *kind; /* "tokenizers" or "models" */
  BitnetCache *cache;
  GVariant *result; /* of the subcommand */
} Part;

typedef GVariant *(*CacheFunc) (BitnetCache *cache, const Options *options,
    GCancellable *cancellable, GError **error);
typedef void (*PrintFunc) (const Part *part);

static void
options_clear (Options *self)
{
  g_free (self->cache_dir);
  g_free (self->max_size);
  g_free (self->max_age);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

/* ---- numbers with units ---- */

typedef struct {
  const char *name;
  guint64 factor;
} Unit;

static const Unit size_units[] = {{"", 1}, {"k", 1000}, {"M", 1000 * 1000},
    {"G", 1000 * 1000 * 1000}, {"T", G_GUINT64_CONSTANT (1000000000000)}, {0}};
static const Unit age_units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 60 * 60},
    {"d", 24 * 60 * 60}, {"w", 7 * 24 * 60 * 60}, {0}};

/* "1.5G" for units of sizes. */
static gboolean
parse_amount (const char *option, const char *text, const Unit *units,
    const char *expected, guint64 *amount)
{
  char *end;
  double number = g_ascii_strtod (text, &end);

  for (const Unit *unit = units; end != text && unit->name; unit++) {
    double value = number * (double) unit->factor;

    if (g_ascii_strcasecmp (end, unit->name) != 0)
      continue;
    if (!(value >= 0 && value < (double) G_MAXINT64))
      break;
    *amount = (guint64) value;
    return TRUE;
  }
  tool_fail_usage (
      COMMAND, "--%s: found \"%s\", expected %s", option, text, expected);
  return FALSE;
}

/* ---- rows ---- */

static guint
count_complete (GVariant *files)
{
  guint n = 0;

  for (gsize i = 0; files && i < g_variant_n_children (files); i++) {
    g_autoptr (GVariant) file = g_variant_get_child_value (files, i);
    gboolean is_complete = FALSE;

    g_variant_lookup (file, "complete", "b", &is_complete);
    n += is_complete;
  }
  return n;
}

static void
print_list (const Part *part)
{
  for (gsize i = 0; i < g_variant_n_children (part->result); i++) {
    g_autoptr (GVariant) entry = g_variant_get_child_value (part->result, i);
    g_autoptr (GVariant) files =
        g_variant_lookup_value (entry, "files", G_VARIANT_TYPE ("aa{sv}"));
    const char *repository = "", *revision = "";
    gint64 used_at = 0;
    guint64 size = 0;
    g_autoptr (GDateTime) time = NULL;
    g_autofree char *date = NULL;
    g_autofree char *length = NULL;
    g_autofree char *name = NULL;
    g_autofree char *shown = NULL;

    g_variant_lookup (entry, "repository", "&s", &repository);
    g_variant_lookup (entry, "revision", "&s", &revision);
    g_variant_lookup (entry, "used-at", "x", &used_at);
    g_variant_lookup (entry, "size", "t", &size);
    time = g_date_time_new_from_unix_local (used_at);
    date = time ? g_date_time_format (time, "%Y-%m-%d %H:%M") : g_strdup ("");
    length = tool_format_size (size);
    name = g_strdup_printf ("%s@%s", repository, revision);
    shown = tool_make_printable (name);
    printf ("%-10s %-*s %*s %3u files  %s\n", part->kind, TIME_WIDTH, date,
        SIZE_WIDTH, length, count_complete (files), shown);
  }
}

static void
print_rows (const Part *part)
{
  printf ("%s\n", part->kind);
  tool_print_rows (part->result, 2);
}

static void
print_verified (const Part *part)
{
  g_autofree const char **broken = NULL;
  guint64 n_checked = 0, n_removed = 0;

  g_variant_lookup (part->result, "checked", "t", &n_checked);
  g_variant_lookup (part->result, "removed", "t", &n_removed);
  g_variant_lookup (part->result, "broken", "^a&s", &broken);
  for (gsize i = 0; broken && broken[i]; i++) {
    g_autofree char *line = tool_make_printable (broken[i]);

    printf ("%-10s %s\n", part->kind, line);
  }
  printf ("%-10s %" G_GUINT64_FORMAT " checked, %u broken, %" G_GUINT64_FORMAT
          " removed\n",
      part->kind, n_checked, broken ? g_strv_length ((char **) broken) : 0,
      n_removed);
}

static void
print_removed (const Part *part)
{
  guint64 n_removed = 0, freed = 0;
  g_autofree char *size = NULL;

  g_variant_lookup (part->result, "removed", "t", &n_removed);
  g_variant_lookup (part->result, "freed", "t", &freed);
  size = tool_format_size (freed);
  printf ("%-10s %" G_GUINT64_FORMAT " files removed, %s freed\n", part->kind,
      n_removed, size);
}

/* ---- subcommands ---- */

static GVariant *
list (BitnetCache *cache, const Options *options, GCancellable *cancellable,
    GError **error)
{
  return bitnet_cache_list (cache, cancellable, error);
}

static GVariant *
get_stats (BitnetCache *cache, const Options *options,
    GCancellable *cancellable, GError **error)
{
  return bitnet_cache_dup_stats (cache, cancellable, error);
}

static GVariant *
verify (BitnetCache *cache, const Options *options, GCancellable *cancellable,
    GError **error)
{
  return bitnet_cache_verify (cache, options->repair, cancellable, error);
}

static GVariant *
prune (BitnetCache *cache, const Options *options, GCancellable *cancellable,
    GError **error)
{
  return bitnet_cache_prune (
      cache, options->max_bytes, options->max_seconds, cancellable, error);
}

static GVariant *
clear (BitnetCache *cache, const Options *options, GCancellable *cancellable,
    GError **error)
{
  return bitnet_cache_clear (cache, options->repository, cancellable, error);
}

static const struct {
  const char *name;
  CacheFunc func;
  PrintFunc print;
  gboolean takes_repository;
} subcommands[] = {
    {"list", list, print_list, FALSE},
    {"stats", get_stats, print_rows, FALSE},
    {"verify", verify, print_verified, FALSE},
    {"prune", prune, print_removed, FALSE},
    {"clear", clear, print_removed, TRUE},
};

/* ---- the command line ---- */

static gboolean
parse (Options *options, int *argc, char ***argv, int *status)
{
  const GOptionEntry entries[] = {
      {"tokenizers", 0, 0, G_OPTION_ARG_NONE, &options->tokenizers,
          "The cache of tokenizers alone", NULL},
      {"models", 0, 0, G_OPTION_ARG_NONE, &options->models,
          "The cache of models alone", NULL},
      {"cache-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->cache_dir,
          "Its folder, with one of the above [the user's cache]", "FOLDER"},
      {"max-size", 0, 0, G_OPTION_ARG_STRING, &options->max_size,
          "prune: what may stay, in bytes or with k, M, G, T [no limit]",
          "SIZE"},
      {"max-age", 0, 0, G_OPTION_ARG_STRING, &options->max_age,
          "prune: how long it may be unused, in seconds or with m, h, d, w "
          "[no limit]",
          "TIME"},
      {"repair", 0, 0, G_OPTION_ARG_NONE, &options->repair,
          "verify: remove what is broken", NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json,
          "Print one JSON object in place of rows", NULL},
      {"openmetrics", 0, 0, G_OPTION_ARG_NONE, &options->openmetrics,
          "stats: print them in the OpenMetrics format", NULL},
      G_OPTION_ENTRY_NULL,
  };

  return tool_parse_options (argc, argv, entries,
      "list|stats|verify|prune|clear [OWNER/NAME]",
      "Shows and tidies up what was fetched from hubs.",
      "  list     repositories, the one used last first\n"
      "  stats    sizes, hits and misses\n"
      "  verify   compare every file with its digest\n"
      "  prune    remove what no repository needs, what is too old, and the "
      "least\n"
      "           recently used until the rest fits\n"
      "  clear    remove a repository, or everything\n"
      "\n"
      "Examples:\n"
      "  bitnet cache list\n"
      "  bitnet cache stats --tokenizers --json\n"
      "  bitnet cache verify --repair\n"
      "  bitnet cache prune --max-size 20G --max-age 30d --models\n"
      "  bitnet cache clear owner/name\n"
      "\n"
      "The JSON object has a member for each cache, tokenizers and models, "
      "with what\nthe library says of it.\n"
      "\n"
      "Exit status: 0 done, 1 failed or something is broken, 2 wrong command "
      "line,\n130 interrupted.",
      status);
}

/* Index of the subcommand, -1 with a message. */
static int
find_subcommand (Options *options, int argc, char **argv)
{
  int found = -1;

  if (argc < 2) {
    tool_fail_usage (
        COMMAND, "expected list, stats, verify, prune or clear, found nothing");
    return -1;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (subcommands); i++) {
    if (strcmp (argv[1], subcommands[i].name) == 0)
      found = (int) i;
  }
  if (found < 0) {
    tool_fail_usage (COMMAND,
        "expected list, stats, verify, prune or clear, found \"%s\"", argv[1]);
    return -1;
  }
  if (argc > (subcommands[found].takes_repository ? 3 : 2)) {
    tool_fail_usage (COMMAND, "there is no argument \"%s\"", argv[argc - 1]);
    return -1;
  }
  options->repository = argc > 2 ? argv[2] : NULL;
  return found;
}

/* Options that only one subcommand has. */
static gboolean
check (Options *options, const char *name)
{
  const struct {
    const char *subcommand, *option;
    gboolean is_given;
  } rules[] = {
      {"prune", "--max-size", options->max_size != NULL},
      {"prune", "--max-age", options->max_age != NULL},
      {"verify", "--repair", options->repair},
      {"stats", "--openmetrics", options->openmetrics},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rules); i++) {
    if (rules[i].is_given && strcmp (name, rules[i].subcommand) != 0) {
      tool_fail_usage (COMMAND, "%s belongs to %s, not to %s", rules[i].option,
          rules[i].subcommand, name);
      return FALSE;
    }
  }
  if (options->json && options->openmetrics) {
    tool_fail_usage (COMMAND, "--json and --openmetrics exclude each other");
    return FALSE;
  }
  if (options->cache_dir && options->models == options->tokenizers) {
    tool_fail_usage (
        COMMAND, "--cache-dir needs either --tokenizers or --models");
    return FALSE;
  }
  options->max_bytes = G_MAXUINT64;
  return (options->max_size == NULL
             || parse_amount ("max-size", options->max_size, size_units,
                 "a number with k, M, G or T", &options->max_bytes))
         && (options->max_age == NULL
             || parse_amount ("max-age", options->max_age, age_units,
                 "a number with s, m, h, d or w", &options->max_seconds));
}

/* ---- output ---- */

static void
print_json (const Part *parts, guint n_parts)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  for (guint i = 0; i < n_parts; i++) {
    json_builder_set_member_name (builder, parts[i].kind);
    tool_json_add_variant (builder, parts[i].result);
  }
  json_builder_end_object (builder);
  tool_json_print (builder);
}

static void
print_openmetrics (const Part *parts, guint n_parts)
{
  GVariantBuilder all;
  g_autoptr (GVariant) stats = NULL;
  g_autofree char *text = NULL;

  g_variant_builder_init (&all, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < n_parts; i++)
    g_variant_builder_add_value (&all, parts[i].result);
  stats = g_variant_ref_sink (g_variant_builder_end (&all));
  text = bitnet_stats_to_openmetrics (stats);
  fputs (text, stdout);
}

static gboolean
is_broken (const Part *part)
{
  g_autoptr (GVariant) broken =
      g_variant_is_of_type (part->result, G_VARIANT_TYPE_VARDICT)
          ? g_variant_lookup_value (
              part->result, "broken", G_VARIANT_TYPE_STRING_ARRAY)
          : NULL;

  return broken && g_variant_n_children (broken) > 0;
}

static guint
make_parts (const Options *options, Part *parts)
{
  guint n = 0;
  gboolean both = options->models == options->tokenizers;

  if (both || options->tokenizers)
    parts[n++] = (Part){
        "tokenizers", bitnet_cache_new_tokenizers (options->cache_dir), NULL};
  if (both || options->models)
    parts[n++] =
        (Part){"models", bitnet_cache_new_models (options->cache_dir), NULL};
  return n;
}

static int
run (const Options *options, int subcommand, Part *parts, guint n_parts)
{
  g_autoptr (GCancellable) cancellable = tool_watch_interrupt ();
  g_autoptr (GError) error = NULL;
  gboolean has_broken = FALSE;
  int status;

  for (guint i = 0; i < n_parts; i++) {
    parts[i].result = subcommands[subcommand].func (
        parts[i].cache, options, cancellable, &error);
    if (parts[i].result == NULL)
      return tool_engine_fail (COMMAND, error);
    has_broken |= is_broken (&parts[i]);
  }
  if (options->json)
    print_json (parts, n_parts);
  else if (options->openmetrics)
    print_openmetrics (parts, n_parts);
  for (guint i = 0; !options->json && !options->openmetrics && i < n_parts; i++)
    subcommands[subcommand].print (&parts[i]);
  status = tool_finish_output (COMMAND);
  return has_broken && !options->repair ? EXIT_FAILED : status;
}

int
cmd_cache (int argc, char **argv)
{
  g_auto (Options) options = {0};
  Part parts[N_CACHES] = {{0}};
  guint n_parts;
  int subcommand, status;

  if (!parse (&options, &argc, &argv, &status))
    return status;
  subcommand = find_subcommand (&options, argc, argv);
  if (subcommand < 0 || !check (&options, subcommands[subcommand].name))
    return EXIT_USAGE;
  n_parts = make_parts (&options, parts);
  status = run (&options, subcommand, parts, n_parts);
  for (guint i = 0; i < n_parts; i++) {
    g_clear_object (&parts[i].cache);
    g_clear_pointer (&parts[i].result, g_variant_unref);
  }
  return status;
}
