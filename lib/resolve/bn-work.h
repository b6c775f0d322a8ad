/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One resolution from beginning to end: look into the model, remember, try the
 * strategies, keep what was found. */
#pragma once

#include "bn-flight.h"
#include "bn-services.h"

typedef struct {
  BitnetModel *model; /* or NULL and */
  char *reference;    /* path or repository */
  const BnResolveOptions *options;
  GPtrArray *custom; /* of BitnetStrategy; NULL if there are none */
  BnServices *services;
} BnWork;

/* Takes references. */
BnWork *bn_work_new (BitnetModel *model, const char *reference,
    const BnResolveOptions *options, GPtrArray *custom, BnServices *services);
void bn_work_free (gpointer work);

/* The key of its flight, NULL if it is not to be shared. No I/O. */
char *bn_work_make_key (const BnWork *work);

/* A BnFlightFunc. */
void bn_work_run (gpointer work, const BnObserver *observer,
    GCancellable *cancellable, BnLanding *landing);
