/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the environment says to a hub client: names, order, defaults, and bad
 * values. */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "bn-hub-client.h"

typedef struct {
  const char *name;
  const char *environment; /* NAME=VALUE, separated by blanks */
  const char *expected;    /* as describe() has it */
  const char *message;     /* of a warning */
} Row;

#define DEFAULTS                                                               \
  "https://huggingface.co no-token online 300 10 10 4 86400 268435456 "        \
  "random 42"

static const Row rows[] = {
    {"defaults", "", DEFAULTS, NULL},
    {"empty",
        "HF_ENDPOINT= HF_TOKEN= BITNET_OFFLINE= HF_HUB_OFFLINE= "
        "BITNET_DOWNLOAD_TIMEOUT=",
        DEFAULTS, NULL},
    {"endpoint", "HF_ENDPOINT=https://mirror.example///",
        "https://mirror.example no-token online 300 10 10 4 86400 268435456 "
        "random 42",
        NULL},
    {"C32/bitnet-offline", "BITNET_OFFLINE=yes",
        "https://huggingface.co no-token offline 300 10 10 4 86400 268435456 "
        "random 42",
        NULL},
    {"C32/hf-offline", "HF_HUB_OFFLINE=ON TRANSFORMERS_OFFLINE=0",
        "https://huggingface.co no-token offline 300 10 10 4 86400 268435456 "
        "random 42",
        NULL},
    {"C32/hf-says-no", "HF_HUB_OFFLINE=0 TRANSFORMERS_OFFLINE=1", DEFAULTS,
        NULL},
    {"C32/hf-other-word", "HF_HUB_OFFLINE=enabled", DEFAULTS, NULL},
    {"C32/transformers-offline", "TRANSFORMERS_OFFLINE=1",
        "https://huggingface.co no-token offline 300 10 10 4 86400 268435456 "
        "random 42",
        NULL},
    {"C32/bad-word", "BITNET_OFFLINE=maybe", DEFAULTS, "BITNET_OFFLINE*"},
    {"C82/timeout", "BITNET_DOWNLOAD_TIMEOUT=7",
        "https://huggingface.co no-token online 7 10 10 4 86400 268435456 "
        "random 42",
        NULL},
    {"C82/no-timeout", "BITNET_DOWNLOAD_TIMEOUT=0",
        "https://huggingface.co no-token online 0 10 10 4 86400 268435456 "
        "random 42",
        NULL},
    {"C82/bad-timeout", "BITNET_DOWNLOAD_TIMEOUT=soon", DEFAULTS,
        "BITNET_DOWNLOAD_TIMEOUT=soon*"},
    {"C82/negative-timeout", "BITNET_DOWNLOAD_TIMEOUT=-1", DEFAULTS,
        "BITNET_DOWNLOAD_TIMEOUT=-1*"},
    {"timeouts", "HF_HUB_ETAG_TIMEOUT=3 HF_HUB_DOWNLOAD_TIMEOUT=4",
        "https://huggingface.co no-token online 300 4 3 4 86400 268435456 "
        "random 42",
        NULL},
    {"token", "HF_TOKEN=one HUGGING_FACE_HUB_TOKEN=two",
        "https://huggingface.co one online 300 10 10 4 86400 268435456 "
        "random 42",
        NULL},
    {"second-token", "HF_TOKEN= HUGGING_FACE_HUB_TOKEN=two",
        "https://huggingface.co two online 300 10 10 4 86400 268435456 "
        "random 42",
        NULL},
    {"no-implicit-token", "HF_TOKEN=one HF_HUB_DISABLE_IMPLICIT_TOKEN=1",
        DEFAULTS, NULL},
    {"deterministic", "BITNET_DETERMINISTIC=1 BITNET_SEED=9",
        "https://huggingface.co no-token online 300 10 10 4 86400 268435456 "
        "seeded 9",
        NULL},
};

static char *
describe (const BnHubOptions *options)
{
  return g_strdup_printf ("%s %s %s %u %u %u %u %" G_GINT64_FORMAT
                          " %" G_GUINT64_FORMAT " %s %" G_GUINT64_FORMAT,
      options->endpoint, options->token ? options->token : "no-token",
      options->offline ? "offline" : "online", options->timeout_s,
      options->idle_timeout_s, options->query_timeout_s, options->retries,
      options->max_age_s, options->max_file_size,
      options->is_deterministic ? "seeded" : "random", options->seed);
}

static void
clear_environment (void)
{
  static const char *const prefixes[] = {
      "HF_", "HUGGING", "BITNET_", "TRANSFORMERS_"};
  g_auto (GStrv) names = g_listenv ();

  for (gsize i = 0; names[i]; i++) {
    for (gsize j = 0; j < G_N_ELEMENTS (prefixes); j++) {
      if (g_str_has_prefix (names[i], prefixes[j]))
        g_unsetenv (names[i]);
    }
  }
  g_setenv ("HF_HOME", "/nonexistent", TRUE);
}

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_auto (GStrv) pairs = g_strsplit (row->environment, " ", -1);
  g_auto (BnHubOptions) options = {0};
  g_autofree char *found = NULL;

  clear_environment ();
  for (gsize i = 0; pairs[i]; i++) {
    g_auto (GStrv) parts = g_strsplit (pairs[i], "=", 2);

    if (parts[0])
      g_setenv (parts[0], parts[1], TRUE);
  }
  if (row->message)
    g_test_expect_message ("bitnet", G_LOG_LEVEL_WARNING, row->message);
  bn_hub_options_init (&options);
  g_test_assert_expected_messages ();
  found = describe (&options);
  g_assert_cmpstr (found, ==, row->expected);
}

/* The file that a login leaves, and its two places. */
static void
test_token_file (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  g_autofree char *token = g_build_filename (folder, "token", NULL);
  g_autofree char *other = g_build_filename (folder, "other", NULL);

  g_file_set_contents (token, "  from-home\r\n", -1, NULL);
  g_file_set_contents (other, "from-path\n", -1, NULL);
  clear_environment ();
  g_setenv ("HF_HOME", folder, TRUE);
  {
    g_auto (BnHubOptions) options = {0};

    bn_hub_options_init (&options);
    g_assert_cmpstr (options.token, ==, "from-home");
  }
  g_setenv ("MY_PLACE", folder, TRUE);
  g_setenv ("HF_HOME", "${MY_PLACE}", TRUE);
  {
    g_auto (BnHubOptions) options = {0};

    bn_hub_options_init (&options);
    g_assert_cmpstr (options.token, ==, "from-home");
  }
  g_unsetenv ("MY_PLACE");
  g_setenv ("HF_TOKEN_PATH", other, TRUE);
  {
    g_auto (BnHubOptions) options = {0};

    bn_hub_options_init (&options);
    g_assert_cmpstr (options.token, ==, "from-path");
    g_assert_cmpstr (options.token_file, ==, other);
  }
  g_setenv ("HF_TOKEN", "from-variable", TRUE);
  {
    g_auto (BnHubOptions) options = {0};

    bn_hub_options_init (&options);
    g_assert_cmpstr (options.token, ==, "from-variable");
    g_assert_null (options.token_file);
  }
  g_unsetenv ("HF_TOKEN");
  g_setenv ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", TRUE);
  {
    g_auto (BnHubOptions) options = {0};

    bn_hub_options_init (&options);
    g_assert_null (options.token);
    g_assert_null (options.token_file);
  }
  clear_environment ();
  g_remove (token);
  g_remove (other);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/hub-env/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_row);
  }
  g_test_add_func ("/hub-env/token-file", test_token_file);
  return g_test_run ();
}
