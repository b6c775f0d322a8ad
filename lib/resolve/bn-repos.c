/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Infers repositories from what a model file says, where it lies, what lies
 * beside it and which family it is of. Every name comes from outside and
 * becomes part of addresses and paths, so each passes bn_hub_is_repository();
 * addresses count only if they are of the hub. */
#include "bn-repos.h"

#include <string.h>

#include "net/bn-disk-cache.h"
#include "net/bn-hf-cache.h"
#include "net/bn-hub-names.h"
#include "text/bn-file.h"
#include "text/bn-json.h"

enum {
  MAX_BASE_MODELS = 8,
  MAX_CONFIG_SIZE = 1 << 20,
};

/* Candidates by how sure they are. A repository that has GGUF files alone
 * seldom has a tokenizer, so it comes after those it was made from. */
typedef struct {
  GPtrArray *exact, *converted, *probable, *compatible;
  const BnFamilyMatrix *matrix;
} Inference;

static gboolean
is_listed (const GPtrArray *list, const char *repository)
{
  for (guint i = 0; i < list->len; i++) {
    const BitnetCandidate *candidate = g_ptr_array_index (list, i);

    if (g_ascii_strcasecmp (candidate->repository, repository) == 0)
      return TRUE;
  }
  return FALSE;
}

static gboolean
is_known (const Inference *self, const char *repository)
{
  return is_listed (self->exact, repository)
         || is_listed (self->converted, repository)
         || is_listed (self->probable, repository)
         || is_listed (self->compatible, repository);
}

/* "TheBloke/Llama-2-7B-GGUF", "x/y-gguf-imatrix" */
static gboolean
is_converted (const char *repository)
{
  g_autofree char *lower = g_ascii_strdown (repository, -1);
  const char *name = strchr (lower, '/');

  return name
         && (strstr (name, "-gguf") || strstr (name, "_gguf")
             || strstr (name, ".gguf"));
}

/* The family whose own repository this is, or one of its equivalents. */
static const BnFamily *
find_family (
    const BnFamilyMatrix *matrix, const char *repository, gboolean *is_own)
{
  const BnFamily *found = NULL;

  *is_own = FALSE;
  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++) {
    const BnFamily *family = bn_matrix_get_family (matrix, i);

    if (g_ascii_strcasecmp (family->repository, repository) == 0) {
      *is_own = TRUE;
      return family;
    }
    for (gsize j = 0; found == NULL && family->equivalents[j]; j++) {
      if (g_ascii_strcasecmp (family->equivalents[j], repository) == 0)
        found = family;
    }
  }
  return found;
}

/* Takes repository, which may be NULL or anything. */
static void
add_named (Inference *self, BitnetConfidence confidence, char *repository,
    const char *reason)
{
  g_autofree char *owned = repository;
  const BnFamily *family;
  BitnetCandidate *candidate;
  gboolean is_own;

  if (owned == NULL || strchr (owned, '/') == NULL
      || !bn_hub_is_repository (owned) || is_known (self, owned))
    return;
  family = find_family (self->matrix, owned, &is_own);
  candidate = g_new0 (BitnetCandidate, 1);
  candidate->reason = g_strdup (reason);
  candidate->confidence = confidence;
  if (family) {
    candidate->family = g_strdup (family->name);
    candidate->is_unique = family->is_unique;
    candidate->is_gated = is_own && family->is_gated;
  }
  candidate->repository = g_steal_pointer (&owned);
  g_ptr_array_add (confidence != BITNET_CONFIDENCE_EXACT  ? self->probable
                   : is_converted (candidate->repository) ? self->converted
                                                          : self->exact,
      candidate);
}

/* A key that has an address of the hub, or owner/name itself if it may. */
static void
add_key (Inference *self, const BnGguf *gguf, const char *key, gboolean is_url)
{
  g_autofree char *value = bn_gguf_dup_string (gguf, key);

  if (value == NULL)
    return;
  if (strstr (value, "://"))
    add_named (
        self, BITNET_CONFIDENCE_EXACT, bn_hub_parse_url (value, NULL), key);
  else if (!is_url)
    add_named (self, BITNET_CONFIDENCE_EXACT, g_strdup (value), key);
}

/* Converters spell "meta-llama" as "Meta Llama" there. */
static void
add_organization (Inference *self, const BnGguf *gguf, const char *prefix)
{
  g_autofree char *organization_key =
      g_strconcat (prefix, "organization", NULL);
  g_autofree char *name_key = g_strconcat (prefix, "name", NULL);
  g_autofree char *organization = bn_gguf_dup_string (gguf, organization_key);
  g_autofree char *name = bn_gguf_dup_string (gguf, name_key);
  gboolean is_spelled;

  if (organization == NULL || name == NULL)
    return;
  is_spelled = strchr (organization, ' ') || strchr (name, ' ');
  g_strdelimit (organization, " ", '-');
  g_strdelimit (name, " ", '-');
  add_named (self,
      is_spelled ? BITNET_CONFIDENCE_PROBABLE : BITNET_CONFIDENCE_EXACT,
      g_strdup_printf ("%s/%s", organization, name), name_key);
}

static void
add_origins (Inference *self, const BnGguf *gguf)
{
  static const char *const url_keys[] = {"general.source.repo_url",
      "general.source.url", "general.repo_url", "general.url"};

  add_key (self, gguf, "general.source.huggingface.repository", FALSE);
  for (int i = 0; i < MAX_BASE_MODELS; i++) {
    g_autofree char *prefix = g_strdup_printf ("general.base_model.%d.", i);
    g_autofree char *url_key = g_strconcat (prefix, "repo_url", NULL);

    add_key (self, gguf, url_key, TRUE);
    add_organization (self, gguf, prefix);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (url_keys); i++)
    add_key (self, gguf, url_keys[i], TRUE);
}

char *
bn_repos_parse_config (
    const char *text, gsize size, const char *path, const char *folder)
{
  BnJsonDocument document = {.path = path, .text = text, .size = size};
  g_autofree char *name = NULL;
  g_autofree char *local = NULL;
  BnJson root;

  if (size > MAX_CONFIG_SIZE || !bn_json_open (&document, &root, NULL)
      || bn_json_get_type (root) != BN_JSON_OBJECT
      || !bn_json_read_string (root, "_name_or_path", &name, NULL)
      || name == NULL || strchr (name, '/') == NULL
      || !bn_hub_is_repository (name))
    return NULL;
  /* "models/llama" is spelled like a repository too. */
  local = g_build_filename (folder, name, NULL);
  if (g_file_test (local, G_FILE_TEST_EXISTS)
      || g_file_test (name, G_FILE_TEST_EXISTS))
    return NULL;
  return g_steal_pointer (&name);
}

static void
add_config (Inference *self, const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "config.json", NULL);
  g_auto (BnOpenFile) file = {.path = NULL};

  if (bn_file_open (&file, path, NULL))
    add_named (self, BITNET_CONFIDENCE_PROBABLE,
        bn_repos_parse_config (file.file.text, file.file.size, path, folder),
        "config.json");
}

static void
add_place (Inference *self, const char *path)
{
  g_autofree char *repository = NULL;
  g_autofree char *commit = NULL;
  g_autofree char *folder = g_file_test (path, G_FILE_TEST_IS_DIR)
                                ? g_strdup (path)
                                : g_path_get_dirname (path);

  if (bn_disk_cache_parse_path (path, &repository, &commit)
      || bn_hf_cache_parse_path (path, &repository, &commit))
    add_named (self, BITNET_CONFIDENCE_EXACT, g_steal_pointer (&repository),
        "the cache that the model lies in");
  add_config (self, folder);
}

static void
add_compatible (Inference *self, const BnFamily *family, const char *repository,
    gboolean is_equivalent)
{
  BitnetCandidate *candidate;

  if (is_known (self, repository))
    return;
  candidate = g_new0 (BitnetCandidate, 1);
  candidate->repository = g_strdup (repository);
  candidate->reason = g_strdup_printf ("the family %s", family->title);
  candidate->confidence = BITNET_CONFIDENCE_COMPATIBLE;
  candidate->family = g_strdup (family->name);
  candidate->is_unique = family->is_unique;
  candidate->is_gated = family->is_gated && !is_equivalent;
  candidate->is_equivalent = family->is_gated && is_equivalent;
  g_ptr_array_add (self->compatible, candidate);
}

static void
add_family (Inference *self, const BnFamily *family)
{
  add_compatible (self, family, family->repository, FALSE);
  for (gsize i = 0; family->equivalents[i]; i++)
    add_compatible (self, family, family->equivalents[i], TRUE);
}

/* A repository that is named may be gated, or the file cannot be read and the
 * names are all that is known: what its family has, too. */
static void
add_named_families (Inference *self, const GPtrArray *list)
{
  for (guint i = 0; i < list->len; i++) {
    const BitnetCandidate *candidate = g_ptr_array_index (list, i);

    if (candidate->family)
      add_family (self, bn_matrix_find (self->matrix, candidate->family));
  }
}

/* Moves what is in the second to the end of the first. */
static void
append (GPtrArray *all, GPtrArray *list)
{
  g_ptr_array_extend_and_steal (all, list);
}

GPtrArray *
bn_repos_infer (const BnGguf *gguf, const char *path,
    const BnFamilyMatrix *matrix, const BnModelFacts *facts)
{
  const GDestroyNotify free_candidate = (GDestroyNotify) bitnet_candidate_free;
  Inference self = {g_ptr_array_new_with_free_func (free_candidate),
      g_ptr_array_new_with_free_func (free_candidate),
      g_ptr_array_new_with_free_func (free_candidate),
      g_ptr_array_new_with_free_func (free_candidate), matrix};
  g_autoptr (GPtrArray) families = bn_matrix_match (matrix, facts);

  if (gguf)
    add_origins (&self, gguf);
  if (path)
    add_place (&self, path);
  add_named_families (&self, self.exact);
  add_named_families (&self, self.probable);
  for (guint i = 0; i < families->len; i++)
    add_family (&self, g_ptr_array_index (families, i));
  append (self.exact, self.converted);
  append (self.exact, self.probable);
  append (self.exact, self.compatible);
  return self.exact;
}
