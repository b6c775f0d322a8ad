/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A transformer that computes nothing: the next token is a function of the
 * tokens before it. It stands in for bn-transformer.c and bn-kvcache.c when
 * the scheduler is tested, checks that their rules are kept and lets the test
 * decide when a pass ends and how. */
#pragma once

#include <glib.h>
#include "core/bn-transformer.h"

enum {
  FAKE_N_VOCAB = 40,
  FAKE_BAD_TOKEN = 39, /* in a sequence: its logits are NaN */
  FAKE_MAX_STEPS = 4096,
};

/* What one pass was made of. */
typedef struct {
  guint n_runs;
  guint n_tokens;
  guint n_prompt_tokens; /* in runs of more than one token */
} FakeStep;

typedef struct {
  /* Set before the scheduler starts. */
  guint context_size; /* of the model */
  guint n_cells;      /* of the cache, 0: what is asked for */
  gboolean fails_to_load;
  gboolean has_load_gate; /* loading waits for fake_open() */
  guint pass_us;          /* a pass takes at least so long */
  guint period;           /* answers repeat what stands so many tokens in
                             front, most of the time; 0: never */
  gboolean hates_guesses; /* runs with all their logits give NaN */

  /* Under the mutex. */
  GMutex mutex;
  GCond cond;
  guint n_open;       /* passes that go through; the next waits, until opened or
                         aborted */
  gboolean is_inside; /* one is waiting */
  guint n_aborted;
  guint n_steps;
  FakeStep steps[FAKE_MAX_STEPS];
  gboolean is_alive;
  GThread *thread;
} Fake;

extern Fake fake;

/* Back to a small model without gates; when no scheduler lives. */
void fake_reset (void);
/* Passes wait at the gate; n of them go through; all do. */
void fake_close (void);
void fake_let (guint n);
void fake_open (void);
/* Until a pass, or a load, waits at the gate. */
void fake_wait_inside (void);
/* Until the model was freed. */
void fake_wait_freed (void);

/* The token that follows these; 1 to FAKE_BAD_TOKEN - 1. */
guint32 fake_next_token (const guint32 *tokens, gsize n_tokens);
