/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of ggufsrc and its URI handler. */
#include "gstggufsrc-private.h"

#include <string.h>

#define GST_CAT_DEFAULT gst_bitnet_gguf_src_debug

#define DEFAULT_REVISION "main"
#define DEFAULT_PRELOAD PRELOAD_READAHEAD
#define DEFAULT_SHARE TRUE
#define DEFAULT_OFFLINE FALSE
#define DEMO_MODEL "demo.gguf"

static GParamSpec *properties[N_PROPS];

GType
gst_bitnet_gguf_src_preload_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {PRELOAD_NONE, "Map the file, read it when it is used", "none"},
      {PRELOAD_READAHEAD, "Read the file into the page cache", "readahead"},
      {PRELOAD_LOCK, "Read the file and keep it in memory", "lock"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("GstBitnetPreload", values));
  return type;
}

/* Where the model is. */

char *
gst_bitnet_gguf_src_dup_path (GstBitnetGgufSrc *self, GError **error)
{
  g_autofree char *location = NULL;
  const char *data_dir = g_getenv ("BITNET_DATA_DIR");

  GST_OBJECT_LOCK (self);
  location = g_strdup (self->location);
  GST_OBJECT_UNLOCK (self);

  if (location)
    return g_steal_pointer (&location);
  if (data_dir) {
    g_autofree char *path = g_build_filename (data_dir, DEMO_MODEL, NULL);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  location = g_build_filename (BITNET_INSTALLED_DATA_DIR, DEMO_MODEL, NULL);
  if (g_file_test (location, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&location);
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "no location, uri or model is set, and the demo model %s is not there",
      location);
  return NULL;
}

static void
set_location (GstBitnetGgufSrc *self, const char *location)
{
  GST_OBJECT_LOCK (self);
  g_clear_pointer (&self->uri, g_free);
  g_free (self->location);
  self->location = g_strdup (location && *location ? location : NULL);
  if (self->location)
    g_clear_object (&self->given_model);
  GST_OBJECT_UNLOCK (self);
}

static gboolean
set_uri (GstBitnetGgufSrc *self, const char *uri, GError **error)
{
  g_autofree char *location = NULL;

  if (uri == NULL || *uri == '\0') {
    set_location (self, NULL);
    return TRUE;
  }
  if (gst_uri_has_protocol (uri, "gguf")) {
    location = gst_uri_get_location (uri);
    if (location == NULL || *location == '\0') {
      g_set_error (
          error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI, "%s names no file", uri);
      return FALSE;
    }
  } else if (!gst_uri_has_protocol (uri, "hf")) {
    g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_UNSUPPORTED_PROTOCOL,
        "%s starts with neither gguf:// nor hf://", uri);
    return FALSE;
  } else {
    location = gst_uri_get_location (uri);
    if (location == NULL || strchr (location, '/') == NULL) {
      g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
          "%s names no repository, expected hf://owner/name/file.gguf", uri);
      return FALSE;
    }
    g_clear_pointer (&location, g_free);
  }
  GST_OBJECT_LOCK (self);
  g_free (self->uri);
  self->uri = g_strdup (uri);
  g_free (self->location);
  self->location = g_steal_pointer (&location);
  g_clear_object (&self->given_model);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

char *
gst_bitnet_gguf_src_dup_uri (GstBitnetGgufSrc *self)
{
  char *uri = NULL;

  GST_OBJECT_LOCK (self);
  if (self->uri)
    uri = g_strdup (self->uri);
  else if (self->location)
    uri = gst_uri_construct ("gguf", self->location);
  GST_OBJECT_UNLOCK (self);
  return uri;
}

/* Properties. */

static GstStructure *
dup_stats (GstBitnetGgufSrc *self)
{
  g_autofree char *path = NULL;
  GstStructure *s;

  GST_OBJECT_LOCK (self);
  if (self->model)
    path = g_filename_display_name (bitnet_model_get_path (self->model));
  s = gst_structure_new ("application/x-gguf-src-stats", "path", G_TYPE_STRING,
      path, "bytes", G_TYPE_UINT64,
      self->model ? bitnet_model_get_file_size (self->model) : 0, "open-ns",
      G_TYPE_UINT64, self->open_ns, "preload-ns", G_TYPE_UINT64,
      self->preload_ns, NULL);
  GST_OBJECT_UNLOCK (self);
  gst_bitnet_gguf_src_add_download_stats (self, s);
  return s;
}

static gboolean
is_hub_setting (guint id)
{
  return id >= PROP_REVISION && id < N_HUB_SETTINGS;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (object);
  g_autoptr (GError) error = NULL;

  if (id == PROP_LOCATION) {
    set_location (self, g_value_get_string (value));
    return;
  }
  if (id == PROP_URI) {
    if (!set_uri (self, g_value_get_string (value), &error))
      GST_WARNING_OBJECT (self, "%s", error->message);
    return;
  }
  GST_OBJECT_LOCK (self);
  if (is_hub_setting (id)) {
    g_value_copy (value, &self->hub_settings[id]);
    self->is_set[id] = TRUE;
    GST_OBJECT_UNLOCK (self);
    return;
  }
  switch (id) {
    case PROP_SHA256:
      g_free (self->sha256);
      self->sha256 = g_value_dup_string (value);
      break;
    case PROP_PRELOAD:
      self->preload = (Preload) g_value_get_enum (value);
      break;
    case PROP_SHARE:
      self->share = g_value_get_boolean (value);
      break;
    case PROP_MODEL:
      g_set_object (&self->given_model, g_value_get_object (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstBitnetGgufSrc *self = GST_BITNET_GGUF_SRC (object);

  if (id == PROP_URI) {
    g_value_take_string (value, gst_bitnet_gguf_src_dup_uri (self));
    return;
  }
  if (id == PROP_STATS) {
    g_value_take_boxed (value, dup_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  if (is_hub_setting (id)) {
    g_value_copy (&self->hub_settings[id], value);
    GST_OBJECT_UNLOCK (self);
    return;
  }
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string (value, self->location);
      break;
    case PROP_SHA256:
      g_value_set_string (value, self->sha256);
      break;
    case PROP_PRELOAD:
      g_value_set_enum (value, self->preload);
      break;
    case PROP_SHARE:
      g_value_set_boolean (value, self->share);
      break;
    case PROP_MODEL:
      g_value_set_object (value, self->model ? self->model : self->given_model);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
define_settings (void)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  /**
   * GstBitnetGgufSrc:location:
   *
   * Path of the model file; any file of a split model. NULL: the demo model.
   *
   * Since: 0.1
   */
  properties[PROP_LOCATION] = g_param_spec_string ("location", "Location",
      "Path of the model file (NULL = the demo model)", NULL, ready);
  /**
   * GstBitnetGgufSrc:uri:
   *
   * The same as a URI: `gguf:///path/file.gguf`, or
   * `hf://owner/repository[@revision]/file.gguf` for a file on a hub;
   * `hf://owner/repository[:quantization]` leaves the choice of the file to
   * the library.
   *
   * Since: 0.1
   */
  properties[PROP_URI] = g_param_spec_string (
      "uri", "URI", "URI of the model (gguf:// or hf://)", NULL, ready);
  /**
   * GstBitnetGgufSrc:sha256:
   *
   * Fail if the file has another SHA-256 digest (64 hexadecimal digits).
   *
   * Since: 0.1
   */
  properties[PROP_SHA256] = g_param_spec_string ("sha256", "SHA-256",
      "Digest the file must have, in hexadecimal (NULL = any)", NULL, ready);
  /**
   * GstBitnetGgufSrc:preload:
   *
   * What to do with the file's contents before the buffer leaves.
   *
   * Since: 0.1
   */
  properties[PROP_PRELOAD] = g_param_spec_enum ("preload", "Preload",
      "How much of the file is read in advance",
      gst_bitnet_gguf_src_preload_get_type (), DEFAULT_PRELOAD, ready);
  /**
   * GstBitnetGgufSrc:share:
   *
   * Use a model that a #GstContext offers if it is the requested file, and
   * offer the opened one to the pipeline.
   *
   * Since: 0.1
   */
  properties[PROP_SHARE] = g_param_spec_boolean ("share", "Share",
      "Use and offer models through the pipeline's contexts", DEFAULT_SHARE,
      ready);
  /**
   * GstBitnetGgufSrc:model:
   *
   * The opened model. An application that has one already sets it in place of
   * a location.
   *
   * Since: 0.1
   */
  properties[PROP_MODEL] = g_param_spec_object ("model", "Model",
      "The opened model, or one to use in place of a location",
      BITNET_TYPE_MODEL, ready);
  /**
   * GstBitnetGgufSrc:stats:
   *
   * Figures about the opened file; the fields are listed above.
   *
   * Since: 0.1
   */
  properties[PROP_STATS] = g_param_spec_boxed ("stats", "Statistics",
      "Figures about the opened file", GST_TYPE_STRUCTURE,
      G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
define_hub_settings (void)
{
  const GParamFlags ready =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  /**
   * GstBitnetGgufSrc:revision:
   *
   * Branch, tag or commit of an `hf://` URI that names none.
   *
   * Since: 0.1
   */
  properties[PROP_REVISION] = g_param_spec_string ("revision", "Revision",
      "Branch, tag or commit of a hub repository", DEFAULT_REVISION, ready);
  /**
   * GstBitnetGgufSrc:cache-dir:
   *
   * Folder of downloaded models. NULL: environment, then
   * `$XDG_CACHE_HOME/bitnet/models`.
   *
   * Since: 0.1
   */
  properties[PROP_CACHE_DIR] =
      g_param_spec_string ("cache-dir", "Cache Directory",
          "Folder of downloaded models (NULL = the user's cache)", NULL, ready);
  /**
   * GstBitnetGgufSrc:offline:
   *
   * Never touch the network.
   *
   * Since: 0.1
   */
  properties[PROP_OFFLINE] = g_param_spec_boolean (
      "offline", "Offline", "Never touch the network", DEFAULT_OFFLINE, ready);
  /**
   * GstBitnetGgufSrc:endpoint:
   *
   * Base address of the hub or of a mirror. NULL: environment, then the public
   * hub.
   *
   * Since: 0.1
   */
  properties[PROP_ENDPOINT] = g_param_spec_string ("endpoint", "Endpoint",
      "Base address of the hub (NULL = the environment's or the public one)",
      NULL, ready);
  /**
   * GstBitnetGgufSrc:token:
   *
   * Access token for private repositories. Cannot be read back.
   *
   * Since: 0.1
   */
  properties[PROP_TOKEN] = g_param_spec_string ("token", "Token",
      "Access token for private repositories", NULL,
      G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  /**
   * GstBitnetGgufSrc:allow-insecure:
   *
   * Allow `http:` for other hosts than this one, and tokens over it.
   *
   * Since: 0.1
   */
  properties[PROP_ALLOW_INSECURE] =
      g_param_spec_boolean ("allow-insecure", "Allow Insecure",
          "Allow http: for other hosts than this one", FALSE, ready);
}

void
gst_bitnet_gguf_src_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  define_settings ();
  define_hub_settings ();
  g_object_class_install_properties (klass, N_PROPS, properties);
}

GParamSpec *
gst_bitnet_gguf_src_get_pspec (guint id)
{
  return properties[id];
}

void
gst_bitnet_gguf_src_init_settings (GstBitnetGgufSrc *self)
{
  self->preload = DEFAULT_PRELOAD;
  self->share = DEFAULT_SHARE;
  for (guint i = PROP_REVISION; i < N_HUB_SETTINGS; i++) {
    g_value_init (
        &self->hub_settings[i], G_PARAM_SPEC_VALUE_TYPE (properties[i]));
    g_param_value_set_default (properties[i], &self->hub_settings[i]);
  }
}

void
gst_bitnet_gguf_src_clear_settings (GstBitnetGgufSrc *self)
{
  g_free (self->location);
  g_free (self->uri);
  g_free (self->sha256);
  for (guint i = PROP_REVISION; i < N_HUB_SETTINGS; i++)
    g_value_unset (&self->hub_settings[i]);
}

/* URI handler. */

static GstURIType
uri_get_type (GType type)
{
  return GST_URI_SRC;
}

static const char *const *
uri_get_protocols (GType type)
{
  static const char *const protocols[] = {"gguf", "hf", NULL};

  return protocols;
}

static char *
uri_get_uri (GstURIHandler *handler)
{
  return gst_bitnet_gguf_src_dup_uri (GST_BITNET_GGUF_SRC (handler));
}

static gboolean
uri_set_uri (GstURIHandler *handler, const char *uri, GError **error)
{
  return set_uri (GST_BITNET_GGUF_SRC (handler), uri, error);
}

void
gst_bitnet_gguf_src_uri_handler_init (gpointer iface, gpointer data)
{
  GstURIHandlerInterface *handler = iface;

  handler->get_type = uri_get_type;
  handler->get_protocols = uri_get_protocols;
  handler->get_uri = uri_get_uri;
  handler->set_uri = uri_set_uri;
}
