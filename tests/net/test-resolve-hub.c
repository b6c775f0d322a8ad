/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The resolver over a hub: what is fetched, who stands in for whom, strict and
 * offline, many at once, and where nothing can be kept. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "resolve-fixture.h"
#include "test-folder.h"

enum { N_AT_ONCE = 8 };

/* All counters begin anew, those of the network, too. */
static void
test_reset (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GVariant) again = NULL;
  g_autoptr (GVariant) network = NULL;
  g_autoptr (GVariant) none = NULL;

  resolve_publish (fixture, ORIGIN);
  g_variant_unref (resolve_expect (fixture, resolver, "huggingface"));
  stats = bitnet_resolver_dup_stats (resolver);
  network = g_variant_lookup_value (stats, "network", NULL);
  g_assert_nonnull (network);
  bitnet_resolver_reset_stats (resolver);
  again = bitnet_resolver_dup_stats (resolver);
  none = g_variant_lookup_value (again, "network", NULL);
  g_assert_null (none);
}

/* Companions are read, too. */
static void
test_companions (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;

  resolve_publish (fixture, ORIGIN);
  tokenizer = bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, NULL, NULL);
  g_assert_nonnull (tokenizer);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (tokenizer), ==,
      "{{ messages[0].content }}");
}

/* A repository that is gated is replaced by one that is not; in strict mode
 * only if the model's own tokens prove it. */
static void
test_gated (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetResolver) strict = bitnet_resolver_new ();
  g_autoptr (GVariant) found = NULL;
  g_autoptr (GVariant) failed = NULL;
  g_autoptr (GError) error = NULL;

  g_free (fixture->model);
  fixture->model = resolve_write_model (
      fixture, "named", &(TestFamilyModel){.name = "Llama 2 7B"});
  resolve_publish (fixture, fixture->family->repository);
  resolve_publish (fixture, fixture->family->equivalents[0]);
  test_hub_set_gated (fixture->hub, fixture->family->repository, "secret");
  g_object_set (strict, "strict", TRUE, NULL);
  g_assert_null (bitnet_resolver_resolve_reference (
      strict, fixture->model, NULL, &failed, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_STRICT_MODE);
  g_assert_cmpstr (resolve_get_string (failed, "cause"), ==, "GATED");
  g_assert_nonnull (strstr (resolve_get_string (failed, "text"),
      "set HF_TOKEN after accepting the terms at"));
  g_assert_nonnull (strstr (
      resolve_get_string (failed, "text"), fixture->family->equivalents[0]));

  /* Strict mode has fetched it, and found no proof. */
  found = resolve_expect (fixture, resolver, "local-cache");
  g_assert_cmpstr (resolve_get_string (found, "repository"), ==,
      fixture->family->equivalents[0]);
}

/* With the token of somebody who has accepted the terms. */
static void
test_token (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) found = NULL;

  resolve_publish (fixture, ORIGIN);
  test_hub_set_gated (fixture->hub, ORIGIN, "secret");
  g_object_set (resolver, "token", "secret", NULL);
  found = resolve_expect (fixture, resolver, "huggingface");
  g_assert_cmpstr (resolve_get_string (found, "repository"), ==, ORIGIN);
  g_assert_cmpuint (test_hub_count (fixture->hub, "storage * auth*"), ==, 0);
}

/* A name and a password in the address of the hub are refused, and told to
 * nobody. */
static void
test_secret_endpoint (ResolveFixture *fixture, gconstpointer data)
{
  const char *host = strstr (test_hub_get_endpoint (fixture->hub), "//") + 2;
  g_autofree char *endpoint =
      g_strdup_printf ("http://somebody:password@%s", host);

  resolve_publish (fixture, ORIGIN);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (GVariant) failed = NULL;
    g_autofree char *text = NULL;

    g_object_set (resolver, "endpoint", endpoint, "strict", TRUE, "offline",
        i == 1, NULL);
    g_assert_null (bitnet_resolver_resolve_reference (
        resolver, fixture->model, NULL, &failed, NULL));
    text = g_variant_print (failed, FALSE);
    g_assert_null (strstr (text, "password"));
  }
  g_assert_cmpuint (resolve_count_all (fixture), ==, 0);
}

/* A repository of GGUF files says what they were made of. */
static void
test_base_model (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) found = NULL;

  test_hub_add_repo (fixture->hub, ORIGIN, TEST_HUB_COMMIT);
  test_hub_add_file (
      fixture->hub, ORIGIN, "model-Q4_K_M.gguf", "GGUF", 4, TRUE);
  test_hub_set_info (
      fixture->hub, ORIGIN, "\"cardData\":{\"base_model\":\"base/model\"}");
  resolve_publish (fixture, "base/model");
  found = resolve_expect (fixture, resolver, "huggingface");
  g_assert_cmpstr (resolve_get_string (found, "repository"), ==, "base/model");
}

/* Whatever it says: what does not fit is not used. */
static void
test_wrong_repository (ResolveFixture *fixture, gconstpointer data)
{
  const BnFamily *other = bn_matrix_find (bn_matrix_get (), "gpt-2");
  const char *name;
  g_autoptr (GBytes) content = test_family_make_tokenizer (other, &name);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GVariant) attempts = NULL;
  g_autofree char *text = NULL;

  test_hub_add_repo (fixture->hub, ORIGIN, TEST_HUB_COMMIT);
  test_hub_add_file (fixture->hub, ORIGIN, name,
      g_bytes_get_data (content, NULL), (gssize) g_bytes_get_size (content),
      TRUE);
  tokenizer = bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, &resolution, NULL);
  g_assert_nonnull (tokenizer);
  g_assert_true (resolve_get_boolean (resolution, "fallback"));
  attempts = g_variant_lookup_value (resolution, "attempts", NULL);
  text = g_variant_print (attempts, FALSE);
  g_assert_nonnull (strstr (text, "VOCAB_MISMATCH"));
}

/* Offline and without permission nothing is sent, and the report says what
 * forbids it; what is here is used all the same. */
static void
test_offline (ResolveFixture *fixture, gconstpointer data)
{
  static const struct {
    const char *property;
    gboolean value;
    const char *cause;
  } cases[] = {
      {"offline", TRUE, "OFFLINE"},
      {"allow-download", FALSE, "DOWNLOAD_DISABLED"},
  };
  g_autoptr (BitnetResolver) online = bitnet_resolver_new ();
  guint n_requests;

  resolve_publish (fixture, ORIGIN);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (GVariant) resolution = NULL;
    g_autoptr (GVariant) stats = NULL;
    g_autoptr (GVariant) network = NULL;
    g_autoptr (GError) error = NULL;

    g_object_set (
        resolver, cases[i].property, cases[i].value, "strict", TRUE, NULL);
    g_assert_null (bitnet_resolver_resolve_reference (
        resolver, fixture->model, NULL, &resolution, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_STRICT_MODE);
    g_assert_cmpstr (
        resolve_get_string (resolution, "cause"), ==, cases[i].cause);
    stats = bitnet_resolver_dup_stats (resolver);
    network = g_variant_lookup_value (stats, "network", NULL);
    g_assert_null (network); /* not even a client */
  }
  g_assert_cmpuint (resolve_count_all (fixture), ==, 0);
  g_variant_unref (resolve_expect (fixture, online, "huggingface"));
  n_requests = resolve_count_all (fixture);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    static const char *const order[] = {"local-cache", NULL};
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();

    g_object_set (resolver, cases[i].property, cases[i].value, "strategy-order",
        order, NULL);
    g_variant_unref (resolve_expect (fixture, resolver, "local-cache"));
  }
  g_assert_cmpuint (resolve_count_all (fixture), ==, n_requests);
}

/* The hub fails once, and all is well; it fails always, and the chain goes on.
 */
static void
test_faults (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetResolver) strict = bitnet_resolver_new ();
  g_autoptr (GVariant) failed = NULL;
  g_autoptr (GError) error = NULL;

  resolve_publish (fixture, ORIGIN);
  test_hub_add_fault (fixture->hub, &(TestFault){.status = 404,
                                        .path = "*",
                                        .headers = "X-Error-Code: RepoNotFound",
                                        .count = 1});
  g_object_set (strict, "strict", TRUE, "retries", 0, NULL);
  g_assert_null (bitnet_resolver_resolve_reference (
      strict, fixture->model, NULL, &failed, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_STRICT_MODE);
  g_assert_cmpstr (resolve_get_string (failed, "cause"), ==, "REPO_NOT_FOUND");
  test_folder_remove (g_build_filename (fixture->cache, "v1", "absent", NULL));
  g_variant_unref (resolve_expect (fixture, resolver, "huggingface"));
}

/* Many at once: one fetches, all get the same. */
typedef struct {
  ResolveFixture *fixture;
  BitnetResolver *resolver;
} Job;

static gpointer
resolve_in_thread (gpointer data)
{
  Job *job = data;

  return bitnet_resolver_resolve_reference (
      job->resolver, job->fixture->model, NULL, NULL, NULL);
}

static void
test_single_flight (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  Job job = {fixture, resolver};
  GThread *threads[N_AT_ONCE];
  BitnetTokenizer *first = NULL;
  g_autoptr (GVariant) stats = NULL;
  guint64 n_shared = 0, n_remembered = 0;

  resolve_publish (fixture, ORIGIN);
  test_hub_add_fault (
      fixture->hub, &(TestFault){.path = "hub*api*", .delay_ms = 200});
  for (int i = 0; i < N_AT_ONCE; i++)
    threads[i] = g_thread_new ("resolve", resolve_in_thread, &job);
  for (int i = 0; i < N_AT_ONCE; i++) {
    BitnetTokenizer *tokenizer = g_thread_join (threads[i]);

    g_assert_nonnull (tokenizer);
    if (first == NULL)
      first = tokenizer;
    g_assert_true (tokenizer == first);
    if (i > 0)
      g_object_unref (tokenizer);
  }
  g_clear_object (&first);
  g_assert_cmpuint (test_hub_count (fixture->hub, "hub GET /api*"), ==, 1);
  g_assert_cmpuint (test_hub_count (fixture->hub, "storage GET *"), ==, 1);
  stats = bitnet_resolver_dup_stats (resolver);
  g_variant_lookup (stats, "shared", "t", &n_shared);
  g_variant_lookup (stats, "remembered", "t", &n_remembered);
  g_assert_cmpuint (n_shared + n_remembered, >=, N_AT_ONCE - 1);
}

/* Who must not use the network does not get what another one is fetching at
 * the moment, nor the other way round. */
static void
test_permissions (ResolveFixture *fixture, gconstpointer data)
{
  static const char *const properties[] = {"offline", "allow-download"};
  g_autoptr (BitnetResolver) online = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  Job job = {fixture, online};
  GThread *other;

  resolve_publish (fixture, ORIGIN);
  test_hub_add_fault (fixture->hub,
      &(TestFault){.path = "hub*api*", .delay_ms = 1000, .count = 1});
  other = g_thread_new ("resolve", resolve_in_thread, &job);
  g_assert_true (test_hub_wait (fixture->hub, "hub*api*", 1));
  for (gsize i = 0; i < G_N_ELEMENTS (properties); i++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (BitnetTokenizer) backup = NULL;
    g_autoptr (GVariant) resolution = NULL;

    g_object_set (resolver, properties[i], i == 0, NULL);
    backup = bitnet_resolver_resolve_reference (
        resolver, fixture->model, NULL, &resolution, NULL);
    g_assert_nonnull (backup);
    g_assert_true (resolve_get_boolean (resolution, "fallback"));
  }
  tokenizer = g_thread_join (other);
  g_assert_true (test_family_owns (fixture->family, tokenizer));
}

/* Eight processes at once: one download, equal tokenizers. */
static void
test_processes (ResolveFixture *fixture, gconstpointer data)
{
  const char *const arguments[] = {RESOLVE_WORKER, fixture->model, NULL};
  GSubprocess *workers[N_AT_ONCE];
  g_autofree char *first = NULL;
  g_autoptr (GError) error = NULL;

  resolve_publish (fixture, ORIGIN);
  test_hub_add_fault (
      fixture->hub, &(TestFault){.path = "hub*api*", .delay_ms = 300});
  for (int i = 0; i < N_AT_ONCE; i++) {
    workers[i] =
        g_subprocess_newv (arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
    g_assert_no_error (error);
  }
  for (int i = 0; i < N_AT_ONCE; i++) {
    g_autofree char *out = NULL;
    const char *id;

    g_subprocess_communicate_utf8 (workers[i], NULL, NULL, &out, NULL, &error);
    g_assert_no_error (error);
    g_assert_true (g_subprocess_get_successful (workers[i]));
    id = strchr (out, ' ');
    g_assert_nonnull (id);
    if (first == NULL)
      first = g_strdup (id);
    g_assert_cmpstr (id, ==, first);
    g_object_unref (workers[i]);
  }
  g_assert_cmpuint (test_hub_count (fixture->hub, "hub GET /api*"), ==, 1);
  g_assert_cmpuint (test_hub_count (fixture->hub, "storage GET *"), ==, 1);
}

/* One of several gives up; the others are not concerned. When the last one
 * does, the work ends. */
static void
test_leave (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;
  Job job = {fixture, resolver};
  GThread *other;
  gint64 start_us;

  resolve_publish (fixture, ORIGIN);
  test_hub_add_fault (fixture->hub,
      &(TestFault){.path = "hub*api*", .delay_ms = 500, .count = 1});
  other = g_thread_new ("resolve", resolve_in_thread, &job);
  g_assert_true (test_hub_wait (fixture->hub, "hub*api*", 1));
  g_cancellable_cancel (cancellable);
  start_us = g_get_monotonic_time ();
  g_assert_null (bitnet_resolver_resolve_reference (
      resolver, fixture->model, cancellable, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_test_message ("gave up after %" G_GINT64_FORMAT " us",
      g_get_monotonic_time () - start_us);
  tokenizer = g_thread_join (other);
  g_assert_nonnull (tokenizer);
}

/* A repository in the place of a model: only its tokenizer is fetched. There is
 * nothing that it could differ from, so nothing is in doubt. */
static void
test_repository (ResolveFixture *fixture, gconstpointer data)
{
  resolve_publish (fixture, ORIGIN);
  test_hub_add_file (
      fixture->hub, ORIGIN, "model-Q4_K_M.gguf", "GGUF", 4, TRUE);
  for (guint strict = 0; strict <= 1; strict++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GVariant) resolution = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree const char **warnings = NULL;

    g_object_set (resolver, "strict", (gboolean) strict, NULL);
    tokenizer = bitnet_resolver_resolve_reference (
        resolver, ORIGIN, NULL, &resolution, &error);
    g_assert_no_error (error);
    g_assert_true (test_family_owns (fixture->family, tokenizer));
    g_assert_cmpstr (resolve_get_string (resolution, "verified"), ==, "no");
    g_variant_lookup (resolution, "warnings", "^a&s", &warnings);
    g_assert_null (warnings[0]);
  }
  g_assert_cmpuint (test_hub_count (fixture->hub, "* *.gguf*"), ==, 0);
}

/* A model that was pulled itself: the repository it is of has the tokenizer. */
static void
test_pulled (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetHub) hub = NULL;
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) found = NULL;
  g_autofree char *plain = resolve_write_model (
      fixture, "plain", &(TestFamilyModel){.name = "Model"});
  g_autofree char *content = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_file_get_contents (plain, &content, &size, NULL);
  resolve_publish (fixture, ORIGIN);
  test_hub_add_file (
      fixture->hub, ORIGIN, "model.gguf", content, (gssize) size, TRUE);
  hub = bitnet_hub_new ();
  g_object_set (hub, "cache-dir", fixture->folder, NULL);
  g_free (fixture->model);
  fixture->model = bitnet_hub_fetch_model (
      hub, "hf://" ORIGIN "/model.gguf", NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  found = resolve_expect (fixture, resolver, "huggingface");
  g_assert_cmpstr (resolve_get_string (found, "repository"), ==, ORIGIN);
}

/* A named repository, and what becomes of it if it cannot be used. */
static void
test_explicit (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) found = NULL;
  g_autoptr (GVariant) other = NULL;
  g_autoptr (GError) error = NULL;

  resolve_publish (fixture, "named/repository");
  resolve_publish (fixture, ORIGIN);
  g_object_set (resolver, "tokenizer", "hf://named/repository", NULL);
  found = resolve_expect (fixture, resolver, "explicit");
  g_assert_cmpstr (
      resolve_get_string (found, "repository"), ==, "named/repository");
  g_object_set (resolver, "tokenizer", "no/such", NULL);
  g_assert_null (bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_REPO_NOT_FOUND);
  g_object_set (resolver, "explicit-fallback", TRUE, NULL);
  other = resolve_expect (fixture, resolver, "huggingface");
}

/* Where nothing can be kept a tokenizer is fetched all the same, for this
 * resolver alone, and nothing stays behind. */
static guint
count_spares (void)
{
  g_autoptr (GDir) dir = g_dir_open (g_get_tmp_dir (), 0, NULL);
  g_autofree char *start =
      g_strdup_printf ("bitnet-cache-%d-", (int) getpid ());
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (dir)) != NULL)
    n += g_str_has_prefix (name, start);
  return n;
}

static void
test_no_cache (ResolveFixture *fixture, gconstpointer data)
{
  BitnetResolver *resolver = bitnet_resolver_new ();
  guint n_requests = 0;

  resolve_publish (fixture, ORIGIN);
  resolve_publish (fixture, "named/repository");
  g_assert_true (g_file_set_contents (fixture->cache, "no folder", -1, NULL));
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GVariant) found =
        resolve_expect (fixture, resolver, "huggingface");
    g_autofree const char **notes = NULL;
    g_autofree const char **warnings = NULL;

    g_variant_lookup (found, "notes", "^a&s", &notes);
    g_variant_lookup (found, "warnings", "^a&s", &warnings);
    g_assert_nonnull (notes[0]);
    g_assert_nonnull (strstr (notes[0], fixture->cache));
    g_assert_null (warnings[0]);
    if (i == 0)
      n_requests = resolve_count_all (fixture);
  }
  g_assert_cmpuint (resolve_count_all (fixture), ==, n_requests);
  g_assert_cmpuint (count_spares (), ==, 1);
  g_object_unref (resolver);
  g_assert_cmpuint (count_spares (), ==, 0);

  resolver = bitnet_resolver_new ();
  g_object_set (resolver, "tokenizer", "named/repository", NULL);
  g_variant_unref (resolve_expect (fixture, resolver, "explicit"));
  g_object_unref (resolver);
  g_assert_cmpuint (count_spares (), ==, 0);
}

/* The cache of the hub's own client. */

/* A file of a snapshot there, which is a link if target is not NULL. */
static void
add_to_hub_cache (ResolveFixture *fixture, const char *commit, const char *name,
    GBytes *content, const char *target)
{
  g_autofree char *below = g_strdup_printf (
      "hub/models--someone--model/snapshots/%s/%s", commit, name);
  g_autofree char *path = NULL;

  path = test_folder_write (fixture->folder, below,
      content ? g_bytes_get_data (content, NULL) : "",
      content ? (gssize) g_bytes_get_size (content) : 0);
  if (target == NULL)
    return;
  g_remove (path);
  g_assert_cmpint (symlink (target, path), ==, 0);
}

static GBytes *
make_text (const char *text)
{
  return g_bytes_new (text, strlen (text));
}

static void
set_hub_cache_main (ResolveFixture *fixture, const char *commit)
{
  g_free (test_folder_write (
      fixture->folder, "hub/models--someone--model/refs/main", commit, -1));
}

/* What somebody has downloaded with it is used where it lies, as are files
 * beside it; for a model as for a repository that is named. */
static void
test_hub_cache (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetResolver) explicit = bitnet_resolver_new ();
  g_autoptr (GBytes) config = make_text ("{\"chat_template\":\"mine\"}");
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) found = NULL;
  g_autoptr (GVariant) named = NULL;
  const char *name;
  g_autoptr (GBytes) content =
      test_family_make_tokenizer (fixture->family, &name);

  resolve_publish (fixture, ORIGIN);
  add_to_hub_cache (fixture, TEST_HUB_COMMIT, name, content, NULL);
  add_to_hub_cache (
      fixture, TEST_HUB_COMMIT, "tokenizer_config.json", config, NULL);
  set_hub_cache_main (fixture, TEST_HUB_COMMIT);
  found = resolve_expect (fixture, resolver, "local-cache");
  g_assert_cmpstr (resolve_get_string (found, "kind"), ==, "hub-cache");
  g_assert_cmpstr (resolve_get_string (found, "commit"), ==, TEST_HUB_COMMIT);
  g_object_set (explicit, "tokenizer", "hf://" ORIGIN, NULL);
  named = resolve_expect (fixture, explicit, "explicit");
  g_assert_cmpstr (resolve_get_string (named, "kind"), ==, "hub-cache");
  tokenizer = bitnet_resolver_resolve_reference (
      explicit, fixture->model, NULL, NULL, NULL);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (tokenizer), ==, "mine");
  g_assert_cmpuint (resolve_count_all (fixture), ==, 0);
}

/* Only an old revision is there: that is for those who cannot ask. */
static void
test_old_in_hub_cache (ResolveFixture *fixture, gconstpointer data)
{
  static const struct {
    gboolean offline;
    guint status; /* of the hub; 0: it is well */
    const char *strategy, *kind;
  } cases[] = {{TRUE, 0, "local-cache", "hub-cache"},
      {FALSE, 503, "huggingface", "hub-cache"},
      {FALSE, 0, "huggingface", "hub"}};
  const char *name;
  g_autoptr (GBytes) content =
      test_family_make_tokenizer (fixture->family, &name);

  resolve_publish (fixture, ORIGIN);
  add_to_hub_cache (fixture, TEST_HUB_COMMIT_2, name, content, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (GVariant) found = NULL;
    g_autofree const char **warnings = NULL;

    g_object_set (resolver, "offline", cases[i].offline, "retries", 0, NULL);
    test_hub_clear_faults (fixture->hub);
    if (cases[i].status)
      test_hub_add_fault (
          fixture->hub, &(TestFault){.status = cases[i].status});
    found = resolve_expect (fixture, resolver, cases[i].strategy);
    g_assert_cmpstr (resolve_get_string (found, "kind"), ==, cases[i].kind);
    /* With a warning, and not for longer than it has to be. */
    g_variant_lookup (found, "warnings", "^a&s", &warnings);
    g_assert_true ((warnings[0] != NULL) == (i < 2));
  }
}

/* A link that leaves the repository's folder is no file. */
static void
test_links_in_hub_cache (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) found = NULL;
  g_autofree char *outside = test_folder_write (
      fixture->folder, "outside.json", "{\"chat_template\":\"outside\"}", -1);
  const char *name;
  g_autoptr (GBytes) content =
      test_family_make_tokenizer (fixture->family, &name);

  add_to_hub_cache (fixture, TEST_HUB_COMMIT, name, content, NULL);
  add_to_hub_cache (
      fixture, TEST_HUB_COMMIT, "tokenizer_config.json", NULL, outside);
  set_hub_cache_main (fixture, TEST_HUB_COMMIT);
  tokenizer = bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, &found, NULL);
  g_assert_cmpstr (resolve_get_string (found, "kind"), ==, "hub-cache");
  g_assert_null (bitnet_tokenizer_get_chat_template (tokenizer));
}

/* A file of a tokenizer that was remembered has been evicted: it is fetched
 * again, and what is left of it is not taken for all. */
static void
test_evicted (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autofree char *sha256 = g_compute_checksum_for_string (G_CHECKSUM_SHA256,
      "{\"chat_template\":\"{{ messages[0].content }}\"}", -1);
  g_autofree char *folder = g_strndup (sha256, 2);
  g_autofree char *path =
      g_build_filename (fixture->cache, "v1", "objects", folder, sha256, NULL);

  resolve_publish (fixture, ORIGIN);
  g_variant_unref (resolve_expect (fixture, resolver, "huggingface"));
  g_assert_cmpint (g_remove (path), ==, 0);
  tokenizer = bitnet_resolver_resolve_reference (
      resolver, fixture->model, NULL, NULL, NULL);
  g_assert_cmpstr (bitnet_tokenizer_get_chat_template (tokenizer), ==,
      "{{ messages[0].content }}");
}

/* Progress names the repository before the first byte. */
static void
on_progress (
    BitnetResolver *resolver, const BitnetProgress *progress, GString *seen)
{
  g_assert_nonnull (progress->repository);
  g_string_append_printf (seen, "%d:%s:%s:%" G_GUINT64_FORMAT " ",
      progress->phase, progress->repository,
      progress->file ? progress->file : "", progress->bytes_done);
}

static void
test_progress (ResolveFixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GString) seen = g_string_new (NULL);

  resolve_publish (fixture, ORIGIN);
  g_signal_connect (resolver, "progress", G_CALLBACK (on_progress), seen);
  g_variant_unref (resolve_expect (fixture, resolver, "huggingface"));
  g_test_message ("%s", seen->str);
  g_assert_true (g_str_has_prefix (seen->str, "0:" ORIGIN "::0 "));
  g_assert_nonnull (strstr (seen->str, "2:" ORIGIN ":tokenizer.json:"));
}

#define ADD(path, function)                                                    \
  g_test_add (                                                                 \
      path, ResolveFixture, NULL, resolve_set_up, function, resolve_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/resolver/reset", test_reset);
  ADD ("/resolver/B15/companions", test_companions);
  ADD ("/resolver/A19/gated", test_gated);
  ADD ("/resolver/token", test_token);
  ADD ("/resolver/secret-endpoint", test_secret_endpoint);
  ADD ("/resolver/C11/base-model", test_base_model);
  ADD ("/resolver/C38/wrong-repository", test_wrong_repository);
  ADD ("/resolver/C32/offline", test_offline);
  ADD ("/resolver/A19/faults", test_faults);
  ADD ("/resolver/C88/single-flight", test_single_flight);
  ADD ("/resolver/C32/permissions", test_permissions);
  ADD ("/resolver/C88/processes", test_processes);
  ADD ("/resolver/leave", test_leave);
  ADD ("/resolver/A20/repository", test_repository);
  ADD ("/resolver/C46/pulled", test_pulled);
  ADD ("/resolver/explicit", test_explicit);
  ADD ("/resolver/no-cache", test_no_cache);
  ADD ("/resolver/hub-cache", test_hub_cache);
  ADD ("/resolver/C83/old-in-hub-cache", test_old_in_hub_cache);
  ADD ("/resolver/links-in-hub-cache", test_links_in_hub_cache);
  ADD ("/resolver/evicted", test_evicted);
  ADD ("/resolver/C22/progress", test_progress);
  return g_test_run ();
}
