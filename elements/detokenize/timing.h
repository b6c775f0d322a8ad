/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a piece of text is shown and for how long. Times are nanoseconds,
 * TIMING_NONE stands for no time. Pure: GLib only. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define TIMING_NONE G_MAXUINT64

typedef enum {
  TIMESTAMP_AUTO,         /* COPY if the request has a time, else SYNTHETIC */
  TIMESTAMP_COPY,         /* the request's interval */
  TIMESTAMP_SYNTHETIC,    /* one cue after the other, as fast as one reads */
  TIMESTAMP_RUNNING_TIME, /* when the text came */
  TIMESTAMP_NONE,
} TimestampMode;

typedef struct {
  guint64 pts;
  guint64 duration;
} Cue;

typedef struct {
  /* settings, valid for a response */
  TimestampMode mode;   /* never AUTO while a response runs */
  double reading_speed; /* characters a second */
  guint64 max_duration; /* of a cue whose length is computed */
  guint64 request_pts, request_duration;
  /* state */
  guint64 next;     /* end of the last cue */
  guint64 last_pts; /* no cue starts earlier */
} Timing;

/* A new segment. */
void timing_reset (Timing *self, guint64 start);

/* A new response to a request of this time. */
void timing_begin (Timing *self, TimestampMode mode, double reading_speed,
    guint64 max_duration, guint64 pts, guint64 duration);

/* Whether the response has to be complete before its first cue is known. */
gboolean timing_needs_whole (const Timing *self);

/* The cue of the next n_chars characters; now is the current position in the
 * segment. Where timing_needs_whole() is FALSE. */
Cue timing_next (Timing *self, gsize n_chars, guint64 now);

/* The request's interval, cut in proportion to characters: n pieces with
 * n_chars[i] each into cues[i]. Where timing_needs_whole() is TRUE. */
void timing_divide (Timing *self, const gsize *n_chars, gsize n, Cue *cues);

G_END_DECLS
