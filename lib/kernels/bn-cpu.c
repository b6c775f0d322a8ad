/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Flags from the processor itself. A level counts only if the operating
 * system also saves its registers. */
#include "bn-cpu.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum {
  /* leaf 1, ecx */
  LEAF1_FMA = 1 << 12,
  LEAF1_OSXSAVE = 1 << 27,
  LEAF1_AVX = 1 << 28,
  LEAF1_F16C = 1 << 29,
  /* leaf 7, ebx */
  LEAF7_AVX2 = 1 << 5,
  LEAF7_BMI2 = 1 << 8,
  LEAF7_AVX512F = 1 << 16,
  LEAF7_AVX512DQ = 1 << 17,
  LEAF7_AVX512BW = 1 << 30,
  /* leaf 7, ecx */
  LEAF7_AVX512VBMI = 1 << 1,
  LEAF7_AVX512VNNI = 1 << 11,
  /* register sets in xcr0 */
  XCR0_YMM = 0x6,
  XCR0_ZMM = 0xe6,
};
#define LEAF7_AVX512VL (1u << 31)

static uint64_t
read_xcr0 (void)
{
  uint32_t low, high;

  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t) high << 32 | low;
}

unsigned
bn_cpu_detect (void)
{
  const uint32_t leaf1 = LEAF1_FMA | LEAF1_OSXSAVE | LEAF1_AVX | LEAF1_F16C;
  const uint32_t avx2 = LEAF7_AVX2 | LEAF7_BMI2;
  const uint32_t avx512_b =
      LEAF7_AVX512F | LEAF7_AVX512DQ | LEAF7_AVX512BW | LEAF7_AVX512VL;
  const uint32_t vnni_c = LEAF7_AVX512VBMI | LEAF7_AVX512VNNI;
  uint32_t a, b, c, d;
  uint64_t xcr0;

  if (!__get_cpuid (1, &a, &b, &c, &d) || (c & leaf1) != leaf1)
    return 0;
  xcr0 = read_xcr0 ();
  if ((xcr0 & XCR0_YMM) != XCR0_YMM || !__get_cpuid_count (7, 0, &a, &b, &c, &d)
      || (b & avx2) != avx2)
    return 0;
  if ((xcr0 & XCR0_ZMM) != XCR0_ZMM || (b & avx512_b) != avx512_b)
    return BN_CPU_AVX2;
  if ((c & vnni_c) != vnni_c)
    return BN_CPU_AVX2 | BN_CPU_AVX512;
  return BN_CPU_AVX2 | BN_CPU_AVX512 | BN_CPU_AVX512_VNNI;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

unsigned
bn_cpu_detect (void)
{
  /* bits of the kernel's ABI: asm/hwcap.h */
  const unsigned long asimd = 1ul << 1, dotprod = 1ul << 20;
  const unsigned long i8mm = 1ul << 13; /* of AT_HWCAP2 */
  unsigned long caps = getauxval (AT_HWCAP), caps2 = getauxval (AT_HWCAP2);
  unsigned flags = 0;

  if (caps & asimd)
    flags |= BN_CPU_NEON;
  if (caps & dotprod)
    flags |= BN_CPU_DOTPROD;
  if (caps2 & i8mm)
    flags |= BN_CPU_I8MM;
  return flags;
}

#elif defined(__aarch64__)

unsigned
bn_cpu_detect (void)
{
  return BN_CPU_NEON; /* part of every such processor */
}

#else

unsigned
bn_cpu_detect (void)
{
  return 0;
}

#endif

/* From the highest level down; a name stands for its level and those below. */
static const struct {
  const char *name;
  unsigned level;
  unsigned mask;
} levels[] = {
    {"avx512vnni", BN_CPU_AVX512_VNNI,
        BN_CPU_AVX512_VNNI | BN_CPU_AVX512 | BN_CPU_AVX2},
    {"avx512", BN_CPU_AVX512, BN_CPU_AVX512 | BN_CPU_AVX2},
    {"avx2", BN_CPU_AVX2, BN_CPU_AVX2},
    {"i8mm", BN_CPU_I8MM, BN_CPU_I8MM | BN_CPU_DOTPROD | BN_CPU_NEON},
    {"dotprod", BN_CPU_DOTPROD, BN_CPU_DOTPROD | BN_CPU_NEON},
    {"neon", BN_CPU_NEON, BN_CPU_NEON},
    {"none", 0, 0},
    {"c", 0, 0},
};

enum { N_LEVELS = sizeof levels / sizeof levels[0] };

unsigned
bn_cpu_parse_mask (const char *text)
{
  unsigned mask = 0;
  int is_known = 0;
  char *end;

  if (text == NULL || text[0] == '\0')
    return ~0u;
  mask = (unsigned) strtoul (text, &end, 0);
  if (end != text && *end == '\0')
    return mask;
  mask = 0;
  while (*text != '\0') {
    size_t length = strcspn (text, ",");

    for (size_t i = 0; i < N_LEVELS; i++) {
      if (strlen (levels[i].name) == length
          && memcmp (levels[i].name, text, length) == 0) {
        mask |= levels[i].mask;
        is_known = 1;
      }
    }
    text += length;
    text += *text == ',';
  }
  return is_known ? mask : ~0u;
}

const char *
bn_cpu_level_name (unsigned flags)
{
  for (size_t i = 0; i < N_LEVELS; i++) {
    if (levels[i].level != 0 && flags & levels[i].level)
      return levels[i].name;
  }
  return "c";
}
