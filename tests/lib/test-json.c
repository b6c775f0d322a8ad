/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON reader of lib/text: what it refuses, what it finds, what its
 * messages say. */
#include <math.h>
#include <string.h>

#include "bitnet-error.h"
#include "text/bn-json.h"

typedef struct {
  BnJsonDocument document;
  BnJson root;
  GError *error;
  gboolean is_open;
  char *copy; /* of exactly the size, so that reading beyond is seen */
} Opened;

static void
opened_clear (Opened *self)
{
  g_clear_error (&self->error);
  g_free (self->copy);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Opened, opened_clear)

static void
open_text (Opened *self, const char *text, size_t size)
{
  self->copy = g_memdup2 (text, size);
  self->document =
      (BnJsonDocument){.path = "x.json", .text = self->copy, .size = size};
  self->is_open = bn_json_open (&self->document, &self->root, &self->error);
}

static void
test_refused (void)
{
  static const struct {
    const char *text;
    size_t offset;
    const char *expected;
  } cases[] = {
      {"", 0, "a value"},
      {"  ", 2, "a value"},
      {"{", 1, "a string"},
      {"[", 1, "a value"},
      {"[1", 2, "\",\" or \"]\""},
      {"[1 2]", 3, "\",\" or \"]\""},
      {"[1,]", 3, "a value"},
      {"{\"a\"}", 4, "\":\""},
      {"{\"a\":1,}", 7, "a string"},
      {"{\"a\":1 \"b\":2}", 7, "\",\" or \"}\""},
      {"{a:1}", 1, "a string"},
      {"[1}", 2, "\",\" or \"]\""},
      {"{\"a\":1]", 6, "\",\" or \"}\""},
      {"1 2", 2, "nothing after the value"},
      {"nul", 0, "a value"},
      {"'a'", 0, "a value"},
      {"// a\n1", 0, "a value"},
      {"\xEF\xBB\xBF{}", 0, "a value"},
      {"01", 1, "nothing after the value"},
      {"-", 1, "a digit"},
      {"+1", 0, "a value"},
      {"1.", 2, "a digit"},
      {".5", 0, "a value"},
      {"1e+", 3, "a digit"},
      {"NaN", 0, "a value"},
      {"\"abc", 4, "the end of a string"},
      {"\"abc\\", 5, "an escaped character"},
      {"\"\\x\"", 2, "an escaped character"},
      {"\"\\u12g4\"", 5, "four hexadecimal digits"},
      {"\"a\nb\"", 2, "an escape for this control character"},
      {"\"abcdefg\x01\"", 8, "an escape for this control character"},
      {"\"\\ud800\"", 1, "a pair of surrogates, not one alone"},
      {"\"\\ud800\\u0041\"", 1, "a pair of surrogates, not one alone"},
      {"\"a\\udc00\"", 2, "a pair of surrogates, not one alone"},
      {"\"\xC3\"", 1, "UTF-8"},
      {"\"\xED\xA0\x80\"", 1, "UTF-8"},
  };

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Opened) it = {.copy = NULL};
    g_autofree char *offset =
        g_strdup_printf (" at offset %" G_GSIZE_FORMAT ",", cases[i].offset);
    g_autofree char *expected =
        g_strdup_printf (", expected %s", cases[i].expected);
    g_autofree char *escaped = g_strescape (cases[i].text, NULL);

    open_text (&it, cases[i].text, strlen (cases[i].text));
    g_test_message ("%s", escaped);
    g_assert_false (it.is_open);
    g_assert_error (it.error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
    g_test_message ("%s", it.error->message);
    g_assert_true (g_str_has_prefix (it.error->message, "x.json: not JSON: "));
    g_assert_nonnull (strstr (it.error->message, offset));
    g_assert_true (g_str_has_suffix (it.error->message, expected));
  }
}

static void
test_depth (void)
{
  for (int depth = 63; depth <= 66; depth++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_auto (Opened) it = {.copy = NULL};

    for (int i = 0; i < depth; i++)
      g_string_append (text, i % 2 ? "{\"a\":" : "[");
    g_string_append (text, "0");
    for (int i = depth; i-- > 0;)
      g_string_append_c (text, i % 2 ? '}' : ']');
    open_text (&it, text->str, text->len);
    g_assert_true (it.is_open == (depth <= 64));
  }
}

static void
test_strings (void)
{
  static const struct {
    const char *text, *content;
    size_t length;
  } cases[] = {
      {"\"\"", "", 0},
      {"\"abcdefghijklmnop\"", "abcdefghijklmnop", 16},
      {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
      {"\"a\\u0000b\"", "a\0b", 3},
      {"\"\\u00e9\\u2581\\uD83D\\uDE00\"",
          "\xC3\xA9\xE2\x96\x81\xF0\x9F\x98\x80", 9},
      {"\"\xC4\xA0the \\u0120\"", "\xC4\xA0the \xC4\xA0", 8},
      {"\"\x7F\"", "\x7F", 1},
  };
  g_autoptr (GString) buffer = g_string_new (NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Opened) it = {.copy = NULL};
    const char *text;
    size_t length;

    open_text (&it, cases[i].text, strlen (cases[i].text));
    g_assert_no_error (it.error);
    g_assert_cmpint (bn_json_get_type (it.root), ==, BN_JSON_STRING);
    bn_json_get_string (it.root, buffer, &text, &length);
    g_assert_cmpmem (text, length, cases[i].content, cases[i].length);
    if (strlen (cases[i].content) == cases[i].length)
      g_assert_true (bn_json_equals (it.root, cases[i].content));
    g_assert_false (bn_json_equals (it.root, "abcdefghijklmno"));
  }
}

static void
test_numbers (void)
{
  static const struct {
    const char *text;
    gboolean is_uint; /* up to 1000 */
  } cases[] = {{"0", TRUE}, {"1000", TRUE}, {"1001", FALSE}, {"-0", FALSE},
      {"-1", FALSE}, {"1.0", FALSE}, {"1e2", FALSE},
      {"18446744073709551616", FALSE}, {"99999999999999999999999", FALSE},
      {"-3.4657359027997265", FALSE}, {"-12.34567", FALSE}, {"0.1", FALSE},
      {"123456789012345.5", FALSE}, {"1E-7", FALSE},
      {"-0.000000000000000000000000001", FALSE}, {"5e-324", FALSE}};

  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Opened) it = {.copy = NULL};
    g_autofree char *array = g_strdup_printf ("[%s ]", cases[i].text);
    double expected = g_ascii_strtod (cases[i].text, NULL);
    uint64_t number;
    BnJsonIter iter;
    BnJson value;

    open_text (&it, array, strlen (array));
    g_assert_no_error (it.error);
    bn_json_iter_init (&iter, it.root);
    g_assert_true (bn_json_iter_next (&iter, NULL, &value));
    g_assert_cmpint (bn_json_get_type (value), ==, BN_JSON_NUMBER);
    g_assert_cmpfloat (bn_json_get_double (value), ==, expected);
    g_assert_true (bn_json_get_uint (value, 1000, &number) == cases[i].is_uint);
    if (cases[i].is_uint)
      g_assert_cmpuint (number, ==, (uint64_t) expected);
  }
}

static void
test_members (void)
{
  static const char text[] =
      " { \"a\" : 1 , \"b\" : [ ] , \"a\" : { } , \"c\" : null,\"d\":true } ";
  static const char *const names[] = {"a", "b", "c", "d", "e"};
  g_auto (Opened) it = {.copy = NULL};
  BnJson values[G_N_ELEMENTS (names)], key, value;
  BnJsonIter iter;
  size_t n = 0;

  open_text (&it, text, sizeof text - 1);
  g_assert_no_error (it.error);
  bn_json_find_all (it.root, names, G_N_ELEMENTS (names), values);
  g_assert_cmpint (bn_json_get_type (values[0]), ==, BN_JSON_OBJECT);
  g_assert_cmpint (bn_json_get_type (values[1]), ==, BN_JSON_ARRAY);
  g_assert_false (bn_json_is_set (values[2]));
  g_assert_true (bn_json_get_boolean (values[3]));
  g_assert_false (bn_json_is_set (values[4]));
  g_assert_false (bn_json_find (it.root, "c", &value));

  bn_json_iter_init (&iter, it.root);
  while (bn_json_iter_next (&iter, &key, &value))
    n++;
  g_assert_cmpuint (n, ==, 5);
  g_assert_false (bn_json_iter_next (&iter, &key, &value));
  bn_json_iter_init (&iter, values[1]);
  g_assert_false (bn_json_iter_next (&iter, NULL, &value));
}

/* More large containers than are remembered. */
static void
test_large (void)
{
  enum { N_CONTAINERS = 40, N_ELEMENTS = 2000 };
  g_autoptr (GString) text = g_string_new ("{");
  g_auto (Opened) it = {.copy = NULL};
  BnJsonIter iter, inner;
  BnJson key, value, element;
  size_t n = 0;

  for (int i = 0; i < N_CONTAINERS; i++) {
    g_string_append_printf (text, "%s\"m%d\":[[", i ? "," : "", i);
    for (int j = 0; j < N_ELEMENTS + i; j++)
      g_string_append_printf (text, "%s\"]%d\"", j ? "," : "", j);
    g_string_append (text, "],7]");
  }
  g_string_append_c (text, '}');
  open_text (&it, text->str, text->len);
  g_assert_no_error (it.error);
  bn_json_iter_init (&iter, it.root);
  for (; bn_json_iter_next (&iter, &key, &value); n++) {
    g_autofree char *name = g_strdup_printf ("m%" G_GSIZE_FORMAT, n);
    size_t n_elements = 0;

    g_assert_true (bn_json_equals (key, name));
    bn_json_iter_init (&inner, value);
    g_assert_true (bn_json_iter_next (&inner, NULL, &element));
    g_assert_true (bn_json_iter_next (&inner, NULL, &value));
    g_assert_cmpfloat (bn_json_get_double (value), ==, 7);
    bn_json_iter_init (&inner, element);
    while (bn_json_iter_next (&inner, NULL, &value))
      n_elements++;
    g_assert_cmpuint (n_elements, ==, N_ELEMENTS + n);
  }
  g_assert_cmpuint (n, ==, N_CONTAINERS);
}

static void
test_messages (void)
{
  static const char text[] =
      "{\"model\": {\"a b\": [1, {\"type\": \"x\\ny\"}]}, \"n\": -5}";
  g_auto (Opened) it = {.copy = NULL};
  g_autoptr (GError) error = NULL;
  g_autofree char *string = NULL;
  gboolean flag = TRUE;
  uint64_t number = 3;
  BnJson model, list, value, key;
  BnJsonIter iter;

  open_text (&it, text, sizeof text - 1);
  g_assert_true (bn_json_find (it.root, "model", &model));
  g_assert_true (bn_json_find (model, "a b", &list));
  bn_json_iter_init (&iter, list);
  bn_json_iter_next (&iter, NULL, &value);
  bn_json_iter_next (&iter, NULL, &value);
  g_assert_true (bn_json_find (value, "type", &value));
  g_assert_false (bn_json_fail (value, &error, "one of %d", 3));
  g_assert_cmpstr (error->message, ==,
      "x.json: found \"x\\ny\" at $.model[\"a b\"][1].type, offset 31, "
      "expected one of 3");
  g_clear_error (&error);

  bn_json_iter_init (&iter, model);
  bn_json_iter_next (&iter, &key, &value);
  g_assert_false (bn_json_fail (key, &error, "no blanks"));
  g_assert_cmpstr (error->message, ==,
      "x.json: found \"a b\" at $.model[\"a b\"], offset 11, expected no "
      "blanks");
  g_clear_error (&error);

  g_assert_false (bn_json_expect (it.root, BN_JSON_ARRAY, &error));
  g_assert_cmpstr (error->message, ==,
      "x.json: found an object at $, offset 0, expected an array");
  g_clear_error (&error);
  g_assert_false (bn_json_read_uint (it.root, "n", 9, &number, &error));
  g_assert_cmpstr (error->message, ==,
      "x.json: found -5 at $.n, offset 47, expected a whole number from 0 to "
      "9");
  g_clear_error (&error);
  g_assert_false (bn_json_read_boolean (it.root, "n", &flag, &error));
  g_clear_error (&error);
  g_assert_false (bn_json_read_string (it.root, "n", &string, &error));
  g_assert_true (bn_json_read_uint (it.root, "none", 9, &number, NULL));
  g_assert_cmpuint (number, ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/refused", test_refused);
  g_test_add_func ("/json/depth", test_depth);
  g_test_add_func ("/json/strings", test_strings);
  g_test_add_func ("/json/numbers", test_numbers);
  g_test_add_func ("/json/members", test_members);
  g_test_add_func ("/json/large", test_large);
  g_test_add_func ("/json/messages", test_messages);
  return g_test_run ();
}
