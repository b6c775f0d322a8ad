/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of a resolution: the environment, copies, names of fidelities. */
#include "bn-options.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-private.h"

static char *
dup_env (const char *name)
{
  const char *text = g_getenv (name);

  return text != NULL && text[0] != '\0' ? g_strdup (text) : NULL;
}

static char *
dup_env_cache_dir (void)
{
  char *path = dup_env ("BITNET_TOKENIZER_CACHE");
  g_autofree char *root = NULL;

  if (path != NULL)
    return path;
  root = dup_env ("BITNET_CACHE_DIR");
  return root ? g_build_filename (root, "tokenizers", NULL) : NULL;
}

/* The hub's own variables have its own words for true (hub-and-cache.md
 * section 5). */
static gboolean
is_hub_true (const char *name)
{
  static const char *const words[] = {"1", "ON", "YES", "TRUE"};
  const char *text = g_getenv (name);

  for (gsize i = 0; text && i < G_N_ELEMENTS (words); i++) {
    if (g_ascii_strcasecmp (text, words[i]) == 0)
      return TRUE;
  }
  return FALSE;
}

const char *
bn_resolve_find_offline_variable (void)
{
  /* The second of theirs counts only if the first says nothing. */
  const char *hub_name = bitnet_env_string ("HF_HUB_OFFLINE")
                             ? "HF_HUB_OFFLINE"
                             : "TRANSFORMERS_OFFLINE";

  if (bitnet_env_boolean ("BITNET_OFFLINE", FALSE))
    return "BITNET_OFFLINE";
  return is_hub_true (hub_name) ? hub_name : NULL;
}

void
bn_resolve_options_init (BnResolveOptions *self)
{
  g_autofree char *order = dup_env ("BITNET_TOKENIZER_ORDER");
  guint64 timeout_s;

  *self = (BnResolveOptions){
      .revision = g_strdup (BN_RESOLVE_REVISION),
      .endpoint = dup_env ("HF_ENDPOINT"),
      .strategy_order = order ? g_strsplit (order, ",", -1) : NULL,
      .strict = bitnet_env_boolean ("BITNET_STRICT_TOKENIZERS", FALSE),
      .offline = bn_resolve_find_offline_variable () != NULL,
      .allow_download = bitnet_env_boolean ("BITNET_AUTO_DOWNLOAD", TRUE),
      .cache_dir = dup_env_cache_dir (),
      .retries = BN_RESOLVE_RETRIES,
      .fidelity = g_strdup (BN_RESOLVE_FIDELITY),
      .device = g_strdup (BN_RESOLVE_DEVICE),
  };
  timeout_s =
      bitnet_env_uint64 ("BITNET_DOWNLOAD_TIMEOUT", BN_RESOLVE_TIMEOUT_S);
  self->timeout_s = (guint) MIN (timeout_s, BN_RESOLVE_MAX_TIMEOUT_S);
}

void
bn_resolve_options_clear (BnResolveOptions *self)
{
  g_free (self->tokenizer);
  g_free (self->tokenizer_repo);
  g_free (self->revision);
  g_free (self->endpoint);
  if (self->token)
    memset (self->token, 0, strlen (self->token));
  g_free (self->token);
  g_strfreev (self->strategy_order);
  g_free (self->cache_dir);
  g_free (self->fidelity);
  g_free (self->device);
}

const BnResolveOptions *
bn_resolve_options_snapshot (const BnResolveOptions *self)
{
  BnResolveOptions *copy = g_atomic_rc_box_dup (sizeof *self, (gpointer) self);

  copy->tokenizer = g_strdup (self->tokenizer);
  copy->tokenizer_repo = g_strdup (self->tokenizer_repo);
  copy->revision = g_strdup (self->revision);
  copy->endpoint = g_strdup (self->endpoint);
  copy->token = g_strdup (self->token);
  copy->strategy_order = g_strdupv (self->strategy_order);
  copy->cache_dir = g_strdup (self->cache_dir);
  copy->fidelity = g_strdup (self->fidelity);
  copy->device = g_strdup (self->device);
  return copy;
}

const BnResolveOptions *
bn_resolve_options_ref (const BnResolveOptions *self)
{
  return g_atomic_rc_box_acquire ((gpointer) self);
}

static void
clear_box (gpointer data)
{
  bn_resolve_options_clear (data);
}

void
bn_resolve_options_unref (const BnResolveOptions *self)
{
  g_atomic_rc_box_release_full ((gpointer) self, clear_box);
}

gboolean
bn_resolve_options_get_fidelity (
    const BnResolveOptions *self, BitnetFidelity *fidelity, GError **error)
{
  static const struct {
    const char *name;
    BitnetFidelity fidelity;
  } names[] = {
      {"auto", BITNET_FIDELITY_AUTO},
      {"llama-cpp", BITNET_FIDELITY_LLAMA_CPP},
      {"llama.cpp", BITNET_FIDELITY_LLAMA_CPP},
      {"huggingface", BITNET_FIDELITY_HUGGINGFACE},
  };

  *fidelity = BITNET_FIDELITY_AUTO;
  if (self->fidelity == NULL)
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (strcmp (self->fidelity, names[i].name) == 0) {
      *fidelity = names[i].fidelity;
      return TRUE;
    }
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "fidelity \"%s\" is not known, expected auto, llama-cpp or huggingface",
      self->fidelity);
  return FALSE;
}

gboolean
bn_resolve_options_allow_network (const BnResolveOptions *self)
{
  return !self->offline && self->allow_download;
}
