/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of strangers: what passes, what does not, and that what does not is
 * refused before json-glib sees it. */
#include <string.h>
#include "bitnet-error.h"
#include "bn-net-json.h"

enum { MAX_SIZE = 1 << 20 };

typedef struct {
  const char *name;
  const char *text;
  const char *problem; /* part of the message; NULL: it passes */
} JsonCase;

static const JsonCase cases[] = {
    {"object", "{\"a\":1}", NULL},
    {"array", " [1, -2.5e+3, true, false, null, \"x\"] ", NULL},
    {"string", "\"a\"", NULL},
    {"brackets-in-strings", "{\"]}\":\"[[{{\"}", NULL},
    {"escapes", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"]", NULL},
    {"pair", "[\"\\ud83d\\ude00\"]", NULL},
    {"escaped-quote", "[\"\\\\\", \"\\\"]\"]", NULL},
    {"empty", "", "empty"},
    {"blank", " \n", "empty"},
    {"single-quotes", "{'a':1}", "no JSON has this here"},
    {"comment", "[1] /* [ */", "after the value"},
    {"comment-inside", "[/* ] */1]", "no JSON has this here"},
    {"text-after", "{} {}", "text after the value"},
    {"word-after", "{}x", "text after the value"},
    {"unclosed", "[[1]", "ends too early"},
    {"crossed", "[{]}", "bracket that nothing opened"},
    {"closed-twice", "[1]]", "text after the value"},
    {"only-close", "]", "bracket that nothing opened"},
    {"open-string", "[\"a", "a string does not end"},
    {"open-escape", "[\"a\\", "no such escape"},
    {"bad-escape", "[\"\\x41\"]", "no such escape"},
    {"octal-escape", "[\"\\101\"]", "no such escape"},
    {"short-unit", "[\"\\u12\"]", "no character"},
    {"zero", "[\"a\\u0000b\"]", "no character"},
    {"half-pair", "[\"\\ud83d\"]", "surrogate"},
    {"late-half", "[\"\\ude00\"]", "surrogate"},
    {"two-highs", "[\"\\ud83d\\ud83d\"]", "surrogate"},
    {"newline-in-string", "[\"a\nb\"]", "control character"},
    {"not-utf8", "[\"\xff\"]", "not UTF-8"},
    {"overlong", "[\"\xc0\x80\"]", "not UTF-8"},
    {"word", "[nul]", "no valid JSON"},
    {"missing-comma", "[1 2]", "no valid JSON"},
    {"html", "<html></html>", "no JSON has this here"},
};

static void
check_case (gconstpointer data)
{
  const JsonCase *c = data;
  g_autoptr (GError) error = NULL;
  gsize size = strlen (c->text);
  /* A copy of exactly this size, so that reading beyond is seen. */
  g_autofree char *copy = g_memdup2 (c->text, size);
  g_autoptr (JsonNode) node =
      bn_net_json_parse (copy ? copy : "", size, MAX_SIZE, "answer", &error);

  if (c->problem == NULL) {
    g_assert_no_error (error);
    g_assert_nonnull (node);
    return;
  }
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_HTTP);
  g_assert_null (node);
  g_assert_true (g_str_has_prefix (error->message, "answer: "));
  g_assert_nonnull (strstr (error->message, c->problem));
  g_assert_null (strchr (error->message, '\n'));
}

static void
check_inner_nul (void)
{
  static const char text[] = "[1]\0[";
  g_autoptr (GError) error = NULL;

  g_assert_null (
      bn_net_json_parse (text, sizeof text - 1, MAX_SIZE, "answer", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_HTTP);
}

static void
check_limits (void)
{
  static const struct {
    guint depth;
    gboolean passes;
  } depths[] = {{1, TRUE}, {64, TRUE}, {65, FALSE}, {100000, FALSE}};

  for (gsize i = 0; i < G_N_ELEMENTS (depths); i++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = NULL;

    for (guint j = 0; j < depths[i].depth; j++)
      g_string_append (text, j % 2                     ? "["
                             : j + 1 < depths[i].depth ? "{\"a\":"
                                                       : "{");
    for (guint j = depths[i].depth; j > 0; j--)
      g_string_append_c (text, (j - 1) % 2 ? ']' : '}');
    node = bn_net_json_parse (text->str, text->len, MAX_SIZE, "answer", &error);
    if (depths[i].passes)
      g_assert_no_error (error);
    else
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_HTTP);
    g_clear_error (&error);
    g_assert_null (bn_net_json_parse (
        text->str, text->len, text->len - 1, "answer", &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_HTTP);
  }
}

static void
check_many_values (void)
{
  enum { N_VALUES = 3 << 20 };
  g_autofree char *text = g_malloc (N_VALUES * 2 + 1);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < N_VALUES; i++)
    memcpy (text + i * 2, i ? ",1" : "[1", 2);
  text[N_VALUES * 2] = ']';
  g_assert_null (bn_net_json_parse (
      text, N_VALUES * 2 + 1, N_VALUES * 2 + 1, "answer", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_HTTP);
  g_assert_nonnull (strstr (error->message, "too many values"));
}

static void
check_members (void)
{
  static const char text[] =
      "{\"s\":\"text\",\"i\":7,\"b\":true,\"o\":{\"x\":1},"
      "\"a\":[1],\"n\":null,\"d\":1.5}";
  g_autoptr (JsonNode) node =
      bn_net_json_parse (text, strlen (text), MAX_SIZE, "answer", NULL);
  JsonObject *object = json_node_get_object (node);
  static const char *const names[] = {"s", "i", "b", "o", "a", "n", "d", "?"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    const char *name = names[i];

    g_assert_cmpstr (bn_net_json_get_string (object, name), ==,
        name[0] == 's' ? "text" : NULL);
    g_assert_cmpint (
        bn_net_json_get_int (object, name, -3), ==, name[0] == 'i' ? 7 : -3);
    g_assert_cmpint (
        bn_net_json_get_boolean (object, name), ==, name[0] == 'b');
    g_assert_cmpint (
        bn_net_json_get_object (object, name) != NULL, ==, name[0] == 'o');
    g_assert_cmpint (
        bn_net_json_get_array (object, name) != NULL, ==, name[0] == 'a');
  }
  g_assert_null (bn_net_json_get_string (NULL, "s"));
  g_assert_cmpint (bn_net_json_get_int (NULL, "i", 5), ==, 5);
  g_assert_null (bn_net_json_get_object (NULL, "o"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/net-json/%s", cases[i].name);

    g_test_add_data_func (path, &cases[i], check_case);
  }
  g_test_add_func ("/net-json/inner-nul", check_inner_nul);
  g_test_add_func ("/net-json/limits", check_limits);
  g_test_add_func ("/net-json/many-values", check_many_values);
  g_test_add_func ("/net-json/members", check_members);
  return g_test_run ();
}
