/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Successful resolutions, remembered on disk: the second start neither looks
 * nor asks. A record holds where the tokenizer was, not the tokenizer; it
 * counts as long as what it names is what it was. */
#pragma once

#include "bn-chain.h"

/* Names what decides about the result of a resolution: the identity of all
 * files of the model (device, inode, size, time), its path, and the options
 * that matter; or, if model is NULL, what stands for a model. 64 hexadecimal
 * digits; NULL if the model is no file. No I/O. */
char *bn_record_make_key (
    BitnetModel *model, const char *reference, const BnResolveOptions *options);

/* The state of what a result depends on besides what its key names: the file
 * that it came from; of files from a hub, the folder of the model, because
 * what somebody puts there comes first. NULL if the file has vanished.
 * (transfer full) */
char *bn_record_dup_state (const BnFound *found, BitnetDiscovery *discovery);

/* What the record leads to: outcome->found is set and from_cache. FALSE if
 * there is none or it does not count any more (then it is removed); the
 * cancellable counts as none. */
gboolean bn_record_load (const char *key, const BnChainInput *input,
    BnOutcome *outcome, GCancellable *cancellable);

/* Keeps what was found, unless it is uncertain. Failures are only logged. */
void bn_record_save (
    const char *key, const BnChainInput *input, const BnOutcome *outcome);
