/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interpreter of templates: what Python jinja2 makes of the same templates
 * (tests/data/jinja-golden.json, made by make-jinja-golden.py beside it), what
 * a template may cost, where errors stand, and which parts of a text came from
 * outside. */
#include <json-glib/json-glib.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-private.h"
#include "jinja/bn-jinja.h"

/* Renders; the text, or NULL with an error. untrusted: the output with the
 * parts from outside in braces. */
static char *
render_with (const char *source, const char *context_json, const char *now,
    const BnJinjaLimits *limits, GCancellable *cancellable, char **untrusted,
    GError **error)
{
  g_autoptr (BnJinjaTemplate) template =
      bn_jinja_template_new (source, strlen (source), limits, error);
  g_autoptr (BnJinjaContext) context = bn_jinja_context_new (limits);
  BnJinjaOutput output = {0};

  if (template == NULL
      || !bn_jinja_context_set_members (context, context_json,
          strlen (context_json), BN_JINJA_UNTRUSTED, error)
      || (now != NULL && !bn_jinja_context_set_now (context, now, error))
      || !bn_jinja_template_render (
          template, context, cancellable, &output, error))
    return NULL;
  if (untrusted != NULL) {
    g_autoptr (GString) marked = g_string_new (NULL);
    gsize at = 0;

    for (gsize i = 0; i < output.n_untrusted; i++) {
      const BnJinjaRange *range = &output.untrusted[i];

      g_assert_cmpuint (range->begin, >=, at);
      g_assert_cmpuint (range->begin, <, range->end);
      g_string_append_len (marked, output.text + at, range->begin - at);
      g_string_append_printf (marked, "{%.*s}",
          (int) (range->end - range->begin), output.text + range->begin);
      at = range->end;
    }
    g_string_append_len (marked, output.text + at, output.size - at);
    *untrusted = g_string_free (g_steal_pointer (&marked), FALSE);
  }
  g_free (output.untrusted);
  return output.text;
}

static JsonObject *
load_golden (JsonParser *parser)
{
  g_autofree char *path =
      g_test_build_filename (G_TEST_DIST, "data", "jinja-golden.json", NULL);
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  return json_node_get_object (json_parser_get_root (parser));
}

static void
test_golden (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *golden = load_golden (parser);
  g_autoptr (GString) context = g_string_new (NULL);
  JsonArray *rows = json_object_get_array_member (golden, "rows");

  /* json-glib 1.6 cannot write 1e+20. */
  bitnet_json_append_node (context, json_object_get_member (golden, "context"));
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    const char *source = json_object_get_string_member (row, "template");
    g_autoptr (GError) error = NULL;
    g_autofree char *text = render_with (source, context->str,
        json_object_get_string_member (golden, "now"), NULL, NULL, NULL,
        &error);

    g_test_message ("%s: %s", source, error ? error->message : "");
    if (json_object_has_member (row, "text")) {
      g_assert_no_error (error);
      g_assert_cmpstr (text, ==, json_object_get_string_member (row, "text"));
    } else if (json_object_has_member (row, "raised")) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE_RAISED);
      g_assert_cmpstr (
          error->message, ==, json_object_get_string_member (row, "raised"));
    } else {
      g_assert_null (text);
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE);
      g_assert_true (g_str_has_prefix (error->message, "line "));
    }
  }
  g_assert_cmpuint (json_array_get_length (rows), >, 150);
}

/* Every prefix of every template is refused or rendered. */
static void
test_prefixes (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *golden = load_golden (parser);
  JsonArray *rows = json_object_get_array_member (golden, "rows");

  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    const char *source = json_object_get_string_member (row, "template");

    for (gsize size = 0; size < strlen (source); size++) {
      g_autofree char *prefix = g_strndup (source, size);
      g_autoptr (GError) error = NULL;
      g_autofree char *text =
          render_with (prefix, "{}", NULL, NULL, NULL, NULL, &error);

      g_assert_true ((text != NULL) != (error != NULL));
      g_assert_true (error == NULL || strpbrk (error->message, "\r\n") == NULL);
    }
  }
}

/* What would never end, or fill the memory. */
static const struct {
  const char *source, *message;
} bombs[] = {
    {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}"
     "{% endfor %}",
        "steps"},
    {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deeper"},
    {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deeper"},
    {"{{ 'a' * 1000000000 }}", "longer"},
    {"{{ 'a' * 9223372036854775807 }}", "longer"},
    {"{% set ns = namespace(s='abcdefgh') %}{% for i in range(99) %}"
     "{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "limit"},
    {"{% set ns = namespace(s='abcdefgh') %}{% for i in range(99) %}"
     "{% set ns.s = ns.s|replace('a', ns.s) %}{% endfor %}",
        "limit"},
    {"{% set ns = namespace(l=[1]) %}{% for i in range(99) %}"
     "{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "limit"},
    {"{{ [1] * 1000000000000 }}", "memory"},
    {"{{ range(1000000000) }}", "MAX_RANGE"},
    {"{% set ns = namespace(l=[]) %}{% for i in range(99999) %}"
     "{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
        "deeper"},
    {"{% set ns = namespace(l=[]) %}{% for i in range(99999) %}"
     "{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l|tojson }}",
        "deeper"},
    {"{% set ns = namespace(l=[], m=[]) %}{% for i in range(99999) %}"
     "{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}"
     "{{ ns.l == ns.m }}",
        "deeper"},
    {"{% set ns = namespace(i=[1]) %}{% for i in range(99999) %}"
     "{% set ns.i = ns.i|map('string') %}{% endfor %}{{ ns.i|list }}",
        "deeper"},
    {"{{ ('a' * 100000)|replace('a', 'b' * 100000) }}", "longer"},
    {"{{ ('a' * 100000)|list|join('b' * 100000) }}", "longer"},
    {"{{ 'x'|center(1000000000) }}", "limit"},
    {"{{ '%1000000000d'|format(1) }}", "too big"},
    {"{{ '{:1000000000}'.format(1) }}", "Too many"},
    {"{{ 'a'|indent(1000000000) }}", "limit"},
    {"{{ [1]|batch(1000000000, 0)|list }}", "limit"},
    {"{{ [1]|slice(1000000000)|list }}", "limit"},
    {"{{ {'a': 1}|tojson(indent=1000000000) }}", "limit"},
    {"{% for i in range(99999) %}{{ 'a' * 100000 }}{% endfor %}", "limit"},
    {"{{ 2 ** 64 }}", "64 bit"},
    {"{{ 9223372036854775807 + 1 }}", "64 bit"},
    {"{{ -9223372036854775807 - 2 }}", "64 bit"},
    {"{{ 9223372036854775807 * 2 }}", "64 bit"},
    {"{{ 99999999999999999999 }}", "64 bit"},
    {"{{ 1e30|int }}", "64 bit"},
};

static void
test_bombs (void)
{
  /* Small, so that the test is quick. */
  static const BnJinjaLimits limits = {.max_steps = 2 * 1000 * 1000,
      .max_memory = 64 << 20,
      .max_text_size = 16 << 20};

  for (gsize i = 0; i < G_N_ELEMENTS (bombs); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *text =
        render_with (bombs[i].source, "{}", NULL, &limits, NULL, NULL, &error);

    g_test_message (
        "%s: %s", bombs[i].source, error ? error->message : "no error");
    g_assert_null (text);
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE);
    g_assert_nonnull (strstr (error->message, bombs[i].message));
  }
}

/* A template of n times one piece between two others. */
static void
test_nesting (void)
{
  static const struct {
    const char *before, *piece, *middle, *piece_end, *after;
  } cases[] = {
      {"{{ ", "(", "1", ")", " }}"},
      {"{{ ", "[", "1", "]", " }}"},
      {"{{ ", "not ", "1", "", " }}"},
      {"{{ ", "-", "1", "", " }}"},
      {"{{ ", "1+", "1", "", " }}"},
      {"{{ 1", "|string", "", "", " }}"},
      {"{{ x", ".a", "", "", " }}"},
      {"{{ ", "1 if 1 else ", "1", "", " }}"},
      {"{{ ", "'a' ~ ", "1", "", " }}"},
      {"{{ ", "1 and ", "1", "", " }}"},
      {"{{ ", "1 == ", "1", "", " }}"},
      {"", "{% if 1 %}", "x", "{% endif %}", ""},
      {"", "{% for i in [1] %}", "x", "{% endfor %}", ""},
      {"", "{% macro m() %}", "x", "{% endmacro %}", ""},
      {"", "{% filter upper %}", "x", "{% endfilter %}", ""},
      {"{% filter upper", "|upper", " %}", "", "x{% endfilter %}"},
  };
  enum { N_PIECES = 20 * 1000 };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GString) source = g_string_new (cases[i].before);
    g_autoptr (GError) error = NULL;
    g_autofree char *text = NULL;

    for (int k = 0; k < N_PIECES; k++)
      g_string_append (source, cases[i].piece);
    g_string_append (source, cases[i].middle);
    for (int k = 0; k < N_PIECES; k++)
      g_string_append (source, cases[i].piece_end);
    g_string_append (source, cases[i].after);
    text = render_with (source->str, "{}", NULL, NULL, NULL, NULL, &error);
    g_test_message ("%s%s: %s", cases[i].before, cases[i].piece,
        error ? error->message : text);
    if (text == NULL)
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE);
  }
}

static void
test_limits (void)
{
  static const char source[] =
      "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}"
      "{{ m(9) }}{{ 'abc' * 30 }}";
  static const struct {
    BnJinjaLimits limits;
    const char *message; /* NULL: enough */
  } cases[] = {
      {{0}, NULL},
      {{.max_steps = 50}, "50 steps"},
      {{.max_memory = 1000}, "1000 bytes"},
      {{.max_text_size = 89}, "89 bytes"},
      {{.max_text_size = 90}, NULL},
      {{.max_depth = 9}, "limit of 9"},
      {{.max_depth = 10}, NULL},
      {{.max_source_size = 20}, "at most 20"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *text =
        render_with (source, "{}", NULL, &cases[i].limits, NULL, NULL, &error);

    g_test_message (
        "case %" G_GSIZE_FORMAT ": %s", i, error ? error->message : text);
    if (cases[i].message == NULL) {
      g_assert_no_error (error);
    } else {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE);
      g_assert_nonnull (strstr (error->message, cases[i].message));
    }
  }
}

static void
test_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_cancellable_cancel (cancellable);
  text = render_with ("x", "{}", NULL, NULL, cancellable, NULL, &error);
  g_assert_null (text);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_errors (void)
{
  static const struct {
    const char *source, *message;
  } cases[] = {
      {"a\n b{{ x.y }}", "line 2, column 7: 'x' is undefined"},
      {"{{ 1 +\n }}", "line 2, column 2: unexpected"},
      {"{% if 1 %}\nx", "line 2, column 2: Unexpected end of template"},
      {"\xC3\xA9{{ 1/0 }}", "line 1, column 6: division by zero"},
      {"{% include 'x' %}", "line 1, column 4: 'include' needs"},
      {"{{ 1|nope }}", "line 1, column 6: No filter named 'nope'."},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *text =
        render_with (cases[i].source, "{}", NULL, NULL, NULL, NULL, &error);

    g_assert_null (text);
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE);
    g_test_message ("%s", error->message);
    g_assert_true (g_str_has_prefix (error->message, cases[i].message));
  }
}

/* What came from outside stays marked, whatever is done with it. */
static void
test_origin (void)
{
  static const struct {
    const char *expression, *marked;
  } cases[] = {
      {"'<' + s + '>'", "<{abcd}>"},
      {"'<' ~ s ~ '>'", "<{abcd}>"},
      {"s[1:3]", "{bc}"},
      {"('<' + s + '>')[0:3]", "<{ab}"},
      {"('<' + s + '>')[::-1]", ">{dcba}<"},
      {"('< ' + s + ' >').strip('<>')", " {abcd} "},
      {"s|upper", "{ABCD}"},
      {"('x' + s)|title", "X{abcd}"},
      {"s|replace('b', '<>')", "{a}<>{cd}"},
      {"'a-b'|replace('-', s)", "a{abcd}b"},
      {"('<' + s).split('b')|join('|')", "<{a}|{cd}"},
      {"[s, '<', s]|join", "{abcd}<{abcd}"},
      {"'%s<%5s'|format(s, 'x')", "{abcd}<    x"},
      {"'<{}>'.format(s)", "<{abcd}>"},
      {"s.format()", "{abcd}"},
      {"s|tojson", "{\"abcd\"}"},
      {"['<', s]|tojson", "{[\"<\", \"abcd\"]}"},
      {"['<']|tojson", "[\"<\"]"},
      {"[s]", "['{abcd}']"},
      {"s|list|first", "{a}"},
      {"s|indent(first=true)", "    {abcd}"},
      {"s|center(8)", "  {abcd}  "},
      {"s|truncate(3, true, '', 0)", "{abc}"},
      {"s|escape", "{abcd}"},
      {"s|default('x')", "{abcd}"},
      {"d.k ~ (d|items|list)[0][0]", "{vk}"},
      {"s|length", "4"},
      {"m.role", "user"},
      {"m2.role", "{im_end}"},
      {"n", "7"},
      {"'a' * 3 + s * 2", "aaa{abcdabcd}"},
      {"(s ~ '<') * 2", "{abcd}<{abcd}<"},
      {"s|e ~ '<'", "{abcd}<"},
      {"s|urlencode", "{abcd}"},
      {"s|wordwrap(2)", "{ab}\n{cd}"},
      {"(s|list|batch(2)|list)[1]|join('-')", "{c}-{d}"},
  };
  static const char context[] =
      "{\"s\":\"abcd\",\"d\":{\"k\":\"v\"},\"n\":7,\"m\":{\"role\":\"user\"},"
      "\"m2\":{\"role\":\"im_end\"}}";

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    static const char *const forms[] = {"{{ %s }}", "{%% set x = %s %%}{{ x }}",
        "{%% macro mac(x) %%}{{ x }}{%% endmacro %%}{{ mac(%s) }}",
        "{%% set x %%}{{ %s }}{%% endset %%}{{ x }}"};

    for (gsize k = 0; k < G_N_ELEMENTS (forms); k++) {
      g_auto (GStrv) parts = g_strsplit (forms[k], "%s", 2);
      g_auto (GStrv) ends = g_strsplit (parts[0], "%%", -1);
      g_auto (GStrv) tails = g_strsplit (parts[1], "%%", -1);
      g_autofree char *head = g_strjoinv ("%", ends);
      g_autofree char *tail = g_strjoinv ("%", tails);
      g_autofree char *source =
          g_strconcat (head, cases[i].expression, tail, NULL);
      g_autofree char *marked = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *text =
          render_with (source, context, NULL, NULL, NULL, &marked, &error);

      g_test_message ("%s", source);
      g_assert_no_error (error);
      g_assert_cmpstr (marked, ==, cases[i].marked);
    }
  }
}

static void
test_context (void)
{
  static const char *const refused[] = {"", "[]", "{", "{\"a\":}", "{\"a\":01}",
      "{\"a\":1,}", "{'a':1}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\x01\"}",
      "{} {}", "nul", "{\"a\":\"\xff\"}"};
  static const char *const times[] = {
      "2026", "2026-02-30", "2026-13-01", "x", "2026-01-01T25:00:00"};
  g_autoptr (GError) error = NULL;
  g_autofree char *text =
      render_with ("{{ a }} {{ b }} {{ a|tojson }} {{ b is integer }}",
          "{\"a\":123456789012345678901234567890,\"b\":1,\"b\":2}",
          "2026-02-28", NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==,
      "123456789012345678901234567890 2 123456789012345678901234567890 True");
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autoptr (GError) refusal = NULL;

    g_assert_null (
        render_with ("x", refused[i], NULL, NULL, NULL, NULL, &refusal));
    g_assert_error (refusal, BITNET_ERROR, BITNET_ERROR_TEMPLATE);
    g_assert_nonnull (strstr (refusal->message, "JSON"));
  }
  for (gsize i = 1; i < G_N_ELEMENTS (times); i++) {
    g_autoptr (GError) refusal = NULL;

    g_assert_null (
        render_with ("x", "{}", times[i], NULL, NULL, NULL, &refusal));
    g_assert_error (refusal, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jinja/golden", test_golden);
  g_test_add_func ("/jinja/prefixes", test_prefixes);
  g_test_add_func ("/jinja/bombs", test_bombs);
  g_test_add_func ("/jinja/nesting", test_nesting);
  g_test_add_func ("/jinja/limits", test_limits);
  g_test_add_func ("/jinja/cancelled", test_cancelled);
  g_test_add_func ("/jinja/errors", test_errors);
  g_test_add_func ("/jinja/origin", test_origin);
  g_test_add_func ("/jinja/context", test_context);
  return g_test_run ();
}
