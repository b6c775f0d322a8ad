/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The splitters, which bn-pretok-table.c puts together. Each stands beside its
 * expression in the file named here, as SPLIT (name), and is compiled twice:
 * bn_split_name() has the categories of Unicode 16.0, as Hugging Face has, and
 * bn_split_name_15() those of 15.1, as llama.cpp has. */
#pragma once

#include "bn-pretok.h"

/* clang-format off */
/* bn-pretok-large-tmpl.h */
#define BN_SPLITTERS_LARGE(X) \
  X (gpt2) X (llama3) X (qwen2) X (qwen35) X (seed) X (ufakzeka) \
  X (minicpm5) X (gpt4o) X (tekken)

/* bn-pretok-cased-tmpl.h; those of Hugging Face end in _hf */
#define BN_SPLITTERS_CASED(X) \
  X (granite) X (tiny_aya) X (youtu) X (gpt4o_hf) X (tekken_hf) X (youtu_hf) \
  X (kimi) X (kimi_hf) X (llama3_hf) X (qwen2_hf) X (qwen35_hf) X (seed_hf) \
  X (minicpm5_hf) X (exaone_moe_hf) X (cl100k)

/* bn-pretok-stages-tmpl.h */
#define BN_SPLITTERS_STAGES(X) \
  X (each_number) X (numbers) X (numbers_by_three) X (three_digits) \
  X (each_newline) X (lines) X (default_punctuation) X (falcon_punctuation) \
  X (spaced_letters) X (spaced_punctuation) X (deepseek_cjk) \
  X (deepseek3_cjk) X (deepseek3) X (deepseek_llm_letters) \
  X (deepseek_llm_punctuation) X (trailing_space) X (bloom) \
  X (youtu_scripts) X (afmoe_asian) X (glued_groups) X (group) \
  X (word_groups) X (word_group) X (before_groups) X (between_groups) \
  X (before_groups_hf) X (between_groups_hf) X (space_powers) X (spark) \
  X (sentinel) X (image) X (indent) X (each_punctuation) X (exaone_moe) \
  X (white_space) X (deepseek_cjk_hf) X (deepseek_llm_punctuation_hf)

#define BN_SPLITTERS(X) \
  BN_SPLITTERS_LARGE (X) BN_SPLITTERS_CASED (X) \
  BN_SPLITTERS_STAGES (X)
/* clang-format on */

#define BN_DECLARE_SPLITTER(name)                                              \
  size_t bn_split_##name (const uint8_t *p, const uint8_t *end);               \
  size_t bn_split_##name##_15 (const uint8_t *p, const uint8_t *end);

BN_SPLITTERS (BN_DECLARE_SPLITTER)
