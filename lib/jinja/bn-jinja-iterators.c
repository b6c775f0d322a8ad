/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Iteration over whatever can be iterated over. */
#include "bn-jinja-private.h"

#include <string.h>

BnJIterator *
bn_j_iterator_new (BnJ *j, gboolean (*next) (BnJ *, BnJIterator *, BnJValue *),
    BnJIterator *inner)
{
  BnJIterator *iterator = bn_j_new (j, BnJIterator);

  iterator->next = next;
  iterator->inner = inner;
  return iterator;
}

BnJValue
bn_j_iterator_value (BnJIterator *iterator)
{
  return (BnJValue){.type = BN_J_ITERATOR, .iterator = iterator};
}

gboolean
bn_j_iterator_next (BnJ *j, BnJIterator *iterator, BnJValue *value)
{
  bn_j_step (j, 1);
  bn_j_check_stack (j);
  if (iterator->is_done || !iterator->next (j, iterator, value)) {
    iterator->is_done = true;
    return FALSE;
  }
  return TRUE;
}

static gboolean
next_nothing (BnJ *j, BnJIterator *self, BnJValue *value)
{
  return FALSE;
}

static gboolean
next_item (BnJ *j, BnJIterator *self, BnJValue *value)
{
  if (self->at == self->end)
    return FALSE;
  *value = self->source.list->items[self->at];
  self->at += self->step;
  return TRUE;
}

BnJValue
bn_j_range_item (const BnJRange *range, int64_t i)
{
  return bn_j_integer (range->start + i * range->step);
}

static gboolean
next_number (BnJ *j, BnJIterator *self, BnJValue *value)
{
  if (self->at == self->end)
    return FALSE;
  *value = bn_j_range_item (self->source.range, self->at);
  self->at += self->step;
  return TRUE;
}

static gboolean
next_char (BnJ *j, BnJIterator *self, BnJValue *value)
{
  const BnJString *string = self->source.string;
  size_t begin = (size_t) self->at, end = begin;

  if (begin == string->size)
    return FALSE;
  do
    end++;
  while (end < string->size && ((guchar) string->text[end] & 0xC0) == 0x80);
  *value = bn_j_string (bn_j_substring (j, string, begin, end));
  value->string->is_markup = FALSE;
  self->at = (int64_t) end;
  return TRUE;
}

static gboolean
next_entry (BnJ *j, BnJIterator *self, BnJValue *value)
{
  const BnJView *view = self->source.view;
  const BnJEntry *entry;
  BnJList *pair;

  if (self->at == self->end)
    return FALSE;
  entry = &view->dict->entries[self->at];
  self->at += self->step;
  switch (view->kind) {
    case BN_J_KEYS:
      *value = entry->key;
      return TRUE;
    case BN_J_VALUES:
      *value = entry->value;
      return TRUE;
    default:
      pair = bn_j_list_new (j, 2);
      bn_j_list_add (j, pair, entry->key);
      bn_j_list_add (j, pair, entry->value);
      *value = bn_j_tuple (pair);
      return TRUE;
  }
}

static gboolean
next_of_loop (BnJ *j, BnJIterator *self, BnJValue *value)
{
  bn_j_fail (j, "loop cannot be iterated over inside of itself");
}

/* An iterator over n things that are found by their index. */
static BnJIterator *
count (BnJ *j, gboolean (*next) (BnJ *, BnJIterator *, BnJValue *),
    BnJValue source, size_t n, gboolean is_reversed)
{
  BnJIterator *iterator = bn_j_iterator_new (j, next, NULL);

  iterator->source = source;
  iterator->at = is_reversed ? (int64_t) n - 1 : 0;
  iterator->end = is_reversed ? -1 : (int64_t) n;
  iterator->step = is_reversed ? -1 : 1;
  return iterator;
}

static BnJValue
view_of (BnJ *j, BnJValue value)
{
  BnJView *view;

  if (value.type == BN_J_VIEW)
    return value;
  view = bn_j_new (j, BnJView);
  view->kind = BN_J_KEYS;
  view->dict = value.dict;
  return (BnJValue){.type = BN_J_VIEW, .view = view};
}

gboolean
bn_j_is_iterable (BnJValue value)
{
  switch (value.type) {
    case BN_J_UNDEFINED:
    case BN_J_STRING:
    case BN_J_LIST:
    case BN_J_TUPLE:
    case BN_J_DICT:
    case BN_J_VIEW:
    case BN_J_RANGE:
    case BN_J_ITERATOR:
    case BN_J_LOOP:
      return TRUE;
    default:
      return FALSE;
  }
}

BnJIterator *
bn_j_iterate (BnJ *j, BnJValue value)
{
  switch (value.type) {
    case BN_J_UNDEFINED:
      return bn_j_iterator_new (j, next_nothing, NULL);
    case BN_J_STRING:
      return count (j, next_char, value, value.string->size, FALSE);
    case BN_J_LIST:
    case BN_J_TUPLE:
      return count (j, next_item, value, value.list->n, FALSE);
    case BN_J_DICT:
    case BN_J_VIEW:
      value = view_of (j, value);
      return count (j, next_entry, value, value.view->dict->n, FALSE);
    case BN_J_RANGE:
      return count (j, next_number, value, (size_t) value.range->n, FALSE);
    case BN_J_ITERATOR:
      return value.iterator;
    case BN_J_LOOP:
      return bn_j_iterator_new (j, next_of_loop, NULL);
    default:
      bn_j_fail (j, "'%s' object is not iterable", bn_j_type_name (value));
  }
}

BnJIterator *
bn_j_reversed (BnJ *j, BnJValue value)
{
  BnJIterator *iterator;

  switch (value.type) {
    case BN_J_LIST:
    case BN_J_TUPLE:
      iterator = count (j, next_item, value, value.list->n, TRUE);
      iterator->type_name = "list_reverseiterator";
      return iterator;
    case BN_J_DICT:
    case BN_J_VIEW:
      value = view_of (j, value);
      iterator = count (j, next_entry, value, value.view->dict->n, TRUE);
      iterator->type_name = "dict_reversekeyiterator";
      return iterator;
    case BN_J_RANGE:
      return count (j, next_number, value, (size_t) value.range->n, TRUE);
    case BN_J_STRING:
      return count (j, next_item, bn_j_list (bn_j_copy_items (j, value)),
          bn_j_count_chars (value.string), TRUE);
    default:
      return NULL;
  }
}

BnJList *
bn_j_copy_items (BnJ *j, BnJValue value)
{
  BnJIterator *iterator = bn_j_iterate (j, value);
  BnJList *list = bn_j_list_new (j, 0);
  BnJValue item;

  while (bn_j_iterator_next (j, iterator, &item))
    bn_j_list_add (j, list, item);
  return list;
}

const BnJList *
bn_j_collect (BnJ *j, BnJValue value)
{
  if (value.type == BN_J_LIST || value.type == BN_J_TUPLE)
    return value.list;
  return bn_j_copy_items (j, value);
}
