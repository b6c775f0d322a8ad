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
#define DEEPSEEK_LLM_LETTERS \
  "\\s?[A-Za-z\\x{00B5}\\x{00C0}-\\x{00D6}\\x{00D8}-\\x{00F6}" \
  "\\x{00F8}-\\x{01BA}\\x{01BC}-\\x{01BF}\\x{01C4}-\\x{0293}\\x{0295}" \
  "-\\x{02AF}\\x{0370}-\\x{0373}\\x{0376}\\x{0377}\\x{037B}-\\x{037D}" \
  "\\x{037F}\\x{0386}\\x{0388}-\\x{038A}\\x{038C}\\x{038E}-\\x{03A1}" \
  "\\x{03A3}-\\x{03F5}\\x{03F7}-\\x{0481}\\x{048A}-\\x{052F}\\x{0531}" \
  "-\\x{0556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-" \
  "\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}" \
  "\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}" \
  "-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-" \
  "\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-" \
  "\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-" \
  "\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}" \
  "\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-" \
  "\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}" \
  "\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}" \
  "\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}" \
  "\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-" \
  "\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}" \
  "\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}" \
  "-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-" \
  "\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-" \
  "\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-" \
  "\\x{1E943}]+"

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
    {DEEPSEEK_LLM_LETTERS, bn_split_deepseek_llm_letters, TRUE},
    {"\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}"
     "\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
     bn_split_deepseek_llm_punctuation_hf, TRUE},
    {"[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+",
     bn_split_deepseek_cjk_hf, TRUE},
    {"<sentinel:[0-9]+>", bn_split_sentinel, TRUE},
    {"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", bn_split_image, TRUE},
    {"([\\t\\n]|    |  )", bn_split_indent, TRUE},
    {"[\\p{P}!-/:-@\\[-`{-~]", bn_split_each_punctuation, TRUE},
    {ANY_CASE "|[^\\r\\n\\p{L}\\p{N}]?"
     "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|" OTHERS
     "[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
     bn_split_exaone_moe_hf, FALSE},
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
  g_autofree char *wanted = NULL;

  for (size_t i = 0; i < G_N_ELEMENTS (all); i++) {
    if (strlen (all[i].pattern) == length
        && memcmp (all[i].pattern, pattern, length) == 0)
      return known == BN_KNOWN_WITHOUT_GAPS && all[i].has_gaps ? NULL
                                                               : all[i].cut;
  }
  wanted = translate (pattern, length);
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
