/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every property of every element: defaults, setting and reading in NULL,
 * documentation strings; gst-inspect-1.0 without a complaint. */
#include <string.h>
#include "element-test.h"

static const char *const elements[] = {
    "ggufsrc", "tokresolve", "tokenize", "infer", "detokenize"};

static void
check_strings (GParamSpec *pspec)
{
  const char *nick = g_param_spec_get_nick (pspec);
  const char *blurb = g_param_spec_get_blurb (pspec);

  g_assert_true (nick && g_ascii_isupper (nick[0]));
  g_assert_true (blurb && strlen (blurb) > 8);
  g_assert_cmpint (blurb[strlen (blurb) - 1], !=, '.');
}

static void
check_property (GObject *object, GParamSpec *pspec)
{
  g_auto (GValue) value = G_VALUE_INIT;
  g_auto (GValue) again = G_VALUE_INIT;
  GType type = G_PARAM_SPEC_VALUE_TYPE (pspec);
  gboolean has_default = type != GST_TYPE_STRUCTURE && type != GST_TYPE_ARRAY;

  g_value_init (&value, type);
  g_value_init (&again, type);
  if (pspec->flags & G_PARAM_READABLE) {
    g_object_get_property (object, pspec->name, &value);
    if (has_default && strcmp (pspec->name, "history") != 0
        && g_param_values_cmp (
               pspec, &value, g_param_spec_get_default_value (pspec))
               != 0)
      g_error ("%s.%s does not start with its default",
          G_OBJECT_TYPE_NAME (object), pspec->name);
  }
  if (pspec->flags & G_PARAM_WRITABLE) {
    g_param_value_set_default (pspec, &value);
    g_object_set_property (object, pspec->name, &value);
    if (pspec->flags & G_PARAM_READABLE) {
      g_object_get_property (object, pspec->name, &again);
      if (has_default && strcmp (pspec->name, "history") != 0)
        g_assert_cmpint (g_param_values_cmp (pspec, &value, &again), ==, 0);
    }
  }
}

static void
test_properties (gconstpointer data)
{
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make (data, NULL));
  g_autofree GParamSpec **pspecs = NULL;
  guint n;

  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  for (guint i = 0; i < n; i++) {
    if (pspecs[i]->owner_type != G_OBJECT_TYPE (element))
      continue;
    g_test_message ("%s", pspecs[i]->name);
    check_strings (pspecs[i]);
    check_property (G_OBJECT (element), pspecs[i]);
  }
}

/* Each property takes a value other than its default and gives it back. */
static void
test_other_values (gconstpointer data)
{
  static const struct {
    const char *element, *property, *value;
  } values[] = {
      {"ggufsrc", "location", "/x.gguf"},
      {"ggufsrc", "revision", "v2"},
      {"ggufsrc", "cache-dir", "/c"},
      {"ggufsrc", "offline", "true"},
      {"ggufsrc", "sha256", "00"},
      {"ggufsrc", "preload", "lock"},
      {"ggufsrc", "share", "false"},
      {"tokresolve", "tokenizer", "/t"},
      {"tokresolve", "tokenizer-repo", "o/r"},
      {"tokresolve", "revision", "v2"},
      {"tokresolve", "endpoint", "http://localhost"},
      {"tokresolve", "strict", "true"},
      {"tokresolve", "offline", "true"},
      {"tokresolve", "allow-download", "false"},
      {"tokresolve", "cache-dir", "/c"},
      {"tokresolve", "timeout", "7"},
      {"tokresolve", "retries", "1"},
      {"tokresolve", "fidelity", "llama-cpp"},
      {"tokresolve", "strategy-order", "<hub-first>"},
      {"tokenize", "prompt", "p"},
      {"tokenize", "system-prompt", "s"},
      {"tokenize", "template", "none"},
      {"tokenize", "framing", "paragraph"},
      {"tokenize", "history-size", "3"},
      {"tokenize", "interrupt", "true"},
      {"tokenize", "overflow", "truncate"},
      {"tokenize", "add-special", "no"},
      {"tokenize", "parse-special", "true"},
      {"tokenize", "send-handles", "false"},
      {"tokenize", "history", "[{\"role\":\"user\",\"content\":\"x\"}]"},
      {"infer", "device", "cpu"},
      {"infer", "threads", "2"},
      {"infer", "context-size", "99"},
      {"infer", "batch-size", "9"},
      {"infer", "parallel", "8"},
      {"infer", "max-tokens", "5"},
      {"infer", "temperature", "0.5"},
      {"infer", "top-k", "7"},
      {"infer", "top-p", "0.5"},
      {"infer", "min-p", "0.5"},
      {"infer", "penalty-repeat", "1.5"},
      {"infer", "penalty-freq", "0.5"},
      {"infer", "penalty-present", "0.5"},
      {"infer", "penalty-last-n", "-1"},
      {"infer", "seed", "42"},
      {"infer", "stop", "<\"Q:\",\"A:\">"},
      {"infer", "ignore-eos", "true"},
      {"infer", "chunk", "4"},
      {"infer", "latency", "100"},
      {"infer", "mirostat", "2"},
      {"infer", "typical-p", "0.5"},
      {"infer", "xtc-probability", "0.5"},
      {"infer", "repack", "never"},
      {"infer", "drafts", "4"},
      {"infer", "i2s-layout", "b"},
      {"infer", "cache-type", "q8_0"},
      {"infer", "head", "q8_0"},
      {"detokenize", "granularity", "sentence"},
      {"detokenize", "skip-special", "false"},
      {"detokenize", "timestamp-mode", "running-time"},
      {"detokenize", "reading-speed", "20"},
      {"detokenize", "newline", "true"},
      {"detokenize", "max-duration", "5"},
      {"detokenize", "turn-events", "false"},
      {"detokenize", "post-messages", "true"},
      {"detokenize", "tokenizer", "/t"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autoptr (GstElement) element = gst_object_ref_sink (
        gst_element_factory_make (values[i].element, NULL));
    GParamSpec *pspec = g_object_class_find_property (
        G_OBJECT_GET_CLASS (element), values[i].property);
    g_auto (GValue) before = G_VALUE_INIT;
    g_auto (GValue) after = G_VALUE_INIT;
    g_auto (GValue) again = G_VALUE_INIT;

    g_test_message ("%s.%s", values[i].element, values[i].property);
    g_assert_nonnull (pspec);
    g_value_init (&before, G_PARAM_SPEC_VALUE_TYPE (pspec));
    g_value_init (&after, G_PARAM_SPEC_VALUE_TYPE (pspec));
    g_value_init (&again, G_PARAM_SPEC_VALUE_TYPE (pspec));
    g_object_get_property (G_OBJECT (element), pspec->name, &before);
    gst_util_set_object_arg (G_OBJECT (element), pspec->name, values[i].value);
    g_object_get_property (G_OBJECT (element), pspec->name, &after);
    g_assert_cmpint (gst_value_compare (&before, &after), !=, GST_VALUE_EQUAL);
    g_object_set_property (G_OBJECT (element), pspec->name, &after);
    g_object_get_property (G_OBJECT (element), pspec->name, &again);
    g_assert_cmpint (gst_value_compare (&after, &again), ==, GST_VALUE_EQUAL);
  }
}

/* Whoever inspects the element sees every kind of strategy. */
static void
test_strategies (void)
{
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make ("tokresolve", NULL));
  const char *blurb = g_param_spec_get_blurb (g_object_class_find_property (
      G_OBJECT_GET_CLASS (element), "strategy-order"));
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) list = bitnet_resolver_list_strategies (resolver, NULL);

  g_assert_cmpuint (g_variant_n_children (list), ==, 5);
  for (gsize i = 0; i < g_variant_n_children (list); i++) {
    const char *name;

    g_variant_get_child (list, i, "(&sib)", &name, NULL, NULL);
    g_assert_nonnull (strstr (blurb, name));
  }
}

/* The token is nobody's to read. */
static void
test_secret (void)
{
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make ("tokresolve", NULL));
  GParamSpec *pspec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (element), "token");

  g_assert_cmpint (pspec->flags & G_PARAM_READABLE, ==, 0);
  g_object_set (element, "token", "secret", NULL);
}

static void
test_inspect (gconstpointer data)
{
  const char *argv[] = {"gst-inspect-1.0", data, NULL};
  g_autofree char *out = NULL;
  g_autofree char *err = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  if (TEST_IS_INSTRUMENTED) {
    g_test_skip ("gst-inspect-1.0 cannot load an instrumented plugin");
    return;
  }
  if (!g_find_program_in_path (argv[0])) {
    g_test_skip ("gst-inspect-1.0 is not installed");
    return;
  }
  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
      &out, &err, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  g_assert_null (strstr (err, "WARNING"));
  g_assert_null (strstr (err, "CRITICAL"));
  g_assert_nonnull (strstr (out, "Element Properties"));
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  for (gsize i = 0; i < G_N_ELEMENTS (elements); i++) {
    g_autofree char *properties =
        g_strconcat ("/properties/defaults/", elements[i], NULL);
    g_autofree char *inspect =
        g_strconcat ("/properties/inspect/", elements[i], NULL);

    g_test_add_data_func (properties, elements[i], test_properties);
    g_test_add_data_func (inspect, elements[i], test_inspect);
  }
  g_test_add_data_func ("/properties/other-values", NULL, test_other_values);
  g_test_add_func ("/properties/C12/strategies", test_strategies);
  g_test_add_func ("/properties/secret", test_secret);
  return test_finish ();
}
