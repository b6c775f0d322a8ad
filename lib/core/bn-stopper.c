/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stop texts. The held tokens and their bytes, for the stop text "\nUser:"
 *
 *     tokens    [ Yes ][ ! ][ .\nUs ][ er ]
 *     bytes       Yes    !    .\nUs    er
 *                         |   |^ the earliest byte that may begin a match
 *               let go ---'   '- held back, cut here if ":" follows
 *
 * A few short texts over a few bytes: plain comparison at every byte. */
#include "bn-stopper.h"

#include <string.h>

typedef struct {
  uint32_t token;
  size_t end; /* of its text in held_text */
} Held;

typedef struct {
  char *text;
  size_t size;
} Stop;

struct BnStopper {
  Stop *stops;
  size_t n_stops;
  GArray *held; /* of Held */
  GByteArray *held_text;
  size_t n_checked; /* bytes of held_text in which no stop text ends */
  GArray *released; /* of uint32_t, handed out by the last call */
  GByteArray *rest; /* likewise */
};

BnStopper *
bn_stopper_new (const char *const *stop)
{
  BnStopper *self = g_new0 (BnStopper, 1);

  self->n_stops = g_strv_length ((char **) stop);
  self->stops = g_new (Stop, self->n_stops);
  for (size_t i = 0; i < self->n_stops; i++) {
    self->stops[i].text = g_strdup (stop[i]);
    self->stops[i].size = strlen (stop[i]);
    g_assert (self->stops[i].size > 0);
  }
  self->held = g_array_new (FALSE, FALSE, sizeof (Held));
  self->held_text = g_byte_array_new ();
  self->released = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  self->rest = g_byte_array_new ();
  return self;
}

void
bn_stopper_free (BnStopper *self)
{
  for (size_t i = 0; i < self->n_stops; i++)
    g_free (self->stops[i].text);
  g_free (self->stops);
  g_array_unref (self->held);
  g_byte_array_unref (self->held_text);
  g_array_unref (self->released);
  g_byte_array_unref (self->rest);
  g_free (self);
}

/* Where the stop text that ends first begins. */
static gboolean
find_match (const BnStopper *self, size_t *begin)
{
  const guint8 *text = self->held_text->data;
  size_t longest = 0;

  for (size_t end = self->n_checked + 1; end <= self->held_text->len; end++) {
    for (size_t i = 0; i < self->n_stops; i++) {
      const Stop *stop = &self->stops[i];
      if (stop->size > longest && stop->size <= end
          && memcmp (text + end - stop->size, stop->text, stop->size) == 0)
        longest = stop->size;
    }
    if (longest > 0) {
      *begin = end - longest;
      return TRUE;
    }
  }
  return FALSE;
}

/* The first byte from which on the text is the beginning of a stop text. */
static size_t
find_beginning (const BnStopper *self)
{
  const guint8 *text = self->held_text->data;
  size_t size = self->held_text->len;

  for (size_t begin = 0; begin < size; begin++) {
    for (size_t i = 0; i < self->n_stops; i++) {
      const Stop *stop = &self->stops[i];
      if (size - begin < stop->size
          && memcmp (text + begin, stop->text, size - begin) == 0)
        return begin;
    }
  }
  return size;
}

/* Moves the tokens whose text ends at or before limit to released. */
static void
release (BnStopper *self, size_t limit)
{
  guint n = 0;
  size_t size = 0;

  while (n < self->held->len) {
    const Held *held = &g_array_index (self->held, Held, n);
    if (held->end > limit)
      break;
    size = held->end;
    g_array_append_val (self->released, held->token);
    n++;
  }
  if (n == 0)
    return;
  g_array_remove_range (self->held, 0, n);
  for (guint i = 0; i < self->held->len; i++)
    g_array_index (self->held, Held, i).end -= size;
  if (size > 0)
    g_byte_array_remove_range (self->held_text, 0, (guint) size);
  self->n_checked -= MIN (self->n_checked, size);
}

static void
clear (BnStopper *self)
{
  g_array_set_size (self->held, 0);
  g_byte_array_set_size (self->held_text, 0);
  self->n_checked = 0;
}

static void
fill_result (BnStopper *self, gboolean is_stopped, BnStopperResult *result)
{
  *result = (BnStopperResult){
      .tokens = (const uint32_t *) (void *) self->released->data,
      .n_tokens = self->released->len,
      .is_stopped = is_stopped,
  };
  if (self->rest->len > 0) {
    result->rest = (const char *) self->rest->data;
    result->rest_size = self->rest->len;
  }
}

void
bn_stopper_push (BnStopper *self, uint32_t token, const void *text, size_t size,
    BnStopperResult *result)
{
  size_t begin;

  g_array_set_size (self->released, 0);
  g_byte_array_set_size (self->rest, 0);
  if (size > 0)
    g_byte_array_append (self->held_text, text, (guint) size);
  Held held = {token, self->held_text->len};
  g_array_append_val (self->held, held);

  gboolean is_stopped = find_match (self, &begin);
  if (is_stopped) {
    size_t old_size = self->held_text->len;
    release (self, begin);
    begin -= old_size - self->held_text->len;
    g_byte_array_append (self->rest, self->held_text->data, (guint) begin);
    clear (self);
  } else {
    self->n_checked = self->held_text->len;
    release (self, find_beginning (self));
  }
  fill_result (self, is_stopped, result);
}

void
bn_stopper_flush (BnStopper *self, BnStopperResult *result)
{
  g_array_set_size (self->released, 0);
  g_byte_array_set_size (self->rest, 0);
  release (self, self->held_text->len);
  fill_result (self, FALSE, result);
}
