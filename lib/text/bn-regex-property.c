/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of characters in the words of PCRE2.
 *
 * PCRE2 has the tables of Unicode 14.0 or later; every property gets what is
 * newer, up to 16.0. */
#include "bn-regex-property.h"

#include <string.h>

#include "bn-regex.h"
#include "bn-unicode-tables.h"

/* Marks that are Alphabetic, and small letters that are Lowercase, in 16.0 and
 * not in 14.0; and what Script has got since then. */
#define NEW_ALPHABETIC_MARKS                                                   \
  "\\x{363}-\\x{36F}\\x{897}\\x{C04}\\x{CF3}\\x{F82}-\\x{F83}"                 \
  "\\x{1DD3}-\\x{1DE6}\\x{10D69}\\x{10EFC}\\x{11080}-\\x{11081}"               \
  "\\x{11241}\\x{113B8}-\\x{113C0}\\x{113C2}\\x{113C5}\\x{113C7}-"             \
  "\\x{113CA}\\x{113CC}-\\x{113CD}\\x{11F00}-\\x{11F01}\\x{11F03}"             \
  "\\x{11F34}-\\x{11F3A}\\x{11F3E}-\\x{11F40}\\x{1611E}-\\x{1612E}"            \
  "\\x{1E08F}"
#define NEW_LOWERCASE                                                          \
  "\\x{10FC}\\x{A7F2}-\\x{A7F4}\\x{AB69}\\x{1E030}-\\x{1E06D}"
#define NEW_HAN "\\x{2B739}\\x{2EBF0}-\\x{2EE5D}\\x{31350}-\\x{323AF}"
#define NEW_HIRAGANA "\\x{1B132}"

void
bn_regex_append_character (GString *out, uint32_t cp)
{
  if (cp < 0x80 && g_ascii_isalnum ((char) cp))
    g_string_append_c (out, (char) cp);
  else
    g_string_append_printf (out, "\\x{%X}", cp);
}

void
bn_regex_append_range (GString *out, uint32_t first, uint32_t last)
{
  bn_regex_append_character (out, first);
  if (last > first) {
    g_string_append_c (out, '-');
    bn_regex_append_character (out, last);
  }
}

/* Appends the newer characters whose category has its bit in mask. */
static void
append_newer (GString *out, unsigned mask)
{
  for (size_t i = 0, next; i < bn_n_unicode_new; i = next) {
    const BnUnicodeRange *runs = bn_unicode_new;

    next = i + 1;
    if (!(mask >> runs[i].category & 1))
      continue;
    while (next < bn_n_unicode_new
           && runs[next].first == runs[next - 1].last + 1
           && (mask >> runs[next].category & 1))
      next++;
    bn_regex_append_range (out, runs[i].first, runs[next - 1].last);
  }
}

#define B(x) (1u << BN_CATEGORY_##x)
#define LETTERS (B (LU) | B (LL) | B (LT) | B (LM) | B (LO))
#define MARKS (B (MN) | B (MC) | B (ME))

static const struct {
  const char *names; /* lower case, no spaces; "|" after each */
  unsigned mask;
} categories[] = {
    {"l|letter|", LETTERS},
    {"lc|casedletter|", B (LU) | B (LL) | B (LT)},
    {"lu|uppercaseletter|", B (LU)},
    {"ll|lowercaseletter|", B (LL)},
    {"lt|titlecaseletter|", B (LT)},
    {"lm|modifierletter|", B (LM)},
    {"lo|otherletter|", B (LO)},
    {"m|mark|combiningmark|", MARKS},
    {"mn|nonspacingmark|", B (MN)},
    {"mc|spacingmark|", B (MC)},
    {"me|enclosingmark|", B (ME)},
    {"n|number|", B (ND) | B (NL) | B (NO)},
    {"nd|decimalnumber|digit|", B (ND)},
    {"nl|letternumber|", B (NL)},
    {"no|othernumber|", B (NO)},
    {"p|punctuation|punct|",
        B (PC) | B (PD) | B (PS) | B (PE) | B (PI) | B (PF) | B (PO)},
    {"pc|connectorpunctuation|", B (PC)},
    {"pd|dashpunctuation|", B (PD)},
    {"ps|openpunctuation|", B (PS)},
    {"pe|closepunctuation|", B (PE)},
    {"pi|initialpunctuation|", B (PI)},
    {"pf|finalpunctuation|", B (PF)},
    {"po|otherpunctuation|", B (PO)},
    {"s|symbol|", B (SM) | B (SC) | B (SK) | B (SO)},
    {"sm|mathsymbol|", B (SM)},
    {"sc|currencysymbol|", B (SC)},
    {"sk|modifiersymbol|", B (SK)},
    {"so|othersymbol|", B (SO)},
    {"z|separator|", B (ZS) | B (ZL) | B (ZP)},
    {"zs|spaceseparator|", B (ZS)},
    {"zl|lineseparator|", B (ZL)},
    {"zp|paragraphseparator|", B (ZP)},
    {"cc|control|cntrl|", B (CC)},
    {"cf|format|", B (CF)},
    {"co|privateuse|", B (CO)},
};

static const char category_names[][3] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo",
    "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
    "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};

static void
append_categories (GString *out, unsigned mask)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (category_names); i++) {
    if (mask >> i & 1)
      g_string_append_printf (out, "\\p{%s}", category_names[i]);
  }
  append_newer (out, mask);
}

void
bn_regex_append_digits (GString *out)
{
  append_categories (out, B (ND));
}

void
bn_regex_append_symbols (GString *out)
{
  append_categories (out, B (SM) | B (SC) | B (SK) | B (SO));
}

void
bn_regex_append_word (GString *out)
{
  g_string_append (out, "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}");
  append_newer (out, LETTERS | MARKS | B (ND) | B (NL) | B (PC));
}

void
bn_regex_append_latin_word (GString *out)
{
  g_string_append (out, "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}");
}

gboolean
bn_regex_append_property (GString *out, const char *name, gboolean *is_negated)
{
  static const char *const binary[] = {"emoji", "emojipresentation",
      "emojimodifier", "emojimodifierbase", "emojicomponent",
      "extendedpictographic", "idstart", "idcontinue", "xidstart",
      "xidcontinue", "ideographic", "unifiedideograph", "dash", "math", "hex",
      "asciihexdigit", "hexdigit", "diacritic", "extender", "joincontrol",
      "quotationmark", "terminalpunctuation", "sentenceterminal", "radical",
      "regionalindicator", "variationselector", "patternsyntax",
      "patternwhitespace", "cased", "caseignorable", "graphemebase",
      "graphemeextend", "softdotted", "bidicontrol",
      "defaultignorablecodepoint", "deprecated", "logicalorderexception",
      "noncharactercodepoint", "idsbinaryoperator", "idstrinaryoperator"};
  g_autofree char *key = g_strconcat (name, "|", NULL);

  for (size_t i = 0; i < G_N_ELEMENTS (categories); i++) {
    for (const char *n = categories[i].names; *n; n = strchr (n, '|') + 1) {
      if (g_str_has_prefix (n, key)) {
        append_categories (out, categories[i].mask);
        return TRUE;
      }
    }
  }
  if (g_str_equal (name, "alpha") || g_str_equal (name, "alphabetic")
      || g_str_equal (name, "alnum")) {
    g_string_append (out, "\\p{Alphabetic}");
    g_string_append (out, NEW_ALPHABETIC_MARKS);
    append_newer (out, LETTERS | B (NL));
    if (g_str_equal (name, "alnum"))
      append_categories (out, B (ND));
  } else if (g_str_equal (name, "word")) {
    bn_regex_append_word (out);
  } else if (g_str_equal (name, "upper") || g_str_equal (name, "uppercase")) {
    g_string_append (out, "\\p{Uppercase}");
    append_newer (out, B (LU));
  } else if (g_str_equal (name, "lower") || g_str_equal (name, "lowercase")) {
    g_string_append (out, "\\p{Lowercase}" NEW_LOWERCASE);
    append_newer (out, B (LL));
  } else if (g_str_equal (name, "space") || g_str_equal (name, "whitespace")) {
    g_string_append (out, BN_REGEX_SPACES);
  } else if (g_str_equal (name, "blank")) {
    g_string_append (out, "\\x09\\p{Zs}");
  } else if (g_str_equal (name, "xdigit")) {
    g_string_append (out, BN_REGEX_HEX_DIGITS);
  } else if (g_str_equal (name, "ascii")) {
    g_string_append (out, "\\x00-\\x7F");
  } else if (g_str_equal (name, "any")) {
    g_string_append (out, "\\x00-\\x{10FFFF}");
  } else if (g_str_equal (name, "graph") || g_str_equal (name, "print")
             || g_str_equal (name, "assigned")) {
    unsigned mask = ~(B (CN) | B (CS)) & ((1u << 30) - 1);

    if (!g_str_equal (name, "assigned"))
      mask &= ~(B (CC) | B (ZL) | B (ZP));
    if (g_str_equal (name, "graph"))
      mask &= ~B (ZS);
    append_categories (out, mask);
  } else if (g_str_equal (name, "c") || g_str_equal (name, "other")) {
    /* All that is not something else. */
    append_categories (
        out, ~(B (CN) | B (CC) | B (CF) | B (CS) | B (CO)) & ((1u << 30) - 1));
    *is_negated = !*is_negated;
  } else if (g_str_equal (name, "cn") || g_str_equal (name, "unassigned")) {
    append_categories (out, ~B (CN) & ((1u << 30) - 1));
    *is_negated = !*is_negated;
  } else if (g_str_equal (name, "han") || g_str_equal (name, "hani")) {
    g_string_append (out, "\\p{sc:Han}" NEW_HAN);
  } else if (g_str_equal (name, "hiragana") || g_str_equal (name, "hira")) {
    g_string_append (out, "\\p{sc:Hiragana}" NEW_HIRAGANA);
  } else {
    /* What is no property of this name is a script: the property Script, as
     * the name alone would be Script_Extensions. */
    for (size_t i = 0; i < G_N_ELEMENTS (binary); i++) {
      if (g_str_equal (name, binary[i])) {
        g_string_append_printf (out, "\\p{%s}", name);
        return TRUE;
      }
    }
    if (!bn_regex_knows_script (name))
      return FALSE;
    g_string_append_printf (out, "\\p{sc:%s}", name);
  }
  return TRUE;
}
