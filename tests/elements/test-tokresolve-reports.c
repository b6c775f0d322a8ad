/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tokresolve says: progress in pairs, how a tokenizer was found, that
 * another strategy than the first one found it, why none did; and figures. No
 * network is needed. */
#include <string.h>
#include "element-test.h"
#include "test-vocab.h"

enum { N_ROWS = 300 };

/* A model without a tokenizer, alone in its folder and the one above. */
static char *
write_model (const char *name)
{
  g_autofree char *path = g_strdup_printf ("%s/models/model.gguf", name);

  return test_write_sized_model (path, N_ROWS);
}

/* The same with the tokenizer of n_tokens beside it. */
static char *
write_model_with_json (const char *name, guint n_tokens)
{
  g_autofree char *json = test_vocab_new_json (n_tokens);
  g_autofree char *beside = g_strdup_printf ("%s/models/tokenizer.json", name);
  g_autofree char *path = test_write_file (beside, json, strlen (json));

  return write_model (name);
}

static GPtrArray *
run (const char *model, const char *properties)
{
  g_autoptr (GstElement) pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve name=r %s ! fakesink",
          model, properties);
  GPtrArray *messages = test_run_and_collect (pipeline, "r");

  test_set_null (pipeline);
  return messages;
}

static const GstStructure *
get_item (const GstStructure *s, const char *list, guint i)
{
  const GValue *items = gst_structure_get_value (s, list);

  g_assert_nonnull (items);
  g_assert_cmpuint (gst_value_array_get_size (items), >, i);
  return gst_value_get_structure (gst_value_array_get_value (items, i));
}

static guint
count_items (const GstStructure *s, const char *list)
{
  const GValue *items = gst_structure_get_value (s, list);

  return items ? gst_value_array_get_size (items) : 0;
}

static gboolean
get_boolean (const GstStructure *s, const char *field)
{
  gboolean value = FALSE;

  g_assert_true (gst_structure_get_boolean (s, field, &value));
  return value;
}

/* The last message of that type; (transfer none), NULL if there is none. */
static GstMessage *
find_type (GPtrArray *messages, GstMessageType type)
{
  GstMessage *found = NULL;

  for (guint i = 0; i < messages->len; i++) {
    if (GST_MESSAGE_TYPE (messages->pdata[i]) == type)
      found = messages->pdata[i];
  }
  return found;
}

static void
test_resolved (void)
{
  g_autoptr (GPtrArray) messages = run (test_quick_model (), "");
  const GstStructure *s = test_find_message (messages, "tokenizer-resolved");
  const GstStructure *attempt;
  double duration_ms = -1;
  guint n_tokens = 0;

  test_assert_progress (
      messages, "tokenizer-resolve", GST_PROGRESS_TYPE_COMPLETE);
  g_assert_nonnull (s);
  g_assert_cmpstr (
      gst_structure_get_string (s, "strategy"), ==, "model-embedded");
  g_assert_cmpstr (gst_structure_get_string (s, "kind"), ==, "gguf");
  g_assert_cmpstr (
      gst_structure_get_string (s, "source"), ==, test_quick_model ());
  g_assert_nonnull (gst_structure_get_string (s, "verified"));
  g_assert_false (get_boolean (s, "fallback"));
  g_assert_true (gst_structure_get_uint (s, "vocab-size", &n_tokens));
  g_assert_cmpuint (n_tokens, >, 256);
  g_assert_true (gst_structure_get_double (s, "duration-ms", &duration_ms));
  g_assert_cmpfloat (duration_ms, >=, 0);
  g_assert_cmpuint (count_items (s, "attempts"), ==, 1);
  attempt = get_item (s, "attempts", 0);
  g_assert_cmpstr (
      gst_structure_get_string (attempt, "strategy"), ==, "model-embedded");
  g_assert_true (get_boolean (attempt, "success"));
  g_assert_null (test_find_message (messages, "tokenizer-fallback"));
  g_assert_null (test_find_message (messages, "tokenizer-failed"));
  g_assert_null (find_type (messages, GST_MESSAGE_WARNING));
}

/* The first strategy fails, the next one succeeds. */
static void
test_fallback (void)
{
  g_autofree char *model = write_model_with_json ("fallback", N_ROWS);
  g_autoptr (GPtrArray) messages = run (model, "");
  const GstStructure *s = test_find_message (messages, "tokenizer-fallback");

  test_assert_progress (
      messages, "tokenizer-resolve", GST_PROGRESS_TYPE_COMPLETE);
  g_assert_nonnull (s);
  g_assert_cmpstr (gst_structure_get_string (s, "from"), ==, "model-embedded");
  g_assert_cmpstr (gst_structure_get_string (s, "to"), ==, "generic");
  g_assert_cmpstr (
      gst_structure_get_string (s, "code"), ==, "NO_EMBEDDED_TOKENIZER");
  g_assert_nonnull (gst_structure_get_string (s, "reason"));
  s = test_find_message (messages, "tokenizer-resolved");
  g_assert_cmpstr (gst_structure_get_string (s, "strategy"), ==, "generic");
  g_assert_false (get_boolean (s, "fallback"));
}

/* The log: what kind of model it is, each strategy with its number and name, a
 * warning for what failed first, why others failed, what was found. */
typedef struct {
  GMutex lock; /* guards the lines */
  GString *lines;
} Log;

static void
on_log (GstDebugCategory *category, GstDebugLevel level, const char *file,
    const char *function, int line, GObject *object, GstDebugMessage *message,
    gpointer data)
{
  Log *log = data;
  const char *name = gst_debug_level_get_name (level);

  if (strcmp (gst_debug_category_get_name (category), "tokresolve") != 0)
    return;
  g_mutex_lock (&log->lock);
  /* Names are padded. */
  g_string_append_printf (log->lines, "%.*s %s\n", (int) strcspn (name, " "),
      name, gst_debug_message_get (message));
  g_mutex_unlock (&log->lock);
}

/* Asserts that the lines begin so, in this order. */
static void
expect_lines (const Log *log, const char *const *starts)
{
  g_auto (GStrv) lines = g_strsplit (log->lines->str, "\n", -1);
  char **line = lines;

  for (; *starts; starts++) {
    while (*line && !g_str_has_prefix (*line, *starts))
      line++;
    if (*line == NULL)
      g_error ("no line \"%s\" in\n%s", *starts, log->lines->str);
  }
}

static void
test_log (void)
{
  static const char *const found[] = {"INFO looking for the tokenizer of ",
      "INFO strategy 1: model-embedded (priority 100)",
      "WARN model-embedded failed: ", "INFO strategy 2: generic (priority 80)",
      "INFO generic found it in ", NULL};
  static const char *const last_resort[] = {
      "INFO strategy 1: model-embedded (priority 100)",
      "WARN model-embedded failed: ", "INFO strategy 2: generic (priority 80)",
      "INFO generic failed: ", "INFO strategy 3: local-cache (priority 60)",
      "INFO local-cache failed: ", "INFO strategy 4: huggingface (priority 40)",
      "INFO huggingface failed: ", "INFO strategy 5: backup (priority 20)",
      "INFO backup found it in ", NULL};
  static const TinySpec tiny = {.arch = "llama"};
  static const char *const first[] = {
      "INFO strategy 1: model-embedded (priority 100)",
      "INFO model-embedded found it in ", NULL};
  const struct {
    char *model;
    const char *const *expected;
    guint n_warnings;
  } cases[] = {
      {write_model_with_json ("log", N_ROWS), found, 1},
      {write_model ("log-bare"), last_resort, 1},
      {test_write_model ("log-complete.gguf", &tiny, NULL), first, 0},
  };

  gst_debug_remove_log_function (gst_debug_log_default);
  gst_debug_set_threshold_for_name ("tokresolve", GST_LEVEL_INFO);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    Log log = {.lines = g_string_new (NULL)};
    guint n_warnings = 0;

    gst_debug_add_log_function (on_log, &log, NULL);
    g_ptr_array_unref (run (cases[i].model, ""));
    gst_debug_remove_log_function (on_log);
    g_test_message ("%s", log.lines->str);
    expect_lines (&log, cases[i].expected);
    g_assert_nonnull (strstr (log.lines->str, "architecture llama"));
    for (const char *p = log.lines->str; (p = strstr (p, "WARN ")); p++)
      n_warnings++;
    g_assert_cmpuint (n_warnings, ==, cases[i].n_warnings);
    g_string_free (log.lines, TRUE);
    g_free (cases[i].model);
  }
  gst_debug_unset_threshold_for_name ("tokresolve");
  gst_debug_add_log_function (gst_debug_log_default, NULL, NULL);
}

/* Without any one of them the others do, at worst the last one. */
static void
test_left_out (void)
{
  static const struct {
    const char *order, *strategy;
  } cases[] = {
      {"<generic,local-cache,huggingface,backup>", "generic"},
      {"<model-embedded,local-cache,huggingface,backup>", "backup"},
      {"<model-embedded,generic,huggingface,backup>", "generic"},
      {"<model-embedded,generic,local-cache,backup>", "generic"},
      {"<model-embedded,generic,local-cache,huggingface>", "generic"},
  };
  g_autofree char *model = write_model_with_json ("left-out", N_ROWS);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *properties =
        g_strdup_printf ("strategy-order=\"%s\"", cases[i].order);
    g_autoptr (GPtrArray) messages = run (model, properties);
    const GstStructure *s = test_find_message (messages, "tokenizer-resolved");

    g_test_message ("%s", cases[i].order);
    g_assert_nonnull (s);
    g_assert_cmpstr (
        gst_structure_get_string (s, "strategy"), ==, cases[i].strategy);
    g_assert_null (find_type (messages, GST_MESSAGE_ERROR));
  }
}

/* The variable: an error before anything plays; without it a warning. */
static void
test_strict_variable (void)
{
  g_autofree char *model = write_model ("strict-variable");
  g_autoptr (GstElement) pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve ! fakesink", model);
  g_autoptr (GstElement) lenient =
      test_launch ("ggufsrc location=%s ! tokresolve ! fakesink", model);
  GstMessage *message;
  GstState state;

  g_setenv ("BITNET_STRICT_TOKENIZERS", "1", TRUE);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = test_wait_message (pipeline, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ERROR);
  gst_message_unref (message);
  gst_element_get_state (pipeline, &state, NULL, 0);
  g_assert_cmpint (state, <, GST_STATE_PLAYING);
  test_set_null (pipeline);

  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  gst_element_set_state (lenient, GST_STATE_PLAYING);
  gst_message_unref (test_wait_message (lenient, GST_MESSAGE_WARNING));
  gst_message_unref (test_wait_message (lenient, GST_MESSAGE_EOS));
  test_set_null (lenient);
}

static GstPadProbeReturn
on_event (GstPad *pad, GstPadProbeInfo *info, gpointer fallback)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps (event, &caps);
  gst_structure_get_boolean (
      gst_caps_get_structure (caps, 0), "fallback", fallback);
  return GST_PAD_PROBE_OK;
}

/* Caps say whether it is a last resort. */
static void
test_caps (void)
{
  const struct {
    char *model;
    gboolean fallback;
  } cases[] = {
      {write_model ("caps"), TRUE},
      {write_model_with_json ("caps-json", N_ROWS), FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstElement) pipeline = test_launch (
        "ggufsrc location=%s ! tokresolve name=r ! fakesink", cases[i].model);
    g_autoptr (GstElement) r = gst_bin_get_by_name (GST_BIN (pipeline), "r");
    g_autoptr (GstPad) pad = gst_element_get_static_pad (r, "src");
    int fallback = -1;

    gst_pad_add_probe (
        pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, &fallback, NULL);
    test_run_to_eos (pipeline);
    g_assert_cmpint (fallback, ==, cases[i].fallback);
    g_free (cases[i].model);
  }
}

/* A last resort comes with a warning and is visible in the caps. */
static void
test_backup (void)
{
  g_autofree char *model = write_model ("backup");
  g_autoptr (GPtrArray) messages = run (model, "");
  const GstStructure *s = test_find_message (messages, "tokenizer-fallback");
  GstMessage *warning = find_type (messages, GST_MESSAGE_WARNING);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve ! "
                   "application/x-gguf,fallback=false ! fakesink",
          model);
  GstMessage *message;

  test_assert_progress (
      messages, "tokenizer-resolve", GST_PROGRESS_TYPE_COMPLETE);
  g_assert_nonnull (s);
  g_assert_cmpstr (gst_structure_get_string (s, "to"), ==, "backup");
  g_assert_nonnull (warning);
  gst_message_parse_warning (warning, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
  g_assert_true (get_boolean (
      test_find_message (messages, "tokenizer-resolved"), "fallback"));

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = test_wait_message (pipeline, GST_MESSAGE_ERROR);
  gst_message_unref (message);
  test_set_null (pipeline);
  gst_object_unref (pipeline);
}

/* The error's details and the element message say the same. */
static void
assert_failure (const GstStructure *s, const char *code, const char *cause)
{
  g_assert_nonnull (s);
  g_assert_cmpstr (gst_structure_get_string (s, "code"), ==, code);
  g_assert_cmpstr (gst_structure_get_string (s, "cause"), ==, cause);
  g_assert_nonnull (gst_structure_get_string (s, "message"));
  g_assert_cmpuint (count_items (s, "suggestions"), >, 0);
}

static void
expect_failure (const char *model, const char *properties, GQuark domain,
    int code, const char *code_name, const char *cause, guint n_attempts)
{
  g_autoptr (GPtrArray) messages = run (model, properties);
  GstMessage *message = find_type (messages, GST_MESSAGE_ERROR);
  const GstStructure *failed = test_find_message (messages, "tokenizer-failed");
  const GstStructure *details = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  test_assert_progress (messages, "tokenizer-resolve", GST_PROGRESS_TYPE_ERROR);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, &debug);
  gst_message_parse_error_details (message, &details);
  g_test_message ("%s\n%s", error->message, debug);
  g_assert_error (error, domain, code);
  g_assert_null (strchr (error->message, '\n'));
  assert_failure (failed, code_name, cause);
  assert_failure (details, code_name, cause);
  g_assert_cmpuint (count_items (failed, "attempts"), ==, n_attempts);
  g_assert_cmpuint (count_items (details, "attempts"), ==, n_attempts);
  for (guint i = 0; i < n_attempts; i++) {
    const GstStructure *attempt = get_item (details, "attempts", i);
    const char *name = gst_structure_get_string (attempt, "strategy");

    g_assert_nonnull (name);
    g_assert_false (get_boolean (attempt, "success"));
    g_assert_nonnull (gst_structure_get_string (attempt, "code"));
    g_assert_nonnull (gst_structure_get_string (attempt, "message"));
    g_assert_nonnull (strstr (debug, name)); /* the report names each */
  }
}

static void
test_failed (void)
{
  g_autofree char *bare = write_model ("failed");

  expect_failure (bare, "strict=true strategy-order=<model-embedded,generic>",
      GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "STRICT_MODE",
      "NO_EMBEDDED_TOKENIZER", 2);
  expect_failure (bare, "strategy-order=<generic>", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NOT_FOUND, "ALL_FAILED", "NOT_FOUND", 1);
  expect_failure (bare, "strategy-order=<bogus>", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_SETTINGS, "INVALID_ARGUMENT", "INVALID_ARGUMENT", 0);
}

/* The cause decides the code, not that everything failed. */
static void
test_mismatch (void)
{
  g_autofree char *model = write_model_with_json ("mismatch", N_ROWS + 5000);

  expect_failure (model, "strategy-order=<generic>", GST_STREAM_ERROR,
      GST_STREAM_ERROR_FORMAT, "ALL_FAILED", "VOCAB_MISMATCH", 1);
}

static void
test_explicit (void)
{
  g_autofree char *model = write_model_with_json ("explicit", N_ROWS);
  g_autoptr (GPtrArray) messages = run (
      model, "tokenizer=/nonexistent/tokenizer.json explicit-fallback=true");
  const GstStructure *s = test_find_message (messages, "tokenizer-resolved");

  g_assert_nonnull (s);
  g_assert_cmpstr (gst_structure_get_string (s, "strategy"), ==, "generic");
  g_assert_nonnull (test_find_message (messages, "tokenizer-fallback"));
}

/* Started again, it remembers; no strategy is tried. */
static void
test_remembered (void)
{
  g_autofree char *model = write_model_with_json ("remembered", N_ROWS);
  g_autoptr (GPtrArray) first = run (model, "");
  g_autoptr (GPtrArray) second = run (model, "");
  const GstStructure *s = test_find_message (second, "tokenizer-resolved");

  g_assert_false (get_boolean (
      test_find_message (first, "tokenizer-resolved"), "from-cache"));
  g_assert_true (get_boolean (s, "from-cache"));
  g_assert_cmpstr (gst_structure_get_string (s, "strategy"), ==, "generic");
  g_assert_cmpuint (count_items (s, "attempts"), ==, 0);
  g_assert_null (test_find_message (second, "tokenizer-fallback"));
}

static guint64
get_count (const GstStructure *s, const char *field)
{
  guint64 n = G_MAXUINT64;

  g_assert_true (gst_structure_get_uint64 (s, field, &n));
  return n;
}

static const GstStructure *
get_structure (const GstStructure *s, const char *field)
{
  const GValue *value = gst_structure_get_value (s, field);

  g_assert_nonnull (value);
  g_assert_true (GST_VALUE_HOLDS_STRUCTURE (value));
  return gst_value_get_structure (value);
}

static void
test_stats (void)
{
  g_autofree char *path = write_model_with_json ("stats", N_ROWS);
  g_autofree char *other = write_model_with_json ("stats-2", N_ROWS);
  g_autoptr (BitnetModel) one = test_open_model (path);
  g_autoptr (BitnetModel) two = test_open_model (other);
  GstHarness *h = gst_harness_new ("tokresolve");
  g_autoptr (GstStructure) stats = NULL;
  const GstStructure *strategy;

  g_object_get (h->element, "stats", &stats, NULL);
  g_assert_null (stats);
  gst_harness_set_src_caps_str (h, "application/x-gguf");
  test_push_handles (h, one, NULL);
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);
  test_push_handles (h, two, NULL);
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);

  /* Of both models. */
  g_object_get (h->element, "stats", &stats, NULL);
  g_assert_cmpuint (get_count (stats, "resolutions"), ==, 2);
  g_assert_cmpuint (get_count (stats, "successes"), ==, 2);
  g_assert_cmpuint (get_count (stats, "recovered"), ==, 2);
  g_assert_cmpuint (get_count (stats, "zero-config-resolutions"), ==, 2);
  g_assert_cmpuint (
      get_count (get_structure (stats, "duration-ms"), "count"), ==, 2);
  strategy =
      get_structure (get_structure (stats, "strategies"), "model-embedded");
  g_assert_cmpuint (get_count (strategy, "attempts"), ==, 2);
  g_assert_cmpuint (get_count (strategy, "successes"), ==, 0);
  g_assert_cmpuint (
      get_count (get_structure (strategy, "failures"), "NO_EMBEDDED_TOKENIZER"),
      ==, 2);
  g_clear_pointer (&stats, gst_structure_free);

  /* They outlive the stop. */
  gst_element_set_state (h->element, GST_STATE_NULL);
  g_object_get (h->element, "stats", &stats, NULL);
  g_assert_cmpuint (get_count (stats, "resolutions"), ==, 2);
  gst_harness_teardown (h);
}

/* A setting that changes while playing counts from the next model on. */
static void
test_settings (void)
{
  g_autofree char *path = write_model_with_json ("settings", N_ROWS);
  g_autofree char *other = write_model_with_json ("settings-2", N_ROWS);
  g_autoptr (BitnetModel) one = test_open_model (path);
  g_autoptr (BitnetModel) two = test_open_model (other);
  GstHarness *h = gst_harness_new ("tokresolve");
  g_autoptr (GstStructure) stats = NULL;
  guint timeout;

  gst_harness_set_src_caps_str (h, "application/x-gguf");
  test_push_handles (h, one, NULL);
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);
  g_object_set (h->element, "timeout", 7, NULL);
  g_object_get (h->element, "timeout", &timeout, NULL);
  g_assert_cmpuint (timeout, ==, 7);
  test_push_handles (h, two, NULL);
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);
  g_object_get (h->element, "stats", &stats, NULL);
  g_assert_cmpuint (get_count (stats, "resolutions"), ==, 1);
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  g_test_add_func ("/tokresolve/resolved", test_resolved);
  g_test_add_func ("/tokresolve/B05-B09/fallback", test_fallback);
  g_test_add_func ("/tokresolve/B03-B04-B05-B09/log", test_log);
  g_test_add_func ("/tokresolve/B34/left-out", test_left_out);
  g_test_add_func ("/tokresolve/C43-C78/strict", test_strict_variable);
  g_test_add_func ("/tokresolve/B21/caps", test_caps);
  g_test_add_func ("/tokresolve/B21/backup", test_backup);
  g_test_add_func ("/tokresolve/C42-C44/failed", test_failed);
  g_test_add_func ("/tokresolve/C38/mismatch", test_mismatch);
  g_test_add_func ("/tokresolve/explicit-fallback", test_explicit);
  g_test_add_func ("/tokresolve/B22/remembered", test_remembered);
  g_test_add_func ("/tokresolve/C45/stats", test_stats);
  g_test_add_func ("/tokresolve/settings", test_settings);
  return test_finish ();
}
