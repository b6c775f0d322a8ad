/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalizers of tokenizer.json: what a text is rewritten to before it is cut
 * into words. */
#pragma once

#include "bn-json.h"
#include "bn-scratch.h"

/* A list of steps; immutable, for all threads. */
typedef struct BnNormalizer BnNormalizer;

/* From the value of the member "normalizer", which is not null. NULL with an
 * error that names the place, for what is wrong or not supported. */
BnNormalizer *bn_normalizer_new_from_json (BnJson json, GError **error);
void bn_normalizer_free (BnNormalizer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnNormalizer, bn_normalizer_free)

/* Replaces the content of out by the normalized text, which is UTF-8 as the
 * text was. FALSE if memory is short. */
gboolean bn_normalizer_apply (const BnNormalizer *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnBuffer *out);
