/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The classes of a window and the rules of the expressions.
 *
 * Notation: runs are maximal rows of set bits. first (x) are the first bits
 * of the runs of x. Adding first (x) to x carries through every run and leaves
 * a bit behind its end. */
#include "bn-marks.h"

#include <string.h>

#include "bn-bits.h"
#include "bn-pretok-scan.h"
#include "bn-pretok-splitters.h"

/* Bits of the table of ASCII; what is 0 is punctuation and symbols. Control
 * characters are rare and go the way of characters outside ASCII. */
enum {
  LETTER = 1 << 0,
  NUMBER = 1 << 1,
  SPACE = 1 << 2,
  BLANK = 1 << 3,
  NEWLINE = 1 << 4,
  QUOTE = 1 << 5,
  UPPER = 1 << 6,
  MULTI = 1 << 7,

  /* A word that begins this close to the end of a window may depend on what
   * follows it. */
  MARGIN = 4,
};

/* clang-format off */
#define L1 LETTER
#define U1 (LETTER | UPPER)
#define N1 NUMBER
#define S1 SPACE
#define W1 (SPACE | NEWLINE)
#define M1 MULTI
#define M16 M1, M1, M1, M1, M1, M1, M1, M1, M1, M1, M1, M1, M1, M1, M1, M1
static const uint8_t classes[128] = {
  M1, M1, M1, M1, M1, M1, M1, M1, M1, S1, W1, S1, S1, W1, M1, M1,
  M16,
  SPACE | BLANK, 0, 0, 0, 0, 0, 0, QUOTE, 0, 0, 0, 0, 0, 0, 0, 0,
  N1, N1, N1, N1, N1, N1, N1, N1, N1, N1, 0, 0, 0, 0, 0, 0,
  0, U1, U1, U1, U1, U1, U1, U1, U1, U1, U1, U1, U1, U1, U1, U1,
  U1, U1, U1, U1, U1, U1, U1, U1, U1, U1, U1, 0, 0, 0, 0, 0,
  0, L1, L1, L1, L1, L1, L1, L1, L1, L1, L1, L1, L1, L1, L1, L1,
  L1, L1, L1, L1, L1, L1, L1, L1, L1, L1, L1, 0, 0, 0, 0, M1,
};
/* clang-format on */

/* ---- classes ---- */

/* Decodes the character at p quickly, if it is simple UTF-8 of two or three
 * bytes and all of it is there. */
static inline unsigned
next_multi (const uint8_t *p, const uint8_t *end, uint32_t *cp)
{
  if (end - p >= 3 && (p[1] & 0xC0) == 0x80) {
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
      *cp = (uint32_t) (p[0] & 0x1F) << 6 | (p[1] & 0x3F);
      return 2;
    }
    if (p[0] >= 0xE1 && p[0] <= 0xEC && (p[2] & 0xC0) == 0x80) {
      *cp = (uint32_t) (p[0] & 0x0F) << 12 | (uint32_t) (p[1] & 0x3F) << 6
            | (p[2] & 0x3F);
      return 3;
    }
  }
  return bn_utf8_next (p, end, cp);
}

/* Adds the characters outside ASCII, up to one that the rules do not know or
 * that is not all in the window: returns the number of bytes before it. */
static inline unsigned
classify_multi (
    BnMarks *marks, const BnMarkRules *rules, uint64_t multi, unsigned n)
{
  if (rules->ascii_only)
    return bn_lowest_bit (multi);
  while (multi) {
    unsigned i = bn_lowest_bit (multi), length, flags;
    uint64_t bits;
    uint32_t cp;

    length = next_multi (marks->text + i, marks->end, &cp);
    if (i + length > n
        || (rules->no_long_s && cp == 0x17F && i > 0
            && marks->text[i - 1] == '\''))
      return i;
    flags = rules->flags[bn_unicode_class (cp)];
    bits = bn_low_bits (length) << i;
    if (flags & rules->letters)
      marks->letters |= bits;
    else if ((flags & (WS | N)) || rules->letters_only)
      return i;
    marks->inner |= bits & (bits << 1);
    multi &= ~bits;
  }
  return n;
}

static inline unsigned
classify (BnMarks *marks, const BnMarkRules *rules, BnClassifier classifier)
{
  uint64_t bits[BN_TEXT_CLASSES];
  size_t left = (size_t) (marks->end - marks->text);
  unsigned n = BN_MARKS_WINDOW;

  if (left >= BN_MARKS_WINDOW) {
    classifier (bits, marks->text, classes);
  } else {
    uint8_t padded[BN_MARKS_WINDOW] = {0};

    n = (unsigned) left;
    memcpy (padded, marks->text, n);
    classifier (bits, padded, classes);
    bits[BN_TEXT_CLASSES - 1] &= bn_low_bits (n); /* NUL is one of them */
  }
  marks->letters = bits[0];
  marks->numbers = bits[1];
  marks->spaces = bits[2];
  marks->blanks = bits[3];
  marks->newlines = bits[4];
  marks->quotes = bits[5];
  marks->uppers = bits[6];
  marks->inner = 0;
  if (bits[7]) {
    unsigned known = classify_multi (marks, rules, bits[7], n);
    uint64_t valid = bn_low_bits (known);

    marks->is_last = known == left;
    marks->valid = valid;
    marks->letters &= valid;
    marks->numbers &= valid;
    marks->spaces &= valid;
    marks->blanks &= valid;
    marks->newlines &= valid;
    marks->quotes &= valid;
    marks->uppers &= valid;
    marks->inner &= valid;
    return known;
  }
  marks->is_last = n == left;
  marks->valid = bn_low_bits (n);
  return n;
}

/* ---- rules ---- */

static inline uint64_t
first (uint64_t bits)
{
  return bits & ~(bits << 1);
}

/* The bytes of no other class. */
static inline uint64_t
get_others (const BnMarks *marks)
{
  return marks->valid & ~(marks->letters | marks->numbers | marks->spaces);
}

/* Takes the contractions that begin at a start out: 're is a word, and so is
 * what follows. */
static inline uint64_t
cut_contractions (const BnMarks *marks, uint64_t starts, gboolean any_case)
{
  for (uint64_t quotes = marks->quotes & starts; quotes; quotes &= quotes - 1) {
    unsigned i = bn_lowest_bit (quotes);
    size_t length = match_contraction (marks->text + i, marks->end, any_case);

    if (length > 0) {
      starts &= ~(bn_low_bits ((unsigned) length) << i) | UINT64_C (1) << i;
      if (i + length < BN_MARKS_WINDOW)
        starts |= UINT64_C (1) << (i + length);
    }
  }
  return starts & marks->valid;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)
 *
 * The last of several spaces is a start, since the word that follows it takes
 * it if it is a blank. Only what is in followers has a place in the expression
 * together with the space before it. */
static inline uint64_t
mark_gpt2_before (const BnMarks *marks, uint64_t followers)
{
  uint64_t last = marks->spaces & followers >> 1;
  uint64_t words = first (marks->letters) | first (marks->numbers)
                   | first (get_others (marks));

  return first (marks->spaces) | last
         | (words & ~((last & marks->blanks) << 1));
}

static uint64_t
mark_gpt2 (BnMarks *marks)
{
  uint64_t starts = mark_gpt2_before (marks, marks->valid & ~marks->spaces);

  return cut_contractions (marks, starts, FALSE);
}

/* \p{N}, then the same */
static uint64_t
mark_starcoder (BnMarks *marks)
{
  uint64_t starts = mark_gpt2_before (
      marks, marks->valid & ~(marks->spaces | marks->numbers));

  starts |= marks->numbers | marks->numbers << 1;
  return cut_contractions (marks, starts, FALSE);
}

/* The first digits of groups of three in every run, from the left. */
static inline uint64_t
mark_triples (uint64_t numbers)
{
  uint64_t fourth = numbers & numbers << 1 & numbers << 2 & numbers << 3;
  uint64_t starts = first (numbers);

  for (uint64_t next = starts << 3 & fourth; next; next = next << 3 & fourth)
    starts |= next;
  return starts;
}

/* [\p{P}\$\+<=>\^~\|`]+, then as GPT-2, then [0-9][0-9][0-9]. In ASCII the
 * first is all that is neither letter, digit, space nor control character. */
static uint64_t
mark_falcon (BnMarks *marks)
{
  uint64_t numbers = marks->numbers;
  uint64_t starts = mark_gpt2_before (marks, marks->letters | numbers);
  uint64_t triples = numbers & numbers >> 1 & numbers >> 2;

  /* A number has its blank unless three digits are cut off. */
  return starts | (first (numbers) & triples)
         | (mark_triples (numbers) & ~first (numbers));
}

typedef struct {
  gboolean contractions;
  gboolean newline_tail; /* [\r\n]* behind the fourth alternative */
  unsigned max_digits;   /* 1, 3 or 0 */
} Cl100kMarks;

/* Of the first bits of white space without newlines, behind newlines: those
 * whose run does not end before another newline. */
static inline uint64_t
drop_before_newlines (uint64_t starts, uint64_t inner, uint64_t newlines)
{
  uint64_t runs = first (inner);
  uint64_t ends = (inner + runs) & ~inner & newlines;

  for (; ends; ends &= ends - 1)
    starts &= ~(UINT64_C (1) << bn_highest_bit (runs & ((ends & -ends) - 1)));
  return starts;
}

/* CONTRACTION|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,DIGITS}
 * | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static inline uint64_t
mark_cl100k (const BnMarks *marks, Cl100kMarks rules)
{
  uint64_t letters = marks->letters, others = get_others (marks);
  uint64_t newlines = marks->newlines, spaces, inner, last, behind, starts;

  /* Newlines that the fourth alternative takes. */
  if (rules.newline_tail)
    newlines &= newlines + (others << 1 & newlines);
  spaces = marks->spaces & ~(marks->newlines & ~newlines);

  /* \s*[\r\n]+ ends with the last newline of the run, and what is left goes
   * on as in GPT-2. */
  inner = spaces & ~newlines;
  starts =
      first (spaces)
      | drop_before_newlines (first (inner) & newlines << 1, inner, newlines);
  last = inner & (marks->valid & ~spaces) >> 1;
  starts |= last;

  others = first (others) & ~((last & marks->blanks) << 1);
  starts |= others;
  /* The byte behind the first character of others. */
  behind = get_others (marks) & marks->inner;
  behind = ((others << 1) + behind) & ~behind;
  starts |= first (letters) & ~(behind | last << 1);

  if (rules.max_digits == 1)
    starts |= marks->numbers;
  else if (rules.max_digits == 3)
    starts |= mark_triples (marks->numbers);
  else
    starts |= first (marks->numbers);
  if (rules.contractions)
    starts = cut_contractions (marks, starts, TRUE);
  return starts;
}

static uint64_t
mark_llama3 (BnMarks *marks)
{
  return mark_cl100k (marks, (Cl100kMarks){TRUE, TRUE, 3});
}

static uint64_t
mark_qwen2 (BnMarks *marks)
{
  return mark_cl100k (marks, (Cl100kMarks){TRUE, TRUE, 1});
}

static uint64_t
mark_seed (BnMarks *marks)
{
  return mark_cl100k (marks, (Cl100kMarks){TRUE, FALSE, 1});
}

static uint64_t
mark_ufakzeka (BnMarks *marks)
{
  return mark_cl100k (marks, (Cl100kMarks){FALSE, TRUE, 1});
}

/* Ends the window before a slash that the tail [\r\n/]* takes behind a
 * newline: rare, and left to the splitter. */
static inline void
stop_at_slash (BnMarks *marks)
{
  uint64_t slashes = marks->newlines << 1 & get_others (marks);

  for (; slashes; slashes &= slashes - 1) {
    unsigned i = bn_lowest_bit (slashes);

    if (marks->text[i] == '/') {
      marks->valid = bn_low_bits (i);
      marks->is_last = FALSE;
      marks->newlines &= marks->valid;
      marks->spaces &= marks->valid;
      return;
    }
  }
}

/* [^\r\n\p{L}\p{N}]?WORD CONTRACTION?|\p{N}{1,DIGITS}
 * | ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *
 * where a WORD in ASCII ends before every capital behind a small letter. */
static inline uint64_t
mark_cased (BnMarks *marks, gboolean contractions, unsigned max_digits)
{
  uint64_t starts, quotes;

  stop_at_slash (marks);
  starts = mark_cl100k (marks, (Cl100kMarks){FALSE, TRUE, max_digits});
  starts |= marks->uppers & (marks->letters & ~marks->uppers) << 1;
  if (!contractions)
    return starts;
  quotes = marks->quotes & starts & marks->letters << 1;
  for (; quotes; quotes &= quotes - 1) {
    unsigned i = bn_lowest_bit (quotes);
    size_t length = match_contraction (marks->text + i, marks->end, TRUE);

    if (length > 0) {
      starts &= ~(bn_low_bits ((unsigned) length) << i);
      if (i + length < BN_MARKS_WINDOW) {
        /* Another quote right behind begins a word. */
        starts |= UINT64_C (1) << (i + length);
        quotes &= ~(UINT64_C (1) << (i + length));
      }
    }
  }
  return starts;
}

static uint64_t
mark_gpt4o (BnMarks *marks)
{
  return mark_cased (marks, TRUE, 3);
}

static uint64_t
mark_tekken (BnMarks *marks)
{
  return mark_cased (marks, FALSE, 1);
}

/* In ASCII the expressions of Hugging Face cut the same. */
/* clang-format off */
static const BnMarkRules all_rules[] = {
#define A bn_unicode_flags
#define B bn_unicode_flags_16
    {{bn_split_gpt2_15}, mark_gpt2, A, L, FALSE, FALSE, FALSE},
    {{bn_split_gpt2}, mark_gpt2, B, L, FALSE, FALSE, FALSE},
    {{bn_split_each_number_15, bn_split_gpt2_15},
        mark_starcoder, A, L, FALSE, FALSE, FALSE},
    {{bn_split_each_number, bn_split_gpt2},
        mark_starcoder, B, L, FALSE, FALSE, FALSE},
    {{bn_split_falcon_punctuation_15, bn_split_gpt2_15,
         bn_split_three_digits_15}, mark_falcon, A, L, TRUE, FALSE, FALSE},
    {{bn_split_falcon_punctuation, bn_split_gpt2, bn_split_three_digits},
        mark_falcon, B, L, TRUE, FALSE, FALSE},
    {{bn_split_llama3_15}, mark_llama3, A, L, FALSE, FALSE, FALSE},
    {{bn_split_llama3}, mark_llama3, B, L, FALSE, FALSE, FALSE},
    {{bn_split_llama3_hf}, mark_llama3, B, L, FALSE, FALSE, TRUE},
    {{bn_split_qwen2_15}, mark_qwen2, A, L, FALSE, FALSE, FALSE},
    {{bn_split_qwen2}, mark_qwen2, B, L, FALSE, FALSE, FALSE},
    {{bn_split_qwen2_hf}, mark_qwen2, B, L, FALSE, FALSE, TRUE},
    {{bn_split_qwen35_15}, mark_qwen2, A, L | M, FALSE, FALSE, FALSE},
    {{bn_split_qwen35}, mark_qwen2, B, L | M, FALSE, FALSE, FALSE},
    {{bn_split_qwen35_hf}, mark_qwen2, B, L | M, FALSE, FALSE, TRUE},
    {{bn_split_seed_15}, mark_seed, A, L, FALSE, FALSE, FALSE},
    {{bn_split_seed}, mark_seed, B, L, FALSE, FALSE, FALSE},
    {{bn_split_seed_hf}, mark_seed, B, L, FALSE, FALSE, TRUE},
    {{bn_split_ufakzeka_15}, mark_ufakzeka, A, L, FALSE, FALSE, FALSE},
    {{bn_split_ufakzeka}, mark_ufakzeka, B, L, FALSE, FALSE, FALSE},
    {{bn_split_gpt4o_15}, mark_gpt4o, A, L, FALSE, TRUE, FALSE},
    {{bn_split_gpt4o_hf}, mark_gpt4o, B, L, FALSE, TRUE, FALSE},
    {{bn_split_tekken_15}, mark_tekken, A, L, FALSE, TRUE, FALSE},
    {{bn_split_tekken_hf}, mark_tekken, B, L, FALSE, TRUE, FALSE},
#undef A
#undef B
};
/* clang-format on */

const BnMarkRules *
bn_mark_rules_find (const BnPretokSet *set)
{
  for (size_t i = 0; i < G_N_ELEMENTS (all_rules); i++) {
    const BnSplitFn *stages = all_rules[i].stages;
    unsigned n = 0;

    while (stages[n] && stages[n] == set->stages[n])
      n++;
    if (stages[n] == NULL && set->stages[n] == NULL)
      return &all_rules[i];
  }
  return NULL;
}

unsigned
bn_marks_find (const BnMarkRules *rules, BnClassifier classifier,
    const uint8_t *text, const uint8_t *end, uint32_t offset,
    uint32_t ends[BN_MARKS_WINDOW])
{
  BnMarks marks = {.text = text, .end = end};
  unsigned n = classify (&marks, rules, classifier), n_words = 0;
  uint64_t starts;

  if (n == 0)
    return 0;
  starts = rules->mark (&marks) & marks.valid;
  if (!marks.is_last) {
    uint64_t others = marks.valid & ~marks.spaces;
    /* How spaces at the end are cut depends on what follows them. */
    unsigned n_certain = others ? bn_highest_bit (others) + 1 : 0;

    n = marks.valid ? bn_highest_bit (marks.valid) : 0;
    starts &=
        bn_low_bits (MIN (n > MARGIN ? n + 2 - MARGIN : 0, n_certain + 1));
  }
  for (starts &= ~UINT64_C (1); starts; starts &= starts - 1)
    ends[n_words++] = offset + bn_lowest_bit (starts);
  if (marks.is_last)
    ends[n_words++] = offset + n;
  return n_words;
}
