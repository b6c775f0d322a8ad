/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hub client where the hub, the storage or the way to them is not well:
 * for each fault the code, or that it was overcome, and how many requests it
 * took. */
#include <string.h>

#include "bn-breaker.h"
#include "hub-fixture.h"

#define TOKEN "hf_very_secret_token"
#define NONE ((BitnetError) -1)

enum { SIZE = 200 * 1000, RETRIES = 2 };

/* Faults */

typedef struct {
  const char *name;
  TestFault faults[2];
  BitnetError code;  /* NONE: it is overcome */
  const char *count; /* requests that match this */
  guint n;
  const char *message; /* part of it */
} Row;

/* While a file of SIZE bytes is fetched that the storage has. */
static const Row rows[] = {
    {"A19/head-500", {{.path = "hub HEAD *", .status = 500}},
        BITNET_ERROR_TRANSIENT, "hub HEAD *", RETRIES + 1, "500"},
    {"A19/head-502", {{.path = "hub HEAD *", .status = 502}},
        BITNET_ERROR_TRANSIENT, "hub HEAD *", RETRIES + 1, "502"},
    {"A19/head-504", {{.path = "hub HEAD *", .status = 504}},
        BITNET_ERROR_TRANSIENT, "hub HEAD *", RETRIES + 1, "504"},
    {"A19/head-408", {{.path = "hub HEAD *", .status = 408}},
        BITNET_ERROR_TRANSIENT, "hub HEAD *", RETRIES + 1, "408"},
    {"C30/head-503-twice", {{.path = "hub HEAD *", .status = 503, .count = 2}},
        NONE, "hub HEAD *", 3, NULL},
    {"C30/storage-503-twice",
        {{.path = "storage *", .status = 503, .count = 2}}, NONE, "* GET *", 6,
        NULL},
    {"A19/get-500", {{.path = "hub GET *", .status = 500}},
        BITNET_ERROR_TRANSIENT, "hub GET *", RETRIES + 1, "500"},
    {"A19/401", {{.path = "hub HEAD *", .status = 401}},
        BITNET_ERROR_REPO_NOT_FOUND, "*", 1, "token may not see"},
    {"A19/401-gated",
        {{.path = "hub HEAD *",
            .status = 401,
            .headers = "X-Error-Code: GatedRepo"}},
        BITNET_ERROR_GATED, "*", 1, "not accepted"},
    {"A19/403", {{.path = "hub HEAD *", .status = 403}}, BITNET_ERROR_FORBIDDEN,
        "*", 1, "403"},
    {"A19/404", {{.path = "hub HEAD *", .status = 404}}, BITNET_ERROR_HTTP, "*",
        1, "404"},
    {"A19/404-entry",
        {{.path = "hub HEAD *",
            .status = 404,
            .headers = "X-Error-Code: EntryNotFound"}},
        BITNET_ERROR_ENTRY_NOT_FOUND, "*", 1, NULL},
    {"A19/404-revision",
        {{.path = "hub HEAD *",
            .status = 404,
            .headers = "X-Error-Code: RevisionNotFound"}},
        BITNET_ERROR_REVISION_NOT_FOUND, "*", 1, NULL},
    {"A19/429-now",
        {{.path = "hub HEAD *",
            .status = 429,
            .headers = "Retry-After: 0",
            .count = 1}},
        NONE, "hub HEAD *", 2, NULL},
    {"A19/429-much-later",
        {{.path = "hub HEAD *", .status = 429, .headers = "Retry-After: 3600"}},
        BITNET_ERROR_RATE_LIMITED, "*", 1, "3600 s"},
    {"A19/429-rate-limit",
        {{.path = "hub HEAD *",
            .status = 429,
            .headers = "RateLimit: \"api\";r=0;t=299"}},
        BITNET_ERROR_RATE_LIMITED, "*", 1, "300 s"},
    {"A19/dropped", {{.path = "hub HEAD *", .flags = TEST_FAULT_DROP}},
        BITNET_ERROR_NETWORK, "storage *", 0, NULL},
    {"A19/truncated", {{.path = "storage *", .flags = TEST_FAULT_CUT}},
        BITNET_ERROR_TRUNCATED, "storage *", RETRIES + 1, NULL},
    {"A19/other-scheme",
        {{.path = "hub GET *",
            .status = 302,
            .headers = "Location: ftp://h/x"}},
        BITNET_ERROR_HTTP, "hub GET *", 1, NULL},
    {"A19/no-host",
        {{.path = "hub GET *",
            .status = 302,
            .headers = "Location: https://g%25f/x"}},
        BITNET_ERROR_HTTP, "hub GET *", 1, NULL},
    {"C21/resume-206",
        {{.path = "storage *",
            .flags = TEST_FAULT_CUT,
            .bytes = SIZE * 2 / 5,
            .count = 1}},
        NONE, "storage * range=80000- if-range=*", 1, NULL},
    {"C21/resume-200",
        {{.path = "storage *",
             .flags = TEST_FAULT_CUT,
             .bytes = 1000,
             .count = 1},
            {.path = "storage * range=*", .flags = TEST_FAULT_IGNORE_RANGE}},
        NONE, "storage *", 2, NULL},
    {"C21/resume-other-offset",
        {{.path = "storage *",
             .flags = TEST_FAULT_CUT,
             .bytes = 1000,
             .count = 1},
            {.path = "storage * range=*", .flags = TEST_FAULT_WRONG_RANGE}},
        NONE, "storage *", 3, NULL},
    {"C21/resume-other-total",
        {{.path = "storage *",
             .flags = TEST_FAULT_CUT,
             .bytes = 1000,
             .count = 1},
            {.path = "storage * range=*", .flags = TEST_FAULT_WRONG_TOTAL}},
        NONE, "storage *", 3, NULL},
    {"C21/resume-416",
        {{.path = "storage *",
             .flags = TEST_FAULT_CUT,
             .bytes = 1000,
             .count = 1},
            {.path = "storage * range=*",
                .status = 416,
                .headers = "Content-Range: bytes */1000"}},
        NONE, "storage *", 3, NULL},
    {"C21/resume-416-says-nothing",
        {{.path = "storage *",
             .flags = TEST_FAULT_CUT,
             .bytes = 1000,
             .count = 1},
            {.path = "storage * range=*",
                .status = 416,
                .headers = "Content-Range"}},
        NONE, "storage *", 3, NULL},
    {"C21/changed-etag",
        {{.path = "storage *",
            .flags = TEST_FAULT_CUT,
            .bytes = 1000,
            .headers = "ETag: \"other\"",
            .count = 1}},
        NONE, "storage * if-range=\"other\"", 1, NULL},
    {"C21/signature-expired",
        {{.path = "storage *",
             .flags = TEST_FAULT_CUT,
             .bytes = 1000,
             .count = 1},
            {.path = "storage * range=*", .status = 403, .count = 1}},
        NONE, "hub GET *", 3, NULL},
    {"C21/storage-403", {{.path = "storage *", .status = 403}},
        BITNET_ERROR_FORBIDDEN, "storage *", 2, NULL},
    {"wrong-byte", {{.path = "storage *", .flags = TEST_FAULT_WRONG_BYTE}},
        BITNET_ERROR_DIGEST, "storage *", 2, "expected"},
    {"wrong-byte-once",
        {{.path = "storage *", .flags = TEST_FAULT_WRONG_BYTE, .count = 1}},
        NONE, "storage *", 2, NULL},
    {"resumed-wrong-byte",
        {{.path = "storage *",
            .flags = TEST_FAULT_WRONG_BYTE | TEST_FAULT_CUT,
            .bytes = SIZE * 3 / 4,
            .count = 1}},
        NONE, "storage *", 3, NULL},
    {"packed-anyway",
        {{.path = "storage *",
            .headers = "Content-Encoding: gzip",
            .body = "\x1f\x8b"}},
        BITNET_ERROR_DIGEST, "storage *", 2, "bytes"},
    {"other-etag",
        {{.path = "hub GET *",
            .headers = "X-Linked-Etag: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\""}},
        BITNET_ERROR_DIGEST, "hub GET *", 2, "aaaa"},
    {"other-size", {{.path = "hub GET *", .headers = "X-Linked-Size: 7"}},
        BITNET_ERROR_DIGEST, "hub GET *", 2, "7 bytes"},
    {"endless", {{.path = "storage *", .flags = TEST_FAULT_ENDLESS}},
        BITNET_ERROR_DIGEST, "storage *", 2, "more bytes"},
    {"no-commit", {{.path = "hub HEAD *", .flags = TEST_FAULT_NO_COMMIT}},
        BITNET_ERROR_HTTP, "*", 1, "X-Repo-Commit"},
    {"no-commit-get", {{.path = "hub GET *", .flags = TEST_FAULT_NO_COMMIT}},
        BITNET_ERROR_HTTP, "*", 3, "X-Repo-Commit"},
    {"portal",
        {{.status = 200,
            .headers = "X-Repo-Commit\nX-Linked-Etag",
            .body = "<html>Log in, please</html>"}},
        BITNET_ERROR_HTTP, "*", 1, "login page"},
    {"loop",
        {{.path = "hub GET *",
            .status = 302,
            .headers = "Location: /" REPO "/resolve/main/m.gguf"}},
        BITNET_ERROR_HTTP, "hub GET *", 11, "10 times"},
    {"endless-redirect",
        {{.path = "hub GET *",
            .flags = TEST_FAULT_ENDLESS,
            .status = 302,
            .headers = "Location: /" REPO "/resolve/main/m.gguf",
            .count = 1}},
        NONE, "hub GET *", 2, NULL},
    {"warning",
        {{.path = "hub *",
            .headers = "X-HF-Warning: " TOKEN " \x1b[1m, be careful"}},
        NONE, "hub *", 2, NULL},
};

static gint64
get_ms (gint64 since)
{
  return (g_get_monotonic_time () - since) / 1000;
}

static void
add_file (HubFixture *self)
{
  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  hub_add_noise (self, "m.gguf", SIZE);
}

static void
assert_file (const char *path)
{
  g_autoptr (GBytes) expected = hub_make_noise (SIZE, g_str_hash ("m.gguf"));
  g_autofree char *contents = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  g_assert_cmpmem (contents, size, g_bytes_get_data (expected, NULL), SIZE);
}

/* A fixture of its own for each row. */
static void
test_row (gconstpointer data)
{
  const Row *row = data;
  HubFixture fixture;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_auto (GStrv) log = NULL;

  hub_set_up (&fixture, NULL);
  add_file (&fixture);
  fixture.options.retries = RETRIES;
  fixture.options.token = g_strdup (TOKEN);
  for (gsize i = 0; i < G_N_ELEMENTS (row->faults); i++) {
    const TestFault *fault = &row->faults[i];

    if (fault->flags || fault->status || fault->headers)
      test_hub_add_fault (fixture.hub, fault);
  }
  if (g_str_equal (row->name, "warning"))
    g_test_expect_message (
        "bitnet", G_LOG_LEVEL_WARNING, "*: (token)  ?1m, be careful");
  path = hub_fetch_file (&fixture, "m.gguf", &error);
  g_test_assert_expected_messages ();
  log = test_hub_dup_log (fixture.hub);
  for (gsize i = 0; log[i]; i++)
    g_test_message ("%s", log[i]);
  if (row->code == NONE) {
    g_assert_no_error (error);
    assert_file (path);
  } else {
    hub_assert_error (error, row->code);
    g_assert_null (strstr (error->message, TOKEN));
    g_assert_null (strstr (error->message, "secret"));
    if (row->message)
      g_assert_nonnull (strstr (error->message, row->message));
  }
  g_assert_cmpuint (test_hub_count (fixture.hub, row->count), ==, row->n);
  g_assert_cmpuint (test_hub_count (fixture.hub, "storage * auth*"), ==, 0);
  g_assert_cmpuint (
      hub_count_leftovers (&fixture, ""), <=, row->code == NONE ? 0 : 2);
  hub_tear_down (&fixture, NULL);
}

/* Redirects */

/* Every kind of redirect within the hub keeps the token, every one that leaves
 * it drops it. */
static void
test_redirects (HubFixture *self, gconstpointer data)
{
  static const guint statuses[] = {301, 302, 303, 307, 308};

  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  test_hub_add_file (self->hub, REPO, "new", "text", -1, FALSE);
  self->options.token = g_strdup (TOKEN);
  for (gsize i = 0; i < G_N_ELEMENTS (statuses); i++) {
    g_autofree char *name = g_strdup_printf ("old%u", statuses[i]);
    g_autofree char *pattern = g_strdup_printf ("hub * */%s*", name);
    g_autoptr (GError) error = NULL;
    g_autofree char *path = NULL;

    test_hub_add_fault (self->hub,
        &(TestFault){.path = pattern,
            .status = statuses[i],
            .headers = "Location: /" REPO "/resolve/" TEST_HUB_COMMIT "/new"});
    path = hub_fetch_file (self, name, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (
        test_hub_count (self->hub, "hub * */new*"), ==, 2 * (i + 1));
    g_assert_cmpuint (
        test_hub_count (self->hub, "hub * */new* auth*"), ==, 2 * (i + 1));
  }
}

/* The same port of another name is another host. */
static void
test_other_name (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *location = NULL;
  const char *port = strrchr (test_hub_get_endpoint (self->hub), ':');
  g_autofree char *path = NULL;

  add_file (self);
  self->options.token = g_strdup (TOKEN);
  location = g_strdup_printf (
      "Location: http://localhost%s/" REPO "/resolve/main/m.gguf", port);
  test_hub_add_fault (self->hub,
      &(TestFault){
          .path = "hub GET *", .status = 302, .headers = location, .count = 1});
  path = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  assert_file (path);
  g_assert_cmpuint (test_hub_count (self->hub, "hub GET *"), ==, 2);
  g_assert_cmpuint (test_hub_count (self->hub, "hub GET * auth*"), ==, 1);
}

/* Listings and small answers */

static void
test_api (HubFixture *self, gconstpointer data)
{
  static const struct {
    TestFault fault;
    BitnetError code;
    guint n;
  } cases[] = {
      {{.body = "<html>"}, BITNET_ERROR_HTTP, 1},
      {{.body = "{\"sha\": 7"}, BITNET_ERROR_HTTP, 1},
      {{.body = ""}, BITNET_ERROR_HTTP, 1},
      {{.flags = TEST_FAULT_ENDLESS}, BITNET_ERROR_TOO_LARGE, 1},
      {{.flags = TEST_FAULT_CUT, .bytes = 10}, BITNET_ERROR_TRUNCATED, 3},
      {{.status = 500, .body = "{\"error\": \"x\"}"}, BITNET_ERROR_TRANSIENT,
          3},
      {{.headers = "Content-Encoding: gzip", .body = "\x1f\x8b"},
          BITNET_ERROR_HTTP, 1},
  };

  hub_add_usual (self);
  self->options.retries = RETRIES;
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    bn_breaker_reset ();
    test_hub_clear_faults (self->hub);
    test_hub_clear_log (self->hub);
    test_hub_add_fault (self->hub, &cases[i].fault);
    g_assert_null (
        bn_hub_client_list (hub_client (self), REPO, NULL, NULL, &error));
    hub_assert_error (error, cases[i].code);
    g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, cases[i].n);
  }
}

/* A mirror whose etags mean nothing still must not give a web page for a
 * model, nor without end. */
static void
test_opaque (HubFixture *self, gconstpointer data)
{
  static const char headers[] =
      "X-Linked-Etag: \"opaque\"\nETag: \"opaque\"\nX-Linked-Size";
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  TestFault html = {.path = "storage *", .body = "<html>"};

  add_file (self);
  self->options.max_file_size = SIZE;
  test_hub_add_fault (self->hub, &html);
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "hub *", .headers = headers});
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_HTTP);
  g_clear_error (&error);
  test_hub_clear_faults (self->hub);
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "hub *", .headers = headers});
  test_hub_add_fault (self->hub,
      &(TestFault){
          .path = "storage *", .flags = TEST_FAULT_ENDLESS, .count = 1});
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_TOO_LARGE);
  g_clear_error (&error);
  path = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  assert_file (path);
}

/* The same mirror says of a part how large the whole is, and of the whole
 * nothing. A part that breaks off is not the end. */
static void
test_opaque_parts (HubFixture *self, gconstpointer data)
{
  static const char headers[] =
      "X-Linked-Etag: \"opaque\"\nETag: \"opaque\"\nX-Linked-Size";
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  add_file (self);
  self->options.retries = 0;
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "hub *", .headers = headers});
  test_hub_add_fault (self->hub, &(TestFault){.path = "storage *",
                                     .flags = TEST_FAULT_CUT,
                                     .bytes = 1000,
                                     .count = 2});
  for (guint i = 0; i < 2; i++) {
    g_assert_null (hub_fetch_file (self, "m.gguf", &error));
    hub_assert_error (error, BITNET_ERROR_TRUNCATED);
    g_clear_error (&error);
    hub_renew_client (self);
  }
  path = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  assert_file (path);
  g_assert_cmpuint (
      test_hub_count (self->hub, "storage * range=2000-*"), ==, 1);
}

static void
test_too_large (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  hub_add_noise (self, "m.gguf", SIZE);
  self->options.max_file_size = 100000;
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_TOO_LARGE);
  g_clear_error (&error);
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_TOO_LARGE);
  g_assert_cmpuint (test_hub_count (self->hub, "storage *"), ==, 0);
}

/* A file of the tokenizer fails: nothing of it counts. */
static void
test_half_a_tokenizer (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) manifest = NULL;

  hub_add_usual (self);
  self->options.retries = 0;
  test_hub_add_fault (self->hub,
      &(TestFault){.path = "*/config.json*", .status = 500, .count = 1});
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_TRANSIENT);
  g_assert_null (
      bn_disk_cache_lookup (self->cache, self->options.endpoint, REPO, "main"));
  g_clear_error (&error);
  manifest = hub_fetch (self, NULL, &error);
  g_assert_no_error (error);
}

typedef struct {
  HubFixture *fixture;
  GCancellable *cancellable;
  GError *error;
} Fetching;

static gpointer
run_fetch (gpointer data)
{
  Fetching *self = data;

  g_assert_null (bn_hub_client_fetch_tokenizer (self->fixture->client, REPO,
      NULL, NULL, NULL, NULL, self->cancellable, &self->error));
  return NULL;
}

/* One file is complete and another one hangs when the call ends: that is soon,
 * and the one is not fetched again. */
static void
test_end_of_some (HubFixture *self, gconstpointer data)
{
  g_autoptr (GBytes) usual = hub_dup_usual_tokenizer ();
  g_autofree char *sha256 =
      g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, usual);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Fetching fetching = {self, cancellable, NULL};
  g_autoptr (GError) error = NULL;
  g_autoptr (BnManifest) manifest = NULL;
  gint64 cancelled_at;
  GThread *thread;

  hub_add_usual (self);
  self->options.timeout_s = 0;
  self->options.idle_timeout_s = 0;
  hub_client (self);
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "*/config.json*", .delay_ms = 60000});
  thread = g_thread_new (NULL, run_fetch, &fetching);
  g_assert_true (test_hub_wait (self->hub, "*/config.json*", 1));
  while (!bn_disk_cache_has_object (self->cache, sha256))
    g_usleep (1000);
  cancelled_at = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_thread_join (thread);
  g_assert_error (fetching.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (get_ms (cancelled_at), <, 1000);
  g_clear_error (&fetching.error);
  test_hub_clear_faults (self->hub);
  manifest = hub_fetch (self, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_hub_count (self->hub, "storage *"), ==, 1);
}

/* The first error is the one that is told, and ends what hangs. */
static void
test_first_error (HubFixture *self, gconstpointer data)
{
  gint64 started = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  hub_add_usual (self);
  self->options.timeout_s = 0;
  self->options.idle_timeout_s = 0;
  self->options.retries = 0;
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "*/config.json*", .status = 500});
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "storage *", .delay_ms = 60000});
  test_hub_add_fault (self->hub,
      &(TestFault){.path = "*/tokenizer_config.json*", .delay_ms = 60000});
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_TRANSIENT);
  g_assert_nonnull (strstr (error->message, "/config.json"));
  g_assert_cmpint (get_ms (started), <, 10000);
}

/* Other processes and other times */

static void
test_resume_later (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  add_file (self);
  self->options.retries = 0;
  test_hub_add_fault (self->hub, &(TestFault){.path = "storage *",
                                     .flags = TEST_FAULT_CUT,
                                     .bytes = 80000,
                                     .count = 1});
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_TRUNCATED);
  g_assert_cmpuint (hub_count_leftovers (self, ".part"), ==, 1);
  g_clear_error (&error);
  hub_renew_client (self);
  path = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  assert_file (path);
  g_assert_cmpuint (
      test_hub_count (self->hub, "storage * range=80000-*"), ==, 1);
  g_assert_cmpuint (hub_get_stat (self, "bytes-resumed"), ==, 80000);
  g_assert_cmpuint (hub_count_leftovers (self, ""), ==, 0);
}

/* All of it was there when the process ended: no byte is fetched again. */
static void
test_complete_part (HubFixture *self, gconstpointer data)
{
  g_autoptr (GBytes) content = hub_make_noise (SIZE, g_str_hash ("m.gguf"));
  g_autofree char *sha256 =
      g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, content);
  g_autofree char *validator = g_strdup_printf ("%s %d", sha256, SIZE);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  BnPart *part = bn_disk_cache_begin (
      self->cache, sha256, validator, SIZE, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  bn_part_write (part, g_bytes_get_data (content, NULL), SIZE, &error);
  g_assert_no_error (error);
  bn_part_close (part, TRUE);
  add_file (self);
  path = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  assert_file (path);
  g_assert_cmpuint (test_hub_count (self->hub, "* GET *"), ==, 0);
}

/* Time */

static void
test_retry_after (HubFixture *self, gconstpointer data)
{
  gint64 started = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  add_file (self);
  test_hub_add_fault (self->hub, &(TestFault){.path = "hub HEAD *",
                                     .status = 503,
                                     .headers = "Retry-After: 1",
                                     .count = 1});
  path = hub_fetch_file (self, "m.gguf", &error);
  g_assert_no_error (error);
  g_assert_cmpint (get_ms (started), >=, 1000);
}

/* A wait that would end too late is not begun. */
static void
test_late_retry (HubFixture *self, gconstpointer data)
{
  gint64 started = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;

  add_file (self);
  self->options.timeout_s = 30;
  test_hub_add_fault (self->hub,
      &(TestFault){
          .path = "hub *", .status = 503, .headers = "Retry-After: 100"});
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_TRANSIENT);
  g_assert_cmpint (get_ms (started), <, 10000);
}

typedef struct {
  const char *name;
  TestFault fault;
  guint timeout_s, idle_timeout_s, query_timeout_s, connect_timeout_ms;
  BitnetError code;
} Slow;

static const Slow slow[] = {
    {"C82/total", {.path = "hub HEAD *", .delay_ms = 60000}, 1, 60, 60, 60000,
        BITNET_ERROR_TIMEOUT},
    {"C82/total-body",
        {.path = "storage *", .flags = TEST_FAULT_STALL, .bytes = 1000}, 1, 60,
        60, 60000, BITNET_ERROR_TIMEOUT},
    {"C82/drip",
        {.path = "storage *", .flags = TEST_FAULT_DRIP, .delay_ms = 20}, 1, 60,
        60, 60000, BITNET_ERROR_TIMEOUT},
    {"C17/answer", {.path = "hub HEAD *", .delay_ms = 60000}, 60, 60, 1, 60000,
        BITNET_ERROR_TIMEOUT},
    {"C17/idle",
        {.path = "storage *",
            .flags = TEST_FAULT_STALL,
            .bytes = 1000,
            .count = 1},
        60, 1, 60, 60000, NONE},
};

static void
test_slow (gconstpointer data)
{
  const Slow *row = data;
  HubFixture fixture;
  gint64 started;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  hub_set_up (&fixture, NULL);
  add_file (&fixture);
  fixture.options.timeout_s = row->timeout_s;
  fixture.options.idle_timeout_s = row->idle_timeout_s;
  fixture.options.query_timeout_s = row->query_timeout_s;
  fixture.options.connect_timeout_ms = row->connect_timeout_ms;
  fixture.options.retries = row->code == NONE ? 1 : 0;
  test_hub_add_fault (fixture.hub, &row->fault);
  started = g_get_monotonic_time ();
  path = hub_fetch_file (&fixture, "m.gguf", &error);
  if (row->code == NONE) {
    g_assert_no_error (error);
    g_assert_cmpuint (
        test_hub_count (fixture.hub, "storage * range=1000-*"), ==, 1);
  } else {
    hub_assert_error (error, row->code);
  }
  g_assert_cmpint (get_ms (started), >=, 990);
  g_assert_cmpint (get_ms (started), <, 10000);
  hub_tear_down (&fixture, NULL);
}

/* A server that takes connections and says nothing. */
static GSocketListener *
new_mute_server (guint16 *port)
{
  GSocketListener *listener = g_socket_listener_new ();
  g_autoptr (GError) error = NULL;

  *port = g_socket_listener_add_any_inet_port (listener, NULL, &error);
  g_assert_no_error (error);
  return listener;
}

static void
test_connect_timeout (HubFixture *self, gconstpointer data)
{
  guint16 port;
  g_autoptr (GSocketListener) listener = new_mute_server (&port);
  g_autoptr (GError) error = NULL;
  gint64 started = g_get_monotonic_time ();

  g_free (self->options.endpoint);
  self->options.endpoint = g_strdup_printf ("https://127.0.0.1:%u", port);
  self->options.connect_timeout_ms = 200;
  self->options.retries = 0;
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (error->message, "connection"));
  g_assert_cmpint (get_ms (started), <, 5000);
}

/* Another one has it and does not come to an end. */
static void
test_wait_timeout (HubFixture *self, gconstpointer data)
{
  g_autoptr (GBytes) content = hub_make_noise (SIZE, g_str_hash ("m.gguf"));
  g_autofree char *sha256 =
      g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, content);
  g_autofree char *name = g_strconcat ("fetch-", sha256, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnLock) lock =
      bn_disk_cache_lock (self->cache, name, NULL, NULL, NULL, &error);
  gint64 started = g_get_monotonic_time ();
  const BitnetProgress *last;

  g_assert_no_error (error);
  add_file (self);
  self->options.timeout_s = 1;
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_TIMEOUT);
  g_assert_cmpint (get_ms (started), >=, 900);
  g_assert_cmpint (get_ms (started), <, 10000);
  last = g_ptr_array_index (self->events, self->events->len - 1);
  g_assert_cmpint (last->phase, ==, BITNET_PHASE_WAITING);
}

static void
test_refused (HubFixture *self, gconstpointer data)
{
  guint16 port;
  GSocketListener *listener = new_mute_server (&port);
  g_autoptr (GError) error = NULL;

  g_socket_listener_close (listener);
  g_object_unref (listener);
  g_free (self->options.endpoint);
  self->options.endpoint = g_strdup_printf ("http://127.0.0.1:%u", port);
  self->options.retries = 1;
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_NETWORK);
  g_assert_cmpuint (hub_get_stat (self, "requests"), ==, 2);
}

/* The breaker */

static gint64 clock_offset;

static gint64
get_shifted_time (void)
{
  return g_get_monotonic_time () + clock_offset;
}

static void
on_breaker (const char *host, const char *state, gpointer user_data)
{
  g_string_append_printf (user_data, "%s ", state);
}

static void
test_breaker (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) states = g_string_new (NULL);
  g_autoptr (BnManifest) manifest = NULL;

  clock_offset = 0;
  bn_breaker_set_clock (get_shifted_time);
  hub_add_usual (self);
  self->options.retries = 4;
  bn_hub_client_set_breaker_func (hub_client (self), on_breaker, states);
  test_hub_add_fault (self->hub, &(TestFault){.status = 503, .count = 6});
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_TRANSIENT);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 5);
  g_clear_error (&error);
  /* Open: no connection, no wait. */
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_CIRCUIT_OPEN);
  g_assert_nonnull (strstr (error->message, " s"));
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 5);
  g_assert_cmpuint (hub_get_stat (self, "breaker-openings"), ==, 1);
  g_clear_error (&error);
  /* Half open: one request, which fails, opens it for longer. */
  clock_offset += 31 * G_USEC_PER_SEC;
  g_assert_null (hub_fetch (self, NULL, &error));
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 6);
  g_clear_error (&error);
  clock_offset += 31 * G_USEC_PER_SEC;
  g_assert_null (hub_fetch (self, NULL, &error));
  hub_assert_error (error, BITNET_ERROR_CIRCUIT_OPEN);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 6);
  g_clear_error (&error);
  clock_offset += 31 * G_USEC_PER_SEC;
  manifest = hub_fetch (self, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (states->str, ==, "open half-open open half-open closed ");
  bn_breaker_set_clock (NULL);
}

/* Refusals are no failures. */
static void
test_breaker_refusals (HubFixture *self, gconstpointer data)
{
  test_hub_add_repo (self->hub, REPO, TEST_HUB_COMMIT);
  for (guint i = 0; i < 20; i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *name = g_strdup_printf ("m%u", i);

    g_assert_null (hub_fetch_file (self, name, &error));
    hub_assert_error (error, BITNET_ERROR_ENTRY_NOT_FOUND);
  }
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 20);
}

/* Bodies that break off count, though each began well. */
static void
test_breaker_bodies (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  add_file (self);
  self->options.retries = 20;
  test_hub_add_fault (
      self->hub, &(TestFault){.path = "storage *", .flags = TEST_FAULT_CUT});
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_CIRCUIT_OPEN);
  g_assert_cmpuint (test_hub_count (self->hub, "storage *"), <=, 6);
}

/* 429 keeps others from asking too. */
static void
test_blocked (HubFixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  add_file (self);
  test_hub_add_fault (
      self->hub, &(TestFault){.status = 429, .headers = "Retry-After: 200"});
  g_assert_null (hub_fetch_file (self, "m.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_RATE_LIMITED);
  g_clear_error (&error);
  g_assert_null (hub_fetch_file (self, "other.gguf", &error));
  hub_assert_error (error, BITNET_ERROR_RATE_LIMITED);
  g_assert_cmpuint (test_hub_count (self->hub, "*"), ==, 1);
}

static void
add_tables (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/hub-faults/", rows[i].name, NULL);

    g_test_add_data_func (path, &rows[i], test_row);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (slow); i++) {
    g_autofree char *path = g_strconcat ("/hub-faults/", slow[i].name, NULL);

    g_test_add_data_func (path, &slow[i], test_slow);
  }
}

int
main (int argc, char **argv)
{
  hub_fixture_init (&argc, &argv);
  add_tables ();
  hub_add_test ("/hub-faults/redirects", test_redirects);
  hub_add_test ("/hub-faults/other-name", test_other_name);
  hub_add_test ("/hub-faults/A19/api", test_api);
  hub_add_test ("/hub-faults/opaque", test_opaque);
  hub_add_test ("/hub-faults/opaque-parts", test_opaque_parts);
  hub_add_test ("/hub-faults/too-large", test_too_large);
  hub_add_test ("/hub-faults/half-a-tokenizer", test_half_a_tokenizer);
  hub_add_test ("/hub-faults/end-of-some", test_end_of_some);
  hub_add_test ("/hub-faults/first-error", test_first_error);
  hub_add_test ("/hub-faults/C25/resume-later", test_resume_later);
  hub_add_test ("/hub-faults/C25/complete-part", test_complete_part);
  hub_add_test ("/hub-faults/C30/retry-after", test_retry_after);
  hub_add_test ("/hub-faults/C30/late-retry", test_late_retry);
  hub_add_test ("/hub-faults/C17/connect-timeout", test_connect_timeout);
  hub_add_test ("/hub-faults/C17/wait-timeout", test_wait_timeout);
  hub_add_test ("/hub-faults/A19/refused", test_refused);
  hub_add_test ("/hub-faults/C31/breaker", test_breaker);
  hub_add_test ("/hub-faults/C31/refusals", test_breaker_refusals);
  hub_add_test ("/hub-faults/C31/bodies", test_breaker_bodies);
  hub_add_test ("/hub-faults/C31/blocked", test_blocked);
  return g_test_run ();
}
