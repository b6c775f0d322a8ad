/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From logits to a token: one BnSampler per sequence holds what that sequence
 * remembers (random numbers, penalty window, mirostat's mu), one
 * BnSamplerScratch per thread holds the memory that a draw needs.
 *
 * Equal configuration, seed, accepted tokens and logits give equal tokens, on
 * every machine whose libm rounds alike. Nothing is allocated by a draw. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "bn-head.h"

/* Added to one token's logit; -infinity: the token is never drawn. */
typedef struct {
  uint32_t token;
  float bias;
} BnLogitBias;

/* What BitnetParams says about drawing; the fields mean the same there. */
typedef struct {
  double temperature;
  double dynatemp_range;
  double dynatemp_exponent;
  uint32_t top_k;
  double top_p;
  double min_p;
  double typical_p;
  double xtc_probability;
  double xtc_threshold;
  uint32_t min_keep;
  int32_t penalty_last_n;
  double penalty_repeat;
  double penalty_freq;
  double penalty_present;
  uint32_t mirostat;
  double mirostat_tau;
  double mirostat_eta;
  const BnLogitBias *biases; /* copied */
  size_t n_biases;
} BnSamplerConfig;

/* One token that may still be drawn. */
typedef struct {
  uint32_t token;
  float logit;
  float p; /* valid after a filter that needs it, and in the result */
} BnCandidate;

/* xoshiro256** (Blackman and Vigna, 2018), seeded through splitmix64. */
typedef struct {
  uint64_t s[4];
} BnRandom;

void bn_random_init (BnRandom *self, uint64_t seed);
uint64_t bn_random_next (BnRandom *self);
/* The upper 53 bits as a number in [0, 1). */
double bn_random_uniform (BnRandom *self);

typedef struct BnSampler BnSampler;
typedef struct BnSamplerScratch BnSamplerScratch;

BnSamplerScratch *bn_sampler_scratch_new (uint32_t n_vocab);
void bn_sampler_scratch_free (BnSamplerScratch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnSamplerScratch, bn_sampler_scratch_free)

/* context_size: the length that penalty_last_n -1 stands for. */
BnSampler *bn_sampler_new (const BnSamplerConfig *config, uint64_t seed,
    uint32_t n_vocab, uint32_t context_size);
void bn_sampler_free (BnSampler *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnSampler, bn_sampler_free)

/* Puts a token, of the prompt or drawn, into the penalty window. A drawn one
 * is not accepted by itself. Tokens outside the vocabulary are ignored. */
void bn_sampler_accept (BnSampler *self, uint32_t token);

/* Which logits the next draws can depend on: what is kept of the others, and
 * in what order, is the same whatever they are below. The tokens in
 * drafted may be accepted before. Valid until the next call. */
void bn_sampler_get_need (BnSampler *self, const uint32_t *drafted,
    uint32_t n_drafted, BnLogitNeed *need);

/* Runs the chain up to the draw. What is left lies in *candidates (owned by
 * scratch, valid until its next use), in no particular order, with
 * probabilities that sum to 1. FALSE with BITNET_ERROR_NUMERIC where the
 * logits hold NaN or +infinity, or nothing but -infinity. */
gboolean bn_sampler_filter (BnSampler *self, BnSamplerScratch *scratch,
    const float *logits, const BnCandidate **candidates, size_t *n_candidates,
    GError **error);

/* Runs the chain and draws. Greedy choices use no random number. */
gboolean bn_sampler_sample (BnSampler *self, BnSamplerScratch *scratch,
    const float *logits, uint32_t *token, GError **error);
