/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain of strategies, with strategies that do as they are told in the
 * place of ours: order and priorities, every combination of failures, reports,
 * strategies of an application in both forms, cancellation. */
#include <glib/gstdio.h>
#include <string.h>
#include "bitnet.h"
#include "test-folder.h"
#include "test-vocab.h"

enum { N_STRATEGIES = 5, N_ENDS = 2000 };

static const char *const names[N_STRATEGIES] = {
    "model-embedded", "generic", "local-cache", "huggingface", "backup"};

/* A strategy that is told what to do. */

#define TEST_TYPE_STRATEGY (test_strategy_get_type ())
G_DECLARE_FINAL_TYPE (TestStrategy, test_strategy, TEST, STRATEGY, GObject)

typedef enum {
  DO_FAIL,
  DO_SUCCEED,
  DO_MISFIT,  /* gives a tokenizer that does not fit */
  DO_NOTHING, /* returns NULL and no error */
  DO_CANCEL,  /* cancels the resolution */
  DO_WARN,    /* is successful and in doubt */
} Behaviour;

struct _TestStrategy {
  GObject parent_instance;
  const char *name;
  int priority;
  Behaviour behaviour;
  gboolean requires_network;
  BitnetError code;       /* of its failure */
  BitnetResolver *to_ask; /* for its statistics, whenever a name is wanted */
  BitnetTokenizer *tokenizer;
  GCancellable *to_cancel;
  int n_calls; /* atomic */
};

static void test_strategy_init_interface (BitnetStrategyInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (TestStrategy, test_strategy, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (BITNET_TYPE_STRATEGY, test_strategy_init_interface))

static const char *
test_strategy_get_name (BitnetStrategy *strategy)
{
  TestStrategy *self = TEST_STRATEGY (strategy);

  if (self->to_ask)
    g_variant_unref (bitnet_resolver_dup_stats (self->to_ask));
  return self->name;
}

static int
test_strategy_get_priority (BitnetStrategy *strategy)
{
  return TEST_STRATEGY (strategy)->priority;
}

static gboolean
test_strategy_requires_network (BitnetStrategy *strategy)
{
  return TEST_STRATEGY (strategy)->requires_network;
}

static BitnetTokenizer *
do_as_told (TestStrategy *self, BitnetAttempt *attempt,
    GCancellable *cancellable, GError **error)
{
  g_atomic_int_inc (&self->n_calls);
  switch (self->behaviour) {
    case DO_WARN:
      bitnet_attempt_warn (attempt, "this is a guess");
      return g_object_ref (self->tokenizer);
    case DO_SUCCEED:
    case DO_MISFIT:
      bitnet_attempt_set_source (attempt, self->name);
      return g_object_ref (self->tokenizer);
    case DO_NOTHING:
      return NULL;
    case DO_CANCEL:
      g_cancellable_cancel (self->to_cancel);
      g_cancellable_set_error_if_cancelled (cancellable, error);
      return NULL;
    case DO_FAIL:
      g_set_error (error, BITNET_ERROR, (int) self->code, "%s was told to fail",
          self->name);
      return NULL;
  }
  return NULL;
}

static void
test_strategy_try_resolve_async (BitnetStrategy *strategy,
    BitnetAttempt *attempt, GCancellable *cancellable,
    GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (strategy, cancellable, callback, user_data);
  GError *error = NULL;
  BitnetTokenizer *tokenizer =
      do_as_told (TEST_STRATEGY (strategy), attempt, cancellable, &error);

  if (error)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, tokenizer, g_object_unref);
  g_object_unref (task);
}

static BitnetTokenizer *
test_strategy_try_resolve_finish (
    BitnetStrategy *strategy, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
test_strategy_init_interface (BitnetStrategyInterface *iface)
{
  iface->get_name = test_strategy_get_name;
  iface->get_priority = test_strategy_get_priority;
  iface->requires_network = test_strategy_requires_network;
  iface->try_resolve_async = test_strategy_try_resolve_async;
  iface->try_resolve_finish = test_strategy_try_resolve_finish;
}

static void
test_strategy_finalize (GObject *object)
{
  g_clear_object (&TEST_STRATEGY (object)->tokenizer);
  G_OBJECT_CLASS (test_strategy_parent_class)->finalize (object);
}

static void
test_strategy_class_init (TestStrategyClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_strategy_finalize;
}

static void
test_strategy_init (TestStrategy *self)
{
}

/* The same with the blocking form. */
#define TEST_TYPE_BLOCKING (test_blocking_get_type ())
G_DECLARE_FINAL_TYPE (TestBlocking, test_blocking, TEST, BLOCKING, GObject)

struct _TestBlocking {
  GObject parent_instance;
  TestStrategy *inner;
};

static const char *
test_blocking_get_name (BitnetStrategy *strategy)
{
  return TEST_BLOCKING (strategy)->inner->name;
}

static int
test_blocking_get_priority (BitnetStrategy *strategy)
{
  return TEST_BLOCKING (strategy)->inner->priority;
}

static BitnetTokenizer *
test_blocking_try_resolve (BitnetStrategy *strategy, BitnetAttempt *attempt,
    GCancellable *cancellable, GError **error)
{
  return do_as_told (
      TEST_BLOCKING (strategy)->inner, attempt, cancellable, error);
}

static void
test_blocking_init_interface (BitnetStrategyInterface *iface)
{
  iface->get_name = test_blocking_get_name;
  iface->get_priority = test_blocking_get_priority;
  iface->try_resolve = test_blocking_try_resolve;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (TestBlocking, test_blocking, G_TYPE_OBJECT,
    G_IMPLEMENT_INTERFACE (BITNET_TYPE_STRATEGY, test_blocking_init_interface))

static void
test_blocking_finalize (GObject *object)
{
  g_clear_object (&TEST_BLOCKING (object)->inner);
  G_OBJECT_CLASS (test_blocking_parent_class)->finalize (object);
}

static void
test_blocking_class_init (TestBlockingClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_blocking_finalize;
}

static void
test_blocking_init (TestBlocking *self)
{
}

/* Fixture: a model, its tokenizer, another one. */

typedef struct {
  char *folder;
  BitnetModel *model;
  BitnetTokenizer *fitting, *other;
} Fixture;

static BitnetModel *
write_vocab (const char *folder, const char *name, TestVocab *vocab)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GBytes) bytes = test_vocab_to_bytes (vocab);
  g_autoptr (GError) error = NULL;
  BitnetModel *model;

  g_file_set_contents (path, g_bytes_get_data (bytes, NULL),
      (gssize) g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
  model = bitnet_model_new_from_file (path, NULL, &error);
  g_assert_no_error (error);
  return model;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestVocab) bpe = test_vocab_new_bpe ();
  g_autoptr (TestVocab) spm = test_vocab_new_spm ();
  g_autoptr (BitnetModel) other = NULL;

  fixture->folder = test_folder_new ();
  g_setenv ("BITNET_TOKENIZER_CACHE", fixture->folder, TRUE);
  test_vocab_set_string (bpe, "general.architecture", "llama");
  fixture->model = write_vocab (fixture->folder, "model.gguf", bpe);
  fixture->fitting =
      bitnet_tokenizer_new_from_model (fixture->model, NULL, NULL);
  other = write_vocab (fixture->folder, "other.gguf", spm);
  fixture->other = bitnet_tokenizer_new_from_model (other, NULL, NULL);
  g_assert_nonnull (fixture->fitting);
  g_assert_nonnull (fixture->other);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_object_unref (fixture->model);
  g_object_unref (fixture->fitting);
  g_object_unref (fixture->other);
  test_folder_remove (fixture->folder);
  g_unsetenv ("BITNET_TOKENIZER_CACHE");
}

static TestStrategy *
add_strategy (BitnetResolver *resolver, Fixture *fixture, const char *name,
    int priority, Behaviour behaviour)
{
  TestStrategy *strategy = g_object_new (TEST_TYPE_STRATEGY, NULL);

  strategy->name = name;
  strategy->priority = priority;
  strategy->behaviour = behaviour;
  strategy->tokenizer =
      g_object_ref (behaviour == DO_MISFIT ? fixture->other : fixture->fitting);
  bitnet_resolver_add_strategy (resolver, BITNET_STRATEGY (strategy));
  return strategy;
}

/* Our five, replaced by such as do as they are told. */
static BitnetResolver *
new_resolver (Fixture *fixture, const Behaviour behaviours[N_STRATEGIES],
    TestStrategy *strategies[N_STRATEGIES])
{
  BitnetResolver *resolver = bitnet_resolver_new ();

  for (int i = 0; i < N_STRATEGIES; i++)
    strategies[i] =
        add_strategy (resolver, fixture, names[i], 100 - 20 * i, behaviours[i]);
  return resolver;
}

static void
free_strategies (TestStrategy *strategies[N_STRATEGIES])
{
  for (int i = 0; i < N_STRATEGIES; i++)
    g_object_unref (strategies[i]);
}

static GVariant *
lookup_attempts (GVariant *resolution)
{
  GVariant *attempts = g_variant_lookup_value (
      resolution, "attempts", G_VARIANT_TYPE ("aa{sv}"));

  g_assert_nonnull (attempts);
  return attempts;
}

/* Every combination of success and failure: the first that is successful
 * counts, those behind it are not asked, those before it are in the report. */
static void
test_matrix (Fixture *fixture, gconstpointer data)
{
  for (guint bits = 0; bits < 1u << N_STRATEGIES; bits++) {
    TestStrategy *strategies[N_STRATEGIES];
    Behaviour behaviours[N_STRATEGIES];
    g_autoptr (BitnetResolver) resolver = NULL;
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GVariant) resolution = NULL;
    g_autoptr (GVariant) attempts = NULL;
    g_autoptr (GError) error = NULL;
    int first = N_STRATEGIES;

    for (int i = N_STRATEGIES - 1; i >= 0; i--) {
      behaviours[i] = bits & 1u << i ? DO_SUCCEED : DO_FAIL;
      if (behaviours[i] == DO_SUCCEED)
        first = i;
    }
    resolver = new_resolver (fixture, behaviours, strategies);
    tokenizer = bitnet_resolver_resolve (
        resolver, fixture->model, NULL, &resolution, &error);
    attempts = lookup_attempts (resolution);
    if (first < N_STRATEGIES) {
      const char *strategy = NULL;

      g_assert_no_error (error);
      g_assert_true (tokenizer == fixture->fitting);
      g_variant_lookup (resolution, "strategy", "&s", &strategy);
      g_assert_cmpstr (strategy, ==, names[first]);
      g_assert_cmpuint (g_variant_n_children (attempts), ==, (gsize) first + 1);
    } else {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_ALL_FAILED);
      g_assert_null (tokenizer);
      g_assert_cmpuint (g_variant_n_children (attempts), ==, N_STRATEGIES);
    }
    for (int i = 0; i < N_STRATEGIES; i++)
      g_assert_cmpint (
          g_atomic_int_get (&strategies[i]->n_calls), ==, i <= first);
    free_strategies (strategies);
  }
}

/* A tokenizer that does not fit is a failure of its strategy. */
static void
test_misfit (Fixture *fixture, gconstpointer data)
{
  static const Behaviour behaviours[N_STRATEGIES] = {
      DO_FAIL, DO_MISFIT, DO_NOTHING, DO_SUCCEED, DO_SUCCEED};
  static const char *const codes[] = {
      "NOT_FOUND", "VOCAB_MISMATCH", "NOT_FOUND", NULL};
  TestStrategy *strategies[N_STRATEGIES];
  g_autoptr (BitnetResolver) resolver =
      new_resolver (fixture, behaviours, strategies);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GVariant) attempts = NULL;
  g_autoptr (GVariant) stats = NULL;
  guint64 n_recovered = 0;

  tokenizer = bitnet_resolver_resolve (
      resolver, fixture->model, NULL, &resolution, NULL);
  g_assert_true (tokenizer == fixture->fitting);
  attempts = lookup_attempts (resolution);
  g_assert_cmpuint (g_variant_n_children (attempts), ==, 4);
  for (gsize i = 0; i < 4; i++) {
    g_autoptr (GVariant) attempt = g_variant_get_child_value (attempts, i);
    const char *code = NULL, *strategy = NULL;

    g_variant_lookup (attempt, "code", "&s", &code);
    g_variant_lookup (attempt, "strategy", "&s", &strategy);
    g_assert_cmpstr (code, ==, codes[i]);
    g_assert_cmpstr (strategy, ==, names[i]);
  }
  stats = bitnet_resolver_dup_stats (resolver);
  g_variant_lookup (stats, "recovered", "t", &n_recovered);
  g_assert_cmpuint (n_recovered, ==, 1);
  free_strategies (strategies);
}

/* The most telling error is named, not the last one. */
static void
test_all_fail (Fixture *fixture, gconstpointer data)
{
  static const Behaviour behaviours[N_STRATEGIES] = {
      DO_FAIL, DO_MISFIT, DO_FAIL, DO_FAIL, DO_FAIL};
  TestStrategy *strategies[N_STRATEGIES];
  g_autoptr (BitnetResolver) resolver =
      new_resolver (fixture, behaviours, strategies);
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree const char **suggestions = NULL;
  const char *text = NULL, *cause = NULL;

  g_assert_null (bitnet_resolver_resolve (
      resolver, fixture->model, NULL, &resolution, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_ALL_FAILED);
  g_assert_null (strchr (error->message, '\n'));
  g_assert_nonnull (strstr (error->message, "generic: VOCAB_MISMATCH"));
  g_assert_nonnull (
      strstr (error->message, bitnet_model_get_path (fixture->model)));
  g_variant_lookup (resolution, "cause", "&s", &cause);
  g_assert_cmpstr (cause, ==, "VOCAB_MISMATCH");
  g_variant_lookup (resolution, "text", "&s", &text);
  for (int i = 0; i < N_STRATEGIES; i++)
    g_assert_nonnull (strstr (text, names[i]));
  g_assert_nonnull (strstr (text, "\nTry:\n  - "));
  g_variant_lookup (resolution, "suggestions", "^a&s", &suggestions);
  g_assert_nonnull (suggestions[0]);
  g_assert_cmpuint (g_strv_length ((char **) suggestions), <=, 5);
  free_strategies (strategies);
}

/* What says most is named as the cause, whoever comes upon it and whatever the
 * others say; the least telling are those that say nothing was there. */
static void
test_ranking (Fixture *fixture, gconstpointer data)
{
  static const Behaviour behaviours[N_STRATEGIES] = {DO_FAIL};
  static const BitnetError codes[] = {BITNET_ERROR_GATED,
      BITNET_ERROR_AUTH_INVALID, BITNET_ERROR_FORBIDDEN, BITNET_ERROR_AMBIGUOUS,
      BITNET_ERROR_VOCAB_MISMATCH, BITNET_ERROR_TOKENIZER, BITNET_ERROR_DIGEST,
      BITNET_ERROR_TRUNCATED, BITNET_ERROR_TOO_LARGE, BITNET_ERROR_NO_SPACE,
      BITNET_ERROR_PERMISSION, BITNET_ERROR_CACHE_IO, BITNET_ERROR_TLS,
      BITNET_ERROR_RATE_LIMITED, BITNET_ERROR_CIRCUIT_OPEN,
      BITNET_ERROR_TIMEOUT, BITNET_ERROR_NETWORK, BITNET_ERROR_TRANSIENT,
      BITNET_ERROR_HTTP, BITNET_ERROR_REPO_NOT_FOUND,
      BITNET_ERROR_REVISION_NOT_FOUND, BITNET_ERROR_ENTRY_NOT_FOUND,
      BITNET_ERROR_OFFLINE, BITNET_ERROR_DOWNLOAD_DISABLED,
      BITNET_ERROR_INVALID_MODEL, BITNET_ERROR_READ, BITNET_ERROR_NO_SOURCE};

  for (gsize k = 0; k < G_N_ELEMENTS (codes); k++) {
    TestStrategy *strategies[N_STRATEGIES];
    g_autoptr (BitnetResolver) resolver =
        new_resolver (fixture, behaviours, strategies);
    g_autoptr (GVariant) resolution = NULL;
    const char *cause = NULL;

    strategies[0]->code = BITNET_ERROR_NO_EMBEDDED_TOKENIZER;
    strategies[k % (N_STRATEGIES - 1) + 1]->code = codes[k];
    g_assert_null (bitnet_resolver_resolve (
        resolver, fixture->model, NULL, &resolution, NULL));
    g_variant_lookup (resolution, "cause", "&s", &cause);
    g_assert_cmpstr (cause, ==, bitnet_error_get_name (codes[k]));
    free_strategies (strategies);
  }
}

/* Whatever it is that failed: the report names it and says what can be done.
 */
static void
test_suggestions (Fixture *fixture, gconstpointer data)
{
  static const Behaviour behaviours[N_STRATEGIES] = {DO_FAIL};

  for (guint code = 0; code <= BITNET_ERROR_ALL_FAILED; code++) {
    for (guint i = 0; i < N_STRATEGIES; i++) {
      const char *const order[] = {names[i], NULL};
      TestStrategy *strategies[N_STRATEGIES];
      g_autoptr (BitnetResolver) resolver =
          new_resolver (fixture, behaviours, strategies);
      g_autoptr (GVariant) resolution = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree const char **suggestions = NULL;
      const char *cause = NULL, *text = NULL;

      /* The first ends the chain, the second has a way out. */
      if (code == BITNET_ERROR_INVALID_ARGUMENT
          || (code == BITNET_ERROR_UNKNOWN_PRETOKENIZER && i == 0)) {
        free_strategies (strategies);
        continue;
      }
      strategies[i]->code = (BitnetError) code;
      g_object_set (resolver, "strategy-order", order, NULL);
      g_assert_null (bitnet_resolver_resolve (
          resolver, fixture->model, NULL, &resolution, &error));
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_ALL_FAILED);
      g_variant_lookup (resolution, "cause", "&s", &cause);
      g_assert_cmpstr (cause, ==, bitnet_error_get_name ((BitnetError) code));
      g_variant_lookup (resolution, "suggestions", "^a&s", &suggestions);
      if (suggestions[0] == NULL)
        g_error ("%s of %s: nothing is suggested", cause, names[i]);
      g_variant_lookup (resolution, "text", "&s", &text);
      g_assert_nonnull (strstr (text, suggestions[0]));
      free_strategies (strategies);
    }
  }
}

/* One that needs the network is not even asked where that is forbidden. */
static void
test_network (Fixture *fixture, gconstpointer data)
{
  static const struct {
    const char *property;
    gboolean value;
    const char *code;
  } cases[] = {
      {"offline", TRUE, "OFFLINE"},
      {"allow-download", FALSE, "DOWNLOAD_DISABLED"},
      {"offline", FALSE, NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    static const char *const order[] = {"mine", "model-embedded", NULL};
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (TestStrategy) mine =
        add_strategy (resolver, fixture, "mine", 200, DO_SUCCEED);
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GVariant) resolution = NULL;
    g_autoptr (GVariant) attempts = NULL;
    g_autoptr (GVariant) first = NULL;
    const char *code = NULL;

    mine->requires_network = TRUE;
    g_object_set (resolver, "offline", FALSE, "strategy-order", order, NULL);
    g_object_set (resolver, cases[i].property, cases[i].value, NULL);
    tokenizer = bitnet_resolver_resolve (
        resolver, fixture->model, NULL, &resolution, NULL);
    g_assert_nonnull (tokenizer);
    attempts = lookup_attempts (resolution);
    first = g_variant_get_child_value (attempts, 0);
    g_variant_lookup (first, "code", "&s", &code);
    g_assert_cmpstr (code, ==, cases[i].code);
    g_assert_cmpint (
        g_atomic_int_get (&mine->n_calls), ==, cases[i].code == NULL);
  }
}

/* Order. */

static char *
list_order (BitnetResolver *resolver, GError **error)
{
  g_autoptr (GVariant) list = bitnet_resolver_list_strategies (resolver, error);
  GString *order = g_string_new (NULL);
  const char *name;
  int priority;
  gboolean network;
  GVariantIter iter;

  if (list == NULL)
    return g_string_free (order, TRUE);
  g_variant_iter_init (&iter, list);
  while (g_variant_iter_next (&iter, "(&sib)", &name, &priority, &network))
    g_string_append_printf (order, "%s%s:%d%s", order->len > 0 ? " " : "", name,
        priority, network ? "*" : "");
  return g_string_free (order, FALSE);
}

static void
test_order (void)
{
#define LOCAL_FIRST                                                            \
  "model-embedded:100 generic:80 local-cache:60 huggingface:40* backup:20"
  static const struct {
    const char *order[4];
    const char *expected; /* NULL: an error */
  } cases[] = {
      {{NULL}, LOCAL_FIRST},
      {{"local-first"}, LOCAL_FIRST},
      {{"hub-first"},
          "model-embedded:100 huggingface:80* local-cache:60 generic:40 "
          "backup:20"},
      {{"generic", "model-embedded"}, "generic:80 model-embedded:100"},
      {{"GgufMetadata,SmartDownload, mock"},
          "model-embedded:100 huggingface:40* backup:20"},
      {{"ColocatedFiles", "generic"}, "generic:80"},
      {{"", " "}, LOCAL_FIRST},
      {{"magic"}, NULL},
      {{"explicit"}, NULL},
      {{"local-first", "generic"}, NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (GError) error = NULL;
    g_autofree char *order = NULL;

    g_object_set (resolver, "strategy-order",
        cases[i].order[0] ? cases[i].order : NULL, NULL);
    order = list_order (resolver, &error);
    if (cases[i].expected == NULL) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, "model-embedded"));
    }
    g_assert_cmpstr (order, ==, cases[i].expected);
  }
}

/* Priorities fall along the order, whatever the profile. */
static void
test_priority (void)
{
  static const char *const profiles[] = {"local-first", "hub-first"};

  for (gsize i = 0; i < G_N_ELEMENTS (profiles); i++) {
    const char *const order[] = {profiles[i], NULL};
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (GVariant) list = NULL;
    int previous = 256;

    g_object_set (resolver, "strategy-order", order, NULL);
    list = bitnet_resolver_list_strategies (resolver, NULL);
    g_assert_cmpuint (g_variant_n_children (list), ==, N_STRATEGIES);
    for (gsize k = 0; k < N_STRATEGIES; k++) {
      int priority;

      g_variant_get_child (list, k, "(&sib)", NULL, &priority, NULL);
      g_assert_cmpint (priority, <, previous);
      previous = priority;
    }
  }
}

static void
test_custom_order (Fixture *fixture, gconstpointer data)
{
  static const char *const order[] = {"backup", "mine", NULL};
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (TestStrategy) mine =
      add_strategy (resolver, fixture, "mine", 90, DO_SUCCEED);
  g_autoptr (TestStrategy) same =
      add_strategy (resolver, fixture, "same", 80, DO_SUCCEED);
  g_autofree char *by_priority = list_order (resolver, NULL);
  g_autofree char *by_name = NULL;

  g_assert_cmpstr (by_priority, ==,
      "model-embedded:100 mine:90 generic:80 same:80 local-cache:60 "
      "huggingface:40* backup:20");
  g_object_set (resolver, "strategy-order", order, NULL);
  by_name = list_order (resolver, NULL);
  g_assert_cmpstr (by_name, ==, "backup:20 mine:90");
}

/* No strategy at all. */
static void
test_empty (Fixture *fixture, gconstpointer data)
{
  static const char *const order[] = {"model-embedded", "generic", NULL};
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GError) error = NULL;

  /* Of a repository there is nothing to look into. */
  g_object_set (resolver, "strategy-order", order, NULL);
  g_assert_null (bitnet_resolver_resolve_reference (
      resolver, "owner/name", NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_ALL_FAILED);
  g_assert_nonnull (strstr (error->message, "no strategy is left"));
}

/* The blocking form of the interface. */
static void
test_blocking_form (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (TestBlocking) blocking = g_object_new (TEST_TYPE_BLOCKING, NULL);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) resolution = NULL;
  const char *source = NULL, *kind = NULL;

  blocking->inner = g_object_new (TEST_TYPE_STRATEGY, NULL);
  blocking->inner->name = "mine";
  blocking->inner->priority = 200;
  blocking->inner->behaviour = DO_SUCCEED;
  blocking->inner->tokenizer = g_object_ref (fixture->fitting);
  bitnet_resolver_add_strategy (resolver, BITNET_STRATEGY (blocking));
  tokenizer = bitnet_resolver_resolve (
      resolver, fixture->model, NULL, &resolution, NULL);
  g_assert_true (tokenizer == fixture->fitting);
  g_variant_lookup (resolution, "source", "&s", &source);
  g_variant_lookup (resolution, "kind", "&s", &kind);
  g_assert_cmpstr (source, ==, "mine");
  g_assert_cmpstr (kind, ==, "custom");
}

/* One strategy, asked from many threads at once. */
static gpointer
resolve_in_thread (gpointer data)
{
  gpointer *arguments = data;

  return bitnet_resolver_resolve (arguments[0], arguments[1], NULL, NULL, NULL);
}

static void
test_threads (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (TestStrategy) mine =
      add_strategy (resolver, fixture, "mine", 200, DO_SUCCEED);
  gpointer arguments[] = {resolver, fixture->model};
  GThread *threads[8];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("resolve", resolve_in_thread, arguments);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++) {
    g_autoptr (BitnetTokenizer) tokenizer = g_thread_join (threads[i]);

    g_assert_true (tokenizer == fixture->fitting);
  }
  /* What an application's strategy does is not remembered. */
  g_assert_cmpint (
      g_atomic_int_get (&mine->n_calls), ==, (int) G_N_ELEMENTS (threads));
}

/* Names are there and priorities within their bounds. */
static void
test_contract (void)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (GVariant) list = bitnet_resolver_list_strategies (resolver, NULL);

  for (gsize i = 0; i < g_variant_n_children (list); i++) {
    const char *name;
    int priority;

    g_variant_get_child (list, i, "(&sib)", &name, &priority, NULL);
    g_assert_cmpstr (name, ==, names[i]);
    g_assert_cmpint (priority, >=, 0);
    g_assert_cmpint (priority, <=, 255);
  }
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  static const Behaviour behaviours[N_STRATEGIES] = {
      DO_FAIL, DO_CANCEL, DO_SUCCEED, DO_SUCCEED, DO_SUCCEED};
  TestStrategy *strategies[N_STRATEGIES];
  g_autoptr (BitnetResolver) resolver =
      new_resolver (fixture, behaviours, strategies);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  strategies[1]->to_cancel = cancellable;
  g_assert_null (bitnet_resolver_resolve (
      resolver, fixture->model, cancellable, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_atomic_int_get (&strategies[2]->n_calls), ==, 0);
  free_strategies (strategies);
}

/* What an application's strategy doubts is a warning of the resolution. */
static void
test_warning (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (TestStrategy) mine =
      add_strategy (resolver, fixture, "mine", 200, DO_WARN);
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) resolution = NULL;
  g_autofree const char **warnings = NULL;

  tokenizer = bitnet_resolver_resolve (
      resolver, fixture->model, NULL, &resolution, NULL);
  g_assert_true (tokenizer == fixture->fitting);
  g_variant_lookup (resolution, "warnings", "^a&s", &warnings);
  g_assert_cmpstr (warnings[0], ==, "this is a guess");
  g_assert_null (warnings[1]);
}

/* One that needs the network is not tried where that must not be used. */
/* Strategies may use their resolver: it holds no lock when it asks them. */
static void
test_asking (Fixture *fixture, gconstpointer data)
{
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (TestStrategy) mine =
      add_strategy (resolver, fixture, "mine", 200, DO_SUCCEED);
  g_autofree char *order = NULL;

  mine->to_ask = resolver;
  order = list_order (resolver, NULL);
  g_assert_true (g_str_has_prefix (order, "mine:200 "));
}

/* A vocabulary that is named and does not say how text is cut: a guess is no
 * better for being asked for. */
static void
test_explicit_pre (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetModel) model = NULL;

  test_vocab_set_string (vocab, "general.architecture", "llama");
  test_vocab_remove (vocab, "tokenizer.ggml.pre");
  model = write_vocab (fixture->folder, "without-pre.gguf", vocab);
  for (guint strict = 0; strict <= 1; strict++) {
    g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
    g_autoptr (BitnetTokenizer) tokenizer = NULL;
    g_autoptr (GVariant) resolution = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree const char **warnings = NULL;

    g_object_set (resolver, "strict", (gboolean) strict, "tokenizer",
        bitnet_model_get_path (model), NULL);
    tokenizer =
        bitnet_resolver_resolve (resolver, model, NULL, &resolution, &error);
    if (strict) {
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_UNKNOWN_PRETOKENIZER);
      continue;
    }
    g_assert_no_error (error);
    g_variant_lookup (resolution, "warnings", "^a&s", &warnings);
    g_assert_nonnull (warnings[0]);
  }
}

/* A model with two vocabularies that differ: its token list counts. */
static void
test_two_inside (Fixture *fixture, gconstpointer data)
{
  g_autoptr (TestVocab) vocab = test_vocab_new_bpe ();
  g_autoptr (BitnetModel) model = NULL;
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autofree char *json = test_vocab_new_json (256);

  test_vocab_set_string (vocab, "general.architecture", "llama");
  test_vocab_set_string (vocab, "tokenizer.huggingface.json", json);
  model = write_vocab (fixture->folder, "two.gguf", vocab);
  tokenizer = bitnet_resolver_resolve (resolver, model, NULL, NULL, NULL);
  g_assert_nonnull (tokenizer);
  g_assert_cmpuint (bitnet_tokenizer_get_vocab_size (tokenizer), ==,
      bitnet_tokenizer_get_vocab_size (fixture->fitting));
}

/* The thread of a resolution has not quite ended when its caller goes on, and
 * frees what both have. */
static void
test_ends (Fixture *fixture, gconstpointer data)
{
  static const char *const order[] = {"mine", NULL};
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (TestStrategy) mine =
      add_strategy (resolver, fixture, "mine", 200, DO_SUCCEED);

  g_object_set (resolver, "strategy-order", order, NULL);
  for (guint i = 0; i < N_ENDS; i++)
    g_object_unref (
        bitnet_resolver_resolve (resolver, fixture->model, NULL, NULL, NULL));
}

#define ADD(path, function)                                                    \
  g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  ADD ("/chain/B37/matrix", test_matrix);
  ADD ("/chain/B11/misfit", test_misfit);
  ADD ("/chain/B06-C42/all-fail", test_all_fail);
  ADD ("/chain/B06/ranking", test_ranking);
  ADD ("/chain/C29-C89/suggestions", test_suggestions);
  ADD ("/chain/C32-C80/network", test_network);
  g_test_add_func ("/chain/B08-C41/order", test_order);
  g_test_add_func ("/chain/B28/priority", test_priority);
  ADD ("/chain/B33/custom-order", test_custom_order);
  ADD ("/chain/B10/empty", test_empty);
  ADD ("/chain/B11/blocking-form", test_blocking_form);
  ADD ("/chain/B11/threads", test_threads);
  g_test_add_func ("/chain/B11/contract", test_contract);
  ADD ("/chain/B11/warning", test_warning);
  ADD ("/chain/B33/asking", test_asking);
  ADD ("/chain/C38/explicit-pre", test_explicit_pre);
  ADD ("/chain/C38/two-inside", test_two_inside);
  ADD ("/chain/ends", test_ends);
  ADD ("/chain/cancel", test_cancel);
  return g_test_run ();
}
