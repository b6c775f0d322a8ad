/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several elements and one model: branches of a tee, added late; contexts;
 * eight chains on one engine, one of them blocked; cancelling through the
 * pipeline; text over GDP. */
#include <string.h>
#include <unistd.h>
#include "element-test.h"

enum {
  N_CHAINS = 8,
  DEADLOCK_SECONDS = 240,
};

static char *
expected_text (const char *prompt, guint max_tokens)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  g_autoptr (BitnetTokenizer) tokenizer = test_open_tokenizer (model);
  g_autoptr (GArray) ids = test_generate (model, tokenizer, prompt, max_tokens);

  return test_decode (tokenizer, ids);
}

/* Posts an application message when EOS reaches the sink. */
static GstPadProbeReturn
on_eos (GstPad *pad, GstPadProbeInfo *info, gpointer name)
{
  g_autoptr (GstElement) sink = gst_pad_get_parent_element (pad);

  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS)
    gst_element_post_message (
        sink, gst_message_new_application (
                  GST_OBJECT (sink), gst_structure_new_empty ("end")));
  return GST_PAD_PROBE_OK;
}

static void
watch_eos (GstElement *sink)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");

  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_eos, NULL, NULL);
}

static void
wait_for_end (GstElement *pipeline)
{
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_APPLICATION));
}

/* Two conversations, one copy of the weights (C01, command line 8). */
static void
test_tee (void)
{
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tee name=m "
      "m. ! queue ! tokenize prompt=hello ! infer name=a temperature=0 "
      "max-tokens=20 ! detokenize ! fakesink name=out-a "
      "m. ! queue ! tokenize prompt=world ! infer name=b temperature=0 "
      "max-tokens=20 ! detokenize ! fakesink name=out-b",
      test_quick_model ());
  GString *text_a = test_collect (pipeline, "out-a");
  GString *text_b = test_collect (pipeline, "out-b");
  g_autoptr (GstElement) a = gst_bin_get_by_name (GST_BIN (pipeline), "a");
  g_autoptr (GstElement) b = gst_bin_get_by_name (GST_BIN (pipeline), "b");
  g_autoptr (BitnetEngine) engine_a = NULL;
  g_autoptr (BitnetEngine) engine_b = NULL;
  g_autofree char *expected_a = expected_text ("hello", 20);
  g_autofree char *expected_b = expected_text ("world", 20);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_EOS));
  g_object_get (a, "engine", &engine_a, NULL);
  g_object_get (b, "engine", &engine_b, NULL);
  g_assert_true (engine_a == engine_b);
  test_set_null (pipeline);
  g_assert_cmpstr (text_a->str, ==, expected_a);
  g_assert_cmpstr (text_b->str, ==, expected_b);
}

/* A branch that is added behind the model's EOS sees neither event nor
 * buffer; it asks. */
static void
test_late_branch (void)
{
  g_autoptr (GstElement) pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve ! tee name=m "
                   "m. ! queue ! fakesink name=first async=false",
          test_quick_model ());
  g_autoptr (GstElement) tee = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstElement) first =
      gst_bin_get_by_name (GST_BIN (pipeline), "first");
  g_autoptr (GError) error = NULL;
  GstElement *branch;
  g_autoptr (GstElement) sink = NULL;
  g_autofree char *expected = expected_text ("hello", 12);
  GString *text;

  watch_eos (first);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_end (pipeline);
  branch = gst_parse_bin_from_description (
      "queue ! tokenize prompt=hello ! infer temperature=0 max-tokens=12 ! "
      "detokenize ! fakesink name=late async=false",
      TRUE, &error);
  g_assert_no_error (error);
  gst_bin_add (GST_BIN (pipeline), branch);
  text = test_collect (pipeline, "late");
  sink = gst_bin_get_by_name (GST_BIN (branch), "late");
  watch_eos (sink);
  g_assert_true (gst_element_link (tee, branch));
  g_assert_true (gst_element_sync_state_with_parent (branch));
  wait_for_end (pipeline);
  g_assert_cmpstr (text->str, ==, expected);
  test_set_null (pipeline);
}

/* The same with prompts from a pad. */
static void
test_late_stream (void)
{
  g_autofree char *path = test_write_file ("hello.txt", "hello\n", 6);
  g_autoptr (GstElement) pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve ! tee name=m "
                   "m. ! queue ! fakesink name=first async=false",
          test_quick_model ());
  g_autoptr (GstElement) tee = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstElement) first =
      gst_bin_get_by_name (GST_BIN (pipeline), "first");
  g_autofree char *description = g_strdup_printf (
      "queue name=q ! tokenize name=t ! infer temperature=0 max-tokens=12 ! "
      "detokenize ! fakesink name=late async=false "
      "filesrc location=%s ! text/x-raw,format=utf8 ! t.prompt",
      path);
  g_autoptr (GError) error = NULL;
  GstElement *branch;
  g_autoptr (GstElement) sink = NULL;
  g_autofree char *expected = expected_text ("hello", 12);
  GString *text;

  watch_eos (first);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_end (pipeline);
  branch = gst_parse_bin_from_description (description, TRUE, &error);
  g_assert_no_error (error);
  gst_bin_add (GST_BIN (pipeline), branch);
  text = test_collect (pipeline, "late");
  sink = gst_bin_get_by_name (GST_BIN (branch), "late");
  watch_eos (sink);
  g_assert_true (gst_element_link (tee, branch));
  g_assert_true (gst_element_sync_state_with_parent (branch));
  wait_for_end (pipeline);
  g_assert_cmpstr (text->str, ==, expected);
  test_set_null (pipeline);
}

/* Two sources in one pipeline open one file once. */
static void
test_contexts (void)
{
  g_autoptr (GstElement) pipeline =
      test_launch ("ggufsrc name=a location=%s ! fakesink "
                   "ggufsrc name=b location=%s ! fakesink",
          test_quick_model (), test_quick_model ());
  g_autoptr (GstElement) a = gst_bin_get_by_name (GST_BIN (pipeline), "a");
  g_autoptr (GstElement) b = gst_bin_get_by_name (GST_BIN (pipeline), "b");
  BitnetModel *model_a;
  g_autoptr (BitnetModel) model_b = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_EOS));
  g_object_get (a, "model", &model_a, NULL);
  g_object_get (b, "model", &model_b, NULL);
  g_assert_true (model_a == model_b);
  g_clear_object (&model_b);
  g_object_add_weak_pointer (G_OBJECT (model_a), (gpointer *) &model_a);
  g_object_unref (model_a);
  test_set_null (pipeline);
  g_assert_null (model_a); /* contexts do not keep it */
}

/* The application offers a model by a context. */
static void
test_given_context (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  g_autoptr (GstContext) context = gst_context_new ("bitnet.model", TRUE);
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc name=s location=%s ! fakesink", test_quick_model ());
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (BitnetModel) found = NULL;

  gst_structure_set (gst_context_writable_structure (context), "model",
      BITNET_TYPE_MODEL, model, NULL);
  gst_element_set_context (pipeline, context);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_EOS));
  g_object_get (source, "model", &found, NULL);
  g_assert_true (found == model);
  test_set_null (pipeline);
}

/* Eight chains on one engine: one whose sink blocks does not stop the
 * others. */
static GstPadProbeReturn
block (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_PAD_PROBE_OK; /* stays blocked until the probe is removed */
}

static void
test_eight_chains (void)
{
  GString *line = g_string_new (NULL);
  GString *texts[N_CHAINS];
  g_autoptr (GstElement) pipeline = NULL;
  g_autofree char *expected = expected_text ("hello", 200);
  g_autoptr (GstElement) blocked = NULL;
  g_autoptr (GstPad) pad = NULL;
  gulong probe;

  g_string_append_printf (line,
      "ggufsrc location=%s ! tokresolve ! tee name=m ", test_quick_model ());
  for (guint i = 0; i < N_CHAINS; i++)
    g_string_append_printf (line,
        "m. ! queue ! tokenize prompt=hello ! infer temperature=0 "
        "max-tokens=200 ! detokenize ! fakesink async=false name=out%u ",
        i);
  pipeline = test_launch ("%s", line->str);
  g_string_free (line, TRUE);
  for (guint i = 0; i < N_CHAINS; i++) {
    g_autofree char *name = g_strdup_printf ("out%u", i);
    g_autoptr (GstElement) sink =
        gst_bin_get_by_name (GST_BIN (pipeline), name);

    texts[i] = test_collect (pipeline, name);
    watch_eos (sink);
  }
  blocked = gst_bin_get_by_name (GST_BIN (pipeline), "out0");
  pad = gst_element_get_static_pad (blocked, "sink");
  probe = gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, block, NULL, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 1; i < N_CHAINS; i++)
    wait_for_end (pipeline);
  g_assert_cmpuint (texts[0]->len, ==, 0);
  for (guint i = 1; i < N_CHAINS; i++)
    g_assert_cmpstr (texts[i]->str, ==, expected);
  gst_pad_remove_probe (pad, probe);
  wait_for_end (pipeline);
  g_assert_cmpstr (texts[0]->str, ==, expected);
  test_set_null (pipeline);
}

/* The same, but the pipeline goes to NULL while one is blocked. */
static void
test_blocked_null (void)
{
  g_autoptr (GstElement) pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve ! tokenize prompt=hello ! "
                   "infer max-tokens=0 ignore-eos=true ! detokenize ! fakesink",
          test_slow_model ());

  /* PAUSED: the sink blocks with the first text. */
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  gst_element_get_state (
      pipeline, NULL, NULL, TEST_DEADLINE_SECONDS * GST_SECOND);
  test_set_null (pipeline);
}

/* An event for the pipeline ends the response, not the stream. */
static void
test_cancel_pipeline (void)
{
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize prompt=hello ! "
      "infer max-tokens=0 ignore-eos=true ! detokenize ! fakesink name=out",
      test_slow_model ());
  GString *text = test_collect (pipeline, "out");
  GstMessage *message;
  const GstStructure *s;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_element_get_state (
      pipeline, NULL, NULL, TEST_DEADLINE_SECONDS * GST_SECOND);
  for (guint i = 0; i < 2; i++)
    gst_element_send_event (
        pipeline, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
                      gst_structure_new_empty ("bitnet/cancel")));
  do {
    message = test_wait_message (pipeline, GST_MESSAGE_ELEMENT);
    s = gst_message_get_structure (message);
  } while (!gst_structure_has_name (s, "bitnet-generation")
           && (gst_message_unref (message), TRUE));
  g_assert_cmpstr (
      gst_structure_get_string (s, "finish-reason"), ==, "cancelled");
  gst_message_unref (message);
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_EOS));
  g_assert_nonnull (text);
  test_set_null (pipeline);
}

/* A new prompt interrupts: every prompt is answered, none waits long. */
static void
test_interrupt (void)
{
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize name=t interrupt=true "
      "history-size=4 overflow=trim-oldest ! "
      "infer max-tokens=0 ignore-eos=true ! detokenize ! fakesink",
      test_slow_model ());
  g_autoptr (GstElement) tokenize =
      gst_bin_get_by_name (GST_BIN (pipeline), "t");
  gboolean accepted;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_INFO));
  for (guint i = 0; i < 4; i++) {
    g_signal_emit_by_name (tokenize, "submit", "hello", &accepted);
    g_assert_true (accepted);
  }
  for (guint i = 0; i < 3; i++) {
    GstMessage *message;

    do
      message = test_wait_message (pipeline, GST_MESSAGE_ELEMENT);
    while (!gst_message_has_name (message, "bitnet-generation")
           && (gst_message_unref (message), TRUE));
    g_assert_cmpstr (gst_structure_get_string (
                         gst_message_get_structure (message), "finish-reason"),
        ==, "cancelled");
    gst_message_unref (message);
  }
  test_set_null (pipeline);
}

/* A conversation with the real infer: the second prompt builds on the first
 * answer, and finds the beginning in the cache. */
static void
test_conversation (void)
{
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize name=t template=none "
      "history-size=4 ! infer temperature=0 max-tokens=8 ! detokenize ! "
      "fakesink",
      test_quick_model ());
  g_autoptr (GstElement) tokenize =
      gst_bin_get_by_name (GST_BIN (pipeline), "t");
  guint n_prompt[2] = {0}, n_cached[2] = {0};
  g_autofree char *history = NULL;
  g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
  gboolean accepted;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_INFO));
  for (guint i = 0; i < 2; i++) {
    GstMessage *message;

    g_signal_emit_by_name (tokenize, "submit", "hello world hello", &accepted);
    do
      message = test_wait_message (pipeline, GST_MESSAGE_ELEMENT);
    while (!gst_message_has_name (message, "bitnet-generation")
           && (gst_message_unref (message), TRUE));
    gst_structure_get (gst_message_get_structure (message), "prompt-tokens",
        G_TYPE_UINT, &n_prompt[i], "cached-tokens", G_TYPE_UINT, &n_cached[i],
        NULL);
    gst_message_unref (message);
  }
  g_assert_cmpuint (n_prompt[1], >, n_prompt[0]);
  g_signal_emit_by_name (tokenize, "close");
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_EOS));
  g_object_get (tokenize, "history", &history, NULL);
  g_assert_true (
      bitnet_conversation_load_json (conversation, history, -1, NULL));
  g_assert_cmpuint (bitnet_conversation_get_n_messages (conversation), ==, 4);
  test_set_null (pipeline);
}

/* Text leaves the process, and nothing of ours with it. */
static void
test_gdp (void)
{
  g_autoptr (GstElement) pipeline = NULL;
  g_autofree char *expected = NULL;
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("gdppay");
  GString *text;

  if (factory == NULL) {
    g_test_skip ("gdppay (gst-plugins-bad) is not installed");
    return;
  }
  expected = expected_text ("hello", 20);
  pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize prompt=hello ! "
      "infer temperature=0 max-tokens=20 ! detokenize turn-events=false ! "
      "gdppay ! gdpdepay ! fakesink name=out",
      test_quick_model ());
  text = test_collect (pipeline, "out");
  test_run_to_eos (pipeline);
  g_assert_cmpstr (text->str, ==, expected);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  alarm (DEADLOCK_SECONDS);
  g_test_add_func ("/sharing/tee", test_tee);
  g_test_add_func ("/sharing/late-branch", test_late_branch);
  g_test_add_func ("/sharing/late-stream", test_late_stream);
  g_test_add_func ("/sharing/contexts", test_contexts);
  g_test_add_func ("/sharing/given-context", test_given_context);
  g_test_add_func ("/sharing/eight-chains", test_eight_chains);
  g_test_add_func ("/sharing/blocked-null", test_blocked_null);
  g_test_add_func ("/sharing/cancel-pipeline", test_cancel_pipeline);
  g_test_add_func ("/sharing/interrupt", test_interrupt);
  g_test_add_func ("/sharing/conversation", test_conversation);
  g_test_add_func ("/sharing/gdp", test_gdp);
  return test_finish ();
}
