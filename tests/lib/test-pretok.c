/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pre-tokenizers: fixed cases, and every hand-written splitter against the
 * regular expressions that define it, run by PCRE2 (GRegex) on random text.
 *
 * The expressions are those that llama.cpp publishes for its splitters. \s is
 * replaced by the 25 code points of White_Space, because GRegex adds U+180E to
 * it. Sets whose name ends in "-hf" have the expressions that tokenizer.json
 * files of the family spell out. The random text has only characters that are
 * in the same category in the Unicode version of PCRE2. */
#include <string.h>

#include "bn-pretok.h"
#include "bn-unicode.h"

#define SPACES                                                                 \
  "\\x{09}-\\x{0D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}"           \
  "\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define S "[" SPACES "]"
#define NOT_S "[^" SPACES "]"
#define CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define SPACE_RULES S "*[\\r\\n]+|" S "+(?!" NOT_S ")|" S "+"
#define OTHERS " ?[^" SPACES "\\p{L}\\p{N}]+"
#define GPT2                                                                   \
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|" OTHERS "|" S "+(?!" NOT_S ")"
#define LETTERS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define QWEN2 CONTRACTIONS LETTERS "|\\p{N}|" OTHERS "[\\r\\n]*|" SPACE_RULES
#define CASED(contraction)                                                     \
  "[^\\r\\n\\p{L}\\p{N}]?((?=[\\p{L}])([^a-z]))*((?=[\\p{L}])([^A-Z]))"        \
  "+" contraction "|[^\\r\\n\\p{L}\\p{N}]?((?=[\\p{L}])([^a-z]))+((?=[\\p{L}]" \
  ")([^A-Z]))*" contraction "|"
#define BLOOM                                                                  \
  " ?[^(" SPACES "|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{0964}"          \
  "\\x{06D4}\\x{060C})]+"

/* White space of all kinds is ASCII where llama.cpp has no \p{..}. */
#define NOT_SPACE(class) "((?!" S ")" class ")+"
#define HF_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UP "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOW "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define BY_CASE(up, low, contraction)                                          \
  "[^\\r\\n\\p{L}\\p{N}]?" up "*" low "+" contraction                          \
  "|[^\\r\\n\\p{L}\\p{N}]?" up "+" low "*" contraction "|"
#define UNICODE_CASED(contraction) BY_CASE (UP, LOW, contraction)
/* llama.cpp knows only letters, without their case. */
#define UNCASED BY_CASE ("[\\p{L}\\p{M}]", "[\\p{L}\\p{M}]", CONTRACTIONS "?")
#define GRANITE(contraction)                                                   \
  BY_CASE ("((?=[\\p{L}\\p{M}])([^a-z]))", "((?=[\\p{L}\\p{M}])([^A-Z]))",     \
      contraction)
#define HAN_BLOCKS                                                             \
  "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{20000}-\\x{2A6DF}"               \
  "\\x{2A700}-\\x{2B73F}\\x{2B740}-\\x{2B81F}\\x{2B820}-\\x{2CEAF}"            \
  "\\x{2CEB0}-\\x{2EBEF}\\x{F900}-\\x{FAFF}\\x{2F800}-\\x{2FA1F}]"
#define KIMI_WORDS                                                             \
  HAN_BLOCKS "+|[^\\r\\n\\p{L}\\p{N}]?((?!" HAN_BLOCKS                         \
             ")\\p{L})+" CONTRACTIONS "?|"
#define KIMI_HF_WORDS                                                          \
  "\\p{sc:Han}+|" BY_CASE ("((?!\\p{sc:Han})" UP ")",                          \
      "((?!\\p{sc:Han})" LOW ")", HF_CONTRACTIONS "?")
#define JAIS_SPACES                                                            \
  S "*[\\r\\n]+|" S "{512}(?!" NOT_S ")|" S "{256}(?!" NOT_S ")|" S            \
    "{128}(?!" NOT_S ")|" S "{64}(?!" NOT_S ")|" S "{32}(?!" NOT_S ")|" S      \
    "{16}(?!" NOT_S ")|" S "{8}(?!" NOT_S ")|" S "{4}(?!" NOT_S ")|" S         \
    "{1,2}(?!" NOT_S ")|" S "{1}"
#define YOUTU_SCRIPTS                                                          \
  "[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}"     \
  "\\x{201D}\\x{2018}\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}"   \
  "-\\x{303F}\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|[\\x{4E00}-"         \
  "\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define DEEPSEEK3_CJK                                                          \
  "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define DEEPSEEK3_WORDS                                                        \
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"                      \
  "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
#define AFMOE_ASIAN                                                            \
  "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{8C48}-\\x{FAFF}\\x{3040}"        \
  "-\\x{309F}\\x{30A0}-\\x{30FF}\\x{FF65}-\\x{FF9F}\\x{2F00}-\\x{2FDF}"        \
  "\\x{0E40}-\\x{0E7F}\\x{0E80}-\\x{0EFF}\\x{1780}-\\x{17FF}\\x{1000}"         \
  "-\\x{109F}\\x{AA60}-\\x{AA7F}\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}"        \
  "\\x{1100}-\\x{11FF}]+"
#define EXAONE_MOE                                                             \
  "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: "                                \
  "\\p{L}\\p{M}*)*)+|\\p{N}|" OTHERS "[\\r\\n/]?|" S "*[\\r\\n]|" S            \
  "+(?!" NOT_S ")|" S "+"
/* \w as Oniguruma has it. */
#define WORD                                                                   \
  "[\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-"           \
  "\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}]"
/* Not an expression: runs of \p{N} in groups of three from the right, of which
 * the first keeps the text before it. So llama.cpp treats \p{AFMoE_digits}. */
#define GLUED_GROUPS "GLUED_GROUPS"

/* The cased letters of deepseek-llm. */
#define DS_LLM_LETTERS                                                         \
  "["                                                                          \
  "A-Za-z\\x{00B5}\\x{00C0}-\\x{00D6}\\x{00D8}-\\x{00F6}"                      \
  "\\x{00F8}-\\x{01BA}\\x{01BC}-\\x{01BF}\\x{01C4}-\\x{0293}"                  \
  "\\x{0295}-\\x{02AF}\\x{0370}-\\x{0373}\\x{0376}\\x{0377}"                   \
  "\\x{037B}-\\x{037D}\\x{037F}\\x{0386}\\x{0388}-\\x{038A}\\x{038C}"          \
  "\\x{038E}-\\x{03A1}\\x{03A3}-\\x{03F5}\\x{03F7}-\\x{0481}"                  \
  "\\x{048A}-\\x{052F}\\x{0531}-\\x{0556}\\x{10A0}-\\x{10C5}"                  \
  "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}"                  \
  "\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}"                  \
  "\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}"                  \
  "\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}"         \
  "\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}"                   \
  "\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}"         \
  "\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}"                  \
  "\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}"                   \
  "\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}"          \
  "\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}"                   \
  "\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}"          \
  "\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}"         \
  "\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}"         \
  "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}"                  \
  "\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}"                  \
  "\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}"              \
  "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}"            \
  "\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"                                 \
  "]"

/* An empty expression stands where a set does the one before in two steps. */
static const struct {
  const char *set;
  const char *expressions[BN_PRETOK_MAX_STAGES + 1];
} definitions[] = {
    {"default",
        {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {"gpt-2", {GPT2}},
    {"llama-3",
        {CONTRACTIONS LETTERS "|\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" SPACE_RULES}},
    {"deepseek-llm",
        {"[\\r\\n]", S "?" DS_LLM_LETTERS "+",
            S "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-"
              "\\x{201F}\\x{3001}-\\x{3002}]+",
            S "+$",
            NOT_SPACE (
                "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]"),
            "\\p{N}+"}},
    {"deepseek-coder",
        {"[\\r\\n]", S "?\\p{L}+", S "?\\p{P}+",
            NOT_SPACE (
                "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]"),
            "\\p{N}"}},
    {"deepseek-llm-hf",
        {"[\\r\\n]", S "?" DS_LLM_LETTERS "+",
            S "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-"
              "\\x{201F}\\x{3000}-\\x{3002}]+",
            S "+$",
            "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+",
            "\\p{N}+"}},
    {"deepseek-coder-hf",
        {"[\\r\\n]", S "?\\p{L}+", S "?\\p{P}+",
            "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+",
            "\\p{N}"}},
    {"deepseek-3",
        {"\\p{N}{1,3}",
            "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
            "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
            "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE_RULES}},
    {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {"starcoder", {"\\p{N}", GPT2}},
    {"qwen2", {QWEN2}},
    {"qwen3.5", {CONTRACTIONS
                    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" SPACES
                    "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACE_RULES}},
    {"seed", {CONTRACTIONS LETTERS "|\\p{N}{1}| ?[^" SPACES
                                   "\\p{L}\\p{N}\\r\\n]+|" SPACE_RULES}},
    {"ufakzeka", {"[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" OTHERS
                  "[\\r\\n]*|" SPACE_RULES}},
    {"laguna", {"[^\\n]+|[\\n]+", QWEN2}},
    {"minicpm5", {"\\p{N}{1,3}", CONTRACTIONS LETTERS
                     "|\\p{N}+|" OTHERS "[\\r\\n]*|" SPACE_RULES}},
    {"gpt-4o", {CASED (CONTRACTIONS "?") "\\p{N}{1,3}|" OTHERS
                                         "[\\r\\n/]*|" SPACE_RULES}},
    {"tekken", {CASED ("") "\\p{N}|" OTHERS "[\\r\\n/]*|" SPACE_RULES}},
    {"bloom", {BLOOM}},
    {"viking", {BLOOM, "\\p{N}"}},
    {"llama-3-hf", {HF_CONTRACTIONS LETTERS "|\\p{N}{1,3}|" OTHERS
                                            "[\\r\\n]*|" SPACE_RULES}},
    {"cl100k", {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++"
                "|\\p{N}{1,3}+| ?[^" SPACES "\\p{L}\\p{N}]++[\\r\\n]*+|" S
                "++\\z|" S "*[\\r\\n]|" S "+(?!" NOT_S ")|" S}},
    {"jais-2",
        {CONTRACTIONS LETTERS "|\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" JAIS_SPACES}},
    {"jais-2-hf", {HF_CONTRACTIONS LETTERS "|\\p{N}{1,3}|" OTHERS
                                           "[\\r\\n]*|" JAIS_SPACES}},
    {"youtu",
        {YOUTU_SCRIPTS, UNCASED "\\p{N}|" OTHERS "[\\r\\n/]*|" SPACE_RULES}},
    {"youtu-hf",
        {YOUTU_SCRIPTS, UNICODE_CASED (HF_CONTRACTIONS
                            "?") "\\p{N}|" OTHERS "[\\r\\n/]*|" SPACE_RULES}},
    {"qwen2-hf",
        {HF_CONTRACTIONS LETTERS "|\\p{N}|" OTHERS "[\\r\\n]*|" SPACE_RULES}},
    {"qwen3.5-hf",
        {HF_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                         "| ?[^" SPACES
                         "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACE_RULES}},
    {"seed-hf", {HF_CONTRACTIONS LETTERS "|\\p{N}{1}| ?[^" SPACES
                                         "\\p{L}\\p{N}\\r\\n]+|" SPACE_RULES}},
    {"laguna-hf", {"[^\\n]+|[\\n]+", HF_CONTRACTIONS LETTERS
                      "|\\p{N}|" OTHERS "[\\r\\n]*|" SPACE_RULES}},
    {"minicpm5-hf", {"\\p{N}{1,3}", HF_CONTRACTIONS LETTERS
                        "|\\p{N}+|" OTHERS "[\\r\\n]*|" SPACE_RULES}},
    {"gpt-4o-hf", {UNICODE_CASED (HF_CONTRACTIONS
                      "?") "\\p{N}{1,3}|" OTHERS "[\\r\\n/]*|" SPACE_RULES}},
    {"tekken-hf",
        {UNICODE_CASED ("") "\\p{N}|" OTHERS "[\\r\\n/]*|" SPACE_RULES}},
    {"chameleon",
        {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            "([\\t\\n]|    |  )", "\\p{N}", "[\\p{P}!-/:-@\\[-`{-~]", GPT2}},
    {"tiny-aya", {GLUED_GROUPS, "",
                     UNCASED "\\p{N}{1,3}|" OTHERS "[\\r\\n/]*|" SPACE_RULES}},
    {"tiny-aya-hf",
        {"\\p{Nd}{1,3}(?=(?:\\p{Nd}{3})*(?!" WORD "))", "",
            UNICODE_CASED (HF_CONTRACTIONS "?") "\\p{N}{1,3}|" OTHERS
                                                "[\\r\\n/]*|" SPACE_RULES}},
    {"kimi-k2", {KIMI_WORDS "\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" SPACE_RULES}},
    {"kimi-k2-hf",
        {KIMI_HF_WORDS "\\p{N}{1,3}|" OTHERS "[\\r\\n]*|" SPACE_RULES}},
    {"superbpe", {"\\p{N}+", "(?=([0-9]{3})+(?![0-9]))", ""}},
    {"superbpe-hf", {"\\p{N}+", "(?=(\\p{Nd}{3})+(?!\\p{Nd}))", ""}},
    {"afmoe", {GLUED_GROUPS, "", AFMOE_ASIAN,
                  DEEPSEEK3_WORDS "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACE_RULES}},
    {"exaone-moe", {CONTRACTIONS EXAONE_MOE}},
    {"exaone-moe-hf", {HF_CONTRACTIONS EXAONE_MOE}},
    {"lines", {"[^\\n]+|[\\n]+"}},
    {"spark2.5", {"\\p{N}{1,3}", DEEPSEEK3_CJK,
                     DEEPSEEK3_WORDS "| ?[\\p{P}\\p{S}]+|[\\r\\n]|" S
                                     "+(?!" NOT_S ")|" S "+",
                     "\\p{N}"}},
    {"granite", {GRANITE (CONTRACTIONS "?") "\\p{N}{1,3}|" OTHERS
                                            "[\\r\\n/]*|" SPACE_RULES}},
    {"white-space", {NOT_S "+"}},
};

/* Those of llama.cpp stand for a set of Hugging Face that has none. */
static gsize
find_definition (const char *set)
{
  gsize length = strlen (set);

  for (gsize i = 0; i < G_N_ELEMENTS (definitions); i++) {
    if (strcmp (definitions[i].set, set) == 0)
      return i;
  }
  g_assert_true (g_str_has_suffix (set, "-hf"));
  length -= strlen ("-hf");
  for (gsize i = 0; i < G_N_ELEMENTS (definitions); i++) {
    if (strlen (definitions[i].set) == length
        && memcmp (definitions[i].set, set, length) == 0)
      return i;
  }
  g_assert_not_reached ();
}

static const BnPretokSet *
find_set (const char *name)
{
  const BnPretokSet *set = bn_pretok_find_set (name);

  g_assert_nonnull (set);
  return set;
}

/* Words with a bar behind each. */
static char *
split (const BnPretokSet *set, const char *text, size_t length)
{
  GString *words = g_string_new (NULL);
  BnPretokIter iter;
  const uint8_t *word;
  size_t word_length;

  bn_pretok_iter_init (&iter, set, (const uint8_t *) text, length);
  while ((word_length = bn_pretok_iter_next (&iter, &word))) {
    g_string_append_len (words, (const char *) word, (gssize) word_length);
    g_string_append_c (words, '\x01');
  }
  return g_string_free (words, FALSE);
}

typedef struct {
  GRegex *regex; /* NULL: groups of numbers */
} Stage;

static void split_by_stages (const Stage *stages, gsize n_stages,
    const char *piece, gsize length, GString *words);

static void
split_by_groups (const Stage *stages, gsize n_stages, const char *piece,
    gsize length, GString *words)
{
  const char *end = piece + length, *done = piece;

  for (const char *p = piece; p < end;) {
    const char *q = p;
    glong n;

    while (q < end && (bn_char_flags (g_utf8_get_char (q)) & BN_CHAR_NUMBER))
      q = g_utf8_next_char (q);
    n = g_utf8_strlen (p, q - p);
    for (; n > 0; n -= n % 3 ? n % 3 : 3) {
      p = g_utf8_offset_to_pointer (p, n % 3 ? n % 3 : 3);
      split_by_stages (stages, n_stages, done, (gsize) (p - done), words);
      done = p;
    }
    if (p < end)
      p = g_utf8_next_char (p);
  }
  split_by_stages (stages, n_stages, done, (gsize) (end - done), words);
}

/* Applies the stages to a piece, one after the other. */
static void
split_by_stages (const Stage *stages, gsize n_stages, const char *piece,
    gsize length, GString *words)
{
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *subject = NULL;
  gsize done = 0;

  if (length == 0)
    return;
  if (n_stages == 0) {
    g_string_append_len (words, piece, (gssize) length);
    g_string_append_c (words, '\x01');
    return;
  }
  if (stages->regex == NULL) {
    split_by_groups (stages + 1, n_stages - 1, piece, length, words);
    return;
  }
  subject = g_strndup (piece, length);
  g_regex_match_full (
      stages->regex, subject, (gssize) length, 0, 0, &match, NULL);
  while (g_match_info_matches (match)) {
    int start, end;

    g_match_info_fetch_pos (match, 0, &start, &end);
    split_by_stages (
        stages + 1, n_stages - 1, subject + done, (gsize) start - done, words);
    split_by_stages (stages + 1, n_stages - 1, subject + start,
        (gsize) (end - start), words);
    done = (gsize) end;
    g_match_info_next (match, NULL);
  }
  split_by_stages (
      stages + 1, n_stages - 1, subject + done, length - done, words);
}

/* Code points that are in the same category here and in PCRE2, whose Unicode
 * version may be another. */
static GArray *
list_stable_characters (void)
{
  static const char names[][3] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn",
      "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
      "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};
  g_autoptr (GString) all = g_string_new (NULL);
  GArray *stable = g_array_new (FALSE, FALSE, sizeof (gunichar));

  for (gunichar cp = 2; cp < 0x110000; cp++) {
    if (cp < 0xD800 || cp > 0xDFFF)
      g_string_append_unichar (all, cp);
  }
  for (guint i = BN_CATEGORY_LU; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *expression = g_strdup_printf ("\\p{%s}+", names[i]);
    g_autoptr (GRegex) regex =
        g_regex_new (expression, G_REGEX_OPTIMIZE, 0, NULL);
    g_autoptr (GMatchInfo) match = NULL;

    g_regex_match_full (regex, all->str, (gssize) all->len, 0, 0, &match, NULL);
    for (; g_match_info_matches (match); g_match_info_next (match, NULL)) {
      int start, end;

      g_match_info_fetch_pos (match, 0, &start, &end);
      for (const char *p = all->str + start; p < all->str + end;
           p = g_utf8_next_char (p)) {
        gunichar cp = g_utf8_get_char (p);

        if ((guint) bn_unicode_category (cp) == i)
          g_array_append_val (stable, cp);
      }
    }
  }
  g_assert_cmpuint (stable->len, >, 100000);
  return stable;
}

static GArray *stable_characters;

/* Text of characters that matter to some splitter, and of any. Runs are
 * frequent. */
static void
append_random_text (GRand *rand, GString *text)
{
  static const gunichar pool[] = {' ', ' ', ' ', '\n', '\r', '\t', '\'', 's',
      'S', 't', 'e', 'r', 'R', 'v', 'l', 'L', 'm', 'd', 'A', 'z', 'Q', '0', '1',
      '9', '.', ',', '!', '/', '-', '_', '(', ')', '|', '`', '$', '+', '^', '~',
      '<', '=', '{', '\\', 0x7F, 0x85, 0xA0, 0xB2, 0xBD, 0xC9, 0xE9, 0x17F,
      0x1C5, 0x2B0, 0x300, 0x301, 0x378, 0x391, 0x3B1, 0x416, 0x436, 0x5D0,
      0x60C, 0x661, 0x6D4, 0x915, 0x93F, 0x94D, 0x964, 0x966, 0xE01, 0xE31,
      0x1680, 0x180E, 0x1100, 0x2003, 0x200B, 0x200D, 0x2014, 0x2019, 0x201C,
      0x2026, 0x2028, 0x20AC, 0x20DD, 0x2126, 0x212A, 0x2160, 0x2581, 0x3000,
      0x3001, 0x3002, 0x3042, 0x30AB, 0x4E00, 0x4E2D, 0x9FA5, 0xAC00, 0xD7A3,
      0xE000, 0xFE0F, 0xFEFF, 0xFF01, 0xFF0C, 0xFF10, 0xFF21, 0xFFFD, 0x10400,
      0x1F600, 0x1F1E6, 0x20000};
  int n = g_rand_int_range (rand, 1, 16);

  for (int i = 0; i < n; i++) {
    gunichar cp = g_rand_boolean (rand)
                      ? pool[g_rand_int_range (rand, 0, 43)]
                      : pool[g_rand_int_range (rand, 0, G_N_ELEMENTS (pool))];
    int n_times =
        g_rand_int_range (rand, 0, 4) ? 1 : g_rand_int_range (rand, 2, 6);

    if (g_rand_int_range (rand, 0, 8) == 0)
      cp = g_array_index (stable_characters, gunichar,
          g_rand_int_range (rand, 0, (int) stable_characters->len));
    else if (g_rand_int_range (rand, 0, 200) == 0)
      n_times = g_rand_int_range (rand, 30, 600);

    while (n_times-- > 0)
      g_string_append_unichar (text, cp);
  }
}

static void
test_against_regex (gconstpointer data)
{
  const BnPretokSet *set = data;
  gsize which = find_definition (set->name);
  Stage stages[BN_PRETOK_MAX_STAGES] = {{NULL}};
  gsize n_stages = 0;
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) which + 7);

  if (stable_characters == NULL)
    stable_characters = list_stable_characters ();
  for (gsize i = 0; definitions[which].expressions[i]; i++) {
    const char *expression = definitions[which].expressions[i];
    g_autoptr (GError) error = NULL;

    g_assert_nonnull (set->stages[i]);
    if (*expression == '\0')
      continue;
    if (strcmp (expression, GLUED_GROUPS) != 0)
      stages[n_stages].regex =
          g_regex_new (expression, G_REGEX_OPTIMIZE, 0, &error);
    g_assert_no_error (error);
    n_stages++;
  }
  for (guint i = 0; i < 20000; i++) {
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GString) expected = g_string_new (NULL);
    g_autofree char *found = NULL;

    append_random_text (rand, text);
    split_by_stages (stages, n_stages, text->str, text->len, expected);
    found = split (set, text->str, text->len);
    if (strcmp (found, expected->str) != 0) {
      g_autofree char *quoted_found = g_strescape (found, NULL);
      g_autofree char *quoted_expected = g_strescape (expected->str, NULL);

      g_test_message (
          "found    %s\nexpected %s", quoted_found, quoted_expected);
      g_test_fail ();
      break;
    }
  }
  for (gsize i = 0; i < n_stages; i++)
    g_clear_pointer (&stages[i].regex, g_regex_unref);
}

/* Text that is hard for expressions with alternatives: no splitter may
 * look at the same text again and again. */
static void
test_linear (void)
{
  static const char *const units[] = {"a", "A", "1", " ", "\n", "'", "aA", "1 ",
      " \n", "\t ", "a1", "!", "! ", "<", "<sentinel:", "IMGIMGA", "\xCC\x81",
      "A\xCC\x81",
      "\xCC\x81"
      "A",
      "\xE4\xB8\xAD",
      "\xE3\x81\x82"
      "a",
      "\xD9\xA1",
      "\xC2\xB2"
      "1",
      "a b ", "\xE0\xA4\x95", "1a", "\r", "\xC2\xA0", "\xC9\x80", "Z'"};
  enum { SIZE = 1 << 18, N_RUNS = 3 };

  for (gsize i = 0; i < G_N_ELEMENTS (units); i++) {
    g_autoptr (GString) text = g_string_new (NULL);

    while (text->len < SIZE)
      g_string_append (text, units[i]);
    /* What the end is decides for the run before it. */
    for (int run = 0; run < N_RUNS; run++) {
      g_string_append (text, run == 1 ? "x" : run == 2 ? "  \n" : "");
      for (const BnPretokSet *const *set = bn_pretok_sets (); *set; set++) {
        BnPretokIter iter;
        const uint8_t *word;
        size_t length, total = 0;

        g_test_timer_start ();
        bn_pretok_iter_init (
            &iter, *set, (const uint8_t *) text->str, text->len);
        while ((length = bn_pretok_iter_next (&iter, &word)))
          total += length;
        g_assert_cmpuint (total, ==, text->len);
        if (g_test_timer_elapsed () > 10) {
          g_test_message ("%s takes %.1f s for text %" G_GSIZE_FORMAT,
              (*set)->name, g_test_timer_last (), i);
          g_test_fail ();
          return;
        }
      }
    }
  }
}

static const struct {
  const char *set, *text, *words; /* words with "|" between */
} cases[] = {
    {"gpt-2", "", ""},
    {"gpt-2", "Hello world's  end\n\n x", "Hello| world|'s| | end|\n\n| x"},
    {"gpt-2", "don'T", "don|'|T"},
    {"gpt-2", "a  ", "a|  "},
    {"gpt-2", "12345 ab", "12345| ab"},
    {"gpt-2", "\n\n\nx", "\n\n|\n|x"},
    {"llama-3", "I'LL 1234567", "I|'LL| |123|456|7"},
    {"llama-3", "a\n\n  b", "a|\n\n| | b"},
    {"llama-3", "x;\r\n\ny", "x|;\r\n\n|y"},
    {"llama-3", "(word)", "(word|)"},
    {"llama-3", "\tword", "\tword"},
    {"qwen2", "a 123", "a| |1|2|3"},
    {"starcoder", "ab12 c", "ab|1|2| c"},
    {"falcon", "x==12345", "x|==|123|45"},
    {"deepseek-coder", "a b!\nc", "a| b|!|\n|c"},
    {"gpt-4o", "HelloWorld's", "Hello|World's"},
    {"default", "1234", "123|4"},
    {"jais-2", "a       b", "a|    |  | b"},
    {"tiny-aya", "a  1234567 b", "a| | |1|234|567| b"},
    {"tiny-aya-hf", "a  1234567 b", "a|  |1|234|567| b"},
    {"tiny-aya-hf", "1234x", "123|4|x"},
    {"superbpe", "1234567", "1|234|567"},
    {"kimi-k2", "HelloWorld's", "HelloWorld's"},
    {"kimi-k2-hf", "HelloWorld's", "Hello|World's"},
    {"llama-3", "it'\xC5\xBF", "it|'\xC5\xBF"},
    {"llama-3-hf",
        "it'\xC5\xBF"
        "x",
        "it|'\xC5\xBF|x"},
    {"chameleon", "x<sentinel:12>IMGIMGABZ  y",
        "x|<|sentinel|:|1|2|>|IMGIMGABZ|  |y"},
    {"exaone-moe", " one two  three", " one two| | three"},
};

static void
test_cases (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *found =
        split (find_set (cases[i].set), cases[i].text, strlen (cases[i].text));

    g_strdelimit (found, "\x01", '|');
    if (*found)
      found[strlen (found) - 1] = '\0';
    g_test_message ("%s: \"%s\"", cases[i].set, cases[i].text);
    g_assert_cmpstr (found, ==, cases[i].words);
  }
}

/* Letters that are new in Unicode 16.0 are letters for Hugging Face only: the
 * word goes on or ends before them. */
static void
test_unicode (void)
{
  static const char *const pairs[][2] = {{"gpt-2", "gpt-2-hf"},
      {"llama-3", "llama-3-hf"}, {"qwen2", "qwen2-hf"},
      {"qwen3.5", "qwen3.5-hf"}, {"seed", "seed-hf"},
      {"starcoder", "starcoder-hf"}, {"falcon", "falcon-hf"},
      {"ufakzeka", "ufakzeka-hf"}, {"minicpm5", "minicpm5-hf"},
      {"tekken", "tekken-hf"}, {"gpt-4o", "gpt-4o-hf"},
      {"kimi-k2", "kimi-k2-hf"}, {"exaone-moe", "exaone-moe-hf"},
      {"deepseek-3", "deepseek-3-hf"}};
  static const gunichar letters[] = {0x1C8A, 0x10D4A, 0x1E5D0};

  for (gsize i = 0; i < G_N_ELEMENTS (pairs) * G_N_ELEMENTS (letters); i++) {
    const char *const *pair = pairs[i / G_N_ELEMENTS (letters)];
    g_autoptr (GString) text = g_string_new ("ab");

    g_string_append_unichar (text, letters[i % G_N_ELEMENTS (letters)]);
    g_test_message ("%s %s", pair[0], text->str);
    for (guint hf = 0; hf < 2; hf++) {
      const BnPretokSet *set = find_set (pair[hf]);
      gsize length = hf ? text->len : 2;
      uint32_t ends[BN_PRETOK_BATCH];
      BnPretokIter iter;
      const uint8_t *word;

      bn_pretok_iter_init (&iter, set, (const uint8_t *) text->str, text->len);
      g_assert_cmpuint (bn_pretok_iter_next (&iter, &word), ==, length);
      bn_pretok_iter_init (&iter, set, (const uint8_t *) text->str, text->len);
      g_assert_cmpuint (bn_pretok_iter_take (&iter, &word, ends), ==, 2 - hf);
      g_assert_cmpuint (ends[0], ==, length);
    }
  }
}

/* Every set has expressions to compare with, every name a set. */
static void
test_complete (void)
{
  size_t n_pretoks;
  const BnPretok *pretoks = bn_pretok_list (&n_pretoks);

  for (const BnPretokSet *const *set = bn_pretok_sets (); *set; set++) {
    g_test_message ("%s", (*set)->name);
    g_assert_cmpuint (
        find_definition ((*set)->name), <, G_N_ELEMENTS (definitions));
    g_assert_true (bn_pretok_find_set ((*set)->name) == *set);
  }
  for (size_t i = 0; i < n_pretoks; i++) {
    g_assert_true (bn_pretok_find_set (pretoks[i].set->name) == pretoks[i].set);
    g_assert_true (bn_pretok_find (pretoks[i].name) == &pretoks[i]);
  }
  g_assert_null (bn_pretok_find ("no-such-name"));
  g_assert_null (bn_pretok_find (""));
  g_assert_null (bn_pretok_find_set ("no-such-set"));
}

/* No splitter may read beyond the end or stand still on bytes that are not
 * UTF-8 (special tokens of hostile files cut anywhere). */
static void
test_bytes (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);

  for (guint i = 0; i < 20000; i++) {
    gsize length = (gsize) g_rand_int_range (rand, 0, 12);
    g_autofree char *text = g_malloc (length); /* for address sanitizers */

    for (gsize j = 0; j < length; j++)
      text[j] = (char) g_rand_int_range (rand, 0, 256);
    for (gsize j = 0; j < G_N_ELEMENTS (definitions); j++) {
      BnPretokIter iter;
      const uint8_t *word;
      size_t word_length, total = 0;

      bn_pretok_iter_init (
          &iter, find_set (definitions[j].set), (const uint8_t *) text, length);
      while ((word_length = bn_pretok_iter_next (&iter, &word)))
        total += word_length;
      g_assert_cmpuint (total, ==, length);
    }
  }
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pretok/cases", test_cases);
  g_test_add_func ("/pretok/complete", test_complete);
  g_test_add_func ("/pretok/unicode", test_unicode);
  g_test_add_func ("/pretok/bytes", test_bytes);
  g_test_add_func ("/pretok/linear", test_linear);
  for (const BnPretokSet *const *set = bn_pretok_sets (); *set; set++) {
    g_autofree char *path = g_strdup_printf ("/pretok/regex/%s", (*set)->name);

    g_test_add_data_func (path, *set, test_against_regex);
  }
  result = g_test_run ();
  g_clear_pointer (&stable_characters, g_array_unref);
  return result;
}
