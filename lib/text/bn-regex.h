/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Regular expressions of tokenizer.json that no hand-written splitter knows.
 *
 * They have the syntax of Oniguruma (Ruby), and its classes of Unicode 16.0.
 * PCRE2 runs them, after bn-regex-syntax.c has said the same in its language;
 * what cannot be said there is an error that names it. Limits bound the time
 * and memory that an expression can take on a text. */
#pragma once

#include "bn-json.h"
#include "bn-scratch.h"

/* Immutable, for all threads. */
typedef struct BnRegex BnRegex;

/* From a string. NULL with an error that names the construct, its offset in
 * the expression and the place of the string. */
BnRegex *bn_regex_new (BnJson json, GError **error);

/* From the characters of a text as they are. */
BnRegex *bn_regex_new_pattern (
    const char *pattern, size_t length, size_t *offset, char **problem);
void bn_regex_free (BnRegex *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BnRegex, bn_regex_free)

/* What matching writes to; one per scratch. */
typedef struct BnRegexMatcher BnRegexMatcher;

void bn_regex_matcher_free (BnRegexMatcher *self);

/* The matches in a text, from left to right; an empty one is not next to the
 * one before. */
typedef struct {
  const BnRegex *regex;
  BnRegexMatcher *matcher;
  const uint8_t *text;
  size_t length;
  size_t pos, last_end; /* last_end: SIZE_MAX before the first match */
  gboolean has_failed;  /* a limit was reached, or memory is short */
} BnRegexIter;

/* The text is UTF-8; nothing else is looked at, so that it is the whole
 * subject. */
void bn_regex_iter_init (BnRegexIter *iter, const BnRegex *regex,
    BnScratch *scratch, const uint8_t *text, size_t length);
gboolean bn_regex_iter_next (BnRegexIter *iter, size_t *start, size_t *end);

/* Says an expression of Oniguruma in the syntax of PCRE2, appended to out
 * (bn-regex-syntax.c). FALSE with the offset of the construct that has no
 * counterpart, and a text that names it. */
gboolean bn_regex_translate (const char *pattern, size_t length, GString *out,
    size_t *offset, char **problem);

/* Whether PCRE2 has a script of that name. */
gboolean bn_regex_knows_script (const char *name);
