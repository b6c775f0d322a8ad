/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The operators, and access to attributes and items, with Python's rules. */
#include "bn-jinja-private.h"

#include <math.h>
#include <string.h>

#include "bn-jinja-ast.h"

static const char *
operator_name (int op)
{
  return bn_j_token_type_describe ((BnJTokenType) op);
}

G_NORETURN static void
fail_overflow (BnJ *j)
{
  bn_j_fail (j, "an integer does not fit 64 bit");
}

G_NORETURN static void
fail_operands (BnJ *j, int op, BnJValue a, BnJValue b)
{
  if (a.type == BN_J_UNDEFINED || b.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", (a.type == BN_J_UNDEFINED ? a : b).undefined->message);
  if (a.type == BN_J_BIG_INTEGER || b.type == BN_J_BIG_INTEGER)
    fail_overflow (j);
  if (op == BN_J_TOKEN_ADD && a.type == BN_J_STRING)
    bn_j_fail (
        j, "can only concatenate str (not \"%s\") to str", bn_j_type_name (b));
  bn_j_fail (j, "unsupported operand type(s) for %s: '%s' and '%s'",
      operator_name (op), bn_j_type_name (a), bn_j_type_name (b));
}

/* Numbers */

static int64_t
floor_divide (int64_t a, int64_t b)
{
  int64_t q = a / b;

  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static BnJValue
power_of_integers (BnJ *j, int64_t base, int64_t exponent)
{
  int64_t result = 1;

  if (exponent < 0) {
    if (base == 0)
      bn_j_fail (j, "0.0 cannot be raised to a negative power");
    return bn_j_number (pow ((double) base, (double) exponent));
  }
  if (base == 1 || base == 0 || base == -1)
    return bn_j_integer (exponent == 0 ? 1
                         : base == -1  ? (exponent % 2 != 0 ? -1 : 1)
                                       : base);
  for (; exponent > 0; exponent--) {
    if (__builtin_mul_overflow (result, base, &result))
      fail_overflow (j);
  }
  return bn_j_integer (result);
}

static BnJValue
binary_integers (BnJ *j, int op, int64_t a, int64_t b)
{
  int64_t result;
  gboolean overflows = FALSE;

  if (b == 0
      && (op == BN_J_TOKEN_DIV || op == BN_J_TOKEN_FLOORDIV
          || op == BN_J_TOKEN_MOD))
    bn_j_fail (j, op == BN_J_TOKEN_DIV ? "division by zero"
                                       : "integer division or modulo by zero");
  switch (op) {
    case BN_J_TOKEN_ADD:
      overflows = __builtin_add_overflow (a, b, &result);
      break;
    case BN_J_TOKEN_SUB:
      overflows = __builtin_sub_overflow (a, b, &result);
      break;
    case BN_J_TOKEN_MUL:
      overflows = __builtin_mul_overflow (a, b, &result);
      break;
    case BN_J_TOKEN_DIV:
      return bn_j_number ((double) a / (double) b);
    case BN_J_TOKEN_FLOORDIV:
      if (a == INT64_MIN && b == -1)
        fail_overflow (j);
      result = floor_divide (a, b);
      break;
    case BN_J_TOKEN_MOD:
      result = b == -1 ? 0 : a - floor_divide (a, b) * b;
      break;
    default:
      return power_of_integers (j, a, b);
  }
  if (overflows)
    fail_overflow (j);
  return bn_j_integer (result);
}

/* Python's float modulo has the sign of the divisor. */
static double
modulo (double a, double b)
{
  double r = fmod (a, b);

  if (r == 0)
    return copysign (0, b);
  return (r < 0) != (b < 0) ? r + b : r;
}

static BnJValue
binary_doubles (BnJ *j, int op, double a, double b)
{
  double result;

  if (b == 0
      && (op == BN_J_TOKEN_DIV || op == BN_J_TOKEN_FLOORDIV
          || op == BN_J_TOKEN_MOD))
    bn_j_fail (j, op == BN_J_TOKEN_DIV   ? "float division by zero"
                  : op == BN_J_TOKEN_MOD ? "float modulo"
                                         : "float floor division by zero");
  switch (op) {
    case BN_J_TOKEN_ADD:
      return bn_j_number (a + b);
    case BN_J_TOKEN_SUB:
      return bn_j_number (a - b);
    case BN_J_TOKEN_MUL:
      return bn_j_number (a * b);
    case BN_J_TOKEN_DIV:
      return bn_j_number (a / b);
    case BN_J_TOKEN_FLOORDIV:
      result = (a - modulo (a, b)) / b;
      return bn_j_number (floor (result) + (result - floor (result) > 0.5));
    case BN_J_TOKEN_MOD:
      return bn_j_number (modulo (a, b));
    default:
      if (a == 0 && b < 0)
        bn_j_fail (j, "0.0 cannot be raised to a negative power");
      if (a < 0 && b != floor (b))
        bn_j_fail (j, "complex numbers are not supported");
      result = pow (a, b);
      if (isinf (result) && !isinf (a) && !isinf (b))
        bn_j_fail (j, "Numerical result out of range");
      return bn_j_number (result);
  }
}

/* Sequences */

static BnJValue
repeat_string (BnJ *j, BnJString *string, int64_t n)
{
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);
  BnJString *result;

  for (int64_t i = 0; i < n && string->size > 0; i++) {
    bn_j_step (j, 1);
    if (string->size > j->limits.max_text_size / (uint64_t) n)
      bn_j_fail (j,
          "a text is longer than the limit of %" G_GSIZE_FORMAT " bytes",
          j->limits.max_text_size);
    bn_j_append_string (j, buffer, string);
  }
  result = bn_j_buffer_finish (j, buffer);
  result->is_markup = string->is_markup;
  return bn_j_string (result);
}

static BnJValue
repeat_list (BnJ *j, BnJValue value, int64_t n)
{
  BnJList *list;
  size_t total = 0;

  if (n > 0 && !g_size_checked_mul (&total, value.list->n, (size_t) n))
    total = SIZE_MAX / sizeof (BnJValue);
  list = bn_j_list_new (j, total);
  for (size_t i = 0; i < total; i++) {
    bn_j_step (j, 1);
    bn_j_list_add (j, list, value.list->items[i % value.list->n]);
  }
  return value.type == BN_J_LIST ? bn_j_list (list) : bn_j_tuple (list);
}

static gboolean
repeat (BnJ *j, BnJValue a, BnJValue b, BnJValue *result)
{
  int64_t n;

  if (!bn_j_get_integer (b, &n)) {
    BnJValue swap = a;

    a = b;
    b = swap;
    if (!bn_j_get_integer (b, &n))
      return FALSE;
  }
  if (a.type == BN_J_STRING)
    *result = repeat_string (j, a.string, n);
  else if (a.type == BN_J_LIST || a.type == BN_J_TUPLE)
    *result = repeat_list (j, a, n);
  else
    return FALSE;
  return TRUE;
}

BnJString *
bn_j_as_markup (BnJ *j, BnJString *string)
{
  BnJString *copy;

  if (string->is_markup)
    return string;
  copy = bn_j_new (j, BnJString);
  *copy = *string;
  copy->is_markup = TRUE;
  return copy;
}

/* What is not markup is escaped when it meets markup. */
static BnJValue
add_strings (BnJ *j, BnJString *a, BnJString *b)
{
  if (!a->is_markup && !b->is_markup)
    return bn_j_string (bn_j_concat (j, a, b));
  return bn_j_string (bn_j_as_markup (
      j, bn_j_concat (j, bn_j_escape (j, a), bn_j_escape (j, b))));
}

static BnJValue
add_lists (BnJ *j, BnJValue a, BnJValue b)
{
  BnJList *list = bn_j_list_new (j, a.list->n + b.list->n);

  bn_j_step (j, list->n_allocated);
  for (size_t i = 0; i < a.list->n; i++)
    bn_j_list_add (j, list, a.list->items[i]);
  for (size_t i = 0; i < b.list->n; i++)
    bn_j_list_add (j, list, b.list->items[i]);
  return a.type == BN_J_LIST ? bn_j_list (list) : bn_j_tuple (list);
}

BnJValue
bn_j_binary (BnJ *j, int op, BnJValue a, BnJValue b)
{
  BnJValue result;
  int64_t x, y;

  if (a.type == BN_J_STRING && b.type == BN_J_STRING && op == BN_J_TOKEN_ADD)
    return add_strings (j, a.string, b.string);
  if (bn_j_get_integer (a, &x) && bn_j_get_integer (b, &y))
    return binary_integers (j, op, x, y);
  if (bn_j_is_number (a) && bn_j_is_number (b))
    return binary_doubles (j, op, bn_j_to_double (a), bn_j_to_double (b));
  if (op == BN_J_TOKEN_MOD && a.type == BN_J_STRING)
    return bn_j_string (bn_j_format_percent (j, a.string, b));
  if (op == BN_J_TOKEN_MUL && repeat (j, a, b, &result))
    return result;
  if (op == BN_J_TOKEN_ADD && a.type == b.type
      && (a.type == BN_J_LIST || a.type == BN_J_TUPLE))
    return add_lists (j, a, b);
  fail_operands (j, op, a, b);
}

BnJValue
bn_j_negate (BnJ *j, BnJValue value, gboolean is_positive)
{
  int64_t integer;

  if (value.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", value.undefined->message);
  if (value.type == BN_J_FLOAT)
    return is_positive ? value : bn_j_number (-value.number);
  if (!bn_j_get_integer (value, &integer))
    bn_j_fail (j, "bad operand type for unary %c: '%s'",
        is_positive ? '+' : '-', bn_j_type_name (value));
  if (!is_positive && integer == INT64_MIN)
    fail_overflow (j);
  return bn_j_integer (is_positive ? integer : -integer);
}

/* Comparison */

gboolean
bn_j_contains (BnJ *j, BnJValue container, BnJValue value)
{
  BnJIterator *iterator;
  BnJValue item;

  switch (container.type) {
    case BN_J_STRING:
      if (value.type != BN_J_STRING)
        bn_j_fail (j, "'in <string>' requires string as left operand, not %s",
            bn_j_type_name (value));
      bn_j_step (j, container.string->size / 32);
      return bn_j_find (container.string->text, container.string->size,
                 value.string->text, value.string->size, 0)
             != SIZE_MAX;
    case BN_J_DICT:
      return bn_j_dict_get (j, container.dict, value, &item);
    case BN_J_VIEW:
      if (container.view->kind == BN_J_KEYS)
        return bn_j_dict_get (j, container.view->dict, value, &item);
      break;
    default:
      if (!bn_j_is_iterable (container))
        bn_j_fail (j, "argument of type '%s' is not iterable",
            bn_j_type_name (container));
      break;
  }
  iterator = bn_j_iterate (j, container);
  while (bn_j_iterator_next (j, iterator, &item)) {
    if (bn_j_is_same (item, value) || bn_j_equal (j, item, value))
      return TRUE;
  }
  return FALSE;
}

gboolean
bn_j_compare_with (BnJ *j, int op, BnJValue a, BnJValue b)
{
  int order;

  if (op == BN_J_TOKEN_EQ)
    return bn_j_equal (j, a, b);
  if (op == BN_J_TOKEN_NE)
    return !bn_j_equal (j, a, b);
  if (op == BN_J_TOKEN_IN)
    return bn_j_contains (j, b, a);
  if (op == BN_J_TOKEN_NOT_IN)
    return !bn_j_contains (j, b, a);
  order = bn_j_compare (j, a, b, operator_name (op));
  if (order == BN_J_UNORDERED)
    return FALSE;
  switch (op) {
    case BN_J_TOKEN_LT:
      return order < 0;
    case BN_J_TOKEN_LE:
      return order <= 0;
    case BN_J_TOKEN_GT:
      return order > 0;
    default:
      return order >= 0;
  }
}

/* Access */

static BnJValue
undefined_attribute (BnJ *j, BnJValue object, const BnJString *name)
{
  return bn_j_undefined (j, "'%s object' has no attribute '%.*s'",
      bn_j_type_name (object), (int) MIN (name->size, 100u), name->text);
}

/* What Python calls attributes: methods, and the fields of our objects. */
static gboolean
get_own (BnJ *j, BnJValue object, const BnJString *name, BnJValue *value)
{
  switch (object.type) {
    case BN_J_NAMESPACE:
      return bn_j_dict_get_string (object.dict, name, value);
    case BN_J_LOOP:
      return bn_j_loop_get (j, object.loop, name, value);
    default:
      return bn_j_get_builtin (j, object, name, value);
  }
}

/* Python's own attributes, which the sandbox hides. */
static gboolean
is_dunder (const BnJString *name)
{
  return name->size > 4 && memcmp (name->text, "__", 2) == 0
         && memcmp (name->text + name->size - 2, "__", 2) == 0;
}

BnJValue
bn_j_get_attribute (BnJ *j, BnJValue object, const BnJString *name)
{
  BnJValue value;

  if (object.type == BN_J_UNDEFINED && !is_dunder (name))
    bn_j_fail (j, "%s", object.undefined->message);
  if (get_own (j, object, name, &value))
    return value;
  if (object.type == BN_J_DICT
      && bn_j_dict_get_string (object.dict, name, &value))
    return value;
  return undefined_attribute (j, object, name);
}

/* FALSE if there is no item i, which counts from the end when negative. */
static gboolean
get_indexed (BnJ *j, BnJValue object, int64_t i, BnJValue *value)
{
  size_t length = bn_j_length (j, object);
  int64_t n = (int64_t) length;

  if (i < 0)
    i += n;
  if (i < 0 || i >= n)
    return FALSE;
  switch (object.type) {
    case BN_J_STRING: {
      size_t begin = bn_j_offset_of (object.string, (size_t) i);
      size_t end = begin + 1;

      while (end < object.string->size
             && ((guchar) object.string->text[end] & 0xC0) == 0x80)
        end++;
      bn_j_step (j, begin / 64);
      *value = bn_j_string (bn_j_substring (j, object.string, begin, end));
      return TRUE;
    }
    case BN_J_RANGE:
      *value = bn_j_range_item (object.range, i);
      return TRUE;
    default:
      *value = object.list->items[i];
      return TRUE;
  }
}

BnJValue
bn_j_get_item (BnJ *j, BnJValue object, BnJValue key)
{
  BnJValue value;
  int64_t i;

  switch (object.type) {
    case BN_J_UNDEFINED:
      bn_j_fail (j, "%s", object.undefined->message);
    case BN_J_DICT:
      if (key.type != BN_J_LIST && key.type != BN_J_DICT
          && bn_j_dict_get (j, object.dict, key, &value))
        return value;
      break;
    case BN_J_STRING:
    case BN_J_LIST:
    case BN_J_TUPLE:
    case BN_J_RANGE:
      if (bn_j_get_integer (key, &i) && get_indexed (j, object, i, &value))
        return value;
      break;
    default:
      break;
  }
  if (key.type == BN_J_STRING) {
    if (get_own (j, object, key.string, &value))
      return value;
    return undefined_attribute (j, object, key.string);
  }
  return bn_j_undefined (
      j, "%s object has no such element", bn_j_type_name (object));
}

static int64_t
clamp (int64_t i, int64_t n, int64_t low, int64_t high)
{
  if (i < 0)
    i = i < -n ? low - 1 : i + n;
  return CLAMP (i, low, high);
}

/* Python's slice.indices(). */
static int64_t
slice_indices (BnJ *j, BnJValue start, BnJValue stop, BnJValue step, int64_t n,
    int64_t *first, int64_t *by)
{
  int64_t begin, end;

  *by = step.type == BN_J_NONE ? 1 : bn_j_expect_integer (j, step);
  if (*by == 0)
    bn_j_fail (j, "slice step cannot be zero");
  if (*by > 0) {
    begin = start.type == BN_J_NONE
                ? 0
                : clamp (bn_j_expect_integer (j, start), n, 0, n);
    end = stop.type == BN_J_NONE
              ? n
              : clamp (bn_j_expect_integer (j, stop), n, 0, n);
    *first = begin;
    return begin < end ? (end - begin - 1) / *by + 1 : 0;
  }
  begin = start.type == BN_J_NONE
              ? n - 1
              : clamp (bn_j_expect_integer (j, start), n, -1, n - 1);
  end = stop.type == BN_J_NONE
            ? -1
            : clamp (bn_j_expect_integer (j, stop), n, -1, n - 1);
  *first = begin;
  if (*by == INT64_MIN)
    *by = -G_MAXINT64;
  return begin > end ? (begin - end - 1) / -*by + 1 : 0;
}

static BnJValue
slice_string (BnJ *j, BnJString *string, int64_t first, int64_t n, int64_t by)
{
  BnJBuffer *buffer;
  BnJString *result;
  const BnJList *chars;

  if (n == 0)
    return bn_j_string (bn_j_substring (j, string, 0, 0));
  if (by == 1) {
    size_t begin = bn_j_offset_of (string, (size_t) first);
    BnJString rest = *string;
    size_t end;

    bn_j_step (j, string->size / 64);
    rest.text += begin;
    rest.size -= begin;
    rest.n_chars = string->n_chars == string->size ? rest.size : SIZE_MAX;
    end = begin + bn_j_offset_of (&rest, (size_t) n);
    return bn_j_string (bn_j_substring (j, string, begin, end));
  }
  chars = bn_j_collect (j, bn_j_string (string));
  buffer = bn_j_buffer_new (j, 0);
  for (int64_t i = 0; i < n; i++)
    bn_j_append_string (j, buffer, chars->items[first + i * by].string);
  result = bn_j_buffer_finish (j, buffer);
  result->is_markup = string->is_markup;
  return bn_j_string (result);
}

BnJValue
bn_j_get_slice (
    BnJ *j, BnJValue object, BnJValue start, BnJValue stop, BnJValue step)
{
  size_t length;
  int64_t first, by, n;
  BnJList *list;

  if (object.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", object.undefined->message);
  if (object.type != BN_J_STRING && object.type != BN_J_LIST
      && object.type != BN_J_TUPLE && object.type != BN_J_RANGE)
    bn_j_fail (j, "'%s' object cannot be sliced", bn_j_type_name (object));
  length = bn_j_length (j, object);
  n = slice_indices (j, start, stop, step, (int64_t) length, &first, &by);
  if (object.type == BN_J_STRING)
    return slice_string (j, object.string, first, n, by);
  if (object.type == BN_J_RANGE) {
    BnJRange *range = bn_j_new (j, BnJRange);

    range->start = bn_j_range_item (object.range, first).integer;
    range->step = n > 1 ? object.range->step * by : object.range->step;
    range->n = n;
    range->stop = range->start + n * range->step;
    return (BnJValue){.type = BN_J_RANGE, .range = range};
  }
  list = bn_j_list_new (j, (size_t) n);
  bn_j_step (j, (size_t) n);
  for (int64_t i = 0; i < n; i++)
    bn_j_list_add (j, list, object.list->items[first + i * by]);
  return object.type == BN_J_LIST ? bn_j_list (list) : bn_j_tuple (list);
}
