/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strategies around repositories: what was fetched before, what can be
 * fetched, and what the application has named. */
#include "bn-strategies.h"

#include <string.h>
#include "bitnet-error.h"
#include "bitnet-private.h"
#include "bitnet-tokenizer-private.h"
#include "bn-attempt.h"
#include "bn-loading.h"
#include "net/bn-hf-cache.h"
#include "net/bn-hub-names.h"
#include "text/bn-source.h"

enum { MAX_REPOSITORIES = 8 }; /* asked in one attempt */

/* Candidates. */

static void
add_candidate (GPtrArray *list, const char *repository, const char *revision,
    const char *reason, BitnetConfidence confidence)
{
  BitnetCandidate *candidate = g_new0 (BitnetCandidate, 1);

  candidate->repository = g_strdup (repository);
  candidate->revision = g_strdup (revision);
  candidate->reason = g_strdup (reason);
  candidate->confidence = confidence;
  g_ptr_array_add (list, candidate);
}

static void
candidate_free (gpointer data)
{
  bitnet_candidate_free (data);
}

/* The family of a model without a token list: what its numbers and name say,
 * else that of a repository which is named. */
static const char *
get_family (BitnetDiscovery *discovery)
{
  const char *family = bitnet_discovery_get_family (discovery);
  GPtrArray *all = bitnet_discovery_get_candidates (discovery);

  for (guint i = 0; family == NULL && i < all->len; i++) {
    const BitnetCandidate *candidate = all->pdata[i];

    if (candidate->confidence != BITNET_CONFIDENCE_COMPATIBLE)
      family = candidate->family;
  }
  return family;
}

/* Repositories worth asking, the surest first. One that only the family has
 * counts if the model has tokens to compare with, or if more than its sizes
 * says that it is of that family. */
static GPtrArray *
list_candidates (BitnetAttempt *attempt)
{
  const BnResolveOptions *options = attempt->options;
  BitnetDiscovery *discovery = attempt->discovery;
  GPtrArray *all = bitnet_discovery_get_candidates (discovery);
  GPtrArray *list = g_ptr_array_new_with_free_func (candidate_free);
  gboolean can_verify = bitnet_discovery_get_n_tokens (discovery) > 0;
  const char *family = get_family (discovery);

  if (options->tokenizer_repo) {
    add_candidate (list, options->tokenizer_repo, options->revision,
        "tokenizer-repo", BITNET_CONFIDENCE_EXACT);
    return list;
  }
  for (guint i = 0; i < all->len; i++) {
    const BitnetCandidate *candidate = all->pdata[i];

    if (candidate->confidence == BITNET_CONFIDENCE_COMPATIBLE && !can_verify
        && (family == NULL || g_strcmp0 (candidate->family, family) != 0))
      continue;
    g_ptr_array_add (list, bitnet_candidate_copy (candidate));
  }
  return list;
}

static BitnetTokenizer *
fail_without_source (BitnetAttempt *attempt, GError **error)
{
  BitnetDiscovery *discovery = attempt->discovery;
  g_auto (GStrv) nearest = bitnet_discovery_list_nearest_families (discovery);
  g_autofree char *list = nearest ? g_strjoinv (", ", nearest) : NULL;

  g_set_error (error, BITNET_ERROR, BITNET_ERROR_NO_SOURCE,
      "nothing in %s tells which repository has its tokenizer%s%s",
      bitnet_discovery_get_path (discovery),
      list && *list ? "; models like it: " : "", list ? list : "");
  return NULL;
}

static BnOffer
make_offer (BitnetAttempt *attempt, const BitnetCandidate *candidate)
{
  return (BnOffer){.kind = BN_KIND_HUB,
      .endpoint = bn_services_get_endpoint (attempt->services),
      .repository = candidate->repository,
      .revision =
          candidate->revision ? candidate->revision : BN_RESOLVE_REVISION,
      .guess = candidate->confidence == BITNET_CONFIDENCE_COMPATIBLE
                       && !candidate->is_unique
                   ? "was chosen by the model's family and size"
                   : NULL};
}

/* In strict mode another repository may stand in for the right one only if the
 * model's own tokens prove it. */
static gboolean
check_equivalent (
    BitnetAttempt *attempt, const BitnetCandidate *candidate, GError **error)
{
  BnFound *found = &attempt->found;

  if (!candidate->is_equivalent)
    return TRUE;
  if (attempt->options->strict && found->verified != BN_VERIFIED_BY_PIECES) {
    GError *problem = g_error_new (BITNET_ERROR, BITNET_ERROR_STRICT_MODE,
        "%s is said to have the same tokenizer, and nothing proves it",
        candidate->repository);

    if (error)
      *error = g_error_copy (problem);
    bn_attempt_reject (attempt, candidate->repository, problem);
    bn_found_clear (found);
    return FALSE;
  }
  g_ptr_array_add (found->notes,
      g_strdup_printf ("%s stands in for a repository that cannot be read, "
                       "with the same tokenizer",
          candidate->repository));
  return TRUE;
}

/* Loads what a manifest lists. FALSE without error: nothing that could be a
 * tokenizer. */
static gboolean
load_manifest (BitnetAttempt *attempt, BnDiskCache *cache,
    const BnManifest *manifest, const BnOffer *offer, GCancellable *cancellable,
    GError **error)
{
  g_auto (BnCacheFolder) folder = {.cache = NULL};
  BnOffer this_offer = *offer;

  this_offer.commit = manifest->commit;
  bn_cache_folder_init (&folder, cache, manifest);
  return bn_load_folder (
      attempt, &folder.base, &this_offer, cancellable, error);
}

/* What was fetched before. */

/* The manifest of a candidate; if it is of a branch and old, the hub is asked
 * whether that has changed, where this is allowed. */
static BnManifest *
get_manifest (BitnetAttempt *attempt, BnDiskCache *cache, const BnOffer *offer,
    gboolean *is_stale, GCancellable *cancellable)
{
  g_autoptr (BnManifest) manifest = bn_disk_cache_lookup (
      cache, offer->endpoint, offer->repository, offer->revision);
  BnHubClient *hub;
  BnManifest *renewed;

  *is_stale = FALSE;
  if (manifest == NULL || bn_services_is_fresh (attempt->services, manifest))
    return g_steal_pointer (&manifest);
  *is_stale = TRUE;
  if (!bn_resolve_options_allow_network (attempt->options))
    return g_steal_pointer (&manifest);
  hub = bn_services_get_hub (attempt->services, &cache, NULL);
  if (hub == NULL)
    return g_steal_pointer (&manifest);
  renewed =
      bn_hub_client_fetch_tokenizer (hub, offer->repository, offer->revision,
          is_stale, bn_attempt_progress, attempt, cancellable, NULL);
  return renewed ? renewed : g_steal_pointer (&manifest);
}

static void
warn_stale (BitnetAttempt *attempt, const char *repository)
{
  attempt->found.is_uncertain = TRUE; /* to be compared next time */
  bn_attempt_warn (attempt, BN_WARNING_STALE,
      "%s was fetched some time ago and could not be compared with the hub",
      repository);
}

static gboolean
try_our_cache (BitnetAttempt *attempt, BnDiskCache *cache,
    const BitnetCandidate *candidate, GCancellable *cancellable, GError **error)
{
  BnOffer offer = make_offer (attempt, candidate);
  gboolean is_stale;
  g_autoptr (BnManifest) manifest =
      get_manifest (attempt, cache, &offer, &is_stale, cancellable);

  offer.from_cache = TRUE;
  if (manifest == NULL
      || !load_manifest (attempt, cache, manifest, &offer, cancellable, error)
      || !check_equivalent (attempt, candidate, NULL))
    return FALSE;
  if (is_stale)
    warn_stale (attempt, offer.repository);
  return TRUE;
}

/* Files of a snapshot that the hub's own client has left. */
typedef struct {
  BnFolder base;
  const char *hub_folder, *repository, *commit;
} BnSnapshotFolder;

static char *
find_in_snapshot (const BnFolder *folder, const char *name)
{
  const BnSnapshotFolder *self = (const BnSnapshotFolder *) folder;

  return bn_hf_cache_find_file (
      self->hub_folder, self->repository, self->commit, name, NULL);
}

static gboolean
identify_in_snapshot (
    const BnFolder *folder, const char *name, BnFileIdentity *identity)
{
  g_autofree char *path = find_in_snapshot (folder, name);

  return path && bn_file_identity_init (identity, path);
}

static gboolean
open_in_snapshot (
    const BnFolder *folder, const char *name, BnOpenFile *file, GError **error)
{
  g_autofree char *path = find_in_snapshot (folder, name);

  if (path)
    return bn_file_open (file, path, error);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
      "%s/%s: is not there, or a link that leaves its repository", folder->name,
      name);
  return FALSE;
}

/* is_any: of another revision too. */
static gboolean
try_hub_cache (BitnetAttempt *attempt, const char *hub_folder,
    const BitnetCandidate *candidate, gboolean is_any,
    GCancellable *cancellable, GError **error)
{
  BnOffer offer = make_offer (attempt, candidate);
  const char *const *names = bn_source_list_names ();

  offer.kind = BN_KIND_HUB_CACHE;
  offer.from_cache = TRUE;
  for (gsize i = 0; names[i] != NULL; i++) {
    gboolean is_other = FALSE;
    g_autofree char *snapshot = bn_hf_cache_find_snapshot (hub_folder,
        offer.repository, offer.revision, names[i], is_any ? &is_other : NULL);
    g_autofree char *commit = snapshot ? g_path_get_basename (snapshot) : NULL;
    const BnSnapshotFolder folder = {
        .base = {snapshot, open_in_snapshot, identify_in_snapshot},
        .hub_folder = hub_folder,
        .repository = offer.repository,
        .commit = commit};

    if (snapshot == NULL)
      continue;
    offer.commit = commit;
    if (!bn_load_folder (attempt, &folder.base, &offer, cancellable, error)
        || !check_equivalent (attempt, candidate, NULL))
      return FALSE;
    attempt->found.path =
        g_build_filename (snapshot, attempt->found.file, NULL);
    if (is_other)
      warn_stale (attempt, offer.repository);
    return TRUE;
  }
  return FALSE;
}

/* What is here of a repository, if the hub need not be asked for it. */
static gboolean
try_here (BitnetAttempt *attempt, BnDiskCache *cache, const char *hub_folder,
    const BitnetCandidate *candidate, GCancellable *cancellable, GError **error)
{
  gboolean can_ask = bn_resolve_options_allow_network (attempt->options);
  g_autoptr (GError) local = NULL;
  gboolean is_found =
      cache && try_our_cache (attempt, cache, candidate, cancellable, &local);

  for (int is_any = 0; !is_found && !local && is_any <= !can_ask; is_any++)
    is_found = try_hub_cache (
        attempt, hub_folder, candidate, is_any, cancellable, &local);
  if (local)
    g_propagate_error (error, g_steal_pointer (&local));
  return is_found;
}

static gboolean
is_cancelled (GCancellable *cancellable, GError **error)
{
  return g_cancellable_set_error_if_cancelled (cancellable, error);
}

BitnetTokenizer *
bn_try_cache (BitnetAttempt *attempt, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) candidates = list_candidates (attempt);
  g_autoptr (GString) missing = g_string_new (NULL);
  g_autofree char *hub_folder = bn_hf_cache_dup_folder ();
  BnDiskCache *cache;
  g_autoptr (GError) cache_error = NULL;

  if (candidates->len == 0)
    return fail_without_source (attempt, error);
  cache = bn_services_get_cache (attempt->services, &cache_error);
  for (guint i = 0; i < candidates->len; i++) {
    const BitnetCandidate *candidate = candidates->pdata[i];
    g_autoptr (GError) local = NULL;

    if (is_cancelled (cancellable, error))
      return NULL;
    if (try_here (attempt, cache, hub_folder, candidate, cancellable, &local))
      return bn_attempt_get_found (attempt);
    if (g_error_matches (local, BITNET_ERROR, BITNET_ERROR_AMBIGUOUS)) {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
    g_string_append_printf (
        missing, "%s%s", i > 0 ? ", " : "", candidate->repository);
  }
  if (is_cancelled (cancellable, error))
    return NULL;
  if (cache == NULL && attempt->rejections->len == 0) {
    g_propagate_error (error, g_steal_pointer (&cache_error));
    return NULL;
  }
  return bn_attempt_fail (attempt, error, BITNET_ERROR_NOT_FOUND,
      "%s %s not here", missing->str, candidates->len > 1 ? "are" : "is");
}

/* What can be fetched. */

/* An address that makes no sense is as good as a hub that cannot be reached:
 * the other strategies need none. */
static BnHubClient *
get_hub (BitnetAttempt *attempt, BnDiskCache **cache, GError **error)
{
  g_autoptr (GError) local = NULL;
  BnHubClient *hub = bn_services_get_hub (attempt->services, cache, &local);

  if (g_error_matches (local, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT))
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NETWORK,
        "the hub cannot be asked: %s", local->message);
  else if (local)
    g_propagate_error (error, g_steal_pointer (&local));
  return hub;
}

/* Whether asking this hub for anything else is of no use. */
static gboolean
ends_search (const GError *error)
{
  static const BitnetError codes[] = {BITNET_ERROR_OFFLINE,
      BITNET_ERROR_DOWNLOAD_DISABLED, BITNET_ERROR_RATE_LIMITED,
      BITNET_ERROR_CIRCUIT_OPEN, BITNET_ERROR_NETWORK, BITNET_ERROR_TLS,
      BITNET_ERROR_TIMEOUT, BITNET_ERROR_AMBIGUOUS, BITNET_ERROR_AUTH_INVALID,
      BITNET_ERROR_NO_SPACE, BITNET_ERROR_PERMISSION, BITNET_ERROR_CACHE_IO};

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++) {
    if (g_error_matches (error, BITNET_ERROR, codes[i]))
      return TRUE;
  }
  return FALSE;
}

/* A repository that only has models in GGUF says on its card what they were
 * made of. */
static void
insert_base_models (BitnetAttempt *attempt, GPtrArray *candidates, guint index,
    GCancellable *cancellable)
{
  const BitnetCandidate *candidate = candidates->pdata[index];
  const char *revision =
      candidate->revision ? candidate->revision : BN_RESOLVE_REVISION;
  g_autoptr (BnHubListing) listing = NULL;
  BnDiskCache *cache;
  BnHubClient *hub = bn_services_get_hub (attempt->services, &cache, NULL);

  if (hub == NULL)
    hub = bn_services_get_spare_hub (attempt->services, &cache, NULL);
  if (hub)
    listing = bn_hub_client_list (
        hub, candidate->repository, revision, cancellable, NULL);
  for (char **base = listing ? listing->base_models : NULL; base && *base;
       base++) {
    BitnetCandidate *other;
    gboolean is_known = FALSE;

    for (guint i = 0; i < candidates->len && !is_known; i++) {
      other = candidates->pdata[i];
      is_known = g_ascii_strcasecmp (other->repository, *base) == 0;
    }
    if (is_known || candidates->len >= MAX_REPOSITORIES)
      continue;
    other = g_new0 (BitnetCandidate, 1);
    other->repository = g_strdup (*base);
    other->reason = g_strdup ("base_model");
    other->confidence = BITNET_CONFIDENCE_PROBABLE;
    g_ptr_array_insert (candidates, (int) ++index, other);
  }
}

/* Why nothing of a repository was taken: what was said of its last file. */
static void
set_last_rejection (BitnetAttempt *attempt, guint n_before,
    const char *repository, GError **error)
{
  const GPtrArray *rejections = attempt->rejections;

  if (rejections->len > n_before)
    g_propagate_error (error,
        g_error_copy (
            ((BnRejection *) rejections->pdata[rejections->len - 1])->error));
  else
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENTRY_NOT_FOUND,
        "%s has no tokenizer file", repository);
}

/* Better another revision than nothing, where nobody answers. */
static gboolean
try_old_snapshot (BitnetAttempt *attempt, const BitnetCandidate *candidate,
    const GError *error, GCancellable *cancellable)
{
  static const BitnetError codes[] = {BITNET_ERROR_NETWORK, BITNET_ERROR_TLS,
      BITNET_ERROR_TIMEOUT, BITNET_ERROR_TRANSIENT, BITNET_ERROR_CIRCUIT_OPEN,
      BITNET_ERROR_RATE_LIMITED};
  g_autofree char *hub_folder = bn_hf_cache_dup_folder ();

  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++) {
    if (g_error_matches (error, BITNET_ERROR, codes[i]))
      return try_hub_cache (
          attempt, hub_folder, candidate, TRUE, cancellable, NULL);
  }
  return FALSE;
}

/* One repository: fetched, read, checked. */
static gboolean
fetch_into (BitnetAttempt *attempt, BnHubClient *hub, BnDiskCache *cache,
    const BitnetCandidate *candidate, GCancellable *cancellable, GError **error)
{
  BnOffer offer = make_offer (attempt, candidate);
  g_autoptr (BnManifest) manifest = NULL;
  g_autoptr (GError) local = NULL;
  guint n_before = attempt->rejections->len;
  gboolean is_stale = FALSE;

  manifest =
      bn_hub_client_fetch_tokenizer (hub, offer.repository, offer.revision,
          &is_stale, bn_attempt_progress, attempt, cancellable, &local);
  if (manifest == NULL) {
    if (try_old_snapshot (attempt, candidate, local, cancellable))
      return TRUE;
    if (!g_error_matches (local, G_IO_ERROR, G_IO_ERROR_CANCELLED))
      bn_attempt_reject (attempt, offer.repository, g_error_copy (local));
    g_propagate_error (error, g_steal_pointer (&local));
    return FALSE;
  }
  if (!load_manifest (attempt, cache, manifest, &offer, cancellable, &local)) {
    if (local == NULL)
      set_last_rejection (attempt, n_before, offer.repository, &local);
    g_propagate_error (error, g_steal_pointer (&local));
    return FALSE;
  }
  if (!check_equivalent (attempt, candidate, error))
    return FALSE;
  if (is_stale)
    warn_stale (attempt, offer.repository);
  return TRUE;
}

/* Whether the cache is why it failed, and not the hub. */
static gboolean
is_of_cache (const GError *error)
{
  return g_error_matches (error, BITNET_ERROR, BITNET_ERROR_CACHE_IO)
         || g_error_matches (error, BITNET_ERROR, BITNET_ERROR_PERMISSION)
         || g_error_matches (error, BITNET_ERROR, BITNET_ERROR_NO_SPACE);
}

/* Into the cache; where nothing can be kept, for this resolver alone. */
static gboolean
fetch (BitnetAttempt *attempt, const BitnetCandidate *candidate,
    GCancellable *cancellable, GError **error)
{
  BnDiskCache *cache;
  g_autoptr (GError) local = NULL;
  BnHubClient *hub = get_hub (attempt, &cache, &local);

  if (hub && fetch_into (attempt, hub, cache, candidate, cancellable, &local))
    return TRUE;
  if (is_of_cache (local)) {
    hub = bn_services_get_spare_hub (attempt->services, &cache, NULL);
    if (hub
        && fetch_into (attempt, hub, cache, candidate, cancellable, error)) {
      bn_error_make_valid (local);
      g_info ("%s; what is fetched is not kept", local->message);
      g_ptr_array_add (attempt->found.notes,
          g_strdup_printf ("what was fetched is not kept: %s", local->message));
      attempt->found.is_uncertain = TRUE;
      return TRUE;
    }
    if (hub)
      return FALSE;
  }
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

BitnetTokenizer *
bn_try_hub (BitnetAttempt *attempt, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) candidates = list_candidates (attempt);
  const BnResolveOptions *options = attempt->options;
  gboolean family_is_wrong = FALSE;

  if (candidates->len == 0)
    return fail_without_source (attempt, error);
  if (!bn_resolve_options_allow_network (options)) {
    const BitnetCandidate *first = candidates->pdata[0];

    return bn_attempt_fail (attempt, error,
        options->offline ? BITNET_ERROR_OFFLINE
                         : BITNET_ERROR_DOWNLOAD_DISABLED,
        "%s may have it, and %s", first->repository,
        options->offline ? "the network must not be used"
                         : "nothing must be downloaded");
  }
  for (guint i = 0; i < candidates->len && i < MAX_REPOSITORIES; i++) {
    const BitnetCandidate *candidate = candidates->pdata[i];
    g_autoptr (GError) local = NULL;

    /* Equal tokenizers are wrong for the same model. */
    if (candidate->is_equivalent && family_is_wrong)
      continue;
    if (fetch (attempt, candidate, cancellable, &local))
      return bn_attempt_get_found (attempt);
    if (ends_search (local)) {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
    if (!candidate->is_equivalent)
      family_is_wrong =
          g_error_matches (local, BITNET_ERROR, BITNET_ERROR_VOCAB_MISMATCH);
    if (g_error_matches (local, BITNET_ERROR, BITNET_ERROR_ENTRY_NOT_FOUND))
      insert_base_models (attempt, candidates, i, cancellable);
  }
  if (is_cancelled (cancellable, error))
    return NULL;
  return bn_attempt_fail (attempt, error, BITNET_ERROR_NOT_FOUND,
      "no repository has a tokenizer that fits");
}

/* What the application has named. */

static BitnetTokenizer *
try_folder (BitnetAttempt *attempt, const char *path, GCancellable *cancellable,
    GError **error)
{
  const BnOffer offer = {.kind = BN_KIND_FILE};
  g_autoptr (GError) local = NULL;
  BnDiskFolder folder;

  bn_disk_folder_init (&folder, path);
  if (bn_load_folder (attempt, &folder.base, &offer, cancellable, &local))
    return bn_attempt_get_found (attempt);
  if (local == NULL)
    return bn_attempt_fail (attempt, error, BITNET_ERROR_NOT_FOUND,
        "%s: the folder has no tokenizer file", path);
  g_propagate_error (error, g_steal_pointer (&local));
  return NULL;
}

/* A GGUF file that lacks what says how text is cut is no more sure for being
 * named. */
static BitnetTokenizer *
try_gguf (BitnetAttempt *attempt, const char *path, GCancellable *cancellable,
    GError **error)
{
  const BnOffer offer = {.kind = BN_KIND_GGUF, .source = path, .path = path};
  const BnGgufTokenizerFlags flags =
      attempt->options->strict ? BN_GGUF_REQUIRE_PRE : 0;
  g_autoptr (BitnetModel) model =
      bitnet_model_new_from_file (path, cancellable, error);
  gboolean is_default = FALSE;
  BitnetTokenizer *tokenizer;

  if (model == NULL)
    return NULL;
  tokenizer =
      bitnet_tokenizer_new_from_gguf_full (bitnet_model_get_gguf (model),
          attempt->fidelity, flags, &is_default, cancellable, error);
  if (tokenizer == NULL
      || !bn_attempt_offer (attempt, tokenizer, &offer, error))
    return NULL;
  if (is_default)
    bn_attempt_warn_pre (attempt, path);
  return bn_attempt_get_found (attempt);
}

static BitnetTokenizer *
try_path (BitnetAttempt *attempt, const char *path, GCancellable *cancellable,
    GError **error)
{
  const BnOffer offer = {.kind = BN_KIND_FILE, .source = path, .path = path};
  BitnetTokenizer *tokenizer;
  gboolean is_gguf;

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return try_folder (attempt, path, cancellable, error);
  if (!bn_source_is_gguf (path, &is_gguf, error))
    return NULL;
  if (is_gguf)
    return try_gguf (attempt, path, cancellable, error);
  tokenizer = bitnet_tokenizer_new_from_file (
      path, attempt->fidelity, cancellable, error);
  return tokenizer && bn_attempt_offer (attempt, tokenizer, &offer, error)
             ? bn_attempt_get_found (attempt)
             : NULL;
}

static BitnetTokenizer *
try_repository (BitnetAttempt *attempt, const BnHubReference *reference,
    GCancellable *cancellable, GError **error)
{
  BitnetCandidate candidate = {.repository = reference->repository,
      .revision = reference->revision ? reference->revision
                                      : attempt->options->revision,
      .confidence = BITNET_CONFIDENCE_EXACT};
  g_autofree char *hub_folder = bn_hf_cache_dup_folder ();
  BnDiskCache *cache = bn_services_get_cache (attempt->services, NULL);

  if (try_here (attempt, cache, hub_folder, &candidate, cancellable, NULL))
    return bn_attempt_get_found (attempt);
  if (is_cancelled (cancellable, error))
    return NULL;
  if (!bn_resolve_options_allow_network (attempt->options))
    return bn_attempt_fail (attempt, error,
        attempt->options->offline ? BITNET_ERROR_OFFLINE
                                  : BITNET_ERROR_DOWNLOAD_DISABLED,
        "%s has to be fetched, which is not allowed", candidate.repository);
  return fetch (attempt, &candidate, cancellable, error)
             ? bn_attempt_get_found (attempt)
             : NULL;
}

BitnetTokenizer *
bn_try_explicit (
    BitnetAttempt *attempt, GCancellable *cancellable, GError **error)
{
  const char *text = attempt->options->tokenizer;
  g_auto (BnHubReference) reference = {.repository = NULL};

  if (g_file_test (text, G_FILE_TEST_EXISTS))
    return try_path (attempt, text, cancellable, error);
  if (!bn_hub_is_reference (text)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_NOT_FOUND,
        "%s: no such file, folder or repository", text);
    return NULL;
  }
  return bn_hub_reference_parse (&reference, text, error)
             ? try_repository (attempt, &reference, cancellable, error)
             : NULL;
}
