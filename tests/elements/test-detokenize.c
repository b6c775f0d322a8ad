/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* detokenize: text of every granularity, unfinished characters, timestamps,
 * what ends a response, messages, a tokenizer from a file. */
#include <string.h>
#include "element-test.h"

typedef struct {
  GstElement *element;
  GstHarness *h;
  GstBus *bus;
  BitnetModel *model;
  BitnetTokenizer *tokenizer;
} Fixture;

static void
set_up (Fixture *f, const char *properties)
{
  g_autofree char *line = g_strdup_printf ("detokenize %s", properties);

  f->h = gst_harness_new_parse (line);
  f->element = gst_harness_find_element (f->h, "detokenize");
  f->bus = gst_bus_new ();
  gst_element_set_bus (f->element, f->bus);
  gst_harness_set_src_caps_str (
      f->h, "application/x-llm-tokens, format=(string)U32LE");
  f->model = test_open_model (test_quick_model ());
  f->tokenizer = test_open_tokenizer (f->model);
  test_push_handles (f->h, f->model, f->tokenizer);
}

static void
tear_down (Fixture *f)
{
  gst_element_set_bus (f->element, NULL);
  gst_object_unref (f->element);
  gst_harness_teardown (f->h);
  gst_object_unref (f->bus);
  g_object_unref (f->model);
  g_object_unref (f->tokenizer);
}

/* Tokens are bytes here: ids 0 to 255 of the test vocabulary. */
static GstBuffer *
byte_buffer (const char *bytes, gsize size, guint64 id)
{
  g_autofree guint32 *ids = g_new (guint32, size + 1);
  GstBuffer *buffer;

  for (gsize i = 0; i < size; i++)
    ids[i] = (guchar) bytes[i];
  buffer = test_token_buffer (ids, size);
  gst_structure_set (gst_custom_meta_get_structure (gst_buffer_add_custom_meta (
                         buffer, "BitnetRequestMeta")),
      "request-id", G_TYPE_UINT64, id, NULL);
  return buffer;
}

/* One buffer per byte, then the empty one with the marker. */
static void
push_response (Fixture *f, const char *text, guint64 id, GstClockTime pts,
    GstClockTime duration)
{
  gsize size = strlen (text);

  for (gsize i = 0; i <= size; i++) {
    GstBuffer *buffer = byte_buffer (text + i, i < size, id);

    GST_BUFFER_PTS (buffer) = pts;
    GST_BUFFER_DURATION (buffer) = duration;
    if (i == size)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_MARKER);
    g_assert_cmpint (gst_harness_push (f->h, buffer), ==, GST_FLOW_OK);
  }
}

static void
say (Fixture *f, const char *text)
{
  push_response (f, text, 0, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
}

static void
expect_text (Fixture *f, const char *expected)
{
  GstBuffer *buffer = gst_harness_try_pull (f->h);
  g_autofree char *text = NULL;

  g_assert_nonnull (buffer);
  text = test_buffer_text (buffer);
  g_assert_cmpstr (text, ==, expected);
  gst_buffer_unref (buffer);
}

static void
expect_nothing (Fixture *f)
{
  g_assert_null (gst_harness_try_pull (f->h));
}

static void
test_granularity (void)
{
  static const struct {
    const char *granularity;
    const char *chunks[8];
  } cases[] = {
      {"word", {"It", " rains.", " Why?", "\nOh"}},
      {"line", {"It rains. Why?\n", "Oh"}},
      {"sentence", {"It rains.", " Why?", "\nOh"}},
      {"response", {"It rains. Why?\nOh"}},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *properties =
        g_strdup_printf ("granularity=%s", cases[i].granularity);
    Fixture f;

    set_up (&f, properties);
    say (&f, "It rains. Why?\nOh");
    for (guint j = 0; cases[i].chunks[j]; j++)
      expect_text (&f, cases[i].chunks[j]);
    expect_nothing (&f);
    tear_down (&f);
  }
}

/* Bytes of one character come one by one; what is never finished becomes a
 * replacement character. */
static void
test_utf8 (void)
{
  Fixture f;
  GstBuffer *buffer;

  set_up (&f, "");
  say (&f, "a\xe2\x82\xac"
           "b");
  expect_text (&f, "a");
  expect_text (&f, "€");
  expect_text (&f, "b");
  expect_nothing (&f);
  buffer = byte_buffer ("x\xe2\x82", 3, 1);
  g_assert_cmpint (gst_harness_push (f.h, buffer), ==, GST_FLOW_OK);
  expect_text (&f, "x");
  buffer = byte_buffer ("", 0, 1);
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_MARKER);
  gst_harness_push (f.h, buffer);
  expect_text (&f, "\xef\xbf\xbd");
  tear_down (&f);
}

static void
test_newline (void)
{
  Fixture f;

  set_up (&f, "newline=true granularity=response");
  say (&f, "One");
  say (&f, "");
  expect_text (&f, "One\n");
  expect_text (&f, "\n");
  tear_down (&f);
}

static void
push_special (Fixture *f)
{
  guint32 eot = bitnet_tokenizer_lookup (f->tokenizer, "<|eot_id|>");
  GstBuffer *buffer = test_token_buffer (&eot, 1);

  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_MARKER);
  gst_harness_push (f->h, buffer);
}

static void
test_special (void)
{
  Fixture f;

  set_up (&f, "");
  push_special (&f);
  expect_nothing (&f);
  tear_down (&f);
  set_up (&f, "skip-special=false");
  push_special (&f);
  expect_text (&f, "<|eot_id|>");
  tear_down (&f);
}

/* Handles end here, and a response with an event. */
static void
test_events (void)
{
  Fixture f;
  GstEvent *event;

  set_up (&f, "");
  say (&f, "x");
  g_assert_null (
      test_pull_event (f.h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, NULL));
  say (&f, "y");
  event = test_pull_event (
      f.h, GST_EVENT_CUSTOM_DOWNSTREAM, "rstranscribe/final-transcript");
  g_assert_nonnull (event);
  gst_event_unref (event);
  tear_down (&f);
  set_up (&f, "turn-events=false");
  say (&f, "x");
  g_assert_null (test_pull_event (f.h, GST_EVENT_CUSTOM_DOWNSTREAM, NULL));
  tear_down (&f);
}

static void
test_caps (void)
{
  Fixture f;
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstCaps) expected =
      gst_caps_from_string ("text/x-raw, format=(string)utf8");

  set_up (&f, "");
  say (&f, "x");
  caps = gst_pad_get_current_caps (f.h->sinkpad);
  g_assert_true (gst_caps_is_equal (caps, expected));
  tear_down (&f);
}

/* What a response has so far leaves before EOS, GAP and SEGMENT. */
static void
test_unfinished (void)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (guint i = 0; i < 3; i++) {
    Fixture f;
    GstEvent *event = i == 0   ? gst_event_new_eos ()
                      : i == 1 ? gst_event_new_gap (0, GST_SECOND)
                               : gst_event_new_segment (&segment);

    set_up (&f, "granularity=response");
    gst_harness_push (f.h, byte_buffer ("half", 4, 0));
    expect_nothing (&f);
    gst_harness_push_event (f.h, event);
    expect_text (&f, "half");
    tear_down (&f);
  }
}

/* A flush forgets it. */
static void
test_flush (void)
{
  Fixture f;
  GstSegment segment;

  set_up (&f, "granularity=response");
  gst_harness_push (f.h, byte_buffer ("half", 4, 0));
  gst_harness_push_event (f.h, gst_event_new_flush_start ());
  gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (f.h, gst_event_new_segment (&segment));
  say (&f, "whole");
  expect_text (&f, "whole");
  expect_nothing (&f);
  tear_down (&f);
}

/* A marker that was lost (a wire drops flags): the next request shows it. */
static void
test_lost_marker (void)
{
  Fixture f;

  set_up (&f, "granularity=response");
  gst_harness_push (f.h, byte_buffer ("one", 3, 1));
  gst_harness_push (f.h, byte_buffer ("two", 3, 2));
  expect_text (&f, "one");
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect_text (&f, "two");
  tear_down (&f);
}

static void
expect_time (Fixture *f, GstClockTime pts, GstClockTime duration)
{
  GstBuffer *buffer = gst_harness_try_pull (f->h);

  g_assert_nonnull (buffer);
  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, pts);
  g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, duration);
  g_assert_false (GST_BUFFER_DTS_IS_VALID (buffer));
  gst_buffer_unref (buffer);
}

static void
test_copy (void)
{
  Fixture f;

  set_up (&f, "granularity=response");
  push_response (&f, "translated", 0, 3 * GST_SECOND, 9 * GST_SECOND);
  expect_time (&f, 3 * GST_SECOND, 9 * GST_SECOND);
  tear_down (&f);
  set_up (&f, "granularity=word");
  push_response (&f, "one twos", 0, 4 * GST_SECOND, 8 * GST_SECOND);
  expect_time (&f, 4 * GST_SECOND, 3 * GST_SECOND);
  expect_time (&f, 7 * GST_SECOND, 5 * GST_SECOND);
  tear_down (&f);
}

static void
test_synthetic (void)
{
  Fixture f;

  set_up (&f, "granularity=word reading-speed=4");
  say (&f, "ab cde");
  say (&f, "fg");
  expect_time (&f, 0, GST_SECOND / 2);
  expect_time (&f, GST_SECOND / 2, GST_SECOND);
  expect_time (&f, 3 * GST_SECOND / 2, GST_SECOND / 2);
  tear_down (&f);
}

static void
test_no_times (void)
{
  Fixture f;

  set_up (&f, "timestamp-mode=none");
  push_response (&f, "a", 0, GST_SECOND, GST_SECOND);
  expect_time (&f, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
  tear_down (&f);
}

static void
test_running_time (void)
{
  Fixture f;
  GstBuffer *buffer;

  set_up (&f, "timestamp-mode=running-time");
  gst_harness_use_testclock (f.h);
  gst_harness_set_time (f.h, 5 * GST_SECOND);
  say (&f, "a");
  buffer = gst_harness_try_pull (f.h);
  g_assert_nonnull (buffer);
  g_assert_true (GST_BUFFER_PTS_IS_VALID (buffer));
  gst_buffer_unref (buffer);
  tear_down (&f);
}

/* A timed request without text: the muxer has to know that nothing comes. */
static void
test_gap (void)
{
  Fixture f;
  GstEvent *event;
  GstClockTime pts, duration;

  set_up (&f, "");
  push_response (&f, "", 0, 2 * GST_SECOND, GST_SECOND);
  expect_nothing (&f);
  event = test_pull_event (f.h, GST_EVENT_GAP, NULL);
  g_assert_nonnull (event);
  gst_event_parse_gap (event, &pts, &duration);
  g_assert_cmpuint (pts, ==, 2 * GST_SECOND);
  g_assert_cmpuint (duration, ==, GST_SECOND);
  gst_event_unref (event);
  tear_down (&f);
}

static void
test_discont (void)
{
  Fixture f;

  set_up (&f, "");
  say (&f, "ab");
  say (&f, "c");
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = gst_harness_try_pull (f.h);

    g_assert_cmpint (
        GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT), ==, i != 1);
    gst_buffer_unref (buffer);
  }
  tear_down (&f);
}

static void
test_messages (void)
{
  Fixture f;
  g_autoptr (GString) text = g_string_new (NULL);
  GstMessage *message;
  gboolean last = FALSE;

  set_up (&f, "post-messages=true granularity=word");
  push_response (&f, "one two", 4, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
  while ((message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_ELEMENT))) {
    const GstStructure *s = gst_message_get_structure (message);
    guint64 id;

    g_assert_false (last);
    g_assert_true (gst_structure_has_name (s, "bitnet-text"));
    g_assert_true (gst_structure_get_uint64 (s, "request-id", &id));
    g_assert_cmpuint (id, ==, 4);
    g_string_append (text, gst_structure_get_string (s, "text"));
    g_assert_true (gst_structure_get_boolean (s, "last", &last));
    gst_message_unref (message);
  }
  g_assert_true (last);
  g_assert_cmpstr (text->str, ==, "one two");
  tear_down (&f);
}

/* A token stream from a wire has no handles. */
static void
test_tokenizer_file (void)
{
  g_autofree char *line =
      g_strdup_printf ("detokenize tokenizer=%s", test_quick_model ());
  GstHarness *h = gst_harness_new_parse (line);
  GstBuffer *buffer;
  g_autofree char *text = NULL;
  guint32 ids[] = {'h', 'i'};

  gst_harness_set_src_caps_str (
      h, "application/x-llm-tokens, format=(string)U32LE");
  g_assert_cmpint (
      gst_harness_push (h, test_token_buffer (ids, 2)), ==, GST_FLOW_OK);
  buffer = gst_harness_pull (h);
  text = test_buffer_text (buffer);
  g_assert_cmpstr (text, ==, "hi");
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

static void
test_no_tokenizer (void)
{
  GstHarness *h = gst_harness_new ("detokenize");
  GstBus *bus = gst_bus_new ();
  GstMessage *message;
  g_autoptr (GError) error = NULL;
  guint32 id = 'x';

  gst_element_set_bus (h->element, bus);
  gst_harness_set_src_caps_str (
      h, "application/x-llm-tokens, format=(string)U32LE");
  g_assert_cmpint (
      gst_harness_push (h, test_token_buffer (&id, 1)), ==, GST_FLOW_ERROR);
  g_assert_cmpint (
      gst_harness_push (h, test_token_buffer (&id, 1)), ==, GST_FLOW_ERROR);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
  gst_message_unref (message);
  g_assert_null (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR));
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}

/* Tokens that the vocabulary does not have decode to nothing or to a
 * replacement, never to a crash. */
static void
test_unknown_token (void)
{
  Fixture f;
  guint32 ids[] = {G_MAXUINT32, 1000000, 'x'};
  GstBuffer *buffer;

  set_up (&f, "granularity=response");
  buffer = test_token_buffer (ids, 3);
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_MARKER);
  g_assert_cmpint (gst_harness_push (f.h, buffer), ==, GST_FLOW_OK);
  buffer = gst_harness_try_pull (f.h);
  g_assert_nonnull (buffer);
  gst_buffer_unref (buffer);
  tear_down (&f);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_test_add_func ("/detokenize/granularity", test_granularity);
  g_test_add_func ("/detokenize/utf8", test_utf8);
  g_test_add_func ("/detokenize/newline", test_newline);
  g_test_add_func ("/detokenize/special", test_special);
  g_test_add_func ("/detokenize/events", test_events);
  g_test_add_func ("/detokenize/caps", test_caps);
  g_test_add_func ("/detokenize/unfinished", test_unfinished);
  g_test_add_func ("/detokenize/flush", test_flush);
  g_test_add_func ("/detokenize/lost-marker", test_lost_marker);
  g_test_add_func ("/detokenize/copy", test_copy);
  g_test_add_func ("/detokenize/synthetic", test_synthetic);
  g_test_add_func ("/detokenize/no-times", test_no_times);
  g_test_add_func ("/detokenize/running-time", test_running_time);
  g_test_add_func ("/detokenize/gap", test_gap);
  g_test_add_func ("/detokenize/discont", test_discont);
  g_test_add_func ("/detokenize/messages", test_messages);
  g_test_add_func ("/detokenize/tokenizer-file", test_tokenizer_file);
  g_test_add_func ("/detokenize/no-tokenizer", test_no_tokenizer);
  g_test_add_func ("/detokenize/unknown-token", test_unknown_token);
  return test_finish ();
}
