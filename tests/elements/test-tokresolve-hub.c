/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tokresolve and a hub, which is in this process: a tokenizer that is fetched,
 * progress that names the repository, refusals, and the way to NULL in every
 * phase. */
#include <string.h>
#include "element-test.h"
#include "test-hub.h"
#include "test-vocab.h"

#define REPO "owner/name"

enum { N_ROWS = 300 };

typedef struct {
  TestHub *hub;
  char *model; /* without a tokenizer */
  char *cache; /* of this test alone */
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autofree char *json = test_vocab_new_json (N_ROWS);
  g_autofree char *model_name = NULL;
  g_autofree char *cache_name = NULL;
  static guint n;

  model_name = g_strdup_printf ("hub-%u/models/model.gguf", n);
  cache_name = g_strdup_printf ("tokenizers-%u", n++);
  self->model = test_write_sized_model (model_name, N_ROWS);
  self->cache = test_path (cache_name);
  self->hub = test_hub_new (0);
  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  test_hub_add_file (self->hub, REPO, "tokenizer.json", json, -1, FALSE);
  test_hub_add_file (
      self->hub, REPO, "model.safetensors", "weights", -1, FALSE);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  test_hub_free (self->hub);
  g_free (self->model);
  g_free (self->cache);
}

static GstElement *
launch (Fixture *self, const char *properties)
{
  return test_launch ("ggufsrc location=%s ! tokresolve name=r "
                      "tokenizer-repo=" REPO " endpoint=%s cache-dir=%s "
                      "%s ! fakesink",
      self->model, test_hub_get_endpoint (self->hub), self->cache, properties);
}

static GPtrArray *
run (Fixture *self, const char *properties)
{
  g_autoptr (GstElement) pipeline = launch (self, properties);
  GPtrArray *messages = test_run_and_collect (pipeline, "r");

  test_set_null (pipeline);
  return messages;
}

static void
test_fetch (Fixture *self, gconstpointer data)
{
  g_autoptr (GPtrArray) first = run (self, "");
  g_autoptr (GPtrArray) second = NULL;
  const GstStructure *s = test_find_message (first, "tokenizer-resolved");
  gboolean from_cache = TRUE;

  test_assert_progress (first, "tokenizer-resolve", GST_PROGRESS_TYPE_COMPLETE);
  g_assert_nonnull (s);
  g_assert_cmpstr (gst_structure_get_string (s, "strategy"), ==, "huggingface");
  g_assert_cmpstr (gst_structure_get_string (s, "kind"), ==, "hub");
  g_assert_cmpstr (gst_structure_get_string (s, "repository"), ==, REPO);
  g_assert_cmpstr (gst_structure_get_string (s, "commit"), ==, TEST_HUB_COMMIT);
  g_assert_true (gst_structure_get_boolean (s, "from-cache", &from_cache));
  g_assert_false (from_cache);
  g_assert_cmpuint (test_hub_count (self->hub, "* *safetensors*"), ==, 0);

  test_hub_clear_log (self->hub);
  second = run (self, "");
  s = test_find_message (second, "tokenizer-resolved");
  g_assert_true (gst_structure_get_boolean (s, "from-cache", &from_cache));
  g_assert_true (from_cache);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 0);
}

/* Whoever watches the bus learns where a tokenizer comes from before a byte of
 * it does. */
static void
test_named_first (Fixture *self, gconstpointer data)
{
  const TestFault stall = {
      .path = "hub GET *tokenizer.json*", .delay_ms = 100000};
  g_autoptr (GstElement) pipeline = launch (self, "");
  gboolean is_named = FALSE;

  test_hub_add_fault (self->hub, &stall);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!is_named) {
    GstMessage *message = test_wait_message (pipeline, GST_MESSAGE_PROGRESS);
    const char *repository =
        gst_structure_get_string (gst_message_get_structure (message), "repo");

    is_named = g_strcmp0 (repository, REPO) == 0;
    gst_message_unref (message);
  }
  test_set_null (pipeline);
}

static void
expect (Fixture *self, const char *properties, int code, const char *cause,
    const char *suggestion)
{
  g_autofree char *all =
      g_strdup_printf ("strategy-order=<huggingface> retries=0 %s", properties);
  g_autoptr (GPtrArray) messages = run (self, all);
  const GstStructure *s = test_find_message (messages, "tokenizer-failed");
  const GValue *suggestions;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  test_assert_progress (messages, "tokenizer-resolve", GST_PROGRESS_TYPE_ERROR);
  g_assert_nonnull (s);
  g_assert_cmpstr (gst_structure_get_string (s, "cause"), ==, cause);
  suggestions = gst_structure_get_value (s, "suggestions");
  text = gst_value_serialize (suggestions);
  g_test_message ("%s", text);
  g_assert_nonnull (strstr (text, suggestion));
  for (guint i = 0; i < messages->len; i++) {
    if (GST_MESSAGE_TYPE (messages->pdata[i]) == GST_MESSAGE_ERROR)
      gst_message_parse_error (messages->pdata[i], &error, NULL);
  }
  g_assert_error (error, GST_RESOURCE_ERROR, code);
}

static void
test_refusals (Fixture *self, gconstpointer data)
{
  const TestFault fault = {.status = 503};

  expect (self, "allow-download=false", GST_RESOURCE_ERROR_OPEN_READ,
      "DOWNLOAD_DISABLED", "allow-download");
  expect (
      self, "offline=true", GST_RESOURCE_ERROR_OPEN_READ, "OFFLINE", "offline");
  g_assert_cmpuint (test_hub_get_n_connections (self->hub), ==, 0);
  expect (self, "revision=gone", GST_RESOURCE_ERROR_NOT_FOUND,
      "REVISION_NOT_FOUND", "revision");
  test_hub_set_gated (self->hub, REPO, "secret");
  expect (self, "", GST_RESOURCE_ERROR_NOT_AUTHORIZED, "GATED", "HF_TOKEN");
  test_hub_add_fault (self->hub, &fault);
  expect (self, "token=secret", GST_RESOURCE_ERROR_OPEN_READ, "TRANSIENT", "");
}

/* Where a search can be caught. */
static const struct {
  const char *name;
  TestFault fault;
} phases[] = {
    {"asking", {.path = "hub *", .delay_ms = 100000}},
    {"waiting", {.path = "hub *", .status = 503}},
    {"start", {.path = "hub GET *tokenizer.json*", .delay_ms = 100000}},
    {"middle", {.path = "hub GET *tokenizer.json*",
                   .flags = TEST_FAULT_STALL,
                   .bytes = 9}},
};

static void
test_cancel (Fixture *self, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (phases); i++) {
    g_autoptr (GstElement) pipeline = launch (self, "");
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
    g_autoptr (GPtrArray) messages =
        g_ptr_array_new_with_free_func ((GDestroyNotify) gst_message_unref);
    GstMessage *message;

    g_test_message ("%s", phases[i].name);
    test_hub_clear_faults (self->hub);
    test_hub_add_fault (self->hub, &phases[i].fault);
    for (guint k = 0; k < 2; k++) {
      test_hub_clear_log (self->hub);
      g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), ==,
          GST_STATE_CHANGE_ASYNC);
      g_assert_true (test_hub_wait (self->hub, phases[i].fault.path, 1));
      if (k == 1)
        continue; /* to NULL */
      gst_element_set_state (pipeline, GST_STATE_READY);
      while ((message = gst_bus_pop (bus)) != NULL) {
        g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_ERROR);
        if (strcmp (GST_MESSAGE_SRC_NAME (message), "r") == 0)
          g_ptr_array_add (messages, message);
        else
          gst_message_unref (message);
      }
      test_assert_progress (
          messages, "tokenizer-resolve", GST_PROGRESS_TYPE_CANCELED);
      g_assert_null (test_find_message (messages, "tokenizer-failed"));
    }
    test_set_null (pipeline);
  }
  test_hub_clear_faults (self->hub);
}

/* A flush of the stream does not lose the search. */
static void
test_flush (Fixture *self, gconstpointer data)
{
  g_autoptr (BitnetModel) model = test_open_model (self->model);
  GstHarness *h = gst_harness_new ("tokresolve");
  GstEvent *event;

  g_object_set (h->element, "tokenizer-repo", REPO, "endpoint",
      test_hub_get_endpoint (self->hub), "cache-dir", self->cache, NULL);
  gst_harness_set_src_caps_str (h, "application/x-gguf");
  test_push_handles (h, model, NULL);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  gst_harness_set_src_caps_str (h, "application/x-gguf");
  g_assert_cmpint (gst_harness_push (h, gst_buffer_new ()), ==, GST_FLOW_OK);
  event = test_pull_event (
      h, GST_EVENT_CUSTOM_DOWNSTREAM_STICKY, "bitnet/tokenizer");
  g_assert_nonnull (event);
  gst_event_unref (event);
  gst_harness_teardown (h);
}

#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_unsetenv ("BITNET_OFFLINE");
  ADD ("/tokresolve/hub/A17-A18/fetch", test_fetch);
  ADD ("/tokresolve/hub/A03-C22/named-first", test_named_first);
  ADD ("/tokresolve/hub/A19-C29/refusals", test_refusals);
  ADD ("/tokresolve/hub/A03/cancel", test_cancel);
  ADD ("/tokresolve/hub/flush", test_flush);
  return test_finish ();
}
