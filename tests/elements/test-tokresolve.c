/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokresolve: order of events, caps, messages, the application's own lookup,
 * failures, and that nothing of the search happens in a state change. */
#include <string.h>
#include "element-test.h"

static const TinySpec tiny = {.arch = "llama"};

static GstHarness *
new_harness (void)
{
  GstHarness *h = gst_harness_new ("tokresolve");

  gst_harness_set_src_caps_str (h,
      "application/x-gguf, architecture=(string)llama, "
      "tokenizer=(boolean)true");
  return h;
}

static void
test_order (void)
{
  static const char *const expected[] = {"stream-start", "caps", "segment",
      "bitnet/model", "caps", "bitnet/tokenizer"};
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness ();
  GstEvent *event;

  test_push_handles (h, model, NULL);
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    const char *name;

    event = gst_harness_pull_event (h);
    name = GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY
               ? gst_structure_get_name (gst_event_get_structure (event))
               : GST_EVENT_TYPE_NAME (event);
    g_assert_cmpstr (name, ==, expected[i]);
    gst_event_unref (event);
  }
  gst_buffer_unref (gst_harness_pull (h));
  gst_harness_teardown (h);
}

/* The model handle does not wait for the tokenizer. */
static void
test_model_at_once (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness ();
  GstEvent *event;

  test_push_handles (h, model, NULL);
  event =
      test_pull_event (h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/model");
  g_assert_nonnull (event);
  gst_event_unref (event);
  gst_harness_teardown (h);
}

static void
test_result (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness ();
  g_autoptr (BitnetTokenizer) result = NULL;
  BitnetTokenizer *sent = NULL;
  g_autoptr (GstStructure) resolution = NULL;
  g_autoptr (GstStructure) stats = NULL;
  g_autoptr (GstCaps) caps = NULL;
  gboolean has_tokenizer = FALSE, fallback = TRUE;
  guint vocab_size = 0;
  GstEvent *event;

  test_push_handles (h, model, NULL);
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);
  g_object_get (h->element, "result", &result, "resolution", &resolution,
      "stats", &stats, NULL);
  event = test_pull_event (
      h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/tokenizer");
  gst_structure_get (gst_event_get_structure (event), "tokenizer",
      BITNET_TYPE_TOKENIZER, &sent, NULL);
  g_assert_true (sent == result);
  g_assert_cmpstr (
      gst_structure_get_string (resolution, "strategy"), ==, "model-embedded");
  g_assert_true (
      gst_structure_get_uint (resolution, "vocab-size", &vocab_size));
  g_assert_cmpuint (vocab_size, ==, bitnet_tokenizer_get_vocab_size (result));
  g_assert_nonnull (stats);
  caps = gst_pad_get_current_caps (h->sinkpad);
  g_assert_true (gst_structure_get (gst_caps_get_structure (caps, 0),
      "tokenizer", G_TYPE_BOOLEAN, &has_tokenizer, "fallback", G_TYPE_BOOLEAN,
      &fallback, NULL));
  g_assert_true (has_tokenizer && !fallback);
  gst_event_unref (event);
  g_object_unref (sent);
  gst_harness_teardown (h);
}

/* A second model in the same stream brings its tokenizer; the same model
 * again brings nothing. */
static void
test_second_model (void)
{
  g_autoptr (BitnetModel) one = test_open_model (test_quick_model ());
  g_autofree char *path = test_write_model ("second.gguf", &tiny, NULL);
  g_autoptr (BitnetModel) two = test_open_model (path);
  GstHarness *h = new_harness ();
  GstEvent *event;

  test_push_handles (h, one, NULL);
  gst_harness_push (h, gst_buffer_new ());
  event = test_pull_event (
      h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/tokenizer");
  gst_event_unref (event);
  test_push_handles (h, one, NULL);
  gst_harness_push (h, gst_buffer_new ());
  g_assert_null (test_pull_event (
      h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/tokenizer"));
  test_push_handles (h, two, NULL);
  gst_harness_push (h, gst_buffer_new ());
  event = test_pull_event (
      h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/tokenizer");
  g_assert_nonnull (event);
  gst_event_unref (event);
  gst_harness_teardown (h);
}

static void
test_no_buffer (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness ();
  GstEvent *event;

  test_push_handles (h, model, NULL);
  gst_harness_push_event (h, gst_event_new_eos ());
  event = test_pull_event (
      h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/tokenizer");
  g_assert_nonnull (event);
  gst_event_unref (event);
  event = gst_harness_pull_event (h);
  g_assert_cmpint (GST_EVENT_TYPE (event), ==, GST_EVENT_EOS);
  gst_event_unref (event);
  gst_harness_teardown (h);
}

static gboolean
query_context (GstHarness *h, const char *type)
{
  g_autoptr (GstQuery) query = gst_query_new_context (type);

  return gst_pad_peer_query (h->sinkpad, query);
}

static void
test_context (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness ();

  g_assert_false (query_context (h, "bitnet.model"));
  g_assert_false (query_context (h, "bitnet.tokenizer"));
  test_push_handles (h, model, NULL);
  g_assert_true (query_context (h, "bitnet.model"));
  gst_harness_push (h, gst_buffer_new ());
  g_assert_true (query_context (h, "bitnet.tokenizer"));
  g_assert_false (query_context (h, "bitnet.other"));
  gst_harness_teardown (h);
}

static char *
on_resolve (GstElement *element, BitnetModel *model, gpointer path)
{
  g_assert_true (BITNET_IS_MODEL (model));
  return g_strdup (path);
}

static void
on_resolved (GstElement *element, BitnetTokenizer *tokenizer, gpointer count)
{
  g_assert_true (BITNET_IS_TOKENIZER (tokenizer));
  g_atomic_int_inc ((int *) count);
}

static void
on_started (GstElement *element, const char *name, int priority, gpointer count)
{
  g_assert_nonnull (name);
  g_assert_cmpint (priority, >=, 0);
  g_atomic_int_inc ((int *) count);
}

static void
on_finished (GstElement *element, const char *name, gboolean success,
    const char *message, double duration_ms, gpointer count)
{
  g_assert_cmpint (success, ==, message == NULL);
  g_assert_cmpfloat (duration_ms, >=, 0);
  if (success)
    g_atomic_int_inc ((int *) count);
}

/* The application names the tokenizer of a model that has none. */
static void
test_signals (void)
{
  g_autofree char *path = test_write_bare_model ("bare.gguf", &tiny);
  g_autoptr (BitnetModel) model = test_open_model (path);
  GstHarness *h = new_harness ();
  int n_resolved = 0, n_started = 0, n_finished = 0;

  g_signal_connect (h->element, "resolve", G_CALLBACK (on_resolve),
      (gpointer) test_quick_model ());
  g_signal_connect (
      h->element, "resolved", G_CALLBACK (on_resolved), &n_resolved);
  g_signal_connect (
      h->element, "strategy-started", G_CALLBACK (on_started), &n_started);
  g_signal_connect (
      h->element, "strategy-finished", G_CALLBACK (on_finished), &n_finished);
  test_push_handles (h, model, NULL);
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);
  g_assert_cmpint (n_resolved, ==, 1);
  g_assert_cmpint (n_started, >=, 1);
  g_assert_cmpint (n_finished, ==, 1);
  gst_harness_teardown (h);
}

static void
expect (const char *properties, const char *model, GQuark domain, int code,
    const char *part)
{
  GstElement *pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve %s ! fakesink", model, properties);

  test_expect_error (pipeline, domain, code, part);
  gst_object_unref (pipeline);
}

static void
test_failures (void)
{
  expect ("tokenizer=/nonexistent/t.gguf", test_quick_model (),
      GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/t.gguf");
  expect ("strategy-order=<bogus>", test_quick_model (), GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_SETTINGS, "bogus");
}

/* C48: a tokenizer in the file satisfies strict mode, its absence does not. */
static void
test_strict (void)
{
  g_autofree char *bare = test_write_bare_model ("bare.gguf", &tiny);
  g_autoptr (GstElement) pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve strict=true ! fakesink",
          test_quick_model ());

  test_run_to_eos (pipeline);
  expect ("strict=true", bare, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
      "strict");
}

static void
test_no_model (void)
{
  GstElement *pipeline = test_launch (
      "fakesrc num-buffers=1 ! application/x-gguf ! tokresolve ! fakesink");
  GstMessage *message;
  g_autoptr (GError) error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = test_wait_message (pipeline, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
  gst_message_unref (message);
  test_set_null (pipeline);
  gst_object_unref (pipeline);
}

/* A caps filter can refuse last-resort tokenizers. */
static void
test_capsfilter (void)
{
  GstElement *pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve ! "
                   "application/x-gguf,fallback=false ! fakesink",
          test_quick_model ());

  test_run_to_eos (pipeline);
  gst_object_unref (pipeline);
}

static void
test_weak_ref (void)
{
  GstElement *pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve name=r ! fakesink",
          test_quick_model ());
  g_autoptr (GstElement) element =
      gst_bin_get_by_name (GST_BIN (pipeline), "r");

  for (guint i = 0; i < 3; i++) {
    BitnetTokenizer *tokenizer;

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_EOS));
    g_object_get (element, "result", &tokenizer, NULL);
    g_assert_nonnull (tokenizer);
    g_object_add_weak_pointer (G_OBJECT (tokenizer), (gpointer *) &tokenizer);
    g_object_unref (tokenizer);
    test_set_null (pipeline);
    g_assert_null (tokenizer);
  }
  gst_object_unref (pipeline);
}

/* A flush keeps the handles: they are sent once. */
static void
test_flush (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness ();
  GstSegment segment;

  test_push_handles (h, model, NULL);
  gst_harness_push (h, gst_buffer_new ());
  gst_harness_push_event (h, gst_event_new_flush_start ());
  g_assert_cmpint (
      gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_FLUSHING);
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_BYTES);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);
  gst_harness_teardown (h);
}

/* Settings are the resolver's: what the element says of them is true. */
static void
test_defaults (void)
{
  g_autoptr (GstElement) element =
      gst_element_factory_make ("tokresolve", NULL);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autofree GParamSpec **pspecs = NULL;
  guint n, n_same = 0;

  gst_object_ref_sink (element);
  pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (resolver), &n);
  for (guint i = 0; i < n; i++) {
    GParamSpec *own = g_object_class_find_property (
        G_OBJECT_GET_CLASS (element), pspecs[i]->name);

    g_assert_nonnull (own);
    if (own->value_type != pspecs[i]->value_type)
      continue; /* strategy-order */
    g_test_message ("%s", own->name);
    g_assert_cmpint (
        g_param_values_cmp (own, g_param_spec_get_default_value (own),
            g_param_spec_get_default_value (pspecs[i])),
        ==, 0);
    n_same++;
  }
  g_assert_cmpuint (n_same, ==, n - 1);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_test_add_func ("/tokresolve/order", test_order);
  g_test_add_func ("/tokresolve/model-at-once", test_model_at_once);
  g_test_add_func ("/tokresolve/result", test_result);
  g_test_add_func ("/tokresolve/second-model", test_second_model);
  g_test_add_func ("/tokresolve/no-buffer", test_no_buffer);
  g_test_add_func ("/tokresolve/context", test_context);
  g_test_add_func ("/tokresolve/signals", test_signals);
  g_test_add_func ("/tokresolve/failures", test_failures);
  g_test_add_func ("/tokresolve/C48/strict", test_strict);
  g_test_add_func ("/tokresolve/no-model", test_no_model);
  g_test_add_func ("/tokresolve/capsfilter", test_capsfilter);
  g_test_add_func ("/tokresolve/weak-ref", test_weak_ref);
  g_test_add_func ("/tokresolve/flush", test_flush);
  g_test_add_func ("/tokresolve/defaults", test_defaults);
  return test_finish ();
}
