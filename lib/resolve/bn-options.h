/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the application and the environment ask of a resolution: a snapshot
 * that never changes, so that a resolution sees one state. */
#pragma once

#include <glib.h>
#include "bitnet-tokenizer.h"

/* Strings are NULL where nothing was said. */
typedef struct {
  char *tokenizer; /* explicit reference */
  gboolean explicit_fallback;
  char *tokenizer_repo;
  char *revision;
  char *endpoint;
  char *token;
  GStrv strategy_order;
  gboolean strict;
  gboolean offline;
  gboolean allow_download;
  gboolean allow_insecure;
  char *cache_dir;
  guint timeout_s;
  guint retries;
  char *fidelity;
  char *device;
} BnResolveOptions;

/* With what the environment says and the defaults. */
void bn_resolve_options_init (BnResolveOptions *self);
void bn_resolve_options_clear (BnResolveOptions *self);

/* A copy that is shared by references. */
const BnResolveOptions *bn_resolve_options_snapshot (
    const BnResolveOptions *self);
const BnResolveOptions *bn_resolve_options_ref (const BnResolveOptions *self);
void bn_resolve_options_unref (const BnResolveOptions *self);

/* FALSE with BITNET_ERROR_INVALID_ARGUMENT for an unknown name. */
gboolean bn_resolve_options_get_fidelity (
    const BnResolveOptions *self, BitnetFidelity *fidelity, GError **error);

gboolean bn_resolve_options_allow_network (const BnResolveOptions *self);

/* The environment variable that forbids the network, NULL if none does. */
const char *bn_resolve_find_offline_variable (void);

enum {
  BN_RESOLVE_TIMEOUT_S = 300,
  BN_RESOLVE_MAX_TIMEOUT_S = 24 * 60 * 60,
  BN_RESOLVE_RETRIES = 4,
  BN_RESOLVE_MAX_RETRIES = 100,
};
#define BN_RESOLVE_REVISION "main"
#define BN_RESOLVE_FIDELITY "auto"
#define BN_RESOLVE_DEVICE "auto"
