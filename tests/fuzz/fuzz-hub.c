/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a hub says: listings in JSON, headers, redirects, error bodies, and the
 * references of users. The first byte chooses. */
#include "fuzz.h"

#include <gio/gio.h>
#include <string.h>

#include "net/bn-address.h"
#include "net/bn-backoff.h"
#include "net/bn-hub-error.h"
#include "net/bn-hub-listing.h"
#include "net/bn-hub-names.h"
#include "net/bn-model-choice.h"
#include "net/bn-transfer.h"

static void
fuzz_listing (const char *text, gsize size)
{
  g_autoptr (BnHubListing) listing =
      bn_hub_listing_parse (text, size, "a/b", NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  if (!listing)
    return;
  g_assert_true (bn_hub_is_commit (listing->commit));
  for (guint i = 0; i < listing->files->len; i++) {
    const BnHubFile *file = g_ptr_array_index (listing->files, i);
    g_autofree char *part = bn_model_dup_part (file->name, 0);

    g_assert_true (bn_hub_is_file_name (file->name));
    g_assert_cmpint (file->size, >=, -1);
    g_ptr_array_add (names, file->name);
  }
  bn_model_choose (names, NULL);
  bn_model_choose (names, "Q8_0");
  for (gsize i = 0; listing->base_models && listing->base_models[i]; i++)
    g_assert_true (bn_hub_is_repository (listing->base_models[i]));
}

static void
fuzz_headers (const char *text)
{
  gint64 first, last, total;

  if (bn_content_range_parse (text, &first, &last, &total)) {
    g_assert_true (first >= -1 && last >= first && total >= -1);
    g_assert_true (total < 0 || last < total);
  }
  g_assert_cmpint (bn_retry_after_parse (text, 1000000000), >=, -1);
  g_assert_cmpint (bn_rate_limit_parse (text), >=, -1);
}

static void
fuzz_address (const char *text)
{
  g_autofree char *shown = bn_address_dup_shown (text);
  g_autofree char *host = bn_address_dup_host (text);
  g_autofree char *repository = bn_hub_parse_url (text, "https://hub.example");
  g_autofree char *next =
      bn_address_resolve ("https://hub.example/a/b?c", text, FALSE, NULL);

  g_assert_null (strchr (shown, '?'));
  g_assert_true (!repository || bn_hub_is_repository (repository));
  if (next)
    g_assert_true (g_str_has_prefix (next, "https://"));
  bn_address_is_relative (text);
  bn_address_check (text, TRUE, NULL);
  bn_address_is_same_origin (text, "https://hub.example");
}

static void
fuzz_reference (const char *text)
{
  g_auto (BnHubReference) reference = {0};

  if (!bn_hub_reference_parse (&reference, text, NULL))
    return;
  g_assert_true (bn_hub_is_repository (reference.repository));
  g_assert_true (!reference.file || bn_hub_is_file_name (reference.file));
  g_assert_true (
      !reference.revision || bn_hub_is_revision (reference.revision));
}

static void
fuzz_error (const char *text, gsize size)
{
  g_autoptr (GHashTable) headers = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GError) error = NULL;
  const BnHubErrorContext context = {
      .endpoint = "https://hub.example",
      .url = "https://hub.example/x",
      .token = "hf_token",
  };
  BnFailure failure;

  g_hash_table_insert (headers, (char *) "x-request-id", (char *) text);
  g_hash_table_insert (headers, (char *) "retry-after", (char *) text);
  bn_hub_error_set_status (
      &error, 429, headers, text, size, &context, 0, &failure);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_clear_error (&error);
  g_hash_table_insert (headers, (char *) "x-error-message", (char *) text);
  bn_hub_error_set_status (
      &error, 400, headers, NULL, 0, &context, 0, &failure);
  g_assert_null (strchr (error->message, '\n'));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = NULL;

  if (size == 0)
    return 0;
  text = g_strndup ((const char *) data + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      fuzz_listing ((const char *) data + 1, size - 1);
      break;
    case 1:
      fuzz_headers (text);
      break;
    case 2:
      fuzz_address (text);
      break;
    case 3:
      fuzz_reference (text);
      break;
    default:
      fuzz_error (text, strlen (text));
      break;
  }
  return 0;
}
