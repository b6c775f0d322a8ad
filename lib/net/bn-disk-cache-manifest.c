/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests: which files of a revision are here. One file of JSON for each
 * (endpoint, repository, revision), named by the digest of the three. What is
 * read back is checked as if a stranger had written it; a manifest that does
 * not pass is removed, because without it a file is only fetched again. */
#include "bn-disk-cache-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "bitnet-error.h"
#include "bn-net-json.h"

enum {
  MAX_FILES = 10000,
  MAX_TEXT_SIZE = 1024, /* of an endpoint, revision, etag, ... */
  MAX_BASE_MODELS = 100,
  LOCK_TIMEOUT_MS = 5000,
  SHA256_DIGITS = 64,
};

#define LOCK_PREFIX "manifest-"

/* In memory */

static void
cached_file_free (gpointer data)
{
  BnCachedFile *file = data;

  g_free (file->name);
  g_free (file->sha256);
  g_free (file->etag);
  g_free (file);
}

char *
bn_manifest_dup_endpoint (const char *endpoint)
{
  gsize length = strlen (endpoint);

  while (length > 0 && endpoint[length - 1] == '/')
    length--;
  return g_strndup (endpoint, length);
}

BnManifest *
bn_manifest_new (
    const char *endpoint, const char *repository, const char *revision)
{
  BnManifest *self = g_new0 (BnManifest, 1);

  self->endpoint = bn_manifest_dup_endpoint (endpoint);
  self->repository = g_strdup (repository);
  self->revision = g_strdup (revision);
  self->files = g_ptr_array_new_with_free_func (cached_file_free);
  return self;
}

void
bn_manifest_free (BnManifest *self)
{
  g_free (self->endpoint);
  g_free (self->repository);
  g_free (self->revision);
  g_free (self->commit);
  g_ptr_array_unref (self->files);
  g_strfreev (self->base_models);
  g_free (self);
}

static BnCachedFile *
find (const BnManifest *self, const char *name)
{
  for (guint i = 0; i < self->files->len; i++) {
    BnCachedFile *file = g_ptr_array_index (self->files, i);

    if (strcmp (file->name, name) == 0)
      return file;
  }
  return NULL;
}

const BnCachedFile *
bn_manifest_find (const BnManifest *self, const char *name)
{
  return find (self, name);
}

void
bn_manifest_add (BnManifest *self, const char *name, const char *sha256,
    const char *etag, guint64 size, gboolean is_object)
{
  BnCachedFile *old = find (self, name);
  BnCachedFile *file = g_new (BnCachedFile, 1);

  *file = (BnCachedFile){
      g_strdup (name), g_strdup (sha256), g_strdup (etag), size, is_object};
  if (old != NULL)
    g_ptr_array_remove (self->files, old);
  g_ptr_array_add (self->files, file);
}

/* What may be in one */

static gboolean
is_text (const char *text)
{
  if (text == NULL || text[0] == '\0' || strlen (text) > MAX_TEXT_SIZE
      || !g_utf8_validate (text, -1, NULL))
    return FALSE;
  for (; *text != '\0'; text++) {
    if (g_ascii_iscntrl (*text))
      return FALSE;
  }
  return TRUE;
}

/* What is wrong, or NULL. */
static const char *
find_problem (const BnManifest *self)
{
  g_autofree char *folder = bn_path_dup_repository (self->repository);

  if (folder == NULL)
    return "its repository is none";
  if (!is_text (self->endpoint) || !is_text (self->revision)
      || !is_text (self->commit))
    return "it lacks its endpoint, revision or commit";
  if (self->files->len > MAX_FILES)
    return "it has too many files";
  for (guint i = 0; i < self->files->len; i++) {
    const BnCachedFile *file = g_ptr_array_index (self->files, i);

    if (!bn_path_is_relative (file->name))
      return "it has a file whose name is not safe";
    if (!bn_path_is_sha256 (file->sha256))
      return "it has a file without a digest";
    if (file->etag != NULL && !is_text (file->etag))
      return "it has a file whose etag is no text";
    if (file->size > G_MAXINT64)
      return "it has a file of an impossible size";
  }
  for (guint i = 0; self->base_models && self->base_models[i]; i++) {
    if (i == MAX_BASE_MODELS || !is_text (self->base_models[i]))
      return "its base models are no names";
  }
  return NULL;
}

/* As JSON */

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static void
add_file (JsonBuilder *builder, const BnCachedFile *file)
{
  json_builder_set_member_name (builder, file->name);
  json_builder_begin_object (builder);
  add_string (builder, "sha256", file->sha256);
  add_int (builder, "size", (gint64) file->size);
  if (file->etag != NULL)
    add_string (builder, "etag", file->etag);
  if (!file->is_object) {
    json_builder_set_member_name (builder, "object");
    json_builder_add_boolean_value (builder, FALSE);
  }
  json_builder_end_object (builder);
}

static char *
to_json (const BnManifest *self, gsize *size)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  add_int (builder, "version", BN_CACHE_FORMAT);
  add_string (builder, "endpoint", self->endpoint);
  add_string (builder, "repository", self->repository);
  add_string (builder, "revision", self->revision);
  add_string (builder, "commit", self->commit);
  add_int (builder, "fetched-at", self->fetched_at);
  json_builder_set_member_name (builder, "files");
  json_builder_begin_object (builder);
  for (guint i = 0; i < self->files->len; i++)
    add_file (builder, g_ptr_array_index (self->files, i));
  json_builder_end_object (builder);
  if (self->base_models != NULL) {
    json_builder_set_member_name (builder, "base-models");
    json_builder_begin_array (builder);
    for (guint i = 0; self->base_models[i] != NULL; i++)
      json_builder_add_string_value (builder, self->base_models[i]);
    json_builder_end_array (builder);
  }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  return json_generator_to_data (generator, size);
}

static void
read_files (BnManifest *self, JsonObject *files)
{
  g_autoptr (GList) names = files ? json_object_get_members (files) : NULL;

  for (GList *l = names; l != NULL; l = l->next) {
    JsonObject *object = bn_net_json_get_object (files, l->data);
    gint64 size = bn_net_json_get_int (object, "size", -1);
    BnCachedFile *file = g_new0 (BnCachedFile, 1);

    file->name = g_strdup (l->data);
    file->sha256 = g_strdup (bn_net_json_get_string (object, "sha256"));
    file->etag = g_strdup (bn_net_json_get_string (object, "etag"));
    file->size = size < 0 ? G_MAXUINT64 : (guint64) size;
    file->is_object = object
                      && (!json_object_has_member (object, "object")
                          || bn_net_json_get_boolean (object, "object"));
    g_ptr_array_add (self->files, file);
  }
}

static GStrv
dup_strings (JsonArray *array)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (array == NULL)
    return NULL;
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);

    if (JSON_NODE_HOLDS_VALUE (node)
        && json_node_get_value_type (node) == G_TYPE_STRING)
      g_strv_builder_add (builder, json_node_get_string (node));
  }
  return g_strv_builder_end (builder);
}

BnManifest *
bn_manifest_parse (
    const char *data, gsize size, const char *name, GError **error)
{
  g_autoptr (JsonNode) node =
      bn_net_json_parse (data, size, BN_MAX_RECORD_SIZE, name, error);
  JsonObject *object = NULL;
  g_autoptr (BnManifest) self = NULL;
  const char *problem = "it is of another version";

  if (node == NULL)
    return NULL;
  if (JSON_NODE_HOLDS_OBJECT (node))
    object = json_node_get_object (node);
  if (bn_net_json_get_int (object, "version", 0) == BN_CACHE_FORMAT) {
    const char *endpoint = bn_net_json_get_string (object, "endpoint");

    self = bn_manifest_new (endpoint ? endpoint : "",
        bn_net_json_get_string (object, "repository"),
        bn_net_json_get_string (object, "revision"));
    self->commit = g_strdup (bn_net_json_get_string (object, "commit"));
    self->fetched_at = bn_net_json_get_int (object, "fetched-at", 0);
    read_files (self, bn_net_json_get_object (object, "files"));
    self->base_models =
        dup_strings (bn_net_json_get_array (object, "base-models"));
    problem = find_problem (self);
  }
  if (problem == NULL)
    return g_steal_pointer (&self);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_CACHE_IO,
      "%s: is no manifest: %s", name, problem);
  return NULL;
}

/* On disk */

char *
bn_manifest_dup_key (
    const char *endpoint, const char *repository, const char *revision)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *base = bn_manifest_dup_endpoint (endpoint);
  const char *const parts[] = {"src", base, repository, revision};

  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++) {
    gboolean is_last = i + 1 == G_N_ELEMENTS (parts);

    g_checksum_update (checksum, (const guchar *) parts[i],
        (gssize) strlen (parts[i]) + !is_last);
  }
  return g_strdup (g_checksum_get_string (checksum));
}

char *
bn_manifest_dup_file_path (
    const char *repository, const char *commit, const char *name)
{
  g_autofree char *folder = bn_path_dup_repository (repository);
  g_autofree char *step = commit ? bn_path_dup_name (commit) : NULL;

  if (folder == NULL || step == NULL || !bn_path_is_relative (name))
    return NULL;
  return g_build_path ("/", folder, step, name, NULL);
}

/* NULL without error if it cannot be read, which may be the fault of the
 * reader: too many files are open. */
static BnManifest *
read_manifest (int sources, const char *name, GError **error)
{
  g_autoptr (GBytes) bytes = bn_at_read (sources, name, BN_MAX_RECORD_SIZE);

  if (bytes == NULL)
    return NULL;
  return bn_manifest_parse (
      g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), name, error);
}

/* The manifest of that key; one that is none, or of something else, is
 * removed. */
static BnManifest *
load (int sources, const char *name, const char *endpoint,
    const char *repository, const char *revision)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) self = NULL;
  g_autofree char *base = bn_manifest_dup_endpoint (endpoint);

  self = read_manifest (sources, name, &error);
  if (self == NULL && error == NULL)
    return NULL;
  if (self != NULL && strcmp (self->endpoint, base) == 0
      && strcmp (self->repository, repository) == 0
      && strcmp (self->revision, revision) == 0)
    return g_steal_pointer (&self);
  if (error != NULL)
    g_info ("%s; removed", error->message);
  else
    g_info ("%s: is the manifest of another revision; removed", name);
  unlinkat (sources, name, 0);
  return NULL;
}

static gboolean
touch_at (int root, const char *path)
{
  struct stat info;
  const char *slash = strrchr (path, '/');
  g_autofree char *folder = g_strndup (path, (gsize) (slash - path));
  g_auto (BnFd) fd = bn_at_open_folder (root, folder, FALSE);

  if (fd < 0 || fstatat (fd, slash + 1, &info, AT_SYMLINK_NOFOLLOW) != 0
      || !S_ISREG (info.st_mode))
    return FALSE;
  bn_at_touch (fd, slash + 1, &info);
  return TRUE;
}

/* Whether the content is here; notes its use. */
static gboolean
touch_content (int root, const BnManifest *self, const BnCachedFile *file)
{
  g_autofree char *below = file->is_object
                               ? bn_object_dup_path (file->sha256, FALSE)
                               : bn_manifest_dup_file_path (
                                   self->repository, self->commit, file->name);
  g_autofree char *path = g_build_path (
      "/", file->is_object ? BN_CACHE_OBJECTS : BN_CACHE_FILES, below, NULL);
  g_autofree char *packed = g_strconcat (path, BN_PACKED_SUFFIX, NULL);

  if (touch_at (root, path))
    return TRUE;
#ifdef BN_HAVE_ZSTD
  return file->is_object && touch_at (root, packed);
#else
  return FALSE;
#endif
}

/* Leaves only files that are here. */
static void
keep_present (BnManifest *self, int root)
{
  for (guint i = self->files->len; i > 0; i--) {
    const BnCachedFile *file = g_ptr_array_index (self->files, i - 1);

    if (touch_content (root, self, file))
      continue;
    self->n_evicted += file->is_object;
    g_ptr_array_remove_index (self->files, i - 1);
  }
}

static BnManifest *
lookup (BnDiskCache *self, const char *endpoint, const char *repository,
    const char *revision)
{
  g_auto (BnFd) root = bn_disk_cache_open_folder (self, NULL, FALSE, NULL);
  g_auto (BnFd) sources = -1;
  g_autofree char *key = bn_manifest_dup_key (endpoint, repository, revision);
  g_autofree char *name = g_strconcat (key, BN_RECORD_SUFFIX, NULL);
  BnManifest *manifest;
  struct stat info;

  if (root >= 0)
    sources = bn_at_open_folder (root, BN_CACHE_SOURCES, FALSE);
  if (sources < 0)
    return NULL;
  manifest = load (sources, name, endpoint, repository, revision);
  if (manifest == NULL)
    return NULL;
  if (fstatat (sources, name, &info, AT_SYMLINK_NOFOLLOW) == 0)
    bn_at_touch (sources, name, &info);
  keep_present (manifest, root);
  return manifest;
}

BnManifest *
bn_disk_cache_lookup (BnDiskCache *self, const char *endpoint,
    const char *repository, const char *revision)
{
  BnManifest *manifest = lookup (self, endpoint, repository, revision);

  bn_disk_cache_count (self,
      manifest && manifest->files->len > 0 ? BN_CACHE_HITS : BN_CACHE_MISSES);
  return manifest;
}

/* All of them */

void
bn_manifest_entry_free (BnManifestEntry *self)
{
  g_free (self->name);
  g_clear_pointer (&self->manifest, bn_manifest_free);
  g_free (self);
}

GPtrArray *
bn_manifest_list (int root, GPtrArray *broken)
{
  GPtrArray *entries =
      g_ptr_array_new_with_free_func ((GDestroyNotify) bn_manifest_entry_free);
  g_auto (BnFd) sources = bn_at_open_folder (root, BN_CACHE_SOURCES, FALSE);
  g_autoptr (GPtrArray) names = NULL;

  if (sources < 0)
    return entries;
  names = bn_fd_list (sources);
  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    g_autoptr (GError) error = NULL;
    BnManifest *manifest;
    BnManifestEntry *entry;
    struct stat info;

    if (!g_str_has_suffix (name, BN_RECORD_SUFFIX) || name[0] == '.'
        || fstatat (sources, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    manifest = read_manifest (sources, name, &error);
    if (manifest == NULL) {
      if (broken != NULL && error != NULL)
        g_ptr_array_add (broken, g_strdup (name));
      continue;
    }
    entry = g_new (BnManifestEntry, 1);
    *entry =
        (BnManifestEntry){g_strdup (name), manifest, bn_stat_get_used (&info)};
    g_ptr_array_add (entries, entry);
  }
  return entries;
}

static gint
compare_fetched (gconstpointer a, gconstpointer b)
{
  const BnManifest *left = *(BnManifest *const *) a;
  const BnManifest *right = *(BnManifest *const *) b;

  return (left->fetched_at < right->fetched_at)
         - (left->fetched_at > right->fetched_at);
}

GPtrArray *
bn_disk_cache_lookup_all (
    BnDiskCache *self, const char *endpoint, const char *repository)
{
  GPtrArray *found =
      g_ptr_array_new_with_free_func ((GDestroyNotify) bn_manifest_free);
  g_auto (BnFd) root = bn_disk_cache_open_folder (self, NULL, FALSE, NULL);
  g_autoptr (GPtrArray) entries = NULL;
  g_autofree char *base = endpoint ? bn_manifest_dup_endpoint (endpoint) : NULL;

  if (root < 0)
    return found;
  entries = bn_manifest_list (root, NULL);
  for (guint i = 0; i < entries->len; i++) {
    BnManifestEntry *entry = g_ptr_array_index (entries, i);

    if (strcmp (entry->manifest->repository, repository) != 0
        || (base && strcmp (entry->manifest->endpoint, base) != 0))
      continue;
    keep_present (entry->manifest, root);
    g_ptr_array_add (found, g_steal_pointer (&entry->manifest));
  }
  g_ptr_array_sort (found, compare_fetched);
  return found;
}

/* Digest and size of a file at its place. */
static char *
digest_file (BnDiskCache *self, const char *below, guint64 *size,
    GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_build_path ("/", BN_CACHE_FILES, below, NULL);
  g_autofree char *folder_path = g_path_get_dirname (path);
  g_auto (BnFd) folder =
      bn_disk_cache_open_folder (self, folder_path, FALSE, NULL);
  struct stat info;
  g_auto (BnFd) file =
      folder < 0 ? -1 : bn_at_open (folder, strrchr (path, '/') + 1, &info);
  g_autoptr (GError) local_error = NULL;
  char *sha256;

  if (file < 0)
    return NULL;
  *size = (guint64) info.st_size;
  sha256 = bn_fd_dup_sha256 (file, *size, path, cancellable, &local_error);
  if (g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, g_steal_pointer (&local_error));
  return sha256;
}

gboolean
bn_disk_cache_find_file (BnDiskCache *self, const char *repository,
    const char *commit, const char *name, const char *sha256,
    char **found_sha256, guint64 *found_size, GCancellable *cancellable,
    GError **error)
{
  g_autofree char *below = bn_manifest_dup_file_path (repository, commit, name);
  g_autoptr (GPtrArray) manifests =
      bn_disk_cache_lookup_all (self, NULL, repository);
  g_autofree char *found = NULL;

  for (guint i = 0; i < manifests->len && !found; i++) {
    const BnManifest *manifest = g_ptr_array_index (manifests, i);
    const BnCachedFile *file = bn_manifest_find (manifest, name);

    if (file && !file->is_object && strcmp (manifest->commit, commit) == 0) {
      found = g_strdup (file->sha256);
      *found_size = file->size;
    }
  }
  if (!found && below && sha256)
    found = digest_file (self, below, found_size, cancellable, error);
  if (!found || (sha256 && g_ascii_strcasecmp (found, sha256) != 0))
    return FALSE;
  *found_sha256 = g_steal_pointer (&found);
  return TRUE;
}

/* Adds the files of old that are not in self. */
static void
merge (BnManifest *self, const BnManifest *old)
{
  for (guint i = 0; i < old->files->len; i++) {
    const BnCachedFile *file = g_ptr_array_index (old->files, i);

    if (find (self, file->name) == NULL)
      bn_manifest_add (self, file->name, file->sha256, file->etag, file->size,
          file->is_object);
  }
  if (self->base_models == NULL)
    self->base_models = g_strdupv (old->base_models);
}

static BnManifest *
copy (const BnManifest *self)
{
  BnManifest *result =
      bn_manifest_new (self->endpoint, self->repository, self->revision);

  result->commit = g_strdup (self->commit);
  result->fetched_at = self->fetched_at;
  result->base_models = g_strdupv (self->base_models);
  merge (result, self);
  return result;
}

/* Once for each cache that is opened. */
static void
tidy_once (BnDiskCache *self)
{
  g_auto (BnFd) root = -1;
  guint64 n_removed = 0, freed = 0;
  gboolean has_tidied;

  g_mutex_lock (&self->lock);
  has_tidied = self->has_tidied;
  self->has_tidied = TRUE;
  g_mutex_unlock (&self->lock);
  if (has_tidied)
    return;
  root = bn_disk_cache_open_folder (self, NULL, FALSE, NULL);
  if (root >= 0)
    bn_disk_cache_tidy (self, root, BN_MAX_LEFTOVER_AGE, &n_removed, &freed);
}

gboolean
bn_disk_cache_save (
    BnDiskCache *self, const BnManifest *manifest, GError **error)
{
  const char *problem = find_problem (manifest);
  g_autofree char *key = bn_manifest_dup_key (
      manifest->endpoint, manifest->repository, manifest->revision);
  g_autofree char *name = g_strconcat (key, BN_RECORD_SUFFIX, NULL);
  g_autofree char *lock_name = g_strconcat (LOCK_PREFIX, key, NULL);
  g_autofree char *path = NULL;
  g_autofree char *json = NULL;
  gsize size;
  g_autoptr (BnManifest) merged = copy (manifest);
  g_autoptr (BnManifest) old = NULL;
  g_autoptr (BnLock) lock = NULL;
  g_auto (BnFd) sources = -1;

  if (problem != NULL) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "%s: its manifest cannot be written: %s",
        manifest->repository ? manifest->repository : "", problem);
    return FALSE;
  }
  sources = bn_disk_cache_open_folder (self, BN_CACHE_SOURCES, TRUE, error);
  if (sources < 0)
    return FALSE;
  /* Without the lock another's files may be forgotten, which is a miss. */
  lock = bn_disk_cache_lock_for (
      self, lock_name, LOCK_TIMEOUT_MS, NULL, NULL, NULL, NULL);
  old = load (sources, name, manifest->endpoint, manifest->repository,
      manifest->revision);
  if (old != NULL && strcmp (old->commit, manifest->commit) == 0)
    merge (merged, old);
  json = to_json (merged, &size);
  if (!bn_at_replace (sources, name, json, size, TRUE)) {
    path = g_build_filename (
        self->folder, BN_CACHE_VERSION, BN_CACHE_SOURCES, name, NULL);
    bn_io_set_error (error, errno, path, size);
    return FALSE;
  }
  g_clear_pointer (&lock, bn_lock_release);
  tidy_once (self);
  return TRUE;
}
