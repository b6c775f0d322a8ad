/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timestamp policies; see the header. Invariant: the cues of a segment never
 * go back in time. */
#include "timing.h"

#define NS_PER_SECOND 1e9

void
timing_reset (Timing *self, guint64 start)
{
  self->next = start == TIMING_NONE ? 0 : start;
  self->last_pts = 0;
}

void
timing_begin (Timing *self, TimestampMode mode, double reading_speed,
    guint64 max_duration, guint64 pts, guint64 duration)
{
  if (mode == TIMESTAMP_AUTO)
    mode = pts == TIMING_NONE ? TIMESTAMP_SYNTHETIC : TIMESTAMP_COPY;
  self->mode = mode;
  self->reading_speed = reading_speed;
  self->max_duration = max_duration;
  self->request_pts = pts;
  self->request_duration = duration;
  if (mode == TIMESTAMP_COPY && pts != TIMING_NONE)
    self->next = MAX (pts, self->last_pts);
}

gboolean
timing_needs_whole (const Timing *self)
{
  return self->mode == TIMESTAMP_COPY && self->request_pts != TIMING_NONE
         && self->request_duration != TIMING_NONE;
}

static guint64
reading_time (const Timing *self, gsize n_chars)
{
  double ns = NS_PER_SECOND * n_chars / self->reading_speed;

  return ns < self->max_duration ? (guint64) ns : self->max_duration;
}

Cue
timing_next (Timing *self, gsize n_chars, guint64 now)
{
  Cue cue = {TIMING_NONE, TIMING_NONE};

  if (self->mode == TIMESTAMP_NONE
      || (self->mode == TIMESTAMP_COPY && self->request_pts == TIMING_NONE)
      || (self->mode == TIMESTAMP_RUNNING_TIME && now == TIMING_NONE))
    return cue;
  cue.pts = self->mode == TIMESTAMP_RUNNING_TIME ? now : self->next;
  cue.pts = MAX (cue.pts, self->last_pts);
  cue.duration = reading_time (self, n_chars);
  self->last_pts = cue.pts;
  self->next = cue.pts + cue.duration;
  return cue;
}

void
timing_divide (Timing *self, const gsize *n_chars, gsize n, Cue *cues)
{
  gsize total = 0, before = 0;
  guint64 start = self->request_pts;
  double duration = (double) self->request_duration;

  for (gsize i = 0; i < n; i++)
    total += n_chars[i];
  for (gsize i = 0; i < n; i++) {
    gsize after = before + n_chars[i];
    guint64 from = total ? (guint64) (duration * before / total) : 0;
    guint64 to = i + 1 == n ? self->request_duration
                            : (guint64) (duration * after / total);

    cues[i].pts = MAX (start + from, self->last_pts);
    cues[i].duration = to - from;
    self->last_pts = cues[i].pts;
    before = after;
  }
  self->next = start + self->request_duration;
}
