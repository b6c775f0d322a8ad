/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two JSON files that the search for repositories reads: a matrix of
 * families, and a config.json beside a model. What is accepted keeps the
 * promises that the search builds on. */
#include <stdlib.h>
#include <string.h>

#include "bitnet-error.h"
#include "fuzz.h"
#include "net/bn-hub-names.h"
#include "resolve/bn-matrix.h"
#include "resolve/bn-repos.h"

enum { MAX_TOKENS = 1 << 22 };

static void
check (gboolean condition, const char *what)
{
  if (!condition) {
    g_printerr ("broken: %s\n", what);
    abort ();
  }
}

/* A vocabulary in which every token has the text of the first landmark. */
static gboolean
get_token (guint32 id, const char **text, gsize *length, gpointer user_data)
{
  *text = user_data;
  *length = strlen (*text);
  return id % 2 == 0;
}

static void
check_family (const BnFamilyMatrix *matrix, const BnFamily *family)
{
  const char *text = family->landmarks->len > 0
                         ? g_array_index (family->landmarks, BnLandmark, 0).text
                         : "x";
  const BnModelFacts facts = {.architecture = family->architectures[0],
      .tokenizer = family->tokenizer,
      .name = family->words[0],
      .n_rows = g_array_index (family->rows, guint32, 0),
      .n_tokens = g_array_index (family->rows, guint32, 0),
      .get_token = get_token,
      .user_data = (gpointer) text};
  g_autoptr (GPtrArray) families = bn_matrix_match (matrix, &facts);
  g_autoptr (GPtrArray) nearest = bn_matrix_list_nearest (matrix, &facts, 3);
  const BnFamily *identified = bn_matrix_identify (matrix, &facts);
  g_autoptr (GPtrArray) candidates = NULL;

  check (bn_matrix_find (matrix, family->name) == family, "names are unique");
  check (bn_hub_is_repository (family->repository), "repositories are safe");
  for (gsize i = 0; family->equivalents[i]; i++)
    check (
        bn_hub_is_repository (family->equivalents[i]), "equivalents are safe");
  for (guint i = 0; i < family->landmarks->len; i++)
    check (g_array_index (family->landmarks, BnLandmark, i).id < MAX_TOKENS,
        "ids are in range");
  check (identified == NULL || identified == families->pdata[0],
      "the family that is identified matches");
  check (nearest->len <= 3, "the list of the nearest is short");
  bn_matrix_imply_pre (matrix, &facts);
  candidates = bn_repos_infer (NULL, NULL, matrix, &facts);
  check (
      families->len == 0 || candidates->len > 0, "families have repositories");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *repository = bn_repos_parse_config (
      (const char *) data, size, "config.json", "/nonexistent");
  g_autoptr (GError) error = NULL;
  g_autoptr (BnFamilyMatrix) matrix =
      bn_matrix_new_from_data ((const char *) data, size, "fuzz", &error);

  check (repository == NULL
             || (bn_hub_is_repository (repository) && strchr (repository, '/')),
      "an origin is safe");
  if (matrix == NULL) {
    check (g_error_matches (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER),
        "a refusal has a reason");
    check (!strpbrk (error->message, "\r\n")
               && g_utf8_validate (error->message, -1, NULL),
        "a message is one line of text");
    return 0;
  }
  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++)
    check_family (matrix, bn_matrix_get_family (matrix, i));
  return 0;
}
