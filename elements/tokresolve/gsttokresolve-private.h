/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of tokresolve: pads and states in gsttokresolve.c, properties and
 * signals in settings.c, the resolver and its thread in resolve.c, what goes
 * on the bus in reports.c.
 *
 * Threads: one per resolution, which runs the resolver, stores its result and
 * wakes the streaming thread; it never touches a pad. The object lock and
 * wait.mutex are leaves: nothing is called with them held. */
#pragma once

#include "gsttokresolve.h"
#include "gstbitnet.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_bitnet_tok_resolve_debug);

enum {
  PROP_0,
  /* settings, handed to the resolver by their names */
  PROP_TOKENIZER,
  PROP_EXPLICIT_FALLBACK,
  PROP_TOKENIZER_REPO,
  PROP_REVISION,
  PROP_ENDPOINT,
  PROP_TOKEN,
  PROP_STRATEGY_ORDER,
  PROP_STRICT,
  PROP_OFFLINE,
  PROP_ALLOW_DOWNLOAD,
  PROP_ALLOW_INSECURE,
  PROP_CACHE_DIR,
  PROP_TIMEOUT,
  PROP_RETRIES,
  PROP_FIDELITY,
  PROP_DEVICE,
  N_SETTINGS,
  /* results */
  PROP_RESULT = N_SETTINGS,
  PROP_RESOLUTION,
  PROP_STATS,
  N_PROPS,
};

typedef enum {
  STATE_IDLE,
  STATE_RUNNING,
  STATE_DONE,
  STATE_FAILED,
} ResolveState;

struct _GstBitnetTokResolve {
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  /* Under the object lock. What was never set stays the resolver's own
   * choice: environment, then default. */
  GValue settings[N_SETTINGS];
  gboolean is_set[N_SETTINGS];
  guint settings_age; /* rises with every change */

  GstBitnetWait wait;
  /* under wait.mutex */
  ResolveState state;
  BitnetModel *model;
  BitnetTokenizer *tokenizer;
  gboolean fallback;
  GstStructure *resolution;
  GstStructure *stats;      /* of resolvers that are gone */
  BitnetResolver *resolver; /* that of these settings, NULL before the first
                               model */
  GCancellable *cancellable;

  /* resolver's thread; others once it is joined */
  guint resolver_age;  /* settings_age of resolver */
  char *resolver_path; /* answer to the signal resolve that it has */
  GstBitnetTransfer transfer;
  guint n_started; /* strategies of this resolution */
  guint n_failed;

  /* streaming thread; change_state() once the pads are inactive */
  GThread *thread;
  GstCaps *caps;        /* as they came */
  gboolean sent_result; /* caps and handle of this tokenizer are out */
};

/* settings.c */
void gst_bitnet_tok_resolve_install_properties (GObjectClass *klass);
void gst_bitnet_tok_resolve_install_signals (GType type);
void gst_bitnet_tok_resolve_init_settings (GstBitnetTokResolve *self);
void gst_bitnet_tok_resolve_clear_settings (GstBitnetTokResolve *self);
/* Hands what the application has set to a new resolver; returns their age. */
guint gst_bitnet_tok_resolve_apply_settings (
    GstBitnetTokResolve *self, BitnetResolver *resolver);
guint gst_bitnet_tok_resolve_get_settings_age (GstBitnetTokResolve *self);
/* Signals and notifications, in the resolver's thread. */
char *gst_bitnet_tok_resolve_emit_resolve (
    GstBitnetTokResolve *self, BitnetModel *model);
void gst_bitnet_tok_resolve_emit_resolved (
    GstBitnetTokResolve *self, BitnetTokenizer *tokenizer);
void gst_bitnet_tok_resolve_emit_started (
    GstBitnetTokResolve *self, const char *name, int priority);
void gst_bitnet_tok_resolve_emit_finished (GstBitnetTokResolve *self,
    const char *name, gboolean success, const char *message,
    double duration_ms);

/* reports.c */
/* Connects the reports of a resolver to the bus and to our signals. */
void gst_bitnet_tok_resolve_watch (
    GstBitnetTokResolve *self, BitnetResolver *resolver);
void gst_bitnet_tok_resolve_report_start (GstBitnetTokResolve *self);
/* record as bitnet_resolver_resolve() gives it. */
void gst_bitnet_tok_resolve_report_success (GstBitnetTokResolve *self,
    BitnetTokenizer *tokenizer, const GstStructure *resolution);
void gst_bitnet_tok_resolve_report_failure (
    GstBitnetTokResolve *self, GVariant *record, const GError *error);

/* resolve.c */
/* Starts the resolution for a model, unless it is that of the one before. */
void gst_bitnet_tok_resolve_start (
    GstBitnetTokResolve *self, BitnetModel *model);
void gst_bitnet_tok_resolve_cancel (GstBitnetTokResolve *self);
/* Ends a running resolution and forgets the result; quick, because it is
 * cancelled. */
void gst_bitnet_tok_resolve_stop (GstBitnetTokResolve *self);
/* Lets the resolver go, and the environment that it has read; its statistics
 * stay. */
void gst_bitnet_tok_resolve_drop_resolver (GstBitnetTokResolve *self);
/* Until the resolution is over: OK with the tokenizer (transfer full), or
 * FLUSHING or ERROR. */
GstFlowReturn gst_bitnet_tok_resolve_wait (
    GstBitnetTokResolve *self, BitnetTokenizer **tokenizer, gboolean *fallback);
/* (transfer full), NULL before the first resolution. */
GstStructure *gst_bitnet_tok_resolve_dup_stats (GstBitnetTokResolve *self);

G_END_DECLS
