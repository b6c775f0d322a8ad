/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models as they are found in the wild, resolved without any setting: of each
 * family one that is complete and others that lack something or lie beside
 * something wrong. Nearly all resolve, and none to another's tokenizer. The
 * hub is in the process. */
#include <glib/gstdio.h>
#include <string.h>
#include "bitnet.h"
#include "resolve/bn-matrix.h"
#include "test-family.h"
#include "test-folder.h"
#include "test-hub.h"

enum { MIN_CASES = 40, MIN_PERCENT = 95 };

/* Sanitizers take their time: every how many families. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 5 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { STEP = 5 };
#else
enum { STEP = 1 };
#endif
#else
enum { STEP = 1 };
#endif

typedef enum {
  BESIDE_NOTHING,
  BESIDE_RIGHT,
  BESIDE_WRONG, /* of another family of about the same size */
} Beside;

static const struct {
  const char *name;
  gboolean has_tokens, has_pre;
  gboolean is_named;   /* the name says which family */
  gboolean has_origin; /* the file says what it was made of */
  Beside beside;
  guint n_padding;
  const char *strategy; /* that finds it */
} kinds[] = {
    {"complete", TRUE, TRUE, FALSE, FALSE, BESIDE_NOTHING, 0, "model-embedded"},
    {"without-pre", TRUE, FALSE, FALSE, FALSE, BESIDE_NOTHING, 0,
        "model-embedded"},
    {"padded", TRUE, TRUE, TRUE, FALSE, BESIDE_NOTHING, 64, "model-embedded"},
    {"wrong-beside-complete", TRUE, TRUE, TRUE, FALSE, BESIDE_WRONG, 0,
        "model-embedded"},
    {"without-tokens", FALSE, TRUE, TRUE, FALSE, BESIDE_NOTHING, 0,
        "huggingface"},
    {"without-anything", FALSE, FALSE, TRUE, FALSE, BESIDE_NOTHING, 0, NULL},
    {"with-origin", FALSE, FALSE, FALSE, TRUE, BESIDE_NOTHING, 0, NULL},
    {"right-beside", FALSE, FALSE, TRUE, FALSE, BESIDE_RIGHT, 0, "generic"},
    {"wrong-beside", FALSE, FALSE, TRUE, FALSE, BESIDE_WRONG, 0, NULL},
};

typedef struct {
  char *folder;
  TestHub *hub;
  guint n_cases, n_right, n_unresolved;
} Run;

static void
publish (TestHub *hub, const char *repository, gboolean is_gated,
    const char *name, GBytes *content)
{
  gsize size;
  const char *data = g_bytes_get_data (content, &size);

  test_hub_add_repo (hub, repository, TEST_HUB_COMMIT);
  test_hub_add_file (hub, repository, name, data, (gssize) size, TRUE);
  if (is_gated)
    test_hub_set_gated (hub, repository, "a-token-that-nobody-has");
}

/* The family's repository, and those with the same tokenizer. */
static void
publish_family (TestHub *hub, const BnFamily *family)
{
  const char *name;
  g_autoptr (GBytes) content = test_family_make_tokenizer (family, &name);

  publish (hub, family->repository, family->is_gated, name, content);
  for (char **e = family->equivalents; e && *e; e++)
    publish (hub, *e, FALSE, name, content);
}

static guint
get_rows (const BnFamily *family)
{
  return g_array_index (family->rows, guint32, 0);
}

/* Whether all that is known of a vocabulary is true of another, too: then they
 * are nearly the same, as LLaMA-3 and its later versions are. */
static gboolean
includes (const BnFamily *other, const BnFamily *family)
{
  for (guint i = 0; i < family->landmarks->len; i++) {
    const BnLandmark *landmark =
        &g_array_index (family->landmarks, BnLandmark, i);
    gboolean is_there = FALSE;

    for (guint k = 0; k < other->landmarks->len && !is_there; k++) {
      const BnLandmark *theirs =
          &g_array_index (other->landmarks, BnLandmark, k);

      is_there = theirs->id == landmark->id
                 && strcmp (theirs->text, landmark->text) == 0;
    }
    if (!is_there)
      return FALSE;
  }
  return TRUE;
}

/* Another family of the same kind whose size is closest. */
static const BnFamily *
find_other (const BnFamily *family)
{
  const BnFamilyMatrix *matrix = bn_matrix_get ();
  const BnFamily *best = NULL;
  guint best_distance = G_MAXUINT;

  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++) {
    const BnFamily *other = bn_matrix_get_family (matrix, i);
    guint distance =
        (guint) ABS ((gint64) get_rows (other) - (gint64) get_rows (family));

    if (!test_family_is_supported (other)
        || strcmp (other->tokenizer, family->tokenizer) != 0
        || distance >= best_distance
        || strcmp (other->repository, family->repository) == 0)
      continue;
    if (distance <= 1024 && includes (other, family))
      continue;
    best = other;
    best_distance = distance;
  }
  return best;
}

static void
put_beside (const char *folder, const BnFamily *family)
{
  const char *name;
  g_autoptr (GBytes) content = test_family_make_tokenizer (family, &name);

  g_free (test_folder_write (folder, name, g_bytes_get_data (content, NULL),
      (gssize) g_bytes_get_size (content)));
}

static char *
write_case (Run *run, const BnFamily *family, gsize kind)
{
  g_autofree char *folder = g_strdup_printf (
      "%s/models/%s-%s", run->folder, family->name, kinds[kind].name);
  char *path = g_build_filename (folder, "model.gguf", NULL);
  g_autofree char *origin =
      g_strdup_printf ("https://huggingface.co/%s", family->repository);
  g_autofree char *name = g_strdup_printf ("%s 7B Instruct",
      family->words && family->words[0] ? family->words[0] : family->title);
  const BnFamily *other = find_other (family);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  test_family_write_model (family, path,
      &(TestFamilyModel){.has_tokens = kinds[kind].has_tokens,
          .has_pre = kinds[kind].has_pre,
          .name = kinds[kind].is_named ? name : "Model",
          .origin = kinds[kind].has_origin ? origin : NULL,
          .n_padding = kinds[kind].n_padding});
  if (kinds[kind].beside == BESIDE_RIGHT)
    put_beside (folder, family);
  else if (kinds[kind].beside == BESIDE_WRONG && other)
    put_beside (folder, other);
  return path;
}

static gboolean
is_fallback (GVariant *resolution)
{
  gboolean fallback = FALSE;

  g_variant_lookup (resolution, "fallback", "b", &fallback);
  return fallback;
}

/* Of some it is not known how they cut text; then their vocabulary alone is
 * the last thing to try. */
static gboolean
says_pre (const BnFamily *family)
{
  return strcmp (family->tokenizer, "gpt2") != 0
         || (family->pre && family->pre[0]);
}

static void
check_case (Run *run, const BnFamily *family, gsize kind)
{
  g_autofree char *path = write_case (run, family, kind);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (BitnetResolver) resolver = bitnet_resolver_new ();
  g_autoptr (BitnetTokenizer) tokenizer = NULL;
  g_autoptr (GVariant) resolution = NULL;
  g_autoptr (GError) error = NULL;
  const char *strategy = "none";

  tokenizer = bitnet_resolver_resolve_reference (
      resolver, path, NULL, &resolution, &error);
  run->n_cases++;
  if (resolution)
    g_variant_lookup (resolution, "strategy", "&s", &strategy);
  if (tokenizer == NULL || is_fallback (resolution)) {
    g_autoptr (GVariant) attempts =
        g_variant_lookup_value (resolution, "attempts", NULL);
    g_autofree char *text = g_variant_print (attempts, FALSE);

    run->n_unresolved++;
    g_test_message (
        "%s, %s: not resolved: %s", family->name, kinds[kind].name, text);
  } else {
    if (!test_family_owns (family, tokenizer))
      g_error ("%s, %s: another's tokenizer, by %s", family->name,
          kinds[kind].name, strategy);
    run->n_right++;
    if (kinds[kind].strategy && says_pre (family)
        && strcmp (strategy, kinds[kind].strategy) != 0
        && strcmp (strategy, "local-cache") != 0)
      g_error ("%s, %s: found by %s, expected %s", family->name,
          kinds[kind].name, strategy, kinds[kind].strategy);
  }
  g_clear_object (&tokenizer);
  g_unlink (path); /* a megabyte each */
}

static void
test_zero_config (void)
{
  const BnFamilyMatrix *matrix = bn_matrix_get ();
  Run run = {.folder = test_folder_new (), .hub = test_hub_new (0)};
  g_autofree char *cache = g_build_filename (run.folder, "cache", NULL);
  g_autofree char *hub_cache = g_build_filename (run.folder, "hub", NULL);

  g_setenv ("HF_ENDPOINT", test_hub_get_endpoint (run.hub), TRUE);
  g_setenv ("HF_HUB_CACHE", hub_cache, TRUE);
  g_setenv ("BITNET_TOKENIZER_CACHE", cache, TRUE);
  g_unsetenv ("BITNET_OFFLINE");
  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++) {
    const BnFamily *family = bn_matrix_get_family (matrix, i);

    if (test_family_is_supported (family))
      publish_family (run.hub, family);
  }
  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i += STEP) {
    const BnFamily *family = bn_matrix_get_family (matrix, i);

    if (!test_family_is_supported (family)) {
      g_test_message ("%s: no such vocabulary is made here", family->name);
      continue;
    }
    for (gsize kind = 0; kind < G_N_ELEMENTS (kinds); kind++)
      check_case (&run, family, kind);
  }
  g_test_message ("%u cases: %u right, %u unresolved, none wrong", run.n_cases,
      run.n_right, run.n_unresolved);
  g_assert_cmpuint (run.n_cases, >=, MIN_CASES);
  g_assert_cmpuint (run.n_right * 100, >=, run.n_cases * MIN_PERCENT);
  test_hub_free (run.hub);
  test_folder_remove (run.folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_unsetenv ("BITNET_STRICT_TOKENIZERS");
  g_test_add_func ("/resolver/C86/zero-config", test_zero_config);
  return g_test_run ();
}
