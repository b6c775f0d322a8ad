/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Environment variables as settings of the resolver: every word and number,
 * what is bad warns once and the default counts, a property wins, and what
 * changes later does not count for a resolver that is there already. */
#include <string.h>
#include "bitnet.h"
#include "test-folder.h"

enum { DEFAULT_TIMEOUT_S = 300, MAX_TIMEOUT_S = 24 * 60 * 60 };

static const char *const variables[] = {"BITNET_STRICT_TOKENIZERS",
    "BITNET_OFFLINE", "BITNET_AUTO_DOWNLOAD", "BITNET_DOWNLOAD_TIMEOUT",
    "BITNET_TOKENIZER_CACHE", "BITNET_CACHE_DIR", "BITNET_TOKENIZER_ORDER",
    "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"};

typedef struct {
  GHashTable *saved;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->saved = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  for (gsize i = 0; i < G_N_ELEMENTS (variables); i++) {
    g_hash_table_insert (self->saved, (gpointer) variables[i],
        g_strdup (g_getenv (variables[i])));
    g_unsetenv (variables[i]);
  }
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (variables); i++) {
    const char *value = g_hash_table_lookup (self->saved, variables[i]);

    if (value)
      g_setenv (variables[i], value, TRUE);
    else
      g_unsetenv (variables[i]);
  }
  g_hash_table_unref (self->saved);
}

static void
set (const char *variable, const char *value)
{
  if (value)
    g_setenv (variable, value, TRUE);
  else
    g_unsetenv (variable);
}

static gboolean
get_boolean (BitnetResolver *resolver, const char *property)
{
  gboolean value;

  g_object_get (resolver, property, &value, NULL);
  return value;
}

/* Makes a resolver, and its strategies and cache, and expects a warning. */
static BitnetResolver *
make (const char *variable, gboolean warns)
{
  BitnetResolver *resolver;

  if (warns) {
    g_autofree char *pattern = g_strdup_printf ("*%s=*", variable);

    g_test_expect_message ("bitnet", G_LOG_LEVEL_WARNING, pattern);
  }
  resolver = bitnet_resolver_new ();
  g_test_assert_expected_messages ();
  return resolver;
}

typedef struct {
  const char *variable, *property;
  gboolean fallback;
} Switch;

static const Switch switches[] = {
    {"BITNET_STRICT_TOKENIZERS", "strict", FALSE},
    {"BITNET_OFFLINE", "offline", FALSE},
    {"BITNET_AUTO_DOWNLOAD", "allow-download", TRUE},
};

static void
test_switch (Fixture *self, gconstpointer data)
{
  const Switch *s = data;
  static const struct {
    const char *word;
    int value;
    gboolean warns;
  } words[] = {
      {"1", TRUE, FALSE},
      {"true", TRUE, FALSE},
      {"TRUE", TRUE, FALSE},
      {"Yes", TRUE, FALSE},
      {"on", TRUE, FALSE},
      {"0", FALSE, FALSE},
      {"false", FALSE, FALSE},
      {"NO", FALSE, FALSE},
      {"off", FALSE, FALSE},
      {"", FALSE, FALSE},
      {"2", FALSE, TRUE},
      {"enabled", FALSE, TRUE},
      {" 1", FALSE, TRUE},
  };
  g_autoptr (BitnetResolver) plain = bitnet_resolver_new ();

  g_assert_cmpint (get_boolean (plain, s->property), ==, s->fallback);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++) {
    g_autoptr (BitnetResolver) resolver = NULL;

    g_test_message ("%s=%s", s->variable, words[i].word);
    set (s->variable, words[i].word);
    resolver = make (s->variable, words[i].warns);
    g_assert_cmpint (get_boolean (resolver, s->property), ==, words[i].value);
    g_object_set (resolver, s->property, !words[i].value, NULL);
    g_assert_cmpint (get_boolean (resolver, s->property), ==, !words[i].value);
    set (s->variable, NULL);
  }
  /* What was made before keeps what it was made with. */
  set (s->variable, s->fallback ? "0" : "1");
  g_assert_cmpint (get_boolean (plain, s->property), ==, s->fallback);
}

/* The hub's own variables have their own words and never warn. */
static void
test_hub_offline (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *hub, *transformers;
    gboolean offline;
  } cases[] = {
      {NULL, NULL, FALSE},
      {"1", NULL, TRUE},
      {"ON", NULL, TRUE},
      {"yes", NULL, TRUE},
      {"True", NULL, TRUE},
      {"0", NULL, FALSE},
      {"enabled", NULL, FALSE},
      {NULL, "1", TRUE},
      {"", "1", TRUE},
      {"0", "1", FALSE}, /* the first has the say */
      {"1", "0", TRUE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = NULL;

    set ("HF_HUB_OFFLINE", cases[i].hub);
    set ("TRANSFORMERS_OFFLINE", cases[i].transformers);
    resolver = bitnet_resolver_new ();
    g_test_message ("%" G_GSIZE_FORMAT, i);
    g_assert_cmpint (get_boolean (resolver, "offline"), ==, cases[i].offline);
  }
}

/* The report says who forbids the network: the variable that does, or the
 * setting. */
static void
test_who_forbids (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *own, *hub, *transformers, *suggestion;
  } cases[] = {
      {"1", NULL, NULL, "unset BITNET_OFFLINE"},
      {"yes", "1", NULL, "unset BITNET_OFFLINE"},
      {NULL, "on", NULL, "unset HF_HUB_OFFLINE"},
      {"no", NULL, "1", "unset TRANSFORMERS_OFFLINE"},
      {"false", "off", "1", "set offline=false"},
      {NULL, NULL, NULL, "set offline=false"},
  };
  static const char *const hub_alone[] = {"huggingface", NULL};
  char *folder = test_folder_new ();

  set ("BITNET_TOKENIZER_CACHE", folder);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = NULL;
    g_autoptr (GVariant) resolution = NULL;
    const char *text = "";

    set ("BITNET_OFFLINE", cases[i].own);
    set ("HF_HUB_OFFLINE", cases[i].hub);
    set ("TRANSFORMERS_OFFLINE", cases[i].transformers);
    resolver = bitnet_resolver_new ();
    g_object_set (resolver, "offline", TRUE, "tokenizer-repo", "owner/name",
        "strategy-order", hub_alone, NULL);
    g_assert_null (bitnet_resolver_resolve_reference (
        resolver, "/nonexistent/model.gguf", NULL, &resolution, NULL));
    g_variant_lookup (resolution, "text", "&s", &text);
    g_test_message ("%s", text);
    g_assert_nonnull (strstr (text, cases[i].suggestion));
  }
  test_folder_remove (folder);
}

static void
test_timeout (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *text;
    guint seconds;
    gboolean warns;
  } cases[] = {
      {NULL, DEFAULT_TIMEOUT_S, FALSE},
      {"", DEFAULT_TIMEOUT_S, FALSE},
      {"300", 300, FALSE},
      {"1", 1, FALSE},
      {"0", 0, FALSE},
      {"soon", DEFAULT_TIMEOUT_S, TRUE},
      {"-1", DEFAULT_TIMEOUT_S, TRUE},
      {"1.5", DEFAULT_TIMEOUT_S, TRUE},
      {"60s", DEFAULT_TIMEOUT_S, TRUE},
      {"18446744073709551616", DEFAULT_TIMEOUT_S, TRUE},
      {"18446744073709551615", MAX_TIMEOUT_S, FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = NULL;
    guint seconds;

    set ("BITNET_DOWNLOAD_TIMEOUT", cases[i].text);
    resolver = make ("BITNET_DOWNLOAD_TIMEOUT", cases[i].warns);
    g_object_get (resolver, "timeout", &seconds, NULL);
    g_test_message ("%s", cases[i].text ? cases[i].text : "unset");
    g_assert_cmpuint (seconds, ==, cases[i].seconds);
    g_object_set (resolver, "timeout", 9, NULL);
    g_object_get (resolver, "timeout", &seconds, NULL);
    g_assert_cmpuint (seconds, ==, 9);
  }
}

static void
test_cache (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *tokenizers, *caches, *expected;
  } cases[] = {
      {NULL, NULL, NULL},
      {"/t", NULL, "/t"},
      {NULL, "/c", "/c/tokenizers"},
      {"/t", "/c", "/t"},
      {"", "/c", "/c/tokenizers"},
      {"", "", NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = NULL;
    g_autofree char *folder = NULL;
    g_autofree char *given = NULL;

    set ("BITNET_TOKENIZER_CACHE", cases[i].tokenizers);
    set ("BITNET_CACHE_DIR", cases[i].caches);
    resolver = bitnet_resolver_new ();
    g_object_get (resolver, "cache-dir", &folder, NULL);
    g_assert_cmpstr (folder, ==, cases[i].expected);
    g_object_set (resolver, "cache-dir", "/p", NULL);
    g_object_get (resolver, "cache-dir", &given, NULL);
    g_assert_cmpstr (given, ==, "/p");
  }
}

static void
test_order (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *text;
    guint n; /* strategies; 0: an error */
    const char *first;
  } cases[] = {
      {NULL, 5, "model-embedded"},
      {"", 5, "model-embedded"},
      {"hub-first", 5, "model-embedded"},
      {"generic, local-cache", 2, "generic"},
      {"magic", 0, NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = NULL;
    g_autoptr (GVariant) list = NULL;
    g_autoptr (GError) error = NULL;
    const char *first = NULL;

    set ("BITNET_TOKENIZER_ORDER", cases[i].text);
    resolver = bitnet_resolver_new ();
    list = bitnet_resolver_list_strategies (resolver, &error);
    if (cases[i].n == 0) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, cases[i].text));
      continue;
    }
    g_assert_no_error (error);
    g_assert_cmpuint (g_variant_n_children (list), ==, cases[i].n);
    g_variant_get_child (list, 0, "(&sib)", &first, NULL, NULL);
    g_assert_cmpstr (first, ==, cases[i].first);
  }
}

/* What is wrong is said once for a resolver, not again when it works. */
static void
test_once (Fixture *self, gconstpointer data)
{
  static const struct {
    const char *variable, *value;
  } cases[] = {
      {"BITNET_OFFLINE", "perhaps"},
      {"BITNET_DOWNLOAD_TIMEOUT", "later"},
  };
  g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);

  set ("BITNET_TOKENIZER_CACHE", folder);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;

    set (cases[i].variable, cases[i].value);
    resolver = make (cases[i].variable, TRUE);
    g_object_set (resolver, "offline", TRUE, NULL);
    tokenizer = bitnet_resolver_resolve_reference (
        resolver, "/nonexistent/model.gguf", NULL, NULL, NULL);
    g_assert_null (tokenizer);
    set (cases[i].variable, NULL);
  }
  test_folder_remove (g_steal_pointer (&folder));
}

#define ADD(path, data, function)                                              \
  g_test_add (path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/environment/C78/strict", &switches[0], test_switch);
  ADD ("/environment/C80/offline", &switches[1], test_switch);
  ADD ("/environment/auto-download", &switches[2], test_switch);
  ADD ("/environment/C80/hub-offline", NULL, test_hub_offline);
  ADD ("/environment/C29-C80/who-forbids", NULL, test_who_forbids);
  ADD ("/environment/C82/timeout", NULL, test_timeout);
  ADD ("/environment/C81/cache", NULL, test_cache);
  ADD ("/environment/order", NULL, test_order);
  ADD ("/environment/once", NULL, test_once);
  return g_test_run ();
}
