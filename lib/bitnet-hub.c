/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetHub: references of users to model files, over net/bn-hub-client.h.
 *
 * A reference is resolved to a file by the cache if that can say, else by the
 * hub's listing; the file comes from our cache, from that of the hub's own
 * client, or from the network, in this order. lock guards settings and the
 * client, which the first use makes of them. */
#include "bitnet-hub.h"

#include <string.h>

#include "bitnet-error.h"
#include "net/bn-disk-cache.h"
#include "net/bn-hf-cache.h"
#include "net/bn-hub-client.h"
#include "net/bn-hub-names.h"
#include "net/bn-model-choice.h"

enum {
  PROP_0,
  PROP_ENDPOINT,
  PROP_TOKEN,
  PROP_REVISION,
  PROP_CACHE_DIR,
  PROP_OFFLINE,
  PROP_TIMEOUT,
  PROP_RETRIES,
  PROP_ALLOW_INSECURE,
  N_PROPS,
};

enum {
  MAX_TIMEOUT_S = 24 * 60 * 60,
  MAX_RETRIES = 100,
  MAX_SHOWN_NAMES = 8,
  SHA256_SIZE = 64,
  READ_SIZE = 1 << 20,
};

#define DEFAULT_REVISION "main"

struct _BitnetHub {
  GObject parent;
  GMutex lock;
  BnHubOptions options;
  char *revision;
  char *cache_dir;
  BnHubClient *client; /* NULL before the first use */
  BnDiskCache *cache;
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (BitnetHub, bitnet_hub, G_TYPE_OBJECT)

/* Settings */

static void
set_string (char **text, const GValue *value)
{
  const char *string = g_value_get_string (value);

  g_free (*text);
  *text = string && string[0] != '\0' ? g_strdup (string) : NULL;
}

static void
set_endpoint (BitnetHub *self, const GValue *value)
{
  const char *endpoint = g_value_get_string (value);

  if (!endpoint || endpoint[0] == '\0') {
    g_auto (BnHubOptions) defaults = {0};

    bn_hub_options_init (&defaults);
    g_free (self->options.endpoint);
    self->options.endpoint = g_steal_pointer (&defaults.endpoint);
    return;
  }
  set_string (&self->options.endpoint, value);
  for (gsize n = strlen (self->options.endpoint);
       n > 0 && self->options.endpoint[n - 1] == '/'; n--)
    self->options.endpoint[n - 1] = '\0';
}

static void
bitnet_hub_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  BitnetHub *self = BITNET_HUB (object);

  g_mutex_lock (&self->lock);
  switch (id) {
    case PROP_ENDPOINT:
      set_endpoint (self, value);
      break;
    case PROP_TOKEN:
      set_string (&self->options.token, value);
      g_clear_pointer (&self->options.token_file, g_free);
      break;
    case PROP_REVISION:
      set_string (&self->revision, value);
      break;
    case PROP_CACHE_DIR:
      set_string (&self->cache_dir, value);
      break;
    case PROP_OFFLINE:
      self->options.offline = g_value_get_boolean (value);
      break;
    case PROP_TIMEOUT:
      self->options.idle_timeout_s = g_value_get_uint (value);
      break;
    case PROP_RETRIES:
      self->options.retries = g_value_get_uint (value);
      break;
    case PROP_ALLOW_INSECURE:
      self->options.allow_insecure = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  g_mutex_unlock (&self->lock);
}

static void
bitnet_hub_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  BitnetHub *self = BITNET_HUB (object);

  g_mutex_lock (&self->lock);
  switch (id) {
    case PROP_ENDPOINT:
      g_value_set_string (value, self->options.endpoint);
      break;
    case PROP_REVISION:
      g_value_set_string (value, self->revision);
      break;
    case PROP_CACHE_DIR:
      g_value_set_string (value, self->cache_dir);
      break;
    case PROP_OFFLINE:
      g_value_set_boolean (value, self->options.offline);
      break;
    case PROP_TIMEOUT:
      g_value_set_uint (value, self->options.idle_timeout_s);
      break;
    case PROP_RETRIES:
      g_value_set_uint (value, self->options.retries);
      break;
    case PROP_ALLOW_INSECURE:
      g_value_set_boolean (value, self->options.allow_insecure);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  g_mutex_unlock (&self->lock);
}

static void
bitnet_hub_finalize (GObject *object)
{
  BitnetHub *self = BITNET_HUB (object);

  g_clear_pointer (&self->client, bn_hub_client_unref);
  g_clear_pointer (&self->cache, bn_disk_cache_unref);
  bn_hub_options_clear (&self->options);
  g_free (self->revision);
  g_free (self->cache_dir);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (bitnet_hub_parent_class)->finalize (object);
}

static void
bitnet_hub_class_init (BitnetHubClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = bitnet_hub_set_property;
  object_class->get_property = bitnet_hub_get_property;
  object_class->finalize = bitnet_hub_finalize;
  properties[PROP_ENDPOINT] = g_param_spec_string (
      "endpoint", "Endpoint", "Address of the hub", NULL, flags);
  properties[PROP_TOKEN] = g_param_spec_string ("token", "Token",
      "Access token", NULL, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
  properties[PROP_REVISION] = g_param_spec_string ("revision", "Revision",
      "Branch, tag or commit for references that name none", NULL, flags);
  properties[PROP_CACHE_DIR] = g_param_spec_string (
      "cache-dir", "Cache folder", "Folder of model files", NULL, flags);
  properties[PROP_OFFLINE] = g_param_spec_boolean (
      "offline", "Offline", "Never use the network", FALSE, flags);
  properties[PROP_TIMEOUT] = g_param_spec_uint ("timeout", "Timeout",
      "Seconds without a byte after which a connection counts as broken", 0,
      MAX_TIMEOUT_S, 0, flags);
  properties[PROP_RETRIES] = g_param_spec_uint ("retries", "Retries",
      "How often a failed request is sent again", 0, MAX_RETRIES, 0, flags);
  properties[PROP_ALLOW_INSECURE] =
      g_param_spec_boolean ("allow-insecure", "Allow insecure",
          "Whether http is allowed for other hosts", FALSE, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
bitnet_hub_init (BitnetHub *self)
{
  g_mutex_init (&self->lock);
  bn_hub_options_init (&self->options);
  self->options.timeout_s = 0;     /* models may take hours, */
  self->options.max_file_size = 0; /* and be of any size */
}

BitnetHub *
bitnet_hub_new (void)
{
  return g_object_new (BITNET_TYPE_HUB, NULL);
}

gboolean
bitnet_hub_is_reference (const char *text)
{
  g_return_val_if_fail (text != NULL, FALSE);
  return bn_hub_is_reference (text) && !g_file_test (text, G_FILE_TEST_EXISTS);
}

/* One fetch */

typedef struct {
  BitnetHub *hub;
  BnHubClient *client;
  BnDiskCache *cache;
  char *endpoint, *repository, *revision;
  gboolean offline;
  GCancellable *cancellable;
  BitnetTransferFunc progress;
  gpointer progress_data;
  guint file_index, n_files;
} Fetch;

static void
fetch_clear (Fetch *self)
{
  g_clear_pointer (&self->client, bn_hub_client_unref);
  g_clear_pointer (&self->cache, bn_disk_cache_unref);
  g_free (self->endpoint);
  g_free (self->repository);
  g_free (self->revision);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fetch, fetch_clear)

/* With the lock. */
static gboolean
ensure_client (BitnetHub *self, GError **error)
{
  g_autofree char *folder = NULL;

  if (self->client)
    return TRUE;
  folder = self->cache_dir ? g_canonicalize_filename (self->cache_dir, NULL)
                           : bn_disk_cache_dup_default_folder (TRUE);
  if (!self->cache) {
    self->cache = bn_disk_cache_open (folder, error);
    if (!self->cache)
      return FALSE;
    bn_disk_cache_set_limit (self->cache, 0);
  }
  self->client = bn_hub_client_new (&self->options, self->cache, error);
  return self->client != NULL;
}

static gboolean
fetch_init (Fetch *self, BitnetHub *hub, const BnHubReference *reference,
    GError **error)
{
  const char *revision = reference->revision;
  gboolean is_good;

  self->hub = hub;
  self->repository = g_strdup (reference->repository);
  g_mutex_lock (&hub->lock);
  is_good = ensure_client (hub, error);
  if (is_good) {
    self->client = bn_hub_client_ref (hub->client);
    self->cache = bn_disk_cache_ref (hub->cache);
    self->endpoint = g_strdup (hub->options.endpoint);
    self->offline = hub->options.offline;
    if (!revision)
      revision = hub->revision ? hub->revision : DEFAULT_REVISION;
    self->revision = g_strdup (revision);
  }
  g_mutex_unlock (&hub->lock);
  return is_good;
}

static void
on_progress (const BitnetProgress *progress, gpointer user_data)
{
  Fetch *self = user_data;
  BitnetProgress copy = *progress;

  copy.file_index = self->file_index;
  copy.n_files = self->n_files;
  if (self->progress)
    self->progress (&copy, self->progress_data);
}

/* Which file */

static void
add_cached_names (Fetch *self, GPtrArray *names)
{
  g_autoptr (BnManifest) manifest = bn_disk_cache_lookup (
      self->cache, self->endpoint, self->repository, self->revision);

  for (guint i = 0; manifest && i < manifest->files->len; i++) {
    const BnCachedFile *file = g_ptr_array_index (manifest->files, i);

    g_ptr_array_add (names, g_strdup (file->name));
  }
}

/* A split model or one in a folder is named by its path below root. */
static void
add_folder_names (
    GPtrArray *names, const char *root, const char *below, guint depth)
{
  g_autofree char *folder = g_build_filename (root, below, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (below, name, NULL);
    g_autofree char *full = g_build_filename (root, path, NULL);

    if (g_file_test (full, G_FILE_TEST_IS_DIR)) {
      if (depth > 0)
        add_folder_names (names, root, path, depth - 1);
    } else if (bn_hub_is_file_name (path)) {
      g_ptr_array_add (names, g_steal_pointer (&path));
    }
  }
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
add_hf_names (Fetch *self, GPtrArray *names)
{
  g_autofree char *folder = bn_hf_cache_dup_folder ();
  g_autofree char *snapshot =
      bn_hf_cache_dup_snapshot (folder, self->repository, self->revision);

  if (snapshot)
    add_folder_names (names, snapshot, "", 2);
  g_ptr_array_sort (names, compare_names);
}

static void
set_no_file_error (
    Fetch *self, GPtrArray *names, const char *quant, GError **error)
{
  g_autoptr (GString) list = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);

    if (g_str_has_suffix (name, ".gguf") && n++ < MAX_SHOWN_NAMES)
      g_string_append_printf (list, "%s%s", n > 1 ? ", " : "", name);
  }
  if (n > MAX_SHOWN_NAMES)
    g_string_append (list, ", …");
  if (n == 0)
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENTRY_NOT_FOUND,
        "%s (%s) has no GGUF file", self->repository, self->revision);
  else
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_ENTRY_NOT_FOUND,
        "%s (%s) has no file for %s, it has %s", self->repository,
        self->revision, quant ? quant : "a model", list->str);
}

/* What is here already, if it can say: a label names one file, "any" does not
 * unless nobody can be asked. */
static char *
choose_cached (Fetch *self, const char *quant)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  add_cached_names (self, names);
  name = bn_model_choose (names, quant);
  if (!name) {
    add_hf_names (self, names);
    name = bn_model_choose (names, quant);
  }
  return g_strdup (name);
}

static char *
choose_listed (Fetch *self, const char *quant, GError **error)
{
  BitnetProgress progress = {
      .phase = BITNET_PHASE_QUERYING,
      .repository = self->repository,
      .revision = self->revision,
      .bytes_total = -1,
      .attempt = 1,
      .eta = -1,
  };
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BnHubListing) listing = NULL;
  const char *name;

  if (!self->offline)
    on_progress (&progress, self);
  listing = bn_hub_client_list (
      self->client, self->repository, self->revision, self->cancellable, error);
  if (!listing)
    return NULL;
  for (guint i = 0; i < listing->files->len; i++) {
    const BnHubFile *file = g_ptr_array_index (listing->files, i);

    g_ptr_array_add (names, g_strdup (file->name));
  }
  name = bn_model_choose (names, quant);
  if (!name)
    set_no_file_error (self, names, quant, error);
  return g_strdup (name);
}

static char *
choose (Fetch *self, const char *quant, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  char *name = quant ? choose_cached (self, quant) : NULL;

  if (name)
    return name;
  name = choose_listed (self, quant, &local_error);
  if (!name && local_error->domain == BITNET_ERROR
      && local_error->code != BITNET_ERROR_ENTRY_NOT_FOUND)
    name = choose_cached (self, quant);
  if (!name)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return name;
}

/* Getting it */

/* Whether the file has that digest; a blob of the hub's client is named by it.
 * (So is what path leads to.) */
static gboolean
has_digest (Fetch *self, const char *path, const char *sha256, GError **error)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) stream =
      g_file_read (file, self->cancellable, error);
  g_autofree guchar *buffer = g_malloc (READ_SIZE);
  gssize n = 0;

  while (stream
         && (n = g_input_stream_read (G_INPUT_STREAM (stream), buffer,
                 READ_SIZE, self->cancellable, error))
                > 0)
    g_checksum_update (checksum, buffer, n);
  return stream && n == 0
         && g_ascii_strcasecmp (g_checksum_get_string (checksum), sha256) == 0;
}

/* The model in the cache of the hub's own client, by its name there, not by
 * that of a blob: its parts are found beside it, so all of them must be. NULL
 * if it is not there. is_any: of another revision too. */
static char *
find_hf_model (
    Fetch *self, const char *name, const char *sha256, gboolean is_any)
{
  g_autofree char *folder = bn_hf_cache_dup_folder ();
  gboolean is_other = FALSE;
  g_autofree char *snapshot = bn_hf_cache_find_snapshot (folder,
      self->repository, self->revision, name, is_any ? &is_other : NULL);
  g_autofree char *commit = snapshot ? g_path_get_basename (snapshot) : NULL;

  if (!snapshot)
    return NULL;
  for (guint i = 0; i < bn_model_get_n_parts (name); i++) {
    g_autofree char *part = bn_model_dup_part (name, i);
    g_autofree char *blob =
        bn_hf_cache_find_file (folder, self->repository, commit, part, NULL);

    if (!blob || (i == 0 && sha256 && !has_digest (self, blob, sha256, NULL)))
      return NULL;
  }
  if (is_other)
    g_info ("%s of %s: taken from another revision in %s", name,
        self->repository, folder);
  return g_build_filename (snapshot, name, NULL);
}

static void
report_cached (Fetch *self, const char *name, const char *path)
{
  BitnetProgress progress = {
      .phase = BITNET_PHASE_VERIFYING,
      .repository = self->repository,
      .revision = self->revision,
      .file = (char *) name,
      .attempt = 1,
      .cached = TRUE,
  };
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInfo) info =
      g_file_query_info (file, G_FILE_ATTRIBUTE_STANDARD_SIZE, 0, NULL, NULL);

  if (info)
    progress.bytes_total = g_file_info_get_size (info);
  progress.bytes_done = (guint64) progress.bytes_total;
  on_progress (&progress, self);
}

/* Whether our cache has it, so that nobody else need be asked. */
static gboolean
is_ours (Fetch *self, const char *name)
{
  g_autoptr (BnManifest) manifest = bn_disk_cache_lookup (
      self->cache, self->endpoint, self->repository, self->revision);

  return manifest && bn_manifest_find (manifest, name);
}

/* A model that is here already. */
static char *
take_hf_model (Fetch *self, const char *name, char *path)
{
  for (guint i = 0; i < self->n_files; i++) {
    g_autofree char *part = bn_model_dup_part (name, i);
    g_autofree char *part_path = bn_model_dup_part (path, i);

    self->file_index = i;
    report_cached (self, part, part_path);
  }
  return path;
}

/* All parts; the path of the first. */
static char *
fetch_parts (Fetch *self, const char *name, const char *sha256, GError **error)
{
  g_autofree char *first = NULL;

  for (guint i = 0; i < self->n_files; i++) {
    g_autofree char *part = bn_model_dup_part (name, i);
    char *path;

    self->file_index = i;
    path = bn_hub_client_fetch_file (self->client, self->repository,
        self->revision, part, i == 0 ? sha256 : NULL, on_progress, self,
        self->cancellable, error);
    if (!path)
      return NULL;
    if (i == 0)
      first = path;
    else
      g_free (path);
  }
  return g_steal_pointer (&first);
}

static char *
fetch_model (Fetch *self, const char *name, const char *sha256, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  char *path = NULL;

  self->n_files = bn_model_get_n_parts (name);
  if (!is_ours (self, name))
    path = find_hf_model (self, name, sha256, FALSE);
  if (path)
    return take_hf_model (self, name, path);
  path = fetch_parts (self, name, sha256, &local_error);
  if (path)
    return path;
  /* Better another revision than nothing, if nobody can be asked. */
  if (g_error_matches (local_error, BITNET_ERROR, BITNET_ERROR_OFFLINE))
    path = find_hf_model (self, name, sha256, TRUE);
  if (path)
    return take_hf_model (self, name, path);
  g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

char *
bitnet_hub_fetch_model (BitnetHub *self, const char *reference,
    const char *sha256, BitnetTransferFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error)
{
  g_auto (BnHubReference) parsed = {0};
  g_auto (Fetch) fetch = {
      .cancellable = cancellable,
      .progress = progress,
      .progress_data = progress_data,
      .n_files = 1,
  };
  g_autofree char *name = NULL;

  g_return_val_if_fail (BITNET_IS_HUB (self), NULL);
  g_return_val_if_fail (reference != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (sha256
      && (strlen (sha256) != SHA256_SIZE
          || strspn (sha256, "0123456789abcdefABCDEF") != SHA256_SIZE)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "\"%.100s\" is no SHA-256 digest, expected 64 hexadecimal digits",
        sha256);
    return NULL;
  }
  if (!bn_hub_reference_parse (&parsed, reference, error)
      || g_cancellable_set_error_if_cancelled (cancellable, error)
      || !fetch_init (&fetch, self, &parsed, error))
    return NULL;
  name = parsed.file ? g_strdup (parsed.file)
                     : choose (&fetch, parsed.quant, error);
  return name ? fetch_model (&fetch, name, sha256, error) : NULL;
}

/* In another thread */

/* The caller's function and its data, which is used and freed in the caller's
 * context alone. */
typedef struct {
  char *reference, *sha256;
  BitnetTransferFunc progress;
  gpointer progress_data;
  GDestroyNotify progress_destroy;
} Job;

static void
job_free (gpointer data)
{
  Job *self = data;

  g_free (self->reference);
  g_free (self->sha256);
  g_free (self);
}

typedef struct {
  GTask *task;
  BitnetProgress *progress; /* NULL: it is over */
} Report;

static void
report_free (gpointer data)
{
  Report *self = data;

  g_clear_pointer (&self->progress, bitnet_progress_free);
  g_object_unref (self->task);
  g_free (self);
}

static gboolean
deliver (gpointer data)
{
  Report *self = data;
  Job *job = g_task_get_task_data (self->task);

  if (self->progress)
    job->progress (self->progress, job->progress_data);
  else
    job->progress_destroy (job->progress_data);
  return G_SOURCE_REMOVE;
}

/* Sources of one priority run in their order, and the task's result has that
 * priority too: all progress comes before it. */
static void
post (GTask *task, const BitnetProgress *progress)
{
  Report *report = g_new0 (Report, 1);
  g_autoptr (GSource) source = g_idle_source_new ();

  report->task = g_object_ref (task);
  if (progress)
    report->progress = bitnet_progress_copy (progress);
  g_source_set_priority (source, g_task_get_priority (task));
  g_source_set_callback (source, deliver, report, report_free);
  g_source_attach (source, g_task_get_context (task));
}

static void
on_task_progress (const BitnetProgress *progress, gpointer user_data)
{
  post (user_data, progress);
}

static gpointer
run_task (gpointer data)
{
  g_autoptr (GTask) task = data;
  Job *job = g_task_get_task_data (task);
  GError *error = NULL;
  char *path = bitnet_hub_fetch_model (g_task_get_source_object (task),
      job->reference, job->sha256, job->progress ? on_task_progress : NULL,
      task, g_task_get_cancellable (task), &error);

  if (job->progress_destroy)
    post (task, NULL);
  if (path)
    g_task_return_pointer (task, path, g_free);
  else
    g_task_return_error (task, error);
  return NULL;
}

void
bitnet_hub_fetch_model_async (BitnetHub *self, const char *reference,
    const char *sha256, int io_priority, GCancellable *cancellable,
    BitnetTransferFunc progress, gpointer progress_data,
    GDestroyNotify progress_destroy, GAsyncReadyCallback callback,
    gpointer user_data)
{
  GTask *task;
  Job *job;

  g_return_if_fail (BITNET_IS_HUB (self));
  g_return_if_fail (reference != NULL);

  job = g_new0 (Job, 1);
  job->reference = g_strdup (reference);
  job->sha256 = g_strdup (sha256);
  job->progress = progress;
  job->progress_data = progress_data;
  job->progress_destroy = progress_destroy;
  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bitnet_hub_fetch_model_async);
  g_task_set_name (task, "bitnet_hub_fetch_model_async");
  g_task_set_priority (task, io_priority);
  g_task_set_task_data (task, job, job_free);
  g_thread_unref (g_thread_new ("bitnet-fetch", run_task, task));
}

char *
bitnet_hub_fetch_model_finish (
    BitnetHub *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

GVariant *
bitnet_hub_dup_stats (BitnetHub *self)
{
  GVariant *stats = NULL;

  g_return_val_if_fail (BITNET_IS_HUB (self), NULL);

  g_mutex_lock (&self->lock);
  if (ensure_client (self, NULL))
    stats = bn_hub_client_dup_stats (self->client);
  g_mutex_unlock (&self->lock);
  return stats ? stats
               : g_variant_ref_sink (
                   g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
}
