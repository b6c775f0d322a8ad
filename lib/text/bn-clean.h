/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes back spaces that stand between tokens, not between words: in front of
 * punctuation and of the ends of contracted words. It loses what the text had
 * there, so it is done only if asked for, and only to whole texts. */
#pragma once

#include <glib.h>

/* As llama.cpp does: three passes, each over what the last one left. */
void bn_clean_llama_cpp (GString *text);

/* As clean_up_tokenization() of Hugging Face's transformers does: a list of
 * replacements, one after the other. */
void bn_clean_huggingface (GString *text);
