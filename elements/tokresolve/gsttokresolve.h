/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokresolve: finds the tokenizer of the model that passes through. */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_BITNET_TOK_RESOLVE (gst_bitnet_tok_resolve_get_type ())
G_DECLARE_FINAL_TYPE (GstBitnetTokResolve, gst_bitnet_tok_resolve, GST_BITNET,
    TOK_RESOLVE, GstElement)

GST_ELEMENT_REGISTER_DECLARE (tokresolve);

G_END_DECLS
