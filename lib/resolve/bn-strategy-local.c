/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strategies that need nothing but the model and what lies beside it: the
 * vocabulary in the model file, files in its folder, and the last resort. */
#include "bn-strategies.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-private.h"
#include "bitnet-tokenizer-private.h"
#include "bn-attempt.h"
#include "bn-facts.h"
#include "bn-loading.h"
#include "gguf/bn-cursor.h"

enum { USUAL_VOCAB_SIZE = 32000 };

/* Each model remembers its tokenizers while they live, so that everyone who
 * resolves the model shares them. Two who ask at once may both make one; the
 * second then takes the first one's, and neither waits for the other. */
static GMutex shared_lock; /* guards the slots */

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

static GWeakRef *
get_slot (BitnetModel *model, BitnetFidelity fidelity)
{
  static const char *const keys[] = {
      "bn-tokenizer", "bn-tokenizer-llama-cpp", "bn-tokenizer-huggingface"};
  GWeakRef *slot = g_object_get_data (G_OBJECT (model), keys[fidelity]);

  if (slot == NULL) {
    slot = g_new (GWeakRef, 1);
    g_weak_ref_init (slot, NULL);
    g_object_set_data_full (
        G_OBJECT (model), keys[fidelity], slot, weak_ref_free);
  }
  return slot;
}

static BitnetTokenizer *
get_shared (BitnetModel *model, BitnetFidelity fidelity)
{
  BitnetTokenizer *tokenizer;

  g_mutex_lock (&shared_lock);
  tokenizer = g_weak_ref_get (get_slot (model, fidelity));
  g_mutex_unlock (&shared_lock);
  return tokenizer;
}

/* Returns the one to use: tokenizer (transfer full), or who came first. */
static BitnetTokenizer *
share (BitnetModel *model, BitnetFidelity fidelity, BitnetTokenizer *tokenizer)
{
  BitnetTokenizer *first;

  g_mutex_lock (&shared_lock);
  first = g_weak_ref_get (get_slot (model, fidelity));
  if (first == NULL)
    g_weak_ref_set (get_slot (model, fidelity), tokenizer);
  g_mutex_unlock (&shared_lock);
  if (first == NULL)
    return tokenizer;
  g_object_unref (tokenizer);
  return first;
}

static gboolean
offer_embedded (BitnetAttempt *attempt, BitnetTokenizer *tokenizer,
    gboolean from_cache, GError **error)
{
  const char *path = bitnet_discovery_get_path (attempt->discovery);
  const BnOffer offer = {.kind = BN_KIND_GGUF,
      .source = path,
      .path = path,
      .from_cache = from_cache,
      .is_embedded = TRUE};

  return bn_attempt_offer (attempt, tokenizer, &offer, error);
}

/* The model, if it has what makes a tokenizer; else NULL with an error. */
static BitnetModel *
get_model_with_tokenizer (BitnetAttempt *attempt, GError **error)
{
  BitnetDiscovery *discovery = attempt->discovery;
  BitnetModel *model = bitnet_discovery_get_model (discovery);
  const char *kind = bitnet_discovery_get_tokenizer_model (discovery);
  const char *path = bitnet_discovery_get_path (discovery);

  if (model == NULL) {
    const GError *why = bitnet_discovery_get_error (discovery);

    if (why && error)
      *error = g_error_copy (why);
    else
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
          "%s: there is no model file to look into", path);
    return NULL;
  }
  if (bitnet_discovery_has_embedded_tokenizer (discovery))
    return model;
  if (kind) {
    g_autofree char *shown = bn_printable (kind, strlen (kind));

    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NO_EMBEDDED_TOKENIZER,
        "%s: tokenizer.ggml.model is \"%s\", the file has %u tokens and not "
        "all that makes a tokenizer",
        path, shown, bitnet_discovery_get_n_tokens (discovery));
  } else {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NO_EMBEDDED_TOKENIZER,
        "%s: the file has no tokenizer", path);
  }
  return NULL;
}

BitnetTokenizer *
bn_try_embedded (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error)
{
  BitnetModel *model = get_model_with_tokenizer (attempt, error);
  BitnetTokenizer *tokenizer;
  gboolean from_cache;

  if (model == NULL)
    return NULL;
  tokenizer = get_shared (model, attempt->fidelity);
  from_cache = tokenizer != NULL;
  if (tokenizer == NULL) {
    tokenizer =
        bitnet_tokenizer_new_from_gguf_full (bitnet_model_get_gguf (model),
            attempt->fidelity, BN_GGUF_REQUIRE_PRE, NULL, cancellable, error);
    if (tokenizer == NULL)
      return NULL;
    bn_adapt (tokenizer, attempt->discovery, NULL);
    tokenizer = share (model, attempt->fidelity, tokenizer);
  }
  return offer_embedded (attempt, tokenizer, from_cache, error)
             ? bn_attempt_get_found (attempt)
             : NULL;
}

BitnetTokenizer *
bn_try_embedded_default (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error)
{
  BitnetModel *model = get_model_with_tokenizer (attempt, error);
  BitnetTokenizer *tokenizer;
  gboolean is_default = FALSE;

  if (model == NULL)
    return NULL;
  tokenizer = bitnet_tokenizer_new_from_gguf_full (
      bitnet_model_get_gguf (model), attempt->fidelity, BN_GGUF_DEFAULT_PRE,
      &is_default, cancellable, error);
  if (tokenizer == NULL || !offer_embedded (attempt, tokenizer, FALSE, error))
    return NULL;
  bn_attempt_warn_pre (attempt, bitnet_discovery_get_path (attempt->discovery));
  return bn_attempt_get_found (attempt);
}

/* Files beside the model. */

/* A folder to look into. */
typedef struct {
  char *path;
  const char *guess; /* as that of an offer */
} Place;

static void
place_free (gpointer data)
{
  Place *place = data;

  g_free (place->path);
  g_free (place);
}

/* Takes path, which may be NULL; nothing if it is no folder or was added. */
static void
add_place (GPtrArray *places, GHashTable *seen, char *path, const char *guess)
{
  g_autofree char *owned = path;
  char *real = owned ? realpath (owned, NULL) : NULL;
  Place *place;

  if (real == NULL || !g_hash_table_add (seen, real)
      || !g_file_test (owned, G_FILE_TEST_IS_DIR))
    return;
  place = g_new0 (Place, 1);
  place->path = g_steal_pointer (&owned);
  place->guess = guess;
  g_ptr_array_add (places, place);
}

/* Of a folder with several models a tokenizer may be anybody's. */
static const char *
find_doubt (const char *folder)
{
  g_autoptr (GPtrArray) names = bn_facts_list_models (folder, NULL);

  return names && names->len > 0 && !bn_facts_are_parts (names)
             ? "lies beside several models"
             : NULL;
}

/* The model's folder, that of the file which a link leads to, one up, and two
 * below. No folder twice. */
static GPtrArray *
list_places (const char *path)
{
  GPtrArray *places = g_ptr_array_new_with_free_func (place_free);
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, free, NULL);
  gboolean is_folder = g_file_test (path, G_FILE_TEST_IS_DIR);
  g_autofree char *folder =
      is_folder ? g_strdup (path) : g_path_get_dirname (path);
  g_autofree char *absolute = g_canonicalize_filename (folder, NULL);
  g_autofree char *target = is_folder ? NULL : realpath (path, NULL);
  g_autofree char *target_folder = target ? g_path_get_dirname (target) : NULL;
  const char *doubt = find_doubt (folder);

  add_place (places, seen, g_strdup (folder), doubt);
  if (target_folder)
    add_place (
        places, seen, g_strdup (target_folder), find_doubt (target_folder));
  add_place (places, seen, g_path_get_dirname (absolute), "lies one folder up");
  add_place (places, seen, g_build_filename (folder, "tokenizer", NULL), doubt);
  add_place (places, seen, g_build_filename (folder, "original", NULL), doubt);
  return places;
}

/* "model.tokenizer.json" of "model.gguf", which says whose it is. */
static gboolean
try_named (BitnetAttempt *attempt, const char *path, const BnOffer *offer,
    GCancellable *cancellable, GError **error)
{
  static const char *const endings[] = {".tokenizer.json", "-tokenizer.json"};
  g_autofree char *folder_path = g_path_get_dirname (path);
  g_autofree char *stem = bn_facts_dup_stem (path);
  BnDiskFolder folder;

  bn_disk_folder_init (&folder, folder_path);
  for (gsize i = 0; i < G_N_ELEMENTS (endings); i++) {
    g_autofree char *name = g_strconcat (stem, endings[i], NULL);
    g_autoptr (GError) local = NULL;

    if (bn_load_file (attempt, &folder.base, name, offer, cancellable, &local))
      return TRUE;
    if (g_error_matches (local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  }
  return FALSE;
}

BitnetTokenizer *
bn_try_generic (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error)
{
  const char *path = bitnet_discovery_get_path (attempt->discovery);
  BnOffer offer = {.kind = BN_KIND_FILE};
  g_autoptr (GPtrArray) places = NULL;
  g_autoptr (GString) looked = g_string_new (NULL);
  g_autoptr (GError) local = NULL;

  if (try_named (attempt, path, &offer, cancellable, &local))
    return bn_attempt_get_found (attempt);
  places = list_places (path);
  for (guint i = 0; local == NULL && i < places->len; i++) {
    const Place *place = places->pdata[i];
    BnDiskFolder folder;

    bn_disk_folder_init (&folder, place->path);
    offer.guess = place->guess;
    if (bn_load_folder (attempt, &folder.base, &offer, cancellable, &local))
      return bn_attempt_get_found (attempt);
    g_string_append_printf (looked, "%s%s", i > 0 ? ", " : "", place->path);
  }
  if (local) {
    g_propagate_error (error, g_steal_pointer (&local));
    return NULL;
  }
  return bn_attempt_fail (attempt, error, BITNET_ERROR_NOT_FOUND,
      "no tokenizer.json, tokenizer.model, tekken.json, vocab.json with "
      "merges.txt or vocab.txt in %s",
      looked->len > 0 ? looked->str : path);
}

/* The last resort. */

BitnetTokenizer *
bn_try_backup (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error)
{
  BitnetDiscovery *discovery = attempt->discovery;
  const BnOffer offer = {.kind = BN_KIND_BYTES,
      .source = "tokens that are bytes",
      .is_embedded = TRUE};
  guint n_tokens = bitnet_discovery_get_n_rows (discovery);
  const GError *problem = bitnet_discovery_get_error (discovery);
  BitnetTokenizer *tokenizer;

  if (g_error_matches (problem, BITNET_ERROR, BITNET_ERROR_NOT_FOUND)) {
    g_propagate_error (error, g_error_copy (problem));
    return NULL;
  }
  if (attempt->options->strict) {
    g_set_error_literal (error, BITNET_ERROR, BITNET_ERROR_STRICT_MODE,
        "strict mode forbids the last resort");
    return NULL;
  }
  if (n_tokens == 0)
    n_tokens = bitnet_discovery_get_default_vocab_size (discovery);
  if (n_tokens == 0)
    n_tokens = USUAL_VOCAB_SIZE;
  tokenizer = bn_backup_tokenizer_new (n_tokens, error);
  if (tokenizer == NULL
      || !bn_attempt_offer (attempt, tokenizer, &offer, error))
    return NULL;
  attempt->found.verified = BN_VERIFIED_NOT;
  attempt->found.is_uncertain = TRUE;
  bn_attempt_warn (attempt, BN_WARNING_BACKUP,
      "no tokenizer was found for %s; a last resort that only knows bytes is "
      "in use, and what the model writes will make no sense",
      bitnet_discovery_get_path (discovery));
  return bn_attempt_get_found (attempt);
}
