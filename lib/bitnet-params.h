/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetParams: how a response is sampled and when it ends. */
#pragma once

#include <glib-object.h>
#include "bitnet-version.h"

G_BEGIN_DECLS

/**
 * BitnetParams:
 * @max_tokens: most tokens to generate; 0 = until the context is full
 * @temperature: 0 = always the likeliest token (greedy)
 * @dynatemp_range: half width of the entropy-driven temperature range; 0 = off
 * @dynatemp_exponent: exponent of the entropy in that range
 * @top_k: keep the k likeliest; 0 = all
 * @top_p: keep the shortest prefix of this probability; 1 = all
 * @min_p: keep what has this share of the likeliest one's probability; 0 = all
 * @typical_p: locally typical sampling; 1 = off
 * @xtc_probability: chance that the top choices are excluded; 0 = off
 * @xtc_threshold: probability from which a choice counts as a top choice
 * @min_keep: candidates that no filter goes below; 0 counts as 1
 * @penalty_last_n: tokens the penalties look back; 0 = off, -1 = context
 * @penalty_repeat: divisor for repeated tokens; 1 = off
 * @penalty_freq: subtracted once per occurrence
 * @penalty_present: subtracted once if present
 * @mirostat: 0 = off, 1 or 2 = that version, instead of the filters
 * @mirostat_tau: target surprise, bits
 * @mirostat_eta: learning rate
 * @seed: seed of the random numbers; 0 = a fresh one each time
 * @ignore_eos: do not stop at end-of-generation tokens
 * @stop: (nullable) (array zero-terminated=1): texts that end the response
 *
 * Sampling parameters, in the order in which the chain applies them: logit
 * bias, penalties, top-k, typical, top-p, min-p, XTC, temperature, draw
 * (model-graphs of llama.cpp; the defaults are llama.cpp's).
 */
typedef struct {
  guint max_tokens;
  double temperature;
  double dynatemp_range;
  double dynatemp_exponent;
  guint top_k;
  double top_p;
  double min_p;
  double typical_p;
  double xtc_probability;
  double xtc_threshold;
  guint min_keep;
  int penalty_last_n;
  double penalty_repeat;
  double penalty_freq;
  double penalty_present;
  guint mirostat;
  double mirostat_tau;
  double mirostat_eta;
  guint64 seed;
  gboolean ignore_eos;
  char **stop;
  /*< private >*/
  GArray *logit_bias; /* of BnLogitBias, by token */
} BitnetParams;

#define BITNET_TYPE_PARAMS (bitnet_params_get_type ())

BITNET_AVAILABLE_IN_ALL
GType bitnet_params_get_type (void);
BITNET_AVAILABLE_IN_ALL
BitnetParams *bitnet_params_new (void);
BITNET_AVAILABLE_IN_ALL
BitnetParams *bitnet_params_copy (const BitnetParams *self);
BITNET_AVAILABLE_IN_ALL
void bitnet_params_free (BitnetParams *self);
BITNET_AVAILABLE_IN_ALL
void bitnet_params_set_stop (BitnetParams *self, const char *const *stop);
BITNET_AVAILABLE_IN_ALL
void bitnet_params_set_logit_bias (BitnetParams *self, guint32 token,
    double bias);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_params_validate (const BitnetParams *self, GError **error);
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_params_load_json (BitnetParams *self, const char *json,
    gssize length, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BitnetParams, bitnet_params_free)

G_END_DECLS
