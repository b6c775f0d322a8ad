/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenize: one prompt after the other: interactive use, history with a
 * pretended infer, prompts that are too long. */
#include <string.h>

#include "tokenize-fixture.h"

/* Interactive. */

static gboolean
emit_submit (GstElement *element, const char *signal, const char *text)
{
  gboolean accepted = FALSE;

  g_signal_emit_by_name (element, signal, text, &accepted);
  return accepted;
}

static void
test_interactive (void)
{
  Fixture f;
  GstMessage *message;
  GstEvent *event;

  set_up (&f, NULL);
  finish_model (&f);
  message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_INFO);
  g_assert_nonnull (message);
  gst_message_unref (message);
  g_assert_true (emit_submit (f.element, "submit", "hello"));
  expect_prompt (&f, "hello");
  g_assert_true (
      emit_submit (f.element, "submit-json", "{\"prompt\": \"world\"}"));
  expect_prompt (&f, "world");
  g_assert_null (gst_bus_pop_filtered (f.bus, GST_MESSAGE_INFO));
  g_signal_emit_by_name (f.element, "close");
  do
    event = gst_harness_pull_event (f.h);
  while (GST_EVENT_TYPE (event) != GST_EVENT_EOS
         && (gst_event_unref (event), TRUE));
  gst_event_unref (event);
  test_set_null (f.element);
  g_assert_false (emit_submit (f.element, "submit", "late"));
  tear_down (&f);
}

/* An EOS event for the pipeline ends an interactive stream. */
static void
test_interactive_eos (void)
{
  GstElement *pipeline = test_launch ("ggufsrc location=%s ! tokresolve ! "
                                      "tokenize name=t ! fakesink name=out",
      test_quick_model ());
  g_autoptr (GstElement) element =
      gst_bin_get_by_name (GST_BIN (pipeline), "t");

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_INFO));
  g_assert_true (emit_submit (element, "submit", "hello"));
  gst_element_send_event (pipeline, gst_event_new_eos ());
  gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_EOS));
  test_set_null (pipeline);
  gst_object_unref (pipeline);
}

/* Where no chain function returns the flow, the element itself says that
 * nothing is linked behind it. */
static void
test_not_linked (void)
{
  g_autofree char *path = test_write_file ("unended.txt", "hello", 5);
  g_autofree char *unended = g_strdup_printf (
      "filesrc location=%s ! text/x-raw,format=utf8 ! t.prompt", path);
  const char *const prompt_chains[] = {"", unended};

  for (gsize i = 0; i < G_N_ELEMENTS (prompt_chains); i++) {
    GstElement *pipeline =
        test_launch ("ggufsrc location=%s ! tokresolve ! tokenize name=t %s",
            test_quick_model (), prompt_chains[i]);
    g_autoptr (GstElement) element =
        gst_bin_get_by_name (GST_BIN (pipeline), "t");
    GstMessage *message;

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    if (i == 0) {
      gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_INFO));
      g_assert_true (emit_submit (element, "submit", "hello"));
    }
    message = test_wait_message (pipeline, GST_MESSAGE_ERROR);
    g_assert_true (GST_MESSAGE_SRC (message) == GST_OBJECT (element));
    gst_message_unref (message);
    test_set_null (pipeline);
    gst_object_unref (pipeline);
  }
}

static void
test_refused_submit (void)
{
  Fixture f;

  set_up (&f, "prompt", "hello", NULL);
  g_assert_false (emit_submit (f.element, "submit", "x"));
  tear_down (&f);
}

/* History, with the test in infer's place. */

static gboolean
answer_turns (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_CUSTOM
      && gst_structure_has_name (
          gst_query_get_structure (query), "bitnet/turns"))
    return TRUE;
  return gst_pad_query_default (pad, parent, query);
}

static void
answer (Fixture *f, guint64 id, const char *text)
{
  gsize n;
  guint32 *ids = bitnet_tokenizer_encode (
      f->tokenizer, text, -1, BITNET_ENCODE_NONE, &n, NULL);
  g_autoptr (GBytes) bytes = NULL;

  for (gsize i = 0; i < n; i++)
    ids[i] = GUINT32_TO_LE (ids[i]);
  bytes = g_bytes_new_take (ids, n * sizeof *ids);
  gst_harness_push_upstream_event (
      f->h, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
                gst_structure_new ("bitnet/turn", "request-id", G_TYPE_UINT64,
                    id, "finish-reason", G_TYPE_STRING, "stop", "ids",
                    G_TYPE_BYTES, bytes, NULL)));
}

static void
on_turn_done (
    GstElement *element, guint64 id, const char *text, gpointer collected)
{
  g_string_append_printf (collected, "%u:%s;", (guint) id, text);
}

static void
test_history (void)
{
  Fixture f;
  g_autoptr (GString) collected = g_string_new (NULL);
  g_autofree char *history = NULL;

  set_up (&f, "history-size", 1, "template", "none", NULL);
  gst_pad_set_query_function (f.h->sinkpad, answer_turns);
  g_signal_connect (
      f.element, "turn-done", G_CALLBACK (on_turn_done), collected);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  push_text (&f, "one\n", 4);
  expect_prompt (&f, "one");
  answer (&f, 0, "eins");
  push_text (&f, "two\n", 4);
  expect_prompt (&f, "one\neins\ntwo");
  answer (&f, 1, "zwei");
  push_text (&f, "three\n", 6);
  expect_prompt (&f, "two\nzwei\nthree"); /* one turn is kept */
  answer (&f, 2, "drei");
  g_assert_cmpstr (collected->str, ==, "0:eins;1:zwei;2:drei;");
  g_object_get (f.element, "history", &history, NULL);
  g_assert_nonnull (strstr (history, "drei"));
  g_object_set (f.element, "history", "[]", NULL);
  push_text (&f, "four\n", 5);
  expect_prompt (&f, "four");
  tear_down (&f);
}

/* The second prompt has the first one's answer in it: it waited for it. */
static void
test_history_waits (void)
{
  Fixture f;
  GThread *thread;

  set_up (&f, "history-size", 5, "template", "none", NULL);
  gst_pad_set_query_function (f.h->sinkpad, answer_turns);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  push_text (&f, "one\n", 4);
  expect_prompt (&f, "one");
  thread = g_thread_new ("prompt", push_in_thread, &f);
  answer (&f, 0, "eins");
  g_thread_join (thread);
  expect_prompt (&f, "one\neins\nhello");
  /* And the wait can be interrupted. */
  thread = g_thread_new ("prompt", push_in_thread, &f);
  test_set_null (f.element);
  g_assert_cmpint (
      GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_FLUSHING);
  tear_down (&f);
}

/* Nobody downstream tells of answers: nothing to wait for. */
static void
test_history_alone (void)
{
  Fixture f;

  set_up (&f, "history-size", 5, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  push_text (&f, "one\ntwo\n", 8);
  expect_prompt (&f, "one");
  expect_prompt (&f, "two");
  tear_down (&f);
}

static void
test_interrupt (void)
{
  Fixture f;
  GstEvent *event;

  set_up (&f, "interrupt", TRUE, NULL);
  gst_pad_set_query_function (f.h->sinkpad, answer_turns);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  push_text (&f, "one\n", 4);
  g_assert_null (test_pull_event (
      f.h, GST_EVENT_CUSTOM_DOWNSTREAM_OOB, "bitnet/interrupt"));
  push_text (&f, "two\n", 4);
  event = test_pull_event (
      f.h, GST_EVENT_CUSTOM_DOWNSTREAM_OOB, "bitnet/interrupt");
  g_assert_nonnull (event);
  gst_event_unref (event);
  answer (&f, 0, "");
  answer (&f, 1, "");
  push_text (&f, "three\n", 6);
  g_assert_null (test_pull_event (
      f.h, GST_EVENT_CUSTOM_DOWNSTREAM_OOB, "bitnet/interrupt"));
  tear_down (&f);
}

/* Too long. */

static char *
long_text (guint n_words)
{
  GString *text = g_string_new ("start");

  for (guint i = 0; i < n_words; i++)
    g_string_append_printf (text, " q%u", i);
  return g_string_free (text, FALSE);
}

static void
test_overflow (void)
{
  g_autofree char *prompt = long_text (500);
  Fixture f;
  GstBuffer *buffer;
  GstMessage *message;
  gsize n;

  set_up (&f, "prompt", prompt, NULL);
  test_push_handles (f.h, f.model, f.tokenizer);
  g_assert_cmpint (
      gst_harness_push (f.h, gst_buffer_new ()), ==, GST_FLOW_ERROR);
  expect_error (&f, GST_STREAM_ERROR, GST_STREAM_ERROR_ENCODE, "512");
  tear_down (&f);

  set_up (&f, "prompt", prompt, NULL);
  gst_util_set_object_arg (G_OBJECT (f.element), "overflow", "truncate");
  finish_model (&f);
  buffer = gst_harness_pull (f.h);
  n = gst_buffer_get_size (buffer) / 4;
  g_assert_cmpuint (n, <, 512);
  g_assert_cmpuint (n, >, 256);
  gst_buffer_unref (buffer);
  message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  gst_message_unref (message);
  tear_down (&f);

  /* Nothing older to forget. */
  set_up (&f, "prompt", prompt, NULL);
  gst_util_set_object_arg (G_OBJECT (f.element), "overflow", "trim-oldest");
  test_push_handles (f.h, f.model, f.tokenizer);
  g_assert_cmpint (
      gst_harness_push (f.h, gst_buffer_new ()), ==, GST_FLOW_ERROR);
  tear_down (&f);
}

static void
test_trim_oldest (void)
{
  g_autofree char *words = long_text (90);
  g_autofree char *line = g_strconcat (words, "\n", NULL);
  Fixture f;
  GstMessage *message = NULL;

  set_up (&f, "history-size", 100, "template", "none", NULL);
  gst_util_set_object_arg (G_OBJECT (f.element), "overflow", "trim-oldest");
  gst_pad_set_query_function (f.h->sinkpad, answer_turns);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  for (guint i = 0; i < 4; i++) {
    GstBuffer *buffer;

    g_assert_cmpint (push_text (&f, line, strlen (line)), ==, GST_FLOW_OK);
    buffer = gst_harness_pull (f.h);
    g_assert_cmpuint (gst_buffer_get_size (buffer) / 4, <, 512);
    gst_buffer_unref (buffer);
    answer (&f, i, "ok");
  }
  message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  gst_message_unref (message);
  tear_down (&f);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_test_add_func ("/tokenize/interactive", test_interactive);
  g_test_add_func ("/tokenize/interactive-eos", test_interactive_eos);
  g_test_add_func ("/tokenize/not-linked", test_not_linked);
  g_test_add_func ("/tokenize/refused-submit", test_refused_submit);
  g_test_add_func ("/tokenize/history", test_history);
  g_test_add_func ("/tokenize/history-waits", test_history_waits);
  g_test_add_func ("/tokenize/history-alone", test_history_alone);
  g_test_add_func ("/tokenize/interrupt", test_interrupt);
  g_test_add_func ("/tokenize/overflow", test_overflow);
  g_test_add_func ("/tokenize/trim-oldest", test_trim_oldest);
  return test_finish ();
}
