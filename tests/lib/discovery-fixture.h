/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A folder for model files, and what is discovered in them. */
#pragma once

#include "bitnet.h"

typedef struct {
  char *folder;
} Fixture;

/* Strings of the file, key and value in turn. */
typedef const char *Strings[25];

/* What a model file written here is like. */
typedef struct {
  const char *architecture;
  const char *kind;      /* tokenizer.ggml.model */
  const char *pre;       /* tokenizer.ggml.pre */
  guint n_tokens;        /* of its token list; 0: it has none */
  const char *landmarks; /* a family whose landmarks these tokens have */
  guint n_rows;          /* of token_embd; 0: it has none */
  guint n_output;        /* of output */
  guint vocab_size;      /* the key of the architecture */
  guint32 bos, eos;      /* 0: the file has none */
  gboolean has_merges;
  Strings strings;
} ModelKind;

void fixture_set_up (Fixture *self, gconstpointer data);
void fixture_tear_down (Fixture *self, gconstpointer data);
void fixture_remove_tree (const char *folder);

/* Names are paths in the folder; (transfer full). */
char *fixture_get_path (Fixture *self, const char *name);
void fixture_write_file (
    Fixture *self, const char *name, const void *data, gssize size);
char *fixture_write_model (
    Fixture *self, const char *name, const ModelKind *kind);

/* What is discovered there, or in a model that is written there; the latter is
 * no error. */
BitnetDiscovery *fixture_discover_path (const char *path);
BitnetDiscovery *fixture_discover (
    Fixture *self, const char *name, const ModelKind *kind);

/* NULL behind the last one. */
const BitnetCandidate *fixture_get_candidate (
    BitnetDiscovery *discovery, guint i);
/* "exact a/b; compatible c/d gated" */
char *fixture_show_candidates (BitnetDiscovery *discovery);
