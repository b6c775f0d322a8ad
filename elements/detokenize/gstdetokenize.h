/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* detokenize: turns token streams into text. */
#pragma once

#include <gst/gst.h>
#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_BITNET_DETOKENIZE (gst_bitnet_detokenize_get_type ())
G_DECLARE_FINAL_TYPE (GstBitnetDetokenize, gst_bitnet_detokenize, GST_BITNET,
    DETOKENIZE, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (detokenize);

G_END_DECLS
