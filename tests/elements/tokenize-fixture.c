/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One element and the harnesses at its pads. */
#include "tokenize-fixture.h"

#include <string.h>

void
set_up (Fixture *f, const char *first_property, ...)
{
  va_list args;

  f->element = gst_element_factory_make ("tokenize", NULL);
  g_assert_nonnull (f->element);
  gst_object_ref_sink (f->element);
  va_start (args, first_property);
  g_object_set_valist (G_OBJECT (f->element), first_property, args);
  va_end (args);
  f->bus = gst_bus_new ();
  gst_element_set_bus (f->element, f->bus);
  f->h = gst_harness_new_with_element (f->element, "sink", "src");
  gst_harness_set_src_caps_str (f->h, "application/x-gguf");
  f->model = test_open_model (test_quick_model ());
  f->tokenizer = test_open_tokenizer (f->model);
  f->prompt = NULL;
}

void
add_prompt_pad (Fixture *f, const char *description, GstFormat format)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (description);
  GstSegment segment;

  f->prompt = gst_harness_new_with_element (f->element, "prompt", NULL);
  gst_segment_init (&segment, format);
  gst_harness_push_event (f->prompt, gst_event_new_stream_start ("abc"));
  gst_harness_push_event (f->prompt, gst_event_new_caps (caps));
  gst_harness_push_event (f->prompt, gst_event_new_segment (&segment));
}

void
tear_down (Fixture *f)
{
  if (f->prompt)
    gst_harness_teardown (f->prompt);
  gst_harness_teardown (f->h);
  gst_element_set_bus (f->element, NULL);
  gst_object_unref (f->element);
  gst_object_unref (f->bus);
  g_object_unref (f->model);
  g_object_unref (f->tokenizer);
}

GstFlowReturn
push_text (Fixture *f, const char *text, gsize size)
{
  return gst_harness_push (f->prompt, gst_buffer_new_memdup (text, size));
}

GArray *
encode (Fixture *f, const char *text)
{
  gsize n;
  guint32 *ids = bitnet_tokenizer_encode (
      f->tokenizer, text, -1, BITNET_ENCODE_ADD_SPECIAL, &n, NULL);
  GArray *array = g_array_new (FALSE, FALSE, sizeof (guint32));

  g_array_append_vals (array, ids, n);
  g_free (ids);
  return array;
}

void
expect_prompt (Fixture *f, const char *text)
{
  GstBuffer *buffer = gst_harness_pull (f->h);
  g_autoptr (GArray) ids = NULL;
  g_autoptr (GArray) expected = encode (f, text);

  g_assert_nonnull (buffer);
  ids = test_buffer_ids (buffer);
  test_assert_ids (ids, expected);
  gst_buffer_unref (buffer);
}

void
expect_error (Fixture *f, GQuark domain, int code, const char *part)
{
  GstMessage *message = gst_bus_pop_filtered (f->bus, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  g_test_message ("%s", error->message);
  g_assert_error (error, domain, code);
  g_assert_nonnull (strstr (error->message, part));
  gst_message_unref (message);
  g_assert_null (gst_bus_pop_filtered (f->bus, GST_MESSAGE_ERROR));
}

void
finish_model (Fixture *f)
{
  test_push_handles (f->h, f->model, f->tokenizer);
  g_assert_cmpint (gst_harness_push (f->h, gst_buffer_new ()), ==, GST_FLOW_OK);
}

gpointer
push_in_thread (gpointer data)
{
  return GINT_TO_POINTER (push_text (data, "hello\n", 6));
}
