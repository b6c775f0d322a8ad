/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An ordered queue of events and requests; see the header. Invariant:
 * n_requests is the number of items with event == NULL. */
#include "itemqueue.h"

typedef struct {
  GstEvent *event;  /* NULL: a request */
  gpointer request; /* NULL: an event */
} Item;

struct _ItemQueue {
  GQueue items; /* of Item */
  guint n_requests;
  GDestroyNotify free_request;
};

ItemQueue *
item_queue_new (GDestroyNotify free_request)
{
  ItemQueue *self = g_new0 (ItemQueue, 1);

  g_queue_init (&self->items);
  self->free_request = free_request;
  return self;
}

void
item_queue_free (ItemQueue *self)
{
  if (self == NULL)
    return;
  item_queue_flush (self, NULL);
  g_free (self);
}

void
item_queue_push_event (ItemQueue *self, GstEvent *event)
{
  Item *item = g_new0 (Item, 1);

  item->event = event;
  g_queue_push_tail (&self->items, item);
}

void
item_queue_push_request (ItemQueue *self, gpointer request)
{
  Item *item = g_new0 (Item, 1);

  g_assert (request != NULL);
  item->request = request;
  g_queue_push_tail (&self->items, item);
  self->n_requests++;
}

gboolean
item_queue_is_empty (ItemQueue *self)
{
  return g_queue_is_empty (&self->items);
}

guint
item_queue_get_n_requests (ItemQueue *self)
{
  return self->n_requests;
}

GstEvent *
item_queue_pop_event (ItemQueue *self)
{
  Item *item = g_queue_peek_head (&self->items);
  GstEvent *event;

  if (item == NULL || item->event == NULL)
    return NULL;
  event = item->event;
  g_free (g_queue_pop_head (&self->items));
  return event;
}

gpointer
item_queue_peek_request (ItemQueue *self)
{
  Item *item = g_queue_peek_head (&self->items);

  return item ? item->request : NULL;
}

void
item_queue_drop_request (ItemQueue *self)
{
  Item *item = g_queue_peek_head (&self->items);

  g_assert (item != NULL && item->request != NULL);
  self->free_request (item->request);
  self->n_requests--;
  g_free (g_queue_pop_head (&self->items));
}

void
item_queue_foreach_request (ItemQueue *self, GFunc func, gpointer data)
{
  for (GList *l = self->items.head; l; l = l->next) {
    Item *item = l->data;

    if (item->request)
      func (item->request, data);
  }
}

void
item_queue_flush (ItemQueue *self, GstPad *srcpad)
{
  GstEvent *event;

  while (!item_queue_is_empty (self)) {
    event = item_queue_pop_event (self);
    if (event == NULL) {
      item_queue_drop_request (self);
      continue;
    }
    if (srcpad && GST_EVENT_IS_STICKY (event)
        && GST_EVENT_TYPE (event) != GST_EVENT_SEGMENT
        && GST_EVENT_TYPE (event) != GST_EVENT_EOS)
      gst_pad_store_sticky_event (srcpad, event);
    gst_event_unref (event);
  }
}
