/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of known expressions, in the spelling of tokenizer.json files.
 * Both sides are translated for PCRE2 before they are compared, so that "\r"
 * and the character itself are the same. */
#include "bn-split-known.h"

#include <string.h>

#include "bn-pretok-splitters.h"
#include "bn-regex.h"

/* Contractions as Hugging Face and as OpenAI write them, and as llama.cpp,
 * where only ASCII has a case. */
#define ANY_CASE "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define ASCII_CASE "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define LOWER_CASE "'s|'t|'re|'ve|'m|'ll|'d"

#define WORD "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define OTHERS " ?[^\\s\\p{L}\\p{N}]+"
#define SPACE "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* The successors of cl100k. */
#define CL100K(contractions, digits)                                           \
  contractions "|" WORD "|" digits "|" OTHERS "[\\r\\n]*|" SPACE
#define QWEN35(contractions)                                                   \
  contractions "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"                 \
               "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACE

/* The successors of o200k. */
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(contractions, digits)                                            \
  "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" contractions                    \
  "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" contractions "|" digits        \
  "|" OTHERS "[\\r\\n/]*|" SPACE

/* \p{Han} apart from other letters, as class intersections. */
#define KIMI_UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
#define KIMI_LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
#define KIMI                                                                   \
  "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?" KIMI_UPPER "*" KIMI_LOWER "+" ANY_CASE  \
  "?|[^\\r\\n\\p{L}\\p{N}]?" KIMI_UPPER "+" KIMI_LOWER "*" ANY_CASE            \
  "?|\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" SPACE

#define DEEPSEEK3                                                              \
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"                      \
  "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "                             \
  "?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE

/* clang-format off */
static const BnKnownPattern all[] = {
    {CL100K (ANY_CASE, "\\p{N}{1,3}"), bn_split_llama3_hf, FALSE},
    {CL100K (ASCII_CASE, "\\p{N}{1,3}"), bn_split_llama3, FALSE},
    {CL100K (ANY_CASE, "\\p{N}"), bn_split_qwen2_hf, FALSE},
    {CL100K (ASCII_CASE, "\\p{N}"), bn_split_qwen2, FALSE},
    {CL100K (ANY_CASE, "\\p{N}+"), bn_split_minicpm5_hf, FALSE},
    {CL100K (ASCII_CASE, "\\p{N}+"), bn_split_minicpm5, FALSE},
    {WORD "|\\p{N}|" OTHERS "[\\r\\n]*|" SPACE, bn_split_ufakzeka, FALSE},
    {QWEN35 (ANY_CASE), bn_split_qwen35_hf, FALSE},
    {QWEN35 (ASCII_CASE), bn_split_qwen35, FALSE},
    {ANY_CASE "|" WORD "|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACE,
     bn_split_seed_hf, FALSE},
    {ANY_CASE "|" WORD "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACE,
     bn_split_seed_hf, FALSE},
    {ASCII_CASE "|" WORD "|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACE,
     bn_split_seed, FALSE},

    {CASED (ANY_CASE "?", "\\p{N}{1,3}"), bn_split_gpt4o_hf, FALSE},
    {CASED (ANY_CASE "?", "\\p{N}"), bn_split_youtu_hf, FALSE},
    {CASED ("", "\\p{N}"), bn_split_tekken_hf, FALSE},
    {KIMI, bn_split_kimi_hf, FALSE},

    {LOWER_CASE "| ?\\p{L}+| ?\\p{N}+|" OTHERS "|\\s+(?!\\S)|\\s+",
     bn_split_gpt2, FALSE},
    {LOWER_CASE "| ?\\p{L}+| ?\\p{N}+|" OTHERS "|\\s+(?!\\S)",
     bn_split_gpt2, TRUE},

    {DEEPSEEK3, bn_split_deepseek3, TRUE},
    {"\\p{N}", bn_split_each_number, TRUE},
    {"\\p{N}{1}", bn_split_each_number, TRUE},
    {"\\p{N}+", bn_split_numbers, TRUE},
    {"\\p{N}{1,3}", bn_split_numbers_by_three, TRUE},
    {"[0-9][0-9][0-9]", bn_split_three_digits, TRUE},
    {"[\\r\\n]", bn_split_each_newline, TRUE},
    {"[^\\n]+|[\\n]+", bn_split_lines, FALSE},
    {"\\s?\\p{L}+", bn_split_spaced_letters, TRUE},
    {"\\s?\\p{P}+", bn_split_spaced_punctuation, TRUE},
    {"[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
     bn_split_deepseek3_cjk, TRUE},
    {" ?[^(\\s|[.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{0964}\\x{06D4}"
     "\\x{060C}])]+", bn_split_bloom, TRUE},
};
/* clang-format on */

static char *
translate (const char *pattern, size_t length)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autofree char *problem = NULL;
  size_t offset;

  if (!bn_regex_translate (pattern, length, out, &offset, &problem))
    return NULL;
  return g_string_free (g_steal_pointer (&out), FALSE);
}

BnSplitFn
bn_split_find_known (const char *pattern, size_t length, BnKnown known)
{
  g_autofree char *wanted = translate (pattern, length);

  for (size_t i = 0; wanted && i < G_N_ELEMENTS (all); i++) {
    g_autofree char *text = NULL;

    if (known == BN_KNOWN_WITHOUT_GAPS && all[i].has_gaps)
      continue;
    text = translate (all[i].pattern, strlen (all[i].pattern));
    if (g_strcmp0 (text, wanted) == 0)
      return all[i].cut;
  }
  return NULL;
}

const BnKnownPattern *
bn_split_list_known (size_t *n_patterns)
{
  *n_patterns = G_N_ELEMENTS (all);
  return all;
}
