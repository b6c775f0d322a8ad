/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for infer's source-pad task: serialized events and requests in
 * the order in which they came, so that EOS and segments stay behind the
 * response they follow. No lock of its own: the owner's guards it. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _ItemQueue ItemQueue;

/* free_request frees a request that was flushed or popped. */
ItemQueue *item_queue_new (GDestroyNotify free_request);
void item_queue_free (ItemQueue *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItemQueue, item_queue_free)

/* Both take what they are given. */
void item_queue_push_event (ItemQueue *self, GstEvent *event);
void item_queue_push_request (ItemQueue *self, gpointer request);

gboolean item_queue_is_empty (ItemQueue *self);
guint item_queue_get_n_requests (ItemQueue *self);

/* The event at the head, (transfer full); NULL if there is none or the head
 * is a request. */
GstEvent *item_queue_pop_event (ItemQueue *self);
/* The request at the head, which stays there; NULL if there is none or the
 * head is an event. */
gpointer item_queue_peek_request (ItemQueue *self);
/* Removes and frees the request at the head. */
void item_queue_drop_request (ItemQueue *self);

void item_queue_foreach_request (ItemQueue *self, GFunc func, gpointer data);

/* Empties the queue. Sticky events survive a flush (but SEGMENT and EOS do
 * not): they are stored on the pad, if there is one. */
void item_queue_flush (ItemQueue *self, GstPad *srcpad);

G_END_DECLS
