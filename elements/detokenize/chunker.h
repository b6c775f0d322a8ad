/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pieces of text to words, lines, sentences. What goes in comes out, byte for
 * byte: chunks put together are the text. Pure: GLib only. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
  GRANULARITY_TOKEN,    /* what one push brings */
  GRANULARITY_WORD,     /* a word, with the space before it */
  GRANULARITY_LINE,     /* a line, with its end */
  GRANULARITY_SENTENCE, /* a sentence, with the space before it */
  GRANULARITY_RESPONSE, /* everything */
} Granularity;

typedef struct _Chunker Chunker;

Chunker *chunker_new (void);
void chunker_free (Chunker *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Chunker, chunker_free)

/* Forgets everything; what follows is cut by granularity. */
void chunker_reset (Chunker *self, Granularity granularity);

/* Adds valid UTF-8. */
void chunker_push (Chunker *self, const char *text, gsize size);

/* The next complete chunk, never empty; NULL if more text is needed. */
char *chunker_pop (Chunker *self);

/* No more text will come: what is left, NULL if nothing. After all of
 * chunker_pop(). */
char *chunker_finish (Chunker *self);

G_END_DECLS
