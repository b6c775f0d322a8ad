/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transport and the ends of its waits: cancelling in each phase, freeing
 * it while things are under way, reuse of connections. */
#include <string.h>

#include "bn-hub-client-private.h"
#include "hub-fixture.h"

enum {
  PROMPT_MS = 100, /* after which a cancelled call has returned */
  SLACK = 10,      /* for machines under load and sanitizers */
  SIZE = 200 * 1000,
};

static const char *const no_fields[] = {NULL};

static BnHttpRequest
make_request (const char *method, const char *url)
{
  return (BnHttpRequest){
      .method = method,
      .url = url,
      .fields = no_fields,
      .deadline = G_MAXINT64,
  };
}

static char *
dup_url (HubFixture *self, const char *name)
{
  return g_strdup_printf (
      "%s/" REPO "/resolve/main/%s", test_hub_get_endpoint (self->hub), name);
}

static void
test_lazy (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnHttp) http = bn_http_new ();

  g_assert_false (bn_http_is_running (http));
  g_assert_cmpuint (bn_http_get_n_connections (http), ==, 0);
  g_assert_true (bn_http_is_available ());
}

static void
test_get (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnHttp) http = bn_http_new ();
  g_autofree char *url = dup_url (self, "a");
  const char *const fields[] = {"X-One", "1", "Range", "bytes=2-", NULL};
  BnHttpRequest request = make_request ("GET", url);

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  test_hub_add_file (self->hub, REPO, "a", "0123456789", -1, FALSE);
  request.fields = fields;
  for (guint i = 0; i < 5; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BnHttpResponse) response =
        bn_http_send (http, &request, NULL, &error);
    g_autoptr (GBytes) body = NULL;
    g_autoptr (GBytes) end = NULL;

    g_assert_no_error (error);
    g_assert_cmpuint (bn_http_response_get_status (response), ==, 206);
    g_assert_cmpstr (
        g_hash_table_lookup (
            bn_http_response_get_headers (response), "content-range"),
        ==, "bytes 2-9/10");
    body = bn_http_response_read (response, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (
        g_bytes_get_data (body, NULL), g_bytes_get_size (body), "23456789", 8);
    end = bn_http_response_read (response, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (g_bytes_get_size (end), ==, 0);
  }
  /* The connection was kept. */
  g_assert_cmpuint (bn_http_get_n_connections (http), ==, 1);
  g_assert_cmpuint (test_hub_get_n_connections (self->hub), ==, 1);
}

/* The hub packs small files for those that do not forbid it, so that nothing
 * but our header keeps them plain. */
static void
test_packed (HubFixture *self, gconstpointer data)
{
  static const char *const with[] = {"Accept-Encoding", "gzip", NULL};
  static const char *const *const fields[] = {with, no_fields};
  g_autofree char *url = dup_url (self, "a");
  g_autoptr (GBytes) content = hub_make_noise (3000, 1);

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  test_hub_add_file (self->hub, REPO, "a", g_bytes_get_data (content, NULL),
      (gssize) g_bytes_get_size (content), FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    g_autoptr (BnHttp) http = bn_http_new ();
    BnHttpRequest request = make_request ("GET", url);
    g_autoptr (GError) error = NULL;
    g_autoptr (BnHttpResponse) response = NULL;
    g_autoptr (GByteArray) body = g_byte_array_new ();
    g_autoptr (GBytes) found = NULL;
    gsize n;

    request.fields = fields[i];
    response = bn_http_send (http, &request, NULL, &error);
    g_assert_no_error (error);
    do {
      g_autoptr (GBytes) block = bn_http_response_read (response, NULL, &error);

      g_assert_no_error (error);
      n = g_bytes_get_size (block);
      g_byte_array_append (body, g_bytes_get_data (block, NULL), (guint) n);
    } while (n > 0);
    found = g_byte_array_free_to_bytes (g_steal_pointer (&body));
    if (fields[i] == with) {
      g_autoptr (GConverter) unpacker =
          G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
      g_autoptr (GInputStream) packed =
          g_memory_input_stream_new_from_bytes (found);
      g_autoptr (GInputStream) plain =
          g_converter_input_stream_new (packed, unpacker);
      g_autofree char *text = g_malloc0 (5000);

      g_input_stream_read_all (plain, text, 5000, &n, NULL, &error);
      g_assert_no_error (error);
      g_clear_pointer (&found, g_bytes_unref);
      found = g_bytes_new (text, n);
    }
    g_assert_true (g_bytes_equal (found, content));
  }
}

static void
test_bad_address (HubFixture *self, gconstpointer data)
{
  static const char *const urls[] = {"", "x", "http://", "ftp://127.0.0.1/"};
  g_autoptr (BnHttp) http = bn_http_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (urls); i++) {
    BnHttpRequest request = make_request ("GET", urls[i]);
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", urls[i]);
    g_assert_null (bn_http_send (http, &request, NULL, &error));
    g_assert_nonnull (error);
  }
}

/* The body is still coming when nobody wants it any more: neither freeing the
 * answer nor the transport waits for its end. */
static void
test_leave_endless (HubFixture *self, gconstpointer data)
{
  g_autofree char *url = dup_url (self, "a");
  gint64 started = g_get_monotonic_time ();

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  test_hub_add_file (self->hub, REPO, "a", "0123456789", -1, FALSE);
  test_hub_add_fault (self->hub, &(TestFault){.flags = TEST_FAULT_ENDLESS});
  for (guint i = 0; i < 10; i++) {
    g_autoptr (BnHttp) http = bn_http_new ();
    BnHttpRequest request = make_request ("GET", url);
    g_autoptr (GError) error = NULL;
    g_autoptr (BnHttpResponse) response =
        bn_http_send (http, &request, NULL, &error);

    g_assert_no_error (error);
    for (guint j = 0; j < i; j++) {
      g_autoptr (GBytes) block = bn_http_response_read (response, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (g_bytes_get_size (block), <=, BN_HTTP_BLOCK_SIZE);
    }
  }
  g_assert_cmpint (g_get_monotonic_time () - started, <, 10 * G_USEC_PER_SEC);
}

/* Cancelling */

typedef struct {
  HubFixture *fixture;
  const char *wait_for; /* cancels when this was logged; NULL: at once */
  GCancellable *cancellable;
  guint after_ms; /* a while later */
  gint64 cancelled_at;
} Canceller;

static gpointer
run_canceller (gpointer data)
{
  Canceller *self = data;

  if (self->wait_for)
    g_assert_true (test_hub_wait (self->fixture->hub, self->wait_for, 1));
  g_usleep (self->after_ms * 1000);
  self->cancelled_at = g_get_monotonic_time ();
  g_cancellable_cancel (self->cancellable);
  return NULL;
}

typedef struct {
  const char *name;
  TestFault fault;
  const char *wait_for;
  guint after_ms;
} Phase;

static const Phase phases[] = {
    {"before", {.path = "none"}, NULL, 0},
    {"answer", {.path = "hub HEAD *", .delay_ms = 60000}, "hub HEAD *", 0},
    {"storage", {.path = "storage *", .delay_ms = 60000}, "storage *", 0},
    {"body", {.path = "storage *", .flags = TEST_FAULT_STALL, .bytes = 9},
        "storage *", 20},
    {"full-body",
        {.path = "storage *", .flags = TEST_FAULT_DRIP, .delay_ms = 1},
        "storage *", 20},
    {"wait", {.path = "hub *", .status = 503, .headers = "Retry-After: 60"},
        "hub *", 20},
};

static void
check_cancelled (
    const Canceller *canceller, const GError *error, gint64 returned_at)
{
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_test_message (
      "%.3f ms", (double) (returned_at - canceller->cancelled_at) / 1000);
  g_assert_cmpint (
      returned_at - canceller->cancelled_at, <, PROMPT_MS * SLACK * 1000);
}

static void
test_cancel (gconstpointer data)
{
  const Phase *phase = data;
  HubFixture fixture;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Canceller canceller = {
      &fixture, phase->wait_for, cancellable, phase->after_ms, 0};
  g_autoptr (GError) error = NULL;
  g_autoptr (GThread) thread = NULL;
  g_autofree char *path = NULL;
  gint64 returned_at;
  guint n_events;

  hub_set_up (&fixture, NULL);
  test_hub_add_repo (fixture.hub, REPO, TEST_HUB_COMMIT);
  hub_add_noise (&fixture, "m.gguf", SIZE);
  fixture.options.timeout_s = 0;
  fixture.options.idle_timeout_s = 0;
  fixture.options.query_timeout_s = 0;
  test_hub_add_fault (fixture.hub, &phase->fault);
  if (phase->wait_for)
    thread = g_thread_new ("canceller", run_canceller, &canceller);
  else
    run_canceller (&canceller);
  g_assert_null (bn_hub_client_fetch_file (hub_client (&fixture), REPO, NULL,
      "m.gguf", NULL, hub_on_progress, &fixture, cancellable, &error));
  returned_at = g_get_monotonic_time ();
  if (thread)
    g_thread_join (g_steal_pointer (&thread));
  check_cancelled (&canceller, error, returned_at);
  n_events = fixture.events->len;
  /* It goes on from there. */
  test_hub_clear_faults (fixture.hub);
  g_clear_error (&error);
  path = hub_fetch_file (&fixture, "m.gguf", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fixture.events->len, >, n_events);
  hub_tear_down (&fixture, NULL);
}

/* While another one downloads the same. */
static gpointer
run_fetch (gpointer data)
{
  g_autoptr (BnManifest) manifest = hub_fetch (data, NULL, NULL);

  return manifest ? data : NULL;
}

static void
test_cancel_lock (HubFixture *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Canceller canceller = {self, NULL, cancellable, 50, 0};
  g_autoptr (GError) error = NULL;
  GThread *fetching, *cancelling;
  gint64 returned_at;

  hub_add_usual (self);
  test_hub_add_fault (self->hub,
      &(TestFault){.path = "storage *", .delay_ms = 1500, .count = 1});
  hub_client (self);
  fetching = g_thread_new ("fetch", run_fetch, self);
  g_assert_true (test_hub_wait (self->hub, "storage *", 1));
  cancelling = g_thread_new ("canceller", run_canceller, &canceller);
  g_assert_null (bn_hub_client_fetch_tokenizer (
      self->client, REPO, NULL, NULL, NULL, NULL, cancellable, &error));
  returned_at = g_get_monotonic_time ();
  g_thread_join (cancelling);
  check_cancelled (&canceller, error, returned_at);
  g_assert_nonnull (g_thread_join (fetching)); /* undisturbed */
}

/* In the middle of a handshake that nobody answers. */
static void
test_cancel_connect (HubFixture *self, gconstpointer data)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Canceller canceller = {self, NULL, cancellable, 50, 0};
  g_autoptr (GError) error = NULL;
  GThread *cancelling;
  gint64 returned_at;

  g_free (self->options.endpoint);
  self->options.endpoint = g_strdup_printf ("https://127.0.0.1:%u", port);
  hub_client (self);
  cancelling = g_thread_new ("canceller", run_canceller, &canceller);
  g_assert_null (bn_hub_client_fetch_file (self->client, REPO, NULL, "m.gguf",
      NULL, NULL, NULL, cancellable, &error));
  returned_at = g_get_monotonic_time ();
  g_thread_join (cancelling);
  check_cancelled (&canceller, error, returned_at);
}

/* All places of transfers are taken. */
static void
test_places (HubFixture *self, gconstpointer data)
{
  g_autoptr (BnHttp) http = bn_http_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Canceller canceller = {self, NULL, cancellable, 50, 0};
  g_autoptr (GError) error = NULL;
  GThread *cancelling;

  for (guint i = 0; i < BN_HTTP_MAX_FILES; i++)
    g_assert_true (bn_http_begin_file (http, G_MAXINT64, NULL, NULL));
  cancelling = g_thread_new ("canceller", run_canceller, &canceller);
  g_assert_false (bn_http_begin_file (http, G_MAXINT64, cancellable, &error));
  check_cancelled (&canceller, error, g_get_monotonic_time ());
  g_thread_join (cancelling);
  g_clear_error (&error);
  g_assert_false (
      bn_http_begin_file (http, g_get_monotonic_time () + 1000, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  bn_http_end_file (http);
  g_assert_true (bn_http_begin_file (http, G_MAXINT64, NULL, NULL));
}

/* Cancelling at any moment, again and again, while others go on. */
static gpointer
run_impatient (gpointer data)
{
  HubFixture *self = data;

  for (guint i = 0; i < 40; i++) {
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    Canceller canceller = {self, NULL, cancellable, i % 8, 0};
    GThread *thread = g_thread_new ("canceller", run_canceller, &canceller);
    g_autoptr (GError) error = NULL;
    g_autofree char *name = g_strdup_printf ("m%u", i % 3);
    g_autofree char *path = bn_hub_client_fetch_file (
        self->client, REPO, NULL, name, NULL, NULL, NULL, cancellable, &error);

    g_assert_true (path != NULL || error != NULL);
    if (error)
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_thread_join (thread);
  }
  return NULL;
}

static void
test_storm (HubFixture *self, gconstpointer data)
{
  GThread *threads[4];

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  for (guint i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf ("m%u", i);

    hub_add_noise (self, name, SIZE);
  }
  test_hub_add_fault (self->hub, &(TestFault){.delay_ms = 3});
  hub_client (self);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("impatient", run_impatient, self);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  hub_fixture_init (&argc, &argv);
  hub_add_test ("/http/lazy", test_lazy);
  hub_add_test ("/http/A05/get", test_get);
  hub_add_test ("/http/packed", test_packed);
  hub_add_test ("/http/bad-address", test_bad_address);
  hub_add_test ("/http/leave-endless", test_leave_endless);
  for (gsize i = 0; i < G_N_ELEMENTS (phases); i++) {
    g_autofree char *path = g_strconcat ("/http/cancel/", phases[i].name, NULL);

    g_test_add_data_func (path, &phases[i], test_cancel);
  }
  hub_add_test ("/http/cancel/lock", test_cancel_lock);
  hub_add_test ("/http/cancel/connect", test_cancel_connect);
  hub_add_test ("/http/cancel/places", test_places);
  hub_add_test ("/http/cancel/storm", test_storm);
  return g_test_run ();
}
