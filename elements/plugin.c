/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers the elements and does nothing else: GStreamer loads this file in
 * a helper process on every registry update. */
#include <gst/gst.h>

static gboolean
plugin_init (GstPlugin *plugin)
{
  return TRUE;
}

#define PACKAGE "gst-bitnet"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, bitnet,
    "Quantized language models in a pipeline", plugin_init, PACKAGE_VERSION,
    "LGPL", "gst-bitnet", "https://gitlab.freedesktop.org/gstreamer")
