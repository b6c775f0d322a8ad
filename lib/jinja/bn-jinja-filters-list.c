/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filters of sequences. Those that the reference writes as generators
 * compute their items when they are asked for. */
#include "bn-jinja-private.h"

#include <string.h>

#include "bn-jinja-ast.h"

#define FILTER(name)                                                           \
  static BnJValue filter_##name (                                              \
      BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)

static gboolean
is_set (BnJ *j, BnJValue value)
{
  return value.type != BN_J_MISSING && bn_j_is_true (j, value);
}

/* Generators: the reference runs such a filter when the first item is asked
 * for, errors in its arguments included. */

typedef struct {
  BnJNative make; /* gives the iterator */
  BnJValue self, p[BN_J_MAX_PARAMETERS];
  BnJArgs args;
  size_t at; /* where the filter stands */
} Generator;

static gboolean
next_generated (BnJ *j, BnJIterator *self, BnJValue *value)
{
  if (self->inner == NULL) {
    Generator *generator = self->data;

    self->inner =
        generator->make (j, generator->self, generator->p, &generator->args)
            .iterator;
  }
  return bn_j_iterator_next (j, self->inner, value);
}

static BnJValue
generate (BnJ *j, BnJNative make, BnJValue self, const BnJValue *p,
    const BnJArgs *args)
{
  BnJIterator *iterator = bn_j_iterator_new (j, next_generated, NULL);
  Generator *generator = bn_j_new (j, Generator);

  generator->make = make;
  generator->self = self;
  memcpy (generator->p, p, sizeof generator->p);
  generator->args = *args;
  iterator->data = generator;
  return bn_j_iterator_value (iterator);
}

#define GENERATOR(name)                                                        \
  static BnJValue make_##name (                                                \
      BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args);          \
  FILTER (name)                                                                \
  {                                                                            \
    return generate (j, make_##name, self, p, args);                           \
  }                                                                            \
  static BnJValue make_##name (                                                \
      BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)

/* Keys: what an attribute like "a.b.0" names in an item */

typedef struct {
  BnJList *parts;
  gboolean ignores_case;
  BnJValue fallback; /* for what is undefined; or MISSING */
} Getter;

static Getter
make_getter (BnJ *j, BnJValue attribute, gboolean ignores_case)
{
  Getter getter = {.parts = bn_j_list_new (j, 0), .ignores_case = ignores_case};
  size_t begin = 0;

  if (attribute.type <= BN_J_NONE)
    return getter;
  if (attribute.type != BN_J_STRING) {
    bn_j_list_add (j, getter.parts, attribute);
    return getter;
  }
  for (;;) {
    const BnJString *string = attribute.string;
    size_t end = bn_j_find (string->text, string->size, ".", 1, begin);
    BnJString *part;
    guint64 index;

    part = bn_j_substring (j, string, begin, MIN (end, string->size));
    if (part->size > 0 && part->size < 19
        && bn_j_string_is_class (part, "digit")) {
      index = g_ascii_strtoull (
          bn_j_printf (j, "%.*s", (int) part->size, part->text), NULL, 10);
      bn_j_list_add (j, getter.parts, bn_j_integer ((int64_t) index));
    } else {
      bn_j_list_add (j, getter.parts, bn_j_string (part));
    }
    if (end == SIZE_MAX)
      return getter;
    begin = end + 1;
  }
}

static BnJValue
get_key (BnJ *j, const Getter *getter, BnJValue item)
{
  for (size_t i = 0; i < getter->parts->n; i++) {
    item = bn_j_get_item (j, item, getter->parts->items[i]);
    if (item.type == BN_J_UNDEFINED && getter->fallback.type > BN_J_NONE)
      item = getter->fallback;
  }
  if (getter->ignores_case && item.type == BN_J_STRING)
    return bn_j_string (bn_j_change_case (j, item.string, BN_J_LOWER));
  return item;
}

/* Sorting */

typedef struct {
  BnJValue key, item;
} Keyed;

/* Stable, and keeps the order of equals also when reversed. */
static void
merge_sort (BnJ *j, Keyed *items, Keyed *room, size_t n, gboolean is_reversed)
{
  size_t half = n / 2, a = 0, b = half;

  if (n < 2)
    return;
  merge_sort (j, items, room, half, is_reversed);
  merge_sort (j, items + half, room, n - half, is_reversed);
  for (size_t i = 0; i < n; i++) {
    gboolean takes_b =
        a == half
        || (b < n
            && (is_reversed
                    ? bn_j_compare (j, items[a].key, items[b].key, "<") < 0
                    : bn_j_compare (j, items[b].key, items[a].key, "<") < 0));

    room[i] = takes_b ? items[b++] : items[a++];
  }
  memcpy (items, room, n * sizeof *items);
}

static BnJList *
sort_by (BnJ *j, const Keyed *from, size_t n, gboolean is_reversed)
{
  Keyed *items = bn_j_new_n (j, Keyed, n), *room = bn_j_new_n (j, Keyed, n);
  BnJList *sorted = bn_j_list_new (j, n);

  if (n > 0)
    memcpy (items, from, n * sizeof *items);
  merge_sort (j, items, room, n, is_reversed);
  for (size_t i = 0; i < n; i++)
    bn_j_list_add (j, sorted, items[i].item);
  return sorted;
}

static Keyed *
key_items (BnJ *j, const BnJList *list, const Getter *getter)
{
  Keyed *items = bn_j_new_n (j, Keyed, list->n);

  for (size_t i = 0; i < list->n; i++)
    items[i] = (Keyed){get_key (j, getter, list->items[i]), list->items[i]};
  return items;
}

/* Several attributes are joined by commas; the key is then a list. */
FILTER (sort)
{
  const BnJList *list = bn_j_collect (j, self);
  gboolean ignores_case = !is_set (j, p[1]);
  BnJList *getters = bn_j_list_new (j, 0);
  Keyed *items = bn_j_new_n (j, Keyed, list->n);
  BnJValue rest = p[2];

  while (rest.type == BN_J_STRING) {
    size_t comma = bn_j_find (rest.string->text, rest.string->size, ",", 1, 0);

    if (comma == SIZE_MAX)
      break;
    bn_j_list_add (
        j, getters, bn_j_string (bn_j_substring (j, rest.string, 0, comma)));
    rest = bn_j_string (
        bn_j_substring (j, rest.string, comma + 1, rest.string->size));
  }
  bn_j_list_add (j, getters, rest);
  for (size_t i = 0; i < list->n; i++) {
    BnJList *key = bn_j_list_new (j, getters->n);

    for (size_t k = 0; k < getters->n; k++) {
      Getter getter = make_getter (j, getters->items[k], ignores_case);

      bn_j_list_add (j, key, get_key (j, &getter, list->items[i]));
    }
    items[i] = (Keyed){bn_j_list (key), list->items[i]};
  }
  return bn_j_list (sort_by (j, items, list->n, is_set (j, p[0])));
}

FILTER (dictsort)
{
  BnJString *by = p[1].type == BN_J_MISSING ? bn_j_text (j, "key").string
                                            : bn_j_to_string (j, p[1]);
  gboolean by_value = bn_j_string_is (by, "value");
  BnJIterator *iterator;
  BnJList *pairs = bn_j_list_new (j, 0);
  Getter getter;
  BnJValue key, pair;

  if (!by_value && !bn_j_string_is (by, "key"))
    bn_j_fail (j, "You can only sort by either \"key\" or \"value\"");
  if (self.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", self.undefined->message);
  if (self.type != BN_J_DICT)
    bn_j_fail (
        j, "'%s' object has no attribute 'items'", bn_j_type_name (self));
  iterator = bn_j_iterate (j, self);
  while (bn_j_iterator_next (j, iterator, &key)) {
    BnJList *list = bn_j_list_new (j, 2);

    bn_j_list_add (j, list, key);
    bn_j_dict_get (j, self.dict, key, &pair);
    bn_j_list_add (j, list, pair);
    bn_j_list_add (j, pairs, bn_j_tuple (list));
  }
  getter = make_getter (j, bn_j_integer (by_value), !is_set (j, p[0]));
  return bn_j_list (
      sort_by (j, key_items (j, pairs, &getter), pairs->n, is_set (j, p[2])));
}

static BnJValue
extreme (BnJ *j, BnJValue self, const BnJValue *p, gboolean wants_max)
{
  Getter getter = make_getter (j, p[1], !is_set (j, p[0]));
  BnJIterator *iterator = bn_j_iterate (j, self);
  BnJValue item, best, best_key;

  if (!bn_j_iterator_next (j, iterator, &best))
    return bn_j_undefined (j, "No aggregated item, sequence was empty.");
  best_key = get_key (j, &getter, best);
  while (bn_j_iterator_next (j, iterator, &item)) {
    BnJValue key = get_key (j, &getter, item);
    int order = wants_max ? bn_j_compare (j, key, best_key, ">")
                          : -bn_j_compare (j, key, best_key, "<");

    if (order > 0 && order != BN_J_UNORDERED) {
      best = item;
      best_key = key;
    }
  }
  return best;
}

FILTER (max)
{
  return extreme (j, self, p, TRUE);
}

FILTER (min)
{
  return extreme (j, self, p, FALSE);
}

FILTER (groupby)
{
  const BnJList *list = bn_j_collect (j, self);
  gboolean ignores_case = !is_set (j, p[2]);
  Getter getter = make_getter (j, p[0], ignores_case);
  Getter exact = make_getter (j, p[0], FALSE);
  const BnJList *sorted;
  BnJList *groups = bn_j_list_new (j, 0), *members = NULL;
  BnJValue last = bn_j_missing ();

  getter.fallback = exact.fallback = p[1];
  sorted = sort_by (j, key_items (j, list, &getter), list->n, FALSE);
  for (size_t i = 0; i < sorted->n; i++) {
    BnJValue key = get_key (j, &getter, sorted->items[i]);

    if (members == NULL || !bn_j_equal (j, key, last)) {
      BnJList *group = bn_j_list_new (j, 2);

      members = bn_j_list_new (j, 0);
      group->is_group = true;
      bn_j_list_add (j, group, get_key (j, &exact, sorted->items[i]));
      bn_j_list_add (j, group, bn_j_list (members));
      bn_j_list_add (j, groups, bn_j_tuple (group));
      last = key;
    }
    bn_j_list_add (j, members, sorted->items[i]);
  }
  return bn_j_list (groups);
}

/* Items */

FILTER (length)
{
  size_t length = bn_j_length (j, self);

  if (length == SIZE_MAX)
    bn_j_fail (j, "object of type '%s' has no len()", bn_j_type_name (self));
  return bn_j_integer ((int64_t) length);
}

FILTER (first)
{
  BnJValue value;

  if (bn_j_iterator_next (j, bn_j_iterate (j, self), &value))
    return value;
  return bn_j_undefined (j, "No first item, sequence was empty.");
}

FILTER (last)
{
  BnJIterator *iterator = self.type == BN_J_UNDEFINED ? bn_j_iterate (j, self)
                                                      : bn_j_reversed (j, self);
  BnJValue value;

  if (iterator == NULL)
    bn_j_fail (j, "'%s' object is not reversible", bn_j_type_name (self));
  if (bn_j_iterator_next (j, iterator, &value))
    return value;
  return bn_j_undefined (j, "No last item, sequence was empty.");
}

FILTER (random)
{
  const BnJList *list = bn_j_collect (j, self);

  if (list->n == 0)
    return bn_j_undefined (j, "No random item, sequence was empty.");
  return list->items[(size_t) g_random_int () % list->n];
}

FILTER (list)
{
  return bn_j_list (bn_j_copy_items (j, self));
}

FILTER (reverse)
{
  BnJIterator *iterator;
  BnJList *list;

  if (self.type == BN_J_STRING)
    return bn_j_get_slice (
        j, self, bn_j_none (), bn_j_none (), bn_j_integer (-1));
  iterator = self.type == BN_J_UNDEFINED ? bn_j_iterate (j, self)
                                         : bn_j_reversed (j, self);
  if (iterator != NULL)
    return bn_j_iterator_value (iterator);
  if (!bn_j_is_iterable (self))
    bn_j_fail (j, "argument must be iterable");
  list = bn_j_copy_items (j, self);
  return bn_j_get_slice (
      j, bn_j_list (list), bn_j_none (), bn_j_none (), bn_j_integer (-1));
}

FILTER (join)
{
  BnJString *separator = p[0].type == BN_J_MISSING ? bn_j_text (j, "").string
                                                   : bn_j_to_string (j, p[0]);
  Getter getter = make_getter (j, p[1], FALSE);
  BnJIterator *iterator = bn_j_iterate (j, self);
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);
  BnJValue item;

  for (gboolean is_first = TRUE; bn_j_iterator_next (j, iterator, &item);
       is_first = FALSE) {
    if (!is_first)
      bn_j_append_string (j, buffer, separator);
    bn_j_append_value (j, buffer, get_key (j, &getter, item));
  }
  return bn_j_string (bn_j_buffer_finish (j, buffer));
}

FILTER (sum)
{
  Getter getter = make_getter (j, p[0], FALSE);
  BnJIterator *iterator = bn_j_iterate (j, self);
  BnJValue sum = p[1].type == BN_J_MISSING ? bn_j_integer (0) : p[1], item;

  if (sum.type == BN_J_STRING)
    bn_j_fail (j, "sum() can't sum strings [use ''.join(seq) instead]");
  while (bn_j_iterator_next (j, iterator, &item))
    sum = bn_j_binary (j, BN_J_TOKEN_ADD, sum, get_key (j, &getter, item));
  return sum;
}

static gboolean
next_unique (BnJ *j, BnJIterator *self, BnJValue *value)
{
  const Getter *getter = self->data;

  while (bn_j_iterator_next (j, self->inner, value)) {
    BnJValue key = get_key (j, getter, *value), seen;

    if (!bn_j_dict_get (j, self->source.dict, key, &seen)) {
      bn_j_dict_set (j, self->source.dict, key, bn_j_none ());
      return TRUE;
    }
  }
  return FALSE;
}

GENERATOR (unique)
{
  BnJIterator *iterator =
      bn_j_iterator_new (j, next_unique, bn_j_iterate (j, self));
  Getter *getter = bn_j_new (j, Getter);

  *getter = make_getter (j, p[1], !is_set (j, p[0]));
  iterator->data = getter;
  iterator->source = bn_j_dict (bn_j_dict_new (j));
  return bn_j_iterator_value (iterator);
}

GENERATOR (items)
{
  BnJView *view;

  if (self.type == BN_J_UNDEFINED)
    return bn_j_iterator_value (bn_j_iterate (j, self));
  if (self.type != BN_J_DICT)
    bn_j_fail (j, "Can only get item pairs from a mapping.");
  view = bn_j_new (j, BnJView);
  view->kind = BN_J_ITEMS;
  view->dict = self.dict;
  return bn_j_iterator_value (
      bn_j_iterate (j, (BnJValue){.type = BN_J_VIEW, .view = view}));
}

FILTER (attr)
{
  BnJString *name = bn_j_expect_string (j, p[0]);
  BnJValue value;

  if (self.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", self.undefined->message);
  if (self.type == BN_J_DICT && !bn_j_get_builtin (j, self, name, &value))
    return bn_j_undefined (j, "'dict object' has no attribute '%.*s'",
        (int) MIN (name->size, 100u), name->text);
  return bn_j_get_attribute (j, self, name);
}

static gboolean
next_batch (BnJ *j, BnJIterator *self, BnJValue *value)
{
  BnJList *batch = bn_j_list_new (j, 0);
  BnJValue item;

  /* As the reference: a full batch goes when the next item comes. */
  while ((int64_t) batch->n != self->end || batch->n == 0) {
    if (!bn_j_iterator_next (j, self->inner, &item))
      break;
    bn_j_list_add (j, batch, item);
  }
  if (batch->n == 0)
    return FALSE;
  while (self->source.type > BN_J_NONE && (int64_t) batch->n < self->end) {
    bn_j_step (j, 1);
    bn_j_list_add (j, batch, self->source);
  }
  *value = bn_j_list (batch);
  return TRUE;
}

GENERATOR (batch)
{
  BnJIterator *iterator =
      bn_j_iterator_new (j, next_batch, bn_j_iterate (j, self));

  iterator->end = bn_j_expect_integer (j, p[0]);
  iterator->source = p[1];
  return bn_j_iterator_value (iterator);
}

GENERATOR (slice)
{
  const BnJList *list = bn_j_collect (j, self);
  int64_t n = bn_j_expect_integer (j, p[0]);
  BnJList *slices = bn_j_list_new (j, 0);
  size_t at = 0;

  if (n == 0)
    bn_j_fail (j, "integer division or modulo by zero");
  for (int64_t i = 0; i < n; i++) {
    size_t size = list->n / (size_t) n + ((size_t) i < list->n % (size_t) n);
    BnJList *slice = bn_j_list_new (j, size + 1);

    bn_j_step (j, 1);
    for (size_t k = 0; k < size; k++)
      bn_j_list_add (j, slice, list->items[at++]);
    if (p[1].type > BN_J_NONE && (size_t) i >= list->n % (size_t) n)
      bn_j_list_add (j, slice, p[1]);
    bn_j_list_add (j, slices, bn_j_list (slice));
  }
  return bn_j_iterator_value (bn_j_iterate (j, bn_j_list (slices)));
}

/* map, select and their kin */

typedef struct {
  Getter getter;
  const BnJCallable *native; /* filter or test, or NULL */
  BnJArgs args;              /* of native */
  gboolean wants;            /* select: items of which it is TRUE */
} Mapper;

static gboolean
next_mapped (BnJ *j, BnJIterator *self, BnJValue *value)
{
  const Mapper *mapper = self->data;

  if (!bn_j_iterator_next (j, self->inner, value))
    return FALSE;
  *value = mapper->native != NULL
               ? bn_j_call_native (j, mapper->native, *value, &mapper->args)
               : get_key (j, &mapper->getter, *value);
  return TRUE;
}

static gboolean
next_selected (BnJ *j, BnJIterator *self, BnJValue *value)
{
  const Mapper *mapper = self->data;

  while (bn_j_iterator_next (j, self->inner, value)) {
    BnJValue key = get_key (j, &mapper->getter, *value);

    if (mapper->native != NULL)
      key = bn_j_call_native (j, mapper->native, key, &mapper->args);
    if (bn_j_is_true (j, key) == mapper->wants)
      return TRUE;
  }
  return FALSE;
}

static const BnJCallable *
find_native (BnJ *j, BnJValue name, gboolean is_filter)
{
  BnJString *string = bn_j_to_string (j, name);
  const BnJCallable *native =
      is_filter ? bn_j_find_filter (string) : bn_j_find_test (string);

  if (native == NULL)
    bn_j_fail (j, "No %s named '%.*s'.", is_filter ? "filter" : "test",
        (int) MIN (string->size, 100u), string->text);
  return native;
}

GENERATOR (map)
{
  BnJIterator *iterator;
  Mapper *mapper;

  if (!bn_j_is_true (j, self))
    return bn_j_iterator_value (
        bn_j_iterate (j, bn_j_list (bn_j_list_new (j, 0))));
  mapper = bn_j_new (j, Mapper);
  if (args->n > 0) {
    mapper->native = find_native (j, args->values[0], TRUE);
    mapper->args = *args;
    mapper->args.values++;
    mapper->args.n--;
  } else {
    BnJValue attribute = bn_j_missing (), fallback = bn_j_missing ();

    for (size_t i = 0; i < args->n_keywords; i++) {
      if (bn_j_string_is (args->keywords[i].name, "attribute"))
        attribute = args->keywords[i].value;
      else if (bn_j_string_is (args->keywords[i].name, "default"))
        fallback = args->keywords[i].value;
      else
        bn_j_fail (j, "Unexpected keyword argument '%.*s'",
            (int) args->keywords[i].name->size, args->keywords[i].name->text);
    }
    if (attribute.type == BN_J_MISSING)
      bn_j_fail (j, "map requires a filter argument");
    mapper->getter = make_getter (j, attribute, FALSE);
    mapper->getter.fallback = fallback;
  }
  iterator = bn_j_iterator_new (j, next_mapped, bn_j_iterate (j, self));
  iterator->data = mapper;
  return bn_j_iterator_value (iterator);
}

static BnJValue
select_items (BnJ *j, BnJValue self, const BnJArgs *args, gboolean by_attribute,
    gboolean wants)
{
  Mapper *mapper = bn_j_new (j, Mapper);
  BnJIterator *iterator;
  size_t n = 0;

  if (!bn_j_is_true (j, self))
    return bn_j_iterator_value (
        bn_j_iterate (j, bn_j_list (bn_j_list_new (j, 0))));
  mapper->wants = wants;
  if (by_attribute && args->n == 0)
    bn_j_fail (j, "Missing parameter for attribute name");
  mapper->getter = make_getter (
      j, by_attribute ? args->values[n++] : bn_j_missing (), FALSE);
  if (n < args->n) {
    mapper->native = find_native (j, args->values[n++], FALSE);
    mapper->args = *args;
    mapper->args.values += n;
    mapper->args.n -= n;
  }
  iterator = bn_j_iterator_new (j, next_selected, bn_j_iterate (j, self));
  iterator->data = mapper;
  return bn_j_iterator_value (iterator);
}

GENERATOR (select)
{
  return select_items (j, self, args, FALSE, TRUE);
}

GENERATOR (reject)
{
  return select_items (j, self, args, FALSE, FALSE);
}

GENERATOR (selectattr)
{
  return select_items (j, self, args, TRUE, TRUE);
}

GENERATOR (rejectattr)
{
  return select_items (j, self, args, TRUE, FALSE);
}

static const BnJCallable filters[] = {
    {"attr", "name", filter_attr},
    {"batch", "linecount ? fill_with", filter_batch},
    {"count", "", filter_length},
    {"dictsort", "? case_sensitive by reverse", filter_dictsort},
    {"first", "", filter_first},
    {"groupby", "attribute ? default case_sensitive", filter_groupby},
    {"items", "", filter_items},
    {"join", "? d attribute", filter_join},
    {"last", "", filter_last},
    {"length", "", filter_length},
    {"list", "", filter_list},
    {"map", "*", filter_map},
    {"max", "? case_sensitive attribute", filter_max},
    {"min", "? case_sensitive attribute", filter_min},
    {"random", "", filter_random},
    {"reject", "*", filter_reject},
    {"rejectattr", "*", filter_rejectattr},
    {"reverse", "", filter_reverse},
    {"select", "*", filter_select},
    {"selectattr", "*", filter_selectattr},
    {"slice", "slices ? fill_with", filter_slice},
    {"sort", "? reverse case_sensitive attribute", filter_sort},
    {"sum", "? attribute start", filter_sum},
    {"unique", "? case_sensitive attribute", filter_unique},
};

const BnJCallable *
bn_j_find_list_filter (const BnJString *name)
{
  return bn_j_find_in (filters, G_N_ELEMENTS (filters), name);
}
