/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a repository has. Everything in the answer is untrusted: names that
 * could leave a folder are left out, digests and the commit have to look like
 * some. */
#include "bn-hub-listing.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-hub-names.h"
#include "bn-net-json.h"

enum { SHA256_SIZE = 64, MAX_BASE_MODELS = 32, MAX_TAGS = 10000 };

static void
file_free (gpointer data)
{
  BnHubFile *self = data;

  g_free (self->name);
  g_free (self->sha256);
  g_free (self->git_sha1);
  g_free (self);
}

BnHubListing *
bn_hub_listing_new (const char *repository, const char *commit)
{
  BnHubListing *self = g_new0 (BnHubListing, 1);

  self->repository = g_strdup (repository);
  self->commit = g_strdup (commit);
  self->files = g_ptr_array_new_with_free_func (file_free);
  return self;
}

void
bn_hub_listing_free (BnHubListing *self)
{
  if (!self)
    return;
  g_free (self->repository);
  g_free (self->commit);
  g_ptr_array_unref (self->files);
  g_strfreev (self->base_models);
  g_free (self);
}

static gboolean
is_sha256 (const char *text)
{
  return text && strlen (text) == SHA256_SIZE
         && strspn (text, "0123456789abcdefABCDEF") == SHA256_SIZE;
}

void
bn_hub_listing_add (
    BnHubListing *self, const char *name, const char *digest, gint64 size)
{
  BnHubFile *file = g_new0 (BnHubFile, 1);

  file->name = g_strdup (name);
  file->size = size;
  if (is_sha256 (digest))
    file->sha256 = g_ascii_strdown (digest, -1);
  else if (bn_hub_is_commit (digest))
    file->git_sha1 = g_ascii_strdown (digest, -1);
  g_ptr_array_add (self->files, file);
}

const BnHubFile *
bn_hub_listing_find (const BnHubListing *self, const char *name)
{
  for (guint i = 0; i < self->files->len; i++) {
    const BnHubFile *file = g_ptr_array_index (self->files, i);

    if (g_str_equal (file->name, name))
      return file;
  }
  return NULL;
}

static void
add_sibling (BnHubListing *self, JsonNode *node)
{
  JsonObject *object, *lfs;
  const char *name, *digest;
  gint64 size;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return;
  object = json_node_get_object (node);
  name = bn_net_json_get_string (object, "rfilename");
  if (!bn_hub_is_file_name (name)) {
    g_info ("%s: a file with an unsafe name is left out", self->repository);
    return;
  }
  lfs = bn_net_json_get_object (object, "lfs");
  digest = lfs ? bn_net_json_get_string (lfs, "sha256") : NULL;
  if (!digest && !lfs)
    digest = bn_net_json_get_string (object, "blobId");
  size = bn_net_json_get_int (object, "size", -1);
  if (size < 0 && lfs)
    size = bn_net_json_get_int (lfs, "size", -1);
  bn_hub_listing_add (self, name, digest, MAX (size, -1));
}

static void
add_base_model (GPtrArray *models, const char *text)
{
  if (!bn_hub_is_repository (text) || models->len >= MAX_BASE_MODELS
      || g_ptr_array_find_with_equal_func (models, text, g_str_equal, NULL))
    return;
  g_ptr_array_add (models, g_strdup (text));
}

static const char *
get_string_element (JsonArray *array, guint i)
{
  JsonNode *node = json_array_get_element (array, i);

  return JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* "base_model:owner/name" and "base_model:quantized:owner/name". */
static void
add_tag (GPtrArray *models, const char *tag)
{
  if (tag && g_str_has_prefix (tag, "base_model:"))
    add_base_model (models, strrchr (tag, ':') + 1);
}

static GStrv
parse_base_models (JsonObject *object)
{
  g_autoptr (GPtrArray) models = g_ptr_array_new_with_free_func (g_free);
  JsonObject *card = bn_net_json_get_object (object, "cardData");
  JsonArray *list = card ? bn_net_json_get_array (card, "base_model") : NULL;
  JsonArray *tags = bn_net_json_get_array (object, "tags");

  if (card)
    add_base_model (models, bn_net_json_get_string (card, "base_model"));
  for (guint i = 0; list && i < MIN (json_array_get_length (list), MAX_TAGS);
       i++)
    add_base_model (models, get_string_element (list, i));
  for (guint i = 0; tags && i < MIN (json_array_get_length (tags), MAX_TAGS);
       i++)
    add_tag (models, get_string_element (tags, i));
  if (models->len == 0)
    return NULL;
  g_ptr_array_add (models, NULL);
  return (GStrv) g_ptr_array_free (g_steal_pointer (&models), FALSE);
}

/* false, "auto" or "manual". */
static gboolean
is_gated (JsonObject *object)
{
  return bn_net_json_get_boolean (object, "gated")
         || bn_net_json_get_string (object, "gated");
}

static BnHubListing *
parse_object (JsonObject *object, const char *repository, GError **error)
{
  const char *commit = bn_net_json_get_string (object, "sha");
  const char *name = bn_net_json_get_string (object, "id");
  JsonArray *siblings = bn_net_json_get_array (object, "siblings");
  g_autoptr (BnHubListing) self = NULL;

  if (!bn_hub_is_commit (commit) || !siblings) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s: the hub's answer is no listing, expected sha and siblings",
        repository);
    return NULL;
  }
  if (json_array_get_length (siblings) > BN_MAX_SIBLINGS) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOO_LARGE,
        "%s: the listing has %u files, expected at most %d", repository,
        json_array_get_length (siblings), BN_MAX_SIBLINGS);
    return NULL;
  }
  self = bn_hub_listing_new (
      bn_hub_is_repository (name) ? name : repository, commit);
  for (guint i = 0; i < json_array_get_length (siblings); i++)
    add_sibling (self, json_array_get_element (siblings, i));
  self->base_models = parse_base_models (object);
  self->is_gated = is_gated (object);
  return g_steal_pointer (&self);
}

BnHubListing *
bn_hub_listing_parse (
    const char *data, gsize size, const char *repository, GError **error)
{
  g_autoptr (JsonNode) node =
      bn_net_json_parse (data, size, BN_MAX_LISTING_SIZE, repository, error);

  if (!node)
    return NULL;
  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_HTTP,
        "%s: the hub's answer is no listing, expected an object", repository);
    return NULL;
  }
  return parse_object (json_node_get_object (node), repository, error);
}
