/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Normalizers of tokenizer.json, as a flat list of steps: a Sequence is taken
 * apart, BertNormalizer is three steps. Each step reads one text and writes the
 * next; the two buffers change places. */
#define _GNU_SOURCE /* memmem() */
#include "bn-normalize.h"

#include <string.h>

#include "bn-charsmap.h"
#include "bn-regex.h"
#include "bn-unicode.h"
#include "bn-unorm.h"
#include "bn-vocab.h"

enum {
  MAX_STEPS = 256,
  CHUNK_SIZE = 4096,  /* bytes for which a step reserves its output at once */
  MAX_CHARACTERS = 3, /* that a step makes of one */
  CHARACTER_SIZE = 4,
  DROPPED = 0xFF,
  N_ASCII = 0x80,
};

typedef struct Step Step;

/* Appends the text that a step makes of another. FALSE if memory is short or
 * an expression gave up. */
typedef gboolean (*StepFn) (const Step *step, BnScratch *scratch,
    const uint8_t *text, size_t length, BnBuffer *out);

/* What a step makes of one character: how many, at most MAX_CHARACTERS. */
typedef unsigned (*MapFn) (
    const Step *step, uint32_t cp, uint32_t out[MAX_CHARACTERS]);

struct Step {
  StepFn run;
  MapFn map;
  uint8_t ascii[N_ASCII]; /* result of map, DROPPED if none */
  BnNormForm form;
  gboolean left, right;       /* Strip */
  gboolean clean, is_padding; /* BertNormalizer */
  char *pattern, *content;    /* Replace; content of Prepend */
  size_t pattern_size, content_size;
  BnRegex *regex;
  BnCharsmap *charsmap;
};

struct BnNormalizer {
  GArray *steps; /* Step */
};

static void
step_clear (gpointer data)
{
  Step *step = data;

  g_free (step->pattern);
  g_free (step->content);
  g_clear_pointer (&step->regex, bn_regex_free);
  g_clear_pointer (&step->charsmap, bn_charsmap_free);
}

/* Characters one by one. */

static gboolean
run_map (const Step *step, BnScratch *scratch, const uint8_t *text,
    size_t length, BnBuffer *out)
{
  const uint8_t *p = text, *end = text + length;

  while (p < end) {
    const uint8_t *stop = p + MIN ((size_t) (end - p), CHUNK_SIZE);
    uint8_t *o;

    if (!bn_buffer_reserve (
            out, (CHUNK_SIZE + 1) * MAX_CHARACTERS * CHARACTER_SIZE))
      return FALSE;
    o = out->data + out->length;
    while (p < stop) {
      uint32_t cp, mapped[MAX_CHARACTERS];
      unsigned size, n;

      for (; p < stop && *p < N_ASCII; p++) {
        *o = step->ascii[*p];
        o += *o != DROPPED;
      }
      if (p >= stop)
        break;
      size = bn_utf8_next (p, end, &cp);
      n = step->map (step, cp, mapped);
      if (n == 1 && mapped[0] == cp) {
        for (unsigned i = 0; i < size; i++)
          *o++ = p[i];
      } else {
        for (unsigned i = 0; i < n; i++)
          o += bn_utf8_encode (mapped[i], o);
      }
      p += size;
    }
    out->length = (size_t) (o - out->data);
  }
  return TRUE;
}

static unsigned
map_lowercase (const Step *step, uint32_t cp, uint32_t out[MAX_CHARACTERS])
{
  return bn_lower_full (cp, out);
}

static unsigned
map_strip_accents (const Step *step, uint32_t cp, uint32_t out[MAX_CHARACTERS])
{
  out[0] = cp;
  return bn_char_properties (cp) & BN_PROPERTY_MARK_9 ? 0 : 1;
}

static unsigned
map_strip_nonspacing (
    const Step *step, uint32_t cp, uint32_t out[MAX_CHARACTERS])
{
  out[0] = cp;
  return bn_char_properties (cp) & BN_PROPERTY_NONSPACING_8 ? 0 : 1;
}

/* The Chinese characters of BERT; the sixth range is as its authors wrote it,
 * with the 2 that should be an A. */
static gboolean
is_chinese (uint32_t cp)
{
  return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF)
         || (cp >= 0x20000 && cp <= 0x2A6DF) || (cp >= 0x2A700 && cp <= 0x2B73F)
         || (cp >= 0x2B740 && cp <= 0x2B81F) || (cp >= 0x2B920 && cp <= 0x2CEAF)
         || (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

static unsigned
map_bert (const Step *step, uint32_t cp, uint32_t out[MAX_CHARACTERS])
{
  if (step->clean) {
    if (cp == '\t' || cp == '\n' || cp == '\r') {
      cp = ' ';
    } else {
      if (cp == 0 || cp == BN_REPLACEMENT_CHARACTER
          || (bn_char_properties (cp) & BN_PROPERTY_OTHER_8))
        return 0;
      if (bn_is_space (cp))
        cp = ' ';
    }
  }
  if (step->is_padding && is_chinese (cp)) {
    out[0] = out[2] = ' ';
    out[1] = cp;
    return 3;
  }
  out[0] = cp;
  return 1;
}

static unsigned
map_nmt (const Step *step, uint32_t cp, uint32_t out[MAX_CHARACTERS])
{
  out[0] = cp;
  if ((cp >= 0x01 && cp <= 0x08) || cp == 0x0B || (cp >= 0x0E && cp <= 0x1F)
      || cp == 0x7F || cp == 0x8F || cp == 0x9F)
    return 0;
  if (cp == '\t' || cp == '\n' || cp == 0x0C || cp == '\r' || cp == 0x1680
      || (cp >= 0x200B && cp <= 0x200F) || cp == 0x2028 || cp == 0x2029
      || cp == 0x2581 || cp == 0xFEFF || cp == BN_REPLACEMENT_CHARACTER)
    out[0] = ' ';
  return 1;
}

static void
add_map (BnNormalizer *self, MapFn map, Step options)
{
  Step step = options;

  step.run = run_map;
  step.map = map;
  for (uint32_t cp = 0; cp < N_ASCII; cp++) {
    uint32_t out[MAX_CHARACTERS];
    unsigned n = map (&step, cp, out);

    g_assert (n == 0 || (n == 1 && out[0] < N_ASCII));
    step.ascii[cp] = n == 0 ? DROPPED : (uint8_t) out[0];
  }
  g_array_append_val (self->steps, step);
}

/* Whole texts. */

static gboolean
run_form (const Step *step, BnScratch *scratch, const uint8_t *text,
    size_t length, BnBuffer *out)
{
  return bn_norm_append (step->form, text, length, out);
}

static gboolean
run_strip (const Step *step, BnScratch *scratch, const uint8_t *text,
    size_t length, BnBuffer *out)
{
  const uint8_t *p = text, *end = text + length, *stop = end;
  uint32_t cp;

  if (step->left) {
    while (p < end) {
      unsigned size = bn_utf8_next (p, end, &cp);

      if (!bn_is_space (cp))
        break;
      p += size;
    }
  }
  while (step->right && stop > p) {
    const uint8_t *last = stop - 1;

    while (last > p && (*last & 0xC0) == 0x80)
      last--;
    bn_utf8_next (last, stop, &cp);
    if (!bn_is_space (cp))
      break;
    stop = last;
  }
  return bn_buffer_append (out, p, (size_t) (stop - p));
}

static gboolean
run_replace (const Step *step, BnScratch *scratch, const uint8_t *text,
    size_t length, BnBuffer *out)
{
  const uint8_t *p = text, *end = text + length;

  while (p < end) {
    const uint8_t *found =
        step->pattern_size == 1
            ? memchr (p, *step->pattern, (size_t) (end - p))
            : memmem (p, (size_t) (end - p), step->pattern, step->pattern_size);

    if (!found)
      break;
    if (!bn_buffer_append (out, p, (size_t) (found - p))
        || !bn_buffer_append (out, step->content, step->content_size))
      return FALSE;
    p = found + step->pattern_size;
  }
  return bn_buffer_append (out, p, (size_t) (end - p));
}

static gboolean
run_replace_regex (const Step *step, BnScratch *scratch, const uint8_t *text,
    size_t length, BnBuffer *out)
{
  BnRegexIter iter;
  size_t start, end, done = 0;

  /* PCRE2 trusts the text. */
  if (!bn_utf8_validate (text, length, &start))
    return FALSE;
  bn_regex_iter_init (&iter, step->regex, scratch, text, length);
  while (bn_regex_iter_next (&iter, &start, &end)) {
    if (!bn_buffer_append (out, text + done, start - done)
        || !bn_buffer_append (out, step->content, step->content_size))
      return FALSE;
    done = end;
  }
  return !iter.has_failed && bn_buffer_append (out, text + done, length - done);
}

static gboolean
run_prepend (const Step *step, BnScratch *scratch, const uint8_t *text,
    size_t length, BnBuffer *out)
{
  return length == 0
         || (bn_buffer_append (out, step->content, step->content_size)
             && bn_buffer_append (out, text, length));
}

static gboolean
run_byte_level (const Step *step, BnScratch *scratch, const uint8_t *text,
    size_t length, BnBuffer *out)
{
  uint8_t *o;

  /* No character of the table has more than two bytes. */
  if (length > SIZE_MAX / 2 - CHARACTER_SIZE
      || !bn_buffer_reserve (out, 2 * length + CHARACTER_SIZE))
    return FALSE;
  o = out->data + out->length;
  for (size_t i = 0; i < length; i++)
    o += bn_utf8_encode (bn_byte_level_encode (text[i]), o);
  out->length = (size_t) (o - out->data);
  return TRUE;
}

/* Looks up grapheme clusters, and their characters one by one where that finds
 * nothing. The shortest entry decides, and yet all is replaced. */
static gboolean
run_precompiled (const Step *step, BnScratch *scratch, const uint8_t *text,
    size_t length, BnBuffer *out)
{
  enum { MAX_CLUSTER_SIZE = 5 };
  const uint8_t *p = text, *end = text + length, *replacement;
  size_t replacement_size;

  while (p < end) {
    size_t cluster = bn_grapheme_next (p, (size_t) (end - p));
    const uint8_t *stop = p + cluster;

    if (cluster <= MAX_CLUSTER_SIZE
        && bn_charsmap_find_shortest (
            step->charsmap, p, cluster, &replacement, &replacement_size)) {
      if (!bn_buffer_append (out, replacement, replacement_size))
        return FALSE;
      p = stop;
    }
    while (p < stop) {
      uint32_t cp;
      unsigned size = bn_utf8_next (p, stop, &cp);

      if (!bn_charsmap_find_shortest (
              step->charsmap, p, size, &replacement, &replacement_size)) {
        replacement = p;
        replacement_size = size;
      }
      if (!bn_buffer_append (out, replacement, replacement_size))
        return FALSE;
      p += size;
    }
  }
  return TRUE;
}

/* Reading. */

static void
add_step (BnNormalizer *self, StepFn run, Step options)
{
  Step step = options;

  step.run = run;
  g_array_append_val (self->steps, step);
}

static gboolean
read_form (BnNormalizer *self, BnJson json, BnNormForm form)
{
  add_step (self, run_form, (Step){.form = form});
  return TRUE;
}

static gboolean
read_strip (BnNormalizer *self, BnJson json, GError **error)
{
  Step step = {.left = TRUE, .right = TRUE};

  if (!bn_json_read_boolean (json, "strip_left", &step.left, error)
      || !bn_json_read_boolean (json, "strip_right", &step.right, error))
    return FALSE;
  add_step (self, run_strip, step);
  return TRUE;
}

static gboolean
read_replace (BnNormalizer *self, BnJson json, GError **error)
{
  BnJson pattern, text, content;
  Step step = {.left = FALSE};

  if (!bn_json_expect_member (json, "pattern", BN_JSON_OBJECT, &pattern, error)
      || !bn_json_expect_member (
          json, "content", BN_JSON_STRING, &content, error))
    return FALSE;
  if (bn_json_find (pattern, "Regex", &text)) {
    if (!bn_json_expect (text, BN_JSON_STRING, error))
      return FALSE;
    step.regex = bn_regex_new (text, error);
    if (!step.regex)
      return FALSE;
  } else if (bn_json_find (pattern, "String", &text)) {
    if (!bn_json_expect (text, BN_JSON_STRING, error))
      return FALSE;
    step.pattern = bn_json_dup_string (text, &step.pattern_size);
    if (step.pattern_size == 0) { /* between all characters */
      g_clear_pointer (&step.pattern, g_free);
      step.regex = bn_regex_new (text, error);
      if (!step.regex)
        return FALSE;
    }
  } else {
    return bn_json_fail (
        pattern, error, "an object with the member \"String\" or \"Regex\"");
  }
  step.content = bn_json_dup_string (content, &step.content_size);
  add_step (self, step.regex ? run_replace_regex : run_replace, step);
  return TRUE;
}

static gboolean
read_prepend (BnNormalizer *self, BnJson json, GError **error)
{
  Step step = {.left = FALSE};
  BnJson content;

  if (!bn_json_expect_member (json, "prepend", BN_JSON_STRING, &content, error))
    return FALSE;
  step.content = bn_json_dup_string (content, &step.content_size);
  add_step (self, run_prepend, step);
  return TRUE;
}

static gboolean
read_precompiled (BnNormalizer *self, BnJson json, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree guchar *blob = NULL;
  g_autoptr (GError) reason = NULL;
  Step step = {.left = FALSE};
  BnJson value;
  size_t size;

  /* Files without a map have null or nothing here. */
  if (!bn_json_find (json, "precompiled_charsmap", &value))
    return TRUE;
  if (!bn_json_expect (value, BN_JSON_STRING, error))
    return FALSE;
  text = bn_json_dup_string (value, &size);
  if (size == 0)
    return TRUE;
  blob = g_base64_decode (text, &size);
  step.charsmap = bn_charsmap_new (blob, size, &reason);
  if (!step.charsmap)
    return bn_json_fail (
        value, error, "a precompiled_charsmap (%s)", reason->message);
  add_step (self, run_precompiled, step);
  return TRUE;
}

static gboolean
read_bert (BnNormalizer *self, BnJson json, GError **error)
{
  Step step = {.clean = TRUE, .is_padding = TRUE};
  gboolean lowercase = TRUE, strip_accents;

  if (!bn_json_read_boolean (json, "clean_text", &step.clean, error)
      || !bn_json_read_boolean (
          json, "handle_chinese_chars", &step.is_padding, error)
      || !bn_json_read_boolean (json, "lowercase", &lowercase, error))
    return FALSE;
  strip_accents = lowercase;
  if (!bn_json_read_boolean (json, "strip_accents", &strip_accents, error))
    return FALSE;

  if (step.clean || step.is_padding)
    add_map (self, map_bert, step);
  if (strip_accents) {
    add_step (self, run_form, (Step){.form = BN_NORM_NFD});
    add_map (self, map_strip_nonspacing, (Step){.left = FALSE});
  }
  if (lowercase)
    add_map (self, map_lowercase, (Step){.left = FALSE});
  return TRUE;
}

static gboolean read_any (BnNormalizer *self, BnJson json, GError **error);

static gboolean
read_sequence (BnNormalizer *self, BnJson json, GError **error)
{
  BnJson list, element;
  BnJsonIter iter;

  if (!bn_json_expect_member (json, "normalizers", BN_JSON_ARRAY, &list, error))
    return FALSE;
  bn_json_iter_init (&iter, list);
  while (bn_json_iter_next (&iter, NULL, &element)) {
    if (!read_any (self, element, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_any (BnNormalizer *self, BnJson json, GError **error)
{
  BnJson type;

  if (!bn_json_expect (json, BN_JSON_OBJECT, error)
      || !bn_json_expect_member (json, "type", BN_JSON_STRING, &type, error))
    return FALSE;
  if (self->steps->len >= MAX_STEPS)
    return bn_json_fail (json, error, "at most %d normalizers", MAX_STEPS);

  if (bn_json_equals (type, "Sequence"))
    return read_sequence (self, json, error);
  if (bn_json_equals (type, "NFC"))
    return read_form (self, json, BN_NORM_NFC);
  if (bn_json_equals (type, "NFD"))
    return read_form (self, json, BN_NORM_NFD);
  if (bn_json_equals (type, "NFKC"))
    return read_form (self, json, BN_NORM_NFKC);
  if (bn_json_equals (type, "NFKD"))
    return read_form (self, json, BN_NORM_NFKD);
  if (bn_json_equals (type, "Strip"))
    return read_strip (self, json, error);
  if (bn_json_equals (type, "Replace"))
    return read_replace (self, json, error);
  if (bn_json_equals (type, "Prepend"))
    return read_prepend (self, json, error);
  if (bn_json_equals (type, "Precompiled"))
    return read_precompiled (self, json, error);
  if (bn_json_equals (type, "BertNormalizer"))
    return read_bert (self, json, error);
  if (bn_json_equals (type, "Lowercase"))
    add_map (self, map_lowercase, (Step){.left = FALSE});
  else if (bn_json_equals (type, "StripAccents"))
    add_map (self, map_strip_accents, (Step){.left = FALSE});
  else if (bn_json_equals (type, "Nmt"))
    add_map (self, map_nmt, (Step){.left = FALSE});
  else if (bn_json_equals (type, "ByteLevel"))
    add_step (self, run_byte_level, (Step){.left = FALSE});
  else
    return bn_json_fail (type, error,
        "a normalizer (NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, "
        "Replace, Prepend, Sequence, Precompiled, BertNormalizer, ByteLevel, "
        "Nmt)");
  return TRUE;
}

BnNormalizer *
bn_normalizer_new_from_json (BnJson json, GError **error)
{
  g_autoptr (BnNormalizer) self = g_new0 (BnNormalizer, 1);

  self->steps = g_array_new (FALSE, FALSE, sizeof (Step));
  g_array_set_clear_func (self->steps, step_clear);
  return read_any (self, json, error) ? g_steal_pointer (&self) : NULL;
}

void
bn_normalizer_free (BnNormalizer *self)
{
  g_array_unref (self->steps);
  g_free (self);
}

gboolean
bn_normalizer_apply (const BnNormalizer *self, BnScratch *scratch,
    const uint8_t *text, size_t length, BnBuffer *out)
{
  BnBuffer *spare = &scratch->rewritten;
  gboolean is_rewritten = FALSE; /* text is in out now */

  out->length = 0;
  for (guint i = 0; i < self->steps->len; i++) {
    const Step *step = &g_array_index (self->steps, Step, i);
    BnBuffer swapped;

    if (step->run == run_form
        && bn_norm_span (step->form, text, length) == length)
      continue;
    spare->length = 0;
    if (!step->run (step, scratch, text, length, spare))
      return FALSE;
    swapped = *out;
    *out = *spare;
    *spare = swapped;
    length = out->length;
    text = length > 0 ? out->data : (const uint8_t *) "";
    is_rewritten = TRUE;
  }
  return is_rewritten || bn_buffer_append (out, text, length);
}
