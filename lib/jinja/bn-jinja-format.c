/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Python's two ways of formatting: "%s" % value and "{}".format(value). Both
 * end in a Spec, from which a value is written. */
#include "bn-jinja-private.h"

#include <math.h>
#include <string.h>

enum {
  MAX_PRECISION = 400,
  MAX_WIDTH = 1 << 20,
  NUMBER_SIZE = 800, /* the longest double with MAX_PRECISION */
};

typedef struct {
  gunichar fill;
  char align; /* '<', '>', '=', '^' or 0 */
  char sign;  /* '+', ' ' or '-' */
  gboolean alternate;
  char grouping;            /* ',', '_' or 0 */
  int64_t width, precision; /* -1: not given */
  char type;                /* or 0 */
} Spec;

double
bn_j_round (double number, int64_t n_digits)
{
  char text[NUMBER_SIZE], format[16];
  double scale, scaled, rounded;

  if (!isfinite (number) || n_digits > 22)
    return number;
  if (n_digits >= 0) {
    /* The C library rounds the exact value, halves to even. */
    g_snprintf (format, sizeof format, "%%.%df", (int) n_digits);
    g_ascii_formatd (text, sizeof text, format, number);
    return g_ascii_strtod (text, NULL);
  }
  if (n_digits < -308)
    return copysign (0, number);
  scale = pow (10, (double) -n_digits);
  scaled = number / scale;
  rounded = rint (scaled);
  return rounded * scale;
}

/* Writing */

static void
append_fill (BnJ *j, BnJBuffer *buffer, gunichar fill, int64_t n)
{
  char bytes[6];
  size_t size = (size_t) g_unichar_to_utf8 (fill ? fill : ' ', bytes);

  for (; n > 0; n--) {
    bn_j_step (j, 1);
    bn_j_append (j, buffer, bytes, size, BN_JINJA_TRUSTED);
  }
}

/* Text with blanks around it. n_sign: bytes of sign and prefix in front,
 * behind which "=" puts the blanks. */
static void
append_padded (BnJ *j, BnJBuffer *buffer, const Spec *spec, BnJString *text,
    size_t n_sign, char default_align)
{
  int64_t n = (int64_t) bn_j_count_chars (text);
  int64_t space = MAX (spec->width - n, 0);
  char align = spec->align ? spec->align : default_align;
  int64_t left = align == '<' ? 0 : align == '^' ? space / 2 : space;

  if (align != '=')
    n_sign = 0;
  bn_j_append_part (j, buffer, text, 0, n_sign);
  append_fill (j, buffer, spec->fill, left);
  bn_j_append_part (j, buffer, text, n_sign, text->size);
  append_fill (j, buffer, spec->fill, space - left);
}

/* Puts separators between the digits of the whole part of a number. */
static const char *
group_digits (BnJ *j, const char *digits, char separator, size_t every)
{
  size_t whole = strspn (digits, "0123456789abcdefABCDEF");
  char *out = bn_j_alloc (j, 2 * strlen (digits) + 2, 1), *o = out;

  if (strchr (digits, 'e') != NULL && every == 3)
    whole = strspn (digits, "0123456789");
  for (size_t i = 0; i < whole; i++) {
    if (i > 0 && (whole - i) % every == 0)
      *o++ = separator;
    *o++ = digits[i];
  }
  strcpy (o, digits + whole);
  return out;
}

/* digits: without sign. */
static void
append_number (BnJ *j, BnJBuffer *buffer, const Spec *spec,
    gboolean is_negative, const char *prefix, const char *digits)
{
  char sign[2] = {0};
  const char *text;
  size_t n_sign;

  if (is_negative)
    sign[0] = '-';
  else if (spec->sign == '+' || spec->sign == ' ')
    sign[0] = spec->sign;
  n_sign = strlen (sign) + strlen (prefix);
  if (spec->grouping != 0) {
    gboolean is_wide = spec->type != 0 && strchr ("bxXo", spec->type) != NULL;

    /* Zeros that fill up are grouped as well. */
    while (spec->align == '=' && spec->fill == '0'
           && strlen (group_digits (j, digits, spec->grouping, 3)) + n_sign
                  < (size_t) MAX (spec->width, 0))
      digits = bn_j_printf (j, "0%s", digits);
    digits = group_digits (j, digits, spec->grouping, is_wide ? 4 : 3);
  }
  text = bn_j_printf (j, "%s%s%s", sign, prefix, digits);
  append_padded (j, buffer, spec, bn_j_text (j, text).string, n_sign, '>');
}

static void
append_integer (BnJ *j, BnJBuffer *buffer, const Spec *spec, int64_t integer)
{
  uint64_t rest = integer < 0 ? -(uint64_t) integer : (uint64_t) integer;
  guint base = spec->type == 'x' || spec->type == 'X' ? 16
               : spec->type == 'o'                    ? 8
               : spec->type == 'b'                    ? 2
                                                      : 10;
  char digits[72], *d = digits + sizeof digits - 1;
  const char *prefix = !spec->alternate ? ""
                       : base == 16     ? (spec->type == 'X' ? "0X" : "0x")
                       : base == 8      ? "0o"
                       : base == 2      ? "0b"
                                        : "";

  *d = '\0';
  do {
    *--d = "0123456789abcdef0123456789ABCDEF"[rest % base
                                              + (spec->type == 'X' ? 16 : 0)];
    rest /= base;
  } while (rest > 0);
  append_number (j, buffer, spec, integer < 0, prefix, d);
}

static void
append_double (BnJ *j, BnJBuffer *buffer, const Spec *spec, double number)
{
  char text[NUMBER_SIZE], format[16], *digits = text;
  char type = spec->type;
  int precision = (int) spec->precision;
  gboolean is_percent = type == '%';

  if (spec->precision > MAX_PRECISION)
    bn_j_fail (j, "precision too big");
  if (is_percent) {
    number *= 100;
    type = 'f';
  }
  if (!isfinite (number)) {
    strcpy (text, isnan (number) ? "nan" : number < 0 ? "-inf" : "inf");
    if (g_ascii_isupper (type)) {
      for (char *c = text; *c != '\0'; c++)
        *c = g_ascii_toupper (*c);
    }
  } else if (type == 0 && precision < 0) {
    bn_j_print_double (text, number);
  } else {
    if (precision < 0)
      precision = 6;
    if (type == 0 || type == 'n')
      type = 'g';
    if (type == 'g' && precision == 0)
      precision = 1;
    g_snprintf (format, sizeof format, "%%%s.%d%c", spec->alternate ? "#" : "",
        precision, type);
    g_ascii_formatd (text, sizeof text, format, number);
    if (spec->type == 0 && strspn (text, "-0123456789") == strlen (text))
      strcat (text, ".0");
  }
  if (*digits == '-')
    digits++;
  if (is_percent)
    strcat (digits, "%");
  append_number (j, buffer, spec, digits != text, "", digits);
}

static void
append_spec_string (
    BnJ *j, BnJBuffer *buffer, const Spec *spec, BnJString *string)
{
  if (spec->precision >= 0
      && (size_t) spec->precision < bn_j_count_chars (string))
    string = bn_j_substring (
        j, string, 0, bn_j_offset_of (string, (size_t) spec->precision));
  append_padded (j, buffer, spec, string, 0, '<');
}

/* "%..." */

typedef struct {
  BnJ *j;
  const BnJString *format;
  size_t at;
  const BnJList *args; /* NULL: one value */
  BnJValue value;
  size_t n_used;
} Percent;

static char
peek (const Percent *f)
{
  if (f->at >= f->format->size)
    bn_j_fail (f->j, "incomplete format");
  return f->format->text[f->at];
}

static BnJValue
next_argument (Percent *f)
{
  size_t n = f->args ? f->args->n : 1;

  if (f->n_used >= n)
    bn_j_fail (f->j, "not enough arguments for format string");
  f->n_used++;
  return f->args ? f->args->items[f->n_used - 1] : f->value;
}

static int64_t
percent_number (Percent *f, Spec *spec, gboolean is_width)
{
  int64_t n = 0;

  if (peek (f) == '*') {
    f->at++;
    n = bn_j_expect_integer (f->j, next_argument (f));
    if (is_width && n < 0) {
      spec->align = '<';
      n = -n;
    }
  } else {
    while (g_ascii_isdigit (peek (f)) && n <= MAX_WIDTH)
      n = n * 10 + (f->format->text[f->at++] - '0');
  }
  if (n > MAX_WIDTH)
    bn_j_fail (f->j, "width or precision too big");
  return MAX (n, 0);
}

static double
expect_number (BnJ *j, BnJValue value, char type)
{
  if (value.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", value.undefined->message);
  if (!bn_j_is_number (value))
    bn_j_fail (j, "%%%c format: a real number is required, not %s", type,
        bn_j_type_name (value));
  return bn_j_to_double (value);
}

static void
percent_char (Percent *f, BnJBuffer *buffer, Spec *spec, BnJValue value)
{
  char bytes[6];

  if (value.type == BN_J_STRING) {
    if (bn_j_count_chars (value.string) != 1)
      bn_j_fail (f->j, "%%c requires int or char");
  } else {
    int64_t c = bn_j_expect_integer (f->j, value);

    if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
      bn_j_fail (f->j, "%%c arg not in range(0x110000)");
    value = bn_j_copy_text (
        f->j, bytes, (size_t) g_unichar_to_utf8 ((gunichar) c, bytes));
  }
  append_padded (f->j, buffer, spec, value.string, 0, '>');
}

static void
percent_value (Percent *f, BnJBuffer *buffer, Spec *spec, BnJValue value)
{
  BnJ *j = f->j;

  switch (spec->type) {
    case 's':
    case 'r':
    case 'a': {
      BnJString *string =
          spec->type == 's' ? bn_j_to_string (j, value) : bn_j_repr (j, value);

      if (f->format->is_markup && spec->type == 's')
        string = bn_j_escape (j, string);
      if (spec->align == 0)
        spec->align = '>';
      append_spec_string (j, buffer, spec, string);
      return;
    }
    case 'c':
      percent_char (f, buffer, spec, value);
      return;
    case 'd':
    case 'i':
    case 'u': {
      double number = expect_number (j, value, 'd');
      int64_t integer;

      spec->type = 'd';
      if (!bn_j_get_integer (value, &integer)) {
        if (!(fabs (number) < 9.2e18))
          bn_j_fail (j, "an integer does not fit 64 bit");
        integer = (int64_t) number;
      }
      append_integer (j, buffer, spec, integer);
      return;
    }
    case 'x':
    case 'X':
    case 'o':
      append_integer (j, buffer, spec, bn_j_expect_integer (j, value));
      return;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      if (spec->precision < 0)
        spec->precision = 6;
      append_double (j, buffer, spec, expect_number (j, value, spec->type));
      return;
    default:
      bn_j_fail (j, "unsupported format character '%c'",
          g_ascii_isprint (spec->type) ? spec->type : '?');
  }
}

/* Behind a percent sign. */
static void
percent_item (Percent *f, BnJBuffer *buffer)
{
  Spec spec = {.width = -1, .precision = -1};
  gboolean is_named = FALSE;
  BnJValue value = {0};

  if (peek (f) == '(') {
    size_t begin = ++f->at, depth = 1;
    BnJString *key;

    for (; depth > 0; f->at++) {
      depth += peek (f) == '(';
      depth -= peek (f) == ')';
    }
    if (f->value.type != BN_J_DICT)
      bn_j_fail (f->j, "format requires a mapping");
    key = bn_j_substring (f->j, f->format, begin, f->at - 1);
    if (!bn_j_dict_get_string (f->value.dict, key, &value))
      bn_j_fail (f->j, "there is no key '%.*s'", (int) MIN (key->size, 100u),
          key->text);
    is_named = TRUE;
  }
  for (; peek (f) != '\0' && strchr ("#0- +", peek (f)); f->at++) {
    switch (peek (f)) {
      case '#':
        spec.alternate = TRUE;
        break;
      case '0':
        spec.fill = '0';
        break;
      case '-':
        spec.align = '<';
        break;
      default:
        if (spec.sign != '+')
          spec.sign = peek (f);
        break;
    }
  }
  if (spec.align == '<')
    spec.fill = 0;
  else if (spec.fill == '0')
    spec.align = '=';
  spec.width = percent_number (f, &spec, TRUE);
  if (peek (f) == '.') {
    f->at++;
    spec.precision = percent_number (f, &spec, FALSE);
  }
  while (strchr ("hlL", peek (f)) != NULL && peek (f) != '\0')
    f->at++;
  spec.type = peek (f);
  f->at++;
  if (spec.type == '%') {
    bn_j_append_text (f->j, buffer, "%");
    return;
  }
  if (!is_named)
    value = next_argument (f);
  if (strchr ("sra", spec.type) != NULL && spec.type != 0
      && spec.align == '=') {
    spec.align = '>';
    spec.fill = 0;
  }
  percent_value (f, buffer, &spec, value);
}

BnJString *
bn_j_format_percent (BnJ *j, const BnJString *format, BnJValue args)
{
  Percent f = {.j = j, .format = format, .value = args};
  BnJBuffer *buffer = bn_j_buffer_new (j, format->size);
  BnJString *result;

  if (args.type == BN_J_TUPLE)
    f.args = args.list;
  while (f.at < format->size) {
    size_t end = bn_j_find (format->text, format->size, "%", 1, f.at);

    end = MIN (end, format->size);
    bn_j_append_part (j, buffer, format, f.at, end);
    f.at = end;
    if (end < format->size) {
      f.at++;
      percent_item (&f, buffer);
    }
  }
  if (f.n_used < (f.args ? f.args->n : 1) && args.type != BN_J_DICT
      && args.type != BN_J_LIST && args.type != BN_J_UNDEFINED)
    bn_j_fail (j, "not all arguments converted during string formatting");
  result = bn_j_buffer_finish (j, buffer);
  result->is_markup = format->is_markup;
  return bn_j_concat (j, result, bn_j_text (j, "").string);
}

/* "{...}" */

typedef struct {
  BnJ *j;
  const BnJArgs *args;
  int64_t next; /* automatic number; -1 when fields are numbered */
  gboolean is_markup;
} Braces;

static Spec
parse_spec (BnJ *j, const BnJString *text)
{
  Spec spec = {.width = -1, .precision = -1};
  const char *p = text->text, *end = p + text->size;
  const char *second = p < end ? g_utf8_next_char (p) : end;

  if (second < end && strchr ("<>=^", *second) && *second) {
    spec.fill = g_utf8_get_char (p);
    spec.align = *second;
    p = second + 1;
  } else if (p < end && *p && strchr ("<>=^", *p)) {
    spec.align = *p++;
  }
  if (p < end && *p && strchr ("+- ", *p))
    spec.sign = *p++;
  if (p < end && *p == 'z')
    p++;
  if (p < end && *p == '#') {
    spec.alternate = TRUE;
    p++;
  }
  if (p < end && *p == '0') {
    if (spec.fill == 0)
      spec.fill = '0';
    if (spec.align == 0)
      spec.align = '=';
    p++;
  }
  for (; p < end && g_ascii_isdigit (*p); p++) {
    spec.width = MAX (spec.width, 0) * 10 + (*p - '0');
    if (spec.width > MAX_WIDTH)
      bn_j_fail (j, "Too many decimal digits in format string");
  }
  if (p < end && (*p == ',' || *p == '_'))
    spec.grouping = *p++;
  if (p < end && *p == '.') {
    p++;
    if (p >= end || !g_ascii_isdigit (*p))
      bn_j_fail (j, "Format specifier missing precision");
    for (spec.precision = 0; p < end && g_ascii_isdigit (*p); p++) {
      spec.precision = spec.precision * 10 + (*p - '0');
      if (spec.precision > MAX_WIDTH)
        bn_j_fail (j, "Too many decimal digits in format string");
    }
  }
  if (p < end)
    spec.type = *p++;
  if (p < end)
    bn_j_fail (j, "Invalid format specifier");
  return spec;
}

G_NORETURN static void
fail_spec (BnJ *j, const Spec *spec, BnJValue value)
{
  bn_j_fail (j, "Unknown format code '%c' for object of type '%s'",
      g_ascii_isprint (spec->type) ? spec->type : '?', bn_j_type_name (value));
}

/* format(value, spec) */
static void
append_formatted (
    Braces *b, BnJBuffer *buffer, BnJValue value, const BnJString *text)
{
  BnJ *j = b->j;
  Spec spec;
  int64_t integer;

  if (text->size == 0) {
    BnJString *string = bn_j_to_string (j, value);

    bn_j_append_string (
        j, buffer, b->is_markup ? bn_j_escape (j, string) : string);
    return;
  }
  spec = parse_spec (j, text);
  if (value.type == BN_J_STRING) {
    if (spec.type != 0 && spec.type != 's')
      fail_spec (j, &spec, value);
    if (spec.align == '=') {
      if (!(spec.fill == '0'
              && bn_j_find (text->text, text->size, "=", 1, 0) == SIZE_MAX))
        bn_j_fail (j, "'=' alignment not allowed in string format specifier");
      spec.align = '<';
    }
    append_spec_string (j, buffer, &spec, value.string);
  } else if (bn_j_get_integer (value, &integer)
             && (spec.type == 0 || strchr ("bdoxXn", spec.type))) {
    if (spec.precision >= 0)
      bn_j_fail (j, "Precision not allowed in integer format specifier");
    append_integer (j, buffer, &spec, integer);
  } else if (spec.type == 'c' && bn_j_get_integer (value, &integer)) {
    Percent f = {.j = j};

    percent_char (&f, buffer, &spec, value);
  } else if (bn_j_is_number (value)) {
    if (spec.type != 0 && !strchr ("eEfFgGn%", spec.type))
      fail_spec (j, &spec, value);
    append_double (j, buffer, &spec, bn_j_to_double (value));
  } else {
    bn_j_fail (j, "unsupported format string passed to %s.__format__",
        bn_j_type_name (value));
  }
}

/* What a field names: "0", "name", "a.b[c]". */
static BnJValue
get_field (Braces *b, const BnJString *field)
{
  BnJ *j = b->j;
  size_t end = 0;
  BnJString *first;
  BnJValue value = {0};
  guint64 index;
  gboolean is_number;

  while (
      end < field->size && field->text[end] != '.' && field->text[end] != '[')
    end++;
  first = bn_j_substring (j, field, 0, end);
  is_number = end > 0;
  for (size_t i = 0; i < end; i++)
    is_number = is_number && g_ascii_isdigit (first->text[i]);
  if (end == 0 || is_number) {
    index = 0;
    if (is_number != (b->next < 0) && b->next != 0)
      bn_j_fail (j, "cannot switch between automatic field numbering and "
                    "manual field specification");
    if (end == 0) {
      index = (guint64) b->next++;
    } else {
      b->next = -1;
      for (size_t i = 0; i < end && index < G_MAXINT32; i++)
        index = index * 10 + (guint64) (first->text[i] - '0');
    }
    if (index >= b->args->n)
      bn_j_fail (j,
          "Replacement index %" G_GUINT64_FORMAT
          " out of range for positional args tuple",
          index);
    value = b->args->values[index];
  } else {
    gboolean is_found = FALSE;

    for (size_t i = 0; i < b->args->n_keywords && !is_found; i++) {
      is_found = bn_j_string_equal (b->args->keywords[i].name, first);
      value = b->args->keywords[i].value;
    }
    if (!is_found)
      bn_j_fail (
          j, "there is no argument '%.*s'", (int) MIN (end, 100u), first->text);
  }
  while (end < field->size) {
    gboolean is_item = field->text[end] == '[';
    size_t begin = end + 1;
    BnJString *name;
    guint64 i = 0;
    gboolean is_index;

    end = begin;
    while (end < field->size
           && (is_item ? field->text[end] != ']'
                       : field->text[end] != '.' && field->text[end] != '['))
      end++;
    if (end == begin || (is_item && end == field->size))
      bn_j_fail (j, "Empty attribute in format string");
    name = bn_j_substring (j, field, begin, end);
    is_index = is_item && name->size < 10;
    for (size_t k = 0; k < name->size; k++) {
      is_index = is_index && g_ascii_isdigit (name->text[k]);
      i = i * 10 + (guint64) (name->text[k] - '0');
    }
    value = is_item ? bn_j_get_item (j, value,
                is_index ? bn_j_integer ((int64_t) i) : bn_j_string (name))
                    : bn_j_get_attribute (j, value, name);
    if (is_item && ++end < field->size && field->text[end] != '.'
        && field->text[end] != '[')
      bn_j_fail (j, "Only '.' or '[' may follow ']' in format field specifier");
  }
  return value;
}

static BnJString *format_text (Braces *b, const BnJString *format, int depth);

/* The inside of braces. */
static void
append_field (Braces *b, BnJBuffer *buffer, const BnJString *inside, int depth)
{
  size_t end = 0, spec_at;
  char conversion = 0;
  BnJValue value;
  int brackets = 0;

  for (; end < inside->size; end++) {
    char c = inside->text[end];

    brackets += c == '[';
    if (c == ']' && brackets > 0)
      brackets--;
    else if (brackets == 0 && (c == ':' || c == '!'))
      break;
  }
  spec_at = end;
  if (end < inside->size && inside->text[end] == '!') {
    if (end + 1 >= inside->size
        || (end + 2 < inside->size && inside->text[end + 2] != ':'))
      bn_j_fail (b->j, "expected ':' after conversion specifier");
    conversion = inside->text[end + 1];
    spec_at = end + 2;
  }
  value = get_field (b, bn_j_substring (b->j, inside, 0, end));
  if (conversion == 'r' || conversion == 'a')
    value = bn_j_string (bn_j_repr (b->j, value));
  else if (conversion == 's')
    value = bn_j_string (bn_j_to_string (b->j, value));
  else if (conversion != 0)
    bn_j_fail (b->j, "Unknown conversion specifier");
  spec_at = MIN (spec_at + 1, inside->size);
  append_formatted (b, buffer, value,
      format_text (
          b, bn_j_substring (b->j, inside, spec_at, inside->size), depth - 1));
}

static BnJString *
format_text (Braces *b, const BnJString *format, int depth)
{
  BnJBuffer *buffer = bn_j_buffer_new (b->j, format->size);
  size_t plain = 0;

  if (depth < 0)
    bn_j_fail (b->j, "Max string recursion exceeded");
  for (size_t at = 0; at < format->size;) {
    char c = format->text[at];
    size_t begin = at + 1;
    int nesting = 1;

    if (c != '{' && c != '}') {
      at++;
      continue;
    }
    bn_j_append_part (b->j, buffer, format, plain, at);
    if (begin < format->size && format->text[begin] == c) {
      bn_j_append_part (b->j, buffer, format, at, begin);
      plain = at = begin + 1;
      continue;
    }
    if (c == '}')
      bn_j_fail (b->j, "Single '}' encountered in format string");
    for (at = begin; at < format->size; at++) {
      nesting += format->text[at] == '{';
      nesting -= format->text[at] == '}';
      if (nesting == 0)
        break;
    }
    if (at >= format->size)
      bn_j_fail (b->j, "expected '}' before end of string");
    bn_j_step (b->j, 1);
    append_field (b, buffer, bn_j_substring (b->j, format, begin, at), depth);
    plain = ++at;
  }
  bn_j_append_part (b->j, buffer, format, plain, format->size);
  return bn_j_buffer_finish (b->j, buffer);
}

BnJString *
bn_j_format (BnJ *j, const BnJString *format, const BnJArgs *args)
{
  Braces braces = {.j = j, .args = args, .is_markup = format->is_markup};

  return format_text (&braces, format, 2);
}
