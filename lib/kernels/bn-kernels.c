/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder: C first, then each level the processor has overwrites what it
 * does better. */
#include "bn-kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include "bn-blocks.h"
#include "bn-cpu.h"
#include "ref.h"
#ifdef BN_HAVE_X86
#include "x86/init.h"
#endif
#ifdef BN_HAVE_ARM
#include "arm/init.h"
#endif
#ifdef BN_CHECK_KERNELS
#include "check.h"
#endif

static size_t
round_up (size_t size, size_t unit)
{
  return (size + unit - 1) / unit * unit;
}

size_t
bn_act_size (BnAct act, uint32_t n)
{
  size_t size = 0;

  switch (act) {
    case BN_ACT_F32:
      size = sizeof (float) * (size_t) n;
      break;
    case BN_ACT_I8:
    case BN_ACT_I8X4:
      size = BN_ALIGN + round_up (n, BN_COL_PADDING);
      break;
    case BN_ACT_Q8_0:
      size = sizeof (BnActQ8_0) * (size_t) (n / BN_QK);
      break;
    case BN_ACT_Q8_1:
      size = sizeof (BnActQ8_1) * (size_t) (n / BN_QK);
      break;
    case BN_ACT_Q8_K:
      size = sizeof (BnActQ8_K) * (size_t) (n / BN_QK_K);
      break;
    case BN_N_ACTS:
      break;
  }
  return round_up (size, BN_ALIGN);
}

size_t
bn_kv_cell_size (BnKvType type, uint32_t head_size)
{
  if (type == BN_KV_Q8_0)
    return sizeof (BnBlockQ8_0) * (size_t) (head_size / BN_QK);
  return sizeof (uint16_t) * (size_t) head_size;
}

size_t
bn_attend_max_at (uint32_t head_size)
{
  return round_up (head_size, BN_ALIGN / sizeof (float));
}

size_t
bn_attend_part_size (uint32_t head_size)
{
  return bn_attend_max_at (head_size) + BN_ALIGN / sizeof (float);
}

/* For all levels alike: a tile of keys and one of values as floats, the
 * queries and the weights of a tile in columns, and the parts of a span with
 * one more for a query that is not there. */
size_t
bn_attend_scratch_size (uint32_t head_size)
{
  const size_t padded = bn_attend_max_at (head_size);
  const size_t n_floats =
      2 * BN_ATTEND_TILE * padded
      + BN_ATTEND_MAX_QUERIES * (padded + BN_ATTEND_TILE)
      + (BN_ATTEND_MAX_QUERIES + 1) * bn_attend_part_size (head_size);

  return n_floats * sizeof (float);
}

void
bn_kernels_init (BnKernels *k, unsigned cpu_flags)
{
  cpu_flags &= bn_cpu_detect ();
  bn_kernels_init_c (k);
#ifdef BN_HAVE_X86
  bn_kernels_init_x86 (k, cpu_flags);
#endif
#ifdef BN_HAVE_ARM
  bn_kernels_init_arm (k, cpu_flags);
#endif
  for (int pack = 0; pack < BN_N_PACKS; pack++) {
    if (k->matmul[pack].matmul == NULL)
      k->matmul[pack] = k->in_place[pack];
  }
}

static BnKernels kernels;

static void
init_kernels (void)
{
  bn_kernels_init (&kernels, bn_cpu_parse_mask (getenv ("BITNET_CPU_MASK")));
#ifdef BN_CHECK_KERNELS
  bn_kernels_check (&kernels);
#endif
}

const BnKernels *
bn_kernels_get (void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once (&once, init_kernels);
  return &kernels;
}
