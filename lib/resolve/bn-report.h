/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is told of a resolution: a dictionary for programs, one error, and a
 * text for people that says what to try. */
#pragma once

#include "bn-chain.h"

/* The dictionary that bitnet_resolver_resolve() documents (floating). */
GVariant *bn_report_new_success (
    const BnOutcome *outcome, const BnChainInput *input, double duration_ms);

/* The same of a failure; sets error. */
GVariant *bn_report_new_failure (const BnOutcome *outcome,
    const BnChainInput *input, double duration_ms, GError **error);
