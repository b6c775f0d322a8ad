/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the processor can do, as one word of flags per architecture. */
#pragma once

enum {
  /* x86-64; each level includes the ones above it */
  BN_CPU_AVX2 = 1 << 0,        /* AVX2, FMA, F16C, BMI2 */
  BN_CPU_AVX512 = 1 << 1,      /* F, BW, VL, DQ */
  BN_CPU_AVX512_VNNI = 1 << 2, /* VBMI, VNNI */
  /* arm64 */
  BN_CPU_NEON = 1 << 8,    /* ASIMD */
  BN_CPU_DOTPROD = 1 << 9, /* sdot, udot */
  BN_CPU_I8MM = 1 << 10,
};

/* The processor's flags, detected once. */
unsigned bn_cpu_detect (void);

/* Flags by name for BITNET_CPU_MASK: a number, or names from "none" (or
 * "c"), "avx2", "avx512", "avx512vnni", "neon", "dotprod", "i8mm" joined by
 * commas. A name stands for its level and those below it. ~0 for NULL, an empty
 * text and a text without a known name. */
unsigned bn_cpu_parse_mask (const char *text);

/* Short name of the highest level in flags: "avx512", "avx2", "c", ... */
const char *bn_cpu_level_name (unsigned flags);
