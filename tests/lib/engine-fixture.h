/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of BitnetEngine and BitnetSequence share: two small models in
 * a folder, and short ways to run them. Functions without a GError fail the
 * test. */
#pragma once

#include "bitnet.h"
#include "tiny-model.h"

typedef struct {
  char *folder;
  guint n_vocab;
  char *small;                /* the path of a model that is quick */
  char *large;                /* and of one that takes its time */
  BitnetTokenizer *tokenizer; /* for both */
} EngineFixture;

extern EngineFixture fixture;

/* Around all tests; results are deterministic from there on. */
void engine_fixture_set_up (void);
void engine_fixture_tear_down (void);

/* Of a file in the folder. */
char *make_path (const char *name);
BitnetModel *open_model (const char *path);
void write_tiny (const char *path, const TinySpec *spec);

BitnetEngine *get_engine (
    const char *path, guint n_threads, guint batch_size, guint n_sequences);
/* The same, and loads it. */
BitnetEngine *load_engine (
    const char *path, guint n_threads, guint batch_size, guint n_sequences);

/* n random tokens. */
guint32 *make_prompt (guint32 seed, guint n);
BitnetSequence *submit (BitnetEngine *engine, guint32 seed, guint n_prompt,
    guint max_tokens, double temperature);

/* All tokens up to the end. */
GArray *drain (BitnetSequence *sequence, GError **error);
GArray *drain_good (BitnetSequence *sequence);
void assert_equal_tokens (const GArray *a, const GArray *b);

/* A GAsyncReadyCallback for a GAsyncResult *, and the wait for it. */
void store_result (GObject *source, GAsyncResult *result, gpointer user_data);
GAsyncResult *wait_result (GAsyncResult **stored);
