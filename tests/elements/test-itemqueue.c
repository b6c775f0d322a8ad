/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ordered queue of infer: order, counts, what a flush keeps. */
#include <gst/gst.h>
#include "itemqueue.h"

static guint n_freed;

static void
free_request (gpointer request)
{
  n_freed++;
  g_free (request);
}

static gpointer
new_request (int value)
{
  int *request = g_new (int, 1);

  *request = value;
  return request;
}

static void
add_value (gpointer request, gpointer sum)
{
  *(int *) sum += *(int *) request;
}

static void
test_order (void)
{
  g_autoptr (ItemQueue) queue = item_queue_new (free_request);
  GstEvent *event;
  int sum = 0;

  n_freed = 0;
  g_assert_true (item_queue_is_empty (queue));
  g_assert_null (item_queue_pop_event (queue));
  g_assert_null (item_queue_peek_request (queue));
  item_queue_push_request (queue, new_request (1));
  item_queue_push_event (queue, gst_event_new_eos ());
  item_queue_push_request (queue, new_request (2));
  g_assert_cmpuint (item_queue_get_n_requests (queue), ==, 2);
  item_queue_foreach_request (queue, add_value, &sum);
  g_assert_cmpint (sum, ==, 3);

  /* The event waits behind the request. */
  g_assert_null (item_queue_pop_event (queue));
  g_assert_cmpint (*(int *) item_queue_peek_request (queue), ==, 1);
  item_queue_drop_request (queue);
  g_assert_cmpuint (n_freed, ==, 1);
  g_assert_cmpuint (item_queue_get_n_requests (queue), ==, 1);
  g_assert_null (item_queue_peek_request (queue));
  event = item_queue_pop_event (queue);
  g_assert_cmpint (GST_EVENT_TYPE (event), ==, GST_EVENT_EOS);
  gst_event_unref (event);
  g_assert_cmpint (*(int *) item_queue_peek_request (queue), ==, 2);
}

static void
test_flush (void)
{
  g_autoptr (ItemQueue) queue = item_queue_new (free_request);
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("test/x");
  GstPad *pad = gst_object_ref_sink (gst_pad_new ("src", GST_PAD_SRC));
  GstSegment segment;
  GstEvent *event;

  n_freed = 0;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_set_active (pad, TRUE);
  item_queue_push_event (queue, gst_event_new_stream_start ("s"));
  item_queue_push_event (queue, gst_event_new_caps (caps));
  item_queue_push_event (queue, gst_event_new_segment (&segment));
  item_queue_push_request (queue, new_request (1));
  item_queue_push_event (queue, gst_event_new_gap (0, 1));
  item_queue_push_event (queue, gst_event_new_eos ());
  item_queue_flush (queue, pad);
  g_assert_true (item_queue_is_empty (queue));
  g_assert_cmpuint (item_queue_get_n_requests (queue), ==, 0);
  g_assert_cmpuint (n_freed, ==, 1);

  event = gst_pad_get_sticky_event (pad, GST_EVENT_CAPS, 0);
  g_assert_nonnull (event);
  gst_event_unref (event);
  g_assert_null (gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0));
  g_assert_null (gst_pad_get_sticky_event (pad, GST_EVENT_EOS, 0));
  gst_pad_set_active (pad, FALSE);
  gst_object_unref (pad);
}

static void
test_free (void)
{
  ItemQueue *queue = item_queue_new (free_request);

  n_freed = 0;
  item_queue_push_event (queue, gst_event_new_eos ());
  item_queue_push_request (queue, new_request (1));
  item_queue_push_request (queue, new_request (2));
  item_queue_free (queue);
  g_assert_cmpuint (n_freed, ==, 2);
  item_queue_free (NULL);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/itemqueue/order", test_order);
  g_test_add_func ("/itemqueue/flush", test_flush);
  g_test_add_func ("/itemqueue/free", test_free);
  return g_test_run ();
}
