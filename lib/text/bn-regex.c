/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matching with PCRE2. The just-in-time compiler does nearly all the work;
 * where its stack is too small, the interpreter goes on within the limits. */
#include "bn-regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "bn-unicode.h"

enum {
  MATCH_LIMIT = 10 * 1000 * 1000,
  DEPTH_LIMIT = 100 * 1000,
  HEAP_LIMIT_KB = 64 * 1024,
  JIT_STACK_START = 32 * 1024,
  JIT_STACK_MAX = 8 * 1024 * 1024,
  MAX_PATTERN = 1024 * 1024,
  MAX_MESSAGE = 256,
};

struct BnRegex {
  pcre2_code *code;
  gboolean has_jit;
};

struct BnRegexMatcher {
  pcre2_match_data *data;
  pcre2_match_context *context;
  pcre2_jit_stack *stack;
};

gboolean
bn_regex_knows_script (const char *name)
{
  g_autofree char *pattern = g_strdup_printf ("\\p{sc:%s}", name);
  PCRE2_SIZE error_offset;
  int error_code;
  pcre2_code *code = pcre2_compile ((PCRE2_SPTR) pattern, strlen (pattern),
      PCRE2_UTF, &error_code, &error_offset, NULL);

  if (code == NULL)
    return FALSE;
  pcre2_code_free (code);
  return TRUE;
}

BnRegex *
bn_regex_new_pattern (
    const char *pattern, size_t length, size_t *offset, char **problem)
{
  g_autoptr (GString) translated = g_string_new (NULL);
  pcre2_compile_context *context;
  BnRegex *self;
  pcre2_code *code;
  PCRE2_SIZE error_offset;
  int error_code;

  if (length > MAX_PATTERN) {
    *offset = MAX_PATTERN;
    *problem = g_strdup_printf ("more than %d bytes", MAX_PATTERN);
    return NULL;
  }
  if (!bn_regex_translate (pattern, length, translated, offset, problem))
    return NULL;

  context = pcre2_compile_context_create (NULL);
  pcre2_set_newline (context, PCRE2_NEWLINE_LF);
  code = pcre2_compile ((PCRE2_SPTR) translated->str, translated->len,
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C
          | PCRE2_DUPNAMES,
      &error_code, &error_offset, context);
  pcre2_compile_context_free (context);
  if (!code) {
    PCRE2_UCHAR message[MAX_MESSAGE];

    pcre2_get_error_message (error_code, message, sizeof message);
    *offset = MIN (error_offset, length); /* about there */
    *problem = g_strdup_printf ("what PCRE2 refuses: %s", (char *) message);
    return NULL;
  }
  self = g_new0 (BnRegex, 1);
  self->code = code;
  self->has_jit = pcre2_jit_compile (code, PCRE2_JIT_COMPLETE) == 0;
  return self;
}

BnRegex *
bn_regex_new (BnJson json, GError **error)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  g_autofree char *problem = NULL;
  const char *pattern;
  size_t length, offset;
  BnRegex *self;

  bn_json_get_string (json, buffer, &pattern, &length);
  self = bn_regex_new_pattern (pattern, length, &offset, &problem);
  if (!self)
    bn_json_fail (json, error,
        "a regular expression without %s, at offset %" G_GSIZE_FORMAT " in it",
        problem, offset);
  return self;
}

void
bn_regex_free (BnRegex *self)
{
  pcre2_code_free (self->code);
  g_free (self);
}

static BnRegexMatcher *
matcher_new (void)
{
  BnRegexMatcher *self = g_new0 (BnRegexMatcher, 1);

  self->data = pcre2_match_data_create (1, NULL);
  self->context = pcre2_match_context_create (NULL);
  self->stack = pcre2_jit_stack_create (JIT_STACK_START, JIT_STACK_MAX, NULL);
  if (!self->data || !self->context || !self->stack) {
    bn_regex_matcher_free (self);
    return NULL;
  }
  pcre2_set_match_limit (self->context, MATCH_LIMIT);
  pcre2_set_depth_limit (self->context, DEPTH_LIMIT);
  pcre2_set_heap_limit (self->context, HEAP_LIMIT_KB);
  pcre2_jit_stack_assign (self->context, NULL, self->stack);
  return self;
}

void
bn_regex_matcher_free (BnRegexMatcher *self)
{
  pcre2_match_data_free (self->data);
  pcre2_match_context_free (self->context);
  pcre2_jit_stack_free (self->stack);
  g_free (self);
}

void
bn_regex_iter_init (BnRegexIter *iter, const BnRegex *regex, BnScratch *scratch,
    const uint8_t *text, size_t length)
{
  if (!scratch->matcher)
    scratch->matcher = matcher_new ();
  *iter = (BnRegexIter){.regex = regex,
      .matcher = scratch->matcher,
      .text = text,
      .length = length,
      .last_end = SIZE_MAX,
      .has_failed = scratch->matcher == NULL};
}

static gboolean
find_match (BnRegexIter *iter, size_t *start, size_t *end)
{
  BnRegexMatcher *matcher = iter->matcher;
  const PCRE2_SIZE *ovector;
  int rc = PCRE2_ERROR_JIT_STACKLIMIT;

  if (iter->regex->has_jit)
    rc = pcre2_jit_match (iter->regex->code, iter->text, iter->length,
        iter->pos, PCRE2_NO_UTF_CHECK, matcher->data, matcher->context);
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
    rc = pcre2_match (iter->regex->code, iter->text, iter->length, iter->pos,
        PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, matcher->data, matcher->context);
  if (rc < 0) {
    iter->has_failed = rc != PCRE2_ERROR_NOMATCH;
    return FALSE;
  }
  ovector = pcre2_get_ovector_pointer (matcher->data);
  *start = ovector[0];
  *end = ovector[1];
  return TRUE;
}

gboolean
bn_regex_iter_next (BnRegexIter *iter, size_t *start, size_t *end)
{
  while (!iter->has_failed && iter->length > 0 && iter->pos <= iter->length) {
    if (!find_match (iter, start, end))
      return FALSE;
    if (*start != *end || *end != iter->last_end) {
      iter->pos = iter->last_end = *end;
      return TRUE;
    }
    /* An empty match where the last one ended: one character further. */
    if (iter->pos == iter->length)
      return FALSE;
    uint32_t cp;

    iter->pos +=
        bn_utf8_next (iter->text + iter->pos, iter->text + iter->length, &cp);
  }
  return FALSE;
}
