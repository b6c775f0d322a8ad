/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* infer: tokens equal the library's, how responses end, order, cancelling,
 * parallel requests, flush and EOS, reports upstream and on the bus. */
#include <string.h>
#include "element-test.h"

#define PROMPT "hello world"

typedef struct {
  GstElement *element;
  GstHarness *h;
  GstBus *bus;
  BitnetModel *model;
  BitnetTokenizer *tokenizer;
} Fixture;

static void
set_up_model (Fixture *f, const char *path)
{
  f->element = gst_object_ref_sink (gst_element_factory_make ("infer", NULL));
  g_object_set (f->element, "temperature", 0.0, "max-tokens", 16, NULL);
  f->bus = gst_bus_new ();
  gst_element_set_bus (f->element, f->bus);
  f->h = gst_harness_new_with_element (f->element, "sink", "src");
  gst_harness_set_src_caps_str (
      f->h, "application/x-llm-tokens, format=(string)U32LE");
  f->model = test_open_model (path);
  f->tokenizer = test_open_tokenizer (f->model);
  test_push_handles (f->h, f->model, f->tokenizer);
}

static void
set_up (Fixture *f)
{
  set_up_model (f, test_quick_model ());
}

static void
tear_down (Fixture *f)
{
  test_set_null (f->element);
  gst_harness_teardown (f->h);
  gst_element_set_bus (f->element, NULL);
  gst_object_unref (f->element);
  gst_object_unref (f->bus);
  g_object_unref (f->model);
  g_object_unref (f->tokenizer);
}

static GstBuffer *
prompt_buffer (Fixture *f, const char *text)
{
  gsize n;
  g_autofree guint32 *ids = bitnet_tokenizer_encode (
      f->tokenizer, text, -1, BITNET_ENCODE_ADD_SPECIAL, &n, NULL);

  return test_token_buffer (ids, n);
}

static GstFlowReturn
push_prompt (Fixture *f, const char *text)
{
  return gst_harness_push (f->h, prompt_buffer (f, text));
}

typedef struct {
  GArray *ids;
  guint n_buffers; /* with the last one */
  char *reason;
  guint64 id;
} Response;

static void
response_clear (Response *response)
{
  g_clear_pointer (&response->ids, g_array_unref);
  g_free (response->reason);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Response, response_clear)

static const GstStructure *
request_of (GstBuffer *buffer)
{
  GstCustomMeta *meta =
      gst_buffer_get_custom_meta (buffer, "BitnetRequestMeta");

  g_assert_nonnull (meta);
  return gst_custom_meta_get_structure (meta);
}

/* All buffers up to the one with the marker. */
static void
pull_response (Fixture *f, Response *response)
{
  gboolean at_end = FALSE;

  response->ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  while (!at_end) {
    GstBuffer *buffer = gst_harness_pull (f->h);
    g_autoptr (GArray) ids = NULL;

    g_assert_nonnull (buffer);
    ids = test_buffer_ids (buffer);
    g_assert_cmpuint (GST_BUFFER_OFFSET (buffer), ==, response->ids->len);
    g_array_append_vals (response->ids, ids->data, ids->len);
    response->n_buffers++;
    g_assert_true (gst_structure_get_uint64 (
        request_of (buffer), "request-id", &response->id));
    at_end = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_MARKER);
    if (at_end)
      response->reason = g_strdup (
          gst_structure_get_string (request_of (buffer), "finish-reason"));
    gst_buffer_unref (buffer);
  }
}

static void
expect_error (Fixture *f, GQuark domain, int code, const char *part)
{
  GstMessage *message = gst_bus_timed_pop_filtered (
      f->bus, TEST_DEADLINE_SECONDS * GST_SECOND, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  g_test_message ("%s", error->message);
  g_assert_error (error, domain, code);
  g_assert_nonnull (strstr (error->message, part));
  gst_message_unref (message);
}

/* Pushes EOS and waits until it is through. */
static void
push_eos (Fixture *f)
{
  GstEvent *event;

  gst_harness_push_event (f->h, gst_event_new_eos ());
  do {
    event = gst_harness_pull_event (f->h);
    g_assert_nonnull (event);
  } while (GST_EVENT_TYPE (event) != GST_EVENT_EOS
           && (gst_event_unref (event), TRUE));
  gst_event_unref (event);
}

static void
test_greedy (void)
{
  Fixture f;
  g_auto (Response) response = {0};
  g_autoptr (GArray) expected = NULL;

  set_up (&f);
  g_assert_cmpint (push_prompt (&f, PROMPT), ==, GST_FLOW_OK);
  pull_response (&f, &response);
  expected = test_generate (f.model, f.tokenizer, PROMPT, 16);
  g_assert_cmpuint (expected->len, ==, 16);
  test_assert_ids (response.ids, expected);
  g_assert_cmpstr (response.reason, ==, "length");
  g_assert_cmpuint (response.n_buffers, ==, 17);
  tear_down (&f);
}

static void
test_chunk (void)
{
  Fixture f;
  g_auto (Response) response = {0};

  set_up (&f);
  g_object_set (f.element, "chunk", 5, NULL);
  push_prompt (&f, PROMPT);
  pull_response (&f, &response);
  g_assert_cmpuint (response.ids->len, ==, 16);
  g_assert_cmpuint (response.n_buffers, ==, 5); /* 5, 5, 5, 1 and the end */
  tear_down (&f);
}

/* Events stay behind the response they follow. */
static void
test_event_order (void)
{
  static const char *const expected[] = {"stream-start", "caps", "segment",
      "bitnet/model", "bitnet/tokenizer", "gap", "eos"};
  Fixture f;
  g_auto (Response) response = {0};

  set_up (&f);
  push_prompt (&f, PROMPT);
  gst_harness_push_event (f.h, gst_event_new_gap (0, 1));
  gst_harness_push_event (f.h, gst_event_new_eos ());
  pull_response (&f, &response);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    GstEvent *event = gst_harness_pull_event (f.h);
    const char *name =
        GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY
            ? gst_structure_get_name (gst_event_get_structure (event))
            : GST_EVENT_TYPE_NAME (event);

    g_assert_cmpstr (name, ==, expected[i]);
    gst_event_unref (event);
  }
  tear_down (&f);
}

/* Requests with their own parameters, and each way to end. */
static void
push_with_overrides (Fixture *f, guint64 id, const char *overrides)
{
  GstBuffer *buffer = prompt_buffer (f, PROMPT);
  GstCustomMeta *meta =
      gst_buffer_add_custom_meta (buffer, "BitnetRequestMeta");

  gst_structure_set (gst_custom_meta_get_structure (meta), "request-id",
      G_TYPE_UINT64, id, "turn", G_TYPE_UINT, 7, "overrides", G_TYPE_STRING,
      overrides, NULL);
  g_assert_cmpint (gst_harness_push (f->h, buffer), ==, GST_FLOW_OK);
}

static void
test_finish_reasons (void)
{
  Fixture f;
  g_auto (Response) length = {0};
  g_auto (Response) stop = {0};
  g_auto (Response) text = {0};
  g_autofree char *overrides = NULL;
  g_autofree char *whole = NULL;
  g_autofree char *part = NULL;
  g_autofree char *json = NULL;
  guint32 eos;

  set_up (&f);
  eos = bitnet_tokenizer_get_special (f.tokenizer, BITNET_SPECIAL_EOS);
  push_with_overrides (&f, 11, "{\"max-tokens\": 3}");
  pull_response (&f, &length);
  g_assert_cmpuint (length.id, ==, 11);
  g_assert_cmpuint (length.ids->len, ==, 3);
  g_assert_cmpstr (length.reason, ==, "length");

  overrides = g_strdup_printf ("{\"logit-bias\": {\"%u\": 100}}", eos);
  push_with_overrides (&f, 12, overrides);
  pull_response (&f, &stop);
  g_assert_cmpstr (stop.reason, ==, "stop");
  g_assert_cmpuint (stop.ids->len, ==, 1);
  g_assert_cmpuint (g_array_index (stop.ids, guint32, 0), ==, eos);

  /* The model says "X" for ever: stop at the third. */
  json = g_strdup_printf (
      "{\"logit-bias\": {\"%u\": 100}, \"stop\": [\"XXX\"]}", (guint) 'X');
  push_with_overrides (&f, 13, json);
  pull_response (&f, &text);
  g_assert_cmpstr (text.reason, ==, "stop-string");
  whole = test_decode (f.tokenizer, text.ids);
  g_assert_null (strstr (whole, "XXX"));
  tear_down (&f);
}

static void
test_ignore_eos (void)
{
  Fixture f;
  g_auto (Response) response = {0};
  g_autofree char *overrides = NULL;

  set_up (&f);
  g_object_set (f.element, "ignore-eos", TRUE, NULL);
  overrides = g_strdup_printf ("{\"logit-bias\": {\"%u\": 100}}",
      bitnet_tokenizer_get_special (f.tokenizer, BITNET_SPECIAL_EOS));
  push_with_overrides (&f, 0, overrides);
  pull_response (&f, &response);
  g_assert_cmpuint (response.ids->len, ==, 16);
  g_assert_cmpstr (response.reason, ==, "length");
  tear_down (&f);
}

static void
test_stop_property (void)
{
  Fixture f;
  g_auto (Response) response = {0};

  set_up (&f);
  gst_util_set_object_arg (G_OBJECT (f.element), "stop", "<\"Q:\",\"XX\">");
  push_with_overrides (&f, 0, "{\"logit-bias\": {\"88\": 100}}");
  pull_response (&f, &response);
  g_assert_cmpstr (response.reason, ==, "stop-string");
  g_assert_cmpuint (response.ids->len, ==, 0);
  tear_down (&f);
}

/* C50: equal seeds, equal tokens. */
static void
test_seed (void)
{
  g_auto (Response) a = {0};
  g_auto (Response) b = {0};
  g_auto (Response) c = {0};
  Response *responses[] = {&a, &b, &c};
  const guint64 seeds[] = {42, 42, 43};

  for (guint i = 0; i < 3; i++) {
    Fixture f;

    set_up (&f);
    g_object_set (f.element, "temperature", 1.5, "top-k", 0, "top-p", 1.0,
        "min-p", 0.0, "seed", seeds[i], NULL);
    push_prompt (&f, PROMPT);
    pull_response (&f, responses[i]);
    tear_down (&f);
  }
  test_assert_ids (a.ids, b.ids);
  g_assert_false (a.ids->len == c.ids->len
                  && memcmp (a.ids->data, c.ids->data, a.ids->len * 4) == 0);
}

/* Many at a time: every response is what it is alone, in order. */
static void
test_parallel (void)
{
  static const char *const prompts[] = {"a", "hello", "world", "hello hello",
      "b", "c d e f g", "world world", "x"};
  Fixture f;

  set_up (&f);
  g_object_set (f.element, "parallel", 4, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (prompts); i++)
    g_assert_cmpint (push_prompt (&f, prompts[i]), ==, GST_FLOW_OK);
  for (guint i = 0; i < G_N_ELEMENTS (prompts); i++) {
    g_auto (Response) response = {0};
    g_autoptr (GArray) expected = NULL;

    pull_response (&f, &response);
    g_assert_cmpuint (response.id, ==, i);
    expected = test_generate (f.model, f.tokenizer, prompts[i], 16);
    test_assert_ids (response.ids, expected);
  }
  tear_down (&f);
}

/* Cancelling. */

static void
wait_for_tokens (Fixture *f)
{
  GstBuffer *buffer = gst_harness_pull (f->h);

  g_assert_nonnull (buffer);
  gst_buffer_unref (buffer);
}

static GstEvent *
new_cancel (void)
{
  return gst_event_new_custom (
      GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty ("bitnet/cancel"));
}

static void
finish_cancelled (Fixture *f)
{
  gboolean at_end = FALSE;

  while (!at_end) {
    GstBuffer *buffer = gst_harness_pull (f->h);

    g_assert_nonnull (buffer);
    at_end = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_MARKER);
    if (at_end)
      g_assert_cmpstr (
          gst_structure_get_string (request_of (buffer), "finish-reason"), ==,
          "cancelled");
    gst_buffer_unref (buffer);
  }
}

static void
test_cancel (void)
{
  Fixture f;
  g_auto (Response) response = {0};

  set_up_model (&f, test_slow_model ());
  g_object_set (f.element, "max-tokens", 0, "ignore-eos", TRUE, NULL);
  /* The event, twice. */
  push_prompt (&f, PROMPT);
  wait_for_tokens (&f);
  g_assert_true (gst_harness_push_upstream_event (f.h, new_cancel ()));
  g_assert_true (gst_harness_push_upstream_event (f.h, new_cancel ()));
  finish_cancelled (&f);
  /* The signal. */
  push_prompt (&f, PROMPT);
  wait_for_tokens (&f);
  g_signal_emit_by_name (f.element, "cancel");
  g_signal_emit_by_name (f.element, "cancel");
  finish_cancelled (&f);
  /* The interruption by a new prompt. */
  push_prompt (&f, PROMPT);
  wait_for_tokens (&f);
  gst_harness_push_event (
      f.h, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
               gst_structure_new_empty ("bitnet/interrupt")));
  finish_cancelled (&f);
  /* What was cancelled does not concern what comes. */
  g_object_set (f.element, "max-tokens", 2, NULL);
  push_prompt (&f, PROMPT);
  pull_response (&f, &response);
  g_assert_cmpstr (response.reason, ==, "length");
  tear_down (&f);
}

/* Only the request that is named. */
static void
test_cancel_one (void)
{
  Fixture f;
  g_auto (Response) first = {0};
  g_auto (Response) second = {0};

  set_up_model (&f, test_slow_model ());
  g_object_set (f.element, "parallel", 2, NULL);
  push_with_overrides (&f, 5, "{\"max-tokens\": 40}");
  push_with_overrides (&f, 6, "{\"max-tokens\": 0, \"ignore-eos\": true}");
  gst_harness_push_upstream_event (
      f.h, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
               gst_structure_new ("bitnet/cancel", "request-id", G_TYPE_UINT64,
                   (guint64) 6, NULL)));
  pull_response (&f, &first);
  pull_response (&f, &second);
  g_assert_cmpuint (first.id, ==, 5);
  g_assert_cmpuint (first.ids->len, ==, 40);
  g_assert_cmpstr (first.reason, ==, "length");
  g_assert_cmpuint (second.id, ==, 6);
  g_assert_cmpstr (second.reason, ==, "cancelled");
  tear_down (&f);
}

/* Flush, drain, EOS. */

static void
test_flush (void)
{
  Fixture f;
  g_auto (Response) response = {0};
  GstSegment segment;
  GstBuffer *buffer;

  set_up_model (&f, test_slow_model ());
  g_object_set (f.element, "max-tokens", 0, "ignore-eos", TRUE, NULL);
  push_prompt (&f, PROMPT);
  wait_for_tokens (&f);
  gst_harness_push_event (f.h, gst_event_new_flush_start ());
  g_assert_cmpint (push_prompt (&f, PROMPT), ==, GST_FLOW_FLUSHING);
  gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
  while ((buffer = gst_harness_try_pull (f.h)) != NULL)
    gst_buffer_unref (buffer);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (f.h, gst_event_new_segment (&segment));
  g_object_set (f.element, "max-tokens", 4, NULL);
  g_assert_cmpint (push_prompt (&f, PROMPT), ==, GST_FLOW_OK);
  pull_response (&f, &response); /* the handles are still known */
  g_assert_cmpuint (response.ids->len, ==, 4);
  tear_down (&f);
}

static gpointer
push_three (gpointer data)
{
  GstFlowReturn ret = GST_FLOW_OK;

  for (guint i = 0; ret == GST_FLOW_OK && i < 3; i++)
    ret = push_prompt (data, PROMPT);
  return GINT_TO_POINTER (ret);
}

/* A pad that blocks because a request is outstanding gives way. */
static void
test_blocked_chain (void)
{
  Fixture f;
  GThread *thread;

  set_up_model (&f, test_slow_model ());
  g_object_set (f.element, "max-tokens", 0, "ignore-eos", TRUE, NULL);
  thread = g_thread_new ("prompts", push_three, &f);
  wait_for_tokens (&f);
  test_set_null (f.element);
  g_assert_cmpint (
      GPOINTER_TO_INT (g_thread_join (thread)), ==, GST_FLOW_FLUSHING);
  tear_down (&f);
}

static void
test_drain (void)
{
  Fixture f;
  g_autoptr (GstQuery) drain = gst_query_new_drain ();
  g_autoptr (GstQuery) allocation = gst_query_new_allocation (NULL, FALSE);

  set_up (&f);
  push_prompt (&f, PROMPT);
  g_assert_true (gst_pad_peer_query (f.h->srcpad, drain));
  g_assert_cmpuint (gst_harness_buffers_in_queue (f.h), ==, 17);
  g_assert_false (gst_pad_peer_query (f.h->srcpad, allocation));
  tear_down (&f);
}

/* EOS without a request passes, and ends nothing that runs. */
static void
test_eos (void)
{
  Fixture f;

  set_up (&f);
  push_eos (&f);
  tear_down (&f);
  set_up (&f);
  push_prompt (&f, PROMPT);
  push_eos (&f);
  g_assert_cmpuint (gst_harness_buffers_in_queue (f.h), ==, 17);
  tear_down (&f);
}

/* Reports. */

static void
test_message (void)
{
  Fixture f;
  g_auto (Response) response = {0};
  GstMessage *message;
  const GstStructure *s;
  guint n_prompt, n_cached, n_generated, turn;
  guint64 id, prefill_ns, decode_ns, running_time;
  double rate;

  set_up (&f);
  push_with_overrides (&f, 9, "{}");
  pull_response (&f, &response);
  message = gst_bus_timed_pop_filtered (
      f.bus, TEST_DEADLINE_SECONDS * GST_SECOND, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  s = gst_message_get_structure (message);
  g_assert_true (gst_structure_has_name (s, "bitnet-generation"));
  g_assert_true (gst_structure_get (s, "request-id", G_TYPE_UINT64, &id, "turn",
      G_TYPE_UINT, &turn, "prompt-tokens", G_TYPE_UINT, &n_prompt,
      "cached-tokens", G_TYPE_UINT, &n_cached, "generated-tokens", G_TYPE_UINT,
      &n_generated, "prefill-ns", G_TYPE_UINT64, &prefill_ns, "decode-ns",
      G_TYPE_UINT64, &decode_ns, "tokens-per-second", G_TYPE_DOUBLE, &rate,
      "running-time", G_TYPE_UINT64, &running_time, NULL));
  g_assert_cmpuint (id, ==, 9);
  g_assert_cmpuint (turn, ==, 7);
  g_assert_cmpuint (n_prompt, >, 0);
  g_assert_cmpuint (n_generated, ==, 16);
  g_assert_cmpuint (prefill_ns, >, 0);
  g_assert_cmpstr (gst_structure_get_string (s, "finish-reason"), ==, "length");
  gst_message_unref (message);
  tear_down (&f);
}

static void
test_turn (void)
{
  Fixture f;
  g_auto (Response) response = {0};
  GstEvent *event;
  g_autoptr (GBytes) ids = NULL;
  guint64 id = 0;
  gsize size;
  const guint32 *raw;

  set_up (&f);
  push_with_overrides (&f, 3, "{}");
  pull_response (&f, &response);
  do {
    event = gst_harness_pull_upstream_event (f.h);
    g_assert_nonnull (event);
  } while (!gst_event_has_name (event, "bitnet/turn")
           && (gst_event_unref (event), TRUE));
  gst_structure_get (gst_event_get_structure (event), "request-id",
      G_TYPE_UINT64, &id, "ids", G_TYPE_BYTES, &ids, NULL);
  g_assert_cmpuint (id, ==, 3);
  raw = g_bytes_get_data (ids, &size);
  g_assert_cmpuint (size, ==, response.ids->len * 4);
  for (guint i = 0; i < response.ids->len; i++)
    g_assert_cmpuint (
        GUINT32_FROM_LE (raw[i]), ==, g_array_index (response.ids, guint32, i));
  gst_event_unref (event);
  tear_down (&f);
}

static void
test_turns_query (void)
{
  Fixture f;
  g_autoptr (GstQuery) query = gst_query_new_custom (
      GST_QUERY_CUSTOM, gst_structure_new_empty ("bitnet/turns"));
  guint context_size = 0;

  set_up (&f);
  g_object_set (f.element, "context-size", 128, NULL);
  g_assert_true (gst_pad_peer_query (f.h->srcpad, query));
  gst_structure_get_uint (
      gst_query_get_structure (query), "context-size", &context_size);
  g_assert_cmpuint (context_size, ==, 128);
  tear_down (&f);
}

static void
test_stats (void)
{
  Fixture f;
  g_autoptr (GstStructure) stats = NULL;
  guint64 n_requests, n_generated;

  set_up (&f);
  push_prompt (&f, PROMPT);
  push_prompt (&f, PROMPT);
  push_eos (&f);
  g_object_get (f.element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get (stats, "requests", G_TYPE_UINT64,
      &n_requests, "generated-tokens", G_TYPE_UINT64, &n_generated, NULL));
  g_assert_cmpuint (n_requests, ==, 2);
  g_assert_cmpuint (n_generated, ==, 32);
  tear_down (&f);
}

static void
test_latency (void)
{
  Fixture f;
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime min, max;
  gboolean live;

  set_up (&f);
  g_object_set (f.element, "latency", 1500, NULL);
  gst_harness_set_upstream_latency (f.h, 100 * GST_MSECOND);
  gst_harness_set_live (f.h, TRUE);
  g_assert_true (gst_pad_peer_query (f.h->sinkpad, query));
  gst_query_parse_latency (query, &live, &min, &max);
  g_assert_true (live);
  g_assert_cmpuint (min, ==, 1600 * GST_MSECOND);
  tear_down (&f);
}

/* The engine: shared, given, warmed up, swapped. */

static void
test_engine (void)
{
  Fixture f;
  g_auto (Response) response = {0};
  g_autoptr (BitnetEngine) engine = NULL;
  g_autoptr (BitnetEngine) shared = NULL;

  set_up (&f);
  push_prompt (&f, PROMPT);
  pull_response (&f, &response);
  g_object_get (f.element, "engine", &engine, NULL);
  shared = bitnet_model_get_engine (f.model, NULL, NULL);
  g_assert_nonnull (engine);
  g_assert_true (engine == shared);
  tear_down (&f);
}

static void
test_warm_up (void)
{
  Fixture f;
  g_auto (Response) response = {0};

  set_up (&f);
  g_signal_emit_by_name (f.element, "warm-up");
  push_prompt (&f, PROMPT);
  pull_response (&f, &response);
  g_assert_cmpuint (response.ids->len, ==, 16);
  push_eos (&f);
  g_assert_cmpuint (gst_harness_buffers_in_queue (f.h), ==, 0);
  tear_down (&f);
}

static void
change_weights (TinyModel *model)
{
  float *weights = tiny_model_get_tensor (model, "output.weight");

  for (guint i = 0; i < 64; i++)
    weights[i] = -weights[i];
}

/* A second model in the stream: what came before keeps the first one. */
static void
test_swap (void)
{
  static const TinySpec spec = {.arch = "llama", .n_layers = 1};
  Fixture f;
  g_autofree char *path = test_write_model ("swap.gguf", &spec, change_weights);
  g_autoptr (BitnetModel) second = test_open_model (path);
  g_auto (Response) one = {0};
  g_auto (Response) two = {0};
  g_autoptr (GArray) expected_one = NULL;
  g_autoptr (GArray) expected_two = NULL;

  set_up (&f);
  g_object_set (f.element, "parallel", 2, NULL);
  push_prompt (&f, PROMPT);
  test_push_handles (f.h, second, f.tokenizer);
  push_prompt (&f, PROMPT);
  pull_response (&f, &one);
  pull_response (&f, &two);
  expected_one = test_generate (f.model, f.tokenizer, PROMPT, 16);
  expected_two = test_generate (second, f.tokenizer, PROMPT, 16);
  test_assert_ids (one.ids, expected_one);
  test_assert_ids (two.ids, expected_two);
  tear_down (&f);
}

/* Other settings than those of the engine that runs already. */
static void
test_other_settings (void)
{
  Fixture f, g;
  g_auto (Response) a = {0};
  g_auto (Response) b = {0};
  GstMessage *message;

  set_up (&f);
  push_prompt (&f, PROMPT);
  pull_response (&f, &a);
  g.element = gst_object_ref_sink (gst_element_factory_make ("infer", NULL));
  g_object_set (g.element, "context-size", 64, "temperature", 0.0, NULL);
  g.bus = gst_bus_new ();
  gst_element_set_bus (g.element, g.bus);
  g.h = gst_harness_new_with_element (g.element, "sink", "src");
  gst_harness_set_src_caps_str (
      g.h, "application/x-llm-tokens, format=(string)U32LE");
  g.model = g_object_ref (f.model);
  g.tokenizer = g_object_ref (f.tokenizer);
  test_push_handles (g.h, g.model, g.tokenizer);
  g_object_set (g.element, "max-tokens", 16, NULL);
  push_prompt (&g, PROMPT);
  pull_response (&g, &b);
  test_assert_ids (a.ids, b.ids);
  message = gst_bus_pop_filtered (g.bus, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  gst_message_unref (message);
  tear_down (&g);
  tear_down (&f);
}

/* Failures: one message, ERROR from the pad, EOS still passes. */

/* The flow after a failure: ERROR at the latest when nothing is queued. */
static void
expect_flow_error (Fixture *f, GstFlowReturn ret)
{
  g_autoptr (GstQuery) drain = gst_query_new_drain ();

  if (ret == GST_FLOW_OK) {
    gst_pad_peer_query (f->h->srcpad, drain);
    ret = push_prompt (f, PROMPT);
  }
  g_assert_cmpint (ret, ==, GST_FLOW_ERROR);
  push_eos (f);
  g_assert_null (gst_bus_pop_filtered (f->bus, GST_MESSAGE_ERROR));
}

static void
fail_prompt (
    Fixture *f, GstBuffer *buffer, GQuark domain, int code, const char *part)
{
  GstFlowReturn ret = gst_harness_push (f->h, buffer);

  expect_error (f, domain, code, part);
  expect_flow_error (f, ret);
}

static void
test_too_long (void)
{
  Fixture f;
  g_autofree guint32 *ids = g_new0 (guint32, 600);

  set_up (&f);
  fail_prompt (&f, test_token_buffer (ids, 600), GST_STREAM_ERROR,
      GST_STREAM_ERROR_ENCODE, "512");
  tear_down (&f);
}

static void
test_bad_tokens (void)
{
  const guint32 unknown = 123456;
  Fixture f;

  set_up (&f);
  fail_prompt (&f, test_token_buffer (&unknown, 1), GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_SETTINGS, "123456");
  tear_down (&f);
  set_up (&f);
  fail_prompt (&f, gst_buffer_new_memdup ("abc", 3), GST_STREAM_ERROR,
      GST_STREAM_ERROR_DECODE, "3 bytes");
  tear_down (&f);
  set_up (&f);
  fail_prompt (&f, gst_buffer_new (), GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE,
      "0 bytes");
  tear_down (&f);
}

static void
test_nan (void)
{
  Fixture f;

  set_up_model (&f, test_nan_model ());
  fail_prompt (&f, prompt_buffer (&f, PROMPT), GST_LIBRARY_ERROR,
      GST_LIBRARY_ERROR_FAILED, "");
  tear_down (&f);
}

static void
test_no_model (void)
{
  Fixture f;

  f.element = gst_object_ref_sink (gst_element_factory_make ("infer", NULL));
  f.bus = gst_bus_new ();
  gst_element_set_bus (f.element, f.bus);
  f.h = gst_harness_new_with_element (f.element, "sink", "src");
  gst_harness_set_src_caps_str (
      f.h, "application/x-llm-tokens, format=(string)U32LE");
  f.model = test_open_model (test_quick_model ());
  f.tokenizer = test_open_tokenizer (f.model);
  fail_prompt (&f, prompt_buffer (&f, PROMPT), GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_NOT_FOUND, "ggufsrc");
  tear_down (&f);
}

static void
check_device (const char *device, int code)
{
  Fixture f;

  f.element = gst_object_ref_sink (gst_element_factory_make ("infer", NULL));
  g_object_set (f.element, "device", device, NULL);
  f.bus = gst_bus_new ();
  gst_element_set_bus (f.element, f.bus);
  f.h = gst_harness_new_with_element (f.element, "sink", "src");
  gst_harness_set_src_caps_str (
      f.h, "application/x-llm-tokens, format=(string)U32LE");
  f.model = test_open_model (test_quick_model ());
  f.tokenizer = test_open_tokenizer (f.model);
  test_push_handles (f.h, f.model, f.tokenizer);
  expect_error (&f, GST_RESOURCE_ERROR, code, device);
  expect_flow_error (&f, push_prompt (&f, PROMPT));
  tear_down (&f);
}

static void
test_bad_device (void)
{
  check_device ("abacus", GST_RESOURCE_ERROR_SETTINGS);
  check_device ("cuda:7", GST_RESOURCE_ERROR_OPEN_READ);
}

/* The preset files. */
static void
test_presets (void)
{
  g_autoptr (GstElement) element =
      gst_object_ref_sink (gst_element_factory_make ("infer", NULL));
  g_auto (GStrv) names = gst_preset_get_preset_names (GST_PRESET (element));
  double temperature = -1;

  g_assert_true (g_strv_contains ((const char *const *) names, "precise"));
  g_assert_true (g_strv_contains ((const char *const *) names, "creative"));
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "precise"));
  g_object_get (element, "temperature", &temperature, NULL);
  g_assert_cmpfloat (temperature, ==, 0);
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "creative"));
  g_object_get (element, "temperature", &temperature, NULL);
  g_assert_cmpfloat (temperature, >, 0.8);
}

int
main (int argc, char **argv)
{
  test_start (&argc, &argv);
  g_test_add_func ("/infer/greedy", test_greedy);
  g_test_add_func ("/infer/chunk", test_chunk);
  g_test_add_func ("/infer/event-order", test_event_order);
  g_test_add_func ("/infer/finish-reasons", test_finish_reasons);
  g_test_add_func ("/infer/ignore-eos", test_ignore_eos);
  g_test_add_func ("/infer/stop-property", test_stop_property);
  g_test_add_func ("/infer/C50/seed", test_seed);
  g_test_add_func ("/infer/parallel", test_parallel);
  g_test_add_func ("/infer/cancel", test_cancel);
  g_test_add_func ("/infer/cancel-one", test_cancel_one);
  g_test_add_func ("/infer/flush", test_flush);
  g_test_add_func ("/infer/blocked-chain", test_blocked_chain);
  g_test_add_func ("/infer/drain", test_drain);
  g_test_add_func ("/infer/eos", test_eos);
  g_test_add_func ("/infer/message", test_message);
  g_test_add_func ("/infer/turn", test_turn);
  g_test_add_func ("/infer/turns-query", test_turns_query);
  g_test_add_func ("/infer/stats", test_stats);
  g_test_add_func ("/infer/latency", test_latency);
  g_test_add_func ("/infer/engine", test_engine);
  g_test_add_func ("/infer/warm-up", test_warm_up);
  g_test_add_func ("/infer/swap", test_swap);
  g_test_add_func ("/infer/other-settings", test_other_settings);
  g_test_add_func ("/infer/too-long", test_too_long);
  g_test_add_func ("/infer/bad-tokens", test_bad_tokens);
  g_test_add_func ("/infer/nan", test_nan);
  g_test_add_func ("/infer/no-model", test_no_model);
  g_test_add_func ("/infer/bad-device", test_bad_device);
  g_test_add_func ("/infer/presets", test_presets);
  return test_finish ();
}
