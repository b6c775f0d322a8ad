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
 * Sampling parameters. The chain applies them in this order: logit bias,
 * penalties, top-k, typical, top-p, min-p, XTC, temperature, draw; with
 * mirostat: logit bias, temperature, mirostat, draw. @temperature 0 without a
 * @dynatemp_range takes the likeliest token after bias and penalties, the
 * lowest id on a tie. Order, definitions and defaults are llama.cpp's of 2026.
 * The penalties count the tokens of the prompt too.
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetParams) params = bitnet_params_new ();
 * const char *stop[] = {"\nUser:", NULL};
 *
 * params->temperature = 0;
 * params->max_tokens = 64;
 * bitnet_params_set_stop (params, stop);
 * ]|
 *
 * A plain value: not to be changed by one thread while another reads it.
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

/**
 * bitnet_params_new:
 *
 * Parameters with their defaults: @max_tokens 512, @temperature 0.8,
 * @dynatemp_range 0, @dynatemp_exponent 1, @top_k 40, @top_p 0.95, @min_p
 * 0.05, @typical_p 1, @xtc_probability 0, @xtc_threshold 0.1, @min_keep 0,
 * @penalty_last_n 64, @penalty_repeat 1, @penalty_freq 0, @penalty_present 0,
 * @mirostat 0, @mirostat_tau 5, @mirostat_eta 0.1, @seed 0, @ignore_eos
 * %FALSE, no stop texts, no logit bias.
 *
 * Returns: (transfer full): new parameters
 */
BITNET_AVAILABLE_IN_ALL
BitnetParams *bitnet_params_new (void);

/**
 * bitnet_params_copy:
 * @self: parameters
 *
 * Returns: (transfer full): a copy of everything
 */
BITNET_AVAILABLE_IN_ALL
BitnetParams *bitnet_params_copy (const BitnetParams *self);

/**
 * bitnet_params_free:
 * @self: (nullable): parameters
 *
 * Frees the parameters and all they hold.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_params_free (BitnetParams *self);

/**
 * bitnet_params_set_stop:
 * @self: parameters
 * @stop: (nullable) (array zero-terminated=1): texts, copied; %NULL for none
 *
 * Replaces the texts that end a response. The first one that appears ends it;
 * the stop text itself and what follows is not delivered.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_params_set_stop (BitnetParams *self, const char *const *stop);

/**
 * bitnet_params_set_logit_bias:
 * @self: parameters
 * @token: a token id; one outside the vocabulary has no effect
 * @bias: added to the token's logit; minus infinity bans the token
 *
 * Makes one token likelier or less likely. A second call for the same token
 * replaces the first.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_params_set_logit_bias (
    BitnetParams *self, guint32 token, double bias);

/**
 * bitnet_params_validate:
 * @self: parameters
 * @error: return location
 *
 * Checks every field against its range: @temperature, @dynatemp_range,
 * @dynatemp_exponent and @mirostat_tau 0 to 100; @top_p, @min_p, @typical_p,
 * @xtc_probability and @xtc_threshold 0 to 1; @penalty_last_n from -1;
 * @penalty_repeat 0.01 to 100; @penalty_freq and @penalty_present -100 to
 * 100; @mirostat 0 to 2; @mirostat_eta 0 to 10; at most 64 stop texts of 1 to
 * 1024 bytes of UTF-8.
 *
 * Returns: %TRUE if all fit; otherwise %BITNET_ERROR_INVALID_ARGUMENT names
 *   the field, its value and its range
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_params_validate (const BitnetParams *self, GError **error);

/**
 * bitnet_params_load_json:
 * @self: parameters
 * @json: a JSON object in UTF-8
 * @length: bytes of @json, or -1 if it ends with NUL
 * @error: return location
 *
 * Overrides fields. The members have the names of the fields, written with
 * `-` or `_`: `{"temperature": 0.2, "max-tokens": 64, "stop": ["\n\n"]}`.
 * `stop` is a string or an array of strings; `logit-bias` an object from
 * token id to a number, or to `false`, which bans the token. On failure
 * nothing is changed.
 *
 * Returns: %TRUE on success; otherwise %BITNET_ERROR_INVALID_ARGUMENT names
 *   the member that is unknown, of the wrong type or out of its range
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_params_load_json (
    BitnetParams *self, const char *json, gssize length, GError **error);

/**
 * bitnet_params_resolve_seed:
 * @self: parameters
 *
 * The seed that a response with these parameters starts from, by the one rule
 * of the project: @seed if it is not 0; else the environment variable
 * `BITNET_SEED` if set; else 42 if `BITNET_DETERMINISTIC` is true; else a
 * fresh random number.
 *
 * Returns: the seed
 */
BITNET_AVAILABLE_IN_ALL
guint64 bitnet_params_resolve_seed (const BitnetParams *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BitnetParams, bitnet_params_free)

G_END_DECLS
