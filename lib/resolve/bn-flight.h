/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resolutions that run: of several at once with the same key one thread does
 * the work, and all who wait get events and result.
 *
 *   passenger ──┐
 *   passenger ──┼── flight: thread, cancellable ── work
 *   passenger ──┘
 *
 * A passenger may leave at any time, which does not concern the others; when
 * the last one leaves the work is cancelled. What is told to a passenger
 * comes as sources in its main context, in order, the end last. */
#pragma once

#include "bn-attempt.h"

/* What a passenger is told. */
typedef enum {
  BN_EVENT_STARTED,
  BN_EVENT_FINISHED,
  BN_EVENT_PROGRESS,
  BN_EVENT_WARNING,
} BnEventType;

typedef struct {
  BnEventType type;
  char *name; /* of the strategy, or the code of a warning */
  int priority;
  double duration_ms;
  char *message;
  GError *error; /* NULL: success */
  BitnetProgress *progress;
  gboolean is_first; /* passenger: the one who began the flight */
} BnEvent;

/* How it ended. */
typedef struct {
  BitnetTokenizer *tokenizer; /* NULL: error says why */
  GVariant *resolution;       /* may be NULL */
  GError *error;
  gboolean is_remembered;
} BnLanding;

void bn_landing_clear (BnLanding *self);

/* Does the work, in the thread of the flight. */
typedef void (*BnFlightFunc) (gpointer data, const BnObserver *observer,
    GCancellable *cancellable, BnLanding *landing);

typedef struct {
  /* In the passenger's context. */
  void (*event) (const BnEvent *event, gpointer user_data);
  /* The last call. is_shared: another passenger began the flight. */
  void (*landed) (
      const BnLanding *landing, gboolean is_shared, gpointer user_data);
  gpointer user_data;
} BnPassengerFuncs;

/* Boards the flight of that key or begins one (key NULL: always one of its
 * own). work_data is freed by free_data in any case. context NULL: the default
 * one. Until landed was called, funcs->user_data must stay. */
void bn_flight_board (const char *key, BnFlightFunc work, gpointer work_data,
    GDestroyNotify free_data, GMainContext *context, int io_priority,
    GCancellable *cancellable, const BnPassengerFuncs *funcs);
