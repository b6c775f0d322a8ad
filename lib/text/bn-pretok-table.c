/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sets of expressions and the names that models give them. */
#include "bn-pretok.h"

#include <string.h>

#include "bn-pretok-splitters.h"

/* Sets of llama.cpp have the categories of Unicode 15.1, those of Hugging Face
 * 16.0; lines, bloom and white-space ask for none that differ. */

static const BnPretokSet set_default = {
    "default", {bn_split_default_punctuation_15, bn_split_gpt2_15,
                   bn_split_numbers_15, bn_split_three_digits_15}};
static const BnPretokSet set_default_hf = {
    "default-hf", {bn_split_default_punctuation, bn_split_gpt2,
                      bn_split_numbers, bn_split_three_digits}};
static const BnPretokSet set_gpt2 = {"gpt-2", {bn_split_gpt2_15}};
static const BnPretokSet set_gpt2_hf = {"gpt-2-hf", {bn_split_gpt2}};
static const BnPretokSet set_llama3 = {"llama-3", {bn_split_llama3_15}};
static const BnPretokSet set_deepseek_llm = {"deepseek-llm",
    {bn_split_each_newline_15, bn_split_deepseek_llm_letters_15,
        bn_split_deepseek_llm_punctuation_15, bn_split_trailing_space_15,
        bn_split_deepseek_cjk_15, bn_split_numbers_15}};
static const BnPretokSet set_deepseek_coder = {
    "deepseek-coder", {bn_split_each_newline_15, bn_split_spaced_letters_15,
                          bn_split_spaced_punctuation_15,
                          bn_split_deepseek_cjk_15, bn_split_each_number_15}};
static const BnPretokSet set_deepseek3 = {
    "deepseek-3", {bn_split_numbers_by_three_15, bn_split_deepseek3_cjk_15,
                      bn_split_deepseek3_15}};
static const BnPretokSet set_deepseek3_hf = {"deepseek-3-hf",
    {bn_split_numbers_by_three, bn_split_deepseek3_cjk, bn_split_deepseek3}};
static const BnPretokSet set_deepseek_llm_hf = {"deepseek-llm-hf",
    {bn_split_each_newline, bn_split_deepseek_llm_letters,
        bn_split_deepseek_llm_punctuation_hf, bn_split_trailing_space,
        bn_split_deepseek_cjk_hf, bn_split_numbers}};
static const BnPretokSet set_deepseek_coder_hf = {
    "deepseek-coder-hf", {bn_split_each_newline, bn_split_spaced_letters,
                             bn_split_spaced_punctuation,
                             bn_split_deepseek_cjk_hf, bn_split_each_number}};
static const BnPretokSet set_falcon = {
    "falcon", {bn_split_falcon_punctuation_15, bn_split_gpt2_15,
                  bn_split_three_digits_15}};
static const BnPretokSet set_falcon_hf = {"falcon-hf",
    {bn_split_falcon_punctuation, bn_split_gpt2, bn_split_three_digits}};
static const BnPretokSet set_starcoder = {
    "starcoder", {bn_split_each_number_15, bn_split_gpt2_15}};
static const BnPretokSet set_starcoder_hf = {
    "starcoder-hf", {bn_split_each_number, bn_split_gpt2}};
static const BnPretokSet set_qwen2 = {"qwen2", {bn_split_qwen2_15}};
static const BnPretokSet set_qwen35 = {"qwen3.5", {bn_split_qwen35_15}};
static const BnPretokSet set_seed = {"seed", {bn_split_seed_15}};
static const BnPretokSet set_ufakzeka = {"ufakzeka", {bn_split_ufakzeka_15}};
static const BnPretokSet set_ufakzeka_hf = {"ufakzeka-hf", {bn_split_ufakzeka}};
static const BnPretokSet set_laguna = {
    "laguna", {bn_split_lines_15, bn_split_qwen2_15}};
static const BnPretokSet set_minicpm5 = {
    "minicpm5", {bn_split_numbers_by_three_15, bn_split_minicpm5_15}};
static const BnPretokSet set_gpt4o = {"gpt-4o", {bn_split_gpt4o_15}};
static const BnPretokSet set_tekken = {"tekken", {bn_split_tekken_15}};
static const BnPretokSet set_bloom = {"bloom", {bn_split_bloom}};
static const BnPretokSet set_viking = {
    "viking", {bn_split_bloom_15, bn_split_each_number_15}};
static const BnPretokSet set_viking_hf = {
    "viking-hf", {bn_split_bloom, bn_split_each_number}};
static const BnPretokSet set_llama3_hf = {"llama-3-hf", {bn_split_llama3_hf}};
static const BnPretokSet set_cl100k = {"cl100k", {bn_split_cl100k}};
static const BnPretokSet set_jais2 = {
    "jais-2", {bn_split_llama3_15, bn_split_space_powers_15}};
static const BnPretokSet set_jais2_hf = {
    "jais-2-hf", {bn_split_llama3_hf, bn_split_space_powers}};
static const BnPretokSet set_youtu = {
    "youtu", {bn_split_youtu_scripts_15, bn_split_youtu_15}};
static const BnPretokSet set_youtu_hf = {
    "youtu-hf", {bn_split_youtu_scripts, bn_split_youtu_hf}};
static const BnPretokSet set_qwen2_hf = {"qwen2-hf", {bn_split_qwen2_hf}};
static const BnPretokSet set_qwen35_hf = {"qwen3.5-hf", {bn_split_qwen35_hf}};
static const BnPretokSet set_seed_hf = {"seed-hf", {bn_split_seed_hf}};
static const BnPretokSet set_laguna_hf = {
    "laguna-hf", {bn_split_lines, bn_split_qwen2_hf}};
static const BnPretokSet set_minicpm5_hf = {
    "minicpm5-hf", {bn_split_numbers_by_three, bn_split_minicpm5_hf}};
static const BnPretokSet set_gpt4o_hf = {"gpt-4o-hf", {bn_split_gpt4o_hf}};
static const BnPretokSet set_tekken_hf = {"tekken-hf", {bn_split_tekken_hf}};
static const BnPretokSet set_chameleon = {
    "chameleon", {bn_split_sentinel_15, bn_split_image_15, bn_split_indent_15,
                     bn_split_each_number_15, bn_split_each_punctuation_15,
                     bn_split_gpt2_15}};
static const BnPretokSet set_chameleon_hf = {"chameleon-hf",
    {bn_split_sentinel, bn_split_image, bn_split_indent, bn_split_each_number,
        bn_split_each_punctuation, bn_split_gpt2}};
static const BnPretokSet set_tiny_aya = {"tiny-aya",
    {bn_split_glued_groups_15, bn_split_group_15, bn_split_tiny_aya_15}};
static const BnPretokSet set_tiny_aya_hf = {"tiny-aya-hf",
    {bn_split_word_groups, bn_split_word_group, bn_split_gpt4o_hf}};
static const BnPretokSet set_kimi = {"kimi-k2", {bn_split_kimi_15}};
static const BnPretokSet set_kimi_hf = {"kimi-k2-hf", {bn_split_kimi_hf}};
static const BnPretokSet set_superbpe = {
    "superbpe", {bn_split_numbers_15, bn_split_before_groups_15,
                    bn_split_between_groups_15}};
static const BnPretokSet set_superbpe_hf = {"superbpe-hf",
    {bn_split_numbers, bn_split_before_groups_hf, bn_split_between_groups_hf}};
static const BnPretokSet set_afmoe = {
    "afmoe", {bn_split_glued_groups_15, bn_split_group_15,
                 bn_split_afmoe_asian_15, bn_split_deepseek3_15}};
static const BnPretokSet set_afmoe_hf = {
    "afmoe-hf", {bn_split_glued_groups, bn_split_group, bn_split_afmoe_asian,
                    bn_split_deepseek3}};
static const BnPretokSet set_exaone_moe = {
    "exaone-moe", {bn_split_exaone_moe_15}};
static const BnPretokSet set_exaone_moe_hf = {
    "exaone-moe-hf", {bn_split_exaone_moe_hf}};
static const BnPretokSet set_lines = {"lines", {bn_split_lines}};
static const BnPretokSet set_spark = {
    "spark2.5", {bn_split_numbers_by_three_15, bn_split_deepseek3_cjk_15,
                    bn_split_spark_15, bn_split_each_number_15}};
static const BnPretokSet set_spark_hf = {
    "spark2.5-hf", {bn_split_numbers_by_three, bn_split_deepseek3_cjk,
                       bn_split_spark, bn_split_each_number}};
static const BnPretokSet set_granite = {"granite", {bn_split_granite_15}};
static const BnPretokSet set_white_space = {
    "white-space", {bn_split_white_space}};

static const BnPretokSet *const sets[] = {&set_default, &set_gpt2, &set_llama3,
    &set_deepseek_llm, &set_deepseek_coder, &set_deepseek3, &set_falcon,
    &set_starcoder, &set_qwen2, &set_qwen35, &set_seed, &set_ufakzeka,
    &set_laguna, &set_minicpm5, &set_gpt4o, &set_tekken, &set_bloom,
    &set_viking, &set_llama3_hf, &set_jais2, &set_jais2_hf, &set_youtu,
    &set_youtu_hf, &set_qwen2_hf, &set_qwen35_hf, &set_seed_hf, &set_laguna_hf,
    &set_minicpm5_hf, &set_gpt4o_hf, &set_tekken_hf, &set_chameleon,
    &set_tiny_aya, &set_tiny_aya_hf, &set_kimi, &set_kimi_hf, &set_superbpe,
    &set_superbpe_hf, &set_afmoe, &set_exaone_moe, &set_exaone_moe_hf,
    &set_lines, &set_spark, &set_granite, &set_white_space,
    &set_deepseek_llm_hf, &set_deepseek_coder_hf, &set_cl100k, &set_afmoe_hf,
    &set_chameleon_hf, &set_deepseek3_hf, &set_default_hf, &set_falcon_hf,
    &set_gpt2_hf, &set_spark_hf, &set_starcoder_hf, &set_ufakzeka_hf,
    &set_viking_hf, NULL};

#define IM BN_PRETOK_IGNORE_MERGES
#define BOS BN_PRETOK_ADD_BOS
#define CS BN_PRETOK_CLEAN_SPACES
#define RAW BN_PRETOK_RAW

/* Values of tokenizer.ggml.pre. A name whose expressions are not here is
 * refused, because guessing gives wrong ids without a word. */
static const BnPretok pretoks[] = {
    {"default", &set_default, &set_default_hf, CS},
    {"llama3", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"llama-v3", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"llama-bpe", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"falcon3", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"falcon-h1", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"pixtral", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"midm-2.0", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"lfm2", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"jina-v5-nano", &set_llama3, &set_llama3_hf, IM | BOS | CS},
    {"dbrx", &set_llama3, &set_llama3_hf, CS},
    {"smaug-bpe", &set_llama3, &set_llama3_hf, CS},
    {"glm4", &set_llama3, &set_llama3_hf, BN_PRETOK_NO_BOS | IM | CS},
    {"chatglm-bpe", &set_llama3, &set_llama3_hf, BN_PRETOK_NO_BOS | CS},
    {"laguna", &set_laguna, &set_laguna_hf, 0},
    {"deepseek-llm", &set_deepseek_llm, &set_deepseek_llm_hf, 0},
    {"deepseek-coder", &set_deepseek_coder, &set_deepseek_coder_hf, 0},
    {"deepseek-v3", &set_deepseek3, &set_deepseek3_hf, 0},
    {"hy_v4", &set_deepseek3, &set_deepseek3_hf, 0},
    {"hunyuan-dense", &set_deepseek3, &set_deepseek3_hf, 0},
    {"joyai-llm", &set_deepseek3, &set_deepseek3_hf, 0},
    {"falcon", &set_falcon, &set_falcon_hf, CS},
    {"gpt-2", &set_gpt2, &set_gpt2_hf, CS},
    {"mpt", &set_gpt2, &set_gpt2_hf, CS},
    {"olmo", &set_gpt2, &set_gpt2_hf, CS},
    {"jais", &set_gpt2, &set_gpt2_hf, CS},
    {"phi-2", &set_gpt2, &set_gpt2_hf, CS},
    {"jina-es", &set_gpt2, &set_gpt2_hf, CS},
    {"jina-de", &set_gpt2, &set_gpt2_hf, CS},
    {"jina-v1-en", &set_gpt2, &set_gpt2_hf, CS | BN_PRETOK_ADD_SEP},
    {"jina-v2-es", &set_gpt2, &set_gpt2_hf, CS},
    {"jina-v2-de", &set_gpt2, &set_gpt2_hf, CS},
    {"jina-v2-code", &set_gpt2, &set_gpt2_hf, CS | BN_PRETOK_ADD_SEP},
    {"roberta-bpe", &set_gpt2, &set_gpt2_hf, CS | BN_PRETOK_ADD_SEP},
    {"gigachat", &set_gpt2, &set_gpt2_hf, CS},
    {"a.x-4.0", &set_gpt2, &set_gpt2_hf, CS},
    {"mellum", &set_gpt2, &set_gpt2_hf, CS},
    {"modern-bert", &set_gpt2, &set_gpt2_hf, CS},
    {"exaone4", &set_gpt2, &set_gpt2_hf, CS},
    {"trillion", &set_gpt2, &set_gpt2_hf, 0},
    {"granite-docling", &set_gpt2, &set_gpt2_hf, 0},
    {"starcoder", &set_starcoder, &set_starcoder_hf, CS},
    {"refact", &set_starcoder, &set_starcoder_hf, CS},
    {"codeshell", &set_starcoder, &set_starcoder_hf, CS},
    {"exaone", &set_starcoder, &set_starcoder_hf, CS},
    {"minerva-7b", &set_starcoder, &set_starcoder_hf, CS},
    {"mellum2", &set_starcoder, &set_starcoder_hf, CS},
    {"command-r", &set_starcoder, &set_starcoder_hf, 0},
    {"smollm", &set_starcoder, &set_starcoder_hf, 0},
    {"cohere2_moe", &set_starcoder, &set_starcoder_hf, 0},
    {"qwen2", &set_qwen2, &set_qwen2_hf, BN_PRETOK_NFC},
    {"deepseek-r1-qwen", &set_qwen2, &set_qwen2_hf, BN_PRETOK_NFC},
    {"kormo", &set_qwen2, &set_qwen2_hf, BN_PRETOK_NFC},
    {"f2llmv2", &set_qwen2, &set_qwen2_hf, BN_PRETOK_NFC},
    {"openpangu", &set_qwen2, &set_qwen2_hf, BN_PRETOK_NFC},
    {"megrez", &set_qwen2, &set_qwen2_hf, CS | BN_PRETOK_NFC},
    {"stablelm2", &set_qwen2, &set_qwen2_hf, CS},
    {"hunyuan", &set_qwen2, &set_qwen2_hf, 0},
    {"solar-open", &set_qwen2, &set_qwen2_hf, 0},
    {"grok-2", &set_qwen2, &set_qwen2_hf, 0},
    {"bailingmoe", &set_qwen2, &set_qwen2_hf, 0},
    {"bailingmoe2", &set_qwen2, &set_qwen2_hf, 0},
    {"llada-moe", &set_qwen2, &set_qwen2_hf, 0},
    {"qwen35", &set_qwen35, &set_qwen35_hf, BN_PRETOK_NFC},
    {"seed-coder", &set_seed, &set_seed_hf, 0},
    {"ufakzeka", &set_ufakzeka, &set_ufakzeka_hf, 0},
    {"minicpm5", &set_minicpm5, &set_minicpm5_hf, IM | CS},
    {"gpt-4o", &set_gpt4o, &set_gpt4o_hf, 0},
    {"llama4", &set_gpt4o, &set_gpt4o_hf, 0},
    {"kanana2", &set_gpt4o, &set_gpt4o_hf, 0},
    {"talkie", &set_gpt4o, &set_gpt4o_hf, 0},
    {"minimax-m2", &set_gpt4o, &set_gpt4o_hf, 0},
    {"tekken", &set_tekken, &set_tekken_hf, IM | BOS},
    {"bloom", &set_bloom, NULL, CS},
    {"gpt3-finnish", &set_bloom, NULL, CS},
    {"poro-chat", &set_bloom, NULL, 0},
    {"viking", &set_viking, &set_viking_hf, 0},
    {"jais-2", &set_jais2, &set_jais2_hf, CS},
    {"youtu", &set_youtu, &set_youtu_hf, IM},
    {"chameleon", &set_chameleon, &set_chameleon_hf, BOS},
    {"tiny_aya", &set_tiny_aya, &set_tiny_aya_hf, 0},
    {"cohere2moe", &set_tiny_aya, &set_tiny_aya_hf, 0},
    {"kimi-k2", &set_kimi, &set_kimi_hf, 0},
    {"superbpe", &set_superbpe, &set_superbpe_hf, 0},
    {"afmoe", &set_afmoe, &set_afmoe_hf, 0},
    {"exaone-moe", &set_exaone_moe, &set_exaone_moe_hf, CS},
    {"gemma4", &set_lines, NULL,
        RAW | BN_PRETOK_ESCAPE | BN_PRETOK_FORCE_BOS | CS},
    {"granite-embed-multi-311m", &set_lines, NULL,
        RAW | BN_PRETOK_ESCAPE | BN_PRETOK_FORCE_BOS | CS},
    {"sarvam-moe", &set_lines, NULL, RAW | BN_PRETOK_ESCAPE},
    {"granite-embed-multi-97m", &set_granite, &set_gpt4o_hf, IM},
    {"spark2_5", &set_spark, &set_spark_hf, 0},
    {"whitespace", &set_white_space, NULL, RAW | CS},
    {"glm5", &set_llama3, &set_llama3_hf, BN_PRETOK_NO_BOS | IM | CS},
};

const BnPretok *
bn_pretok_find (const char *name)
{
  for (size_t i = 0; i < G_N_ELEMENTS (pretoks); i++) {
    if (strcmp (pretoks[i].name, name) == 0)
      return &pretoks[i];
  }
  return NULL;
}

static gboolean
cuts_alike (const BnPretokSet *a, const BnPretokSet *b)
{
  size_t i = 0;

  while (a->stages[i] && a->stages[i] == b->stages[i])
    i++;
  return a->stages[i] == b->stages[i];
}

/* The same, whatever the version of Unicode. */
static gboolean
has_expressions (const BnPretokSet *a, const BnPretokSet *b)
{
  size_t i = 0;

  while (a->stages[i]
         && (a->stages[i] == b->stages[i]
             || a->stages[i] == bn_split_find_15 (b->stages[i])))
    i++;
  return a->stages[i] == b->stages[i];
}

const BnPretok *
bn_pretok_find_by_set (const BnPretokSet *set)
{
  const BnPretok *close = NULL;

  for (size_t i = 0; i < G_N_ELEMENTS (pretoks); i++) {
    const BnPretok *pretok = &pretoks[i];

    if (pretok->flags & BN_PRETOK_RAW)
      continue;
    if (cuts_alike (pretok->set_hf ? pretok->set_hf : pretok->set, set))
      return pretok;
    if (close == NULL && has_expressions (pretok->set, set))
      close = pretok;
  }
  return close;
}

gboolean
bn_pretok_has_set (const BnPretok *self, const BnPretokSet *set)
{
  return has_expressions (self->set, set)
         || (self->set_hf
             && (cuts_alike (self->set_hf, set)
                 || has_expressions (self->set_hf, set)));
}

const BnPretokSet *
bn_pretok_find_set (const char *name)
{
  for (const BnPretokSet *const *set = sets; *set; set++) {
    if (strcmp ((*set)->name, name) == 0)
      return *set;
  }
  return NULL;
}

const BnPretokSet *const *
bn_pretok_sets (void)
{
  return sets;
}

const BnPretok *
bn_pretok_list (size_t *n_pretoks)
{
  *n_pretoks = G_N_ELEMENTS (pretoks);
  return pretoks;
}

BnSplitFn
bn_split_find_15 (BnSplitFn cut)
{
#define PAIR(name) {bn_split_##name, bn_split_##name##_15},
  static const BnSplitFn pairs[][2] = {BN_SPLITTERS (PAIR)};
#undef PAIR

  for (size_t i = 0; i < G_N_ELEMENTS (pairs); i++) {
    if (pairs[i][0] == cut)
      return pairs[i][1];
  }
  return cut;
}
