/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetParams: defaults, ranges, JSON overrides, the rule of the seed. */
#include <glib.h>
#include <math.h>
#include "bitnet.h"

/* Every field of two parameter sets, as text. */
static char *
describe (const BitnetParams *p)
{
  g_autofree char *stop = p->stop ? g_strjoinv ("|", p->stop) : NULL;

  return g_strdup_printf ("max-tokens=%u temperature=%g dynatemp=%g,%g "
                          "top-k=%u top-p=%g min-p=%g typical=%g xtc=%g,%g "
                          "min-keep=%u last-n=%d repeat=%g freq=%g present=%g "
                          "mirostat=%u,%g,%g seed=%" G_GUINT64_FORMAT
                          " ignore-eos=%d stop=%s",
      p->max_tokens, p->temperature, p->dynatemp_range, p->dynatemp_exponent,
      p->top_k, p->top_p, p->min_p, p->typical_p, p->xtc_probability,
      p->xtc_threshold, p->min_keep, p->penalty_last_n, p->penalty_repeat,
      p->penalty_freq, p->penalty_present, p->mirostat, p->mirostat_tau,
      p->mirostat_eta, p->seed, p->ignore_eos, stop ? stop : "none");
}

static void
test_defaults (void)
{
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autofree char *text = describe (params);

  g_assert_cmpstr (text, ==,
      "max-tokens=512 temperature=0.8 dynatemp=0,1 top-k=40 top-p=0.95 "
      "min-p=0.05 typical=1 xtc=0,0.1 min-keep=0 last-n=64 repeat=1 freq=0 "
      "present=0 mirostat=0,5,0.1 seed=0 ignore-eos=0 stop=none");
  g_assert_true (bitnet_params_validate (params, NULL));
}

static void
test_copy (void)
{
  const char *stop[] = {"a", "b", NULL};
  g_autoptr (BitnetParams) params = bitnet_params_new ();

  params->seed = 7;
  bitnet_params_set_stop (params, stop);
  bitnet_params_set_logit_bias (params, 3, -1);
  bitnet_params_set_logit_bias (params, 3, NAN);
  g_autoptr (BitnetParams) copy = g_boxed_copy (BITNET_TYPE_PARAMS, params);
  bitnet_params_set_stop (params, NULL);
  bitnet_params_set_logit_bias (params, 3, 1);

  g_assert_cmpuint (copy->seed, ==, 7);
  g_assert_true (g_strv_equal ((const char *const *) copy->stop, stop));
  g_assert_null (params->stop);
  g_assert_true (bitnet_params_validate (params, NULL));
  g_assert_false (bitnet_params_validate (copy, NULL));
}

/* JSON, and what it makes of the defaults: the changed part of describe(), or
 * the pattern of an error. */
static const struct {
  const char *json;
  const char *changed;
  const char *error;
} overrides[] = {
    {"{}", "*", NULL},
    {"{\"temperature\": 0}", "* temperature=0 *", NULL},
    {"{\"temperature\": 0.25}", "* temperature=0.25 *", NULL},
    {"{\"max-tokens\": 7}", "max-tokens=7 *", NULL},
    {"{\"max_tokens\": 7, \"top_k\": 1}", "max-tokens=7 *top-k=1 *", NULL},
    {"{\"penalty-last-n\": -1}", "*last-n=-1 *", NULL},
    {"{\"ignore_eos\": true}", "*ignore-eos=1*", NULL},
    {"{\"seed\": 9223372036854775807}", "*seed=9223372036854775807 *", NULL},
    {"{\"stop\": \"x\"}", "*stop=x", NULL},
    {"{\"stop\": [\"x\", \"y\\n\"]}", "*stop=x|y\n", NULL},
    {"{\"stop\": []}", "*stop=", NULL},
    {"{\"logit-bias\": {\"5\": -2.5, \"6\": false}}", "*", NULL},
    {"{\"min-p\": 0, \"top-p\": 1, \"typical-p\": 0.5}",
        "*top-p=1 min-p=0 typical=0.5*", NULL},

    {"", NULL, "*"},
    {"[]", NULL, "*expected an object*"},
    {"{\"temperature\": 0", NULL, "*"},
    {"{\"temprature\": 0}", NULL, "*\"temprature\"*"},
    {"{\"temperature\": \"hot\"}", NULL, "*temperature*String*a number*"},
    {"{\"temperature\": null}", NULL, "*temperature*NULL*a number*"},
    {"{\"temperature\": -1}", NULL, "*temperature is -1, expected 0 to 100*"},
    {"{\"temperature\": 1e308}", NULL, "*temperature*expected 0 to 100*"},
    {"{\"top-p\": 1.5}", NULL, "*top-p is 1.5, expected 0 to 1*"},
    {"{\"top-k\": 1.5}", NULL, "*top-k*a whole number*"},
    {"{\"top-k\": -1}", NULL, "*top-k is -1, expected 0 to 4294967295*"},
    {"{\"top-k\": 4294967296}", NULL, "*top-k is 4294967296*"},
    {"{\"seed\": -1}", NULL, "*seed is -1*"},
    {"{\"mirostat\": 3}", NULL, "*mirostat is 3, expected 0 to 2*"},
    {"{\"penalty-last-n\": -2}", NULL, "*penalty-last-n is -2*"},
    {"{\"penalty-repeat\": 0}", NULL, "*penalty-repeat is 0*"},
    {"{\"ignore-eos\": 1}", NULL, "*ignore-eos*true or false*"},
    {"{\"stop\": 1}", NULL, "*stop*"},
    {"{\"stop\": [1]}", NULL, "*stop*"},
    {"{\"stop\": [\"\"]}", NULL, "*stop[0] has 0 bytes*"},
    {"{\"logit-bias\": []}", NULL, "*logit-bias*"},
    {"{\"logit-bias\": {\"x\": 1}}", NULL, "*logit-bias names \"x\"*"},
    {"{\"logit-bias\": {\"1\": true}}", NULL, "*logit-bias*"},
    {"{\"logit-bias\": {\"1\": 1e300}}", NULL, "*logit-bias of token 1*"},
    /* The first member is good: it must not stay. */
    {"{\"max-tokens\": 7, \"nonsense\": 0}", NULL, "*\"nonsense\"*"},
};

static void
test_json (void)
{
  g_autoptr (BitnetParams) untouched = bitnet_params_new ();
  g_autofree char *defaults = describe (untouched);

  for (gsize i = 0; i < G_N_ELEMENTS (overrides); i++) {
    g_autoptr (BitnetParams) params = bitnet_params_new ();
    g_autoptr (GError) error = NULL;
    gboolean ok =
        bitnet_params_load_json (params, overrides[i].json, -1, &error);
    g_autofree char *text = describe (params);

    g_test_message ("%s: %s", overrides[i].json, error ? error->message : text);
    if (overrides[i].error == NULL) {
      g_assert_no_error (error);
      g_assert_true (ok);
      g_assert_true (g_pattern_match_simple (overrides[i].changed, text));
    } else {
      g_assert_false (ok);
      g_assert_nonnull (error);
      g_assert_true (error->domain == BITNET_ERROR);
      g_assert_true (
          g_pattern_match_simple (overrides[i].error, error->message));
      g_assert_cmpstr (text, ==, defaults);
    }
  }
}

static void
test_json_length (void)
{
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (GError) error = NULL;

  bitnet_params_load_json (params, "{\"top-k\": 3}garbage", 12, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (params->top_k, ==, 3);
}

static void
test_validate (void)
{
  g_autoptr (BitnetParams) params = bitnet_params_new ();
  g_autoptr (GError) error = NULL;
  const char *bad_utf8[] = {"fine", "\xff", NULL};

  params->min_p = NAN;
  g_assert_false (bitnet_params_validate (params, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
  g_assert_true (g_pattern_match_simple (
      "min-p is *nan, expected 0 to 1", error->message));
  g_clear_error (&error);

  params->min_p = 0;
  bitnet_params_set_stop (params, bad_utf8);
  g_assert_false (bitnet_params_validate (params, &error));
  g_assert_cmpstr (error->message, ==, "stop[1] is not UTF-8");
  g_clear_error (&error);

  bitnet_params_set_stop (params, NULL);
  bitnet_params_set_logit_bias (params, 9, INFINITY);
  g_assert_false (bitnet_params_validate (params, &error));
  g_assert_true (
      g_pattern_match_simple ("logit-bias of token 9*", error->message));
}

/* The rule of DESIGN, in this order: the parameter, BITNET_SEED,
 * BITNET_DETERMINISTIC, chance. */
static void
test_seed (void)
{
  static const struct {
    guint64 seed;
    const char *seed_env;
    const char *deterministic_env;
    guint64 expected; /* 0: chance */
  } cases[] = {
      {7, "8", "1", 7},
      {7, NULL, NULL, 7},
      {0, "8", "1", 8},
      {0, "8", NULL, 8},
      {0, NULL, "1", 42},
      {0, "", "1", 42},
      {0, "42", "1", 42},
      {0, NULL, "0", 0},
      {0, NULL, NULL, 0},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetParams) params = bitnet_params_new ();

    g_unsetenv ("BITNET_SEED");
    g_unsetenv ("BITNET_DETERMINISTIC");
    if (cases[i].seed_env)
      g_setenv ("BITNET_SEED", cases[i].seed_env, TRUE);
    if (cases[i].deterministic_env)
      g_setenv ("BITNET_DETERMINISTIC", cases[i].deterministic_env, TRUE);
    params->seed = cases[i].seed;
    guint64 first = bitnet_params_resolve_seed (params);
    guint64 second = bitnet_params_resolve_seed (params);
    if (cases[i].expected != 0) {
      g_assert_cmpuint (first, ==, cases[i].expected);
      g_assert_cmpuint (second, ==, cases[i].expected);
    } else {
      g_assert_cmpuint (first, !=, second);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/params/defaults", test_defaults);
  g_test_add_func ("/params/copy", test_copy);
  g_test_add_func ("/params/json", test_json);
  g_test_add_func ("/params/json-length", test_json_length);
  g_test_add_func ("/params/validate", test_validate);
  g_test_add_func ("/params/C50/seed", test_seed);
  return g_test_run ();
}
