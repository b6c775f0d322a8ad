/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenize: where prompts come from, what they become, order of events,
 * refusals. */
#include <string.h>

#include "tokenize-fixture.h"

/* One shot. */

static void
test_one_shot (void)
{
  static const char *const expected[] = {"stream-start", "caps", "segment",
      "bitnet/model", "caps", "bitnet/tokenizer"};
  Fixture f;
  GstEvent *event;

  set_up (&f, "prompt", "hello world", NULL);
  finish_model (&f);
  expect_prompt (&f, "hello world");
  gst_harness_push_event (f.h, gst_event_new_eos ());
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    const char *name;

    event = gst_harness_pull_event (f.h);
    name = GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY
               ? gst_structure_get_name (gst_event_get_structure (event))
               : GST_EVENT_TYPE_NAME (event);
    g_assert_cmpstr (name, ==, expected[i]);
    gst_event_unref (event);
  }
  event = gst_harness_pull_event (f.h);
  g_assert_cmpint (GST_EVENT_TYPE (event), ==, GST_EVENT_EOS);
  gst_event_unref (event);
  g_assert_cmpuint (gst_harness_buffers_received (f.h), ==, 1);
  tear_down (&f);
}

/* The engine can load weights while the tokenizer is looked for. */
static void
test_model_first (void)
{
  Fixture f;
  GstEvent *event;

  set_up (&f, "prompt", "hello", NULL);
  test_push_handles (f.h, f.model, NULL);
  event =
      test_pull_event (f.h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/model");
  g_assert_nonnull (event);
  gst_event_unref (event);
  tear_down (&f);
}

/* A branch that was linked behind the buffer: handles and EOS only. */
static void
test_no_buffer (void)
{
  Fixture f;

  set_up (&f, "prompt", "hello", NULL);
  test_push_handles (f.h, f.model, f.tokenizer);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect_prompt (&f, "hello");
  tear_down (&f);
}

static void
test_caps (void)
{
  Fixture f;
  g_autoptr (GstCaps) caps = NULL;
  const GstStructure *s;
  int vocab_size;
  gboolean fallback = TRUE;

  set_up (&f, "prompt", "hello", NULL);
  finish_model (&f);
  caps = gst_pad_get_current_caps (f.h->sinkpad);
  s = gst_caps_get_structure (caps, 0);
  g_assert_true (gst_structure_has_name (s, "application/x-llm-tokens"));
  g_assert_cmpstr (gst_structure_get_string (s, "format"), ==, "U32LE");
  g_assert_cmpstr (gst_structure_get_string (s, "tokenizer"), ==,
      bitnet_tokenizer_get_id (f.tokenizer));
  g_assert_true (gst_structure_get (s, "vocab-size", G_TYPE_INT, &vocab_size,
      "fallback", G_TYPE_BOOLEAN, &fallback, NULL));
  g_assert_cmpint (
      vocab_size, ==, bitnet_tokenizer_get_vocab_size (f.tokenizer));
  g_assert_false (fallback);
  tear_down (&f);
}

static void
test_no_handles (void)
{
  Fixture f;

  set_up (&f, "prompt", "hello", NULL);
  g_assert_cmpint (
      gst_harness_push (f.h, gst_buffer_new ()), ==, GST_FLOW_ERROR);
  expect_error (
      &f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "ggufsrc");
  tear_down (&f);
  set_up (&f, "prompt", "hello", NULL);
  test_push_handles (f.h, f.model, NULL);
  g_assert_cmpint (
      gst_harness_push (f.h, gst_buffer_new ()), ==, GST_FLOW_ERROR);
  expect_error (
      &f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "tokenizer");
  tear_down (&f);
}

static void
test_send_handles (void)
{
  Fixture f;

  set_up (&f, "prompt", "hello", "send-handles", FALSE, NULL);
  finish_model (&f);
  expect_prompt (&f, "hello");
  g_assert_null (
      test_pull_event (f.h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, NULL));
  tear_down (&f);
}

static void
test_bad_prompts (void)
{
  Fixture f;

  set_up (&f, "prompt", "caf\xe9", NULL);
  test_push_handles (f.h, f.model, f.tokenizer);
  g_assert_cmpint (
      gst_harness_push (f.h, gst_buffer_new ()), ==, GST_FLOW_ERROR);
  expect_error (
      &f, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, "0xe9 at offset 3");
  tear_down (&f);
  set_up (&f, "prompt", "", "add-special", 2, NULL);
  test_push_handles (f.h, f.model, f.tokenizer);
  g_assert_cmpint (
      gst_harness_push (f.h, gst_buffer_new ()), ==, GST_FLOW_ERROR);
  expect_error (
      &f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "no tokens");
  tear_down (&f);
}

/* Special tokens. */

static void
test_special (void)
{
  static const struct {
    const char *add, *prompt;
    gboolean parse, has_bos, has_control;
  } cases[] = {
      {"auto", "hello<|eot_id|>", FALSE, TRUE, FALSE},
      {"yes", "hello<|eot_id|>", TRUE, TRUE, TRUE},
      {"no", "hello<|eot_id|>", FALSE, FALSE, FALSE},
      {"no", "hello<|eot_id|>", TRUE, FALSE, TRUE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Fixture f;
    g_autoptr (GArray) ids = NULL;
    GstBuffer *buffer;
    guint32 bos, eot;
    gboolean has_bos, has_control = FALSE;

    set_up (
        &f, "prompt", cases[i].prompt, "parse-special", cases[i].parse, NULL);
    gst_util_set_object_arg (G_OBJECT (f.element), "add-special", cases[i].add);
    bos = bitnet_tokenizer_get_special (f.tokenizer, BITNET_SPECIAL_BOS);
    eot = bitnet_tokenizer_lookup (f.tokenizer, "<|eot_id|>");
    finish_model (&f);
    buffer = gst_harness_pull (f.h);
    ids = test_buffer_ids (buffer);
    gst_buffer_unref (buffer);
    has_bos = g_array_index (ids, guint32, 0) == bos;
    for (guint j = 0; j < ids->len; j++)
      has_control |= g_array_index (ids, guint32, j) == eot;
    if (g_strcmp0 (cases[i].add, "auto") == 0)
      g_assert_cmpint (has_bos, ==, bitnet_tokenizer_get_add_bos (f.tokenizer));
    else
      g_assert_cmpint (has_bos, ==, cases[i].has_bos);
    g_assert_cmpint (has_control, ==, cases[i].has_control);
    tear_down (&f);
  }
}

/* Templates: a form by name, a file, a missing file. */
static void
test_template (void)
{
  static const char chatml[] =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'"
      " + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
      "{% endif %}";
  g_autofree char *path =
      test_write_file ("chatml.jinja", chatml, sizeof chatml - 1);
  const char *const settings[] = {"chatml", path};

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    g_autoptr (BitnetTemplate) template =
        bitnet_template_new_named ("chatml", NULL);
    g_autoptr (BitnetConversation) conversation = bitnet_conversation_new ();
    g_autoptr (GArray) ids = NULL;
    g_autofree guint32 *expected = NULL;
    GstBuffer *buffer;
    gsize n;
    Fixture f;

    set_up (&f, "prompt", "hello", "system-prompt", "Be brief.", "template",
        settings[i], NULL);
    bitnet_conversation_append (conversation, "system", "Be brief.", NULL);
    bitnet_conversation_append (conversation, "user", "hello", NULL);
    expected = bitnet_template_encode (template, conversation, f.tokenizer,
        TRUE, BITNET_ENCODE_ADD_SPECIAL, &n, NULL);
    finish_model (&f);
    buffer = gst_harness_pull (f.h);
    ids = test_buffer_ids (buffer);
    g_assert_cmpmem (ids->data, ids->len * 4, expected, n * 4);
    gst_buffer_unref (buffer);
    tear_down (&f);
  }
}

static void
test_no_template (void)
{
  Fixture f;

  set_up (&f, "prompt", "hello", "template", "/nonexistent.jinja", NULL);
  test_push_handles (f.h, f.model, f.tokenizer);
  g_assert_cmpint (
      gst_harness_push (f.h, gst_buffer_new ()), ==, GST_FLOW_ERROR);
  expect_error (&f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
      "/nonexistent.jinja");
  tear_down (&f);
}

/* Streams. */

static void
test_lines (void)
{
  Fixture f;
  GstEvent *event;
  const GstSegment *segment;
  const char *id;

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  g_assert_cmpuint (gst_harness_buffers_received (f.h), ==, 0);
  g_assert_cmpint (push_text (&f, "hello\nwo", 8), ==, GST_FLOW_OK);
  expect_prompt (&f, "hello");
  g_assert_cmpint (push_text (&f, "rld\n\xe2\x82", 6), ==, GST_FLOW_OK);
  expect_prompt (&f, "world");
  g_assert_cmpint (push_text (&f, "\xac last", 6), ==, GST_FLOW_OK);
  /* The model's end is not the stream's. */
  gst_harness_push_event (f.h, gst_event_new_eos ());
  g_assert_cmpuint (gst_harness_buffers_received (f.h), ==, 2);
  gst_harness_push_event (f.prompt, gst_event_new_eos ());
  expect_prompt (&f, "\xe2\x82\xac last");

  event = test_pull_event (f.h, GST_EVENT_STREAM_START, NULL);
  gst_event_parse_stream_start (event, &id);
  g_assert_cmpstr (id, ==, "abc/tokens");
  gst_event_unref (event);
  event = test_pull_event (f.h, GST_EVENT_SEGMENT, NULL);
  gst_event_parse_segment (event, &segment);
  g_assert_cmpint (segment->format, ==, GST_FORMAT_TIME);
  gst_event_unref (event);
  event = test_pull_event (f.h, GST_EVENT_EOS, NULL);
  g_assert_nonnull (event);
  gst_event_unref (event);
  tear_down (&f);
}

/* A timed stream: segment and times go through, each buffer is a prompt. */
static void
test_timed (void)
{
  Fixture f;
  GstBuffer *buffer;
  GstEvent *event;
  GstSegment segment;
  const GstSegment *sent;

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_TIME);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.position = segment.time = 5 * GST_SECOND;
  gst_harness_push_event (f.prompt, gst_event_new_segment (&segment));
  finish_model (&f);
  buffer = gst_buffer_new_memdup ("two\nlines", 9);
  GST_BUFFER_PTS (buffer) = 6 * GST_SECOND;
  GST_BUFFER_DURATION (buffer) = GST_SECOND;
  g_assert_cmpint (gst_harness_push (f.prompt, buffer), ==, GST_FLOW_OK);
  buffer = gst_harness_pull (f.h);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 6 * GST_SECOND);
  g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, GST_SECOND);
  gst_buffer_unref (buffer);
  gst_harness_push_event (
      f.prompt, gst_event_new_gap (7 * GST_SECOND, GST_SECOND));

  do { /* the segment that was current when data came */
    event = test_pull_event (f.h, GST_EVENT_SEGMENT, NULL);
    g_assert_nonnull (event);
    gst_event_parse_segment (event, &sent);
    if (sent->start != 5 * GST_SECOND)
      gst_clear_event (&event);
  } while (event == NULL);
  g_assert_true (gst_segment_is_equal (sent, &segment));
  gst_event_unref (event);
  event = test_pull_event (f.h, GST_EVENT_GAP, NULL);
  g_assert_nonnull (event);
  gst_event_unref (event);
  tear_down (&f);
}

/* A prompt waits for the handles, whoever comes first. */
static void
test_prompt_first (void)
{
  Fixture f;
  GThread *thread;

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  thread = g_thread_new ("prompt", push_in_thread, &f);
  finish_model (&f);
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_OK);
  expect_prompt (&f, "hello");
  tear_down (&f);
}

/* The wait ends with a flush, with the model's end, with the state. */
static void
test_wait_ends (void)
{
  Fixture f;
  GThread *thread;

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  thread = g_thread_new ("prompt", push_in_thread, &f);
  gst_harness_push_event (f.prompt, gst_event_new_flush_start ());
  g_assert_cmpint (
      GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_FLUSHING);
  tear_down (&f);

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  thread = g_thread_new ("prompt", push_in_thread, &f);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_EOS);
  tear_down (&f);

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  thread = g_thread_new ("prompt", push_in_thread, &f);
  test_set_null (f.element);
  g_assert_cmpint (
      GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_FLUSHING);
  tear_down (&f);
}

/* Releasing the pad wakes what waits in it. */
static void
test_release (void)
{
  GstElement *element = gst_element_factory_make ("tokenize", NULL);
  GstPad *pad;

  gst_object_ref_sink (element);
  gst_element_set_state (element, GST_STATE_PAUSED);
  pad = gst_element_request_pad_simple (element, "prompt");
  g_assert_nonnull (pad);
  gst_element_release_request_pad (element, pad);
  gst_object_unref (pad);
  pad = gst_element_request_pad_simple (element, "prompt");
  g_assert_nonnull (pad);
  gst_element_release_request_pad (element, pad);
  gst_object_unref (pad);
  test_set_null (element);
  gst_object_unref (element);
}

static void
test_bad_stream (void)
{
  Fixture f;

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  g_assert_cmpint (push_text (&f, "ok\nbad \xff\n", 9), ==, GST_FLOW_ERROR);
  expect_error (
      &f, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, "0xff at offset 7");
  tear_down (&f);
}

static void
test_markup (void)
{
  Fixture f;

  set_up (&f, NULL);
  add_prompt_pad (
      &f, "text/x-raw, format=(string)pango-markup", GST_FORMAT_TIME);
  finish_model (&f);
  g_assert_cmpint (
      push_text (&f, "<i>hello</i> &amp; bye", 22), ==, GST_FLOW_OK);
  expect_prompt (&f, "hello & bye");
  tear_down (&f);
}

static void
test_json (void)
{
  static const char request[] =
      "{\"messages\": [{\"role\": \"user\", \"content\": \"hello\"}],\n"
      " \"temperature\": 0, \"max-tokens\": 3}";
  Fixture f;
  GstBuffer *buffer;
  g_autoptr (GArray) ids = NULL;
  g_autoptr (GArray) expected = NULL;
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  const GstStructure *s;

  set_up (&f, NULL);
  add_prompt_pad (&f, "application/x-json", GST_FORMAT_BYTES);
  finish_model (&f);
  g_assert_cmpint (
      push_text (&f, request, sizeof request - 1), ==, GST_FLOW_OK);
  buffer = gst_harness_pull (f.h);
  ids = test_buffer_ids (buffer);
  expected = encode (&f, "hello");
  test_assert_ids (ids, expected);
  s = gst_custom_meta_get_structure (
      gst_buffer_get_custom_meta (buffer, "BitnetRequestMeta"));
  g_assert_true (bitnet_params_load_json (
      params, gst_structure_get_string (s, "overrides"), -1, NULL));
  g_assert_cmpuint (params->max_tokens, ==, 3);
  gst_buffer_unref (buffer);
  tear_down (&f);
}

static void
test_bad_json (void)
{
  static const struct {
    const char *json, *part;
  } cases[] = {
      {"{\"messages\": 1}", "expected an array"},
      {"{\"prompt\": \"x\", \"temperature\": \"hot\"}", "temperature"},
      {"{\"prompt\": \"x\", \"colour\": 1}", "colour"},
      {"not json", ""},
      {"[]", ""},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Fixture f;

    set_up (&f, NULL);
    add_prompt_pad (&f, "application/x-json", GST_FORMAT_BYTES);
    finish_model (&f);
    g_assert_cmpint (push_text (&f, cases[i].json, strlen (cases[i].json)), ==,
        GST_FLOW_ERROR);
    expect_error (&f, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, cases[i].part);
    tear_down (&f);
  }
}

/* The meta, and the start of a conversation. */
static void
test_request_meta (void)
{
  Fixture f;

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  push_text (&f, "a\nb\n", 4);
  gst_harness_push_event (
      f.prompt, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                    gst_structure_new_empty ("bitnet/reset")));
  push_text (&f, "c\n", 2);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = gst_harness_pull (f.h);
    const GstStructure *s = gst_custom_meta_get_structure (
        gst_buffer_get_custom_meta (buffer, "BitnetRequestMeta"));
    guint64 id;
    guint turn;

    g_assert_true (gst_structure_get (
        s, "request-id", G_TYPE_UINT64, &id, "turn", G_TYPE_UINT, &turn, NULL));
    g_assert_cmpuint (id, ==, i);
    g_assert_cmpuint (turn, ==, i == 1 ? 1 : 0);
    g_assert_cmpint (
        GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT), ==, i != 1);
    gst_buffer_unref (buffer);
  }
  tear_down (&f);
}

static void
test_flush (void)
{
  Fixture f;
  GstSegment segment;
  GstEvent *event;

  set_up (&f, NULL);
  add_prompt_pad (&f, TEXT_CAPS, GST_FORMAT_BYTES);
  finish_model (&f);
  push_text (&f, "hello\nhalf", 10);
  gst_harness_push_event (f.prompt, gst_event_new_flush_start ());
  g_assert_cmpint (push_text (&f, "x\n", 2), ==, GST_FLOW_FLUSHING);
  gst_harness_push_event (f.prompt, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_BYTES);
  gst_harness_push_event (f.prompt, gst_event_new_segment (&segment));
  while (gst_harness_events_in_queue (f.h) > 0)
    gst_event_unref (gst_harness_pull_event (f.h));
  g_assert_cmpint (push_text (&f, "world\n", 6), ==, GST_FLOW_OK);
  expect_prompt (&f, "hello");
  expect_prompt (&f, "world"); /* half a line was dropped */
  event = test_pull_event (f.h, GST_EVENT_SEGMENT, NULL);
  g_assert_nonnull (event); /* a flush takes it away: sent again */
  gst_event_unref (event);
  tear_down (&f);
}

/* Downstream asks for handles that no event brought it. */
static void
test_context (void)
{
  Fixture f;
  GstQuery *query = gst_query_new_context ("bitnet.tokenizer");

  set_up (&f, NULL);
  g_assert_false (gst_pad_peer_query (f.h->sinkpad, query));
  test_push_handles (f.h, f.model, f.tokenizer);
  g_assert_true (gst_pad_peer_query (f.h->sinkpad, query));
  gst_query_unref (query);
  query = gst_query_new_context ("bitnet.model");
  g_assert_true (gst_pad_peer_query (f.h->sinkpad, query));
  gst_query_unref (query);
  tear_down (&f);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_test_add_func ("/tokenize/one-shot", test_one_shot);
  g_test_add_func ("/tokenize/C62/model-first", test_model_first);
  g_test_add_func ("/tokenize/no-buffer", test_no_buffer);
  g_test_add_func ("/tokenize/caps", test_caps);
  g_test_add_func ("/tokenize/no-handles", test_no_handles);
  g_test_add_func ("/tokenize/send-handles", test_send_handles);
  g_test_add_func ("/tokenize/bad-prompts", test_bad_prompts);
  g_test_add_func ("/tokenize/special", test_special);
  g_test_add_func ("/tokenize/template", test_template);
  g_test_add_func ("/tokenize/no-template", test_no_template);
  g_test_add_func ("/tokenize/lines", test_lines);
  g_test_add_func ("/tokenize/timed", test_timed);
  g_test_add_func ("/tokenize/prompt-first", test_prompt_first);
  g_test_add_func ("/tokenize/wait-ends", test_wait_ends);
  g_test_add_func ("/tokenize/release", test_release);
  g_test_add_func ("/tokenize/bad-stream", test_bad_stream);
  g_test_add_func ("/tokenize/markup", test_markup);
  g_test_add_func ("/tokenize/json", test_json);
  g_test_add_func ("/tokenize/bad-json", test_bad_json);
  g_test_add_func ("/tokenize/request-meta", test_request_meta);
  g_test_add_func ("/tokenize/flush", test_flush);
  g_test_add_func ("/tokenize/context", test_context);
  return test_finish ();
}
