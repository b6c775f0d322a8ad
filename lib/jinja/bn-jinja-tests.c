/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tests of "is". */
#include "bn-jinja-private.h"

#include <string.h>

#include "bn-jinja-ast.h"

#define TEST(name, expression)                                                 \
  static BnJValue test_##name (                                                \
      BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)           \
  {                                                                            \
    return bn_j_boolean (expression);                                          \
  }

static gboolean
is_zero (BnJ *j, BnJValue value)
{
  return bn_j_is_number (value) && bn_j_to_double (value) == 0;
}

static BnJValue
remainder_of (BnJ *j, BnJValue value, BnJValue divisor)
{
  return bn_j_binary (j, BN_J_TOKEN_MOD, value, divisor);
}

static gboolean
is_sequence (BnJValue value)
{
  switch (value.type) {
    case BN_J_STRING:
    case BN_J_LIST:
    case BN_J_TUPLE:
    case BN_J_DICT:
    case BN_J_RANGE:
      return TRUE;
    default: /* an undefined value has no __getitem__ that could be asked */
      return value.type == BN_J_UNDEFINED;
  }
}

static gboolean
is_callable (BnJValue value)
{
  return value.type == BN_J_FUNCTION || value.type == BN_J_METHOD
         || value.type == BN_J_MACRO || value.type == BN_J_LOOP
         || value.type == BN_J_JOINER || value.type == BN_J_UNDEFINED;
}

static BnJString *
string_of (BnJ *j, BnJValue value)
{
  return bn_j_to_string (j, value);
}

TEST (defined, self.type != BN_J_UNDEFINED)
TEST (undefined, self.type == BN_J_UNDEFINED)
TEST (none, self.type == BN_J_NONE)
TEST (boolean, self.type == BN_J_BOOLEAN)
TEST (true, self.type == BN_J_BOOLEAN && self.boolean)
TEST (false, self.type == BN_J_BOOLEAN && !self.boolean)
TEST (integer, self.type == BN_J_INTEGER || self.type == BN_J_BIG_INTEGER)
TEST (float, self.type == BN_J_FLOAT)
TEST (number, bn_j_is_number (self) || self.type == BN_J_BIG_INTEGER)
TEST (string, self.type == BN_J_STRING)
TEST (mapping, self.type == BN_J_DICT)
TEST (sequence, is_sequence (self))
TEST (iterable, bn_j_is_iterable (self))
TEST (callable, is_callable (self))
TEST (escaped, self.type == BN_J_STRING && self.string->is_markup)
TEST (lower, bn_j_string_is_class (string_of (j, self), "lower"))
TEST (upper, bn_j_string_is_class (string_of (j, self), "upper"))
TEST (odd,
    bn_j_equal (j, remainder_of (j, self, bn_j_integer (2)), bn_j_integer (1)))
TEST (even, is_zero (j, remainder_of (j, self, bn_j_integer (2))))
TEST (divisibleby, is_zero (j, remainder_of (j, self, p[0])))
TEST (sameas, bn_j_is_same (self, p[0]))
TEST (in, bn_j_contains (j, p[0], self))
TEST (eq, bn_j_equal (j, self, p[0]))
TEST (ne, !bn_j_equal (j, self, p[0]))
TEST (lt, bn_j_compare_with (j, BN_J_TOKEN_LT, self, p[0]))
TEST (le, bn_j_compare_with (j, BN_J_TOKEN_LE, self, p[0]))
TEST (gt, bn_j_compare_with (j, BN_J_TOKEN_GT, self, p[0]))
TEST (ge, bn_j_compare_with (j, BN_J_TOKEN_GE, self, p[0]))
TEST (filter, bn_j_hash (j, self) != 0 && self.type == BN_J_STRING
                  && bn_j_find_filter (self.string))
TEST (test, bn_j_hash (j, self) != 0 && self.type == BN_J_STRING
                && bn_j_find_test (self.string))

static const BnJCallable tests[] = {
    {"!=", "other", test_ne},
    {"<", "other", test_lt},
    {"<=", "other", test_le},
    {"==", "other", test_eq},
    {">", "other", test_gt},
    {">=", "other", test_ge},
    {"boolean", "", test_boolean},
    {"callable", "", test_callable},
    {"defined", "", test_defined},
    {"divisibleby", "num", test_divisibleby},
    {"eq", "other", test_eq},
    {"equalto", "other", test_eq},
    {"escaped", "", test_escaped},
    {"even", "", test_even},
    {"false", "", test_false},
    {"filter", "", test_filter},
    {"float", "", test_float},
    {"ge", "other", test_ge},
    {"greaterthan", "other", test_gt},
    {"gt", "other", test_gt},
    {"in", "seq", test_in},
    {"integer", "", test_integer},
    {"iterable", "", test_iterable},
    {"le", "other", test_le},
    {"lessthan", "other", test_lt},
    {"lower", "", test_lower},
    {"lt", "other", test_lt},
    {"mapping", "", test_mapping},
    {"ne", "other", test_ne},
    {"none", "", test_none},
    {"number", "", test_number},
    {"odd", "", test_odd},
    {"sameas", "other", test_sameas},
    {"sequence", "", test_sequence},
    {"string", "", test_string},
    {"test", "", test_test},
    {"true", "", test_true},
    {"undefined", "", test_undefined},
    {"upper", "", test_upper},
};

const BnJCallable *
bn_j_find_in (const BnJCallable *table, size_t n, const BnJString *name)
{
  for (size_t i = 0; i < n; i++) {
    if (bn_j_string_is (name, table[i].name))
      return &table[i];
  }
  return NULL;
}

const BnJCallable *
bn_j_find_test (const BnJString *name)
{
  return bn_j_find_in (tests, G_N_ELEMENTS (tests), name);
}
