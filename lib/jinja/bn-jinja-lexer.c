/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Template text to tokens.
 *
 * Between tags everything is data. A tag strips the blanks around it where it
 * is marked with "-"; besides, as trim_blocks and lstrip_blocks demand, the
 * newline behind a block or comment goes, and so do the blanks between the
 * line's beginning and the block, unless "+" keeps them. */
#include "bn-jinja-private.h"

#include <string.h>

#include "bn-jinja-ast.h"

enum {
  MAX_BRACKETS = 256,
  FIRST_CAPACITY = 256,
};

typedef struct {
  BnJ *j;
  const char *text;
  size_t size, at;
  BnJToken *tokens;
  size_t n, n_allocated;
  gboolean line_starting;
} Lexer;

static BnJToken *
add (Lexer *lexer, BnJTokenType type, size_t at)
{
  BnJToken *token;

  if (lexer->n == lexer->n_allocated) {
    size_t capacity = MAX (2 * lexer->n, (size_t) FIRST_CAPACITY);
    BnJToken *tokens = bn_j_new_n (lexer->j, BnJToken, capacity);

    if (lexer->n > 0)
      memcpy (tokens, lexer->tokens, lexer->n * sizeof *tokens);
    lexer->tokens = tokens;
    lexer->n_allocated = capacity;
  }
  token = &lexer->tokens[lexer->n++];
  token->type = type;
  token->at = at;
  return token;
}

G_NORETURN static void
fail (Lexer *lexer, size_t at, const char *message)
{
  lexer->j->at = at;
  bn_j_fail (lexer->j, "%s", message);
}

static gboolean
starts (const Lexer *lexer, size_t at, const char *part)
{
  size_t size = strlen (part);

  return size <= lexer->size - MIN (at, lexer->size)
         && memcmp (lexer->text + at, part, size) == 0;
}

static size_t
skip_blanks (const Lexer *lexer, size_t at)
{
  return bn_j_skip_space (lexer->text, lexer->size, at);
}

/* Adds the text in [begin, end) with blanks at its end stripped as the tag
 * behind it wants. */
static void
add_data (
    Lexer *lexer, size_t begin, size_t end, char sign, gboolean is_variable)
{
  const char *text = lexer->text + begin;
  size_t size = end - begin;

  if (sign == '-') {
    size = bn_j_rskip_space (text, size, 0);
  } else if (sign != '+' && !is_variable) {
    size_t line = size;

    while (line > 0 && text[line - 1] != '\n')
      line--;
    if ((line > 0 || lexer->line_starting)
        && bn_j_rskip_space (text, size, line) == line)
      size = line;
  }
  if (size > 0) {
    BnJToken *token = add (lexer, BN_J_TOKEN_DATA, begin);

    token->value =
        bn_j_string (bn_j_string_new (lexer->j, text, size, BN_JINJA_TRUSTED));
  }
}

static char
sign_at (const Lexer *lexer, size_t at)
{
  return at < lexer->size && (lexer->text[at] == '-' || lexer->text[at] == '+')
             ? lexer->text[at]
             : '\0';
}

/* Passes over the end of a tag: "-%}" and blanks, or "%}" and a newline if
 * trims. at is where the closing mark or its sign begins. */
static void
pass_end (Lexer *lexer, size_t at, size_t mark_size, gboolean trims)
{
  char sign = sign_at (lexer, at);
  size_t end = at + (sign != '\0') + mark_size;

  if (sign == '-')
    end = skip_blanks (lexer, end);
  else if (sign != '+' && trims && end < lexer->size
           && lexer->text[end] == '\n')
    end++;
  lexer->line_starting = end > 0 && lexer->text[end - 1] == '\n';
  lexer->at = end;
}

/* If at at stands a tag {% name %}, where its closing mark or sign begins;
 * else 0. The first sign is at at + 2. */
static size_t
match_tag (const Lexer *lexer, size_t at, const char *name, gboolean plus)
{
  if (!starts (lexer, at, "{%"))
    return 0;
  at += strlen ("{%");
  if (sign_at (lexer, at))
    at++;
  at = skip_blanks (lexer, at);
  if (!starts (lexer, at, name))
    return 0;
  at = skip_blanks (lexer, at + strlen (name));
  if (starts (lexer, at, "%}") || starts (lexer, at, "-%}")
      || (plus && starts (lexer, at, "+%}")))
    return at;
  return 0;
}

/* The text of a raw block whose first tag ends before lexer->at. */
static void
pass_raw (Lexer *lexer, size_t opened_at)
{
  size_t begin = lexer->at;

  for (size_t at = begin;; at++) {
    size_t end;

    at = bn_j_find (lexer->text, lexer->size, "{%", 2, at);
    if (at == SIZE_MAX)
      fail (lexer, opened_at, "Missing end of raw directive");
    end = match_tag (lexer, at, "endraw", TRUE);
    if (end == 0)
      continue;
    add_data (lexer, begin, at, sign_at (lexer, at + 2), FALSE);
    pass_end (lexer, end, 2, TRUE);
    return;
  }
}

static void
pass_comment (Lexer *lexer, size_t opened_at)
{
  for (size_t at = lexer->at;; at++) {
    at = bn_j_find (lexer->text, lexer->size, "#}", 2, at);
    if (at == SIZE_MAX)
      fail (lexer, opened_at, "Missing end of comment tag");
    if (at > lexer->at && sign_at (lexer, at - 1))
      at--;
    pass_end (lexer, at, 2, TRUE);
    return;
  }
}

/* Inside tags */

static size_t
skip_digits (const Lexer *lexer, size_t at, gboolean (*is_digit) (char))
{
  while (at < lexer->size) {
    if (is_digit (lexer->text[at]))
      at++;
    else if (lexer->text[at] == '_' && at + 1 < lexer->size
             && is_digit (lexer->text[at + 1]))
      at += 2;
    else
      break;
  }
  return at;
}

static gboolean
is_binary (char c)
{
  return c == '0' || c == '1';
}

static gboolean
is_octal (char c)
{
  return c >= '0' && c <= '7';
}

static gboolean
is_decimal (char c)
{
  return g_ascii_isdigit (c);
}

static gboolean
is_hexadecimal (char c)
{
  return g_ascii_isxdigit (c);
}

static gboolean
is_zero (char c)
{
  return c == '0';
}

/* [begin, end) without underscores. */
static char *
copy_digits (Lexer *lexer, size_t begin, size_t end)
{
  char *digits = bn_j_alloc (lexer->j, end - begin + 1, 1), *d = digits;

  for (size_t i = begin; i < end; i++) {
    if (lexer->text[i] != '_')
      *d++ = lexer->text[i];
  }
  *d = '\0';
  return digits;
}

static gboolean
lex_float (Lexer *lexer)
{
  const char *text = lexer->text;
  size_t begin = lexer->at, at, exponent;
  gboolean has_fraction = FALSE;
  BnJToken *token;

  if (begin > 0 && text[begin - 1] == '.')
    return FALSE;
  at = begin;
  if (!g_ascii_isdigit (text[at]))
    return FALSE;
  at = skip_digits (lexer, at, is_decimal);
  if (at + 1 < lexer->size && text[at] == '.'
      && g_ascii_isdigit (text[at + 1])) {
    at = skip_digits (lexer, at + 1, is_decimal);
    has_fraction = TRUE;
  }
  exponent = at;
  if (exponent < lexer->size && g_ascii_tolower (text[exponent]) == 'e') {
    exponent++;
    if (exponent < lexer->size
        && (text[exponent] == '+' || text[exponent] == '-'))
      exponent++;
    if (exponent < lexer->size && g_ascii_isdigit (text[exponent])) {
      at = skip_digits (lexer, exponent, is_decimal);
      has_fraction = TRUE;
    }
  }
  if (!has_fraction)
    return FALSE;
  token = add (lexer, BN_J_TOKEN_FLOAT, begin);
  token->value =
      bn_j_number (g_ascii_strtod (copy_digits (lexer, begin, at), NULL));
  lexer->at = at;
  return TRUE;
}

static gboolean
lex_integer (Lexer *lexer)
{
  static const struct {
    char letter;
    guint base;
    gboolean (*is_digit) (char);
  } bases[] = {
      {'b', 2, is_binary}, {'o', 8, is_octal}, {'x', 16, is_hexadecimal}};
  const char *text = lexer->text;
  size_t begin = lexer->at, at = begin, digits = begin;
  guint base = 10;
  BnJToken *token;
  guint64 value;

  if (!g_ascii_isdigit (text[at]))
    return FALSE;
  if (text[at] == '0') {
    char letter = at + 1 < lexer->size ? g_ascii_tolower (text[at + 1]) : 0;

    for (size_t i = 0; i < G_N_ELEMENTS (bases); i++) {
      size_t first = at + 2;

      if (letter != bases[i].letter)
        continue;
      if (first < lexer->size && text[first] == '_')
        first++;
      if (first < lexer->size && bases[i].is_digit (text[first])) {
        base = bases[i].base;
        digits = first;
        at = skip_digits (lexer, first, bases[i].is_digit);
        break;
      }
    }
    if (base == 10)
      at = skip_digits (lexer, at, is_zero);
  } else {
    at = skip_digits (lexer, at, is_decimal);
  }
  if (!g_ascii_string_to_unsigned (
          copy_digits (lexer, digits, at), base, 0, G_MAXINT64, &value, NULL))
    fail (lexer, begin, "the integer does not fit 64 bit");
  token = add (lexer, BN_J_TOKEN_INTEGER, begin);
  token->value = bn_j_integer ((int64_t) value);
  lexer->at = at;
  return TRUE;
}

static gboolean
lex_name (Lexer *lexer)
{
  size_t begin = lexer->at, at = begin;
  BnJString *name;

  while (at < lexer->size) {
    gunichar c = g_utf8_get_char (lexer->text + at);

    if (c != '_' && !g_unichar_isalnum (c)
        && !(c > 0x7F && g_unichar_ismark (c)))
      break;
    at += (size_t) g_unichar_to_utf8 (c, NULL);
  }
  if (at == begin)
    return FALSE;
  if (!g_unichar_isalpha (g_utf8_get_char (lexer->text + begin))
      && lexer->text[begin] != '_')
    fail (lexer, begin, "Invalid character in identifier");
  name = bn_j_string_new (
      lexer->j, lexer->text + begin, at - begin, BN_JINJA_TRUSTED);
  bn_j_string_hash (name);
  bn_j_count_chars (name);
  add (lexer, BN_J_TOKEN_NAME, begin)->value = bn_j_string (name);
  lexer->at = at;
  return TRUE;
}

static void
append_char (Lexer *lexer, BnJBuffer *buffer, gunichar c)
{
  char bytes[6];

  bn_j_append (lexer->j, buffer, bytes, (size_t) g_unichar_to_utf8 (c, bytes),
      BN_JINJA_TRUSTED);
}

/* The digits of \x, \u or \U at p. */
static gunichar
lex_hex (Lexer *lexer, size_t *p, size_t end, guint n_digits)
{
  gunichar c = 0;

  for (guint i = 0; i < n_digits; i++, ++*p) {
    if (*p >= end || !g_ascii_isxdigit (lexer->text[*p]))
      fail (lexer, lexer->at, "truncated \\xXX, \\uXXXX or \\UXXXXXXXX escape");
    c = c << 4 | (gunichar) g_ascii_xdigit_value (lexer->text[*p]);
  }
  return c;
}

/* \u at p, which may be the first half of a surrogate pair. */
static gunichar
lex_unicode (Lexer *lexer, size_t *p, size_t end, guint n_digits)
{
  gunichar c = lex_hex (lexer, p, end, n_digits);

  if (c >= 0xD800 && c < 0xDC00 && *p + 1 < end && lexer->text[*p] == '\\'
      && lexer->text[*p + 1] == 'u') {
    size_t next = *p + 2;
    gunichar low = lex_hex (lexer, &next, end, 4);

    if (low >= 0xDC00 && low < 0xE000) {
      *p = next;
      return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
  }
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
    fail (lexer, lexer->at, "illegal Unicode character");
  return c;
}

/* Behind the backslash at p. */
static void
lex_escape (Lexer *lexer, BnJBuffer *buffer, size_t *p, size_t end)
{
  static const char letters[] = "abfnrtv\\'\"",
                    meanings[] = "\a\b\f\n\r\t\v\\'\"";
  char c = lexer->text[*p];
  const char *letter = c != '\0' ? strchr (letters, c) : NULL;

  if (letter != NULL) {
    bn_j_append (
        lexer->j, buffer, &meanings[letter - letters], 1, BN_JINJA_TRUSTED);
    ++*p;
  } else if (c == '\n') {
    ++*p;
  } else if (c >= '0' && c <= '7') {
    gunichar value = 0;

    for (int i = 0;
         i < 3 && *p < end && lexer->text[*p] >= '0' && lexer->text[*p] <= '7';
         i++, ++*p)
      value = value * 8 + (gunichar) (lexer->text[*p] - '0');
    append_char (lexer, buffer, value);
  } else if (c == 'x' || c == 'u' || c == 'U') {
    ++*p;
    append_char (lexer, buffer,
        c == 'x' ? lex_hex (lexer, p, end, 2)
                 : lex_unicode (lexer, p, end, c == 'u' ? 4 : 8));
  } else if (c == 'N') {
    fail (lexer, lexer->at, "\\N escapes are not supported");
  } else if ((guchar) c >= 0x80) {
    /* The reference writes the character as an escape first, whose backslash
     * this one then escapes. */
    gunichar wide = g_utf8_get_char (lexer->text + *p);

    bn_j_append_text (lexer->j, buffer,
        bn_j_printf (lexer->j,
            wide < 0x100     ? "\\x%02x"
            : wide < 0x10000 ? "\\u%04x"
                             : "\\U%08x",
            wide));
    *p += (size_t) g_unichar_to_utf8 (wide, NULL);
  } else {
    bn_j_append (lexer->j, buffer, "\\", 1, BN_JINJA_TRUSTED);
  }
}

static gboolean
lex_string (Lexer *lexer)
{
  const char *text = lexer->text;
  size_t begin = lexer->at, end = begin + 1;
  BnJBuffer *buffer;
  BnJString *string;

  if (text[begin] != '\'' && text[begin] != '"')
    return FALSE;
  while (end < lexer->size && text[end] != text[begin])
    end += text[end] == '\\' ? 2 : 1;
  if (end >= lexer->size)
    return FALSE;

  buffer = bn_j_buffer_new (lexer->j, end - begin);
  for (size_t p = begin + 1; p < end;) {
    size_t plain = p;

    while (p < end && text[p] != '\\')
      p++;
    bn_j_append (lexer->j, buffer, text + plain, p - plain, BN_JINJA_TRUSTED);
    if (p < end) {
      p++;
      lex_escape (lexer, buffer, &p, end);
    }
  }
  string = bn_j_buffer_finish_as (lexer->j, buffer, FALSE);
  bn_j_string_hash (string);
  bn_j_count_chars (string);
  add (lexer, BN_J_TOKEN_STRING, begin)->value = bn_j_string (string);
  lexer->at = end + 1;
  return TRUE;
}

static const struct {
  const char *text;
  BnJTokenType type;
} operators[] = {{"//", BN_J_TOKEN_FLOORDIV}, {"**", BN_J_TOKEN_POW},
    {"==", BN_J_TOKEN_EQ}, {"!=", BN_J_TOKEN_NE}, {">=", BN_J_TOKEN_GE},
    {"<=", BN_J_TOKEN_LE}, {"+", BN_J_TOKEN_ADD}, {"-", BN_J_TOKEN_SUB},
    {"/", BN_J_TOKEN_DIV}, {"*", BN_J_TOKEN_MUL}, {"%", BN_J_TOKEN_MOD},
    {"~", BN_J_TOKEN_TILDE}, {"[", BN_J_TOKEN_LBRACKET},
    {"]", BN_J_TOKEN_RBRACKET}, {"(", BN_J_TOKEN_LPAREN},
    {")", BN_J_TOKEN_RPAREN}, {"{", BN_J_TOKEN_LBRACE},
    {"}", BN_J_TOKEN_RBRACE}, {">", BN_J_TOKEN_GT}, {"<", BN_J_TOKEN_LT},
    {"=", BN_J_TOKEN_ASSIGN}, {".", BN_J_TOKEN_DOT}, {":", BN_J_TOKEN_COLON},
    {"|", BN_J_TOKEN_PIPE}, {",", BN_J_TOKEN_COMMA},
    {";", BN_J_TOKEN_SEMICOLON}};

static gboolean
lex_operator (Lexer *lexer, char *brackets, size_t *n_brackets)
{
  char c = lexer->text[lexer->at];

  for (size_t i = 0; i < G_N_ELEMENTS (operators); i++) {
    if (!starts (lexer, lexer->at, operators[i].text))
      continue;
    if (c == '(' || c == '[' || c == '{') {
      if (*n_brackets == MAX_BRACKETS)
        fail (lexer, lexer->at, "nested deeper than the limit");
      brackets[(*n_brackets)++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (*n_brackets == 0) {
        lexer->j->at = lexer->at;
        bn_j_fail (lexer->j, "unexpected '%c'", c);
      }
      if (brackets[--*n_brackets] != c) {
        lexer->j->at = lexer->at;
        bn_j_fail (lexer->j, "unexpected '%c', expected '%c'", c,
            brackets[*n_brackets]);
      }
    }
    add (lexer, operators[i].type, lexer->at);
    lexer->at += strlen (operators[i].text);
    return TRUE;
  }
  return FALSE;
}

/* The inside of a tag up to and with its end. */
static void
lex_tag (Lexer *lexer, gboolean is_variable)
{
  const char *mark = is_variable ? "}}" : "%}";
  char brackets[MAX_BRACKETS];
  size_t n_brackets = 0;

  while (lexer->at < lexer->size) {
    size_t at = lexer->at;
    char sign = sign_at (lexer, at);
    size_t blanks_end;

    if (n_brackets == 0
        && (starts (lexer, at, mark)
            || ((sign == '-' || (sign == '+' && !is_variable))
                && starts (lexer, at + 1, mark)))) {
      add (lexer, is_variable ? BN_J_TOKEN_VARIABLE_END : BN_J_TOKEN_BLOCK_END,
          at);
      pass_end (lexer, at, 2, !is_variable);
      return;
    }
    blanks_end = skip_blanks (lexer, at);
    if (blanks_end > at) {
      lexer->at = blanks_end;
      continue;
    }
    if (!lex_float (lexer) && !lex_integer (lexer) && !lex_name (lexer)
        && !lex_string (lexer)
        && !lex_operator (lexer, brackets, &n_brackets)) {
      lexer->j->at = at;
      bn_j_fail (lexer->j, "unexpected char '%.*s'",
          (int) (g_utf8_next_char (lexer->text + at) - (lexer->text + at)),
          lexer->text + at);
    }
  }
}

BnJToken *
bn_j_tokenize (BnJ *j, size_t *n_tokens)
{
  Lexer lexer = {
      .j = j, .text = j->source, .size = j->source_size, .line_starting = TRUE};

  while (lexer.at < lexer.size) {
    size_t begin = lexer.at, at = begin, raw_end;
    char kind, sign;

    for (;; at++) {
      const char *brace = memchr (lexer.text + at, '{', lexer.size - at);

      at = brace != NULL ? (size_t) (brace - lexer.text) : lexer.size;
      if (at + 1 >= lexer.size
          || (lexer.text[at + 1] != '\0' && strchr ("{%#", lexer.text[at + 1])))
        break;
    }
    if (at + 1 >= lexer.size) {
      add_data (&lexer, begin, lexer.size, '+', TRUE);
      lexer.at = lexer.size;
      break;
    }
    bn_j_step (j, 1);
    kind = lexer.text[at + 1];
    sign = sign_at (&lexer, at + 2);
    raw_end = kind == '%' ? match_tag (&lexer, at, "raw", FALSE) : 0;
    add_data (&lexer, begin, at, sign, kind == '{');
    if (raw_end != 0) {
      pass_end (&lexer, raw_end, 2, FALSE);
      pass_raw (&lexer, at);
      continue;
    }
    lexer.at = at + 2 + (sign != '\0');
    lexer.line_starting = FALSE;
    if (kind == '#') {
      pass_comment (&lexer, at);
    } else {
      add (&lexer,
          kind == '{' ? BN_J_TOKEN_VARIABLE_BEGIN : BN_J_TOKEN_BLOCK_BEGIN, at);
      lex_tag (&lexer, kind == '{');
    }
  }
  add (&lexer, BN_J_TOKEN_END, lexer.size);
  *n_tokens = lexer.n;
  return lexer.tokens;
}

const char *
bn_j_token_type_describe (BnJTokenType type)
{
  switch (type) {
    case BN_J_TOKEN_END:
      return "end of template";
    case BN_J_TOKEN_DATA:
      return "template data / text";
    case BN_J_TOKEN_BLOCK_BEGIN:
      return "begin of statement block";
    case BN_J_TOKEN_BLOCK_END:
      return "end of statement block";
    case BN_J_TOKEN_VARIABLE_BEGIN:
      return "begin of print statement";
    case BN_J_TOKEN_VARIABLE_END:
      return "end of print statement";
    case BN_J_TOKEN_NAME:
      return "name";
    case BN_J_TOKEN_STRING:
      return "string";
    case BN_J_TOKEN_INTEGER:
      return "integer";
    case BN_J_TOKEN_FLOAT:
      return "float";
    default:
      for (size_t i = 0; i < G_N_ELEMENTS (operators); i++) {
        if (operators[i].type == type)
          return operators[i].text;
      }
      return "?";
  }
}

const char *
bn_j_token_describe (BnJ *j, const BnJToken *token)
{
  if (token->type != BN_J_TOKEN_NAME)
    return bn_j_token_type_describe (token->type);
  return bn_j_printf (
      j, "%.*s", (int) token->value.string->size, token->value.string->text);
}
