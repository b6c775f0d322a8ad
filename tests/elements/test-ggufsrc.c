/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ggufsrc: order of events, the buffer, queries, sharing, URIs, and an error
 * for each kind of bad file. */
#include <glib/gstdio.h>
#include "element-test.h"

static GstHarness *
new_harness (const char *location)
{
  GstHarness *h = gst_harness_new ("ggufsrc");

  if (location)
    g_object_set (h->element, "location", location, NULL);
  gst_harness_play (h);
  return h;
}

static const char *
event_name (GstEvent *event)
{
  const GstStructure *s = gst_event_get_structure (event);

  if (GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY)
    return gst_structure_get_name (s);
  return GST_EVENT_TYPE_NAME (event);
}

static void
test_order (void)
{
  static const char *const expected[] = {
      "stream-start", "caps", "segment", "bitnet/model"};
  GstHarness *h = new_harness (test_quick_model ());
  GstBuffer *buffer = gst_harness_pull (h);
  GstEvent *event;

  g_assert_nonnull (buffer);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    event = gst_harness_pull_event (h);
    g_assert_cmpstr (event_name (event), ==, expected[i]);
    gst_event_unref (event);
  }
  event = gst_harness_pull_event (h);
  g_assert_cmpint (GST_EVENT_TYPE (event), ==, GST_EVENT_EOS);
  gst_event_unref (event);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

static void
test_event_fields (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness (test_quick_model ());
  GstBuffer *buffer = gst_harness_pull (h);
  GstEvent *event =
      test_pull_event (h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/model");
  const GstStructure *s = gst_event_get_structure (event);
  g_autofree char *uri = NULL;
  BitnetModel *sent = NULL;
  guint vocab_size = 0;

  uri = gst_uri_construct ("gguf", test_quick_model ());
  g_assert_true (gst_structure_get (s, "model", BITNET_TYPE_MODEL, &sent,
      "vocab-size", G_TYPE_UINT, &vocab_size, NULL));
  g_assert_true (sent == model);
  g_assert_cmpuint (vocab_size, ==, bitnet_model_get_vocab_size (model));
  g_assert_cmpstr (gst_structure_get_string (s, "uri"), ==, uri);
  g_assert_cmpstr (gst_structure_get_string (s, "arch"), ==, "llama");
  g_assert_cmpstr (
      gst_structure_get_string (s, "id"), ==, bitnet_model_get_id (model));
  g_object_unref (sent);
  gst_event_unref (event);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

static void
test_caps (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness (test_quick_model ());
  GstBuffer *buffer = gst_harness_pull (h);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (h->sinkpad);
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  gboolean tokenizer = FALSE;

  g_assert_true (gst_structure_has_name (s, "application/x-gguf"));
  g_assert_cmpstr (gst_structure_get_string (s, "architecture"), ==, "llama");
  g_assert_cmpstr (gst_structure_get_string (s, "quantization"), ==,
      bitnet_model_get_quantization (model));
  g_assert_cmpstr (
      gst_structure_get_string (s, "id"), ==, bitnet_model_get_id (model));
  g_assert_true (gst_structure_get_boolean (s, "tokenizer", &tokenizer));
  g_assert_true (tokenizer);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

/* The buffer is the mapping itself. */
static void
test_no_copy (void)
{
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstHarness *h = new_harness (test_quick_model ());
  GstBuffer *buffer = gst_harness_pull (h);
  GstMapInfo map;
  gsize size;
  gconstpointer data = g_bytes_get_data (bitnet_model_get_bytes (model), &size);

  g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, 0);
  g_assert_false (GST_BUFFER_DURATION_IS_VALID (buffer));
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  g_assert_true (map.data == data);
  g_assert_cmpuint (map.size, ==, size);
  gst_buffer_unmap (buffer, &map);
  g_assert_true (GST_MEMORY_IS_READONLY (gst_buffer_peek_memory (buffer, 0)));
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

static void
test_queries (void)
{
  GstHarness *h = new_harness (test_quick_model ());
  GstBuffer *buffer = gst_harness_pull (h);
  g_autoptr (BitnetModel) model = test_open_model (test_quick_model ());
  GstQuery *query;
  GstContext *context;
  gboolean seekable = TRUE;
  gint64 duration;
  g_autofree char *uri = NULL;
  BitnetModel *found = NULL;

  g_assert_true (
      gst_pad_peer_query_duration (h->sinkpad, GST_FORMAT_BYTES, &duration));
  g_assert_cmpint (duration, ==, bitnet_model_get_file_size (model));

  query = gst_query_new_seeking (GST_FORMAT_BYTES);
  if (gst_pad_peer_query (h->sinkpad, query))
    gst_query_parse_seeking (query, NULL, &seekable, NULL, NULL);
  else
    seekable = FALSE;
  g_assert_false (seekable);
  gst_query_unref (query);

  query = gst_query_new_uri ();
  g_assert_true (gst_pad_peer_query (h->sinkpad, query));
  gst_query_parse_uri (query, &uri);
  g_assert_true (g_str_has_prefix (uri, "gguf:///"));
  gst_query_unref (query);

  query = gst_query_new_context ("bitnet.model");
  g_assert_true (gst_pad_peer_query (h->sinkpad, query));
  gst_query_parse_context (query, &context);
  gst_structure_get (gst_context_get_structure (context), "model",
      BITNET_TYPE_MODEL, &found, NULL);
  g_assert_true (found == model);
  g_object_unref (found);
  gst_query_unref (query);

  query = gst_query_new_context ("bitnet.other");
  g_assert_false (gst_pad_peer_query (h->sinkpad, query));
  gst_query_unref (query);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

static void
test_properties (void)
{
  GstHarness *h = new_harness (test_quick_model ());
  GstBuffer *buffer = gst_harness_pull (h);
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (GstStructure) stats = NULL;
  guint64 bytes = 0;

  g_object_get (h->element, "model", &model, "stats", &stats, NULL);
  g_assert_true (BITNET_IS_MODEL (model));
  g_assert_true (gst_structure_get_uint64 (stats, "bytes", &bytes));
  g_assert_cmpuint (bytes, ==, bitnet_model_get_file_size (model));
  g_assert_cmpstr (
      gst_structure_get_string (stats, "path"), ==, test_quick_model ());
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

static BitnetModel *
model_of (GstHarness *h)
{
  GstBuffer *buffer = gst_harness_pull (h);
  BitnetModel *model;

  g_assert_nonnull (buffer);
  gst_buffer_unref (buffer);
  g_object_get (h->element, "model", &model, NULL);
  return model;
}

static void
test_share (void)
{
  GstHarness *a = new_harness (test_quick_model ());
  GstHarness *b = new_harness (test_quick_model ());
  GstHarness *c = gst_harness_new ("ggufsrc");
  g_autoptr (BitnetModel) model_a = model_of (a);
  g_autoptr (BitnetModel) model_b = model_of (b);
  g_autoptr (BitnetModel) model_c = NULL;

  g_object_set (
      c->element, "location", test_quick_model (), "share", FALSE, NULL);
  gst_harness_play (c);
  model_c = model_of (c);
  g_assert_true (model_a == model_b);
  g_assert_true (model_a != model_c);
  gst_harness_teardown (a);
  gst_harness_teardown (b);
  gst_harness_teardown (c);
}

/* A model that the application has. */
static void
test_given_model (void)
{
  g_autoptr (BitnetModel) given = test_open_model (test_quick_model ());
  GstHarness *h = gst_harness_new ("ggufsrc");
  g_autoptr (BitnetModel) model = NULL;

  g_object_set (h->element, "model", given, NULL);
  gst_harness_play (h);
  model = model_of (h);
  g_assert_true (model == given);
  gst_harness_teardown (h);
}

static void
test_weak_ref (void)
{
  GstElement *pipeline = test_launch (
      "ggufsrc name=s location=%s ! fakesink", test_quick_model ());
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "s");

  for (guint i = 0; i < 3; i++) {
    BitnetModel *model;

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    gst_message_unref (test_wait_message (pipeline, GST_MESSAGE_EOS));
    g_object_get (source, "model", &model, NULL);
    g_object_add_weak_pointer (G_OBJECT (model), (gpointer *) &model);
    g_object_unref (model);
    g_assert_nonnull (model);
    test_set_null (pipeline);
    g_assert_null (model);
  }
  gst_object_unref (pipeline);
}

static void
test_uri (void)
{
  g_autofree char *uri = gst_uri_construct ("gguf", test_quick_model ());
  g_autofree char *location = NULL;
  g_autofree char *back = NULL;
  g_autoptr (GError) error = NULL;
  GstElement *source =
      gst_element_make_from_uri (GST_URI_SRC, uri, NULL, &error);

  g_assert_no_error (error);
  g_object_get (source, "location", &location, "uri", &back, NULL);
  g_assert_cmpstr (location, ==, test_quick_model ());
  g_assert_cmpstr (back, ==, uri);
  g_assert_false (
      gst_uri_handler_set_uri (GST_URI_HANDLER (source), "gguf://", &error));
  g_assert_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI);
  g_clear_error (&error);
  g_assert_false (gst_uri_handler_set_uri (
      GST_URI_HANDLER (source), "http://example.org/x", &error));
  g_assert_error (error, GST_URI_ERROR, GST_URI_ERROR_UNSUPPORTED_PROTOCOL);
  g_clear_error (&error);
  g_assert_false (
      gst_uri_handler_set_uri (GST_URI_HANDLER (source), "hf://alone", &error));
  g_assert_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI);
  g_assert_true (gst_uri_is_valid ("hf://o/r/f.gguf"));
  g_assert_true (gst_uri_handler_set_uri (
      GST_URI_HANDLER (source), "hf://o/r@main/f.gguf", NULL));
  gst_object_unref (gst_object_ref_sink (source));
}

/* The first word of a launch line. */
static void
test_uri_launch (void)
{
  GstElement *pipeline =
      test_launch ("gguf://%s ! fakesink", test_quick_model ());

  test_run_to_eos (pipeline);
  gst_object_unref (pipeline);
}

static char *
read_quick (gsize *size)
{
  char *data;

  g_assert_true (g_file_get_contents (test_quick_model (), &data, size, NULL));
  return data;
}

static void
expect (const char *properties, GQuark domain, int code, const char *part)
{
  GstElement *pipeline = test_launch ("ggufsrc %s ! fakesink", properties);

  test_expect_error (pipeline, domain, code, part);
  gst_object_unref (pipeline);
}

static void
expect_bad (
    const char *name, const void *data, gsize size, GQuark domain, int code)
{
  g_autofree char *path = test_write_file (name, data, size);
  g_autofree char *properties = g_strdup_printf ("location=%s", path);

  expect (properties, domain, code, path);
}

static void
test_bad_files (void)
{
  g_autofree char *missing = test_path ("missing.gguf");
  g_autofree char *properties = g_strdup_printf ("location=%s", missing);
  g_autofree char *data = NULL;
  gsize size;

  expect (
      properties, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, missing);
  expect ("location=/tmp", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "/tmp");
  expect_bad ("empty.gguf", "", 0, GST_STREAM_ERROR, GST_STREAM_ERROR_DEMUX);
  expect_bad ("short.gguf", "GGUF\3\0\0\0", 8, GST_STREAM_ERROR,
      GST_STREAM_ERROR_DEMUX);
  expect_bad ("text.gguf", "This is no model, but text that is long enough.",
      47, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE);
  data = read_quick (&size);
  for (guint i = 1; i < 8; i++)
    expect_bad ("cut.gguf", data, size * i / 8, GST_STREAM_ERROR,
        GST_STREAM_ERROR_DEMUX);
  data[4] = 77;
  expect_bad (
      "version.gguf", data, size, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
}

static void
test_bad_settings (void)
{
  g_autofree char *data = NULL;
  g_autofree char *digest = NULL;
  g_autofree char *good = NULL;
  g_autofree char *bad = NULL;
  g_autofree char *no_digest = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  gsize size;

  data = read_quick (&size);
  digest =
      g_compute_checksum_for_data (G_CHECKSUM_SHA256, (guchar *) data, size);
  pipeline = test_launch (
      "ggufsrc location=%s sha256=%s ! fakesink", test_quick_model (), digest);
  test_run_to_eos (pipeline);

  digest[0] = digest[0] == '0' ? '1' : '0';
  bad = g_strdup_printf ("location=%s sha256=%s", test_quick_model (), digest);
  expect (bad, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, digest);
  no_digest = g_strdup_printf ("location=%s sha256=abc", test_quick_model ());
  expect (no_digest, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "abc");
  expect ("uri=hf://owner/name/file.gguf offline=true", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_OPEN_READ, "owner/name");
}

/* Without a location: the demo model, else a clear error. */
static void
test_no_location (void)
{
  g_autofree char *data_dir = g_strdup (g_getenv ("BITNET_DATA_DIR"));
  g_autofree char *demo = test_path ("demo.gguf");
  g_autofree char *folder = g_path_get_dirname (demo);
  g_autofree char *data = NULL;
  g_autofree char *written = NULL;
  g_autoptr (GstElement) pipeline = test_launch ("ggufsrc ! fakesink");
  gsize size;

  data = read_quick (&size);
  g_setenv ("BITNET_DATA_DIR", folder, TRUE);
  written = test_write_file ("demo.gguf", data, size);
  test_run_to_eos (pipeline);
  g_assert_cmpint (g_unlink (written), ==, 0);
  expect ("", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "demo.gguf");
  if (data_dir)
    g_setenv ("BITNET_DATA_DIR", data_dir, TRUE);
  else
    g_unsetenv ("BITNET_DATA_DIR");
}

/* The name of a file may be any bytes; structures hold UTF-8. */
static void
test_odd_name (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "m\xff.gguf", NULL);
  g_autofree char *content = NULL;
  g_autoptr (GstStructure) stats = NULL;
  GstHarness *h = gst_harness_new ("ggufsrc");
  gsize size;

  g_assert_true (
      g_file_get_contents (test_quick_model (), &content, &size, NULL));
  g_assert_true (g_file_set_contents (path, content, (gssize) size, NULL));
  g_object_set (h->element, "location", path, NULL);
  gst_harness_play (h);
  gst_buffer_unref (gst_harness_pull (h));
  g_object_get (h->element, "stats", &stats, NULL);
  g_assert_nonnull (gst_structure_get_string (stats, "path"));
  gst_harness_teardown (h);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_test_add_func ("/ggufsrc/order", test_order);
  g_test_add_func ("/ggufsrc/event-fields", test_event_fields);
  g_test_add_func ("/ggufsrc/caps", test_caps);
  g_test_add_func ("/ggufsrc/no-copy", test_no_copy);
  g_test_add_func ("/ggufsrc/queries", test_queries);
  g_test_add_func ("/ggufsrc/properties", test_properties);
  g_test_add_func ("/ggufsrc/share", test_share);
  g_test_add_func ("/ggufsrc/given-model", test_given_model);
  g_test_add_func ("/ggufsrc/weak-ref", test_weak_ref);
  g_test_add_func ("/ggufsrc/uri", test_uri);
  g_test_add_func ("/ggufsrc/uri-launch", test_uri_launch);
  g_test_add_func ("/ggufsrc/bad-files", test_bad_files);
  g_test_add_func ("/ggufsrc/bad-settings", test_bad_settings);
  g_test_add_func ("/ggufsrc/no-location", test_no_location);
  g_test_add_func ("/ggufsrc/odd-name", test_odd_name);
  return test_finish ();
}
