/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A strict JSON checker and a cursor over checked text.
 *
 * bn_json_open() walks the text once and refuses all that RFC 8259 does not
 * allow; a stack of bits says which containers are objects, so nesting costs
 * no stack of the machine. Everything else relies on that: it goes from one
 * delimiter to the next without checks, eight bytes at a time in strings. */
#include "bn-json.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-unicode.h"

enum {
  MAX_DEPTH = 64,       /* bits of Check.objects */
  MIN_SPAN_SIZE = 4096, /* of a container that is worth remembering */
  MAX_SHOWN = 60,       /* bytes of the text in a message */
  UNICODE_DIGITS = 4,
  HIGH_SURROGATES = 0xD800,
  LOW_SURROGATES = 0xDC00,
  SURROGATES_END = 0xE000,
  SUPPLEMENTARY = 0x10000,
  SURROGATE_BITS = 10,
  MAX_EXACT_DIGITS = 15, /* every such number is a double */
  MAX_EXACT_POWER = 22,  /* 10^22 is a double, too */
};

#define EACH_BYTE(byte) (UINT64_C (0x0101010101010101) * (byte))

static gboolean
is_space (uint8_t c)
{
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The first quote, backslash or control character from p on. */
static inline const uint8_t *
find_string_end (const uint8_t *p, const uint8_t *end)
{
  while ((size_t) (end - p) >= sizeof (uint64_t)) {
    uint64_t word, quote, escape, found;

    memcpy (&word, p, sizeof word);
    word = GUINT64_FROM_LE (word);
    quote = word ^ EACH_BYTE ('"');
    escape = word ^ EACH_BYTE ('\\');
    /* The lowest bit that is set is right; those above may be borrowed. */
    found = ((quote - EACH_BYTE (1)) & ~quote)
            | ((escape - EACH_BYTE (1)) & ~escape)
            | ((word - EACH_BYTE (0x20)) & ~word);
    found &= EACH_BYTE (0x80);
    if (found != 0) {
      while (!(found & 0xFF)) {
        found >>= 8;
        p++;
      }
      return p;
    }
    p += sizeof word;
  }
  while (p < end && *p != '"' && *p != '\\' && *p >= 0x20)
    p++;
  return p;
}

/* Messages. */

static void
append_shown (GString *out, const uint8_t *p, const uint8_t *end)
{
  for (size_t shown = 0; p < end;) {
    uint32_t cp;
    unsigned length = bn_utf8_next (p, end, &cp);

    shown += length;
    if (shown > MAX_SHOWN) {
      g_string_append (out, "…");
      break;
    }
    if (g_unichar_isprint (cp))
      g_string_append_unichar (out, cp);
    else
      g_string_append_printf (out, "\\u%04X", cp);
    p += length;
  }
}

char *
bn_json_show (const char *text, size_t length)
{
  GString *shown = g_string_new (NULL);

  append_shown (shown, (const uint8_t *) text, (const uint8_t *) text + length);
  return g_string_free (shown, FALSE);
}

typedef struct {
  BnJsonDocument *document;
  const uint8_t *text, *p, *end;
  uint64_t objects; /* bit of each level: its container is an object */
  unsigned depth;
  size_t starts[MAX_DEPTH];
  GError **error;
} Check;

static gboolean
fail (const Check *s, const char *expected)
{
  g_autoptr (GString) found = g_string_new (NULL);

  if (s->p < s->end) {
    uint32_t cp;
    unsigned length = bn_utf8_next (s->p, s->end, &cp);

    g_string_append_c (found, '"');
    append_shown (found, s->p, s->p + length);
    g_string_append_c (found, '"');
  } else {
    g_string_append (found, "the end of the text");
  }
  g_set_error (s->error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
      "%s: not JSON: found %s at offset %" G_GSIZE_FORMAT ", expected %s",
      s->document->path, found->str, (gsize) (s->p - s->text), expected);
  return FALSE;
}

/* The check. */

static inline void
skip_space (Check *s)
{
  while (s->p < s->end && is_space (*s->p))
    s->p++;
}

static inline gboolean
take (Check *s, char c)
{
  if (s->p == s->end || *s->p != (uint8_t) c)
    return FALSE;
  s->p++;
  return TRUE;
}

/* The four digits after \u; -1 if they are not four. */
static int
take_unit (Check *s)
{
  int unit = 0;

  for (int i = 0; i < UNICODE_DIGITS; i++, s->p++) {
    if (s->p == s->end || !g_ascii_isxdigit ((char) *s->p))
      return -1;
    unit = unit << 4 | g_ascii_xdigit_value ((char) *s->p);
  }
  return unit;
}

/* After the backslash. */
static gboolean
check_escape (Check *s)
{
  const uint8_t *start = s->p - 1;
  int unit;

  if (!take (s, 'u')) {
    if (s->p == s->end || *s->p == '\0' || !strchr ("\"\\/bfnrt", *s->p))
      return fail (s, "an escaped character");
    s->p++;
    return TRUE;
  }
  unit = take_unit (s);
  if (unit < 0)
    return fail (s, "four hexadecimal digits");
  if (unit < HIGH_SURROGATES || unit >= SURROGATES_END)
    return TRUE;
  if (unit < LOW_SURROGATES && take (s, '\\') && take (s, 'u')) {
    unit = take_unit (s);
    if (unit >= LOW_SURROGATES && unit < SURROGATES_END)
      return TRUE;
  }
  s->p = start;
  return fail (s, "a pair of surrogates, not one alone");
}

static gboolean
check_string (Check *s)
{
  if (!take (s, '"'))
    return fail (s, "a string");
  for (;;) {
    s->p = find_string_end (s->p, s->end);
    if (s->p == s->end)
      return fail (s, "the end of a string");
    if (*s->p < 0x20)
      return fail (s, "an escape for this control character");
    if (*s->p++ == '"')
      return TRUE;
    if (!check_escape (s))
      return FALSE;
  }
}

static gboolean
take_digits (Check *s)
{
  const uint8_t *start = s->p;

  while (s->p < s->end && g_ascii_isdigit ((char) *s->p))
    s->p++;
  return s->p > start;
}

static gboolean
check_number (Check *s)
{
  gboolean is_signed = take (s, '-');

  if (!take (s, '0') && !take_digits (s))
    return fail (s, is_signed ? "a digit" : "a value");
  if (take (s, '.') && !take_digits (s))
    return fail (s, "a digit");
  if (take (s, 'e') || take (s, 'E')) {
    if (!take (s, '+'))
      take (s, '-');
    if (!take_digits (s))
      return fail (s, "a digit");
  }
  return TRUE;
}

static gboolean
check_scalar (Check *s)
{
  static const char *const words[] = {"true", "false", "null"};

  if (s->p < s->end && *s->p == '"')
    return check_string (s);
  for (size_t i = 0; i < G_N_ELEMENTS (words); i++) {
    size_t length = strlen (words[i]);

    if ((size_t) (s->end - s->p) >= length
        && memcmp (s->p, words[i], length) == 0) {
      s->p += length;
      return TRUE;
    }
  }
  return check_number (s);
}

static inline gboolean
is_in_object (const Check *s)
{
  return s->objects >> (s->depth - 1) & 1;
}

/* Takes the opening bracket. */
static gboolean
enter (Check *s)
{
  uint64_t bit;

  if (s->depth == MAX_DEPTH)
    return fail (s, "at most 64 levels");
  bit = UINT64_C (1) << s->depth;
  s->objects = *s->p == '{' ? s->objects | bit : s->objects & ~bit;
  s->starts[s->depth++] = (size_t) (s->p - s->text);
  s->p++;
  return TRUE;
}

/* Keeps the largest containers. */
static void
remember_span (BnJsonDocument *document, size_t start, size_t end)
{
  unsigned place = document->n_spans;

  if (place < BN_JSON_MAX_SPANS) {
    document->n_spans++;
  } else {
    place = 0;
    for (unsigned i = 1; i < BN_JSON_MAX_SPANS; i++) {
      if (document->spans[i].end - document->spans[i].start
          < document->spans[place].end - document->spans[place].start)
        place = i;
    }
    if (end - start
        <= document->spans[place].end - document->spans[place].start)
      return;
  }
  document->spans[place].start = start;
  document->spans[place].end = end;
}

/* Takes the closing bracket, if it is there. */
static gboolean
leave (Check *s)
{
  size_t start, end;

  if (!take (s, is_in_object (s) ? '}' : ']'))
    return FALSE;
  start = s->starts[--s->depth];
  end = (size_t) (s->p - s->text);
  if (end - start >= MIN_SPAN_SIZE)
    remember_span (s->document, start, end);
  return TRUE;
}

/* The name of a member and the colon. */
static gboolean
check_name (Check *s)
{
  skip_space (s);
  if (!check_string (s))
    return FALSE;
  skip_space (s);
  return take (s, ':') || fail (s, "\":\"");
}

/* What follows a value: commas and the ends of containers. */
static gboolean
check_after_value (Check *s)
{
  while (s->depth > 0) {
    skip_space (s);
    if (take (s, ','))
      return !is_in_object (s) || check_name (s);
    if (!leave (s))
      return fail (s, is_in_object (s) ? "\",\" or \"}\"" : "\",\" or \"]\"");
  }
  return TRUE;
}

static gboolean
check_value (Check *s)
{
  do {
    skip_space (s);
    if (s->p < s->end && (*s->p == '{' || *s->p == '[')) {
      if (!enter (s))
        return FALSE;
      skip_space (s);
      if (!leave (s)) {
        if (is_in_object (s) && !check_name (s))
          return FALSE;
        continue;
      }
    } else if (!check_scalar (s)) {
      return FALSE;
    }
    if (!check_after_value (s))
      return FALSE;
  } while (s->depth > 0);
  return TRUE;
}

gboolean
bn_json_open (BnJsonDocument *document, BnJson *root, GError **error)
{
  Check s = {.document = document, .error = error};
  size_t bad;

  s.text = s.p = (const uint8_t *) document->text;
  s.end = s.text + document->size;
  document->n_spans = 0;
  if (!bn_utf8_validate (s.text, document->size, &bad)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
        "%s: not JSON: found byte 0x%02X at offset %" G_GSIZE_FORMAT
        ", expected UTF-8",
        document->path, s.text[bad], bad);
    return FALSE;
  }
  skip_space (&s);
  *root = (BnJson){document, (size_t) (s.p - s.text)};
  if (!check_value (&s))
    return FALSE;
  skip_space (&s);
  return s.p == s.end || fail (&s, "nothing after the value");
}

/* The cursor. */

static inline const uint8_t *
start_of (BnJson self)
{
  return (const uint8_t *) self.document->text + self.offset;
}

static inline const uint8_t *
end_of (const BnJsonDocument *document)
{
  return (const uint8_t *) document->text + document->size;
}

/* Behind the string that begins at p; *has_escapes if there are some. */
static inline const uint8_t *
skip_string (const uint8_t *p, const uint8_t *end, gboolean *has_escapes)
{
  *has_escapes = FALSE;
  for (p++;; p += 2) {
    p = find_string_end (p, end);
    if (*p == '"')
      return p + 1;
    *has_escapes = TRUE;
  }
}

static size_t
find_span_end (const BnJsonDocument *document, size_t start)
{
  for (unsigned i = 0; i < document->n_spans; i++) {
    if (document->spans[i].start == start)
      return document->spans[i].end;
  }
  return 0;
}

/* Large ones that have not been remembered are walked through. */
static const uint8_t *
skip_container (const BnJsonDocument *document, const uint8_t *start)
{
  const uint8_t *p = start, *end = end_of (document);
  const uint8_t *limit =
      (size_t) (end - p) > MIN_SPAN_SIZE ? p + MIN_SPAN_SIZE : end;
  unsigned depth = 0;
  gboolean has_escapes;

  do {
    if (p >= limit) {
      size_t known = find_span_end (
          document, (size_t) (start - (const uint8_t *) document->text));

      if (known > 0)
        return (const uint8_t *) document->text + known;
      limit = end;
    }
    if (*p == '"') {
      p = skip_string (p, end, &has_escapes);
      continue;
    }
    if (*p == '{' || *p == '[')
      depth++;
    else if (*p == '}' || *p == ']')
      depth--;
    p++;
  } while (depth > 0);
  return p;
}

/* Behind the value at p. */
static inline const uint8_t *
skip_value (const BnJsonDocument *document, const uint8_t *p)
{
  const uint8_t *end = end_of (document);
  gboolean has_escapes;

  if (*p == '"')
    return skip_string (p, end, &has_escapes);
  if (*p == '{' || *p == '[')
    return skip_container (document, p);
  while (p < end && *p != ',' && *p != ']' && *p != '}' && !is_space (*p))
    p++;
  return p;
}

BnJsonType
bn_json_get_type (BnJson self)
{
  switch (*start_of (self)) {
    case '{':
      return BN_JSON_OBJECT;
    case '[':
      return BN_JSON_ARRAY;
    case '"':
      return BN_JSON_STRING;
    case 't':
    case 'f':
      return BN_JSON_BOOLEAN;
    case 'n':
      return BN_JSON_NULL;
    default:
      return BN_JSON_NUMBER;
  }
}

gboolean
bn_json_is_null (BnJson self)
{
  return *start_of (self) == 'n';
}

void
bn_json_iter_init (BnJsonIter *iter, BnJson container)
{
  iter->document = container.document;
  iter->offset = container.offset + 1;
  iter->is_object = *start_of (container) == '{';
  iter->is_first = TRUE;
}

gboolean
bn_json_iter_next (BnJsonIter *iter, BnJson *key, BnJson *value)
{
  const BnJsonDocument *document = iter->document;
  const uint8_t *text = (const uint8_t *) document->text;
  const uint8_t *p = text + iter->offset;
  gboolean has_escapes;

  if (!iter->is_first)
    p = skip_value (document, p);
  while (is_space (*p))
    p++;
  if (*p == ']' || *p == '}') {
    /* The next call, if there is one, ends here again. */
    iter->offset = (size_t) (p - text);
    iter->is_first = TRUE;
    return FALSE;
  }
  if (*p == ',')
    for (p++; is_space (*p); p++)
      ;
  if (iter->is_object) {
    if (key)
      *key = (BnJson){document, (size_t) (p - text)};
    p = skip_string (p, end_of (document), &has_escapes);
    while (is_space (*p) || *p == ':')
      p++;
  }
  iter->is_first = FALSE;
  iter->offset = (size_t) (p - text);
  *value = (BnJson){document, iter->offset};
  return TRUE;
}

void
bn_json_find_all (
    BnJson object, const char *const *names, size_t n_names, BnJson *values)
{
  BnJsonIter iter;
  BnJson key, value;

  for (size_t i = 0; i < n_names; i++)
    values[i] = (BnJson){NULL, 0};
  bn_json_iter_init (&iter, object);
  while (bn_json_iter_next (&iter, &key, &value)) {
    for (size_t i = 0; i < n_names; i++) {
      if (bn_json_equals (key, names[i]))
        values[i] = bn_json_is_null (value) ? (BnJson){NULL, 0} : value;
    }
  }
}

gboolean
bn_json_find (BnJson object, const char *name, BnJson *value)
{
  BnJson found;

  bn_json_find_all (object, &name, 1, &found);
  if (!bn_json_is_set (found))
    return FALSE;
  *value = found;
  return TRUE;
}

/* Strings. */

static uint32_t
read_unit (const uint8_t *p)
{
  uint32_t unit = 0;

  for (int i = 0; i < UNICODE_DIGITS; i++)
    unit = unit << 4 | (uint32_t) g_ascii_xdigit_value ((char) p[i]);
  return unit;
}

/* Appends what the escape at p stands for; returns its length. */
static size_t
append_escape (GString *out, const uint8_t *p)
{
  static const char letters[] = "bfnrt", characters[] = "\b\f\n\r\t";
  const char *letter;
  uint32_t unit;

  if (p[1] != 'u') {
    letter = strchr (letters, p[1]);
    g_string_append_c (
        out, letter ? characters[letter - letters] : (char) p[1]);
    return 2;
  }
  unit = read_unit (p + 2);
  if (unit < HIGH_SURROGATES || unit >= SURROGATES_END) {
    g_string_append_unichar (out, unit);
    return 2 + UNICODE_DIGITS;
  }
  unit = SUPPLEMENTARY + ((unit - HIGH_SURROGATES) << SURROGATE_BITS)
         + (read_unit (p + 2 + UNICODE_DIGITS + 2) - LOW_SURROGATES);
  g_string_append_unichar (out, unit);
  return 2 * (2 + UNICODE_DIGITS);
}

void
bn_json_get_string (
    BnJson self, GString *buffer, const char **text, size_t *length)
{
  const uint8_t *p = start_of (self), *end = end_of (self.document);
  gboolean has_escapes;
  const uint8_t *stop = skip_string (p, end, &has_escapes) - 1;

  p++;
  if (!has_escapes) {
    *text = (const char *) p;
    *length = (size_t) (stop - p);
    return;
  }
  g_string_truncate (buffer, 0);
  while (p < stop) {
    const uint8_t *next = find_string_end (p, stop);

    g_string_append_len (buffer, (const char *) p, (gssize) (next - p));
    p = next;
    if (p < stop)
      p += append_escape (buffer, p);
  }
  *text = buffer->str;
  *length = buffer->len;
}

char *
bn_json_dup_string (BnJson self, size_t *length)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  const char *text;
  char *copy;

  bn_json_get_string (self, buffer, &text, length);
  copy = g_malloc (*length + 1);
  memcpy (copy, text, *length);
  copy[*length] = '\0';
  return copy;
}

void
bn_json_get_raw (BnJson self, const char **text, size_t *length)
{
  const uint8_t *p = start_of (self);

  *text = (const char *) p;
  *length = (size_t) (skip_value (self.document, p) - p);
}

gboolean
bn_json_equals (BnJson self, const char *text)
{
  const uint8_t *p = start_of (self), *end = end_of (self.document);
  size_t wanted = strlen (text), length;
  gboolean has_escapes;
  const uint8_t *stop;
  const char *content;
  g_autoptr (GString) buffer = NULL;

  if (*p != '"')
    return FALSE;
  stop = skip_string (p, end, &has_escapes) - 1;
  if (!has_escapes)
    return (size_t) (stop - p) - 1 == wanted
           && memcmp (p + 1, text, wanted) == 0;
  buffer = g_string_new (NULL);
  bn_json_get_string (self, buffer, &content, &length);
  return length == wanted && memcmp (content, text, wanted) == 0;
}

/* Numbers. */

gboolean
bn_json_get_boolean (BnJson self)
{
  return *start_of (self) == 't';
}

/* Digits and a small power of ten make exactly the double that strtod()
 * makes, because both are doubles. FALSE if there are too many digits. */
static gboolean
read_exact_double (const uint8_t *p, const uint8_t *end, double *value)
{
  static const double powers[MAX_EXACT_POWER + 1] = {1e0, 1e1, 1e2, 1e3, 1e4,
      1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
      1e18, 1e19, 1e20, 1e21, 1e22};
  gboolean is_negative = p < end && *p == '-', has_point = FALSE;
  uint64_t digits = 0;
  int n_digits = 0, n_decimals = 0;

  for (p += is_negative; p < end; p++) {
    if (*p == '.' && !has_point) {
      has_point = TRUE;
      continue;
    }
    if (!g_ascii_isdigit ((char) *p))
      return FALSE;
    digits = digits * 10 + (uint64_t) (*p - '0');
    n_digits += digits > 0;
    n_decimals += has_point;
    if (n_digits > MAX_EXACT_DIGITS || n_decimals > MAX_EXACT_POWER)
      return FALSE;
  }
  *value = (double) digits / powers[n_decimals];
  if (is_negative)
    *value = -*value;
  return TRUE;
}

double
bn_json_get_double (BnJson self)
{
  const uint8_t *p = start_of (self);
  const uint8_t *end = skip_value (self.document, p);
  g_autofree char *text = NULL;
  double value;

  if (read_exact_double (p, end, &value))
    return value;
  text = g_strndup ((const char *) p, (gsize) (end - p));
  return g_ascii_strtod (text, NULL);
}

gboolean
bn_json_get_uint (BnJson self, uint64_t max, uint64_t *value)
{
  const uint8_t *p = start_of (self);
  const uint8_t *end = skip_value (self.document, p);
  uint64_t number = 0;

  for (; p < end; p++) {
    unsigned digit = *p - (unsigned) '0';

    if (digit > 9 || number > (UINT64_MAX - digit) / 10)
      return FALSE;
    number = number * 10 + digit;
  }
  if (number > max)
    return FALSE;
  *value = number;
  return TRUE;
}

/* Components. */

static const char *const type_names[] = {
    [BN_JSON_NULL] = "null",
    [BN_JSON_BOOLEAN] = "true or false",
    [BN_JSON_NUMBER] = "a number",
    [BN_JSON_STRING] = "a string",
    [BN_JSON_ARRAY] = "an array",
    [BN_JSON_OBJECT] = "an object",
};

gboolean
bn_json_expect (BnJson self, BnJsonType type, GError **error)
{
  return bn_json_get_type (self) == type
         || bn_json_fail (self, error, "%s", type_names[type]);
}

gboolean
bn_json_expect_member (BnJson object, const char *name, BnJsonType type,
    BnJson *value, GError **error)
{
  if (!bn_json_find (object, name, value))
    return bn_json_fail (
        object, error, "an object with the member \"%s\"", name);
  return bn_json_expect (*value, type, error);
}

gboolean
bn_json_read_boolean (
    BnJson object, const char *name, gboolean *value, GError **error)
{
  BnJson member;

  if (!bn_json_find (object, name, &member))
    return TRUE;
  if (!bn_json_expect (member, BN_JSON_BOOLEAN, error))
    return FALSE;
  *value = bn_json_get_boolean (member);
  return TRUE;
}

gboolean
bn_json_read_uint (BnJson object, const char *name, uint64_t max,
    uint64_t *value, GError **error)
{
  BnJson member;

  if (!bn_json_find (object, name, &member))
    return TRUE;
  return bn_json_get_uint (member, max, value)
         || bn_json_fail (
             member, error, "a whole number from 0 to %" G_GUINT64_FORMAT, max);
}

gboolean
bn_json_read_string (
    BnJson object, const char *name, char **value, GError **error)
{
  g_autoptr (GString) buffer = NULL;
  BnJson member;
  const char *text;
  size_t length;

  if (!bn_json_find (object, name, &member))
    return TRUE;
  if (!bn_json_expect (member, BN_JSON_STRING, error))
    return FALSE;
  buffer = g_string_new (NULL);
  bn_json_get_string (member, buffer, &text, &length);
  if (memchr (text, '\0', length))
    return bn_json_fail (member, error, "a string without NUL characters");
  g_free (*value);
  *value = g_strndup (text, length);
  return TRUE;
}

/* Appends ".name" or, if the name is more than a word, ["name"]. */
static void
append_name (GString *path, BnJson key)
{
  const uint8_t *p = start_of (key) + 1;
  gboolean has_escapes, is_word;
  const uint8_t *stop =
      skip_string (p - 1, end_of (key.document), &has_escapes) - 1;

  is_word = p < stop && stop - p <= MAX_SHOWN && !g_ascii_isdigit ((char) *p);
  for (const uint8_t *c = p; is_word && c < stop; c++)
    is_word = g_ascii_isalnum ((char) *c) || *c == '_';
  g_string_append (path, is_word ? "." : "[\"");
  append_shown (path, p, stop);
  if (!is_word)
    g_string_append (path, "\"]");
}

/* Goes down from the root to the value, or name of a member, at offset. */
static void
append_path (GString *path, const BnJsonDocument *document, size_t offset)
{
  BnJson value = {document, 0};

  while (is_space (*start_of (value)))
    value.offset++;
  g_string_append_c (path, '$');
  while (value.offset < offset && bn_json_get_type (value) >= BN_JSON_ARRAY) {
    gboolean is_object = bn_json_get_type (value) == BN_JSON_OBJECT;
    BnJson key = value, next, found_key = value;
    size_t index = 0, found_index = 0;
    BnJsonIter iter;

    bn_json_iter_init (&iter, value);
    for (; bn_json_iter_next (&iter, &key, &next); index++) {
      if ((is_object ? key.offset : next.offset) > offset)
        break;
      value = next;
      found_key = key;
      found_index = index;
    }
    if (is_object)
      append_name (path, found_key);
    else
      g_string_append_printf (path, "[%" G_GSIZE_FORMAT "]", found_index);
  }
}

gboolean
bn_json_fail (BnJson self, GError **error, const char *expected, ...)
{
  const uint8_t *p = start_of (self);
  BnJsonType type = bn_json_get_type (self);
  g_autoptr (GString) path = g_string_new (NULL);
  g_autoptr (GString) found = g_string_new (NULL);
  g_autofree char *wanted = NULL;
  va_list args;

  va_start (args, expected);
  wanted = g_strdup_vprintf (expected, args);
  va_end (args);
  append_path (path, self.document, self.offset);
  if (type >= BN_JSON_ARRAY)
    g_string_append (found, type_names[type]);
  else
    append_shown (found, p, skip_value (self.document, p));
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_TOKENIZER,
      "%s: found %s at %s, offset %" G_GSIZE_FORMAT ", expected %s",
      self.document->path, found->str, path->str, self.offset, wanted);
  return FALSE;
}
