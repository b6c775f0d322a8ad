/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokenizers that somebody still has, by the key of their resolution: who
 * resolves the same again shares them, as long as what they came from is what
 * it was. */
#pragma once

#include "bn-attempt.h"

/* What was found: its tokenizer, what it depends on and what was doubtful
 * (notes and origin but the path are not kept), and *resolution as it was
 * given. FALSE if nobody has it any more or something has changed. */
gboolean bn_memory_find (const char *key, BitnetDiscovery *discovery,
    BnFound *found, GVariant **resolution);
void bn_memory_keep (const char *key, BitnetDiscovery *discovery,
    const BnFound *found, GVariant *resolution);
