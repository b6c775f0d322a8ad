/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Global functions, and the attributes of values that are not strings. */
#include "bn-jinja-private.h"

#include <math.h>
#include <string.h>

#include "bitnet-error.h"

enum { MAX_RANGE = 100000 }; /* as the reference's sandbox */

/* Functions */

static BnJValue
global_range (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJRange *range = bn_j_new (j, BnJRange);
  int64_t first = bn_j_expect_integer (j, p[0]);
  uint64_t distance, step;

  range->step = 1;
  if (p[1].type == BN_J_MISSING) {
    range->stop = first;
  } else {
    range->start = first;
    range->stop = bn_j_expect_integer (j, p[1]);
  }
  if (p[2].type != BN_J_MISSING)
    range->step = bn_j_expect_integer (j, p[2]);
  if (range->step == 0)
    bn_j_fail (j, "range() arg 3 must not be zero");
  if (range->step > 0 ? range->start < range->stop
                      : range->start > range->stop) {
    distance = range->step > 0
                   ? (uint64_t) range->stop - (uint64_t) range->start
                   : (uint64_t) range->start - (uint64_t) range->stop;
    step = range->step > 0 ? (uint64_t) range->step : -(uint64_t) range->step;
    distance = (distance - 1) / step + 1;
    if (distance > MAX_RANGE)
      bn_j_fail (j,
          "Range too big. The sandbox blocks ranges larger than "
          "MAX_RANGE (%d).",
          MAX_RANGE);
    range->n = (int64_t) distance;
  }
  return (BnJValue){.type = BN_J_RANGE, .range = range};
}

/* The members that dict() and namespace() take: of a dict or of pairs, and
 * by name. */
static BnJDict *
make_dict (BnJ *j, const BnJArgs *args)
{
  BnJDict *dict = bn_j_dict_new (j);
  BnJValue item;

  if (args->n > 1)
    bn_j_fail (
        j, "dict expected at most 1 argument, got %" G_GSIZE_FORMAT, args->n);
  if (args->n == 1 && args->values[0].type == BN_J_DICT) {
    const BnJDict *from = args->values[0].dict;

    for (size_t i = 0; i < from->n; i++)
      bn_j_dict_set (j, dict, from->entries[i].key, from->entries[i].value);
  } else if (args->n == 1) {
    BnJIterator *iterator = bn_j_iterate (j, args->values[0]);

    while (bn_j_iterator_next (j, iterator, &item)) {
      const BnJList *pair = bn_j_collect (j, item);

      if (pair->n != 2)
        bn_j_fail (j,
            "dictionary update sequence element has length "
            "%" G_GSIZE_FORMAT "; 2 is required",
            pair->n);
      bn_j_dict_set (j, dict, pair->items[0], pair->items[1]);
    }
  }
  for (size_t i = 0; i < args->n_keywords; i++)
    bn_j_dict_set (j, dict,
        bn_j_string ((BnJString *) (uintptr_t) args->keywords[i].name),
        args->keywords[i].value);
  return dict;
}

static BnJValue
global_dict (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return bn_j_dict (make_dict (j, args));
}

static BnJValue
global_namespace (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return (BnJValue){.type = BN_J_NAMESPACE, .dict = make_dict (j, args)};
}

static BnJValue
global_cycler (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJCycler *cycler = bn_j_new (j, BnJCycler);

  if (args->n == 0)
    bn_j_fail (j, "at least one item has to be provided");
  cycler->items = args->values;
  cycler->n = args->n;
  return (BnJValue){.type = BN_J_CYCLER, .cycler = cycler};
}

static BnJValue
global_joiner (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJJoiner *joiner = bn_j_new (j, BnJJoiner);

  joiner->separator = p[0].type != BN_J_MISSING ? p[0] : bn_j_text (j, ", ");
  return (BnJValue){.type = BN_J_JOINER, .joiner = joiner};
}

static BnJValue
global_raise_exception (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJString *message = bn_j_to_string (j, p[0]);

  bn_j_fail_with (j, BITNET_ERROR, BITNET_ERROR_TEMPLATE_RAISED,
      bn_j_printf (j, "%.*s", (int) MIN (message->size, (size_t) G_MAXINT32),
          message->text));
}

static BnJValue
global_strftime_now (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return bn_j_string (bn_j_format_time (j, bn_j_expect_string (j, p[0])));
}

static const BnJCallable globals[] = {
    {"cycler", "*", global_cycler},
    {"dict", "*", global_dict},
    {"joiner", "? sep", global_joiner},
    {"namespace", "*", global_namespace},
    {"raise_exception", "message", global_raise_exception},
    {"range", "/ start ? stop step", global_range},
    {"strftime_now", "format", global_strftime_now},
};

gboolean
bn_j_find_global (const BnJString *name, BnJValue *value)
{
  const BnJCallable *global =
      bn_j_find_in (globals, G_N_ELEMENTS (globals), name);

  *value = (BnJValue){.type = BN_J_FUNCTION, .function = global};
  return global != NULL;
}

/* Dicts */

static BnJValue
view (BnJ *j, BnJValue self, int kind)
{
  BnJView *of = bn_j_new (j, BnJView);

  of->kind = kind;
  of->dict = self.dict;
  return (BnJValue){.type = BN_J_VIEW, .view = of};
}

static BnJValue
dict_keys (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return view (j, self, BN_J_KEYS);
}

static BnJValue
dict_values (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return view (j, self, BN_J_VALUES);
}

static BnJValue
dict_items (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return view (j, self, BN_J_ITEMS);
}

static BnJValue
dict_get (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJValue value;

  if (bn_j_dict_get (j, self.dict, p[0], &value))
    return value;
  return p[1].type != BN_J_MISSING ? p[1] : bn_j_none ();
}

static BnJValue
dict_copy (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJArgs one = {.values = &self, .n = 1};

  return bn_j_dict (make_dict (j, &one));
}

static BnJValue
dict_fromkeys (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJDict *dict = bn_j_dict_new (j);
  BnJIterator *iterator = bn_j_iterate (j, p[0]);
  BnJValue key;

  while (bn_j_iterator_next (j, iterator, &key))
    bn_j_dict_set (
        j, dict, key, p[1].type != BN_J_MISSING ? p[1] : bn_j_none ());
  return bn_j_dict (dict);
}

/* Those without a function would change the value, which the sandbox does not
 * allow. */
static const BnJCallable dict_methods[] = {
    {"clear", "", NULL},
    {"copy", "", dict_copy},
    {"fromkeys", "/ iterable ? value", dict_fromkeys},
    {"get", "/ key ? default", dict_get},
    {"items", "", dict_items},
    {"keys", "", dict_keys},
    {"pop", "", NULL},
    {"popitem", "", NULL},
    {"setdefault", "", NULL},
    {"update", "", NULL},
    {"values", "", dict_values},
};

/* Lists */

static BnJValue
list_count (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  int64_t n = 0;

  for (size_t i = 0; i < self.list->n; i++)
    n += bn_j_is_same (self.list->items[i], p[0])
         || bn_j_equal (j, self.list->items[i], p[0]);
  bn_j_step (j, self.list->n);
  return bn_j_integer (n);
}

static BnJValue
list_index (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  int64_t n = (int64_t) self.list->n;
  int64_t begin = p[1].type != BN_J_MISSING ? bn_j_expect_integer (j, p[1]) : 0;
  int64_t end = p[2].type != BN_J_MISSING ? bn_j_expect_integer (j, p[2]) : n;

  begin = begin < 0 ? MAX (begin + n, 0) : begin;
  end = end < 0 ? end + n : MIN (end, n);
  for (int64_t i = begin; i < end; i++) {
    bn_j_step (j, 1);
    if (bn_j_is_same (self.list->items[i], p[0])
        || bn_j_equal (j, self.list->items[i], p[0]))
      return bn_j_integer (i);
  }
  bn_j_fail (j, "the value is not in the list");
}

static BnJValue
list_copy (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return bn_j_list (bn_j_copy_items (j, self));
}

static const BnJCallable list_methods[] = {
    {"append", "", NULL},
    {"clear", "", NULL},
    {"copy", "", list_copy},
    {"count", "/ value", list_count},
    {"extend", "", NULL},
    {"index", "/ value ? start stop", list_index},
    {"insert", "", NULL},
    {"pop", "", NULL},
    {"remove", "", NULL},
    {"reverse", "", NULL},
    {"sort", "", NULL},
};

static const BnJCallable tuple_methods[] = {
    {"count", "/ value", list_count},
    {"index", "/ value ? start stop", list_index},
};

/* Others */

static BnJValue
cycler_next (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJCycler *cycler = self.cycler;
  BnJValue value = cycler->items[cycler->at];

  cycler->at = (cycler->at + 1) % cycler->n;
  return value;
}

static BnJValue
cycler_reset (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  self.cycler->at = 0;
  return bn_j_none ();
}

static const BnJCallable cycler_methods[] = {
    {"next", "", cycler_next}, {"reset", "", cycler_reset}};

static BnJValue
float_is_integer (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  return bn_j_boolean (self.number == floor (self.number));
}

static const BnJCallable float_methods[] = {
    {"is_integer", "", float_is_integer}};

static BnJValue
integer_bit_length (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  int64_t integer = bn_j_expect_integer (j, self), n = 0;

  for (uint64_t rest = integer < 0 ? -(uint64_t) integer : (uint64_t) integer;
       rest > 0; rest >>= 1)
    n++;
  return bn_j_integer (n);
}

static const BnJCallable integer_methods[] = {
    {"bit_length", "", integer_bit_length}};

/* Fields that are not methods. */
static gboolean
get_field (BnJ *j, BnJValue object, const BnJString *name, BnJValue *value)
{
  if (object.type == BN_J_CYCLER && bn_j_string_is (name, "current")) {
    *value = object.cycler->items[object.cycler->at];
    return TRUE;
  }
  if (object.type == BN_J_TUPLE && object.list->is_group) {
    gboolean is_list = bn_j_string_is (name, "list");

    if (is_list || bn_j_string_is (name, "grouper")) {
      *value = object.list->items[is_list];
      return TRUE;
    }
  }
  if (bn_j_is_number (object)
      && (bn_j_string_is (name, "real") || bn_j_string_is (name, "imag"))) {
    *value = *name->text == 'r' ? object : bn_j_integer (0);
    return TRUE;
  }
  return FALSE;
}

gboolean
bn_j_get_builtin (
    BnJ *j, BnJValue object, const BnJString *name, BnJValue *value)
{
  const BnJCallable *method = NULL;

#define FIND(table) bn_j_find_in (table, G_N_ELEMENTS (table), name)
  switch (object.type) {
    case BN_J_STRING:
      method = bn_j_find_string_method (name);
      break;
    case BN_J_DICT:
      method = FIND (dict_methods);
      break;
    case BN_J_LIST:
      method = FIND (list_methods);
      break;
    case BN_J_TUPLE:
      method = FIND (tuple_methods);
      break;
    case BN_J_CYCLER:
      method = FIND (cycler_methods);
      break;
    case BN_J_FLOAT:
      method = FIND (float_methods);
      break;
    case BN_J_INTEGER:
    case BN_J_BOOLEAN:
      method = FIND (integer_methods);
      break;
    case BN_J_FUNCTION: /* dict.fromkeys */
      if (strcmp (object.function->name, "dict") == 0
          && bn_j_string_is (name, "fromkeys"))
        method = FIND (dict_methods);
      break;
    default:
      break;
  }
#undef FIND
  if (method == NULL)
    return get_field (j, object, name, value);
  if (method->call == NULL) {
    *value =
        bn_j_undefined (j, "access to attribute '%s' of '%s' object is unsafe.",
            method->name, bn_j_type_name (object));
    return TRUE;
  }
  value->type = BN_J_METHOD;
  value->method = bn_j_new (j, BnJMethod);
  *value->method = (BnJMethod){object, method};
  return TRUE;
}
