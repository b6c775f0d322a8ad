/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the system says about its processors (Linux: sysfs-devices-system-cpu,
 * cgroups). Every file may be absent or hold anything: then the processors
 * count as equal, unlimited cores. */
#define _GNU_SOURCE /* CPU_SET */
#include "bn-cpu-topology.h"

#include <sched.h>

#include "bn-system.h"

typedef struct {
  int number;
  int core;       /* the number of the first processor of its core */
  uint64_t speed; /* in any unit; 0: not known */
} Cpu;

#define CPU_PATH "/sys/devices/system/cpu/cpu%d/"

/* The first in a list such as "0-1" or "3,67"; number itself where there is
 * none. */
static int
find_core (const char *root, int number)
{
  uint64_t first;

  if (!bn_system_read_number (
          root, &first, CPU_PATH "topology/thread_siblings_list", number)
      || first >= CPU_SETSIZE)
    return number;
  return (int) first;
}

static uint64_t
find_speed (const char *root, int number)
{
  uint64_t speed;

  if (bn_system_read_number (root, &speed, CPU_PATH "cpu_capacity", number)
      || bn_system_read_number (
          root, &speed, CPU_PATH "cpufreq/cpuinfo_max_freq", number))
    return speed;
  return 0;
}

static int
compare_cpus (const void *a, const void *b)
{
  const Cpu *x = a, *y = b;

  if (x->speed != y->speed)
    return x->speed > y->speed ? -1 : 1;
  return x->number - y->number;
}

/* Processors' worth of time that the control groups allow, rounded up;
 * UINT32_MAX: no limit. */
static uint32_t
find_group_limit (const char *root)
{
  uint64_t limit = UINT32_MAX;
  g_auto (GStrv) groups = bn_system_list_groups (root, "cpu");

  for (char **group = groups; *group != NULL; group++) {
    uint64_t quota, period;
    gboolean is_limited =
        bn_system_read_numbers (root, &quota, &period, "%s/cpu.max", *group)
        || (bn_system_read_number (root, &quota, "%s/cpu.cfs_quota_us", *group)
            && bn_system_read_number (
                root, &period, "%s/cpu.cfs_period_us", *group));

    if (is_limited && quota > 0 && period > 0)
      limit = MIN (limit, (quota - 1) / period + 1);
  }
  return (uint32_t) limit;
}

GArray *
bn_cpu_topology_choose (
    const char *root, const int *allowed, uint32_t n_allowed)
{
  g_autoptr (GArray) cpus = g_array_new (FALSE, FALSE, sizeof (Cpu));
  GArray *chosen = g_array_new (FALSE, FALSE, sizeof (int));
  const uint32_t limit = find_group_limit (root);
  cpu_set_t seen;
  uint64_t fastest = 0;
  gboolean is_known = TRUE;

  CPU_ZERO (&seen);
  for (uint32_t i = 0; i < n_allowed; i++) {
    Cpu cpu = {allowed[i], find_core (root, allowed[i]), 0};

    if (CPU_ISSET (cpu.core, &seen))
      continue;
    CPU_SET (cpu.core, &seen);
    cpu.speed = find_speed (root, cpu.number);
    is_known &= cpu.speed > 0;
    fastest = MAX (fastest, cpu.speed);
    g_array_append_val (cpus, cpu);
  }
  /* Speeds of some say nothing about the others. */
  if (is_known && cpus->len > 0)
    qsort (cpus->data, cpus->len, sizeof (Cpu), compare_cpus);
  for (guint i = 0; i < cpus->len && chosen->len < limit; i++) {
    const Cpu *cpu = &g_array_index (cpus, Cpu, i);
    if (!is_known || cpu->speed >= fastest - fastest / 2)
      g_array_append_val (chosen, cpu->number);
  }
  if (chosen->len == 0) {
    int number = n_allowed > 0 ? allowed[0] : 0;
    g_array_append_val (chosen, number);
  }
  return chosen;
}

GArray *
bn_cpu_topology_get (void)
{
  int allowed[CPU_SETSIZE];
  uint32_t n_allowed = 0;
  cpu_set_t set;

  CPU_ZERO (&set);
  sched_getaffinity (0, sizeof set, &set);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (CPU_ISSET (cpu, &set))
      allowed[n_allowed++] = cpu;
  }
  return bn_cpu_topology_choose ("", allowed, n_allowed);
}
