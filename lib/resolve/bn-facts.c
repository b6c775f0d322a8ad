/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at keys and shapes, never at all tokens: it is asked for each model
 * that is opened. */
#include "bn-facts.h"

#include <string.h>

#define GGUF_ENDING ".gguf"
#define TOKENS_KEY "tokenizer.ggml.tokens"

enum {
  PART_DIGITS = 5, /* "-00001-of-00003" */
};

static gboolean
get_token (guint32 id, const char **text, gsize *length, gpointer user_data)
{
  return bn_gguf_kv_get_string (user_data, id, text, length);
}

static gsize
count_digits (const char *text)
{
  return strspn (text, "0123456789");
}

/* Whether text ends as the name of a part; *size is what it ends with. */
static gboolean
has_part (const char *text, gsize *size)
{
  const gsize ending = 2 * PART_DIGITS + strlen ("--of-");
  const char *end;

  if (strlen (text) <= ending)
    return FALSE;
  end = text + strlen (text) - ending;
  *size = ending;
  return end[0] == '-' && count_digits (end + 1) == PART_DIGITS
         && g_str_has_prefix (end + 1 + PART_DIGITS, "-of-")
         && count_digits (end + 1 + PART_DIGITS + strlen ("-of-"))
                == PART_DIGITS;
}

char *
bn_facts_dup_stem (const char *path)
{
  char *stem = g_path_get_basename (path);
  gsize length = strlen (stem), part;

  if (length > strlen (GGUF_ENDING)
      && g_ascii_strcasecmp (stem + length - strlen (GGUF_ENDING), GGUF_ENDING)
             == 0)
    stem[length - strlen (GGUF_ENDING)] = '\0';
  if (has_part (stem, &part))
    stem[strlen (stem) - part] = '\0';
  return stem;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  const char *const *left = a, *const *right = b;

  return strcmp (*left, *right);
}

GPtrArray *
bn_facts_list_models (const char *folder, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  if (dir == NULL)
    return NULL;
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *lower = g_ascii_strdown (name, -1);

    if (g_str_has_suffix (lower, ".gguf") && !g_str_has_prefix (name, ".")
        && !strstr (lower, "mmproj"))
      g_ptr_array_add (names, g_strdup (name));
  }
  g_ptr_array_sort (names, compare_names);
  return g_steal_pointer (&names);
}

gboolean
bn_facts_are_parts (const GPtrArray *names)
{
  g_autofree char *stem = bn_facts_dup_stem (g_ptr_array_index (names, 0));

  for (guint i = 1; i < names->len; i++) {
    g_autofree char *other = bn_facts_dup_stem (g_ptr_array_index (names, i));

    if (strcmp (stem, other) != 0)
      return FALSE;
  }
  return TRUE;
}

guint
bn_facts_count_rows (const BnGguf *gguf)
{
  static const char *const names[] = {"token_embd.weight", "output.weight"};
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, TOKENS_KEY);
  g_autofree char *architecture =
      bn_gguf_dup_string (gguf, "general.architecture");
  uint64_t size;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    const BnGgufTensor *tensor = bn_gguf_find_tensor (gguf, names[i]);

    /* ne[0] is the width of the hidden state. */
    if (tensor && tensor->n_dims == 2)
      return (guint) MIN (tensor->ne[1], G_MAXUINT);
  }
  if (architecture) {
    g_autofree char *key = g_strconcat (architecture, ".vocab_size", NULL);

    if (bn_gguf_get_uint (gguf, key, &size) && size > 0 && size <= G_MAXUINT)
      return (guint) size;
  }
  return tokens && tokens->element_type == BN_GGUF_STRING
             ? (guint) MIN (tokens->count, G_MAXUINT)
             : 0;
}

/* All that may have the words of a family. */
static char *
dup_names (const BnGguf *gguf, const char *path)
{
  static const char *const keys[] = {"general.name", "general.basename",
      "general.finetune", "general.base_model.0.name"};
  g_autoptr (GString) names = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autofree char *name = bn_gguf_dup_string (gguf, keys[i]);

    if (name)
      g_string_append_printf (names, "%s\n", name);
  }
  if (path) {
    g_autofree char *stem = bn_facts_dup_stem (path);

    g_string_append (names, stem);
  }
  return names->len > 0 ? g_strdup (names->str) : NULL;
}

void
bn_facts_init (BnFacts *self, const BnGguf *gguf, const char *path)
{
  const BnGgufKv *tokens = bn_gguf_find_kv (gguf, TOKENS_KEY);

  self->architecture = bn_gguf_dup_string (gguf, "general.architecture");
  self->tokenizer = bn_gguf_dup_string (gguf, "tokenizer.ggml.model");
  self->pre = bn_gguf_dup_string (gguf, "tokenizer.ggml.pre");
  self->name = dup_names (gguf, path);
  self->facts = (BnModelFacts){.architecture = self->architecture,
      .tokenizer = self->tokenizer,
      .pre = self->pre,
      .name = self->name,
      .n_rows = bn_facts_count_rows (gguf)};
  /* A file that says it has none says nothing about which one it is. */
  if (self->tokenizer
      && (strcmp (self->tokenizer, "none") == 0
          || strcmp (self->tokenizer, "no_vocab") == 0))
    self->facts.tokenizer = NULL;
  if (tokens && tokens->type == BN_GGUF_ARRAY
      && tokens->element_type == BN_GGUF_STRING) {
    self->facts.n_tokens = (guint) MIN (tokens->count, G_MAXUINT);
    self->facts.get_token = get_token;
    self->facts.user_data = (gpointer) tokens;
  }
}

void
bn_facts_clear (BnFacts *self)
{
  g_free (self->architecture);
  g_free (self->tokenizer);
  g_free (self->pre);
  g_free (self->name);
  *self = (BnFacts){.name = NULL};
}
