/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repositories of GGUF files hold one model in many quantizations, each named
 * in the file's name ("model-Q4_K_M.gguf", "Q8_0/model-00001-of-00002.gguf").
 * Labels are compared without regard to case. Pure. */
#include "bn-model-choice.h"

#include <string.h>

#define SUFFIX ".gguf"
#define DEFAULT_QUANT "Q4_K_M"

enum {
  PART_DIGITS = 5,
  PART_SIZE = sizeof "-00001-of-00002" - 1,
  MAX_PARTS = 1000,
};

/* What stands around a label: Q4_K is not in Q4_K_M. */
static gboolean
is_before (char c)
{
  return strchr ("-._/", c) && c != '\0';
}

static gboolean
is_after (char c)
{
  return strchr ("-./", c) != NULL;
}

static gboolean
is_gguf (const char *name)
{
  gsize length = strlen (name);

  return length > strlen (SUFFIX)
         && g_ascii_strcasecmp (name + length - strlen (SUFFIX), SUFFIX) == 0;
}

static int
parse_digits (const char *text)
{
  int value = 0;

  for (int i = 0; i < PART_DIGITS; i++) {
    if (!g_ascii_isdigit (text[i]))
      return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/* Where "-00001-of-00002.gguf" begins, NULL if name does not end so. */
static const char *
find_part (const char *name, int *number, int *total)
{
  gsize length = strlen (name);
  const char *part;

  if (!is_gguf (name) || length < PART_SIZE + strlen (SUFFIX))
    return NULL;
  part = name + length - strlen (SUFFIX) - PART_SIZE;
  if (part[0] != '-' || memcmp (part + 1 + PART_DIGITS, "-of-", 4) != 0)
    return NULL;
  *number = parse_digits (part + 1);
  *total = parse_digits (part + 1 + PART_DIGITS + 4);
  return *number > 0 && *total > 0 && *total <= MAX_PARTS && *number <= *total
             ? part
             : NULL;
}

guint
bn_model_get_n_parts (const char *name)
{
  int number, total;

  return find_part (name, &number, &total) && number == 1 ? (guint) total : 1;
}

char *
bn_model_dup_part (const char *name, guint i)
{
  int number, total;
  const char *part = find_part (name, &number, &total);

  if (!part)
    return g_strdup (name);
  return g_strdup_printf ("%.*s-%0*u-of-%0*d%s", (int) (part - name), name,
      PART_DIGITS, i + 1, PART_DIGITS, total,
      name + strlen (name) - strlen (SUFFIX));
}

/* A file that a program would load: not a later part, not what goes beside a
 * model (projectors, importance matrices). */
static gboolean
is_candidate (const char *name)
{
  const char *base = strrchr (name, '/');
  int number, total;

  base = base ? base + 1 : name;
  if (!is_gguf (name) || g_str_has_prefix (base, "mmproj")
      || g_str_has_prefix (base, "imatrix"))
    return FALSE;
  return !find_part (name, &number, &total) || number == 1;
}

static gboolean
has_label (const char *name, const char *label)
{
  gsize length = strlen (label);

  for (const char *p = name; *p; p++) {
    if (g_ascii_strncasecmp (p, label, length) == 0 && is_after (p[length])
        && (p == name || is_before (p[-1])))
      return TRUE;
  }
  return FALSE;
}

/* Whether the name ends with the label, but for part and suffix. */
static gboolean
ends_with_label (const char *name, const char *label)
{
  int number, total;
  const char *end = find_part (name, &number, &total);
  gsize length = strlen (label);

  if (!end)
    end = name + strlen (name) - strlen (SUFFIX);
  return (gsize) (end - name) > length
         && g_ascii_strncasecmp (end - length, label, length) == 0
         && is_before (end[-(gssize) length - 1]);
}

static const char *
find_label (GPtrArray *names, const char *label,
    gboolean (*matches) (const char *name, const char *label))
{
  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);

    if (is_candidate (name) && (!matches || matches (name, label)))
      return name;
  }
  return NULL;
}

const char *
bn_model_choose (GPtrArray *names, const char *quant)
{
  const char *label = quant ? quant : DEFAULT_QUANT;
  const char *name = find_label (names, label, ends_with_label);

  if (!name)
    name = find_label (names, label, has_label);
  return name || quant ? name : find_label (names, NULL, NULL);
}
