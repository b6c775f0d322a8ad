/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader of pre-tokenizers of tokenizer.json: which steps bn-split.c runs,
 * and which set of bn-pretok.h does the same. */
#include "bn-split-step.h"

#include <string.h>

#include "bn-pretok-splitters.h"
#include "bn-split-known.h"
#include "bn-unicode.h"

enum {
  MAX_STEPS = 64, /* they call each other */
  DEFAULT_CHUNK = 5,
};

#define DEFAULT_REPLACEMENT "\xE2\x96\x81" /* U+2581 */

static void
step_clear (gpointer data)
{
  BnSplitStep *step = data;

  g_free (step->pattern);
  g_free (step->replacement);
  g_clear_pointer (&step->regex, bn_regex_free);
}

/* Splitters for sets. */

static inline size_t
cut_runs (
    const uint8_t *p, const uint8_t *end, unsigned property, gboolean is_joined)
{
  uint32_t cp;
  unsigned size = bn_utf8_next (p, end, &cp);
  gboolean inside = (bn_char_properties (cp) & property) != 0;
  const uint8_t *q = p + size;

  if (inside && !is_joined)
    return size;
  for (; q < end; q += size) {
    size = bn_utf8_next (q, end, &cp);
    if (((bn_char_properties (cp) & property) != 0) != inside)
      break;
  }
  return (size_t) (q - p);
}

static size_t
cut_each_digit (const uint8_t *p, const uint8_t *end)
{
  return cut_runs (p, end, BN_PROPERTY_NUMERIC, FALSE);
}

static size_t
cut_digits (const uint8_t *p, const uint8_t *end)
{
  return cut_runs (p, end, BN_PROPERTY_NUMERIC, TRUE);
}

static size_t
cut_each_punctuation (const uint8_t *p, const uint8_t *end)
{
  return cut_runs (p, end, BN_PROPERTY_PUNCTUATION_8, FALSE);
}

static size_t
cut_punctuation (const uint8_t *p, const uint8_t *end)
{
  return cut_runs (p, end, BN_PROPERTY_PUNCTUATION_8, TRUE);
}
/* Reading. */

static void
add_step (BnSplitter *self, BnSplitStepFn run, BnSplitStep options)
{
  BnSplitStep step = options;

  step.run = run;
  g_array_append_val (self->steps, step);
}

static void
add_cut (BnSplitter *self, BnSplitFn cut)
{
  add_step (self, bn_split_run_cut, (BnSplitStep){.cut = cut});
}

static gboolean
read_behavior (BnJson json, BnSplitBehavior *behavior, GError **error)
{
  static const char *const names[] = {"Removed", "Isolated",
      "MergedWithPrevious", "MergedWithNext", "Contiguous"};
  BnJson value;

  if (!bn_json_find (json, "behavior", &value))
    return TRUE;
  if (!bn_json_expect (value, BN_JSON_STRING, error))
    return FALSE;
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++) {
    if (bn_json_equals (value, names[i])) {
      *behavior = (BnSplitBehavior) i;
      return TRUE;
    }
  }
  return bn_json_fail (value, error,
      "a behavior (Removed, Isolated, MergedWithPrevious, MergedWithNext, "
      "Contiguous)");
}

/* Exactly one character. */
static gboolean
read_character (BnJson json, const char *name, char **text, size_t *length,
    uint32_t *cp, GError **error)
{
  BnJson value;

  if (!bn_json_find (json, name, &value))
    return TRUE;
  if (!bn_json_expect (value, BN_JSON_STRING, error))
    return FALSE;
  g_free (*text);
  *text = bn_json_dup_string (value, length);
  if (*length == 0
      || bn_utf8_next ((uint8_t *) *text, (uint8_t *) *text + *length, cp)
             != *length)
    return bn_json_fail (value, error, "one character");
  return TRUE;
}

static gboolean
read_byte_level (BnSplitter *self, BnJson json, GError **error)
{
  gboolean add_prefix_space = TRUE, use_regex = TRUE;

  if (!bn_json_read_boolean (json, "add_prefix_space", &add_prefix_space, error)
      || !bn_json_read_boolean (json, "use_regex", &use_regex, error))
    return FALSE;
  if (add_prefix_space)
    add_step (self, bn_split_run_prefix, (BnSplitStep){.cut = NULL});
  if (use_regex)
    add_cut (self, bn_split_gpt2);
  add_step (self, bn_split_run_table, (BnSplitStep){.cut = NULL});
  return TRUE;
}

static gboolean
read_metaspace (BnSplitter *self, BnJson json, GError **error)
{
  BnSplitStep step = {.is_split = TRUE};
  gboolean add_prefix_space = TRUE;
  BnJson scheme;

  step.replacement = g_strdup (DEFAULT_REPLACEMENT);
  step.replacement_size = strlen (DEFAULT_REPLACEMENT);
  add_step (self, bn_split_run_metaspace, step);
  BnSplitStep *added =
      &g_array_index (self->steps, BnSplitStep, self->steps->len - 1);

  if (!read_character (json, "replacement", &added->replacement,
          &added->replacement_size, &added->delimiter, error)
      || !bn_json_read_boolean (json, "split", &added->is_split, error)
      || !bn_json_read_boolean (
          json, "add_prefix_space", &add_prefix_space, error))
    return FALSE;
  added->prepend = add_prefix_space ? BN_PREPEND_ALWAYS : BN_PREPEND_NEVER;
  if (!bn_json_find (json, "prepend_scheme", &scheme))
    return TRUE;
  if (!bn_json_expect (scheme, BN_JSON_STRING, error))
    return FALSE;
  if (bn_json_equals (scheme, "always"))
    added->prepend = BN_PREPEND_ALWAYS;
  else if (bn_json_equals (scheme, "first"))
    added->prepend = BN_PREPEND_FIRST;
  else if (bn_json_equals (scheme, "never"))
    added->prepend = BN_PREPEND_NEVER;
  else
    return bn_json_fail (
        scheme, error, "a prepend_scheme (first, never, always)");
  return TRUE;
}

static gboolean
add_regex (BnSplitter *self, BnJson text, BnSplitStep step, GError **error)
{
  size_t length;
  g_autofree char *pattern = bn_json_dup_string (text, &length);
  BnSplitFn cut;

  cut = bn_split_find_known (pattern, length,
      step.behavior == BN_BEHAVIOR_ISOLATED ? BN_KNOWN_ISOLATED
                                            : BN_KNOWN_WITHOUT_GAPS);
  /* Where there are no gaps, removing them does nothing. */
  if (cut
      && (step.behavior == BN_BEHAVIOR_ISOLATED
          || (step.behavior == BN_BEHAVIOR_REMOVED && step.is_inverted))) {
    add_cut (self, cut);
    return TRUE;
  }
  step.regex = bn_regex_new (text, error);
  if (!step.regex)
    return FALSE;
  add_step (self, bn_split_run_regex, step);
  return TRUE;
}

static gboolean
read_split (BnSplitter *self, BnJson json, GError **error)
{
  BnSplitStep step = {.behavior = BN_BEHAVIOR_ISOLATED};
  BnJson pattern, text, member;

  if (!bn_json_expect_member (json, "pattern", BN_JSON_OBJECT, &pattern, error)
      || !bn_json_expect_member (
          json, "behavior", BN_JSON_STRING, &member, error)
      || !read_behavior (json, &step.behavior, error)
      || !bn_json_read_boolean (json, "invert", &step.is_inverted, error))
    return FALSE;
  if (bn_json_find (pattern, "Regex", &text))
    return bn_json_expect (text, BN_JSON_STRING, error)
           && add_regex (self, text, step, error);
  if (!bn_json_expect_member (pattern, "String", BN_JSON_STRING, &text, error))
    return FALSE;
  step.pattern = bn_json_dup_string (text, &step.pattern_size);
  if (step.pattern_size == 0) { /* between all characters */
    g_clear_pointer (&step.pattern, g_free);
    return add_regex (self, text, step, error);
  }
  add_step (self, bn_split_run_literal, step);
  return TRUE;
}

static gboolean
read_digits (BnSplitter *self, BnJson json, GError **error)
{
  gboolean individual_digits = FALSE;

  if (!bn_json_read_boolean (
          json, "individual_digits", &individual_digits, error))
    return FALSE;
  add_cut (self, individual_digits ? cut_each_digit : cut_digits);
  return TRUE;
}

static gboolean
read_punctuation (BnSplitter *self, BnJson json, GError **error)
{
  BnSplitStep step = {.behavior = BN_BEHAVIOR_ISOLATED};

  if (!read_behavior (json, &step.behavior, error))
    return FALSE;
  if (step.behavior == BN_BEHAVIOR_ISOLATED)
    add_cut (self, cut_each_punctuation);
  else if (step.behavior == BN_BEHAVIOR_CONTIGUOUS)
    add_cut (self, cut_punctuation);
  else
    add_step (self, bn_split_run_punctuation, step);
  return TRUE;
}

static gboolean
read_delimiter (BnSplitter *self, BnJson json, GError **error)
{
  g_autofree char *text = NULL;
  BnSplitStep step = {.behavior = BN_BEHAVIOR_REMOVED};
  BnJson member;
  size_t length;

  if (!bn_json_expect_member (json, "delimiter", BN_JSON_STRING, &member, error)
      || !read_character (
          json, "delimiter", &text, &length, &step.delimiter, error))
    return FALSE;
  add_step (self, bn_split_run_delimiter, step);
  return TRUE;
}

static gboolean
read_fixed_length (BnSplitter *self, BnJson json, GError **error)
{
  uint64_t length = DEFAULT_CHUNK;
  BnJson member = json;

  if (!bn_json_read_uint (json, "length", BN_MAX_TEXT_SIZE, &length, error))
    return FALSE;
  if (length == 0) {
    bn_json_find (json, "length", &member);
    return bn_json_fail (member, error, "a length above 0");
  }
  add_step (self, bn_split_run_chunks, (BnSplitStep){.chunk = (size_t) length});
  return TRUE;
}

static gboolean read_any (BnSplitter *self, BnJson json, GError **error);

static gboolean
read_sequence (BnSplitter *self, BnJson json, GError **error)
{
  BnJson list, element;
  BnJsonIter iter;

  if (!bn_json_expect_member (
          json, "pretokenizers", BN_JSON_ARRAY, &list, error))
    return FALSE;
  bn_json_iter_init (&iter, list);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    if (!read_any (self, element, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_any (BnSplitter *self, BnJson json, GError **error)
{
  BnJson type;

  if (!bn_json_expect (json, BN_JSON_OBJECT, error)
      || !bn_json_expect_member (json, "type", BN_JSON_STRING, &type, error))
    return FALSE;
  if (self->steps->len >= MAX_STEPS - 2) /* one may become three */
    return bn_json_fail (json, error, "at most %d pre-tokenizers", MAX_STEPS);

  if (bn_json_equals (type, "Sequence"))
    return read_sequence (self, json, error);
  if (bn_json_equals (type, "ByteLevel"))
    return read_byte_level (self, json, error);
  if (bn_json_equals (type, "Metaspace"))
    return read_metaspace (self, json, error);
  if (bn_json_equals (type, "Split"))
    return read_split (self, json, error);
  if (bn_json_equals (type, "Digits"))
    return read_digits (self, json, error);
  if (bn_json_equals (type, "Punctuation"))
    return read_punctuation (self, json, error);
  if (bn_json_equals (type, "CharDelimiterSplit")
      || bn_json_equals (type, "Delimiter"))
    return read_delimiter (self, json, error);
  if (bn_json_equals (type, "FixedLength"))
    return read_fixed_length (self, json, error);
  if (bn_json_equals (type, "Whitespace"))
    add_step (self, bn_split_run_whitespace, (BnSplitStep){.cut = NULL});
  else if (bn_json_equals (type, "WhitespaceSplit"))
    add_step (self, bn_split_run_space,
        (BnSplitStep){.behavior = BN_BEHAVIOR_REMOVED});
  else if (bn_json_equals (type, "BertPreTokenizer"))
    add_step (self, bn_split_run_bert, (BnSplitStep){.cut = NULL});
  else if (bn_json_equals (type, "UnicodeScripts"))
    add_step (self, bn_split_run_scripts, (BnSplitStep){.cut = NULL});
  else
    return bn_json_fail (type, error,
        "a pre-tokenizer (ByteLevel, Metaspace, Split, Whitespace, "
        "WhitespaceSplit, Digits, Punctuation, BertPreTokenizer, "
        "CharDelimiterSplit, UnicodeScripts, FixedLength, Sequence)");
  return TRUE;
}

/* Whether words end up in the byte table, whether a set does all but that, and
 * whether PCRE2 is needed. */
static void
look_through (BnSplitter *self)
{
  unsigned n = 0;

  self->has_set = TRUE;
  for (guint i = 0; i < self->steps->len; i++) {
    const BnSplitStep *step = &g_array_index (self->steps, BnSplitStep, i);

    if (step->run == bn_split_run_table)
      self->is_byte_level = TRUE;
    else if (step->run == bn_split_run_metaspace
             || step->run == bn_split_run_prefix)
      self->is_byte_level = FALSE; /* characters that are not in it */
    self->has_regex |= step->regex != NULL;
    if (step->run == bn_split_run_cut && n < BN_PRETOK_MAX_STAGES)
      self->set.stages[n++] = step->cut;
    else if (step->run != bn_split_run_table || i + 1 < self->steps->len)
      self->has_set = FALSE;
  }
  self->set.name = "tokenizer.json";
  self->has_set &= n > 0;
}

BnSplitter *
bn_splitter_new_from_json (BnJson json, GError **error)
{
  g_autoptr (BnSplitter) self = g_new0 (BnSplitter, 1);

  self->steps = g_array_new (FALSE, FALSE, sizeof (BnSplitStep));
  g_array_set_clear_func (self->steps, step_clear);
  if (!read_any (self, json, error))
    return NULL;
  look_through (self);
  return g_steal_pointer (&self);
}

void
bn_splitter_free (BnSplitter *self)
{
  g_array_unref (self->steps);
  g_free (self);
}

gboolean
bn_splitter_is_byte_level (const BnSplitter *self)
{
  return self->is_byte_level;
}

gboolean
bn_splitter_use_bytes (BnSplitter *self)
{
  self->is_raw = self->is_byte_level;
  return self->is_raw;
}

const BnPretokSet *
bn_splitter_get_set (const BnSplitter *self)
{
  return self->has_set ? &self->set : NULL;
}
