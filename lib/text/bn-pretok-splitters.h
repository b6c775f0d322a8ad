/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The splitters, which bn-pretok-table.c puts together. Each stands beside its
 * expression in the file named here. */
#pragma once

#include "bn-pretok.h"

/* bn-pretok.c */
size_t bn_split_gpt2 (const uint8_t *p, const uint8_t *end);
size_t bn_split_llama3 (const uint8_t *p, const uint8_t *end);
size_t bn_split_qwen2 (const uint8_t *p, const uint8_t *end);
size_t bn_split_qwen35 (const uint8_t *p, const uint8_t *end);
size_t bn_split_seed (const uint8_t *p, const uint8_t *end);
size_t bn_split_ufakzeka (const uint8_t *p, const uint8_t *end);
size_t bn_split_minicpm5 (const uint8_t *p, const uint8_t *end);
size_t bn_split_gpt4o (const uint8_t *p, const uint8_t *end);
size_t bn_split_tekken (const uint8_t *p, const uint8_t *end);

/* bn-pretok-cased.c; those of Hugging Face end in _hf */
size_t bn_split_granite (const uint8_t *p, const uint8_t *end);
size_t bn_split_tiny_aya (const uint8_t *p, const uint8_t *end);
size_t bn_split_youtu (const uint8_t *p, const uint8_t *end);
size_t bn_split_gpt4o_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_tekken_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_youtu_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_kimi (const uint8_t *p, const uint8_t *end);
size_t bn_split_kimi_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_llama3_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_qwen2_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_qwen35_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_seed_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_minicpm5_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_exaone_moe_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_cl100k (const uint8_t *p, const uint8_t *end);

/* bn-pretok-stages.c */
size_t bn_split_each_number (const uint8_t *p, const uint8_t *end);
size_t bn_split_numbers (const uint8_t *p, const uint8_t *end);
size_t bn_split_numbers_by_three (const uint8_t *p, const uint8_t *end);
size_t bn_split_three_digits (const uint8_t *p, const uint8_t *end);
size_t bn_split_each_newline (const uint8_t *p, const uint8_t *end);
size_t bn_split_lines (const uint8_t *p, const uint8_t *end);
size_t bn_split_default_punctuation (const uint8_t *p, const uint8_t *end);
size_t bn_split_falcon_punctuation (const uint8_t *p, const uint8_t *end);
size_t bn_split_spaced_letters (const uint8_t *p, const uint8_t *end);
size_t bn_split_spaced_punctuation (const uint8_t *p, const uint8_t *end);
size_t bn_split_deepseek_cjk (const uint8_t *p, const uint8_t *end);
size_t bn_split_deepseek3_cjk (const uint8_t *p, const uint8_t *end);
size_t bn_split_deepseek3 (const uint8_t *p, const uint8_t *end);
size_t bn_split_deepseek_llm_letters (const uint8_t *p, const uint8_t *end);
size_t bn_split_deepseek_llm_punctuation (const uint8_t *p, const uint8_t *end);
size_t bn_split_trailing_space (const uint8_t *p, const uint8_t *end);
size_t bn_split_bloom (const uint8_t *p, const uint8_t *end);
size_t bn_split_youtu_scripts (const uint8_t *p, const uint8_t *end);
size_t bn_split_afmoe_asian (const uint8_t *p, const uint8_t *end);
size_t bn_split_glued_groups (const uint8_t *p, const uint8_t *end);
size_t bn_split_group (const uint8_t *p, const uint8_t *end);
size_t bn_split_word_groups (const uint8_t *p, const uint8_t *end);
size_t bn_split_word_group (const uint8_t *p, const uint8_t *end);
size_t bn_split_before_groups (const uint8_t *p, const uint8_t *end);
size_t bn_split_between_groups (const uint8_t *p, const uint8_t *end);
size_t bn_split_before_groups_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_between_groups_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_space_powers (const uint8_t *p, const uint8_t *end);
size_t bn_split_spark (const uint8_t *p, const uint8_t *end);
size_t bn_split_sentinel (const uint8_t *p, const uint8_t *end);
size_t bn_split_image (const uint8_t *p, const uint8_t *end);
size_t bn_split_indent (const uint8_t *p, const uint8_t *end);
size_t bn_split_each_punctuation (const uint8_t *p, const uint8_t *end);
size_t bn_split_exaone_moe (const uint8_t *p, const uint8_t *end);
size_t bn_split_white_space (const uint8_t *p, const uint8_t *end);
size_t bn_split_deepseek_cjk_hf (const uint8_t *p, const uint8_t *end);
size_t bn_split_deepseek_llm_punctuation_hf (
    const uint8_t *p, const uint8_t *end);
