/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tekken.json of Mistral: ranks of tiktoken in JSON, with the expression that
 * cuts text into words. Special tokens have the first ids. */
#pragma once

#include <gio/gio.h>

#include "bn-beside.h"
#include "bn-json.h"

/* Whether the document is of this kind. */
gboolean bn_tekken_is_tekken (BnJson root);

BnTokenizer *bn_tekken_load (BnJson root, const BnBeside *beside,
    BnFidelity fidelity, GCancellable *cancellable, GError **error);
