/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of model families and what a model has in common with them.
 *
 * A family is out if a fact contradicts it. Of those that are left, evidence
 * of a stronger kind rules out the weaker: landmarks (tokens at known ids)
 * before words of the name before numbers. Numbers prove nothing alone: 32000
 * rows are LLaMA-2 or Mistral. */
#include "bn-matrix.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-matrix-private.h"
#include "text/bn-pretok.h"

enum {
  /* Rows without a token that a vocabulary may have, as validation has it:
   * this or a twentieth of the rows. */
  MAX_PADDING = 4096,
  PADDING_DIVISOR = 20,
};

/* What a model's name says of a family. */
typedef enum {
  WORDS_AGAINST, /* it lacks the words that the family's names have */
  WORDS_NOTHING, /* they have none in common */
  WORDS_TITLE,   /* the family's own name */
  WORDS_ONE,     /* one of the words */
} Words;

/* How close a family is to the facts. */
typedef struct {
  const BnFamily *family;
  guint n_landmarks; /* all of its landmarks are there: their number */
  guint words;       /* how much the name says (Words) */
  gboolean has_architecture;
  guint n_exact; /* sizes that are equal, not padded */
  gboolean has_pre;
} Match;

BnFamilyMatrix *
bn_matrix_new (void)
{
  BnFamilyMatrix *self = g_new0 (BnFamilyMatrix, 1);

  self->families = g_ptr_array_new_with_free_func (bn_family_free);
  return self;
}

void
bn_matrix_free (BnFamilyMatrix *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->families);
  g_free (self);
}

gsize
bn_matrix_get_n_families (const BnFamilyMatrix *self)
{
  return self->families->len;
}

const BnFamily *
bn_matrix_get_family (const BnFamilyMatrix *self, gsize i)
{
  return g_ptr_array_index (self->families, i);
}

const BnFamily *
bn_matrix_find (const BnFamilyMatrix *self, const char *name)
{
  for (guint i = 0; i < self->families->len; i++) {
    const BnFamily *family = g_ptr_array_index (self->families, i);

    if (strcmp (family->name, name) == 0)
      return family;
  }
  return NULL;
}

static gboolean
has_string (GStrv list, const char *text)
{
  return g_strv_contains ((const char *const *) list, text);
}

/* "Llama 3.1_8B" as words are spelled: "llama-3.1-8b". */
static char *
fold_name (const char *name)
{
  char *folded = g_ascii_strdown (name, -1);

  for (char *p = folded; *p; p++) {
    if (*p == ' ' || *p == '_')
      *p = '-';
  }
  return folded;
}

/* A word ends where another kind of character begins: "llama-3" is in
 * "llama-3.1" and in "llama-3b", not in "llama-30b". */
static gboolean
has_word (const char *name, const char *word)
{
  gsize length = strlen (word);
  gboolean ends_in_digit = g_ascii_isdigit (word[length - 1]);

  for (const char *p = strstr (name, word); p; p = strstr (p + 1, word)) {
    if (p > name && g_ascii_isalnum (p[-1]))
      continue;
    if (ends_in_digit ? g_ascii_isdigit (p[length])
                      : g_ascii_isalpha (p[length]))
      continue;
    return TRUE;
  }
  return FALSE;
}

static gboolean
has_any_word (const char *name, GStrv words)
{
  for (gsize i = 0; words[i]; i++) {
    if (has_word (name, words[i]))
      return TRUE;
  }
  return FALSE;
}

/* Whether a name has a version in it that does not go on: "llama-3.1" is no
 * "llama-3". */
static gboolean
has_version (const char *name, const char *title)
{
  const char *p = strstr (name, title);

  p = p ? p + strlen (title) : NULL;
  return p && has_word (name, title)
         && !(p[0] == '.' && g_ascii_isdigit (p[1]));
}

/* "llama-3", also without the hyphen, or the title. */
static gboolean
has_title (const char *name, const BnFamily *family)
{
  g_auto (GStrv) parts = g_strsplit (family->name, "-", -1);
  g_autofree char *joined = g_strjoinv ("", parts);
  g_autofree char *title = fold_name (family->title);

  return has_version (name, family->name) || has_version (name, joined)
         || has_version (name, title);
}

static Words
weigh_name (const char *name, const BnFamily *family)
{
  if (name && has_any_word (name, family->words))
    return WORDS_ONE;
  if (family->words[0] != NULL)
    return WORDS_AGAINST;
  return name && has_title (name, family) ? WORDS_TITLE : WORDS_NOTHING;
}

/* FALSE if a size contradicts the family: it is none of its sizes, and none
 * with padding or added tokens behind it. */
static gboolean
fits_size (const BnFamily *family, guint size, gboolean *is_exact)
{
  const GArray *lists[] = {family->rows, family->tokens};
  guint padding = MAX (MAX_PADDING, size / PADDING_DIVISOR);
  gboolean fits = FALSE;

  *is_exact = FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++) {
    for (guint j = 0; j < lists[i]->len; j++) {
      guint known = g_array_index (lists[i], guint32, j);

      *is_exact = *is_exact || size == known;
      fits = fits || (size >= known && size - known <= padding);
    }
  }
  return fits;
}

/* FALSE if a token is another one than the family has. */
static gboolean
has_landmarks (const BnFamily *family, const BnModelFacts *facts)
{
  for (guint i = 0; i < family->landmarks->len; i++) {
    const BnLandmark *landmark =
        &g_array_index (family->landmarks, BnLandmark, i);
    const char *text;
    gsize length;

    if (!facts->get_token (landmark->id, &text, &length, facts->user_data)
        || length != strlen (landmark->text)
        || memcmp (text, landmark->text, length) != 0)
      return FALSE;
  }
  return TRUE;
}

/* The name says how text is cut only where the algorithm asks for it, and
 * "default" says that the converter did not know. */
static gboolean
says_pre (const BnModelFacts *facts)
{
  return facts->pre && strcmp (facts->pre, "default") != 0
         && (facts->tokenizer == NULL
             || strcmp (facts->tokenizer, "gpt2") == 0);
}

/* Fills *match, or FALSE if the facts contradict the family. */
static gboolean
compare (const BnFamily *family, const BnModelFacts *facts, const char *name,
    Match *match)
{
  const guint sizes[] = {facts->n_rows, facts->n_tokens};

  *match = (Match){.family = family};
  if (facts->tokenizer && strcmp (facts->tokenizer, family->tokenizer) != 0)
    return FALSE;
  if (says_pre (facts) && family->pre[0]) {
    if (!has_string (family->pre, facts->pre))
      return FALSE;
    match->has_pre = TRUE;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    gboolean is_exact;

    if (sizes[i] == 0)
      continue;
    if (!fits_size (family, sizes[i], &is_exact))
      return FALSE;
    match->n_exact += is_exact;
  }
  if (facts->get_token && facts->n_tokens > 0 && family->landmarks->len > 0) {
    if (!has_landmarks (family, facts))
      return FALSE;
    match->n_landmarks = family->landmarks->len;
  }
  match->words = weigh_name (name, family);
  match->has_architecture =
      facts->architecture
      && has_string (family->architectures, facts->architecture);
  if (match->n_landmarks > 0)
    return TRUE;
  return (match->words != WORDS_AGAINST || name == NULL)
         && (match->has_architecture || facts->architecture == NULL);
}

/* What is known of the vocabulary itself comes first. A vocabulary may have
 * got more tokens, so with landmarks the size says least; without them it says
 * more than a name. */
static guint64
weigh (const Match *match)
{
  guint64 landmarks = (guint64) match->n_landmarks << 16;
  guint architecture = match->has_architecture, pre = match->has_pre;

  return match->n_landmarks > 0
             ? landmarks | match->words << 12 | architecture << 8
                   | match->n_exact << 4 | pre
             : match->n_exact << 12 | match->words << 8 | architecture << 4
                   | pre;
}

/* Drops what evidence speaks against that the first has. */
static void
keep_proven (GArray *matches)
{
  const Match first = g_array_index (matches, Match, 0);

  for (guint i = matches->len; i-- > 1;) {
    const Match *match = &g_array_index (matches, Match, i);
    gboolean is_weaker =
        first.n_landmarks > 0
            ? match->n_landmarks == 0
            : match->n_exact < first.n_exact
                  || (first.words >= WORDS_TITLE && match->words < first.words);

    if (is_weaker)
      g_array_remove_index (matches, i);
  }
}

/* In order; those of equal weight as they are in the table. */
static GArray *
list_matches (const BnFamilyMatrix *self, const BnModelFacts *facts)
{
  GArray *matches = g_array_new (FALSE, FALSE, sizeof (Match));
  g_autofree char *name = facts->name ? fold_name (facts->name) : NULL;

  /* No fact contradicts anything then. */
  if (facts->architecture == NULL && facts->tokenizer == NULL
      && facts->n_rows == 0 && facts->n_tokens == 0)
    return matches;
  for (guint i = 0; i < self->families->len; i++) {
    Match match;

    if (compare (g_ptr_array_index (self->families, i), facts, name, &match)) {
      guint at = matches->len;

      while (
          at > 0
          && weigh (&g_array_index (matches, Match, at - 1)) < weigh (&match))
        at--;
      g_array_insert_val (matches, at, match);
    }
  }
  if (matches->len > 0)
    keep_proven (matches);
  return matches;
}

GPtrArray *
bn_matrix_match (const BnFamilyMatrix *self, const BnModelFacts *facts)
{
  g_autoptr (GArray) matches = list_matches (self, facts);
  GPtrArray *families = g_ptr_array_new ();

  for (guint i = 0; i < matches->len; i++)
    g_ptr_array_add (
        families, (gpointer) g_array_index (matches, Match, i).family);
  return families;
}

/* The family of the first match, if it is proven and stands alone. */
static const BnFamily *
identify (const GArray *matches, const BnModelFacts *facts)
{
  const Match *first;

  if (matches->len == 0)
    return NULL;
  first = &g_array_index (matches, Match, 0);
  if (first->n_landmarks == 0 && first->words < WORDS_TITLE
      && !(first->family->is_unique && first->n_exact > 0
           && first->has_architecture))
    return NULL;
  if (matches->len > 1
      && weigh (first) == weigh (&g_array_index (matches, Match, 1)))
    return NULL;
  return first->family;
}

const BnFamily *
bn_matrix_identify (const BnFamilyMatrix *self, const BnModelFacts *facts)
{
  g_autoptr (GArray) matches = list_matches (self, facts);

  return identify (matches, facts);
}

static gboolean
cuts_alike (const char *a, const char *b)
{
  const BnPretok *left = bn_pretok_find (a), *right = bn_pretok_find (b);

  return left && right && left->set == right->set
         && left->set_hf == right->set_hf && left->flags == right->flags;
}

const char *
bn_matrix_imply_pre (const BnFamilyMatrix *self, const BnModelFacts *facts)
{
  g_autoptr (GArray) matches = list_matches (self, facts);
  const BnFamily *family = identify (matches, facts);
  const char *pre = NULL;

  if (matches->len == 0)
    return NULL;
  /* Words prove nothing about the vocabulary that is there. */
  if (g_array_index (matches, Match, 0).n_landmarks == 0)
    return family && family->is_unique ? family->pre[0] : NULL;
  for (guint i = 0; i < matches->len; i++) {
    const char *other = g_array_index (matches, Match, i).family->pre[0];

    if (other == NULL || (pre && !cuts_alike (pre, other)))
      return NULL;
    if (pre == NULL)
      pre = other;
  }
  return pre;
}

static guint
get_distance (const BnFamily *family, guint size)
{
  guint distance = G_MAXUINT;

  for (guint i = 0; i < family->rows->len; i++) {
    guint known = g_array_index (family->rows, guint32, i);

    distance = MIN (distance, size > known ? size - known : known - size);
  }
  return distance;
}

GPtrArray *
bn_matrix_list_nearest (
    const BnFamilyMatrix *self, const BnModelFacts *facts, guint n)
{
  guint size = facts->n_rows > 0 ? facts->n_rows : facts->n_tokens;
  GPtrArray *nearest = g_ptr_array_new ();

  for (guint i = 0; size > 0 && i < self->families->len; i++) {
    const BnFamily *family = g_ptr_array_index (self->families, i);
    guint at = nearest->len;

    if (facts->tokenizer && strcmp (facts->tokenizer, family->tokenizer) != 0)
      continue;
    while (at > 0
           && get_distance (family, size)
                  < get_distance (g_ptr_array_index (nearest, at - 1), size))
      at--;
    g_ptr_array_insert (nearest, (int) at, (gpointer) family);
    if (nearest->len > n)
      g_ptr_array_set_size (nearest, (int) n);
  }
  return nearest;
}
