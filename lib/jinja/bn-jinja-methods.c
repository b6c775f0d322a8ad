/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods of strings. Offsets are counted in characters outside and in
 * bytes inside. */
#include "bn-jinja-private.h"

#include <string.h>

/* A result that is markup if self is. */
static BnJValue
keep (BnJ *j, BnJValue self, BnJString *string)
{
  return bn_j_string (
      self.string->is_markup ? bn_j_as_markup (j, string) : string);
}

static BnJValue
part (BnJ *j, BnJValue self, size_t begin, size_t end)
{
  return bn_j_string (bn_j_substring (j, self.string, begin, end));
}

static int64_t
integer_or (BnJ *j, BnJValue value, int64_t fallback)
{
  return value.type == BN_J_MISSING || value.type == BN_J_NONE
             ? fallback
             : bn_j_expect_integer (j, value);
}

/* Case */

#define CASE_METHOD(name, to)                                                  \
  static BnJValue method_##name (                                              \
      BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)           \
  {                                                                            \
    return bn_j_string (bn_j_change_case (j, self.string, to));                \
  }
CASE_METHOD (upper, BN_J_UPPER)
CASE_METHOD (lower, BN_J_LOWER)
CASE_METHOD (title, BN_J_TITLE)
CASE_METHOD (capitalize, BN_J_CAPITALIZE)
CASE_METHOD (swapcase, BN_J_SWAPCASE)
CASE_METHOD (casefold, BN_J_CASEFOLD)

#define CLASS_METHOD(name)                                                     \
  static BnJValue method_is##name (                                            \
      BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)           \
  {                                                                            \
    bn_j_step (j, self.string->size / 16);                                     \
    return bn_j_boolean (bn_j_string_is_class (self.string, #name));           \
  }
CLASS_METHOD (alnum)
CLASS_METHOD (alpha)
CLASS_METHOD (ascii)
CLASS_METHOD (decimal)
CLASS_METHOD (digit)
CLASS_METHOD (identifier)
CLASS_METHOD (lower)
CLASS_METHOD (numeric)
CLASS_METHOD (printable)
CLASS_METHOD (space)
CLASS_METHOD (title)
CLASS_METHOD (upper)

/* Strip */

enum { STRIP_LEFT = 1, STRIP_RIGHT = 2 };

static gboolean
has_char (const BnJString *chars, const char *c)
{
  size_t size = (size_t) (g_utf8_next_char (c) - c);

  for (size_t at = 0; at < chars->size;) {
    size_t other =
        (size_t) (g_utf8_next_char (chars->text + at) - (chars->text + at));

    if (other == size && memcmp (chars->text + at, c, size) == 0)
      return TRUE;
    at += other;
  }
  return FALSE;
}

static BnJValue
strip (BnJ *j, BnJValue self, BnJValue chars, int sides)
{
  const BnJString *string = self.string;
  size_t begin = 0, end = string->size;

  bn_j_step (j, string->size / 64);
  if (chars.type == BN_J_MISSING || chars.type == BN_J_NONE) {
    if (sides & STRIP_LEFT)
      begin = bn_j_skip_space (string->text, end, 0);
    if (sides & STRIP_RIGHT)
      end = bn_j_rskip_space (string->text, end, begin);
    return part (j, self, begin, end);
  }
  bn_j_expect_string (j, chars);
  while ((sides & STRIP_LEFT) && begin < end
         && has_char (chars.string, string->text + begin)) {
    begin = (size_t) (g_utf8_next_char (string->text + begin) - string->text);
    bn_j_step (j, 1 + chars.string->size / 16);
  }
  while ((sides & STRIP_RIGHT) && begin < end) {
    const char *last = g_utf8_prev_char (string->text + end);

    if (!has_char (chars.string, last))
      break;
    end = (size_t) (last - string->text);
    bn_j_step (j, 1 + chars.string->size / 16);
  }
  return part (j, self, begin, end);
}

static BnJValue
method_strip (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return strip (j, self, p[0], STRIP_LEFT | STRIP_RIGHT);
}

static BnJValue
method_lstrip (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return strip (j, self, p[0], STRIP_LEFT);
}

static BnJValue
method_rstrip (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return strip (j, self, p[0], STRIP_RIGHT);
}

static gboolean
begins_with (const BnJString *string, const BnJString *prefix, gboolean at_end)
{
  return prefix->size <= string->size
         && memcmp (string->text + (at_end ? string->size - prefix->size : 0),
                prefix->text, prefix->size)
                == 0;
}

static BnJValue
method_removeprefix (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  const BnJString *prefix = bn_j_expect_string (j, p[0]);

  return begins_with (self.string, prefix, FALSE)
             ? part (j, self, prefix->size, self.string->size)
             : self;
}

static BnJValue
method_removesuffix (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  const BnJString *suffix = bn_j_expect_string (j, p[0]);

  return begins_with (self.string, suffix, TRUE)
             ? part (j, self, 0, self.string->size - suffix->size)
             : self;
}

/* Split */

static void
add_part (BnJ *j, BnJList *list, BnJValue self, size_t begin, size_t end)
{
  bn_j_step (j, 1);
  bn_j_list_add (j, list, part (j, self, begin, end));
}

static BnJList *
split_at_blanks (BnJ *j, BnJValue self, int64_t max)
{
  const BnJString *s = self.string;
  BnJList *list = bn_j_list_new (j, 0);
  size_t at = bn_j_skip_space (s->text, s->size, 0);

  while (at < s->size) {
    size_t end = at;

    if (max-- == 0) {
      add_part (j, list, self, at, bn_j_rskip_space (s->text, s->size, at));
      break;
    }
    while (end < s->size && !bn_j_is_space (g_utf8_get_char (s->text + end)))
      end = (size_t) (g_utf8_next_char (s->text + end) - s->text);
    add_part (j, list, self, at, end);
    at = bn_j_skip_space (s->text, s->size, end);
  }
  return list;
}

static void
reverse (BnJList *list)
{
  for (size_t i = 0; i < list->n / 2; i++) {
    BnJValue value = list->items[i];

    list->items[i] = list->items[list->n - 1 - i];
    list->items[list->n - 1 - i] = value;
  }
}

static BnJList *
rsplit_at_blanks (BnJ *j, BnJValue self, int64_t max)
{
  const BnJString *s = self.string;
  BnJList *list = bn_j_list_new (j, 0);
  size_t end = bn_j_rskip_space (s->text, s->size, 0);

  while (end > 0) {
    size_t begin = end;

    if (max-- == 0) {
      add_part (j, list, self, bn_j_skip_space (s->text, end, 0), end);
      break;
    }
    while (begin > 0) {
      const char *previous = g_utf8_prev_char (s->text + begin);

      if (bn_j_is_space (g_utf8_get_char (previous)))
        break;
      begin = (size_t) (previous - s->text);
    }
    add_part (j, list, self, begin, end);
    end = bn_j_rskip_space (s->text, begin, 0);
  }
  reverse (list);
  return list;
}

static BnJList *
split_at (BnJ *j, BnJValue self, const BnJString *separator, int64_t max)
{
  const BnJString *s = self.string;
  BnJList *list = bn_j_list_new (j, 0);
  size_t begin = 0, at;

  while (max-- != 0
         && (at = bn_j_find (
                 s->text, s->size, separator->text, separator->size, begin))
                != SIZE_MAX) {
    add_part (j, list, self, begin, at);
    begin = at + separator->size;
  }
  add_part (j, list, self, begin, s->size);
  return list;
}

/* Last occurrence that ends at or before end; SIZE_MAX if there is none. */
static size_t
find_last (const BnJString *s, const BnJString *what, size_t begin, size_t end)
{
  if (what->size > end - begin)
    return SIZE_MAX;
  for (size_t at = end - what->size;; at--) {
    if (memcmp (s->text + at, what->text, what->size) == 0)
      return at;
    if (at == begin)
      return SIZE_MAX;
  }
}

static BnJList *
rsplit_at (BnJ *j, BnJValue self, const BnJString *separator, int64_t max)
{
  BnJList *list = bn_j_list_new (j, 0);
  size_t end = self.string->size, at;

  while (max-- != 0
         && (at = find_last (self.string, separator, 0, end)) != SIZE_MAX) {
    add_part (j, list, self, at + separator->size, end);
    end = at;
  }
  add_part (j, list, self, 0, end);
  reverse (list);
  return list;
}

static BnJValue
split (BnJ *j, BnJValue self, const BnJValue *p, gboolean from_right)
{
  int64_t max = p[1].type == BN_J_MISSING ? -1 : bn_j_expect_integer (j, p[1]);
  BnJString *separator;

  bn_j_step (j, self.string->size / 16);
  if (p[0].type == BN_J_MISSING || p[0].type == BN_J_NONE)
    return bn_j_list (from_right ? rsplit_at_blanks (j, self, max)
                                 : split_at_blanks (j, self, max));
  separator = bn_j_expect_string (j, p[0]);
  if (separator->size == 0)
    bn_j_fail (j, "empty separator");
  return bn_j_list (from_right ? rsplit_at (j, self, separator, max)
                               : split_at (j, self, separator, max));
}

static BnJValue
method_split (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return split (j, self, p, FALSE);
}

static BnJValue
method_rsplit (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return split (j, self, p, TRUE);
}

static BnJValue
method_splitlines (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  const BnJString *s = self.string;
  gboolean keeps_ends = p[0].type != BN_J_MISSING && bn_j_is_true (j, p[0]);
  BnJList *list = bn_j_list_new (j, 0);
  size_t begin = 0;

  while (begin < s->size) {
    size_t end = begin, next;

    while (end < s->size && !bn_j_is_line_end (g_utf8_get_char (s->text + end)))
      end = (size_t) (g_utf8_next_char (s->text + end) - s->text);
    next = end;
    if (next < s->size) {
      next = (size_t) (g_utf8_next_char (s->text + end) - s->text);
      if (s->text[end] == '\r' && next < s->size && s->text[next] == '\n')
        next++;
    }
    bn_j_step (j, (next - begin) / 16);
    add_part (j, list, self, begin, keeps_ends ? next : end);
    begin = next;
  }
  return bn_j_list (list);
}

static BnJValue
partition (BnJ *j, BnJValue self, BnJValue what, gboolean from_right)
{
  const BnJString *s = self.string, *separator = bn_j_expect_string (j, what);
  BnJList *list = bn_j_list_new (j, 3);
  size_t at;

  if (separator->size == 0)
    bn_j_fail (j, "empty separator");
  at = from_right
           ? find_last (s, separator, 0, s->size)
           : bn_j_find (s->text, s->size, separator->text, separator->size, 0);
  if (at == SIZE_MAX) {
    add_part (j, list, self, 0, from_right ? 0 : s->size);
    add_part (j, list, self, 0, 0);
    add_part (j, list, self, from_right ? 0 : s->size, s->size);
  } else {
    add_part (j, list, self, 0, at);
    bn_j_list_add (j, list, what);
    add_part (j, list, self, at + separator->size, s->size);
  }
  return bn_j_tuple (list);
}

static BnJValue
method_partition (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return partition (j, self, p[0], FALSE);
}

static BnJValue
method_rpartition (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return partition (j, self, p[0], TRUE);
}

/* Search */

/* The bytes of s[start:end]; FALSE if start lies behind the end. */
static gboolean
get_window (BnJ *j, BnJString *s, BnJValue start, BnJValue end, size_t *begin,
    size_t *stop)
{
  int64_t n, from, to;

  *begin = 0;
  *stop = s->size;
  if (start.type <= BN_J_NONE && end.type <= BN_J_NONE)
    return TRUE;
  n = (int64_t) bn_j_count_chars (s);
  from = integer_or (j, start, 0);
  to = integer_or (j, end, n);
  from = from < 0 ? MAX (from + n, 0) : from;
  to = to < 0 ? MAX (to + n, 0) : MIN (to, n);
  if (from > to)
    return FALSE;
  *begin = bn_j_offset_of (s, (size_t) from);
  *stop = bn_j_offset_of (s, (size_t) to);
  return TRUE;
}

static int64_t
search (BnJ *j, BnJValue self, const BnJValue *p, gboolean from_right)
{
  const BnJString *what = bn_j_expect_string (j, p[0]);
  size_t begin, end, at;
  BnJString before;

  bn_j_step (j, self.string->size / 32);
  if (!get_window (j, self.string, p[1], p[2], &begin, &end))
    return -1;
  at = from_right
           ? find_last (self.string, what, begin, end)
           : bn_j_find (self.string->text, end, what->text, what->size, begin);
  if (at == SIZE_MAX)
    return -1;
  before = *self.string;
  before.size = at;
  before.n_chars = SIZE_MAX;
  return (int64_t) bn_j_count_chars (&before);
}

static BnJValue
method_find (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return bn_j_integer (search (j, self, p, FALSE));
}

static BnJValue
method_rfind (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return bn_j_integer (search (j, self, p, TRUE));
}

static BnJValue
method_index (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  int64_t i = search (j, self, p, FALSE);

  if (i < 0)
    bn_j_fail (j, "substring not found");
  return bn_j_integer (i);
}

static BnJValue
method_rindex (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  int64_t i = search (j, self, p, TRUE);

  if (i < 0)
    bn_j_fail (j, "substring not found");
  return bn_j_integer (i);
}

static BnJValue
method_count (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  const BnJString *what = bn_j_expect_string (j, p[0]);
  size_t at, end;
  int64_t n = 0;

  bn_j_step (j, self.string->size / 32);
  if (!get_window (j, self.string, p[1], p[2], &at, &end))
    return bn_j_integer (0);
  if (what->size == 0) {
    BnJString window = *self.string;

    window.text += at;
    window.size = end - at;
    window.n_chars = SIZE_MAX;
    return bn_j_integer ((int64_t) bn_j_count_chars (&window) + 1);
  }
  for (;; n++) {
    at = bn_j_find (self.string->text, end, what->text, what->size, at);
    if (at == SIZE_MAX)
      return bn_j_integer (n);
    at += what->size;
  }
}

static BnJValue
affix (BnJ *j, BnJValue self, const BnJValue *p, gboolean at_end)
{
  size_t begin, end;
  BnJString window = *self.string;
  const BnJList *candidates;

  if (!get_window (j, self.string, p[1], p[2], &begin, &end))
    return bn_j_boolean (false);
  window.text += begin;
  window.size = end - begin;
  if (p[0].type != BN_J_TUPLE)
    return bn_j_boolean (
        begins_with (&window, bn_j_expect_string (j, p[0]), at_end));
  candidates = p[0].list;
  for (size_t i = 0; i < candidates->n; i++) {
    if (begins_with (
            &window, bn_j_expect_string (j, candidates->items[i]), at_end))
      return bn_j_boolean (true);
  }
  return bn_j_boolean (false);
}

static BnJValue
method_startswith (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return affix (j, self, p, FALSE);
}

static BnJValue
method_endswith (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return affix (j, self, p, TRUE);
}

/* Building */

static BnJValue
method_replace (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  const BnJString *s = self.string, *old = bn_j_expect_string (j, p[0]);
  BnJString *new = bn_j_expect_string (j, p[1]);
  int64_t max = p[2].type == BN_J_MISSING ? -1 : bn_j_expect_integer (j, p[2]);
  BnJBuffer *buffer = bn_j_buffer_new (j, s->size);
  size_t begin = 0, at = 0;

  if (s->is_markup)
    new = bn_j_escape (j, new);
  bn_j_step (j, s->size / 32);
  while (max-- != 0) {
    bn_j_step (j, 1);
    if (old->size > 0) {
      at = bn_j_find (s->text, s->size, old->text, old->size, at);
      if (at == SIZE_MAX)
        break;
    }
    bn_j_append_part (j, buffer, s, begin, at);
    bn_j_append_string (j, buffer, new);
    begin = at += old->size;
    if (old->size == 0) { /* in front of every character and at the end */
      if (at == s->size)
        break;
      at = (size_t) (g_utf8_next_char (s->text + at) - s->text);
    }
  }
  bn_j_append_part (j, buffer, s, begin, s->size);
  return keep (j, self, bn_j_buffer_finish (j, buffer));
}

static BnJValue
method_join (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJIterator *iterator = bn_j_iterate (j, p[0]);
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);
  BnJValue item;

  for (gboolean is_first = TRUE; bn_j_iterator_next (j, iterator, &item);
       is_first = FALSE) {
    if (!is_first)
      bn_j_append_string (j, buffer, self.string);
    if (self.string->is_markup) {
      bn_j_append_string (j, buffer, bn_j_escape (j, bn_j_to_string (j, item)));
    } else {
      if (item.type != BN_J_STRING)
        bn_j_fail (j, "sequence item: expected str instance, %s found",
            bn_j_type_name (item));
      bn_j_append_string (j, buffer, item.string);
    }
  }
  return keep (j, self, bn_j_buffer_finish (j, buffer));
}

static void
fill (BnJ *j, BnJBuffer *buffer, BnJValue with, int64_t n)
{
  BnJString *space = bn_j_text (j, " ").string;

  if (with.type != BN_J_MISSING) {
    space = bn_j_expect_string (j, with);
    if (bn_j_count_chars (space) != 1)
      bn_j_fail (j, "The fill character must be exactly one character long");
  }
  for (; n > 0; n--) {
    bn_j_step (j, 1);
    bn_j_append_string (j, buffer, space);
  }
}

static BnJValue
pad (BnJ *j, BnJValue self, const BnJValue *p, int where)
{
  int64_t n = (int64_t) bn_j_count_chars (self.string);
  int64_t width = bn_j_expect_integer (j, p[0]);
  int64_t space = width > n ? width - n : 0;
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);
  int64_t left = where < 0   ? 0
                 : where > 0 ? space
                             : space / 2 + (space & width & 1);

  fill (j, buffer, p[1], left);
  bn_j_append_string (j, buffer, self.string);
  fill (j, buffer, p[1], space - left);
  return keep (j, self, bn_j_buffer_finish (j, buffer));
}

static BnJValue
method_ljust (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return pad (j, self, p, -1);
}

static BnJValue
method_rjust (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return pad (j, self, p, 1);
}

static BnJValue
method_center (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return pad (j, self, p, 0);
}

static BnJValue
method_zfill (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  const BnJString *s = self.string;
  int64_t n = (int64_t) bn_j_count_chars (self.string);
  int64_t width = bn_j_expect_integer (j, p[0]);
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);
  size_t sign = s->size > 0 && (s->text[0] == '-' || s->text[0] == '+');

  bn_j_append_part (j, buffer, s, 0, sign);
  fill (j, buffer, bn_j_text (j, "0"), width - n);
  bn_j_append_part (j, buffer, s, sign, s->size);
  return keep (j, self, bn_j_buffer_finish (j, buffer));
}

static BnJValue
method_expandtabs (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  const BnJString *s = self.string;
  int64_t size = integer_or (j, p[0], 8), column = 0;
  BnJBuffer *buffer = bn_j_buffer_new (j, s->size);

  for (size_t at = 0; at < s->size;) {
    size_t next = (size_t) (g_utf8_next_char (s->text + at) - s->text);

    bn_j_step (j, 1);
    if (s->text[at] == '\t') {
      int64_t n = size > 0 ? size - column % size : 0;

      fill (j, buffer, bn_j_missing (), n);
      column += n;
    } else {
      bn_j_append_part (j, buffer, s, at, next);
      column = s->text[at] == '\n' || s->text[at] == '\r' ? 0 : column + 1;
    }
    at = next;
  }
  return keep (j, self, bn_j_buffer_finish (j, buffer));
}

static BnJValue
method_format (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return keep (j, self, bn_j_format (j, self.string, args));
}

static BnJValue
method_format_map (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJArgs named = {0};

  if (p[0].type != BN_J_DICT)
    bn_j_fail (j, "format_map() takes a dict");
  named.keywords = bn_j_new_n (j, BnJKeyword, p[0].dict->n);
  for (size_t i = 0; i < p[0].dict->n; i++) {
    if (p[0].dict->entries[i].key.type == BN_J_STRING)
      named.keywords[named.n_keywords++] = (BnJKeyword){
          p[0].dict->entries[i].key.string, p[0].dict->entries[i].value};
  }
  return keep (j, self, bn_j_format (j, self.string, &named));
}

static const BnJCallable methods[] = {
    {"capitalize", "", method_capitalize},
    {"casefold", "", method_casefold},
    {"center", "/ width ? fillchar", method_center},
    {"count", "/ sub ? start end", method_count},
    {"endswith", "/ suffix ? start end", method_endswith},
    {"expandtabs", "? tabsize", method_expandtabs},
    {"find", "/ sub ? start end", method_find},
    {"format", "*", method_format},
    {"format_map", "/ mapping", method_format_map},
    {"index", "/ sub ? start end", method_index},
    {"isalnum", "", method_isalnum},
    {"isalpha", "", method_isalpha},
    {"isascii", "", method_isascii},
    {"isdecimal", "", method_isdecimal},
    {"isdigit", "", method_isdigit},
    {"isidentifier", "", method_isidentifier},
    {"islower", "", method_islower},
    {"isnumeric", "", method_isnumeric},
    {"isprintable", "", method_isprintable},
    {"isspace", "", method_isspace},
    {"istitle", "", method_istitle},
    {"isupper", "", method_isupper},
    {"join", "/ iterable", method_join},
    {"ljust", "/ width ? fillchar", method_ljust},
    {"lower", "", method_lower},
    {"lstrip", "/ ? chars", method_lstrip},
    {"partition", "/ sep", method_partition},
    {"removeprefix", "/ prefix", method_removeprefix},
    {"removesuffix", "/ suffix", method_removesuffix},
    {"replace", "/ old new ? count", method_replace},
    {"rfind", "/ sub ? start end", method_rfind},
    {"rindex", "/ sub ? start end", method_rindex},
    {"rjust", "/ width ? fillchar", method_rjust},
    {"rpartition", "/ sep", method_rpartition},
    {"rsplit", "? sep maxsplit", method_rsplit},
    {"rstrip", "/ ? chars", method_rstrip},
    {"split", "? sep maxsplit", method_split},
    {"splitlines", "? keepends", method_splitlines},
    {"startswith", "/ prefix ? start end", method_startswith},
    {"strip", "/ ? chars", method_strip},
    {"swapcase", "", method_swapcase},
    {"title", "", method_title},
    {"upper", "", method_upper},
    {"zfill", "/ width", method_zfill},
};

const BnJCallable *
bn_j_find_string_method (const BnJString *name)
{
  return bn_j_find_in (methods, G_N_ELEMENTS (methods), name);
}
