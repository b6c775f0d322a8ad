/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers the elements and does nothing else: GStreamer loads this file in
 * a helper process on every registry update. */
#include <gst/gst.h>
#include "detokenize/gstdetokenize.h"
#include "ggufsrc/gstggufsrc.h"
#include "infer/gstinfer.h"
#include "tokenize/gsttokenize.h"
#include "tokresolve/gsttokresolve.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER (ggufsrc, plugin)
         && GST_ELEMENT_REGISTER (tokresolve, plugin)
         && GST_ELEMENT_REGISTER (tokenize, plugin)
         && GST_ELEMENT_REGISTER (infer, plugin)
         && GST_ELEMENT_REGISTER (detokenize, plugin);
}

#define PACKAGE "gst-bitnet"
GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, bitnet,
    "Quantized language models in a pipeline", plugin_init, PACKAGE_VERSION,
    "LGPL", "gst-bitnet", "https://gitlab.freedesktop.org/gstreamer")
