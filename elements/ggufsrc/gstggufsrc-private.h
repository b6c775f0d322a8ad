/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of ggufsrc: base class and streaming in gstggufsrc.c, properties
 * and the URI handler in settings.c, the hub in download.c. */
#pragma once

#include "gstggufsrc.h"
#include "gstbitnet.h"

#include <gst/base/gstpushsrc.h>

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_bitnet_gguf_src_debug);

typedef enum {
  PRELOAD_NONE,
  PRELOAD_READAHEAD,
  PRELOAD_LOCK,
} Preload;

enum {
  PROP_0,
  PROP_LOCATION,
  PROP_URI,
  /* settings of the hub, handed to it by their names */
  PROP_REVISION,
  PROP_CACHE_DIR,
  PROP_OFFLINE,
  PROP_ENDPOINT,
  PROP_TOKEN,
  PROP_ALLOW_INSECURE,
  N_HUB_SETTINGS,
  PROP_SHA256 = N_HUB_SETTINGS,
  PROP_PRELOAD,
  PROP_SHARE,
  PROP_MODEL,
  PROP_STATS,
  N_PROPS,
};

struct _GstBitnetGgufSrc {
  GstPushSrc parent;

  /* settings and results, under the object lock */
  char *location;
  char *uri; /* as set; NULL if a location was set */
  char *sha256;
  gboolean share;
  Preload preload;
  /* What was never set stays the hub's own choice: environment, then
   * default. */
  GValue hub_settings[N_HUB_SETTINGS];
  gboolean is_set[N_HUB_SETTINGS];
  BitnetModel *given_model;   /* by the application */
  BitnetModel *context_model; /* offered by a context */
  BitnetModel *model;         /* loaded, between create() and stop() */
  GCancellable *cancellable;
  guint64 open_ns, preload_ns, download_ns;
  BitnetHub *hub; /* that fetched the model, for its statistics */

  /* streaming thread */
  gboolean done;
  gboolean drop_segment; /* the base class is about to repeat ours */
  GstBitnetWait wait;    /* for the end of the state change; its mutex
                            guards is_changing, too */
  gboolean is_changing;  /* from READY to PAUSED */
};

/* settings.c */
GType gst_bitnet_gguf_src_preload_get_type (void);
void gst_bitnet_gguf_src_install_properties (GObjectClass *klass);
GParamSpec *gst_bitnet_gguf_src_get_pspec (guint id);
void gst_bitnet_gguf_src_init_settings (GstBitnetGgufSrc *self);
void gst_bitnet_gguf_src_clear_settings (GstBitnetGgufSrc *self);
void gst_bitnet_gguf_src_uri_handler_init (gpointer iface, gpointer data);
/* (transfer full) (nullable) */
char *gst_bitnet_gguf_src_dup_uri (GstBitnetGgufSrc *self);
/* The file to open, (transfer full); NULL with an error set if there is none.
 * Precedence: location or uri, then the demo model. Not for models on a
 * hub. */
char *gst_bitnet_gguf_src_dup_path (GstBitnetGgufSrc *self, GError **error);

/* download.c */
/* What bitnet_hub_fetch_model() takes, (transfer full); NULL if the model is
 * not on a hub. */
char *gst_bitnet_gguf_src_dup_reference (GstBitnetGgufSrc *self);
/* Fetches the model, with progress; the path is (transfer full). Blocks. */
char *gst_bitnet_gguf_src_download (GstBitnetGgufSrc *self,
    const char *reference, GCancellable *cancellable, GError **error);
/* Adds the fields of the download, if there was one. */
void gst_bitnet_gguf_src_add_download_stats (
    GstBitnetGgufSrc *self, GstStructure *stats);

G_END_DECLS
