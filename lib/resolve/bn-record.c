/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of resolutions (resolver.md section 6). */
#include "bn-record.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/stat.h>
#include "bitnet-error.h"
#include "bitnet-private.h"
#include "bitnet-tokenizer-private.h"
#include "bn-loading.h"
#include "bn-strategies.h"
#include "gguf/bn-gguf.h"
#include "net/bn-net-json.h"

#define FOLDER "resolutions"

enum {
  FORMAT = 2, /* raised when a record changes its meaning */
  MAX_RECORD_SIZE = 64 * 1024,
};

/* Keys. */

static void
add_text (GChecksum *checksum, const char *text)
{
  const char *t = text ? text : "";

  g_checksum_update (checksum, (const guchar *) t, (gssize) strlen (t) + 1);
}

static void
add_number (GChecksum *checksum, guint64 number)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, number);

  add_text (checksum, text);
}

static void
add_file (GChecksum *checksum, const BnFileId *id)
{
  add_number (checksum, id->device);
  add_number (checksum, id->inode);
  add_number (checksum, id->size);
  add_number (checksum, (guint64) id->mtime_ns);
}

static void
add_options (GChecksum *checksum, const BnResolveOptions *options)
{
  g_autofree char *order = options->strategy_order
                               ? g_strjoinv (",", options->strategy_order)
                               : NULL;

  add_text (checksum, options->tokenizer);
  add_text (checksum, options->tokenizer_repo);
  add_text (checksum, options->revision);
  add_text (checksum, options->endpoint);
  add_text (checksum, options->cache_dir);
  add_text (checksum, order);
  add_text (checksum, options->fidelity);
  add_text (checksum, options->device);
  add_number (checksum, (guint64) ((options->strict != 0)
                                   | (options->explicit_fallback != 0) << 1));
  add_text (checksum, g_getenv ("BITNET_TOKENIZER_MATRIX"));
}

static gboolean
add_model (GChecksum *checksum, BitnetModel *model)
{
  BnGguf *gguf = bitnet_model_get_gguf (model);
  g_autofree char *path =
      g_canonicalize_filename (bitnet_model_get_path (model), NULL);

  add_text (checksum, path);
  for (uint32_t i = 0; i < bn_gguf_get_n_files (gguf); i++) {
    const BnFileId *id = bn_gguf_get_file_id (gguf, i);

    if (id->inode == 0)
      return FALSE;
    add_file (checksum, id);
  }
  return TRUE;
}

char *
bn_record_make_key (
    BitnetModel *model, const char *reference, const BnResolveOptions *options)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  add_text (checksum, model ? "res1" : "ref1");
  add_number (checksum, FORMAT);
  if (model == NULL)
    add_text (checksum, reference);
  else if (!add_model (checksum, model))
    return NULL;
  add_options (checksum, options);
  return g_strdup (g_checksum_get_string (checksum));
}

/* What else it depends on. */

static gboolean
add_file_state (GString *state, const char *path)
{
  struct stat info;

  if (stat (path, &info) != 0)
    return FALSE;
  g_string_append_printf (state,
      "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%09" G_GINT64_FORMAT ";",
      (gint64) info.st_size, (gint64) info.st_mtim.tv_sec,
      (gint64) info.st_mtim.tv_nsec);
  return TRUE;
}

char *
bn_record_dup_state (const BnFound *found, BitnetDiscovery *discovery)
{
  const char *model = bitnet_discovery_get_path (discovery);
  g_autoptr (GString) state = g_string_new (NULL);
  g_autofree char *folder = NULL;

  if (found->path && !add_file_state (state, found->path))
    return NULL;
  if (found->kind == BN_KIND_HUB || found->kind == BN_KIND_HUB_CACHE) {
    folder = g_file_test (model, G_FILE_TEST_IS_DIR)
                 ? g_strdup (model)
                 : g_path_get_dirname (model);
    if (!add_file_state (state, folder))
      return NULL;
  }
  return g_strdup (state->str);
}

/* Reading. */

/* What a record says of where the tokenizer was; strings stay with it. FALSE
 * if it does not say all. */
static gboolean
read_offer (JsonObject *record, BnOffer *offer)
{
  const char *kind = bn_net_json_get_string (record, "kind");
  int found = BN_KIND_GGUF;

  while (found < BN_KIND_BYTES
         && g_strcmp0 (kind, bn_kind_get_name ((BnKind) found)) != 0)
    found++;
  *offer = (BnOffer){.kind = (BnKind) found,
      .source = bn_net_json_get_string (record, "source"),
      .path = bn_net_json_get_string (record, "path"),
      .endpoint = bn_net_json_get_string (record, "endpoint"),
      .repository = bn_net_json_get_string (record, "repository"),
      .revision = bn_net_json_get_string (record, "revision"),
      .commit = bn_net_json_get_string (record, "commit"),
      .file = bn_net_json_get_string (record, "file"),
      .from_cache = TRUE};
  if (offer->source == NULL)
    return FALSE;
  if (offer->kind == BN_KIND_HUB)
    return offer->endpoint && offer->repository && offer->revision
           && offer->commit && offer->file;
  return offer->kind < BN_KIND_BYTES && offer->path;
}

static gboolean
is_unchanged (
    JsonObject *record, const BnOffer *offer, BitnetDiscovery *discovery)
{
  const BnFound found = {.kind = offer->kind, .path = (char *) offer->path};
  g_autofree char *state = bn_record_dup_state (&found, discovery);

  return state
         && g_strcmp0 (state, bn_net_json_get_string (record, "state")) == 0;
}

static BitnetTokenizer *
load_hub (
    BitnetAttempt *attempt, const BnOffer *offer, GCancellable *cancellable)
{
  BnDiskCache *cache = bn_services_get_cache (attempt->services, NULL);
  g_autoptr (BnManifest) manifest =
      cache ? bn_disk_cache_lookup (
          cache, offer->endpoint, offer->repository, offer->revision)
            : NULL;
  g_auto (BnCacheFolder) folder = {.cache = NULL};

  if (manifest == NULL || g_strcmp0 (manifest->commit, offer->commit) != 0
      || !bn_services_is_fresh (attempt->services, manifest))
    return NULL;
  bn_cache_folder_init (&folder, cache, manifest);
  return bitnet_tokenizer_new_from_folder (
      &folder.base, offer->file, attempt->fidelity, cancellable, NULL);
}

/* The model's own one passes its checks here; others are offered later. */
static BitnetTokenizer *
load_offered (
    BitnetAttempt *attempt, const BnOffer *offer, GCancellable *cancellable)
{
  const char *model = bitnet_discovery_get_path (attempt->discovery);
  g_autofree char *path = g_canonicalize_filename (model, NULL);

  if (offer->kind == BN_KIND_HUB)
    return load_hub (attempt, offer, cancellable);
  if (offer->kind == BN_KIND_GGUF && strcmp (offer->path, path) == 0)
    return bn_try_embedded (attempt, cancellable, NULL);
  return bitnet_tokenizer_new_from_file (
      offer->path, attempt->fidelity, cancellable, NULL);
}

/* What was doubtful then and is not found doubtful by the checks of now: that
 * it was chosen by sizes. */
static void
restore_warnings (JsonObject *record, BitnetAttempt *attempt)
{
  JsonArray *warnings = bn_net_json_get_array (record, "warnings");

  for (guint i = 0; warnings && i < json_array_get_length (warnings); i++) {
    JsonNode *node = json_array_get_element (warnings, i);
    const char *text =
        JSON_NODE_HOLDS_VALUE (node)
                && json_node_get_value_type (node) == G_TYPE_STRING
            ? json_node_get_string (node)
            : NULL;

    if (text && !bn_found_has_warning (&attempt->found, text))
      bn_attempt_warn (attempt, BN_WARNING_VALIDATION, "%s", text);
  }
}

/* Gives the tokenizer back as it was found: adapted, checked as it was, with
 * what was odd. */
static gboolean
restore (JsonObject *record, BitnetAttempt *attempt, BnOutcome *outcome,
    GCancellable *cancellable)
{
  const char *strategy = bn_net_json_get_string (record, "strategy");
  BitnetTokenizer *tokenizer;
  BnOffer offer;

  if (strategy == NULL || !read_offer (record, &offer)
      || !is_unchanged (record, &offer, attempt->discovery))
    return FALSE;
  tokenizer = load_offered (attempt, &offer, cancellable);
  if (tokenizer == NULL)
    return FALSE;
  if (attempt->found.tokenizer)
    g_object_unref (tokenizer);
  else if (!bn_attempt_offer (attempt, tokenizer, &offer, NULL))
    return FALSE;
  if (bitnet_tokenizer_get_vocab_size (attempt->found.tokenizer)
      != bn_net_json_get_int (record, "vocab-size", -1))
    return FALSE;
  attempt->found.from_cache = TRUE;
  restore_warnings (record, attempt);
  outcome->found = attempt->found;
  attempt->found = (BnFound){.tokenizer = NULL};
  outcome->strategy = g_intern_string (strategy);
  return TRUE;
}

gboolean
bn_record_load (const char *key, const BnChainInput *input, BnOutcome *outcome,
    GCancellable *cancellable)
{
  BnDiskCache *cache = bn_services_get_cache (input->services, NULL);
  g_autoptr (GBytes) bytes =
      cache ? bn_disk_cache_read_record (cache, FOLDER, key) : NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (BitnetAttempt) attempt = NULL;
  gboolean is_found;

  if (bytes == NULL)
    return FALSE;
  node = bn_net_json_parse (g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes), MAX_RECORD_SIZE, key, NULL);
  attempt = bn_attempt_new (
      input->options, input->discovery, input->services, NULL, NULL);
  is_found =
      node && JSON_NODE_HOLDS_OBJECT (node) && attempt
      && restore (json_node_get_object (node), attempt, outcome, cancellable);
  if (!is_found && !g_cancellable_is_cancelled (cancellable))
    bn_disk_cache_remove_record (cache, FOLDER, key);
  return is_found;
}

/* Writing. */

static void
add_member (JsonBuilder *builder, const char *name, const char *text)
{
  if (text == NULL)
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, text);
}

static void
add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static char *
make_record (const BnChainInput *input, const BnOutcome *outcome)
{
  const BnFound *found = &outcome->found;
  g_autofree char *state = bn_record_dup_state (found, input->discovery);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  if (state == NULL)
    return NULL;
  json_builder_begin_object (builder);
  add_member (builder, "strategy", outcome->strategy);
  add_member (builder, "kind", bn_kind_get_name (found->kind));
  add_member (builder, "source", found->source);
  add_member (builder, "path", found->path);
  add_member (builder, "endpoint", found->endpoint);
  add_member (builder, "repository", found->repository);
  add_member (builder, "revision", found->revision);
  add_member (builder, "commit", found->commit);
  add_member (builder, "file", found->file);
  add_int (builder, "vocab-size",
      bitnet_tokenizer_get_vocab_size (found->tokenizer));
  add_int (builder, "created", g_get_real_time () / G_USEC_PER_SEC);
  add_member (builder, "state", state);
  json_builder_set_member_name (builder, "warnings");
  json_builder_begin_array (builder);
  for (guint i = 0; i < found->warnings->len; i++)
    json_builder_add_string_value (
        builder, ((BnWarning *) found->warnings->pdata[i])->message);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, TRUE);
}

void
bn_record_save (
    const char *key, const BnChainInput *input, const BnOutcome *outcome)
{
  const BnFound *found = &outcome->found;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  BnDiskCache *cache;

  /* JSON cannot hold every name of a file. */
  if (found->is_uncertain || found->kind == BN_KIND_BYTES
      || found->kind == BN_KIND_CUSTOM
      || !g_utf8_validate (found->source, -1, NULL))
    return;
  cache = bn_services_get_cache (input->services, &error);
  text = cache ? make_record (input, outcome) : NULL;
  if (text == NULL
      || !bn_disk_cache_write_record (
          cache, FOLDER, key, text, strlen (text), &error))
    g_info ("the resolution is not remembered: %s",
        error ? error->message : "a file has vanished");
}
