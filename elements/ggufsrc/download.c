/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models from a hub: ggufsrc fetches them in its streaming thread, before it
 * opens them. */
#include "gstggufsrc-private.h"

#include <string.h>

#define GST_CAT_DEFAULT gst_bitnet_gguf_src_debug

#define HUB_PROTOCOL "hf://"
#define HUB_HOST "hf.co/"

typedef struct {
  GstBitnetGgufSrc *self;
  GstBitnetTransfer transfer;
} Download;

char *
gst_bitnet_gguf_src_dup_reference (GstBitnetGgufSrc *self)
{
  g_autofree char *uri = NULL;
  const char *rest;

  GST_OBJECT_LOCK (self);
  if (self->given_model == NULL)
    uri = g_strdup (self->uri);
  GST_OBJECT_UNLOCK (self);
  if (uri == NULL || !gst_uri_has_protocol (uri, "hf"))
    return NULL;
  /* A repository without a file: the hub chooses one. */
  rest = uri + strlen (HUB_PROTOCOL);
  if (strchr (rest, '/') && strchr (strchr (rest, '/') + 1, '/') == NULL)
    return g_strconcat (HUB_HOST, rest, NULL);
  return g_steal_pointer (&uri);
}

/* A hub with what the application has set. */
static BitnetHub *
new_hub (GstBitnetGgufSrc *self)
{
  BitnetHub *hub = bitnet_hub_new ();

  GST_OBJECT_LOCK (self);
  for (guint i = PROP_REVISION; i < N_HUB_SETTINGS; i++) {
    GParamSpec *pspec = gst_bitnet_gguf_src_get_pspec (i);

    if (self->is_set[i])
      g_object_set_property (
          G_OBJECT (hub), pspec->name, &self->hub_settings[i]);
  }
  g_set_object (&self->hub, hub);
  GST_OBJECT_UNLOCK (self);
  return hub;
}

/* In a thread of the library. */
static void
on_transfer (const BitnetProgress *progress, gpointer user_data)
{
  Download *download = user_data;

  gst_bitnet_transfer_post (&download->transfer, GST_ELEMENT (download->self),
      GST_BITNET_PROGRESS_DOWNLOAD, progress);
}

/* The error of a hub says what happened; its hint, what to do. */
static void
add_hint (GError **error)
{
  if (error && *error && (*error)->domain == BITNET_ERROR) {
    g_autoptr (GError) bare = g_steal_pointer (error);
    const char *hint =
        bare->code == BITNET_ERROR_OFFLINE
            ? "turn offline mode off, or fetch before with \"bitnet pull\""
            : bitnet_error_get_hint ((BitnetError) bare->code);

    g_set_error (
        error, BITNET_ERROR, bare->code, "%s (%s)", bare->message, hint);
  }
}

char *
gst_bitnet_gguf_src_download (GstBitnetGgufSrc *self, const char *reference,
    GCancellable *cancellable, GError **error)
{
  GstElement *element = GST_ELEMENT (self);
  g_autoptr (BitnetHub) hub = new_hub (self);
  g_autofree char *sha256 = NULL;
  Download download = {.self = self};
  GstClockTime start = gst_util_get_timestamp ();
  g_autoptr (GError) local_error = NULL;
  char *path;

  GST_OBJECT_LOCK (self);
  sha256 = g_strdup (self->sha256);
  GST_OBJECT_UNLOCK (self);
  gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_START,
      GST_BITNET_PROGRESS_DOWNLOAD, "Looking for %s", reference);
  gst_bitnet_transfer_start (&download.transfer);
  path = bitnet_hub_fetch_model (hub, reference, sha256, on_transfer, &download,
      cancellable, &local_error);
  gst_bitnet_transfer_clear (&download.transfer);
  GST_OBJECT_LOCK (self);
  self->download_ns = gst_util_get_timestamp () - start;
  GST_OBJECT_UNLOCK (self);
  if (path) {
    GST_INFO_OBJECT (self, "%s is %s", reference, path);
    gst_bitnet_post_progress (element, GST_PROGRESS_TYPE_COMPLETE,
        GST_BITNET_PROGRESS_DOWNLOAD, "The model is here");
    return path;
  }
  gst_bitnet_post_progress (element,
      g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
          ? GST_PROGRESS_TYPE_CANCELED
          : GST_PROGRESS_TYPE_ERROR,
      GST_BITNET_PROGRESS_DOWNLOAD, "The model was not fetched");
  add_hint (&local_error);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

void
gst_bitnet_gguf_src_add_download_stats (
    GstBitnetGgufSrc *self, GstStructure *stats)
{
  static const char *const counters[] = {
      "bytes-received", "bytes-resumed", "requests", "retries"};
  g_autoptr (BitnetHub) hub = NULL;
  g_autoptr (GVariant) numbers = NULL;
  guint64 download_ns;

  GST_OBJECT_LOCK (self);
  g_set_object (&hub, self->hub);
  download_ns = self->download_ns;
  GST_OBJECT_UNLOCK (self);
  if (hub == NULL)
    return;
  numbers = bitnet_hub_dup_stats (hub);
  gst_structure_set (stats, "download-ns", G_TYPE_UINT64, download_ns, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (counters); i++) {
    guint64 n = 0;

    g_variant_lookup (numbers, counters[i], "t", &n);
    gst_structure_set (stats, counters[i], G_TYPE_UINT64, n, NULL);
  }
}
