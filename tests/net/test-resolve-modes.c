/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The resolver and a hub, in the process, in its modes: every strategy in its
 * turn, the application's loop that goes on meanwhile, what strict and
 * deterministic mode make of a hub, time limits, and a hub that fails and
 * recovers. */
#include <glib/gstdio.h>
#include <string.h>
#include "bitnet.h"
#include "net/bn-breaker.h"
#include "resolve/bn-matrix.h"
#include "test-family.h"
#include "test-folder.h"
#include "test-hub.h"

#define FAMILY "llama-2" /* the smallest that is gated */
#define ORIGIN "someone/model"

enum {
  DEADLINE_S = 30,
  FOREVER_MS = 100 * 1000,
  MAX_FETCH_MS = 5000,
  MAX_REMEMBERED_MS = 100,
};

typedef struct {
  char *folder, *cache;
  TestHub *hub;
  const BnFamily *family;
  char *model; /* without tokens; says what it was made of */
} Fixture;

static void
publish (Fixture *self, const char *repository)
{
  const char *name;
  g_autoptr (GBytes) content = test_family_make_tokenizer (self->family, &name);

  test_hub_add_repo (self->hub, repository, TEST_HUB_COMMIT);
  test_hub_add_file (self->hub, repository, name,
      g_bytes_get_data (content, NULL), (gssize) g_bytes_get_size (content),
      TRUE);
}

static char *
write_model (Fixture *self, const char *name, const TestFamilyModel *model)
{
  g_autofree char *folder =
      g_build_filename (self->folder, name, "models", NULL);
  char *path = g_build_filename (folder, "model.gguf", NULL);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  test_family_write_model (self->family, path, model);
  return path;
}

static void
put_beside (Fixture *self, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  const char *name;
  g_autoptr (GBytes) content = test_family_make_tokenizer (self->family, &name);

  g_free (test_folder_write (folder, name, g_bytes_get_data (content, NULL),
      (gssize) g_bytes_get_size (content)));
}

static void
set_up (Fixture *self, gconstpointer data)
{
  static const char *const variables[] = {"BITNET_OFFLINE", "HF_TOKEN",
      "BITNET_STRICT_TOKENIZERS", "BITNET_DETERMINISTIC",
      "BITNET_DOWNLOAD_TIMEOUT"};
  g_autofree char *hub_cache = NULL;

  bn_breaker_reset ();
  self->folder = test_folder_new ();
  self->cache = g_build_filename (self->folder, "cache", NULL);
  hub_cache = g_build_filename (self->folder, "hub", NULL);
  self->hub = test_hub_new (0);
  self->family = bn_matrix_find (bn_matrix_get (), FAMILY);
  g_assert_nonnull (self->family);
  g_setenv ("HF_ENDPOINT", test_hub_get_endpoint (self->hub), TRUE);
  g_setenv ("HF_HUB_CACHE", hub_cache, TRUE);
  g_setenv ("HF_TOKEN_PATH", "/nonexistent", TRUE);
  g_setenv ("BITNET_TOKENIZER_CACHE", self->cache, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (variables); i++)
    g_unsetenv (variables[i]);
  self->model = write_model (self, "bare",
      &(TestFamilyModel){
          .name = "Model", .origin = "https://huggingface.co/" ORIGIN});
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_clear_pointer (&self->hub, test_hub_free);
  g_free (self->model);
  g_free (self->cache);
  test_folder_remove (self->folder);
}

/* What the cache holds of resolutions, or all of it, goes; or it becomes old.
 */
static void
forget (Fixture *self, const char *what)
{
  test_folder_remove (g_build_filename (self->cache, "v1", what, NULL));
}

static void
age_manifests (Fixture *self)
{
  g_autofree char *folder =
      g_build_filename (self->cache, "v1", "sources", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autofree char *text = NULL;
    g_autofree char *aged = NULL;
    g_autoptr (GRegex) regex =
        g_regex_new ("(\"fetched-at\"\\s*:\\s*)[0-9]+", 0, 0, NULL);

    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    aged = g_regex_replace (regex, text, -1, 0, "\\g<1>1000000000", 0, NULL);
    g_assert_cmpstr (aged, !=, text);
    g_assert_true (g_file_set_contents (path, aged, -1, NULL));
  }
}

static const char *
get_string (GVariant *dict, const char *name)
{
  const char *text = NULL;

  g_variant_lookup (dict, name, "&s", &text);
  return text;
}

static guint
count_warnings (GVariant *resolution)
{
  g_autofree const char **warnings = NULL;

  g_assert_true (g_variant_lookup (resolution, "warnings", "^a&s", &warnings));
  return g_strv_length ((char **) warnings);
}

/* The code of a strategy that was tried; NULL if it was successful. */
static const char *
get_code (GVariant *resolution, const char *strategy)
{
  g_autoptr (GVariant) attempts =
      g_variant_lookup_value (resolution, "attempts", NULL);
  const char *code = "NOT TRIED";

  for (gsize i = 0; i < g_variant_n_children (attempts); i++) {
    g_autoptr (GVariant) attempt = g_variant_get_child_value (attempts, i);

    if (g_strcmp0 (get_string (attempt, "strategy"), strategy) == 0)
      code = g_intern_string (get_string (attempt, "code"));
  }
  return code;
}

/* Asserts which strategy finds it. */
static GVariant *
expect (BitnetResolver *resolver, const char *path, const char *strategy)
{
  g_autoptr (GError) error = NULL;
  GVariant *resolution = NULL;
  g_autoptr (BitnetTokenizer) tokenizer = bitnet_resolver_resolve_reference (
      resolver, path, NULL, &resolution, &error);

  if (error)
    g_test_message ("%s", get_string (resolution, "text"));
  g_assert_no_error (error);
  g_assert_nonnull (tokenizer);
  g_assert_cmpstr (get_string (resolution, "strategy"), ==, strategy);
  return resolution;
}

static void
expect_strict (Fixture *self, const char *cause)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (resolver, "strict", TRUE, "retries", 0, NULL);
  g_assert_null (bitnet_resolver_resolve_reference (
      resolver, self->model, NULL, &resolution, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_STRICT_MODE);
  g_assert_cmpstr (get_string (resolution, "cause"), ==, cause);
}

static guint
count_requests (Fixture *self)
{
  return test_hub_count (self->hub, "*");
}

/* A source that is found is fetched; none is no error; an error is reported
 * and the chain goes on. */
static void
test_flow (Fixture *self, gconstpointer data)
{
  g_autofree char *nameless =
      write_model (self, "nameless", &(TestFamilyModel){.name = "Model"});
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) none = expect (resolver, nameless, "backup");
  g_autoptr (GVariant) failed = NULL;
  g_autoptr (GVariant) found = NULL;

  g_assert_cmpstr (get_code (none, "huggingface"), ==, "NO_SOURCE");
  g_assert_cmpuint (count_requests (self), ==, 0);
  failed = expect (resolver, self->model, "backup");
  g_assert_cmpstr (get_code (failed, "huggingface"), ==, "REPO_NOT_FOUND");
  g_assert_cmpuint (count_requests (self), >, 0);
  forget (self, "absent");
  publish (self, ORIGIN);
  found = expect (resolver, self->model, "huggingface");
  g_assert_cmpstr (get_string (found, "repository"), ==, ORIGIN);
}

/* The revision that was asked for, by its name, and all of its commit. */
static void
test_revision (Fixture *self, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) found = NULL;

  publish (self, "named/repository");
  test_hub_add_branch (self->hub, "named/repository", "v2", TEST_HUB_COMMIT);
  g_object_set (
      resolver, "tokenizer-repo", "named/repository", "revision", "v2", NULL);
  found = expect (resolver, self->model, "huggingface");
  g_assert_cmpstr (get_string (found, "revision"), ==, "v2");
  g_assert_cmpstr (get_string (found, "commit"), ==, TEST_HUB_COMMIT);
  g_assert_cmpuint (
      test_hub_count (self->hub, "hub GET /api/*/revision/v2*"), ==, 1);
  g_assert_cmpuint (test_hub_count (self->hub, "*/main*"), ==, 0);
}

/* Each strategy finds what it alone can find. */
static void
test_each_strategy (Fixture *self, gconstpointer data)
{
  static const char *const no_hub[] = {
      "model-embedded", "generic", "local-cache", NULL};
  g_autofree char *complete = write_model (self, "complete",
      &(TestFamilyModel){.has_tokens = TRUE, .has_pre = TRUE});
  g_autofree char *beside =
      write_model (self, "beside", &(TestFamilyModel){.name = "Model"});
  g_autofree char *nameless =
      write_model (self, "nameless", &(TestFamilyModel){.name = "Model"});
  g_autofree char *other = write_model (self, "other",
      &(TestFamilyModel){
          .name = "Model", .origin = "https://huggingface.co/" ORIGIN});
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetResolver) without = bitnet_resolver_new ();
  g_autoptr (BitnetResolver) named = bitnet_resolver_new ();

  publish (self, ORIGIN);
  put_beside (self, beside);
  g_variant_unref (expect (resolver, complete, "model-embedded"));
  g_variant_unref (expect (resolver, beside, "generic"));
  g_variant_unref (expect (resolver, self->model, "huggingface"));
  g_object_set (without, "strategy-order", no_hub, NULL);
  g_variant_unref (expect (without, other, "local-cache"));
  g_variant_unref (expect (resolver, nameless, "backup"));
  g_object_set (named, "tokenizer", complete, NULL);
  g_variant_unref (expect (named, nameless, "explicit"));
}

/* Asynchronous: the application's loop turns while the hub says nothing. */
typedef struct {
  GMainLoop *loop;
  GError *error;
  guint n_turns;
} Async;

static void
on_resolved (GObject *source, GAsyncResult *result, gpointer data)
{
  Async *async = data;

  g_assert_null (bitnet_resolver_resolve_reference_finish (
      BITNET_RESOLVER (source), result, NULL, &async->error));
  g_main_loop_quit (async->loop);
}

static gboolean
on_deadline (gpointer data)
{
  g_error ("nothing happened in %d s", DEADLINE_S);
  return G_SOURCE_REMOVE;
}

static void
test_async (Fixture *self, gconstpointer data)
{
  const TestFault stall = {.path = "hub *", .delay_ms = FOREVER_MS};
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Async async = {.loop = g_main_loop_new (NULL, FALSE)};
  guint deadline = g_timeout_add_seconds (DEADLINE_S, on_deadline, NULL);

  publish (self, ORIGIN);
  test_hub_add_fault (self->hub, &stall);
  bitnet_resolver_resolve_reference_async (resolver, self->model,
      G_PRIORITY_DEFAULT, cancellable, on_resolved, &async);
  while (count_requests (self) == 0) {
    g_main_context_iteration (NULL, FALSE);
    async.n_turns++;
  }
  g_assert_cmpuint (async.n_turns, >, 1);
  g_assert_no_error (async.error);
  g_cancellable_cancel (cancellable);
  g_main_loop_run (async.loop);
  g_assert_error (async.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_error_free (async.error);
  g_source_remove (deadline);
  g_main_loop_unref (async.loop);
}

/* A hub that says nothing ends with the time that the environment gives. */
static void
test_timeout (Fixture *self, gconstpointer data)
{
  const TestFault stall = {.path = "hub *", .delay_ms = FOREVER_MS};
  gint64 start_us;
  double seconds;

  publish (self, ORIGIN);
  test_hub_add_fault (self->hub, &stall);
  g_setenv ("BITNET_DOWNLOAD_TIMEOUT", "1", TRUE);
  start_us = g_get_monotonic_time ();
  expect_strict (self, "TIMEOUT");
  seconds = (double) (g_get_monotonic_time () - start_us) / G_USEC_PER_SEC;
  g_test_message ("after %.2f s", seconds);
  g_assert_cmpfloat (seconds, >=, 0.99);
  g_assert_cmpfloat (seconds, <, 5); /* 2 on a machine that is not busy */
  g_unsetenv ("BITNET_DOWNLOAD_TIMEOUT");
}

/* Whatever goes wrong on the way: a last resort, or in strict mode an error
 * that says what it was; and all is well as soon as the hub is. */
static const struct {
  const char *name;
  TestFault fault;
  const char *code;
} faults[] = {
    {"error", {.status = 500}, "TRANSIENT"},
    {"busy", {.status = 503}, "TRANSIENT"},
    {"forbidden", {.status = 403}, "FORBIDDEN"},
    {"limit", {.status = 429, .headers = "Retry-After: 0"}, "RATE_LIMITED"},
    {"dropped", {.flags = TEST_FAULT_DROP}, "NETWORK"},
    {"page",
        {.status = 200,
            .headers = "X-Repo-Commit\nX-Linked-Etag",
            .body = "<html>Log in, please</html>"},
        "HTTP"},
    {"cut-listing", {.path = "*/api/*", .flags = TEST_FAULT_CUT, .bytes = 9},
        "TRUNCATED"},
    {"cut", {.path = "storage *", .flags = TEST_FAULT_CUT, .bytes = 999},
        "TRUNCATED"},
    {"byte", {.path = "storage *", .flags = TEST_FAULT_WRONG_BYTE}, "DIGEST"},
    {"endless", {.path = "storage *", .flags = TEST_FAULT_ENDLESS}, "DIGEST"},
    {"storage", {.path = "storage *", .status = 403}, "FORBIDDEN"},
};

static void
test_recovery (Fixture *self, gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) without = NULL;
  g_autoptr (GVariant) with = NULL;

  publish (self, ORIGIN);
  test_hub_add_fault (self->hub, &faults[i].fault);
  expect_strict (self, faults[i].code);
  bn_breaker_reset ();
  g_object_set (resolver, "retries", 0, NULL);
  without = expect (resolver, self->model, "backup");
  g_assert_cmpstr (get_code (without, "huggingface"), ==, faults[i].code);
  g_assert_cmpuint (count_warnings (without), ==, 1);

  test_hub_clear_faults (self->hub);
  bn_breaker_reset ();
  with = expect (resolver, self->model, "huggingface");
  g_assert_cmpuint (count_warnings (with), ==, 0);
}

/* The hub is gone: what was fetched before still counts. */
static void
test_down (Fixture *self, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) fresh = NULL;
  g_autoptr (GVariant) old = NULL;

  publish (self, ORIGIN);
  g_variant_unref (expect (resolver, self->model, "huggingface"));
  g_clear_pointer (&self->hub, test_hub_free);
  forget (self, "resolutions");
  fresh = expect (resolver, self->model, "local-cache");
  g_assert_cmpuint (count_warnings (fresh), ==, 0);
  forget (self, "resolutions");
  age_manifests (self);
  old = expect (resolver, self->model, "local-cache");
  g_assert_cmpuint (count_warnings (old), ==, 1);
}

/* Strict mode takes what could not be compared with the hub, too. */
static void
test_strict_stale (Fixture *self, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) old = NULL;

  publish (self, ORIGIN);
  g_object_set (resolver, "strict", TRUE, NULL);
  g_variant_unref (expect (resolver, self->model, "huggingface"));
  forget (self, "resolutions");
  age_manifests (self);
  test_hub_add_fault (self->hub, &(TestFault){.status = 503});
  old = expect (resolver, self->model, "local-cache");
  g_assert_cmpuint (count_warnings (old), ==, 1);
}

/* In place of a gated repository strict mode takes one with the same tokenizer
 * if the model's own tokens prove it. */
static void
test_strict_gated (Fixture *self, gconstpointer data)
{
  static const char *const hub_alone[] = {"huggingface", NULL};
  g_autofree char *path = write_model (self, "tokens",
      &(TestFamilyModel){.has_tokens = TRUE, .name = "Llama 2 7B"});
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) found = NULL;
  g_autofree const char **notes = NULL;

  publish (self, self->family->repository);
  publish (self, self->family->equivalents[0]);
  test_hub_set_gated (self->hub, self->family->repository, "secret");
  g_object_set (resolver, "strict", TRUE, "strategy-order", hub_alone, NULL);
  found = expect (resolver, path, "huggingface");
  g_assert_cmpstr (
      get_string (found, "repository"), ==, self->family->equivalents[0]);
  g_assert_cmpstr (get_string (found, "verified"), ==, "pieces");
  g_variant_lookup (found, "notes", "^a&s", &notes);
  g_assert_nonnull (notes[0]);
}

/* Deterministic: a branch stays at the commit where it was seen first, however
 * old that is; nobody is asked and nothing is said of it. */
static void
test_deterministic (Fixture *self, gconstpointer data)
{
  static const gboolean offline[] = {FALSE, TRUE};
  guint n_requests;

  g_setenv ("BITNET_DETERMINISTIC", "1", TRUE);
  publish (self, ORIGIN);
  {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();

    g_variant_unref (expect (resolver, self->model, "huggingface"));
  }
  test_hub_commit (self->hub, ORIGIN, TEST_HUB_COMMIT_2);
  age_manifests (self);
  n_requests = count_requests (self);
  for (gsize i = 0; i < G_N_ELEMENTS (offline); i++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (GVariant) again = NULL;

    forget (self, "resolutions");
    g_object_set (resolver, "offline", offline[i], NULL);
    again = expect (resolver, self->model, "local-cache");
    g_assert_cmpstr (get_string (again, "commit"), ==, TEST_HUB_COMMIT);
    g_assert_cmpuint (count_warnings (again), ==, 0);
  }
  g_assert_cmpuint (count_requests (self), ==, n_requests);
  g_unsetenv ("BITNET_DETERMINISTIC");
}

/* Far below what is promised, but for a machine that is busy. */
static void
test_latency (Fixture *self, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) fetched = NULL;
  double duration_ms = G_MAXDOUBLE, best_ms = G_MAXDOUBLE;

  publish (self, ORIGIN);
  fetched = expect (resolver, self->model, "huggingface");
  g_variant_lookup (fetched, "duration-ms", "d", &duration_ms);
  g_assert_cmpfloat (duration_ms, <, MAX_FETCH_MS);
  for (guint i = 0; i < 5; i++) {
    g_autoptr (GVariant) again = expect (resolver, self->model, "huggingface");

    g_variant_lookup (again, "duration-ms", "d", &duration_ms);
    best_ms = MIN (best_ms, duration_ms);
  }
  g_test_message ("%.2f ms", best_ms);
  g_assert_cmpfloat (best_ms, <, MAX_REMEMBERED_MS);
}

#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/resolver/A03/async", test_async);
  ADD ("/resolver/A04/flow", test_flow);
  ADD ("/resolver/A13/revision", test_revision);
  ADD ("/resolver/C34-AC3/each-strategy", test_each_strategy);
  ADD ("/resolver/C69/latency", test_latency);
  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
    g_autofree char *path =
        g_strdup_printf ("/resolver/C73/recovery/%s", faults[i].name);

    g_test_add (
        path, Fixture, GSIZE_TO_POINTER (i), set_up, test_recovery, tear_down);
  }
  ADD ("/resolver/C79/deterministic", test_deterministic);
  ADD ("/resolver/C82/timeout", test_timeout);
  ADD ("/resolver/C83/down", test_down);
  ADD ("/resolver/strict/stale", test_strict_stale);
  ADD ("/resolver/strict/gated", test_strict_gated);
  return g_test_run ();
}
