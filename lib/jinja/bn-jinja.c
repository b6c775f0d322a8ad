/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Templates, contexts and rendering: the entry points, which are the only
 * places that errors of the inside return to. */
#include "bn-jinja-private.h"

#include <string.h>

#include "bitnet-error.h"
#include "bn-jinja-ast.h"

struct BnJinjaTemplate {
  BnJ j; /* owns the tree */
  BnJinjaLimits limits;
  BnJProgram program;
};

struct BnJinjaContext {
  BnJ j; /* owns the values */
  BnJDict *variables;
  struct tm now;
  gboolean has_now;
};

/* Templates */

/* Line ends become \n; one at the end of the template goes. */
static void
normalize (BnJ *j, const char *text, size_t size)
{
  char *source = bn_j_alloc (j, size + 1, 1), *out = source;

  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\r') {
      *out++ = '\n';
      if (i + 1 < size && text[i + 1] == '\n')
        i++;
    } else {
      *out++ = text[i];
    }
  }
  if (out > source && out[-1] == '\n')
    out--;
  j->source = source;
  j->source_size = (size_t) (out - source);
}

static gboolean
compile (BnJinjaTemplate *self, const char *text, size_t size, GError **error)
{
  BnJ *j = &self->j;
  const char *bad = text;

  if (size > j->limits.max_source_size) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE,
        "the template has %" G_GSIZE_FORMAT
        " bytes, expected at most %" G_GSIZE_FORMAT,
        size, j->limits.max_source_size);
    return FALSE;
  }
  if (!g_utf8_validate_len (text, size, &bad)) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_TEMPLATE,
        "the template is not UTF-8 without NUL at byte %" G_GSIZE_FORMAT,
        (size_t) (bad - text));
    return FALSE;
  }
  if (setjmp (j->on_failure) != 0)
    return FALSE;
  normalize (j, text, size);
  bn_j_parse (j, &self->program);
  return TRUE;
}

BnJinjaTemplate *
bn_jinja_template_new (
    const char *text, size_t size, const BnJinjaLimits *limits, GError **error)
{
  BnJinjaTemplate *self = g_new0 (BnJinjaTemplate, 1);

  bn_j_init (&self->j, limits, error);
  if (limits != NULL)
    self->limits = *limits;
  if (!compile (self, text, size, error)) {
    bn_jinja_template_free (self);
    return NULL;
  }
  self->j.error = NULL;
  return self;
}

void
bn_jinja_template_free (BnJinjaTemplate *self)
{
  if (self == NULL)
    return;
  bn_j_clear (&self->j);
  g_free (self);
}

gboolean
bn_jinja_template_uses (const BnJinjaTemplate *self, const char *variable)
{
  for (size_t i = 0; i < self->program.n_names; i++) {
    if (bn_j_string_is (self->program.names[i], variable))
      return TRUE;
  }
  return FALSE;
}

/* Contexts */

BnJinjaContext *
bn_jinja_context_new (const BnJinjaLimits *limits)
{
  BnJinjaContext *self = g_new0 (BnJinjaContext, 1);

  bn_j_init (&self->j, limits, NULL);
  return self;
}

void
bn_jinja_context_free (BnJinjaContext *self)
{
  if (self == NULL)
    return;
  bn_j_clear (&self->j);
  g_free (self);
}

/* Starts a call that may fail. */
static void
begin (BnJinjaContext *self, GError **error)
{
  self->j.error = error;
  bn_j_begin_stack (&self->j);
  self->j.n_steps = 0;
  self->j.next_check = 1;
}

static void
set_value (BnJinjaContext *self, const char *name, BnJValue value)
{
  BnJ *j = &self->j;

  if (self->variables == NULL)
    self->variables = bn_j_dict_new (j);
  bn_j_dict_set (
      j, self->variables, bn_j_copy_text (j, name, strlen (name)), value);
}

gboolean
bn_jinja_context_set_json (BnJinjaContext *self, const char *name,
    const char *json, size_t size, BnJinjaTrust trust, GError **error)
{
  begin (self, error);
  if (setjmp (self->j.on_failure) != 0)
    return FALSE;
  set_value (self, name, bn_j_parse_json (&self->j, json, size, trust));
  return TRUE;
}

gboolean
bn_jinja_context_set_members (BnJinjaContext *self, const char *json,
    size_t size, BnJinjaTrust trust, GError **error)
{
  BnJValue value;

  begin (self, error);
  if (setjmp (self->j.on_failure) != 0)
    return FALSE;
  value = bn_j_parse_json (&self->j, json, size, trust);
  if (value.type != BN_J_DICT)
    bn_j_fail (
        &self->j, "JSON: found %s, expected an object", bn_j_type_name (value));
  if (self->variables == NULL)
    self->variables = bn_j_dict_new (&self->j);
  for (size_t i = 0; i < value.dict->n; i++)
    bn_j_dict_set (&self->j, self->variables, value.dict->entries[i].key,
        value.dict->entries[i].value);
  return TRUE;
}

gboolean
bn_jinja_context_set_string (BnJinjaContext *self, const char *name,
    const char *text, size_t size, BnJinjaTrust trust, GError **error)
{
  BnJValue value;

  begin (self, error);
  if (setjmp (self->j.on_failure) != 0)
    return FALSE;
  value = bn_j_copy_text (&self->j, text, size);
  set_value (self, name,
      bn_j_string (
          bn_j_string_new (&self->j, value.string->text, size, trust)));
  return TRUE;
}

gboolean
bn_jinja_context_set_boolean (
    BnJinjaContext *self, const char *name, gboolean value, GError **error)
{
  begin (self, error);
  if (setjmp (self->j.on_failure) != 0)
    return FALSE;
  set_value (self, name, bn_j_boolean (value));
  return TRUE;
}

static BnJString *
find_string (BnJinjaContext *self, const char *name)
{
  BnJString key = {.text = name, .size = strlen (name)};
  BnJValue value;

  if (self->variables == NULL
      || !bn_j_dict_get_string (self->variables, &key, &value)
      || value.type != BN_J_STRING)
    return NULL;
  return value.string;
}

const char *
bn_jinja_context_get_string (
    BnJinjaContext *self, const char *name, size_t *size)
{
  BnJString *string = find_string (self, name);

  if (string == NULL)
    return NULL;
  *size = string->size;
  return string->text;
}

/* A number of digits at *text, and the separator in front of it. */
static gboolean
read_part (const char **text, char separator, guint n_digits, int *value)
{
  if (separator != '\0') {
    if (**text != separator && !(separator == 'T' && **text == ' '))
      return FALSE;
    ++*text;
  }
  *value = 0;
  for (guint i = 0; i < n_digits; i++, ++*text) {
    if (!g_ascii_isdigit (**text))
      return FALSE;
    *value = *value * 10 + (**text - '0');
  }
  return TRUE;
}

static gboolean
parse_now (const char *text, struct tm *now)
{
  static const struct {
    char separator;
    guint n_digits;
    int low, high;
  } parts[] = {{'\0', 4, 1, 9999}, {'-', 2, 1, 12}, {'-', 2, 1, 31},
      {'T', 2, 0, 23}, {':', 2, 0, 59}, {':', 2, 0, 60}};
  int values[G_N_ELEMENTS (parts)] = {1970, 1, 1};
  g_autoptr (GDate) date = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (parts) && *text != '\0'; i++) {
    if (!read_part (&text, parts[i].separator, parts[i].n_digits, &values[i])
        || values[i] < parts[i].low || values[i] > parts[i].high)
      return FALSE;
  }
  if (*text == '.') /* fractions of seconds */
    text += 1 + strspn (text + 1, "0123456789");
  if (*text == 'Z') {
    text++;
  } else if (*text == '+' || *text == '-') {
    text += 1 + strspn (text + 1, "0123456789:");
  }
  if (*text != '\0'
      || !g_date_valid_dmy (
          (GDateDay) values[2], (GDateMonth) values[1], (GDateYear) values[0]))
    return FALSE;
  date = g_date_new_dmy (
      (GDateDay) values[2], (GDateMonth) values[1], (GDateYear) values[0]);
  *now = (struct tm){.tm_year = values[0] - 1900,
      .tm_mon = values[1] - 1,
      .tm_mday = values[2],
      .tm_hour = values[3],
      .tm_min = values[4],
      .tm_sec = values[5],
      .tm_wday = (int) g_date_get_weekday (date) % 7,
      .tm_yday = (int) g_date_get_day_of_year (date) - 1};
  return TRUE;
}

gboolean
bn_jinja_context_set_now (BnJinjaContext *self, const char *now, GError **error)
{
  if (!parse_now (now, &self->now)) {
    g_autofree char *shown = g_utf8_make_valid (now, MIN (strlen (now), 64));

    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "now: found \"%s\", expected YYYY-MM-DDTHH:MM:SS", shown);
    return FALSE;
  }
  self->has_now = TRUE;
  return TRUE;
}

/* Rendering */

void
bn_jinja_output_clear (BnJinjaOutput *self)
{
  g_clear_pointer (&self->text, g_free);
  g_clear_pointer (&self->untrusted, g_free);
  self->size = self->n_untrusted = 0;
}

static gboolean
run (BnJ *j)
{
  if (setjmp (j->on_failure) != 0)
    return FALSE;
  if (j->variables == NULL)
    j->variables = bn_j_dict_new (j);
  bn_j_check_steps (j);
  bn_j_run (j);
  return TRUE;
}

static void
take_output (const BnJBuffer *buffer, BnJinjaOutput *output)
{
  output->text = g_malloc (buffer->used + 1);
  if (buffer->used > 0)
    memcpy (output->text, buffer->text, buffer->used);
  output->text[buffer->used] = '\0';
  output->size = buffer->used;
  output->n_untrusted = buffer->n_ranges;
  output->untrusted = g_new (BnJinjaRange, buffer->n_ranges);
  for (size_t i = 0; i < buffer->n_ranges; i++)
    output->untrusted[i] = buffer->ranges[i];
}

gboolean
bn_jinja_template_render (const BnJinjaTemplate *self, BnJinjaContext *context,
    GCancellable *cancellable, BnJinjaOutput *output, GError **error)
{
  BnJ j;
  struct tm now = {0};
  gboolean ok;

  bn_j_init (&j, &self->limits, error);
  j.source = self->program.source;
  j.source_size = self->program.source_size;
  j.program = &self->program;
  j.variables = context->variables;
  j.cancellable = cancellable;
  if (context->has_now) {
    now = context->now;
  } else {
    time_t seconds = time (NULL);

    localtime_r (&seconds, &now);
  }
  j.now = &now;
  ok = run (&j);
  if (ok)
    take_output (j.output, output);
  bn_j_clear (&j);
  return ok;
}
