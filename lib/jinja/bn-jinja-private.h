/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the interpreter call of each other. */
#pragma once

#include <time.h>

#include "bn-jinja-value.h"

struct BnJNode;

/* The variables of one call of a function. */
typedef struct BnJFrame BnJFrame;
struct BnJFrame {
  BnJFrame *outer; /* of the function around */
  BnJValue slots[];
};

struct BnJMacro {
  const struct BnJNode *node;
  BnJFrame *frame; /* where it was defined */
};

struct BnJLoop {
  BnJValue source;
  BnJIterator *iterator;
  int64_t index0, depth0;
  int64_t length; /* -1: not known yet */
  BnJValue before, current, after;
  BnJList *changed;                /* arguments of the last call of changed() */
  const struct BnJNode *recursive; /* or NULL */
  BnJFrame *frame;                 /* around a recursive loop */
};

enum { BN_J_UNORDERED = 2 }; /* of bn_j_compare(): NaN */

/* bn-jinja-unicode.c; whitespace and classes as Python has them */

gboolean bn_j_is_space (gunichar c);
gboolean bn_j_is_printable (gunichar c);
gboolean bn_j_is_line_end (gunichar c);
/* The first offset from at on that is not blank. */
size_t bn_j_skip_space (const char *text, size_t size, size_t at);
/* The end of text without blanks at its end, at least at. */
size_t bn_j_rskip_space (const char *text, size_t size, size_t at);
typedef enum {
  BN_J_UPPER,
  BN_J_LOWER,
  BN_J_TITLE,
  BN_J_CAPITALIZE,
  BN_J_SWAPCASE,
  BN_J_CASEFOLD,
} BnJCase;
BnJString *bn_j_change_case (BnJ *j, const BnJString *string, BnJCase to);
/* isupper, islower, istitle, isalpha, isdigit, ... by the first letters of
 * what is behind "is". */
gboolean bn_j_string_is_class (const BnJString *string, const char *class_);

/* bn-jinja-print.c */

/* str() */
BnJString *bn_j_to_string (BnJ *j, BnJValue value);
/* Appends str() of a value. */
void bn_j_append_value (BnJ *j, BnJBuffer *buffer, BnJValue value);
BnJString *bn_j_repr (BnJ *j, BnJValue value);
enum { BN_J_NUMBER_SIZE = 40 };
char *bn_j_print_double (char *buffer, double number);
char *bn_j_print_integer (char *buffer, int64_t integer);

/* bn-jinja-format.c */

BnJString *bn_j_format_percent (BnJ *j, const BnJString *format, BnJValue args);
BnJString *bn_j_format (BnJ *j, const BnJString *format, const BnJArgs *args);
/* Digits behind the point; as Python rounds. */
double bn_j_round (double number, int64_t n_digits);

/* bn-jinja-iterators.c */

/* Fails if value cannot be iterated over. */
BnJIterator *bn_j_iterate (BnJ *j, BnJValue value);
gboolean bn_j_is_iterable (BnJValue value);
BnJIterator *bn_j_iterator_new (BnJ *j,
    gboolean (*next) (BnJ *, BnJIterator *, BnJValue *), BnJIterator *inner);
BnJValue bn_j_iterator_value (BnJIterator *iterator);
gboolean bn_j_iterator_next (BnJ *j, BnJIterator *iterator, BnJValue *value);
BnJIterator *bn_j_reversed (BnJ *j, BnJValue value); /* NULL if it cannot */
/* The items; the list of a list or tuple itself. */
const BnJList *bn_j_collect (BnJ *j, BnJValue value);
BnJList *bn_j_copy_items (BnJ *j, BnJValue value);
BnJValue bn_j_range_item (const BnJRange *range, int64_t i);

/* bn-jinja-operators.c */

BnJValue bn_j_binary (BnJ *j, int op, BnJValue a, BnJValue b);
BnJValue bn_j_negate (BnJ *j, BnJValue value, gboolean is_positive);
gboolean bn_j_contains (BnJ *j, BnJValue container, BnJValue value);
gboolean bn_j_compare_with (BnJ *j, int op, BnJValue a, BnJValue b);
BnJValue bn_j_get_attribute (BnJ *j, BnJValue object, const BnJString *name);
BnJValue bn_j_get_item (BnJ *j, BnJValue object, BnJValue key);
BnJValue bn_j_get_slice (
    BnJ *j, BnJValue object, BnJValue start, BnJValue stop, BnJValue step);

/* bn-jinja-eval.c, bn-jinja-exec.c */

BnJValue bn_j_eval (BnJ *j, const struct BnJNode *node);
/* A filter or test applied to a value. */
BnJValue bn_j_eval_native (BnJ *j, const struct BnJNode *node, BnJValue of);
/* The call of a call block: caller goes along. */
BnJValue bn_j_eval_call_with (
    BnJ *j, const struct BnJNode *node, BnJValue caller);
void bn_j_assign (BnJ *j, const struct BnJNode *target, BnJValue value);
BnJValue bn_j_call (BnJ *j, BnJValue callee, const BnJArgs *args);
BnJValue bn_j_call_native (
    BnJ *j, const BnJCallable *native, BnJValue self, const BnJArgs *args);
BnJValue bn_j_call_macro (BnJ *j, const BnJMacro *macro, const BnJArgs *args);
BnJValue bn_j_call_loop (BnJ *j, BnJLoop *loop, BnJValue iterable);
size_t bn_j_loop_length (BnJ *j, BnJLoop *loop);
gboolean bn_j_loop_get (
    BnJ *j, BnJLoop *loop, const BnJString *name, BnJValue *value);
void bn_j_run (BnJ *j);

/* Tables: NULL if there is none of that name. */

const BnJCallable *bn_j_find_filter (const BnJString *name);
const BnJCallable *bn_j_find_test (const BnJString *name);
const BnJCallable *bn_j_find_list_filter (const BnJString *name);
const BnJCallable *bn_j_find_string_method (const BnJString *name);
gboolean bn_j_find_global (const BnJString *name, BnJValue *value);
/* The attribute that a value of a built-in type has; mutating ones give an
 * undefined value. */
gboolean bn_j_get_builtin (
    BnJ *j, BnJValue object, const BnJString *name, BnJValue *value);
const BnJCallable *bn_j_find_in (
    const BnJCallable *table, size_t n, const BnJString *name);

/* Markup: text that is escaped. */
BnJString *bn_j_escape (BnJ *j, BnJString *string);
BnJString *bn_j_as_markup (BnJ *j, BnJString *string);

/* strftime() of j->now. */
BnJString *bn_j_format_time (BnJ *j, const BnJString *format);

/* bn-jinja-json.c */

BnJValue bn_j_parse_json (
    BnJ *j, const char *json, size_t size, BnJinjaTrust trust);
BnJValue bn_j_filter_tojson (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args);
