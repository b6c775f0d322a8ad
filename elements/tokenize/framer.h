/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes to prompts. Pipes and files deliver whatever one read returned:
 * several lines at once, half a line, half a character. The framer joins and
 * cuts them. Pure: GLib only, no GStreamer, no I/O. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  FRAMING_BUFFER,    /* what one push brings is a prompt */
  FRAMING_LINE,      /* a line is a prompt; blank lines are none */
  FRAMING_PARAGRAPH, /* lines up to a blank one are a prompt */
  FRAMING_STREAM,    /* everything up to the end is one prompt */
} Framing;

enum {
  /* A prompt longer than this is refused, not collected for ever. */
  FRAMER_MAX_SIZE = 16 * 1024 * 1024,
};

typedef struct _Framer Framer;

Framer *framer_new (void);
void framer_free (Framer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Framer, framer_free)

/* Forgets everything; what follows is cut by framing. */
void framer_reset (Framer *self, Framing framing);

/* Takes bytes. FALSE: they are not UTF-8, or the prompt gets too long;
 * framer_get_problem() says what and at which byte of the stream. */
gboolean framer_push (Framer *self, const char *data, gsize size);

/* No more bytes will come: what is left becomes the last prompt. FALSE if
 * the text ends inside a character. */
gboolean framer_finish (Framer *self);

/* The next prompt, valid UTF-8, never blank; NULL when there is none yet. */
char *framer_pop (Framer *self);

/* Why the last push or finish failed. */
const char *framer_get_problem (Framer *self);

/* Pango markup without its tags, entities decoded; the text itself if it is
 * no markup. (transfer full) */
char *framer_strip_markup (const char *text);

G_END_DECLS
