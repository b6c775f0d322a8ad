/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values as text: Python's str() and repr(). */
#include "bn-jinja-private.h"

#include <math.h>
#include <string.h>

#include "bn-jinja-ast.h"

enum {
  MAX_DIGITS = 17,   /* of a double */
  MIN_EXPONENT = -4, /* smaller numbers are written with an exponent */
  MAX_EXPONENT = 16, /* and so are these and bigger ones */
};

char *
bn_j_print_integer (char *buffer, int64_t integer)
{
  g_snprintf (buffer, BN_J_NUMBER_SIZE, "%" G_GINT64_FORMAT, integer);
  return buffer;
}

/* The shortest digits that give the same number back. */
char *
bn_j_print_double (char *buffer, double number)
{
  char digits[BN_J_NUMBER_SIZE], *exponent_at, *out = buffer;
  int exponent, n;

  if (isnan (number))
    return strcpy (buffer, "nan");
  if (isinf (number))
    return strcpy (buffer, number < 0 ? "-inf" : "inf");
  for (int precision = 0; precision < MAX_DIGITS; precision++) {
    char format[8];

    g_snprintf (format, sizeof format, "%%.%de", precision);
    g_ascii_formatd (digits, sizeof digits, format, number);
    if (g_ascii_strtod (digits, NULL) == number)
      break;
  }
  exponent_at = strchr (digits, 'e');
  exponent = (int) g_ascii_strtoll (exponent_at + 1, NULL, 10);
  *exponent_at = '\0';
  if (digits[0] == '-') {
    *out++ = '-';
    memmove (digits, digits + 1, strlen (digits));
  }
  if (digits[1] == '.')
    memmove (digits + 1, digits + 2, strlen (digits + 2) + 1);
  n = (int) strlen (digits);
  while (n > 1 && digits[n - 1] == '0')
    digits[--n] = '\0';

  if (exponent < MIN_EXPONENT || exponent >= MAX_EXPONENT) {
    *out++ = digits[0];
    if (n > 1) {
      *out++ = '.';
      out = g_stpcpy (out, digits + 1);
    }
    g_snprintf (out, 8, "e%c%02d", exponent < 0 ? '-' : '+', ABS (exponent));
  } else if (exponent < 0) {
    out = g_stpcpy (out, "0.");
    for (int i = -1; i > exponent; i--)
      *out++ = '0';
    strcpy (out, digits);
  } else {
    for (int i = 0; i <= exponent; i++)
      *out++ = i < n ? digits[i] : '0';
    *out++ = '.';
    strcpy (out, n > exponent + 1 ? digits + exponent + 1 : "0");
  }
  return buffer;
}

/* repr() */

static void
repr_string (BnJ *j, BnJBuffer *buffer, const BnJString *string)
{
  gboolean has_single = memchr (string->text, '\'', string->size) != NULL;
  gboolean has_double = memchr (string->text, '"', string->size) != NULL;
  const char *quote = has_single && !has_double ? "\"" : "'";
  BnJinjaTrust trust =
      bn_j_is_untrusted (string) ? BN_JINJA_UNTRUSTED : BN_JINJA_TRUSTED;
  size_t plain = 0;

  if (string->is_markup)
    bn_j_append_text (j, buffer, "Markup(");
  bn_j_append_text (j, buffer, quote);
  for (size_t at = 0; at < string->size;) {
    gunichar c = g_utf8_get_char (string->text + at);
    size_t size = (size_t) g_unichar_to_utf8 (c, NULL);
    const char *shown = NULL;

    if (c == '\\')
      shown = "\\\\";
    else if (c == (gunichar) quote[0])
      shown = "\\'";
    else if (c == '\n')
      shown = "\\n";
    else if (c == '\r')
      shown = "\\r";
    else if (c == '\t')
      shown = "\\t";
    else if (!bn_j_is_printable (c))
      shown = bn_j_printf (j,
          c < 0x100     ? "\\x%02x"
          : c < 0x10000 ? "\\u%04x"
                        : "\\U%08x",
          c);
    if (shown != NULL) {
      bn_j_append_part (j, buffer, string, plain, at);
      bn_j_append (j, buffer, shown, strlen (shown), trust);
      plain = at + size;
    }
    at += size;
  }
  bn_j_append_part (j, buffer, string, plain, string->size);
  bn_j_append_text (j, buffer, quote);
  if (string->is_markup)
    bn_j_append_text (j, buffer, ")");
}

static void append_repr (BnJ *j, BnJBuffer *buffer, BnJValue value);

static void
repr_list (BnJ *j, BnJBuffer *buffer, const BnJList *list, const char *open,
    const char *close)
{
  bn_j_append_text (j, buffer, open);
  for (size_t i = 0; i < list->n; i++) {
    if (i > 0)
      bn_j_append_text (j, buffer, ", ");
    append_repr (j, buffer, list->items[i]);
  }
  if (list->n == 1 && strcmp (open, "(") == 0)
    bn_j_append_text (j, buffer, ",");
  bn_j_append_text (j, buffer, close);
}

static void
repr_dict (BnJ *j, BnJBuffer *buffer, const BnJDict *dict)
{
  bn_j_append_text (j, buffer, "{");
  for (size_t i = 0; i < dict->n; i++) {
    if (i > 0)
      bn_j_append_text (j, buffer, ", ");
    append_repr (j, buffer, dict->entries[i].key);
    bn_j_append_text (j, buffer, ": ");
    append_repr (j, buffer, dict->entries[i].value);
  }
  bn_j_append_text (j, buffer, "}");
}

static void
append_repr (BnJ *j, BnJBuffer *buffer, BnJValue value)
{
  char number[BN_J_NUMBER_SIZE];

  bn_j_check_stack (j);
  bn_j_step (j, 1);
  switch (value.type) {
    case BN_J_MISSING:
    case BN_J_UNDEFINED:
      bn_j_append_text (j, buffer, "Undefined");
      return;
    case BN_J_NONE:
      bn_j_append_text (j, buffer, "None");
      return;
    case BN_J_BOOLEAN:
      bn_j_append_text (j, buffer, value.boolean ? "True" : "False");
      return;
    case BN_J_INTEGER:
      bn_j_append_text (j, buffer, bn_j_print_integer (number, value.integer));
      return;
    case BN_J_BIG_INTEGER:
      bn_j_append_string (j, buffer, value.string);
      return;
    case BN_J_FLOAT:
      bn_j_append_text (j, buffer, bn_j_print_double (number, value.number));
      return;
    case BN_J_STRING:
      repr_string (j, buffer, value.string);
      return;
    case BN_J_LIST:
      repr_list (j, buffer, value.list, "[", "]");
      return;
    case BN_J_TUPLE:
      repr_list (j, buffer, value.list, "(", ")");
      return;
    case BN_J_DICT:
      repr_dict (j, buffer, value.dict);
      return;
    case BN_J_NAMESPACE:
      bn_j_append_text (j, buffer, "<Namespace ");
      repr_dict (j, buffer, value.dict);
      bn_j_append_text (j, buffer, ">");
      return;
    case BN_J_VIEW:
      bn_j_append_text (j, buffer, bn_j_type_name (value));
      repr_list (j, buffer, bn_j_collect (j, value), "([", "])");
      return;
    case BN_J_RANGE:
      bn_j_append_text (j, buffer,
          bn_j_printf (j,
              value.range->step == 1
                  ? "range(%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ")"
                  : "range(%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                    ", %" G_GINT64_FORMAT ")",
              value.range->start, value.range->stop, value.range->step));
      return;
    case BN_J_MACRO:
      bn_j_append_text (j, buffer, "<Macro ");
      if (value.macro->node->name != NULL)
        repr_string (j, buffer, value.macro->node->name);
      else
        bn_j_append_text (j, buffer, "anonymous");
      bn_j_append_text (j, buffer, ">");
      return;
    case BN_J_LOOP:
      bn_j_append_text (j, buffer,
          bn_j_printf (j,
              "<LoopContext %" G_GINT64_FORMAT "/%" G_GSIZE_FORMAT ">",
              value.loop->index0 + 1, bn_j_loop_length (j, value.loop)));
      return;
    default:
      bn_j_append_text (
          j, buffer, bn_j_printf (j, "<%s object>", bn_j_type_name (value)));
      return;
  }
}

BnJString *
bn_j_repr (BnJ *j, BnJValue value)
{
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);

  append_repr (j, buffer, value);
  return bn_j_buffer_finish (j, buffer);
}

/* str() */

void
bn_j_append_value (BnJ *j, BnJBuffer *buffer, BnJValue value)
{
  switch (value.type) {
    case BN_J_STRING:
      bn_j_append_string (j, buffer, value.string);
      return;
    case BN_J_UNDEFINED:
    case BN_J_MISSING:
      return;
    default:
      append_repr (j, buffer, value);
      return;
  }
}

BnJString *
bn_j_to_string (BnJ *j, BnJValue value)
{
  BnJBuffer *buffer;

  if (value.type == BN_J_STRING)
    return value.string;
  buffer = bn_j_buffer_new (j, 0);
  bn_j_append_value (j, buffer, value);
  return bn_j_buffer_finish (j, buffer);
}
