/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Items of a class [...] of PCRE2: characters, ranges, and the properties of
 * Unicode 16.0 by the names that Oniguruma has for them. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* White_Space, and all the rest. */
#define BN_REGEX_SPACES                                                        \
  "\\x09-\\x0D\\x20\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}"        \
  "\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define BN_REGEX_NOT_SPACES                                                    \
  "\\x00-\\x08\\x0E-\\x1F\\x21-\\x{84}\\x{86}-\\x{9F}\\x{A1}-\\x{167F}"        \
  "\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}\\x{2030}-"        \
  "\\x{205E}\\x{2060}-\\x{2FFF}\\x{3001}-\\x{10FFFF}"
#define BN_REGEX_HEX_DIGITS "0-9A-Fa-f"

void bn_regex_append_character (GString *out, uint32_t cp);
void bn_regex_append_range (GString *out, uint32_t first, uint32_t last);

/* Decimal numbers (Nd), symbols (S), and what \w is. */
void bn_regex_append_digits (GString *out);
void bn_regex_append_symbols (GString *out);
void bn_regex_append_word (GString *out);

/* Superscripts and fractions of Latin-1, which are words for Oniguruma outside
 * of classes. */
void bn_regex_append_latin_word (GString *out);

/* By name, in lower case without spaces; *is_negated turns round when what is
 * appended are the others. FALSE, and nothing is appended, if there is none of
 * that name. */
gboolean bn_regex_append_property (
    GString *out, const char *name, gboolean *is_negated);
