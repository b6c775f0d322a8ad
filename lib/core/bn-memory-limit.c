/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is needed counts as if all of it were touched at a time. Weights that
 * are used in the file count as well: the system may take their pages at any
 * time, but a pass reads all of them, so a file that does not fit is read
 * from the disk again for every token. Pages of a file that is packed do not
 * count: they are let go as soon as they are packed. */
#include "bn-memory-limit.h"

#include <sys/resource.h>
#include <unistd.h>

#include "bitnet-env.h"
#include "bitnet-error.h"
#include "bn-system.h"

#define MIB (1024.0 * 1024.0)

static uint64_t
subtract (uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

/* What a control group still gives: what it has of files it can give up. */
static uint64_t
get_group_rest (const char *root, const char *group)
{
  uint64_t limit, used, files, sum = 0;
  const char *const fields[2][2] = {{"inactive_file", "active_file"},
      {"total_inactive_file", "total_active_file"}};
  int version = 2;

  if (!bn_system_read_number (root, &limit, "%s/memory.max", group)
      || !bn_system_read_number (root, &used, "%s/memory.current", group)) {
    version = 1;
    if (!bn_system_read_number (root, &limit, "%s/memory.limit_in_bytes", group)
        || !bn_system_read_number (
            root, &used, "%s/memory.usage_in_bytes", group))
      return UINT64_MAX;
  }
  for (int i = 0; i < 2; i++) {
    if (bn_system_read_field (
            root, &files, fields[2 - version][i], "%s/memory.stat", group))
      sum += MIN (files, used);
  }
  return subtract (limit, subtract (used, sum));
}

uint64_t
bn_memory_get_available (const char *root, const char **limit)
{
  uint64_t available = UINT64_MAX;
  uint64_t kib;
  g_auto (GStrv) groups = bn_system_list_groups (root, "memory");

  *limit = "nothing";
  if (bn_system_read_field (root, &kib, "MemAvailable:", "/proc/meminfo")) {
    available = MIN (kib, UINT64_MAX / 1024) * 1024;
    *limit = "the machine's memory";
  }
  for (char **group = groups; *group != NULL; group++) {
    const uint64_t rest = get_group_rest (root, *group);

    if (rest < available) {
      available = rest;
      *limit = "the limit of the control group";
    }
  }
  return available;
}

/* Address space that the process may still reserve. */
static uint64_t
get_address_space (const char *root)
{
  struct rlimit limit;
  uint64_t n_pages;

  if (getrlimit (RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY
      || !bn_system_read_number (root, &n_pages, "/proc/self/statm"))
    return UINT64_MAX;
  return subtract (limit.rlim_cur, n_pages * (uint64_t) sysconf (_SC_PAGESIZE));
}

static uint64_t
add (uint64_t a, uint64_t b)
{
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

gboolean
bn_memory_check (const char *root, const char *path, const BnMemoryNeed *need,
    GError **error)
{
  const uint64_t fixed = bitnet_env_uint64 ("BITNET_MEMORY_LIMIT", UINT64_MAX);
  const uint64_t working = add (need->scratch, need->cache);
  const uint64_t weights = add (need->weights, need->mapped);
  uint64_t needed = add (weights, working);
  uint64_t available, space;
  const char *limit = "BITNET_MEMORY_LIMIT";

  if (fixed == 0)
    return TRUE;
  if (fixed != UINT64_MAX)
    available = MIN (fixed, UINT64_MAX >> 20) << 20;
  else
    available = bn_memory_get_available (root, &limit);
  space = get_address_space (root);
  if (needed <= available) {
    needed = add (need->weights, need->reserved);
    if (needed <= space)
      return TRUE;
    available = space;
    limit = "the limit of the address space";
  }
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY,
      "%s: the model needs %.0f MiB of memory (%.0f for its weights), but %s "
      "leaves %.0f MiB; use a smaller model, a smaller batch or context%s, or "
      "set BITNET_MEMORY_LIMIT=0 to try it all the same",
      path, (double) needed / MIB, (double) weights / MIB, limit,
      (double) available / MIB, need->weights > 0 ? ", repack=never" : "");
  return FALSE;
}
