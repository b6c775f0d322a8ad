/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tokenizer.json as llama.cpp reads it after conversion to GGUF
 * (tokenizers.md (d), "From HF files to the GGUF view"). */
#pragma once

#include "bn-tokjson-words.h"

/* Marks as special what only looks like it, and gives other added tokens the
 * spaces that U+2581 stands for. */
void bn_tokjson_convert_added (BnTokjsonAdded *added);

/* Makes the encoder, and what else follows from the pre-tokenizer. Takes
 * source->vocab on success. FALSE with an error if llama.cpp has no such
 * tokenizer. */
gboolean bn_tokjson_make_llama_cpp (const BnTokjsonSource *source,
    const BnSplitter *splitter, BnJson normalizer, BnJson pre_tokenizer,
    BnTokenizer *tokenizer, GError **error);
