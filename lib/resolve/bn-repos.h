/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which repositories may have the tokenizer of a model. */
#pragma once

#include "bitnet-discovery.h"
#include "bn-matrix.h"
#include "gguf/bn-gguf.h"

/* Of BitnetCandidate (transfer full), the surest first, none twice. gguf and
 * path, of the model's file, may be NULL. */
GPtrArray *bn_repos_infer (const BnGguf *gguf, const char *path,
    const BnFamilyMatrix *matrix, const BnModelFacts *facts);

/* The repository that a config.json names as its origin; NULL if it names
 * none, or something that may be a path (transfer full). */
char *bn_repos_parse_config (
    const char *text, gsize size, const char *path, const char *folder);
