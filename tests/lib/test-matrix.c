/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The matrix of model families: the built-in table, the rules that match a
 * model with it, and files of users that take its place. */
#include <glib/gstdio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet.h"
#include "net/bn-hub-names.h"
#include "resolve/bn-matrix.h"
#include "text/bn-pretok.h"

/* A vocabulary that has the landmarks of a family and nothing else known. */
typedef struct {
  const BnFamily *family;
  guint32 changed; /* a landmark that is another token; or NONE */
  char filler[32];
  guint n_calls;
} Vocabulary;

enum { NONE = G_MAXUINT32 };

static gboolean
get_token (guint32 id, const char **text, gsize *length, gpointer user_data)
{
  Vocabulary *self = user_data;
  const GArray *landmarks = self->family->landmarks;

  self->n_calls++;
  g_snprintf (self->filler, sizeof self->filler, "filler %u", id);
  *text = self->filler;
  for (guint i = 0; i < landmarks->len && id != self->changed; i++) {
    const BnLandmark *landmark = &g_array_index (landmarks, BnLandmark, i);

    if (landmark->id == id)
      *text = landmark->text;
  }
  *length = strlen (*text);
  return TRUE;
}

static guint32
first_size (const GArray *sizes, guint32 fallback)
{
  return sizes->len > 0 ? g_array_index (sizes, guint32, 0) : fallback;
}

/* All that a usual file of the family says. */
static BnModelFacts
make_facts (const BnFamily *family, Vocabulary *vocabulary)
{
  guint32 n_rows = first_size (family->rows, 0);

  *vocabulary = (Vocabulary){.family = family, .changed = NONE};
  return (BnModelFacts){.architecture = family->architectures[0],
      .tokenizer = family->tokenizer,
      .pre = family->pre[0],
      .name = family->words[0] ? family->words[0] : "model",
      .n_rows = n_rows,
      .n_tokens = first_size (family->tokens, n_rows),
      .get_token = get_token,
      .user_data = vocabulary};
}

static gboolean
matches (const BnFamilyMatrix *matrix, const BnModelFacts *facts,
    const BnFamily *family)
{
  g_autoptr (GPtrArray) families = bn_matrix_match (matrix, facts);

  return g_ptr_array_find (families, family, NULL);
}

static const char *
identify (const BnModelFacts *facts)
{
  const BnFamily *family = bn_matrix_identify (bn_matrix_get (), facts);

  return family ? family->name : NULL;
}

static BnFamilyMatrix *
parse (const char *json)
{
  g_autoptr (GError) error = NULL;
  BnFamilyMatrix *matrix =
      bn_matrix_new_from_data (json, strlen (json), "test.json", &error);

  g_assert_no_error (error);
  return matrix;
}

/* Every row is found from what a file of the family says: with all of it as
 * the first, without a tokenizer among others. */
static void
test_rows (void)
{
  const BnFamilyMatrix *matrix = bn_matrix_get ();

  g_assert_cmpuint (bn_matrix_get_n_families (matrix), >=, 54);
  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++) {
    const BnFamily *family = bn_matrix_get_family (matrix, i);
    Vocabulary vocabulary;
    BnModelFacts facts = make_facts (family, &vocabulary);
    g_autoptr (GPtrArray) families = bn_matrix_match (matrix, &facts);

    g_test_message ("%s", family->name);
    g_assert_cmpuint (families->len, >, 0);
    g_assert_true (families->pdata[0] == family);
    g_assert_true (bn_matrix_find (matrix, family->name) == family);
    if (family->landmarks->len > 0 || family->words[0] || family->is_unique)
      g_assert_cmpstr (identify (&facts), ==, family->name);

    facts.tokenizer = facts.pre = NULL;
    facts.n_tokens = 0;
    facts.get_token = NULL;
    g_assert_true (matches (matrix, &facts, family));
  }
  g_assert_null (bn_matrix_find (matrix, "no-such-family"));
}

/* What is in the table makes sense. */
static void
test_entries (void)
{
  const BnFamilyMatrix *matrix = bn_matrix_get ();

  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++) {
    const BnFamily *family = bn_matrix_get_family (matrix, i);

    g_test_message ("%s", family->name);
    g_assert_true (bn_hub_is_repository (family->repository));
    g_assert_nonnull (family->architectures[0]);
    for (gsize j = 0; family->equivalents[j]; j++)
      g_assert_cmpstr (family->equivalents[j], !=, family->repository);
    for (gsize j = 0; family->pre[j]; j++) {
      g_assert_cmpstr (family->tokenizer, ==, "gpt2");
      g_assert_nonnull (bn_pretok_find (family->pre[j]));
    }
    for (gsize j = 0; family->words[j]; j++) {
      g_autofree char *lower = g_ascii_strdown (family->words[j], -1);

      g_assert_cmpstr (family->words[j], ==, lower);
      g_assert_null (strpbrk (lower, " _"));
    }
    for (gsize j = 0; family->sha256[j]; j++)
      g_assert_cmpuint (strlen (family->sha256[j]), ==, 64);
    for (guint j = 0; j < family->landmarks->len; j++) {
      guint32 id = g_array_index (family->landmarks, BnLandmark, j).id;

      g_assert_cmpuint (id, <,
          MAX (first_size (family->rows, 0), first_size (family->tokens, 0)));
    }
  }
}

/* Whether all landmarks of a are landmarks of b. */
static gboolean
is_subset (const BnFamily *a, const BnFamily *b)
{
  for (guint i = 0; i < a->landmarks->len; i++) {
    const BnLandmark *wanted = &g_array_index (a->landmarks, BnLandmark, i);
    gboolean found = FALSE;

    for (guint j = 0; j < b->landmarks->len; j++) {
      const BnLandmark *other = &g_array_index (b->landmarks, BnLandmark, j);

      found = found
              || (other->id == wanted->id
                  && strcmp (other->text, wanted->text) == 0);
    }
    if (!found)
      return FALSE;
  }
  return TRUE;
}

/* A vocabulary has the landmarks of one family; others that match too are
 * those it extends, and those that say they share it. */
static void
test_landmarks (void)
{
  const BnFamilyMatrix *matrix = bn_matrix_get ();

  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++) {
    const BnFamily *family = bn_matrix_get_family (matrix, i);
    Vocabulary vocabulary;
    BnModelFacts facts = make_facts (family, &vocabulary);
    g_autoptr (GPtrArray) families = NULL;

    if (family->landmarks->len == 0)
      continue;
    facts.architecture = facts.pre = facts.name = NULL;
    families = bn_matrix_match (matrix, &facts);
    g_assert_true (g_ptr_array_find (families, family, NULL));
    for (guint j = 0; j < families->len; j++) {
      const BnFamily *other = families->pdata[j];

      g_test_message ("%s as %s", family->name, other->name);
      g_assert_true (is_subset (other, family));
      if (other != family && other->landmarks->len == family->landmarks->len)
        g_assert_true (other->shares || family->shares);
    }
    /* One wrong token, and it is another vocabulary. */
    for (guint j = 0; j < family->landmarks->len; j++) {
      vocabulary.changed = g_array_index (family->landmarks, BnLandmark, j).id;
      g_assert_false (matches (matrix, &facts, family));
    }
  }
}

/* Looking at all tokens would take milliseconds. */
static void
test_calls (void)
{
  const BnFamilyMatrix *matrix = bn_matrix_get ();
  const BnFamily *family = bn_matrix_find (matrix, "llama-3");
  Vocabulary vocabulary;
  BnModelFacts facts = make_facts (family, &vocabulary);
  guint n_landmarks = 0;
  g_autoptr (GPtrArray) families = bn_matrix_match (matrix, &facts);

  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++)
    n_landmarks += bn_matrix_get_family (matrix, i)->landmarks->len;
  g_assert_cmpuint (vocabulary.n_calls, >=, family->landmarks->len);
  g_assert_cmpuint (vocabulary.n_calls, <=, n_landmarks);
}

/* "unique" lets strict mode believe in numbers. */
static void
test_unique (void)
{
  const BnFamilyMatrix *matrix = bn_matrix_get ();

  for (gsize i = 0; i < bn_matrix_get_n_families (matrix); i++) {
    const BnFamily *family = bn_matrix_get_family (matrix, i);

    for (gsize arch = 0; family->is_unique && family->architectures[arch];
         arch++) {
      for (guint row = 0; row < family->rows->len; row++) {
        BnModelFacts facts = {.architecture = family->architectures[arch],
            .n_rows = g_array_index (family->rows, guint32, row)};
        g_autoptr (GPtrArray) families = bn_matrix_match (matrix, &facts);

        g_test_message (
            "%s: %s, %u", family->name, facts.architecture, facts.n_rows);
        g_assert_cmpuint (families->len, ==, 1);
        g_assert_true (families->pdata[0] == family);
        g_assert_cmpstr (identify (&facts), ==, family->name);
      }
    }
  }
}

/* Numbers and architecture give families to try, and no certainty. */
static void
test_size_alone (void)
{
  static const struct {
    const char *architecture;
    guint n_rows;
    const char *family; /* one that is among those to try */
  } cases[] = {
      {"llama", 128256, "llama-3"},
      {"llama", 32000, "llama-2"},
      {"gpt2", 50257, "gpt-2"},
      {"qwen2", 151936, "qwen2"},
      {"llama", 49152, "smollm"},
  };
  const BnFamilyMatrix *matrix = bn_matrix_get ();
  BnModelFacts nothing = {.name = "llama-3.1"};
  g_autoptr (GPtrArray) none = bn_matrix_match (matrix, &nothing);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    BnModelFacts facts = {.architecture = cases[i].architecture,
        .n_rows = cases[i].n_rows,
        .name = "model"};

    g_test_message ("%s, %u", facts.architecture, facts.n_rows);
    g_assert_null (identify (&facts));
    g_assert_true (
        matches (matrix, &facts, bn_matrix_find (matrix, cases[i].family)));
  }
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_null (identify (&nothing));
}

/* Of models without tokens, words of the name tell. */
static void
test_words (void)
{
  static const struct {
    const char *name;
    guint n_rows;
    const char *family; /* NULL: not certain */
  } cases[] = {
      {"Mistral-7B-Instruct-v0.2", 32000, "mistral"},
      {"my mistral 7b", 32000, "mistral"},
      {"mixtral_8x7b", 32000, "mistral"},
      {"optimistral", 32000, NULL},
      {"mistralish", 32000, NULL},
      {"Llama 3.1 8B", 128256, "llama-3.1"},
      {"llama-3.2-1b-instruct", 128256, "llama-3.1"},
      {"llama3.3", 128256, "llama-3.1"},
      {"llama-3.10", 128256, NULL},
      {"llama-3-8b", 128256, "llama-3"},
      {"DeepSeek-R1-Distill-Llama-8B", 128256, "deepseek-r1-llama"},
      {"Llama3-8B-1.58-100B-tokens", 128256, "llama-3-1.58"},
      {"CodeLlama-34b", 32000, "code-llama"},
      {"CodeLlama-7b", 32016, "code-llama"},
      {"Falcon-E-3B", 32768, "falcon-e"},
      {"other\nfalcon-e", 32768, "falcon-e"},
      {"", 32000, NULL},
      /* Versions of one name differ in their sizes. */
      {"Mistral-7B-v0.3", 32768, "mistral-v3"},
      {"Something", 32768, NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    BnModelFacts facts = {.architecture = "llama",
        .n_rows = cases[i].n_rows,
        .name = cases[i].name};

    g_test_message ("%s, %u", facts.name, facts.n_rows);
    g_assert_cmpstr (identify (&facts), ==, cases[i].family);
  }
}

#define FAMILY(name, members)                                                  \
  "{\"name\":\"" name "\",\"repository\":\"o/" name "\"," members "}"
#define MATRIX(families) "{\"version\":1,\"families\":[" families "]}"

/* What contradicts a family, fact by fact. */
static void
test_contradictions (void)
{
  static const struct {
    const char *name;
    BnModelFacts facts;
    gboolean fits;
  } cases[] = {
      {"nothing known but the size", {.n_rows = 1000}, TRUE},
      {"architecture", {.architecture = "a", .n_rows = 1000}, TRUE},
      {"second architecture", {.architecture = "b", .n_rows = 1000}, TRUE},
      {"other architecture", {.architecture = "c", .n_rows = 1000}, FALSE},
      {"no size", {.architecture = "a"}, TRUE},
      {"kind", {.tokenizer = "gpt2", .n_rows = 1000}, TRUE},
      {"other kind", {.tokenizer = "llama", .n_rows = 1000}, FALSE},
      {"pre", {.pre = "qwen2", .n_rows = 1000}, TRUE},
      {"second pre", {.pre = "kormo", .n_rows = 1000}, TRUE},
      {"other pre", {.pre = "gpt-2", .n_rows = 1000}, FALSE},
      {"pre that says nothing", {.pre = "default", .n_rows = 1000}, TRUE},
      {"fewer rows", {.n_rows = 899}, FALSE},
      {"rows as tokens", {.n_rows = 900}, TRUE},
      {"padded", {.n_rows = 1000 + 4096}, TRUE},
      {"padded too much", {.n_rows = 1000 + 4097}, FALSE},
      {"tokens", {.n_rows = 1000, .n_tokens = 900}, TRUE},
      {"tokens padded", {.n_rows = 1000, .n_tokens = 1000}, TRUE},
      {"tokens added", {.n_rows = 1000, .n_tokens = 901}, TRUE},
      {"fewer tokens", {.n_rows = 1000, .n_tokens = 899}, FALSE},
      {"more tokens", {.n_rows = 1000, .n_tokens = 6000}, FALSE},
      {"word", {.name = "My Word 7B", .n_rows = 1000}, TRUE},
      {"no word", {.name = "words", .n_rows = 1000}, FALSE},
  };
  g_autoptr (BnFamilyMatrix) matrix = parse (MATRIX (FAMILY ("f",
      "\"architectures\":[\"a\",\"b\"],\"tokenizer\":\"gpt2\","
      "\"pre\":[\"qwen2\",\"kormo\"],\"rows\":[1000],\"tokens\":[900],"
      "\"words\":[\"word\"]")));
  const BnFamily *family = bn_matrix_get_family (matrix, 0);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s", cases[i].name);
    g_assert_cmpint (
        matches (matrix, &cases[i].facts, family), ==, cases[i].fits);
  }
}

/* The padding of large vocabularies is a share of the rows. */
static void
test_large_padding (void)
{
  g_autoptr (BnFamilyMatrix) matrix =
      parse (MATRIX (FAMILY ("f", "\"tokenizer\":\"gpt2\",\"rows\":[190000]")));
  const BnFamily *family = bn_matrix_get_family (matrix, 0);
  const BnModelFacts fits = {.n_rows = 200000}, more = {.n_rows = 200010};

  g_assert_true (matches (matrix, &fits, family));
  g_assert_false (matches (matrix, &more, family));
}

/* Landmarks outweigh architecture, name and numbers that are equal; exact
 * numbers those that are padded. */
static void
test_weights (void)
{
  g_autoptr (BnFamilyMatrix) matrix = parse (
      MATRIX (FAMILY ("padded", "\"architectures\":[\"a\"],\"tokenizer\":"
                                "\"gpt2\",\"rows\":[990]") "," FAMILY ("exact",
          "\"architectures\":[\"a\"],\"tokenizer\":\"gpt2\","
          "\"rows\":[1000]") "," FAMILY ("word",
          "\"architectures\":[\"a\"],\"tokenizer\":\"gpt2\","
          "\"rows\":[1000],\"words\":[\"word\"]") "," FAMILY ("marked",
          "\"architectures\":[\"b\"],\"tokenizer\":\"gpt2\","
          "\"rows\":[900],\"words\":[\"other\"],"
          "\"landmarks\":{\"3\":\"x\"}") "," FAMILY ("extended",
          "\"architectures\":[\"b\"],\"tokenizer\":\"gpt2\","
          "\"rows\":[900],\"landmarks\":{\"3\":\"x\",\"4\":\"y\"}")));
  Vocabulary vocabulary = {
      .family = bn_matrix_find (matrix, "extended"), .changed = NONE};
  BnModelFacts facts = {.architecture = "a", .n_rows = 1000};
  g_autoptr (GPtrArray) plain = bn_matrix_match (matrix, &facts);
  g_autoptr (GPtrArray) named = NULL;
  g_autoptr (GPtrArray) marked = NULL;

  g_assert_cmpuint (plain->len, ==, 2); /* no name contradicts no words */
  g_assert_true (plain->pdata[0] == bn_matrix_find (matrix, "exact"));
  g_assert_true (plain->pdata[1] == bn_matrix_find (matrix, "word"));
  facts.name = "a word";
  named = bn_matrix_match (matrix, &facts);
  g_assert_cmpuint (named->len, ==, 1);
  g_assert_true (named->pdata[0] == bn_matrix_find (matrix, "word"));
  facts.n_tokens = 1000;
  facts.get_token = get_token;
  facts.user_data = &vocabulary;
  marked = bn_matrix_match (matrix, &facts);
  g_assert_cmpuint (marked->len, ==, 2);
  g_assert_true (marked->pdata[0] == bn_matrix_find (matrix, "extended"));
  g_assert_true (marked->pdata[1] == bn_matrix_find (matrix, "marked"));
  g_assert_true (bn_matrix_identify (matrix, &facts)
                 == bn_matrix_find (matrix, "extended"));
}

/* The missing key of vocabularies that are known. */
static void
test_imply (void)
{
  static const struct {
    const char *family;
    const char *architecture;
    const char *pre;
  } cases[] = {
      {"llama-3", "bitnet-b1.58", "llama-bpe"},
      {"llama-3", "llama", "llama-bpe"}, {"llama-3.1", "llama", "llama-bpe"},
      {"deepseek-r1-llama", "llama", "llama-bpe"}, {"gpt-2", "gpt2", "gpt-2"},
      {"gpt-2", "other", "gpt-2"}, {"gpt-neox", "gptneox", "mpt"},
      {"qwen2", "qwen2", "qwen2"}, {"qwen3", "other", "qwen2"},
      {"deepseek-r1-qwen", "qwen2", "deepseek-r1-qwen"},
      {"falcon", "falcon", "falcon"}, {"starcoder", "starcoder", "starcoder"},
      {"starcoder2", "starcoder2", "starcoder"}, {"smollm", "llama", "smollm"},
      {"deepseek-llm", "llama", "deepseek-llm"},
      {"deepseek-coder", "llama", "deepseek-coder"}, {"phi-4", "phi3", "dbrx"},
      {"qwen3.5", "qwen35", "qwen35"},
      {"qwen3.5", "llama", NULL},  /* numbers alone */
      {"falcon-e", "llama", NULL}, /* a name alone */
      {"llama-2", "llama", NULL},  /* no key needed */
  };
  const BnFamilyMatrix *matrix = bn_matrix_get ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const BnFamily *family = bn_matrix_find (matrix, cases[i].family);
    Vocabulary vocabulary;
    BnModelFacts facts = make_facts (family, &vocabulary);

    g_test_message ("%s, %s", cases[i].family, cases[i].architecture);
    facts.architecture = cases[i].architecture;
    facts.pre = NULL;
    g_assert_cmpstr (bn_matrix_imply_pre (matrix, &facts), ==, cases[i].pre);
    if (family->landmarks->len == 0)
      continue;
    vocabulary.changed = g_array_index (family->landmarks, BnLandmark, 0).id;
    g_assert_null (bn_matrix_imply_pre (matrix, &facts));
  }
}

/* Families with the same tokens have to agree. */
static void
test_imply_conflict (void)
{
#define MARKED(name, pre)                                                      \
  FAMILY (name, "\"architectures\":[\"a\"],\"tokenizer\":\"gpt2\","            \
                "\"rows\":[900]," pre "\"landmarks\":{\"3\":\"x\"}")
  static const struct {
    const char *json;
    const char *pre;
  } cases[] = {
      {MATRIX (MARKED ("f", "\"pre\":[\"qwen2\",\"gpt-2\"],")), "qwen2"},
      {MATRIX (MARKED ("f", "\"pre\":[\"starcoder\"],") "," MARKED (
           "g", "\"pre\":[\"refact\"],")),
          "starcoder"},
      {MATRIX (MARKED ("f", "\"pre\":[\"qwen2\"],") "," MARKED (
           "g", "\"pre\":[\"gpt-2\"],")),
          NULL},
      {MATRIX (MARKED ("f", "\"pre\":[\"qwen2\"],") "," MARKED ("g", "")),
          NULL},
      {MATRIX (MARKED ("f", "")), NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (BnFamilyMatrix) matrix = parse (cases[i].json);
    Vocabulary vocabulary;
    BnModelFacts facts =
        make_facts (bn_matrix_get_family (matrix, 0), &vocabulary);

    facts.pre = NULL;
    g_assert_cmpstr (bn_matrix_imply_pre (matrix, &facts), ==, cases[i].pre);
    vocabulary.changed = 3;
    g_assert_null (bn_matrix_imply_pre (matrix, &facts));
  }
}

static void
test_nearest (void)
{
  BnModelFacts facts = {.n_rows = 128300};
  const BnModelFacts nothing = {.name = "x"};
  g_autoptr (GPtrArray) nearest =
      bn_matrix_list_nearest (bn_matrix_get (), &facts, 3);
  g_autoptr (GPtrArray) none =
      bn_matrix_list_nearest (bn_matrix_get (), &nothing, 3);
  g_autoptr (GPtrArray) of_kind = NULL;

  g_assert_cmpuint (nearest->len, ==, 3);
  g_assert_true (
      nearest->pdata[0] == bn_matrix_find (bn_matrix_get (), "llama-3"));
  g_assert_cmpuint (none->len, ==, 0);
  facts.tokenizer = "rwkv";
  of_kind = bn_matrix_list_nearest (bn_matrix_get (), &facts, 3);
  g_assert_cmpuint (of_kind->len, ==, 1);
}

#define GOOD "\"tokenizer\":\"gpt2\",\"rows\":[1]"

static const struct {
  const char *name, *json;
  const char *message; /* a part of it */
} malformed[] = {
    {"empty", "", "test.json"},
    {"no-json", "families", "offset 0"},
    {"array", "[]", "expected an object"},
    {"no-families", "{\"version\":1}", "families"},
    {"families-object", "{\"version\":1,\"families\":{}}", "an array"},
    {"no-version", "{\"families\":[]}", "\"version\" of 1"},
    {"version", "{\"version\":2,\"families\":[]}", "\"version\" of 1"},
    {"version-text", "{\"version\":\"1\",\"families\":[]}", "whole number"},
    {"family-text", MATRIX ("\"llama\""), "families[0]"},
    {"no-name", MATRIX ("{" GOOD ",\"repository\":\"a/b\"}"), "with name"},
    {"no-tokenizer", MATRIX (FAMILY ("f", "\"rows\":[1]")), "with name"},
    {"no-rows", MATRIX (FAMILY ("f", "\"tokenizer\":\"gpt2\"")), "with name"},
    {"no-repository", MATRIX ("{\"name\":\"f\"," GOOD "}"), "with name"},
    {"twice", MATRIX (FAMILY ("f", GOOD) "," FAMILY ("f", GOOD)), "new name"},
    {"unknown-member", MATRIX (FAMILY ("f", GOOD ",\"landmark\":{}")),
        "a member of a family"},
    {"member-twice", MATRIX (FAMILY ("f", GOOD ",\"rows\":[2]")), "once"},
    {"empty-name", MATRIX (FAMILY ("", GOOD)), "a text"},
    {"nul", MATRIX (FAMILY ("f", GOOD ",\"title\":\"a\\u0000b\"")), "a text"},
    {"name-number", MATRIX (FAMILY ("f", GOOD ",\"title\":1")), "a string"},
    {"rows-number", MATRIX (FAMILY ("f", GOOD ",\"tokens\":1")), "an array"},
    {"row-zero", MATRIX (FAMILY ("f", GOOD ",\"tokens\":[0]")),
        "number of tokens"},
    {"row-huge", MATRIX (FAMILY ("f", GOOD ",\"tokens\":[4294967296]")),
        "number of tokens"},
    {"row-fraction", MATRIX (FAMILY ("f", GOOD ",\"tokens\":[1.5]")),
        "number of tokens"},
    {"row-text", MATRIX (FAMILY ("f", GOOD ",\"tokens\":[\"1\"]")),
        "number of tokens"},
    {"repository-url",
        MATRIX ("{\"name\":\"f\"," GOOD ",\"repository\":\"http://a/b\"}"),
        "a repository"},
    {"repository-dots",
        MATRIX ("{\"name\":\"f\"," GOOD ",\"repository\":\"../b\"}"),
        "a repository"},
    {"repository-short",
        MATRIX ("{\"name\":\"f\"," GOOD ",\"repository\":\"gpt2\"}"),
        "a repository"},
    {"equivalent", MATRIX (FAMILY ("f", GOOD ",\"equivalents\":[\"a/b/c\"]")),
        "a repository"},
    {"landmarks-array", MATRIX (FAMILY ("f", GOOD ",\"landmarks\":[]")),
        "an object"},
    {"landmark-id", MATRIX (FAMILY ("f", GOOD ",\"landmarks\":{\"x\":\"y\"}")),
        "the id of a token"},
    {"landmark-sign",
        MATRIX (FAMILY ("f", GOOD ",\"landmarks\":{\"-1\":\"y\"}")),
        "the id of a token"},
    {"landmark-huge",
        MATRIX (FAMILY ("f", GOOD ",\"landmarks\":{\"4194304\":\"y\"}")),
        "the id of a token"},
    {"landmark-empty",
        MATRIX (FAMILY ("f", GOOD ",\"landmarks\":{\"1\":\"\"}")), "a text"},
    {"shares-nobody", MATRIX (FAMILY ("f", GOOD ",\"landmarks\":\"g\"")),
        "a family above"},
    {"shares-itself", MATRIX (FAMILY ("f", GOOD ",\"landmarks\":\"f\"")),
        "a family above"},
    {"gated", MATRIX (FAMILY ("f", GOOD ",\"gated\":1")), "true or false"},
    {"cut", "{\"version\":1,\"families\":[{\"name\":\"f\"", "test.json"},
};

static void
test_malformed (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autoptr (GError) error = NULL;

  g_assert_null (bn_matrix_new_from_data (
      malformed[i].json, strlen (malformed[i].json), "test.json", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, malformed[i].message));
  g_assert_nonnull (strstr (error->message, "test.json"));
  g_assert_null (strchr (error->message, '\n'));
}

/* Lists and files have bounds. */
static void
test_bounds (void)
{
  g_autoptr (GString) rows =
      g_string_new ("{\"version\":1,\"families\":[{\"name\":\"f\",\"rows\":[1");
  g_autofree char *large = g_strnfill (5 << 20, ' ');
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 300; i++)
    g_string_append (rows, ",1");
  g_string_append (rows, "]}]}");
  g_assert_null (
      bn_matrix_new_from_data (rows->str, rows->len, "test.json", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_nonnull (strstr (error->message, "at most 256"));
  g_clear_error (&error);
  g_assert_null (bn_matrix_new_from_data (large, 5 << 20, "test.json", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER);
  g_assert_nonnull (strstr (error->message, "at most 4194304"));
}

/* Where a table of the user is looked for; the matrix is read once, so each
 * case has a process. */
static const struct {
  const char *name;
  const char *variable, *config; /* contents; NULL: no file, not set */
  const char *family;            /* the first one */
  const char *warning;           /* NULL: none */
} overrides[] = {
    {"none", NULL, NULL, "llama-2", NULL},
    {"variable", MATRIX (FAMILY ("mine", GOOD)), NULL, "mine", NULL},
    {"config", NULL, MATRIX (FAMILY ("yours", GOOD)), "yours", NULL},
    {"both", MATRIX (FAMILY ("mine", GOOD)), MATRIX (FAMILY ("yours", GOOD)),
        "mine", NULL},
    {"malformed", "{", MATRIX (FAMILY ("yours", GOOD)), "llama-2",
        "*built-in model families*"},
    {"missing", "", NULL, "llama-2", "*matrix.json*built-in model families*"},
    {"malformed-config", NULL, "[]", "llama-2", "*built-in model families*"},
};

static void
write_override (const char *folder, gsize i)
{
  g_autofree char *variable = g_build_filename (folder, "matrix.json", NULL);
  g_autofree char *config_folder = g_build_filename (folder, "bitnet", NULL);
  g_autofree char *config =
      g_build_filename (config_folder, "tokenizer-matrix.json", NULL);

  g_setenv ("XDG_CONFIG_HOME", folder, TRUE);
  g_unsetenv ("BITNET_TOKENIZER_MATRIX");
  if (overrides[i].variable) {
    g_setenv ("BITNET_TOKENIZER_MATRIX", variable, TRUE);
    if (*overrides[i].variable)
      g_file_set_contents (variable, overrides[i].variable, -1, NULL);
  }
  if (overrides[i].config) {
    g_mkdir (config_folder, 0700);
    g_file_set_contents (config, overrides[i].config, -1, NULL);
  }
}

static void
remove_override (const char *folder)
{
  g_autofree char *variable = g_build_filename (folder, "matrix.json", NULL);
  g_autofree char *config_folder = g_build_filename (folder, "bitnet", NULL);
  g_autofree char *config =
      g_build_filename (config_folder, "tokenizer-matrix.json", NULL);

  g_remove (variable);
  g_remove (config);
  g_rmdir (config_folder);
  g_rmdir (folder);
}

static void
test_override (gconstpointer data)
{
  gsize i = GPOINTER_TO_SIZE (data);
  g_autofree char *folder = NULL;

  if (!g_test_subprocess ()) {
    g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed ();
    return;
  }
  folder = g_dir_make_tmp ("bitnet-matrix-XXXXXX", NULL);
  write_override (folder, i);
  if (overrides[i].warning)
    g_test_expect_message ("bitnet", G_LOG_LEVEL_WARNING, overrides[i].warning);
  g_assert_cmpstr (bn_matrix_get_family (bn_matrix_get (), 0)->name, ==,
      overrides[i].family);
  g_test_assert_expected_messages ();
  g_assert_true (bn_matrix_get () == bn_matrix_get ());
  remove_override (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/matrix/C06/rows", test_rows);
  g_test_add_func ("/matrix/C15/entries", test_entries);
  g_test_add_func ("/matrix/landmarks", test_landmarks);
  g_test_add_func ("/matrix/calls", test_calls);
  g_test_add_func ("/matrix/unique", test_unique);
  g_test_add_func ("/matrix/size-alone", test_size_alone);
  g_test_add_func ("/matrix/words", test_words);
  g_test_add_func ("/matrix/contradictions", test_contradictions);
  g_test_add_func ("/matrix/large-padding", test_large_padding);
  g_test_add_func ("/matrix/weights", test_weights);
  g_test_add_func ("/matrix/imply", test_imply);
  g_test_add_func ("/matrix/imply-conflict", test_imply_conflict);
  g_test_add_func ("/matrix/nearest", test_nearest);
  g_test_add_func ("/matrix/bounds", test_bounds);
  for (gsize i = 0; i < G_N_ELEMENTS (malformed); i++) {
    g_autofree char *path =
        g_strdup_printf ("/matrix/malformed/%s", malformed[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_malformed);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (overrides); i++) {
    g_autofree char *path =
        g_strdup_printf ("/matrix/override/%s", overrides[i].name);

    g_test_add_data_func (path, GSIZE_TO_POINTER (i), test_override);
  }
  return g_test_run ();
}
