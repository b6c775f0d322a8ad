/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ggufsrc: pushes a GGUF model file into a pipeline. */
#pragma once

#include <gst/gst.h>
#include <gst/base/gstpushsrc.h>

G_BEGIN_DECLS

#define GST_TYPE_BITNET_GGUF_SRC (gst_bitnet_gguf_src_get_type ())
G_DECLARE_FINAL_TYPE (
    GstBitnetGgufSrc, gst_bitnet_gguf_src, GST_BITNET, GGUF_SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE (ggufsrc);

G_END_DECLS
