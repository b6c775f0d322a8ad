/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of a hub client from the environment. Variables that we share with
 * the official client (HF_*) are read as that does, ours (BITNET_*) as the
 * rest of the library does. */
#include "bn-hub-client.h"

#include <string.h>

#include "bitnet-env.h"
#include "bn-hf-cache.h"
#include "bn-hub-names.h"
#include "bn-hub-token.h"

enum {
  DEFAULT_TIMEOUT_S = 300,
  DEFAULT_IDLE_TIMEOUT_S = 10,
  DEFAULT_QUERY_TIMEOUT_S = 10,
  DEFAULT_CONNECT_TIMEOUT_MS = 10 * 1000,
  DEFAULT_RETRIES = 4,
  DEFAULT_MAX_AGE_S = 24 * 60 * 60,
  DEFAULT_MAX_FILE_SIZE = 256 << 20,
  DEFAULT_SEED = 42,
  DEFAULT_BACKOFF_BASE_MS = 500,
  DEFAULT_BACKOFF_CAP_MS = 16 * 1000,
  MAX_TIMEOUT_S = 30 * 24 * 60 * 60,
};

#define DEFAULT_ENDPOINT "https://huggingface.co"

/* As the official client has it: 1, ON, YES, TRUE and nothing else. */
static gboolean
get_hf_boolean (const char *name)
{
  static const char *const words[] = {"1", "on", "yes", "true"};
  const char *text = g_getenv (name);

  for (gsize i = 0; text && i < G_N_ELEMENTS (words); i++) {
    if (g_ascii_strcasecmp (text, words[i]) == 0)
      return TRUE;
  }
  return FALSE;
}

static guint
get_seconds (const char *name, guint fallback)
{
  guint64 seconds = bitnet_env_uint64 (name, fallback);

  return (guint) MIN (seconds, MAX_TIMEOUT_S);
}

static char *
dup_token_file (void)
{
  const char *path = bitnet_env_string ("HF_TOKEN_PATH");
  g_autofree char *home = path ? NULL : bn_hf_cache_dup_home ();

  return path ? g_strdup (path) : g_build_filename (home, "token", NULL);
}

/* The file counts, now or later, only where no variable has one. */
static void
set_token (BnHubOptions *self)
{
  if (get_hf_boolean ("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
    return;
  self->token = bn_token_dup_clean (g_getenv ("HF_TOKEN"));
  if (!self->token)
    self->token = bn_token_dup_clean (g_getenv ("HUGGING_FACE_HUB_TOKEN"));
  if (self->token)
    return;
  self->token_file = dup_token_file ();
  self->token = bn_token_read (self->token_file);
}

static char *
dup_endpoint (void)
{
  g_autofree char *endpoint = g_strdup (g_getenv ("HF_ENDPOINT"));

  if (!endpoint || g_strstrip (endpoint)[0] == '\0')
    return g_strdup (DEFAULT_ENDPOINT);
  for (gsize n = strlen (endpoint); n > 0 && endpoint[n - 1] == '/'; n--)
    endpoint[n - 1] = '\0';
  return g_steal_pointer (&endpoint);
}

static gboolean
get_offline (void)
{
  if (bitnet_env_boolean ("BITNET_OFFLINE", FALSE))
    return TRUE;
  return get_hf_boolean (bitnet_env_string ("HF_HUB_OFFLINE")
                             ? "HF_HUB_OFFLINE"
                             : "TRANSFORMERS_OFFLINE");
}

void
bn_hub_options_init (BnHubOptions *self)
{
  *self = (BnHubOptions){
      .endpoint = dup_endpoint (),
      .offline = get_offline (),
      .timeout_s = get_seconds ("BITNET_DOWNLOAD_TIMEOUT", DEFAULT_TIMEOUT_S),
      .idle_timeout_s =
          get_seconds ("HF_HUB_DOWNLOAD_TIMEOUT", DEFAULT_IDLE_TIMEOUT_S),
      .query_timeout_s =
          get_seconds ("HF_HUB_ETAG_TIMEOUT", DEFAULT_QUERY_TIMEOUT_S),
      .connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS,
      .retries = DEFAULT_RETRIES,
      .max_age_s = DEFAULT_MAX_AGE_S,
      .max_file_size = DEFAULT_MAX_FILE_SIZE,
      .is_deterministic = bitnet_env_boolean ("BITNET_DETERMINISTIC", FALSE),
      .seed = bitnet_env_uint64 ("BITNET_SEED", DEFAULT_SEED),
      .backoff_base_ms = DEFAULT_BACKOFF_BASE_MS,
      .backoff_cap_ms = DEFAULT_BACKOFF_CAP_MS,
  };
  set_token (self);
}

void
bn_hub_options_clear (BnHubOptions *self)
{
  g_clear_pointer (&self->endpoint, g_free);
  g_clear_pointer (&self->token, g_free);
  g_clear_pointer (&self->token_file, g_free);
}

gboolean
bn_hub_options_is_fresh (const BnHubOptions *self, const BnManifest *manifest)
{
  gint64 age = g_get_real_time () / G_USEC_PER_SEC - manifest->fetched_at;

  if (bn_hub_is_commit (manifest->revision) || self->is_deterministic)
    return TRUE;
  return age >= 0 && age < self->max_age_s;
}
