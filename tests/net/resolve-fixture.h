/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hub in the process, an empty cache, and a model without tokens that a
 * resolver is to find the tokenizer of. */
#pragma once

#include "bitnet.h"
#include "resolve/bn-matrix.h"
#include "test-family.h"
#include "test-hub.h"

/* The repository that the model says it was made of. */
#define ORIGIN "someone/model"

typedef struct {
  char *folder, *cache;
  TestHub *hub;
  const BnFamily *family;
  char *model; /* without tokens */
} ResolveFixture;

void resolve_set_up (ResolveFixture *fixture, gconstpointer data);
void resolve_tear_down (ResolveFixture *fixture, gconstpointer data);

/* Puts the tokenizer of the family on the hub. */
void resolve_publish (ResolveFixture *fixture, const char *repository);
/* A model in a folder of that name; its path, (transfer full). */
char *resolve_write_model (
    ResolveFixture *fixture, const char *name, const TestFamilyModel *model);

/* Resolves fixture->model; asserts which strategy finds it. (transfer full) */
GVariant *resolve_expect (
    ResolveFixture *fixture, BitnetResolver *resolver, const char *strategy);
/* Members of a resolution; NULL and FALSE if there is none. */
const char *resolve_get_string (GVariant *resolution, const char *name);
gboolean resolve_get_boolean (GVariant *resolution, const char *name);
/* Requests to the hub so far. */
guint resolve_count_all (ResolveFixture *fixture);
