/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State changes: at every moment of loading, resolving, waiting, prefill and
 * decoding NULL is reached, nothing is kept, and the pipeline runs again. */
#include <string.h>
#include <unistd.h>
#include "element-test.h"

enum {
  N_ROUNDS = 60,
  MAX_WAIT_MS = 40,
  /* A deadlock is a failure, not a hang. */
  DEADLOCK_SECONDS = 300,
};

static const char *const elements[] = {
    "ggufsrc", "tokresolve", "tokenize", "infer", "detokenize"};

/* Up and down without data, alone. */
static void
test_alone (gconstpointer name)
{
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make (name, NULL));

  for (guint i = 0; i < 3; i++) {
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_READY), !=,
        GST_STATE_CHANGE_FAILURE);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), !=,
        GST_STATE_CHANGE_FAILURE);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_PLAYING), !=,
        GST_STATE_CHANGE_FAILURE);
    test_set_null (element);
  }
}

static void
test_restart (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  g_autoptr (BitnetTokenizer) tokenizer = test_open_tokenizer (model);
  g_autoptr (GArray) ids = test_generate (model, tokenizer, "hello", 24);
  g_autofree char *expected = test_decode (tokenizer, ids);
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize prompt=hello ! "
      "infer temperature=0 max-tokens=24 ! detokenize ! fakesink name=out",
      test_quick_model ());
  GString *text = test_collect (pipeline, "out");

  for (guint i = 0; i < 3; i++) {
    g_string_truncate (text, 0);
    test_run_to_eos (pipeline);
    g_assert_cmpstr (text->str, ==, expected);
  }
}

/* PAUSED and back: what was generated stays in the sink until then. */
static void
test_ready_and_back (void)
{
  g_autoptr (GstElement) pipeline =
      test_launch ("ggufsrc location=%s ! tokresolve ! tokenize prompt=hello ! "
                   "infer max-tokens=0 ignore-eos=true ! detokenize ! fakesink",
          test_slow_model ());

  for (guint i = 0; i < 3; i++) {
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL,
                         TEST_DEADLINE_SECONDS * GST_SECOND),
        ==, GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state (pipeline, GST_STATE_READY);
  }
  test_set_null (pipeline);
}

/* After NULL nobody holds a handle. */
static void
test_weak_refs (void)
{
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc name=s location=%s ! tokresolve name=r ! "
      "tokenize prompt=hello ! infer name=i max-tokens=0 ignore-eos=true ! "
      "detokenize ! fakesink sync=false name=out",
      test_slow_model ());
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstElement) resolve =
      gst_bin_get_by_name (GST_BIN (pipeline), "r");
  g_autoptr (GstElement) infer = gst_bin_get_by_name (GST_BIN (pipeline), "i");

  for (guint i = 0; i < 3; i++) {
    BitnetModel *model;
    BitnetTokenizer *tokenizer;
    BitnetEngine *engine;

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    gst_element_get_state (
        pipeline, NULL, NULL, TEST_DEADLINE_SECONDS * GST_SECOND);
    g_object_get (source, "model", &model, NULL);
    g_object_get (resolve, "result", &tokenizer, NULL);
    g_object_get (infer, "engine", &engine, NULL);
    g_assert_true (model && tokenizer && engine);
    g_object_add_weak_pointer (G_OBJECT (model), (gpointer *) &model);
    g_object_add_weak_pointer (G_OBJECT (tokenizer), (gpointer *) &tokenizer);
    g_object_add_weak_pointer (G_OBJECT (engine), (gpointer *) &engine);
    g_object_unref (model);
    g_object_unref (tokenizer);
    g_object_unref (engine);
    test_set_null (pipeline);
    g_assert_null (engine);
    g_assert_null (tokenizer);
    g_assert_null (model);
  }
}

static char *
long_prompt (void)
{
  GString *text = g_string_new ("start");

  for (guint i = 0; i < 600; i++)
    g_string_append_printf (text, " q%u", i);
  return g_string_free (text, FALSE);
}

/* A moment later, unless the stream ends or fails before. */
static void
let_run (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus,
      g_test_rand_int_range (0, MAX_WAIT_MS * 1000) * GST_USECOND,
      GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  if (message == NULL)
    return;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;

    gst_message_parse_error (message, &error, NULL);
    g_assert_no_error (error);
  }
  gst_message_unref (message);
}

static void
torture (GstElement *pipeline)
{
  for (guint i = 0; i < N_ROUNDS; i++) {
    gst_element_set_state (pipeline,
        g_test_rand_int_range (0, 3) ? GST_STATE_PLAYING : GST_STATE_PAUSED);
    let_run (pipeline);
    test_set_null (pipeline);
  }
}

static void
test_torture_one_shot (void)
{
  g_autofree char *prompt = long_prompt ();
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize prompt=\"%s\" ! "
      "infer max-tokens=0 ignore-eos=true ! detokenize ! fakesink",
      test_slow_model (), prompt);

  torture (pipeline);
}

/* Two streams, a queue that fills up, a history to wait for. */
static void
test_torture_stream (void)
{
  g_autofree char *prompts = g_strnfill (4000, 'x');
  g_autofree char *path = NULL;
  g_autoptr (GstElement) pipeline = NULL;

  for (guint i = 20; i < 4000; i += 20)
    prompts[i] = '\n';
  path = test_write_file ("prompts.txt", prompts, 4000);
  pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize name=t history-size=3 "
      "overflow=trim-oldest ! infer parallel=4 max-tokens=20 ! "
      "detokenize granularity=word ! fakesink  "
      "filesrc location=%s ! text/x-raw,format=utf8 ! t.prompt",
      test_slow_model (), path);
  torture (pipeline);
}

/* Waiting for a prompt that never comes. */
static void
test_torture_idle (void)
{
  g_autoptr (GstElement) pipeline = test_launch (
      "ggufsrc location=%s ! tokresolve ! tokenize ! infer ! detokenize ! "
      "fakesink",
      test_slow_model ());

  torture (pipeline);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  alarm (DEADLOCK_SECONDS);
  for (gsize i = 0; i < G_N_ELEMENTS (elements); i++) {
    g_autofree char *path = g_strconcat ("/states/alone/", elements[i], NULL);

    g_test_add_data_func (path, elements[i], test_alone);
  }
  g_test_add_func ("/states/restart", test_restart);
  g_test_add_func ("/states/ready-and-back", test_ready_and_back);
  g_test_add_func ("/states/weak-refs", test_weak_refs);
  g_test_add_func ("/states/torture/one-shot", test_torture_one_shot);
  g_test_add_func ("/states/torture/stream", test_torture_stream);
  g_test_add_func ("/states/torture/idle", test_torture_idle);
  return test_finish ();
}
