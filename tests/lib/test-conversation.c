/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages: what append and load_json refuse, trimming, JSON there and back,
 * and the strictness of the JSON check itself. */
#include <string.h>
#include "bitnet.h"

static BitnetConversation *
parse (const char *json)
{
  g_autoptr (GError) error = NULL;
  BitnetConversation *conversation = bitnet_conversation_new ();

  bitnet_conversation_load_json (conversation, json, -1, &error);
  g_assert_no_error (error);
  return conversation;
}

static void
assert_json (BitnetConversation *conversation, const char *expected)
{
  g_autofree char *json = bitnet_conversation_to_json (conversation);

  g_assert_cmpstr (json, ==, expected);
}

/* One letter is one message, of its role and with its letter as text. */
static BitnetConversation *
from_letters (const char *letters)
{
  BitnetConversation *conversation = bitnet_conversation_new ();

  for (; *letters; letters++) {
    const char *role = *letters == 's'   ? "system"
                       : *letters == 'u' ? "user"
                                         : "assistant";
    char text[2] = {*letters, '\0'};

    g_assert_true (bitnet_conversation_append (conversation, role, text, NULL));
  }
  return conversation;
}

static char *
to_letters (BitnetConversation *conversation)
{
  GString *letters = g_string_new (NULL);

  for (guint i = 0; i < bitnet_conversation_get_n_messages (conversation); i++)
    g_string_append (letters, bitnet_conversation_get_text (conversation, i));
  return g_string_free (letters, FALSE);
}

static void
test_append (void)
{
  static const struct {
    const char *role, *text;
    int code; /* -1: accepted */
  } cases[] = {
      {"user", "hello", -1},
      {"user", "", -1},
      {"tool_result-2", "x", -1},
      {"", "x", BITNET_ERROR_INVALID_ARGUMENT},
      {"us er", "x", BITNET_ERROR_INVALID_ARGUMENT},
      {"<|user|>", "x", BITNET_ERROR_INVALID_ARGUMENT},
      {"us\xff", "x", BITNET_ERROR_INVALID_ARGUMENT},
      {"user", "caf\xc3", BITNET_ERROR_ENCODING},
      {"user", "\xed\xa0\x80", BITNET_ERROR_ENCODING},
  };
  g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
  guint n_messages = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    gboolean appended = bitnet_conversation_append (
        conversation, cases[i].role, cases[i].text, &error);

    g_test_message ("case %" G_GSIZE_FORMAT, i);
    if (cases[i].code < 0) {
      g_assert_no_error (error);
      n_messages++;
    } else {
      g_assert_error (error, BITNET_ERROR, cases[i].code);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
    g_assert_cmpint (appended, ==, cases[i].code < 0);
    g_assert_cmpuint (
        bitnet_conversation_get_n_messages (conversation), ==, n_messages);
  }
}

static void
test_limits (void)
{
  g_autoptr (BitnetConversation) many = bitnet_conversation_new ();
  g_autoptr (BitnetConversation) big = bitnet_conversation_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *half = g_malloc (BITNET_CONVERSATION_MAX_SIZE / 2 + 1);

  for (guint i = 0; i < BITNET_CONVERSATION_MAX_MESSAGES; i++)
    g_assert_true (bitnet_conversation_append (many, "user", "", NULL));
  g_assert_false (bitnet_conversation_append (many, "user", "", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);

  memset (half, 'a', BITNET_CONVERSATION_MAX_SIZE / 2);
  half[BITNET_CONVERSATION_MAX_SIZE / 2] = '\0';
  g_assert_true (bitnet_conversation_append (big, "user", half, NULL));
  g_assert_true (bitnet_conversation_append (big, "user", half, NULL));
  g_assert_false (bitnet_conversation_append (big, "user", "b", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);

  /* A system text beyond the limit leaves no room at all. */
  g_clear_error (&error);
  bitnet_conversation_set_system (big, "one more");
  g_assert_false (bitnet_conversation_append (big, "user", "b", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  bitnet_conversation_set_system (big, NULL);

  /* Room that a removed message gives back can be used again. */
  bitnet_conversation_trim (big, 1);
  g_assert_true (bitnet_conversation_append (big, "user", half, NULL));
  bitnet_conversation_clear (big);
  g_assert_true (bitnet_conversation_append (big, "user", half, NULL));
  g_assert_true (bitnet_conversation_append (big, "user", half, NULL));
}

static void
test_trim (void)
{
  static const struct {
    const char *before;
    guint n_turns;
    const char *after;
  } cases[] = {
      {"", 0, ""},
      {"", 3, ""},
      {"s", 0, "s"},
      {"suaua", 0, "s"},
      {"suaua", 1, "sua"},
      {"suaua", 2, "suaua"},
      {"suaua", 9, "suaua"},
      {"uauau", 1, "u"},
      {"uauau", 2, "uau"},
      {"uuu", 2, "uu"},
      {"suaaua", 1, "sua"},
      {"aua", 1, "ua"},
      {"usu", 1, "u"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetConversation) conversation =
        from_letters (cases[i].before);
    g_autofree char *after = NULL;

    bitnet_conversation_trim (conversation, cases[i].n_turns);
    after = to_letters (conversation);
    g_test_message ("trim %s to %u", cases[i].before, cases[i].n_turns);
    g_assert_cmpstr (after, ==, cases[i].after);
  }
}

static void
test_system (void)
{
  g_autoptr (BitnetConversation) conversation = from_letters ("ua");

  bitnet_conversation_set_system (conversation, "one");
  assert_json (conversation, "[{\"role\":\"system\",\"content\":\"one\"},"
                             "{\"role\":\"user\",\"content\":\"u\"},"
                             "{\"role\":\"assistant\",\"content\":\"a\"}]");
  bitnet_conversation_set_system (
      conversation, bitnet_conversation_get_text (conversation, 0));
  g_assert_cmpstr (bitnet_conversation_get_text (conversation, 0), ==, "one");
  bitnet_conversation_set_system (conversation, "t\xffwo");
  g_assert_cmpstr (
      bitnet_conversation_get_text (conversation, 0), ==, "t\xef\xbf\xbdwo");
  g_assert_cmpuint (bitnet_conversation_get_n_messages (conversation), ==, 3);
  bitnet_conversation_set_system (conversation, "");
  g_assert_cmpuint (bitnet_conversation_get_n_messages (conversation), ==, 2);
  bitnet_conversation_set_system (conversation, NULL);
  g_assert_cmpuint (bitnet_conversation_get_n_messages (conversation), ==, 2);
}

static void
test_copy (void)
{
  g_autoptr (BitnetConversation) conversation = from_letters ("sua");
  g_autoptr (BitnetConversation) copy = bitnet_conversation_copy (conversation);

  bitnet_conversation_clear (conversation);
  assert_json (conversation, "[]");
  g_assert_cmpuint (bitnet_conversation_get_n_messages (copy), ==, 3);
  g_assert_cmpstr (bitnet_conversation_get_role (copy, 2), ==, "assistant");
}

static void
test_round_trip (void)
{
  static const char *const texts[] = {"", "plain", "\"quoted\" \\ back/slash",
      "line\nline\ttab\r", "\x01\x1f", "ünïcödé 你好 👩‍👩‍👧",
      "</s><|eot_id|>"};
  g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
  g_autoptr (BitnetConversation) back = NULL;
  g_autofree char *json = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_true (
        bitnet_conversation_append (conversation, "user", texts[i], NULL));
  json = bitnet_conversation_to_json (conversation);
  g_assert_null (strchr (json, '\n'));
  back = parse (json);
  g_assert_cmpuint (
      bitnet_conversation_get_n_messages (back), ==, G_N_ELEMENTS (texts));
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_cmpstr (bitnet_conversation_get_text (back, i), ==, texts[i]);
}

static void
test_load (void)
{
  static const struct {
    const char *json;
    int code;            /* -1: accepted */
    const char *message; /* what the error says */
  } cases[] = {
      {"[]", -1, NULL},
      {" [ ]\n", -1, NULL},
      {"[{\"role\":\"user\",\"content\":\"x\",\"name\":{\"a\":[1]}}]", -1,
          NULL},
      {"[{\"role\":\"user\",\"content\":\"\\ud83d\\ude00\\n\"}]", -1, NULL},
      {"", BITNET_ERROR_INVALID_ARGUMENT, "ends"},
      {"{}", BITNET_ERROR_INVALID_ARGUMENT, "expected an array"},
      {"\"user\"", BITNET_ERROR_INVALID_ARGUMENT, "expected an array"},
      {"[1]", BITNET_ERROR_INVALID_ARGUMENT, "messages[0]"},
      {"[{}]", BITNET_ERROR_INVALID_ARGUMENT, "messages[0].role"},
      {"[{\"role\":\"user\"}]", BITNET_ERROR_INVALID_ARGUMENT,
          "messages[0].content"},
      {"[{\"role\":\"user\",\"content\":null}]", BITNET_ERROR_INVALID_ARGUMENT,
          "messages[0].content"},
      {"[{\"role\":\"user\",\"content\":\"x\"},{\"role\":7,\"content\":\"x\"}]",
          BITNET_ERROR_INVALID_ARGUMENT, "messages[1].role"},
      {"[{\"role\":\"a b\",\"content\":\"x\"}]", BITNET_ERROR_INVALID_ARGUMENT,
          "messages[0]"},
      {"[{\"role\":\"user\",\"content\":\"\\u0000\"}]",
          BITNET_ERROR_INVALID_ARGUMENT, "u0000"},
      {"[{\"role\":\"user\",\"content\":\"\\ud800\"}]",
          BITNET_ERROR_INVALID_ARGUMENT, "surrogate"},
      {"[{\"role\":\"user\",\"content\":\"\\ud800\\u0041\"}]",
          BITNET_ERROR_INVALID_ARGUMENT, "surrogate"},
      {"[{\"role\":\"user\",\"content\":\"caf\xc3\"}]", BITNET_ERROR_ENCODING,
          "byte 30"},
      {"[\n\n  x]", BITNET_ERROR_INVALID_ARGUMENT, "line 3, column 3"},
      {"[]x", BITNET_ERROR_INVALID_ARGUMENT, "nothing after"},
      {"[] []", BITNET_ERROR_INVALID_ARGUMENT, "nothing after"},
      {"['x']", BITNET_ERROR_INVALID_ARGUMENT, "expected a value"},
      {"[1,]", BITNET_ERROR_INVALID_ARGUMENT, "expected a value"},
      {"[1", BITNET_ERROR_INVALID_ARGUMENT, "ends"},
      {"[01]", BITNET_ERROR_INVALID_ARGUMENT, "\"]\""},
      {"[1.]", BITNET_ERROR_INVALID_ARGUMENT, "digit"},
      {"[1e]", BITNET_ERROR_INVALID_ARGUMENT, "digit"},
      {"[-]", BITNET_ERROR_INVALID_ARGUMENT, "value"},
      {"[{1:2}]", BITNET_ERROR_INVALID_ARGUMENT, "string"},
      {"[{\"a\" 2}]", BITNET_ERROR_INVALID_ARGUMENT, "\":\""},
      {"[\"a\nb\"]", BITNET_ERROR_INVALID_ARGUMENT, "control"},
      {"[\"\\q\"]", BITNET_ERROR_INVALID_ARGUMENT, "escaped"},
      {"[\"\\u12g4\"]", BITNET_ERROR_INVALID_ARGUMENT, "hexadecimal"},
      {"[\"abc", BITNET_ERROR_INVALID_ARGUMENT, "end of the string"},
      {"[\"abc\\", BITNET_ERROR_INVALID_ARGUMENT, "ends"},
      {"/*c*/[]", BITNET_ERROR_INVALID_ARGUMENT, "value"},
      {"[nul]", BITNET_ERROR_INVALID_ARGUMENT, "value"},
  };
  g_autoptr (BitnetConversation) conversation = from_letters ("su");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    gboolean loaded;

    bitnet_conversation_clear (conversation);
    bitnet_conversation_set_system (conversation, "kept");
    loaded =
        bitnet_conversation_load_json (conversation, cases[i].json, -1, &error);
    g_autofree char *shown = g_strescape (cases[i].json, NULL);
    g_test_message ("%s: %s", shown, error ? error->message : "");
    g_assert_cmpint (loaded, ==, cases[i].code < 0);
    if (loaded) {
      g_assert_no_error (error);
      continue;
    }
    g_assert_error (error, BITNET_ERROR, cases[i].code);
    g_assert_nonnull (strstr (error->message, cases[i].message));
    g_assert_cmpuint (bitnet_conversation_get_n_messages (conversation), ==, 1);
  }
}

/* Every prefix of a valid text, and nesting that would exhaust a stack. */
static void
test_hostile (void)
{
  static const char valid[] = "[{\"role\":\"user\",\"content\":\"\\u00e9 \\\" "
                              "\xc3\xa9\",\"n\":-1.5e+3,\"b\":[true,null]}]";
  g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
  g_autofree char *deep = g_strnfill (1000 * 1000, '[');
  g_autoptr (GError) error = NULL;

  for (gsize length = 0; length < sizeof valid - 1; length++) {
    /* A copy of exactly that size, so that a sanitizer sees one byte more. */
    g_autofree char *prefix = g_memdup2 (valid, MAX (length, 1));

    g_assert_false (
        bitnet_conversation_load_json (conversation, prefix, length, NULL));
  }
  g_assert_true (bitnet_conversation_load_json (
      conversation, valid, sizeof valid - 1, NULL));
  g_assert_false (
      bitnet_conversation_load_json (conversation, deep, -1, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "levels"));
}

/* Requests: what becomes of the conversation and which members are left. */
static void
test_request (void)
{
  static const struct {
    const char *json;
    const char *messages; /* NULL: refused with the message in rest */
    const char *rest;
  } cases[] = {
      {"[]", "[]", NULL},
      {"[{\"role\":\"user\",\"content\":\"x\"}]",
          "[{\"role\":\"user\",\"content\":\"x\"}]", NULL},
      {"{\"messages\":[],\"temperature\":0}", "[]", "{\"temperature\":0}"},
      {"{\"prompt\":\"x\",\"stop\":[\"a\"]}",
          "[{\"role\":\"system\",\"content\":\"kept\"},"
          "{\"role\":\"user\",\"content\":\"x\"}]",
          "{\"stop\":[\"a\"]}"},
      {"{\"messages\":[],\"tools\":[],\"chat_template_kwargs\":{\"a\":1}}",
          "[]", NULL},
      {"{\"prompt\":\"x\",\"chat_template_kwargs\":[]}", NULL,
          "expected an object"},
      {"{}", NULL, "neither"},
      {"{\"prompt\":\"x\",\"messages\":[]}", NULL, "both"},
      {"{\"prompt\":7}", NULL, "expected a string"},
      {"{\"messages\":{}}", NULL, "expected an array"},
      {"7", NULL, "expected an array"},
      {"{", NULL, ""},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
    g_autofree char *rest = NULL;
    g_autofree char *messages = NULL;
    g_autoptr (GError) error = NULL;
    gboolean loaded;

    bitnet_conversation_set_system (conversation, "kept");
    loaded = bitnet_conversation_load_request (
        conversation, cases[i].json, -1, &rest, &error);
    g_test_message ("%s: %s", cases[i].json, error ? error->message : "");
    g_assert_cmpint (loaded, ==, cases[i].messages != NULL);
    if (loaded) {
      messages = bitnet_conversation_to_json (conversation);
      g_assert_cmpstr (messages, ==, cases[i].messages);
      g_assert_cmpstr (rest, ==, cases[i].rest);
    } else {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, cases[i].rest));
      g_assert_cmpuint (
          bitnet_conversation_get_n_messages (conversation), ==, 1);
      g_assert_null (rest);
    }
  }
}

/* Everything that a message holds comes back; its text is what people read. */
static void
test_members (void)
{
  static const struct {
    const char *json, *text;
  } cases[] = {
      {"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":"
       "{\"name\":\"f\",\"arguments\":{\"x\":1.0,\"y\":-2,\"z\":[true,null,"
       "\"\\u001f\"]}}}]}",
          ""},
      {"{\"role\":\"tool\",\"tool_call_id\":\"1\"}", ""},
      {"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
       "{\"type\":\"image\"},{\"type\":\"text\",\"text\":\"b\"}]}",
          "ab"},
      {"{\"role\":\"user\",\"content\":[]}", ""},
      {"{\"role\":\"user\",\"content\":[\"x\"]}", NULL},
      {"{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}", NULL},
      {"{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}", NULL},
      {"{\"role\":\"user\",\"content\":7,\"name\":\"n\"}", NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
    g_autoptr (BitnetConversation) copy = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *json = g_strdup_printf ("[%s]", cases[i].json);
    gboolean loaded =
        bitnet_conversation_load_json (conversation, json, -1, &error);

    g_test_message ("%s: %s", cases[i].json, error ? error->message : "");
    g_assert_cmpint (loaded, ==, cases[i].text != NULL);
    if (!loaded) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, "messages[0].content"));
      continue;
    }
    g_assert_cmpstr (
        bitnet_conversation_get_text (conversation, 0), ==, cases[i].text);
    copy = bitnet_conversation_copy (conversation);
    assert_json (copy, json);
  }
}

static void
assert_variables (BitnetConversation *conversation, const char *expected)
{
  g_autofree char *json = bitnet_conversation_dup_variables (conversation);

  g_assert_cmpstr (json, ==, expected);
}

static void
test_variables (void)
{
  g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
  g_autoptr (BitnetConversation) copy = NULL;
  g_autoptr (GError) error = NULL;

  assert_variables (conversation, NULL);
  g_assert_true (bitnet_conversation_set_variables (
      conversation, " {\"a\" : 1} ", -1, NULL));
  assert_variables (conversation, "{\"a\":1}");
  g_assert_false (
      bitnet_conversation_set_variables (conversation, "[]", -1, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  assert_variables (conversation, "{\"a\":1}");

  g_assert_true (bitnet_conversation_load_request (
      conversation, "{\"prompt\":\"x\"}", -1, NULL, NULL));
  assert_variables (conversation, "{\"a\":1}");
  g_assert_true (bitnet_conversation_load_request (conversation,
      "{\"messages\":[],\"tools\":[1],\"chat_template_kwargs\":{\"b\":null}}",
      -1, NULL, NULL));
  assert_variables (conversation, "{\"tools\":[1],\"b\":null}");
  copy = bitnet_conversation_copy (conversation);
  assert_variables (copy, "{\"tools\":[1],\"b\":null}");
  g_assert_true (bitnet_conversation_load_request (
      conversation, "{\"messages\":[]}", -1, NULL, NULL));
  assert_variables (conversation, NULL);
  bitnet_conversation_clear (copy);
  assert_variables (copy, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/conversation/append", test_append);
  g_test_add_func ("/conversation/limits", test_limits);
  g_test_add_func ("/conversation/trim", test_trim);
  g_test_add_func ("/conversation/system", test_system);
  g_test_add_func ("/conversation/copy", test_copy);
  g_test_add_func ("/conversation/round-trip", test_round_trip);
  g_test_add_func ("/conversation/load", test_load);
  g_test_add_func ("/conversation/hostile", test_hostile);
  g_test_add_func ("/conversation/request", test_request);
  g_test_add_func ("/conversation/members", test_members);
  g_test_add_func ("/conversation/variables", test_variables);
  return g_test_run ();
}
