/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ggufsrc and a hub, which is in this process: URIs, progress, figures, an
 * error for each refusal, and the way to NULL in every phase of a download. */
#include <string.h>
#include "element-test.h"
#include "test-hub.h"

#define REPO "owner/name"
#define URI "hf://owner/name/model.gguf"
#define DIGEST_OF_NOTHING                                                      \
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum { MAX_STOP_US = 5 * 1000 * 1000 };

typedef struct {
  TestHub *hub;
  char *cache; /* of this test alone */
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autofree char *contents = NULL;
  g_autofree char *name = NULL;
  static guint n;
  gsize size;

  name = g_strdup_printf ("models-%u", n++);
  self->cache = test_path (name);
  self->hub = test_hub_new (0);
  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  g_assert_true (
      g_file_get_contents (test_quick_model (), &contents, &size, NULL));
  test_hub_add_file (
      self->hub, REPO, "model.gguf", contents, (gssize) size, TRUE);
  test_hub_add_file (
      self->hub, REPO, "model-Q8_0.gguf", contents, (gssize) size, TRUE);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  test_hub_free (self->hub);
  g_free (self->cache);
}

static GstElement *
launch (Fixture *self, const char *uri, const char *properties)
{
  return test_launch (
      "ggufsrc name=s uri=%s endpoint=%s cache-dir=%s %s ! fakesink", uri,
      test_hub_get_endpoint (self->hub), self->cache, properties);
}

static guint64
get_count (GstElement *pipeline, const char *field)
{
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autoptr (GstStructure) stats = NULL;
  guint64 n = G_MAXUINT64;

  g_object_get (source, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, field, &n));
  return n;
}

/* The fields that the last CONTINUE of the download had. */
static const GstStructure *
find_transfer (GPtrArray *messages)
{
  const GstStructure *found = NULL;

  for (guint i = 0; i < messages->len; i++) {
    const GstStructure *s = gst_message_get_structure (messages->pdata[i]);

    if (GST_MESSAGE_TYPE (messages->pdata[i]) == GST_MESSAGE_PROGRESS
        && gst_structure_has_field (s, "phase"))
      found = s;
  }
  return found;
}

static void
test_fetch (Fixture *self, gconstpointer data)
{
  g_autoptr (GstElement) pipeline = launch (self, URI, "");
  g_autoptr (GPtrArray) messages = test_run_and_collect (pipeline, "s");
  const GstStructure *s = find_transfer (messages);
  g_autoptr (GPtrArray) again = NULL;
  guint64 n;

  test_assert_progress (messages, "download", GST_PROGRESS_TYPE_COMPLETE);
  test_assert_progress (messages, "model-load", GST_PROGRESS_TYPE_COMPLETE);
  g_assert_nonnull (s);
  g_assert_cmpstr (gst_structure_get_string (s, "repo"), ==, REPO);
  g_assert_true (gst_structure_get_uint64 (s, "bytes-done", &n));
  g_assert_true (gst_structure_get_uint64 (s, "bytes-total", &n));
  g_assert_cmpuint (get_count (pipeline, "bytes-received"), >, 0);
  g_assert_cmpuint (get_count (pipeline, "requests"), >, 0);
  g_assert_cmpuint (get_count (pipeline, "download-ns"), >, 0);
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET *"), ==, 1);

  /* The file is here now. */
  again = test_run_and_collect (pipeline, "s");
  test_assert_progress (again, "download", GST_PROGRESS_TYPE_COMPLETE);
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET *"), ==, 1);
  g_assert_cmpuint (get_count (pipeline, "bytes-received"), ==, 0);
  test_set_null (pipeline);
}

/* The hub chooses the file. */
static void
test_quantization (Fixture *self, gconstpointer data)
{
  g_autoptr (GstElement) pipeline = launch (self, "hf://owner/name:Q8_0", "");
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  g_autofree char *uri = NULL;

  g_object_get (source, "uri", &uri, NULL);
  g_assert_cmpstr (uri, ==, "hf://owner/name:Q8_0");
  test_run_to_eos (pipeline);
  g_assert_cmpuint (
      test_hub_count (self->hub, "hub GET *model-Q8_0.gguf*"), >, 0);
  g_assert_cmpuint (test_hub_count (self->hub, "hub GET */model.gguf*"), ==, 0);
}

static void
test_revision (Fixture *self, gconstpointer data)
{
  g_autoptr (GstElement) by_property = launch (self, URI, "revision=v1");
  g_autoptr (GstElement) by_uri =
      launch (self, "hf://owner/name@v2/model.gguf", "revision=v1");

  test_hub_add_branch (self->hub, REPO, "v1", TEST_HUB_COMMIT);
  test_hub_add_branch (self->hub, REPO, "v2", TEST_HUB_COMMIT);
  test_run_to_eos (by_property);
  g_assert_cmpuint (test_hub_count (self->hub, "hub * */v1*"), >, 0);
  test_hub_clear_log (self->hub);
  test_run_to_eos (by_uri);
  g_assert_cmpuint (test_hub_count (self->hub, "hub * */v2*"), >, 0);
  g_assert_cmpuint (test_hub_count (self->hub, "hub * */v1*"), ==, 0);
}

/* The first word of a launch line; the environment names hub and cache. */
static void
test_environment (Fixture *self, gconstpointer data)
{
  g_autofree char *cache = g_strdup (g_getenv ("BITNET_CACHE_DIR"));
  g_autoptr (GstElement) pipeline = test_launch (URI " ! fakesink");

  g_setenv ("HF_ENDPOINT", test_hub_get_endpoint (self->hub), TRUE);
  g_setenv ("BITNET_CACHE_DIR", self->cache, TRUE);
  test_run_to_eos (pipeline);
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET *"), ==, 1);
  g_setenv ("BITNET_CACHE_DIR", cache, TRUE);
  g_unsetenv ("HF_ENDPOINT");
}

static void
expect (Fixture *self, const char *uri, const char *properties, GQuark domain,
    int code, const char *part)
{
  g_autoptr (GstElement) pipeline = launch (self, uri, properties);
  g_autoptr (GPtrArray) messages = test_run_and_collect (pipeline, "s");

  test_assert_progress (messages, "download", GST_PROGRESS_TYPE_ERROR);
  test_set_null (pipeline);
  test_expect_error (pipeline, domain, code, part);
}

static void
test_refusals (Fixture *self, gconstpointer data)
{
  expect (self, "hf://owner/other/model.gguf", "", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NOT_FOUND, "owner/other");
  expect (self, "hf://owner/name/other.gguf", "", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NOT_FOUND, "other.gguf");
  expect (self, URI, "offline=true", GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_OPEN_READ, "offline");
  expect (self, URI, "sha256=" DIGEST_OF_NOTHING, GST_STREAM_ERROR,
      GST_STREAM_ERROR_DECODE, "model.gguf");
  test_hub_set_gated (self->hub, REPO, "secret");
  expect (self, URI, "", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
      REPO);
}

/* The token opens the door, and stays secret. */
static void
test_token (Fixture *self, gconstpointer data)
{
  g_autoptr (GstElement) pipeline = launch (self, URI, "token=secret");
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  GParamSpec *pspec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (source), "token");

  test_hub_set_gated (self->hub, REPO, "secret");
  test_run_to_eos (pipeline);
  g_assert_false (pspec->flags & G_PARAM_READABLE);
  g_assert_cmpuint (test_hub_count (self->hub, "storage * auth*"), ==, 0);
}

/* Where a download can be caught. */
static const struct {
  const char *name;
  TestFault fault;
  const char *request; /* that has come by then */
} phases[] = {
    {"asking", {.path = "hub *", .delay_ms = 100000}, "hub *"},
    {"waiting", {.path = "hub *", .status = 503}, "hub *"},
    {"start", {.path = "storage GET *", .delay_ms = 100000}, "storage GET *"},
    {"middle", {.path = "storage GET *", .flags = TEST_FAULT_STALL, .bytes = 9},
        "storage GET *"},
};

static void
test_cancel (Fixture *self, gconstpointer data)
{
  const GstState states[] = {GST_STATE_READY, GST_STATE_NULL};

  for (gsize i = 0; i < G_N_ELEMENTS (phases) * G_N_ELEMENTS (states); i++) {
    gsize phase = i / G_N_ELEMENTS (states);
    g_autoptr (GstElement) pipeline = launch (self, URI, "");
    g_autoptr (GstElement) source =
        gst_bin_get_by_name (GST_BIN (pipeline), "s");
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
    g_autoptr (GPtrArray) messages =
        g_ptr_array_new_with_free_func ((GDestroyNotify) gst_message_unref);
    GstMessage *message;
    gint64 start_us;

    g_test_message ("%s", phases[phase].name);
    test_hub_clear_faults (self->hub);
    test_hub_add_fault (self->hub, &phases[phase].fault);
    test_hub_clear_log (self->hub);
    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), ==,
        GST_STATE_CHANGE_ASYNC);
    g_assert_true (test_hub_wait (self->hub, phases[phase].request, 1));
    start_us = g_get_monotonic_time ();
    if (states[i % G_N_ELEMENTS (states)] == GST_STATE_NULL)
      test_set_null (pipeline);
    else
      gst_element_set_state (pipeline, GST_STATE_READY);
    /* Milliseconds in truth; a fault lasts for 100 seconds. */
    g_assert_cmpint (g_get_monotonic_time () - start_us, <, MAX_STOP_US);
    if (states[i % G_N_ELEMENTS (states)] == GST_STATE_NULL)
      continue;
    while ((message = gst_bus_pop (bus)) != NULL) {
      g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_ERROR);
      g_ptr_array_add (messages, message);
    }
    test_assert_progress (messages, "download", GST_PROGRESS_TYPE_CANCELED);
    test_set_null (pipeline);
  }
  test_hub_clear_faults (self->hub);
}

/* What had arrived is not fetched again. */
static void
test_resume (Fixture *self, gconstpointer data)
{
  const TestFault drip = {
      .path = "storage GET *", .flags = TEST_FAULT_DRIP, .delay_ms = 5};
  g_autoptr (GstElement) pipeline = launch (self, URI, "");
  g_autoptr (GPtrArray) messages = NULL;
  gboolean has_bytes = FALSE;

  test_hub_add_fault (self->hub, &drip);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!has_bytes) {
    GstMessage *message = test_wait_message (pipeline, GST_MESSAGE_PROGRESS);
    guint64 done = 0;

    gst_structure_get_uint64 (
        gst_message_get_structure (message), "bytes-done", &done);
    has_bytes = done > 0;
    gst_message_unref (message);
  }
  test_set_null (pipeline);
  test_hub_clear_faults (self->hub);
  messages = test_run_and_collect (pipeline, "s");
  g_assert_cmpuint (test_hub_count (self->hub, "storage GET *range=*"), ==, 1);
  g_assert_cmpuint (get_count (pipeline, "bytes-resumed"), >, 0);
  test_set_null (pipeline);
}

#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_unsetenv ("BITNET_OFFLINE");
  ADD ("/ggufsrc/hub/fetch", test_fetch);
  ADD ("/ggufsrc/hub/quantization", test_quantization);
  ADD ("/ggufsrc/hub/revision", test_revision);
  ADD ("/ggufsrc/hub/environment", test_environment);
  ADD ("/ggufsrc/hub/refusals", test_refusals);
  ADD ("/ggufsrc/hub/token", test_token);
  ADD ("/ggufsrc/hub/cancel", test_cancel);
  ADD ("/ggufsrc/hub/resume", test_resume);
  return test_finish ();
}
