/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every slot of the kernel table, on every level the processor has, against
 * the C version, and the C version against arithmetic in double. A slot that
 * no family announces fails /completeness. What a level has from the one below
 * is checked there.
 *
 *   checkkern                 check all
 *   checkkern --bench [NAME]  time what contains NAME, on each level: ns, GB/s,
 *                             and what part that is of the GB/s that one
 *                             thread reads from memory (more than 100 % are
 *                             bytes that lie in the caches); what a level has
 *                             from the one below is not repeated
 *   checkkern --quick-bench [NAME]  the same with fewer sizes and runs
 *
 * Set BITNET_CPU_MASK to leave levels out. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "kernels/bn-cpu.h"
#include "tool-probe.h"

enum { PROBE_SIZE = 1 << 28 };

typedef struct {
  const char *name;
  gsize slot, size;
  CheckFunc check, bench;
  gconstpointer data;
} Entry;

typedef struct {
  const Entry *entry;
  const BnKernels *k;
} Case;

static GArray *entries;
static BnKernels tables[6]; /* C first */
static guint n_tables;
static double memory_rate; /* GB/s, for benchmarks */

gboolean bench_is_quick;

void
check_add (const char *name, gsize slot, gsize size, CheckFunc check,
    CheckFunc bench, gconstpointer data)
{
  Entry entry = {name, slot, size, check, bench, data};

  g_array_append_val (entries, entry);
}

/* Guarded memory */

typedef struct {
  gpointer map;
  gsize size;
} Mapping;

static GArray *mappings;

gpointer
guard_alloc (gsize size, Guard guard)
{
  gsize page = (gsize) sysconf (_SC_PAGESIZE);
  gsize inner = MAX ((size + page - 1) / page, 1) * page;
  Mapping m = {NULL, inner + 2 * page};

  m.map = mmap (NULL, m.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (m.map == MAP_FAILED
      || mprotect ((guint8 *) m.map + page, inner, PROT_READ | PROT_WRITE))
    g_error ("cannot map %" G_GSIZE_FORMAT " bytes", m.size);
  if (mappings == NULL)
    mappings = g_array_new (FALSE, FALSE, sizeof (Mapping));
  g_array_append_val (mappings, m);
  memset ((guint8 *) m.map + page, 0xa5, inner);
  return (guint8 *) m.map + page + (guard == GUARD_END ? inner - size : 0);
}

void
guard_free_all (void)
{
  for (guint i = 0; mappings && i < mappings->len; i++) {
    Mapping *m = &g_array_index (mappings, Mapping, i);
    munmap (m->map, m->size);
  }
  g_clear_pointer (&mappings, g_array_unref);
}

/* Numbers */

static guint32 random_state = 1;

guint32
check_random (void)
{
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}

float
check_random_float (float magnitude)
{
  return magnitude * ((float) (check_random () >> 8) / 8388608.0f - 1.0f);
}

void
check_fill (float *x, gsize n, Fill fill)
{
  for (gsize i = 0; i < n; i++) {
    switch (fill) {
      case FILL_ZERO:
        x[i] = 0;
        break;
      case FILL_MAX:
        x[i] = 8.0f;
        break;
      case FILL_MIN:
        x[i] = -8.0f;
        break;
      case FILL_WIDE:
        x[i] = check_random_float (1.0f)
               * powf (10.0f, (float) (check_random () % 13) - 6.0f);
        break;
      default:
        x[i] = check_random_float (2.0f);
    }
  }
}

guint64
check_ulp (float a, float b)
{
  gint32 bits[2];

  if (isnan (a) || isnan (b))
    return isnan (a) && isnan (b) ? 0 : G_MAXUINT64;
  memcpy (&bits[0], &a, sizeof a);
  memcpy (&bits[1], &b, sizeof b);
  for (int i = 0; i < 2; i++) {
    if (bits[i] < 0) /* order of the values instead of sign and magnitude */
      bits[i] = G_MININT32 - bits[i];
  }
  return (guint64) ABS ((gint64) bits[0] - bits[1]);
}

void
check_near (
    const char *what, gsize index, float found, double expected, double bound)
{
  if (isnan (found) && isnan (expected))
    return;
  if (!(fabs ((double) found - expected) <= bound))
    g_error ("%s: [%" G_GSIZE_FORMAT "] is %.9g, expected %.9g within %.3g",
        what, index, (double) found, expected, bound);
}

gint64
check_time_ns (void)
{
  struct timespec t;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (gint64) t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Running */

static void
run_case (gconstpointer data)
{
  const Case *c = data;

  random_state = 1;
  c->entry->check (c->k, &tables[0], c->entry->data);
  guard_free_all ();
}

/* Each pointer of the table belongs to an entry, and none is missing. */
static void
test_completeness (void)
{
  gsize first = G_STRUCT_OFFSET (BnKernels, matmul);

  for (gsize at = first; at < sizeof (BnKernels); at += sizeof (gpointer)) {
    gboolean is_covered = FALSE;

    for (guint i = 0; i < entries->len; i++) {
      const Entry *entry = &g_array_index (entries, Entry, i);
      is_covered |= at >= entry->slot && at < entry->slot + entry->size;
    }
    if (!is_covered)
      g_error ("no entry checks the slot at offset %" G_GSIZE_FORMAT, at);
  }
  for (guint i = 0; i < n_tables; i++) {
    const gpointer *slots = (gconstpointer) &tables[i].rms_norm;
    gsize n_slots = (sizeof (BnKernels) - G_STRUCT_OFFSET (BnKernels, rms_norm))
                    / sizeof (gpointer);

    for (gsize slot = 0; slot < n_slots; slot++)
      g_assert_nonnull (slots[slot]);
    for (int act = 0; act < BN_N_ACTS; act++)
      g_assert_nonnull (tables[i].quantize[act]);
    for (int pack = 0; pack < BN_N_PACKS; pack++) {
      const BnMatmulOps *ops = &tables[i].matmul[pack];

      g_assert_nonnull (ops->matmul);
      g_assert_nonnull (ops->packed_size);
      g_assert_cmpuint (ops->row_tile, >, 0);
      /* packed or in place, not both */
      g_assert_true ((ops->pack == NULL) == (ops->packed_size (3, 256) == 0));
      g_assert_null (tables[i].in_place[pack].pack);
    }
  }
}

static void
test_mask (void)
{
  g_assert_cmphex (bn_cpu_parse_mask (NULL), ==, ~0u);
  g_assert_cmphex (bn_cpu_parse_mask (""), ==, ~0u);
  g_assert_cmphex (bn_cpu_parse_mask ("none"), ==, 0);
  g_assert_cmphex (bn_cpu_parse_mask ("0"), ==, 0);
  g_assert_cmphex (bn_cpu_parse_mask ("0x3"), ==, 3);
  g_assert_cmphex (bn_cpu_parse_mask ("avx2"), ==, BN_CPU_AVX2);
  g_assert_cmphex (
      bn_cpu_parse_mask ("avx512"), ==, BN_CPU_AVX2 | BN_CPU_AVX512);
  g_assert_cmphex (bn_cpu_parse_mask ("avx512vnni"), ==,
      BN_CPU_AVX2 | BN_CPU_AVX512 | BN_CPU_AVX512_VNNI);
  g_assert_cmphex (
      bn_cpu_parse_mask ("neon,avx2"), ==, BN_CPU_NEON | BN_CPU_AVX2);
  g_assert_cmphex (bn_cpu_parse_mask ("whatever"), ==, ~0u);
  g_assert_cmpstr (bn_cpu_level_name (0), ==, "c");
  g_assert_cmpstr (
      bn_cpu_level_name (BN_CPU_AVX2 | BN_CPU_AVX512), ==, "avx512");
  g_assert_cmpstr (bn_cpu_level_name (~0u), ==, "avx512vnni");
}

/* Whether the entry's slots are those of the table below. */
static gboolean
is_inherited (guint table, const Entry *entry)
{
  const char *slots = (const char *) &tables[table];

  return table > 0
         && memcmp (slots + entry->slot, slots + entry->slot - sizeof *tables,
                entry->size)
                == 0;
}

static void
add_table (unsigned flags)
{
  unsigned mask = bn_cpu_parse_mask (g_getenv ("BITNET_CPU_MASK"));
  BnKernels *table = &tables[n_tables];

  bn_kernels_init (table, flags & mask);
  if (n_tables == 0 || table->cpu_flags != tables[n_tables - 1].cpu_flags)
    n_tables++;
}

/* GB/s of one thread that reads far more than the caches hold. */
static double
measure_memory (void)
{
  ToolProbe *probe = tool_probe_new (1, PROBE_SIZE);
  double best = 0;

  if (probe == NULL)
    g_error ("no memory for %d bytes", PROBE_SIZE);
  for (int run = 0; run < (bench_is_quick ? 2 : 10); run++)
    best = MAX (best, tool_probe_run (probe, TOOL_PROBE_STREAM, 1));
  tool_probe_free (probe);
  return best / 1e9;
}

void
bench_report (const char *name, const char *what, const BnKernels *k, double ns,
    double bytes, double macs)
{
  g_print ("%-27s %-14s %-10s %10.0f ns", name, what,
      bn_cpu_level_name (k->cpu_flags), ns);
  if (bytes > 0)
    g_print (
        " %8.2f GB/s %5.0f %%", bytes / ns, 100 * bytes / ns / memory_rate);
  if (macs > 0)
    g_print (" %8.2f GMAC/s", macs / ns);
  g_print ("\n");
}

static int
run_benchmarks (const char *filter, gboolean is_quick)
{
  bench_is_quick = is_quick;
  memory_rate = measure_memory ();
  g_print ("memory, one thread: %.1f GB/s; levels:", memory_rate);
  for (guint table = 0; table < n_tables; table++)
    g_print (" %s", bn_cpu_level_name (tables[table].cpu_flags));
  g_print ("\n");
  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);

    if (!entry->bench || (filter && !strstr (entry->name, filter)))
      continue;
    for (guint table = 0; table < n_tables; table++) {
      if (is_inherited (table, entry))
        continue;
      entry->bench (&tables[table], &tables[0], entry->data);
      guard_free_all ();
    }
  }
  return EXIT_SUCCESS;
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) cases = g_ptr_array_new_with_free_func (g_free);
  int status;

  entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  check_add_matmul ();
  check_add_quantize ();
  check_add_vector ();
  check_add_attend ();
  check_add_text ();
  add_table (0);
  add_table (BN_CPU_AVX2 | BN_CPU_NEON);
  add_table (BN_CPU_AVX2 | BN_CPU_AVX512 | BN_CPU_NEON | BN_CPU_DOTPROD);
  add_table (~0u);
  if (argc > 1 && g_str_has_suffix (argv[1], "bench"))
    return run_benchmarks (
        argc > 2 ? argv[2] : NULL, strcmp (argv[1], "--quick-bench") == 0);

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kernels/completeness", test_completeness);
  g_test_add_func ("/kernels/mask", test_mask);
  for (guint table = 0; table < n_tables; table++) {
    for (guint i = 0; i < entries->len; i++) {
      const Entry *entry = &g_array_index (entries, Entry, i);
      g_autofree char *path = g_strdup_printf ("/kernels/%s/%s",
          bn_cpu_level_name (tables[table].cpu_flags), entry->name);
      Case *c;

      if (is_inherited (table, entry))
        continue;
      c = g_new (Case, 1);
      *c = (Case){entry, &tables[table]};
      g_ptr_array_add (cases, c);
      g_test_add_data_func (path, c, run_case);
    }
  }
  status = g_test_run ();
  g_array_unref (entries);
  return status;
}
