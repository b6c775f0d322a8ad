/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetParams: defaults, ranges and names of every sampling parameter stand
 * in one table; validation and JSON overrides both read it. */
#include "bitnet-params.h"

#include <math.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-private.h"

/* More or longer stop texts than any use has; the matcher's memory follows
 * from them. */
#define MAX_STOPS 64
#define MAX_STOP_SIZE 1024

#define MAX_JSON_SIZE (1 << 20)

/* The seed of BITNET_DETERMINISTIC=1 where BITNET_SEED is not set. */
#define DEFAULT_DETERMINISTIC_SEED 42

typedef enum {
  FIELD_UINT,
  FIELD_INT,
  FIELD_UINT64,
  FIELD_BOOLEAN,
  FIELD_DOUBLE,
} FieldType;

typedef struct {
  const char *name; /* of the property and, with - or _, in JSON */
  gsize offset;
  FieldType type;
  double min, max, initial;
} Field;

#define FIELD(name, member, type, min, max, initial)                           \
  {                                                                            \
    name, offsetof (BitnetParams, member), FIELD_##type, min, max, initial     \
  }

/* Defaults: llama.cpp's (model-graphs 14.1); max-tokens is our own. */
static const Field fields[] = {
    FIELD ("max-tokens", max_tokens, UINT, 0, G_MAXUINT, 512),
    FIELD ("temperature", temperature, DOUBLE, 0, 100, 0.8),
    FIELD ("dynatemp-range", dynatemp_range, DOUBLE, 0, 100, 0),
    FIELD ("dynatemp-exponent", dynatemp_exponent, DOUBLE, 0, 100, 1),
    FIELD ("top-k", top_k, UINT, 0, G_MAXUINT, 40),
    FIELD ("top-p", top_p, DOUBLE, 0, 1, 0.95),
    FIELD ("min-p", min_p, DOUBLE, 0, 1, 0.05),
    FIELD ("typical-p", typical_p, DOUBLE, 0, 1, 1),
    FIELD ("xtc-probability", xtc_probability, DOUBLE, 0, 1, 0),
    FIELD ("xtc-threshold", xtc_threshold, DOUBLE, 0, 1, 0.1),
    FIELD ("min-keep", min_keep, UINT, 0, G_MAXUINT, 0),
    FIELD ("penalty-last-n", penalty_last_n, INT, -1, G_MAXINT, 64),
    FIELD ("penalty-repeat", penalty_repeat, DOUBLE, 0.01, 100, 1),
    FIELD ("penalty-freq", penalty_freq, DOUBLE, -100, 100, 0),
    FIELD ("penalty-present", penalty_present, DOUBLE, -100, 100, 0),
    FIELD ("mirostat", mirostat, UINT, 0, 2, 0),
    FIELD ("mirostat-tau", mirostat_tau, DOUBLE, 0, 100, 5),
    FIELD ("mirostat-eta", mirostat_eta, DOUBLE, 0, 10, 0.1),
    FIELD ("seed", seed, UINT64, 0, 0x1p64, 0),
    FIELD ("ignore-eos", ignore_eos, BOOLEAN, 0, 1, FALSE),
};

G_DEFINE_BOXED_TYPE (
    BitnetParams, bitnet_params, bitnet_params_copy, bitnet_params_free)

/* ---- fields ---- */

static double
get_field (const BitnetParams *self, const Field *field)
{
  gconstpointer member = G_STRUCT_MEMBER_P (self, field->offset);

  switch (field->type) {
    case FIELD_UINT:
      return *(const guint *) member;
    case FIELD_INT:
      return *(const int *) member;
    case FIELD_UINT64:
      return (double) *(const guint64 *) member;
    case FIELD_BOOLEAN:
      return *(const gboolean *) member;
    case FIELD_DOUBLE:
      return *(const double *) member;
  }
  g_assert_not_reached ();
}

/* Every value but the seed's is exact as a double. */
static void
set_field (BitnetParams *self, const Field *field, double value)
{
  gpointer member = G_STRUCT_MEMBER_P (self, field->offset);

  switch (field->type) {
    case FIELD_UINT:
      *(guint *) member = (guint) value;
      break;
    case FIELD_INT:
      *(int *) member = (int) value;
      break;
    case FIELD_UINT64:
      *(guint64 *) member = (guint64) value;
      break;
    case FIELD_BOOLEAN:
      *(gboolean *) member = value != 0;
      break;
    case FIELD_DOUBLE:
      *(double *) member = value;
      break;
  }
}

static gboolean
check_range (const Field *field, double value, GError **error)
{
  /* Written so that NaN fails. */
  if (value >= field->min && value <= field->max)
    return TRUE;
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "%s is %.17g, expected %.17g to %.17g", field->name, value, field->min,
      field->max);
  return FALSE;
}

/* ---- life ---- */

BitnetParams *
bitnet_params_new (void)
{
  BitnetParams *self = g_new0 (BitnetParams, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    set_field (self, &fields[i], fields[i].initial);
  return self;
}

BitnetParams *
bitnet_params_copy (const BitnetParams *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  BitnetParams *copy = g_memdup2 (self, sizeof *self);
  copy->stop = g_strdupv (self->stop);
  if (self->logit_bias != NULL)
    copy->logit_bias = g_array_copy (self->logit_bias);
  return copy;
}

void
bitnet_params_free (BitnetParams *self)
{
  if (self == NULL)
    return;
  g_strfreev (self->stop);
  g_clear_pointer (&self->logit_bias, g_array_unref);
  g_free (self);
}

void
bitnet_params_set_stop (BitnetParams *self, const char *const *stop)
{
  g_return_if_fail (self != NULL);

  char **copy = g_strdupv ((char **) stop);
  g_strfreev (self->stop);
  self->stop = copy;
}

void
bitnet_params_set_logit_bias (BitnetParams *self, guint32 token, double bias)
{
  BnLogitBias entry = {token, (float) bias};

  g_return_if_fail (self != NULL);

  if (self->logit_bias == NULL)
    self->logit_bias = g_array_new (FALSE, FALSE, sizeof entry);
  for (guint i = 0; i < self->logit_bias->len; i++) {
    BnLogitBias *old = &g_array_index (self->logit_bias, BnLogitBias, i);
    if (old->token == token) {
      *old = entry;
      return;
    }
  }
  g_array_append_val (self->logit_bias, entry);
}

/* ---- validation ---- */

static gboolean
check_stop (const BitnetParams *self, GError **error)
{
  guint n = self->stop != NULL ? g_strv_length (self->stop) : 0;

  if (n > MAX_STOPS) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "stop has %u texts, expected at most %d", n, MAX_STOPS);
    return FALSE;
  }
  for (guint i = 0; i < n; i++) {
    gsize size = strlen (self->stop[i]);
    if (size == 0 || size > MAX_STOP_SIZE) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
          "stop[%u] has %" G_GSIZE_FORMAT " bytes, expected 1 to %d", i, size,
          MAX_STOP_SIZE);
      return FALSE;
    }
    if (!g_utf8_validate (self->stop[i], -1, NULL)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
          "stop[%u] is not UTF-8", i);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_logit_bias (const BitnetParams *self, GError **error)
{
  for (guint i = 0; self->logit_bias && i < self->logit_bias->len; i++) {
    const BnLogitBias *b = &g_array_index (self->logit_bias, BnLogitBias, i);
    /* False for NaN as well. */
    if (!(b->bias < INFINITY)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
          "logit-bias of token %u is %g, expected a number or minus infinity",
          b->token, b->bias);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
bitnet_params_validate (const BitnetParams *self, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    if (!check_range (&fields[i], get_field (self, &fields[i]), error))
      return FALSE;
  }
  return check_stop (self, error) && check_logit_bias (self, error);
}

/* ---- JSON ---- */

static gboolean
fail_type (
    const char *name, JsonNode *node, const char *expected, GError **error)
{
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "%s is of type %s, expected %s", name, json_node_type_name (node),
      expected);
  return FALSE;
}

static gboolean
is_value (JsonNode *node, GType type)
{
  return JSON_NODE_HOLDS_VALUE (node)
         && json_node_get_value_type (node) == type;
}

static gboolean
load_field (
    BitnetParams *self, const Field *field, JsonNode *node, GError **error)
{
  if (field->type == FIELD_BOOLEAN) {
    if (!is_value (node, G_TYPE_BOOLEAN))
      return fail_type (field->name, node, "true or false", error);
    set_field (self, field, json_node_get_boolean (node));
    return TRUE;
  }
  if (!is_value (node, G_TYPE_INT64)
      && !(field->type == FIELD_DOUBLE && is_value (node, G_TYPE_DOUBLE)))
    return fail_type (field->name, node,
        field->type == FIELD_DOUBLE ? "a number" : "a whole number", error);

  double value = json_node_get_double (node);
  if (!check_range (field, value, error))
    return FALSE;
  if (field->type == FIELD_UINT64)
    G_STRUCT_MEMBER (guint64, self, field->offset) =
        (guint64) json_node_get_int (node);
  else
    set_field (self, field, value);
  return TRUE;
}

static gboolean
load_stop (BitnetParams *self, JsonNode *node, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (is_value (node, G_TYPE_STRING)) {
    g_strv_builder_add (builder, json_node_get_string (node));
  } else if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);
    for (guint i = 0; i < json_array_get_length (array); i++) {
      JsonNode *item = json_array_get_element (array, i);
      if (!is_value (item, G_TYPE_STRING))
        return fail_type ("stop[]", item, "a string", error);
      g_strv_builder_add (builder, json_node_get_string (item));
    }
  } else {
    return fail_type ("stop", node, "a string or an array of strings", error);
  }
  g_strfreev (self->stop);
  self->stop = g_strv_builder_end (builder);
  return check_stop (self, error);
}

/* {"token": bias}; false instead of a number bans the token. */
static gboolean
load_logit_bias (BitnetParams *self, JsonNode *node, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return fail_type (
        "logit-bias", node, "an object of token id and number", error);
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &name, &value)) {
    guint64 token;
    double bias;

    if (!g_ascii_string_to_unsigned (name, 10, 0, G_MAXUINT32, &token, NULL)) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
          "logit-bias names \"%s\", expected a token id", name);
      return FALSE;
    }
    if (is_value (value, G_TYPE_BOOLEAN) && !json_node_get_boolean (value))
      bias = -INFINITY;
    else if (is_value (value, G_TYPE_INT64) || is_value (value, G_TYPE_DOUBLE))
      bias = json_node_get_double (value);
    else
      return fail_type ("logit-bias", value, "a number or false", error);
    bitnet_params_set_logit_bias (self, (guint32) token, bias);
  }
  return check_logit_bias (self, error);
}

static gboolean
load_member (
    BitnetParams *self, const char *key, JsonNode *node, GError **error)
{
  g_autofree char *name = g_strdelimit (g_strdup (key), "_", '-');

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    if (strcmp (name, fields[i].name) == 0)
      return load_field (self, &fields[i], node, error);
  }
  if (strcmp (name, "stop") == 0)
    return load_stop (self, node, error);
  if (strcmp (name, "logit-bias") == 0)
    return load_logit_bias (self, node, error);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "there is no sampling parameter \"%s\"", key);
  return FALSE;
}

gboolean
bitnet_params_load_json (
    BitnetParams *self, const char *json, gssize length, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (BitnetParams) changed = NULL;
  JsonObjectIter iter;
  const char *key;
  JsonNode *node;

  g_return_val_if_fail (self != NULL && json != NULL, FALSE);

  root = bitnet_json_parse (json, length, MAX_JSON_SIZE, error);
  if (root == NULL) {
    g_prefix_error (error, "sampling parameters: ");
    return FALSE;
  }
  if (!JSON_NODE_HOLDS_OBJECT (root))
    return fail_type (
        "the set of sampling parameters", root, "an object", error);

  changed = bitnet_params_copy (self);
  json_object_iter_init (&iter, json_node_get_object (root));
  while (json_object_iter_next (&iter, &key, &node)) {
    if (!load_member (changed, key, node, error))
      return FALSE;
  }
  BitnetParams old = *self;
  *self = *changed;
  *changed = old;
  return TRUE;
}

/* ---- seed and sampler ---- */

guint64
bitnet_params_resolve_seed (const BitnetParams *self)
{
  const char *text = g_getenv ("BITNET_SEED");

  g_return_val_if_fail (self != NULL, 0);

  if (self->seed != 0)
    return self->seed;
  if (text != NULL && text[0] != '\0')
    return bitnet_env_uint64 ("BITNET_SEED", DEFAULT_DETERMINISTIC_SEED);
  if (bitnet_env_boolean ("BITNET_DETERMINISTIC", FALSE))
    return DEFAULT_DETERMINISTIC_SEED;
  return (guint64) g_random_int () << 32 | g_random_int ();
}

BnSamplerConfig
bitnet_params_get_sampler_config (const BitnetParams *self)
{
  const GArray *biases = self->logit_bias;

  return (BnSamplerConfig){
      .temperature = self->temperature,
      .dynatemp_range = self->dynatemp_range,
      .dynatemp_exponent = self->dynatemp_exponent,
      .top_k = self->top_k,
      .top_p = self->top_p,
      .min_p = self->min_p,
      .typical_p = self->typical_p,
      .xtc_probability = self->xtc_probability,
      .xtc_threshold = self->xtc_threshold,
      .min_keep = self->min_keep,
      .penalty_last_n = self->penalty_last_n,
      .penalty_repeat = self->penalty_repeat,
      .penalty_freq = self->penalty_freq,
      .penalty_present = self->penalty_present,
      .mirostat = self->mirostat,
      .mirostat_tau = self->mirostat_tau,
      .mirostat_eta = self->mirostat_eta,
      .biases = biases ? (const BnLogitBias *) (void *) biases->data : NULL,
      .n_biases = biases ? biases->len : 0,
  };
}
