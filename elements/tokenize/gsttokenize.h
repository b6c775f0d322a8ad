/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokenize: turns prompts into token streams. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_BITNET_TOKENIZE (gst_bitnet_tokenize_get_type ())
G_DECLARE_FINAL_TYPE (
    GstBitnetTokenize, gst_bitnet_tokenize, GST_BITNET, TOKENIZE, GstElement)

GST_ELEMENT_REGISTER_DECLARE (tokenize);

G_END_DECLS
