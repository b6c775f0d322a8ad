/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* infer: runs a language model on token streams. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_BITNET_INFER (gst_bitnet_infer_get_type ())
G_DECLARE_FINAL_TYPE (
    GstBitnetInfer, gst_bitnet_infer, GST_BITNET, INFER, GstElement)

GST_ELEMENT_REGISTER_DECLARE (infer);

G_END_DECLS
