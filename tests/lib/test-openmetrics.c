/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitnet_stats_to_openmetrics(): what it writes is read back by a parser that
 * takes nothing but the format as it is specified, and the numbers are those
 * that went in. */
#include <math.h>
#include <string.h>

#include "bitnet-resolver.h"

/* ---- a strict reader of OpenMetrics 1.0 ---- */

typedef struct {
  char *name, *type, *unit, *help;
  guint n_samples;
  /* of the histogram that is being read */
  char *series; /* labels without le */
  double bound, up_to_here;
  gboolean is_open; /* +Inf has not come yet */
} Family;

typedef struct {
  GHashTable *families; /* names that have been */
  GHashTable *samples;  /* name{labels} to double */
  Family *family;       /* the current one */
  char *problem;        /* NULL: none so far */
} Parser;

static void
family_free (Family *family)
{
  g_free (family->name);
  g_free (family->type);
  g_free (family->unit);
  g_free (family->help);
  g_free (family->series);
  g_free (family);
}

static void
parser_clear (Parser *self)
{
  g_clear_pointer (&self->families, g_hash_table_unref);
  g_clear_pointer (&self->samples, g_hash_table_unref);
  g_clear_pointer (&self->family, family_free);
  g_clear_pointer (&self->problem, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Parser, parser_clear)

static gboolean
fail (Parser *self, const char *problem, const char *line)
{
  if (self->problem == NULL)
    self->problem = g_strdup_printf ("%s: \"%s\"", problem, line);
  return FALSE;
}

static gsize
span_name (const char *text, const char *first)
{
  static const char rest[] = "0123456789";
  gsize n = 0;

  while (
      text[n] && (strchr (first, text[n]) || (n > 0 && strchr (rest, text[n]))))
    n++;
  return n;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

static gboolean
is_name (const char *text)
{
  return *text && span_name (text, LETTERS ":") == strlen (text);
}

static gboolean
end_family (Parser *self)
{
  gboolean is_good = TRUE;

  if (self->family
      && (self->family->type == NULL || self->family->n_samples == 0
          || self->family->is_open))
    is_good = fail (self, "a family is incomplete", self->family->name);
  g_clear_pointer (&self->family, family_free);
  return is_good;
}

/* "# TYPE name value" */
static gboolean
read_comment (Parser *self, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 4);
  char **slot;

  if (g_strv_length (words) != 4 || !is_name (words[2]))
    return fail (self, "no metadata", line);
  if (self->family == NULL || strcmp (self->family->name, words[2]) != 0) {
    if (!end_family (self))
      return FALSE;
    if (!g_hash_table_add (self->families, g_strdup (words[2])))
      return fail (self, "a family comes twice", line);
    self->family = g_new0 (Family, 1);
    self->family->name = g_strdup (words[2]);
  }
  if (self->family->n_samples > 0)
    return fail (self, "metadata behind samples", line);
  slot = strcmp (words[1], "TYPE") == 0   ? &self->family->type
         : strcmp (words[1], "UNIT") == 0 ? &self->family->unit
         : strcmp (words[1], "HELP") == 0 ? &self->family->help
                                          : NULL;
  if (slot == NULL || *slot != NULL || *words[3] == '\0')
    return fail (self, "metadata twice or unknown", line);
  *slot = g_strdup (words[3]);
  if (slot == &self->family->unit) {
    g_autofree char *suffix = g_strconcat ("_", words[3], NULL);

    if (!g_str_has_suffix (words[2], suffix))
      return fail (self, "the name lacks its unit", line);
  }
  return TRUE;
}

/* Reads {a="b",c="d"} at *text; all but le goes to series, le to bound. */
static gboolean
read_labels (Parser *self, const char **text, GString *series, double *bound)
{
  g_autoptr (GHashTable) names =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const char *p = *text;

  if (*p != '{')
    return TRUE;
  do {
    g_autoptr (GString) value = g_string_new (NULL);
    g_autofree char *name = NULL;
    gsize n = span_name (++p, LETTERS);

    if (n == 0 || p[n] != '=' || p[n + 1] != '"')
      return fail (self, "no label", p);
    name = g_strndup (p, n);
    for (p += n + 2; *p && *p != '"'; p++) {
      if (*p == '\\' && (p++, strchr ("\\\"n", *p) == NULL || *p == '\0'))
        return fail (self, "no escape", p);
      g_string_append_c (value, *p);
    }
    if (*p++ != '"' || !g_hash_table_add (names, g_strdup (name)))
      return fail (self, "a label is open or comes twice", *text);
    if (strcmp (name, "le") == 0) {
      *bound = g_ascii_strtod (value->str, NULL);
      if (!isinf (*bound) && strchr (value->str, '.') == NULL)
        return fail (self, "a bound is not in canonical form", value->str);
    } else {
      g_string_append_printf (series, "%s=%s;", name, value->str);
    }
  } while (*p == ',');
  if (*p++ != '}')
    return fail (self, "labels do not end", *text);
  *text = p;
  return TRUE;
}

static gboolean
check_bucket (Parser *self, const char *series, double bound, double value)
{
  Family *family = self->family;

  if (!family->is_open) {
    family->bound = -INFINITY;
    family->up_to_here = 0;
    family->is_open = TRUE;
    g_free (family->series);
    family->series = g_strdup (series);
  }
  if (isnan (bound) || strcmp (family->series, series) != 0
      || bound <= family->bound || value < family->up_to_here)
    return fail (self, "buckets do not rise", series);
  family->bound = bound;
  family->up_to_here = value;
  family->is_open = !isinf (bound);
  return TRUE;
}

/* What the type allows behind the name of the family. */
static gboolean
check_suffix (Parser *self, const char *suffix, const char *series,
    double bound, double value)
{
  const char *type = self->family->type;

  if (type == NULL)
    return fail (self, "samples without a type", suffix);
  if (strcmp (type, "gauge") == 0)
    return *suffix == '\0' || fail (self, "no gauge", suffix);
  if (value < 0 || isnan (value))
    return fail (self, "not a count", suffix);
  if (strcmp (type, "counter") == 0)
    return strcmp (suffix, "_total") == 0 || fail (self, "no counter", suffix);
  if (strcmp (type, "histogram") != 0)
    return fail (self, "unknown type", type);
  if (strcmp (suffix, "_bucket") == 0)
    return check_bucket (self, series, bound, value);
  if (self->family->is_open || g_strcmp0 (self->family->series, series) != 0)
    return fail (self, "a sum without its buckets", series);
  if (strcmp (suffix, "_count") == 0)
    return value == self->family->up_to_here
           || fail (self, "the count differs from the last bucket", series);
  return strcmp (suffix, "_sum") == 0 || fail (self, "no histogram", suffix);
}

static gboolean
read_sample (Parser *self, const char *line)
{
  gsize n = span_name (line, LETTERS ":");
  g_autofree char *name = g_strndup (line, n);
  g_autoptr (GString) series = g_string_new (NULL);
  const char *p = line + n;
  double bound = NAN, *value = g_new (double, 1);
  char *end;

  if (self->family == NULL || !g_str_has_prefix (name, self->family->name)
      || !read_labels (self, &p, series, &bound) || *p++ != ' ') {
    g_free (value);
    return fail (self, "no sample of this family", line);
  }
  *value = g_ascii_strtod (p, &end);
  if (end == p || *end != '\0'
      || !check_suffix (self, name + strlen (self->family->name), series->str,
          bound, *value)) {
    g_free (value);
    return fail (self, "no value", line);
  }
  self->family->n_samples++;
  if (!g_hash_table_insert (
          self->samples, g_strndup (line, (gsize) (p - 1 - line)), value))
    return fail (self, "a sample comes twice", line);
  return TRUE;
}

static Parser
parse (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n = g_strv_length (lines);
  Parser self = {
      .families = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
      .samples =
          g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free)};

  if (n < 2 || strcmp (lines[n - 1], "") != 0
      || strcmp (lines[n - 2], "# EOF") != 0)
    fail (&self, "the end is missing", text);
  for (guint i = 0; i + 2 < n && self.problem == NULL; i++) {
    if (lines[i][0] == '#')
      read_comment (&self, lines[i]);
    else
      read_sample (&self, lines[i]);
  }
  end_family (&self);
  return self;
}

static double
get_sample (const Parser *parser, const char *name)
{
  const double *value = g_hash_table_lookup (parser->samples, name);

  g_test_message ("%s", name);
  g_assert_nonnull (value);
  return *value;
}

/* ---- tests ---- */

/* The reader refuses what is wrong; else it proves nothing. */
static void
test_reader (void)
{
  static const struct {
    const char *text;
    gboolean is_good;
  } cases[] = {
      {"# EOF\n", TRUE},
      {"# TYPE a counter\na_total 1\n# EOF\n", TRUE},
      {"# TYPE a gauge\n# HELP a Some text\na{b=\"c\\\\\\\"\\n\"} NaN\n# EOF\n",
          TRUE},
      {"# TYPE a histogram\na_bucket{le=\"1.0\"} 1\na_bucket{le=\"+Inf\"} 2\n"
       "a_sum 3\na_count 2\n# EOF\n",
          TRUE},
      {"# TYPE a_bytes gauge\n# UNIT a_bytes bytes\na_bytes 1\n# EOF\n", TRUE},
      {"", FALSE},
      {"# EOF", FALSE},
      {"# TYPE a counter\na_total 1\n", FALSE},
      {"# TYPE a counter\na 1\n# EOF\n", FALSE},
      {"# TYPE a counter\na_total -1\n# EOF\n", FALSE},
      {"# TYPE a counter\na_total 1\na_total 2\n# EOF\n", FALSE},
      {"# TYPE a counter\n# EOF\n", FALSE},
      {"# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na 2\n# EOF\n",
          FALSE},
      {"# TYPE a gauge\na 1\n# HELP a Late\n# EOF\n", FALSE},
      {"# TYPE a gauge\n# UNIT a bytes\na 1\n# EOF\n", FALSE},
      {"# TYPE a gauge\na{b=\"c} 1\n# EOF\n", FALSE},
      {"# TYPE a gauge\na{b=\"\\t\"} 1\n# EOF\n", FALSE},
      {"# TYPE a gauge\na{b=\"1\",b=\"1\"} 1\n# EOF\n", FALSE},
      {"# TYPE a gauge\na 1x\n# EOF\n", FALSE},
      {"a 1\n# EOF\n", FALSE},
      {"# TYPE a histogram\na_bucket{le=\"1.0\"} 1\na_sum 3\na_count 1\n# "
       "EOF\n",
          FALSE},
      {"# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\n"
       "a_sum 3\na_count 2\n# EOF\n",
          FALSE},
      {"# TYPE a histogram\na_bucket{le=\"1.0\"} 3\na_bucket{le=\"+Inf\"} 2\n"
       "a_sum 3\na_count 2\n# EOF\n",
          FALSE},
      {"# TYPE a histogram\na_bucket{le=\"+Inf\"} 2\na_sum 3\na_count 1\n# "
       "EOF\n",
          FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Parser) parser = parse (cases[i].text);

    g_test_message ("%s%s", cases[i].text, parser.problem);
    g_assert_cmpint (parser.problem == NULL, ==, cases[i].is_good);
  }
}

/* Writes what text, a GVariant, says, and reads it. */
static Parser
write_and_read (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) stats = g_variant_parse (NULL, text, NULL, NULL, &error);
  g_autofree char *written = NULL;
  Parser parser;

  g_assert_no_error (error);
  written = bitnet_stats_to_openmetrics (stats);
  parser = parse (written);
  g_test_message ("%s", written);
  g_assert_cmpstr (parser.problem, ==, NULL);
  return parser;
}

#define DURATION(counts)                                                       \
  "<{'count': <uint64 6>, 'mean': <2.5>, 'min': <0.5>, 'max': <7.0>, "         \
  "'histogram': <[uint64 " counts "]>}>"

#define RESOLVER                                                               \
  "{'resolutions': <uint64 7>, 'successes': <uint64 5>, "                      \
  "'failures': <uint64 1>, 'cancelled': <uint64 1>, 'fallbacks': <uint64 0>, " \
  "'zero-config-resolutions': <uint64 6>, "                                    \
  "'zero-config-successes': <uint64 5>, 'remembered': <uint64 3>, "            \
  "'shared': <uint64 2>, 'recovered': <uint64 1>, 'success-rate': <0.8333>, "  \
  "'zero-config-rate': <1.0>, 'recovery-rate': <0.5>, "                        \
  "'duration-ms': " DURATION (                                                 \
      "1, 2, 1, 0, 0, 1, 0, 0, 0, 1") ", "                                     \
                                      "'strategies': <{'generic': "            \
                                      "<{'attempts': <uint64 2>, "             \
                                      "'successes': <uint64 1>, 'failures': "  \
                                      "<{'NOT_FOUND': uint64 1}>, "            \
                                      "'duration-ms': " DURATION ("6, 0, 0, "  \
                                                                  "0, 0, 0, "  \
                                                                  "0, 0, 0, "  \
                                                                  "0") "}>, "  \
                                                                       "'mine" \
                                                                       " \"\\" \
                                                                       "\\\\n" \
                                                                       "': "   \
                                                                       "<{'"   \
                                                                       "attem" \
                                                                       "pts':" \
                                                                       " <"    \
                                                                       "uint6" \
                                                                       "4 "    \
                                                                       "1>, "  \
                                                                       "'succ" \
                                                                       "esses" \
                                                                       "': "   \
                                                                       "<uint" \
                                                                       "64 "   \
                                                                       "0>, "  \
                                                                       "'fail" \
                                                                       "ures'" \
                                                                       ": "    \
                                                                       "<{'"   \
                                                                       "GATED" \
                                                                       "': "   \
                                                                       "uint6" \
                                                                       "4 1, " \
                                                                       "'TLS'" \
                                                                       ": "    \
                                                                       "uint6" \
                                                                       "4 "    \
                                                                       "2}>}>" \
                                                                       "}>, "  \
                                                                       "'netw" \
                                                                       "ork':" \
                                                                       " <{'"  \
                                                                       "reque" \
                                                                       "sts':" \
                                                                       " <"    \
                                                                       "uint6" \
                                                                       "4 "    \
                                                                       "9>, "  \
                                                                       "'resp" \
                                                                       "onses" \
                                                                       "-2xx'" \
                                                                       ": "    \
                                                                       "<uint" \
                                                                       "64 "   \
                                                                       "4>, "  \
                                                                       "'resp" \
                                                                       "onses" \
                                                                       "-4xx'" \
                                                                       ": "    \
                                                                       "<uint" \
                                                                       "64 "   \
                                                                       "5>, "  \
                                                                       "'byte" \
                                                                       "s-"    \
                                                                       "recei" \
                                                                       "ved':" \
                                                                       " <"    \
                                                                       "uint6" \
                                                                       "4 "    \
                                                                       "12345" \
                                                                       "67890" \
                                                                       "123>," \
                                                                       " "     \
                                                                       "'firs" \
                                                                       "t-"    \
                                                                       "byte-" \
                                                                       "ms': " \
                                                                       "<12."  \
                                                                       "5>, "  \
                                                                       "'seco" \
                                                                       "nds':" \
                                                                       " <0."  \
                                                                       "25>, " \
                                                                       "'unkn" \
                                                                       "own':" \
                                                                       " <'x'" \
                                                                       ">}>}"

static void
test_resolver (void)
{
  static const struct {
    const char *name;
    double value;
  } cases[] = {
      {"bitnet_resolutions_total", 7},
      {"bitnet_resolution_successes_total", 5},
      {"bitnet_resolution_fallbacks_total", 0},
      {"bitnet_zero_config_resolutions_total", 6},
      {"bitnet_resolution_success_ratio", 0.8333},
      {"bitnet_resolution_duration_seconds_bucket{le=\"0.001\"}", 1},
      {"bitnet_resolution_duration_seconds_bucket{le=\"0.003\"}", 3},
      {"bitnet_resolution_duration_seconds_bucket{le=\"0.1\"}", 4},
      {"bitnet_resolution_duration_seconds_bucket{le=\"1.0\"}", 5},
      {"bitnet_resolution_duration_seconds_bucket{le=\"10.0\"}", 5},
      {"bitnet_resolution_duration_seconds_bucket{le=\"+Inf\"}", 6},
      {"bitnet_resolution_duration_seconds_count", 6},
      {"bitnet_strategy_attempts_total{strategy=\"generic\"}", 2},
      {"bitnet_strategy_attempts_total{strategy=\"mine \\\"\\\\\\n\"}", 1},
      {"bitnet_strategy_failures_total{strategy=\"generic\",code=\"NOT_"
       "FOUND\"}",
          1},
      {"bitnet_strategy_duration_seconds_bucket{strategy=\"generic\","
       "le=\"0.001\"}",
          6},
      {"bitnet_hub_requests_total", 9},
      {"bitnet_hub_responses_total{class=\"2xx\"}", 4},
      {"bitnet_hub_responses_total{class=\"4xx\"}", 5},
      {"bitnet_hub_received_bytes_total", 1234567890123},
      {"bitnet_hub_first_byte_seconds", 0.0125},
      {"bitnet_hub_receiving_seconds_total", 0.25},
  };
  g_auto (Parser) parser = write_and_read (RESOLVER);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpfloat (get_sample (&parser, cases[i].name), ==, cases[i].value);
  g_assert_cmpfloat_with_epsilon (
      get_sample (&parser, "bitnet_resolution_duration_seconds_sum"), 0.015,
      1e-9);
}

static void
test_hub (void)
{
  g_auto (Parser) parser =
      write_and_read ("{'requests': <uint64 1>, 'retries': <uint64 18446744>}");

  g_assert_cmpfloat (get_sample (&parser, "bitnet_hub_requests_total"), ==, 1);
  g_assert_cmpuint (g_hash_table_size (parser.samples), ==, 2);
}

#define CACHE(folder)                                                          \
  "{'folder': <'" folder "'>, 'objects': <uint64 3>, 'size': <uint64 4096>, "  \
  "'resolutions': <uint64 2>, 'hits': <uint64 8>, 'hit-rate': <0.8>}"

/* Two caches share families; the folder tells them apart. */
static void
test_caches (void)
{
  g_auto (Parser) parser =
      write_and_read ("[" CACHE ("/a") ", " CACHE ("/b") "]");

  g_assert_cmpfloat (
      get_sample (&parser, "bitnet_cache_content_bytes{folder=\"/a\"}"), ==,
      4096);
  g_assert_cmpfloat (
      get_sample (&parser, "bitnet_cache_hits_total{folder=\"/b\"}"), ==, 8);
  g_assert_cmpfloat (
      get_sample (&parser, "bitnet_cache_resolutions{folder=\"/a\"}"), ==, 2);
  g_assert_null (
      g_hash_table_lookup (parser.samples, "bitnet_resolutions_total"));
}

/* What nobody promised gives no text that a monitor would stumble over. */
static void
test_odd (void)
{
  static const char *const cases[] = {
      "@a{sv} {}",
      "@aa{sv} []",
      "{'successes': <'many'>, 'duration-ms': <1.0>, 'strategies': <7>}",
      "{'successes': <uint64 1>, 'duration-ms': <{'histogram': <[uint64 1]>}>}",
      "{'strategies': <{'x': <1>}>, 'network': <'none'>}",
      "{'objects': <uint64 1>, 'folder': <5>, 'hit-rate': <-0.0>}",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Parser) parser = write_and_read (cases[i]);

    g_assert_cmpstr (parser.problem, ==, NULL);
  }
}

/* What a resolver really says fits, too. */
static void
test_real (void)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) stats = bitnet_resolver_dup_stats (resolver);
  g_autofree char *text = bitnet_stats_to_openmetrics (stats);
  g_auto (Parser) parser = parse (text);

  g_assert_cmpstr (parser.problem, ==, NULL);
  g_assert_cmpfloat (get_sample (&parser, "bitnet_resolutions_total"), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/openmetrics/reader", test_reader);
  g_test_add_func ("/openmetrics/C71-C97-C98-C100/resolver", test_resolver);
  g_test_add_func ("/openmetrics/C23/hub", test_hub);
  g_test_add_func ("/openmetrics/C99/caches", test_caches);
  g_test_add_func ("/openmetrics/odd", test_odd);
  g_test_add_func ("/openmetrics/real", test_real);
  return g_test_run ();
}
